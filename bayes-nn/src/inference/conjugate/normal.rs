//! A normal distribution with unknown mean and precision.

use super::{Ascent, ConjugateError, Gamma, LN_2PI, check_rows};

/// A normal distribution with unknown mean and precision (Bishop 2006, section 10.1.3):
///
/// xₙ ~ N(μ, 1/τ),   μ ~ N(m₀, 1/(κ₀ τ)),   τ ~ Gamma(a₀, b₀)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalModel {
    /// m₀, the prior mean of μ.
    pub mean: f64,
    /// κ₀, the number of observations that the prior mean counts for.
    pub kappa: f64,
    /// Gamma(a₀, b₀), the prior of the precision τ.
    pub precision: Gamma,
}

/// The approximate posterior q(μ) q(τ) of a [`NormalModel`].
#[derive(Clone, Debug, PartialEq)]
pub struct NormalPosterior {
    /// The mean of q(μ).
    pub mean: f64,
    /// The variance of q(μ).
    pub variance: f64,
    /// q(τ).
    pub precision: Gamma,
    /// The ELBO after every round, in nats: below log p(x).
    pub elbo: Vec<f64>,
}

impl NormalModel {
    /// Fits q(μ) = N(m, 1/λ) and q(τ) = Gamma(a, b) to N observations x:
    ///
    /// m = (κ₀ m₀ + Σ xₙ)/(κ₀ + N),   λ = (κ₀ + N) E(τ),
    /// a = a₀ + (N + 1)/2,   b = b₀ + ½ E[Σ (xₙ − μ)² + κ₀ (μ − m₀)²]
    ///
    /// # Errors
    /// If there are no observations, or one is not finite or too large.
    ///
    /// # Panics
    /// If κ₀, a₀ or b₀ is not a finite number greater than 0, or m₀ is not finite.
    #[track_caller]
    pub fn fit(&self, x: &[f64], ascent: Ascent) -> Result<NormalPosterior, ConjugateError> {
        let Self { mean: m0, kappa, precision: prior } = *self;
        prior.check("normal model");
        let sound = kappa > 0.0 && kappa.is_finite() && m0.is_finite();
        assert!(sound, "normal model: expected κ₀ > 0 and a finite m₀, found κ₀ = {kappa}, m₀ = {m0}");
        check_rows(x, 1)?;
        let n = x.len() as f64;
        let average = x.iter().sum::<f64>() / n;
        let scatter: f64 = x.iter().map(|x| (x - average).powi(2)).sum();

        let mean = (kappa * m0 + n * average) / (kappa + n);
        let mut q = NormalPosterior { mean, variance: 0.0, precision: prior, elbo: Vec::new() };
        q.elbo = ascent.climb(x.len(), || {
            q.variance = 1.0 / ((kappa + n) * q.precision.mean());
            // E[Σ (xₙ − μ)²] and E[κ₀ (μ − m₀)²]
            let squares = scatter + n * ((average - mean).powi(2) + q.variance);
            let pull = kappa * ((mean - m0).powi(2) + q.variance);
            q.precision =
                Gamma { shape: prior.shape + (n + 1.0) / 2.0, rate: prior.rate + (squares + pull) / 2.0 };

            let (tau, ln_tau) = (q.precision.mean(), q.precision.mean_ln());
            let log_likelihood = 0.5 * (n * (ln_tau - LN_2PI) - tau * squares);
            let log_prior = 0.5 * (kappa.ln() + ln_tau - LN_2PI - tau * pull);
            let entropy = 0.5 * (LN_2PI + 1.0 + q.variance.ln());
            Ok(log_likelihood + log_prior + entropy - q.precision.kl(prior))
        })?;
        Ok(q)
    }
}
