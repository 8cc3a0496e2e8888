//! What is missing, from what was observed (lecture 001, "Missing data imputation after learning").

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::noise::Noise;
use nn::optim::Rule;
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

use crate::model::is_missing;
use crate::posterior::standard;
use crate::{Local, Vae};

/// Rows that are imputed at a time.
const CHUNK: usize = 16;

/// How E[x_missing | x_observed] is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imputation {
    /// z ~ q(z|x) and x_missing ~ p(x|z) in turn, beginning at z ~ q(z|x_observed); the mean of E[x|z] over all sweeps but
    /// the first fifth (Rezende, Mohamed & Wierstra 2014). It is for encoders that were trained on complete
    /// rows; with q(z|x) = p(z|x) a Gibbs sampler.
    PseudoGibbs {
        /// How often.
        sweeps: usize,
    },
    /// The mean of E[x|z] over draws z ~ q(z|x_observed) with weights p(x_observed|z) p(z) / q(z|x_observed), normalised
    /// by their sum (Mattei & Frellsen 2019). It is for encoders that were trained with missing entries.
    Importance {
        /// The number of draws.
        samples: usize,
    },
    /// As `Importance`, but with draws from a q(z|x_observed) of each row's own. Its parameters begin at the encoder's for the
    /// row that pseudo-Gibbs fills, and follow the gradient of the ELBO of what was observed (iterative refinement, Hjelm et
    /// al. 2016): by Adam, with four samples a step and a rate that falls from 0.03 to 0 evenly. It is for encoders that
    /// were trained on complete rows, and does not trust them with rows that are in part their own invention.
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
    /// E[x_missing | x_observed] in the place of what is missing (NaN), (N, D + C) to (N, D).
    ///
    /// # Panics
    /// If θ or the rows of x are not as long as the model wants them, or there are no sweeps, steps or samples.
    #[track_caller]
    pub fn impute<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        how: Imputation,
        seed: u64,
    ) -> Matrix<F> {
        self.check("impute", theta, x, self.inputs() + self.conditions());
        let some = match how {
            Imputation::PseudoGibbs { sweeps } => sweeps > 0,
            Imputation::Importance { samples } => samples > 0,
            Imputation::Refined { sweeps, steps, samples } => sweeps > 0 && steps > 0 && samples > 0,
        };
        assert!(some, "impute: {how:?}");
        let chunks = x.values.par_chunks(CHUNK * x.cols).enumerate();
        let values: Vec<Vec<F>> = chunks
            .map_init(Tape::new, |tape, (chunk, x)| {
                let first = chunk * CHUNK;
                let noise = Noise::evaluation(seed).skip(first);
                let rng = StdRng::seed_from_u64(seed ^ (chunk as u64).rotate_left(32));
                match how {
                    Imputation::PseudoGibbs { sweeps } => {
                        self.pseudo_gibbs(tape, theta, x, sweeps, noise, rng)
                    }
                    Imputation::Importance { samples } => self.weighted(tape, theta, x, None, samples, noise),
                    Imputation::Refined { sweeps, steps, samples } => {
                        let filled = self.pseudo_gibbs(tape, theta, x, sweeps, noise, rng);
                        // Other noise than that of the start, and of training.
                        let steps = (0..steps).map(|step| Noise::new(!seed, step as u64).skip(first));
                        let lambda = self.refined(tape, theta, x, &filled, steps);
                        let noise = Noise::evaluation(!seed).skip(first);
                        self.weighted(tape, theta, x, Some(&lambda), samples, noise)
                    }
                }
            })
            .collect();
        Matrix::new(x.rows, self.inputs(), values.concat())
    }

    fn pseudo_gibbs<F: Real>(
        &self,
        tape: &mut Tape<F>,
        theta: &Arc<Vec<F>>,
        x: &[F],
        sweeps: usize,
        noise: Noise,
        mut rng: StdRng,
    ) -> Vec<F> {
        let (width, latent, inputs) = (self.inputs() + self.conditions(), self.latent(), self.inputs());
        let (rows, burn_in) = (x.len() / width, sweeps / 5);
        let mut filled = x.to_vec();
        let mut sum = vec![F::ZERO; rows * inputs];
        for sweep in 0..sweeps {
            tape.clear();
            let theta = tape.shared_constant(theta, [theta.len()]);
            let eps = tape.constant_with([rows, latent], |out| noise.normal(sweep, latent, out));
            let data = self.rows(tape.constant(&filled, [rows, width]));
            let q = self.posterior_of(theta, &data);
            let p = self.decode_under(theta, q.sample_with(eps), &data);
            if sweep >= burn_in {
                p.mean().with(|mean| sum.iter_mut().zip(mean).for_each(|(sum, &x)| *sum += x));
            }
            let drawn = p.draw(&mut rng);
            for (i, drawn) in drawn.into_iter().enumerate() {
                let at = i / inputs * width + i % inputs;
                if is_missing(&x[at]) {
                    filled[at] = drawn;
                }
            }
            tape.clear();
        }
        let kept = F::from_f64((sweeps - burn_in) as f64);
        sum.iter_mut().for_each(|sum| *sum = *sum / kept);
        self.put(x, sum)
    }

    /// The parameters of q(z|x_observed), from the encoder's for the filled rows on.
    fn refined<F: Real>(
        &self,
        tape: &mut Tape<F>,
        theta: &Arc<Vec<F>>,
        x: &[F],
        filled: &[F],
        steps: impl ExactSizeIterator<Item = Noise>,
    ) -> Matrix<F> {
        const RATE: f64 = 0.03;
        const SAMPLES: usize = 4;
        let (inputs, width) = (self.inputs(), self.inputs() + self.conditions());
        let holed = Matrix::new(x.len() / width, width, x.to_vec());
        let complete = filled.chunks_exact(inputs).zip(x.chunks_exact(width));
        let complete: Vec<F> = complete.flat_map(|(x, told)| [x, &told[inputs..]].concat()).collect();
        tape.clear();
        let on_tape = tape.shared_constant(theta, [theta.len()]);
        let start = self.parameters(on_tape, tape.constant(&complete, [holed.rows, width]));
        let start = Matrix::new(holed.rows, start.shape().last(), start.to_vec());
        let mut local = Local::new(start, Rule::ADAM);
        let rows: Vec<usize> = (0..holed.rows).collect();
        let count = steps.len() as f64;
        for (step, noise) in steps.enumerate() {
            let rate = RATE * (1.0 - step as f64 / count);
            local.refine(self, theta, &holed, &rows, (SAMPLES, noise), rate);
        }
        local.parameters().clone()
    }

    /// With draws from q of these parameters, or from the encoder's.
    fn weighted<F: Real>(
        &self,
        tape: &mut Tape<F>,
        theta: &Arc<Vec<F>>,
        x: &[F],
        lambda: Option<&Matrix<F>>,
        samples: usize,
        noise: Noise,
    ) -> Vec<F> {
        let (width, latent, inputs) = (self.inputs() + self.conditions(), self.latent(), self.inputs());
        let rows = x.len() / width;
        // Σ w E[x|z] and Σ w of each row, relative to the largest weight so far.
        let mut sums = vec![(f64::NEG_INFINITY, 0.0, vec![0.0; inputs]); rows];
        for first in (0..samples).step_by(64) {
            let count = 64.min(samples - first);
            tape.clear();
            let theta = tape.shared_constant(theta, [theta.len()]);
            let eps = tape.constant_with([count, rows, latent], |out| {
                for (sample, out) in out.chunks_exact_mut(rows * latent).enumerate() {
                    noise.normal(first + sample, latent, out);
                }
            });
            let data = self.rows(tape.constant(x, [rows, width]));
            let q = match lambda {
                Some(lambda) => {
                    self.family().at(latent, tape.shared_constant(&lambda.values, [rows, lambda.cols]))
                }
                None => self.posterior_of(theta, &data),
            };
            let z = q.sample_with(eps);
            let p = self.decode_under(theta, z, &data);
            let log_weight = data.log_prob(p) + standard(tape).log_prob(z) - q.log_prob_of_noise(eps);
            let means = p.mean().to_vec();
            for (i, log_weight) in log_weight.to_vec().iter().map(|w| w.to_f64()).enumerate() {
                let (max, total, sum) = &mut sums[i % rows];
                if log_weight > *max {
                    let shrink = (*max - log_weight).exp();
                    *total *= shrink;
                    sum.iter_mut().for_each(|sum| *sum *= shrink);
                    *max = log_weight;
                }
                let weight = (log_weight - *max).exp();
                *total += weight;
                let mean = &means[i * inputs..(i + 1) * inputs];
                sum.iter_mut().zip(mean).for_each(|(sum, x)| *sum += weight * x.to_f64());
            }
            tape.clear();
        }
        let means = sums.iter().flat_map(|(_, total, sum)| sum.iter().map(move |x| F::from_f64(x / total)));
        self.put(x, means.collect())
    }

    /// The means where rows (x | conditions) miss a number, the number elsewhere.
    fn put<F: Real>(&self, x: &[F], mut means: Vec<F>) -> Vec<F> {
        let (inputs, width) = (self.inputs(), self.inputs() + self.conditions());
        for (x, means) in x.chunks_exact(width).zip(means.chunks_exact_mut(inputs)) {
            let known = means.iter_mut().zip(x).filter(|(_, x)| !is_missing(*x));
            known.for_each(|(mean, x)| *mean = *x);
        }
        means
    }
}
