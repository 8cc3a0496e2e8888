//! ℓ(y|f), the distribution of an observation around the output of the network.

use autograd::{Real, Var};
use nn::model::density::{Categorical, DiagNormal, NegativeBinomial, Normal, Poisson, StudentT};
use nn::model::{Init, Layout, Slot};
use nn::train::Noise;
use serde::{Deserialize, Serialize};

use crate::error::{finite, positive};
use crate::{BayesMlpError, Components};

/// The distribution of an observation y around the output f of the network. Of several outputs each has its own, and they are
/// independent given θ.
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
    /// N(f₁, σ²) with log σ = f₂: the network has two outputs for each target, and the noise is a function of x. log σ is bounded
    /// smoothly to ±5, so that σ lies between 0.007 and 150 standard deviations of a standardised target.
    NormalHead,
    /// f + σ t, where t has Student's distribution with ν degrees of freedom: rows far from the others do not bend f, see
    /// [`StudentT`]. A priori log σ ~ N(mean, sd²) and log(ν − 2) ~ N(2, 1.5²), with 95 % a ν between 2.4 and 142; both have a
    /// posterior, in the slots `log_sigma.*` and `log_dof.*`. For ν > 2 there is a variance.
    Student {
        /// The prior mean of log σ.
        mean: f64,
        /// The prior standard deviation of log σ.
        sd: f64,
    },
    /// One of K classes with probabilities softmax(f) (lecture 001, "Parameterization of conditional distributions with Neural
    /// Networks"). The network has an output for each class, and targets are one-hot rows.
    Categorical,
    /// Counts of mean eᶠ (lecture 004, "We have two sensors that measure events from different processes"). f is bounded smoothly
    /// to ±15.
    Poisson,
    /// Counts of mean m = eᶠ and variance m + m²/r, see [`NegativeBinomial`]: Poisson counts whose rates are not the same in rows
    /// of the same x. A priori log r ~ N(mean, sd²); its posterior is in the slots `log_dispersion.*`. f is bounded as for
    /// [`Poisson`](Self::Poisson).
    NegativeBinomial {
        /// The prior mean of log r.
        mean: f64,
        /// The prior standard deviation of log r.
        sd: f64,
    },
}

/// The bound of log σ for [`Likelihood::NormalHead`].
const LOG_SIGMA_BOUND: f64 = 5.0;
/// The bound of the logarithm of a mean count: it is below 3 million.
const LOG_RATE_BOUND: f64 = 15.0;
/// Where the mean of q(log σ) begins: at a σ of 0.3.
const INITIAL_LOG_SIGMA: f64 = -1.2;
/// Where the standard deviation of the q of an unknown begins.
const INITIAL_SPREAD: f64 = 0.05;
/// Mean and standard deviation of log(ν − 2) a priori.
const LOG_DOF: [f64; 2] = [2.0, 1.5];
/// The least ν.
const LEAST_DOF: f64 = 2.0;

impl Likelihood {
    /// A noise level that is learned for a standardised target: a priori log σ ~ N(−2, 2²), with 95 % a σ between 0.0025 and 7.
    pub const NORMAL_LEARNED: Self = Self::NormalLearned { mean: -2.0, sd: 2.0 };
    /// Noise with heavy tails for a standardised target: a priori log σ ~ N(−2, 2²).
    pub const STUDENT: Self = Self::Student { mean: -2.0, sd: 2.0 };
    /// Counts that vary more than Poisson counts: a priori log r ~ N(1, 2²), with 95 % an r between 0.05 and 150.
    pub const NEGATIVE_BINOMIAL: Self = Self::NegativeBinomial { mean: 1.0, sd: 2.0 };

    /// Whether targets are counts.
    pub fn is_of_counts(self) -> bool {
        matches!(self, Self::Poisson | Self::NegativeBinomial { .. })
    }

    /// Whether targets are real numbers, which are standardised.
    pub fn is_of_numbers(self) -> bool {
        !self.is_of_counts() && self != Self::Categorical
    }

    /// The numbers that the network computes for each target.
    pub(crate) fn heads(self) -> usize {
        if self == Self::NormalHead { 2 } else { 1 }
    }

    pub(crate) fn validate(self, outputs: usize) -> Result<(), BayesMlpError> {
        let prior = |of: [&'static str; 2], mean, sd| {
            finite(of[0], mean)?;
            positive(of[1], sd).map(drop)
        };
        match self {
            Self::Normal { sigma } => positive("σ of the likelihood", sigma).map(drop),
            Self::NormalLearned { mean, sd } | Self::Student { mean, sd } => {
                prior(["prior mean of log σ", "prior standard deviation of log σ"], mean, sd)
            }
            Self::NegativeBinomial { mean, sd } => {
                prior(["prior mean of log r", "prior standard deviation of log r"], mean, sd)
            }
            Self::Categorical if outputs < 2 => Err(BayesMlpError::Classes { found: outputs }),
            Self::NormalHead | Self::Categorical | Self::Poisson => Ok(()),
        }
    }
}

