//! Families of densities q_η(θ) that approximate a posterior (lecture 000, "Parametrization of q").

use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Var};
use nn::model::Init;
use nn::model::density::Normal;

/// A family of normal densities q_η(θ), θ ∈ Rᵈ, that is sampled by reparameterisation: θ = T(ξ, η) with standard normal ξ.
///
/// A family is a description, as a layer is. Its parameters η are slots of a [`Layout`](nn::model::Layout), and it computes from
/// any vector η on a tape, of which it reads its own slots.
pub trait Family: Sync {
    /// d, the length of θ.
    fn dim(&self) -> usize;

    /// The number of standard normal numbers ξ that one sample takes; d unless a family says otherwise.
    fn noise_dim(&self) -> usize {
        self.dim()
    }

    /// θ = T(ξ, η): M samples from noise ξ, (M, [`noise_dim`](Self::noise_dim)) to (M, d).
    #[track_caller]
    fn sample_with<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Var<'t, F>;

    /// log q_η(θ) of each row of θ in nats, (M, d) to (M).
    #[track_caller]
    fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, theta: Var<'t, F>) -> Var<'t, F>;

    /// The entropy H(q) = −E_q[log q] in nats, a scalar.
    #[track_caller]
    fn entropy<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F>;

    /// E_q(θ), (d).
    #[track_caller]
    fn mean<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F>;

    /// The variance of each θᵢ, (d).
    #[track_caller]
    fn variance<'t, F: Real>(&self, eta: Var<'t, F>) -> Var<'t, F>;

    /// KL(q ‖ π) in nats for a prior π = N(m, diag s²), a scalar. m and s have d numbers each, or one for all θᵢ.
    ///
    /// KL(q ‖ π) = −H(q) − E_q[log π],   E_q[log π] = log π(E_q(θ)) − ½ Σᵢ Var_q(θᵢ) / sᵢ²
    #[track_caller]
    fn kl<'t, F: Real>(&self, eta: Var<'t, F>, prior: Normal<'t, F>) -> Var<'t, F> {
        let precision = (prior.log_sigma * F::from_f64(-2.0)).exp();
        let spread = (self.variance(eta) * precision).sum() * F::from_f64(0.5);
        spread - prior.log_prob(self.mean(eta)) - self.entropy(eta)
    }
}

/// The entropy of a normal density on Rᵈ with covariance Σ: ½ ln det Σ + d/2 ln 2πe.
pub(super) fn normal_entropy<F: Real>(half_log_det: Var<'_, F>, dim: usize) -> Var<'_, F> {
    half_log_det + F::from_f64((HALF_LN_2PI + 0.5) * dim as f64)
}

/// The initialiser of log σ for a standard deviation σ.
#[track_caller]
pub(super) fn log_sigma_init(sigma: f64) -> Init {
    let positive = sigma > 0.0 && sigma.is_finite();
    assert!(positive, "family: σ: expected a finite number greater than 0, found {sigma}");
    Init::Constant(sigma.ln())
}
