//! What the first records of a text say of how it is written.

use super::records::{Next, Record, Records};
use super::{Header, Separator, TableOptions};
use crate::data::date::read_date;

/// So many records are looked at.
const RECORDS: usize = 200;

/// How a text is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guess {
    pub(super) separator: Separator,
    pub(super) decimal_comma: bool,
    pub(super) header: bool,
    /// Whether the first row could as well have been taken for the other.
    pub(super) doubtful: bool,
}

impl Guess {
    /// What the options say, and the first records where they leave it open. `texts` are columns that may hold any text.
    pub(super) fn new(text: &str, options: &TableOptions, texts: &[usize]) -> Self {
        let (separator, records) = match options.separator {
            Separator::Auto => separator(text, options),
            given => (given, sample(text, given, options).0),
        };
        let decimal_comma =
            options.decimal_comma || separator != Separator::Comma && has_decimal_commas(&records);
        let (header, doubtful) = match options.header {
            Header::Present => (true, false),
            Header::Absent => (false, false),
            Header::Auto => Heading { records: &records, options, decimal_comma, texts }.decide(),
        };
        Self { separator, decimal_comma, header, doubtful }
    }
}

/// Whether a text has as many records, cut in this way, as [`Guess`] looks at, so that what follows changes nothing.
pub(super) fn is_enough(text: &str, separator: Separator, options: &TableOptions) -> bool {
    let mut reader = Records::new(text, separator, options.comment);
    let (mut records, mut record) = (0, Record::default());
    while records < RECORDS {
        match reader.read(&mut record) {
            Ok(Next::Record) => records += 1,
            Ok(Next::BlankLine) => {}
            Ok(Next::End) | Err(_) => return false,
        }
    }
    reader.place().at < text.len()
}

/// The finite number in a cell.
pub(super) fn number(cell: &str, decimal_comma: bool) -> Option<f64> {
    let cell = cell.trim();
    let number = match (decimal_comma, cell.contains('.')) {
        (true, true) => return None,
        (true, false) => cell.replace(',', ".").parse(),
        (false, _) => cell.parse(),
    };
    number.ok().filter(|x: &f64| x.is_finite())
}

fn is_date(cell: &str) -> bool {
    read_date(cell).is_some()
}

/// The first records, and whether a quote behind them is not closed.
fn sample(text: &str, separator: Separator, options: &TableOptions) -> (Vec<Record>, bool) {
    let mut reader = Records::new(text, separator, options.comment);
    let (mut records, mut record) = (Vec::new(), Record::default());
    while records.len() < RECORDS {
        match reader.read(&mut record) {
            Ok(Next::Record) => records.push(std::mem::take(&mut record)),
            Ok(Next::BlankLine) => {}
            Ok(Next::End) => break,
            Err(_) => return (records, true),
        }
    }
    (records, false)
}

/// The separator with the best evidence, and the first records. Without any the table has one column, and it is one that cuts nothing.
fn separator(text: &str, options: &TableOptions) -> (Separator, Vec<Record>) {
    use Separator::{Bar, Blanks, Comma, Semicolon, Tab};
    // Of equals the first. The records of the others are not kept: those of a very wide table are large.
    let (mut best, mut whole) = ((0.0, Comma, Vec::new()), Vec::new());
    for separator in [Semicolon, Comma, Tab, Bar, Blanks] {
        let (records, open) = sample(text, separator, options);
        let evidence = evidence(&records, separator) * if open { 0.5 } else { 1.0 };
        if records.iter().all(|record| record.len() <= 1) {
            whole.push(separator);
        }
        if evidence > best.0 {
            best = (evidence, separator, records);
        }
    }
    match best {
        (evidence, separator, records) if evidence > 0.0 => (separator, records),
        _ => {
            let separator =
                [Comma, Semicolon, Tab, Bar].into_iter().find(|one| whole.contains(one)).unwrap_or(Comma);
            (separator, sample(text, separator, options).0)
        }
    }
}

/// How well records are cut, from 0, not at all, to 2, into numbers and all alike.
fn evidence(records: &[Record], separator: Separator) -> f64 {
    let Some((first, rest)) = records.split_first() else { return 0.0 };
    let comma = separator != Separator::Comma;
    let is_number = |cell: &str| number(cell, false).or_else(|| number(cell, comma)).is_some();
    // A separator in the first record alone belongs to the name of the only column.
    let rest = if rest.is_empty() { records } else { rest };
    let cut = |record: &Record| record.len() > 1;
    let heads = cut(first) && first.cells().any(is_number);
    if !heads && !rest.iter().any(cut) {
        return 0.0;
    }
    // One column of numbers with a decimal comma.
    let is_decimal = |record: &Record| {
        let digits = |cell: &str| cell.bytes().all(|byte| byte.is_ascii_digit());
        record.len() == 2 && record.cells().all(is_number) && record.cell(1).is_some_and(digits)
    };
    if separator == Separator::Comma && first.len() == 1 && rest.iter().all(is_decimal) {
        return 0.0;
    }
    // Runs of tabs that only align.
    let widest = records.iter().map(Record::len).max().unwrap_or(0);
    let empty = |j: usize| records.iter().all(|record| record.cell(j).is_none_or(str::is_empty));
    if separator == Separator::Tab && (0..widest).any(empty) {
        return 0.0;
    }
    // Dates with the time of day behind a blank.
    let is_moment = |record: &Record| {
        let [date, time] = [0, 1].map(|j| record.cell(j).unwrap_or_default());
        record.len() == 2 && is_date(&format!("{date} {time}"))
    };
    let mut several = rest.iter().filter(|record| cut(record)).peekable();
    if separator == Separator::Blanks && several.peek().is_some() && several.all(is_moment) {
        return 0.0;
    }
    let mut lengths: Vec<usize> = records.iter().map(Record::len).filter(|&len| len > 1).collect();
    lengths.sort_unstable();
    let most = lengths.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
    let cells = || rest.iter().flat_map(Record::cells).filter(|cell| !cell.is_empty());
    let numbers = cells().filter(|cell| is_number(cell)).count();
    let even = most as f64 / records.len() as f64;
    even * (1.0 + numbers as f64 / cells().count().max(1) as f64)
}

