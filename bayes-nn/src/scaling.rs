//! The way from the units of the data to those of a network, and back.

use nn::data::{Matrix, Standardizer};

use crate::{Predictive, ScalingError};

/// Standardises the inputs and the target of a regression: mean 0 and standard deviation 1 over the rows to train on. Priors
/// of size one and the initial values of a network are meant for such numbers.
///
/// An input that is constant over these rows becomes 0. The network learns nothing from it, so its weights stay as uncertain
/// as a priori, and so are predictions where this input has another value.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    x: Standardizer,
    y: Standardizer,
}

impl Scaling {
    /// The scaling of these rows to train on: x (rows, inputs) and y (rows, 1).
    ///
    /// # Errors
    /// If there are fewer than two rows, a number is not finite or too large, or the target does not vary.
    ///
    /// # Panics
    /// If y is not one column of as many rows as x.
    #[track_caller]
    pub fn fit(x: &Matrix<f64>, y: &Matrix<f64>) -> Result<Self, ScalingError> {
        let (rows, fits) = (x.rows, (y.rows, y.cols) == (x.rows, 1));
        assert!(fits, "Scaling: y: expected [{rows}, 1], found [{}, {}]", y.rows, y.cols);
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

    /// Standardised inputs for the network.
    ///
    /// # Errors
    /// If a number is not finite, or too large for single precision.
    ///
    /// # Panics
    /// If x has not as many columns as the rows to train on.
    #[track_caller]
    pub fn inputs(&self, x: &Matrix<f64>) -> Result<Matrix<f32>, ScalingError> {
        check_finite("the inputs", x)?;
        narrow("the inputs", x, &self.x)
    }

    /// Standardised targets for the network.
    ///
    /// # Errors
    /// If a number is not finite, or too large for single precision.
    ///
    /// # Panics
    /// If y has not one column.
    #[track_caller]
    pub fn targets(&self, y: &Matrix<f64>) -> Result<Matrix<f32>, ScalingError> {
        check_finite("the target", y)?;
        narrow("the target", y, &self.y)
    }

    /// Predictions of standardised targets, in the units of the target.
    pub fn restore(&self, predictive: &Predictive) -> Predictive {
        predictive.rescaled(self.y.sd[0], self.y.mean[0])
    }

    /// The standard deviation of the target over the rows to train on, which is one unit of the network's output.
    pub fn target_sd(&self) -> f64 {
        self.y.sd[0]
    }

    /// The columns of x, counted from 0, that do not vary over the rows to train on.
    pub fn constant_inputs(&self) -> &[usize] {
        self.x.constant_columns()
    }
}

/// Mean and standard deviation of every column over these rows.
fn measure(what: &'static str, data: &Matrix<f64>, rows: &[usize]) -> Result<Standardizer, ScalingError> {
    let fitted = Standardizer::fit(data, rows);
    let sound = |column: usize| fitted.mean[column].is_finite() && fitted.sd[column].is_finite();
    match (0..data.cols).find(|&column| !sound(column)) {
        Some(column) => Err(ScalingError::TooLarge { what, column }),
        None => Ok(fitted),
    }
}

/// The standardised numbers in single precision.
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
