//! The scalar that everything is generic over.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::{Mat, MatMut, elementary, gemm, special};

/// A real number on a tape: `f32` for training, `f64` for gradient checks and Gaussian processes.
///
/// The elementary functions are branch-free and inlined, so that a plain loop over a slice inside a
/// [`kernel!`](crate::kernel) becomes vector code; they are accurate to a few units in the last place over the whole
/// range, with infinities, NaN and subnormal numbers (the modules [`elementary`] and [`special`] state each bound).
/// Comparisons look at the value alone, so that a number which carries a derivative can stand in for `Self`.
pub trait Real:
    Copy
    + Debug
    + Display
    + Default
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + Send
    + Sync
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Whether it is a single number, without a derivative: loops over such numbers are compiled for wide vectors.
    const IS_PLAIN: bool;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The value as an `f64`.
    fn to_f64(self) -> f64;
    /// Whether value and derivative are finite.
    fn is_finite(self) -> bool;

    /// Whether value and derivative are 0.
    fn is_zero(self) -> bool;

    /// |x|
    fn abs(self) -> Self;
    /// √x, NaN for x < 0
    fn sqrt(self) -> Self;
    /// xⁿ by repeated squaring
    fn powi(self, n: i32) -> Self;
    /// xᶜ = e^(c ln x) for x ≥ 0, else NaN; x⁰ = 1 for every x. The error is that of ln x, |c ln x| times as large.
    fn powf(self, c: Self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// eˣ − 1, without cancellation near 0
    fn exp_m1(self) -> Self;
    /// ln x, NaN for x < 0
    fn ln(self) -> Self;
    /// ln(1 + x), without cancellation near 0
    fn ln_1p(self) -> Self;
    /// sin x; with a branch for |x| > 2²⁴, which keeps a loop from becoming vector code
    fn sin(self) -> Self;
    /// cos x; with a branch for |x| > 2²⁴, which keeps a loop from becoming vector code
    fn cos(self) -> Self;
    /// sin x for |x| ≤ 2²⁴, NaN beyond
    fn sin_near(self) -> Self;
    /// cos x for |x| ≤ 2²⁴, NaN beyond
    fn cos_near(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// σ(x) = 1 / (1 + e⁻ˣ)
    fn sigmoid(self) -> Self;
    /// softplus(x) = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)
    fn softplus(self) -> Self;
    /// erf x = 2/√π ∫₀ˣ e^−t² dt
    fn erf(self) -> Self;
    /// ln |Γ(x)|, +∞ at 0, −1, −2, …
    fn lgamma(self) -> Self;
    /// ψ(x) = d ln Γ(x) / dx, ∓∞ at ±0, NaN at −1, −2, …
    fn digamma(self) -> Self;

    /// C ← α A B + β C. Where β = 0, C is written without being read.
    ///
    /// # Panics
    /// If the sizes disagree or a matrix reaches beyond its slice, or if β carries a derivative.
    fn gemm(alpha: Self, a: Mat<'_, Self>, b: Mat<'_, Self>, beta: Self, c: MatMut<'_, Self>);
}

/// [`Real`] for a type of floating-point numbers, whose products the given function of [`gemm`] computes.
///
/// `float!(f32, sgemm);` becomes
///
/// ```text
/// impl Real for f32 {
///     const ZERO: Self = 0.0;
///     fn from_f64(x: f64) -> Self { x as f32 }
///     fn abs(self) -> Self { self.abs() }
///     fn exp(self) -> Self { elementary::f32::exp(self) }
///     fn erf(self) -> Self { special::f32::erf(self) }
///     fn lgamma(self) -> Self { special::lgamma(self.into()) as f32 }
///     fn gemm(…) { gemm::sgemm(alpha, a, b, beta, c) }
///     …
/// }
/// ```
macro_rules! float {
    ($t:ident, $gemm:ident) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const IS_PLAIN: bool = true;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn is_zero(self) -> bool {
                self == 0.0
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn powi(self, n: i32) -> Self {
                self.powi(n)
            }
            #[inline(always)]
            fn powf(self, c: Self) -> Self {
                let exponent = c * Real::ln(self);
                if c == 0.0 && !exponent.is_finite() { 1.0 } else { Real::exp(exponent) }
            }
            float!(@inline elementary $t: exp exp_m1 ln ln_1p sin cos sin_near cos_near tanh sigmoid softplus);
            float!(@inline special $t: erf);

            fn lgamma(self) -> Self {
                special::lgamma(self.into()) as $t
            }
            fn digamma(self) -> Self {
                special::digamma(self.into()) as $t
            }

            fn gemm(alpha: Self, a: Mat<'_, Self>, b: Mat<'_, Self>, beta: Self, c: MatMut<'_, Self>) {
                gemm::$gemm(alpha, a, b, beta, c);
            }
        }
    };
    (@inline $module:ident $t:ident: $($f:ident)*) => {
        $(
            #[inline(always)]
            fn $f(self) -> Self {
                $module::$t::$f(self)
            }
        )*
    };
}

float!(f32, sgemm);
float!(f64, dgemm);
