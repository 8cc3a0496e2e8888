//! Grey pixels to black and white.

use super::keyed::{draw, key};
use super::{DataError, Matrix};

/// What becomes of a grey pixel in \[0, 1\] before a Bernoulli likelihood sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Binarise {
    /// It stays grey (then the "likelihood" is an expected one, not that of a distribution on greys).
    Grey,
    /// 1 where the pixel is greater than the threshold, otherwise 0.
    Threshold(f32),
    /// Bernoulli(pixel), drawn once: every epoch sees the same image.
    Fixed {
        /// Of the draws.
        seed: u64,
    },
    /// Bernoulli(pixel), drawn anew each epoch ("dynamic binarisation"; it also keeps a model from overfitting).
    Redrawn {
        /// Of the draws.
        seed: u64,
    },
}

impl Binarise {
    /// Treats the pixels of image `row` of the data set, in place.
    ///
    /// A pixel's draw is a function of (seed, epoch, row, its position in `pixels`): it does not depend on the batch
    /// in which the image comes. A missing pixel, NaN, stays missing. Pixels are taken to lie in \[0, 1\]; have
    /// [`check`](Self::check) look at them once.
    pub fn apply(self, row: usize, epoch: u64, pixels: &mut [f32]) {
        match self {
            Self::Grey => {}
            Self::Threshold(threshold) => {
                let known = pixels.iter_mut().filter(|p| !p.is_nan());
                known.for_each(|p| *p = f32::from(*p > threshold));
            }
            Self::Fixed { seed } => bernoulli(key(b"binarise", [seed, 0, row as u64]), pixels),
            Self::Redrawn { seed } => bernoulli(key(b"binarise", [seed, epoch, row as u64]), pixels),
        }
    }

    /// Whether every pixel is a probability.
    ///
    /// # Errors
    /// [`DataError::Pixel`] names the first one outside \[0, 1\].
    pub fn check(images: &Matrix<f32>) -> Result<(), DataError> {
        match images.values.iter().position(|pixel| !(0.0..=1.0).contains(pixel)) {
            Some(i) => Err(DataError::Pixel {
                row: i / images.cols,
                column: i % images.cols,
                value: images.values[i],
            }),
            None => Ok(()),
        }
    }
}

/// x = 1\[u < p\], u uniform on the multiples of 2⁻²⁴ in \[0, 1): exact at p = 0 and p = 1.
fn bernoulli(key: u64, pixels: &mut [f32]) {
    const SCALE: f32 = 1.0 / (1 << 24) as f32;
    // Most pixels of a digit are black: they need no draw.
    for (i, p) in pixels.iter_mut().enumerate().filter(|(_, p)| **p > 0.0) {
        let u = (draw(key, i as u64) >> 40) as i32 as f32 * SCALE;
        *p = f32::from(u < *p);
    }
}
