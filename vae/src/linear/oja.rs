//! Principal components by a neuron that learns.

use nn::data::{Matrix, Minibatches};
use nn::train::Noise;

use super::LinearError;
use super::moments::Moments;

/// Oja's rule (lecture 001, "What differences between Oja's rule and VAE"; Oja 1982, 1989): linear neurons y = W x, which
/// learn from one datum after the other,
///
/// W ← W + ρ y (x − Wᵀy)ᵀ
///
/// This is a step of stochastic gradient descent on ‖x − Wᵀ W x‖² without one of the two terms of the gradient. A single neuron
/// becomes the first principal component. Several become an orthonormal basis of the principal subspace, in no order.
#[derive(Clone, Debug, PartialEq)]
pub struct Oja {
    /// W (m, D)
    pub weights: Matrix<f64>,
    epochs: usize,
}

impl Oja {
    /// m = `neurons` neurons with D = `inputs` inputs and small random weights.
    ///
    /// # Panics
    /// If there are no neurons or no inputs.
    #[track_caller]
    pub fn new(neurons: usize, inputs: usize, seed: u64) -> Self {
        assert!(neurons > 0 && inputs > 0, "Oja: expected neurons and inputs, found {neurons} and {inputs}");
        let mut weights = vec![0.0; neurons * inputs];
        Noise::evaluation(seed).normal(0, inputs, &mut weights);
        let size = (inputs as f64).sqrt();
        weights.iter_mut().for_each(|w| *w /= size);
        Self { weights: Matrix::new(neurons, inputs, weights), epochs: 0 }
    }

    /// The number of passes through the data so far.
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// Learns from the rows of x (N, D), less their mean, `epochs` times in random order. The learning rate in epoch e, counted
    /// from 0 over all calls, is ρ = `rate` / (tr S · (1 + e)) with the covariance S of the rows: the sum of these rates is
    /// infinite, that of their squares is finite (Robbins & Monro 1951). `rate` has no unit. 0.1 is a good choice; with 1 a row
    /// far from the mean can make the weights infinite.
    ///
    /// # Errors
    /// Those of [`Pca::fit`](super::Pca::fit), and [`LinearError::Diverged`].
    ///
    /// # Panics
    /// If the rows do not have D numbers.
    #[track_caller]
    pub fn fit(&mut self, x: &Matrix<f64>, epochs: usize, rate: f64, seed: u64) -> Result<(), LinearError> {
        let (m, d) = (self.weights.rows, self.weights.cols);
        assert!(x.cols == d, "Oja: expected rows of {d} numbers, found [{}, {}]", x.rows, x.cols);
        let moments = Moments::of(x, m)?;
        let scale = rate / moments.total();
        let mut order = Minibatches::new(x.rows, x.rows, seed);
        let mut weights = self.weights.values.to_vec();
        let mut rest = vec![0.0; d];
        for _ in 0..epochs {
            let rate = scale / (1.0 + self.epochs as f64);
            for &row in order.epoch(self.epochs as u64).flatten() {
                rest.iter_mut().zip(x.row(row)).zip(&moments.mean).for_each(|((r, x), mean)| *r = x - mean);
                let y: Vec<f64> = weights.chunks_exact(d).map(|w| dot(w, &rest)).collect();
                for (w, y) in weights.chunks_exact(d).zip(&y) {
                    rest.iter_mut().zip(w).for_each(|(rest, w)| *rest -= y * w);
                }
                for (w, y) in weights.chunks_exact_mut(d).zip(&y) {
                    w.iter_mut().zip(&rest).for_each(|(w, rest)| *w += rate * y * rest);
                }
            }
            self.epochs += 1;
            if !weights.iter().all(|w| w.is_finite()) {
                return Err(LinearError::Diverged { epoch: self.epochs });
            }
        }
        self.weights = Matrix::new(m, d, weights);
        Ok(())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
