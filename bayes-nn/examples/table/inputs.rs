//! The inputs of a table as numbers: indicators take the place of classes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use nn::data::{ColumnCode, ColumnKind, DataError, KindOf, Matrix, Preprocessing, Table, Unseen, label};
use nn::run::{counted, say_kinds};

use crate::{Args, gaps};

/// The columns of a table beside the target, without gaps, and what they are: of text classes, else numbers.
pub(super) struct Inputs {
    table: Table,
    kinds: Vec<KindOf>,
}

/// The same with the classes that the rows to train on have.
pub(super) struct Coded {
    /// In the place of a class its number.
    pub(super) table: Table,
    /// How a row becomes the numbers of a model. They are not scaled.
    pub(super) preprocessing: Preprocessing,
}

impl Inputs {
    pub(super) fn new(args: &Args, table: &Table, target: usize) -> anyhow::Result<Self> {
        let mut kinds = args.kinds.kinds(table)?;
        let name = |column: usize| label(&table.names[column]);
        ensure!(!kinds[target].given, "--kind: {} is the target: --likelihood says what it is", name(target));
        kinds.remove(target);
        let (table, _) = table.split_target(&table.names[target])?;
        for (column, kind) in kinds.iter_mut().enumerate() {
            let is_text =
                |row: usize| table.values.row(row)[column].is_nan() && !table.is_missing(row, column);
            let is_text = (0..table.values.rows).any(is_text);
            ensure!(
                !is_text || kind.kind.is_of_classes(),
                "--kind: {} holds text: expected category or yes-no, found {}",
                label(&table.names[column]),
                kind.kind
            );
            let is_input = kind.kind.is_of_classes() || kind.kind == ColumnKind::Normal;
            ensure!(
                is_input || !kind.given,
                "--kind: {} is an input: expected normal, yes-no or category, found {}",
                label(&table.names[column]),
                kind.kind
            );
            // Inputs have no density: numbers are numbers, unless somebody says that they are names.
            let is_named = kind.given && kind.kind.is_of_classes();
            if !is_text && !is_named {
                kind.kind = ColumnKind::Normal;
            }
        }
        gaps::refuse(&table, |column| kinds[column].kind.is_of_classes())?;
        Ok(Self { table, kinds })
    }

    pub(super) fn coded(&self, train: &[usize]) -> Result<Coded, DataError> {
        let codes = self.table.codes(&self.kinds, train)?;
        let table = self.table.coded(&codes)?;
        let plain = Preprocessing::new(&table, train);
        let preprocessing = match codes.iter().any(|code| code.kind.is_of_classes()) {
            true => Preprocessing { codes, unseen: Unseen::Zeros, ..plain },
            false => plain,
        };
        Ok(Coded { table, preprocessing })
    }
}

impl Coded {
    /// The numbers of all rows, (rows, width).
    pub(super) fn numbers(&self) -> Result<Matrix<f64>, DataError> {
        self.preprocessing.apply(&self.table)
    }

    /// The names of these numbers.
    pub(super) fn names(&self) -> Vec<String> {
        let numbers = [ColumnCode::NUMBERS];
        let codes = self.preprocessing.codes.iter().chain(numbers.iter().cycle());
        self.table.names.iter().zip(codes).flat_map(|(name, code)| code.names(name)).collect()
    }

    /// Says what the columns are, if some are classes.
    pub(super) fn say_kinds(&self) {
        if !self.preprocessing.codes.is_empty() {
            say_kinds(&self.table, &self.preprocessing.codes);
        }
    }

    /// What there is to say of rows held out with classes that no row to train on has.
    pub(super) fn note_of_unseen(&self) -> Option<String> {
        const MOST: usize = 8;
        let mut unseen: BTreeMap<usize, (BTreeSet<&str>, usize)> = BTreeMap::new();
        for (row, input) in self.preprocessing.unseen_in(&self.table) {
            let (classes, rows) = unseen.entry(input).or_default();
            classes.insert(self.table.text(row, input).trim());
            *rows += 1;
        }
        let of = |(input, (classes, rows)): (usize, (BTreeSet<&str>, usize))| {
            let mut names: Vec<String> = classes.iter().take(MOST).map(|class| label(class)).collect();
            if classes.len() > MOST {
                names.push(format!("{} more", classes.len() - MOST));
            }
            format!("{}: {} ({})", label(&self.table.names[input]), names.join(", "), counted(rows, "row"))
        };
        let columns: Vec<String> = unseen.into_iter().map(of).collect();
        (!columns.is_empty()).then(|| {
            format!(
                "held-out rows have classes that no row to train on has, and count as none of those: {}",
                columns.join("; ")
            )
        })
    }
}
