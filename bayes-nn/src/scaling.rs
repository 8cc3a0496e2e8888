//! The way from the units of the data to those of a network, and back.

use nn::data::{Matrix, ScaleError, Standardizer};

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
        let fit = |what, data| Standardizer::fit(data, &all).map_err(scale(what));
        let (x, y) = (fit("the inputs", x)?, fit("the target", y)?);
        match y.constant_columns().is_empty() {
            true => Ok(Self { x, y }),
            false => Err(ScalingError::ConstantTarget { value: y.mean[0], rows }),
        }
    }

    /// The scaling with these standardisers of the inputs and of the target, as [`inputs_and_target`](Self::inputs_and_target)
    /// gives them: for a model that was saved.
    ///
    /// # Panics
    /// If the target's has not one column.
    #[track_caller]
    pub fn of(inputs: Standardizer, target: Standardizer) -> Self {
        let found = target.mean.len();
        assert!(found == 1, "Scaling: target: expected one column, found {found}");
        Self { x: inputs, y: target }
    }

    /// The standardisers of the inputs and of the target.
    pub fn inputs_and_target(&self) -> (&Standardizer, &Standardizer) {
        (&self.x, &self.y)
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
        self.x.narrow(x).map_err(scale("the inputs"))
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
        self.y.narrow(y).map_err(scale("the target"))
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

/// Says which numbers could not be scaled.
fn scale(what: &'static str) -> impl FnOnce(ScaleError) -> ScalingError {
    move |source| ScalingError::Scale { what, source }
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
