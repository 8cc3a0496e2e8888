//! A normal prior in plain numbers.

use autograd::{Real, Tape};
use nn::model::density::Normal;

/// A prior π(θ) = N(m, diag s²), given by plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalPrior {
    mean: Vec<f64>,
    sigma: Vec<f64>,
}

impl NormalPrior {
    /// π(θ) = Πᵢ N(θᵢ; mean, sigma²), for θ of any length.
    ///
    /// # Panics
    /// If `mean` is not finite, or `sigma` is not a finite number greater than 0.
    #[track_caller]
    pub fn new(mean: f64, sigma: f64) -> Self {
        Self::of_each(vec![mean], vec![sigma])
    }

    /// π(θ) = Πᵢ N(θᵢ; meanᵢ, sigmaᵢ²).
    ///
    /// # Panics
    /// If there are not as many means as standard deviations, a mean is not finite, or a standard deviation is not a finite
    /// number greater than 0.
    #[track_caller]
    pub fn of_each(mean: Vec<f64>, sigma: Vec<f64>) -> Self {
        let (means, sigmas) = (mean.len(), sigma.len());
        assert!(
            means == sigmas,
            "prior: expected a standard deviation for each of {means} means, found {sigmas}"
        );
        let positive = sigma.iter().all(|&sigma| sigma > 0.0 && sigma.is_finite());
        let sound = positive && mean.iter().all(|mean| mean.is_finite());
        assert!(
            sound,
            "prior: expected finite means and positive standard deviations, found {mean:?}, {sigma:?}"
        );
        Self { mean, sigma }
    }

    /// The number of parameters that the prior is for: 1 if it is for any number of them.
    pub(super) fn dim(&self) -> usize {
        self.mean.len()
    }

    /// π as a density on a tape.
    #[track_caller]
    pub fn on<'t, F: Real>(&self, tape: &'t Tape<F>) -> Normal<'t, F> {
        let constant = |values: Vec<F>| match values[..] {
            [one] => tape.constant(&[one], []),
            _ => tape.constant(&values, [values.len()]),
        };
        Normal {
            mu: constant(self.mean.iter().map(|&mean| F::from_f64(mean)).collect()),
            log_sigma: constant(self.sigma.iter().map(|&sigma| F::from_f64(sigma.ln())).collect()),
        }
    }
}
