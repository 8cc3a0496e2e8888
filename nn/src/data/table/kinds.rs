//! Columns of different kinds: numbers, counts, categories; and how their cells become the numbers of a model.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::guess::number;
use super::read::{Texts, decode_text, text_of};
use super::{Table, TableOptions};
use crate::data::error::label;
use crate::data::source::Source;
use crate::data::{DataError, Matrix};

/// Larger counts are refused: a model's rates end at e¹⁵, about 3 million.
const LARGEST_COUNT: f64 = 1e6;

/// More classes of a column of text are taken for names of rows, unless it was said that they are categories.
const MANY_CLASSES: usize = 50;

/// So few classes are categories, however few cells there are.
const FEW_CLASSES: usize = 5;

/// More classes are refused.
const MOST_CLASSES: usize = 1000;

/// So much likelier must positive numbers be as log-normal ones than as normal ones, in nats a cell.
const CLEARLY: f64 = 0.05;

/// Positive numbers that single precision can hold, and their squares.
const POSITIVE: RangeInclusive<f64> = 1e-18..=1e18;

/// Pairs of texts that answer a question: no, and yes.
const ANSWERS: [[&str; 2]; 5] = [["0", "1"], ["no", "yes"], ["false", "true"], ["n", "y"], ["f", "t"]];

/// What the cells of a column are, named after the density that suits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// Any numbers.
    Normal,
    /// Positive numbers.
    LogNormal,
    /// 0 or 1, or two texts.
    YesNo,
    /// Texts, or numbers that are names, of which a column holds few different ones.
    Category,
    /// Whole numbers from 0 to a million.
    Count,
}

impl ColumnKind {
    /// The names that [`FromStr`] takes.
    pub const NAMES: [(&str, Self); 5] = [
        ("normal", Self::Normal),
        ("log-normal", Self::LogNormal),
        ("yes-no", Self::YesNo),
        ("category", Self::Category),
        ("count", Self::Count),
    ];

    /// Whether a cell is one of some classes, and no quantity.
    pub fn is_of_classes(self) -> bool {
        matches!(self, Self::YesNo | Self::Category)
    }
}

impl Display for ColumnKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for ColumnKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        kind.ok_or_else(|| format!("expected normal, log-normal, yes-no, category or count, found {text:?}"))
    }
}

/// A column as numbers: what its cells are, and the classes that they name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnCode {
    /// What the cells are.
    pub kind: ColumnKind,
    /// The texts of the classes, those of numbers in the order of the numbers, each in its shortest way of writing; of an answer no and
    /// yes; none of a quantity.
    pub classes: Vec<String>,
}

/// What a model is given for a class that is not among those of its training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// The cell is missing.
    #[default]
    Missing,
    /// None of the known classes: all indicators are 0, and of two classes the number is ½.
    Zeros,
}

impl ColumnCode {
    /// Of a column of numbers.
    pub const NUMBERS: Self = Self { kind: ColumnKind::Normal, classes: Vec::new() };

    /// The number of numbers that stand for a cell: an indicator for each category, if there are not two, which one number tells apart;
    /// else 1.
    pub fn width(&self) -> usize {
        if self.has_indicators() { self.classes.len() } else { 1 }
    }

    fn has_indicators(&self) -> bool {
        self.kind == ColumnKind::Category && self.classes.len() != 2
    }

    /// The names of these numbers for a column of this name: `colour = red` where 1 stands for a class, else the name.
    pub fn names(&self, column: &str) -> Vec<String> {
        match self.kind {
            _ if !self.kind.is_of_classes() => vec![column.to_owned()],
            _ if self.has_indicators() => {
                self.classes.iter().map(|class| format!("{column} = {class}")).collect()
            }
            _ => vec![self.classes.last().map_or(column.to_owned(), |yes| format!("{column} = {yes}"))],
        }
    }

    /// The class whose number is largest among the numbers of a cell, probabilities of classes or of yes; none of a quantity.
    ///
    /// # Panics
    /// If there are not as many numbers as the [width](Self::width).
    #[track_caller]
    pub fn likeliest(&self, numbers: &[f64]) -> Option<usize> {
        let (expected, found) = (self.width(), numbers.len());
        assert!(expected == found, "ColumnCode: expected {expected} numbers, found {found}");
        match self.kind {
            _ if !self.kind.is_of_classes() => None,
            _ if self.has_indicators() => (0..found).max_by(|&a, &b| numbers[a].total_cmp(&numbers[b])),
            _ => Some(usize::from(numbers[0] > 0.5)),
        }
    }

    /// The [width](Self::width) of several columns together.
    pub fn width_of(codes: &[Self]) -> usize {
        codes.iter().map(Self::width).sum()
    }

