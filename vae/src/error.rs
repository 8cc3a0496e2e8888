//! Why a model cannot be built.

/// What is wrong with a [`VaeConfig`](crate::VaeConfig) or an [`AutoencoderConfig`](crate::AutoencoderConfig).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VaeError {
    /// There is nothing to model.
    #[error("expected at least one observed variable, found inputs = 0")]
    NoInputs,
    /// There is no latent space.
    #[error("expected at least one latent dimension, found latent = 0")]
    NoLatent,
    /// A network computes nothing.
    #[error("{network}: expected at least one output for a row, found none")]
    NoOutputs {
        /// "encoder" or "decoder".
        network: &'static str,
    },
    /// A hidden layer has no units, or a convolutional network has no convolutions.
    #[error("{network}: expected hidden layers of one or more units, found {hidden:?}")]
    Hidden {
        /// "encoder" or "decoder".
        network: &'static str,
        /// Widths or channels.
        hidden: Vec<usize>,
    },
    /// A convolutional network is for images of another size.
    #[error("{network}: expected the {} pixels of images of {side} x {side}, found inputs = {inputs}", side * side)]
    Pixels {
        /// "encoder" or "decoder".
        network: &'static str,
        /// Of the images that the network takes.
        side: usize,
        /// D
        inputs: usize,
    },
    /// A convolutional decoder doubles its images, and cannot reach an odd side.
    #[error(
        "{network}: expected images of an even side, found {side} x {side}; add a row and a column of zeros"
    )]
    OddSide {
        /// "encoder" or "decoder".
        network: &'static str,
        /// Of the images.
        side: usize,
    },
    /// The σ of the likelihood is not the standard deviation of anything.
    #[error("likelihood: expected a positive and finite σ, found {sigma}")]
    Sigma {
        /// σ
        sigma: f64,
    },
    /// The σ that learning begins with is beyond its bound.
    #[error("likelihood: expected a σ to begin with between {least:.1e} and {most:.0}, found {start}")]
    Start {
        /// The smallest σ.
        least: f64,
        /// The largest σ.
        most: f64,
        /// The σ that was given.
        start: f64,
    },
    /// Categorical variables do not fill a row.
    #[error("likelihood: expected inputs to be a multiple of the {classes} classes, found inputs = {inputs}")]
    Classes {
        /// The number of classes of each variable.
        classes: usize,
        /// D
        inputs: usize,
    },
}
