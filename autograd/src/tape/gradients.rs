//! The results of a backward pass.

use std::ops::{Deref, Range};

use super::adjoints::Adjoints;
use crate::{Real, Tape, Var};

/// The adjoints of one backward pass. Several can be alive at once. When one is dropped, the tape uses its memory again.
pub struct Gradients<'t, F: Real> {
    pub(crate) tape: &'t Tape<F>,
    pub(crate) adjoints: Adjoints<F>,
}

impl<F: Real> Gradients<'_, F> {
    /// ∂loss/∂var, in the shape of `var`; zeros if the loss does not depend on it.
    ///
    /// # Panics
    /// If `var` depends on no parameter (a constant has no adjoint), was recorded after the backward pass, or lies on another
    /// tape.
    #[track_caller]
    pub fn wrt(&self, var: Var<'_, F>) -> &[F] {
        self.adjoints.get(self.range(var)).expect("the range was checked")
    }

    /// Whether the loss depends on `var`: whether an operation on the way from `var` to the loss added to its adjoint, be it
    /// zeros.
    ///
    /// # Panics
    /// As [`wrt`](Self::wrt).
    #[track_caller]
    pub fn reaches(&self, var: Var<'_, F>) -> bool {
        self.adjoints.reach(self.range(var))
    }

    #[track_caller]
    fn range(&self, var: Var<'_, F>) -> Range<usize> {
        assert!(std::ptr::eq(self.tape, var.tape()), "gradient: the variable lies on another tape");
        match self.tape.nodes.borrow().list[var.index()].adjoint_range() {
            Some(range) if self.adjoints.get(range.clone()).is_some() => range,
            Some(_) => panic!("gradient: {}: the variable was recorded after the backward pass", var.shape()),
            None => panic!("gradient: {}: the variable depends on no parameter", var.shape()),
        }
    }
}

impl<F: Real> Drop for Gradients<'_, F> {
    fn drop(&mut self) {
        self.tape.spare.borrow_mut().push(std::mem::take(&mut self.adjoints));
    }
}

/// The gradient in θ that [`Tape::value_and_grad`] returns: a slice as long as θ. When it is dropped, the tape uses its memory
/// again.
pub struct Gradient<'t, F: Real> {
    pub(crate) tape: &'t mut Tape<F>,
    pub(crate) adjoints: Adjoints<F>,
    pub(crate) len: usize,
}

impl<F: Real> Gradient<'_, F> {
    /// Whether the loss depends on any of the parameters `range` of θ: whether an operation added to their adjoints, be it
    /// zeros. A slot of θ of which this is false is never trained.
    ///
    /// # Panics
    /// If the range reaches beyond θ.
    #[track_caller]
    pub fn reaches(&self, range: Range<usize>) -> bool {
        assert!(
            range.end <= self.len,
            "reaches: expected a range of {} parameters, found {range:?}",
            self.len
        );
        self.adjoints.reach(range)
    }
}

impl<F: Real> Deref for Gradient<'_, F> {
    type Target = [F];

    #[inline]
    fn deref(&self) -> &[F] {
        self.adjoints.get(0..self.len).expect("θ has adjoints")
    }
}

impl<F: Real> std::fmt::Debug for Gradient<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<F: Real> Drop for Gradient<'_, F> {
    fn drop(&mut self) {
        self.tape.spare.get_mut().push(std::mem::take(&mut self.adjoints));
    }
}
