//! Tables of numbers as text: a row in each line, with cells separated by commas, semicolons, tabs, bars or blanks.

mod guess;
mod kinds;
mod names;
mod options;
mod read;
mod reader;
mod records;

use std::path::Path;
use std::sync::Arc;

pub use kinds::{ColumnCode, ColumnKind, KindOf, Unseen};
pub use options::{Header, Separator, TableOptions};
pub use reader::TableReader;

use super::error::{label, shown};
use super::source::Source;
use super::{DataError, Matrix, ScaleError};
use guess::Guess;
pub(crate) use names::listed;
use names::position;
use read::{Texts, decode};
use records::written;

/// Numbers in named columns, and the texts that they were read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name of each column: its header, or "column 1", "column 2" … if there is none.
    pub names: Vec<String>,
    /// The numbers (rows, columns). They are finite, except that missing values, if allowed, are NaN.
    pub values: Matrix<f64>,
    /// The numbers of these columns in the text.
    positions: Vec<usize>,
    origin: Arc<Origin>,
}

/// What a cell is written as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NewCell<'n> {
    /// A number.
    Number(f64),
    /// A text.
    Text(&'n str),
}

/// The text of a table, and how it is written.
#[derive(Debug, PartialEq)]
struct Origin {
    file: String,
    guess: Guess,
    options: TableOptions,
    /// The first row as it was read; empty if it is data.
    head: Vec<String>,
    cols: usize,
    /// The columns that are left out.
    ignored: Vec<usize>,
    /// The column whose cells are dates.
    dates: Option<usize>,
    /// All cells, row by row, and where each ends.
    texts: String,
    ends: Vec<usize>,
    /// The line of each row, counted from 1.
    lines: Vec<usize>,
    rounded: Vec<Rounded>,
    /// Blank lines at the end of a text of one column.
    blank_end: usize,
}

/// Whole numbers of a column that are rounded.
#[derive(Clone, Debug, PartialEq)]
struct Rounded {
    column: usize,
    cells: usize,
    /// The line of the first one, its text and its number.
    line: usize,
    text: String,
    number: f64,
}

impl Origin {
    fn new(file: String, guess: Guess, options: TableOptions) -> Self {
        let (lines, ends, rounded) = (Vec::new(), Vec::new(), Vec::new());
        let (head, texts, ignored) = (Vec::new(), String::new(), Vec::new());
        let (cols, blank_end, dates) = (0, 0, None);
        Self { file, guess, options, head, cols, ignored, dates, texts, ends, lines, rounded, blank_end }
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        let cell = row * self.cols + column;
        &self.texts[cell.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[cell]]
    }
}

/// Reads a list of indices below `below`, such as the rows of a training set: whole numbers, one in each line.
///
/// # Errors
/// As [`Table::read`]; [`DataError::Index`] for a number that is not an index.
pub fn read_indices(path: impl AsRef<Path>, below: usize) -> Result<Vec<usize>, DataError> {
    let path = path.as_ref();
    let list = Table::read(path, &TableOptions { header: Header::Absent, ..TableOptions::default() })?;
    let index = |(entry, &value): (usize, &f64)| {
        let valid = value >= 0.0 && value < below as f64 && value.fract() == 0.0;
        valid.then_some(value as usize).ok_or(DataError::Index {
            file: path.display().to_string(),
            line: list.line(entry),
            entry,
            value,
            below,
        })
    };
    list.values.values.iter().enumerate().map(index).collect()
}

impl Table {
    /// A table of numbers that were not read from a file. NaN is a missing value, written as nothing.
    ///
    /// # Panics
    /// If there are not as many names as columns.
    #[track_caller]
    pub fn new(names: Vec<String>, values: Matrix<f64>) -> Self {
        let (cols, found) = (values.cols, names.len());
        assert!(cols == found, "Table: expected {cols} names for [{}, {cols}], found {found}", values.rows);
        let (decimal_comma, doubtful) = (false, false);
        let guess = Guess { separator: Separator::Comma, decimal_comma, header: true, doubtful };
        let mut origin = Origin::new("the table".into(), guess, TableOptions::default());
        for x in values.values.iter() {
            origin.texts += &if x.is_nan() { String::new() } else { digits(*x) };
            origin.ends.push(origin.texts.len());
        }
        (origin.cols, origin.head) = (cols, names.clone());
        origin.lines = (2..values.rows + 2).collect();
        Self { names, values, positions: (0..cols).collect(), origin: Arc::new(origin) }
    }

