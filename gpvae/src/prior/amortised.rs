//! The bound of Jazbec et al. 2021: the process itself is decoded, and the encoder makes noisy observations of it.

use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::{LX, LtX, XLt};
use autograd::{Real, Var};
use nn::model::density::DiagNormal;

use super::{FeatureRows, Features, LowRank, scaled_identity};

/// q(f(x_n)) = N(mean, variance) given the encoder's observations of all rows, and its divergence from the prior.
#[derive(Clone, Copy, Debug)]
pub struct Amortised<'t, F: Real> {
    /// E f(x_n), (b, L)
    pub mean: Var<'t, F>,
    /// Var f(x_n), (b, L): each column has noise of its own
    pub variance: Var<'t, F>,
    /// KL(q(u) ‖ N(0, I)) over all columns, a scalar
    pub kl: Var<'t, F>,
}

impl<V: Features> LowRank<V> {
    /// The posterior of f = v(x) u given noisy observations of f at the rows of x (b, d): means μ_n with variances σ_n²,
    /// (b, L) each, which an encoder computes. Each row counts n/b times. With D = diag(σ²) of a column:
    ///
    /// B = I + (n/b) Vᵀ D⁻¹ V,   m = (n/b) B⁻¹ Vᵀ D⁻¹ μ,   q(f_n) = N(v_n m, v_n B⁻¹ v_nᵀ + gap_n)
    ///
    /// (Jazbec et al. 2021, equations 8 to 10, with u whitened by the factor of the inducing points' covariance). The bound
    /// that belongs to it, log p(Y) ≥ Σ E_q[log p(y_n | f_n)] − KL(q(u) ‖ N(0, I)), has the latents z = f without the noise α:
    /// what their equation 11 adds and subtracts of N(μ; f, D) cancels under the same q. It is a bound for b = n. For a
    /// minibatch it is an estimate, whose bias falls with b/H.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    #[track_caller]
    pub fn amortised<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        observed: DiagNormal<'t, F>,
        n: usize,
    ) -> Result<Amortised<'t, F>, NotPositiveDefinite> {
        let FeatureRows { v, gap } = self.features.features(theta, x)?;
        let (b, rank) = (v.shape()[0], v.shape()[1]);
        let identity = scaled_identity(theta, rank, 1.0);
        let (mu, precision) = (observed.mu(), (observed.log_sigma() * F::from_f64(-2.0)).exp());
        let (mut means, mut variances, mut kls) = (vec![], vec![], vec![]);
        for l in 0..observed.dim() {
            let weighted = v * (precision.columns(l..l + 1) * F::from_f64(n as f64 / b as f64)); // (n/b) D⁻¹ V
            let l_b = (v.t_matmul(weighted) + identity).cholesky()?;
            let m =
                l_b.solve_triangular(l_b.solve_triangular(weighted.t_matmul(mu.columns(l..l + 1)), LX), LtX); // (H, 1)
            means.push(v.matmul(m));
            let spread = l_b.solve_triangular(v, XLt).square().sum_axis(1) + gap;
            variances.push(spread.reshape([b, 1]));
            let trace = l_b.solve_triangular(identity, LX).square().sum();
            kls.push(m.square().sum() + trace + l_b.log_det_from_factor() - F::from_f64(rank as f64));
        }
        let kl = kls.into_iter().reduce(|sum, kl| sum + kl).expect("at least one column") * F::from_f64(0.5);
        Ok(Amortised { mean: Var::concatenate(&means, 1), variance: Var::concatenate(&variances, 1), kl })
    }
}
