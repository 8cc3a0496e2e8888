//! The page.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use serde_json::Value;

use super::chart::{charts, short};
use super::gallery::Summary;
use super::label::Labelled;
use super::{Explorer, Picture, Report};
use crate::model::ModelFile;
use crate::run::error::io_error;
use crate::run::folder::{METRICS, files_of, is};
use crate::run::{RunError, RunFolder};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str =
    concat!(include_str!("report.js"), "\n", include_str!("plane.js"), "\n", include_str!("chart.js"));

/// What was run, and what came of it.
pub(super) struct Facts {
    pub(super) program: String,
    pub(super) command: String,
    pub(super) flags: Value,
    pub(super) results: Vec<Labelled>,
    /// When it ended, in UTC.
    pub(super) ended: String,
    pub(super) seconds: f64,
}

/// The whole page of a run.
pub(super) fn page(run: Facts, report: &Report, folder: &RunFolder) -> Result<String, RunError> {
    let pictures = report.pictures.iter().map(|picture| Ok((picture, image(picture, folder)?)));
    let pictures: Vec<_> = pictures.collect::<Result<_, RunError>>()?;
    let pictures: Vec<_> = pictures.into_iter().filter_map(|(of, data)| Some((of, data?))).collect();
    let metrics = metrics(folder)?;
    let shown = results(&run.results);
    let summary = Summary {
        program: run.program.clone(),
        command: run.command.clone(),
        ended: run.ended.clone(),
        found: report.found.clone(),
        results: run.results,
        picture: pictures.first().map(|(picture, _)| picture.name.clone()),
    };
    let body = html! {
        header {
            h1 { (run.program) }
            dl {
                dt { "command" } dd { code { (run.command) } }
                dt { "data" } dd { (data(&run.flags)) }
                dt { "seed" } dd { (text(&run.flags["seed"])) }
                dt { "version" } dd { (env!("CARGO_PKG_VERSION")) }
                dt { "ended" } dd { time datetime=(run.ended) { (run.ended.replace(['T', 'Z'], " ")) "UTC" } ", after " (duration(run.seconds)) }
                @if let (Some((package, _)), true) = (&report.section, folder.file(ModelFile::NAME).is_file()) {
                    // bayes-nn has bayes_apply, gpvae gp_apply, nn nn_apply, vae vae_apply.
                    @let apply = match package.as_str() { "bayes-nn" => "bayes", "gpvae" => "gp", other => other };
                    dt { "on new data" }
                    dd { code { "cargo run --release -p " (package) " --example " (apply) "_apply -- --help" } " takes this folder as --model" }
                }
                @if let Some((package, section)) = &report.section {
                    dt { "see also" } dd { (package) "/README.md, “" (section) "”" }
                }
            }
        }
        main {
            section {
                h2 { "Results" }
                @if !report.found.is_empty() { p.found { (report.found) } }
                (shown)
                p.hint { "Words such as nat and ELBO are explained in README.md, “Words in what programs print”." }
            }
            @for (i, explorer) in report.explorers.iter().enumerate() { (explore(i, explorer)) }
            @if !pictures.is_empty() {
                section.pictures {
                    h2 { "Pictures" }
                    @for (picture, data) in &pictures { (figure(picture, data)) }
                }
            }
            @if !metrics.is_empty() {
                section {
                    h2 { "Learning" }
                    @for (name, charts) in &metrics {
                        @if metrics.len() > 1 { h3 { (name) } }
                        div.charts { @for chart in charts { (chart) } }
                    }
                }
            }
            section { h2 { "All flags" } (flags(&run.flags)) }
            section { h2 { "Files" } (files(folder)) }
        }
        (summary.markup())
        script { (PreEscaped(SCRIPT)) }
    };
    Ok(shell(&run.program, "data:", &body).into_string())
}

