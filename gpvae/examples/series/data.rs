//! Vector time series of a table.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use gpvae::data::Moments;
use nn::data::{Matrix, Standardizer, Table, hide, split};
use nn::errln;

use super::saved::{Clock, Subjects};

/// A largest gap of so many median gaps is odd.
const ODD: f64 = 100.0;
/// So many cells of every channel are left to learn from.
const KEPT: usize = 2;

/// What is hidden from the model, to score it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    No,
    /// A cell at random.
    Cell,
    /// All cells of a day of a series.
    Day,
}

/// Which columns are not channels, and what is hidden.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) time: &'a str,
    pub(crate) series: Option<&'a str>,
    /// The share of measured cells, and of days, to hide.
    pub(crate) hide: f64,
    pub(crate) hide_days: f64,
    /// The length of a day, unless it is that of dates, or a fiftieth of the longest series.
    pub(crate) day: Option<f64>,
    pub(crate) seed: u64,
}

/// Channels over time, series by series, each in the order of time.
pub(crate) struct Series {
    pub(crate) names: Vec<String>,
    pub(crate) subjects: Subjects,
    pub(crate) moments: Moments,
    /// (rows, channels), NaN where nothing was measured
    pub(crate) values: Matrix<f64>,
    pub(crate) hidden: Vec<Hidden>,
    table: Table,
    /// The columns of time and of channels in the table.
    clock: usize,
    columns: Vec<usize>,
    /// The rows of the table in this order.
    order: Vec<usize>,
}

impl Series {
    /// The rows of a table. Two measured cells of each channel remain.
    pub(crate) fn of(table: Table, reading: Reading<'_>) -> anyhow::Result<Self> {
        let clock = table.position(reading.time)?;
        let subject = reading.series.map(|column| table.position(column)).transpose()?;
        anyhow::ensure!(subject != Some(clock), "--series and --time name the same column");
        let columns: Vec<usize> =
            (0..table.names.len()).filter(|&j| j != clock && Some(j) != subject).collect();
        anyhow::ensure!(!columns.is_empty(), "the table has no column but the time");
        let time = |row: usize| table.values.row(row)[clock];
        let rows = table.values.rows;
        if let Some(row) = (0..rows).find(|&row| time(row).is_nan()) {
            return Err(table.refuse(row, clock, "a time", "give it one, or leave the row out").into());
        }
        let (mut numbers, mut names) = (HashMap::new(), Vec::new());
        let mut series = vec![0; rows];
        if let Some(column) = subject {
            for (row, series) in series.iter_mut().enumerate() {
                if table.is_missing(row, column) {
                    let advice = "say which series the row belongs to, or leave it out";
                    return Err(table.refuse(row, column, "a series", advice).into());
                }
                let text = table.text(row, column).trim();
                *series = *numbers.entry(text).or_insert(names.len());
                if *series == names.len() {
                    names.push(text.to_owned());
                }
            }
        } else {
            names.push(String::new());
        }
        let mut order: Vec<usize> = (0..rows).collect();
        Standardizer::fit(&table.values, &order).map_err(|error| table.locate(&error))?;
        order.sort_by(|&a, &b| series[a].cmp(&series[b]).then(time(a).total_cmp(&time(b))));
        // −0 is 0.
        let moments = Moments::new(
            order.iter().map(|&row| series[row]).collect(),
            order.iter().map(|&row| time(row) + 0.0).collect(),
        )?;
        let values = table.values.columns(&columns).select(&order);
        let column = subject.map(|column| table.names[column].clone());
        let hidden = vec![Hidden::No; values.values.len()];
        let names_of_channels = columns.iter().map(|&j| table.names[j].clone()).collect();
        let mut read = Self {
            names: names_of_channels,
            subjects: Subjects { column, names },
            moments,
            values,
            hidden,
            table,
            clock,
            columns,
            order,
        };
        read.check()?;
        read.hide(reading)?;
        Ok(read)
    }

    fn check(&self) -> anyhow::Result<()> {
        let Self { moments, values, table, order, .. } = self;
        let time = moments.time();
        let moves = moments.each().any(|rows| time[rows.start] < time[rows.end - 1]);
        let same = table.pointed(order[0], self.clock);
        anyhow::ensure!(moves, "all rows have the same time, {same}");
        if let Some(gap) = Gap::odd(moments) {
            let [from, to] = [gap.row, gap.row + 1].map(|row| table.line(order[row]));
            let seconds = if table.has_dates() { ", in seconds" } else { "" };
            errln!(
                "note: {gap}{seconds}: between lines {from} and {to}; if one of the times is wrong, correct it or leave the row out"
            );
        }
        for (j, &column) in self.columns.iter().enumerate() {
            let measured = (0..values.rows).filter(|&row| !values.row(row)[j].is_nan()).count();
            let column = table.describe(column);
            let cells = if measured == 1 {
                "1 measured cell".to_owned()
            } else {
                format!("{measured} measured cells")
            };
            anyhow::ensure!(measured >= KEPT, "{column} has {cells}; leave it out by --ignore");
        }
        Ok(())
    }

