//! The likelihood p(x|z), the decoder's distribution.

use std::ops::Range;

use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Shape, Var};
use nn::model::density::{self, Bernoulli, Categorical, DiagNormal, Normal};
use nn::model::{Init, Layout, Slot};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::posterior::LOG_SIGMA_BOUND;
use crate::{VaeError, Variable, mixed};

/// The logarithm of a rate is bounded smoothly to ±15: rates are below 3 million.
pub(crate) const LOG_RATE_BOUND: f64 = 15.0;

/// The decoder's distribution p(x|z): given z, the variables are independent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Bernoulli variables; the decoder computes logits (lecture 002, "The Variational Auto Encoder (VAE)").
    Bernoulli,
    /// N(d(z), σ²I) with this σ (lecture 000, "Probabilistic version of the autoencoder").
    Normal {
        /// σ
        sigma: f64,
    },
    /// N(d(z), σ²I) with one σ that is learned. The slot `log_sigma` is log σ before its bound: log σ = 8 tanh(slot / 8).
    NormalLearned {
        /// σ where training begins.
        start: f64,
    },
    /// N(d(z), diag σ²) with a σ for each variable that is learned; factor analysis if d is linear. The slot `log_sigma`, (D),
    /// has the log σ before their bound: log σ = 8 tanh(slot / 8).
    NormalDiagonal {
        /// All σ where training begins.
        start: f64,
    },
    /// N(μ(z), diag σ²(z)), both computed by the decoder (lecture 001, "Multivariate Gaussian decoder with a diagonal
    /// covariance structure").
    NormalHead,
    /// Categorical variables, given as one-hot rows side by side; the decoder computes logits (lecture 001, "Parameterization
    /// of conditional distributions with Neural Networks").
    Categorical {
        /// The number of classes of each variable.
        classes: usize,
    },
    /// Counts with rates e^d(z). The encoder sees ln(1 + x).
    Poisson,
    /// Counts of mean m = e^d(z) and variance m + m²/r, with one r for each variable that is learned and begins at 1. The slot
    /// `log_dispersion`, (D), has the ln r before their bound: ln r = 8 tanh(slot / 8). The encoder sees ln(1 + x).
    NegativeBinomial,
    /// Variables each with its own density: numbers, categories, counts. A row has the numbers of the first variable, then those of the
    /// second, and so on. The slot `log_scale` has the ln σ and the ln r of those that have them, in this order, before their bound:
    /// 8 tanh(slot / 8).
    Mixed {
        /// The variables of a row.
        variables: Vec<Variable>,
    },
}

impl Likelihood {
    /// Whether x are counts.
    pub fn is_of_counts(&self) -> bool {
        matches!(self, Self::Poisson | Self::NegativeBinomial)
    }

    /// The numbers that the decoder computes for each variable.
    pub(crate) fn heads(&self) -> usize {
        if *self == Self::NormalHead { 2 } else { 1 }
    }

    /// Whether p(x|z) exists for x of `inputs` variables.
    pub(crate) fn validate(&self, inputs: usize) -> Result<(), VaeError> {
        let (least, most) = ((-LOG_SIGMA_BOUND).exp(), LOG_SIGMA_BOUND.exp());
        match *self {
            Self::Normal { sigma } if !(sigma > 0.0 && sigma.is_finite()) => Err(VaeError::Sigma { sigma }),
            Self::NormalLearned { start } | Self::NormalDiagonal { start }
                if !(start > least && start < most) =>
            {
                Err(VaeError::Start { least, most, start })
            }
            Self::Categorical { classes } if classes == 0 || !inputs.is_multiple_of(classes) => {
                Err(VaeError::Classes { classes, inputs })
            }
            Self::Mixed { ref variables } => mixed::validate(variables, inputs),
            _ => Ok(()),
        }
    }

