//! The density of the latents as a sum over rows, for training by minibatches.

use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::{LX, LtX, XLt};
use autograd::{Real, Var};
use nn::model::density::DiagNormal;

use super::low_rank::Reduced;
use super::{FeatureRows, Features, LatentPrior, LowRank, ProcessPosterior, scaled_identity};
use crate::LN_2PI;

/// The posterior of the weights u of a process f(x) = v(x) u with u ~ N(0, I), (H, L):
///
/// q(u) = N(m, S) in every column,   m = B⁻¹ VᵀZ/α = L_B⁻ᵀ c,   S = B⁻¹ = L_B⁻ᵀ L_B⁻¹
///
/// The density of Z is a maximum over q, which this q attains (Hensman, Fusi & Lawrence 2013, equation 4):
///
/// log p(Z) = Σ_n E_q[log N(z_n; v_n u, αI)] − KL(q ‖ N(0, I)) − (L/2α) Σ gap
///
/// With q held, every row has a term of its own. Since q is a maximum, the sum has the gradient of log p(Z) in Z, in the
/// kernel and in α at the point where q was computed. At any other point it is a lower bound of log p(Z).
#[derive(Clone, Copy, Debug)]
pub struct WeightPosterior<'t, F: Real> {
    /// m, (H, L)
    pub mean: Var<'t, F>,
    /// L_B, (H, H)
    pub factor: Var<'t, F>,
}

impl<'t, F: Real> WeightPosterior<'t, F> {
    /// KL(q ‖ N(0, I)) = ½ (‖m‖² + L (tr S − H + ln det B)) in nats, over all columns, a scalar.
    #[track_caller]
    pub fn kl(self) -> Var<'t, F> {
        let (rank, columns) = (self.mean.shape()[0], self.mean.shape()[1]);
        let trace = self.factor.solve_triangular(scaled_identity(self.mean, rank, 1.0), LX).square().sum();
        let column = trace + self.factor.log_det_from_factor() - F::from_f64(rank as f64);
        (self.mean.square().sum() + column * F::from_f64(columns as f64)) * F::from_f64(0.5)
    }
}

/// A prior whose density is a sum over rows once the posterior of the process's weights is known. Minibatches can train it.
pub trait RowwisePrior: LatentPrior {
    /// q(u) given latents z (b, L) at x (b, d), of `n` rows in all. It is the exact posterior if these are all rows.
    /// Otherwise each row counts n/b times (Jazbec et al. 2021, "Scalable Gaussian process variational autoencoders",
    /// equations 9 and 10, with noise α).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    #[track_caller]
    fn weights<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        n: usize,
    ) -> Result<WeightPosterior<'t, F>, NotPositiveDefinite>;

    /// q(f(x)) = ∫ p(f(x) | u) q(u) du at x (b, d), with mean v m and variance v S vᵀ + gap.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    #[track_caller]
    fn given<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        weights: WeightPosterior<'t, F>,
    ) -> Result<ProcessPosterior<'t, F>, NotPositiveDefinite>;

    /// α on θ's tape, a scalar.
    #[track_caller]
    fn noise<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F>;
}

/// The rows' terms of E_q[log p(Z)] for latents z_n ~ N(μ_n, diag σ_n²), with z and f integrated out, (b):
///
/// −(1/2α) (‖μ_n − E f_n‖² + Σ σ_n² + L Var f_n) − (L/2) ln 2πα
#[track_caller]
pub fn row_terms<'t, F: Real>(
    z: DiagNormal<'t, F>,
    f: ProcessPosterior<'t, F>,
    alpha: Var<'t, F>,
) -> Var<'t, F> {
    let columns = F::from_f64(z.dim() as f64);
    let error = (z.mu() - f.mean).square() + (z.log_sigma() * F::from_f64(2.0)).exp();
    let quadratic = (error.sum_axis(1) + f.variance * columns) / alpha;
    let constant = (alpha.ln() + F::from_f64(LN_2PI)) * columns;
    (quadratic + constant) * F::from_f64(-0.5)
}

impl<V: Features> RowwisePrior for LowRank<V> {
    fn weights<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        n: usize,
    ) -> Result<WeightPosterior<'t, F>, NotPositiveDefinite> {
        let v = self.features.features(theta, x)?.v;
        let Reduced { l_b, c } = self.reduce(theta, v, z, n as f64 / z.shape()[0] as f64)?;
        Ok(WeightPosterior { mean: l_b.solve_triangular(c, LtX), factor: l_b })
    }

    fn given<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        weights: WeightPosterior<'t, F>,
    ) -> Result<ProcessPosterior<'t, F>, NotPositiveDefinite> {
        let FeatureRows { v, gap } = self.features.features(theta, x)?;
        let spread = weights.factor.solve_triangular(v, XLt).square().sum_axis(1);
        Ok(ProcessPosterior { mean: v.matmul(weights.mean), variance: spread + gap })
    }

    fn noise<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        self.alpha().expect("a low-rank prior has noise").of(theta)
    }
}
