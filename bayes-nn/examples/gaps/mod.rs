//! Cells that are missing: a network takes none.

use nn::data::{DataError, Table};

/// Refuses the first missing cell of inputs. `is_of_classes` says of a column whether its cells are classes.
pub(crate) fn refuse(inputs: &Table, is_of_classes: impl Fn(usize) -> bool) -> Result<(), DataError> {
    let (values, cols) = (&inputs.values.values, inputs.values.cols);
    let is_gap = |&at: &usize| values[at].is_nan() && inputs.is_missing(at / cols, at % cols);
    match (0..values.len()).find(is_gap) {
        None => Ok(()),
        Some(at) => {
            let expected = if is_of_classes(at % cols) { "a class" } else { "a finite number" };
            Err(inputs.refuse(at / cols, at % cols, expected, ADVICE))
        }
    }
}

/// What to do about a missing cell.
pub(crate) const ADVICE: &str = "no value may be missing here: fill it in, or leave the row out";
