//! The model that a comparison recommends.

use nn::data::{ImageFormat, LabelledImages};
use nn::model::{ModelFile, TrainedOn};
use nn::outln;
use nn::run::{Run, RunError};

use super::keep::keep;

/// Keeps a model that was trained on these images of the embedded digits or of MNIST, and prints which it is.
pub(crate) fn recommend(
    run: &Run<'_>,
    name: &str,
    file: ModelFile,
    train: &LabelledImages,
) -> Result<(), RunError> {
    let trained_on = TrainedOn::new(run.args.data.as_deref(), "the embedded digits", train.len());
    keep(run, file, &ImageFormat::new(train.height, train.width), &trained_on)?;
    if !run.args.dry_run {
        outln!("the model that is recommended and kept: {name}");
    }
    Ok(())
}
