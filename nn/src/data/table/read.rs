//! From a text to the columns of a table.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::guess::{Guess, number};
use super::records::{Next, OpenQuote, Record, Records, line_breaks};
use super::{Origin, Rounded, Table, TableOptions, position};
use crate::data::error::shown;
use crate::data::source::Source;
use crate::data::{DataError, Matrix};

/// Reads a table, of which one column may hold any text.
pub(super) fn decode(
    mut source: Source<'_>,
    options: &TableOptions,
    text_column: Option<&str>,
) -> Result<Table, DataError> {
    let bytes = source.take(options.max_bytes.saturating_add(1))?;
    let file = source.file;
    if bytes.len() as u64 > options.max_bytes {
        return Err(DataError::TooManyBytes { file, limit: options.max_bytes });
    }
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            return Err(DataError::Encoding { file, line: 1 + line_breaks(&before) });
        }
    };
    let guess = Guess::new(text, options, text_column.and_then(|column| column.parse().ok()));
    let mut records = Records::new(text, guess.separator, options.comment);
    let mut rows = Rows::new(file, options, guess, text_column);
    let mut record = Record::default();
    loop {
        match records.read(&mut record) {
            Ok(Next::Record) => rows.push(&record)?,
            Ok(Next::BlankLine) => rows.blank_lines.push(record.line),
            Ok(Next::End) => return rows.finish(),
            Err(OpenQuote { line, column }) => {
                return Err(DataError::Quote { file: rows.origin.file, line, column });
            }
        }
    }
}

/// The rows read so far.
struct Rows<'o> {
    options: &'o TableOptions,
    text_column: Option<&'o str>,
    /// The number of that column, once there are names.
    text: Option<usize>,
    /// Empty before the first record.
    names: Vec<String>,
    values: Vec<f64>,
    origin: Origin,
    /// By column.
    rounded: BTreeMap<usize, Rounded>,
    /// Behind the last record.
    blank_lines: Vec<usize>,
}

impl<'o> Rows<'o> {
    fn new(file: String, options: &'o TableOptions, guess: Guess, text_column: Option<&'o str>) -> Self {
        Self {
            options,
            text_column,
            text: None,
            names: Vec::new(),
            values: Vec::new(),
            origin: Origin::new(file, guess, options.clone()),
            rounded: BTreeMap::new(),
            blank_lines: Vec::new(),
        }
    }

    fn push(&mut self, record: &Record) -> Result<(), DataError> {
        let blank_lines = std::mem::take(&mut self.blank_lines);
        if self.names.is_empty() {
            self.name(record)?;
            self.text =
                self.text_column.map(|column| position(&self.names, column, self.header())).transpose()?;
            if self.header() {
                return Ok(());
            }
        } else if self.names.len() == 1 {
            for line in blank_lines {
                self.row(line, [""].into_iter())?;
            }
        }
        let (expected, found) = (self.names.len(), record.len());
        if found != expected {
            let (file, separator) = (self.origin.file.clone(), self.origin.guess.separator.name());
            return Err(DataError::Ragged { file, line: record.line, expected, found, separator });
        }
        self.row(record.line, record.cells())
    }

    fn header(&self) -> bool {
        self.origin.guess.header
    }

    /// Takes the names of the columns from the first record.
    fn name(&mut self, record: &Record) -> Result<(), DataError> {
        let mut taken = HashSet::new();
        // Of a very wide table the names are the largest part.
        self.names.reserve_exact(record.len());
        for (j, cell) in record.cells().map(str::trim).enumerate() {
            let named = self.header() && !cell.is_empty();
            if named && !taken.insert(cell) {
                return Err(DataError::Cell {
                    file: self.origin.file.clone(),
                    line: record.line,
                    column: j + 1,
                    name: "".into(),
                    text: shown(cell).into(),
                    expected: "a new name, since another column has this one".into(),
                    advice: "rename one of the two, or say --header no if this line is data".into(),
                });
            }
            self.names.push(if named { cell.into() } else { format!("column {j}") });
        }
        self.origin.head =
            if self.header() { record.cells().map(str::to_owned).collect() } else { Vec::new() };
        self.origin.cols = self.names.len();
        Ok(())
    }

    fn row<'c>(&mut self, line: usize, cells: impl Iterator<Item = &'c str>) -> Result<(), DataError> {
        let row = self.origin.lines.len();
        self.origin.lines.push(line);
        for (j, cell) in cells.enumerate() {
            self.origin.texts += cell;
            self.origin.ends.push(self.origin.texts.len());
            let text = self.text == Some(j);
            let value = match self.options.is_missing(cell) {
                true if text || self.options.missing => f64::NAN,
                true => return Err(self.refused(line, j, cell)),
                false => match number(cell, self.origin.guess.decimal_comma) {
                    Some(value) => value,
                    None if text => f64::NAN,
                    None => return Err(self.refused(line, j, cell)),
                },
            };
            if !text && loses_digits(cell.trim(), value) {
                self.rounded.entry(j).or_insert(Rounded { column: j, row, cells: 0 }).cells += 1;
            }
            self.values.push(value);
        }
        Ok(())
    }

    /// The error of a cell that is no number, with what is most likely to help.
    fn refused(&self, line: usize, j: usize, cell: &str) -> DataError {
        let advice = if self.options.is_missing(cell) {
            "no value may be missing here: fill it in, or leave the row out"
        } else if cell.starts_with(['#', '%', '!']) && j == 0 {
            "if the line is a comment, name its first character by --comment"
        } else if number(cell, true).is_some() {
            "if that is a decimal comma, say --decimal-comma"
        } else if self.origin.guess.decimal_comma && number(cell, false).is_some() {
            "other cells have a decimal comma: write it as they are"
        } else if cell.parse::<f64>().is_ok_and(f64::is_infinite) {
            "no number of double precision is as large: use another unit, or leave it empty"
        } else if self.origin.lines.len() == 1 && !self.header() {
            "correct it, or say --header yes if this line names the columns"
        } else {
            "correct it, leave the column out, or name missing values by --missing"
        };
        DataError::Cell {
            file: self.origin.file.clone(),
            line,
            column: j + 1,
            name: self.origin.head.get(j).map_or("", |name| name).into(),
            text: shown(cell).into(),
            expected: "a finite number".into(),
            advice: advice.into(),
        }
    }

    fn finish(mut self) -> Result<Table, DataError> {
        if self.values.is_empty() {
            return Err(DataError::Empty { file: self.origin.file });
        }
        let cols = self.names.len();
        self.origin.rounded = self.rounded.into_values().collect();
        self.origin.blank_end = if cols == 1 { self.blank_lines.len() } else { 0 };
        let values = Matrix::new(self.values.len() / cols, cols, self.values);
        let positions = (0..cols).collect();
        Ok(Table { names: self.names, values, positions, origin: Arc::new(self.origin) })
    }
}

/// Whether a whole number has digits that its nearest number of double precision has not.
fn loses_digits(cell: &str, value: f64) -> bool {
    let digits = cell.trim_start_matches(['-', '+']);
    value.abs() >= 2f64.powi(53)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && cell.parse() != Ok(value as i128)
}
