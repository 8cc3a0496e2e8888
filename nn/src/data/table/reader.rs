//! A table that is read some rows at a time.

use std::fmt::{self, Debug, Formatter};
use std::path::Path;

use super::guess::{Guess, is_enough};
use super::read::{Rows, Texts, guess};
use super::records::{Next, OpenQuote, Place, Record, Records, line_breaks};
use super::{Origin, Table, TableOptions};
use crate::data::DataError;
use crate::data::source::Source;

/// The bytes that are read at a time, or more where a record is longer.
const BLOCK: usize = 1 << 20;

/// The longest text between quotes.
const QUOTED: usize = 1 << 24;

/// At least so many bytes say how a text is written, if they do not hold as many rows as one looks at.
const GUESSED: usize = 1 << 25;

/// A file with a table, of which some rows at a time are read, so that memory does not grow with their number.
///
/// Certain columns hold numbers, and are found by name, in any order. One of them that is not in the file stands behind its last
/// column, and all its cells are empty. All other columns may hold any text; their values are NaN where they are no numbers.
///
/// ```
/// use nn::data::{TableOptions, TableReader};
/// # let folder = std::env::temp_dir().join(format!("nn-reader-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let file = folder.join("new.csv");
/// std::fs::write(&file, "name,b\nx,1\ny,2\nz,3\n").unwrap();
/// let options = TableOptions { missing: true, ..TableOptions::default() };
/// let mut reader = TableReader::open(&file, &options, &["a".to_owned(), "b".to_owned()])?;
/// assert_eq!(reader.names(), ["name", "b", "a"]);
/// assert_eq!(reader.absent(), ["a"]);
/// let first = reader.read(2)?.unwrap();
/// assert_eq!(first.write(|row, column| (column == 2).then_some(row as f64)), "name,b,a\nx,1,0\ny,2,1\n");
/// assert_eq!(reader.read(2)?.unwrap().values.rows, 1);
/// assert!(reader.read(2)?.is_none());
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), nn::data::DataError>(())
/// ```
pub struct TableReader {
    source: Source<'static>,
    /// What was read and is not yet all cut into records.
    text: String,
    place: Place,
    /// The first bytes of a character whose last are not yet read.
    bytes: Vec<u8>,
    ended: bool,
    rows: Rows,
}

impl TableReader {
    /// Opens a file, plain or gzipped, in which the columns with these names hold numbers. How it is written is guessed from its
    /// first rows, as by [`Table::read`].
    ///
    /// # Errors
    /// As [`Table::read`]; [`DataError::NoInputs`] if the file has none of the columns, [`DataError::NoInput`] if one is not there
    /// and no value may be missing.
    pub fn open(
        path: impl AsRef<Path>,
        options: &TableOptions,
        columns: &[String],
    ) -> Result<Self, DataError> {
        Self::open_mixed(path, options, columns, &[])
    }

