//! The ELBO as a training objective.

use autograd::Var;
use nn::data::{Binarise, Matrix};
use nn::train::{Batch, Objective};

use crate::Vae;

/// −ELBO of images, or of any rows of numbers, averaged over M samples of z.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// The model.
    pub vae: &'a Vae,
    /// The data, a row a datum.
    pub data: &'a Matrix<f32>,
    /// Whether pixels are made binary, and when.
    pub binarise: Binarise,
    /// M, the number of samples of z for each datum.
    pub samples: usize,
}

impl Objective<f32> for Images<'_> {
    const PARTS: &'static [&'static str] = &["elbo", "log_likelihood", "kl"];

    fn loss<'t>(&self, theta: Var<'t, f32>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f32> {
        let (tape, rows, width) = (theta.tape(), batch.rows.len(), self.data.cols);
        let x = tape.constant_with([rows, width], |out| {
            self.data.gather_into(batch.rows, out);
            for (&row, out) in batch.rows.iter().zip(out.chunks_exact_mut(width)) {
                self.binarise.apply(row, batch.epoch, out);
            }
        });
        let latent = self.vae.latent();
        let eps = tape.constant_with([self.samples, rows, latent], |out| {
            for (sample, out) in out.chunks_exact_mut(rows * latent).enumerate() {
                batch.noise.normal(sample, latent, out);
            }
        });
        let eps = if self.samples == 1 { eps.reshape([rows, latent]) } else { eps };
        let elbo = self.vae.elbo(theta, x, eps);
        let (log_likelihood, kl) = (elbo.log_likelihood.sum(), elbo.kl.sum());
        let loss = kl - log_likelihood;
        for (part, var) in parts[1..].iter_mut().zip([log_likelihood, kl]) {
            *part = f64::from(var.item());
        }
        parts[0] = parts[1] - parts[2];
        loss
    }

    fn samples(&self) -> usize {
        self.samples
    }
}
