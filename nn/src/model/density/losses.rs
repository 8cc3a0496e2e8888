//! Losses of regression and classification.

use autograd::{Real, Var};

use super::{Categorical, over_last};

/// ‖y − ŷ‖² summed over the last axis, (…, n) to (…) (lecture 000, "Regression or classification").
///
/// # Panics
/// If neither shape ends with the other. Arithmetic would broadcast (N, 1) and (N) to N² pairs, which is a slip here.
#[track_caller]
pub fn squared_error<'t, F: Real>(prediction: Var<'t, F>, y: Var<'t, F>) -> Var<'t, F> {
    let (a, b) = (prediction.shape(), y.shape());
    let paired = a.last() == b.last() && (a.dims().ends_with(b.dims()) || b.dims().ends_with(a.dims()));
    assert!(paired, "squared_error: {a} x {b}: expected one shape to end with the other");
    over_last((y - prediction).square())
}

/// −ln p(class), with classes as one-hot rows, (…, K) to (…): the loss of a classifier with linear output.
///
/// # Panics
/// If the rows are not K long, or leading axes cannot be broadcast.
#[track_caller]
pub fn cross_entropy<'t, F: Real>(logits: Var<'t, F>, one_hot: Var<'t, F>) -> Var<'t, F> {
    Categorical { logits }.log_prob(one_hot).neg()
}

/// Writes classes as one-hot rows, (labels, classes).
///
/// # Panics
/// If a label is not below `classes`, or `out` has another size.
#[track_caller]
pub fn one_hot<F: Real>(labels: &[u8], classes: usize, out: &mut [F]) {
    let (expected, found) = (labels.len() * classes, out.len());
    assert!(
        expected == found,
        "one_hot: expected room for {expected} numbers, {} labels of {classes} classes, found {found}",
        labels.len()
    );
    out.fill(F::ZERO);
    for (&label, row) in labels.iter().zip(out.chunks_exact_mut(classes.max(1))) {
        assert!(usize::from(label) < classes, "one_hot: expected a label below {classes}, found {label}");
        row[usize::from(label)] = F::ONE;
    }
}
