//! What a run prints: tables, the result line, errors.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::mem;

use super::RunError;
use crate::outln;

/// A table of text in aligned columns: the first from the left, the others from the right.
///
/// ```
/// use nn::run::TextTable;
///
/// let mut table = TextTable::new().header(["", "RMSE", "R²"]);
/// for (name, rmse, r2) in [("network", 55.4, 0.475), ("the mean alone", 78.0, -0.023)] {
///     table.row([name, &format!("{rmse:.1}"), &format!("{r2:.3}")]);
/// }
/// assert_eq!(
///     table.to_string(),
///     "                  RMSE      R²\n  network         55.4   0.475\n  the mean alone  78.0  -0.023\n"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct TextTable {
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a row above the others.
    pub fn header(mut self, cells: impl IntoIterator<Item: ToString>) -> Self {
        self.rows.insert(0, texts(cells));
        self
    }

    /// Prints the table on standard output.
    pub fn print(&self) {
        for line in self.to_string().lines() {
            outln!("{line}");
        }
    }

    /// Adds a row. Rows may differ in length.
    pub fn row(&mut self, cells: impl IntoIterator<Item: ToString>) {
        self.rows.push(texts(cells));
    }
}

/// A number of things, such as "1 row" or "2 rows".
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Prints text on standard output, in lines of at most 80 characters.
pub fn say(text: &str) {
    wrapped(text).iter().for_each(|line| outln!("{line}"));
}

/// Text in lines of at most 80 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 80 {
            lines.push(word.to_owned());
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    lines
}

/// The cells as text.
pub(super) fn texts(cells: impl IntoIterator<Item: ToString>) -> Vec<String> {
    cells.into_iter().map(|cell| cell.to_string()).collect()
}

impl Display for TextTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |i: usize| self.rows.iter().filter_map(|row| Some(row.get(i)?.chars().count())).max();
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                line += "  ";
                line += &if i == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Prints the last line on standard output, for programs to read: `RESULT name=value name=value`. Numbers have at most eight
/// digits, but for whole ones, which have all of theirs.
///
/// # Errors
/// [`RunError::NotFinite`] instead of the line if a value is infinite or not a number.
pub fn result_line<N: Display, V: Display>(results: &[(N, V)]) -> Result<(), RunError> {
    print_results(as_text(results))
}

/// [`result_line`] of texts.
pub(super) fn print_results(results: Vec<(String, String)>) -> Result<(), RunError> {
    let line: String = finite(results)?.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    outln!("RESULT{line}");
    Ok(())
}

/// The result of this name.
///
/// # Panics
/// If there is none.
#[track_caller]
pub fn result_of(results: &[(String, f64)], name: &str) -> f64 {
    let found = results.iter().find(|(of, _)| of == name);
    found.unwrap_or_else(|| panic!("result_of: expected a result {name}, found none")).1
}

/// The results as text.
pub(super) fn as_text<N: Display, V: Display>(results: &[(N, V)]) -> Vec<(String, String)> {
    results.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The results in eight digits.
///
/// # Errors
/// [`RunError::NotFinite`] if a value is infinite or not a number.
pub(super) fn finite(mut results: Vec<(String, String)>) -> Result<Vec<(String, String)>, RunError> {
    results.iter_mut().for_each(|(_, value)| *value = in_eight_digits(mem::take(value)));
    let is_bad = |(_, value): &&(String, String)| value.parse().is_ok_and(|x: f64| !x.is_finite());
    let bad: Vec<_> = results.iter().filter(is_bad).map(|(name, value)| format!("{name}={value}")).collect();
    match bad.is_empty() {
        true => Ok(results),
        false => Err(RunError::NotFinite { results: bad.join(" ") }),
    }
}

/// A number that is not whole with at most eight digits; any other text as it is.
fn in_eight_digits(text: String) -> String {
    let Some(number) = text.parse().ok().filter(|x: &f64| x.is_finite() && text.parse::<i128>().is_err())
    else {
        return text;
    };
    let rounded: f64 = format!("{number:.7e}").parse().expect("a number is written");
    match (1e-5..1e16).contains(&rounded.abs()) || rounded == 0.0 {
        true => rounded.to_string(),
        false => format!("{rounded:e}"),
    }
}

/// An error and its causes on one line. A cause that the line holds already is left out.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
