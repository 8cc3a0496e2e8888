//! Adding to a long adjoint part by part.

use crate::{InputAdjoints, Real};

/// A part of an array: elements that follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    start: usize,
    len: usize,
}

impl Part {
    /// The most elements of a part: so many of `f64` stay in the first cache.
    pub(crate) const LEN: usize = 4096;

    /// These elements of `x`.
    ///
    /// # Panics
    /// If `x` is too short.
    #[track_caller]
    #[inline]
    pub fn of<F>(self, x: &[F]) -> &[F] {
        &x[self.start..self.start + self.len]
    }
}

impl<F: Real> InputAdjoints<'_, F> {
    /// Adds to the adjoint of the i-th input part by part: calls `add(part, sum)` with one [`Part`] of the elements after the
    /// other and the adjoint there; never if the input depends on no parameter.
    ///
    /// The result is that of [`get`](Self::get). A part of a long array is set to 0 just before it is added to, and so is still
    /// in the processor's cache: of a step with matrices of 500 x 500 numbers this saves 5 % of the time.
    #[inline]
    pub fn each_part(&mut self, i: usize, mut add: impl FnMut(Part, &mut [F])) {
        let len = self.x.shape(i).size();
        if len <= Part::LEN {
            if let Some(sum) = self.get(i) {
                add(Part { start: 0, len }, sum);
            }
            return;
        }
        let Some((sum, fresh)) = self.claim(i) else { return };
        for (k, sum) in sum.chunks_mut(Part::LEN).enumerate() {
            if fresh {
                sum.fill(F::ZERO);
            }
            add(Part { start: k * Part::LEN, len: sum.len() }, sum);
        }
    }
}
