//! Coordinate ascent: against exact posteriors, evidences and brute force.

mod linear;
mod mixture;
mod normal;

use autograd::Real;
use bayes_nn::inference::conjugate::Gamma;

const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// log ∫ p(x|μ, τ) p(μ|τ) p(τ) dμ dτ of independent normal observations under N(m₀, 1/(κ₀τ)) Gamma(a₀, b₀).
fn normal_gamma_evidence(x: &[f64], m0: f64, kappa0: f64, prior: Gamma) -> f64 {
    let n = x.len() as f64;
    let average = x.iter().sum::<f64>() / n.max(1.0);
    let scatter: f64 = x.iter().map(|x| (x - average).powi(2)).sum();
    let (kappa, shape) = (kappa0 + n, prior.shape + n / 2.0);
    let rate = prior.rate + 0.5 * (scatter + kappa0 * n * (average - m0).powi(2) / kappa);
    shape.lgamma() - prior.shape.lgamma() + prior.shape * prior.rate.ln() - shape * rate.ln()
        + 0.5 * (kappa0 / kappa).ln()
        - 0.5 * n * LN_2PI
}

/// Asserts that the ELBO never falls, and ends above where it began.
fn rises(elbo: &[f64]) {
    assert!(elbo.len() > 1 && elbo[elbo.len() - 1] > elbo[0], "{elbo:?}");
    for pair in elbo.windows(2) {
        assert!(pair[1] >= pair[0] - 1e-9 * (1.0 + pair[0].abs()), "{pair:?}");
    }
}

fn wave(n: usize, frequency: f64) -> Vec<f64> {
    (0..n).map(|i| (frequency * i as f64 + 0.3).sin() + 0.4 * (3.3 * frequency * i as f64).cos()).collect()
}
