//! What a trained model says of views that it has not seen.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::model::{map_row_numbers, map_rows};
use nn::train::Noise;
use vae::{Codes, Covariance};

use crate::data::{Places, Samples};
use crate::exact::{doubles, noise_on};
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

/// What predictions condition on: where the training samples lie, and q(z|y) there. The images themselves are not needed.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingCodes<F> {
    /// Where the samples lie, N places
    pub places: Places,
    /// The means and the logarithms of the standard deviations of q(z|y), (N, 2 L)
    pub(crate) packed: Matrix<F>,
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

    /// What predictions condition on: the places of training samples, and q(z|y) there.
    pub fn training_codes<F: Real>(&self, theta: &Arc<Vec<F>>, train: &Samples<F>) -> TrainingCodes<F> {
        let packed = map_row_numbers(theta, train.len(), 2 * self.latent(), |theta, rows| {
            let rows: Vec<usize> = rows.collect();
            self.encode(theta, train.rows_on(theta.tape(), &rows).y).packed
        });
        TrainingCodes { places: train.places.clone(), packed }
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
        self.predict_latents_given(theta, &self.training_codes(theta, train), at)
    }

    /// [`predict_latents`](Self::predict_latents) without the training samples, from their codes.
    ///
    /// # Errors
    /// Those of [`predict_latents`](Self::predict_latents).
    pub fn predict_latents_given<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        training: &TrainingCodes<F>,
        at: &Places,
    ) -> Result<LatentPrediction, GpVaeError> {
        self.latents_of(theta, &training.places, &training.means(), at)
    }

    /// p(z⋆ | x⋆, w⋆, Z) for this Z at these places.
    fn latents_of<F: Real>(
        &self,
        theta: &[F],
        train: &Places,
        z: &[F],
        at: &Places,
    ) -> Result<LatentPrediction, GpVaeError> {
        at.check_seen_in(train)?;
        let (tape, latent) = (Tape::new(), self.latent());
        let alpha = self.prior().alpha().map_or(0.0, |alpha| alpha.value(theta));
        let theta = tape.constant(&doubles(theta), [theta.len()]);
        let z = tape.constant(&doubles(z), [train.len(), latent]);
        let [x, at_rows] = [train, at].map(|places| self.place_rows(theta, places));
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
        self.predict_given(theta, &self.training_codes(theta, train), at)
    }

    /// [`predict`](Self::predict) without the training samples, from their codes: the same bits.
    ///
    /// # Errors
    /// Those of [`predict_latents`](Self::predict_latents).
    pub fn predict_given<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        training: &TrainingCodes<F>,
        at: &Places,
    ) -> Result<Matrix<F>, GpVaeError> {
        Ok(self.decode_rows(theta, &self.predict_latents_given(theta, training, at)?.mean.map(F::from_f64)))
    }

    /// E[y⋆ | Y] and Var[y⋆ | Y] at new places, by draws of Z, z⋆ given Z, and g(z⋆) (lecture 003, "Predictive posterior
    /// sampling"):
    ///
    /// p(y⋆ | x⋆, w⋆, Y) ≈ ∫ p(y⋆ | z⋆) p(z⋆ | x⋆, w⋆, Z) q(Z | Y) dz⋆ dZ
    ///
    /// With a single draw the mean is that draw's image, and the variance is σ_y². The noise of z⋆ is a function of seed, draw and place:
    /// what is predicted of a place does not depend on which others are predicted with it.
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
        self.predict_sampled_given(theta, &self.training_codes(theta, train), at, draws, seed)
    }

    /// [`predict_sampled`](Self::predict_sampled) without the training samples, from their codes: the same bits.
    ///
    /// # Errors
    /// Those of [`predict_latents`](Self::predict_latents).
    ///
    /// # Panics
    /// If there are no draws.
    #[track_caller]
    pub fn predict_sampled_given<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        training: &TrainingCodes<F>,
        at: &Places,
        draws: usize,
        seed: u64,
    ) -> Result<Prediction, GpVaeError> {
        assert!(draws > 0, "predict_sampled: expected at least one draw");
        let mut mean = vec![0.0; at.len() * self.pixels()];
        let mut variance = mean.clone();
        for draw in 0..draws {
            let images = self.sample_images(theta, training, at, Noise::new(seed, draw as u64))?;
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
        training: &TrainingCodes<F>,
        at: &Places,
        noise: Noise,
    ) -> Result<Matrix<F>, GpVaeError> {
        let latent = self.latent();
        let z = training.sample(noise);
        let LatentPrediction { mean, variance } = self.latents_of(theta, &training.places, &z.values, at)?;
        let mut z = vec![0.0; at.len() * latent];
        for (i, z) in z.chunks_exact_mut(latent).enumerate() {
            noise.skip(at.key(i) as usize).normal(NEW, latent, z);
        }
        for ((z, mean), i) in z.iter_mut().zip(mean.values.iter()).zip(0..) {
            *z = mean + variance[i / latent].sqrt() * *z;
        }
        let z = z.into_iter().map(F::from_f64).collect();
        Ok(self.decode_rows(theta, &Matrix::new(at.len(), latent, z)))
    }
}

impl<F: Real> TrainingCodes<F> {
    /// L
    fn latent(&self) -> usize {
        self.packed.cols / 2
    }

    /// The means μ of q(Z|Y), (N, L).
    fn means(&self) -> Vec<F> {
        let latent = self.latent();
        self.packed.values.chunks_exact(2 * latent).flat_map(|row| row[..latent].iter().copied()).collect()
    }

    /// A draw Z = μ + σ ⊙ ε of q(Z|Y), (N, L).
    fn sample(&self, noise: Noise) -> Matrix<F> {
        let latent = self.latent();
        map_row_numbers(&self.packed.values, self.packed.rows, latent, |packed, rows| {
            let here = packed.view(rows.start * 2 * latent, [rows.len(), 2 * latent]);
            let q = Covariance::Diagonal.at(latent, here).diagonal;
            q.sample_with(noise_on(packed.tape(), noise.skip(rows.start), [rows.len(), latent]))
        })
    }
}
