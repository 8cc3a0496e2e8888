//! ℓ(y|f), the distribution of an observation around the output of the network.

use autograd::{Real, Tape, Var};
use nn::model::density::{DiagNormal, Normal};
use nn::model::{Init, Layout, Slot};
use nn::train::Noise;
use serde::{Deserialize, Serialize};

use crate::BayesMlpError;
use crate::error::{finite, positive};

/// The distribution of an observation y around the output f of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// N(f, σ²) with a known σ (lecture 000, "More details for the regression case").
    Normal {
        /// σ
        sigma: f64,
    },
    /// N(f, σ²) with an unknown σ, a priori log σ ~ N(mean, sd²). Its posterior q(log σ) = N(m, v²) is learned as well, in the
    /// slots `log_sigma.mu` = m and `log_sigma.rho` = softplus⁻¹(v) of η.
    NormalLearned {
        /// The prior mean of log σ.
        mean: f64,
        /// The prior standard deviation of log σ.
        sd: f64,
    },
    /// N(f₁, σ²) with log σ = f₂: the network has two outputs, and the noise is a function of x. log σ is bounded smoothly to
    /// ±5, so that σ lies between 0.007 and 150 standard deviations of a standardised target.
    NormalHead,
}

/// The bound of log σ for [`Likelihood::NormalHead`].
const LOG_SIGMA_BOUND: f64 = 5.0;
/// Where m of q(log σ) begins: at a σ of 0.3.
const INITIAL_LOG_SIGMA: f64 = -1.2;
/// Where v of q(log σ) begins.
const INITIAL_SPREAD: f64 = 0.05;

impl Likelihood {
    /// A noise level that is learned for a standardised target: a priori log σ ~ N(−2, 2²), with 95 % a σ between 0.0025 and 7.
    pub const NORMAL_LEARNED: Self = Self::NormalLearned { mean: -2.0, sd: 2.0 };

    /// The number of outputs that the network needs.
    pub(crate) fn outputs(self) -> usize {
        if self == Self::NormalHead { 2 } else { 1 }
    }

    pub(crate) fn validate(self) -> Result<(), BayesMlpError> {
        match self {
            Self::Normal { sigma } => positive("σ of the likelihood", sigma).map(drop),
            Self::NormalLearned { mean, sd } => {
                finite("prior mean of log σ", mean)?;
                positive("prior standard deviation of log σ", sd).map(drop)
            }
            Self::NormalHead => Ok(()),
        }
    }
}

/// A likelihood with its slots of η.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LikelihoodLayer {
    Normal { sigma: f64 },
    NormalLearned { mean: f64, sd: f64, mu: Slot, rho: Slot },
    NormalHead,
}

impl LikelihoodLayer {
    #[track_caller]
    pub(crate) fn new(layout: &mut Layout, likelihood: Likelihood) -> Self {
        match likelihood {
            Likelihood::Normal { sigma } => Self::Normal { sigma },
            Likelihood::NormalLearned { mean, sd } => {
                let inverse_softplus = INITIAL_SPREAD.exp_m1().ln();
                let mu = layout.slot("log_sigma.mu", [1], Init::Constant(INITIAL_LOG_SIGMA));
                let rho = layout.slot("log_sigma.rho", [1], Init::Constant(inverse_softplus));
                Self::NormalLearned { mean, sd, mu, rho }
            }
            Likelihood::NormalHead => Self::NormalHead,
        }
    }

