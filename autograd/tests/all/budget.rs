//! The algorithm stays small enough to be read in an evening, and an operation in a minute.
//!
//! The folder `tape` is what a reader must follow to know how a tape works; it has one limit, since it is read as a whole.
//! *Operations* are read one at a time, each on its own: a new one makes none of the others harder to read, so what is
//! limited is their length on average, not their number. Not counted are blank lines, comments and docs, unit tests, the
//! checks (each operation's cases), and the kernels (the loops over slices inside `kernel!`).

use std::path::{Path, PathBuf};

use autograd::check::{Operation, Visitor, catalogue};

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
fn the_algorithm_has_at_most_eight_hundred_lines_of_code() {
    let lines = total(&sources(&folder().join("tape")));
    println!("{lines} lines of code");
    assert!((300..=800).contains(&lines), "{lines} lines of code");
}

#[test]
fn an_operation_has_at_most_twenty_five_lines_of_code_on_average() {
    struct Count(usize);
    impl Visitor for Count {
        fn visit<O: Operation>(&mut self) {
            self.0 += 1;
        }
    }
    let mut operations = Count(0);
    catalogue(&mut operations);
    let (lines, operations) = (total(&sources(&folder().join("ops"))), operations.0);
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
