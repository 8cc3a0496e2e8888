//! log p(x) by annealed importance sampling, and from above by its reverse.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::stats::{Estimate, ImportanceWeights};
use nn::train::Noise;
use rayon::prelude::*;

use crate::bounds::prior;
use crate::{RowSeed, Simulation, Vae};

/// Annealed importance sampling of log p(x) (Neal 2001; for decoders Wu, Burda, Salakhutdinov & Grosse 2017).
///
/// A chain begins with a draw z₀ of a density p₀(z) and goes through the densities
///
/// p_β(z) ∝ p₀(z) v(z)^β,   v(z) = p(x, z)/p₀(z),   0 = β₀ < β₁ < … < β_T = 1
///
/// from p₀ to the posterior p(z|x). At each temperature 1/β_t its weight grows, and a step of Hamiltonian Monte Carlo that leaves
/// p_{β_t} as it is moves z:
///
/// log w = Σ_{t = 1}^T (β_t − β_{t−1}) log v(z_{t−1})
///
/// E\[w\] = p(x) for any T. With T = 1, that is importance sampling with draws of p₀; the larger T, the less weights differ. The
/// temperatures lie closer at both ends, β_t = (s(4(2t/T − 1)) − s(−4))/(s(4) − s(−4)) with the logistic function s, as in the
/// paper.
///
/// A step of Hamiltonian Monte Carlo has `leapfrog` steps of a size that differs with the row and the temperature. A chain of its
/// own finds it for each row: the size grows where more is accepted than `acceptance`, and shrinks where less is. Sizes found by
/// the chains that are weighed would depend on where they are, and E\[w\] would not be p(x).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealing {
    /// T, the number of temperatures.
    pub temperatures: usize,
    /// K, the number of chains for each row.
    pub chains: usize,
    /// The number of leapfrog steps at each temperature; each is a gradient.
    pub leapfrog: usize,
    /// The average acceptance probability that step sizes aim at, between 0 and 1.
    pub acceptance: f64,
    /// p₀, where chains begin.
    pub start: AnnealingStart,
}

impl Default for Annealing {
    /// 1,000 temperatures, 16 chains from the prior, ten leapfrog steps, an acceptance of 0.65 (Wu et al. 2017, section 5.1).
    fn default() -> Self {
        let start = AnnealingStart::default();
        Self { temperatures: 1000, chains: 16, leapfrog: 10, acceptance: 0.65, start }
    }
}

/// Where the chains of [`Annealing`] begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnnealingStart {
    /// The prior N(0, I): what is found does not depend on the encoder.
    #[default]
    Prior,
    /// The encoder's q(z|x). With one temperature this is the K-sample bound ([`Vae::k_sample_bound`]); with more it is closer to
    /// log p(x).
    Encoder,
}

/// A bound of log p(x) of a row by annealed importance sampling, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnnealedBound {
    /// The bound.
    pub value: f64,
    /// The standard error of the chains for this row (delta method). It is NaN for a single chain, and too small where one
    /// chain dominates. Of an upper bound it is that for the row's z, at which all of its chains begin: what another z would change, it
    /// does not say.
    pub se: f64,
    /// So many chains of equal weight would be as good ([`ImportanceWeights::effective_size`]).
    pub effective_chains: f64,
    /// The average acceptance probability; NaN with one temperature.
    pub acceptance: f64,
}

impl AnnealedBound {
    /// The averages over rows; the standard error is that of the chains for these rows.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    pub fn of_rows(rows: &[Self]) -> Self {
        assert!(!rows.is_empty(), "AnnealedBound: expected one or more rows, found none");
        let n = rows.len() as f64;
        let mean = |of: &dyn Fn(&Self) -> f64| rows.iter().map(of).sum::<f64>() / n;
        Self {
            value: mean(&|row| row.value),
            se: (mean(&|row| row.se.powi(2)) / n).sqrt(),
            effective_chains: mean(&|row| row.effective_chains),
            acceptance: mean(&|row| row.acceptance),
        }
    }
}

