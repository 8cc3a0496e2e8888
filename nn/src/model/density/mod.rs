//! Densities on the tape, and losses. `log_prob`, `entropy` and `kl` are in nats and summed over the last axis, (…, n) to
//! (…). Arguments are broadcast as in arithmetic.
//!
//! | density | |
//! | --- | --- |
//! | [`Normal`] | independent coordinates, from μ and log σ |
//! | [`DiagNormal`] | independent coordinates, from packed rows (μ \| log σ), as a network with two heads computes them |
//! | [`MultivariateNormal`] | any covariance, by its Cholesky factor |
//! | [`Bernoulli`] | independent yes and no |
//! | [`Categorical`] | one of K classes |
//! | [`Poisson`], [`NegativeBinomial`] | independent counts |
//! | [`StudentT`] | independent coordinates with heavy tails |
//!
//! Randomness is an argument: `sample_with` takes standard noise and returns a sample. The gradient passes through it where
//! the density allows that. Noise with further leading axes makes several samples of each row.

mod counts;
mod discrete;
mod losses;
mod multivariate_normal;
mod normal;
mod student;

pub use counts::{NegativeBinomial, Poisson};
pub use discrete::{Bernoulli, Categorical};
pub use losses::{cross_entropy, one_hot, squared_error};
pub use multivariate_normal::MultivariateNormal;
pub use normal::{DiagNormal, Normal};
pub use student::StudentT;

use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Var};

/// ½ ln 2πe, the entropy of N(0, 1)
const UNIT_ENTROPY: f64 = HALF_LN_2PI + 0.5;

/// The sum over the last axis; a scalar stays one.
#[track_caller]
fn over_last<F: Real>(x: Var<'_, F>) -> Var<'_, F> {
    match x.shape().rank() {
        0 => x,
        rank => x.sum_axis(rank - 1),
    }
}
