//! The rows of some series.

use std::ops::Range;

use crate::GpVaeError;

/// The series and the time of each row, in the order of series and, within a series, of time. Times may be irregular and equal, and
/// a series may have any number of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    series: Vec<usize>,
    time: Vec<f64>,
}

impl Moments {
    /// Rows of these series at these times.
    ///
    /// # Errors
    /// [`GpVaeError::Moment`] for a row that is not behind the one before, or has no finite time.
    ///
    /// # Panics
    /// If there are not as many series as times.
    #[track_caller]
    pub fn new(series: Vec<usize>, time: Vec<f64>) -> Result<Self, GpVaeError> {
        assert!(series.len() == time.len(), "Moments: {} series, {} times", series.len(), time.len());
        let fits = |row: usize| {
            time[row].is_finite()
                && (row == 0 || (series[row - 1], time[row - 1]) <= (series[row], time[row]))
        };
        match (0..time.len()).find(|&row| !fits(row)) {
            Some(row) => Err(GpVaeError::Moment { row, series: series[row], time: time[row] }),
            None => Ok(Self { series, time }),
        }
    }

    /// The series of each row.
    pub fn series(&self) -> &[usize] {
        &self.series
    }

    /// The time of each row.
    pub fn time(&self) -> &[f64] {
        &self.time
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// These rows, which are in order.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            series: rows.iter().map(|&row| self.series[row]).collect(),
            time: rows.iter().map(|&row| self.time[row]).collect(),
        }
    }

    /// The rows of a series.
    pub fn rows_of(&self, series: usize) -> Range<usize> {
        self.series.partition_point(|&s| s < series)..self.series.partition_point(|&s| s <= series)
    }

    /// The rows of each series that has any.
    pub fn each(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut from = 0;
        self.series.chunk_by(|a, b| a == b).map(move |rows| {
            let start = from;
            from += rows.len();
            start..from
        })
    }
}
