//! The bound of Jazbec et al. 2021: latents are the process itself, of which the encoder makes noisy observations.

use autograd::{NotPositiveDefinite, Real, Var};
use nn::density::DiagNormal;

use super::{FeatureRows, Features, LowRank};

/// q(f(x_n)) = N(mean, variance), given what the encoder says of all rows, and its divergence from the prior.
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
    /// The posterior of f = v(x) u if its values at the rows of x (b, d) were observed as μ_n with variances σ_n², both
    /// computed by an encoder, (b, L) each; every row counts `n`/b times. With D = diag(σ²) of a column:
    ///
    /// B = I + (n/b) Vᵀ D⁻¹ V,   m = (n/b) B⁻¹ Vᵀ D⁻¹ μ,   q(f_n) = N(v_n m, v_n B⁻¹ v_nᵀ + gap_n)
    ///
    /// (Jazbec et al. 2021, equations 8 to 10, with u whitened by the factor of the inducing points' covariance). The
    /// bound that goes with it, log p(Y) ≥ Σ E_q[log p(y_n | f_n)] − KL(q(u) ‖ N(0, I)), has the latents z = f without the
    /// noise α: what their equation 11 adds and subtracts of N(μ; f, D) cancels under the same q. It is a bound for b = n;
    /// for a minibatch it is an estimate, whose bias falls with b/H.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`], as [`log_prob`](super::Prior::log_prob).
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
        let one = theta.tape().constant_with([rank], |one| one.fill(F::ONE)).diagonal_matrix();
        let (mu, precision) = (observed.mu(), (observed.log_sigma() * F::from_f64(-2.0)).exp());
        let (mut means, mut variances, mut kls) = (vec![], vec![], vec![]);
        for l in 0..observed.dim() {
            let weighted = v * (precision.columns(l..l + 1) * F::from_f64(n as f64 / b as f64)); // (n/b) D⁻¹ V
            let l_b = (v.t_matmul(weighted) + one).cholesky()?;
            let m = l_b.solve_triangular_t(l_b.solve_triangular(weighted.t_matmul(mu.columns(l..l + 1)))); // (H, 1)
            means.push(v.matmul(m));
            let spread = l_b.solve_triangular_right_t(v).square().sum_axis(1) + gap;
            variances.push(spread.reshape([b, 1]));
            let trace = l_b.solve_triangular(one).square().sum();
            kls.push(m.square().sum() + trace + l_b.log_det_from_factor() - F::from_f64(rank as f64));
        }
        let kl = kls.into_iter().reduce(|sum, kl| sum + kl).expect("at least one column") * F::from_f64(0.5);
        Ok(Amortised { mean: Var::concatenate(&means, 1), variance: Var::concatenate(&variances, 1), kl })
    }
}
