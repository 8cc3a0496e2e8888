//! How likely rows of data are under a trained model: the K-sample bound of log p(x), and whether it has converged.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::stats::{Estimate, ImportanceWeights, largest_reliable_k};
use nn::train::Noise;
use rayon::prelude::*;

use crate::bounds::{noise_on, prior};
use crate::rows::is_missing;
use crate::{RowSeed, Vae};

/// The shares of rows whose k̂ may be too large in a bound that counts as converged: k̂ is itself an estimate, and exceeds its
/// limit by chance. The first is for a bound that still rises.
const TOLERATED: [f64; 2] = [0.05, 0.5];

impl Vae {
    /// The K-sample bound of log p(x), averaged over the rows x (N, D + C), by importance sampling with q(z|x) and K =
    /// `samples` draws for each row (Burda et al. 2016; Rezende et al. 2014, appendix E):
    ///
    /// log 1/K Σₖ p(x, zₖ) / q(zₖ|x),   zₖ ~ q(z|x)
    ///
    /// The q of a row with gaps is about as narrow as that of a row without, and the posterior is wider. So every second draw for such a
    /// row comes from the prior, and q is ½ q(z|x) + ½ p(z) in its weights (a defensive mixture, Hesterberg 1995): a row of which
    /// nothing was observed has the log p(x) = 0 that it should have.
    ///
    /// Its expectation is a lower bound of log p(x), which grows with K and reaches log p(x) as K goes to infinity. How far it
    /// still is from there its standard error does not say: [`KSampleBound`] has numbers that do. Memory grows with √K.
    ///
    /// # Panics
    /// If there are no rows, if `samples` is 0 or more than 2²⁴, or as [`encode_rows`](Self::encode_rows).
    #[track_caller]
    pub fn k_sample_bound<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: u64,
    ) -> KSampleBound {
        assert!(x.rows > 0, "k_sample_bound: expected one or more rows, found none");
        KSampleBound::of_rows(&self.k_sample_bound_of_rows(theta, x, samples, seed))
    }

    /// The K-sample bound of log p(x) for each row x (N, D + C), as in [`k_sample_bound`](Self::k_sample_bound). The lower it
    /// is, the more unusual is the row.
    ///
    /// # Panics
    /// If `samples` is 0 or more than 2²⁴, or as [`encode_rows`](Self::encode_rows).
    #[track_caller]
    pub fn k_sample_bound_of_rows<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: impl Into<RowSeed>,
    ) -> Vec<RowBound> {
        self.bounds(theta, x, samples, seed.into())
    }

    #[track_caller]
    #[inline(never)]
    fn bounds<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: RowSeed,
    ) -> Vec<RowBound> {
        self.check("k_sample_bound", theta, x, self.inputs() + self.conditions());
        assert!(
            (1..=1 << 24).contains(&samples),
            "k_sample_bound: expected 1 to 2²⁴ samples, found {samples}"
        );
        let RowSeed { seed, first: before } = seed;
        const CHUNK: usize = 16;
        let at_once = samples.min(64);
        let chunks = (0..x.rows.div_ceil(CHUNK)).into_par_iter().map_init(Tape::new, |tape, chunk| {
            let rows = chunk * CHUNK..x.rows.min((chunk + 1) * CHUNK);
            let noise = Noise::evaluation(seed).skip(before + rows.start);
            let mut weights = vec![RowWeights::new(samples); rows.len()];
            let has_gap: Vec<bool> = rows.clone().map(|row| x.row(row).iter().any(is_missing)).collect();
            for first in (0..samples).step_by(at_once) {
                let count = at_once.min(samples - first);
                tape.clear();
                let theta = tape.shared_constant(theta, [theta.len()]);
                let data =
                    tape.constant(&x.values[rows.start * x.cols..rows.end * x.cols], [rows.len(), x.cols]);
                let eps = noise_on(tape, noise, first..first + count, [rows.len(), self.latent()]);
                let log_weights = match has_gap.contains(&true) {
                    false => numbers(self.log_weight(theta, data, eps)),
                    true => self.defensive(theta, data, eps, Draws { first, all: samples }, &has_gap),
                };
                for (sample, log_weights) in (first..).zip(log_weights.chunks_exact(rows.len())) {
                    weights.iter_mut().zip(log_weights).for_each(|(row, w)| row.add(sample, *w));
                }
                tape.clear();
            }
            weights.into_iter().map(|weights| weights.bound()).collect::<Vec<_>>()
        });
        chunks.flatten_iter().collect()
    }

    /// Logarithms of the weights of a chunk's rows (samples, B), with draws from the prior for every second sample of the rows with
    /// gaps.
    #[track_caller]
    fn defensive<F: Real>(
        &self,
        theta: Var<'_, F>,
        x: Var<'_, F>,
        eps: Var<'_, F>,
        draws: Draws,
        has_gap: &[bool],
    ) -> Vec<f64> {
        let (data, tape, count) = (self.rows(x), theta.tape(), eps.shape()[0]);
        let (q, prior) = (self.posterior(theta, data), prior(tape));
        let of_prior = tape.constant_with([count, has_gap.len(), 1], |out| {
            for (sample, out) in (draws.first..).zip(out.chunks_exact_mut(has_gap.len())) {
                let chosen = |gap: bool| F::from_f64(f64::from(u8::from(gap && sample % 2 == 1)));
                out.iter_mut().zip(has_gap).for_each(|(out, gap)| *out = chosen(*gap));
            }
        });
        let z = q.sample_with(eps);
        let z = z + (eps - z) * of_prior;
        let log_likelihood = data.log_prob(self.decode_given(theta, z, data));
        let (log_prior, log_q) = (prior.log_prob(z), q.log_prob(z));
        let plain = numbers(log_likelihood - (q.log_prob_of_noise(eps) - log_prior));
        let [log_likelihood, log_prior, log_q] = [log_likelihood, log_prior, log_q].map(numbers);
        // The shares of q and of the prior.
        let shares = [draws.all.div_ceil(2), draws.all / 2].map(|count| count as f64 / draws.all as f64);
        let of_mixture = |i: usize| {
            let (least, most) = (log_q[i].min(log_prior[i]), log_q[i].max(log_prior[i]));
            let [of_most, of_least] = if log_q[i] < log_prior[i] { [shares[1], shares[0]] } else { shares };
            let log_mixture = most + (of_most + of_least * (least - most).exp()).ln();
            log_likelihood[i] + log_prior[i] - log_mixture
        };
        (0..plain.len()).map(|i| if has_gap[i % has_gap.len()] { of_mixture(i) } else { plain[i] }).collect()
    }
}

