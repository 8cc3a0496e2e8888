//! What can be wrong with a configuration, with data, and with the numbers that a model computes.

use autograd::ops::NotPositiveDefinite;
use nn::stats::StatsError;
use vae::VaeError;

use crate::MarkovConfig;

/// What is wrong, where, and what to do about it. Rows, columns and objects are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what the fields beside it are")]
pub enum GpVaeError {
    /// The networks cannot be built.
    #[error(transparent)]
    Networks(#[from] VaeError),

    /// σ_y is no standard deviation.
    #[error("σ_y: expected a positive number, found {sigma}")]
    PixelNoise { sigma: f64 },

    /// Images are of another size than the model's.
    #[error("expected images of {expected} pixels, as the networks take, found {found}")]
    Pixels { expected: usize, found: usize },

    /// Samples name objects, and the model knows of none; or the other way round.
    #[error(
        "expected {}, found {named} rows that name an object",
        if *known == 0 { "samples without objects".to_owned() } else { format!("rows that name one of {known} objects") }
    )]
    Objects { known: usize, named: usize },

    /// Features for objects to start at cannot be computed.
    #[error("the objects' principal features: {0}")]
    Features(#[from] StatsError),

    /// There are not equally many images, views and objects.
    #[error(
        "{images} images, {views} views and {objects} objects: expected a view and an object for every image; do images \
         and split belong together?"
    )]
    Sizes { images: usize, views: usize, objects: usize },

    /// There is nothing to learn from.
    #[error("expected at least one image, found none")]
    Empty,

    /// A pixel is infinite or not a number.
    #[error("image {row}, pixel {column} is {value}; replace what is not finite, or mark it as missing")]
    Pixel { row: usize, column: usize, value: f64 },

    /// A view is infinite or not a number.
    #[error("the view of row {row} has the number {value}; replace what is not finite")]
    View { row: usize, value: f64 },

    /// Views are too far from 0 to be told apart in the type of the images.
    #[error(
        "views, column {column}: expected steps that the type of the images can hold, found steps of {step:e}, and rounding \
         moves a view by {rounding:e}; subtract an origin (Places::relative_to), or use f64"
    )]
    Precision { column: usize, step: f64, rounding: f64 },

    /// An object has no features.
    #[error(
        "row {row} is of object {object}, where there are {objects} objects; do images and split belong together?"
    )]
    UnknownObject { row: usize, object: usize, objects: usize },

    /// A test image is of an object that the training images do not show.
    #[error(
        "test row {row} is of object {object}, of which there is no training image; add one, or leave the row out"
    )]
    UnseenObject { row: usize, object: usize },

    /// Two latents must be equal.
    #[error(
        "rows {first} and {second} are of one object under one view, and have one latent without noise; give the prior \
         noise α, or remove one of the rows"
    )]
    Duplicate { first: usize, second: usize },

    /// Rows of series are not in order, or a time is not finite.
    #[error("row {row}, series {series} at {time}: expected rows in the order of series and of finite times")]
    Moment { row: usize, series: usize, time: f64 },

    /// There is no model of long series of this configuration.
    #[error(
        "expected channels, hidden layers of one or more units and positive length scales, found {config:?}"
    )]
    Markov { config: Box<MarkovConfig> },

    /// A covariance has no Cholesky factor.
    #[error(
        "the Gaussian process: {0}; a larger α or jitter, or a smaller learning rate of the kernel, may help"
    )]
    Factor(#[from] NotPositiveDefinite),
}