/// A page with this title, which loads nothing but images from these sources.
pub(super) fn shell(title: &str, images: &str, body: &Markup) -> Markup {
    let policy = format!(
        "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

/// Numbers and text for a script of data, within which no text may look as its end.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and text").replace('<', "\\u003c")
}

/// A picture as an address that holds it, and whether it is much wider than high; none if it was not drawn.
fn image(picture: &Picture, folder: &RunFolder) -> Result<Option<(String, bool)>, RunError> {
    let path = folder.file(&picture.name);
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(io_error("read", &path))?;
    // A PNG begins with its width and height.
    let side = |at: usize| {
        bytes.get(at..at + 4).map_or(0, |side| u32::from_be_bytes([side[0], side[1], side[2], side[3]]))
    };
    let is_broad = side(16) > 2 * side(20);
    Ok(Some((format!("data:image/png;base64,{}", STANDARD.encode(&bytes)), is_broad)))
}

/// The sentence of a picture; its source, in parentheses at the end, apart.
fn figure(picture: &Picture, (data, is_broad): &(String, bool)) -> Markup {
    let source = picture.text.rfind(" (lecture ").filter(|_| picture.text.ends_with(')'));
    let (text, source) = match source {
        Some(at) => (&picture.text[..at], Some(&picture.text[at + 2..picture.text.len() - 1])),
        None => (&*picture.text, None),
    };
    html! {
        figure class=[is_broad.then_some("broad")] {
            div { img src=(data) alt=(text) loading="lazy"; }
            figcaption { (text) " " code { (picture.name) } @if let Some(source) = source { cite { (source) } } }
        }
    }
}

fn explore(i: usize, explorer: &Explorer) -> Markup {
    html! {
        section.explorer aria-labelledby={ "explorer-" (i) } {
            h2 id={ "explorer-" (i) } { (explorer.title()) }
            noscript { p { "This part can be moved, and needs scripts for it." } }
            script type="application/json" { (PreEscaped(json(explorer))) }
        }
    }
}

/// The results in words, with their errors, and their names for programs.
pub(super) fn results(results: &[Labelled]) -> Markup {
    html! {
        table.results {
            @for Labelled { name, text, unit, over, value, error } in results {
                @let (shown, shown_error) = numbers(value, error.as_deref());
                tr {
                    th scope="row" {
                        (text)
                        small {
                            @if !unit.is_empty() { (unit) "; " }
                            @if error.is_some() { "± standard error over " (over) "; " }
                            code { (name) }
                        }
                    }
                    td title=(value) { (shown) }
                    @match (error, shown_error) {
                        (Some(error), Some(shown)) => td title=(error) { "± " (shown) },
                        _ => td {},
                    }
                }
            }
        }
    }
}

/// A number as text, and its standard error with two digits; then the number has as many decimals.
fn numbers(value: &str, error: Option<&str>) -> (String, Option<String>) {
    let number = |text: &str| text.parse::<f64>().ok();
    if let (Some(x), Some(se)) = (number(value), error.and_then(number))
        && (1e-6..1e6).contains(&se)
    {
        let decimals = (1 - se.log10().floor() as i32).max(0) as usize;
        let [x, se] = [x, se].map(|x| format!("{x:.decimals$}").replace('-', "−"));
        return (x, Some(se));
    }
    let text = |text: &str| number(text).map_or_else(|| text.to_owned(), short);
    (text(value), error.map(text))
}

fn metrics(folder: &RunFolder) -> Result<Vec<(String, Vec<Markup>)>, RunError> {
    let mut names: Vec<_> = files_of(folder.path()).filter(|name| is(name, METRICS)).collect();
    names.sort();
    names.into_iter().map(|name| Ok((name.clone(), charts(&folder.file(&name))?))).collect()
}

fn data(flags: &Value) -> String {
    let given = ["csv", "data", "images", "table"].iter().map(|flag| &flags[flag]);
    let given = given.filter(|value| value.is_string()).map(text).next();
    given.unwrap_or_else(|| "part of the program".to_owned())
}

fn flags(flags: &Value) -> Markup {
    html! {
        div.wide { table {
            @for (flag, value) in flags.as_object().into_iter().flatten() {
                @if !["force", "resume", "dry_run", "no_report"].contains(&flag.as_str()) {
                    tr { th scope="row" { "--" (flag.replace('_', "-")) } td { (text(value)) } }
                }
            }
        } }
    }
}

/// A flag's value as a user writes it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "not given".to_owned(),
        Value::Bool(given) => (if *given { "yes" } else { "no" }).to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn files(folder: &RunFolder) -> Markup {
    let mut names: Vec<_> =
        files_of(folder.path()).filter(|name| !name.starts_with('.') && name != Report::NAME).collect();
    names.sort();
    // "./" keeps a name with a colon from being read as an address.
    html! { ul.files { @for name in names { li { a href={ "./" (escaped(&name)) } { (name) } } } } }
}

/// A file's name as a part of an address.
pub(super) fn escaped(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
