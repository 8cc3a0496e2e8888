//! Independent coordinates.

use autograd::{Real, Var};
use nn::density::{DiagNormal, Normal};
use nn::{Init, Layout, Slot};

use super::Family;

/// q_η(θ) = N(μ, diag σ²), η = (μ, log σ): every θᵢ by itself. θ = μ + σ ⊙ ξ.
///
/// It underestimates the uncertainty of what is correlated (lecture 002, "Mean-field: Divide and conquer strategy"):
/// against a Gaussian posterior its optimum has the right mean, and the variances 1/Λᵢᵢ of the precision matrix Λ.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanField {
    mu: Slot,
    log_sigma: Slot,
}

impl MeanField {
    /// The slots `name.mu` and `name.log_sigma`, (d) each, one after the other; q begins at the means that `mean` draws,
    /// with this standard deviation.
    ///
    /// # Panics
    /// If the standard deviation is not a positive number.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, dim: usize, mean: Init, sigma: f64) -> Self {
        Self {
            mu: layout.slot(format!("{name}.mu"), [dim], mean),
            log_sigma: layout.slot(format!("{name}.log_sigma"), [dim], super::constant_log(sigma)),
        }
    }

    /// The slot of μ, (d).
    pub fn mu(&self) -> &Slot {
        &self.mu
    }

    /// The slot of log σ, (d).
    pub fn log_sigma(&self) -> &Slot {
        &self.log_sigma
    }

    /// N(μ, diag σ²): a view of η.
    #[track_caller]
    fn density<'t, F: Real>(&self, eta: Var<'t, F>) -> DiagNormal<'t, F> {
        DiagNormal { packed: eta.view(self.mu.range().start, [2 * self.dim()]) }
    }
}

impl Family for MeanField {
    fn dim(&self) -> usize {
        self.mu.shape().size()
    }

    #[track_caller]
    fn sample_with<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Var<'t, F> {
        self.density(eta).sample_with(xi)
    }

    #[track_caller]
    fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, theta: Var<'t, F>) -> Var<'t, F> {
        self.density(eta).log_prob(theta)
    }

    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        super::entropy(self.log_sigma.of(eta).sum(), self.dim())
    }

    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.mu.of(eta)
    }

    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        (self.log_sigma.of(eta) * F::from_f64(2.0)).exp()
    }

    #[track_caller]
    fn kl<'t, F: Real>(&self, eta: Var<'t, F>, prior: Normal<'t, F>) -> Var<'t, F> {
        Normal { mu: self.mu.of(eta), log_sigma: self.log_sigma.of(eta) }.kl(prior)
    }
}
