//! log p(Z | X): the density of the latents under a Gaussian process, in forms of different cost.
//!
//! Each of the L columns of Z (N, L) is an independent draw of f(x_n) + η_n with f ~ GP(0, k) and η_n ~ N(0, α)
//! (lecture 003, "Casale et al (2018)"):
//!
//! log p(Z | X) = Σ_l log N(z^l; 0, K(X, X) + αI)
//!
//! | form | cost | for |
//! | --- | --- | --- |
//! | [`Dense`] | N³ | any kernel, N up to a few thousand |
//! | [`LowRank`] of [`ViewObject`] | N H² | a view kernel times the linear kernel of M object features, H = Q M: exact |
//! | [`LowRank`] of [`Inducing`] | N H² | any kernel, by H inducing points: a lower bound |
//!
//! The second and the third are also sums over rows, and so can be trained by minibatches: see [`ByRows`]. No form ever
//! computes an inverse; a matrix without a Cholesky factor is an error that names the pivot.

mod amortised;
mod low_rank;
mod weights;

use autograd::{NotPositiveDefinite, Real, Var};
use nn::Layout;

use crate::kernel::{Kernel, Positive};

pub use amortised::Amortised;
pub use low_rank::{FeatureRows, Features, Inducing, LowRank, ViewObject};
pub use weights::{ByRows, Weights, row_terms};

/// ln 2π
pub(crate) const LN_2PI: f64 = 1.837_877_066_409_345_5;

/// The density of latents under a Gaussian process, and its posterior.
pub trait Prior: Sync {
    /// log p(Z | X) in nats, summed over the columns of Z, x (N, d) and z (N, L) to a scalar.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    ///
    /// # Panics
    /// If x and z have different numbers of rows.
    #[track_caller]
    fn log_prob<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite>;

    /// p(f(x⋆) | Z), x (N, d), z (N, L) and x⋆ (n, d).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    ///
    /// # Panics
    /// If x and z have different numbers of rows.
    #[track_caller]
    fn posterior<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        at: Var<'t, F>,
    ) -> Result<Posterior<'t, F>, NotPositiveDefinite>;

    /// α, the variance of η; `None` if there is no such noise.
    fn alpha(&self) -> Option<&Positive>;

    /// Whether two latents at the same place are still two: α > 0.
    fn has_noise(&self) -> bool {
        self.alpha().is_some()
    }
}

/// N(mean, variance) of f at n new places, its variance the same for all columns. That of a latent z⋆ = f(x⋆) + η is
/// larger by α.
#[derive(Clone, Copy, Debug)]
pub struct Posterior<'t, F: Real> {
    /// E[f(x⋆) | Z], (n, L)
    pub mean: Var<'t, F>,
    /// Var[f(x⋆) | Z], (n)
    pub variance: Var<'t, F>,
}

/// The form that takes any kernel: a Cholesky factor of the N x N covariance.
///
/// log N(Z; 0, C),   C = K(X, X) + (α + jitter) I
#[derive(Clone, Debug, PartialEq)]
pub struct Dense<K> {
    /// k
    pub kernel: K,
    alpha: Option<Positive>,
    jitter: f64,
}

impl<K: Kernel> Dense<K> {
    /// With a slot `log_alpha` for α, which begins at `alpha`; no such slot and no noise if that is 0. `jitter` is added to
    /// the diagonal for the sake of the arithmetic; 0 is fine with an α that is not much smaller than the kernel.
    ///
    /// # Panics
    /// If α or the jitter is negative or not finite.
    #[track_caller]
    pub fn new(layout: &mut Layout, kernel: K, alpha: f64, jitter: f64) -> Self {
        assert!(alpha >= 0.0, "Dense: α = {alpha}: a number that is not negative is wanted");
        check_jitter(jitter);
        let alpha = (alpha > 0.0).then(|| Positive::new(layout, "alpha", alpha));
        Self { kernel, alpha, jitter }
    }

    /// C, (N, N)
    #[track_caller]
    fn covariance<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        let k = self.kernel.gram(theta, x);
        let jitter = theta.tape().constant(&[F::from_f64(self.jitter)], []);
        let noise = self.alpha.as_ref().map_or(jitter, |alpha| alpha.of(theta) + jitter);
        k + noise.broadcast_to([x.shape()[0]]).diagonal_matrix()
    }
}

#[track_caller]
fn check_jitter(jitter: f64) {
    assert!(jitter >= 0.0 && jitter.is_finite(), "jitter {jitter}: a number that is not negative is wanted");
}

impl<K: Kernel> Prior for Dense<K> {
    fn log_prob<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        z.multivariate_normal_log_prob(self.covariance(theta, x))
    }

    /// mean = K⋆ C⁻¹ Z = Aᵀ L⁻¹ Z,   variance = k(x⋆, x⋆) − Σ A²,   A = L⁻¹ K(X, X⋆),   C = L Lᵀ
    /// (Rasmussen & Williams 2006, algorithm 2.1)
    fn posterior<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        at: Var<'t, F>,
    ) -> Result<Posterior<'t, F>, NotPositiveDefinite> {
        let l = self.covariance(theta, x).cholesky()?;
        let a = l.solve_triangular(self.kernel.cross(theta, x, at)); // (N, n)
        let variance = self.kernel.diagonal(theta, at) - a.square().sum_axis(0);
        Ok(Posterior { mean: a.t_matmul(l.solve_triangular(z)), variance })
    }

    fn alpha(&self) -> Option<&Positive> {
        self.alpha.as_ref()
    }
}
