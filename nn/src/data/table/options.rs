//! How a table is written.

/// How a table is written. The default guesses separator, header and decimal commas from the first rows, and allows no
/// missing values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// Columns that are left out, each by name or number: they may hold any text, and are written back as they were read.
    pub ignore: Vec<String>,
    /// What separates cells.
    pub separator: Separator,
    /// Whether the first row names the columns.
    pub header: Header,
    /// Whether numbers are known to be written with a decimal comma, as 0,5. Otherwise that is guessed: they are if some
    /// cells are such numbers, none has a decimal point, and the comma is not surely one between thousands.
    pub decimal_comma: bool,
    /// Lines that begin with this character are no rows.
    pub comment: Option<char>,
    /// Whether a missing value is allowed and becomes NaN. Otherwise it is an error. Infinity always is an error.
    pub missing: bool,
    /// The texts of a missing value, in capitals or not. An empty cell always is one, and so is a blank line between the rows
    /// of a table of one column.
    pub marks: Vec<String>,
    /// The largest number of bytes of the unpacked text, 2²⁸ by default: a small gzip file can unpack to any length.
    pub max_bytes: u64,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            ignore: Vec::new(),
            separator: Separator::Auto,
            header: Header::Auto,
            decimal_comma: false,
            comment: None,
            missing: false,
            marks: ["NA", "NaN", "?"].map(String::from).to_vec(),
            max_bytes: 1 << 28,
        }
    }
}

impl TableOptions {
    /// Whether a cell is a missing value: empty, or one of the marks.
    pub fn is_missing(&self, cell: &str) -> bool {
        let cell = cell.trim();
        cell.is_empty() || self.marks.iter().any(|mark| cell.eq_ignore_ascii_case(mark))
    }
}

/// What separates the cells of a row. Blanks around a cell do not count, and a cell may stand in double quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// That of the others which cuts the first records most evenly, and into most numbers.
    Auto,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// One tab.
    Tab,
    /// `|`
    Bar,
    /// Any number of blanks and tabs.
    Blanks,
}

impl Separator {
    /// The character, if it is a single one.
    pub(super) fn character(self) -> Option<char> {
        match self {
            Self::Comma => Some(','),
            Self::Semicolon => Some(';'),
            Self::Tab => Some('\t'),
            Self::Bar => Some('|'),
            Self::Blanks | Self::Auto => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "a comma",
            Self::Semicolon => "a semicolon",
            Self::Tab => "a tab",
            Self::Bar => "a bar",
            Self::Blanks | Self::Auto => "a blank",
        }
    }
}

/// Whether the first row names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It does if none of its cells is a number, unless all of them are missing values; and if its numbers can hardly be data,
    /// such as years over columns of other magnitudes, or 0, 1, 2, … over other numbers. Any other first row of both numbers
    /// and words is an error: a row of data with a typing error would otherwise be lost as a header.
    Auto,
    /// The first row names the columns.
    Present,
    /// The first row is data.
    Absent,
}
