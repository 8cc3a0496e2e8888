//! Functions of two numbers, applied element by element under numpy's broadcasting: a table.

use std::ops;

use super::elementwise::power_slope;
use crate::gradcheck::{Case, Sample};
use crate::kernels::broadcast::{Swapped, Walk, broadcast, broadcast_backward};
use crate::{Grads, Inputs, Op, Real, Shape, Var};

/// A function z = f(x, y) of two numbers. [`Broadcast`] makes an operation of it.
pub trait Binary<F: Real>: Clone + Send + 'static {
    /// The name in drawings and messages.
    const NAME: &'static str;

    /// f(x, y)
    fn f(&self, x: F, y: F) -> F;

    /// ∂z/∂x, from x, y and z = f(x, y)
    fn dx(&self, x: F, y: F, z: F) -> F;

    /// ∂z/∂y, from x, y and z = f(x, y)
    fn dy(&self, x: F, y: F, z: F) -> F;

    /// The function as it is checked.
    fn example() -> Self;
}

/// A function of two arrays, element by element. Their shapes are aligned at the right; an axis of size 1, or one that
/// is missing, is repeated. The adjoint of what was repeated is summed.
///
/// zᵢ = f(xᵢ, yᵢ),   x̄ᵢ += ∂f/∂x z̄ᵢ,   ȳᵢ += ∂f/∂y z̄ᵢ
#[derive(Clone, Copy, Debug)]
pub struct Broadcast<B>(pub B);

impl<F: Real, B: Binary<F>> Op<F> for Broadcast<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x, y] = x else { return Err("takes two inputs".into()) };
        x.broadcast(y)
    }

    fn forward(&self, x: &Inputs<'_, F>, z: &mut [F], _: &mut [F]) {
        broadcast(&self.0, &Walk::new(x.shape(0), x.shape(1), z.len()), &x[0], &x[1], z);
    }

    fn backward(&self, x: &Inputs<'_, F>, z: &[F], _: &[F], dz: &[F], grads: &mut Grads<'_, F>) {
        let walk = Walk::new(x.shape(0), x.shape(1), z.len());
        let (xs, ys) = (x.get(0), x.get(1));
        if let Some(dx) = grads.get(0) {
            let fresh = dx.fresh && xs.len() == z.len();
            let dx = if fresh { dx.sum } else { dx.sum() };
            broadcast_backward(&self.0, &walk, xs, ys, z, dz, dx, fresh);
        }
        if let Some(dy) = grads.get(1) {
            let fresh = dy.fresh && ys.len() == z.len();
            let dy = if fresh { dy.sum } else { dy.sum() };
            broadcast_backward(&Swapped(self.0.clone()), &walk.swapped(), ys, xs, z, dz, dy, fresh);
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let shapes: [(Shape, Shape); 9] = [
            ([3, 4].into(), [3, 4].into()),
            ([3, 4].into(), [4].into()),
            ([4].into(), [3, 4].into()),
            ([3, 4].into(), [3, 1].into()),
            ([3, 1].into(), [1, 4].into()),
            ([].into(), [3, 4].into()),
            ([5].into(), [].into()),
            ([2, 1, 3, 2].into(), [3, 1].into()),
            ([2, 1, 3, 1].into(), [1, 4, 1, 2].into()),
        ];
        let case = |(x, y)| {
            Case::new(Broadcast(B::example()), [Sample::uniform(x, 0.5..2.5), Sample::uniform(y, 0.5..2.5)])
        };
        shapes.into_iter().map(case).collect()
    }
}

