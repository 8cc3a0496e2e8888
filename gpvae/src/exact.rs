//! The bound of all samples and its exact gradient, in bounded memory.

use std::sync::Arc;

use autograd::{NotPositiveDefinite, Real, Tape};
use nn::map_row_numbers;
use nn::noise::Noise;
use rayon::prelude::*;

use crate::prior::Prior;
use crate::{Bound, GpVae, Samples};

/// Rows that a tape holds at a time, and how many such tapes are alive.
const ROWS: usize = 128;
const TAPES: usize = 8;

impl<P: Prior> GpVae<P> {
    /// The bound of all samples with this noise, and the gradient of its [`value`](Bound::value) at λ in θ.
    ///
    /// The prior couples all rows, the networks do not: so the rows are encoded in chunks; log p(Z) is differentiated with
    /// respect to Z as a whole, in f64; and Z's cotangent then goes back through the networks chunk by chunk, with that
    /// of the reconstruction ([`Tape::backward_from`]; Casale et al. 2018, section 3.3). Memory does not grow with
    /// N but for Z and the prior; chunks go to several threads, and the bits do not depend on how many.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if the prior has no Cholesky factor.
    #[track_caller]
    pub fn bound_and_grad<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        samples: &Samples<F>,
        noise: Noise,
        lambda: f64,
    ) -> Result<(Bound<f64>, Vec<F>), NotPositiveDefinite> {
        let latent = self.networks.latent();
        let z = self.encode_all(theta, samples, Some(noise));
        let (log_prior, [theta_bar, z_bar]) = self.prior_and_grad(theta, samples, &z)?;
        let scaled = |bar: Vec<f64>| bar.into_iter().map(|bar| F::from_f64(lambda * bar)).collect::<Vec<F>>();
        let (mut gradient, z_bar) = (scaled(theta_bar), scaled(z_bar));

        let mut bound = Bound { log_prior, ..Bound::default() };
        let rows: Vec<usize> = (0..samples.len()).collect();
        for (wave, rows) in rows.chunks(TAPES * ROWS).enumerate() {
            let chunks: Vec<_> = (rows.par_chunks(ROWS).enumerate())
                .map_init(Tape::new, |tape, (chunk, rows)| {
                    tape.clear();
                    let theta = tape.shared_parameter(theta, [theta.len()]);
                    let (seen, q) = self.encode_rows(theta, samples, rows);
                    let first = (wave * TAPES + chunk) * ROWS;
                    let eps = tape
                        .constant_with([rows.len(), latent], |out| noise.skip(first).normal(0, latent, out));
                    let z = q.sample_with(eps);
                    let log_likelihood = self.log_likelihood(theta, seen, z).sum();
                    let entropy = q.entropy().sum();
                    let objective = log_likelihood + entropy * F::from_f64(lambda);
                    let seeds = [(objective, &[F::ONE][..]), (z, &z_bar[first * latent..][..z.size()])];
                    let gradient = tape.backward_from(&seeds).wrt(theta).to_vec();
                    (log_likelihood.item().to_f64(), entropy.item().to_f64(), gradient)
                })
                .collect();
            for (log_likelihood, entropy, part) in chunks {
                bound.add(Bound { log_likelihood, log_prior: 0.0, entropy });
                gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        Ok((bound, gradient))
    }

    /// Z = μ + σ ⊙ ε of all samples, or their means μ without noise, (N, L).
    #[track_caller]
    pub(crate) fn encode_all<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        samples: &Samples<F>,
        noise: Option<Noise>,
    ) -> Vec<F> {
        let latent = self.networks.latent();
        let z = map_row_numbers(theta, samples.len(), latent, |theta, at| {
            let rows: Vec<usize> = at.clone().collect();
            let (_, q) = self.encode_rows(theta, samples, &rows);
            let Some(noise) = noise else { return q.mu() };
            let noise = noise.skip(at.start);
            let eps = theta.tape().constant_with([rows.len(), latent], |out| noise.normal(0, latent, out));
            q.sample_with(eps)
        });
        Arc::unwrap_or_clone(z.values)
    }

    /// log p(Z | X, W) in f64, with its gradients in θ and Z.
    #[track_caller]
    pub(crate) fn prior_and_grad<F: Real>(
        &self,
        theta: &[F],
        samples: &Samples<F>,
        z: &[F],
    ) -> Result<(f64, [Vec<f64>; 2]), NotPositiveDefinite> {
        let tape = Tape::new();
        let doubles = |x: &[F]| x.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let theta = tape.parameter(&doubles(theta), [theta.len()]);
        let z = tape.parameter(&doubles(z), [samples.len(), self.networks.latent()]);
        let log_prior = self.prior.log_prob(theta, self.place_rows(theta, &samples.places), z)?;
        let gradients = tape.backward(log_prior);
        Ok((log_prior.item(), [gradients.wrt(theta).to_vec(), gradients.wrt(z).to_vec()]))
    }
}
