//! The buffer of adjoints.
//!
//! An adjoint that nothing was added to is 0. The buffer is not filled with zeros in advance, since that would take 2 to
//! 7 % of the time of a training step: it remembers what has been written, and fills a part with zeros when it is first added to.
//! None of that shows outside this file and `ranges`, but for a product, which writes to memory that is fresh, and for long
//! arrays, which are filled with zeros part by part.

use std::ops::Range;

use super::ranges::{Cover, Ranges};
use crate::Real;

/// Adjoints ∂loss/∂value, one for every value that depends on a parameter.
#[derive(Debug, Default)]
pub(crate) struct Adjoints<F> {
    /// The buffer. Its length only grows: the first `used` numbers are adjoints.
    values: Vec<F>,
    used: usize,
    written: Ranges,
}

impl<F: Real> Adjoints<F> {
    /// Sets all of `len` adjoints to 0.
    pub(crate) fn reset(&mut self, len: usize) {
        self.written.clear();
        self.used = len;
        if self.values.len() < len {
            self.values.resize(len, F::ZERO);
        }
    }

    /// All adjoints, to be added to.
    pub(crate) fn sums(&mut self) -> Sums<'_, F> {
        Sums { values: &mut self.values, written: &mut self.written }
    }

    /// The adjoints of `range`, to be read, and those before it, to be added to; `None` if nothing was added to `range`.
    #[inline]
    pub(crate) fn split_at(&mut self, range: Range<usize>) -> Option<(&[F], Sums<'_, F>)> {
        match self.written.cover(&range) {
            Cover::None => return None,
            Cover::Part => self.fill_gaps(range.clone()),
            Cover::Whole => (),
        }
        let (before, from) = self.values.split_at_mut(range.start);
        Some((&from[..range.len()], Sums { values: before, written: &mut self.written }))
    }

    /// Whether anything was added to `range`.
    pub(crate) fn reach(&self, range: Range<usize>) -> bool {
        !matches!(self.written.cover(&range), Cover::None)
    }

    /// Makes every adjoint readable: ends the backward pass.
    pub(crate) fn finish(&mut self) {
        self.fill_gaps(0..self.used);
    }

    /// Writes 0 where nothing was added to.
    #[inline]
    fn fill_gaps(&mut self, range: Range<usize>) {
        for gap in self.written.gaps(range) {
            self.values[gap].fill(F::ZERO);
        }
    }

    /// The adjoints of `range` after [`finish`](Self::finish); `None` if it lies beyond the end.
    #[inline]
    pub(crate) fn get(&self, range: Range<usize>) -> Option<&[F]> {
        self.values[..self.used].get(range)
    }
}

/// Adjoints that can be added to.
pub(crate) struct Sums<'a, F> {
    values: &'a mut [F],
    written: &'a mut Ranges,
}

impl<F: Real> Sums<'_, F> {
    /// The adjoints of `range`, to be added to.
    #[inline]
    pub(crate) fn get(&mut self, range: Range<usize>) -> &mut [F] {
        let (sum, fresh) = self.claim(range);
        if fresh {
            sum.fill(F::ZERO);
        }
        sum
    }

    /// The adjoints of `range`, and whether they are fresh: then each must be written, since old contents are in its place.
    #[inline]
    pub(crate) fn claim(&mut self, range: Range<usize>) -> (&mut [F], bool) {
        let values = &mut *self.values;
        let fresh = self.written.insert(range.clone(), |gap| values[gap].fill(F::ZERO));
        (&mut values[range], fresh)
    }
}
