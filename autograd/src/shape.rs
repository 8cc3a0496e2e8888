//! Shapes of rank 0 to 4.

use std::fmt;
use std::ops::Index;

/// The sizes of an array's axes, outermost first; elements lie in row-major order. Rank 0 is a scalar.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The axes, and 1 for those that are missing, so that the size is a product without a loop.
    dims: [usize; Self::MAX_RANK],
    rank: usize,
}

impl Shape {
    /// The largest rank.
    pub const MAX_RANK: usize = 4;

    /// The shape of one number.
    pub const SCALAR: Self = Self { dims: [1; Self::MAX_RANK], rank: 0 };

    /// A shape from its axes.
    ///
    /// # Panics
    /// If there are more than four axes.
    #[track_caller]
    #[inline]
    pub fn new(axes: &[usize]) -> Self {
        assert!(axes.len() <= Self::MAX_RANK, "shape {axes:?}: rank {} is above 4", axes.len());
        let mut dims = [1; Self::MAX_RANK];
        dims[..axes.len()].copy_from_slice(axes);
        Self { dims, rank: axes.len() }
    }

    /// The axes' sizes.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of elements, the product of the axes (1 for a scalar).
    #[inline]
    pub fn size(&self) -> usize {
        self.dims.iter().product()
    }

    /// The size of the last axis (1 for a scalar).
    #[inline]
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// The shape with its last axis replaced by `size`; a scalar stays one.
    #[inline]
    pub fn with_last(&self, size: usize) -> Self {
        self.rank.checked_sub(1).map_or(*self, |last| self.with_axis(last, size))
    }

    /// The shape with `axis` replaced by `size`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    #[inline]
    pub fn with_axis(&self, axis: usize, size: usize) -> Self {
        assert!(axis < self.rank, "shape {self}: there is no axis {axis}");
        let mut shape = *self;
        shape.dims[axis] = size;
        shape
    }

    /// The shape without `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn without(&self, axis: usize) -> Self {
        assert!(axis < self.rank, "shape {self}: there is no axis {axis}");
        let mut shape = *self;
        shape.dims.copy_within(axis + 1.., axis);
        shape.dims[Self::MAX_RANK - 1] = 1;
        shape.rank -= 1;
        shape
    }

    /// Whether the axes of `self` are the last ones of `other`, so that `self` can be repeated along the rest.
    #[inline]
    pub fn is_suffix_of(&self, other: &Self) -> bool {
        other.dims().ends_with(self.dims())
    }

    /// The axes, aligned at the right and padded with ones at the left.
    #[inline]
    pub(crate) fn padded(&self) -> [usize; Self::MAX_RANK] {
        let [a, b, c, _] = self.dims;
        match self.rank {
            1 => [1, 1, 1, a],
            2 => [1, 1, a, b],
            3 => [1, a, b, c],
            _ => self.dims,
        }
    }

    /// The common shape of numpy's broadcasting: aligned at the right, axes agree or one of them is 1.
    #[inline]
    pub(crate) fn broadcast(&self, other: &Self) -> Result<Self, String> {
        let (a, b) = (self.padded(), other.padded());
        // One by one: they were just written in pieces, which a comparison in one go would have to wait for.
        if a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0] {
            return Ok(if self.rank > other.rank { *self } else { *other });
        }
        let rank = self.rank.max(other.rank);
        let mut dims = [1; Self::MAX_RANK];
        for (axis, (&m, &n)) in a.iter().zip(&b).enumerate() {
            dims[axis] = match (m, n) {
                (m, n) if m == n => m,
                (1, n) => n,
                (m, 1) => m,
                (m, n) => {
                    return Err(format!("sizes {m} and {n} cannot be broadcast"));
                }
            };
        }
        Ok(Self::new(&dims[Self::MAX_RANK - rank..]))
    }
}

impl Index<usize> for Shape {
    type Output = usize;

    #[track_caller]
    #[inline]
    fn index(&self, axis: usize) -> &usize {
        &self.dims()[axis]
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    #[inline]
    fn from(axes: [usize; N]) -> Self {
        Self::new(&axes)
    }
}

impl From<&[usize]> for Shape {
    #[track_caller]
    #[inline]
    fn from(axes: &[usize]) -> Self {
        Self::new(axes)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}
