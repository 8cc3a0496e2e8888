//! Numbers that carry a derivative.

use std::cmp::Ordering;
use std::f64::consts::FRAC_2_SQRT_PI;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::kernels::gemm::dual_gemm;
use crate::kernels::special;
use crate::{Mat, MatMut, Real};

/// a + b ε with ε² = 0: a value and its derivative along one direction, f(a + b ε) = f(a) + f'(a) b ε.
///
/// A tape of dual numbers runs the same operations as one of plain numbers. Its forward pass computes a function and its
/// directional derivative (forward-mode differentiation, Clifford 1873; Wengert 1964); its backward pass computes the gradient
/// and *its* directional derivative, which is a Hessian-vector product (Pearlmutter 1994). Comparisons look at the value
/// alone.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Dual<F> {
    /// a
    pub value: F,
    /// b
    pub tangent: F,
}

impl<F: Real> Dual<F> {
    /// a + b ε
    #[inline(always)]
    pub fn new(value: F, tangent: F) -> Self {
        Self { value, tangent }
    }
}

impl<F: Real> PartialEq for Dual<F> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<F: Real> PartialOrd for Dual<F> {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<F: Real> fmt::Display for Dual<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} + {} ε", self.value, self.tangent)
    }
}

impl<F: Real> Neg for Dual<F> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self::new(-self.value, -self.tangent)
    }
}

impl<F: Real> Sum for Dual<F> {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, |sum, term| sum + term)
    }
}

/// One line an operator: value and tangent of the result from those of both sides.
macro_rules! operators {
    ($($op:ident $method:ident |$x:ident, $y:ident| $result:expr;)*) => {$(
        impl<F: Real> $op for Dual<F> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, $y: Self) -> Self {
                let $x = self;
                $result
            }
        }
    )*};
}

operators! {
    Add add |x, y| Self::new(x.value + y.value, x.tangent + y.tangent);
    Sub sub |x, y| Self::new(x.value - y.value, x.tangent - y.tangent);
    Mul mul |x, y| Self::new(x.value * y.value, x.tangent * y.value + x.value * y.tangent);
    Div div |x, y| {
        let z = x.value / y.value;
        Self::new(z, (x.tangent - z * y.tangent) / y.value)
    };
}

macro_rules! assignments {
    ($($op:ident $method:ident $operator:tt;)*) => {$(
        impl<F: Real> $op for Dual<F> {
            #[inline(always)]
            fn $method(&mut self, other: Self) {
                *self = *self $operator other;
            }
        }
    )*};
}

assignments! {
    AddAssign add_assign +;
    SubAssign sub_assign -;
    MulAssign mul_assign *;
}

/// One line a function: its derivative from x and y = f(x).
macro_rules! functions {
    ($($f:ident $(($n:ident: $type:ty))? |$x:tt, $y:tt| $slope:expr;)*) => {$(
        #[inline(always)]
        fn $f(self $(, $n: $type)?) -> Self {
            let value = self.value.$f($($n)?);
            let slope = |$x: F, $y: F| $slope;
            Self::new(value, slope(self.value, value) * self.tangent)
        }
    )*};
}

impl<F: Real> Real for Dual<F> {
    const ZERO: Self = Self { value: F::ZERO, tangent: F::ZERO };
    const ONE: Self = Self { value: F::ONE, tangent: F::ZERO };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::new(F::from_f64(x), F::ZERO)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.value.to_f64()
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        self.value.is_finite() && self.tangent.is_finite()
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.value.is_zero() && self.tangent.is_zero()
    }

    #[inline(always)]
    fn powf(self, c: Self) -> Self {
        let (x, z) = (self.value, self.value.powf(c.value));
        let slope = c.value * x.powf(c.value - F::ONE);
        let slope = if c.value == F::ZERO && !slope.is_finite() { F::ZERO } else { slope };
        // A constant exponent adds nothing, whatever ln x is.
        let by_exponent = if c.tangent.is_zero() || z == F::ZERO { F::ZERO } else { z * x.ln() * c.tangent };
        Self::new(z, slope * self.tangent + by_exponent)
    }

    functions! {
        abs |x, _| F::from_f64(f64::from(i8::from(x > F::ZERO) - i8::from(x < F::ZERO)));
        // As on the tape, the slope at 0 is taken to be 0.
        sqrt |_, y| if y == F::ZERO { F::ZERO } else { F::from_f64(0.5) / y };
        powi(n: i32) |x, _| if n == 0 { F::ZERO } else { F::from_f64(f64::from(n)) * x.powi(n - 1) };
        exp |_, y| y;
        exp_m1 |_, y| y + F::ONE;
        ln |x, _| F::ONE / x;
        ln_1p |x, _| F::ONE / (F::ONE + x);
        sin |x, _| x.cos();
        cos |x, _| -x.sin();
        tanh |_, y| F::ONE - y * y;
        sigmoid |_, y| y * (F::ONE - y);
        softplus |x, _| x.sigmoid();
        erf |x, _| F::from_f64(FRAC_2_SQRT_PI) * (-(x * x)).exp();
        lgamma |x, _| x.digamma();
    }

    fn digamma(self) -> Self {
        special::digamma(self)
    }

    fn gemm(alpha: Self, a: Mat<'_, Self>, b: Mat<'_, Self>, beta: Self, c: MatMut<'_, Self>) {
        dual_gemm(alpha, a, b, beta, c);
    }
}
