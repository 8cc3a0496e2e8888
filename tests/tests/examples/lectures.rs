//! `tests/lectures.md` says where each page of the lectures is: what it names exists.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use tests::programs::root;

use crate::every::examples;
use crate::texts::files;

/// Whether the thing between backticks exists: `FILE`, a test as `FILE::function`, or a picture as `PROGRAM: NAME.png`, which a
/// source beside that program names. `crates` has the crate of each program.
fn exists(root: &Path, crates: &HashMap<String, String>, named: &str) -> bool {
    if let Some((file, test)) = named.split_once("::") {
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        return source.contains(&format!("fn {test}("));
    }
    let Some((program, picture)) = named.split_once(": ") else { return root.join(named).is_file() };
    let Some(package) = crates.get(program) else { return false };
    let (stem, end) = picture.split_once('*').unwrap_or((picture, ""));
    let sources = files(&root.join(package).join("examples"), "rs").into_iter();
    sources
        .map(|path| fs::read_to_string(path).unwrap())
        .any(|text| text.contains(stem) && text.contains(end))
}

#[test]
fn what_the_pages_of_the_lectures_became_exists() {
    let text = fs::read_to_string(root().join("tests/lectures.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let crates = examples().into_iter().map(|(package, name, _)| (name, package)).collect();
    let mut named = 0;
    for row in &rows {
        let columns = row.matches(" | ").count();
        assert!(columns == 5 || row.starts_with("| ---"), "expected six columns, found {row}");
        for name in row.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(exists(&root(), &crates, name), "{row}\nthere is no {name}");
        }
    }
    assert!(rows.len() > 90 && named > 200, "only {} rows that name {named} things", rows.len());
    assert!(
        !exists(&root(), &crates, "vae/src/model.rs::no_such_test")
            && !exists(&root(), &crates, "digits: no.png")
    );
}
