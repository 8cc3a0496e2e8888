//! What is observed: images of objects under views, and data sets of them.
//!
//! [`Samples`] are what a model learns from: images, and the [`Places`] where they lie. A place is a view and, if there are
//! objects, the number of an object. [`Views`] is a data set of images around a circle, read from the files of the
//! rotated-digit benchmark ([`Views::read`]) or made of ordinary images ([`Rotations`]), with lists of what is to learn from
//! and what is to be predicted. [`Moments`] are the rows of long series. [`MotorStudy`] simulates signals of a brain under motor tasks.

mod error;
mod healing;
mod moments;
mod motor;
mod objects;
mod places;
mod read;
mod rotations;
mod samples;
mod views;

use autograd::{Real, Tape, Var};
use nn::data::Matrix;

pub use error::ViewsError;
pub use healing::{Healing, Turning};
pub use moments::Moments;
pub use motor::{MotorScans, MotorStudy, block_response, haemodynamic_response};
pub use objects::{ObjectFeatures, principal_features};
pub use places::Places;
pub use rotations::Rotations;
pub use samples::{ImageRows, Samples};
pub use views::{Neighbour, Views};

/// A matrix of f64 as a constant on a tape of any precision.
pub(crate) fn matrix_on<'t, F: Real>(tape: &'t Tape<F>, matrix: &Matrix<f64>) -> Var<'t, F> {
    tape.constant_with([matrix.rows, matrix.cols], |out| {
        out.iter_mut().zip(matrix.values.iter()).for_each(|(out, &value)| *out = F::from_f64(value));
    })
}
