//! What can be wrong with objects and views.

use nn::data::DataError;

/// What is wrong with a data set of objects and views, where, and what to do about it. Images, pixels, objects and views are
/// counted from 0, lines of a file from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says what the fields beside it are")]
pub enum ViewsError {
    #[error(transparent)]
    Data(#[from] DataError),

    /// The split cannot be opened or is no CSV.
    #[error("{file}: cannot be read as CSV: {reason}; check the path, and whether it is the right file")]
    Csv { file: String, reason: csv::Error },

    /// The split lacks a column.
    #[error(
        "{file}: has no column {missing}; expected columns role, in_test, and one whose name begins with train_views"
    )]
    NoColumn { file: String, missing: &'static str },

    /// A cell of the split makes no sense.
    #[error("{file}: line {line}: {found:?} is not {expected}")]
    Cell { file: String, line: u64, found: String, expected: String },

    /// Split and images have different numbers of objects.
    #[error(
        "{split}: has rows for {rows} objects, where {images} has {objects}; do the two files belong together?"
    )]
    Sizes { split: String, rows: usize, images: String, objects: usize },

    /// Not exactly one view is missing from training.
    #[error(
        "expected one view to predict, which no training image has, but these have none: {views:?}; correct the split"
    )]
    TestView { views: Vec<usize> },

    /// A test object is unknown.
    #[error(
        "object {object} is to be predicted, but there is no training image of it; add one, or take the object out of \
         the test"
    )]
    NoTrainingView { object: usize },

    /// A part of the data is empty.
    #[error("there are no images to {part}; correct the split")]
    Empty { part: &'static str },

    /// An image that does not exist, or that is in two lists.
    #[error(
        "image {row} of {rows} is listed twice, or does not exist; correct the lists train, test and validation"
    )]
    Row { row: usize, rows: usize },

    /// Images are of another size than height and width say.
    #[error(
        "expected images of {height} x {width} pixels, found rows of {pixels} numbers; correct height and width"
    )]
    Pixels { height: usize, width: usize, pixels: usize },

    /// Not every image has the number of an object and of a view.
    #[error(
        "expected each of {images} images to show one of {objects} objects under one of {views} views; correct the          lists object and view"
    )]
    Numbers { images: usize, objects: usize, views: usize },

    /// A pixel is infinite or not a number.
    #[error("image {row}, pixel {pixel} is {value}; replace what is not finite before training on it")]
    NotFinite { row: usize, pixel: usize, value: f32 },

    /// There are too few images for what is asked.
    #[error(
        "{images} images are too few for {validation} objects to validate on and at least one to learn from; give more"
    )]
    TooFew { images: usize, validation: usize },
}
