//! Reductions and running sums over one axis, or over everything.

use std::fmt::Debug;

use crate::check::{Case, Catalogued, Checked, Sample};
use crate::numerics::{add_matrix, running_sums, sum_of};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// What a [`Reduction`] goes over: [`All`], or the axis of this number.
///
/// It is a type, so that a reduction over everything takes no memory on the tape.
pub trait Over: Copy + Debug + Send + 'static {
    /// The axis; `None` for all.
    fn axis(self) -> Option<usize>;

    /// Shapes with what is reduced of them, to be checked.
    #[doc(hidden)]
    fn cases() -> Vec<(&'static [usize], Self)>;
}

/// All elements.
#[derive(Clone, Copy, Debug)]
pub struct All;

impl Over for All {
    #[inline]
    fn axis(self) -> Option<usize> {
        None
    }

    fn cases() -> Vec<(&'static [usize], Self)> {
        vec![(&[2, 3, 4], All), (&[19], All)]
    }
}

impl Over for usize {
    #[inline]
    fn axis(self) -> Option<usize> {
        Some(self)
    }

    fn cases() -> Vec<(&'static [usize], Self)> {
        vec![(&[2, 3, 5], 0), (&[2, 4, 3], 1), (&[3, 18], 1), (&[3], 0)]
    }
}

/// The runs of an array along one of its axes. Without an axis, all elements are one run.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    /// How many elements a run has.
    pub size: usize,
    /// How far two neighbours of a run are apart.
    pub inner: usize,
}

impl Along {
    fn new(shape: Shape, axis: Option<usize>) -> Self {
        match axis {
            None => Self { size: shape.size(), inner: 1 },
            Some(axis) => Self { size: shape[axis], inner: shape.dims()[axis + 1..].iter().product() },
        }
    }

    /// The places of the elements of a run.
    #[inline(always)]
    pub fn run(self, number: usize) -> impl DoubleEndedIterator<Item = usize> {
        let start = number / self.inner * self.size * self.inner + number % self.inner;
        (0..self.size).map(move |i| start + i * self.inner)
    }
}

/// A function of each run of an array. [`Reduce`] makes an operation of it.
pub trait Reduction: Copy + Debug + Send + 'static {
    /// The name in drawings and messages.
    const NAME: &'static str;

    /// Whether the result has one number for each run, so that the axis disappears, or as many as the array.
    const REMOVES_AXIS: bool;

    /// y ← f(x)
    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]);

    /// x̄ += (∂y/∂x)ᵀ ȳ
    fn backward<F: Real>(self, along: Along, x: &[F], y: &[F], dy: &[F], dx: &mut [F]);
}

/// A [`Reduction`] as an operation.
#[derive(Clone, Copy, Debug)]
pub struct Reduce<R, O> {
    /// The function of a run.
    pub reduction: R,
    /// The axis along which the runs lie, or [`All`].
    pub over: O,
}

impl<F: Real, R: Reduction, O: Over> Op<F> for Reduce<R, O> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err(format!("expected one input, found {}", x.len())) };
        match self.over.axis() {
            Some(axis) if axis >= x.rank() => {
                Err(format!("expected an axis below {}, found {axis}", x.rank()))
            }
            _ if !R::REMOVES_AXIS => Ok(*x),
            Some(axis) => Ok(x.without(axis)),
            None => Ok(Shape::SCALAR),
        }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        self.reduction.forward(Along::new(x.shape(0), self.over.axis()), &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let along = Along::new(x.shape(0), self.over.axis());
        if let Some(dx) = dx.get(0) {
            self.reduction.backward(along, &x[0], y, dy, dx);
        }
    }
}

impl<F: Real, R: Reduction + Default, O: Over> Checked<F> for Reduce<R, O> {
    fn cases() -> Vec<Case<Self>> {
        let case = |(shape, over): (&[usize], O)| {
            Case::new(Self { reduction: R::default(), over }, [Sample::any(shape)])
        };
        O::cases().into_iter().map(case).collect()
    }
}

impl<F: Real> Var<'_, F> {
    #[track_caller]
    pub(crate) fn reduce<R: Reduction, O: Over>(self, reduction: R, over: O) -> Self
    where
        Reduce<R, O>: Catalogued<F>,
    {
        self.tape().apply(Reduce { reduction, over }, &[self])
    }
}

/// The sum of each run.   x̄ᵢ += ȳ
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

