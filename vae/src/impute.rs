//! What is missing, from what was observed (lecture 001, "Missing data imputation after learning").

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::train::{Noise, Rule};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

use crate::bounds::{noise_on, prior};
use crate::rows::is_missing;
use crate::{LocalBound, LocalPosteriors, Vae};

/// Rows that are imputed at a time.
const CHUNK: usize = 16;

/// Where the noise of rows begins: at a seed, and at the number of the first row where the rows are some of many. Then they get the
/// same noise as if all were computed at once. A seed alone is that of rows from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSeed {
    /// The seed.
    pub seed: u64,
    /// The number of the first row.
    pub first: usize,
}

impl From<u64> for RowSeed {
    fn from(seed: u64) -> Self {
        Self { seed, first: 0 }
    }
}

/// How E[x_missing | x_observed] is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imputation {
    /// Draws z ~ q(z|x) and x_missing ~ p(x|z) in turn, beginning with z ~ q(z|x_observed). The estimate is the mean of E[x|z]
    /// over all sweeps but the first fifth (Rezende, Mohamed & Wierstra 2014). It is for encoders that were trained on
    /// complete rows; if q(z|x) = p(z|x) it is a Gibbs sampler.
    PseudoGibbs {
        /// How often both are drawn.
        sweeps: usize,
    },
    /// The mean of E[x|z] over draws z ~ q(z|x_observed) with weights p(x_observed|z) p(z) / q(z|x_observed), divided by the
    /// sum of the weights (Mattei & Frellsen 2019). It is for encoders that were trained with missing numbers.
    Importance {
        /// The number of draws.
        samples: usize,
    },
    /// The weighted mean of [`Importance`](Self::Importance), with draws from a q(z|x_observed) of each row's own. Its
    /// parameters begin as the encoder's for the row that pseudo-Gibbs fills, and follow the gradient of the ELBO of what was
    /// observed (iterative refinement, Hjelm et al. 2016): by Adam, with four samples a step and a rate that falls evenly from
    /// 0.03 to 0. It is for encoders that were trained on complete rows; it does not rely on what they say of rows that
    /// pseudo-Gibbs has filled.
    Refined {
        /// The number of sweeps of pseudo-Gibbs.
        sweeps: usize,
        /// The number of steps of refinement.
        steps: usize,
        /// The number of draws.
        samples: usize,
    },
}

impl Vae {
    /// Rows x (N, D + C), in which numbers that are missing (NaN) are replaced by E[x_missing | x_observed]: (N, D).
    ///
    /// # Panics
    /// If θ or the rows have another length than the model's, a condition is missing, or there are no sweeps, steps or
    /// samples; if the rows are some of many and the first is not a multiple of 16, unless the estimate is
    /// [`Importance`](Imputation::Importance).
    #[track_caller]
    pub fn impute<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        how: Imputation,
        seed: impl Into<RowSeed>,
    ) -> Matrix<F> {
        self.filled(theta, x, how, seed.into())
    }

    #[track_caller]
    #[inline(never)]
    fn filled<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        how: Imputation,
        seed: RowSeed,
    ) -> Matrix<F> {
        self.check("impute", theta, x, self.inputs() + self.conditions());
        let works = match how {
            Imputation::PseudoGibbs { sweeps } => sweeps > 0,
            Imputation::Importance { samples } => samples > 0,
            Imputation::Refined { sweeps, steps, samples } => sweeps > 0 && steps > 0 && samples > 0,
        };
        assert!(works, "impute: expected numbers of 1 or more, found {how:?}");
        let whole = matches!(how, Imputation::Importance { .. }) || seed.first.is_multiple_of(CHUNK);
        assert!(whole, "impute: first row: expected a multiple of {CHUNK}, found {}", seed.first);
        let chunks = x.values.par_chunks(CHUNK * x.cols).enumerate();
        let values: Vec<Vec<F>> = chunks
            .map_init(Tape::new, |tape, (number, values)| {
                let x = Matrix::new(values.len() / x.cols, x.cols, values.to_vec());
                Chunk { vae: self, theta, x, first: seed.first + number * CHUNK, seed: seed.seed }
                    .impute(tape, how)
            })
            .collect();
        Matrix::new(x.rows, self.inputs(), values.concat())
    }
}

/// Some of the rows, on a tape of their own.
struct Chunk<'a, F> {
    vae: &'a Vae,
    theta: &'a Arc<Vec<F>>,
    /// (x, conditions), NaN where a number is missing.
    x: Matrix<F>,
    /// The number of its first row.
    first: usize,
    seed: u64,
}

