//! ℓ(y|f), the noise of observations.

use autograd::{Real, Var};
use nn::density::{DiagNormal, Normal};
use nn::noise::Noise;
use nn::{Init, Layout, Slot};

/// The distribution of an observation y around a network's output f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likelihood {
    /// N(f, σ²) with this σ (lecture 000, "More details for the regression case").
    Normal {
        /// σ
        sigma: f64,
    },
    /// N(f, σ²) with an unknown σ, log σ ~ N(mean, sd²), whose posterior q(log σ) = N(m, v²) is learned as well: the slots
    /// `log_sigma.mu` = m and `log_sigma.rho` = softplus⁻¹(v).
    NormalLearned {
        /// The prior mean of log σ
        mean: f64,
        /// The prior standard deviation of log σ
        sd: f64,
    },
    /// N(f₁, σ²) with log σ = f₂, bounded to ±5: the network's second output is the noise at x.
    NormalHead,
}

/// log σ is bounded smoothly to ±this: σ between 0.007 and 150 standard deviations of a standardised target.
const LOG_SIGMA_BOUND: f64 = 5.0;
/// Where q(log σ) begins: σ = 0.3 give or take a twentieth.
const INITIAL: (f64, f64) = (-1.2, 0.05);

impl Likelihood {
    /// A noise level that is learned for a standardised target: a priori log σ ~ N(−2, 2²), σ between 0.0025 and 7 with 95 %.
    pub const NORMAL_LEARNED: Self = Self::NormalLearned { mean: -2.0, sd: 2.0 };

    /// The number of outputs that a network needs.
    pub(crate) fn outputs(self) -> usize {
        if self == Self::NormalHead { 2 } else { 1 }
    }
}

/// A likelihood with its slots of η.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    likelihood: Likelihood,
    slots: Option<(Slot, Slot)>,
}

impl Head {
    #[track_caller]
    pub(crate) fn new(layout: &mut Layout, likelihood: Likelihood) -> Self {
        let positive = |name: &str, x: f64| {
            assert!(x > 0.0 && x.is_finite(), "likelihood: {name} = {x}: a positive number is wanted");
        };
        let slots = match likelihood {
            Likelihood::Normal { sigma } => {
                positive("σ", sigma);
                None
            }
            Likelihood::NormalLearned { mean, sd } => {
                assert!(mean.is_finite(), "likelihood: the prior mean {mean} of log σ is not finite");
                positive("the prior deviation of log σ", sd);
                let (m, v) = INITIAL;
                let mu = layout.slot("log_sigma.mu", [1], Init::Constant(m));
                Some((mu, layout.slot("log_sigma.rho", [1], Init::Constant(v.exp_m1().ln()))))
            }
            Likelihood::NormalHead => None,
        };
        Self { likelihood, slots }
    }

    pub(crate) fn likelihood(&self) -> Likelihood {
        self.likelihood
    }

    /// E_q(σ)[log ℓ(y|f, σ)], f (B, outputs) and y (B, 1) to (B).
    ///
    /// For q(log σ) = N(m, v²) the expectation is exact: E[log σ] = m and E[σ⁻²] = exp(−2m + 2v²), so that
    ///
    /// E_q[log N(y; f, σ²)] = log N(y; f, σ̃²) − v²,   log σ̃ = m − v²
    #[track_caller]
    pub(crate) fn log_prob<'t, F: Real>(&self, eta: Var<'t, F>, f: Var<'t, F>, y: Var<'t, F>) -> Var<'t, F> {
        match (self.likelihood, self.q(eta)) {
            (Likelihood::Normal { sigma }, _) => {
                let log_sigma = eta.tape().constant(&[F::from_f64(sigma.ln())], []);
                Normal { mu: f, log_sigma }.log_prob(y)
            }
            (_, Some((m, v))) => Normal { mu: f, log_sigma: m - v.square() }.log_prob(y) - v.square(),
            _ => DiagNormal { packed: f.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)) }.log_prob(y),
        }
    }

    /// log ℓ(y|f, σ) for this log σ if it is unknown, f (B, outputs) and y (B, 1) to (B).
    #[track_caller]
    pub(crate) fn log_prob_of<'t, F: Real>(
        &self,
        log_sigma: Option<Var<'t, F>>,
        f: Var<'t, F>,
        y: Var<'t, F>,
    ) -> Var<'t, F> {
        match (self.likelihood, log_sigma) {
            (Likelihood::NormalLearned { .. }, Some(log_sigma)) => Normal { mu: f, log_sigma }.log_prob(y),
            // The other two read nothing of η.
            _ => self.log_prob(f, f, y),
        }
    }

    /// log N(log σ; mean, sd²), of an unknown σ.
    #[track_caller]
    pub(crate) fn log_prior<'t, F: Real>(&self, log_sigma: Var<'t, F>) -> Var<'t, F> {
        let Likelihood::NormalLearned { mean, sd } = self.likelihood else {
            unreachable!("σ is not learned")
        };
        let constant = |x: f64| log_sigma.tape().constant(&[F::from_f64(x)], [1]);
        Normal { mu: constant(mean), log_sigma: constant(sd.ln()) }.log_prob(log_sigma).sum()
    }

    /// KL(q(log σ) ‖ N(mean, sd²)), if σ is unknown.
    #[track_caller]
    pub(crate) fn kl<'t, F: Real>(&self, eta: Var<'t, F>) -> Option<Var<'t, F>> {
        let ((m, v), Likelihood::NormalLearned { mean, sd }) = (self.q(eta)?, self.likelihood) else {
            return None;
        };
        let constant = |x: f64| eta.tape().constant(&[F::from_f64(x)], [1]);
        let prior = Normal { mu: constant(mean), log_sigma: constant(sd.ln()) };
        Some(Normal { mu: m, log_sigma: v.ln() }.kl(prior))
    }

    /// m and v, (1) each.
    #[track_caller]
    fn q<'t, F: Real>(&self, eta: Var<'t, F>) -> Option<(Var<'t, F>, Var<'t, F>)> {
        self.slots.as_ref().map(|(mu, rho)| (mu.of(eta), rho.of(eta).softplus()))
    }

    /// Draws of log σ, where it is not the network's output.
    pub(crate) fn draws<F: Real>(&self, eta: &[F], count: usize, noise: Noise) -> Vec<f64> {
        match (self.likelihood, &self.slots) {
            (Likelihood::Normal { sigma }, _) => vec![sigma.ln(); count],
            (_, Some((mu, rho))) => {
                let (m, v) = (eta[mu.range().start].to_f64(), eta[rho.range().start].softplus().to_f64());
                let mut draws = vec![0.0; count];
                noise.normal(0, 1, &mut draws);
                draws.iter_mut().for_each(|log_sigma| *log_sigma = m + v * *log_sigma);
                draws
            }
            _ => Vec::new(),
        }
    }

    /// Means and standard deviations from a network's outputs for one θ.
    pub(crate) fn moments(&self, f: &[f64], log_sigma: Option<f64>, mean: &mut [f64], sigma: &mut [f64]) {
        match (self.likelihood, log_sigma) {
            (Likelihood::NormalHead, _) => {
                for ((f, mean), sigma) in f.chunks_exact(2).zip(mean).zip(sigma) {
                    *mean = f[0];
                    *sigma = (LOG_SIGMA_BOUND * (f[1] / LOG_SIGMA_BOUND).tanh()).exp();
                }
            }
            (_, log_sigma) => {
                mean.copy_from_slice(f);
                sigma.fill(log_sigma.expect("a draw of log σ").exp());
            }
        }
    }
}