impl Vae {
    /// log 1/K Σₖ wₖ for each row x (N, D + C) by K chains of annealed importance sampling ([`Annealing`]): in expectation a lower
    /// bound of log p(x), which rises with the number of temperatures and of chains. Numbers do not depend on the number of
    /// threads.
    ///
    /// It takes (K + 1) N T `leapfrog` gradients of the decoder, in batches of 16 rows.
    ///
    /// # Panics
    /// If there are no temperatures, no chains or no leapfrog steps, `acceptance` is not between 0 and 1, T is not below 2⁴⁰ or K
    /// not below 2²³; or as [`encode_rows`](Self::encode_rows).
    #[track_caller]
    pub fn annealed_bound_of_rows<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        annealing: &Annealing,
        seed: impl Into<RowSeed>,
    ) -> Vec<AnnealedBound> {
        self.annealed(theta, x, None, annealing, seed.into())
    }

    /// −log 1/K Σₖ 1/wₖ for each row x (N, D), by chains that go from the posterior back to p₀: in expectation an upper bound of
    /// log p(x) (bidirectional Monte Carlo; Grosse, Ghahramani & Adams 2015). Chains must begin with an exact draw z ~ p(z|x).
    /// There is one where both were simulated, z (N, L) and x ([`simulate`](Self::simulate)): then z and x are a draw from
    /// p(z) p(x|z) = p(x) p(z|x). All chains of a row begin at its z, and
    ///
    /// log 1/w = Σ_{t = T}^1 (β_{t−1} − β_t) log v(z_t),   E[1/w] = 1/p(x)
    ///
    /// Between this and [`annealed_bound_of_rows`](Self::annealed_bound_of_rows) lies log p(x) of simulated rows, so the distance
    /// of the two says how far annealed importance sampling is from log p(x).
    ///
    /// # Panics
    /// If there is not a z for each x; or as [`annealed_bound_of_rows`](Self::annealed_bound_of_rows).
    #[track_caller]
    pub fn annealed_upper_bound_of_rows<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        simulation: &Simulation<F>,
        annealing: &Annealing,
        seed: impl Into<RowSeed>,
    ) -> Vec<AnnealedBound> {
        let Simulation { z, x } = simulation;
        let (shape, found) = ([x.rows, self.latent()], [z.rows, z.cols]);
        assert!(shape == found, "annealed_upper_bound_of_rows: expected z {shape:?}, found {found:?}");
        self.annealed(theta, x, Some(z), annealing, seed.into())
    }

    #[track_caller]
    #[inline(never)]
    fn annealed<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        exact: Option<&Matrix<F>>,
        annealing: &Annealing,
        seed: RowSeed,
    ) -> Vec<AnnealedBound> {
        self.check("annealed_bound", theta, x, self.inputs() + self.conditions());
        let Annealing { temperatures, chains, leapfrog, acceptance, .. } = *annealing;
        let counts = temperatures > 0 && chains > 0 && leapfrog > 0;
        assert!(counts, "annealed_bound: expected numbers of 1 or more, found {annealing:?}");
        let between = acceptance > 0.0 && acceptance < 1.0;
        assert!(between, "annealed_bound: acceptance: expected a number between 0 and 1, found {acceptance}");
        const CHUNK: usize = 16;
        let chunks = (0..x.rows.div_ceil(CHUNK)).into_par_iter().map_init(Tape::new, |tape, chunk| {
            let rows: Vec<usize> = (chunk * CHUNK..x.rows.min((chunk + 1) * CHUNK)).collect();
            let noise = (seed.seed, seed.first + rows[0]);
            let target = Target::new(self, theta, x.select(&rows), annealing.start, tape);
            let ends = exact.map(|z| target.noise_of(tape, &z.select(&rows)));
            Walk { target, annealing, noise }.bounds(tape, ends)
        });
        chunks.flatten_iter().collect()
    }
}

