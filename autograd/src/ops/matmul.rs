//! Products of matrices.

use crate::gradcheck::{Case, Sample};
use crate::{Grads, Inputs, Mat, MatMut, Op, Real, Shape, Var};

/// The product of two matrices, either one transposed: C = A' B' with A' = Aᵀ if `TA`, B' = Bᵀ if `TB`. Of two stacks of
/// equally many matrices, the products one by one.
///
/// Ā' += C̄ B'ᵀ,   B̄' += A'ᵀ C̄
#[derive(Clone, Copy, Debug)]
pub struct MatMul<const TA: bool, const TB: bool>;

impl<const TA: bool, const TB: bool> MatMul<TA, TB> {
    /// The factors A' and B' of the i-th product.
    #[inline]
    fn factors<'a, F: Real>(x: &Inputs<'a, F>, i: usize) -> (Mat<'a, F>, Mat<'a, F>) {
        let ((_, m, k), (_, l, n)) = (sizes(x.shape(0)), sizes(x.shape(1)));
        let (a, b) = (&x.get(0)[i * m * k..], &x.get(1)[i * l * n..]);
        (Mat::new(a, m, k).t_if(TA), Mat::new(b, l, n).t_if(TB))
    }
}

/// How many matrices there are in a stack, and their rows and columns.
#[inline]
fn sizes(shape: Shape) -> (usize, usize, usize) {
    let &[ref count @ .., rows, cols] = shape.dims() else { unreachable!("a matrix has two axes") };
    (count.iter().product(), rows, cols)
}

impl<F: Real, const TA: bool, const TB: bool> Op<F> for MatMul<TA, TB> {
    fn name(&self) -> &'static str {
        match (TA, TB) {
            (false, false) => "matmul",
            (false, true) => "matmul_t",
            (true, false) => "t_matmul",
            (true, true) => "t_matmul_t",
        }
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [a, b] = x else { return Err("takes two inputs".into()) };
        if a.rank() != b.rank() || !(2..=3).contains(&a.rank()) {
            return Err(format!("ranks {} and {}, both must be matrices or stacks", a.rank(), b.rank()));
        }
        let ((count, m, k), (others, l, n)) = (sizes(*a), sizes(*b));
        if count != others {
            return Err(format!("stacks of {count} and {others} matrices"));
        }
        let (rows, inner) = if TA { (k, m) } else { (m, k) };
        let (other, cols) = if TB { (n, l) } else { (l, n) };
        if inner != other {
            return Err(format!("inner sizes {inner} and {other} differ"));
        }
        Ok(a.with_axis(a.rank() - 2, rows).with_last(cols))
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        for i in 0..sizes(x.shape(0)).0 {
            let (a, b) = Self::factors(x, i);
            let (rows, cols) = (a.rows(), b.cols());
            F::gemm(F::ONE, a, b, F::ZERO, MatMut::new(&mut y[i * rows * cols..], rows, cols));
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let count = sizes(x.shape(0)).0;
        let dc = |i: usize, a: Mat<'_, F>, b: Mat<'_, F>| {
            let (rows, cols) = (a.rows(), b.cols());
            Mat::new(&dy[i * rows * cols..], rows, cols)
        };
        if let Some(mut da) = grads.get(0) {
            for i in 0..count {
                let (a, b) = Self::factors(x, i);
                let dc = dc(i, a, b);
                let (left, right) = if TA { (b, dc.t()) } else { (dc, b.t()) };
                da.part(i, count).add_product(F::ONE, left, right);
            }
        }
        if let Some(mut db) = grads.get(1) {
            for i in 0..count {
                let (a, b) = Self::factors(x, i);
                let dc = dc(i, a, b);
                let (left, right) = if TB { (dc.t(), a) } else { (a.t(), dc) };
                db.part(i, count).add_product(F::ONE, left, right);
            }
        }
    }

    /// 2 m k n for each product
    fn flops(&self, x: &[Shape], _: Option<usize>) -> f64 {
        let (_, rows, columns) = sizes(x[1]);
        2.0 * (x[0].size() * if TB { rows } else { columns }) as f64
    }

    fn cases() -> Vec<Case<Self>> {
        // Every size 1 has a kernel of its own.
        let sizes = [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 5), (1, 4, 1), (3, 1, 1), (1, 1, 1)];
        let case = |(m, k, n)| {
            let a = if TA { [k, m] } else { [m, k] };
            let b = if TB { [n, k] } else { [k, n] };
            Case::new(Self, [Sample::any(a), Sample::any(b)])
        };
        let stacked = |stack| {
            let a = if TA { [stack, 4, 2] } else { [stack, 2, 4] };
            let b = if TB { [stack, 3, 4] } else { [stack, 4, 3] };
            Case::new(Self, [Sample::any(a), Sample::any(b)])
        };
        sizes.into_iter().map(case).chain([1, 3].map(stacked)).collect()
    }
}

impl<F: Real> Var<'_, F> {
    /// The product A B of an (m, k) and a (k, n) matrix; or the products of two stacks of them, one by one.
    ///
    /// # Panics
    /// If the operands are neither matrices nor stacks of equally many, or the inner sizes differ (so do the two below).
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        self.tape().apply(MatMul::<false, false>, &[self, other])
    }

    /// The product A Bᵀ of an (m, k) and an (n, k) matrix, or of stacks; nothing is copied.
    #[track_caller]
    pub fn matmul_t(self, other: Self) -> Self {
        self.tape().apply(MatMul::<false, true>, &[self, other])
    }

    /// The product Aᵀ B of a (k, m) and a (k, n) matrix, or of stacks; nothing is copied.
    #[track_caller]
    pub fn t_matmul(self, other: Self) -> Self {
        self.tape().apply(MatMul::<true, false>, &[self, other])
    }
}
