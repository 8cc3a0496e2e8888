//! Columns of mean 0 and standard deviation 1.

use autograd::Real;
use serde::{Deserialize, Serialize};

use super::Matrix;
use crate::stats::root_mean_square;

/// z = (x − mean) / sd, column by column, with the mean and the standard deviation (with 1/n) of chosen rows: those of the
/// training set, never those of the test set.
///
/// Sums and squares neither overflow nor vanish: columns near 1e200 and near 1e-200 are scaled as others are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardizer {
    /// The mean of each column.
    pub mean: Vec<f64>,
    /// The standard deviation of each column, √(Σ (x − mean)² / n), and 1 for a column that is constant.
    pub sd: Vec<f64>,
    constant: Vec<usize>,
}

/// Why a number cannot be scaled. Rows and columns are those of the matrix, from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// A number is infinite, or so large that predictions near it could be.
    #[error("row {row}, column {column}: expected {}, found {value}; {}", self.expected(), self.advice())]
    TooLarge {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The number.
        value: f64,
    },
    /// A number is so many standard deviations from the fitted rows that single precision cannot hold it.
    #[error("row {row}, column {column}: expected {}, found {value}; {}", self.expected(), self.advice())]
    TooFar {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The number.
        value: f64,
        /// The mean of the fitted rows.
        mean: f64,
        /// Their standard deviation.
        sd: f64,
    },
}

impl ScaleError {
    /// Row and column of the number.
    pub fn place(&self) -> (usize, usize) {
        let (Self::TooLarge { row, column, .. } | Self::TooFar { row, column, .. }) = *self;
        (row, column)
    }

    /// This error of another column, by the number of its own: of a column of a table, where several numbers stand for a cell.
    pub fn in_column(mut self, of: impl Fn(usize) -> usize) -> Self {
        let (Self::TooLarge { column, .. } | Self::TooFar { column, .. }) = &mut self;
        *column = of(*column);
        self
    }

    /// What was expected in its place.
    pub fn expected(&self) -> String {
        match self {
            Self::TooLarge { .. } => {
                let largest = Standardizer::LARGEST;
                format!("a number from {:e} to {largest:e}", -largest)
            }
            Self::TooFar { mean, sd, .. } => {
                format!("a number near those to learn from, of mean {mean:.3e} and deviation {sd:.3e}")
            }
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "use another unit",
            Self::TooFar { .. } => "correct it, or leave the row out",
        }
    }
}

impl Standardizer {
    /// Numbers beyond this are refused: what is predicted of them would soon be beyond double precision, 1.8e308.
    pub const LARGEST: f64 = 1e290;

    /// The standardizer of these rows of `values`. Missing values (NaN) do not count.
    ///
    /// # Errors
    /// [`ScaleError::TooLarge`] for a number of these rows beyond ±[`LARGEST`](Self::LARGEST).
    ///
    /// # Panics
    /// If no rows are given, or there is no such row.
    #[track_caller]
    pub fn fit(values: &Matrix<f64>, rows: &[usize]) -> Result<Self, ScaleError> {
        let (found, cols) = (values.rows, values.cols);
        assert!(!rows.is_empty(), "Standardizer: expected at least one row of [{found}, {cols}]");
        let chosen = values.select(rows);
        if let Some(cell) = chosen.values.iter().position(|x| x.abs() > Self::LARGEST) {
            let (row, column) = (rows[cell / cols], cell % cols);
            return Err(ScaleError::TooLarge { row, column, value: chosen.values[cell] });
        }
        let mut fitted = Self { mean: Vec::new(), sd: Vec::new(), constant: Vec::new() };
        for j in 0..cols {
            let present = || (0..chosen.rows).map(|i| chosen.row(i)[j]).filter(|x| !x.is_nan());
            let (first, n) = (present().next().unwrap_or(0.0), present().count().max(1) as f64);
            let mean = present().sum::<f64>() / n;
            let sd = root_mean_square(present().map(|x| x - mean));
            // Rounding gives a column of equal numbers a tiny deviation.
            let constant = present().all(|x| x == first);
            if constant {
                fitted.constant.push(j);
            }
            let (mean, sd) = if constant { (first, 1.0) } else { (mean, sd) };
            fitted.mean.push(mean);
            fitted.sd.push(sd);
        }
        Ok(fitted)
    }

    /// This standardizer, which leaves the columns as they are for which `keep` says so.
    pub fn leaving(mut self, keep: impl Fn(usize) -> bool) -> Self {
        for j in (0..self.mean.len()).filter(|&j| keep(j)) {
            (self.mean[j], self.sd[j]) = (0.0, 1.0);
        }
        self
    }

    /// The columns that are constant over the fitted rows. They tell a model nothing.
    pub fn constant_columns(&self) -> &[usize] {
        &self.constant
    }

    /// (x − mean) / sd, for any number of rows with the fitted number of columns.
    ///
    /// # Panics
    /// If the number of columns is another one.
    #[track_caller]
    pub fn apply(&self, values: &Matrix<f64>) -> Matrix<f64> {
        self.each(values, |x, mean, sd| (x - mean) / sd)
    }

    /// (x − mean) / sd in any precision, for any number of rows with the fitted number of columns. NaN remains NaN.
    ///
    /// # Errors
    /// [`ScaleError`] for a number that is infinite or too far from the fitted rows.
    ///
    /// # Panics
    /// If the number of columns is another one.
    #[track_caller]
    pub fn narrow<F: Real>(&self, values: &Matrix<f64>) -> Result<Matrix<F>, ScaleError> {
        let narrowed = self.apply(values).map(F::from_f64);
        let is_wrong = |(z, x): (&F, &f64)| !z.to_f64().is_finite() && !x.is_nan();
        match narrowed.values.iter().zip(&**values.values).position(is_wrong) {
            None => Ok(narrowed),
            Some(cell) => {
                let (row, column, value) = (cell / values.cols, cell % values.cols, values.values[cell]);
                let (mean, sd) = (self.mean[column], self.sd[column]);
                Err(match value.abs() > Self::LARGEST {
                    true => ScaleError::TooLarge { row, column, value },
                    false => ScaleError::TooFar { row, column, value, mean, sd },
                })
            }
        }
    }

    /// z sd + mean, the inverse of [`apply`](Self::apply).
    ///
    /// # Panics
    /// If the number of columns is another one.
    #[track_caller]
    pub fn invert(&self, values: &Matrix<f64>) -> Matrix<f64> {
        self.each(values, |z, mean, sd| z * sd + mean)
    }

    #[track_caller]
    fn each(&self, values: &Matrix<f64>, f: impl Fn(f64, f64, f64) -> f64) -> Matrix<f64> {
        let (cols, fitted) = (values.cols, self.mean.len());
        assert!(cols == fitted, "Standardizer: expected {fitted} columns, found [{}, {cols}]", values.rows);
        let columns = self.mean.iter().zip(&self.sd).cycle();
        let cells = values.values.iter().zip(columns);
        Matrix::new(values.rows, cols, cells.map(|(&x, (&mean, &sd))| f(x, mean, sd)).collect())
    }
}
