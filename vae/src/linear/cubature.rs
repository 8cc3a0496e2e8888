//! The bound of a linear variational autoencoder without sampling.

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::train::{Batch, Objective, Parts};

use crate::Vae;
use crate::objective::{PARTS, add_parts};

/// The negative ELBO of rows of numbers, in which E_q is the mean over the 2L points ε = ±√L eⱼ instead of random draws of ε.
///
/// These points have the mean 0 and the covariance I, and expectations of polynomials up to the third degree are exact (the
/// cubature rule of Arasaratnam & Haykin 2009). With a linear decoder and Gaussian noise, log p(x|z) is a polynomial of the
/// second degree in z: bound and gradient are exact, and the best bound is the maximum log-likelihood of probabilistic PCA
/// (Lucas et al. 2019, "Don't blame the ELBO!"). For other decoders this is an approximation.
#[derive(Clone, Copy, Debug)]
pub struct CubatureObjective<'a, F> {
    /// The model.
    pub vae: &'a Vae,
    /// The data, (N, D + C).
    pub data: &'a Matrix<F>,
}

/// The 2L points ε for each of B rows, (2L, B, L).
fn points<F: Real>(tape: &Tape<F>, rows: usize, latent: usize) -> Var<'_, F> {
    let size = F::from_f64((latent as f64).sqrt());
    tape.constant_with([2 * latent, rows, latent], |out| {
        out.fill(F::ZERO);
        for (point, out) in out.chunks_exact_mut(rows * latent).enumerate() {
            let value = if point < latent { size } else { -size };
            out.iter_mut().skip(point % latent).step_by(latent).for_each(|e| *e = value);
        }
    })
}

impl<F: Real> Objective<F> for CubatureObjective<'_, F> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.data.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let tape = theta.tape();
        let points = points(tape, batch.rows.len(), self.vae.latent());
        let elbo = self.vae.elbo(theta, batch.gather(tape, self.data), points);
        let (log_likelihood, kl) = (elbo.log_likelihood.sum(), elbo.kl.sum());
        add_parts(parts, log_likelihood, kl);
        Ok(kl - log_likelihood)
    }

    fn samples(&self) -> usize {
        2 * self.vae.latent()
    }
}