/// A parameter u of the likelihood that is not known, for each of D outputs one: a priori u ~ N(mean, sd²), and
/// q(u) = N(m, v²) independently, v = softplus(ρ).
#[derive(Clone, Debug, PartialEq)]
struct Unknown {
    mean: f64,
    sd: f64,
    mu: Slot,
    rho: Slot,
}

impl Unknown {
    #[track_caller]
    fn new(layout: &mut Layout, name: &str, size: usize, start: f64, [mean, sd]: [f64; 2]) -> Self {
        let inverse_softplus = INITIAL_SPREAD.exp_m1().ln();
        let mu = layout.slot(format!("{name}.mu"), [size], Init::Constant(start));
        let rho = layout.slot(format!("{name}.rho"), [size], Init::Constant(inverse_softplus));
        Self { mean, sd, mu, rho }
    }

    /// N(mean, sd²) of all D numbers.
    fn prior<'t, F: Real>(&self, on: Var<'t, F>) -> Normal<'t, F> {
        let constant = |x: f64| on.tape().constant(&vec![F::from_f64(x); self.size()], [self.size()]);
        Normal { mu: constant(self.mean), log_sigma: constant(self.sd.ln()) }
    }

    fn size(&self) -> usize {
        self.mu.range().len()
    }
}

/// A likelihood with its slots of η.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LikelihoodLayer {
    likelihood: Likelihood,
    unknowns: Vec<Unknown>,
}

impl LikelihoodLayer {
    #[track_caller]
    pub(crate) fn new(layout: &mut Layout, likelihood: Likelihood, outputs: usize) -> Self {
        let mut unknown = |name, start, prior| Unknown::new(layout, name, outputs, start, prior);
        let unknowns = match likelihood {
            Likelihood::NormalLearned { mean, sd } => {
                vec![unknown("log_sigma", INITIAL_LOG_SIGMA, [mean, sd])]
            }
            Likelihood::Student { mean, sd } => vec![
                unknown("log_sigma", INITIAL_LOG_SIGMA, [mean, sd]),
                unknown("log_dof", LOG_DOF[0], LOG_DOF),
            ],
            Likelihood::NegativeBinomial { mean, sd } => vec![unknown("log_dispersion", mean, [mean, sd])],
            _ => Vec::new(),
        };
        Self { likelihood, unknowns }
    }