impl<F: Real> Chunk<'_, F> {
    fn impute(&self, tape: &mut Tape<F>, how: Imputation) -> Vec<F> {
        let noise = |seed| Noise::evaluation(seed).skip(self.first);
        match how {
            Imputation::PseudoGibbs { sweeps } => self.pseudo_gibbs(tape, sweeps, noise(self.seed)),
            Imputation::Importance { samples } => self.weighted(tape, None, samples, noise(self.seed)),
            Imputation::Refined { sweeps, steps, samples } => {
                let filled = self.pseudo_gibbs(tape, sweeps, noise(self.seed));
                let lambda = self.refined(tape, &filled, steps);
                // Not the noise of pseudo-Gibbs.
                self.weighted(tape, Some(&lambda), samples, noise(!self.seed))
            }
        }
    }

    fn pseudo_gibbs(&self, tape: &mut Tape<F>, sweeps: usize, noise: Noise) -> Vec<F> {
        let (vae, x) = (self.vae, &self.x.values);
        let (rows, width, inputs) = (self.x.rows, self.x.cols, vae.inputs());
        let mut rng = StdRng::seed_from_u64(self.seed ^ ((self.first / CHUNK) as u64).rotate_left(32));
        let burn_in = sweeps / 5;
        let mut filled = x.to_vec();
        let mut sum = vec![F::ZERO; rows * inputs];
        for sweep in 0..sweeps {
            tape.clear();
            let theta = tape.shared_constant(self.theta, [self.theta.len()]);
            let eps = tape.constant_with([rows, vae.latent()], |out| noise.normal(sweep, vae.latent(), out));
            let data = vae.rows(tape.constant(&filled, [rows, width]));
            let z = vae.posterior(theta, data).sample_with(eps);
            let p = vae.decode_given(theta, z, data);
            if sweep >= burn_in {
                p.mean().with(|mean| sum.iter_mut().zip(mean).for_each(|(sum, &x)| *sum += x));
            }
            for (i, drawn) in p.draw(&mut rng).into_iter().enumerate() {
                let at = i / inputs * width + i % inputs;
                if is_missing(&x[at]) {
                    filled[at] = drawn;
                }
            }
            tape.clear();
        }
        let kept = F::from_f64((sweeps - burn_in) as f64);
        sum.iter_mut().for_each(|sum| *sum = *sum / kept);
        self.fill_with(sum)
    }

    /// The parameters of q(z|x_observed), beginning with the encoder's for the filled rows.
    fn refined(&self, tape: &mut Tape<F>, filled: &[F], steps: usize) -> Matrix<F> {
        const RATE: f64 = 0.03;
        const SAMPLES: usize = 4;
        let Self { vae, theta, x, first, seed } = self;
        let inputs = vae.inputs();
        let complete = filled.chunks_exact(inputs).zip(x.values.chunks_exact(x.cols));
        let complete: Vec<F> = complete.flat_map(|(filled, x)| [filled, &x[inputs..]].concat()).collect();
        tape.clear();
        let on_tape = tape.shared_constant(theta, [theta.len()]);
        let start = vae.posterior_parameters(on_tape, tape.constant(&complete, [x.rows, x.cols]));
        let start = Matrix::new(x.rows, start.shape().last(), start.to_vec());
        let mut posteriors = LocalPosteriors::new(start, Rule::ADAM);
        let bound = LocalBound { vae, theta, data: x, samples: SAMPLES };
        let rows: Vec<usize> = (0..x.rows).collect();
        for step in 0..steps {
            let rate = RATE * (1.0 - step as f64 / steps as f64);
            // Not the noise of training.
            let noise = Noise::new(!seed, step as u64).skip(*first);
            posteriors.refine(&bound, &rows, noise, rate);
        }
        posteriors.parameters().clone()
    }

    /// The weighted mean of E[x|z] over draws from q with parameters λ, or from the encoder's q.
    fn weighted(
        &self,
        tape: &mut Tape<F>,
        lambda: Option<&Matrix<F>>,
        samples: usize,
        noise: Noise,
    ) -> Vec<F> {
        let (vae, rows, inputs, latent) = (self.vae, self.x.rows, self.vae.inputs(), self.vae.latent());
        let mut sums = vec![WeightedSum::new(inputs); rows];
        for first in (0..samples).step_by(64) {
            tape.clear();
            let theta = tape.shared_constant(self.theta, [self.theta.len()]);
            let eps = noise_on(tape, noise, first..samples.min(first + 64), [rows, latent]);
            let data = vae.rows(tape.constant(&self.x.values, [rows, self.x.cols]));
            let q = match lambda {
                Some(lambda) => {
                    let lambda = tape.shared_constant(&lambda.values, [rows, lambda.cols]);
                    vae.config().covariance.at(latent, lambda)
                }
                None => vae.posterior(theta, data),
            };
            let z = q.sample_with(eps);
            let p = vae.decode_given(theta, z, data);
            let log_weight = data.log_prob(&p) + prior(tape).log_prob(z) - q.log_prob_of_noise(eps);
            let means = p.mean().to_vec();
            let draws = log_weight.to_vec().into_iter().zip(means.chunks_exact(inputs));
            for ((log_weight, mean), row) in draws.zip((0..rows).cycle()) {
                sums[row].add(log_weight.to_f64(), mean);
            }
            tape.clear();
        }
        self.fill_with(sums.iter().flat_map(WeightedSum::mean).collect())
    }

    /// The rows x, with the means in the place of missing numbers.
    fn fill_with(&self, mut means: Vec<F>) -> Vec<F> {
        let rows = self.x.values.chunks_exact(self.x.cols).zip(means.chunks_exact_mut(self.vae.inputs()));
        for (x, means) in rows {
            let known = means.iter_mut().zip(x).filter(|(_, x)| !is_missing(*x));
            known.for_each(|(mean, x)| *mean = *x);
        }
        means
    }
}

/// Σ w x and Σ w with weights that are given by their logarithms, in units of the largest weight so far.
#[derive(Clone)]
struct WeightedSum {
    /// The logarithm of the largest weight.
    max: f64,
    weights: f64,
    sum: Vec<f64>,
}

impl WeightedSum {
    fn new(inputs: usize) -> Self {
        Self { max: f64::NEG_INFINITY, weights: 0.0, sum: vec![0.0; inputs] }
    }

    fn add<F: Real>(&mut self, log_weight: f64, x: &[F]) {
        if log_weight > self.max {
            let shrink = (self.max - log_weight).exp();
            self.weights *= shrink;
            self.sum.iter_mut().for_each(|sum| *sum *= shrink);
            self.max = log_weight;
        }
        let weight = (log_weight - self.max).exp();
        self.weights += weight;
        self.sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * x.to_f64());
    }

    fn mean<F: Real>(&self) -> impl Iterator<Item = F> {
        self.sum.iter().map(|sum| F::from_f64(sum / self.weights))
    }
}
