//! All covariances.

use autograd::{Real, Var};
use nn::density::MultivariateNormal;
use nn::{Init, Layout, Slot};

use super::Family;

/// q_η(θ) = N(μ, L Lᵀ) with a lower triangular L, whose diagonal is positive: η = (μ, log Lᵢᵢ, Lᵢⱼ for j < i).
/// θ = μ + L ξ.
#[derive(Clone, Debug, PartialEq)]
pub struct FullNormal {
    mu: Slot,
    log_diagonal: Slot,
    below: Slot,
    /// Where the elements of L, row after row, stand in (Lᵢᵢ | Lᵢⱼ | 0).
    places: Vec<usize>,
}

impl FullNormal {
    /// The slots `name.mu` (d), `name.log_diagonal` (d) and `name.below` (d(d−1)/2, row after row); q begins at the means
    /// that `mean` draws, with independent coordinates of this standard deviation.
    ///
    /// # Panics
    /// If the standard deviation is not a positive number.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, dim: usize, mean: Init, sigma: f64) -> Self {
        let below = dim * dim.saturating_sub(1) / 2;
        let place = |(i, j): (usize, usize)| match i.cmp(&j) {
            std::cmp::Ordering::Equal => i,
            std::cmp::Ordering::Greater => dim + i * (i - 1) / 2 + j,
            std::cmp::Ordering::Less => dim + below,
        };
        Self {
            mu: layout.slot(format!("{name}.mu"), [dim], mean),
            log_diagonal: layout.slot(format!("{name}.log_diagonal"), [dim], super::constant_log(sigma)),
            below: layout.slot(format!("{name}.below"), [below], Init::Constant(0.0)),
            places: (0..dim * dim).map(|k| place((k / dim, k % dim))).collect(),
        }
    }

    /// L, (d, d)
    #[track_caller]
    pub fn factor<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        let zero = eta.tape().constant(&[F::ZERO], [1]);
        let elements = Var::concatenate(&[self.log_diagonal.of(eta).exp(), self.below.of(eta), zero], 0);
        elements.gather(&self.places).reshape([self.dim(), self.dim()])
    }

    /// q_η itself.
    #[track_caller]
    pub fn of<'t, F: Real>(&self, eta: Var<'t, F>) -> MultivariateNormal<'t, F> {
        MultivariateNormal { mu: self.mu.of(eta), l: self.factor(eta) }
    }
}

impl Family for FullNormal {
    fn dim(&self) -> usize {
        self.mu.shape().size()
    }

    #[track_caller]
    fn sample_with<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Var<'t, F> {
        self.of(eta).sample_with(xi)
    }

    #[track_caller]
    fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, theta: Var<'t, F>) -> Var<'t, F> {
        self.of(eta).log_prob(theta)
    }

    /// From log Lᵢᵢ, which η holds.
    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        super::entropy(self.log_diagonal.of(eta).sum(), self.dim())
    }

    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.mu.of(eta)
    }

    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.factor(eta).square().sum_axis(1)
    }
}
