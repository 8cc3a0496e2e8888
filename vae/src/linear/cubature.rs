//! The bound of a linear variational autoencoder without sampling.

use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::train::{Batch, Objective};

use crate::Vae;

/// −ELBO of rows of numbers, where E_q is the mean over the 2L points ε = ±√L eⱼ instead of random ones.
///
/// These have the mean 0 and the covariance I, so that expectations of polynomials up to the third degree are exact (the
/// cubature rule of Arasaratnam & Haykin 2009). With a linear decoder and Gaussian noise log p(x|z) is one of the second:
/// bound and gradient are then exact, and the best bound is the maximum log-likelihood of probabilistic PCA (Lucas et al.
/// 2019, "Don't blame the ELBO!"). For other decoders this is an approximation.
#[derive(Clone, Copy, Debug)]
pub struct CubatureElbo<'a, F> {
    /// The model.
    pub vae: &'a Vae,
    /// The data, a row a datum.
    pub data: &'a Matrix<F>,
}

/// ε (2L, B, L): the 2L points for each of B rows.
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

impl<F: Real> Objective<F> for CubatureElbo<'_, F> {
    const PARTS: &'static [&'static str] = &["elbo", "log_likelihood", "kl"];

    fn loss<'t>(&self, theta: Var<'t, F>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, F> {
        let (tape, rows, width) = (theta.tape(), batch.rows.len(), self.data.cols);
        let x = tape.constant_with([rows, width], |out| self.data.gather_into(batch.rows, out));
        let elbo = self.vae.elbo(theta, x, points(tape, rows, self.vae.latent()));
        let (log_likelihood, kl) = (elbo.log_likelihood.sum(), elbo.kl.sum());
        parts[1] = log_likelihood.item().to_f64();
        parts[2] = kl.item().to_f64();
        parts[0] = parts[1] - parts[2];
        kl - log_likelihood
    }

    fn samples(&self) -> usize {
        2 * self.vae.latent()
    }
}
