//! Sequences of a digit that turns, with pixels missing.

use nn::data::{Binarise, Matrix};
use nn::train::Noise;

use super::rotations::Image;

/// How ordinary images become sequences (Healing MNIST: Krishnan et al. 2015, "Deep Kalman filters", by the recipe of Fortuin et
/// al. 2020, "GP-VAE: deep probabilistic time series imputation").
///
/// Each image is turned about its centre by an angle that takes a random step before every frame, normal with the mean 0, the
/// first one included, by cubic convolution with black around it; pixels above ½ become 1, all others 0. Then pixels of every frame are
/// missing at random, each with the same probability, independent of all else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Healing {
    /// T, the number of frames of a sequence
    pub frames: usize,
    /// The standard deviation of the angle's steps, in radians
    pub step: f64,
    /// The probability that a pixel is missing
    pub missing: f64,
    /// The seed of the random numbers
    pub seed: u64,
}

/// Sequences of frames, row s T + t for frame t of sequence s.
#[derive(Clone, Debug, PartialEq)]
pub struct Turning {
    /// All pixels, 0 or 1, (S T, D)
    pub frames: Matrix<f32>,
    /// The pixels that are seen, and NaN where one is missing, (S T, D)
    pub seen: Matrix<f32>,
}

impl Default for Healing {
    /// Ten frames, steps with a standard deviation of 15°, 60 % of the pixels missing.
    fn default() -> Self {
        Self { frames: 10, step: 15f64.to_radians(), missing: 0.6, seed: 0 }
    }
}

impl Healing {
    /// Sequences of these images of `height` x `width` pixels, one image a row.
    ///
    /// # Panics
    /// If the images have another size, or the probability is not one.
    #[track_caller]
    pub fn sequences(&self, images: &Matrix<f32>, [height, width]: [usize; 2]) -> Turning {
        let Self { frames, step, missing, seed } = *self;
        let pixels = images.cols;
        assert!(
            pixels == height * width,
            "Healing: expected images of {height} x {width} pixels, found rows of {pixels} numbers"
        );
        assert!((0.0..=1.0).contains(&missing), "Healing: expected a probability of gaps, found {missing}");
        let mut steps = vec![0.0; images.rows * frames];
        Noise::new(seed, 0).normal(0, frames, &mut steps);
        let mut values = Vec::with_capacity(steps.len() * pixels);
        for (s, steps) in steps.chunks_exact(frames.max(1)).enumerate() {
            let image = Image { pixels: images.row(s), height, width };
            let mut angle = 0.0;
            for noise in steps {
                angle += step * noise;
                image.turn(angle, [height, width], &mut values);
            }
        }
        values.iter_mut().for_each(|pixel| *pixel = f32::from(*pixel > 0.5));
        let mut seen = values.clone();
        let mut gaps = vec![0.0; pixels];
        for (row, seen) in seen.chunks_exact_mut(pixels).enumerate() {
            gaps.fill(missing as f32);
            Binarise::Fixed { seed }.apply(row, 0, &mut gaps);
            seen.iter_mut().zip(&gaps).filter(|(_, gap)| **gap == 1.0).for_each(|(y, _)| *y = f32::NAN);
        }
        let matrix = |values| Matrix::new(images.rows * frames, pixels, values);
        Turning { frames: matrix(values), seen: matrix(seen) }
    }
}
