//! Convolutional coders.

use vae::VaeConfig;

/// A VAE of images of this height and width with convolutional networks, which have these channels in the encoder, and in reverse in
/// the decoder.
pub(crate) fn convolutional(size: [usize; 2], channels: &[usize], latent: usize) -> VaeConfig {
    let usual = VaeConfig::convolutional(0, latent);
    let reversed: Vec<usize> = channels.iter().rev().copied().collect();
    VaeConfig {
        inputs: size[0] * size[1],
        encoder: usual.encoder.clone().with_channels(size, channels),
        decoder: usual.decoder.clone().with_channels(size, &reversed),
        ..usual
    }
}
