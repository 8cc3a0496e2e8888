//! From a text to the columns of a table.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use super::guess::{Guess, number};
use super::records::{Next, OpenQuote, Record, Records, line_breaks};
use super::{Origin, Rounded, Table, TableOptions, listed, position};
use crate::data::error::shown;
use crate::data::source::Source;
use crate::data::{DataError, Matrix};

/// Which columns may hold any text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Texts {
    /// None.
    None,
    /// This one, by name or number.
    One(String),
    /// All but these. One of these that is not in the table stands behind its last column, and all its cells are empty.
    AllBut(Vec<String>),
}

impl Texts {
    /// The number of the column, if it is one that is given by number.
    fn number(&self) -> Option<usize> {
        if let Self::One(column) = self { column.parse().ok() } else { None }
    }
}

/// How a text is written: see [`Guess`].
pub(super) fn guess(text: &str, options: &TableOptions, texts: &Texts) -> Guess {
    Guess::new(text, options, texts.number())
}

/// Reads a table, of which some columns may hold any text.
pub(super) fn decode(
    mut source: Source<'_>,
    options: &TableOptions,
    texts: Texts,
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
    let guess = guess(text, options, &texts);
    let mut records = Records::new(text, guess.separator, options.comment);
    let mut rows = Rows::new(Origin::new(file, guess, options.clone()), texts);
    let mut record = Record::default();
    loop {
        match records.read(&mut record) {
            Ok(Next::Record) => {
                rows.push(&record)?;
                rows.release(usize::MAX)?;
            }
            Ok(Next::BlankLine) => rows.blank_line(record.line)?,
            Ok(Next::End) => return rows.finish(),
            Err(OpenQuote { line, column, .. }) => {
                return Err(DataError::Quote { file: rows.origin.file, line, column });
            }
        }
    }
}

/// So many blank lines in a row a table of one column may have: more than a spreadsheet has rows.
const BLANK_LINES: usize = 1 << 20;

/// The rows read so far.
#[derive(Debug)]
pub(super) struct Rows {
    texts: Texts,
    /// Whether a column may hold any text, once there are names.
    is_text: Vec<bool>,
    /// Empty before the first record.
    pub(super) names: Vec<String>,
    /// The number of columns at the end that are not in the file.
    pub(super) absent: usize,
    values: Vec<f64>,
    pub(super) origin: Origin,
    /// By column.
    rounded: BTreeMap<usize, Rounded>,
    /// Blank lines of a table of one column that are not rows yet.
    blank_lines: VecDeque<usize>,
    /// The record behind them, once it is read.
    held: Option<Record>,
}

