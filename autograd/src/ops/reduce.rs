//! Reductions over one axis, or over everything.

use crate::gradcheck::{Case, Sample};
use crate::{Grads, Inputs, Op, Real, Shape, Var};

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
    fn along(self, run: usize) -> impl Iterator<Item = usize> {
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

fn cases<O>(op: impl Fn(Option<usize>) -> O) -> Vec<Case<O>> {
    let case = |(shape, axis): (&[usize], _)| Case::new(op(axis), [Sample::any(shape)]);
    [
        (&[2, 3, 4][..], None),
        (&[2, 3, 4], Some(0)),
        (&[2, 3, 4], Some(1)),
        (&[3, 19], Some(1)),
        (&[5], Some(0)),
    ]
    .map(case)
    .into()
}

/// The sum, over an axis or all.   x̄ᵢ += ȳ
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// The axis that is summed over and disappears; `None` for all.
    pub axis: Option<usize>,
}

/// The mean, over an axis or all, n numbers each.   x̄ᵢ += ȳ / n;   NaN for n = 0
#[derive(Clone, Copy, Debug)]
pub struct Mean {
    /// The axis that is averaged over and disappears; `None` for all.
    pub axis: Option<usize>,
}

impl<F: Real> Op<F> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        reduced(x, self.axis)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        sum(View::new(x.shape(0), self.axis), F::ONE, &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        if let Some(dx) = grads.get(0) {
            spread(View::new(x.shape(0), self.axis), F::ONE, dy, dx.sum());
        }
    }

    fn cases() -> Vec<Case<Self>> {
        cases(|axis| Self { axis })
    }
}

impl<F: Real> Op<F> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        reduced(x, self.axis)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let view = View::new(x.shape(0), self.axis);
        sum(view, F::ONE / F::from_f64(view.size as f64), &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let view = View::new(x.shape(0), self.axis);
        if let Some(dx) = grads.get(0) {
            spread(view, F::ONE / F::from_f64(view.size as f64), dy, dx.sum());
        }
    }

    fn cases() -> Vec<Case<Self>> {
        cases(|axis| Self { axis })
    }
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
        y.iter_mut().for_each(|y| *y = *y * scale);
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

/// ln Σ eˣⁱ, over an axis or all, without overflow; −∞ for no terms, or if all are −∞.   x̄ᵢ += e^(xᵢ−y) ȳ
///
/// Where all terms are −∞ none of them matters (slope 0); a term that is +∞ has slope 1, the others then 0.
#[derive(Clone, Copy, Debug)]
pub struct LogSumExp {
    /// The axis that is summed over and disappears; `None` for all.
    pub axis: Option<usize>,
}

/// yᵢ = eˣⁱ / Σ eˣʲ, over an axis or all.   x̄ᵢ += yᵢ (ȳᵢ − Σ yⱼ ȳⱼ)
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// The axis along which the results sum to one; `None` for all.
    pub axis: Option<usize>,
}

/// yᵢ = xᵢ − ln Σ eˣʲ, over an axis or all.   x̄ᵢ += ȳᵢ − eʸⁱ Σ ȳⱼ
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax {
    /// The axis along which the probabilities sum to one; `None` for all.
    pub axis: Option<usize>,
}

impl<F: Real> Op<F> for LogSumExp {
    fn name(&self) -> &'static str {
        "log_sum_exp"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        reduced(x, self.axis)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        log_sum_exp(View::new(x.shape(0), self.axis), &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        if let Some(dx) = grads.get(0) {
            log_sum_exp_backward(View::new(x.shape(0), self.axis), &x[0], dy, dx.sum());
        }
    }

    fn cases() -> Vec<Case<Self>> {
        cases(|axis| Self { axis })
    }
}

impl<F: Real> Op<F> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        kept(x, self.axis)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        softmax(View::new(x.shape(0), self.axis), &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        if let Some(dx) = grads.get(0) {
            softmax_backward(View::new(x.shape(0), self.axis), y, dy, dx.sum());
        }
    }

    fn cases() -> Vec<Case<Self>> {
        cases(|axis| Self { axis })
    }
}

impl<F: Real> Op<F> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        kept(x, self.axis)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        log_softmax(View::new(x.shape(0), self.axis), &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        if let Some(dx) = grads.get(0) {
            log_softmax_backward(View::new(x.shape(0), self.axis), y, dy, dx.sum());
        }
    }

    fn cases() -> Vec<Case<Self>> {
        cases(|axis| Self { axis })
    }
}

/// m = max xᵢ and Σ e^(xᵢ − m), along the axis. Kept apart: where m is large, m + ln Σ has no digits left for ln Σ.
#[inline(always)]
fn max_and_sum<F: Real>(view: View, run: usize, x: &[F]) -> (F, F) {
    let zero = F::ZERO;
    let mut max = -(F::ONE / zero);
    for i in view.along(run) {
        max = if x[i] > max { x[i] } else { max };
    }
    // An infinite maximum would give ∞ − ∞.
    let max = if (max - max) == zero { max } else { zero };
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
                dx[i] += if term == sum { all } else { term / sum } * dy;
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
    fn log_softmax_backward<F: Real>(view: View, y: &[F], dy: &[F], dx: &mut [F]) {
        for run in 0..y.len() / view.size.max(1) {
            let total: F = view.along(run).map(|i| dy[i]).sum();
            for i in view.along(run) {
                dx[i] += dy[i] - y[i].exp() * total;
            }
        }
    }
}

/// A method over everything and one along an axis.
macro_rules! reductions {
    ($($op:ident $all:ident $along:ident $doc:literal;)*) => {
        impl<F: Real> Var<'_, F> {
            $(
                #[doc = concat!($doc, ", over all elements: see [`", stringify!($op), "`].")]
                #[track_caller]
                pub fn $all(self) -> Self {
                    self.tape().apply($op { axis: None }, &[self])
                }

                #[doc = concat!($doc, ", along one axis: see [`", stringify!($op), "`].")]
                ///
                /// # Panics
                /// If there is no such axis.
                #[track_caller]
                pub fn $along(self, axis: usize) -> Self {
                    self.tape().apply($op { axis: Some(axis) }, &[self])
                }
            )*
        }
    };
}

reductions! {
    Sum sum sum_axis "The sum";
    Mean mean mean_axis "The mean";
    LogSumExp log_sum_exp log_sum_exp_axis "ln Σ eˣ";
    Softmax softmax softmax_axis "eˣ / Σ eˣ";
    LogSoftmax log_softmax log_softmax_axis "x − ln Σ eˣ";
}
