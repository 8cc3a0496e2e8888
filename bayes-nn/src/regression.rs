//! The bound as a training objective.

use autograd::{Real, Var};
use nn::data::Matrix;
use nn::train::{Batch, Objective};

use crate::BayesMlp;

/// How a draw of θ reaches the rows of a minibatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// One θ = μ + σ ⊙ ξ for all rows.
    Weights,
    /// The sums x W + b are drawn instead, for each row by itself: the same bound, with less noise in its gradient.
    #[default]
    Local,
}

/// F(η)/N, the bound of a regression of y on x, in nats per datum.
#[derive(Clone, Copy, Debug)]
pub struct Regression<'a, F> {
    /// The model.
    pub model: &'a BayesMlp,
    /// The inputs, (rows, inputs).
    pub x: &'a Matrix<F>,
    /// The targets, (rows, 1).
    pub y: &'a Matrix<F>,
    /// N, the number of rows that the posterior learns from: all of the training data, whatever a minibatch or a
    /// validation set holds.
    pub n: usize,
    /// R, the rows of an epoch: all, unless an epoch is to be shorter than a pass. Epoch e then has the R rows from e R on,
    /// and behind the last row comes the first; rows must have been dealt at random.
    pub window: usize,
    /// How θ is drawn.
    pub sampling: Sampling,
    /// M, the number of draws from each mode.
    pub samples: usize,
}

impl<'a, F: Real> Regression<'a, F> {
    /// The objective for training on these rows, with local reparameterisation and one draw.
    ///
    /// # Panics
    /// If x has another number of columns than the model inputs, or y is not one column of as many rows.
    #[track_caller]
    pub fn new(model: &'a BayesMlp, x: &'a Matrix<F>, y: &'a Matrix<F>) -> Self {
        let (cols, inputs) = (x.cols, model.mlp().inputs());
        assert!(cols == inputs, "Regression: [{}, {cols}]: the model has {inputs} inputs", x.rows);
        let fits = (y.rows, y.cols) == (x.rows, 1);
        assert!(fits, "Regression: {} rows of x, targets [{}, {}]", x.rows, y.rows, y.cols);
        Self { model, x, y, n: x.rows, window: x.rows, sampling: Sampling::Local, samples: 1 }
    }
}

impl<F: Real> Objective<F> for Regression<'_, F> {
    const PARTS: &'static [&'static str] = &["elbo", "log_likelihood", "kl"];

    /// F(η) = KL(q_η ‖ π) − (N/b) E_q[log ℓ(Y|θ)]                        lecture 000, "Parametrization of q"
    fn loss<'t>(&self, eta: Var<'t, F>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, F> {
        let (n, b) = (self.n as f64, batch.rows.len() as f64);
        let first = batch.epoch.unwrap_or(0) as usize * self.window;
        let indices: Vec<usize> = batch.rows.iter().map(|row| (first + row) % self.x.rows).collect();
        let rows = |data: &Matrix<F>| {
            let shape = [indices.len(), data.cols];
            eta.tape().constant_with(shape, |out| data.gather_into(&indices, out))
        };
        let q = self.model.posterior(eta);
        let draws = (self.sampling, self.samples);
        let log_likelihood =
            self.model.log_likelihood(eta, &q, (rows(self.x), rows(self.y)), draws, batch.noise);
        let kl = self.model.kl(eta, &q, batch.noise);
        let free_energy = kl - log_likelihood * F::from_f64(n / b);

        parts[1] = log_likelihood.item().to_f64();
        parts[2] = kl.item().to_f64() * b / n;
        parts[0] = parts[1] - parts[2];
        free_energy * F::from_f64(b / n) // these rows' share of it: training divides by their number
    }

    fn samples(&self) -> usize {
        self.samples
    }
}
