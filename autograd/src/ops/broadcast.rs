//! How arrays are gone through under numpy's broadcasting: element by element ([`Walk`]), or row by row ([`Rows`]).

use crate::{Real, Shape, Var};

impl Shape {
    /// The axes, aligned at the right and padded with ones at the left.
    #[inline]
    pub(crate) fn padded(&self) -> [usize; Self::MAX_RANK] {
        match *self.dims() {
            [] => [1, 1, 1, 1],
            [a] => [1, 1, 1, a],
            [a, b] => [1, 1, a, b],
            [a, b, c] => [1, a, b, c],
            [a, b, c, d, ..] => [a, b, c, d],
        }
    }

    /// The common shape of numpy's broadcasting: aligned at the right, axes agree or one of them is 1.
    #[inline]
    pub(crate) fn broadcast(&self, other: &Self) -> Result<Self, String> {
        let (a, b) = (self.padded(), other.padded());
        // Element by element: one wide comparison would stall on the stores just made.
        if a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0] {
            return Ok(if self.rank() > other.rank() { *self } else { *other });
        }
        let rank = self.rank().max(other.rank());
        let mut dims = [1; Self::MAX_RANK];
        for (axis, (&m, &n)) in a.iter().zip(&b).enumerate() {
            dims[axis] = match (m, n) {
                (m, n) if m == n => m,
                (1, n) => n,
                (m, 1) => m,
                (m, n) => {
                    return Err(format!("expected equal sizes or 1, found {m} and {n}"));
                }
            };
        }
        Ok(Self::new(&dims[Self::MAX_RANK - rank..]))
    }
}

/// How two broadcast arrays are walked: nested loops with a step for each array. Axes along which both arrays go on
/// alike are merged, so that equal shapes are one loop and a bias is two. A step of the innermost loop is 0 or 1, and
/// not 0 for both.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    sizes: [usize; 4],
    x: [usize; 4],
    y: [usize; 4],
}

impl Walk {
    /// For arrays whose common shape has `size` elements.
    #[inline]
    pub(crate) fn new(x: Shape, y: Shape, size: usize) -> Self {
        let mut walk = Self { sizes: [1, 1, 1, size], x: [0, 0, 0, 1], y: [0, 0, 0, 1] };
        if x.size() == size && y.size() == size {
            return walk;
        }
        let (xs, ys) = (x.padded(), y.padded());
        walk.sizes[3] = 1;
        let (mut at, mut x_step, mut y_step) = (3, 1, 1);
        for axis in (0..4).rev() {
            let size = if xs[axis] == 1 { ys[axis] } else { xs[axis] };
            if size == 1 {
                continue;
            }
            let (x, y) = (if xs[axis] == 1 { 0 } else { x_step }, if ys[axis] == 1 { 0 } else { y_step });
            x_step *= xs[axis];
            y_step *= ys[axis];
            let inner = walk.sizes[at];
            if inner != 1 && (x, y) == (inner * walk.x[at], inner * walk.y[at]) {
                walk.sizes[at] *= size;
                continue;
            }
            at -= usize::from(inner != 1);
            (walk.sizes[at], walk.x[at], walk.y[at]) = (size, x, y);
        }
        walk
    }

    /// The same runs in another order: those in which x is the same follow one another. Also returns the steps of the result, how
    /// many x there are, and how many runs each has.
    #[inline]
    pub(crate) fn grouped(self) -> (Self, [usize; 4], usize, usize) {
        let mut order = [0, 1, 2];
        order.sort_by_key(|&axis| self.x[axis] == 0);
        let [_, b, c, d] = self.sizes;
        let [sizes, x, y, z] = [self.sizes, self.x, self.y, [b * c * d, c * d, d, 1]]
            .map(|steps| [steps[order[0]], steps[order[1]], steps[order[2]], steps[3]]);
        let alike: usize = (0..3).map(|axis| if x[axis] == 0 { sizes[axis] } else { 1 }).product();
        (Self { sizes, x, y }, z, self.runs() / alike.max(1), alike)
    }

    #[inline]
    pub(crate) fn swapped(self) -> Self {
        Self { x: self.y, y: self.x, ..self }
    }

    /// The walk with an innermost loop of `len` elements.
    #[inline]
    pub(crate) fn shortened(self, len: usize) -> Self {
        let [a, b, c, _] = self.sizes;
        Self { sizes: [a, b, c, len], ..self }
    }

    /// How many elements the innermost loop goes through.
    #[inline(always)]
    pub(crate) fn run_len(&self) -> usize {
        self.sizes[3]
    }

    /// The steps of x and y in the innermost loop.
    #[inline(always)]
    pub(crate) fn inner_steps(&self) -> (usize, usize) {
        (self.x[3], self.y[3])
    }

