//! Maps of many points in the plane.

use std::sync::Arc;

use autograd::{Real, Tape, Var};

use crate::data::Matrix;
use crate::train::Noise;

/// t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008): a map of N points in the plane that keeps neighbours
/// together. How far clusters lie apart in it, and how large they are, means nothing.
///
/// p_ij is how near points i and j are, see [`neighbour_affinities`]. The map minimises KL(P ‖ Q) with
///
/// q_ij ∝ 1 / (1 + ‖y_i − y_j‖²),   Σ_{i≠j} q_ij = 1
///
/// by gradient descent with momentum and gains (algorithm 1 and section 3.4) on a tape: it takes N² operations a step.
///
/// ```
/// use nn::data::Matrix;
/// use nn::stats::Tsne;
/// // Two groups of five points.
/// let x = (0..10).flat_map(|i| [f64::from(i % 5), if i < 5 { 0.0 } else { 50.0 }]).collect();
/// let map = Tsne { perplexity: 3.0, ..Tsne::default() }.map(&Matrix::new(10, 2, x));
/// assert_eq!((map.rows, map.cols), (10, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tsne {
    /// About how many neighbours a point has, from 1 up to below N − 1
    pub perplexity: f64,
    /// Steps of gradient descent
    pub steps: usize,
    /// The size of a step
    pub rate: f64,
    /// What all p_ij are multiplied by in the first quarter of the steps, so that clusters form
    pub exaggeration: f64,
    /// The seed of the points' first places
    pub seed: u64,
}

impl Default for Tsne {
    /// Perplexity 30, 500 steps of size 20, exaggeration 4, seed 0.
    fn default() -> Self {
        Self { perplexity: 30.0, steps: 500, rate: 20.0, exaggeration: 4.0, seed: 0 }
    }
}

impl Tsne {
    /// The map of the rows of x (N, D), to (N, 2), with mean 0.
    ///
    /// # Panics
    /// Those of [`neighbour_affinities`].
    #[track_caller]
    pub fn map<F: Real>(&self, x: &Matrix<F>) -> Matrix<f64> {
        let n = x.rows;
        let plain = neighbour_affinities(&x.map(Real::to_f64), self.perplexity);
        let early = plain.map(|p| p * self.exaggeration);
        let mut y = vec![0.0; 2 * n];
        Noise::new(self.seed, 0).normal(0, 2, &mut y);
        y.iter_mut().for_each(|y| *y *= 1e-2);
        let (mut y, mut speed, mut gains) = (Arc::new(y), vec![0.0; 2 * n], vec![1.0_f64; 2 * n]);
        let mut tape = Tape::new();
        for step in 0..self.steps {
            let is_early = 4 * step < self.steps;
            let (p, momentum) = if is_early { (&early, 0.5) } else { (&plain, 0.8) };
            let (_, gradient) = tape.value_and_grad(&y, |tape, y| {
                tsne_divergence(y.reshape([n, 2]), tape.shared_constant(&p.values, [n, n]))
            });
            let y = Arc::make_mut(&mut y);
            for (((y, speed), gain), slope) in
                y.iter_mut().zip(&mut speed).zip(&mut gains).zip(gradient.iter())
            {
                *gain = if *speed * slope > 0.0 { (*gain * 0.8).max(0.01) } else { *gain + 0.2 };
                *speed = momentum * *speed - self.rate * *gain * slope;
                *y += *speed;
            }
            for axis in 0..2 {
                let mean = y.iter().skip(axis).step_by(2).sum::<f64>() / n as f64;
                y.iter_mut().skip(axis).step_by(2).for_each(|y| *y -= mean);
            }
        }
        Matrix::new(n, 2, y.to_vec())
    }
}

/// KL(P ‖ Q) in nats but for Σ p ln p, which no map changes, of a map y (N, d) and affinities p (N, N) with a diagonal of 0:
///
/// Σ_{i≠j} p_ij ln(1 + ‖y_i − y_j‖²) + (Σ p) ln Σ_{i≠j} 1 / (1 + ‖y_i − y_j‖²)
///
/// Its gradient in y_i is 4 Σ_j (p_ij − (Σ p) q_ij) (y_i − y_j) / (1 + ‖y_i − y_j‖²) (van der Maaten & Hinton 2008, equation 5).
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn tsne_divergence<'t>(y: Var<'t, f64>, p: Var<'t, f64>) -> Var<'t, f64> {
    let n = y.shape()[0];
    let squares = y.square().sum_axis(1);
    let distances = squares.reshape([n, 1]) + squares.reshape([1, n]) - y.matmul_t(y) * 2.0;
    let near = distances + 1.0;
    // Each point is at distance 0 from itself, which adds 1 to the sum for each.
    let normaliser = near.recip().sum() - n as f64;
    (near.ln() * p).sum() + normaliser.ln() * p.sum()
}

/// How near each two of the rows x (N, D) are, (N, N), symmetric, with a diagonal of 0 and the sum 1 (van der Maaten & Hinton 2008,
/// section 3.1):
///
/// p_ij = (p_j|i + p_i|j) / 2N,   p_j|i ∝ exp(−‖x_i − x_j‖² / 2σ_i²)
///
/// with each σ_i such that the perplexity of p_·|i, the exponential of its entropy, is the one that is asked for.
///
/// # Panics
/// If the perplexity is below 1, or not below N − 1.
#[track_caller]
pub fn neighbour_affinities(x: &Matrix<f64>, perplexity: f64) -> Matrix<f64> {
    let n = x.rows;
    assert!(
        perplexity >= 1.0 && perplexity < n as f64 - 1.0,
        "neighbour_affinities: expected a perplexity from 1 to below {} of {n} rows, found {perplexity}",
        n as f64 - 1.0
    );
    let mut p = vec![0.0; n * n];
    for i in 0..n {
        let to = |j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let squares: Vec<f64> = (0..n).filter(|&j| j != i).map(to).collect();
        let conditional = of_perplexity(&squares, perplexity.ln());
        for (j, conditional) in (0..n).filter(|&j| j != i).zip(conditional) {
            p[i * n + j] += conditional / (2 * n) as f64;
            p[j * n + i] += conditional / (2 * n) as f64;
        }
    }
    Matrix::new(n, n, p)
}

/// exp(−β d²), normalised, with the β at which the entropy is this one, by bisection of its logarithm.
fn of_perplexity(squares: &[f64], entropy: f64) -> Vec<f64> {
    let least = squares.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = squares.iter().sum::<f64>() / squares.len() as f64 - least;
    // All at one distance: no β changes their entropy.
    let scale = if mean > 0.0 { mean } else { 1.0 };
    let weights = |log_beta: f64| {
        let beta = log_beta.exp() / scale;
        let w: Vec<f64> = squares.iter().map(|d| (-beta * (d - least)).exp()).collect();
        let total: f64 = w.iter().sum();
        w.into_iter().map(|w| w / total).collect::<Vec<f64>>()
    };
    let (mut low, mut high) = (-20.0, 60.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        let found: f64 = weights(middle).iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        if found > entropy { low = middle } else { high = middle }
    }
    weights(0.5 * (low + high))
}
