//! A text cut into records and cells.

use super::Separator;

/// A row of a text: its cells, and the line where it begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Counted from 1.
    pub(super) line: usize,
    text: String,
    ends: Vec<usize>,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cells: without the blanks around them, or what stands between quotes.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|j| self.cell(j).unwrap_or_default())
    }

    pub(super) fn cell(&self, j: usize) -> Option<&str> {
        let end = *self.ends.get(j)?;
        Some(&self.text[j.checked_sub(1).map_or(0, |before| self.ends[before])..end])
    }
}

/// What comes next in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record.
    Record,
    /// A line with nothing but blanks.
    BlankLine,
    /// Nothing.
    End,
}

/// A quote in this line and column, counted from 1, is not closed.
#[derive(Debug)]
pub(super) struct OpenQuote {
    /// The byte where it stands.
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Reads records one after the other.
///
/// A cell whose first character is a double quote reaches to the next one, over separators and line breaks; two quotes in it
/// are one. A line ends with LF, CR LF or CR. A line that begins with the character of comments is skipped, but not inside
/// quotes.
#[derive(Clone, Debug)]
pub(super) struct Records<'t> {
    text: &'t str,
    separator: Separator,
    comment: Option<char>,
    at: usize,
    line: usize,
}

/// Where a text is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The byte, from 0.
    pub(super) at: usize,
    /// The line, from 1.
    pub(super) line: usize,
}

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t str, separator: Separator, comment: Option<char>) -> Self {
        Self::from(text, Place { at: 0, line: 1 }, separator, comment)
    }

    /// The records from this place on.
    pub(super) fn from(
        text: &'t str,
        Place { at, line }: Place,
        separator: Separator,
        comment: Option<char>,
    ) -> Self {
        Self { text, separator, comment, at, line }
    }

    /// Behind what was read last.
    pub(super) fn place(&self) -> Place {
        Place { at: self.at, line: self.line }
    }

    /// Puts the next record into `record`. Of a blank line it puts the number there.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<Next, OpenQuote> {
        record.text.clear();
        record.ends.clear();
        while self.at < self.text.len() {
            record.line = self.line;
            let rest = &self.text[self.at..];
            let line = &rest[..rest.find(['\r', '\n']).unwrap_or(rest.len())];
            let comment = self.comment.is_some_and(|mark| line.trim_start().starts_with(mark));
            let is_blank = |c: char| c.is_whitespace() && !(c == '\t' && self.separator == Separator::Tab);
            if !comment && !line.chars().all(is_blank) {
                return self.cells(record).map(|()| Next::Record);
            }
            self.at += line.len();
            self.end_line();
            if !comment {
                return Ok(Next::BlankLine);
            }
        }
        Ok(Next::End)
    }

    fn cells(&mut self, record: &mut Record) -> Result<(), OpenQuote> {
        loop {
            self.skip_blanks();
            if self.byte() == Some(b'"') {
                self.quoted(record)?;
            }
            let rest = &self.text[self.at..];
            let end = rest.find(|c: char| matches!(c, '\r' | '\n') || self.is_separator(c));
            let cell = &rest[..end.unwrap_or(rest.len())];
            self.at += cell.len();
            record.text += cell.trim();
            record.ends.push(record.text.len());
            if self.separator == Separator::Blanks {
                self.skip_blanks();
            } else if self.byte().is_some_and(|byte| self.is_separator(char::from(byte))) {
                self.at += 1;
                continue;
            }
            if matches!(self.byte(), None | Some(b'\r' | b'\n')) {
                self.end_line();
                return Ok(());
            }
        }
    }

    /// Reads from a quote to the one that closes it.
    fn quoted(&mut self, record: &mut Record) -> Result<(), OpenQuote> {
        let open = OpenQuote { at: self.at, line: self.line, column: record.len() + 1 };
        loop {
            let inside = &self.text[self.at + 1..];
            let Some(end) = inside.find('"') else { return Err(open) };
            record.text += &inside[..end];
            self.line += line_breaks(&inside[..end]);
            self.at += end + 2;
            if self.byte() != Some(b'"') {
                return Ok(());
            }
            record.text.push('"');
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_separator(&self, c: char) -> bool {
        match self.separator.character() {
            Some(separator) => c == separator,
            None => matches!(c, ' ' | '\t'),
        }
    }

    fn skip_blanks(&mut self) {
        let is_blank = |byte| byte == b' ' || byte == b'\t' && self.separator != Separator::Tab;
        while self.byte().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn end_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) };
        self.line += 1;
    }
}

/// The number of lines that end in a text.
pub(super) fn line_breaks(text: &str) -> usize {
    let (lf, cr) = (text.matches('\n').count(), text.matches('\r').count());
    lf + cr - text.matches("\r\n").count()
}

/// A cell as it is written among others: in quotes where it could be read wrongly.
pub(super) fn written(cell: &str, separator: Separator, comment: Option<char>) -> String {
    let special =
        |c: char| matches!(c, '"' | '\r' | '\n') || separator.character().unwrap_or(' ') == c || c == '\t';
    let quoted = cell.is_empty() && separator == Separator::Blanks
        || cell.trim() != cell
        || cell.contains(special)
        || comment.is_some_and(|mark| cell.starts_with(mark))
        || separator == Separator::Blanks && cell.contains(char::is_whitespace);
    if quoted { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
