//! How likely rows of data are under a trained model: importance-sampled likelihoods.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::stats::Estimate;
use nn::train::Noise;
use rayon::prelude::*;

use crate::Vae;
use crate::bounds::noise_on;

impl Vae {
    /// log p(x), averaged over the rows x (N, D + C), by importance sampling with q(z|x) and K = `samples` draws for each row
    /// (Burda et al. 2016; Rezende et al. 2014, appendix E):
    ///
    /// log p(x) ≈ log 1/K Σₖ p(x, zₖ) / q(zₖ|x),   zₖ ~ q(z|x)
    ///
    /// The standard error is that of the draws for these rows (delta method). It is NaN for a single draw, and too small where
    /// a few weights dominate the sum. On average the estimate of a row is too low by half its variance. The average over N
    /// rows is then too low by ½ N se², which for many rows is more than se; it falls with 1/K. Memory does not grow with K.
    ///
    /// # Panics
    /// If there are no rows, if `samples` is 0 or more than 2²⁴, or as [`encode_rows`](Self::encode_rows).
    #[track_caller]
    pub fn log_evidence<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: u64,
    ) -> Estimate {
        assert!(x.rows > 0, "log_evidence: expected one or more rows, found none");
        let rows = self.log_evidence_of_rows(theta, x, samples, seed);
        let n = rows.len() as f64;
        let (sum, variance) = rows.iter().fold((0.0, 0.0), |(a, b), row| (a + row.mean, b + row.se.powi(2)));
        Estimate { mean: sum / n, se: variance.sqrt() / n }
    }

    /// log p(x) of each row x (N, D + C), by importance sampling as in [`log_evidence`](Self::log_evidence). The lower it
    /// is, the more unusual is the row.
    ///
    /// # Panics
    /// If `samples` is 0 or more than 2²⁴, or as [`encode_rows`](Self::encode_rows).
    #[track_caller]
    pub fn log_evidence_of_rows<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: u64,
    ) -> Vec<Estimate> {
        self.check("log_evidence", theta, x, self.inputs() + self.conditions());
        assert!((1..=1 << 24).contains(&samples), "log_evidence: expected 1 to 2²⁴ samples, found {samples}");
        const CHUNK: usize = 16;
        let at_once = samples.min(64);
        let chunks = (0..x.rows.div_ceil(CHUNK)).into_par_iter().map_init(Tape::new, |tape, chunk| {
            let rows = chunk * CHUNK..x.rows.min((chunk + 1) * CHUNK);
            let noise = Noise::evaluation(seed).skip(rows.start);
            let mut weights = vec![Weights::default(); rows.len()];
            for first in (0..samples).step_by(at_once) {
                let count = at_once.min(samples - first);
                tape.clear();
                let theta = tape.shared_constant(theta, [theta.len()]);
                let data =
                    tape.constant(&x.values[rows.start * x.cols..rows.end * x.cols], [rows.len(), x.cols]);
                let eps = noise_on(tape, noise, first..first + count, [rows.len(), self.latent()]);
                self.log_weight(theta, data, eps).with(|log_weights| {
                    for log_weights in log_weights.chunks_exact(rows.len()) {
                        weights.iter_mut().zip(log_weights).for_each(|(sum, w)| sum.add(w.to_f64()));
                    }
                });
                tape.clear();
            }
            weights.into_iter().map(move |weights| weights.log_mean(samples as f64)).collect::<Vec<_>>()
        });
        chunks.flatten_iter().collect()
    }
}

/// Σ w and Σ w² of weights that are given by their logarithms, in units of the largest weight so far.
#[derive(Clone, Copy)]
struct Weights {
    /// The logarithm of the largest weight.
    max: f64,
    sum: f64,
    squares: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { max: f64::NEG_INFINITY, sum: 0.0, squares: 0.0 }
    }
}

impl Weights {
    fn add(&mut self, log_weight: f64) {
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        if log_weight > self.max {
            let shrink = (self.max - log_weight).exp();
            (self.sum, self.squares) = (self.sum * shrink, self.squares * shrink * shrink);
            self.max = log_weight;
        }
        let weight = (log_weight - self.max).exp();
        self.sum += weight;
        self.squares += weight * weight;
    }

    /// The logarithm of the mean of n weights; its variance is Var(w) / (n w̄²).
    fn log_mean(&self, n: f64) -> Estimate {
        let mean = self.sum / n;
        let variance = (self.squares / n - mean * mean).max(0.0) / (n - 1.0);
        Estimate { mean: self.max + mean.ln(), se: variance.sqrt() / mean }
    }
}
