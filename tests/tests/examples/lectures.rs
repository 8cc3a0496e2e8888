//! `tests/lectures.md` says where each page of the lectures is: what it names exists.

use std::fs;
use std::path::Path;

use tests::programs::root;

use crate::texts::files;

/// Whether the thing between backticks exists: `FILE`, a test as `FILE::function`, or a picture as `PROGRAM: NAME.png`, which a
/// source of that program or beside it names.
fn exists(root: &Path, named: &str) -> bool {
    if let Some((file, test)) = named.split_once("::") {
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        return source.contains(&format!("fn {test}("));
    }
    let Some((program, picture)) = named.split_once(": ") else { return root.join(named).is_file() };
    let (stem, end) = picture.split_once('*').unwrap_or((picture, ""));
    let crates = ["autograd", "nn", "vae", "bayes-nn", "gpvae"].map(|name| root.join(name).join("examples"));
    crates.iter().filter(|folder| is_program(folder, program)).any(|folder| {
        let mut sources = files(folder, "rs").into_iter().map(|path| fs::read_to_string(path).unwrap());
        sources.any(|source| source.contains(stem) && source.contains(end))
    })
}

fn is_program(folder: &Path, name: &str) -> bool {
    folder.join(name).with_extension("rs").is_file() || folder.join(name).join("main.rs").is_file()
}

#[test]
fn what_the_pages_of_the_lectures_became_exists() {
    let text = fs::read_to_string(root().join("tests/lectures.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let mut named = 0;
    for row in &rows {
        let columns = row.matches(" | ").count();
        assert!(columns == 5 || row.starts_with("| ---"), "expected six columns, found {row}");
        for name in row.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(exists(&root(), name), "{row}\nthere is no {name}");
        }
    }
    assert!(rows.len() > 90 && named > 200, "only {} rows that name {named} things", rows.len());
    assert!(!exists(&root(), "vae/src/model.rs::no_such_test") && !exists(&root(), "digits: no.png"));
}
