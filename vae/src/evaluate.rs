//! What a trained model says: codes, reconstructions, samples, likelihoods, anomalies.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::noise::Noise;
use nn::{Estimate, map_rows};
use rayon::prelude::*;

use crate::Vae;

impl Vae {
    /// The means and log standard deviations of each zᵢ under q(z|x), (N, L) each.
    ///
    /// # Panics
    /// If θ or the rows of x are not as long as the model wants them, here and below.
    #[track_caller]
    pub fn codes<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> (Matrix<F>, Matrix<F>) {
        self.check("codes", theta, x, self.inputs() + self.conditions());
        let packed =
            map_rows(theta, x, 2 * self.latent(), |theta, x| self.encode(theta, x).marginals().packed);
        let (mu, log_sigma): (Vec<_>, Vec<_>) = (0..self.latent()).map(|i| (i, self.latent() + i)).unzip();
        (packed.columns(&mu), packed.columns(&log_sigma))
    }

    /// E[x|z] for every row of z, (N, L) to (N, D); of a conditional model for rows (z | conditions), (N, L + C).
    #[track_caller]
    pub fn decode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, z: &Matrix<F>) -> Matrix<F> {
        self.check("decode_rows", theta, z, self.latent() + self.conditions());
        map_rows(theta, z, self.inputs(), |theta, z| self.decode(theta, z).mean())
    }

    /// E[x|z = E_q(z|x)] (lecture 002, "Trying to reconstruct"), (N, D + C) to (N, D).
    #[track_caller]
    pub fn reconstruct<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Matrix<F> {
        self.decode_rows(theta, &self.given(&self.codes(theta, x).0, x))
    }

    /// E[x|z] for `n` draws z ~ N(0, I), (n, D), of a model without conditions.
    #[track_caller]
    pub fn sample<F: Real>(&self, theta: &Arc<Vec<F>>, n: usize, seed: u64) -> Matrix<F> {
        let mut z = vec![F::ZERO; n * self.latent()];
        Noise::evaluation(seed).normal(0, self.latent(), &mut z);
        self.decode_rows(theta, &Matrix::new(n, self.latent(), z))
    }

    /// Rows (z | conditions) from rows of z and data rows (x | conditions), for [`decode_rows`](Self::decode_rows).
    #[track_caller]
    pub fn given<F: Real>(&self, z: &Matrix<F>, x: &Matrix<F>) -> Matrix<F> {
        let (rows, inputs, width) = (z.rows, self.inputs(), self.latent() + self.conditions());
        assert!(rows == x.rows, "given: {rows} rows of z, {} of data", x.rows);
        let row = |i: usize| z.row(i).iter().chain(&x.row(i)[inputs..]).copied();
        Matrix::new(rows, width, (0..rows).flat_map(row).collect())
    }

    /// log p(x), averaged over the rows of x, by importance sampling with q(z|x) and `samples` draws a row (Burda et al.
    /// 2016; Rezende et al. 2014, appendix E):
    ///
    /// log p(x) ≈ log 1/K Σₖ p(x, zₖ) / q(zₖ|x),   zₖ ~ q(z|x)
    ///
    /// The standard error is that of the draws (delta method), for these rows; NaN with a single draw, and too small where a
    /// few weights carry the sum. Each row's estimate is low on average, by about half its variance: the average over N
    /// rows by about ½ N se², which for many rows is more than se, and falls with 1/K. Memory does not grow with K.
    ///
    /// # Panics
    /// If there are no rows or no samples, or more than 2²⁴ of these.
    #[track_caller]
    pub fn log_likelihood<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: u64,
    ) -> Estimate {
        assert!(x.rows > 0, "log_likelihood: 0 rows");
        let rows = self.log_likelihood_of_rows(theta, x, samples, seed);
        let n = rows.len() as f64;
        let (sum, variance) = rows.iter().fold((0.0, 0.0), |(a, b), row| (a + row.mean, b + row.se.powi(2)));
        Estimate { mean: sum / n, se: variance.sqrt() / n }
    }

    /// The same of each row: the lower log p(x), the more of an anomaly is x.
    ///
    /// # Panics
    /// If there are no samples, or more than 2²⁴.
    #[track_caller]
    pub fn log_likelihood_of_rows<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        x: &Matrix<F>,
        samples: usize,
        seed: u64,
    ) -> Vec<Estimate> {
        self.check("log_likelihood", theta, x, self.inputs() + self.conditions());
        assert!((1..=1 << 24).contains(&samples), "log_likelihood: {samples} samples");
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
                let eps = tape.constant_with([count, rows.len(), self.latent()], |out| {
                    for (sample, out) in out.chunks_exact_mut(rows.len() * self.latent()).enumerate() {
                        noise.normal(first + sample, self.latent(), out);
                    }
                });
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

    /// Misuse is to show at the caller's line, not in a worker thread.
    #[track_caller]
    pub(crate) fn check<F: Real>(&self, what: &str, theta: &[F], x: &Matrix<F>, cols: usize) {
        let (size, len) = (self.layout().size(), theta.len());
        assert!(size == len, "{what}: θ has {len} numbers, the model {size}");
        assert!(x.cols == cols, "{what}: [{}, {}]: rows of {cols} numbers are wanted", x.rows, x.cols);
    }
}

/// The area under the ROC curve of an anomaly score: the probability that the score of an anomaly is above that of a usual
/// datum, ties counting half (Hanley & McNeil 1982).
///
/// ```
/// # use vae::area_under_roc;
/// assert_eq!(area_under_roc(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0]), (2.5 + 4.0) / 8.0);
/// ```
///
/// # Panics
/// If there are none of either, or a score is NaN.
#[track_caller]
pub fn area_under_roc(usual: &[f64], anomalous: &[f64]) -> f64 {
    let (n, m) = (usual.len(), anomalous.len());
    assert!(n * m > 0, "area_under_roc: {n} usual data, {m} anomalies");
    let nan = usual.iter().chain(anomalous).any(|score| score.is_nan());
    assert!(!nan, "area_under_roc: a score is NaN");
    let mut usual = usual.to_vec();
    usual.sort_by(f64::total_cmp);
    let above = |score: &f64| {
        let (below, up_to) = (usual.partition_point(|u| u < score), usual.partition_point(|u| u <= score));
        (below + up_to) as f64 / 2.0
    };
    anomalous.iter().map(above).sum::<f64>() / (n * m) as f64
}

/// Σ w and Σ w² of weights given by their logarithms, relative to the largest so far.
#[derive(Clone, Copy)]
struct Weights {
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

    /// ln of the mean weight; its variance is Var(w) / (n w̄²).
    fn log_mean(&self, n: f64) -> Estimate {
        let mean = self.sum / n;
        let variance = (self.squares / n - mean * mean).max(0.0) / (n - 1.0);
        Estimate { mean: self.max + mean.ln(), se: variance.sqrt() / mean }
    }
}
