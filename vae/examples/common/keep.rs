//! The file of a model of images.

use nn::data::ImageFormat;
use nn::model::{ModelFile, TrainedOn};
use nn::run::{Run, RunError};

/// Keeps a model with the form of its images, so that new ones are read alike, and what it was trained on.
pub(crate) fn keep(
    run: &Run<'_>,
    mut file: ModelFile,
    format: &ImageFormat,
    trained_on: &TrainedOn,
) -> Result<(), RunError> {
    file.set(ImageFormat::ENTRY, format);
    run.keep_model(file, trained_on)
}
