//! Normal densities with independent coordinates.

use autograd::{Real, Var};
use nn::model::density::{DiagNormal, Normal};
use nn::model::{Init, Layout, Slot};

use super::Family;
use super::family::{log_sigma_init, normal_entropy};

/// q_η(θ) = N(μ, diag σ²) with η = (μ, log σ): the θᵢ are independent. Samples are θ = μ + σ ⊙ ξ.
///
/// A mean-field q underestimates the uncertainty of parameters that are correlated (lecture 002, "Mean-field: Divide and
/// conquer strategy"). Where the posterior is normal with precision matrix Λ, the best q has the posterior's mean and the
/// variances 1/Λᵢᵢ.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanField {
    mu: Slot,
    log_sigma: Slot,
}

impl MeanField {
    /// A family over Rᵈ, d = `dim`, with the slots `name.mu` (d) and `name.log_sigma` (d), one behind the other. q begins at
    /// the means that `mean` draws, with the standard deviation `sigma` in every coordinate.
    ///
    /// # Panics
    /// If `sigma` is not a finite number greater than 0.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, dim: usize, mean: Init, sigma: f64) -> Self {
        Self {
            mu: layout.slot(format!("{name}.mu"), [dim], mean),
            log_sigma: layout.slot(format!("{name}.log_sigma"), [dim], log_sigma_init(sigma)),
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

    /// N(μ, diag σ²) as a view of η: the slot of log σ lies directly behind that of μ.
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
        normal_entropy(self.log_sigma.of(eta).sum(), self.dim())
    }

    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.mu.of(eta)
    }

    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        (self.log_sigma.of(eta) * F::from_f64(2.0)).exp()
    }

    /// KL(q ‖ π) in one fused operation.
    #[track_caller]
    fn kl<'t, F: Real>(&self, eta: Var<'t, F>, prior: Normal<'t, F>) -> Var<'t, F> {
        Normal { mu: self.mu.of(eta), log_sigma: self.log_sigma.of(eta) }.kl(prior)
    }
}
