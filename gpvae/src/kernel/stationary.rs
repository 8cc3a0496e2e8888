//! Kernels that depend on the difference a − b alone. Each has one hyperparameter and amplitude one: k(a, a) = 1.

use std::f64::consts::TAU;

use autograd::{Real, Var};
use nn::model::Layout;

use super::{Kernel, Positive};

/// k(a, b) = exp(−‖a − b‖² / 2ℓ²), for smooth functions (Rasmussen & Williams 2006, equation 4.9).
///
/// A product of several such kernels, each [`on`](Kernel::on) one column, has a length scale ℓ for each column.
#[derive(Clone, Debug, PartialEq)]
pub struct SquaredExponential {
    /// ℓ, the length scale
    pub length: Positive,
}

impl SquaredExponential {
    /// The kernel with a slot `log_{name}` for ℓ, which starts at `length`.
    ///
    /// # Panics
    /// If `length` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, length: f64) -> Self {
        Self { length: Positive::new(layout, name, length) }
    }
}

impl Kernel for SquaredExponential {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        let precision = self.length.of(theta).square().recip();
        (squared_distance(a, b) * (precision * F::from_f64(-0.5))).exp()
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        ones(theta, a)
    }
}

/// k(a, b) = (1 + s) e⁻ˢ with s = √3 ‖a − b‖ / ℓ, for functions with one derivative (Rasmussen & Williams 2006, equation
/// 4.17).
#[derive(Clone, Debug, PartialEq)]
pub struct Matern32 {
    /// ℓ, the length scale
    pub length: Positive,
}

impl Matern32 {
    /// The kernel with a slot `log_{name}` for ℓ, which starts at `length`.
    ///
    /// # Panics
    /// If `length` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, length: f64) -> Self {
        Self { length: Positive::new(layout, name, length) }
    }
}

impl Kernel for Matern32 {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        let s = scaled_distance(3.0, self.length.of(theta), a, b);
        (s + F::ONE) * s.neg().exp()
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        ones(theta, a)
    }
}

/// k(a, b) = (1 + s + s²/3) e⁻ˢ with s = √5 ‖a − b‖ / ℓ, for functions with two derivatives (Rasmussen & Williams 2006,
/// equation 4.17).
#[derive(Clone, Debug, PartialEq)]
pub struct Matern52 {
    /// ℓ, the length scale
    pub length: Positive,
}

impl Matern52 {
    /// The kernel with a slot `log_{name}` for ℓ, which starts at `length`.
    ///
    /// # Panics
    /// If `length` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, length: f64) -> Self {
        Self { length: Positive::new(layout, name, length) }
    }
}

impl Kernel for Matern52 {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        let s = scaled_distance(5.0, self.length.of(theta), a, b);
        (s + s.square() / F::from_f64(3.0) + F::ONE) * s.neg().exp()
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        ones(theta, a)
    }
}

/// k(a, b) = exp(−2 Σ_d sin²(π (a_d − b_d) / p) / ν²), for functions of period p (Rasmussen & Williams 2006, equation 4.31).
///
/// For angles in radians the period is p = 2π, and the sine is that of half the angle, sin²(½ |w − w'|). Lecture 003,
/// "Example: Rotated MNIST", writes sin²|w − w'|. Its period is π: it cannot tell an image from the same image upside down.
#[derive(Clone, Debug, PartialEq)]
pub struct Periodic {
    /// p
    pub period: f64,
    /// ν, the length scale in units of a sine
    pub nu: Positive,
}

impl Periodic {
    /// The kernel of period 2π, for angles in radians, with a slot `log_{name}` for ν, which starts at `nu`.
    ///
    /// # Panics
    /// If `nu` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, nu: f64) -> Self {
        Self { period: TAU, nu: Positive::new(layout, name, nu) }
    }

    /// The kernel of this period instead.
    ///
    /// # Panics
    /// If `period` is not a positive number.
    #[track_caller]
    pub fn with_period(self, period: f64) -> Self {
        let positive = period > 0.0 && period.is_finite();
        assert!(positive, "Periodic: expected a positive number as the period, found {period}");
        Self { period, ..self }
    }
}

impl Kernel for Periodic {
    /// 2 sin²(½ δ) = 1 − cos δ, and cos δ is the inner product of two points of the unit circle. This takes one sine and one
    /// cosine for each row, and none for each pair of rows. Angles count from the first row of A: those of places that are far
    /// from 0 and near each other are small, and exact.
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        let dimensions = same_row_length(a, b);
        let nu = self.nu.of(theta);
        let frequency = F::from_f64(TAU / self.period);
        let mut origin = a.with(|a| a.iter().copied().take(dimensions).collect::<Vec<F>>());
        origin.resize(dimensions, F::ZERO);
        let origin = theta.tape().constant(&origin, [dimensions]);
        let circle = |x: Var<'t, F>| {
            let turn = (x - origin) * frequency;
            Var::concatenate(&[turn.cos(), turn.sin()], 1) / nu
        };
        (circle(a).matmul_t(circle(b)) - nu.square().recip() * F::from_f64(dimensions as f64)).exp()
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        ones(theta, a)
    }
}

/// ‖a − b‖² for all pairs of rows, (n, d) and (m, d) to (n, m).
///
/// It is the sum of the squared differences. ‖a‖² + ‖b‖² − 2 a·b would lose the distance of near neighbours to rounding.
#[track_caller]
fn squared_distance<'t, F: Real>(a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
    let (d, m) = (same_row_length(a, b), b.shape()[0]);
    let term = |i| (a.columns(i..i + 1) - b.columns(i..i + 1).reshape([1, m])).square();
    (1..d).fold(term(0), |sum, i| sum + term(i))
}

/// √(c ‖a − b‖²) / ℓ for all pairs of rows.
#[track_caller]
fn scaled_distance<'t, F: Real>(c: f64, length: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
    squared_distance(a, b).sqrt() * (length.recip() * F::from_f64(c.sqrt()))
}

/// d, if the rows of a (n, d) and of b (m, d) are equally long.
#[track_caller]
fn same_row_length<F: Real>(a: Var<'_, F>, b: Var<'_, F>) -> usize {
    let (a, b) = (a.shape(), b.shape());
    assert!(a.last() > 0 && a.last() == b.last(), "kernel: expected rows of equal length, found {a} and {b}");
    a.last()
}

/// The variance one of each row, (n, d) to (n).
#[track_caller]
fn ones<'t, F: Real>(theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
    theta.tape().constant_with([a.shape()[0]], |one| one.fill(F::ONE))
}
