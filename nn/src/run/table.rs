//! The flags of programs that read a table.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Serialize, Serializer};

use super::RunError;
use crate::data::{
    ColumnCode, ColumnKind, DataError, Header, KindOf, Preprocessing, Separator, Table, TableOptions,
    TableReader, label, listed,
};
use crate::{errln, outln};

/// Above these flags in the help.
const HEADING: &str = "How the table is written";

/// So many columns of a kind are named.
const MOST_NAMES: usize = 8;

/// How a table is written, where the reader's guess is wrong. An example adds these flags to its own by
/// `#[command(flatten)]` and `#[serde(flatten)]`.
#[derive(Clone, Debug, Default, clap::Args, Serialize)]
pub struct TableArgs {
    /// Leave out this column, by name or by number from 1; may be given several times
    #[arg(long, help_heading = HEADING, value_name = "COLUMN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignore: Vec<String>,
    /// What separates cells [default: guessed from the first rows]
    #[arg(long, help_heading = HEADING, value_name = "WHAT", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    separator: Option<Separates>,
    /// Whether the first row names the columns [default: guessed from the first rows]
    #[arg(long, help_heading = HEADING, value_name = "ANSWER", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Answer>,
    /// A text that stands for a missing value, as an empty cell does; may be given several times [default: NA, NaN, ?]
    #[arg(long, help_heading = HEADING, value_name = "TEXT", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// Numbers are written with a decimal comma, as 0,5 [default: guessed from the first rows]
    #[arg(long, help_heading = HEADING)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    decimal_comma: bool,
    /// Lines that begin with this character are comments
    #[arg(long, help_heading = HEADING, value_name = "CHAR", value_parser = mark)]
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<char>,
}

/// What a flag names as a separator.
#[derive(Clone, Copy, Debug, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Separates {
    #[value(alias = ",")]
    Comma,
    #[value(alias = ";")]
    Semicolon,
    #[value(alias = "\t")]
    Tab,
    #[value(alias = "|")]
    Bar,
    #[value(alias = " ")]
    Blanks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Yes,
    No,
}

/// Parses what begins a comment.
fn mark(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(mark), None) if !mark.is_whitespace() && mark != '"' => Ok(mark),
        _ => Err("expected a single character, neither a blank nor a quote".to_owned()),
    }
}

impl TableArgs {
    /// Reads a table by these flags. Prints on standard output in one line how it was read, and on standard error what a user
    /// should know of it. `missing` says whether values may be missing.
    ///
    /// # Errors
    /// Those of [`Table::read`].
    pub fn read(&self, path: &Path, missing: bool) -> Result<Table, DataError> {
        Table::read(path, &self.options(missing)).inspect(|table| said(path, table))
    }

    /// Reads a table with missing values, of which one column, given by name or number, may hold any text. Prints as
    /// [`read`](Self::read) does.
    ///
    /// # Errors
    /// Those of [`Table::read_with_text`].
    pub fn read_with_text(&self, path: &Path, column: &str) -> Result<Table, DataError> {
        Table::read_with_text(path, column, &self.options(true)).inspect(|table| said(path, table))
    }

    /// Reads a table with missing values, of which one column, given by name or number, holds numbers or dates, and another one, `text`,
    /// may hold any text. Prints as [`read`](Self::read) does.
    ///
    /// # Errors
    /// Those of [`Table::read_with_dates`].
    pub fn read_with_dates(&self, path: &Path, column: &str, text: Option<&str>) -> Result<Table, DataError> {
        Table::read_with_dates(path, column, text, &self.options(true)).inspect(|table| said(path, table))
    }

    /// Reads a table in which columns may hold text: see [`Table::read_mixed`]. Prints as [`read`](Self::read) does. `missing` says whether
    /// values of columns of numbers may be missing.
    ///
    /// # Errors
    /// Those of [`Table::read_mixed`].
    pub fn read_mixed(&self, path: &Path, texts: &[String], missing: bool) -> Result<Table, DataError> {
        Table::read_mixed(path, texts, &self.options(missing)).inspect(|table| said(path, table))
    }

    /// Opens a table of new rows for a trained model. Its columns are matched by name, in any order. Missing values are written as in
    /// the table that the model was trained on, unless a flag says otherwise; `missing` says whether inputs may be missing.
    /// `others` are columns that are used and are no inputs. Says on standard error which inputs are not in the file, and which of its
    /// columns the model does not know.
    ///
    /// # Errors
    /// Those of [`TableReader::open`].
    pub fn open(
        &self,
        path: &Path,
        model: &Preprocessing,
        missing: bool,
        others: &[&String],
    ) -> Result<TableReader, DataError> {
        let options = self.options(missing);
        let header = match (options.header, model.header) {
            (Header::Auto, true) => Header::Present,
            (Header::Auto, false) => Header::Absent,
            (given, _) => given,
        };
        let marks = if self.missing.is_empty() { model.missing.clone() } else { options.marks };
        let options = TableOptions { header, marks, ..options };
        let reader = TableReader::open_mixed(path, &options, &model.inputs, &model.texts())?;
        let (file, absent) = (file_name(path), reader.absent());
        if !absent.is_empty() {
            errln!("note: {file}: no {}: missing in every row", listed(absent));
        }
        let known: HashSet<&String> = model.inputs.iter().chain(others.iter().copied()).collect();
        let unknown = |name: &String| !known.contains(name);
        let unknown: Vec<String> = reader.names().iter().filter(|name| unknown(name)).cloned().collect();
        if !unknown.is_empty() {
            errln!("note: {file}: the model does not know {}: not used", listed(&unknown));
        }
        let unnamed: Vec<&str> =
            reader.unnamed().filter(|name| model.inputs.iter().any(|input| input == name)).collect();
        if !unnamed.is_empty() {
            errln!(
                "note: {file}: {} without a name: taken for the input in the same place of the training",
                listed(&unnamed)
            );
        }
        Ok(reader)
    }