    /// Rows of [coded](Table::coded) cells (N, columns) as numbers (N, width): indicators of categories, everything else as it is. Of a
    /// cell that is missing all numbers are NaN.
    ///
    /// # Panics
    /// If there are not as many codes as columns.
    #[track_caller]
    pub fn expand(codes: &[Self], coded: &Matrix<f64>, unseen: Unseen) -> Matrix<f64> {
        let (expected, found) = (coded.cols, codes.len());
        assert!(expected == found, "ColumnCode: expected {expected} codes, found {found}");
        let mut values = Vec::with_capacity(coded.rows * Self::width_of(codes));
        for (code, &x) in codes.iter().cycle().zip(coded.values.iter()) {
            let is_unseen = code.kind.is_of_classes() && x >= code.classes.len() as f64;
            let x = match unseen {
                Unseen::Missing if is_unseen => f64::NAN,
                _ => x,
            };
            if code.has_indicators() {
                let indicator = |class| if x.is_nan() { x } else { f64::from(u8::from(x == class as f64)) };
                values.extend((0..code.classes.len()).map(indicator));
            } else {
                values.push(if is_unseen && !x.is_nan() { 0.5 } else { x });
            }
        }
        Matrix::new(coded.rows, Self::width_of(codes), values)
    }
}

impl Table {
    /// Reads a table in which columns may hold text: those that are named here, by name or number, and those in which more cells are text
    /// than numbers. [`values`](Self::values) are NaN where a cell is text; [`codes`](Self::codes) make numbers of them.
    ///
    /// # Errors
    /// As [`read`](Self::read): in a column most cells of which are numbers the first text is an error. [`DataError::NoColumn`] if there is
    /// no column of a name.
    pub fn read_mixed(
        path: impl AsRef<Path>,
        texts: &[String],
        options: &TableOptions,
    ) -> Result<Self, DataError> {
        Self::mixed(Source::open(path.as_ref())?, texts, options)
    }

    /// Reads a table in which columns may hold text, as [`read_mixed`](Self::read_mixed) does, from the bytes of a file.
    ///
    /// # Errors
    /// As [`read_mixed`](Self::read_mixed).
    pub fn parse_mixed(bytes: &[u8], texts: &[String], options: &TableOptions) -> Result<Self, DataError> {
        Self::mixed(Source::bytes(bytes)?, texts, options)
    }

    fn mixed(source: Source<'_>, texts: &[String], options: &TableOptions) -> Result<Self, DataError> {
        let (file, text) = text_of(source, options)?;
        // Where nothing may be wrong yet, a gap is none, either.
        let lenient = TableOptions { missing: true, ..options.clone() };
        let first = decode_text(file.clone(), &text, &lenient, Texts::Any(texts.to_vec()))?;
        let given: Result<BTreeSet<usize>, _> = texts.iter().map(|column| first.position(column)).collect();
        let given = given?;
        let is_text = |j: &usize| {
            let known = (0..first.values.rows).filter(|&i| !first.is_missing(i, *j));
            let (numbers, texts): (Vec<usize>, Vec<usize>) =
                known.partition(|&i| !first.values.row(i)[*j].is_nan());
            given.contains(j) || texts.len() > numbers.len()
        };
        let columns = (0..first.names.len()).filter(is_text).map(|j| first.positions[j]).collect();
        decode_text(file, &text, options, Texts::These { columns, given: texts.to_vec() })
    }

    /// What the cells of a column seem to be. Of numbers: answers, if they are 0 and 1; categories, if there are two others; counts, if they
    /// are whole, from 0 on, and 0 occurs; log-normal, if they are positive and clearly likelier so (by 0.05 nats a cell, both
    /// densities at their best); else normal. Of texts: answers, if they are no and yes, false and true or the first letters of these;
    /// else categories.
    ///
    /// # Panics
    /// If there is no such column.
    #[track_caller]
    pub fn guess_kind(&self, column: usize) -> ColumnKind {
        let known: Vec<f64> = (0..self.values.rows)
            .filter(|&row| !self.is_missing(row, column))
            .map(|row| self.values.row(row)[column])
            .collect();
        if known.iter().any(|x| x.is_nan()) {
            let classes = self.classes(column, 0..self.values.rows);
            return if answer(&classes).is_some() { ColumnKind::YesNo } else { ColumnKind::Category };
        }
        let mut sorted = known.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        let whole = sorted.iter().all(|x| x.fract() == 0.0);
        match sorted[..] {
            [0.0, 1.0] => ColumnKind::YesNo,
            [_, _] => ColumnKind::Category,
            [least, _, .., most] if whole && least == 0.0 && most <= LARGEST_COUNT => ColumnKind::Count,
            [least, _, .., most]
                if POSITIVE.contains(&least)
                    && POSITIVE.contains(&most)
                    && log_normal_gain(&known) > CLEARLY =>
            {
                ColumnKind::LogNormal
            }
            _ => ColumnKind::Normal,
        }
    }

