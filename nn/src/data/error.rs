//! What can be wrong with data.

use std::io;

/// What is wrong with data, where, and what to do about it.
///
/// Messages count lines, rows, columns and entries from 1, as flags do that give a column by its number, and bytes from 0; in a
/// gzipped file these are those of the unpacked contents. The fields `line` and, of a text, `column` are counted from 1, and `row`,
/// `entry` and the `column` of a matrix from 0, as indices are. What a flag of `nn::run::TableArgs` can mend is advised by its
/// name; the fields of [`TableOptions`](super::TableOptions) have the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what the fields beside it are")]
pub enum DataError {
    /// The operating system refuses a file.
    #[error("{file}: cannot be opened: {reason}; check the path and its permissions")]
    Open { file: String, reason: io::Error },

    /// A folder stands where a file should.
    #[error("{file}: expected a file, found a folder; give the path of a file in it")]
    Folder { file: String },

    /// A file cannot be read or unpacked to its end.
    #[error(
        "{file}: reading stopped at byte {byte}: {reason}; if the file is cut short or damaged, fetch it again"
    )]
    Read { file: String, byte: u64, reason: io::Error },

    /// Files of a data set are not in its folder.
    #[error("{folder}: found no {}; put these files there, plain or with .gz at the end", expected.join(", no "))]
    Missing { folder: String, expected: Vec<String> },

    /// A file does not begin as IDX files do.
    #[error(
        "{file}: expected an IDX file, which begins with 00 00, the type 08 (u8) or 0d (f32), and the number of \
         dimensions, found the bytes {magic:02x?}; is it the right file?"
    )]
    NotIdx { file: String, magic: Vec<u8> },

    /// The sizes in an IDX header have a product that no memory can hold.
    #[error(
        "{file}: the shape in the header, {shape:?}, is too large for any memory; the file is damaged, fetch it again"
    )]
    ShapeTooLarge { file: String, shape: Vec<usize> },

    /// A file ends before its header says.
    #[error(
        "{file}: expected {missing} more bytes by the header, found the end at byte {end}; the file is cut short, \
         fetch it again"
    )]
    CutShort { file: String, end: usize, missing: usize },

    /// A file goes on where its header says that it ends.
    #[error(
        "{file}: expected the end at byte {end} by the shape in the header, {shape:?}, but the file goes on; fetch it \
         again"
    )]
    TooLong { file: String, end: usize, shape: Vec<usize> },

    /// A value is infinite or not a number.
    #[error("{file}: entry {}: expected a finite number, found {value}; replace it before training", entry + 1)]
    NotFinite { file: String, entry: usize, value: f32 },

    /// An IDX file has another number of dimensions than expected.
    #[error("{file}: expected {expected}, found shape {shape:?}; is it the right file?")]
    NotThese { file: String, shape: Vec<usize>, expected: &'static str },

    /// Labels are not whole numbers.
    #[error("{file}: expected labels of type u8, found values of type f32; is it the right file?")]
    NotLabels { file: String },

    /// Two files do not belong together.
    #[error(
        "{file}: expected a shape that fits {other_shape:?} of {other}, found {shape:?}; fetch both again"
    )]
    Mismatch { file: String, shape: Vec<usize>, other: String, other_shape: Vec<usize> },

    /// A label is not one of the classes.
    #[error("{file}: row {}: expected a label below {classes}, found {label}; is it the right file?", row + 1)]
    Label { file: String, row: usize, label: u8, classes: u8 },

    /// A pixel is far from every grey value.
    #[error(
        "{file}: image {}, pixel {}: expected a grey value from 0 (black) to 1 (white), found {value}; divide all pixels \
         by the value of white, such as 255",
        row + 1,
        column + 1
    )]
    Grey { file: String, row: usize, column: usize, value: f32 },

    /// A pixel is not a probability.
    #[error(
        "row {}, column {}: expected a pixel in 0 to 1, found {value}; rescale or clamp the images",
        row + 1,
        column + 1
    )]
    Pixel { row: usize, column: usize, value: f32 },

    /// An image file cannot be read.
    #[error(
        "{file}: {reason}; save it again as PNG or JPEG, move it away, or leave such files out by --skip-damaged{others}"
    )]
    Image { file: String, reason: String, others: String },

    /// The files of a folder make no set of images.
    #[error("{folder}: {reason}")]
    ImageFiles { folder: String, reason: String },

    /// There are too few images to learn from.
    #[error(
        "expected at least {expected} images to learn from and to test on, found {found}; add some to the folder"
    )]
    FewImages { expected: usize, found: usize },

    /// Images have no classes.
    #[error(
        "expected the images in two folders or more, one for each class, found {found}; sort them into folders that are named \
         after their classes"
    )]
    FewClasses { found: usize },

    /// A file has no data in it.
    #[error("{file}: holds no data; is it the right file?")]
    Empty { file: String },

    /// A text is too long.
    #[error(
        "{file}: expected at most {limit} bytes of text, found more; take fewer rows or columns, or in a program of your own \
         a larger max_bytes"
    )]
    TooManyBytes { file: String, limit: u64 },

    /// A text is not Unicode.
    #[error("{file}: line {line}: expected UTF-8 text; is it the right file? If so, save it again as UTF-8")]
    Encoding { file: String, line: usize },

    /// A row of a table is longer or shorter than the first.
    #[error(
        "{file}: line {line}: expected {expected} cells, as the first row has, found {found}; if {separator} is not what \
         separates them, say what is by --separator; name what begins a comment by --comment"
    )]
    Ragged { file: String, line: usize, expected: usize, found: usize, separator: &'static str },

    /// A quote is opened and not closed.
    #[error(
        "{file}: line {line}, column {column}: expected a second quote, found the end of the file; close the quote, or \
         write one that is part of the text as two within quotes"
    )]
    Quote { file: String, line: usize, column: usize },

    /// What a quote opens is too long.
    #[error(
        "{file}: line {line}, column {column}: expected a second quote within {limit} bytes, found none; close the quote, or write \
         one that is part of the text as two within quotes"
    )]
    LongQuote { file: String, line: usize, column: usize, limit: usize },

    /// A table of one column has too many blank lines one after the other.
    #[error("{file}: line {line}: expected at most {limit} blank lines in a row, found more; take them out")]
    BlankLines { file: String, line: usize, limit: usize },

    /// A cell of a table cannot be used. The name is that of the column, or empty.
    #[error(
        "{file}: line {line}, column {column}{}: expected {expected}, found {text:?}; {advice}",
        bracketed(name)
    )]
    Cell {
        file: String,
        line: usize,
        column: usize,
        name: Box<str>,
        text: Box<str>,
        expected: Box<str>,
        advice: Box<str>,
    },

    /// An entry of a list of indices is not an index.
    #[error(
        "{file}: line {line}: expected a whole number below {below}, found {value}; does the list belong to this table?"
    )]
    Index { file: String, line: usize, entry: usize, value: f64, below: usize },

    /// A table has none of the columns that a model takes. The names are the first ones.
    #[error(
        "{file}: expected columns with the names {expected}, found {found}; is it the right file? Its first row must name the \
         columns if that of the training did"
    )]
    NoInputs { file: String, expected: String, found: String },

    /// A table lacks columns of a model that takes no missing values. The names are the first ones.
    #[error(
        "{file}: expected columns with the names {expected} too, found none; add them: this model takes no missing values"
    )]
    NoInput { file: String, expected: String },

    /// A table has no such column. The names are the first ones, and `similar` those that are nearly the same.
    #[error(
        "expected the name or number of a column, found {name:?}{}; the {columns} columns are{}: {names}{advice}",
        if similar.is_empty() { String::new() } else { format!(": is it {similar}?") },
        if *left_out { "" } else { ", from 1" }
    )]
    NoColumn {
        name: String,
        similar: String,
        columns: usize,
        /// The number of the first column.
        first: usize,
        left_out: bool,
        names: String,
        advice: &'static str,
    },

    /// A column has too many classes for a category. The name is that of the column.
    #[error(
        "{file}: column {column}{}: expected a category, of at most {most} classes, found {classes} different texts in {cells} cells; \
         leave the column out by --ignore {}, or if they are classes say --kind {}=category",
        bracketed(name),
        label(name),
        label(name)
    )]
    Classes { file: String, column: usize, name: String, classes: usize, cells: usize, most: usize },

    /// All columns of a table are left out.
    #[error("{file}: expected a column that is not left out by --ignore, found none")]
    AllIgnored { file: String },
}

#[cfg(feature = "pictures")]
impl DataError {
    /// The same about an image, with other files that cannot be read.
    pub(super) fn among(mut self, more: &[std::path::PathBuf]) -> Self {
        if let (Self::Image { others, .. }, Some(next)) = (&mut self, more.first()) {
            *others = match more.len() {
                1 => format!(" (neither can {} be read)", next.display()),
                n => format!(" (neither can {n} others be read, such as {})", next.display()),
            };
        }
        self
    }
}

fn bracketed(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" ({})", label(name)) }
}

/// The beginning of a column's name, on one line: in quotes where it could be taken for something else, such as a number, or for more
/// than one name.
pub fn label(name: &str) -> String {
    let name = shown(&name.split_whitespace().collect::<Vec<_>>().join(" "));
    let plain = |c: char| c.is_alphanumeric() || "_-./%…".contains(c);
    let clear =
        name.chars().any(char::is_alphabetic) && name.chars().all(plain) && name.parse::<f64>().is_err();
    if clear { name } else { format!("{name:?}") }
}

/// The beginning of a text, for a message.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(32) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
