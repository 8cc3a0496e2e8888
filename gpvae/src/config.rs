//! What a model consists of.

use nn::model::Nonlinearity::Elu;
use serde::{Deserialize, Serialize};
use vae::{NetworkConfig, VaeError};

use crate::GpVaeError;
use crate::data::ObjectFeatures;

/// What a [`GpVae`](crate::GpVae) consists of besides its prior: independent choices, of which [`GpVaeConfig::new`] and
/// [`GpVaeConfig::convolutional`] make the usual ones.
#[derive(Clone, Debug, PartialEq)]
pub struct GpVaeConfig {
    /// K, the number of pixels of an image, or of numbers in any other row
    pub pixels: usize,
    /// L, the dimension of z
    pub latent: usize,
    /// The network of q(z|y)
    pub encoder: NetworkConfig,
    /// The network g(z), the mean image
    pub decoder: NetworkConfig,
    /// σ_y, and whether it is learned
    pub pixel_noise: PixelNoise,
    /// X, the features of objects, and whether they are learned
    pub objects: ObjectFeatures,
}

/// σ_y, the standard deviation of a pixel from its decoded mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelNoise {
    /// σ_y is this number.
    Fixed {
        /// σ_y
        sigma: f64,
    },
    /// σ_y is learned, in a slot `log_sigma_y` of θ.
    Learned {
        /// The σ_y to start at
        start: f64,
    },
}

impl PixelNoise {
    /// σ_y as it is given or starts.
    pub fn sigma(self) -> f64 {
        let (Self::Fixed { sigma } | Self::Learned { start: sigma }) = self;
        sigma
    }
}

impl GpVaeConfig {
    /// Networks of dense layers for rows of any numbers: hidden layers of these widths with ELU in the encoder, and the same in
    /// reverse in the decoder. σ_y is learned and starts at ½; there are no objects.
    pub fn new(pixels: usize, hidden: &[usize], latent: usize) -> Self {
        let up: Vec<usize> = hidden.iter().rev().copied().collect();
        let [encoder, decoder] =
            [hidden, &up].map(|widths| NetworkConfig { phi: Elu, ..NetworkConfig::mlp(widths) });
        let pixel_noise = PixelNoise::Learned { start: 0.5 };
        Self { pixels, latent, encoder, decoder, pixel_noise, objects: ObjectFeatures::None }
    }

    /// The networks of the rotated-digit benchmark for grey images of side x side pixels (Casale et al. 2018, supplement,
    /// figure 4): three convolutions of 8 channels that halve the image, and three that double it, with ELU, also behind the
    /// last one: pixels are above −1. σ_y is learned and starts at ½; there are no objects.
    pub fn convolutional(side: usize, latent: usize) -> Self {
        let encoder = NetworkConfig::convolutional(side);
        let decoder = NetworkConfig { psi: Elu, ..NetworkConfig::convolutional(side) };
        Self { encoder, decoder, ..Self::new(side * side, &[], latent) }
    }

    /// Checks the numbers of the configuration. Hidden layers are checked when the networks are built.
    ///
    /// # Errors
    /// [`GpVaeError::Networks`] if there are no pixels or latent dimensions, [`GpVaeError::PixelNoise`] if σ_y is not a positive
    /// number.
    pub fn validate(&self) -> Result<(), GpVaeError> {
        match (self.pixels, self.latent) {
            (0, _) => return Err(VaeError::NoInputs.into()),
            (_, 0) => return Err(VaeError::NoLatent.into()),
            _ => {}
        }
        let sigma = self.pixel_noise.sigma();
        if sigma > 0.0 && sigma.is_finite() { Ok(()) } else { Err(GpVaeError::PixelNoise { sigma }) }
    }
}