/// Whether there are numbers with a decimal comma, and none with a point. If all of them have three digits behind the comma
/// and at most three before it, the comma may stand between thousands: then there are none.
fn has_decimal_commas(records: &[Record]) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut surely = false;
    for cell in records.iter().flat_map(Record::cells) {
        if cell.contains('.') && number(cell, false).is_some() {
            return false;
        }
        if cell.contains(',') && number(cell, true).is_some() {
            let (before, after) = cell.split_once(',').unwrap_or_default();
            let before = before.trim_start_matches(['-', '+']);
            let thousands = digits(after) && after.len() == 3 && digits(before) && before.len() <= 3;
            surely |= !thousands || before == "0";
        }
    }
    surely
}

/// The first record against those below it.
struct Heading<'r> {
    records: &'r [Record],
    options: &'r TableOptions,
    decimal_comma: bool,
    texts: &'r [usize],
}

impl Heading<'_> {
    /// Whether the first record names the columns, and whether that is doubtful.
    fn decide(&self) -> (bool, bool) {
        let Some((first, rest)) = self.records.split_first() else { return (false, false) };
        let cells = || first.cells().enumerate().filter(|(j, _)| !self.texts.contains(j));
        // A date over words is a name, as a year may be; over dates it is one of them.
        let is_dated = |j| rest.is_empty() || rest.iter().filter_map(|record| record.cell(j)).any(is_date);
        if cells().any(|(j, cell)| is_date(cell) && is_dated(j)) {
            return (false, false);
        }
        let numbers: Vec<(usize, f64)> =
            cells().filter_map(|(j, cell)| Some((j, number(cell, self.decimal_comma)?))).collect();
        if numbers.is_empty() {
            let gaps = self.options.missing && cells().all(|(_, cell)| self.options.is_missing(cell));
            return (!gaps, false);
        }
        // Names are whole numbers, no two alike.
        let mut names: Vec<f64> = numbers.iter().map(|(_, x)| *x).collect();
        names.sort_by(f64::total_cmp);
        let whole = names.iter().all(|x| x.fract() == 0.0 && x.abs() < 1e15);
        if !whole || names.windows(2).any(|pair| pair[0] == pair[1]) || rest.is_empty() {
            return (false, false);
        }
        let words = cells().filter(|(_, cell)| !cell.is_empty()).count() > numbers.len();
        let from = numbers[0].1;
        let counted = [0.0, 1.0].contains(&from)
            && numbers.iter().zip(0u32..).all(|((_, x), i)| *x == from + f64::from(i))
            && !words;
        let columns: Vec<Column> = numbers.iter().map(|&(j, x)| self.column(rest, j, x)).collect();
        let (fractions, foreign) =
            (columns.iter().all(|column| column.fractions), columns.iter().all(|column| column.foreign));
        let likely = counted && (numbers.len() >= 5 || fractions) || foreign;
        let enough = numbers.len() >= if foreign { 2 } else { 3 };
        match (likely, enough) {
            (true, true) => (true, true),
            // With words in the row an error will say what is wrong.
            (true, false) => (false, !words),
            (false, _) => (false, false),
        }
    }

    /// What is below the number `head` in column j.
    fn column(&self, rest: &[Record], j: usize, head: f64) -> Column {
        let cells = rest.iter().filter_map(|record| record.cell(j));
        let below: Vec<f64> = cells.filter_map(|cell| number(cell, self.decimal_comma)).collect();
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = below.iter().fold(ends, |(low, high), &x| (low.min(x), high.max(x)));
        let range = high - low;
        let far = head > high + 10.0 * range || head < low - 10.0 * range;
        Column {
            fractions: below.iter().any(|x| x.fract() != 0.0),
            foreign: below.len() >= 3 && range > 0.0 && far,
        }
    }
}

/// What a column says of the number above it.
struct Column {
    /// Some of its numbers are not whole.
    fractions: bool,
    /// The number is much farther from them than they from each other.
    foreign: bool,
}
