//! The table, and what its columns are.

use anyhow::ensure;
use nn::data::{ColumnCode, ColumnKind, DataError, KindOf, Matrix, Table, diabetes, digits};
use nn::run::say_kinds;

use crate::Args;
use crate::colour::Colour;
use crate::simulation::days;

/// A table that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Embedded {
    /// 442 patients; their sex, 1 or 2, is a category
    Diabetes,
    /// 1,797 handwritten digits as counts: how many of 16 dots are black in each of 64 blocks
    Digits,
    /// 1,000 simulated days at a lake: numbers, counts, categories
    Mixed,
}

impl Embedded {
    fn table(self, seed: u64) -> anyhow::Result<(Table, Option<&'static str>)> {
        Ok(match self {
            Self::Diabetes => (diabetes(), Some("progression")),
            Self::Digits => (dots(), Some("digit")),
            Self::Mixed => (days(seed)?, None),
        })
    }

    /// What the model was trained on.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Diabetes => "the embedded diabetes table",
            Self::Digits => "the embedded digits as counts",
            Self::Mixed => "simulated days at a lake",
        }
    }
}

/// A table that was read.
pub(crate) struct Read {
    /// All of it.
    pub(crate) whole: Table,
    /// The columns that the model sees, with numbers in the place of classes.
    pub(crate) coded: Table,
    pub(crate) codes: Vec<ColumnCode>,
    /// The column that the model does not see.
    pub(crate) colour: Option<Colour>,
}

pub(crate) fn read(args: &Args) -> anyhow::Result<Read> {
    ensure!(args.run.data.is_none(), "this example takes --csv FILE, not --data");
    let (whole, colour) = match &args.csv {
        Some(file) => {
            let texts: Vec<String> = args.kinds.texts().into_iter().chain(args.colour.clone()).collect();
            (args.format.read_mixed(file, &texts, true)?, args.colour.as_deref())
        }
        None => {
            args.format.without_table()?;
            let (table, usual) = args.embedded().table(args.run.seed)?;
            (table, args.colour.as_deref().or(usual))
        }
    };
    let (table, colour) = match colour {
        None => (whole.clone(), None),
        Some(colour) => {
            let position = whole.position(colour)?;
            let (rest, column) = whole.split_target(colour)?;
            ensure!(!rest.names.is_empty(), "--colour {colour}: the table has no other column");
            (rest, Some(Colour::new(&whole, position, &column.values)))
        }
    };
    let rows = table.values.rows;
    ensure!(rows >= 10, "expected at least 10 rows to learn from, found {rows}");
    for j in 0..table.names.len() {
        ensure!(
            (0..rows).any(|i| !table.is_missing(i, j)),
            "{}: expected known cells, found none; leave it out by --ignore",
            table.describe(j)
        );
    }
    let kinds = match args.counts {
        true => vec![KindOf { kind: ColumnKind::Count, given: true }; table.names.len()],
        false => args.kinds.kinds(&table)?,
    };
    let all: Vec<usize> = (0..rows).collect();
    let codes = table.codes(&kinds, &all).map_err(or_colour)?;
    say_kinds(&table, &codes);
    let coded = table.coded(&codes).map_err(|error| or_kind(args, error))?;
    let clusters = args.clusters;
    ensure!(clusters <= rows, "--clusters: expected at most {rows}, the number of rows, found {clusters}");
    Ok(Read { whole, coded, codes, colour })
}

/// The embedded digits as counts: each pixel is how many dots of a block of 4 x 4 are black.
fn dots() -> Table {
    let digits = digits();
    let place = |i: usize| format!("row {} column {}", i / digits.width + 1, i % digits.width + 1);
    let names = (0..digits.images.cols).map(place).chain(["digit".to_owned()]);
    let cells = digits.images.values.chunks_exact(digits.images.cols).zip(&digits.labels);
    let counts = cells.flat_map(|(image, &label)| {
        image.iter().map(|grey| (f64::from(*grey) * 16.0).round()).chain([f64::from(label)])
    });
    let (rows, cols) = (digits.len(), digits.images.cols + 1);
    Table::new(names.collect(), Matrix::new(rows, cols, counts.collect()))
}

/// What else one may do with a column of text.
fn or_colour(error: DataError) -> anyhow::Error {
    match &error {
        DataError::Classes { column, .. } => {
            anyhow::anyhow!("{error}; or let the column colour the picture by --colour {column}")
        }
        _ => error.into(),
    }
}

/// What else one may do with a cell that is of another kind than its column.
fn or_kind(args: &Args, error: DataError) -> anyhow::Error {
    match (args.counts, args.kinds.is_given()) {
        (true, _) => anyhow::anyhow!("{error}; or leave out --counts"),
        (false, true) => anyhow::anyhow!("{error}; or say another --kind"),
        _ => error.into(),
    }
}