    /// E_q(u)[log ℓ(y|f, u)] of each row, f (B, heads · outputs) and y (B, outputs) to (B), u the unknown parameters. It is
    /// estimated by one draw of u from the noise `xi`, (E), with E as [`unknowns`](Self::unknowns) counts them; for
    /// [`Likelihood::NormalLearned`] it is exact, and `xi` is not asked. With q(log σ) = N(m, v²), E[log σ] = m and
    /// E[σ⁻²] = exp(−2m + 2v²) it is
    ///
    /// E_q[log N(y; f, σ²)] = log N(y; f, σ̃²) − v²,   log σ̃ = m − v²
    #[track_caller]
    pub(crate) fn expected_log_prob<'t, F: Real>(
        &self,
        eta: Var<'t, F>,
        f: Var<'t, F>,
        y: Var<'t, F>,
        xi: impl FnOnce() -> Var<'t, F>,
    ) -> Var<'t, F> {
        let q = |of: &Unknown| (of.mu.of(eta), of.rho.of(eta).softplus());
        match &self.unknowns[..] {
            [] => self.log_prob(&[], f, y),
            [log_sigma] if matches!(self.likelihood, Likelihood::NormalLearned { .. }) => {
                let (m, v) = q(log_sigma);
                Normal { mu: f, log_sigma: m - v.square() }.log_prob(y) - v.square().sum()
            }
            unknowns => {
                let xi = self.cut(xi());
                let draw = |(of, xi)| {
                    let (m, v) = q(of);
                    m + v * xi
                };
                self.log_prob(&unknowns.iter().zip(xi).map(draw).collect::<Vec<_>>(), f, y)
            }
        }
    }

    /// KL(q(u) ‖ p(u)) of all unknown parameters, a scalar or (1), if there are any.
    #[track_caller]
    pub(crate) fn kl<'t, F: Real>(&self, eta: Var<'t, F>) -> Option<Var<'t, F>> {
        let kl = |of: &Unknown| {
            let q = Normal { mu: of.mu.of(eta), log_sigma: of.rho.of(eta).softplus().ln() };
            q.kl(of.prior(eta))
        };
        self.unknowns.iter().map(kl).reduce(|sum, kl| sum + kl)
    }

    /// E, the number of parameters that the likelihood adds to a draw of θ.
    pub(crate) fn unknowns(&self) -> usize {
        self.unknowns.iter().map(Unknown::size).sum()
    }

    /// Σ log ℓ(y|f, u) over the rows, plus log p(u) if there are unknown parameters: f (B, heads · outputs) and y (B, outputs) to a
    /// scalar. `u` is called for these E numbers.
    #[track_caller]
    pub(crate) fn log_joint<'t, F: Real>(
        &self,
        u: impl FnOnce() -> Var<'t, F>,
        f: Var<'t, F>,
        y: Var<'t, F>,
    ) -> Var<'t, F> {
        if self.unknowns.is_empty() {
            return self.log_prob(&[], f, y).sum();
        }
        let u = self.cut(u());
        let log_prior = self.unknowns.iter().zip(&u).map(|(of, &u)| of.prior(u).log_prob(u).sum());
        log_prior.fold(self.log_prob(&u, f, y).sum(), |sum, log_prior| sum + log_prior)
    }

    /// E numbers as one array for each unknown parameter.
    #[track_caller]
    fn cut<'t, F: Real>(&self, u: Var<'t, F>) -> Vec<Var<'t, F>> {
        let mut start = 0;
        let mut next = |of: &Unknown| {
            let part = u.view(start, [of.size()]);
            start += of.size();
            part
        };
        self.unknowns.iter().map(&mut next).collect()
    }

    /// log ℓ(y|f, u) of each row, summed over the outputs: f (B, heads · outputs) and y (B, outputs) to (B).
    #[track_caller]
    fn log_prob<'t, F: Real>(&self, u: &[Var<'t, F>], f: Var<'t, F>, y: Var<'t, F>) -> Var<'t, F> {
        let bounded = || {
            let bound = F::from_f64(LOG_RATE_BOUND);
            (f / bound).tanh() * bound
        };
        match self.likelihood {
            Likelihood::Normal { sigma } => {
                let log_sigma = f.tape().constant(&[F::from_f64(sigma.ln())], []);
                Normal { mu: f, log_sigma }.log_prob(y)
            }
            Likelihood::NormalLearned { .. } => Normal { mu: f, log_sigma: u[0] }.log_prob(y),
            Likelihood::NormalHead => {
                DiagNormal { packed: f.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)) }.log_prob(y)
            }
            Likelihood::Student { .. } => {
                let dof = u[1].exp() + F::from_f64(LEAST_DOF);
                StudentT { mu: f, log_sigma: u[0], dof }.log_prob(y)
            }
            Likelihood::Categorical => Categorical { logits: f }.log_prob(y),
            Likelihood::Poisson => Poisson { log_rate: bounded() }.log_prob(y),
            Likelihood::NegativeBinomial { .. } => {
                NegativeBinomial { log_mean: bounded(), log_dispersion: u[0] }.log_prob(y)
            }
        }
    }

    /// `count` draws of the unknown parameters from q, (count, E).
    pub(crate) fn draws<F: Real>(&self, eta: &[F], count: usize, noise: Noise) -> Vec<f64> {
        let width = self.unknowns();
        let mut draws = vec![0.0; count * width];
        noise.normal(0, width, &mut draws);
        let each = |slot: fn(&Unknown) -> &Slot| {
            self.unknowns.iter().flat_map(move |of| eta[slot(of).range()].iter().copied())
        };
        let q: Vec<(f64, f64)> = each(|of| &of.mu)
            .zip(each(|of| &of.rho))
            .map(|(m, rho)| (m.to_f64(), rho.softplus().to_f64()))
            .collect();
        for row in draws.chunks_exact_mut(width.max(1)) {
            row.iter_mut().zip(&q).for_each(|(u, (m, v))| *u = m + v * *u);
        }
        draws
    }

    /// What an observation of target d, of D, is distributed like for each of these draws of the unknown parameters, (draws, E).
    pub(crate) fn components(&self, unknowns: &[f64], outputs: usize, d: usize) -> Components {
        let column = |at: usize| unknowns.chunks_exact(self.unknowns()).map(move |u| u[at].exp());
        match self.likelihood {
            Likelihood::Student { .. } => {
                Components::Student { dof: column(outputs + d).map(|x| x + LEAST_DOF).collect() }
            }
            Likelihood::Poisson => Components::Poisson,
            Likelihood::NegativeBinomial { .. } => {
                Components::NegativeBinomial { dispersion: column(d).collect() }
            }
            _ => Components::Normal,
        }
    }

    /// Mean and standard deviation of an observation of target d, of D, from the outputs f (heads · D) and the unknown parameters
    /// u (E) of a draw of θ.
    pub(crate) fn moments(&self, f: &[f64], u: &[f64], d: usize) -> (f64, f64) {
        let mean = || (LOG_RATE_BOUND * (f[d] / LOG_RATE_BOUND).tanh()).exp();
        match self.likelihood {
            Likelihood::Normal { sigma } => (f[d], sigma),
            Likelihood::NormalLearned { .. } => (f[d], u[d].exp()),
            Likelihood::NormalHead => {
                let log_sigma = f[f.len() / 2 + d];
                (f[d], (LOG_SIGMA_BOUND * (log_sigma / LOG_SIGMA_BOUND).tanh()).exp())
            }
            Likelihood::Student { .. } => {
                // √(ν/(ν − 2))
                let widening = (LEAST_DOF * (-u[f.len() + d]).exp()).ln_1p() / 2.0;
                (f[d], (u[d] + widening).exp())
            }
            Likelihood::Poisson => (mean(), mean().sqrt()),
            Likelihood::NegativeBinomial { .. } => {
                let m = mean();
                (m, (m + m * m * (-u[d]).exp()).sqrt())
            }
            Likelihood::Categorical => unreachable!("classes have probabilities"),
        }
    }
}