    /// The slot of parameters that do not depend on z, before their bound.
    pub(crate) fn scale(&self, layout: &mut Layout, inputs: usize) -> Option<Slot> {
        let unbounded = |log_sigma: f64| LOG_SIGMA_BOUND * (log_sigma / LOG_SIGMA_BOUND).atanh();
        let from = |start: f64| Init::Constant(unbounded(start.ln()));
        match *self {
            Self::NormalLearned { start } => Some(layout.slot("log_sigma", [], from(start))),
            Self::NormalDiagonal { start } => Some(layout.slot("log_sigma", [inputs], from(start))),
            Self::NegativeBinomial => Some(layout.slot("log_dispersion", [inputs], from(1.0))),
            Self::Mixed { ref variables } => {
                let scales = mixed::scales(variables);
                (scales > 0).then(|| layout.slot("log_scale", [scales], from(1.0)))
            }
            _ => None,
        }
    }

    /// p(x|z) for rows y (…, D · heads) that the decoder computed, and what the slot of [`scale`](Self::scale) has in it.
    #[track_caller]
    #[inline(never)]
    pub(crate) fn at<'t, F: Real>(&self, y: Var<'t, F>, scale: Option<Var<'t, F>>) -> Observation<'t, F> {
        let given = scale;
        let scale = || bounded(given.expect("the model has this slot"), LOG_SIGMA_BOUND);
        match *self {
            Self::Bernoulli => Observation::Bernoulli(Bernoulli { logits: y }),
            Self::Normal { sigma } => {
                let log_sigma = y.tape().constant(&[F::from_f64(sigma.ln())], []);
                Observation::Normal(Normal { mu: y, log_sigma })
            }
            Self::NormalLearned { .. } | Self::NormalDiagonal { .. } => {
                Observation::Normal(Normal { mu: y, log_sigma: scale() })
            }
            Self::NormalHead => {
                let packed = y.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND));
                Observation::DiagNormal(DiagNormal { packed })
            }
            Self::Categorical { classes } => {
                Observation::Categorical(Categorical { logits: unflat(y, classes) })
            }
            Self::Poisson => Observation::Poisson { log_rate: bounded(y, LOG_RATE_BOUND) },
            Self::NegativeBinomial => Observation::NegativeBinomial {
                log_mean: bounded(y, LOG_RATE_BOUND),
                log_dispersion: scale(),
            },
            Self::Mixed { ref variables } => mixed::at(variables, y, given),
        }
    }
}

