//! Functions of two numbers, applied element by element under numpy's broadcasting: a table.

use std::ops;

use crate::gradcheck::{Case, Sample};
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
        broadcast(&self.0, &Walk::new(x.shape(0), x.shape(1)), &x[0], &x[1], z);
    }

    fn backward(&self, x: &Inputs<'_, F>, z: &[F], _: &[F], dz: &[F], grads: &mut Grads<'_, F>) {
        let walk = Walk::new(x.shape(0), x.shape(1));
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

/// The same function with its arguments exchanged.
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

    fn example() -> Self {
        Swapped(B::example())
    }
}

/// How two broadcast arrays are walked: nested loops with a step for each array. Axes along which both arrays go on
/// alike are merged, so that equal shapes are one loop and a bias is two. A step of the innermost loop is 0 or 1, and
/// not 0 for both.
#[derive(Clone, Copy)]
struct Walk {
    sizes: [usize; 4],
    x: [usize; 4],
    y: [usize; 4],
}

impl Walk {
    fn new(x: Shape, y: Shape) -> Self {
        let (xs, ys) = (x.padded(), y.padded());
        let mut walk = Self { sizes: [1; 4], x: [0, 0, 0, 1], y: [0, 0, 0, 1] };
        let (mut at, mut x_step, mut y_step) = (3, 1, 1);
        for axis in (0..4).rev() {
            let size = if xs[axis] == 1 { ys[axis] } else { xs[axis] };
            if size == 1 {
                continue;
            }
            let (x, y) = (if xs[axis] == 1 { 0 } else { x_step }, if ys[axis] == 1 { 0 } else { y_step });
            x_step *= xs[axis];
            y_step *= ys[axis];
            let inner = walk.sizes[at];
            if inner != 1 && (x, y) == (inner * walk.x[at], inner * walk.y[at]) {
                walk.sizes[at] *= size;
                continue;
            }
            at -= usize::from(inner != 1);
            (walk.sizes[at], walk.x[at], walk.y[at]) = (size, x, y);
        }
        walk
    }

    fn swapped(self) -> Self {
        Self { x: self.y, y: self.x, ..self }
    }

    /// How often the innermost loop runs.
    fn runs(&self) -> usize {
        self.sizes[0] * self.sizes[1] * self.sizes[2]
    }

    /// Where x and y begin in a run of the innermost loop.
    #[inline(always)]
    fn start(&self, run: usize) -> (usize, usize) {
        let index =
            [run / (self.sizes[1] * self.sizes[2]), run / self.sizes[2] % self.sizes[1], run % self.sizes[2]];
        let offset = |step: &[usize; 4]| index[0] * step[0] + index[1] * step[1] + index[2] * step[2];
        (offset(&self.x), offset(&self.y))
    }
}

kernel! {
    fn broadcast<F: Real, B: Binary<F>>(b: &B, walk: &Walk, x: &[F], y: &[F], z: &mut [F]) {
        for (run, z) in z.chunks_exact_mut(walk.sizes[3].max(1)).enumerate() {
            let (x_start, y_start) = walk.start(run);
            let (x, y) = (&x[x_start..], &y[y_start..]);
            match (walk.x[3], walk.y[3]) {
                (1, 1) => forward::<F, B, 1, 1>(b, x, y, z),
                (1, _) => forward::<F, B, 1, 0>(b, x, y, z),
                _ => forward::<F, B, 0, 1>(b, x, y, z),
            }
        }
    }
}

#[inline(always)]
fn forward<F: Real, B: Binary<F>, const X: usize, const Y: usize>(b: &B, x: &[F], y: &[F], z: &mut [F]) {
    let last = z.len() - 1;
    let (x, y) = (&x[..=last * X], &y[..=last * Y]);
    for (i, z) in z.iter_mut().enumerate() {
        *z = b.f(x[i * X], y[i * Y]);
    }
}

kernel! {
    /// x̄ += ∂f/∂x z̄; where `fresh`, x̄ is written.
    fn broadcast_backward<F: Real, B: Binary<F>>(
        b: &B, walk: &Walk, x: &[F], y: &[F], z: &[F], dz: &[F], dx: &mut [F], fresh: bool
    ) {
        let n = walk.sizes[3];
        for run in 0..if n == 0 { 0 } else { walk.runs() } {
            let (x_start, y_start) = walk.start(run);
            let (x, y, dx) = (&x[x_start..], &y[y_start..], &mut dx[x_start..]);
            let (z, dz) = (&z[run * n..][..n], &dz[run * n..][..n]);
            match (walk.x[3], walk.y[3]) {
                (1, 1) => backward::<F, B, 1>(b, x, y, z, dz, dx, fresh),
                (1, _) => backward::<F, B, 0>(b, x, y, z, dz, dx, fresh),
                _ => {
                    let (x, y) = (x[0], &y[..n]);
                    dx[0] += lane_sum!(F, [y, z, dz] => b.dx(x, y, z) * dz);
                }
            }
        }
    }
}

#[inline(always)]
fn backward<F: Real, B: Binary<F>, const Y: usize>(
    b: &B,
    x: &[F],
    y: &[F],
    z: &[F],
    dz: &[F],
    dx: &mut [F],
    fresh: bool,
) {
    let y = &y[..=(z.len() - 1) * Y];
    for (i, (((dx, &x), &z), &dz)) in dx.iter_mut().zip(x).zip(z).zip(dz).enumerate() {
        let term = b.dx(x, y[i * Y], z) * dz;
        *dx = if fresh { term } else { *dx + term };
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
