//! Images made larger.

use crate::check::{Case, Checked, Sample};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// An image enlarged: every number is repeated as a square of n times n. It is the composition of `reshape` and `broadcast_to`.
///
/// Y[…, i, j] = X[…, ⌊i/n⌋, ⌊j/n⌋],   X̄ += the sum of Ȳ over each square
#[derive(Clone, Copy, Debug)]
pub struct UpsampleNearest {
    /// n
    pub factor: usize,
}

impl<F: Real> Op<F> for UpsampleNearest {
    fn name(&self) -> &'static str {
        "upsample_nearest"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        match x {
            [_] if self.factor == 0 => Err("expected a factor of at least 1, found 0".into()),
            [x] if x.rank() >= 2 => {
                let (row, column) = (x.rank() - 2, x.rank() - 1);
                let count = || x.size().max(1).checked_mul(self.factor.checked_mul(self.factor)?);
                if count().is_none() {
                    return Err(format!("expected fewer elements, found a factor of {}", self.factor));
                }
                Ok(x.with_axis(row, self.factor * x[row]).with_axis(column, self.factor * x[column]))
            }
            _ => Err("takes an image, or a stack of them".into()),
        }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        repeat(&x[0], x.shape(0).last(), self.factor, y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        if let Some(dx) = dx.get(0) {
            sum_squares(dy, x.shape(0).last(), self.factor, dx);
        }
    }
}

impl<F: Real> Checked<F> for UpsampleNearest {
    fn cases() -> Vec<Case<Self>> {
        let case = |(factor, shape): (usize, &[usize])| Case::new(Self { factor }, [Sample::any(shape)]);
        [(2, &[2, 3, 2, 3][..]), (3, &[1, 2, 1]), (1, &[2, 3])].map(case).into()
    }
}

kernel! {
    fn repeat<F: Real>(x: &[F], width: usize, n: usize, y: &mut [F]) {
        let wide = width * n;
        for (x, y) in x.chunks_exact(width.max(1)).zip(y.chunks_exact_mut((wide * n).max(1))) {
            for (&x, y) in x.iter().zip(y.chunks_exact_mut(n)) {
                y.fill(x);
            }
            for copy in 1..n {
                y.copy_within(..wide, copy * wide);
            }
        }
    }
}

kernel! {
    fn sum_squares<F: Real>(dy: &[F], width: usize, n: usize, dx: &mut [F]) {
        for (dx, dy) in dx.chunks_exact_mut(width.max(1)).zip(dy.chunks_exact((width * n * n).max(1))) {
            for dy in dy.chunks_exact(width * n) {
                for (dx, dy) in dx.iter_mut().zip(dy.chunks_exact(n)) {
                    for &dy in dy {
                        *dx += dy;
                    }
                }
            }
        }
    }
}

impl<F: Real> Var<'_, F> {
    /// Every number of the last two axes repeated as a square of `factor` times `factor`: see [`UpsampleNearest`].
    ///
    /// # Panics
    /// If there are not two axes, or the factor is 0.
    #[track_caller]
    pub fn upsample_nearest(self, factor: usize) -> Self {
        self.tape().apply(UpsampleNearest { factor }, &[self])
    }
}