impl Reduction for Sum {
    const NAME: &'static str = "sum";
    const REMOVES_AXIS: bool = true;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        sum(along, F::ONE, x, y);
    }

    fn backward<F: Real>(self, along: Along, _: &[F], _: &[F], dy: &[F], dx: &mut [F]) {
        spread(along, F::ONE, dy, dx);
    }
}

/// The mean of each run of n numbers, NaN for n = 0.   x̄ᵢ += ȳ / n
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean;

impl Reduction for Mean {
    const NAME: &'static str = "mean";
    const REMOVES_AXIS: bool = true;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        sum(along, F::ONE / F::from_f64(along.size as f64), x, y);
    }

    fn backward<F: Real>(self, along: Along, _: &[F], _: &[F], dy: &[F], dx: &mut [F]) {
        spread(along, F::ONE / F::from_f64(along.size as f64), dy, dx);
    }
}

/// The largest element of each run; NaN if an element is NaN, −∞ of an empty run.
///
/// x̄ᵢ += ȳ / n for the n elements that are equal to it (for all, if it is NaN).
#[derive(Clone, Copy, Debug, Default)]
pub struct Max;

/// The smallest element of each run; NaN if an element is NaN, ∞ of an empty run.
///
/// x̄ᵢ += ȳ / n for the n elements that are equal to it (for all, if it is NaN).
#[derive(Clone, Copy, Debug, Default)]
pub struct Min;

impl Order for Max {
    const EMPTY: f64 = f64::NEG_INFINITY;

    #[inline(always)]
    fn precedes<F: Real>(a: F, b: F) -> bool {
        a > b
    }
}

impl Order for Min {
    const EMPTY: f64 = f64::INFINITY;

    #[inline(always)]
    fn precedes<F: Real>(a: F, b: F) -> bool {
        a < b
    }
}

impl Reduction for Max {
    const NAME: &'static str = "max";
    const REMOVES_AXIS: bool = true;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        extremum(self, along, x, y);
    }

    fn backward<F: Real>(self, along: Along, x: &[F], _: &[F], dy: &[F], dx: &mut [F]) {
        extremum_backward(self, along, x, dy, dx);
    }
}

impl Reduction for Min {
    const NAME: &'static str = "min";
    const REMOVES_AXIS: bool = true;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        extremum(self, along, x, y);
    }

    fn backward<F: Real>(self, along: Along, x: &[F], _: &[F], dy: &[F], dx: &mut [F]) {
        extremum_backward(self, along, x, dy, dx);
    }
}

/// The running sum of each run, yᵢ = Σ_{j≤i} xⱼ.   x̄ᵢ += Σ_{j≥i} ȳⱼ
#[derive(Clone, Copy, Debug, Default)]
pub struct CumSum;

impl Reduction for CumSum {
    const NAME: &'static str = "cumsum";
    const REMOVES_AXIS: bool = false;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        cumsum(along, x, y);
    }

    fn backward<F: Real>(self, along: Along, _: &[F], _: &[F], dy: &[F], dx: &mut [F]) {
        cumsum_backward(along, dy, dx);
    }
}

impl<F: Real> Var<'_, F> {
    /// The sum of all elements.
    #[track_caller]
    pub fn sum(self) -> Self {
        self.reduce(Sum, All)
    }

    /// The sum over an axis, which disappears.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn sum_axis(self, axis: usize) -> Self {
        self.reduce(Sum, axis)
    }

    /// The mean of all elements; NaN if there are none.
    #[track_caller]
    pub fn mean(self) -> Self {
        self.reduce(Mean, All)
    }

    /// The mean over an axis, which disappears; NaN if the axis is empty.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn mean_axis(self, axis: usize) -> Self {
        self.reduce(Mean, axis)
    }

    /// The largest element, NaN if one is NaN. Equal elements share the gradient. ([`maximum`](Self::maximum) compares two
    /// arrays.)
    #[track_caller]
    pub fn max(self) -> Self {
        self.reduce(Max, All)
    }

    /// The largest element over an axis, which disappears; NaN if one is NaN. Equal elements share the gradient.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn max_axis(self, axis: usize) -> Self {
        self.reduce(Max, axis)
    }

    /// The smallest element, NaN if one is NaN. Equal elements share the gradient. ([`minimum`](Self::minimum) compares two
    /// arrays.)
    #[track_caller]
    pub fn min(self) -> Self {
        self.reduce(Min, All)
    }

    /// The smallest element over an axis, which disappears; NaN if one is NaN. Equal elements share the gradient.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn min_axis(self, axis: usize) -> Self {
        self.reduce(Min, axis)
    }

    /// The running sum of all elements in row-major order, in the shape of the array.
    #[track_caller]
    pub fn cumsum(self) -> Self {
        self.reduce(CumSum, All)
    }

    /// The running sum along an axis, in the shape of the array.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn cumsum_axis(self, axis: usize) -> Self {
        self.reduce(CumSum, axis)
    }
}

