//! Softmax and its relatives, along one axis or over everything, without overflow.

use crate::numerics::sum_of;
use crate::ops::{All, Along, Reduction};
use crate::{Real, Var};

/// ln Σ eˣⁱ of each run, without overflow; −∞ of an empty run, or if all elements are −∞. The composition of `exp`, `sum` and
/// `ln`.
///
/// x̄ᵢ += e^(xᵢ−y) ȳ. Where all elements are −∞ none of them matters (slope 0); an element that is +∞ has slope 1, the
/// others then 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSumExp;

impl Reduction for LogSumExp {
    const NAME: &'static str = "logsumexp";
    const REMOVES_AXIS: bool = true;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        logsumexp(along, x, y);
    }

    fn backward<F: Real>(self, along: Along, x: &[F], _: &[F], dy: &[F], dx: &mut [F]) {
        logsumexp_backward(along, x, dy, dx);
    }
}

/// yᵢ = eˣⁱ / Σ eˣʲ of each run: the composition of `exp`, `sum` and a division.   x̄ᵢ += yᵢ (ȳᵢ − Σ yⱼ ȳⱼ)
#[derive(Clone, Copy, Debug, Default)]
pub struct Softmax;

impl Reduction for Softmax {
    const NAME: &'static str = "softmax";
    const REMOVES_AXIS: bool = false;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        softmax(along, x, y);
    }

    fn backward<F: Real>(self, along: Along, _: &[F], y: &[F], dy: &[F], dx: &mut [F]) {
        softmax_backward(along, y, dy, dx);
    }
}

/// yᵢ = xᵢ − ln Σ eˣʲ of each run: the composition of `logsumexp` and a difference.   x̄ᵢ += ȳᵢ − eʸⁱ Σ ȳⱼ
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSoftmax;

impl Reduction for LogSoftmax {
    const NAME: &'static str = "log_softmax";
    const REMOVES_AXIS: bool = false;

    fn forward<F: Real>(self, along: Along, x: &[F], y: &mut [F]) {
        log_softmax(along, x, y);
    }

    fn backward<F: Real>(self, along: Along, _: &[F], y: &[F], dy: &[F], dx: &mut [F]) {
        log_softmax_backward(along, y, dy, dx);
    }
}

impl<F: Real> Var<'_, F> {
    /// ln Σ eˣⁱ over all elements, without overflow: see [`LogSumExp`].
    #[track_caller]
    pub fn logsumexp(self) -> Self {
        self.reduce(LogSumExp, All)
    }

    /// ln Σ eˣⁱ over an axis, which disappears, without overflow: see [`LogSumExp`].
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn logsumexp_axis(self, axis: usize) -> Self {
        self.reduce(LogSumExp, axis)
    }

    /// eˣⁱ / Σ eˣʲ over all elements: see [`Softmax`].
    #[track_caller]
    pub fn softmax(self) -> Self {
        self.reduce(Softmax, All)
    }

    /// eˣⁱ / Σ eˣʲ along an axis: see [`Softmax`].
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn softmax_axis(self, axis: usize) -> Self {
        self.reduce(Softmax, axis)
    }

    /// xᵢ − ln Σ eˣʲ over all elements: see [`LogSoftmax`].
    #[track_caller]
    pub fn log_softmax(self) -> Self {
        self.reduce(LogSoftmax, All)
    }

    /// xᵢ − ln Σ eˣʲ along an axis: see [`LogSoftmax`].
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn log_softmax_axis(self, axis: usize) -> Self {
        self.reduce(LogSoftmax, axis)
    }
}

/// m = max xᵢ and Σ e^(xᵢ − m), along the axis. Kept apart: where m is large, m + ln Σ has no digits left for ln Σ.
#[inline(always)]
fn max_and_sum<F: Real>(along: Along, run: usize, x: &[F]) -> (F, F) {
    let mut max = F::from_f64(f64::NEG_INFINITY);
    for i in along.run(run) {
        max = if x[i] > max { x[i] } else { max };
    }
    // An infinite maximum would give ∞ − ∞.
    let max = if max.is_finite() { max } else { F::ZERO };
    (max, sum_of(along.run(run).map(|i| (x[i] - max).exp())))
}

kernel! {
    fn logsumexp<F: Real>(along: Along, x: &[F], y: &mut [F]) {
        for (run, y) in y.iter_mut().enumerate() {
            let (max, sum) = max_and_sum(along, run, x);
            *y = max + sum.ln();
        }
    }
}

kernel! {
    fn logsumexp_backward<F: Real>(along: Along, x: &[F], dy: &[F], dx: &mut [F]) {
        for (run, &dy) in dy.iter().enumerate() {
            let (max, sum) = max_and_sum(along, run, x);
            // Neither 0/0 nor ∞/∞.
            let all = if sum == F::ZERO { F::ZERO } else { F::ONE };
            for i in along.run(run) {
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
    fn softmax<F: Real>(along: Along, x: &[F], y: &mut [F]) {
        for run in 0..x.len() / along.size.max(1) {
            let (max, sum) = max_and_sum(along, run, x);
            for i in along.run(run) {
                y[i] = (x[i] - max).exp() / sum;
            }
        }
    }
}

kernel! {
    fn softmax_backward<F: Real>(along: Along, y: &[F], dy: &[F], dx: &mut [F]) {
        for run in 0..y.len() / along.size.max(1) {
            let mean = sum_of(along.run(run).map(|i| y[i] * dy[i]));
            for i in along.run(run) {
                dx[i] += y[i] * (dy[i] - mean);
            }
        }
    }
}

kernel! {
    fn log_softmax<F: Real>(along: Along, x: &[F], y: &mut [F]) {
        for run in 0..x.len() / along.size.max(1) {
            let (max, sum) = max_and_sum(along, run, x);
            let log_sum = sum.ln();
            for i in along.run(run) {
                y[i] = x[i] - max - log_sum;
            }
        }
    }
}

kernel! {
    fn log_softmax_backward<F: Real>(along: Along, y: &[F], dy: &[F], dx: &mut [F]) {
        for run in 0..y.len() / along.size.max(1) {
            let total = sum_of(along.run(run).map(|i| dy[i]));
            for i in along.run(run) {
                dx[i] += dy[i] - y[i].exp() * total;
            }
        }
    }
}