/// log v as a function of noise ε (chains, B, L), for the rows of a chunk. z = ε where chains begin with the prior, z = μ + A ε
/// where they begin with q(z|x): p₀ is N(0, I) over ε in both cases, and log v the logarithm of an importance weight of p₀.
struct Target<'a, F> {
    vae: &'a Vae,
    theta: &'a Arc<Vec<F>>,
    x: Matrix<F>,
    /// The parameters of q(z|x), if chains begin with it.
    lambda: Option<Matrix<F>>,
}

/// Points ε (chains, B, L) with log v and its gradient.
struct Points<F> {
    eps: Vec<F>,
    log_v: Vec<f64>,
    gradient: Vec<F>,
}

impl<'a, F: Real> Target<'a, F> {
    fn new(
        vae: &'a Vae,
        theta: &'a Arc<Vec<F>>,
        x: Matrix<F>,
        start: AnnealingStart,
        tape: &mut Tape<F>,
    ) -> Self {
        tape.clear();
        let on_tape = tape.shared_constant(theta, [theta.len()]);
        let lambda = (start == AnnealingStart::Encoder).then(|| {
            let lambda = vae.posterior_parameters(on_tape, tape.shared_constant(&x.values, [x.rows, x.cols]));
            Matrix::new(x.rows, lambda.shape().last(), lambda.to_vec())
        });
        Self { vae, theta, x, lambda }
    }

    /// The ε of given z (B, L).
    fn noise_of(&self, tape: &mut Tape<F>, z: &Matrix<F>) -> Vec<F> {
        let Some(lambda) = &self.lambda else { return z.values.to_vec() };
        tape.clear();
        let lambda = tape.shared_constant(&lambda.values, [lambda.rows, lambda.cols]);
        let q = self.vae.config().covariance.at(z.cols, lambda);
        q.noise_of(tape.shared_constant(&z.values, [z.rows, z.cols])).to_vec()
    }

    #[inline(never)]
    fn at(&self, tape: &mut Tape<F>, eps: Vec<F>) -> Points<F> {
        let (vae, x, latent) = (self.vae, &self.x, self.vae.latent());
        tape.clear();
        let theta = tape.shared_constant(self.theta, [self.theta.len()]);
        let rows = vae.rows(tape.shared_constant(&x.values, [x.rows, x.cols]));
        let on_tape = tape.parameter(&eps, [eps.len() / (x.rows * latent), x.rows, latent]);
        let log_v = match &self.lambda {
            None => rows.log_prob(vae.decode_given(theta, on_tape, rows)),
            Some(lambda) => {
                let lambda = tape.shared_constant(&lambda.values, [lambda.rows, lambda.cols]);
                let q = vae.config().covariance.at(latent, lambda);
                let z = q.sample_with(on_tape);
                let log_likelihood = rows.log_prob(vae.decode_given(theta, z, rows));
                log_likelihood + prior(tape).log_prob(z) - q.log_prob_of_noise(on_tape)
            }
        };
        let values = log_v.with(|v| v.iter().map(|v| v.to_f64()).collect());
        let gradient = tape.backward(log_v.sum()).wrt(on_tape).to_vec();
        // The tape must not hold on to θ.
        tape.clear();
        Points { eps, log_v: values, gradient }
    }
}

/// How fast the size of a step follows the acceptance.
const ADAPTATION: f64 = 0.1;

/// The sizes of steps that are tried: in units of ε, and p₀ is N(0, I).
const STEPS: [f64; 3] = [1e-4, 0.5, 1.5];

/// The chains of the rows of a chunk.
struct Walk<'a, F> {
    target: Target<'a, F>,
    annealing: &'a Annealing,
    /// The seed, and the number of the first row.
    noise: (u64, usize),
}