kernel! {
    /// y ← scale · Σ_axis x
    fn sum<F: Real>(along: Along, scale: F, x: &[F], y: &mut [F]) {
        let Along { size, inner } = along;
        if inner == 1 {
            for (run, y) in y.iter_mut().enumerate() {
                let x = &x[run * size..][..size];
                *y = scale * lane_sum!(F, [x] => x);
            }
            return;
        }
        y.fill(F::ZERO);
        for (y, x) in y.chunks_exact_mut(inner.max(1)).zip(x.chunks_exact((size * inner).max(1))) {
            add_matrix(x, y);
        }
        y.iter_mut().for_each(|y| *y *= scale);
    }
}

kernel! {
    /// x̄ += scale · ȳ along the axis
    fn spread<F: Real>(along: Along, scale: F, dy: &[F], dx: &mut [F]) {
        let Along { size, inner } = along;
        if inner == 1 {
            for (dx, &dy) in dx.chunks_exact_mut(size.max(1)).zip(dy) {
                for dx in dx {
                    *dx += scale * dy;
                }
            }
            return;
        }
        for (dx, dy) in dx.chunks_exact_mut((size * inner).max(1)).zip(dy.chunks_exact(inner.max(1))) {
            for dx in dx.chunks_exact_mut(inner) {
                for (dx, &dy) in dx.iter_mut().zip(dy) {
                    *dx += scale * dy;
                }
            }
        }
    }
}

/// Which of two numbers an extremum takes.
trait Order: Copy + Send + 'static {
    /// The extremum of nothing.
    const EMPTY: f64;
    /// Whether `a` comes before `b`.
    fn precedes<F: Real>(a: F, b: F) -> bool;
}

kernel! {
    fn extremum<F: Real, R: Order>(_order: R, along: Along, x: &[F], y: &mut [F]) {
        for (run, y) in y.iter_mut().enumerate() {
            let (top, ties) = top_and_ties::<F, R>(along, run, x);
            // 0 in value. In a dual number it carries the mean of what the equal numbers carry, as the adjoint has it.
            let carried = |i: usize| if R::precedes(top, x[i]) { F::ZERO } else { x[i] - top };
            let mean = sum_of(along.run(run).map(carried)) / ties;
            *y = if mean.is_finite() { top + mean } else { top };
        }
    }
}

kernel! {
    fn extremum_backward<F: Real, R: Order>(_order: R, along: Along, x: &[F], dy: &[F], dx: &mut [F]) {
        for (run, &dy) in dy.iter().enumerate() {
            let (top, ties) = top_and_ties::<F, R>(along, run, x);
            for i in along.run(run) {
                dx[i] += at_top::<F, R>(x[i], top) * (dy / ties);
            }
        }
    }
}

/// The extremum, NaN if an element is NaN, and how many elements are equal to it.
#[inline(always)]
fn top_and_ties<F: Real, R: Order>(along: Along, run: usize, x: &[F]) -> (F, F) {
    let mut top = F::from_f64(R::EMPTY);
    for i in along.run(run) {
        top = if R::precedes(x[i], top) {
            x[i]
        } else if x[i] == top || R::precedes(top, x[i]) {
            top
        } else {
            x[i] + top
        };
    }
    (top, sum_of(along.run(run).map(|i| at_top::<F, R>(x[i], top))))
}

/// 1 for the extremum and for NaN, else 0.
#[inline(always)]
fn at_top<F: Real, R: Order>(x: F, top: F) -> F {
    if R::precedes(top, x) { F::ZERO } else { F::ONE }
}

kernel! {
    fn cumsum<F: Real>(along: Along, x: &[F], y: &mut [F]) {
        for run in 0..x.len() / along.size.max(1) {
            running_sums(along.run(run), x, |i, sum| y[i] = sum);
        }
    }
}

kernel! {
    fn cumsum_backward<F: Real>(along: Along, dy: &[F], dx: &mut [F]) {
        for run in 0..dy.len() / along.size.max(1) {
            running_sums(along.run(run).rev(), dy, |i, sum| dx[i] += sum);
        }
    }
}