    /// How columns of these kinds become numbers: with the classes that occur in these rows.
    ///
    /// # Errors
    /// [`DataError::Cell`] for a cell that cannot be of its kind, a third class of an answer for instance; [`DataError::Classes`] for a
    /// column with too many classes for a category: more than `most`, if it is given, else than 50 or than half of the cells.
    ///
    /// # Panics
    /// If there are not as many kinds as columns, or there is no such row.
    #[track_caller]
    pub fn codes(&self, kinds: &[KindOf], rows: &[usize]) -> Result<Vec<ColumnCode>, DataError> {
        let (expected, found) = (self.names.len(), kinds.len());
        assert!(expected == found, "Table: expected {expected} kinds, found {found}");
        kinds.iter().enumerate().map(|(column, kind)| self.code(column, *kind, rows)).collect()
    }

    fn code(&self, column: usize, of: KindOf, rows: &[usize]) -> Result<ColumnCode, DataError> {
        let kind = of.kind;
        let classes = || self.classes(column, rows.iter().copied());
        let classes = match kind {
            ColumnKind::Category => {
                let classes = classes();
                let known = rows.iter().filter(|&&row| !self.is_missing(row, column)).count();
                let most =
                    if of.given { MOST_CLASSES } else { MANY_CLASSES.min((known / 2).max(FEW_CLASSES)) };
                if classes.len() > most {
                    return Err(DataError::Classes {
                        file: self.origin.file.clone(),
                        column: self.positions[column] + 1,
                        name: self.names[column].clone(),
                        classes: classes.len(),
                        cells: known,
                        most,
                    });
                }
                classes
            }
            ColumnKind::YesNo => self.answers(column, rows)?,
            _ => Vec::new(),
        };
        Ok(ColumnCode { kind, classes })
    }

    /// The answers of a column in these rows, no and yes. A single one that is known, such as yes, has its opposite beside it.
    fn answers(&self, column: usize, rows: &[usize]) -> Result<Vec<String>, DataError> {
        let classes = self.classes(column, rows.iter().copied());
        let refuse = |expected: String, known: &[String]| {
            let is_other = |&row: &usize| {
                !self.is_missing(row, column)
                    && !known.iter().any(|class| class == self.text(row, column).trim())
            };
            let row = rows.iter().copied().filter(is_other).min().unwrap_or(0);
            let advice = format!("correct it, or say --kind {}=category", label(&self.names[column]));
            Err(self.refuse(row, column, expected, advice))
        };
        match &classes[..] {
            [] => Ok(ANSWERS[1].map(str::to_owned).to_vec()),
            [only] => match opposite(only) {
                Some(answers) => Ok(answers),
                // Other rows may hold the second one.
                None if self.classes(column, 0..self.values.rows).len() > 1 => Ok(classes),
                None => refuse("two answers, such as no and yes".to_owned(), &[]),
            },
            [_, _] => Ok(answer(&classes).unwrap_or(classes)),
            [a, b, ..] => refuse(format!("{a:?} or {b:?}"), &classes[..2]),
        }
    }

    /// The table with numbers in the place of classes: which of its column's classes a cell names, from 0 on, or their number if none of
    /// them. What is missing is NaN.
    ///
    /// # Errors
    /// [`DataError::Cell`] for a cell that cannot be of its kind: text where a number is expected, no positive number, no count up to a
    /// million.
    ///
    /// # Panics
    /// If there are not as many codes as columns.
    #[track_caller]
    pub fn coded(&self, codes: &[ColumnCode]) -> Result<Self, DataError> {
        let (expected, found) = (self.names.len(), codes.len());
        assert!(expected == found, "Table: expected {expected} codes, found {found}");
        let places: Vec<Places<'_>> = codes.iter().map(|code| Places::new(&code.classes)).collect();
        let mut values = Vec::with_capacity(self.values.values.len());
        for row in 0..self.values.rows {
            for (column, code) in codes.iter().enumerate() {
                let x = self.values.row(row)[column];
                let is_missing = self.is_missing(row, column);
                values.push(match code.kind {
                    _ if is_missing => f64::NAN,
                    ColumnKind::YesNo | ColumnKind::Category => {
                        let place = places[column].of(self.text(row, column).trim(), x);
                        place.unwrap_or(code.classes.len() as f64)
                    }
                    kind => match fault(kind, x) {
                        None => x,
                        Some(expected) => {
                            let advice = "correct it, or leave it empty";
                            return Err(self.refuse(row, column, expected, advice));
                        }
                    },
                });
            }
        }
        Ok(Self { values: Matrix::new(self.values.rows, codes.len(), values), ..self.clone() })
    }