/// Some of the draws for each row.
#[derive(Clone, Copy)]
struct Draws {
    /// The number of the first one.
    first: usize,
    /// K
    all: usize,
}

/// The numbers of an array, in double precision.
fn numbers<F: Real>(x: Var<'_, F>) -> Vec<f64> {
    x.with(|x| x.iter().map(|x| x.to_f64()).collect())
}

/// log 1/K Σₖ p(x, zₖ) / q(zₖ|x) of a row: a lower bound of log p(x) in expectation, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowBound {
    /// The bound.
    pub value: f64,
    /// The standard error of the draws for this row (delta method). It is NaN for K = 1, and too small where a few weights
    /// dominate the sum.
    pub se: f64,
    /// K
    pub samples: usize,
    /// How much the bound is above that of half as many draws, the mean over both halves: 0 or more, and NaN for K = 1.
    /// Where the weights have a variance, the distance to log p(x) falls with 1/K, and this is an estimate of it; else the
    /// distance is larger.
    pub rise: f64,
    /// The effective size of the sample of weights, between 1 and K ([`ImportanceWeights::effective_size`]).
    pub effective_samples: f64,
    /// Pareto k̂ of the weights ([`ImportanceWeights::pareto_k`]).
    pub pareto_k: f64,
}

impl RowBound {
    /// Whether k̂ says that the weights' mean is reliable ([`largest_reliable_k`]). It is false for K < 21: k̂ is ∞.
    pub fn is_reliable(&self) -> bool {
        self.pareto_k <= largest_reliable_k(self.samples)
    }
}

