//! A vector time series, generated or read from a table.

use std::path::Path;

use nn::data::{Matrix, Table, TableOptions, split};
use nn::train::Noise;

/// Channels over time, in the order of time.
pub(crate) struct Series {
    pub(crate) names: Vec<String>,
    pub(crate) time: Vec<f64>,
    /// (times, channels), NaN where nothing was measured
    pub(crate) values: Matrix<f64>,
    /// Whether a cell was measured and is hidden from the model
    pub(crate) hidden: Vec<bool>,
}

impl Series {
    /// Five sensors that see two slow movements through curved characteristics, 300 times. One sensor fails for a while, later
    /// all of them, and some of the other cells are hidden at random.
    pub(crate) fn generated(share: f64, seed: u64) -> Self {
        let (n, k) = (300, 5);
        let mut noise = vec![0.0; n * k];
        Noise::evaluation(seed).normal(0, k, &mut noise);
        let time: Vec<f64> = (0..n).map(|i| i as f64 / 10.0).collect();
        let sensor = |t: f64, k: usize| {
            let (a, b) = ((0.55 * t).sin() + 0.4 * (0.13 * t).cos(), (0.31 * t + 0.5).cos());
            match k {
                0 => (1.5 * a).tanh(),
                1 => a * b,
                2 => (-(a - b).powi(2)).exp(),
                3 => b + 0.3 * a * a,
                _ => (a + b).sin(),
            }
        };
        let values = (0..n * k).map(|i| sensor(time[i / k], i % k) + 0.07 * noise[i]).collect();
        let values = Matrix::new(n, k, values);
        let mut hidden = hide(&values, share, seed);
        for (i, hidden) in hidden.iter_mut().enumerate() {
            let (row, k) = (i / k, i % k);
            *hidden |= k == 1 && (60..130).contains(&row) || (200..225).contains(&row);
        }
        Self { names: (1..=k).map(|k| format!("sensor {k}")).collect(), time, values, hidden }
    }

    /// The rows of a table, with the column `time`.
    pub(crate) fn read(path: &Path, time: &str, share: f64, seed: u64) -> anyhow::Result<Self> {
        let table = Table::read(path, &TableOptions { missing: true, ..TableOptions::default() })?;
        let (others, time) = table.split_target(time)?;
        anyhow::ensure!(!others.names.is_empty(), "the table has no column but the time");
        if let Some(row) = time.values.iter().position(|t| t.is_nan()) {
            anyhow::bail!("row {row} has no time; give it one, or leave the row out");
        }
        let mut order: Vec<usize> = (0..time.rows).collect();
        order.sort_by(|&a, &b| time.values[a].total_cmp(&time.values[b]));
        let values = others.values.select(&order);
        let time: Vec<f64> = order.iter().map(|&row| time.values[row]).collect();
        anyhow::ensure!(time[0] < time[time.len() - 1], "all rows have the same time, {}", time[0]);
        for (j, name) in others.names.iter().enumerate() {
            let measured = (0..values.rows).filter(|&row| !values.row(row)[j].is_nan()).count();
            anyhow::ensure!(measured >= 2, "column {name} has {measured} measured cells; leave it out");
        }
        let hidden = hide(&values, share, seed);
        anyhow::ensure!(
            hidden.contains(&true),
            "too few measured cells to hide any; give more, or a larger --hide"
        );
        Ok(Self { names: others.names, time, values, hidden })
    }

    /// What the model may see: NaN where nothing was measured, or is hidden.
    pub(crate) fn seen(&self) -> Matrix<f64> {
        let cells = self.values.values.iter().zip(&self.hidden);
        let seen = cells.map(|(&y, &hidden)| if hidden { f64::NAN } else { y }).collect();
        Matrix::new(self.values.rows, self.values.cols, seen)
    }

    /// The times as shares of the whole time, (times, 1).
    pub(crate) fn unit_time(&self) -> Matrix<f64> {
        let (first, last) = (self.time[0], self.time[self.time.len() - 1]);
        Matrix::new(self.time.len(), 1, self.time.iter().map(|t| (t - first) / (last - first)).collect())
    }
}

/// Hides a share of the measured cells, at random.
fn hide(values: &Matrix<f64>, share: f64, seed: u64) -> Vec<bool> {
    let measured: Vec<usize> = (0..values.values.len()).filter(|&i| !values.values[i].is_nan()).collect();
    let [chosen] = split(measured.len(), [(measured.len() as f64 * share).round() as usize], seed);
    let mut hidden = vec![false; values.values.len()];
    chosen.into_iter().for_each(|i| hidden[measured[i]] = true);
    hidden
}
