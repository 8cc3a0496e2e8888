//! Functions of two numbers, applied element by element under numpy's broadcasting: a table.

use std::ops::{self, Range};

use super::elementwise::power_slope;
use crate::check::{Case, Checked, Example, Sample};
use crate::numerics::{add_rows, sum_of};
use crate::ops::Part;
use crate::ops::broadcast::Walk;
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// A function z = f(x, y) of two numbers. [`Broadcast`] makes an operation of it.
///
/// Mark all functions `#[inline(always)]`, or their loops are not compiled to vector code.
pub trait Binary<F: Real>: Clone + Send + 'static {
    /// The name in drawings and messages.
    const NAME: &'static str;

    /// f(x, y)
    fn f(&self, x: F, y: F) -> F;

    /// ∂z/∂x, from x, y and z = f(x, y)
    fn dx(&self, x: F, y: F, z: F) -> F;

    /// ∂z/∂y, from x, y and z = f(x, y)
    fn dy(&self, x: F, y: F, z: F) -> F;
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
        let [x, y] = x else { return Err(format!("expected two inputs, found {}", x.len())) };
        x.broadcast(y)
    }

    fn forward(&self, x: &Inputs<'_, F>, z: &mut [F], _: &mut [F]) {
        forward(&self.0, &Walk::new(x.shape(0), x.shape(1), z.len()), &x[0], &x[1], z);
    }

    fn backward(&self, x: &Inputs<'_, F>, z: &[F], _: &[F], dz: &[F], dx: &mut InputAdjoints<'_, F>) {
        let walk = Walk::new(x.shape(0), x.shape(1), z.len());
        let (xs, ys) = (x.get(0), x.get(1));
        add_adjoint(&self.0, walk, xs, ys, z, dz, dx, 0);
        add_adjoint(&Swapped(self.0.clone()), walk.swapped(), ys, xs, z, dz, dx, 1);
    }
}

impl<F: Real, B: Binary<F> + Example> Checked<F> for Broadcast<B> {
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
            Case::new(Broadcast(B::example()), [Sample::uniform(x, B::DOMAIN), Sample::uniform(y, B::DOMAIN)])
        };
        shapes.into_iter().map(case).collect()
    }
}

kernel! {
    /// z ← f(x, y)
    fn forward<F: Real, B: Binary<F>>(b: &B, walk: &Walk, x: &[F], y: &[F], z: &mut [F]) {
        for (run, z) in z.chunks_mut(walk.run_len().max(1)).enumerate() {
            let (x_start, y_start) = walk.start(run);
            let (x, y) = (&x[x_start..], &y[y_start..]);
            match walk.inner_steps() {
                (1, 1) => forward_run::<F, B, 1, 1>(b, x, y, z),
                (1, _) => forward_run::<F, B, 1, 0>(b, x, y, z),
                _ => forward_run::<F, B, 0, 1>(b, x, y, z),
            }
        }
    }
}

/// A run of z, in which x and y go on in steps of X and Y, each 0 or 1.
#[inline(always)]
fn forward_run<F: Real, B: Binary<F>, const X: usize, const Y: usize>(b: &B, x: &[F], y: &[F], z: &mut [F]) {
    let last = z.len() - 1;
    let (x, y) = (&x[..=last * X], &y[..=last * Y]);
    for (i, z) in z.iter_mut().enumerate() {
        *z = b.f(x[i * X], y[i * Y]);
    }
}

/// Adds to the adjoint of x, the `i`-th input.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn add_adjoint<F: Real, B: Binary<F>>(
    b: &B,
    walk: Walk,
    x: &[F],
    y: &[F],
    z: &[F],
    dz: &[F],
    dx: &mut InputAdjoints<'_, F>,
    i: usize,
) {
    match (walk.runs(), walk.inner_steps()) {
        (1, (1, y_step)) if z.len() > Part::LEN => dx.each_part(i, |part, dx| {
            let y = if y_step == 1 { part.of(y) } else { y };
            backward(b, &walk.shortened(dx.len()), part.of(x), y, part.of(z), part.of(dz), dx);
        }),
        _ => {
            if let Some(dx) = dx.get(i) {
                backward(b, &walk, x, y, z, dz, dx);
            }
        }
    }
}

kernel! {
    /// x̄ += ∂f/∂x z̄
    pub(super) fn backward<F: Real, B: Binary<F>>(
        b: &B, walk: &Walk, x: &[F], y: &[F], z: &[F], dz: &[F], dx: &mut [F],
    ) {
        let n = walk.run_len();
        if walk.runs() == 1 && n > 0 && walk.inner_steps().0 == 1 {
            // Most often. What follows would cost a small network some percent.
            return backward_run(b, walk.inner_steps().1, x, y, z, dz, dx);
        }
        let (walk, z_steps, groups, alike) = walk.grouped();
        for group in 0..if n == 0 { 0 } else { groups } {
            let (start, _) = walk.start(group * alike);
            let y_step = walk.inner_steps().1;
            match walk.inner_steps().0 {
                1 => add_rows(alike, [&mut dx[start..start + n]], |row, first, [dx]| {
                    let run = group * alike + row;
                    let ((x_start, y_start), z_start) = (walk.start(run), walk.offset(run, &z_steps));
                    let (x, y) = (&x[x_start + first..], &y[y_start + first * y_step..]);
                    let (z, dz) = (&z[z_start + first..], &dz[z_start + first..]);
                    backward_run(b, y_step, x, y, z, dz, dx);
                }),
                _ => {
                    let x = x[start];
                    dx[start] += sum_of((0..alike).map(|row| {
                        let run = group * alike + row;
                        let ((_, y_start), z_start) = (walk.start(run), walk.offset(run, &z_steps));
                        let (y, z, dz) = (&y[y_start..][..n], &z[z_start..][..n], &dz[z_start..][..n]);
                        lane_sum!(F, [y, z, dz] => b.dx(x, y, z) * dz)
                    }));
                }
            }
        }
    }
}

