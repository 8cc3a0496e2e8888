//! What several test files share.

use std::sync::Arc;

use autograd::{Real, Var};
use nn::data::Matrix;
use nn::model::{Init, Nonlinearity};
use nn::train::{Batch, Objective, Parts};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Covariance, Likelihood, Vae, VaeConfig};

/// One of each kind.
pub(crate) const fn likelihoods(classes: usize) -> [Likelihood; 8] {
    [
        Likelihood::Bernoulli,
        Likelihood::Normal { sigma: 0.7 },
        Likelihood::NormalLearned { start: 1.0 },
        Likelihood::NormalDiagonal { start: 1.0 },
        Likelihood::NormalHead,
        Likelihood::Poisson,
        Likelihood::NegativeBinomial,
        Likelihood::Categorical { classes },
    ]
}

/// A model none of whose numbers is 0.
pub(crate) fn model_of(config: &VaeConfig) -> Vae {
    Vae::with_init(config, |_, _| (Init::Normal(0.6), Init::Normal(0.3))).unwrap()
}

/// Where its θ begins.
pub(crate) fn theta_of<F: Real>(vae: &Vae) -> Arc<Vec<F>> {
    Arc::new(vae.layout().init(&mut StdRng::seed_from_u64(2)))
}

pub(crate) const COVARIANCES: [Covariance; 2] = [Covariance::Diagonal, Covariance::Full];

/// D = 4, C = 1, L = 3, one hidden layer each; nothing is 0.
pub(crate) fn conditional(covariance: Covariance, likelihood: Likelihood) -> Vae {
    let usual = VaeConfig::new(4, &[5], 3).with_phi(Nonlinearity::Tanh);
    model_of(&VaeConfig { covariance, likelihood, conditions: 1, ..usual })
}

/// A θ with posteriors near the prior: importance weights have no long tails.
pub(crate) fn mild_theta_of(vae: &Vae) -> Arc<Vec<f64>> {
    let mut theta = theta_of(vae).to_vec();
    for slot in vae.layout().slots().iter().filter(|slot| slot.name().starts_with("encoder")) {
        theta[slot.range()].iter_mut().for_each(|x| *x *= 0.4);
    }
    Arc::new(theta)
}

/// Rows (x, condition) of numbers in 0..1, made 0 or 1 for variables that are not normal.
pub(crate) fn conditional_data(likelihood: Likelihood, rows: usize) -> Matrix<f64> {
    let number = |i: usize| 0.5 + 0.5 * ((i * i) as f64 * 0.37).sin();
    let normal = !matches!(likelihood, Likelihood::Bernoulli | Likelihood::Categorical { .. })
        && !likelihood.is_of_counts();
    let cell = |i: usize| if normal || i % 5 == 4 { number(i) } else { number(i).round() };
    Matrix::new(rows, 5, (0..rows * 5).map(cell).collect())
}

pub(crate) fn to_single(x: &Matrix<f64>) -> Matrix<f32> {
    x.map(|x| x as f32)
}

/// The loss of an objective, and its parts in their order.
pub(crate) fn loss<'t>(
    objective: &dyn Objective<f32>,
    theta: Var<'t, f32>,
    batch: &Batch<'_>,
    parts: &mut [f64],
) -> Var<'t, f32> {
    objective.loss(theta, batch, &mut Parts::new(objective.parts(), parts)).unwrap()
}
