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
    /// If there are more than four axes, or more elements than a `usize` can count.
    #[track_caller]
    #[inline]
    pub fn new(axes: &[usize]) -> Self {
        assert!(
            axes.len() <= Self::MAX_RANK,
            "shape {axes:?}: expected at most 4 axes, found {}",
            axes.len()
        );
        let mut dims = [1; Self::MAX_RANK];
        dims[..axes.len()].copy_from_slice(axes);
        let size = axes.iter().try_fold(1usize, |size, &axis| size.checked_mul(axis));
        assert!(size.is_some(), "shape {axes:?}: expected fewer elements");
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
        assert!(axis < self.rank, "shape {self}: expected an axis below {}, found {axis}", self.rank);
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
        assert!(axis < self.rank, "shape {self}: expected an axis below {}, found {axis}", self.rank);
        let mut shape = *self;
        shape.dims.copy_within(axis + 1.., axis);
        shape.dims[Self::MAX_RANK - 1] = 1;
        shape.rank -= 1;
        shape
    }
}

impl Index<usize> for Shape {
    type Output = usize;

    /// The size of an axis.
    ///
    /// # Panics
    /// If there is no such axis.
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
