//! Normal densities with any covariance.

use autograd::{Real, Var};
use nn::model::density::MultivariateNormal;
use nn::model::{Init, Layout, Slot};

use super::Family;
use super::family::{log_sigma_init, normal_entropy};

/// q_η(θ) = N(μ, L Lᵀ) with a lower triangular L whose diagonal is positive: η = (μ, log Lᵢᵢ, Lᵢⱼ for j < i). Samples are
/// θ = μ + L ξ.
#[derive(Clone, Debug, PartialEq)]
pub struct FullNormal {
    mu: Slot,
    log_diagonal: Slot,
    below: Slot,
    /// For each element of L, row after row, its place in the vector (Lᵢᵢ | Lᵢⱼ | 0).
    places: Vec<usize>,
}

impl FullNormal {
    /// A family over Rᵈ, d = `dim`, with the slots `name.mu` (d), `name.log_diagonal` (d) and `name.below` (d(d−1)/2, row
    /// after row). q begins at the means that `mean` draws, with independent coordinates of standard deviation `sigma`.
    ///
    /// # Panics
    /// If `sigma` is not a finite number greater than 0.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, dim: usize, mean: Init, sigma: f64) -> Self {
        let below = dim * dim.saturating_sub(1) / 2;
        let place = |k: usize| match (k / dim, k % dim) {
            (i, j) if i < j => dim + below,
            (i, j) if i > j => dim + i * (i - 1) / 2 + j,
            (i, _) => i,
        };
        Self {
            mu: layout.slot(format!("{name}.mu"), [dim], mean),
            log_diagonal: layout.slot(format!("{name}.log_diagonal"), [dim], log_sigma_init(sigma)),
            below: layout.slot(format!("{name}.below"), [below], Init::Constant(0.0)),
            places: (0..dim * dim).map(place).collect(),
        }
    }

    /// L, (d, d).
    #[track_caller]
    pub fn factor<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        let zero = eta.tape().constant(&[F::ZERO], [1]);
        let elements = Var::concatenate(&[self.log_diagonal.of(eta).exp(), self.below.of(eta), zero], 0);
        elements.gather(&self.places).reshape([self.dim(), self.dim()])
    }

    /// The density q_η.
    #[track_caller]
    pub fn density<'t, F: Real>(&self, eta: Var<'t, F>) -> MultivariateNormal<'t, F> {
        MultivariateNormal { mu: self.mu.of(eta), l: self.factor(eta) }
    }
}

impl Family for FullNormal {
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

    /// H(q) with ½ ln det Σ = Σᵢ log Lᵢᵢ, which are numbers of η.
    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        normal_entropy(self.log_diagonal.of(eta).sum(), self.dim())
    }

    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.mu.of(eta)
    }

    /// Σᵢᵢ = Σⱼ Lᵢⱼ²
    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.factor(eta).square().sum_axis(1)
    }
}
