//! The report of a run: `index.html`, one file that loads nothing and can be read without scripts.

mod chart;
mod explorer;
mod gallery;
mod label;
mod page;
mod time;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

pub use explorer::{
    Curves, Decoder, Dense, Explorer, Frames, Outputs, Plane, Position, Scene, Series, TableColumn,
    TablePlane,
};
pub use gallery::gallery;
pub use label::Label;
pub use time::utc;

use super::error::io_error;
use super::{RunError, RunFolder};
use crate::train::write_aside;

/// What a run has to show besides its numbers.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What was found, in plain words; empty if nobody said so.
    pub(super) found: String,
    /// The package of the program, and the section of its `README.md` about it.
    pub(super) section: Option<(String, String)>,
    /// What the results are.
    pub(super) labels: Vec<Label>,
    pub(super) pictures: Vec<Picture>,
    pub(super) explorers: Vec<Explorer>,
}

/// A picture among the files of the run.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) name: String,
    /// What it shows and what to look for.
    pub(super) text: String,
}

impl Report {
    /// The name of the file in the folder of the run.
    pub(super) const NAME: &str = "index.html";

    /// Adds a picture, in place of an earlier one of this name.
    pub(super) fn picture(&mut self, name: &str, text: &str) {
        self.pictures.retain(|picture| picture.name != name);
        self.pictures.push(Picture { name: name.to_owned(), text: text.to_owned() });
    }

    /// Writes the page about a run with these results, which took so many seconds.
    ///
    /// # Panics
    /// If a result has no label, at the caller's line.
    #[track_caller]
    pub(super) fn write(
        &self,
        folder: &RunFolder,
        results: &[(String, String)],
        seconds: f64,
    ) -> Result<(), RunError> {
        let run = page::Facts {
            program: program(),
            command: command(self.section.as_ref().map(|(package, _)| &**package), std::env::args_os()),
            flags: flags(folder)?,
            results: label::labelled(&self.labels, results),
            ended: utc(SystemTime::now()),
            seconds,
        };
        let page = page::page(run, self, folder)?;
        let path = folder.file(Self::NAME);
        write_aside(&path, page.as_bytes()).map_err(io_error("write", &path))
    }
}

/// The name of the program.
fn program() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    Path::new(&program).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The flags of the run, as its folder keeps them.
fn flags(folder: &RunFolder) -> Result<Value, RunError> {
    let path = folder.file(super::folder::ARGS);
    let text = fs::read_to_string(&path).map_err(io_error("read", &path))?;
    serde_json::from_str(&text).map_err(|error| RunError::Damaged { path, reason: error.to_string() })
}

/// The command that does a run again from its beginning, for a shell: the user's own, without what says how an earlier run
/// is treated. Of the program's path only its name is told.
fn command(package: Option<&str>, words: impl IntoIterator<Item = OsString>) -> String {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program);
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let is_example = program.parent().and_then(Path::file_name).is_some_and(|folder| folder == "examples");
    let mut line = match (is_example, package) {
        (true, Some(package)) => format!("cargo run --release -p {package} --example {}", quoted(&name)),
        (true, None) => format!("cargo run --release --example {}", quoted(&name)),
        (false, _) => quoted(&name),
    };
    let mut flags = Vec::new();
    let mut file_may_follow = false;
    for word in words.map(|word| word.to_string_lossy().into_owned()) {
        let follows = std::mem::replace(&mut file_may_follow, word == "--resume") && !word.starts_with('-');
        let is_dropped = ["--force", "--resume"].contains(&&*word) || word.starts_with("--resume=");
        if !follows && !is_dropped {
            flags.push(quoted(&word));
        }
    }
    if is_example && !flags.is_empty() {
        line += " --";
    }
    flags.iter().for_each(|flag| line += &format!(" {flag}"));
    line
}

/// A word for a shell: in single quotes, unless no character has a meaning for it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
