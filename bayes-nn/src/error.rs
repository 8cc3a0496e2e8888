//! What can be wrong with a configuration, and with data.

use nn::data::ScaleError;

/// Why a [`BayesMlp`](crate::BayesMlp) cannot be built from its configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BayesMlpError {
    /// There are no inputs, or a hidden layer has no units.
    #[error("widths of the layers: expected positive numbers, found {widths:?}")]
    Width {
        /// The number of inputs, then the widths of the hidden layers.
        widths: Vec<usize>,
    },
    /// There are no outputs.
    #[error("outputs: expected at least 1, found 0")]
    NoOutputs,
    /// There is nothing to tell apart.
    #[error("classes: expected at least 2, found {found}")]
    Classes {
        /// The number of classes.
        found: usize,
    },
    /// q has no modes.
    #[error("modes of q: expected at least 1, found 0")]
    NoModes,
    /// A number is not positive.
    #[error("{what}: expected a finite number greater than 0, found {value}")]
    NotPositive {
        /// The number's meaning.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A number is infinite or NaN.
    #[error("{what}: expected a finite number, found {value}")]
    NotFinite {
        /// The number's meaning.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The prior has neither one scale for all layers nor one for each.
    #[error("scales of the weights' prior: expected 1, or one for each of {layers} layers, found {found}")]
    Scales {
        /// The number of layers.
        layers: usize,
        /// The number of scales.
        found: usize,
    },
    /// The share of a component of the prior is no share.
    #[error(
        "share of the first component of the weights' prior: expected a number between 0 and 1, found {found}"
    )]
    Share {
        /// The share.
        found: f64,
    },
}

/// The finite number `value`, or an error that says what it is.
pub(crate) fn finite(what: &'static str, value: f64) -> Result<f64, BayesMlpError> {
    if value.is_finite() { Ok(value) } else { Err(BayesMlpError::NotFinite { what, value }) }
}

/// The positive number `value`, or an error that says what it is.
pub(crate) fn positive(what: &'static str, value: f64) -> Result<f64, BayesMlpError> {
    let positive = value > 0.0 && value.is_finite();
    if positive { Ok(value) } else { Err(BayesMlpError::NotPositive { what, value }) }
}

/// Why a regression cannot be learned from data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScalingError {
    /// There are fewer than two rows.
    #[error("rows to train on: expected at least 2, found {rows}")]
    TooFewRows {
        /// The number of rows.
        rows: usize,
    },
    /// The target is the same in all rows.
    #[error(
        "the target is {value} in all {rows} rows to train on: expected numbers that vary; \
         is it the right column?"
    )]
    ConstantTarget {
        /// The target's value.
        value: f64,
        /// The number of rows.
        rows: usize,
    },
    /// A number is too large, or lies too far from the rows to train on.
    #[error("{what}: {source}")]
    Scale {
        /// "the inputs" or "the target".
        what: &'static str,
        /// The number, and where it stands.
        source: ScaleError,
    },
    /// A number is infinite or NaN.
    #[error(
        "row {row} of {what}, column {column}: expected a finite number, found {value}; \
         fill it in, or leave the row out"
    )]
    NotFinite {
        /// "the inputs" or "the target".
        what: &'static str,
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The number.
        value: f64,
    },
}
