//! Reductions over one axis, or over everything.

use std::fmt::Debug;

use crate::gradcheck::{Case, Sample};
use crate::{Grads, Inputs, Op, Real, Shape, Var};

/// What a reduction goes over: [`All`], or the axis of this number.
///
/// A type, so that an operation over all has no attributes to be boxed.
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
        vec![(&[2, 3, 4], 0), (&[2, 3, 4], 1), (&[3, 19], 1), (&[5], 0)]
    }
}

/// An array seen from one of its axes: (outer, size, inner), in row-major order. Without an axis, all is one axis.
#[derive(Clone, Copy)]
struct View {
    size: usize,
    inner: usize,
}

impl View {
    fn new(shape: Shape, axis: Option<usize>) -> Self {
        match axis {
            None => Self { size: shape.size(), inner: 1 },
            Some(axis) => Self { size: shape[axis], inner: shape.dims()[axis + 1..].iter().product() },
        }
    }

    /// The places of the elements that are reduced to the `run`-th of the result.
    #[inline(always)]
    fn along(self, run: usize) -> impl DoubleEndedIterator<Item = usize> {
        let start = run / self.inner * self.size * self.inner + run % self.inner;
        (0..self.size).map(move |i| start + i * self.inner)
    }
}

fn reduced(x: &[Shape], axis: Option<usize>) -> Result<Shape, String> {
    let shape = kept(x, axis)?;
    Ok(axis.map_or(Shape::SCALAR, |axis| shape.without(axis)))
}

fn kept(x: &[Shape], axis: Option<usize>) -> Result<Shape, String> {
    let [x] = x else { return Err("takes one input".into()) };
    match axis {
        Some(axis) if axis >= x.rank() => Err(format!("there is no axis {axis}")),
        _ => Ok(*x),
    }
}

/// One entry an operation: type, its methods over everything and along an axis, shape rule, y = f(x), and what it adds to
/// x̄.
macro_rules! reductions {
    ($(
        $(#[$meta:meta])*
        $op:ident $all:ident $along:ident $shape:ident,
        |$view:ident, $x:ident, $y:ident| $forward:expr,
        |$bview:ident, $bx:tt, $by:tt, $dy:ident, $dx:ident| $backward:expr;
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug)]
            pub struct $op<O> {
                /// The axis that is reduced, or [`All`].
                pub over: O,
            }

            impl<F: Real, O: Over> Op<F> for $op<O> {
                fn name(&self) -> &'static str {
                    stringify!($all)
                }

                fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
                    $shape(x, self.over.axis())
                }

                fn forward(&self, x: &Inputs<'_, F>, $y: &mut [F], _: &mut [F]) {
                    let ($view, $x) = (View::new(x.shape(0), self.over.axis()), &x[0]);
                    $forward
                }

                fn backward(&self, x: &Inputs<'_, F>, $by: &[F], _: &[F], $dy: &[F], grads: &mut Grads<'_, F>) {
                    let ($bview, $bx) = (View::new(x.shape(0), self.over.axis()), &x[0]);
                    if let Some(dx) = grads.get(0) {
                        let $dx = dx.sum();
                        $backward
                    }
                }

                fn cases() -> Vec<Case<Self>> {
                    let case = |(shape, over): (&[usize], O)| Case::new(Self { over }, [Sample::any(shape)]);
                    O::cases().into_iter().map(case).collect()
                }
            }

            impl<F: Real> Var<'_, F> {
                $(#[$meta])*
                #[track_caller]
                pub fn $all(self) -> Self {
                    self.tape().apply($op { over: All }, &[self])
                }

                $(#[$meta])*
                ///
                /// # Panics
                /// If there is no such axis.
                #[track_caller]
                pub fn $along(self, axis: usize) -> Self {
                    self.tape().apply($op { over: axis }, &[self])
                }
            }
        )*
    };
}