    /// Refuses these flags, for a run that reads no table.
    ///
    /// # Errors
    /// [`RunError::NoTable`] if one is given.
    pub fn without_table(&self) -> Result<(), RunError> {
        let given = [
            ("ignore", !self.ignore.is_empty()),
            ("separator", self.separator.is_some()),
            ("header", self.header.is_some()),
            ("missing", !self.missing.is_empty()),
            ("decimal-comma", self.decimal_comma),
            ("comment", self.comment.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(RunError::NoTable { flag }),
            None => Ok(()),
        }
    }

    /// What the flags say, for the reader. `missing` says whether values may be missing.
    pub fn options(&self, missing: bool) -> TableOptions {
        let usual = TableOptions::default();
        TableOptions {
            ignore: self.ignore.clone(),
            separator: match self.separator {
                None => usual.separator,
                Some(Separates::Comma) => Separator::Comma,
                Some(Separates::Semicolon) => Separator::Semicolon,
                Some(Separates::Tab) => Separator::Tab,
                Some(Separates::Bar) => Separator::Bar,
                Some(Separates::Blanks) => Separator::Blanks,
            },
            header: match self.header {
                None => usual.header,
                Some(Answer::Yes) => Header::Present,
                Some(Answer::No) => Header::Absent,
            },
            marks: if self.missing.is_empty() { usual.marks } else { self.missing.clone() },
            decimal_comma: self.decimal_comma,
            comment: self.comment,
            missing,
            ..usual
        }
    }
}

/// What the columns of a table are, where a guess is wrong. An example adds this flag to its own as it adds [`TableArgs`].
#[derive(Clone, Debug, Default, clap::Args, Serialize)]
pub struct KindArgs {
    /// What the cells of a column, by name or by number from 1, are: normal, log-normal, yes-no, category or count; may be given several
    /// times [default: guessed from its cells]
    #[arg(long, help_heading = HEADING, value_name = "COLUMN=KIND", value_parser = column_kind)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "column_kinds")]
    kind: Vec<(String, ColumnKind)>,
}

/// Parses a column and what it is.
fn column_kind(text: &str) -> Result<(String, ColumnKind), String> {
    let (column, kind) = text.rsplit_once('=').ok_or("expected COLUMN=KIND, such as sex=category")?;
    Ok((column.to_owned(), kind.parse()?))
}

fn column_kinds<S: Serializer>(kinds: &[(String, ColumnKind)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.iter().map(|(column, kind)| format!("{column}={kind}")))
}

impl KindArgs {
    /// The columns that were said to be of classes: they may hold text.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.kind.iter().filter(|(_, kind)| kind.is_of_classes());
        texts.map(|(column, _)| column.clone()).collect()
    }

    /// Whether the flag was given.
    pub fn is_given(&self) -> bool {
        !self.kind.is_empty()
    }

    /// What the columns of a table are: what the flag says, else what [`Table::guess_kind`] does.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] if there is no column of a name.
    pub fn kinds(&self, table: &Table) -> Result<Vec<KindOf>, DataError> {
        let mut given = HashMap::new();
        for (column, kind) in &self.kind {
            given.insert(table.position(column)?, *kind);
        }
        let of = |column| match given.get(&column) {
            Some(&kind) => KindOf { kind, given: true },
            None => KindOf { kind: table.guess_kind(column), given: false },
        };
        Ok((0..table.names.len()).map(of).collect())
    }
}

/// Says in a line what the columns of a table are, if they are not all one kind or if that kind is not normal.
pub fn say_kinds(table: &Table, codes: &[ColumnCode]) {
    let of = |kind: ColumnKind| {
        let columns = codes.iter().zip(&table.names).filter(|(code, _)| code.kind == kind);
        let name = |(code, name): (&ColumnCode, &String)| match code.classes.len() {
            0 => label(name),
            classes => format!("{} ({classes})", label(name)),
        };
        let names: Vec<String> = columns.map(name).collect();
        let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        match names.len() {
            0 => None,
            all if all == codes.len() => Some(format!("{kind} all")),
            all if all > MOST_NAMES => Some(format!("{kind} {shown} and {} more", all - MOST_NAMES)),
            _ => Some(format!("{kind} {shown}")),
        }
    };
    let kinds: Vec<String> = ColumnKind::NAMES.iter().filter_map(|(_, kind)| of(*kind)).collect();
    outln!("columns: {}; --kind COLUMN=KIND says otherwise", kinds.join("; "));
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn said(path: &Path, table: &Table) {
    outln!("{}: {}", file_name(path), table.summary());
    table.notes().iter().for_each(|note| errln!("note: {note}"));
}
