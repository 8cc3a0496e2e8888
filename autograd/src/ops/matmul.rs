//! Products of matrices.

use crate::gradcheck::{Case, Sample};
use crate::{Grads, Inputs, Mat, MatMut, Op, Real, Shape, Var};

/// The product of two matrices, either one transposed: C = A' B' with A' = Aᵀ if `TA`, B' = Bᵀ if `TB`.
///
/// Ā' += C̄ B'ᵀ,   B̄' += A'ᵀ C̄
#[derive(Clone, Copy, Debug)]
pub struct MatMul<const TA: bool, const TB: bool>;

impl<const TA: bool, const TB: bool> MatMul<TA, TB> {
    /// The factors A' and B'.
    fn factors<'a, F: Real>(x: &Inputs<'a, F>) -> (Mat<'a, F>, Mat<'a, F>) {
        (x.matrix(0).t_if(TA), x.matrix(1).t_if(TB))
    }
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
        if a.rank() != 2 || b.rank() != 2 {
            return Err(format!("ranks {} and {}, both must be matrices", a.rank(), b.rank()));
        }
        let (rows, inner) = if TA { (a[1], a[0]) } else { (a[0], a[1]) };
        let (other, cols) = if TB { (b[1], b[0]) } else { (b[0], b[1]) };
        if inner != other {
            return Err(format!("inner sizes {inner} and {other} differ"));
        }
        Ok([rows, cols].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let (a, b) = Self::factors(x);
        F::gemm(F::ONE, a, b, F::ZERO, MatMut::new(y, a.rows(), b.cols()));
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let (a, b) = Self::factors(x);
        let dc = Mat::new(dy, a.rows(), b.cols());
        if let Some(da) = grads.get(0) {
            let (left, right) = if TA { (b, dc.t()) } else { (dc, b.t()) };
            da.add_product(F::ONE, left, right);
        }
        if let Some(db) = grads.get(1) {
            let (left, right) = if TB { (dc.t(), a) } else { (a.t(), dc) };
            db.add_product(F::ONE, left, right);
        }
    }

    fn cases() -> Vec<Case<Self>> {
        // Every size 1 has a kernel of its own.
        let sizes = [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 5), (1, 4, 1), (3, 1, 1), (1, 1, 1)];
        let case = |(m, k, n)| {
            let a = if TA { [k, m] } else { [m, k] };
            let b = if TB { [n, k] } else { [k, n] };
            Case::new(Self, [Sample::any(a), Sample::any(b)])
        };
        sizes.into_iter().map(case).collect()
    }
}

impl<F: Real> Var<'_, F> {
    /// The product A B of an (m, k) and a (k, n) matrix.
    ///
    /// # Panics
    /// If the operands are not matrices, or the inner sizes differ (so do the two below).
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        self.tape().apply(MatMul::<false, false>, &[self, other])
    }

    /// The product A Bᵀ of an (m, k) and an (n, k) matrix; nothing is copied.
    #[track_caller]
    pub fn matmul_t(self, other: Self) -> Self {
        self.tape().apply(MatMul::<false, true>, &[self, other])
    }

    /// The product Aᵀ B of a (k, m) and a (k, n) matrix; nothing is copied.
    #[track_caller]
    pub fn t_matmul(self, other: Self) -> Self {
        self.tape().apply(MatMul::<true, false>, &[self, other])
    }
}