    /// Reads a table from a file, plain or gzipped. A line with nothing but blanks is a missing value in a table of one
    /// column, unless no row follows it; in other tables it is skipped.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be read, is longer than `max_bytes`, not UTF-8, or empty; for a row of another
    /// length than the first, a cell that is not a number, a quote that is not closed, or a column name that occurs twice.
    pub fn read(path: impl AsRef<Path>, options: &TableOptions) -> Result<Self, DataError> {
        decode(Source::open(path.as_ref())?, options, Texts::None)
    }

    /// Reads a table of which one column, given by name or number, may hold any text; its value is NaN where it is no number.
    /// If the column is given by number, its text does not decide whether the first row is a header.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`DataError::NoColumn`] if there is no such column.
    pub fn read_with_text(
        path: impl AsRef<Path>,
        column: &str,
        options: &TableOptions,
    ) -> Result<Self, DataError> {
        decode(Source::open(path.as_ref())?, options, Texts::One(column.to_owned()))
    }

    /// Reads a table of which one column, given by name or number, holds either numbers or dates, which become seconds: see
    /// [`read_date`](super::read_date). Another one, `text`, may hold any text, as in [`read_with_text`](Self::read_with_text).
    ///
    /// # Errors
    /// As [`read`](Self::read); [`DataError::NoColumn`] if there is no such column.
    pub fn read_with_dates(
        path: impl AsRef<Path>,
        column: &str,
        text: Option<&str>,
        options: &TableOptions,
    ) -> Result<Self, DataError> {
        let texts = Texts::Dates(column.to_owned(), text.map(str::to_owned));
        decode(Source::open(path.as_ref())?, options, texts)
    }

