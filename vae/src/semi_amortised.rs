//! Semi-amortised inference: what the encoder says, refined.

use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use nn::train::{Batch, Objective, Parts};

use crate::bounds::noise_on;
use crate::objective::{PARTS, add_parts};
use crate::{Estimator, Posterior, VaeObjective};

/// The negative bound at refined posteriors (Kim et al. 2018; Krishnan, Liang & Hoffman 2018): their parameters λ begin as
/// the encoder's for each datum, and are refined a few times,
///
/// λ ← λ + ρ ∇_λ ELBO
///
/// The decoder is trained at the refined posteriors, the encoder by the bound of its own posteriors. The refinement is not
/// differentiated. Loss and parts are those at the refined posteriors.
#[derive(Clone, Copy, Debug)]
pub struct SemiAmortisedObjective<'a> {
    /// The model, the data, samples and β. The estimator must be [`Estimator::ClosedForm`]; otherwise the loss panics.
    pub bound: VaeObjective<'a>,
    /// How often λ is refined.
    pub steps: usize,
    /// ρ, the learning rate of the refinement.
    pub rate: f64,
}

impl Objective<f32> for SemiAmortisedObjective<'_> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.bound.data.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let VaeObjective { vae, samples, estimator, .. } = self.bound;
        assert!(
            estimator == Estimator::ClosedForm,
            "SemiAmortisedObjective: expected Estimator::ClosedForm, found {estimator:?}"
        );
        let (tape, latent, covariance) = (theta.tape(), vae.latent(), vae.config().covariance);
        let beta = self.bound.beta_of(batch) as f32;
        let x = self.bound.batch_on_tape(tape, batch);
        // Each step has its own noise: λ could undo noise that it has seen.
        let noise = noise_on(tape, batch.noise, 0..self.samples(), [batch.rows.len(), latent]);
        let bound = |theta, q: Posterior<'t, f32>, step: usize| {
            let elbo = vae.elbo_at(theta, q, x, noise.rows(step * samples..(step + 1) * samples));
            (elbo, (elbo.kl * beta - elbo.log_likelihood).sum())
        };

        let (fixed, start) = (theta.stop_gradient(), vae.posterior_parameters(theta, x));
        let (_, amortised) = bound(fixed, covariance.at(latent, start), 0);
        let mut lambda = start.to_vec();
        for step in 1..=self.steps {
            let on_tape = tape.parameter(&lambda, start.shape());
            let gradients = tape.backward(bound(fixed, covariance.at(latent, on_tape), step).1);
            let slopes = lambda.iter_mut().zip(gradients.wrt(on_tape));
            slopes.for_each(|(lambda, slope)| *lambda -= self.rate as f32 * slope);
        }
        let refined = covariance.at(latent, tape.constant(&lambda, start.shape()));
        let (elbo, refined) = bound(theta, refined, 0);
        add_parts(parts, elbo.log_likelihood.sum(), elbo.kl.sum());
        // The encoder's own bound contributes its gradient, and 0 to the value.
        Ok(refined + (amortised - amortised.stop_gradient()))
    }

    fn samples(&self) -> usize {
        self.bound.samples * (1 + self.steps)
    }
}
