//! The noise level as a function of what is predicted.

use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::model::density::{Normal, StudentT};

use crate::inference::{Laplace, LaplaceError};
use crate::{Components, Predictive};

/// The noise of observations around a network's functions, learned from rows that the network has not seen:
///
/// y = fₛ(x) + τ(x) t,   log τ(x) = w₀ + w₁ z + w₂ (z² − 1) + w₃ log e,   t ~ Student with ν degrees of freedom
///
/// where z is the predicted mean and e the epistemic standard deviation of the row, both in units of the observations' mean and
/// standard deviation. A noise level that is log-linear in what is known of a row is the model of Harvey (1976, "Estimating
/// regression models with multiplicative heteroscedasticity"); that a predictive distribution should be corrected by rows that were
/// held out is Kuleshov, Fenner & Ermon (2018, "Accurate uncertainties for deep learning using calibrated regression").
///
/// An ELBO with a mean-field q takes for noise what such a q cannot express, so that a network is better trained with less noise than
/// there is: what is too little then is added here. A priori w₀ ~ N(−2, 2²), the other w ~ N(0, ½²), and log(ν − 2) ~ N(2, 1.5²). The
/// posterior is approximated by Laplace's method.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseModel {
    posterior: Laplace,
    mean: f64,
    sd: f64,
}

/// Mean and standard deviation a priori of w₀ … w₃ and log(ν − 2).
const PRIOR: [[f64; 2]; 5] = [[-2.0, 2.0], [0.0, 0.5], [0.0, 0.5], [0.0, 0.5], [2.0, 1.5]];
/// The least ν.
const LEAST_DOF: f64 = 2.0;
/// So many draws of θ are enough to learn the noise.
const DRAWS: usize = 48;
/// log e of a row whose w₃ counts for nothing.
const USUAL_LOG_EPISTEMIC: f64 = -3.0;

impl NoiseModel {
    /// The noise of rows that were held out, by what networks that have not seen them predicted: pairs of these predictions, whose own
    /// noise does not matter, and of the observations.
    ///
    /// # Errors
    /// [`LaplaceError`] if the posterior has no mode, as where predictions are not finite.
    ///
    /// # Panics
    /// If there are fewer than two rows in all, or a prediction is not of as many rows as there are observations.
    #[track_caller]
    pub fn fit(held_out: &[(Predictive, Vec<f64>)]) -> Result<Self, LaplaceError> {
        let y: Vec<f64> = held_out.iter().flat_map(|(_, y)| y).copied().collect();
        assert!(y.len() > 1, "NoiseModel: rows: expected at least 2, found {}", y.len());
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let sd = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt();
        let sd = if sd > 0.0 { sd } else { 1.0 };
        let parts: Vec<Part> = held_out.iter().map(|(p, y)| Part::new(p, y, mean, sd)).collect();
        let start = PRIOR.map(|[mean, _]| mean).to_vec();
        let posterior = Laplace::fit(|_, w| log_joint(&parts, w), start, 200)?;
        Ok(Self { posterior, mean, sd })
    }

    /// What a network predicts, with this noise in the place of its own: for each draw of θ one of w and ν.
    #[track_caller]
    pub fn apply(&self, predictive: &Predictive, seed: u64) -> Predictive {
        let (rows, draws) = (features(predictive, self.mean, self.sd), predictive.f.rows);
        let w = self.posterior.draws(draws, seed);
        let dof: Vec<f64> = (0..draws).map(|s| LEAST_DOF + w.row(s)[4].exp()).collect();
        let sigma = |s: usize| {
            let widening = (dof[s] / (dof[s] - LEAST_DOF)).sqrt();
            let log_tau = |x: &[f64; 4]| x.iter().zip(w.row(s)).map(|(x, w)| x * w).sum::<f64>();
            rows.iter().map(|x| self.sd * widening * log_tau(x).exp()).collect::<Vec<_>>()
        };
        let sigma = Matrix::new(draws, predictive.f.cols, (0..draws).flat_map(sigma).collect());
        Predictive { f: predictive.f.clone(), sigma, components: Components::Student { dof } }
    }
}

/// What log τ is linear in.
fn features(p: &Predictive, mean: f64, sd: f64) -> Vec<[f64; 4]> {
    let row = |(f, epistemic): (f64, f64)| {
        let (z, e) = ((f - mean) / sd, (epistemic / sd).max(1e-6));
        [1.0, z, z * z - 1.0, e.ln() - USUAL_LOG_EPISTEMIC]
    };
    p.mean().into_iter().zip(p.epistemic_sd()).map(row).collect()
}

/// Rows that were held out together.
struct Part {
    /// (rows, draws)
    f: Vec<f64>,
    /// (rows, 4)
    features: Vec<f64>,
    y: Vec<f64>,
}

impl Part {
    #[track_caller]
    fn new(p: &Predictive, y: &[f64], mean: f64, sd: f64) -> Self {
        let (expected, found) = (p.f.cols, y.len());
        assert!(found == expected, "NoiseModel: y: expected {expected} observations, found {found}");
        let standard = |x: f64| (x - mean) / sd;
        let draws = 0..p.f.rows.min(DRAWS);
        Self {
            f: (0..found).flat_map(|i| draws.clone().map(move |s| standard(p.f.row(s)[i]))).collect(),
            features: features(p, mean, sd).concat(),
            y: y.iter().map(|&y| standard(y)).collect(),
        }
    }
}

/// Σ log 1/S Σₛ ℓ(y|fₛ, w, ν) + log p(w, ν), for the numbers (w, log(ν − 2)).
fn log_joint<'t, F: Real>(parts: &[Part], w: Var<'t, F>) -> Var<'t, F> {
    let tape: &Tape<F> = w.tape();
    let array = |values: &[f64]| values.iter().map(|&x| F::from_f64(x)).collect::<Vec<F>>();
    let [mean, log_sd] = [|p: [f64; 2]| p[0], |p: [f64; 2]| p[1].ln()]
        .map(|of| tape.constant(&array(&PRIOR.map(of)), [PRIOR.len()]));
    let (of_tau, dof) = (w.view(0, [4, 1]), w.view(4, [1]).exp() + F::from_f64(LEAST_DOF));
    let part = |part: &Part| {
        let (rows, draws) = (part.y.len(), part.f.len() / part.y.len().max(1));
        let log_tau = tape.constant(&array(&part.features), [rows, 4]).matmul(of_tau);
        let mu = tape.constant(&array(&part.f), [rows, draws, 1]);
        let y = tape.constant(&array(&part.y), [rows, 1, 1]);
        let log_p = StudentT { mu, log_sigma: log_tau.reshape([rows, 1, 1]), dof }.log_prob(y);
        log_p.logsumexp_axis(1).sum() - F::from_f64(rows as f64 * (draws as f64).ln())
    };
    let log_prior = Normal { mu: mean, log_sigma: log_sd }.log_prob(w);
    parts.iter().map(part).fold(log_prior, |sum, part| sum + part)
}