    /// Opens a file as [`open`](Self::open) does. Those of the columns that `texts` names, too, may hold text.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_mixed(
        path: impl AsRef<Path>,
        options: &TableOptions,
        columns: &[String],
        texts: &[String],
    ) -> Result<Self, DataError> {
        let source = Source::open(path.as_ref())?;
        let texts = Texts::AllBut { columns: columns.to_vec(), texts: texts.to_vec() };
        let unknown = guess("", options, &texts);
        let origin = Origin::new(source.file.clone(), unknown, options.clone());
        let rows = Rows::new(origin, texts.clone());
        let place = Place { at: 0, line: 1 };
        let mut reader = Self { source, text: String::new(), place, bytes: Vec::new(), ended: false, rows };
        reader.rows.origin.guess = reader.guess(options, &texts)?;
        reader.cut(0)?;
        match reader.rows.names.is_empty() {
            true => Err(DataError::Empty { file: reader.source.file }),
            false => Ok(reader),
        }
    }

    /// How the text is written, by as much of it as that takes.
    fn guess(&mut self, options: &TableOptions, texts: &Texts) -> Result<Guess, DataError> {
        loop {
            self.read_on()?;
            let guess = guess(&self.text, options, texts);
            if self.ended || self.text.len() >= GUESSED || is_enough(&self.text, guess.separator, options) {
                return Ok(guess);
            }
        }
    }

    /// The names of the columns. Those that are not in the file stand at the end.
    pub fn names(&self) -> &[String] {
        &self.rows.names
    }

    /// Those of the columns asked for that are not in the file.
    pub fn absent(&self) -> &[String] {
        let names = &self.rows.names;
        &names[names.len() - self.rows.absent..]
    }

    /// The columns that have no name in a file whose first row names the others: "column 1" and so on, by their place.
    pub fn unnamed(&self) -> impl Iterator<Item = &str> {
        let Rows { names, positions, origin, .. } = &self.rows;
        let is_blank =
            |&(_, &j): &(&String, &usize)| origin.head.get(j).is_some_and(|head| head.trim().is_empty());
        names.iter().zip(positions).filter(is_blank).map(|(name, _)| name.as_str())
    }

    /// The share of the file that was read, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.source.share()
    }

    /// The next rows, `most` or fewer; none at the end.
    ///
    /// # Errors
    /// As [`Table::read`].
    ///
    /// # Panics
    /// If `most` is 0.
    #[track_caller]
    pub fn read(&mut self, most: usize) -> Result<Option<Table>, DataError> {
        assert!(most > 0, "TableReader: expected to read at least one row");
        self.cut(most)?;
        Ok(self.rows.take())
    }

    /// Cuts the text into records until there are so many rows and the names of the columns.
    fn cut(&mut self, most: usize) -> Result<(), DataError> {
        let (separator, comment) = (self.rows.origin.guess.separator, self.rows.origin.options.comment);
        let mut record = Record::default();
        loop {
            let mut records = Records::from(&self.text, self.place, separator, comment);
            while self.rows.len() < most || self.rows.names.is_empty() {
                if self.rows.holds() {
                    self.rows.release(most)?;
                    continue;
                }
                let next = records.read(&mut record);
                let place = records.place();
                if let Err(OpenQuote { at, line, column }) = next
                    && self.text.len() - at > QUOTED
                {
                    let file = self.source.file.clone();
                    return Err(DataError::LongQuote { file, line, column, limit: QUOTED });
                }
                // What comes next in the file may belong to it.
                if !self.ended && (next.is_err() || place.at == self.text.len()) {
                    break;
                }
                match next {
                    Ok(Next::Record) => self.rows.push(&record)?,
                    Ok(Next::BlankLine) => self.rows.blank_line(record.line)?,
                    Ok(Next::End) => return Ok(()),
                    Err(OpenQuote { line, column, .. }) => {
                        return Err(DataError::Quote { file: self.source.file.clone(), line, column });
                    }
                }
                self.place = place;
            }
            if self.rows.len() >= most && !self.rows.names.is_empty() {
                return Ok(());
            }
            self.read_on()?;
        }
    }

    /// Reads a block more, or as much again as is not yet cut.
    fn read_on(&mut self) -> Result<(), DataError> {
        self.text.drain(..self.place.at);
        self.place.at = 0;
        let (file, limit) = (&self.source.file, self.rows.origin.options.max_bytes);
        if self.text.len() as u64 > limit {
            return Err(DataError::TooManyBytes { file: file.clone(), limit });
        }
        let first = self.text.is_empty() && self.bytes.is_empty();
        let block = self.source.take(BLOCK.max(self.text.len()) as u64)?;
        self.ended = block.is_empty();
        self.bytes.extend(block);
        let valid = match str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            Err(error) if error.error_len().is_none() && !self.ended => error.valid_up_to(),
            Err(error) => {
                let before = String::from_utf8_lossy(&self.bytes[..error.valid_up_to()]);
                let line = self.place.line + line_breaks(&self.text) + line_breaks(&before);
                return Err(DataError::Encoding { file: self.source.file.clone(), line });
            }
        };
        let rest = self.bytes.split_off(valid);
        let text = String::from_utf8(std::mem::replace(&mut self.bytes, rest)).expect("it was checked");
        let mark = first && self.place.line == 1;
        self.text += if mark { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
        Ok(())
    }
}

impl Debug for TableReader {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { source, place, rows, .. } = self;
        f.debug_struct("TableReader")
            .field("file", &source.file)
            .field("place", place)
            .field("rows", rows)
            .finish()
    }
}
