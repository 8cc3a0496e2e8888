//! A few directions of correlation.

use autograd::{Real, Var};
use nn::{Init, Layout, Slot};

use super::{Family, LN_2PI};

/// q_η(θ) = N(μ, diag σ² + U Uᵀ) with U (d, r), η = (μ, log σ, U): r directions in which the θᵢ vary together, at a price
/// linear in d (Ong, Nott & Smith 2018). θ = μ + U z + σ ⊙ ε, ξ = (z, ε).
///
/// With V = U/σ, row by row, and the r x r matrix C = I + Vᵀ V, the determinant of the covariance is Π σᵢ² det C, and its
/// inverse σ⁻¹ (I − V C⁻¹ Vᵀ) σ⁻¹ (Woodbury).
#[derive(Clone, Debug, PartialEq)]
pub struct LowRankNormal {
    mu: Slot,
    log_sigma: Slot,
    directions: Slot,
}

impl LowRankNormal {
    /// The slots `name.mu` (d), `name.log_sigma` (d) and `name.directions` (d, r); q begins at the means that `mean` draws,
    /// with about this standard deviation. U begins at small random numbers: its slope at 0 is 0.
    ///
    /// # Panics
    /// If the rank is 0, or the standard deviation is not a positive number.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, (dim, rank): (usize, usize), mean: Init, sigma: f64) -> Self {
        assert!(rank > 0, "low-rank normal: of rank 0; MeanField has no directions");
        let small = Init::Normal(0.1 * sigma / (rank as f64).sqrt());
        Self {
            mu: layout.slot(format!("{name}.mu"), [dim], mean),
            log_sigma: layout.slot(format!("{name}.log_sigma"), [dim], super::constant_log(sigma)),
            directions: layout.slot(format!("{name}.directions"), [dim, rank], small),
        }
    }

    /// r
    pub fn rank(&self) -> usize {
        self.directions.shape().last()
    }

    /// V = U/σ (d, r), and the lower factor of C = I + Vᵀ V, NaN if η is not finite.
    #[track_caller]
    fn inner<'t, F: Real>(&self, eta: Var<'t, F>) -> (Var<'t, F>, Var<'t, F>) {
        let (dim, rank, tape) = (self.dim(), self.rank(), eta.tape());
        let v = self.directions.of(eta) * self.log_sigma.of(eta).neg().exp().reshape([dim, 1]);
        let c = v.t_matmul(v) + tape.constant(&vec![F::ONE; rank], [rank]).diagonal_matrix();
        let nan = |_| tape.constant(&vec![F::from_f64(f64::NAN); rank * rank], [rank, rank]);
        (v, c.cholesky().unwrap_or_else(nan))
    }
}

impl Family for LowRankNormal {
    fn dim(&self) -> usize {
        self.mu.shape().size()
    }

    fn noise_dim(&self) -> usize {
        self.rank() + self.dim()
    }

    #[track_caller]
    fn sample_with<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Var<'t, F> {
        let (rank, all) = (self.rank(), self.noise_dim());
        let (z, epsilon) = (xi.columns(0..rank), xi.columns(rank..all));
        self.mu.of(eta) + z.matmul_t(self.directions.of(eta)) + self.log_sigma.of(eta).exp() * epsilon
    }

    /// −½ (‖r‖² − ‖C^−½ Vᵀ r‖²) − Σᵢ log σᵢ − ½ log det C − d/2 ln 2π,   r = (θ − μ)/σ
    #[track_caller]
    fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, theta: Var<'t, F>) -> Var<'t, F> {
        let (v, l) = self.inner(eta);
        let log_sigma = self.log_sigma.of(eta);
        let r = (theta - self.mu.of(eta)) * log_sigma.neg().exp();
        let explained = l.solve_triangular_right_t(r.matmul(v)).square().sum_axis(1);
        let half = F::from_f64(0.5);
        let log_det = log_sigma.sum() + l.log_det_from_factor() * half;
        let constant = F::from_f64(0.5 * LN_2PI * self.dim() as f64);
        ((r.square().sum_axis(1) - explained) * half + log_det + constant).neg()
    }

    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        let (_, l) = self.inner(eta);
        super::entropy(self.log_sigma.of(eta).sum() + l.log_det_from_factor() * F::from_f64(0.5), self.dim())
    }

    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.mu.of(eta)
    }

    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        let own = (self.log_sigma.of(eta) * F::from_f64(2.0)).exp();
        own + self.directions.of(eta).square().sum_axis(1)
    }
}