/// A K-sample bound of log p(x), averaged over rows, in nats per row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KSampleBound {
    /// The bound.
    pub mean: f64,
    /// The standard error of the draws for these rows. It is not the distance to log p(x).
    pub se: f64,
    /// K
    pub samples: usize,
    /// The mean of [`RowBound::rise`]: at least so much is about missing to log p(x).
    pub rise: f64,
    /// The median of the rows' effective sample sizes.
    pub effective_samples: f64,
    /// The share of rows whose k̂ is too large for K ([`RowBound::is_reliable`]).
    pub unreliable: f64,
}

impl KSampleBound {
    /// The average over rows.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    pub fn of_rows(rows: &[RowBound]) -> Self {
        assert!(!rows.is_empty(), "KSampleBound: expected one or more rows, found none");
        let n = rows.len() as f64;
        let mean = |of: &dyn Fn(&RowBound) -> f64| rows.iter().map(of).sum::<f64>() / n;
        let mut sizes: Vec<f64> = rows.iter().map(|row| row.effective_samples).collect();
        sizes.sort_by(f64::total_cmp);
        Self {
            mean: mean(&|row| row.value),
            se: (mean(&|row| row.se.powi(2)) / n).sqrt(),
            samples: rows[0].samples,
            rise: mean(&|row| row.rise),
            effective_samples: sizes[sizes.len() / 2],
            unreliable: mean(&|row| f64::from(u8::from(!row.is_reliable()))),
        }
    }

    /// Whether the bound may be taken for log p(x): k̂ is too large in no more than a twentieth of the rows, or in no more than
    /// half of them while the bound rises by less than its standard error when K is doubled.
    pub fn is_converged(&self) -> bool {
        self.unreliable <= TOLERATED[usize::from(self.rise < self.se)]
    }

    /// What there is to say to those who would take the bound for log p(x), if it has not converged.
    pub fn warning(&self) -> Option<String> {
        let Self { samples, rise, unreliable, .. } = self;
        let most = largest_reliable_k(*samples);
        (!self.is_converged()).then(|| {
            format!(
                "the bound of K = {samples} draws has not converged: log p(x) is above it by {rise:.3} nats or more (Pareto k̂ \
                 is above {most:.2} in {:.0} % of the rows); more draws raise it",
                100.0 * unreliable
            )
        })
    }
}

/// The bound and its standard error.
impl Display for KSampleBound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ± {:.3}", self.mean, self.se)
    }
}

/// The weights of a row's draws.
#[derive(Clone)]
struct RowWeights {
    samples: usize,
    all: ImportanceWeights,
    /// The logarithms of the sums of the first ⌊K/2⌋ weights and of the others.
    halves: [f64; 2],
}

impl RowWeights {
    fn new(samples: usize) -> Self {
        Self { samples, all: ImportanceWeights::new(samples), halves: [f64::NEG_INFINITY; 2] }
    }

    fn add(&mut self, sample: usize, log_weight: f64) {
        self.all.add(log_weight);
        let half = &mut self.halves[usize::from(sample >= self.samples / 2)];
        let (less, more) = (half.min(log_weight), half.max(log_weight));
        // −∞ − −∞ is not a number.
        *half = if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() };
    }

    fn bound(&self) -> RowBound {
        let Estimate { mean: value, se } = self.all.log_mean();
        let draws = [self.samples / 2, self.samples - self.samples / 2].map(|draws| draws as f64);
        let of_halves = self.halves.iter().zip(draws).map(|(sum, n)| n * (sum - n.ln())).sum::<f64>();
        RowBound {
            value,
            se,
            samples: self.samples,
            rise: value - of_halves / self.samples as f64,
            effective_samples: self.all.effective_size(),
            pareto_k: self.all.pareto_k(),
        }
    }
}
