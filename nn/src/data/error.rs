//! What can be wrong with data.

use std::io;

/// What is wrong with data, where, and what to do about it.
///
/// Bytes are counted from 0 and, in a gzipped file, after unpacking; lines and columns of a text are counted from 1;
/// rows, columns and entries of what was read from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what the fields beside it are")]
pub enum DataError {
    /// The operating system refuses a file.
    #[error("{file}: cannot be opened: {reason}; check the path and its permissions")]
    Open { file: String, reason: io::Error },

    /// Reading or unpacking a file fails on the way.
    #[error(
        "{file}: reading stopped at byte {byte}: {reason}; if the file is cut short or damaged, fetch it again"
    )]
    Read { file: String, byte: u64, reason: io::Error },

    /// A data set's files are not where they should be.
    #[error("{folder}: found no {}; put these files there, plain or with .gz at the end", wanted.join(", no "))]
    Missing { folder: String, wanted: Vec<String> },

    /// A file does not begin as IDX files do.
    #[error(
        "{file}: begins with the bytes {magic:02x?}, an IDX file with 00 00, the type 08 (u8) or 0d (f32), and the \
         number of dimensions, at least 1; is it the right file?"
    )]
    NotIdx { file: String, magic: Vec<u8> },

    /// The sizes in an IDX header have a product that no memory can hold.
    #[error(
        "{file}: the header's shape {shape:?} is too large for any memory; the file is damaged, fetch it again"
    )]
    ShapeTooLarge { file: String, shape: Vec<usize> },

    /// A file ends before what its header promises.
    #[error(
        "{file}: ends at byte {end}, where its header promises {missing} more; it is cut short, fetch it again"
    )]
    CutShort { file: String, end: usize, missing: usize },

    /// A file goes on after what its header promises.
    #[error("{file}: should end at byte {end} by its header's shape {shape:?}, but goes on; fetch it again")]
    TooLong { file: String, end: usize, shape: Vec<usize> },

    /// A value is infinite or not a number.
    #[error("{file}: entry {entry} is {value}; replace what is not finite before training on it")]
    NotFinite { file: String, entry: usize, value: f32 },

    /// An IDX file has another number of dimensions than is wanted.
    #[error("{file}: shape {shape:?} is not that of {wanted}; is it the right file?")]
    NotThese { file: String, shape: Vec<usize>, wanted: &'static str },

    /// Labels are not whole numbers.
    #[error("{file}: holds f32 values where labels are u8; is it the right file?")]
    NotLabels { file: String },

    /// Two files do not belong together.
    #[error("{file}: has shape {shape:?}, which does not fit {other_shape:?} of {other}; fetch both again")]
    Mismatch { file: String, shape: Vec<usize>, other: String, other_shape: Vec<usize> },

    /// A label is not one of the classes.
    #[error(
        "{file}: label {label} of row {row} is not below the number of classes, {classes}; is it the right file?"
    )]
    Label { file: String, row: usize, label: u8, classes: u8 },

    /// A pixel is not a probability.
    #[error("row {row}, column {column}: the pixel {value} is not in 0 to 1; rescale or clamp the images")]
    Pixel { row: usize, column: usize, value: f32 },

    /// A file holds no data.
    #[error("{file}: holds no data; is it the right file?")]
    Empty { file: String },

    /// A text is too long.
    #[error("{file}: is longer than {limit} bytes; if it is meant to be, raise TableOptions::max_bytes")]
    TooManyBytes { file: String, limit: u64 },

    /// A text is not Unicode.
    #[error("{file}: line {line}: is not UTF-8 text; is it the right file? If so, save it again as UTF-8")]
    Encoding { file: String, line: usize },

    /// A row of a table is longer or shorter than the first.
    #[error(
        "{file}: line {line}: has {found} cells, where the first row has {wanted}; if {separator} is not what separates \
         them, set TableOptions::separator"
    )]
    Ragged { file: String, line: usize, found: usize, wanted: usize, separator: &'static str },

    /// A cell of a table cannot be used.
    #[error("{file}: line {line}, column {column}: {text:?} is not {wanted}")]
    Cell { file: String, line: usize, column: usize, text: String, wanted: &'static str },

    /// An entry of a list of indices is not one.
    #[error(
        "{file}: entry {entry} is {value}, not a whole number below {below}; does the list belong to this table?"
    )]
    Index { file: String, entry: usize, value: f64, below: usize },

    /// A table lacks a column.
    #[error("no column is named or numbered {name:?}; the columns are, from 0: {}", names.join(", "))]
    NoColumn { name: String, names: Vec<String> },
}