impl Rows {
    pub(super) fn new(origin: Origin, texts: Texts) -> Self {
        Self {
            texts,
            is_text: Vec::new(),
            names: Vec::new(),
            absent: 0,
            values: Vec::new(),
            origin,
            rounded: BTreeMap::new(),
            blank_lines: VecDeque::new(),
            held: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.origin.lines.len()
    }

    pub(super) fn blank_line(&mut self, line: usize) -> Result<(), DataError> {
        if !self.names.is_empty() && self.read() == 1 {
            if self.blank_lines.len() == BLANK_LINES {
                return Err(DataError::BlankLines {
                    file: self.origin.file.clone(),
                    line,
                    limit: BLANK_LINES,
                });
            }
            self.blank_lines.push_back(line);
        }
        Ok(())
    }

    /// Takes a record. Where blank lines precede it, call [`release`](Self::release) before the next one.
    pub(super) fn push(&mut self, record: &Record) -> Result<(), DataError> {
        if self.names.is_empty() {
            self.name(record)?;
            if self.header() {
                return Ok(());
            }
        } else if !self.blank_lines.is_empty() {
            self.held = Some(record.clone());
            return Ok(());
        }
        self.record(record)
    }

    /// Makes rows of blank lines and the record behind them, until there are so many rows.
    pub(super) fn release(&mut self, most: usize) -> Result<(), DataError> {
        while self.held.is_some() && self.len() < most {
            match self.blank_lines.pop_front() {
                Some(line) => self.row(line, [""].into_iter())?,
                None => {
                    if let Some(record) = self.held.take() {
                        self.record(&record)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether [`release`](Self::release) has more rows.
    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    fn record(&mut self, record: &Record) -> Result<(), DataError> {
        let (expected, found) = (self.read(), record.len());
        if found != expected {
            let (file, separator) = (self.origin.file.clone(), self.origin.guess.separator.name());
            return Err(DataError::Ragged { file, line: record.line, expected, found, separator });
        }
        self.row(record.line, record.cells())
    }

    fn header(&self) -> bool {
        self.origin.guess.header
    }

    /// The number of columns in the file.
    fn read(&self) -> usize {
        self.names.len() - self.absent
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
        self.is_text = match &self.texts {
            Texts::None => vec![false; self.names.len()],
            Texts::One(column) => {
                let text = position(&self.names, column, self.header())?;
                (0..self.names.len()).map(|j| j == text).collect()
            }
            Texts::AllBut(numbers) => {
                let numbers: HashSet<&String> = numbers.iter().collect();
                self.names.iter().map(|name| !numbers.contains(name)).collect()
            }
        };
        if let Texts::AllBut(numbers) = &self.texts {
            let known: HashSet<&String> = self.names.iter().collect();
            let absent: Vec<String> = numbers.iter().filter(|name| !known.contains(name)).cloned().collect();
            let file = || self.origin.file.clone();
            if absent.len() == numbers.len() {
                let (expected, found) = (listed(numbers), listed(&self.names));
                return Err(DataError::NoInputs { expected, found, file: file() });
            }
            if !absent.is_empty() && !self.origin.options.missing {
                return Err(DataError::NoInput { file: file(), expected: listed(&absent) });
            }
            self.absent = absent.len();
            self.is_text.resize(self.names.len() + absent.len(), false);
            if self.header() {
                self.origin.head.extend(absent.iter().cloned());
            }
            self.names.extend(absent);
        }
        self.origin.cols = self.names.len();
        Ok(())
    }

    fn row<'c>(&mut self, line: usize, cells: impl Iterator<Item = &'c str>) -> Result<(), DataError> {
        self.origin.lines.push(line);
        for (j, cell) in cells.chain(std::iter::repeat_n("", self.absent)).enumerate() {
            self.origin.texts += cell;
            self.origin.ends.push(self.origin.texts.len());
            let text = self.is_text[j];
            let options = &self.origin.options;
            let value = match options.is_missing(cell) {
                true if text || options.missing => f64::NAN,
                true => return Err(self.refused(line, j, cell)),
                false => match number(cell, self.origin.guess.decimal_comma) {
                    Some(value) => value,
                    None if text => f64::NAN,
                    None => return Err(self.refused(line, j, cell)),
                },
            };
            if !text && loses_digits(cell.trim(), value) {
                let first = || Rounded { column: j, cells: 0, line, text: cell.to_owned(), number: value };
                self.rounded.entry(j).or_insert_with(first).cells += 1;
            }
            self.values.push(value);
        }
        Ok(())
    }

    /// The error of a cell that is no number, with what is most likely to help.
    fn refused(&self, line: usize, j: usize, cell: &str) -> DataError {
        let advice = if self.origin.options.is_missing(cell) {
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
            match self.texts {
                Texts::AllBut(_) => {
                    "correct it, or take this line out if it names the columns: those of the training had no names"
                }
                _ => "correct it, or say --header yes if this line names the columns",
            }
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
        match self.take() {
            Some(table) => Ok(table),
            None => Err(DataError::Empty { file: self.origin.file }),
        }
    }

    /// The rows so far as a table, if there are any. Those that come next begin another one.
    pub(super) fn take(&mut self) -> Option<Table> {
        let Origin { file, guess, options, head, cols, .. } = &self.origin;
        let mut next = Origin::new(file.clone(), guess.clone(), options.clone());
        (next.head, next.cols) = (head.clone(), *cols);
        let (cols, values) = (self.names.len(), std::mem::take(&mut self.values));
        if values.is_empty() {
            return None;
        }
        let mut origin = std::mem::replace(&mut self.origin, next);
        origin.rounded = self.rounded.values().cloned().collect();
        origin.blank_end = if self.holds() { 0 } else { self.blank_lines.len() };
        let values = Matrix::new(values.len() / cols, cols, values);
        let (names, positions) = (self.names.clone(), (0..cols).collect());
        Some(Table { names, values, positions, origin: Arc::new(origin) })
    }
}

/// Whether a whole number has digits that its nearest number of double precision has not.
fn loses_digits(cell: &str, value: f64) -> bool {
    let digits = cell.trim_start_matches(['-', '+']);
    value.abs() >= 2f64.powi(53)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && cell.parse() != Ok(value as i128)
}
