//! Loops over two arrays under numpy's broadcasting.

use crate::{Binary, Real, Shape};

/// How two broadcast arrays are walked: nested loops with a step for each array. Axes along which both arrays go on
/// alike are merged, so that equal shapes are one loop and a bias is two. A step of the innermost loop is 0 or 1, and
/// not 0 for both.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    sizes: [usize; 4],
    x: [usize; 4],
    y: [usize; 4],
}

impl Walk {
    /// For arrays whose common shape has `size` elements.
    #[inline]
    pub(crate) fn new(x: Shape, y: Shape, size: usize) -> Self {
        let mut walk = Self { sizes: [1, 1, 1, size], x: [0, 0, 0, 1], y: [0, 0, 0, 1] };
        if x.size() == size && y.size() == size {
            return walk;
        }
        let (xs, ys) = (x.padded(), y.padded());
        walk.sizes[3] = 1;
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

    #[inline]
    pub(crate) fn swapped(self) -> Self {
        Self { x: self.y, y: self.x, ..self }
    }

    /// How often the innermost loop runs.
    #[inline]
    fn runs(&self) -> usize {
        self.sizes[0] * self.sizes[1] * self.sizes[2]
    }

    /// Where x and y begin in a run of the innermost loop.
    #[inline(always)]
    fn start(&self, run: usize) -> (usize, usize) {
        if run == 0 {
            // Most often there is but one run, and a division takes longer than a short loop.
            return (0, 0);
        }
        let index =
            [run / (self.sizes[1] * self.sizes[2]), run / self.sizes[2] % self.sizes[1], run % self.sizes[2]];
        let offset = |step: &[usize; 4]| index[0] * step[0] + index[1] * step[1] + index[2] * step[2];
        (offset(&self.x), offset(&self.y))
    }
}

kernel! {
    /// z ← f(x, y)
    pub(crate) fn broadcast<F: Real, B: Binary<F>>(b: &B, walk: &Walk, x: &[F], y: &[F], z: &mut [F]) {
        for (run, z) in z.chunks_mut(walk.sizes[3].max(1)).enumerate() {
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
    pub(crate) fn broadcast_backward<F: Real, B: Binary<F>>(
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

/// The same function with its arguments exchanged.
#[derive(Clone)]
pub(crate) struct Swapped<B>(pub(crate) B);

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
