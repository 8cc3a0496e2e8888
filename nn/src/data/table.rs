//! Tables of numbers as text: a row in each line, with cells separated by commas, semicolons, tabs or blanks.

use std::collections::HashSet;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::source::Source;
use super::{DataError, Matrix};

/// Numbers in named columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name of each column: its header, or "column 0", "column 1" … if there is none.
    pub names: Vec<String>,
    /// The numbers (rows, columns). They are finite, except that missing values, if allowed, are NaN.
    pub values: Matrix<f64>,
}

/// How a table is written. The default finds out the separator and the header, and allows no missing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// What separates cells.
    pub separator: Separator,
    /// Whether the first row names the columns.
    pub header: Header,
    /// Whether an empty cell, `NA`, `NaN` or `?`, in capitals or not, is a missing value and becomes NaN. Otherwise it is an
    /// error. Infinity always is an error.
    pub missing: bool,
    /// The largest number of bytes of the unpacked text, 2²⁸ by default: a small gzip file can unpack to any length.
    pub max_bytes: u64,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { separator: Separator::Auto, header: Header::Auto, missing: false, max_bytes: 1 << 28 }
    }
}

/// What separates the cells of a row. Blanks around a cell do not count, and a cell may stand in double quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// Semicolon, comma or tab: the first of these that the first line has outside quotes. Blanks if it has none of them, or
    /// if two of its tabs have nothing between them.
    Auto,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// One tab.
    Tab,
    /// Any number of blanks and tabs.
    Blanks,
}

/// Whether the first row names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It does if none of its cells is a number, unless all of them are missing values. A first row of both numbers and words
    /// is an error: a row of data with a typing error would otherwise be lost as a header.
    Auto,
    /// The first row names the columns.
    Present,
    /// The first row is data.
    Absent,
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
            entry,
            value,
            below,
        })
    };
    list.values.values.iter().enumerate().map(index).collect()
}

impl Table {
    /// Reads a table from a file, plain or gzipped. Lines without cells are skipped.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be read, is longer than `max_bytes`, not UTF-8, or empty; for a row of another
    /// length than the first, a cell that is not a number, or a column name that occurs twice.
    pub fn read(path: impl AsRef<Path>, options: &TableOptions) -> Result<Self, DataError> {
        Ok(decode(Source::open(path.as_ref())?, options, None)?.0)
    }

    /// Reads a table of which one column, given by name or number, may hold any text. Returns the table, with NaN where
    /// that column has no number, and the texts of the column. If the column is given by number, its text does not decide
    /// whether the first row is a header.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`DataError::NoColumn`] if there is no such column.
    pub fn read_with_text(
        path: impl AsRef<Path>,
        column: &str,
        options: &TableOptions,
    ) -> Result<(Self, Vec<String>), DataError> {
        decode(Source::open(path.as_ref())?, options, Some(column))
    }

    /// Reads a table from the bytes of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(bytes: &[u8], options: &TableOptions) -> Result<Self, DataError> {
        Ok(decode(Source::bytes(bytes)?, options, None)?.0)
    }

    /// The number of a column, counted from 0. It is given by its name or, if no column has that name, by the number.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] with the names of the columns.
    pub fn position(&self, column: &str) -> Result<usize, DataError> {
        position(&self.names, column)
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
        let names = others.iter().map(|&j| self.names[j].clone()).collect();
        Ok((Self { names, values: self.values.columns(&others) }, self.values.columns(&[target])))
    }
}

fn position(names: &[String], column: &str) -> Result<usize, DataError> {
    let named = names.iter().position(|name| name == column);
    let numbered = || column.parse().ok().filter(|&j: &usize| j < names.len());
    named.or_else(numbered).ok_or_else(|| DataError::NoColumn { name: column.into(), names: names.to_vec() })
}

/// The table, and the cells of the column of text, if there is one.
fn decode(
    mut source: Source<'_>,
    options: &TableOptions,
    text_column: Option<&str>,
) -> Result<(Table, Vec<String>), DataError> {
    let bytes = source.take(options.max_bytes.saturating_add(1))?;
    let file = source.file;
    if bytes.len() as u64 > options.max_bytes {
        return Err(DataError::TooManyBytes { file, limit: options.max_bytes });
    }
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(e) => return Err(DataError::Encoding { file, line: 1 + lines(&bytes[..e.valid_up_to()]) }),
    };
    let separator = match options.separator {
        Separator::Auto => Separator::guess(text.lines().find(|line| !line.trim().is_empty()).unwrap_or("")),
        given => given,
    };
    let (names, values, texts) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = Rows { file, options, separator, text_column, text: None, names, values, texts };
    let delimiter = match separator {
        Separator::Comma => b',',
        Separator::Semicolon => b';',
        Separator::Tab => b'\t',
        Separator::Blanks | Separator::Auto => {
            for (i, line) in text.lines().enumerate() {
                rows.push(i + 1, line.split_whitespace().map(|cell| cell.trim_matches('"')))?;
            }
            return rows.finish();
        }
    };
    let mut builder = ReaderBuilder::new();
    let builder = builder.delimiter(delimiter).has_headers(false).flexible(true).trim(Trim::All);
    let mut reader = builder.from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let (mut line, mut start) = (1, 0);
    loop {
        // The reader is where the last record ended. The next one begins after any empty lines.
        let end = reader.position().byte() as usize;
        let next = text.len() - text[end..].trim_start_matches(['\r', '\n']).len();
        line += lines(&text.as_bytes()[start..next]);
        start = next;
        match reader.read_record(&mut record) {
            Ok(true) => rows.push(line, record.iter())?,
            Ok(false) => return rows.finish(),
            Err(e) => return Err(DataError::Read { file: rows.file, byte: end as u64, reason: e.into() }),
        }
    }
}

