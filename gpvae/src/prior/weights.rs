//! The same density as a sum over rows, for minibatches.

use autograd::{NotPositiveDefinite, Real, Var};
use nn::density::DiagNormal;

use super::low_rank::Reduced;
use super::{FeatureRows, Features, LN_2PI, LowRank, Posterior, Prior};

/// What is known of the weights u of a process f(x) = v(x) u, u ~ N(0, I) (H, L):
///
/// q(u) = N(m, S) in every column,   m = B⁻¹ VᵀZ/α = L_B⁻ᵀ c,   S = B⁻¹ = L_B⁻ᵀ L_B⁻¹
///
/// The density of Z is a maximum over q, attained at this one (Hensman, Fusi & Lawrence 2013, equation 4):
///
/// log p(Z) = Σ_n E_q[log N(z_n; v_n u, αI)] − KL(q ‖ N(0, I)) − (L/2α) Σ gap
///
/// so that with q held, every row has a term of its own. As a maximum it has the same gradient in Z, in the kernel and
/// in α; between two computations of q it is a lower bound. From `b` of the N rows q is estimated by counting each
/// N/b times (Jazbec et al. 2021, "Scalable Gaussian process variational autoencoders", equations 9 and 10, with noise α).
#[derive(Clone, Copy, Debug)]
pub struct Weights<'t, F: Real> {
    /// m, (H, L)
    pub mean: Var<'t, F>,
    /// L_B, (H, H)
    pub factor: Var<'t, F>,
}

impl<'t, F: Real> Weights<'t, F> {
    /// KL(q ‖ N(0, I)) = ½ (‖m‖² + L (tr S − H + ln det B)), in nats, over all columns.
    #[track_caller]
    pub fn kl(self) -> Var<'t, F> {
        let (rank, columns) = (self.mean.shape()[0], self.mean.shape()[1]);
        let one = self.mean.tape().constant_with([rank], |one| one.fill(F::ONE)).diagonal_matrix();
        let trace = self.factor.solve_triangular(one).square().sum();
        let column = trace + self.factor.log_det_from_factor() - F::from_f64(rank as f64);
        (self.mean.square().sum() + column * F::from_f64(columns as f64)) * F::from_f64(0.5)
    }
}

/// A prior whose density is a sum over rows once the weights of its process are known, and which can therefore be trained
/// by minibatches.
pub trait ByRows: Prior {
    /// q(u) given latents z (b, L) at x (b, d), of `n` rows in all: the exact posterior if these are all of them.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`], as [`log_prob`](Prior::log_prob).
    #[track_caller]
    fn weights<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        n: usize,
    ) -> Result<Weights<'t, F>, NotPositiveDefinite>;

    /// q(f(x)) = ∫ p(f(x) | u) q(u) du at x (b, d): mean v m, variance v S vᵀ + gap.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`], as [`log_prob`](Prior::log_prob).
    #[track_caller]
    fn given<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        weights: Weights<'t, F>,
    ) -> Result<Posterior<'t, F>, NotPositiveDefinite>;

    /// α, a scalar.
    #[track_caller]
    fn noise<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F>;
}

/// The rows' terms of E_q[log p(Z)] for latents z_n ~ N(μ_n, diag σ_n²), integrated over z and f, (b):
///
/// −(1/2α) (‖μ_n − E f_n‖² + Σ σ_n² + L Var f_n) − (L/2) ln 2πα
#[track_caller]
pub fn row_terms<'t, F: Real>(z: DiagNormal<'t, F>, f: Posterior<'t, F>, alpha: Var<'t, F>) -> Var<'t, F> {
    let columns = F::from_f64(z.dim() as f64);
    let error = (z.mu() - f.mean).square() + (z.log_sigma() * F::from_f64(2.0)).exp();
    let quadratic = (error.sum_axis(1) + f.variance * columns) / alpha;
    let constant = (alpha.ln() + F::from_f64(LN_2PI)) * columns;
    (quadratic + constant) * F::from_f64(-0.5)
}

impl<V: Features> ByRows for LowRank<V> {
    fn weights<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        n: usize,
    ) -> Result<Weights<'t, F>, NotPositiveDefinite> {
        let v = self.features.features(theta, x)?.v;
        let Reduced { l_b, c } = self.reduce(theta, v, z, n as f64 / z.shape()[0] as f64)?;
        Ok(Weights { mean: l_b.solve_triangular_t(c), factor: l_b })
    }

    fn given<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        weights: Weights<'t, F>,
    ) -> Result<Posterior<'t, F>, NotPositiveDefinite> {
        let FeatureRows { v, gap } = self.features.features(theta, x)?;
        let spread = weights.factor.solve_triangular_right_t(v).square().sum_axis(1);
        Ok(Posterior { mean: v.matmul(weights.mean), variance: spread + gap })
    }

    fn noise<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        self.alpha.of(theta)
    }
}