/// p(x|z) for every row of z: densities over x (…, D).
#[derive(Clone, Debug)]
pub enum Observation<'t, F: Real> {
    /// [`Likelihood::Bernoulli`]
    Bernoulli(Bernoulli<'t, F>),
    /// [`Likelihood::Normal`], [`Likelihood::NormalLearned`] or [`Likelihood::NormalDiagonal`]
    Normal(Normal<'t, F>),
    /// [`Likelihood::NormalHead`]
    DiagNormal(DiagNormal<'t, F>),
    /// [`Likelihood::Categorical`], logits (…, D / K, K)
    Categorical(Categorical<'t, F>),
    /// [`Likelihood::Poisson`]
    Poisson {
        /// ln E[x|z], (…, D)
        log_rate: Var<'t, F>,
    },
    /// [`Likelihood::NegativeBinomial`]
    NegativeBinomial {
        /// ln m = ln E[x|z], (…, D)
        log_mean: Var<'t, F>,
        /// ln r, (D)
        log_dispersion: Var<'t, F>,
    },
    /// [`Variable::LogNormal`]: the density of ln x.
    LogNormal(Normal<'t, F>),
    /// [`Likelihood::Mixed`]: densities side by side, each with its numbers of a row.
    Mixed(Vec<(Range<usize>, Observation<'t, F>)>),
}

impl<'t, F: Real> Observation<'t, F> {
    /// log p(x|z), summed over the variables: x (…, D) to (…).
    #[track_caller]
    #[inline(never)]
    pub fn log_prob(&self, x: Var<'t, F>) -> Var<'t, F> {
        match self {
            Self::Bernoulli(p) => p.log_prob(x),
            Self::Normal(p) => p.log_prob(x),
            Self::DiagNormal(p) => p.log_prob(x),
            Self::Mixed(parts) => {
                let terms = parts.iter().map(|(columns, p)| p.log_prob(x.columns(columns.clone())));
                terms.reduce(|sum, term| sum + term).expect("a row has variables")
            }
            _ => {
                let terms = self.log_prob_each(x);
                terms.sum_axis(terms.shape().rank() - 1)
            }
        }
    }

    /// log p(xᵢ|z) of each variable, x (…, D) to (…, D). A categorical variable has a term x ln p for each of its classes.
    ///
    /// Poisson: x l − eˡ − ln x!,   l = ln E[x|z]
    ///
    /// Negative binomial: ln Γ(x + r) − ln Γ(r) − ln x! + r ln r/(r + m) + x ln m/(r + m)
    ///
    /// Log-normal: log N(ln x; μ, σ²) − ln x,   x > 0
    #[track_caller]
    #[inline(never)]
    pub fn log_prob_each(&self, x: Var<'t, F>) -> Var<'t, F> {
        let normal = |x: Var<'t, F>, mu: Var<'t, F>, log_sigma: Var<'t, F>| {
            // 1/σ is a number: a learned log σ is bounded, a given σ far from the least number.
            let r = (x - mu) * log_sigma.neg().exp();
            r.square() * F::from_f64(-0.5) - log_sigma - F::from_f64(HALF_LN_2PI)
        };
        match *self {
            Self::Bernoulli(p) => x * p.logits - p.logits.softplus(),
            Self::Normal(p) => normal(x, p.mu, p.log_sigma),
            Self::DiagNormal(p) => normal(x, p.mu(), p.log_sigma()),
            Self::Categorical(p) => {
                let log_p = p.logits.log_softmax_axis(p.logits.shape().rank() - 1);
                x * flat(log_p, x.shape().last())
            }
            Self::Poisson { log_rate } => density::Poisson { log_rate }.log_prob_each(x),
            Self::NegativeBinomial { log_mean, log_dispersion } => {
                density::NegativeBinomial { log_mean, log_dispersion }.log_prob_each(x)
            }
            Self::LogNormal(p) => normal(x.ln(), p.mu, p.log_sigma) - x.ln(),
            Self::Mixed(ref parts) => {
                side_by_side(parts.iter().map(|(columns, p)| p.log_prob_each(x.columns(columns.clone()))))
            }
        }
    }

    /// E[x|z], (…, D).
    #[track_caller]
    #[inline(never)]
    pub fn mean(&self) -> Var<'t, F> {
        match *self {
            Self::Bernoulli(p) => p.mean(),
            Self::Normal(p) => p.mu,
            Self::DiagNormal(p) => p.mu(),
            Self::Categorical(p) => {
                let shape = p.logits.shape();
                let p = p.logits.log_softmax_axis(shape.rank() - 1).exp();
                flat(p, shape.without(shape.rank() - 1).last() * shape.last())
            }
            Self::Poisson { log_rate } => log_rate.exp(),
            Self::NegativeBinomial { log_mean, .. } => log_mean.exp(),
            // E[x] = e^(μ + σ²/2)
            Self::LogNormal(p) => ((p.log_sigma * F::from_f64(2.0)).exp() * F::from_f64(0.5) + p.mu).exp(),
            Self::Mixed(ref parts) => side_by_side(parts.iter().map(|(_, p)| p.mean())),
        }
    }

    /// A draw x ~ p(x|z), (…, D), as plain numbers.
    #[track_caller]
    pub fn draw(&self, rng: &mut impl Rng) -> Vec<F> {
        if let Self::Mixed(parts) = self {
            let width = parts.last().map_or(0, |(columns, _)| columns.end);
            let mut x = Vec::new();
            for (columns, p) in parts {
                let drawn = p.draw(rng);
                x.resize(drawn.len() / columns.len() * width, F::ZERO);
                let rows = x.chunks_exact_mut(width).zip(drawn.chunks_exact(columns.len()));
                rows.for_each(|(x, drawn)| x[columns.clone()].copy_from_slice(drawn));
            }
            return x;
        }
        let mut x = self.mean().to_vec();
        let gauss = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
        let poisson = |rate: f64, rng: &mut _| match Poisson::new(rate) {
            Ok(poisson) => poisson.sample(rng),
            Err(_) => 0.0, // the rate is 0
        };
        match *self {
            Self::Bernoulli(_) => {
                x.iter_mut().for_each(|x| *x = F::from_f64(f64::from(rng.random::<f64>() < x.to_f64())));
            }
            Self::Normal(p) => {
                let sigma = p.log_sigma.exp().to_vec();
                let sigmas = sigma.iter().cycle();
                x.iter_mut().zip(sigmas).for_each(|(x, &s)| *x += s * F::from_f64(gauss(rng)));
            }
            Self::LogNormal(p) => {
                let (mu, sigma) = (p.mu.to_vec(), p.log_sigma.exp().to_vec());
                let normals = mu.into_iter().zip(sigma.iter().cycle());
                x.iter_mut()
                    .zip(normals)
                    .for_each(|(x, (mu, &s))| *x = (mu + s * F::from_f64(gauss(rng))).exp());
            }
            Self::DiagNormal(p) => {
                let sigma = p.log_sigma().exp().to_vec();
                x.iter_mut().zip(sigma).for_each(|(x, s)| *x += s * F::from_f64(gauss(rng)));
            }
            Self::Categorical(p) => {
                for row in x.chunks_exact_mut(p.logits.shape().last()) {
                    let mut rest = rng.random::<f64>();
                    let passed = |p: &&F| {
                        rest -= p.to_f64();
                        rest >= 0.0
                    };
                    let class = row.iter().take_while(passed).count().min(row.len() - 1);
                    row.fill(F::ZERO);
                    row[class] = F::ONE;
                }
            }
            Self::Poisson { .. } => {
                x.iter_mut().for_each(|x| *x = F::from_f64(poisson(x.to_f64(), rng)));
            }
            Self::NegativeBinomial { log_dispersion, .. } => {
                // A Poisson variable whose rate has a gamma distribution.
                let r = log_dispersion.exp().to_vec();
                for (x, r) in x.iter_mut().zip(r.iter().cycle()) {
                    let rate = Gamma::new(r.to_f64(), x.to_f64() / r.to_f64());
                    *x = F::from_f64(poisson(rate.map_or(0.0, |rate| rate.sample(rng)), rng));
                }
            }
            Self::Mixed(_) => unreachable!("its parts are drawn above"),
        }
        x
    }
}

/// The parts of rows, (…, D₁), (…, D₂) and so on, as rows (…, D).
#[track_caller]
fn side_by_side<'t, F: Real>(parts: impl Iterator<Item = Var<'t, F>>) -> Var<'t, F> {
    let parts: Vec<_> = parts.collect();
    Var::concatenate(&parts, parts[0].shape().rank() - 1)
}

/// b tanh(x / b): between −b and b.
#[track_caller]
pub(crate) fn bounded<F: Real>(x: Var<'_, F>, bound: f64) -> Var<'_, F> {
    let bound = F::from_f64(bound);
    (x / bound).tanh() * bound
}

/// (…, V, K) to (…, V K)
#[track_caller]
fn flat<F: Real>(x: Var<'_, F>, width: usize) -> Var<'_, F> {
    let shape = x.shape();
    x.reshape(shape.without(shape.rank() - 1).with_last(width))
}

/// (…, V K) to (…, V, K)
#[track_caller]
pub(crate) fn unflat<F: Real>(x: Var<'_, F>, classes: usize) -> Var<'_, F> {
    let shape = x.shape();
    let leading = &shape.dims()[..shape.rank() - 1];
    x.reshape(Shape::new(&[leading, &[shape.last() / classes, classes]].concat()))
}
