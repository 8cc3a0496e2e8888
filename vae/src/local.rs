//! Inference that is not amortised: each datum has variational parameters of its own.

use std::sync::Arc;

use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::train::{Noise, Optimizer, Rule};

use crate::Vae;
use crate::bounds::noise_on;

/// λ₁ … λ_N, the parameters of q(z|x) of each of N data, in place of an encoder's output: 2NL numbers with a diagonal
/// covariance (lecture 002, "Variational inference and the VAE"). Each λ has its own optimiser, which steps when its datum is
/// in the minibatch.
pub struct LocalPosteriors<F: Real> {
    lambda: Matrix<F>,
    optimizers: Vec<Optimizer<F>>,
    tape: Tape<F>,
    gradient: Vec<F>,
}

/// What posteriors are fitted to.
#[derive(Clone, Copy)]
pub struct LocalBound<'a, F> {
    /// The model.
    pub vae: &'a Vae,
    /// Its parameters; those of the encoder are not used.
    pub theta: &'a Arc<Vec<F>>,
    /// The data, (N, D + C); row n belongs to λₙ.
    pub data: &'a Matrix<F>,
    /// The number of samples of z for each datum.
    pub samples: usize,
}

/// What [`LocalPosteriors::step`] computed.
#[derive(Clone, Copy, Debug)]
pub struct LocalStep<'a, F> {
    /// The ELBO before the step, in nats per row.
    pub elbo: f64,
    /// The gradient of the negative ELBO with respect to θ, in nats per row.
    pub gradient: &'a [F],
}

impl<F: Real> LocalPosteriors<F> {
    /// Parameters that begin at these rows. Zeros are the prior; [`Vae::posterior_parameters`] are what the encoder says, to be refined.
    pub fn new(start: Matrix<F>, rule: Rule) -> Self {
        let optimizers = vec![Optimizer::new(rule, start.cols); start.rows];
        Self { lambda: start, optimizers, tape: Tape::new(), gradient: Vec::new() }
    }

    /// The rows λ, as [`Covariance::at`](crate::Covariance::at) takes them.
    pub fn parameters(&self) -> &Matrix<F> {
        &self.lambda
    }

    /// One step with learning rate `rate` of the λ of `rows`, along the gradient of their ELBO. The gradient with respect to θ
    /// is for those who train θ, too.
    ///
    /// # Panics
    /// If there are no rows, or no such rows.
    #[track_caller]
    pub fn step(
        &mut self,
        bound: &LocalBound<'_, F>,
        rows: &[usize],
        noise: Noise,
        rate: f64,
    ) -> LocalStep<'_, F> {
        let elbo = self.advance(bound, rows, noise, rate, Theta::Trained);
        LocalStep { elbo, gradient: &self.gradient }
    }

    /// One step with learning rate `rate` of the λ of `rows`, along the gradient of their ELBO; θ stays as it is. Returns the
    /// ELBO before the step, in nats per row.
    ///
    /// # Panics
    /// If there are no rows, or no such rows.
    #[track_caller]
    pub fn refine(&mut self, bound: &LocalBound<'_, F>, rows: &[usize], noise: Noise, rate: f64) -> f64 {
        self.advance(bound, rows, noise, rate, Theta::Held)
    }

    #[track_caller]
    fn advance(
        &mut self,
        bound: &LocalBound<'_, F>,
        rows: &[usize],
        noise: Noise,
        rate: f64,
        what: Theta,
    ) -> f64 {
        assert!(!rows.is_empty(), "LocalPosteriors: expected one or more rows, found none");
        let start = self.lambda.select(rows);
        self.tape.clear();
        let tape = &self.tape;
        let theta = match what {
            Theta::Trained => tape.shared_parameter(bound.theta, [bound.theta.len()]),
            Theta::Held => tape.shared_constant(bound.theta, [bound.theta.len()]),
        };
        let lambda = tape.shared_parameter(&start.values, [rows.len(), start.cols]);
        let elbo = bound.elbo(theta, lambda, rows, noise);
        let gradients = tape.backward(elbo.neg());
        let slopes = gradients.wrt(lambda).chunks_exact(start.cols);
        let values = Arc::make_mut(&mut self.lambda.values);
        for (&row, slopes) in rows.iter().zip(slopes) {
            let lambda = &mut values[row * start.cols..][..start.cols];
            self.optimizers[row].step(rate, lambda, slopes);
        }
        self.gradient.clear();
        if let Theta::Trained = what {
            let scale = F::from_f64(1.0 / rows.len() as f64);
            self.gradient.extend(gradients.wrt(theta).iter().map(|&slope| slope * scale));
        }
        let value = elbo.item().to_f64() / rows.len() as f64;
        drop(gradients);
        self.tape.clear();
        value
    }

    /// The ELBO of all rows, in nats per row.
    ///
    /// # Panics
    /// If the data have not as many rows as there are λ.
    #[track_caller]
    pub fn elbo(&mut self, bound: &LocalBound<'_, F>, noise: Noise) -> f64 {
        let (n, found) = (self.lambda.rows, bound.data.rows);
        assert!(found == n, "LocalPosteriors: expected {n} rows of data, found {found}");
        let mut sum = 0.0;
        for first in (0..n).step_by(256) {
            let rows: Vec<usize> = (first..n.min(first + 256)).collect();
            let lambda = self.lambda.select(&rows);
            self.tape.clear();
            let theta = self.tape.shared_constant(bound.theta, [bound.theta.len()]);
            let lambda = self.tape.shared_constant(&lambda.values, [lambda.rows, lambda.cols]);
            sum += bound.elbo(theta, lambda, &rows, noise.skip(first)).item().to_f64();
        }
        self.tape.clear();
        sum / n as f64
    }
}

/// Whether a step computes the gradient with respect to θ.
#[derive(Clone, Copy)]
enum Theta {
    Trained,
    Held,
}

impl<F: Real> LocalBound<'_, F> {
    /// Σ over rows of the ELBO at posteriors λ.
    #[track_caller]
    fn elbo<'t>(&self, theta: Var<'t, F>, lambda: Var<'t, F>, rows: &[usize], noise: Noise) -> Var<'t, F> {
        let (tape, x, latent) = (theta.tape(), self.data.select(rows), self.vae.latent());
        let eps = noise_on(tape, noise, 0..self.samples, [x.rows, latent]);
        let q = self.vae.config().covariance.at(latent, lambda);
        self.vae.elbo_at(theta, q, tape.constant(&x.values, [x.rows, x.cols]), eps).value().sum()
    }
}
