//! A regression set with its splits into rows to train on and rows to test on.

use std::f64::consts::PI;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, ensure};
use nn::data::{Matrix, counts, read_indices, split};
use nn::run::{RunArgs, TableArgs};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

use crate::common::Rows;

pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) rows: Rows,
    pub(crate) splits: Vec<Split>,
}

pub(crate) struct Split {
    pub(crate) number: usize,
    /// The rows to train on.
    pub(crate) train: Vec<usize>,
    /// The rows to test on.
    pub(crate) test: Vec<usize>,
}

/// The most splits that are used unless some are named: a dry run tries two.
fn most(run: &RunArgs) -> usize {
    if run.dry_run { 2 } else { usize::MAX }
}

impl Set {
    /// Reads a folder with `data.txt`, `index_features.txt`, `index_target.txt`, and for each split K `index_train_K.txt` and
    /// `index_test_K.txt`; only the splits in `numbers`, if given.
    pub(crate) fn read(
        dir: &Path,
        run: &RunArgs,
        table: &TableArgs,
        numbers: Option<Range<usize>>,
    ) -> anyhow::Result<Self> {
        let absolute =
            dir.canonicalize().with_context(|| format!("the folder {} cannot be opened", dir.display()))?;
        let name = absolute.file_name().map_or("uci".into(), |name| name.to_string_lossy().replace(' ', "_"));
        let table = table.read(&dir.join("data.txt"), false)?;
        let places = table.places();
        let columns = |file: &str| -> anyhow::Result<Vec<usize>> {
            let place = |j: usize| {
                let left_out =
                    || format!("{}: column {} is left out by --ignore", dir.join(file).display(), j + 1);
                places[j].with_context(left_out)
            };
            read_indices(dir.join(file), places.len())?.into_iter().map(place).collect()
        };
        let (features, target) = (columns("index_features.txt")?, columns("index_target.txt")?);
        ensure!(target.len() == 1, "{}: expected one target, found {}", dir.display(), target.len());
        let rows = Rows { x: table.values.columns(&features), y: table.values.columns(&target) };

        let there = || (0..).take_while(|k| dir.join(format!("index_train_{k}.txt")).is_file()).count();
        let splits = numbers.unwrap_or_else(|| 0..most(run).min(there().max(1))).map(|number| {
            let part = |part: &str| -> anyhow::Result<Vec<usize>> {
                let mut indices = read_indices(dir.join(format!("index_{part}_{number}.txt")), rows.x.rows)?;
                indices.truncate(run.rows(indices.len()));
                Ok(indices)
            };
            Ok(Split { number, train: part("train")?, test: part("test")? })
        });
        Ok(Self { name, splits: splits.collect::<anyhow::Result<_>>()?, rows })
    }

    /// Friedman's (1991) first function with noise, in 20 splits with a tenth of the rows to test on:
    ///
    /// y = 10 sin(π x₀ x₁) + 20 (x₂ − ½)² + 10 x₃ + 5 x₄ + ε,   x ~ U(0, 1)¹⁰, ε ~ N(0, 1)
    pub(crate) fn generated(
        rows: usize,
        run: &RunArgs,
        numbers: Option<Range<usize>>,
    ) -> anyhow::Result<Self> {
        let rows = run.rows(rows);
        ensure!(rows >= 20, "--rows {rows}: expected at least 20");
        let mut rng = StdRng::seed_from_u64(run.seed);
        let x: Vec<f64> = (0..10 * rows).map(|_| rng.random()).collect();
        let y = x.chunks_exact(10).map(|x| {
            let noise: f64 = rng.sample(StandardNormal);
            10.0 * (PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4] + noise
        });
        let y = Matrix::new(rows, 1, y.collect());
        let splits = numbers.unwrap_or(0..most(run).min(20)).map(|number| {
            let seed = run.seed.wrapping_add(number as u64);
            let [train, test] = split(rows, counts(rows, [0.9, 0.1]), seed);
            Split { number, train, test }
        });
        let (splits, x) = (splits.collect(), Matrix::new(rows, 10, x));
        Ok(Self { name: "friedman".into(), splits, rows: Rows { x, y } })
    }
}