impl<F: Real> Walk<'_, F> {
    /// The bounds of the rows: lower ones, or upper ones by chains that begin at `ends` (B, L).
    fn bounds(&self, tape: &mut Tape<F>, ends: Option<Vec<F>>) -> Vec<AnnealedBound> {
        let Annealing { temperatures: last, chains, .. } = *self.annealing;
        let rows = self.target.x.rows;
        let steps = self.find_steps(tape);
        let mut accepted = vec![0.0; rows];
        let mut log_weights = vec![0.0; chains * rows];
        // Noise of chains from 0 on is that of chains to the posterior, the next that of the chain for the steps, then come those
        // of chains back.
        let first = if ends.is_some() { chains + 1 } else { 0 };
        let mut points = match &ends {
            None => self.start(tape, first, chains),
            Some(ends) => self.target.at(tape, ends.repeat(chains)),
        };
        let sign = if ends.is_some() { -1.0 } else { 1.0 };
        for i in 0..last {
            // The temperatures between which the weight grows, and behind them a transition but for the last.
            let t = if ends.is_some() { last - i } else { i + 1 };
            let growth = sign * (beta(t, last) - beta(t - 1, last));
            log_weights.iter_mut().zip(&points.log_v).for_each(|(w, v)| *w += growth * v);
            if i + 1 < last {
                let t = if ends.is_some() { t - 1 } else { t };
                let acceptance = self.transition(tape, &mut points, beta(t, last), &steps[t - 1], [t, first]);
                acceptance.iter().enumerate().for_each(|(i, a)| accepted[i % rows] += a);
            }
        }
        let moves = ((last - 1) * chains) as f64;
        let of_row = |row: usize| {
            let mut weights = ImportanceWeights::new(chains);
            log_weights[row..].iter().step_by(rows).for_each(|w| weights.add(*w));
            let Estimate { mean, se } = weights.log_mean();
            AnnealedBound {
                value: sign * mean,
                se,
                effective_chains: weights.effective_size(),
                acceptance: accepted[row] / moves,
            }
        };
        (0..rows).map(of_row).collect()
    }

    /// The size of the leapfrog steps of each row at the temperatures 1 to T − 1, by a chain of its own.
    fn find_steps(&self, tape: &mut Tape<F>) -> Vec<Vec<f64>> {
        let Annealing { temperatures: last, chains, acceptance: wanted, .. } = *self.annealing;
        let mut points = self.start(tape, chains, 1);
        let [least, start, most] = STEPS;
        let mut sizes = vec![start; self.target.x.rows];
        let next = |t: usize| {
            let acceptance = self.transition(tape, &mut points, beta(t, last), &sizes, [t, chains]);
            for (size, accepted) in sizes.iter_mut().zip(acceptance) {
                *size = (*size * (ADAPTATION * (accepted - wanted)).exp()).clamp(least, most);
            }
            sizes.clone()
        };
        (1..last).map(next).collect()
    }

    /// Draws of p₀ for so many chains, whose noise begins at `first`.
    fn start(&self, tape: &mut Tape<F>, first: usize, chains: usize) -> Points<F> {
        let eps = self.noise(0, first, chains, self.target.vae.latent());
        self.target.at(tape, eps)
    }

    /// Standard normal noise of a temperature, (chains, B, width).
    fn noise(&self, t: usize, first: usize, chains: usize, width: usize) -> Vec<F> {
        let rows = self.target.x.rows;
        let mut out = vec![F::ZERO; chains * rows * width];
        let (seed, row) = self.noise;
        // Not the noise of training.
        let noise = Noise::new(!seed, t as u64).skip(row);
        for (chain, out) in (first..).zip(out.chunks_exact_mut(rows * width)) {
            noise.normal(chain, width, out);
        }
        out
    }

    /// A step of Hamiltonian Monte Carlo of every chain, which leaves N(ε; 0, I) v(ε)^β as it is, with leapfrog steps of these
    /// sizes for each row. Returns the acceptance probabilities, (chains, B).
    fn transition(
        &self,
        tape: &mut Tape<F>,
        points: &mut Points<F>,
        beta: f64,
        sizes: &[f64],
        [t, first]: [usize; 2],
    ) -> Vec<f64> {
        let (rows, latent) = (self.target.x.rows, self.target.vae.latent());
        let count = points.log_v.len();
        // The last two numbers decide what is accepted.
        let noise = self.noise(t, first, count / rows, latent + 2);
        let mut momentum: Vec<F> =
            noise.chunks_exact(latent + 2).flat_map(|n| &n[..latent]).copied().collect();
        let (before, slope) = (energies(points, &momentum, beta), F::from_f64(beta));
        // p ← p + c s ∇(log p₀ + β log v) for a step of size s
        let kick = |momentum: &mut [F], at: &Points<F>, c: f64| {
            let places = momentum.chunks_exact_mut(latent).zip(at.eps.chunks_exact(latent));
            for (i, ((p, eps), g)) in places.zip(at.gradient.chunks_exact(latent)).enumerate() {
                let c = F::from_f64(c * sizes[i % rows]);
                p.iter_mut().zip(eps).zip(g).for_each(|((p, &eps), &g)| *p += c * (slope * g - eps));
            }
        };
        kick(&mut momentum, points, 0.5);
        let mut eps = points.eps.clone();
        let leapfrog = self.annealing.leapfrog;
        let mut end = None;
        for step in 1..=leapfrog {
            for (i, (eps, p)) in eps.chunks_exact_mut(latent).zip(momentum.chunks_exact(latent)).enumerate() {
                let size = F::from_f64(sizes[i % rows]);
                eps.iter_mut().zip(p).for_each(|(eps, &p)| *eps += size * p);
            }
            let at = self.target.at(tape, eps);
            kick(&mut momentum, &at, if step < leapfrog { 1.0 } else { 0.5 });
            eps = if step < leapfrog { at.eps.clone() } else { Vec::new() };
            end = Some(at);
        }
        let end = end.expect("there is a leapfrog step");
        let after = energies(&end, &momentum, beta);
        let mut acceptance = Vec::with_capacity(count);
        for i in 0..count {
            let change = after[i] - before[i];
            // Half the sum of two squares has an exponential distribution, as has −log of a uniform number.
            let bar: f64 = noise[i * (latent + 2) + latent..][..2].iter().map(|n| n.to_f64().powi(2)).sum();
            if change < 0.5 * bar {
                let place = i * latent..(i + 1) * latent;
                points.eps[place.clone()].copy_from_slice(&end.eps[place.clone()]);
                points.gradient[place.clone()].copy_from_slice(&end.gradient[place]);
                points.log_v[i] = end.log_v[i];
            }
            acceptance.push(if change.is_nan() { 0.0 } else { (-change).exp().min(1.0) });
        }
        acceptance
    }
}

/// ½|p|² + ½|ε|² − β log v of every chain.
fn energies<F: Real>(points: &Points<F>, momentum: &[F], beta: f64) -> Vec<f64> {
    let latent = momentum.len() / points.log_v.len();
    let squares = |x: &[F]| x.iter().map(|x| x.to_f64().powi(2)).sum::<f64>();
    let places = momentum.chunks_exact(latent).zip(points.eps.chunks_exact(latent));
    places.zip(&points.log_v).map(|((p, eps), v)| 0.5 * (squares(p) + squares(eps)) - beta * v).collect()
}

/// β_t of T temperatures.
fn beta(t: usize, last: usize) -> f64 {
    let logistic = |u: f64| 1.0 / (1.0 + (-4.0 * u).exp());
    let at = |t: usize| logistic(2.0 * t as f64 / last as f64 - 1.0);
    (at(t) - at(0)) / (at(last) - at(0))
}
