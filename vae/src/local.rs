//! Inference that is not amortised: variational parameters of their own for every datum.

use std::sync::Arc;

use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};

use crate::Vae;

/// λ₁ … λ_N, the parameters of q(z|x) of each of N data, instead of an encoder's output: 2NL numbers in the diagonal family
/// (lecture 002, "Variational inference and the VAE"). Each λ has an optimiser of its own, which steps when its datum is in
/// the minibatch.
pub struct Local<F: Real> {
    lambda: Matrix<F>,
    optimizers: Vec<Optimizer<F>>,
    tape: Tape<F>,
    gradient: Vec<F>,
}

impl<F: Real> Local<F> {
    /// Parameters that begin at these rows, such as zeros, the prior itself, or [`Vae::parameters`], for refinement.
    pub fn new(start: Matrix<F>, rule: Rule) -> Self {
        let optimizers = vec![Optimizer::new(rule, start.cols); start.rows];
        Self { lambda: start, optimizers, tape: Tape::new(), gradient: Vec::new() }
    }

    /// λ, a row a datum, as [`Family::at`](crate::Family::at) takes them.
    pub fn parameters(&self) -> &Matrix<F> {
        &self.lambda
    }

    /// One step of the λ of `rows` along the gradient of their ELBO, with M samples of z each. Returns the ELBO in nats per
    /// row and the gradient of its negative sum with respect to θ, for whoever trains θ too.
    ///
    /// # Panics
    /// If there are no rows, or no such rows.
    #[track_caller]
    pub fn step(
        &mut self,
        vae: &Vae,
        theta: &Arc<Vec<F>>,
        data: &Matrix<F>,
        rows: &[usize],
        (samples, noise): (usize, Noise),
        rate: f64,
    ) -> (f64, &[F]) {
        let value = self.advance((vae, theta), data, rows, (samples, noise), rate, true);
        (value, &self.gradient)
    }

    /// The same step with θ as it is, whose gradient is not computed. Returns the ELBO in nats per row.
    ///
    /// # Panics
    /// If there are no rows, or no such rows.
    #[track_caller]
    pub fn refine(
        &mut self,
        vae: &Vae,
        theta: &Arc<Vec<F>>,
        data: &Matrix<F>,
        rows: &[usize],
        (samples, noise): (usize, Noise),
        rate: f64,
    ) -> f64 {
        self.advance((vae, theta), data, rows, (samples, noise), rate, false)
    }

    #[track_caller]
    fn advance(
        &mut self,
        (vae, theta): (&Vae, &Arc<Vec<F>>),
        data: &Matrix<F>,
        rows: &[usize],
        (samples, noise): (usize, Noise),
        rate: f64,
        trains_theta: bool,
    ) -> f64 {
        assert!(!rows.is_empty(), "step: there are no rows");
        let (x, start) = (data.select(rows), self.lambda.select(rows));
        self.tape.clear();
        let tape = &self.tape;
        let on_tape = match trains_theta {
            true => tape.shared_parameter(theta, [theta.len()]),
            false => tape.shared_constant(theta, [theta.len()]),
        };
        let lambda = tape.shared_parameter(&start.values, [rows.len(), start.cols]);
        let elbo = bound(vae, on_tape, lambda, &x, samples, noise);
        let gradients = tape.backward(elbo.neg());
        let slopes = gradients.wrt(lambda).chunks_exact(start.cols);
        let values = Arc::make_mut(&mut self.lambda.values);
        for (&row, slopes) in rows.iter().zip(slopes) {
            let lambda = &mut values[row * start.cols..][..start.cols];
            self.optimizers[row].step(rate, lambda, slopes);
        }
        self.gradient.clear();
        if trains_theta {
            self.gradient.extend_from_slice(gradients.wrt(on_tape));
        }
        let value = elbo.item().to_f64() / rows.len() as f64;
        drop(gradients);
        self.tape.clear();
        value
    }

    /// The ELBO of all rows in nats per row, with M samples of z each.
    ///
    /// # Panics
    /// If there are not as many rows as λ.
    #[track_caller]
    pub fn elbo(
        &mut self,
        vae: &Vae,
        theta: &Arc<Vec<F>>,
        data: &Matrix<F>,
        (samples, noise): (usize, Noise),
    ) -> f64 {
        let n = self.lambda.rows;
        assert!(data.rows == n, "elbo: {} rows, {n} posteriors", data.rows);
        let mut sum = 0.0;
        for first in (0..n).step_by(256) {
            let rows: Vec<usize> = (first..n.min(first + 256)).collect();
            let (x, lambda) = (data.select(&rows), self.lambda.select(&rows));
            self.tape.clear();
            let theta = self.tape.shared_constant(theta, [theta.len()]);
            let lambda = self.tape.shared_constant(&lambda.values, [lambda.rows, lambda.cols]);
            sum += bound(vae, theta, lambda, &x, samples, noise.skip(first)).item().to_f64();
        }
        self.tape.clear();
        sum / n as f64
    }
}

/// Σ over rows of the ELBO at posteriors λ.
#[track_caller]
fn bound<'t, F: Real>(
    vae: &Vae,
    theta: Var<'t, F>,
    lambda: Var<'t, F>,
    x: &Matrix<F>,
    samples: usize,
    noise: Noise,
) -> Var<'t, F> {
    let (tape, latent) = (theta.tape(), vae.latent());
    let eps = tape.constant_with([samples, x.rows, latent], |out| {
        for (sample, out) in out.chunks_exact_mut(x.rows * latent).enumerate() {
            noise.normal(sample, latent, out);
        }
    });
    let data = tape.constant(&x.values, [x.rows, x.cols]);
    vae.elbo_at(theta, vae.family().at(latent, lambda), data, eps).value().sum()
}
