//! What can be wrong with data, and with numbers.

use autograd::NotPositiveDefinite;

/// What is wrong, where, and what to do about it. Rows, columns and objects are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what the fields beside it are")]
pub enum GpVaeError {
    /// Images, views and objects are not equally many.
    #[error(
        "{images} images, {views} views and {objects} objects: a view and an object for every image are wanted; \
         do images and split belong together?"
    )]
    Sizes { images: usize, views: usize, objects: usize },

    /// There is nothing to learn from.
    #[error("there are no images")]
    Empty,

    /// A pixel is infinite or not a number.
    #[error("image {row}, pixel {column} is {value}; replace what is not finite, or mark it as missing")]
    Pixel { row: usize, column: usize, value: f64 },

    /// A view is infinite or not a number.
    #[error("the view of row {row} has the number {value}; replace what is not finite")]
    View { row: usize, value: f64 },

    /// An object has no features.
    #[error(
        "row {row} is of object {object}, but there are {objects} objects; do images and split belong together?"
    )]
    UnknownObject { row: usize, object: usize, objects: usize },

    /// A test image is of an object that the training images do not show.
    #[error(
        "test row {row} is of object {object}, of which there is no training image; add one, or leave the row out"
    )]
    UnseenObject { row: usize, object: usize },

    /// Two latents must be equal.
    #[error(
        "rows {first} and {second} are of one object under one view, which without noise have one latent; \
         let α be positive, or remove one of them"
    )]
    Duplicate { first: usize, second: usize },

    /// A covariance has no Cholesky factor.
    #[error(
        "the Gaussian process: {0}; a larger α or jitter, or a smaller learning rate of the kernel, may help"
    )]
    Factor(#[from] NotPositiveDefinite),

    /// A loss stopped being finite.
    #[error("phase {phase}, epoch {epoch}: the bound is not finite; try a smaller learning rate")]
    NonFinite { phase: usize, epoch: usize },
}
