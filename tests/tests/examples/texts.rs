//! The Markdown files quote only code that exists, and name and link only to files that exist. No file of code is long.

use std::fs;
use std::path::{Path, PathBuf};

use tests::programs::root;

use crate::every::examples;

/// The files below a folder with this extension; build outputs and hidden folders are left out.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !["target", "out"].contains(&&*name) {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found
}

/// Whether it is a chapter of the course: its code is compiled and run as tests of the documentation of its crate.
fn is_chapter(path: &Path) -> bool {
    path.ends_with("CHAPTER.md")
}

/// The Markdown files of the repository with their texts.
fn texts() -> Vec<(PathBuf, String)> {
    let texts =
        files(&root(), "md").into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    texts.collect()
}

#[test]
fn quoted_code_exists() {
    let lines: std::collections::HashSet<String> = files(&root(), "rs")
        .iter()
        .flat_map(|path| {
            let source = fs::read_to_string(path).unwrap();
            source.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let mut quoted = 0;
    for (path, text) in texts().into_iter().filter(|(path, _)| !is_chapter(path)) {
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("```") {
                inside = line == "```rust";
            } else if inside && !line.is_empty() {
                quoted += 1;
                assert!(lines.contains(line), "{}: no source has the line {line}", path.display());
            }
        }
    }
    assert!(quoted > 10, "only {quoted} lines of code in READMEs");
}

#[test]
fn a_library_whose_tests_are_not_run_has_none() {
    let mut untested = 0;
    for entry in fs::read_dir(root()).unwrap() {
        let member = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(member.join("Cargo.toml")) else { continue };
        let lib = manifest.split_once("[lib]\n").map_or("", |(_, rest)| rest.split("\n[").next().unwrap());
        if !lib.contains("test = false") {
            continue;
        }
        untested += 1;
        for path in files(&member.join("src"), "rs") {
            let is_tested = fs::read_to_string(&path).unwrap().contains("#[test]");
            assert!(!is_tested, "{}: remove test = false from the manifest", path.display());
        }
    }
    assert!(untested > 0, "no manifest says test = false");
}

#[test]
fn no_file_of_code_has_more_than_500_lines() {
    for extension in ["rs", "js", "css", "py"] {
        let files = files(&root(), extension);
        assert!(!files.is_empty(), "no files with the extension {extension}");
        for path in files {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 500, "{}: expected at most 500 lines, found {lines}", path.display());
        }
    }
}

/// What the headings of a page are called in links to them: small letters, blanks as hyphens, no punctuation.
fn anchors(text: &str) -> Vec<String> {
    let mut code = false;
    let headings = text.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code && line.starts_with('#')
    });
    let name = |heading: &str| {
        let small = heading.trim_start_matches('#').trim().to_lowercase();
        let kept =
            small.chars().filter(|c| c.is_alphabetic() || c.is_ascii_digit() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// The chapters show their first program whole.
#[test]
fn minimal_examples_stand_in_their_chapters() {
    let mut shown = 0;
    for (path, text) in texts().iter().filter(|(path, _)| is_chapter(path)) {
        let blocks = text.split("```rust,no_run\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
        for block in blocks {
            shown += 1;
            let examples = files(&path.parent().unwrap().join("examples"), "rs");
            let exists = examples.iter().any(|file| fs::read_to_string(file).unwrap() == block);
            assert!(exists, "{}: no example is this block:\n{block}", path.display());
        }
    }
    assert_eq!(shown, 3);
}

/// Pages load fast, and the repository stays small.
#[test]
fn pictures_have_at_most_100_kilobytes() {
    let pictures = files(&root(), "png");
    for picture in &pictures {
        let size = fs::metadata(picture).unwrap().len();
        assert!(size <= 100_000, "{}: {size} bytes", picture.display());
    }
    assert!(pictures.len() > 30, "only {} pictures", pictures.len());
}

/// The README's gallery has a picture of every example that draws one.
#[test]
fn the_gallery_shows_every_example() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let gallery = readme.split_once("\n## Gallery\n").unwrap().1.split("\n## ").next().unwrap();
    let mut shown = 0;
    for (package, name, source) in examples() {
        // A program with a report, but for the benchmark, which needs data.
        if source.contains("Run::open(") && name != "uci" {
            assert!(gallery.contains(&format!("--example {name}")), "{package}/{name}: not in the gallery");
            shown += 1;
        }
    }
    assert!(shown > 20, "only {shown} examples");
}

#[test]
fn links_lead_to_files() {
    let mut links = 0;
    for (path, text) in texts() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            links += 1;
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: there is no {link}", path.display());
            if !anchor.is_empty() {
                let found = anchors(&fs::read_to_string(target).unwrap());
                assert!(
                    found.iter().any(|found| found == anchor),
                    "{}: no heading is #{anchor}",
                    path.display()
                );
            }
        }
    }
    assert!(links > 10, "only {links} links");
}

/// The folder of the crate that a file belongs to: the nearest one above it with a `Cargo.toml`.
fn crate_of(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.join("Cargo.toml").is_file()).unwrap()
}

#[test]
fn source_files_that_are_named_exist() {
    let mut named = 0;
    for (path, text) in texts() {
        // The changelog names files of earlier versions.
        if path.ends_with("CHANGELOG.md") {
            continue;
        }
        for line in text.lines() {
            for file in line.split('`').skip(1).step_by(2) {
                // Capitals stand for any name, as in CRATE/src/lib.rs.
                let is_path = file.ends_with(".rs") && file.contains('/') && !file.contains(' ');
                if !is_path || file.contains(char::is_uppercase) {
                    continue;
                }
                named += 1;
                let folders = [path.parent().unwrap(), crate_of(&path), &root()];
                let exists = folders.iter().any(|folder| folder.join(file).is_file());
                assert!(exists, "{}: there is no {file}", path.display());
            }
        }
    }
    assert!(named > 10, "only {named} source files are named");
}
