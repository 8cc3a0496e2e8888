//! From a text to the columns of a table.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::mem;
use std::sync::Arc;

use super::guess::{Guess, number};
use super::records::{Next, OpenQuote, Record, Records, line_breaks};
use super::{Origin, Rounded, Table, TableOptions, listed, position};
use crate::data::date::read_date;
use crate::data::error::{label, shown};
use crate::data::source::Source;
use crate::data::{DataError, Matrix};

/// Which columns may hold anything but numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Texts {
    /// None.
    None,
    /// This one, by name or number, may hold any text.
    One(String),
    /// The first, by name or number, may hold dates, and the second, if there is one, any text.
    Dates(String, Option<String>),
    /// All but `columns` may hold any text, and of these those that are in `texts`, too. One of `columns` that is not in the table stands
    /// behind its last column, and all its cells are empty.
    AllBut { columns: Vec<String>, texts: Vec<String> },
    /// All may hold any text. If those given by number have text in the first row, it is no header for that.
    Any(Vec<String>),
    /// Those in these places may hold any text, of which some were given by number.
    These { columns: HashSet<usize>, given: Vec<String> },
}

/// What a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Numbers,
    /// Numbers, or dates, which become seconds.
    Dates,
    Text,
    /// It is left out.
    Ignored,
}

/// How a text is written: see [`Guess`].
pub(super) fn guess(text: &str, options: &TableOptions, texts: &Texts) -> Guess {
    let given = match texts {
        Texts::One(column) | Texts::Dates(_, Some(column)) => std::slice::from_ref(column),
        Texts::Any(given) | Texts::These { given, .. } => given,
        _ => &[],
    };
    let numbers = options.ignore.iter().chain(given).filter_map(|column| column.parse::<usize>().ok());
    Guess::new(text, options, &numbers.filter_map(|number| number.checked_sub(1)).collect::<Vec<_>>())
}

/// Reads a table, of which some columns may hold any text.
pub(super) fn decode(source: Source<'_>, options: &TableOptions, texts: Texts) -> Result<Table, DataError> {
    let (file, text) = text_of(source, options)?;
    decode_text(file, &text, options, texts)
}

/// The name of a file and its text.
pub(super) fn text_of(mut source: Source<'_>, options: &TableOptions) -> Result<(String, String), DataError> {
    let bytes = source.take(options.max_bytes.saturating_add(1))?;
    let file = source.file;
    if bytes.len() as u64 > options.max_bytes {
        return Err(DataError::TooManyBytes { file, limit: options.max_bytes });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((file, text)),
        Err(error) => {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            Err(DataError::Encoding { file, line: 1 + line_breaks(&String::from_utf8_lossy(before)) })
        }
    }
}