impl Separator {
    fn guess(line: &str) -> Self {
        let mut quoted = false;
        let mut unquoted = |c: char| {
            quoted ^= c == '"';
            !quoted
        };
        let bare: String = line.chars().filter(|&c| unquoted(c)).collect();
        if bare.contains(';') {
            Self::Semicolon
        } else if bare.contains(',') {
            Self::Comma
        } else if bare.contains('\t') && !bare.split('\t').any(|cell| cell.trim().is_empty()) {
            Self::Tab
        } else {
            Self::Blanks
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Comma => "a comma",
            Self::Semicolon => "a semicolon",
            Self::Tab => "a tab",
            Self::Blanks | Self::Auto => "a blank",
        }
    }
}

/// The number of lines that end in a text.
fn lines(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// Whether a cell is a missing value by [`TableOptions::missing`].
pub fn is_missing(cell: &str) -> bool {
    ["", "NA", "NaN", "?"].iter().any(|missing| cell.eq_ignore_ascii_case(missing))
}

/// The rows read so far.
struct Rows<'o> {
    file: String,
    options: &'o TableOptions,
    separator: Separator,
    text_column: Option<&'o str>,
    /// The number of that column, once there are names.
    text: Option<usize>,
    /// Empty before the first row.
    names: Vec<String>,
    values: Vec<f64>,
    texts: Vec<String>,
}

impl Rows<'_> {
    fn push<'c>(
        &mut self,
        line: usize,
        cells: impl Iterator<Item = &'c str> + Clone,
    ) -> Result<(), DataError> {
        let (found, first) = (cells.clone().count(), self.names.is_empty());
        if found == 0 || found == 1 && cells.clone().all(str::is_empty) {
            return Ok(());
        }
        if first {
            let header = self.is_header(cells.clone());
            let mut taken = HashSet::new();
            for (j, cell) in cells.clone().enumerate() {
                let named = header && !cell.is_empty();
                if named && !taken.insert(cell) {
                    let expected = "a new name, since another column has this one";
                    return Err(self.fault(line, j, cell, expected, "rename one of the two"));
                }
                self.names.push(if named { cell.into() } else { format!("column {j}") });
            }
            self.text = self.text_column.map(|column| position(&self.names, column)).transpose()?;
            if header {
                return Ok(());
            }
        }
        let expected = self.names.len();
        if found != expected {
            let (file, separator) = (self.file.clone(), self.separator.name());
            return Err(DataError::Ragged { file, line, expected, found, separator });
        }
        for (j, cell) in cells.enumerate() {
            let text = self.text == Some(j);
            if text {
                self.texts.push(cell.into());
            }
            let Some(value) = self.number(cell).or(text.then_some(f64::NAN)) else {
                let advice = if is_missing(cell) {
                    "if values may be missing, set TableOptions::missing"
                } else if first {
                    "correct it, or set TableOptions::header if this row names the columns"
                } else {
                    "correct it, or set TableOptions::separator if the line is cut wrongly"
                };
                return Err(self.fault(line, j, cell, "a finite number", advice));
            };
            self.values.push(value);
        }
        Ok(())
    }

    fn fault(
        &self,
        line: usize,
        j: usize,
        cell: &str,
        expected: &'static str,
        advice: &'static str,
    ) -> DataError {
        let text = match cell.char_indices().nth(32) {
            Some((end, _)) => format!("{}…", &cell[..end]),
            None => cell.into(),
        };
        DataError::Cell { file: self.file.clone(), line, column: j + 1, text, expected, advice }
    }

    fn is_header<'c>(&self, cells: impl Iterator<Item = &'c str> + Clone) -> bool {
        let text = self.text_column.and_then(|column| column.parse().ok());
        let mut cells = cells.enumerate().filter(|(j, _)| text != Some(*j)).map(|(_, cell)| cell);
        match self.options.header {
            Header::Present => true,
            Header::Absent => false,
            Header::Auto => {
                let data = self.options.missing && cells.clone().all(is_missing);
                !data && cells.all(|cell| cell.parse::<f64>().is_err())
            }
        }
    }

    /// The number in a cell, or NaN if it is missing and may be so.
    fn number(&self, cell: &str) -> Option<f64> {
        match self.options.missing && is_missing(cell) {
            true => Some(f64::NAN),
            false => cell.parse().ok().filter(|x: &f64| x.is_finite()),
        }
    }

    fn finish(self) -> Result<(Table, Vec<String>), DataError> {
        if self.values.is_empty() {
            return Err(DataError::Empty { file: self.file });
        }
        let cols = self.names.len();
        let values = Matrix::new(self.values.len() / cols, cols, self.values);
        Ok((Table { names: self.names, values }, self.texts))
    }
}
