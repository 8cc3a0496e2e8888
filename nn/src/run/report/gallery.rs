//! One page of many runs.

use std::fs;
use std::path::{Component, Path, PathBuf};

use maud::{Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

use super::label::Labelled;
use super::{Report, page};
use crate::run::RunError;
use crate::run::error::io_error;
use crate::train::write_aside;

/// What a report says of its run to programs.
#[derive(Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) program: String,
    pub(super) command: String,
    pub(super) ended: String,
    pub(super) found: String,
    pub(super) results: Vec<Labelled>,
    pub(super) picture: Option<String>,
}

/// In front of a summary in a page, and behind it.
const MARKS: (&str, &str) = ("<script type=\"application/json\" id=\"run\">", "</script>");

impl Summary {
    /// As a part of a page.
    pub(super) fn markup(&self) -> Markup {
        PreEscaped(format!("{}{}{}", MARKS.0, page::json(self), MARKS.1))
    }

    /// That of the run in a folder.
    fn read(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(Report::NAME);
        let text = fs::read_to_string(&path).map_err(io_error("read", &path))?;
        let summary = text.split_once(MARKS.0).and_then(|(_, rest)| rest.split_once(MARKS.1));
        let damaged = |reason: &str| RunError::Damaged { path: path.clone(), reason: reason.to_owned() };
        let (summary, _) =
            summary.ok_or_else(|| damaged("expected the report of a run, found another page"))?;
        serde_json::from_str(summary).map_err(|error| damaged(&error.to_string()))
    }
}

/// Writes a page with the first picture of each of these runs, what was found, and the results, and links to their reports. The links are
/// relative: page and folders can be moved together.
///
/// # Errors
/// [`RunError`] if a folder has no report, or the page cannot be written.
pub fn gallery(path: &Path, runs: &[PathBuf]) -> Result<(), RunError> {
    let whole = |path: &Path| fs::canonicalize(path).map_err(io_error("find", path));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = whole(parent)?;
    let cards = runs.iter().map(|folder| {
        let summary = Summary::read(folder)?;
        Ok(card(&summary, &address(&parent, &whole(folder)?)))
    });
    let cards: Vec<Markup> = cards.collect::<Result<_, RunError>>()?;
    let body = html! {
        h1 { "Runs" }
        main.gallery { @for card in &cards { (card) } }
    };
    let page = page::shell("Runs", "data: file: 'self'", &body).into_string();
    write_aside(path, page.as_bytes()).map_err(io_error("write", path))
}

fn card(run: &Summary, folder: &str) -> Markup {
    html! {
        section {
            h2 { a href={ (folder) "/" (Report::NAME) } { (run.program) } }
            @if let Some(picture) = &run.picture {
                a href={ (folder) "/" (Report::NAME) } {
                    img src={ (folder) "/" (page::escaped(picture)) } alt=(picture) loading="lazy";
                }
            }
            @if !run.found.is_empty() { p { (run.found) } }
            details {
                summary { (run.results.len()) " results" }
                (page::results(&run.results))
            }
            code { (run.command) }
            p.hint { "ended " (run.ended.replace(['T', 'Z'], " ")) "UTC" }
        }
    }
}

/// The address of a folder as it is seen from another one. Both are whole paths without links.
fn address(from: &Path, to: &Path) -> String {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared).filter_map(|part| match part {
        Component::Normal(name) => Some(page::escaped(&name.to_string_lossy())),
        _ => None,
    });
    let parts: Vec<String> = [".".to_owned()].into_iter().chain(up).chain(down).collect();
    parts.join("/")
}
