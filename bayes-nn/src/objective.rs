//! What training minimises.

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Var};
use nn::data::Matrix;
use nn::train::{Batch, Objective, Parts};

use crate::BayesMlp;

/// How E_q[log ℓ(Y|θ)] is sampled. Both ways have the same expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// By draws θ = μ + σ ⊙ ξ that all rows of a minibatch share.
    Weights {
        /// M, the number of draws from each mode of q.
        samples: usize,
    },
    /// By draws of the neurons' sums x W + b, for each row separately: the gradient is less noisy.
    Local {
        /// M, the number of draws for each mode of q.
        samples: usize,
    },
}

impl Default for Sampling {
    /// One draw of the neurons' sums.
    fn default() -> Self {
        Self::Local { samples: 1 }
    }
}

impl Sampling {
    /// M, the number of draws for each mode of q.
    pub fn samples(self) -> usize {
        let (Self::Weights { samples } | Self::Local { samples }) = self;
        samples
    }
}

/// F(η)/N = −ELBO(η)/N of a regression or classification of y by x, in nats per datum.
#[derive(Clone, Copy, Debug)]
pub struct BayesMlpObjective<'a, F> {
    /// The model.
    pub model: &'a BayesMlp,
    /// The inputs, (rows, inputs).
    pub x: &'a Matrix<F>,
    /// The targets, (rows, outputs); classes as one-hot rows, which [`one_hot`](nn::model::density::one_hot) writes.
    pub y: &'a Matrix<F>,
    /// N, the number of rows that the posterior learns from: all rows of the training data, also for an objective that is
    /// evaluated on a validation set.
    pub n: usize,
    /// R, the number of rows of an epoch. An R below the number of rows makes epochs shorter than a pass through the data:
    /// epoch e has the R rows from row e R on, and behind the last row comes the first. The rows must be in random order.
    pub window: usize,
    /// How the expectation over θ is sampled.
    pub sampling: Sampling,
}

impl<'a, F: Real> BayesMlpObjective<'a, F> {
    /// The objective of learning from these rows, an epoch through all of them, with the default [`Sampling`].
    ///
    /// # Panics
    /// If x has not as many columns as the model has inputs, or y not as many as it has outputs, or the rows differ in number.
    #[track_caller]
    pub fn new(model: &'a BayesMlp, x: &'a Matrix<F>, y: &'a Matrix<F>) -> Self {
        let (rows, inputs) = (x.rows, model.mlp().inputs());
        let found = x.cols;
        assert!(found == inputs, "BayesMlpObjective: x: expected {inputs} columns, found {found}");
        let outputs = model.config().outputs;
        let fits = (y.rows, y.cols) == (rows, outputs);
        assert!(fits, "BayesMlpObjective: y: expected [{rows}, {outputs}], found [{}, {}]", y.rows, y.cols);
        Self { model, x, y, n: rows, window: rows, sampling: Sampling::default() }
    }
}

impl<F: Real> Objective<F> for BayesMlpObjective<'_, F> {
    fn parts(&self) -> &'static [&'static str] {
        &["elbo", "log_likelihood", "kl"]
    }

    /// R, the number of rows of an epoch.
    fn rows(&self) -> usize {
        self.window
    }

    /// F(η) = KL(q_η ‖ π) − (N/b) E_q[log ℓ(Y|θ)]                        lecture 000, "Parametrization of q"
    fn loss<'t>(
        &self,
        eta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let (n, b) = (self.n as f64, batch.rows.len() as f64);
        let first = batch.epoch.unwrap_or(0) as usize * self.window;
        let indices: Vec<usize> = batch.rows.iter().map(|row| (first + row) % self.x.rows).collect();
        let in_window = Batch { rows: &indices, ..*batch };
        let [x, y] = [self.x, self.y].map(|data| in_window.gather(eta.tape(), data));
        let q = self.model.posterior(eta);
        let log_likelihood = self.model.log_likelihood(&q, x, y, self.sampling, batch.noise);
        let kl = self.model.kl(&q, batch.noise);
        let free_energy = kl - log_likelihood * F::from_f64(n / b);

        // The share b/n of F, and of the divergence, belongs to these rows.
        let (log_likelihood, kl) = (log_likelihood.item().to_f64(), kl.item().to_f64() * b / n);
        parts.add("elbo", log_likelihood - kl);
        parts.add("log_likelihood", log_likelihood);
        parts.add("kl", kl);
        Ok(free_energy * F::from_f64(b / n))
    }

    fn samples(&self) -> usize {
        self.sampling.samples()
    }
}
