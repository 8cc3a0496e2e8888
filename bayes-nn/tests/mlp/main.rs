//! Networks with a posterior: the bound and its gradient, prediction, scores, scaling.

mod bound;
mod optimum;
mod prediction;
mod scaling;
mod terms;

use bayes_nn::{BayesMlp, Likelihood, MlpConfig, Prior};
use nn::Nonlinearity;
use nn::data::Matrix;
use rand::{SeedableRng, rngs::StdRng};

const LIKELIHOODS: [Likelihood; 3] =
    [Likelihood::Normal { sigma: 0.7 }, Likelihood::NORMAL_LEARNED, Likelihood::NormalHead];

fn priors() -> [Prior; 4] {
    [
        Prior::Normal(vec![0.8]),
        Prior::Normal(vec![2.0, 0.5]),
        Prior::Learned,
        Prior::Mixture { share: 0.3, first: 1.5, second: 0.2 },
    ]
}

/// Three inputs, four hidden units, a posterior that is wide enough to see.
fn config(likelihood: Likelihood, prior: Prior) -> MlpConfig {
    let phi = Nonlinearity::Tanh;
    MlpConfig { phi, likelihood, prior, initial_sigma: 0.5, ..MlpConfig::new(3, &[4]) }
}

fn eta(model: &BayesMlp) -> Vec<f64> {
    model.layout().init(&mut StdRng::seed_from_u64(3))
}

/// Seven rows of x and y.
fn data() -> (Matrix<f64>, Matrix<f64>) {
    let number = |i: usize| 1.5 * ((i * i) as f64 * 0.37 + i as f64).sin();
    (Matrix::new(7, 3, (0..21).map(number).collect()), Matrix::new(7, 1, (30..37).map(number).collect()))
}
