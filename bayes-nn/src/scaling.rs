//! The way from the units of the data to those of a network, and back.

use nn::data::{Matrix, ScaleError, Standardizer};

use crate::{Predictive, ScalingError};

/// Standardises the inputs and the targets of a regression: mean 0 and standard deviation 1 over the rows to train on. Priors
/// of size one and the initial values of a network are meant for such numbers. Counts and classes stay as they are.
///
/// An input that is constant over these rows becomes 0. The network learns nothing from it, so its weights stay as uncertain
/// as a priori, and so are predictions where this input has another value.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    x: Standardizer,
    y: Standardizer,
}

impl Scaling {
    /// The scaling of these rows to train on: x (rows, inputs) and y (rows, outputs).
    ///
    /// # Errors
    /// If there are fewer than two rows, a number is not finite or too large, or a target does not vary.
    ///
    /// # Panics
    /// If y has no columns, or not as many rows as x.
    #[track_caller]
    pub fn fit(x: &Matrix<f64>, y: &Matrix<f64>) -> Result<Self, ScalingError> {
        let (rows, fits) = (x.rows, y.rows == x.rows && y.cols > 0);
        assert!(fits, "Scaling: y: expected [{rows}, outputs], found [{}, {}]", y.rows, y.cols);
        let (x, y) = (fit("the inputs", x)?, fit("the target", y)?);
        match y.constant_columns().first() {
            None => Ok(Self { x, y }),
            Some(&j) => Err(ScalingError::ConstantTarget { value: y.mean[j], rows }),
        }
    }

    /// The scaling of the inputs of these rows to train on, (rows, inputs), that leaves so many targets as they are: for counts and
    /// for classes as one-hot rows.
    ///
    /// # Errors
    /// If there are fewer than two rows, or a number is not finite or too large.
    ///
    /// # Panics
    /// If there are no targets.
    #[track_caller]
    pub fn of_inputs(x: &Matrix<f64>, targets: usize) -> Result<Self, ScalingError> {
        assert!(targets > 0, "Scaling: targets: expected at least 1, found 0");
        // The standardiser of −1 and 1: their mean is 0, and their standard deviation 1.
        let units = [vec![-1.0; targets], vec![1.0; targets]].concat();
        Ok(Self { x: fit("the inputs", x)?, y: fit("the target", &Matrix::new(2, targets, units))? })
    }

    /// The scaling with these standardisers of the inputs and of the target, as [`inputs_and_target`](Self::inputs_and_target)
    /// gives them: for a model that was saved.
    ///
    /// # Panics
    /// If the target's has no column.
    #[track_caller]
    pub fn of(inputs: Standardizer, target: Standardizer) -> Self {
        assert!(!target.mean.is_empty(), "Scaling: target: expected a column, found none");
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
    /// If y has not as many columns as the rows to train on.
    #[track_caller]
    pub fn targets(&self, y: &Matrix<f64>) -> Result<Matrix<f32>, ScalingError> {
        check_finite("the target", y)?;
        self.y.narrow(y).map_err(scale("the target"))
    }

    /// Predictions of a standardised target, in the units of the target, which is the only one.
    ///
    /// # Panics
    /// If there are several targets.
    #[track_caller]
    pub fn restore(&self, predictive: &Predictive) -> Predictive {
        let found = self.y.sd.len();
        assert!(found == 1, "restore: expected one target, found {found}: see restore_outputs");
        predictive.rescaled(self.y.sd[0], self.y.mean[0])
    }

    /// Predictions of standardised targets, one for each target, in the units of the targets.
    ///
    /// # Panics
    /// If there are not as many predictions as targets.
    #[track_caller]
    pub fn restore_outputs(&self, predictives: &[Predictive]) -> Vec<Predictive> {
        let (expected, found) = (self.y.sd.len(), predictives.len());
        assert!(found == expected, "restore_outputs: expected {expected} predictions, found {found}");
        let scales = self.y.sd.iter().zip(&self.y.mean);
        predictives.iter().zip(scales).map(|(p, (&sd, &mean))| p.rescaled(sd, mean)).collect()
    }

    /// The standard deviation of the first target over the rows to train on, which is one unit of the network's output.
    pub fn target_sd(&self) -> f64 {
        self.y.sd[0]
    }

    /// The columns of x, counted from 0, that do not vary over the rows to train on.
    pub fn constant_inputs(&self) -> &[usize] {
        self.x.constant_columns()
    }
}

/// The standardiser of all rows.
fn fit(what: &'static str, data: &Matrix<f64>) -> Result<Standardizer, ScalingError> {
    if data.rows < 2 {
        return Err(ScalingError::TooFewRows { rows: data.rows });
    }
    check_finite(what, data)?;
    Standardizer::fit(data, &(0..data.rows).collect::<Vec<_>>()).map_err(scale(what))
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
