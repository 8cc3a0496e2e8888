//! From the units of data to those of a network, and back.

use nn::data::{Matrix, Standardizer};

use crate::Predictive;

/// Inputs and target of a regression with mean 0 and deviation 1 over the rows to train on: what priors of size one and
/// initial values are meant for.
///
/// An input that is constant over these rows becomes 0. It tells the network nothing, and the weights of it stay as
/// uncertain as a priori: predictions where it has another value say so.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    x: Standardizer,
    y: Standardizer,
}

/// Why a regression cannot be learned from data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScalingError {
    /// Fewer than two rows.
    #[error("{rows} rows to train on: at least 2 are needed")]
    TooFewRows {
        /// How many there are.
        rows: usize,
    },
    /// The target is the same everywhere.
    #[error(
        "the target is {value} in all {rows} rows to train on: there is nothing to learn; is it the right column?"
    )]
    ConstantTarget {
        /// Its value.
        value: f64,
        /// The number of rows.
        rows: usize,
    },
    /// A column whose numbers are too large to be measured.
    #[error("column {column} of {what} has numbers too large for its mean and deviation; use another unit")]
    TooLarge {
        /// Inputs or target.
        what: &'static str,
        /// The column, from 0.
        column: usize,
    },
    /// A number that is too far from the rows to train on for the network's precision.
    #[error("row {row} of {what}, column {column}, is {value}: beyond all that the network was trained on")]
    OutOfRange {
        /// Inputs or target.
        what: &'static str,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// A number that is infinite or NaN.
    #[error("row {row} of {what}, column {column}, is {value}: remove the row or fill in a number")]
    NotFinite {
        /// Inputs or target.
        what: &'static str,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
}

impl Scaling {
    /// Measures the rows to train on: inputs (rows, inputs) and target (rows, 1).
    ///
    /// # Errors
    /// If there are fewer than two rows, a number is not finite or too large, or the target does not vary.
    ///
    /// # Panics
    /// If the target is not one column of as many rows.
    #[track_caller]
    pub fn fit(x: &Matrix<f64>, y: &Matrix<f64>) -> Result<Self, ScalingError> {
        let (rows, fits) = (x.rows, (y.rows, y.cols) == (x.rows, 1));
        assert!(fits, "Scaling: {rows} rows of inputs, targets [{}, {}]", y.rows, y.cols);
        if rows < 2 {
            return Err(ScalingError::TooFewRows { rows });
        }
        check_finite("the inputs", x)?;
        check_finite("the target", y)?;
        let all: Vec<usize> = (0..rows).collect();
        let (x, y) = (measure("the inputs", x, &all)?, measure("the target", y, &all)?);
        match y.constant_columns().is_empty() {
            true => Ok(Self { x, y }),
            false => Err(ScalingError::ConstantTarget { value: y.mean[0], rows }),
        }
    }

    /// Inputs for the network.
    ///
    /// # Errors
    /// If a number is not finite, or too large for single precision (so does the one below).
    ///
    /// # Panics
    /// If the number of columns is another one (so does the one below).
    #[track_caller]
    pub fn inputs(&self, x: &Matrix<f64>) -> Result<Matrix<f32>, ScalingError> {
        check_finite("the inputs", x)?;
        narrow("the inputs", x, &self.x)
    }

    /// Targets for the network.
    #[track_caller]
    pub fn targets(&self, y: &Matrix<f64>) -> Result<Matrix<f32>, ScalingError> {
        check_finite("the target", y)?;
        narrow("the target", y, &self.y)
    }

    /// Predictions in the target's units.
    pub fn restore(&self, predictive: &Predictive) -> Predictive {
        predictive.rescaled(self.y.sd[0], self.y.mean[0])
    }

    /// The target's standard deviation over the rows to train on: one unit of the network's output.
    pub fn target_sd(&self) -> f64 {
        self.y.sd[0]
    }

    /// The inputs that do not vary over the rows to train on.
    pub fn constant_inputs(&self) -> &[usize] {
        self.x.constant_columns()
    }
}

fn measure(what: &'static str, data: &Matrix<f64>, rows: &[usize]) -> Result<Standardizer, ScalingError> {
    let fitted = Standardizer::fit(data, rows);
    let sound = |column: usize| fitted.mean[column].is_finite() && fitted.sd[column].is_finite();
    match (0..data.cols).find(|&column| !sound(column)) {
        Some(column) => Err(ScalingError::TooLarge { what, column }),
        None => Ok(fitted),
    }
}

fn narrow(
    what: &'static str,
    data: &Matrix<f64>,
    scaling: &Standardizer,
) -> Result<Matrix<f32>, ScalingError> {
    let narrowed = scaling.apply(data).map(|x| x as f32);
    match narrowed.values.iter().position(|x| !x.is_finite()) {
        None => Ok(narrowed),
        Some(at) => Err(ScalingError::OutOfRange {
            what,
            row: at / data.cols,
            column: at % data.cols,
            value: data.values[at],
        }),
    }
}

fn check_finite(what: &'static str, values: &Matrix<f64>) -> Result<(), ScalingError> {
    match values.values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => Err(ScalingError::NotFinite {
            what,
            row: at / values.cols,
            column: at % values.cols,
            value: values.values[at],
        }),
    }
}