    /// Hides days, and then cells of what is left.
    fn hide(&mut self, reading: Reading<'_>) -> anyhow::Result<()> {
        let Reading { hide: share, hide_days, day, seed, .. } = reading;
        let k = self.values.cols;
        let (time, series) = (self.moments.time(), self.moments.series());
        let usual = if self.table.has_dates() { 86_400.0 } else { self.span() / 50.0 };
        let day = day.unwrap_or(usual);
        let of_day = |row: usize| (series[row], (time[row] / day).floor());
        let measured = |cell: &usize| !self.values.values[*cell].is_nan();
        let mut left = vec![0; k];
        (0..self.values.values.len()).filter(measured).for_each(|cell| left[cell % k] += 1);
        let rows: Vec<usize> = (0..self.values.rows).collect();
        let days: Vec<&[usize]> = rows.chunk_by(|&a, &b| of_day(a) == of_day(b)).collect();
        // The first and the last day of a series have no neighbours on one side.
        let inner: Vec<&[usize]> = days
            .iter()
            .zip(days.iter().skip(1).zip(days.iter().skip(2)))
            .filter(|(before, (_, behind))| series[before[0]] == series[behind[0]])
            .map(|(_, (day, _))| *day)
            .collect();
        let mut most = (inner.len() as f64 * hide_days).round() as usize;
        let [shuffled] = split(inner.len(), [inner.len()], seed);
        for day in shuffled.into_iter().map(|i| inner[i]) {
            let cells = || day.iter().flat_map(|&row| row * k..(row + 1) * k).filter(measured);
            let mut lost = vec![0; k];
            cells().for_each(|cell| lost[cell % k] += 1);
            if most == 0 || lost.iter().all(|&lost| lost == 0) {
                continue;
            }
            if left.iter().zip(&lost).all(|(left, lost)| *lost == 0 || left - lost >= KEPT) {
                cells().for_each(|cell| self.hidden[cell] = Hidden::Day);
                left.iter_mut().zip(lost).for_each(|(left, lost)| *left -= lost);
                most -= 1;
            }
        }
        let count = left.iter().sum::<usize>() as f64 * share;
        for cell in hide(&self.seen(), count.round() as usize, KEPT, seed) {
            self.hidden[cell] = Hidden::Cell;
        }
        anyhow::ensure!(
            self.hidden.contains(&Hidden::Cell),
            "too few measured cells to hide any; give more, or a larger --hide"
        );
        Ok(())
    }

    /// The longest time from the first row of a series to its last.
    pub(crate) fn span(&self) -> f64 {
        let time = self.moments.time();
        self.moments.each().map(|rows| time[rows.end - 1] - time[rows.start]).fold(0.0, f64::max)
    }

    /// The median of the gaps above 0 between rows of a series.
    pub(crate) fn usual_gap(&self) -> f64 {
        median(gaps(&self.moments).map(|(_, gap)| gap))
    }

    /// What the model may see: NaN where nothing was measured, or is hidden.
    pub(crate) fn seen(&self) -> Matrix<f64> {
        let cells = self.values.values.iter().zip(&self.hidden);
        let seen = cells.map(|(&y, &hidden)| if hidden == Hidden::No { y } else { f64::NAN }).collect();
        Matrix::new(self.values.rows, self.values.cols, seen)
    }

    /// The scaling of what the model may see. It is possible for what is hidden, too.
    pub(crate) fn scaling(&self) -> anyhow::Result<Standardizer> {
        let all: Vec<usize> = (0..self.values.rows).collect();
        let scaling = Standardizer::fit(&self.seen(), &all);
        let scaling = scaling.and_then(|scaling| scaling.narrow::<f32>(&self.values).map(|_| scaling));
        scaling.map_err(|error| {
            let (row, channel) = error.place();
            let (row, column) = (self.order[row], self.columns[channel]);
            self.table.refuse(row, column, error.expected(), error.advice()).into()
        })
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = self.moments.time().iter();
        let range =
            time.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &t| [low.min(t), high.max(t)]);
        Clock { name: self.table.names[self.clock].clone(), range, dates: self.table.has_dates() }
    }

    /// The text of a time as it was read.
    pub(crate) fn time_text(&self, row: usize) -> String {
        self.table.pointed(self.order[row], self.clock)
    }

    /// The text of a measured cell as it was read, and nothing where nothing was measured.
    pub(crate) fn measured_text(&self, row: usize, channel: usize) -> String {
        match self.values.row(row)[channel].is_nan() {
            true => String::new(),
            false => self.table.pointed(self.order[row], self.columns[channel]),
        }
    }
}

/// The gaps between rows of a series that are above 0, each with the row before it.
fn gaps(moments: &Moments) -> impl Iterator<Item = (usize, f64)> + '_ {
    let time = moments.time();
    moments
        .each()
        .flat_map(move |rows| (rows.start..rows.end - 1).map(move |row| (row, time[row + 1] - time[row])))
        .filter(|(_, gap)| *gap > 0.0)
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(1.0)
}

/// The largest gap between times, which is odd if it is many times the usual one: a single time that is 0 among seconds since
/// 1970 is far from all others.
struct Gap {
    /// The row before it.
    row: usize,
    size: f64,
    /// The median of all gaps above 0.
    median: f64,
}

impl Gap {
    fn odd(moments: &Moments) -> Option<Self> {
        let median = median(gaps(moments).map(|(_, gap)| gap));
        let (row, size) = gaps(moments).max_by(|(_, a), (_, b)| a.total_cmp(b))?;
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
