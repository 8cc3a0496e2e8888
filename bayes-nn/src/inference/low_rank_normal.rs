//! Normal densities that are correlated in a few directions.

use autograd::numerics::HALF_LN_2PI;
use autograd::ops::TriangularSystem;
use autograd::{Real, Var};
use nn::model::{Init, Layout, Slot};

use super::Family;
use super::family::{log_sigma_init, normal_entropy};

/// q_η(θ) = N(μ, diag σ² + U Uᵀ) with U (d, r) and η = (μ, log σ, U): the θᵢ vary together in r directions, at a cost that is
/// linear in d (Ong, Nott & Smith 2018). Samples are θ = μ + U z + σ ⊙ ε with ξ = (z, ε).
///
/// Let V = U/σ, row by row, and C = I + Vᵀ V, an r x r matrix. The determinant of the covariance is then Π σᵢ² det C, and its
/// inverse is σ⁻¹ (I − V C⁻¹ Vᵀ) σ⁻¹ (Woodbury's identity).
#[derive(Clone, Debug, PartialEq)]
pub struct LowRankNormal {
    mu: Slot,
    log_sigma: Slot,
    directions: Slot,
}

impl LowRankNormal {
    /// A family over Rᵈ with the slots `name.mu` (d), `name.log_sigma` (d) and `name.directions`, which is U with the shape
    /// [d, r]. q begins at the means that `mean` draws, with a standard deviation of about `sigma` in every coordinate. U
    /// begins at small random numbers, since the gradient by U is 0 at U = 0.
    ///
    /// # Panics
    /// If r is 0, or `sigma` is not a finite number greater than 0.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, [dim, rank]: [usize; 2], mean: Init, sigma: f64) -> Self {
        assert!(rank > 0, "low-rank normal: rank: expected at least 1, found 0; for none, use MeanField");
        let small = Init::Normal(0.1 * sigma / (rank as f64).sqrt());
        Self {
            mu: layout.slot(format!("{name}.mu"), [dim], mean),
            log_sigma: layout.slot(format!("{name}.log_sigma"), [dim], log_sigma_init(sigma)),
            directions: layout.slot(format!("{name}.directions"), [dim, rank], small),
        }
    }

    /// r, the number of directions.
    pub fn rank(&self) -> usize {
        self.directions.shape().last()
    }

    /// V = U/σ and the Cholesky factor of C = I + Vᵀ V.
    #[track_caller]
    fn inner<'t, F: Real>(&self, eta: Var<'t, F>) -> Inner<'t, F> {
        let (dim, rank, tape) = (self.dim(), self.rank(), eta.tape());
        // 1/σ is finite in single precision down to σ = 1e-38; the divergence from the prior keeps σ far above that.
        let v = self.directions.of(eta) * self.log_sigma.of(eta).neg().exp().reshape([dim, 1]);
        let c = v.t_matmul(v) + tape.constant(&vec![F::ONE; rank], [rank]).diagonal_matrix();
        // C is positive definite unless η is not finite.
        let nan = |_| tape.constant(&vec![F::from_f64(f64::NAN); rank * rank], [rank, rank]);
        Inner { v, l: c.cholesky().unwrap_or_else(nan) }
    }
}

/// The two matrices from which determinant and inverse of the covariance follow.
struct Inner<'t, F: Real> {
    /// V, (d, r)
    v: Var<'t, F>,
    /// The lower triangular L with L Lᵀ = C, (r, r); NaN if η is not finite.
    l: Var<'t, F>,
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

    /// −½ (‖r‖² − ‖L⁻¹ Vᵀ r‖²) − Σᵢ log σᵢ − ½ log det C − d/2 ln 2π,   r = (θ − μ)/σ
    #[track_caller]
    fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, theta: Var<'t, F>) -> Var<'t, F> {
        let Inner { v, l } = self.inner(eta);
        let log_sigma = self.log_sigma.of(eta);
        let r = (theta - self.mu.of(eta)) * log_sigma.neg().exp();
        let explained = l.solve_triangular(r.matmul(v), TriangularSystem::XLt).square().sum_axis(1);
        let half = F::from_f64(0.5);
        let half_log_det = log_sigma.sum() + l.log_det_from_factor() * half;
        let constant = F::from_f64(HALF_LN_2PI * self.dim() as f64);
        ((r.square().sum_axis(1) - explained) * half + half_log_det + constant).neg()
    }

    /// H(q) with ½ ln det Σ = Σᵢ log σᵢ + ½ log det C.
    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        let Inner { l, .. } = self.inner(eta);
        let half_log_det = self.log_sigma.of(eta).sum() + l.log_det_from_factor() * F::from_f64(0.5);
        normal_entropy(half_log_det, self.dim())
    }

    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        self.mu.of(eta)
    }

    /// Σᵢᵢ = σᵢ² + Σⱼ Uᵢⱼ²
    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F> {
        let own = (self.log_sigma.of(eta) * F::from_f64(2.0)).exp();
        own + self.directions.of(eta).square().sum_axis(1)
    }
}
