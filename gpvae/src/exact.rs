//! The bound of all samples and its exact gradient, in bounded memory.

use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::model::map_row_numbers;
use nn::train::Noise;
use rayon::prelude::*;

use crate::data::Samples;
use crate::prior::LatentPrior;
use crate::{Elbo, GpVae};

/// The number of rows that a tape holds at a time, and of such tapes that exist at a time.
const ROWS: usize = 128;
const TAPES: usize = 8;

/// The bound of all samples with its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct ElboGradient<F> {
    /// The parts of the bound, in nats, summed over the samples
    pub elbo: Elbo<f64>,
    /// The gradient of [`Elbo::value`] in θ
    pub gradient: Vec<F>,
}

/// log p(Z | X, W) in f64 with its gradients.
pub(crate) struct PriorGradient {
    pub(crate) log_prior: f64,
    /// In θ
    pub(crate) theta_bar: Vec<f64>,
    /// In Z, (N, L)
    pub(crate) z_bar: Vec<f64>,
}

impl<P: LatentPrior> GpVae<P> {
    /// The bound of all samples with this noise, and the exact gradient of its [`value`](Elbo::value) at λ in θ.
    ///
    /// The prior couples all rows, and the networks do not. So rows are encoded in chunks, log p(Z) is differentiated in Z as
    /// a whole, in f64, and the cotangent of Z goes back through the networks chunk by chunk, together with that of the
    /// reconstruction ([`Tape::backward_from`]; Casale et al. 2018, section 3.3). Memory grows with N only for Z and the
    /// prior. Chunks go to several threads; the bits do not depend on how many there are.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance of the prior has no Cholesky factor.
    #[track_caller]
    pub fn elbo_and_grad<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        samples: &Samples<F>,
        noise: Noise,
        lambda: f64,
    ) -> Result<ElboGradient<F>, NotPositiveDefinite> {
        self.elbo_and_grad_on(&mut Tape::new(), theta, samples, noise, lambda)
    }

    /// [`elbo_and_grad`](Self::elbo_and_grad) with a tape for the prior, whose memory is used again.
    #[track_caller]
    pub(crate) fn elbo_and_grad_on<F: Real>(
        &self,
        tape: &mut Tape<f64>,
        theta: &Arc<Vec<F>>,
        samples: &Samples<F>,
        noise: Noise,
        lambda: f64,
    ) -> Result<ElboGradient<F>, NotPositiveDefinite> {
        let latent = self.latent();
        let z = self.sample_latents(theta, samples, noise);
        let PriorGradient { log_prior, theta_bar, z_bar } = self.prior_and_grad(tape, theta, samples, &z)?;
        let scaled = |bar: Vec<f64>| bar.into_iter().map(|bar| F::from_f64(lambda * bar)).collect::<Vec<F>>();
        let (mut gradient, z_bar) = (scaled(theta_bar), scaled(z_bar));

        let mut elbo = Elbo { log_prior, ..Elbo::default() };
        let rows: Vec<usize> = (0..samples.len()).collect();
        for (wave, rows) in rows.chunks(TAPES * ROWS).enumerate() {
            let chunk = |tape: &mut Tape<F>, (chunk, rows): (usize, &[usize])| {
                tape.clear();
                let first = (wave * TAPES + chunk) * ROWS;
                let theta = tape.shared_parameter(theta, [theta.len()]);
                let images = samples.rows_on(tape, rows);
                let q = self.encode(theta, images.y);
                let z = q.sample_with(noise_on(tape, noise.skip(first), [rows.len(), latent]));
                let log_likelihood = self.log_likelihood(theta, images, z).sum();
                let entropy = q.entropy().sum();
                let objective = log_likelihood + entropy * F::from_f64(lambda);
                let cotangents = [(objective, &[F::ONE][..]), (z, &z_bar[first * latent..][..z.size()])];
                let gradient = tape.backward_from(&cotangents).wrt(theta).to_vec();
                let [log_likelihood, entropy] = [log_likelihood, entropy].map(|part| part.item().to_f64());
                ElboGradient { elbo: Elbo { log_likelihood, log_prior: 0.0, entropy }, gradient }
            };
            let chunks: Vec<_> = rows.par_chunks(ROWS).enumerate().map_init(Tape::new, chunk).collect();
            for chunk in chunks {
                elbo += chunk.elbo;
                gradient.iter_mut().zip(chunk.gradient).for_each(|(sum, part)| *sum += part);
            }
        }
        Ok(ElboGradient { elbo, gradient })
    }

    /// A sample Z = μ + σ ⊙ ε of q(Z|Y), (N, L).
    pub(crate) fn sample_latents<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        samples: &Samples<F>,
        noise: Noise,
    ) -> Vec<F> {
        let latent = self.latent();
        let z = map_row_numbers(theta, samples.len(), latent, |theta, at| {
            let (noise, rows) = (noise.skip(at.start), at.collect::<Vec<_>>());
            let q = self.encode(theta, samples.rows_on(theta.tape(), &rows).y);
            q.sample_with(noise_on(theta.tape(), noise, [rows.len(), latent]))
        });
        Arc::unwrap_or_clone(z.values)
    }

    /// The means μ of q(Z|Y), (N, L).
    pub(crate) fn latent_means<F: Real>(&self, theta: &Arc<Vec<F>>, samples: &Samples<F>) -> Vec<F> {
        let z = map_row_numbers(theta, samples.len(), self.latent(), |theta, at| {
            let rows: Vec<usize> = at.collect();
            self.encode(theta, samples.rows_on(theta.tape(), &rows).y).mu()
        });
        Arc::unwrap_or_clone(z.values)
    }

    /// log p(Z | X, W) and its gradients, on a tape whose memory is used again.
    #[track_caller]
    pub(crate) fn prior_and_grad<F: Real>(
        &self,
        tape: &mut Tape<f64>,
        theta: &[F],
        samples: &Samples<F>,
        z: &[F],
    ) -> Result<PriorGradient, NotPositiveDefinite> {
        tape.clear();
        let theta = tape.parameter(&doubles(theta), [theta.len()]);
        let z = tape.parameter(&doubles(z), [samples.len(), self.latent()]);
        let log_prior = self.prior().log_prob(theta, self.place_rows(theta, &samples.places), z)?;
        let gradients = tape.backward(log_prior);
        let [theta_bar, z_bar] = [theta, z].map(|var| gradients.wrt(var).to_vec());
        Ok(PriorGradient { log_prior: log_prior.item(), theta_bar, z_bar })
    }
}

/// Standard normal noise on a tape, (rows, L).
pub(crate) fn noise_on<F: Real>(tape: &Tape<F>, noise: Noise, shape: [usize; 2]) -> Var<'_, F> {
    tape.constant_with(shape, |out| noise.normal(0, shape[1], out))
}

/// Numbers in double precision.
pub(crate) fn doubles<F: Real>(x: &[F]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}
