//! Families of densities q_η(θ), θ ∈ Rᵈ, that approximate a posterior (lecture 000, "Parametrization of q").
//!
//! A family is a description, as a layer is: its parameters η are slots of a [`Layout`](nn::Layout), and it computes from
//! any η that is put in.

mod full;
mod low_rank;
mod mean_field;

use autograd::{Real, Var};
use nn::Init;
use nn::density::Normal;

pub use full::FullNormal;
pub use low_rank::LowRankNormal;
pub use mean_field::MeanField;

/// A Gaussian family q_η(θ) that is sampled by reparameterisation: θ = φ(ξ, η) with standard normal ξ.
///
/// η is a vector on a tape, of which the family reads its slots.
pub trait Family: Sync {
    /// d, the length of θ.
    fn dim(&self) -> usize;

    /// How many standard normal numbers ξ a sample takes.
    fn noise_dim(&self) -> usize {
        self.dim()
    }

    /// θ = φ(ξ, η): M samples from noise ξ, (M, [`noise_dim`](Self::noise_dim)) to (M, d).
    #[track_caller]
    fn sample_with<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Var<'t, F>;

    /// log q_η(θ) in nats, (M, d) to (M).
    #[track_caller]
    fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, theta: Var<'t, F>) -> Var<'t, F>;

    /// H(q) = −E_q[log q] in nats, a scalar.
    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F>;

    /// E_q(θ), (d).
    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F>;

    /// The variances of θ's elements, (d).
    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F>;

    /// KL(q ‖ π) in nats for a prior π = N(m, diag s²) whose parameters are (d) or one number for all θᵢ:
    ///
    /// KL(q ‖ π) = −H(q) − E_q[log π],   E_q[log π] = log π(E_q(θ)) − ½ Σᵢ Var_q(θᵢ) / sᵢ²
    #[track_caller]
    fn kl<'t, F: Real>(&self, eta: Var<'t, F>, prior: Normal<'t, F>) -> Var<'t, F> {
        let precision = (prior.log_sigma * F::from_f64(-2.0)).exp();
        let spread = (self.variance(eta) * precision).sum() * F::from_f64(0.5);
        spread - prior.log_prob(self.mean(eta)) - self.entropy(eta)
    }
}

/// ln 2π
const LN_2PI: f64 = 1.837_877_066_409_345_5;

/// ½ log det Σ + d/2 ln 2πe, of a normal with covariance Σ.
fn entropy<F: Real>(half_log_det: Var<'_, F>, dim: usize) -> Var<'_, F> {
    half_log_det + F::from_f64(0.5 * (LN_2PI + 1.0) * dim as f64)
}

/// Standard deviations to begin with.
#[track_caller]
fn constant_log(sigma: f64) -> Init {
    assert!(sigma > 0.0 && sigma.is_finite(), "family: σ = {sigma}: a positive number is wanted");
    Init::Constant(sigma.ln())
}
