//! Grey pixels to black and white.

use super::keyed::{draw, key};
use super::{DataError, Matrix};

/// How grey pixels in \[0, 1\] are made black or white for a Bernoulli likelihood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Binarise {
    /// They stay grey. The likelihood is then that of an expected image, not of a distribution of grey images.
    Grey,
    /// 1 where a pixel is greater than the threshold, and 0 elsewhere.
    Threshold(f32),
    /// A draw from Bernoulli(pixel), the same in every epoch.
    Fixed {
        /// The seed of the draws.
        seed: u64,
    },
    /// A draw from Bernoulli(pixel), a new one in each epoch ("dynamic binarisation"). It also keeps a model from overfitting.
    Redrawn {
        /// The seed of the draws.
        seed: u64,
    },
}

impl Binarise {
    /// Changes the pixels of the image `row` of the data set in place.
    ///
    /// The draw of a pixel is a function of the seed, the epoch, the row and its place in `pixels`. It does not depend on the
    /// batch that the image is in. A missing pixel, NaN, stays missing. Pixels are taken to lie in \[0, 1\], which
    /// [`check`](Self::check) finds out.
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
    /// [`DataError::Pixel`] for the first pixel outside \[0, 1\].
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

/// x = 1\[u < p\] with u uniform on the multiples of 2⁻²⁴ in \[0, 1), which is exact at p = 0 and p = 1.
fn bernoulli(key: u64, pixels: &mut [f32]) {
    const SCALE: f32 = 1.0 / (1 << 24) as f32;
    // Most pixels of a digit are black, and need no draw.
    for (i, p) in pixels.iter_mut().enumerate().filter(|(_, p)| **p > 0.0) {
        let u = (draw(key, i as u64) >> 40) as i32 as f32 * SCALE;
        *p = f32::from(u < *p);
    }
}
