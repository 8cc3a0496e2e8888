//! What a trained model says of views that it has not seen.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::model::map_rows;
use nn::train::Noise;
use vae::Codes;

use crate::data::{Places, Samples};
use crate::exact::doubles;
use crate::prior::LatentPrior;
use crate::{GpVae, GpVaeError};

/// The number of the noise of draws of z⋆, apart from the noise of Z, which has the number 0.
const NEW: usize = 1 << 23;

/// N(mean, variance) of latents z⋆ at n new places. The columns are independent.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentPrediction {
    /// E[z⋆ | Z], (n, L)
    pub mean: Matrix<f64>,
    /// Var[f⋆ | Z] + α, (n), the same for all columns
    pub variance: Vec<f64>,
}

/// Moments of predicted images at n new places.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// E[y⋆ | Y], (n, K)
    pub mean: Matrix<f64>,
    /// Var[y⋆ | Y], σ_y² included, (n, K)
    pub variance: Matrix<f64>,
}

impl<P: LatentPrior> GpVae<P> {
    /// q(z|y) of rows y (n, K).
    pub fn encode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, y: &Matrix<F>) -> Codes<F> {
        let latent = self.latent();
        let packed = map_rows(theta, y, 2 * latent, |theta, y| self.encode(theta, y).packed);
        let columns: Vec<usize> = (0..2 * latent).collect();
        let (mu, log_sigma) = columns.split_at(latent);
        Codes { mu: packed.columns(mu), log_sigma: packed.columns(log_sigma) }
    }

    /// g(z) of rows z, (n, L) to (n, K).
    pub fn decode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, z: &Matrix<F>) -> Matrix<F> {
        map_rows(theta, z, self.pixels(), |theta, z| self.decode(theta, z))
    }

    /// p(z⋆ | x⋆, w⋆, Z) at new places, with the means of q(Z|Y) as Z (lecture 003, "Predictive posterior sampling": the
    /// latent-space GP predictive posterior).
    ///
    /// # Errors
    /// [`GpVaeError::UnseenObject`] if an object has no training sample, [`GpVaeError::Factor`] if a covariance has no Cholesky
    /// factor.
    pub fn predict_latents<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        train: &Samples<F>,
        at: &Places,
    ) -> Result<LatentPrediction, GpVaeError> {
        self.predict_latents_given(theta, train, &self.latent_means(theta, train), at)
    }

    /// p(z⋆ | x⋆, w⋆, Z) for this Z.
    fn predict_latents_given<F: Real>(
        &self,
        theta: &[F],
        train: &Samples<F>,
        z: &[F],
        at: &Places,
    ) -> Result<LatentPrediction, GpVaeError> {
        at.check_seen_in(&train.places)?;
        let (tape, latent) = (Tape::new(), self.latent());
        let alpha = self.prior().alpha().map_or(0.0, |alpha| alpha.value(theta));
        let theta = tape.constant(&doubles(theta), [theta.len()]);
        let z = tape.constant(&doubles(z), [train.len(), latent]);
        let [x, at_rows] = [&train.places, at].map(|places| self.place_rows(theta, places));
        let posterior = self.prior().posterior(theta, x, z, at_rows)?;
        // Rounding may leave a variance that should be 0 below 0.
        let variance = posterior.variance.with(|v| v.iter().map(|&v| v.max(0.0) + alpha).collect());
        Ok(LatentPrediction { mean: Matrix::new(at.len(), latent, posterior.mean.to_vec()), variance })
    }

    /// The images decoded from E[z⋆ | Z] at new places, (n, K).
    ///
    /// # Errors
    /// Those of [`predict_latents`](Self::predict_latents).
    pub fn predict<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        train: &Samples<F>,
        at: &Places,
    ) -> Result<Matrix<F>, GpVaeError> {
        Ok(self.decode_rows(theta, &self.predict_latents(theta, train, at)?.mean.map(F::from_f64)))
    }

    /// E[y⋆ | Y] and Var[y⋆ | Y] at new places, by draws of Z, z⋆ given Z, and g(z⋆) (lecture 003, "Predictive posterior
    /// sampling"):
    ///
    /// p(y⋆ | x⋆, w⋆, Y) ≈ ∫ p(y⋆ | z⋆) p(z⋆ | x⋆, w⋆, Z) q(Z | Y) dz⋆ dZ
    ///
    /// With a single draw the mean is that draw's image, and the variance is σ_y².
    ///
    /// # Errors
    /// Those of [`predict_latents`](Self::predict_latents).
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
    ) -> Result<Prediction, GpVaeError> {
        assert!(draws > 0, "predict_sampled: expected at least one draw");
        let mut mean = vec![0.0; at.len() * self.pixels()];
        let mut variance = mean.clone();
        for draw in 0..draws {
            let images = self.sample_images(theta, train, at, Noise::new(seed, draw as u64))?;
            for ((mean, square), y) in mean.iter_mut().zip(&mut variance).zip(images.values.iter()) {
                *mean += y.to_f64();
                *square += y.to_f64().powi(2);
            }
        }
        let (count, noise) = (draws as f64, self.sigma_y(theta).powi(2));
        for (mean, square) in mean.iter_mut().zip(&mut variance) {
            *mean /= count;
            *square = (*square / count - *mean * *mean).max(0.0) * count / (count - 1.0).max(1.0) + noise;
        }
        let [mean, variance] = [mean, variance].map(|values| Matrix::new(at.len(), self.pixels(), values));
        Ok(Prediction { mean, variance })
    }

    /// g(z⋆) of one draw of Z and of z⋆ given Z.
    fn sample_images<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        train: &Samples<F>,
        at: &Places,
        noise: Noise,
    ) -> Result<Matrix<F>, GpVaeError> {
        let latent = self.latent();
        let z = self.sample_latents(theta, train, noise);
        let LatentPrediction { mean, variance } = self.predict_latents_given(theta, train, &z, at)?;
        let mut z = vec![0.0; at.len() * latent];
        noise.normal(NEW, latent, &mut z);
        for ((z, mean), i) in z.iter_mut().zip(mean.values.iter()).zip(0..) {
            *z = mean + variance[i / latent].sqrt() * *z;
        }
        let z = z.into_iter().map(F::from_f64).collect();
        Ok(self.decode_rows(theta, &Matrix::new(at.len(), latent, z)))
    }
}