    /// How often the innermost loop runs.
    #[inline]
    pub(crate) fn runs(&self) -> usize {
        self.sizes[0] * self.sizes[1] * self.sizes[2]
    }

    /// Where x and y begin in a run of the innermost loop.
    #[inline(always)]
    pub(crate) fn start(&self, run: usize) -> (usize, usize) {
        (self.offset(run, &self.x), self.offset(run, &self.y))
    }

    /// Where an array with these steps begins in a run of the innermost loop.
    #[inline(always)]
    pub(crate) fn offset(&self, run: usize, steps: &[usize; 4]) -> usize {
        if run == 0 {
            // Most often there is but one run, and a division takes longer than a short loop.
            return 0;
        }
        let [_, b, c, _] = self.sizes;
        run / (b * c) * steps[0] + run / c % b * steps[1] + run % c * steps[2]
    }
}

/// Which rows of N arrays belong together, if all axes but the last are broadcast.
#[derive(Clone, Copy)]
pub(crate) struct Rows<const N: usize> {
    sizes: [usize; 3],
    steps: [[usize; 3]; N],
    /// Whether row i of the result is row i of the array.
    whole: [bool; N],
}

impl<const N: usize> Rows<N> {
    /// For arrays whose shapes can be broadcast but for their last axes.
    #[inline]
    pub(crate) fn new(shapes: [Shape; N]) -> Self {
        let leading = shapes.map(|shape| {
            let [a, b, c, _] = shape.padded();
            [a, b, c]
        });
        let mut sizes = [1; 3];
        for axes in &leading {
            for (size, &axis) in sizes.iter_mut().zip(axes) {
                *size = if *size == 1 { axis } else { *size };
            }
        }
        let steps = leading.map(|[a, b, c]| {
            let step = |size: usize, step: usize| if size == 1 { 0 } else { step };
            [step(a, b * c), step(b, c), step(c, 1)]
        });
        Self { sizes, steps, whole: leading.map(|axes| axes == sizes) }
    }

    /// The number of the row of an array that belongs to row `i` of the result.
    #[inline(always)]
    pub(crate) fn of(&self, array: usize, i: usize) -> usize {
        let step = self.steps[array];
        // A division takes longer than a short row.
        if self.whole[array] || step == [0; 3] {
            return if self.whole[array] { i } else { 0 };
        }
        let [_, b, c] = self.sizes;
        i / (b * c) * step[0] + i / c % b * step[1] + i % c * step[2]
    }

    /// How many rows of the result share each row of an array.
    #[inline(always)]
    pub(crate) fn shares(&self, array: usize) -> usize {
        if self.whole[array] {
            return 1;
        }
        (0..3).filter(|&axis| self.steps[array][axis] == 0).map(|axis| self.sizes[axis]).product()
    }

    /// The `share`-th row of the result that has this row of an array.
    #[inline(always)]
    pub(crate) fn shared(&self, array: usize, mut row: usize, mut share: usize) -> usize {
        if self.whole[array] || self.steps[array] == [0; 3] {
            return if self.whole[array] { row } else { share };
        }
        let [a, b, c] = self.sizes;
        let mut i = 0;
        for (axis, (size, step)) in [(a, b * c), (b, c), (c, 1)].into_iter().enumerate().rev() {
            let number = if self.steps[array][axis] == 0 { &mut share } else { &mut row };
            i += *number % size * step;
            *number /= size;
        }
        i
    }
}

/// The common shape of arrays (…, n) that are broadcast but for their last axes, which must be equally long, without the last
/// axis.
pub(crate) fn rows(arrays: &[Shape]) -> Result<Shape, String> {
    let mut common = arrays[0];
    for shape in arrays {
        if shape.last() != common.last() {
            return Err(format!(
                "expected rows of equal length, found {} and {}",
                common.last(),
                shape.last()
            ));
        }
        common = common.broadcast(shape)?;
    }
    Ok(common.rank().checked_sub(1).map_or(Shape::SCALAR, |axis| common.without(axis)))
}

/// The arrays with rows of equal length: rows of one number are repeated where another array has longer ones.
#[track_caller]
pub(crate) fn equal_rows<'t, F: Real, const N: usize>(arrays: [Var<'t, F>; N]) -> [Var<'t, F>; N] {
    let mut longest = 1;
    for array in arrays {
        let last = array.shape().last();
        longest = if last == 1 { longest } else { last };
    }
    let mut result = arrays;
    for array in &mut result {
        let shape = array.shape();
        if shape.last() == 1 && longest != 1 {
            *array = match shape.rank() {
                0 => array.broadcast_to([longest]),
                _ => array.broadcast_to(shape.with_last(longest)),
            };
        }
    }
    result
}
