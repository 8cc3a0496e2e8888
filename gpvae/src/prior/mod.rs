//! log p(Z | X): the density of all latents under a Gaussian process, in forms of different cost.
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
//! | [`Sequences`] | N T + L T³ | N/T independent sequences of T times each: exact |
//! | [`Markov`] | N L | Matérn processes in time, any number of series at any times: exact |
//!
//! The low-rank forms are also sums over rows, so that minibatches can train them: see [`RowwisePrior`]. No form computes
//! an inverse. A matrix without a Cholesky factor is an error that names the pivot.

mod amortised;
mod categories;
mod dense;
mod features;
mod low_rank;
mod markov;
mod matern;
mod rowwise;
mod sequences;
mod small;
mod smoother;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Var};

use crate::kernel::Positive;

pub use amortised::Amortised;
pub use categories::CategoryProduct;
pub use dense::Dense;
pub use features::{FeatureRows, Features, Inducing, ViewObject};
pub use low_rank::LowRank;
pub use markov::{Markov, MarkovPosterior, Timeline};
pub use matern::Matern;
pub use rowwise::{RowwisePrior, WeightPosterior, row_terms};
pub use sequences::{SequencePosterior, Sequences};

/// The density of latents under a Gaussian process, and the posterior of the process given latents.
pub trait LatentPrior: Sync {
    /// log p(Z | X) in nats, summed over the columns of Z: x (N, d) and z (N, L) to a scalar.
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

    /// p(f(x⋆) | Z), the process at new places given latents: x (N, d), z (N, L) and x⋆ (n, d).
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
    ) -> Result<ProcessPosterior<'t, F>, NotPositiveDefinite>;

    /// α, the variance of the noise η on each latent, or `None` without such noise.
    fn alpha(&self) -> Option<&Positive>;
}

/// A normal density of f at n places. Its variance is the same for all columns.
///
/// A latent z⋆ = f(x⋆) + η has this mean and a variance that is larger by α.
#[derive(Clone, Copy, Debug)]
pub struct ProcessPosterior<'t, F: Real> {
    /// E f(x), (n, L)
    pub mean: Var<'t, F>,
    /// Var f(x), (n)
    pub variance: Var<'t, F>,
}

/// Asserts that `jitter` can be added to a diagonal.
#[track_caller]
fn check_jitter(jitter: f64) {
    let fits = jitter >= 0.0 && jitter.is_finite();
    assert!(fits, "jitter: expected a number that is not negative, found {jitter}");
}

/// The diagonal matrix of this number, (n, n).
#[track_caller]
fn scaled_identity<'t, F: Real>(theta: Var<'t, F>, n: usize, scale: f64) -> Var<'t, F> {
    theta.tape().constant_with([n], |diagonal| diagonal.fill(F::from_f64(scale))).diagonal_matrix()
}
