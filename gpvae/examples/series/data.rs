//! A vector time series, generated or read from a table.

use std::fmt::{self, Display, Formatter};

use nn::data::{Matrix, Standardizer, Table, hide};
use nn::errln;
use nn::train::Noise;

use super::saved::Clock;

/// A largest gap of so many median gaps is odd.
const ODD: f64 = 100.0;

/// Channels over time, in the order of time.
pub(crate) struct Series {
    pub(crate) names: Vec<String>,
    pub(crate) time: Vec<f64>,
    /// (times, channels), NaN where nothing was measured
    pub(crate) values: Matrix<f64>,
    /// Whether a cell was measured and is hidden from the model
    pub(crate) hidden: Vec<bool>,
    table: Table,
    /// The column of the time in the table.
    clock: usize,
    /// The rows of the table in the order of time.
    order: Vec<usize>,
}

impl Series {
    /// Five sensors that see two slow movements through curved characteristics, 300 times. One sensor fails for a while, later
    /// all of them, and some of the other cells are hidden at random.
    pub(crate) fn generated(share: f64, seed: u64) -> anyhow::Result<Self> {
        let (n, k) = (300, 5);
        let mut noise = vec![0.0; n * k];
        Noise::evaluation(seed).normal(0, k, &mut noise);
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
        let row = |i: usize| {
            let (t, noise) = (i as f64 / 10.0, &noise[i * k..]);
            [t].into_iter().chain((0..k).map(move |j| sensor(t, j) + 0.07 * noise[j])).collect::<Vec<_>>()
        };
        let names = ["time".to_owned()].into_iter().chain((1..=k).map(|k| format!("sensor {k}")));
        let table = Table::new(names.collect(), Matrix::new(n, k + 1, (0..n).flat_map(row).collect()));
        let mut series = Self::of(table, "time", share, seed)?;
        for (i, hidden) in series.hidden.iter_mut().enumerate() {
            let (row, k) = (i / k, i % k);
            *hidden |= k == 1 && (60..130).contains(&row) || (200..225).contains(&row);
        }
        Ok(series)
    }

    /// The rows of a table, with the column `time`. Two measured cells of each channel remain, where there are as many.
    pub(crate) fn of(table: Table, time: &str, share: f64, seed: u64) -> anyhow::Result<Self> {
        let clock = table.position(time)?;
        let (channels, time) = table.split_target(time)?;
        anyhow::ensure!(!channels.names.is_empty(), "the table has no column but the time");
        if let Some(row) = time.values.iter().position(|t| t.is_nan()) {
            return Err(table.refuse(row, clock, "a time", "give it one, or leave the row out").into());
        }
        let mut order: Vec<usize> = (0..time.rows).collect();
        Standardizer::fit(&table.values, &order).map_err(|error| table.locate(&error))?;
        order.sort_by(|&a, &b| time.values[a].total_cmp(&time.values[b]));
        let time: Vec<f64> = order.iter().map(|&row| time.values[row]).collect();
        let same = table.pointed(order[0], clock);
        anyhow::ensure!(time[0] < time[time.len() - 1], "all rows have the same time, {same}");
        if let Some(gap) = Gap::odd(&time) {
            let [from, to] = [gap.row, gap.row + 1].map(|row| table.line(order[row]));
            let seconds = if table.has_dates() { ", in seconds" } else { "" };
            errln!(
                "note: {gap}{seconds}: between lines {from} and {to}; if one of the times is wrong, correct it or leave the row out"
            );
        }
        let values = channels.values.select(&order);
        for j in 0..channels.names.len() {
            let measured = (0..values.rows).filter(|&row| !values.row(row)[j].is_nan()).count();
            let column = channels.describe(j);
            let cells = if measured == 1 {
                "1 measured cell".to_owned()
            } else {
                format!("{measured} measured cells")
            };
            anyhow::ensure!(measured >= 2, "{column} has {cells}; leave it out by --ignore");
        }
        let measured = values.values.iter().filter(|y| !y.is_nan()).count();
        let mut hidden = vec![false; values.values.len()];
        let chosen = hide(&values, (measured as f64 * share).round() as usize, 2, seed);
        anyhow::ensure!(
            !chosen.is_empty(),
            "too few measured cells to hide any; give more, or a larger --hide"
        );
        chosen.into_iter().for_each(|cell| hidden[cell] = true);
        Ok(Self { names: channels.names, time, values, hidden, table, clock, order })
    }

    /// What the model may see: NaN where nothing was measured, or is hidden.
    pub(crate) fn seen(&self) -> Matrix<f64> {
        let cells = self.values.values.iter().zip(&self.hidden);
        let seen = cells.map(|(&y, &hidden)| if hidden { f64::NAN } else { y }).collect();
        Matrix::new(self.values.rows, self.values.cols, seen)
    }

    /// The scaling of what the model may see. It is possible for what is hidden, too.
    pub(crate) fn scaling(&self) -> anyhow::Result<Standardizer> {
        let all: Vec<usize> = (0..self.time.len()).collect();
        let scaling = Standardizer::fit(&self.seen(), &all);
        let scaling = scaling.and_then(|scaling| scaling.narrow::<f32>(&self.values).map(|_| scaling));
        scaling.map_err(|error| {
            let (row, channel) = error.place();
            self.table.refuse(self.order[row], self.column(channel), error.expected(), error.advice()).into()
        })
    }

    /// How times become those of the model.
    pub(crate) fn clock(&self) -> Clock {
        let (count, time) = (self.time.len(), &self.time);
        let range = [time[0], time[count - 1]];
        let name = self.table.names[self.clock].clone();
        let dates = self.table.has_dates();
        Clock { name, origin: time[count / 2], span: range[1] - range[0], range, dates }
    }

    /// The text of a time as it was read.
    pub(crate) fn time_text(&self, row: usize) -> String {
        self.table.pointed(self.order[row], self.clock)
    }

    /// The text of a measured cell as it was read, and nothing where nothing was measured.
    pub(crate) fn measured_text(&self, row: usize, channel: usize) -> String {
        match self.values.row(row)[channel].is_nan() {
            true => String::new(),
            false => self.table.pointed(self.order[row], self.column(channel)),
        }
    }

    /// The column of a channel in the table.
    fn column(&self, channel: usize) -> usize {
        channel + usize::from(channel >= self.clock)
    }
}

/// The largest gap between times, which is odd if it is many times the usual one: a single time that is 0 among seconds since
/// 1970 leaves all others in one place.
struct Gap {
    /// The row before it.
    row: usize,
    size: f64,
    /// The median of all gaps above 0.
    median: f64,
}

impl Gap {
    fn odd(time: &[f64]) -> Option<Self> {
        let gaps = || time.windows(2).map(|pair| pair[1] - pair[0]);
        let mut sorted: Vec<f64> = gaps().filter(|gap| *gap > 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        let median = *sorted.get(sorted.len() / 2)?;
        let (row, size) = gaps().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        (size > ODD * median).then_some(Self { row, size, median })
    }
}

impl Display for Gap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { size, median, .. } = self;
        write!(
            f,
            "the largest gap between times, {size}, is {:.0} times the median gap, {median}",
            size / median
        )
    }
}