    /// Reads a table from the bytes of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(bytes: &[u8], options: &TableOptions) -> Result<Self, DataError> {
        decode(Source::bytes(bytes)?, options, Texts::None)
    }

    /// The place of a column in this table, counted from 0. It is given by its name or, if no column has that name, by its number in
    /// the file, counted from 1.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] with the names of the columns.
    pub fn position(&self, column: &str) -> Result<usize, DataError> {
        position(&self.names, &self.positions, column, self.origin.guess.header)
    }

    /// A column for a message: its number in the file, counted from 1, and its name.
    ///
    /// # Panics
    /// If there is no such column.
    #[track_caller]
    pub fn describe(&self, column: usize) -> String {
        let found = self.names.len();
        assert!(column < found, "Table: no column {column} of {found}");
        let number = self.positions[column] + 1;
        match self.origin.head.get(number - 1).filter(|name| !name.trim().is_empty()) {
            Some(name) => format!("column {number} ({})", label(name)),
            None => format!("column {number}"),
        }
    }

    /// The place in this table of every column of the file, counted from 0; none where it is left out.
    pub fn places(&self) -> Vec<Option<usize>> {
        let mut places = vec![None; self.origin.cols];
        self.positions.iter().zip(0..).for_each(|(&position, place)| places[position] = Some(place));
        places
    }

    /// Whether the column that [`read_with_dates`](Self::read_with_dates) was told of holds dates.
    pub fn has_dates(&self) -> bool {
        self.origin.dates.is_some()
    }

    /// The values of a column, given by name or number.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn column(&self, column: &str) -> Result<Vec<f64>, DataError> {
        let j = self.position(column)?;
        Ok((0..self.values.rows).map(|i| self.values.row(i)[j]).collect())
    }

    /// The table without the column `target`, given by name or number, and that column, (rows, 1).
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn split_target(&self, target: &str) -> Result<(Self, Matrix<f64>), DataError> {
        let target = self.position(target)?;
        let others: Vec<_> = (0..self.names.len()).filter(|&j| j != target).collect();
        Ok((self.columns(&others), self.values.columns(&[target])))
    }

    /// The table of these columns, by number, in this order.
    ///
    /// # Panics
    /// If there is no such column.
    #[track_caller]
    pub fn columns(&self, columns: &[usize]) -> Self {
        Self {
            values: self.values.columns(columns),
            names: columns.iter().map(|&j| self.names[j].clone()).collect(),
            positions: columns.iter().map(|&j| self.positions[j]).collect(),
            origin: self.origin.clone(),
        }
    }

    /// The text of a cell as it was read, without quotes.
    ///
    /// # Panics
    /// If there is no such cell.
    #[track_caller]
    pub fn text(&self, row: usize, column: usize) -> &str {
        let (rows, cols) = (self.values.rows, self.names.len());
        assert!(row < rows && column < cols, "Table: no cell ({row}, {column}) in [{rows}, {cols}]");
        self.origin.cell(row, self.positions[column])
    }

    /// The text of a cell for a file whose numbers have a decimal point: as it was read, with a point in the place of a
    /// decimal comma.
    ///
    /// # Panics
    /// If there is no such cell.
    #[track_caller]
    pub fn pointed(&self, row: usize, column: usize) -> String {
        let text = self.text(row, column);
        let is_date = self.origin.dates == Some(self.positions[column]);
        let comma = self.origin.guess.decimal_comma && !is_date && !self.values.row(row)[column].is_nan();
        if comma { text.replace(',', ".") } else { text.to_owned() }
    }

    /// Whether the text of a cell is a missing value by the options of the table.
    ///
    /// # Panics
    /// If there is no such cell.
    #[track_caller]
    pub fn is_missing(&self, row: usize, column: usize) -> bool {
        self.origin.options.is_missing(self.text(row, column))
    }

    /// The table as text, in the way in which it was read: its separator, its decimal comma, and a header if there was one.
    /// A cell is the text that was read, unless `new` has a number for this row and column. Columns that options leave out are there,
    /// too.
    pub fn write(&self, new: impl Fn(usize, usize) -> Option<f64>) -> String {
        self.write_header() + &self.write_rows(new)
    }

    /// The first line of [`write`](Self::write), or nothing if the table has no header.
    pub fn write_header(&self) -> String {
        match self.origin.guess.header {
            true => self.line_of(self.written().iter().map(|(j, _)| self.origin.head[*j].clone())),
            false => String::new(),
        }
    }

    /// The other lines of [`write`](Self::write).
    pub fn write_rows(&self, new: impl Fn(usize, usize) -> Option<f64>) -> String {
        self.write_cells(&|row, column| new(row, column).map(NewCell::Number))
    }

    /// The lines of [`write_rows`](Self::write_rows), with numbers or texts in the place of what was read.
    pub fn write_cells<'n>(&self, new: &dyn Fn(usize, usize) -> Option<NewCell<'n>>) -> String {
        let cell = |row, (position, column): (usize, Option<usize>)| match column
            .and_then(|column| new(row, column))
        {
            Some(NewCell::Number(x)) if self.origin.guess.decimal_comma => digits(x).replace('.', ","),
            Some(NewCell::Number(x)) => digits(x),
            Some(NewCell::Text(text)) => text.to_owned(),
            None => self.origin.cell(row, position).to_owned(),
        };
        let written = self.written();
        let line = |row| self.line_of(written.iter().map(|column| cell(row, *column)));
        (0..self.values.rows).map(line).collect()
    }

    /// The columns that are written, in order: where each is in the file, and where in this table, unless it is left out.
    fn written(&self) -> Vec<(usize, Option<usize>)> {
        let own = self.positions.iter().enumerate().map(|(column, &position)| (position, Some(column)));
        let mut all: Vec<_> =
            own.chain(self.origin.ignored.iter().map(|&position| (position, None))).collect();
        if !self.origin.ignored.is_empty() {
            all.sort_unstable_by_key(|(position, _)| *position);
        }
        all
    }

    fn line_of(&self, cells: impl Iterator<Item = String>) -> String {
        let separator = self.origin.guess.separator;
        let mark = separator.character().unwrap_or(' ').to_string();
        let cells = cells.map(|cell| written(&cell, separator, self.origin.options.comment));
        match cells.collect::<Vec<_>>().join(&mark) {
            // A line with nothing in it would be no row at the end of the text.
            empty if empty.trim_matches(' ').is_empty() => "\"\"\n".to_owned(),
            line => line + "\n",
        }
    }

    /// Whether the first row names the columns.
    pub fn has_header(&self) -> bool {
        self.origin.guess.header
    }

    /// The texts of a missing value.
    pub fn marks(&self) -> &[String] {
        &self.origin.options.marks
    }

    /// Checks that no cell holds anything but a count up to this one, or is missing.
    ///
    /// # Errors
    /// [`DataError::Cell`] for the first other cell, with this advice.
    pub fn check_counts(&self, most: f64, advice: &str) -> Result<(), DataError> {
        let cols = self.names.len();
        let is_count = |x: &f64| x.is_nan() || *x >= 0.0 && x.fract() == 0.0 && *x <= most;
        match self.values.values.iter().position(|x| !is_count(x)) {
            None => Ok(()),
            Some(cell) => {
                let (row, column, x) = (cell / cols, cell % cols, self.values.values[cell]);
                let large = x > most && x.fract() == 0.0;
                let expected = if large { format!("counts up to {most}") } else { "counts".to_owned() };
                let large = if large { "divide the column by a power of ten and round, or " } else { "" };
                Err(self.refuse(row, column, expected, format!("{large}{advice}")))
            }
        }
    }

    /// The error that says of a cell where it stands in the file, what it holds, what was expected instead, and what to do.
    ///
    /// # Panics
    /// If there is no such cell.
    #[track_caller]
    pub fn refuse(
        &self,
        row: usize,
        column: usize,
        expected: impl Into<String>,
        advice: impl Into<String>,
    ) -> DataError {
        let position = self.positions[column];
        DataError::Cell {
            file: self.origin.file.clone(),
            line: self.origin.lines[row],
            column: position + 1,
            name: self.origin.head.get(position).map_or("", |name| name).into(),
            text: shown(self.text(row, column)).into(),
            expected: expected.into().into(),
            advice: advice.into().into(),
        }
    }

    /// The error of a number of [`values`](Self::values) that cannot be scaled, with its place in the file.
    pub fn locate(&self, error: &ScaleError) -> DataError {
        let (row, column) = error.place();
        self.refuse(row, column, error.expected(), error.advice())
    }

    /// The line of the file where a row begins, counted from 1.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn line(&self, row: usize) -> usize {
        assert!(row < self.values.rows, "Table: no row {row} of {}", self.values.rows);
        self.origin.lines[row]
    }

    /// How the file was read, in one line: rows, columns, their types, separator, header, and what is missing.
    pub fn summary(&self) -> String {
        let Origin { guess, options, .. } = &*self.origin;
        let (rows, cols) = (self.values.rows, self.names.len());
        let is_text =
            |&j: &usize| (0..rows).any(|row| self.values.row(row)[j].is_nan() && !self.is_missing(row, j));
        let texts = (0..cols).filter(is_text).count();
        let columns = match (cols, texts) {
            (1, 0) => "1 column of numbers".to_owned(),
            (_, 0) => format!("{cols} columns of numbers"),
            _ => format!("{cols} columns, {} of numbers and {texts} of text", cols - texts),
        };
        let separator = match cols {
            1 => String::new(),
            _ => format!(", separator {}", guess.separator.name().trim_start_matches("a ")),
        };
        let header = if guess.header { "a header" } else { "no header" };
        let decimal = if guess.decimal_comma { ", decimal commas" } else { "" };
        let comment = options.comment.map_or(String::new(), |mark| format!(", comments {mark}"));
        let dates = match self.origin.dates.and_then(|dates| self.positions.iter().position(|&j| j == dates))
        {
            Some(j) => format!(", dates in {} as seconds since 1970-01-01 UTC", self.describe(j)),
            None => String::new(),
        };
        let ignored = match self.origin.ignored.len() {
            0 => String::new(),
            ignored => format!(", {ignored} more left out"),
        };
        let gap = |row| (0..cols).filter(move |&j| self.is_missing(row, j)).count();
        let missing = match options.missing {
            true => {
                let count = (0..rows).map(gap).sum::<usize>();
                let cells = if count == 1 { "cell" } else { "cells" };
                format!("; {count} missing {cells} (empty, {})", options.marks.join(", "))
            }
            false => String::new(),
        };
        let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        format!("{rows}, {columns}{ignored}{separator}, {header}{decimal}{dates}{comment}{missing}")
    }

    /// What a user should know of the file: a first row that may have been taken for the wrong thing, whole numbers that are
    /// rounded, blank lines that are no rows. A sentence each. Of rows that a [`TableReader`] has read, the numbers that are rounded
    /// are those of all rows so far.
    pub fn notes(&self) -> Vec<String> {
        let Origin { file, guess, head, rounded, .. } = &*self.origin;
        let mut notes = Vec::new();
        if guess.doubtful && guess.header {
            let first = listed(head);
            notes.push(format!(
                "{file}: the first row, {first}, is taken for the names of the columns; if it is data, say --header no"
            ));
        } else if guess.doubtful {
            let first = listed(&(0..self.origin.cols).map(|j| self.origin.cell(0, j)).collect::<Vec<_>>());
            notes.push(format!(
                "{file}: the first row, {first}, is taken for data; if it names the columns, say --header yes"
            ));
        }
        for Rounded { column, cells, line, text, number } in rounded {
            let Some(j) = self.positions.iter().position(|position| position == column) else { continue };
            notes.push(format!(
                "{file}: {}: {cells} whole numbers beyond 2^53 are rounded where they are used as numbers, the first in line {line}, \
                 {text} to {number}",
                self.describe(j)
            ));
        }
        if self.origin.blank_end > 0 && self.origin.options.missing {
            let lines = self.origin.blank_end;
            notes.push(format!(
                "{file}: {lines} blank lines at the end are no rows; \"\" in a line is a missing value"
            ));
        }
        notes
    }
}

/// The shortest text of a number, without hundreds of zeros.
fn digits(x: f64) -> String {
    let usual = x == 0.0 || (1e-5..1e17).contains(&x.abs());
    if usual { x.to_string() } else { format!("{x:e}") }
}
