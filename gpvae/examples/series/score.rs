//! How well hidden cells are predicted.

use nn::data::{Matrix, Standardizer};
use nn::outln;
use nn::run::TextTable;

use super::Series;

/// What is predicted of every cell.
pub(crate) struct Filled {
    pub(crate) mean: Matrix<f64>,
    pub(crate) sd: Matrix<f64>,
}

/// Errors over the hidden cells, in standard deviations of their channel.
pub(crate) struct Score {
    cells: usize,
    /// Of the model
    pub(crate) rmse: f64,
    /// Of linear interpolation in time
    pub(crate) linear: f64,
    /// Of the mean of the channel
    pub(crate) mean: f64,
    /// The share of cells inside the model's intervals of 95 %
    pub(crate) coverage: f64,
}

impl Score {
    pub(crate) fn of(series: &Series, scaling: &Standardizer, filled: &Filled) -> Self {
        let (values, k) = (&series.values.values, series.values.cols);
        let hidden: Vec<usize> = (0..values.len()).filter(|&i| series.hidden[i]).collect();
        let over = |f: &dyn Fn(usize) -> f64| hidden.iter().map(|&i| f(i)).sum::<f64>() / hidden.len() as f64;
        let rmse = |prediction: &dyn Fn(usize) -> f64| {
            over(&|i| ((values[i] - prediction(i)) / scaling.sd[i % k]).powi(2)).sqrt()
        };
        let inside = |i: usize| {
            let error = (values[i] - filled.mean.values[i]).abs();
            f64::from(u8::from(error <= 1.96 * filled.sd.values[i]))
        };
        Self {
            cells: hidden.len(),
            rmse: rmse(&|i| filled.mean.values[i]),
            linear: rmse(&|i| interpolated(series, i)),
            mean: rmse(&|i| scaling.mean[i % k]),
            coverage: over(&inside),
        }
    }

    pub(crate) fn print(&self) {
        outln!("{} measured cells hidden, errors in standard deviations of their channel", self.cells);
        let mut table = TextTable::new();
        for (name, value) in [
            ("RMSE, Gaussian process and autoencoder", self.rmse),
            ("RMSE, linear interpolation", self.linear),
            ("RMSE, mean of the channel", self.mean),
            ("inside 95 % intervals", self.coverage),
        ] {
            table.row([name, &format!("{value:.3}")]);
        }
        table.print();
    }
}

/// The value between the nearest cells of the channel that the model saw too, or that of the nearest one at an end.
fn interpolated(series: &Series, cell: usize) -> f64 {
    let (k, time) = (series.values.cols, &series.time);
    let (row, channel) = (cell / k, cell % k);
    let value = |row: usize| series.values.values[row * k + channel];
    let seen = |row: &usize| !series.hidden[row * k + channel] && !value(*row).is_nan();
    match ((0..row).rev().find(seen), (row + 1..time.len()).find(seen)) {
        (Some(a), Some(b)) if time[a] < time[b] => {
            value(a) + (value(b) - value(a)) * (time[row] - time[a]) / (time[b] - time[a])
        }
        (Some(near), _) | (None, Some(near)) => value(near),
        (None, None) => f64::NAN,
    }
}
