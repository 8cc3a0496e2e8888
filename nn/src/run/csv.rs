//! Tables as CSV files: a whole one, and a run's metrics, which grow.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::RunError;
use super::error::io_error;
use super::print::texts;
use crate::train::{Aside, write_aside};

/// A table for a CSV file. Cells that hold separators or quotes are quoted. The table is kept as the text of the file.
///
/// ```no_run
/// # use nn::run::{Csv, RunError};
/// # fn main() -> Result<(), RunError> {
/// let mut csv = Csv::new(["name", "rmse"]);
/// csv.row(["least squares", "54.6"]);
/// csv.save("scores.csv".as_ref())
/// # }
/// ```
#[derive(Debug)]
pub struct Csv {
    columns: usize,
    text: csv::Writer<Vec<u8>>,
}

impl Csv {
    /// A table with these columns.
    pub fn new(header: impl IntoIterator<Item: ToString>) -> Self {
        let header = texts(header);
        let mut table = Self { columns: header.len(), text: csv::Writer::from_writer(Vec::new()) };
        table.row(header);
        table
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If there are more or fewer cells than columns.
    #[track_caller]
    pub fn row(&mut self, cells: impl IntoIterator<Item: ToString>) {
        let cells = texts(cells);
        check_columns(self.columns, cells.len());
        self.text.write_record(cells).expect("written in memory");
    }

    /// The text so far, which is no longer kept: for a table that is written some rows at a time.
    pub fn take(&mut self) -> Vec<u8> {
        let next = csv::Writer::from_writer(Vec::new());
        std::mem::replace(&mut self.text, next).into_inner().expect("written in memory")
    }

    /// Writes the file, in place of an old one.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
    pub fn save(self, path: &Path) -> Result<(), RunError> {
        let text = self.text.into_inner().expect("written in memory");
        write_aside(path, &text).map_err(io_error("write", path))
    }
}

/// The number with the fewest digits that is the same number in single precision: what was computed in `f32` has no more of them.
/// Outside the range of `f32` it is rounded to nine digits.
///
/// ```
/// assert_eq!(nn::run::single(f64::from(0.1_f32)).to_string(), "0.1");
/// assert_eq!(nn::run::single(2e200 / 3.0), 6.66666667e199);
/// ```
pub fn single(x: f64) -> f64 {
    let narrow = x as f32;
    let text = if narrow.is_normal() || x == 0.0 { narrow.to_string() } else { format!("{x:.8e}") };
    text.parse().expect("a number is written")
}

/// A file that is written a piece at a time, under another name until it is whole. If it never is, it is removed, also where a signal
/// ends the process.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: Aside,
}

impl Output {
    /// Begins a file that will take the place of an old one.
    ///
    /// # Errors
    /// [`RunError::Io`] if it cannot be written.
    pub fn begin(path: PathBuf) -> Result<Self, RunError> {
        let file = Aside::create(&path).map_err(io_error("write", &path))?;
        Ok(Self { path, file })
    }

    /// Writes what comes next.
    ///
    /// # Errors
    /// [`RunError::Io`] if it cannot be written.
    pub fn write(&mut self, text: &[u8]) -> Result<(), RunError> {
        self.file.write(text).map_err(io_error("write", &self.path))
    }

    /// Gives the file, which is whole, its name.
    ///
    /// # Errors
    /// [`RunError::Io`] if it cannot be written.
    pub fn finish(self) -> Result<(), RunError> {
        let Self { path, file } = self;
        file.finish().map_err(io_error("write", &path))
    }
}

/// A run's `metrics.csv`, with a row for each epoch.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    columns: usize,
    writer: csv::Writer<File>,
}

impl Metrics {
    /// Opens the file with the columns `epoch` and `header`. It keeps the rows of the first `epochs` that are there.
    pub(super) fn open(path: PathBuf, header: &[&str], epochs: usize) -> Result<Self, RunError> {
        let columns = texts(["epoch"].iter().chain(header));
        let mut table = Csv::new(&columns);
        if path.exists() {
            earlier_rows(&path, &columns, epochs)?.into_iter().for_each(|row| table.row(row));
        }
        table.save(&path)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(io_error("write", &path))?;
        Ok(Self { path, columns: header.len(), writer: csv::Writer::from_writer(file) })
    }

    /// Writes a row through to the file.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
    ///
    /// # Panics
    /// If there are more or fewer values than columns.
    #[track_caller]
    pub fn row(&mut self, epoch: usize, values: &[f64]) -> Result<(), RunError> {
        check_columns(self.columns, values.len());
        let row = [epoch.to_string()].into_iter().chain(values.iter().map(f64::to_string));
        let written =
            self.writer.write_record(row).map_err(io::Error::from).and_then(|()| self.writer.flush());
        written.map_err(io_error("write", &self.path))
    }
}

#[track_caller]
fn check_columns(columns: usize, cells: usize) {
    assert!(columns == cells, "row: expected {columns} cells, found {cells}");
}

/// The whole rows up to this epoch. The last one may have been cut short when the run was ended.
fn earlier_rows(path: &Path, header: &[String], epochs: usize) -> Result<Vec<Vec<String>>, RunError> {
    let damaged = |reason: String| RunError::Damaged { path: path.into(), reason };
    let file = File::open(path).map_err(io_error("read", path))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut rows = reader.records().map(|row| row.map(|row| texts(&row)));
    let found = rows.next().transpose().map_err(|error| damaged(error.to_string()))?.unwrap_or_default();
    if found != header {
        return Err(damaged(format!("expected the columns {header:?}, found {found:?}")));
    }
    let kept = |row: &Vec<String>| {
        row.len() == header.len() && row[0].parse().is_ok_and(|epoch: usize| epoch <= epochs)
    };
    let rows: Result<Vec<_>, _> = rows.filter(|row| row.as_ref().map_or(true, kept)).collect();
    rows.map_err(|error| damaged(error.to_string()))
}
