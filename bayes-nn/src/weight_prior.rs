//! π(θ), the prior of a network's weights and biases, and the divergence of q from it.

use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Var};
use serde::{Deserialize, Serialize};

use crate::BayesMlpError;
use crate::error::positive;
use crate::model::{WeightDensity, mean};

/// The prior of a network's weights and biases, all of them independent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightPrior {
    /// N(0, s²) (lecture 000, "More details for the regression case", with s = 1).
    Normal {
        /// s, one for all layers, or one for each layer, and then one for the linear part if there is one.
        sigma: Vec<f64>,
    },
    /// N(0, s²) with the s of each layer that maximises the ELBO (empirical Bayes).
    ///
    /// For a layer with n weights and biases, KL(q ‖ π) = Σᵢ ½ (μᵢ² + σᵢ²)/s² − log σᵢ + log s − ½. The minimum over s is at
    /// s² = (1/n) Σᵢ (μᵢ² + σᵢ²); if q has several modes, s² is the mean of this over the modes. Put in, it leaves
    /// n log s − Σᵢ log σᵢ, so that s is no further parameter. The gradient by η is exact, since ∂KL/∂s = 0 at the minimum.
    Learned,
    /// p N(0, s₁²) + (1 − p) N(0, s₂²) (Blundell et al. 2015, eq. 7). E_q[log π] is estimated by a draw of θ.
    Mixture {
        /// p, the share of the first component, between 0 and 1.
        share: f64,
        /// s₁
        first: f64,
        /// s₂
        second: f64,
    },
}

impl WeightPrior {
    pub(crate) fn validate(&self, layers: usize) -> Result<(), BayesMlpError> {
        match *self {
            Self::Normal { ref sigma } if sigma.len() == 1 || sigma.len() == layers => {
                sigma.iter().try_for_each(|&s| positive("scale of the weights' prior", s).map(drop))
            }
            Self::Normal { ref sigma } => Err(BayesMlpError::Scales { layers, found: sigma.len() }),
            Self::Learned => Ok(()),
            Self::Mixture { share, first, second } => {
                positive("first scale of the weights' prior", first)?;
                positive("second scale of the weights' prior", second)?;
                let inside = share > 0.0 && share < 1.0;
                if inside { Ok(()) } else { Err(BayesMlpError::Share { found: share }) }
            }
        }
    }

    /// Whether all layers share one scale, so that θ is a single group.
    pub(crate) fn is_one_group(&self) -> bool {
        match self {
            Self::Normal { sigma } => sigma.len() == 1,
            Self::Learned => false,
            Self::Mixture { .. } => true,
        }
    }

    /// KL(q ‖ π) in nats of group `i` of θ, averaged over the modes of q; `xi(k, n)` are n standard normal numbers for mode k.
    #[track_caller]
    pub(crate) fn kl<'t, F: Real>(
        &self,
        i: usize,
        modes: &[WeightDensity<'t, F>],
        xi: impl Fn(usize, usize) -> Var<'t, F>,
    ) -> Var<'t, F> {
        let size = modes[0].mu.size();
        let n = size as f64;
        let second_moment = || mean(modes.iter().map(|q| q.second_moment()));
        // −E_q[log π] − n (½ ln 2π + ½); the entropy is Σᵢ log σᵢ + n (½ ln 2π + ½).
        let cross = match *self {
            Self::Normal { ref sigma } => {
                let s = sigma[i];
                second_moment() * F::from_f64(0.5 / (s * s)) + F::from_f64(n * (s.ln() - 0.5))
            }
            Self::Learned => (second_moment() / F::from_f64(n)).ln() * F::from_f64(0.5 * n),
            Self::Mixture { share, first, second } => {
                let log_prob = modes
                    .iter()
                    .enumerate()
                    .map(|(k, q)| mixture_log_prob(q.sample_with(xi(k, size)), share, [first, second]));
                mean(log_prob).neg() - F::from_f64(n * (HALF_LN_2PI + 0.5))
            }
        };
        cross - mean(modes.iter().map(|q| q.sigma.ln().sum()))
    }

    /// log π(θ) in nats of group `i` of θ.
    ///
    /// # Panics
    /// For [`Learned`](Self::Learned), which is no density until a q is given.
    #[track_caller]
    pub(crate) fn log_prob<'t, F: Real>(&self, i: usize, theta: Var<'t, F>) -> Var<'t, F> {
        match *self {
            Self::Normal { ref sigma } => {
                let s = sigma[i];
                let constant = theta.size() as f64 * (s.ln() + HALF_LN_2PI);
                theta.square().sum() * F::from_f64(-0.5 / (s * s)) - F::from_f64(constant)
            }
            Self::Mixture { share, first, second } => mixture_log_prob(theta, share, [first, second]),
            Self::Learned => {
                panic!("log_joint: expected a prior that is a density, found WeightPrior::Learned")
            }
        }
    }
}

impl<'t, F: Real> WeightDensity<'t, F> {
    /// E_q‖θ‖² = Σᵢ μᵢ² + σᵢ²
    #[track_caller]
    fn second_moment(self) -> Var<'t, F> {
        self.mu.square().sum() + self.sigma.square().sum()
    }
}

/// Σᵢ log (p N(θᵢ; 0, s₁²) + (1 − p) N(θᵢ; 0, s₂²)), as log a + log(1 + b/a) with b/a from the difference of logarithms.
#[track_caller]
fn mixture_log_prob<F: Real>(theta: Var<'_, F>, share: f64, scales: [f64; 2]) -> Var<'_, F> {
    let squares = theta.square();
    let log = |share: f64, s: f64| {
        squares * F::from_f64(-0.5 / (s * s)) + F::from_f64((share / s).ln() - HALF_LN_2PI)
    };
    let (a, b) = (log(share, scales[0]), log(1.0 - share, scales[1]));
    (a + (b - a).softplus()).sum()
}
