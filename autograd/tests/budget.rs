//! The engine stays small enough to be read in an evening, and an operation in a minute.
//!
//! The *engine* is what a reader must follow to know how a tape works: all but `ops`, `kernels`, `gradcheck`, and the two
//! that only look at a tape from outside, `diagnose` and `profile`. It has one limit, since it is read as a whole.
//! *Operations* are read one at a time, each on its own: a new one makes none of the others harder to read, so what is
//! limited is their length on average, not their number. Not counted are blank lines, comments and docs, unit tests, the
//! checks (`gradcheck` and each operation's cases), and the kernels (the folder, and the loops over slices inside `kernel!`).

use std::path::{Path, PathBuf};

/// The source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let inside = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries
        .flat_map(inside)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The lines that count.
fn code(source: &str) -> usize {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut lines = source.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"));
    let mut count = 0;
    while let Some(line) = lines.next() {
        if ["#[cfg(test)]", "fn cases", "kernel! {"].iter().any(|start| line.trim().starts_with(start)) {
            // Up to the brace that closes it, or the trait that only declares it.
            let closes = |next: &&str| next.trim().starts_with('}') && indentation(next) <= indentation(line);
            let last = lines.by_ref().find(closes);
            count += usize::from(last.is_some_and(|last| indentation(last) < indentation(line)));
        } else {
            count += 1;
        }
    }
    count
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines that count in some of the files.
fn total(files: &[PathBuf]) -> usize {
    files.iter().map(|path| code(&std::fs::read_to_string(path).unwrap())).sum()
}

#[test]
fn the_engine_has_fewer_than_a_thousand_and_fifty_lines_of_code() {
    let mut files = sources(&folder());
    // By the place in the crate alone: the folders above it may have any name.
    let outside = ["ops", "kernels", "gradcheck", "gradcheck.rs", "diagnose.rs", "profile.rs"]
        .map(|name| folder().join(name));
    files.retain(|path| !outside.iter().any(|place| path.starts_with(place)));
    let lines = total(&files);
    println!("{lines} lines of code in {} files", files.len());
    assert!((500..1050).contains(&lines), "{lines} lines of code");
}

#[test]
fn an_operation_has_at_most_twenty_five_lines_of_code_on_average() {
    let (lines, operations) = (total(&sources(&folder().join("ops"))), autograd::ops::catalogue().len());
    println!("{lines} lines of code in {operations} operations");
    assert!(lines >= 500 && lines <= 25 * operations, "{lines} lines of code in {operations} operations");
}

#[test]
fn no_file_is_longer_than_five_hundred_lines_and_the_tape_not_than_three_hundred() {
    for path in sources(&folder()) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        let limit = if path.ends_with("tape.rs") { 300 } else { 500 };
        assert!(lines <= limit, "{}: {lines} lines", path.display());
    }
}

#[test]
fn what_does_not_count_is_not_counted() {
    let source = "//! Docs\nuse a;\n\nimpl A {\n    // why\n    fn f() {}\n\n    fn cases() {\n        1;\n    }\n}\n\n\
                  trait B {\n    fn cases()\n    where\n        Self: Sized;\n}\n\nkernel! {\n    fn g() {\n    }\n}\n\n\
                  #[cfg(test)]\nmod tests {\n    x;\n}\n";
    let counted = ["use a;", "impl A {", "    fn f() {}", "}", "trait B {", "}"];
    assert_eq!(code(source), counted.len());
}
