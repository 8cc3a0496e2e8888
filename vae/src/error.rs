//! Why a model cannot be built.

use crate::Variable;

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
    #[error(
        "{network}: expected the {} pixels of images of {} x {}, found inputs = {inputs}",
        size[0].saturating_mul(size[1]), size[0], size[1]
    )]
    Pixels {
        /// "encoder" or "decoder".
        network: &'static str,
        /// Height and width of the images that the network takes.
        size: [usize; 2],
        /// D
        inputs: usize,
    },
    /// A convolutional decoder doubles its images, and cannot reach an odd side.
    #[error(
        "{network}: expected images of an even height and width, found {} x {}; add a row or a column of zeros",
        size[0], size[1]
    )]
    OddSide {
        /// "encoder" or "decoder".
        network: &'static str,
        /// Height and width of the images.
        size: [usize; 2],
    },
    /// A convolutional decoder doubles its images, and one doubling would reach the height and not the width.
    #[error(
        "{network}: expected a height and a width that are reached by the same {channels} doublings, found {} x {}; use fewer \
         convolutions, or add rows or columns of zeros", size[0], size[1]
    )]
    Doubled {
        /// "encoder" or "decoder".
        network: &'static str,
        /// Height and width of the images.
        size: [usize; 2],
        /// The number of convolutions.
        channels: usize,
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
    /// A variable has no density.
    #[error(
        "likelihood: variable {}: expected one class or more, a center from −80 (of a count from 0) to 80 and a spread above 0 and up to 80, found \
         {variable:?}", number + 1
    )]
    Variable {
        /// The number of the variable, from 0 on.
        number: usize,
        /// The variable.
        variable: Variable,
    },
    /// The variables do not fill a row.
    #[error("likelihood: expected variables that take {inputs} numbers together, the inputs, found {width}")]
    Variables {
        /// The numbers of a row that they take.
        width: usize,
        /// D
        inputs: usize,
    },
}