    /// The different texts of a column in these rows. If all are numbers, they are in the order of the numbers, each in its shortest way
    /// of writing.
    fn classes(&self, column: usize, rows: impl Iterator<Item = usize>) -> Vec<String> {
        let known = rows.filter(|&row| !self.is_missing(row, column));
        let texts: BTreeSet<&str> = known.map(|row| self.text(row, column).trim()).collect();
        let mut classes: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        let number = |class: &String| number(class, self.origin.guess.decimal_comma);
        if classes.iter().all(|class| number(class).is_some()) {
            let value = |class: &String| number(class).unwrap_or(0.0);
            classes.sort_by(|a, b| value(a).total_cmp(&value(b)).then(a.len().cmp(&b.len())));
            classes.dedup_by(|a, b| value(a) == value(b));
        }
        classes
    }
}

/// Where classes stand among those of a column: by their texts, and those that are numbers by these, however they are written.
struct Places<'c> {
    texts: HashMap<&'c str, f64>,
    numbers: HashMap<u64, f64>,
}

impl<'c> Places<'c> {
    fn new(classes: &'c [String]) -> Self {
        let places = || classes.iter().zip((0_u32..).map(f64::from));
        let number = |class: &String| number(class, false).or_else(|| number(class, true));
        Self {
            texts: places().map(|(class, place)| (&**class, place)).collect(),
            numbers: places().filter_map(|(class, place)| Some((bits(number(class)?), place))).collect(),
        }
    }

    /// The place of a cell, which is a number or NaN.
    fn of(&self, text: &str, number: f64) -> Option<f64> {
        let folded = || self.texts.get(&*text.to_lowercase());
        self.texts.get(text).or_else(folded).or_else(|| self.numbers.get(&bits(number))).copied()
    }
}

/// A number as a key: 0 and −0 have the same one.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

/// The kind of a column, and whether somebody said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindOf {
    /// The kind.
    pub kind: ColumnKind,
    /// Whether it was given, and not guessed.
    pub given: bool,
}

/// What was expected in the place of a number that is not of a kind.
fn fault(kind: ColumnKind, x: f64) -> Option<String> {
    let is_whole = x.fract() == 0.0;
    match kind {
        _ if x.is_nan() => Some("a finite number".to_owned()),
        ColumnKind::LogNormal if !POSITIVE.contains(&x) => {
            Some(format!("a positive number from {:e} to {:e}", POSITIVE.start(), POSITIVE.end()))
        }
        ColumnKind::Count if is_whole && x > LARGEST_COUNT => Some(format!("counts up to {LARGEST_COUNT}")),
        ColumnKind::Count if !is_whole || x < 0.0 => Some("counts".to_owned()),
        _ => None,
    }
}

/// No and yes, if classes are nothing else.
fn answer(classes: &[String]) -> Option<Vec<String>> {
    let is =
        |class: &String, texts: &[&str; 2]| texts.iter().position(|text| class.eq_ignore_ascii_case(text));
    let texts = ANSWERS.iter().find(|texts| {
        let found: BTreeSet<Option<usize>> = classes.iter().map(|class| is(class, texts)).collect();
        classes.len() == 2 && found == BTreeSet::from([Some(0), Some(1)])
    })?;
    let mut known = classes.to_vec();
    known.sort_by_key(|class| is(class, texts));
    Some(known)
}

/// No and yes, of which this is one.
fn opposite(only: &str) -> Option<Vec<String>> {
    let position = |pair: &[&str; 2]| pair.iter().position(|text| only.eq_ignore_ascii_case(text));
    let (pair, i) = ANSWERS.iter().find_map(|pair| Some((pair, position(pair)?)))?;
    let mut both = pair.map(str::to_owned);
    only.clone_into(&mut both[i]);
    Some(both.to_vec())
}

/// By how much positive numbers are likelier as log-normal ones than as normal ones, in nats a number, both densities at their best:
///
/// ln sd(x) − ln sd(ln x) − mean(ln x)
fn log_normal_gain(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = |of: &dyn Fn(f64) -> f64| x.iter().map(|x| of(*x)).sum::<f64>() / n;
    let (center, log_center) = (mean(&|x| x), mean(&f64::ln));
    let variance = mean(&|x| (x / center - 1.0).powi(2));
    let log_variance = mean(&|x| (x.ln() - log_center).powi(2));
    center.ln() + 0.5 * variance.ln() - 0.5 * log_variance.ln() - log_center
}