reductions! {
    /// The sum, over an axis (which disappears) or all.   x̄ᵢ += ȳ
    Sum sum sum_axis reduced,
        |view, x, y| sum(view, F::ONE, x, y),
        |view, _, _, dy, dx| spread(view, F::ONE, dy, dx);

    /// The mean, over an axis (which disappears) or all, n numbers each.   x̄ᵢ += ȳ / n;   NaN for n = 0
    Mean mean mean_axis reduced,
        |view, x, y| sum(view, F::ONE / F::from_f64(view.size as f64), x, y),
        |view, _, _, dy, dx| spread(view, F::ONE / F::from_f64(view.size as f64), dy, dx);

    /// ln Σ eˣⁱ, over an axis (which disappears) or all, without overflow; −∞ for no terms, or if all are −∞.
    ///
    /// x̄ᵢ += e^(xᵢ−y) ȳ.   Where all terms are −∞ none of them matters (slope 0); a term that is +∞ has slope 1, the
    /// others then 0.
    LogSumExp log_sum_exp log_sum_exp_axis reduced,
        |view, x, y| log_sum_exp(view, x, y),
        |view, x, _, dy, dx| log_sum_exp_backward(view, x, dy, dx);

    /// yᵢ = eˣⁱ / Σ eˣʲ, along an axis or over all.   x̄ᵢ += yᵢ (ȳᵢ − Σ yⱼ ȳⱼ)
    Softmax softmax softmax_axis kept,
        |view, x, y| softmax(view, x, y),
        |view, _, y, dy, dx| softmax_backward(view, y, dy, dx);

    /// yᵢ = xᵢ − ln Σ eˣʲ, along an axis or over all.   x̄ᵢ += ȳᵢ − eʸⁱ Σ ȳⱼ
    LogSoftmax log_softmax log_softmax_axis kept,
        |view, x, y| log_softmax(view, x, y),
        |view, _, y, dy, dx| log_softmax_backward(view, y, dy, dx);

    /// The largest, over an axis (which disappears) or all; NaN if one is, −∞ for none.
    ///
    /// x̄ᵢ += ȳ / n for the n that are equal to it (for all, if it is NaN).
    Maximum maximum max_axis reduced,
        |view, x, y| maximum(view, x, y),
        |view, x, _, dy, dx| maximum_backward(view, x, dy, dx);

    /// yᵢ = Σ_{j≤i} xⱼ, along an axis or over all in row-major order.   x̄ᵢ += Σ_{j≥i} ȳⱼ
    CumulativeSum cumulative_sum cumulative_sum_axis kept,
        |view, x, y| cumulative_sum(view, x, y),
        |view, _, _, dy, dx| cumulative_sum_backward(view, dy, dx);
}

kernel! {
    /// y ← scale · Σ_axis x
    fn sum<F: Real>(view: View, scale: F, x: &[F], y: &mut [F]) {
        let View { size, inner } = view;
        if inner == 1 {
            for (run, y) in y.iter_mut().enumerate() {
                let x = &x[run * size..][..size];
                *y = scale * lane_sum!(F, [x] => x);
            }
            return;
        }
        y.fill(F::ZERO);
        for (y, x) in y.chunks_exact_mut(inner.max(1)).zip(x.chunks_exact((size * inner).max(1))) {
            for x in x.chunks_exact(inner) {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y += x;
                }
            }
        }
        y.iter_mut().for_each(|y| *y *= scale);
    }
}