    /// E_q(σ)[log ℓ(y|f, σ)] of each row, f (B, outputs) and y (B, 1) to (B).
    ///
    /// For q(log σ) = N(m, v²) the expectation is exact. With E[log σ] = m and E[σ⁻²] = exp(−2m + 2v²) it is
    ///
    /// E_q[log N(y; f, σ²)] = log N(y; f, σ̃²) − v²,   log σ̃ = m − v²
    #[track_caller]
    pub(crate) fn expected_log_prob<'t, F: Real>(
        &self,
        eta: Var<'t, F>,
        f: Var<'t, F>,
        y: Var<'t, F>,
    ) -> Var<'t, F> {
        match self {
            Self::Normal { sigma } => known(*sigma, f).log_prob(y),
            Self::NormalLearned { mu, rho, .. } => {
                let (m, v) = (mu.of(eta), rho.of(eta).softplus());
                Normal { mu: f, log_sigma: m - v.square() }.log_prob(y) - v.square()
            }
            Self::NormalHead => head(f).log_prob(y),
        }
    }

    /// KL(q(log σ) ‖ N(mean, sd²)), (1), if σ is unknown.
    #[track_caller]
    pub(crate) fn kl<'t, F: Real>(&self, eta: Var<'t, F>) -> Option<Var<'t, F>> {
        let Self::NormalLearned { mean, sd, mu, rho } = self else { return None };
        let q = Normal { mu: mu.of(eta), log_sigma: rho.of(eta).softplus().ln() };
        Some(q.kl(prior_of_log_sigma(eta.tape(), *mean, *sd)))
    }

    /// The number of parameters that the likelihood adds to a draw of θ: one, log σ, if σ is unknown.
    pub(crate) fn extra_dim(&self) -> usize {
        usize::from(matches!(self, Self::NormalLearned { .. }))
    }

    /// Σ log ℓ(y|f, σ) over the rows, plus log p(log σ) if σ is unknown: f (B, outputs) and y (B, 1) to a scalar. `extra` is
    /// called for the [`extra_dim`](Self::extra_dim) numbers behind θ, if there are any.
    #[track_caller]
    pub(crate) fn log_joint<'t, F: Real>(
        &self,
        extra: impl FnOnce() -> Var<'t, F>,
        f: Var<'t, F>,
        y: Var<'t, F>,
    ) -> Var<'t, F> {
        match *self {
            Self::Normal { sigma } => known(sigma, f).log_prob(y).sum(),
            Self::NormalLearned { mean, sd, .. } => {
                let log_sigma = extra();
                let log_prior = prior_of_log_sigma(f.tape(), mean, sd).log_prob(log_sigma).sum();
                Normal { mu: f, log_sigma }.log_prob(y).sum() + log_prior
            }
            Self::NormalHead => head(f).log_prob(y).sum(),
        }
    }

    /// log σ of a draw of θ with these extra numbers; none where σ is an output of the network.
    pub(crate) fn log_sigma_of(&self, extra: &[f64]) -> Option<f64> {
        match *self {
            Self::Normal { sigma } => Some(sigma.ln()),
            Self::NormalLearned { .. } => Some(extra[0]),
            Self::NormalHead => None,
        }
    }

    /// `count` draws of log σ from q; empty where σ is an output of the network.
    pub(crate) fn draws<F: Real>(&self, eta: &[F], count: usize, noise: Noise) -> Vec<f64> {
        match self {
            Self::Normal { sigma } => vec![sigma.ln(); count],
            Self::NormalLearned { mu, rho, .. } => {
                let (m, v) = (eta[mu.range().start].to_f64(), eta[rho.range().start].softplus().to_f64());
                let mut draws = vec![0.0; count];
                noise.normal(0, 1, &mut draws);
                draws.iter_mut().for_each(|log_sigma| *log_sigma = m + v * *log_sigma);
                draws
            }
            Self::NormalHead => Vec::new(),
        }
    }

    /// Means and standard deviations of observations from the outputs f (B, outputs) for one θ; `log_sigma` is called unless σ
    /// is an output of the network.
    pub(crate) fn moments(
        &self,
        f: &[f64],
        log_sigma: impl FnOnce() -> f64,
        mean: &mut [f64],
        sigma: &mut [f64],
    ) {
        if let Self::NormalHead = self {
            for ((f, mean), sigma) in f.chunks_exact(2).zip(mean).zip(sigma) {
                *mean = f[0];
                *sigma = (LOG_SIGMA_BOUND * (f[1] / LOG_SIGMA_BOUND).tanh()).exp();
            }
        } else {
            mean.copy_from_slice(f);
            sigma.fill(log_sigma().exp());
        }
    }
}

/// N(f, σ²) with a known σ.
fn known<F: Real>(sigma: f64, f: Var<'_, F>) -> Normal<'_, F> {
    Normal { mu: f, log_sigma: f.tape().constant(&[F::from_f64(sigma.ln())], []) }
}

/// N(f₁, σ²) with log σ = f₂, bounded.
#[track_caller]
fn head<F: Real>(f: Var<'_, F>) -> DiagNormal<'_, F> {
    DiagNormal { packed: f.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)) }
}

/// The prior N(mean, sd²) of an unknown log σ.
fn prior_of_log_sigma<F: Real>(tape: &Tape<F>, mean: f64, sd: f64) -> Normal<'_, F> {
    let constant = |x: f64| tape.constant(&[F::from_f64(x)], [1]);
    Normal { mu: constant(mean), log_sigma: constant(sd.ln()) }
}