/// The table of a text.
pub(super) fn decode_text(
    file: String,
    text: &str,
    options: &TableOptions,
    texts: Texts,
) -> Result<Table, DataError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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
    /// What every column may hold, once there are names.
    kinds: Vec<Kind>,
    /// Of the columns that are not left out; empty before the first record.
    pub(super) names: Vec<String>,
    /// The numbers of these columns.
    pub(super) positions: Vec<usize>,
    /// The line of the first cell of the column of dates that is not missing.
    dates_from: Option<usize>,
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
            kinds: Vec::new(),
            names: Vec::new(),
            positions: Vec::new(),
            dates_from: None,
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
        self.origin.cols - self.absent
    }

    /// Takes the names of the columns from the first record.
    fn name(&mut self, record: &Record) -> Result<(), DataError> {
        let mut taken = HashSet::new();
        // Of a very wide table the names are the largest part.
        let mut names = Vec::with_capacity(record.len());
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
            names.push(if named { cell.into() } else { format!("column {}", j + 1) });
        }
        drop(taken);
        self.origin.head =
            if self.header() { record.cells().map(str::to_owned).collect() } else { Vec::new() };
        let file = || self.origin.file.clone();
        let mut positions: Vec<usize> = (0..names.len()).collect();
        let place = |column: &String| position(&names, &positions, column, self.header());
        let ignored: Result<HashSet<usize>, _> = self.origin.options.ignore.iter().map(place).collect();
        let ignored = ignored?;
        let mut kinds = match &self.texts {
            Texts::None => vec![Kind::Numbers; names.len()],
            Texts::One(column) => {
                let mut kinds = vec![Kind::Numbers; names.len()];
                kinds[place(column)?] = Kind::Text;
                kinds
            }
            Texts::Dates(dates, text) => {
                let mut kinds = vec![Kind::Numbers; names.len()];
                if let Some(column) = text {
                    kinds[place(column)?] = Kind::Text;
                }
                kinds[place(dates)?] = Kind::Dates;
                kinds
            }
            Texts::Any(_) => vec![Kind::Text; names.len()],
            Texts::These { columns, .. } => {
                let kind = |j| if columns.contains(&j) { Kind::Text } else { Kind::Numbers };
                (0..names.len()).map(kind).collect()
            }
            Texts::AllBut { columns, texts } => {
                let numbers: HashSet<&String> =
                    columns.iter().filter(|column| !texts.contains(column)).collect();
                let kind = |name| if numbers.contains(name) { Kind::Numbers } else { Kind::Text };
                names.iter().map(kind).collect()
            }
        };
        if !ignored.is_empty() {
            ignored.iter().for_each(|&j| kinds[j] = Kind::Ignored);
            positions.retain(|j| !ignored.contains(j));
            names = positions.iter().map(|&j| mem::take(&mut names[j])).collect();
        }
        if names.is_empty() {
            return Err(DataError::AllIgnored { file: file() });
        }
        let mut absent = Vec::new();
        if let Texts::AllBut { columns, texts } = &self.texts {
            let known: HashSet<&String> = names.iter().collect();
            absent.extend(columns.iter().filter(|name| !known.contains(name)).cloned());
            if absent.len() == columns.len() {
                let (expected, found) = (listed(columns), listed(&names));
                return Err(DataError::NoInputs { expected, found, file: file() });
            }
            if !absent.is_empty() && !self.origin.options.missing {
                return Err(DataError::NoInput { file: file(), expected: listed(&absent) });
            }
            positions.extend(kinds.len()..kinds.len() + absent.len());
            let kind = |name| if texts.contains(name) { Kind::Text } else { Kind::Numbers };
            kinds.extend(absent.iter().map(kind));
        }
        self.absent = absent.len();
        if self.header() {
            self.origin.head.extend(absent.iter().cloned());
        }
        names.extend(absent);
        self.origin.cols = kinds.len();
        self.origin.ignored = ignored.into_iter().collect();
        (self.names, self.positions, self.kinds) = (names, positions, kinds);
        Ok(())
    }

    fn row<'c>(&mut self, line: usize, cells: impl Iterator<Item = &'c str>) -> Result<(), DataError> {
        self.origin.lines.push(line);
        for (j, cell) in cells.chain(std::iter::repeat_n("", self.absent)).enumerate() {
            self.origin.texts += cell;
            self.origin.ends.push(self.origin.texts.len());
            let kind = self.kinds[j];
            let options = &self.origin.options;
            let parsed = || number(cell, self.origin.guess.decimal_comma);
            let value = match (kind, options.is_missing(cell)) {
                (Kind::Ignored, _) => continue,
                (Kind::Text, true) => f64::NAN,
                (Kind::Text, false) => parsed().unwrap_or(f64::NAN),
                (_, true) if options.missing => f64::NAN,
                (_, true) => return Err(self.refused(line, j, cell)),
                (Kind::Numbers, false) => parsed().ok_or_else(|| self.refused(line, j, cell))?,
                (Kind::Dates, false) => self.moment(line, j, cell)?,
            };
            if kind != Kind::Text && loses_digits(cell.trim(), value) {
                let first = || Rounded { column: j, cells: 0, line, text: cell.to_owned(), number: value };
                self.rounded.entry(j).or_insert_with(first).cells += 1;
            }
            self.values.push(value);
        }
        Ok(())
    }

    /// The number of a cell in the column of dates: its own, or the seconds of a date, as the first cell is.
    fn moment(&mut self, line: usize, j: usize, cell: &str) -> Result<f64, DataError> {
        let number = number(cell, self.origin.guess.decimal_comma);
        let date = number.map_or_else(|| read_date(cell), |_| None);
        if self.dates_from.is_none() {
            self.dates_from = Some(line);
            self.origin.dates = date.map(|_| j);
        }
        let is_dates = self.origin.dates.is_some();
        if let Some(value) = if is_dates { date } else { number } {
            return Ok(value);
        }
        let expected = match self.dates_from {
            Some(from) if from < line => {
                format!("a {}, as in line {from}", if is_dates { "date" } else { "number" })
            }
            _ => "a number or a date".to_owned(),
        };
        let advice = "correct it, or leave the row out; dates are written as 2024-01-31, 2024-01-31 10:00 or \
                      2024-01-31T10:00:00.25+02:00";
        Err(self.refusal(line, j, cell, &expected, advice.to_owned()))
    }

    /// The error of a cell that is no number, with what is most likely to help.
    fn refused(&self, line: usize, j: usize, cell: &str) -> DataError {
        let named = self.origin.head.get(j).map(|name| name.trim()).filter(|name| !name.is_empty());
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
                Texts::AllBut { .. } => {
                    "correct it, or take this line out if it names the columns: those of the training had no names"
                }
                _ => &format!(
                    "correct it, say --header yes if this line names the columns, or leave the column out by --ignore {}",
                    j + 1
                ),
            }
        } else if matches!(self.texts, Texts::AllBut { .. }) {
            "correct it, or name missing values by --missing"
        } else {
            let column = named.map_or_else(|| (j + 1).to_string(), label);
            let of_classes = match self.texts {
                Texts::These { .. } => format!(", take its texts for categories by --kind {column}=category"),
                _ => String::new(),
            };
            &format!(
                "correct it, leave the column out by --ignore {column}{of_classes}, or name missing values by --missing"
            )
        };
        self.refusal(line, j, cell, "a finite number", advice.to_owned())
    }

    fn refusal(&self, line: usize, j: usize, cell: &str, expected: &str, advice: String) -> DataError {
        DataError::Cell {
            file: self.origin.file.clone(),
            line,
            column: j + 1,
            name: self.origin.head.get(j).map_or("", |name| name).into(),
            text: shown(cell).into(),
            expected: expected.into(),
            advice: advice.into(),
        }
    }

    /// All rows as a table.
    fn finish(self) -> Result<Table, DataError> {
        if self.values.is_empty() {
            return Err(DataError::Empty { file: self.origin.file });
        }
        let blank_end = self.blank_end();
        // Of a very wide table the names are the largest part: they are not copied.
        let Self { names, positions, values, mut origin, rounded, .. } = self;
        (origin.rounded, origin.blank_end) = (rounded.into_values().collect(), blank_end);
        let values = Matrix::new(values.len() / names.len(), names.len(), values);
        Ok(Table { names, values, positions, origin: Arc::new(origin) })
    }

    /// The rows so far as a table, if there are any. Those that come next begin another one.
    pub(super) fn take(&mut self) -> Option<Table> {
        if self.values.is_empty() {
            return None;
        }
        let Origin { file, guess, options, head, cols, ignored, dates, .. } = &self.origin;
        let mut next = Origin::new(file.clone(), guess.clone(), options.clone());
        (next.head, next.cols, next.ignored, next.dates) = (head.clone(), *cols, ignored.clone(), *dates);
        let blank_end = self.blank_end();
        let (names, values) = (self.names.clone(), mem::take(&mut self.values));
        let mut origin = mem::replace(&mut self.origin, next);
        (origin.rounded, origin.blank_end) = (self.rounded.values().cloned().collect(), blank_end);
        let values = Matrix::new(values.len() / names.len(), names.len(), values);
        Some(Table { names, values, positions: self.positions.clone(), origin: Arc::new(origin) })
    }

    /// Blank lines at the end, unless a row follows them.
    fn blank_end(&self) -> usize {
        if self.holds() { 0 } else { self.blank_lines.len() }
    }
}

/// Whether a whole number has digits that its nearest number of double precision has not.
fn loses_digits(cell: &str, value: f64) -> bool {
    let digits = cell.trim_start_matches(['-', '+']);
    value.abs() >= 2f64.powi(53)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && cell.parse() != Ok(value as i128)
}
