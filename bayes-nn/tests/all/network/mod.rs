//! Networks with a posterior: the ELBO and its gradient, predictions, scores, scaling.

mod baselines;
mod classes;
mod components;
mod likelihoods;
mod noise_model;
mod objective;
mod optimum;
mod posterior;
mod prediction;
mod saved;
mod scaling;
mod terms;

use bayes_nn::{BayesMlp, BayesMlpConfig, Likelihood, WeightPrior};
use nn::data::Matrix;
use nn::model::Nonlinearity;
use rand::{SeedableRng, rngs::StdRng};

/// Likelihoods of one number.
const LIKELIHOODS: [Likelihood; 3] =
    [Likelihood::Normal { sigma: 0.7 }, Likelihood::NORMAL_LEARNED, Likelihood::NormalHead];

/// All of them.
const ALL: [Likelihood; 7] = [
    LIKELIHOODS[0],
    LIKELIHOODS[1],
    LIKELIHOODS[2],
    Likelihood::STUDENT,
    Likelihood::Categorical,
    Likelihood::Poisson,
    Likelihood::NEGATIVE_BINOMIAL,
];

fn priors() -> [WeightPrior; 4] {
    [
        WeightPrior::Normal { sigma: vec![0.8] },
        WeightPrior::Normal { sigma: vec![2.0, 0.5] },
        WeightPrior::Learned,
        WeightPrior::Mixture { share: 0.3, first: 1.5, second: 0.2 },
    ]
}

/// Three inputs, four hidden units, and a posterior that is wide enough to have an effect.
fn config(likelihood: Likelihood, prior: WeightPrior) -> BayesMlpConfig {
    let phi = Nonlinearity::Tanh;
    BayesMlpConfig { phi, likelihood, prior, initial_sigma: 0.5, ..BayesMlpConfig::new(3, &[4]) }
}

/// The model that a configuration describes.
fn build(config: &BayesMlpConfig) -> BayesMlp {
    BayesMlp::new(config).unwrap()
}

fn eta(model: &BayesMlp) -> Vec<f64> {
    model.layout().init(&mut StdRng::seed_from_u64(3))
}

/// Seven rows of x and y.
fn data() -> (Matrix<f64>, Matrix<f64>) {
    let number = |i: usize| 1.5 * ((i * i) as f64 * 0.37 + i as f64).sin();
    (Matrix::new(7, 3, (0..21).map(number).collect()), Matrix::new(7, 1, (30..37).map(number).collect()))
}
