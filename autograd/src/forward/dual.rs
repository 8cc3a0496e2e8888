//! Numbers that carry a derivative.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::Real;
use crate::numerics::gemm::{Pair, pair_gemm};
use crate::numerics::{Mat, MatMut};
use crate::ops::{
    Abs, Binary, Cos, Digamma, Elementwise, Erf, Exp, ExpM1, Lgamma, Ln, Ln1p, Pow, Powi, Sigmoid, Sin,
    Softplus, Sqrt, Tanh,
};

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

impl<F: Real> Dual<F> {
    /// f(a + b ε) = f(a) + f'(a) b ε, with the derivative of the table of [elementwise operations](crate::ops::Elementwise).
    #[inline(always)]
    fn map(self, f: impl Elementwise<F>) -> Self {
        let value = f.f(self.value);
        Self::new(value, times(f.df(self.value, value), self.tangent))
    }
}

/// slope · tangent; a constant has the tangent 0 and adds nothing, even where the slope is infinite.
#[inline(always)]
fn times<F: Real>(slope: F, tangent: F) -> F {
    if tangent.is_zero() { F::ZERO } else { slope * tangent }
}

impl<F: Real> Pair for Dual<F> {
    type Part = F;

    #[inline(always)]
    fn value(self) -> F {
        self.value
    }

    #[inline(always)]
    fn tangent(self) -> F {
        self.tangent
    }
}

/// One line a function of [`Real`]: the elementwise operation that it is.
///
/// The line `exp Exp;` becomes `fn exp(self) -> Self { self.map(Exp) }`.
macro_rules! functions {
    ($($f:ident $operation:ident;)*) => {$(
        #[inline(always)]
        fn $f(self) -> Self {
            self.map($operation)
        }
    )*};
}

impl<F: Real> Real for Dual<F> {
    const ZERO: Self = Self { value: F::ZERO, tangent: F::ZERO };
    const ONE: Self = Self { value: F::ONE, tangent: F::ZERO };
    const IS_PLAIN: bool = false;

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
    fn powi(self, n: i32) -> Self {
        self.map(Powi(n))
    }

    #[inline(always)]
    fn powf(self, c: Self) -> Self {
        let (x, y) = (self.value, c.value);
        let z = Pow.f(x, y);
        Self::new(z, times(Pow.dx(x, y, z), self.tangent) + times(Pow.dy(x, y, z), c.tangent))
    }

    functions! {
        abs Abs;
        sqrt Sqrt;
        exp Exp;
        exp_m1 ExpM1;
        ln Ln;
        ln_1p Ln1p;
        sin_near Sin;
        cos_near Cos;
        tanh Tanh;
        sigmoid Sigmoid;
        softplus Softplus;
        erf Erf;
        lgamma Lgamma;
        digamma Digamma;
    }

    fn sin(self) -> Self {
        let (value, slope) = Sin.far(self.value);
        Self::new(value, times(slope, self.tangent))
    }

    fn cos(self) -> Self {
        let (value, slope) = Cos.far(self.value);
        Self::new(value, times(slope, self.tangent))
    }

    fn gemm(alpha: Self, a: Mat<'_, Self>, b: Mat<'_, Self>, beta: Self, c: MatMut<'_, Self>) {
        pair_gemm(alpha, a, b, beta, c);
    }
}