/// One line a function: type, method, z = f(x, y), ∂z/∂x and ∂z/∂y from x, y and z.
macro_rules! binary {
    ($(
        $(#[$meta:meta])*
        $name:ident $method:ident,
        |$x:ident, $y:ident| $f:expr,
        |$xx:tt, $xy:tt, $xz:tt| $dx:expr,
        |$yx:tt, $yy:tt, $yz:tt| $dy:expr;
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl<F: Real> Binary<F> for $name {
                const NAME: &'static str = stringify!($method);

                #[inline(always)]
                fn f(&self, $x: F, $y: F) -> F {
                    $f
                }

                #[inline(always)]
                fn dx(&self, $xx: F, $xy: F, $xz: F) -> F {
                    $dx
                }

                #[inline(always)]
                fn dy(&self, $yx: F, $yy: F, $yz: F) -> F {
                    $dy
                }

                fn example() -> Self {
                    $name
                }
            }
        )*
    };
}

binary! {
    /// z = x + y,   ∂z/∂x = ∂z/∂y = 1
    Add add, |x, y| x + y, |_, _, _| F::ONE, |_, _, _| F::ONE;

    /// z = x − y,   ∂z/∂x = 1,   ∂z/∂y = −1
    Sub sub, |x, y| x - y, |_, _, _| F::ONE, |_, _, _| -F::ONE;

    /// z = x y,   ∂z/∂x = y,   ∂z/∂y = x
    Mul mul, |x, y| x * y, |_, y, _| y, |x, _, _| x;

    /// z = x / y,   ∂z/∂x = 1/y,   ∂z/∂y = −z/y;   infinite at y = 0
    Div div, |x, y| x / y, |_, y, _| F::ONE / y, |_, y, z| -z / y;

    /// z = max(x, y), NaN if either is;   the larger one has slope 1, equal ones ½ each
    Max max, |x, y| select(x, y, x > y, y > x), |x, y, _| share(x, y), |x, y, _| share(y, x);

    /// z = min(x, y), NaN if either is;   the smaller one has slope 1, equal ones ½ each
    Min min, |x, y| select(x, y, x < y, y < x), |x, y, _| share(y, x), |x, y, _| share(x, y);

    /// z = xʸ = e^(y ln x),   ∂z/∂x = y xʸ⁻¹,   ∂z/∂y = z ln x, taken to be 0 where z = 0;   x ≥ 0, else NaN. At x = 0
    /// as [`Powf`](crate::ops::Powf).
    Pow pow, |x, y| x.powf(y), |x, y, _| power_slope(x, y),
        |x, _, z| if z == F::ZERO { z } else { z * x.ln() };
}

/// x or y, whichever was chosen; neither is where they are equal or one is NaN.
#[inline(always)]
fn select<F: Real>(x: F, y: F, choose_x: bool, choose_y: bool) -> F {
    let half = F::from_f64(0.5);
    if choose_x {
        x
    } else if choose_y {
        y
    } else {
        half * x + half * y
    }
}

/// The share of the larger of two numbers that x has: 1, 0 or ½.
#[inline(always)]
fn share<F: Real>(x: F, y: F) -> F {
    if x > y {
        F::ONE
    } else if x < y {
        F::ZERO
    } else {
        F::from_f64(0.5)
    }
}

impl<F: Real> Var<'_, F> {
    /// max(x, y) element by element, broadcast; equal elements share the gradient.
    #[track_caller]
    pub fn max(self, other: Self) -> Self {
        self.tape().apply(Broadcast(Max), &[self, other])
    }

    /// min(x, y) element by element, broadcast; equal elements share the gradient.
    #[track_caller]
    pub fn min(self, other: Self) -> Self {
        self.tape().apply(Broadcast(Min), &[self, other])
    }

    /// xʸ element by element, broadcast; x ≥ 0.
    #[track_caller]
    pub fn pow(self, exponent: Self) -> Self {
        self.tape().apply(Broadcast(Pow), &[self, exponent])
    }
}

/// `x + y` of two variables, and of a variable and a number at its right.
macro_rules! operators {
    ($($op:ident $method:ident |$x:ident, $c:ident| $scalar:expr;)*) => {
        $(
            impl<F: Real> ops::$op for Var<'_, F> {
                type Output = Self;

                #[track_caller]
                fn $method(self, other: Self) -> Self {
                    self.tape().apply(Broadcast($op), &[self, other])
                }
            }

            impl<F: Real> ops::$op<F> for Var<'_, F> {
                type Output = Self;

                #[track_caller]
                fn $method(self, $c: F) -> Self {
                    let $x = self;
                    $scalar
                }
            }
        )*
    };
}

operators! {
    Add add |x, c| x.shift(c);
    Sub sub |x, c| x.shift(-c);
    Mul mul |x, c| x.scale(c);
    // By 1/c: one multiplication each, an ulp more, and an error where c is subnormal.
    Div div |x, c| x.scale(F::ONE / c);
}

impl<F: Real> ops::Neg for Var<'_, F> {
    type Output = Self;

    #[track_caller]
    fn neg(self) -> Self {
        Var::neg(self)
    }
}

/// A number at the left: `1.0 - x`.
macro_rules! left_operators {
    ($float:ident: $($op:ident $method:ident |$c:ident, $x:ident| $scalar:expr;)*) => {
        $(
            impl<'t> ops::$op<Var<'t, $float>> for $float {
                type Output = Var<'t, $float>;

                #[track_caller]
                fn $method(self, $x: Var<'t, $float>) -> Var<'t, $float> {
                    let $c = self;
                    $scalar
                }
            }
        )*
    };
    ($($float:ident)*) => {
        $(left_operators! {
            $float:
            Add add |c, x| x.shift(c);
            Sub sub |c, x| x.neg().shift(c);
            Mul mul |c, x| x.scale(c);
            Div div |c, x| x.recip().scale(c);
        })*
    };
}

left_operators!(f32 f64);
