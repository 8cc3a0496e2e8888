//! The negative bound as a training objective.

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::data::{Binarise, Matrix};
use nn::train::{Batch, Objective, Parts};

use crate::bounds::noise_on;
use crate::{Elbo, Vae};

/// How a bound and its gradient are estimated from samples of z (lecture 001).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Estimator {
    /// The ELBO, reparameterised, with the divergence in closed form: [`Vae::elbo`].
    #[default]
    ClosedForm,
    /// The ELBO, reparameterised, with the divergence at the samples: [`Vae::elbo_samples`].
    MonteCarlo,
    /// The importance-weighted bound of all samples, reparameterised: [`Elbo::importance_weighted`].
    ImportanceWeighted,
    /// The importance-weighted bound, with the doubly reparameterised gradient for the encoder: [`Vae::doubly_reparameterised`].
    DoublyReparameterised,
    /// The ELBO with the gradient of the score function: [`Vae::score_function`].
    ScoreFunction,
}

/// The negative bound of rows of data (images, or rows of a table), estimated from M samples of z:
///
/// loss = β KL(q(z|x) ‖ p(z)) − E_q[log p(x|z)]
///
/// The parts are those of the ELBO at these samples, whatever the estimator and β.
#[derive(Clone, Copy, Debug)]
pub struct VaeObjective<'a> {
    /// The model.
    pub vae: &'a Vae,
    /// The data, (N, D + C).
    pub data: &'a Matrix<f32>,
    /// Whether and when pixels are made binary; conditions stay as they are.
    pub binarise: Binarise,
    /// M, the number of samples of z for each datum.
    pub samples: usize,
    /// How the bound is estimated.
    pub estimator: Estimator,
    /// β, the weight of the divergence (Higgins et al. 2017); the loss is a bound if it is 1.
    pub beta: f64,
    /// The number of epochs in which the weight of the divergence grows evenly to β (Bowman et al. 2016); 0 for none.
    pub warm_up: usize,
}

impl<'a> VaeObjective<'a> {
    /// The ELBO with the divergence in closed form, one sample, β = 1, numbers as they are.
    pub fn new(vae: &'a Vae, data: &'a Matrix<f32>) -> Self {
        let (binarise, estimator) = (Binarise::Grey, Estimator::ClosedForm);
        Self { vae, data, binarise, samples: 1, estimator, beta: 1.0, warm_up: 0 }
    }

    /// The weight of the divergence in this epoch, counted from 0.
    pub fn beta_in(&self, epoch: u64) -> f64 {
        self.beta * ((epoch + 1) as f64 / (self.warm_up + 1) as f64).min(1.0)
    }

    /// The weight of the divergence for a batch. It is β where a trained θ is evaluated, so that losses of different epochs
    /// can be compared.
    pub(crate) fn beta_of(&self, batch: &Batch<'_>) -> f64 {
        batch.epoch.map_or(self.beta, |epoch| self.beta_in(epoch))
    }

    /// The rows of a batch, (B, D + C).
    pub(crate) fn batch_on_tape<'t>(&self, tape: &'t Tape<f32>, batch: &Batch<'_>) -> Var<'t, f32> {
        tape.constant_with([batch.rows.len(), self.data.cols], |out| {
            self.data.gather_into(batch.rows, out);
            for (&row, out) in batch.rows.iter().zip(out.chunks_exact_mut(self.data.cols)) {
                self.binarise.apply(row, batch.epoch.unwrap_or(0), &mut out[..self.vae.inputs()]);
            }
        })
    }
}

impl Objective<f32> for VaeObjective<'_> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.data.rows
    }

    /// Σ over rows of β KL(q(z|x) ‖ p(z)) − E_q[log p(x|z)], or of minus the importance-weighted bound.
    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let Self { vae, samples, .. } = *self;
        let (tape, beta) = (theta.tape(), self.beta_of(batch) as f32);
        let rows = [batch.rows.len(), vae.latent()];
        let (x, eps) = (self.batch_on_tape(tape, batch), noise_on(tape, batch.noise, 0..samples, rows));
        let elbo = match self.estimator {
            // A single sample needs no mean over samples.
            Estimator::ClosedForm if samples == 1 => vae.elbo(theta, x, eps.reshape(rows)),
            Estimator::ClosedForm => vae.elbo(theta, x, eps),
            Estimator::MonteCarlo => vae.elbo_samples(theta, x, eps).mean_of_samples(),
            Estimator::ScoreFunction => vae.score_function(theta, x, eps),
            Estimator::ImportanceWeighted | Estimator::DoublyReparameterised => {
                let terms = match self.estimator {
                    Estimator::DoublyReparameterised => {
                        vae.doubly_reparameterised(theta, x, eps, f64::from(beta))
                    }
                    _ => vae.elbo_samples(theta, x, eps),
                };
                let elbo = terms.mean_of_samples();
                add_parts(parts, elbo.log_likelihood.sum(), elbo.kl.sum());
                return Ok(Elbo { kl: terms.kl * beta, ..terms }.importance_weighted().sum().neg());
            }
        };
        let (log_likelihood, kl) = (elbo.log_likelihood.sum(), elbo.kl.sum());
        add_parts(parts, log_likelihood, kl);
        Ok(times(kl, beta) - log_likelihood)
    }

    fn samples(&self) -> usize {
        self.samples
    }
}

/// The names of the parts of a bound.
pub(crate) const PARTS: &[&str] = &["elbo", "log_likelihood", "kl"];

/// Adds the sums of the parts over the rows of a batch.
pub(crate) fn add_parts<F: Real>(parts: &mut Parts<'_>, log_likelihood: Var<'_, F>, kl: Var<'_, F>) {
    let (log_likelihood, kl) = (log_likelihood.item().to_f64(), kl.item().to_f64());
    parts.add("elbo", log_likelihood - kl);
    parts.add("log_likelihood", log_likelihood);
    parts.add("kl", kl);
}

/// c x, without an operation if c is 1.
fn times(x: Var<'_, f32>, c: f32) -> Var<'_, f32> {
    if c == 1.0 { x } else { x * c }
}
