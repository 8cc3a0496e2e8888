//! The sections "Use it on new data" of the READMEs: their commands run as they stand there, and say what stands below them.

use std::fs;
use std::process::Command;

use tests::programs::{program, root};

use crate::text;

/// The lines of the code of the section, if the README has it.
fn section(readme: &str) -> Option<Vec<&str>> {
    let section = readme.split_once("\n## Use it on new data\n")?.1;
    let section = section.split("\n## ").next().unwrap_or(section);
    Some(section.lines().filter_map(|line| line.strip_prefix("    ")).collect())
}

/// A command of the shell: a program in the place of `cargo run`, an interpreter that has what it takes in that of `python3`. None if
/// there is no such interpreter.
fn command(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("cargo run --release -p ") {
        let (_, rest) = rest.split_once(" --example ").expect("an example");
        let (name, flags) = rest.split_once(" -- ").unwrap_or((rest, ""));
        return Some(format!("'{}' {flags}", program(name).display()));
    }
    let Some(script) = line.strip_prefix("python3 ") else { return Some(line.to_owned()) };
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let ready = Command::new(&python).args(["-c", "import numpy, safetensors"]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: Python with numpy and safetensors is not there; name one by $PYTHON");
        return None;
    }
    Some(format!("'{python}' '{}'/{script}", root().display()))
}

#[cfg(unix)]
#[test]
fn commands_for_new_data_run_as_they_stand_in_the_readmes() {
    let mut commands = 0;
    for name in ["nn", "vae", "bayes-nn", "gpvae"] {
        let readme = fs::read_to_string(root().join(name).join("README.md")).unwrap();
        let Some(lines) = section(&readme) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let mut said = String::new();
        for line in lines {
            let Some(line) = line.strip_prefix("$ ") else {
                assert!(said.contains(line), "{name}: expected {line:?} in\n{said}");
                continue;
            };
            let Some(command) = command(line) else { continue };
            let output = Command::new("sh").args(["-c", &command]).current_dir(dir.path()).output().unwrap();
            said = text(&output.stdout) + &text(&output.stderr);
            assert!(output.status.success(), "{name}: {line}: {said}");
            commands += 1;
        }
    }
    assert!(commands > 8, "only {commands} commands");
}
