//! How well hidden cells are predicted.

use std::ops::Range;

use nn::data::{Matrix, Standardizer};
use nn::outln;
use nn::run::{Label, TextTable};

use super::{Hidden, Series};

/// What is predicted of every cell.
pub(crate) struct Filled {
    pub(crate) mean: Matrix<f64>,
    pub(crate) sd: Matrix<f64>,
}

/// What fills in a hidden cell, by the end of its result's name and in words.
pub(crate) const METHODS: [(&str, &str); 4] = [
    ("rmse", "the model"),
    ("rmse_linear", "a straight line in time"),
    ("rmse_last", "the last value that was seen"),
    ("rmse_mean", "the mean of the channel"),
];

/// Errors over hidden cells of a kind, in standard deviations of their channel.
pub(crate) struct Score {
    cells: usize,
    /// Of each of the [`METHODS`]
    pub(crate) errors: [f64; 4],
    /// The share of cells inside the model's intervals of 95 %
    pub(crate) coverage: f64,
}

impl Score {
    /// The score of the cells of this kind, if there are any.
    pub(crate) fn of(kind: Hidden, series: &Series, scaling: &Standardizer, filled: &Filled) -> Option<Self> {
        let (values, k) = (&series.values.values, series.values.cols);
        let (mut squares, mut inside, mut cells) = ([0.0; 4], 0, 0);
        for rows in series.moments.each() {
            for i in (rows.start * k..rows.end * k).filter(|&i| series.hidden[i] == kind) {
                let [linear, last] = simple(series, rows.clone(), i, scaling.mean[i % k]);
                let predictions = [filled.mean.values[i], linear, last, scaling.mean[i % k]];
                for (square, prediction) in squares.iter_mut().zip(predictions) {
                    *square += ((values[i] - prediction) / scaling.sd[i % k]).powi(2);
                }
                inside +=
                    usize::from((values[i] - filled.mean.values[i]).abs() <= 1.96 * filled.sd.values[i]);
                cells += 1;
            }
        }
        let errors = squares.map(|square: f64| (square / cells as f64).sqrt());
        (cells > 0).then(|| Self { cells, errors, coverage: inside as f64 / cells as f64 })
    }

    /// Prints the scores of what is hidden, each with what it is of.
    pub(crate) fn print(scores: &[(&str, &Self)]) {
        outln!("errors of hidden cells, root mean square in standard deviations of their channel");
        let mut table = TextTable::new();
        let head = scores.iter().map(|(of, score)| format!("{} {of}", score.cells));
        table.row(["filled in by".to_owned()].into_iter().chain(head));
        for (method, (_, name)) in METHODS.iter().enumerate() {
            let errors = scores.iter().map(|(_, score)| format!("{:.3}", score.errors[method]));
            table.row([(*name).to_owned()].into_iter().chain(errors));
        }
        let coverage = scores.iter().map(|(_, score)| format!("{:.3}", score.coverage));
        table.row(["inside 95 % intervals".to_owned()].into_iter().chain(coverage));
        table.print();
    }

    /// The results of this score, by name.
    pub(crate) fn results(&self, prefix: &'static str) -> Vec<(String, f64)> {
        let errors =
            METHODS.iter().zip(self.errors).map(|((name, _), error)| (format!("{prefix}{name}"), error));
        errors.chain([(format!("{prefix}coverage_95"), self.coverage)]).collect()
    }
}

/// The labels of all results.
pub(crate) fn labels() -> Vec<Label> {
    let sd = "standard deviations of the channel";
    vec![
        Label::new("rmse", "error of hidden cells that the model fills in, root mean square", sd),
        Label::new(
            "rmse_linear",
            "error of hidden cells filled in by a straight line in time, root mean square",
            sd,
        ),
        Label::new(
            "rmse_last",
            "error of hidden cells filled in with the last value seen, root mean square",
            sd,
        ),
        Label::new(
            "rmse_mean",
            "error of hidden cells filled in with the mean of the channel, root mean square",
            sd,
        ),
        Label::new("coverage_95", "hidden cells inside their 95 % intervals", "share"),
        Label::new("days_rmse", "error of whole hidden days that the model fills in, root mean square", sd),
        Label::new(
            "days_rmse_linear",
            "error of whole hidden days filled in by a straight line, root mean square",
            sd,
        ),
        Label::new(
            "days_rmse_last",
            "error of whole hidden days filled in with the last value seen, root mean square",
            sd,
        ),
        Label::new(
            "days_rmse_mean",
            "error of whole hidden days filled in with the mean, root mean square",
            sd,
        ),
        Label::new("days_coverage_95", "cells of whole hidden days inside their 95 % intervals", "share"),
    ]
}

/// Between the nearest cells of the channel and the series that the model saw, too, or at the nearest one at an end, and the last one
/// before; the mean of the channel where there is none.
fn simple(series: &Series, rows: Range<usize>, cell: usize, mean: f64) -> [f64; 2] {
    let (k, time) = (series.values.cols, series.moments.time());
    let (row, channel) = (cell / k, cell % k);
    let value = |row: usize| series.values.values[row * k + channel];
    let seen = |row: &usize| series.hidden[row * k + channel] == Hidden::No && !value(*row).is_nan();
    let (before, behind) = ((rows.start..row).rev().find(seen), (row + 1..rows.end).find(seen));
    let linear = match (before, behind) {
        (Some(a), Some(b)) if time[a] < time[b] => {
            value(a) + (value(b) - value(a)) * (time[row] - time[a]) / (time[b] - time[a])
        }
        (Some(near), _) | (None, Some(near)) => value(near),
        (None, None) => mean,
    };
    [linear, before.map_or(mean, value)]
}