kernel! {
    /// x̄ += scale · ȳ along the axis
    fn spread<F: Real>(view: View, scale: F, dy: &[F], dx: &mut [F]) {
        let View { size, inner } = view;
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

/// m = max xᵢ and Σ e^(xᵢ − m), along the axis. Kept apart: where m is large, m + ln Σ has no digits left for ln Σ.
#[inline(always)]
fn max_and_sum<F: Real>(view: View, run: usize, x: &[F]) -> (F, F) {
    let mut max = F::from_f64(f64::NEG_INFINITY);
    for i in view.along(run) {
        max = if x[i] > max { x[i] } else { max };
    }
    // An infinite maximum would give ∞ − ∞.
    let max = if max.is_finite() { max } else { F::ZERO };
    (max, view.along(run).map(|i| (x[i] - max).exp()).sum())
}

kernel! {
    fn log_sum_exp<F: Real>(view: View, x: &[F], y: &mut [F]) {
        for (run, y) in y.iter_mut().enumerate() {
            let (max, sum) = max_and_sum(view, run, x);
            *y = max + sum.ln();
        }
    }
}

kernel! {
    fn log_sum_exp_backward<F: Real>(view: View, x: &[F], dy: &[F], dx: &mut [F]) {
        for (run, &dy) in dy.iter().enumerate() {
            let (max, sum) = max_and_sum(view, run, x);
            // Neither 0/0 nor ∞/∞.
            let all = if sum == F::ZERO { F::ZERO } else { F::ONE };
            for i in view.along(run) {
                let term = (x[i] - max).exp();
                let weight = match term == sum {
                    true if !sum.is_finite() && x[i].is_finite() => F::ZERO,
                    true => all,
                    false => term / sum,
                };
                dx[i] += weight * dy;
            }
        }
    }
}

kernel! {
    fn softmax<F: Real>(view: View, x: &[F], y: &mut [F]) {
        for run in 0..x.len() / view.size.max(1) {
            let (max, sum) = max_and_sum(view, run, x);
            for i in view.along(run) {
                y[i] = (x[i] - max).exp() / sum;
            }
        }
    }
}

kernel! {
    fn softmax_backward<F: Real>(view: View, y: &[F], dy: &[F], dx: &mut [F]) {
        for run in 0..y.len() / view.size.max(1) {
            let mean: F = view.along(run).map(|i| y[i] * dy[i]).sum();
            for i in view.along(run) {
                dx[i] += y[i] * (dy[i] - mean);
            }
        }
    }
}

kernel! {
    fn log_softmax<F: Real>(view: View, x: &[F], y: &mut [F]) {
        for run in 0..x.len() / view.size.max(1) {
            let (max, sum) = max_and_sum(view, run, x);
            let log_sum = sum.ln();
            for i in view.along(run) {
                y[i] = x[i] - max - log_sum;
            }
        }
    }
}

kernel! {
    fn log_softmax_backward<F: Real>(view: View, y: &[F], dy: &[F], dx: &mut [F]) {
        for run in 0..y.len() / view.size.max(1) {
            let total: F = view.along(run).map(|i| dy[i]).sum();
            for i in view.along(run) {
                dx[i] += dy[i] - y[i].exp() * total;
            }
        }
    }
}

kernel! {
    fn maximum<F: Real>(view: View, x: &[F], y: &mut [F]) {
        for (run, y) in y.iter_mut().enumerate() {
            let (max, ties) = max_and_ties(view, run, x);
            // 0 in value; what it carries is the mean of what equal numbers carry, as the adjoint has it.
            let carried = |i: usize| if x[i] < max { F::ZERO } else { x[i] - max };
            let mean = view.along(run).map(carried).sum::<F>() / ties;
            *y = if mean.is_finite() { max + mean } else { max };
        }
    }
}

kernel! {
    fn maximum_backward<F: Real>(view: View, x: &[F], dy: &[F], dx: &mut [F]) {
        for (run, &dy) in dy.iter().enumerate() {
            let (max, ties) = max_and_ties(view, run, x);
            for i in view.along(run) {
                dx[i] += at_top(x[i], max) * (dy / ties);
            }
        }
    }
}

/// max xᵢ, NaN if one is, and how many are equal to it, along the axis.
#[inline(always)]
fn max_and_ties<F: Real>(view: View, run: usize, x: &[F]) -> (F, F) {
    let mut max = F::from_f64(f64::NEG_INFINITY);
    for i in view.along(run) {
        max = if x[i] > max {
            x[i]
        } else if x[i] <= max {
            max
        } else {
            x[i] + max
        };
    }
    (max, view.along(run).map(|i| at_top(x[i], max)).sum())
}

/// 0 below the maximum, else 1.
#[inline(always)]
fn at_top<F: Real>(x: F, max: F) -> F {
    if x < max { F::ZERO } else { F::ONE }
}

kernel! {
    fn cumulative_sum<F: Real>(view: View, x: &[F], y: &mut [F]) {
        for run in 0..x.len() / view.size.max(1) {
            let mut sum = F::ZERO;
            for i in view.along(run) {
                sum += x[i];
                y[i] = sum;
            }
        }
    }
}

kernel! {
    fn cumulative_sum_backward<F: Real>(view: View, dy: &[F], dx: &mut [F]) {
        for run in 0..dy.len() / view.size.max(1) {
            let mut sum = F::ZERO;
            for i in view.along(run).rev() {
                sum += dy[i];
                dx[i] += sum;
            }
        }
    }
}
