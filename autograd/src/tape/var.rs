//! A value on a tape.

use std::fmt;
use std::ops::Range;

use crate::{Real, Shape, Tape};

/// A value on a [`Tape`]: a reference to the tape and an index, which can be copied freely. Operations are its methods, so
/// that code reads like the formula. Each operation computes its value and records a node.
#[derive(Clone, Copy)]
pub struct Var<'t, F: Real> {
    tape: &'t Tape<F>,
    index: u32,
}

impl<'t, F: Real> Var<'t, F> {
    #[inline]
    pub(crate) fn new(tape: &'t Tape<F>, index: u32) -> Self {
        Self { tape, index }
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    /// The tape that it lies on.
    #[inline]
    pub fn tape(self) -> &'t Tape<F> {
        self.tape
    }

    /// The sizes of its axes.
    #[track_caller]
    #[inline]
    pub fn shape(self) -> Shape {
        self.tape.nodes.borrow().list[self.index()].shape
    }

    /// The number of its elements.
    #[track_caller]
    #[inline]
    pub fn size(self) -> usize {
        self.shape().size()
    }

    /// Calls `f` with the values. `f` must not record operations on the same tape.
    ///
    /// # Panics
    /// If `f` records on the same tape, or if the tape is being written: inside the closure of
    /// [`constant_with`](Tape::constant_with).
    #[track_caller]
    pub fn with<R>(self, f: impl FnOnce(&[F]) -> R) -> R {
        let nodes = self.tape.nodes.borrow();
        f(nodes.value(&nodes.list[self.index()]))
    }

    /// A copy of the values.
    #[track_caller]
    pub fn to_vec(self) -> Vec<F> {
        self.with(<[F]>::to_vec)
    }

    /// The value of a scalar, or of an array with one element.
    ///
    /// # Panics
    /// If there is not exactly one element.
    #[track_caller]
    pub fn item(self) -> F {
        assert!(self.size() == 1, "item: {}: expected one element, found {}", self.shape(), self.size());
        self.with(|value| value[0])
    }

    /// The values as a constant: nothing is differentiated through it (JAX's `stop_gradient`).
    #[track_caller]
    pub fn stop_gradient(self) -> Self {
        self.tape.constant(&self.to_vec(), self.shape())
    }

    /// The elements from `start` on, as an array of `shape`: a view, which shares value and adjoint with `self` and costs
    /// nothing. A slot of θ is such a view.
    ///
    /// # Panics
    /// If the range reaches beyond the end.
    #[track_caller]
    #[inline]
    pub fn view(self, start: usize, shape: impl Into<Shape>) -> Self {
        self.tape.view(self, start, shape.into())
    }

    /// The same elements under another shape: a view.
    ///
    /// # Panics
    /// If the sizes differ.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        let (from, to) = (self.shape(), shape.into());
        assert!(
            from.size() == to.size(),
            "reshape: {from} to {to}: expected equal sizes, found {} and {}",
            from.size(),
            to.size()
        );
        self.view(0, to)
    }

    /// The entries `range` of the first axis (the rows of a matrix): a view.
    ///
    /// # Panics
    /// If there is no axis, or the range reaches beyond it.
    #[track_caller]
    pub fn rows(self, range: Range<usize>) -> Self {
        let shape = self.shape();
        assert!(
            shape.rank() > 0 && range.start <= range.end && range.end <= shape[0],
            "rows: {shape}: expected a range within the first axis, found {range:?}"
        );
        self.view(range.start * shape.without(0).size(), shape.with_axis(0, range.len()))
    }
}

impl<F: Real> fmt::Debug for Var<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Var({} {:?})", self.shape(), self.to_vec())
    }
}
