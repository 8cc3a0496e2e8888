//! Inference for any log-density, against exact posteriors.

mod chains;
mod coin;
mod conjugate;
mod families;
mod free_energy;
mod gaussian;
mod hmc;
mod impossible;
mod laplace;
mod posteriors;
mod transforms;

use autograd::{Real, Tape, Var};

/// Bayesian linear regression y ~ N(X w, s²), w ~ N(0, I) with two weights, and its exact posterior and evidence.
struct Linear {
    x: Vec<f64>,
    y: Vec<f64>,
    mean: [f64; 2],
    covariance: [[f64; 2]; 2],
    log_evidence: f64,
}

const ROWS: usize = 12;
const NOISE: f64 = 0.4;

impl Linear {
    fn new() -> Self {
        let x: Vec<f64> = (0..2 * ROWS).map(|i| (1.7 * i as f64).sin() + 0.5).collect();
        let y: Vec<f64> =
            x.chunks(2).enumerate().map(|(n, x)| x[0] - 0.7 * x[1] + 0.4 * (4.3 * n as f64).sin()).collect();
        let sum = |f: &dyn Fn(usize) -> f64| (0..ROWS).map(f).sum::<f64>() / (NOISE * NOISE);
        let precision = |i: usize, j: usize| sum(&|n| x[2 * n + i] * x[2 * n + j]) + f64::from(i == j);
        let (a, b, c) = (precision(0, 0), precision(0, 1), precision(1, 1));
        let determinant = a * c - b * b;
        let covariance = [[c / determinant, -b / determinant], [-b / determinant, a / determinant]];
        let moment = [sum(&|n| x[2 * n] * y[n]), sum(&|n| x[2 * n + 1] * y[n])];
        let mean = [0, 1].map(|i| covariance[i][0] * moment[0] + covariance[i][1] * moment[1]);
        // log p(Y) = log p(Y|w) + log p(w) − log p(w|Y), at the posterior's mean
        let errors: f64 =
            x.chunks(2).zip(&y).map(|(x, y)| (y - x[0] * mean[0] - x[1] * mean[1]).powi(2)).sum();
        let ln_2pi = std::f64::consts::TAU.ln();
        let log_likelihood = -0.5 * errors / (NOISE * NOISE) - ROWS as f64 * (NOISE.ln() + 0.5 * ln_2pi);
        let log_prior = -0.5 * (mean[0].powi(2) + mean[1].powi(2)) - ln_2pi;
        let log_evidence = log_likelihood + log_prior + ln_2pi - 0.5 * determinant.ln();
        Self { x, y, mean, covariance, log_evidence }
    }

    fn log_joint<'t, F: Real>(&self, tape: &'t Tape<F>, w: Var<'t, F>) -> Var<'t, F> {
        let constant = |values: &[f64], shape: [usize; 2]| {
            tape.constant(&values.iter().map(|&x| F::from_f64(x)).collect::<Vec<_>>(), shape)
        };
        let log_sigma = tape.constant(&[F::from_f64(NOISE.ln())], []);
        let f = constant(&self.x, [ROWS, 2]).matmul(w.reshape([2, 1]));
        let log_likelihood = constant(&self.y, [ROWS, 1]).normal_log_prob(f, log_sigma).sum();
        let constant = F::from_f64(-std::f64::consts::TAU.ln());
        log_likelihood + w.square().sum() * F::from_f64(-0.5) + constant
    }
}

/// log p(Y, ζ) of 10 heads in 14 throws, with a uniform prior of p = σ(ζ). The posterior of p is Beta(11, 5).
fn coin<'t, F: Real>(_: &'t Tape<F>, zeta: Var<'t, F>) -> Var<'t, F> {
    (zeta.log_sigmoid() * F::from_f64(11.0) + zeta.neg().log_sigmoid() * F::from_f64(5.0)).sum()
}
