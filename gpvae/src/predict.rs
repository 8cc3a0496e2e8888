//! What a trained model says of views that it has not seen.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::noise::Noise;
use nn::{map_row_numbers, map_rows};

use crate::prior::Prior;
use crate::{GpVae, GpVaeError, Places, Samples};

/// Noise of the draws of z⋆, apart from that of Z, which is numbered from 0.
const NEW: usize = 1 << 23;

/// N(mean, variance) of latents z⋆, independent in their coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Latents {
    /// E[z⋆ | Z], (n, L)
    pub mean: Matrix<f64>,
    /// Var[f⋆ | Z] + α, (n), the same for all coordinates
    pub variance: Vec<f64>,
}

/// Moments of predicted images, (n, K) each.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictive {
    /// E[y⋆ | Y]
    pub mean: Matrix<f64>,
    /// Var[y⋆ | Y], σ_y² included
    pub variance: Matrix<f64>,
}

impl<P: Prior> GpVae<P> {
    /// The means and log standard deviations of q(z|y), (N, L) each.
    pub fn codes<F: Real>(&self, theta: &Arc<Vec<F>>, samples: &Samples<F>) -> [Matrix<F>; 2] {
        let rows: Vec<usize> = (0..samples.len()).collect();
        let width = 2 * self.networks.latent();
        let packed = map_row_numbers(theta, rows.len(), width, |theta, at| {
            self.encode_rows(theta, samples, &rows[at]).1.packed
        });
        let columns: Vec<usize> = (0..width).collect();
        let (mu, log_sigma) = columns.split_at(width / 2);
        [packed.columns(mu), packed.columns(log_sigma)]
    }

    /// g(z) of every row of z, (n, L) to (n, K).
    ///
    /// # Panics
    /// If the rows of z are not L long.
    #[track_caller]
    pub fn decode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, z: &Matrix<F>) -> Matrix<F> {
        assert!(z.cols == self.networks.latent(), "decode_rows: [{}, {}]", z.rows, z.cols);
        map_rows(theta, z, self.networks.pixels(), |theta, z| self.networks.decode(theta, z))
    }

    /// p(z⋆ | x⋆, w⋆, Z) at new places, Z the means of q(Z|Y) (lecture 003, "Predictive posterior sampling": the
    /// latent-space GP predictive posterior).
    ///
    /// # Errors
    /// If an object has no training sample, or a covariance no Cholesky factor.
    pub fn latents<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        train: &Samples<F>,
        at: &Places,
    ) -> Result<Latents, GpVaeError> {
        let z = self.encode_all(theta, train, None);
        self.latents_given(theta, train, &z, at)
    }

    /// The same for these Z.
    fn latents_given<F: Real>(
        &self,
        theta: &[F],
        train: &Samples<F>,
        z: &[F],
        at: &Places,
    ) -> Result<Latents, GpVaeError> {
        at.seen_in(&train.places)?;
        let (tape, latent) = (Tape::new(), self.networks.latent());
        let doubles = |x: &[F]| x.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let alpha = self.prior.alpha().map_or(0.0, |alpha| alpha.value(theta));
        let theta = tape.constant(&doubles(theta), [theta.len()]);
        let z = tape.constant(&doubles(z), [train.len(), latent]);
        let [x, at_rows] = [&train.places, at].map(|places| self.place_rows(theta, places));
        let posterior = self.prior.posterior(theta, x, z, at_rows)?;
        // Rounding may leave a variance of nothing below 0.
        let variance = posterior.variance.with(|v| v.iter().map(|&v| v.max(0.0) + alpha).collect());
        Ok(Latents { mean: Matrix::new(at.len(), latent, posterior.mean.to_vec()), variance })
    }

    /// The images decoded from E[z⋆ | Z] at new places, (n, K).
    ///
    /// # Errors
    /// As [`latents`](Self::latents).
    pub fn predict<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        train: &Samples<F>,
        at: &Places,
    ) -> Result<Matrix<F>, GpVaeError> {
        Ok(self.decode_rows(theta, &self.latents(theta, train, at)?.mean.map(F::from_f64)))
    }

    /// E[y⋆ | Y] and Var[y⋆ | Y] by draws of Z, z⋆ given Z, and g(z⋆) (lecture 003, "Predictive posterior sampling"):
    ///
    /// p(y⋆ | x⋆, w⋆, Y) ≈ ∫ p(y⋆ | z⋆) p(z⋆ | x⋆, w⋆, Z) q(Z | Y) dz⋆ dZ
    ///
    /// With a single draw the mean is that draw's image, and the variance σ_y².
    ///
    /// # Errors
    /// As [`latents`](Self::latents).
    ///
    /// # Panics
    /// If there are no draws.
    #[track_caller]
    pub fn predict_sampled<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        train: &Samples<F>,
        at: &Places,
        draws: usize,
        seed: u64,
    ) -> Result<Predictive, GpVaeError> {
        assert!(draws > 0, "predict_sampled: no draws");
        let (latent, pixels) = (self.networks.latent(), self.networks.pixels());
        let mut sums = [vec![0.0; at.len() * pixels], vec![0.0; at.len() * pixels]];
        for draw in 0..draws {
            let noise = Noise::new(seed, draw as u64);
            let z = self.encode_all(theta, train, Some(noise));
            let Latents { mean, variance } = self.latents_given(theta, train, &z, at)?;
            let mut z = vec![0.0; at.len() * latent];
            noise.normal(NEW, latent, &mut z);
            for ((z, mean), i) in z.iter_mut().zip(mean.values.iter()).zip(0..) {
                *z = mean + variance[i / latent].sqrt() * *z;
            }
            let z = z.into_iter().map(F::from_f64).collect();
            let images = self.decode_rows(theta, &Matrix::new(at.len(), latent, z));
            for (i, y) in images.values.iter().enumerate() {
                let y = y.to_f64();
                sums[0][i] += y;
                sums[1][i] += y * y;
            }
        }
        let (count, noise) = (draws as f64, self.sigma_y(theta).powi(2));
        let [mut mean, mut variance] = sums;
        for (mean, square) in mean.iter_mut().zip(&mut variance) {
            *mean /= count;
            *square = (*square / count - *mean * *mean).max(0.0) * count / (count - 1.0).max(1.0) + noise;
        }
        let matrix = |values| Matrix::new(at.len(), pixels, values);
        Ok(Predictive { mean: matrix(mean), variance: matrix(variance) })
    }
}
