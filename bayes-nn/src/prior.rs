//! π(θ), and its divergence from q.

use autograd::{Real, Var};

use crate::mlp::{WeightDensity, mean};

/// The prior of a network's weights and biases, independent of each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Prior {
    /// N(0, s²) with these s, one for each layer, or one for all (lecture 000, "More details for the regression case": 1).
    Normal(Vec<f64>),
    /// N(0, s²) with the s of each layer that maximises the bound (empirical Bayes), the same for all modes of q.
    ///
    /// KL(q ‖ π) = Σᵢ ½ (μᵢ² + σᵢ²)/s² − log σᵢ + log s − ½ has its minimum over s at s² = (1/n) Σᵢ μᵢ² + σᵢ²,
    /// where there are several modes their mean of it. Put in, it leaves n log s − Σᵢ log σᵢ: no parameter has to be learned along, and the gradient of the rest is exact, since
    /// ∂KL/∂s = 0 there.
    Learned,
    /// p N(0, s₁²) + (1 − p) N(0, s₂²) (Blundell et al. 2015, eq. 7); log π is estimated at a draw of θ.
    Mixture {
        /// p, the share of the first
        share: f64,
        /// s₁
        first: f64,
        /// s₂
        second: f64,
    },
}

impl Prior {
    #[track_caller]
    pub(crate) fn check(&self, layers: usize) {
        let positive = |s: &f64| *s > 0.0 && s.is_finite();
        match self {
            Self::Normal(s) => {
                let count = s.len() == 1 || s.len() == layers;
                assert!(count, "prior: {} scales for {layers} layers", s.len());
                assert!(s.iter().all(positive), "prior: scales {s:?}: positive numbers are wanted");
            }
            Self::Learned => {}
            Self::Mixture { share, first, second } => {
                assert!(
                    *share > 0.0 && *share < 1.0,
                    "prior: a share of {share}: it must lie between 0 and 1"
                );
                let scales = [*first, *second];
                assert!(scales.iter().all(positive), "prior: scales {scales:?}: positive numbers are wanted");
            }
        }
    }

    /// How many scales there are, if not one for each layer.
    pub(crate) fn scales(&self) -> Option<usize> {
        match self {
            Self::Normal(s) => Some(s.len()),
            Self::Learned => None,
            Self::Mixture { .. } => Some(1),
        }
    }

    /// KL(q ‖ π), averaged over the modes of q and summed over groups of θ that have a scale each; `xi` makes standard
    /// normal noise for a mode and a group, of a size.
    #[track_caller]
    pub(crate) fn kl<'t, F: Real>(
        &self,
        groups: impl Iterator<Item = Vec<WeightDensity<'t, F>>>,
        xi: impl Fn(usize, usize, usize) -> Var<'t, F>,
    ) -> Var<'t, F> {
        let kl = groups.enumerate().map(|(i, modes)| {
            let size = modes[0].mu.size();
            let n = size as f64;
            let second_moment = || mean(modes.iter().map(|q| q.second_moment()));
            let cross = match self {
                Self::Normal(s) => {
                    let s = s[i];
                    second_moment() * F::from_f64(0.5 / (s * s)) + F::from_f64(n * (s.ln() - 0.5))
                }
                Self::Learned => (second_moment() / F::from_f64(n)).ln() * F::from_f64(0.5 * n),
                Self::Mixture { share, first, second } => {
                    let log_prob = modes.iter().enumerate().map(|(k, q)| {
                        mixture_log_prob(q.sample_with(xi(k, i, size)), *share, *first, *second)
                    });
                    mean(log_prob).neg() - F::from_f64(n * (HALF_LN_2PI + 0.5))
                }
            };
            cross - mean(modes.iter().map(|q| q.sigma.ln().sum()))
        });
        kl.reduce(|sum, kl| sum + kl).expect("a network has a layer")
    }

    /// log π(θ), summed over groups of θ that have a scale each.
    ///
    /// # Panics
    /// If the scales are learned by the bound: such a prior is no density until a q is given.
    #[track_caller]
    pub(crate) fn log_prob<'t, F: Real>(&self, groups: impl Iterator<Item = Var<'t, F>>) -> Var<'t, F> {
        let of_group = |(i, theta): (usize, Var<'t, F>)| match self {
            Self::Normal(s) => {
                let constant = theta.size() as f64 * (s[i].ln() + HALF_LN_2PI);
                theta.square().sum() * F::from_f64(-0.5 / (s[i] * s[i])) - F::from_f64(constant)
            }
            Self::Mixture { share, first, second } => mixture_log_prob(theta, *share, *first, *second),
            Self::Learned => {
                panic!("log_joint: a prior whose scales are learned by the bound has no density")
            }
        };
        groups.enumerate().map(of_group).reduce(|sum, term| sum + term).expect("a network has a layer")
    }
}

const HALF_LN_2PI: f64 = 0.918_938_533_204_672_7;

impl<'t, F: Real> WeightDensity<'t, F> {
    /// E_q‖θ‖² = Σᵢ μᵢ² + σᵢ²
    #[track_caller]
    fn second_moment(self) -> Var<'t, F> {
        self.mu.square().sum() + self.sigma.square().sum()
    }
}

/// Σᵢ log (p N(θᵢ; 0, s₁²) + (1 − p) N(θᵢ; 0, s₂²)), as log a + log(1 + b/a) with b/a from the difference of logarithms.
fn mixture_log_prob<F: Real>(theta: Var<'_, F>, share: f64, first: f64, second: f64) -> Var<'_, F> {
    let squares = theta.square();
    let log = |share: f64, s: f64| {
        squares * F::from_f64(-0.5 / (s * s)) + F::from_f64((share / s).ln() - HALF_LN_2PI)
    };
    let (a, b) = (log(share, first), log(1.0 - share, second));
    (a + (b - a).softplus()).sum()
}