/// A run of x̄, in which y goes on in steps of 0 or 1.
#[inline(always)]
fn backward_run<F: Real, B: Binary<F>>(
    b: &B,
    y_step: usize,
    x: &[F],
    y: &[F],
    z: &[F],
    dz: &[F],
    dx: &mut [F],
) {
    let runs = dx.iter_mut().zip(x).zip(z).zip(dz);
    if y_step == 1 {
        runs.zip(y).for_each(|((((dx, &x), &z), &dz), &y)| *dx += b.dx(x, y, z) * dz);
    } else {
        let y = y[0];
        runs.for_each(|(((dx, &x), &z), &dz)| *dx += b.dx(x, y, z) * dz);
    }
}

/// The function with its arguments exchanged.
#[derive(Clone)]
struct Swapped<B>(B);

impl<F: Real, B: Binary<F>> Binary<F> for Swapped<B> {
    const NAME: &'static str = B::NAME;

    #[inline(always)]
    fn f(&self, x: F, y: F) -> F {
        self.0.f(y, x)
    }

    #[inline(always)]
    fn dx(&self, x: F, y: F, z: F) -> F {
        self.0.dy(y, x, z)
    }

    #[inline(always)]
    fn dy(&self, x: F, y: F, z: F) -> F {
        self.0.dx(y, x, z)
    }
}

/// One line a function: type, method, z = f(x, y), ∂z/∂x and ∂z/∂y from x, y and z.
///
/// The line `Mul mul, |x, y| x * y, |_, y, _| y, |x, _, _| x;` with its doc comment becomes
///
/// ```text
/// pub struct Mul;
///
/// impl<F: Real> Binary<F> for Mul {
///     const NAME: &'static str = "mul";
///     fn f(&self, x: F, y: F) -> F { x * y }
///     fn dx(&self, _: F, y: F, _: F) -> F { y }
///     fn dy(&self, x: F, _: F, _: F) -> F { x }
/// }
/// impl Example for Mul {
///     const DOMAIN: Range<f64> = 0.5..2.5;
///     fn example() -> Self { Mul }
/// }
/// ```
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
            }

            impl Example for $name {
                const DOMAIN: Range<f64> = 0.5..2.5;

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
    Maximum maximum, |x, y| select(x, y, x > y, y > x), |x, y, _| share(x, y), |x, y, _| share(y, x);

    /// z = min(x, y), NaN if either is;   the smaller one has slope 1, equal ones ½ each
    Minimum minimum, |x, y| select(x, y, x < y, y < x), |x, y, _| share(y, x), |x, y, _| share(x, y);

    /// z = xʸ = e^(y ln x),   ∂z/∂x = y xʸ⁻¹,   ∂z/∂y = z ln x, taken to be 0 where z = 0;   x ≥ 0, else NaN. At x = 0, z is
    /// 0, 1 or ∞ for y > 0, y = 0 or y < 0. x⁰ is 1 with ∂z/∂x = 0, for every x.
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
    /// max(x, y) element by element, broadcast; equal elements share the gradient. ([`max`](Self::max) is the largest element
    /// of an array.)
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn maximum(self, other: Self) -> Self {
        self.tape().apply(Broadcast(Maximum), &[self, other])
    }

    /// min(x, y) element by element, broadcast; equal elements share the gradient. ([`min`](Self::min) is the smallest element
    /// of an array.)
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn minimum(self, other: Self) -> Self {
        self.tape().apply(Broadcast(Minimum), &[self, other])
    }

    /// xʸ element by element, broadcast; x ≥ 0, else NaN.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn pow(self, exponent: Self) -> Self {
        self.tape().apply(Broadcast(Pow), &[self, exponent])
    }
}

/// The operators on two variables, and on a variable and a number at its right: one line an operator.
///
/// The line `Add add |x, c| x.shift(c);` becomes
///
/// ```text
/// impl<F: Real> ops::Add for Var<'_, F> {
///     type Output = Self;
///     fn add(self, other: Self) -> Self { self.tape().apply(Broadcast(Add), &[self, other]) }
/// }
/// impl<F: Real> ops::Add<F> for Var<'_, F> {
///     type Output = Self;
///     fn add(self, c: F) -> Self { self.shift(c) }
/// }
/// ```
macro_rules! operators {
    ($($op:ident $method:ident |$x:ident, $c:ident| $scalar:expr;)*) => {
        $(
            impl<F: Real> ops::$op for Var<'_, F> {
                type Output = Self;

                /// Element by element, broadcast.
                ///
                /// # Panics
                /// If the shapes cannot be broadcast.
                #[track_caller]
                fn $method(self, other: Self) -> Self {
                    self.tape().apply(Broadcast($op), &[self, other])
                }
            }

            impl<F: Real> ops::$op<F> for Var<'_, F> {
                type Output = Self;

                /// Each element with one number.
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

/// The operators on a number at the left and a variable, such as `1.0 - x`, for each type of number.
///
/// `left_operators!(f32);` becomes
///
/// ```text
/// impl<'t> ops::Sub<Var<'t, f32>> for f32 {
///     type Output = Var<'t, f32>;
///     fn sub(self, x: Var<'t, f32>) -> Var<'t, f32> { x.neg().shift(self) }
/// }
/// ```
///
/// and three more implementations, of `Add`, `Mul` and `Div`.
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
