//! Linear algebra of positive definite matrices, by their lower Cholesky factors.

use crate::gradcheck::{Case, Sample};
use crate::kernels::cholesky::{Lower, add_lower, cholesky, factor_backward};
use crate::ops::density::HALF_LN_2PI;
use crate::{Grads, Inputs, Mat, MatMut, Op, Real, Shape, Var};

/// A matrix that has no Cholesky factor.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "a {size} x {size} matrix is not positive definite: pivot {pivot} is {value}; \
     add jitter to the diagonal, or look for duplicated points and numbers that are not finite"
)]
pub struct NotPositiveDefinite {
    /// The first row, counted from 0, up to which the matrix is not positive definite.
    pub pivot: usize,
    /// What was left on the diagonal there: not above 0, infinite or NaN.
    pub value: f64,
    /// How many rows the matrix has.
    pub size: usize,
}

/// How many rows a square matrix has.
fn square(a: Shape) -> Result<usize, String> {
    if a.rank() == 2 && a[0] == a[1] { Ok(a[0]) } else { Err(format!("{a} is not a square matrix")) }
}

/// The result y of an operation that is NaN where A has no factor.
fn checked<'t, F: Real>(y: Var<'t, F>, a: Var<'t, F>) -> Result<Var<'t, F>, NotPositiveDefinite> {
    let size = a.shape()[0];
    if y.with(|y| y.iter().take(1).all(|y| !y.to_f64().is_nan())) {
        return Ok(y);
    }
    // Where it failed need not be fast; and NaN may have another cause.
    let failure = |(pivot, value): (usize, F)| NotPositiveDefinite { pivot, value: value.to_f64(), size };
    a.with(|a| cholesky(a, size, &mut vec![F::ZERO; size * size])).map_err(failure).map(|()| y)
}

/// The lower factor of a positive definite matrix, ½ (A + Aᵀ) = L Lᵀ, with zeros above its diagonal.
///
/// Ā += ½ L⁻ᵀ P L⁻¹,   P = Pᵀ the matrix whose lower triangle is that of Lᵀ L̄   (Murray 2016, equation 10; computed block
/// by block, as L is)
///
/// NaN if A is not positive definite.
#[derive(Clone, Copy, Debug)]
pub struct Cholesky;

impl<F: Real> Op<F> for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [a] = x else { return Err("takes one input".into()) };
        square(*a).map(|_| *a)
    }

    fn forward(&self, x: &Inputs<'_, F>, l: &mut [F], _: &mut [F]) {
        if cholesky(&x[0], x.shape(0)[0], l).is_err() {
            l.fill(F::from_f64(f64::NAN));
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, l: &[F], _: &[F], dl: &[F], grads: &mut Grads<'_, F>) {
        let n = x.shape(0)[0];
        let mut buffer = grads.take_buffer(n * n + n * n / 4);
        let (w, scratch) = buffer.split_at_mut(n * n);
        w.copy_from_slice(dl);
        factor_backward(Lower::new(l, n), w, n, scratch);
        if let Some(da) = grads.get(0) {
            da.add(w.iter().copied());
        }
        grads.put_buffer(buffer);
    }

    /// n³/3, and 2n³/3 for the adjoint
    fn flops(&self, x: &[Shape], to: Option<usize>) -> f64 {
        (x[0][0] as f64).powi(3) * if to.is_some() { 2.0 / 3.0 } else { 1.0 / 3.0 }
    }

    fn cases() -> Vec<Case<Self>> {
        [1, 2, 5, 40].map(|n| Case::new(Self, [Sample::any([n, n]).plus_diagonal(9.0 + n as f64)])).into()
    }
}

/// The solution X of L' X = B, or of X L' = B if `RIGHT`; L' = Lᵀ if `T`, and only the lower triangle of L is read.
///
/// B̄' = L'⁻ᵀ X̄ (X̄ L'⁻ᵀ if `RIGHT`),   B̄ += B̄',   L̄' −= B̄' Xᵀ (Xᵀ B̄' if `RIGHT`), its lower triangle
#[derive(Clone, Copy, Debug)]
pub struct SolveTriangular<const RIGHT: bool, const T: bool>;

impl<const RIGHT: bool, const T: bool> SolveTriangular<RIGHT, T> {
    /// X ← L'⁻¹ X or X L'⁻¹
    fn solve<F: Real>(l: Lower<'_, F>, transposed: bool, x: &mut [F], shape: Shape) {
        if RIGHT { l.solve_right(transposed, x, shape[0]) } else { l.solve(transposed, x, shape[1]) }
    }
}

impl<F: Real, const RIGHT: bool, const T: bool> Op<F> for SolveTriangular<RIGHT, T> {
    fn name(&self) -> &'static str {
        match (RIGHT, T) {
            (false, false) => "solve_triangular",
            (false, true) => "solve_triangular_t",
            (true, false) => "solve_triangular_right",
            (true, true) => "solve_triangular_right_t",
        }
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [l, b] = x else { return Err("takes two inputs".into()) };
        let n = square(*l)?;
        if b.rank() != 2 {
            return Err(format!("{b} is not a matrix"));
        }
        let inner = b[usize::from(RIGHT)];
        if inner == n { Ok(*b) } else { Err(format!("inner sizes {n} and {inner} differ")) }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        y.copy_from_slice(&x[1]);
        Self::solve(Lower::new(x.get(0), x.shape(0)[0]), T, y, x.shape(1));
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let (n, shape) = (x.shape(0)[0], x.shape(1));
        let mut buffer = grads.take_buffer(dy.len());
        let db = &mut buffer[..dy.len()];
        db.copy_from_slice(dy);
        Self::solve(Lower::new(x.get(0), n), !T, db, shape);
        if let Some(dl) = grads.get(0) {
            let matrix = |x| Mat::new(x, shape[0], shape[1]).t_if(RIGHT);
            let (db, y) = (matrix(db), matrix(y));
            let (p, q) = if T == RIGHT { (db, y) } else { (y, db) };
            add_lower(n, n * dy.len() / 2, false, dl.sum(), |columns, dl| {
                let (p, q) = (p.row_range(columns.start..n), q.row_range(columns));
                F::gemm(-F::ONE, p, q.t(), F::ZERO, MatMut::new(dl, p.rows(), q.rows()));
            });
        }
        if let Some(sum) = grads.get(1) {
            sum.add(db.iter().copied());
        }
        grads.put_buffer(buffer);
    }

    /// n² for each right-hand side, for each adjoint too
    fn flops(&self, x: &[Shape], _: Option<usize>) -> f64 {
        (x[0][0] * x[1].size()) as f64
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |(n, count)| {
            let b = if RIGHT { [count, n] } else { [n, count] };
            Case::new(Self, [Sample::any([n, n]).plus_diagonal(4.0), Sample::any(b)])
        };
        [(4, 3), (3, 1), (1, 2), (1, 1)].map(case).into()
    }
}

/// log N(Z; 0, K), summed over the columns of Z. With K = ½ (K + Kᵀ) = L Lᵀ and α = K⁻¹ Z:
///
/// y = −½ tr(Zᵀ α) − c Σᵢ ln Lᵢᵢ − ½ N c ln 2π,   Z̄ −= α ȳ,   K̄ += ½ (α αᵀ − c K⁻¹) ȳ
///
/// Z (N, c) and K (N, N) to a scalar, NaN if K is not positive definite (Rasmussen & Williams 2006, equations 2.30
/// and 5.9).
#[derive(Clone, Copy, Debug)]
pub struct MultivariateNormalLogProb;

impl<F: Real> Op<F> for MultivariateNormalLogProb {
    fn name(&self) -> &'static str {
        "multivariate_normal_log_prob"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [z, k] = x else { return Err("takes a matrix Z and a covariance K".into()) };
        let n = square(*k)?;
        if z.rank() == 2 && z[0] == n {
            return Ok(Shape::SCALAR);
        }
        Err(format!("{z} is not a matrix of {n} rows"))
    }

    fn aux(&self, x: &[Shape]) -> usize {
        x[1].size() + x[0].size()
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], aux: &mut [F]) {
        let (z, n, count) = (&x[0], x.shape(0)[0], x.shape(0)[1]);
        let (l, alpha) = aux.split_at_mut(n * n);
        alpha.copy_from_slice(z);
        if cholesky(&x[1], n, l).is_err() {
            aux.fill(F::from_f64(f64::NAN));
            return y.fill(F::from_f64(f64::NAN));
        }
        Lower::new(l, n).solve(false, alpha, count);
        let quadratic = sum_of_squares(alpha);
        Lower::new(l, n).solve(true, alpha, count);
        let log_det: F = l.iter().step_by(n + 1).map(|&l| l.ln()).sum();
        let constant = F::from_f64(z.len() as f64 * HALF_LN_2PI);
        y[0] = -F::from_f64(0.5) * quadratic - F::from_f64(count as f64) * log_det - constant;
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], aux: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let (n, count) = (x.shape(0)[0], x.shape(0)[1]);
        let (l, alpha) = aux.split_at(n * n);
        let (half, matrix) = (F::from_f64(0.5) * dy[0], Mat::new(alpha, n, count));
        if let Some(dk) = grads.get(1) {
            // In each block of columns: ½ ȳ α αᵀ + L⁻ᵀ L⁻¹ (−½ c ȳ I)
            add_lower(n, n * n * n / 2, true, dk.sum(), |columns, dk| {
                let (l, width) = (Lower::new(l, n).trailing(columns.start), columns.len());
                dk.fill(F::ZERO);
                let diagonal = dk.iter_mut().step_by(width + 1).take(width);
                diagonal.for_each(|dk| *dk = -F::from_f64(count as f64) * half);
                l.solve(false, dk, width);
                l.solve(true, dk, width);
                let (rows, columns) = (matrix.row_range(columns.start..n), matrix.row_range(columns));
                F::gemm(half, rows, columns.t(), F::ONE, MatMut::new(dk, rows.rows(), width));
            });
        }
        if let Some(dz) = grads.get(0) {
            dz.add(alpha.iter().map(|&alpha| -alpha * dy[0]));
        }
    }

    /// n³/3 for the factor and 2 n² c for the solves; the lower half of K⁻¹, 2n³/3, and n² c for K̄
    fn flops(&self, x: &[Shape], to: Option<usize>) -> f64 {
        let (n, count) = (x[0][0] as f64, x[0][1] as f64);
        match to {
            None => n.powi(3) / 3.0 + 2.0 * n * n * count,
            Some(0) => n * count,
            Some(_) => 2.0 * n.powi(3) / 3.0 + n * n * count,
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case =
            |(n, count)| Case::new(Self, [Sample::any([n, count]), Sample::any([n, n]).plus_diagonal(9.0)]);
        [(5, 3), (2, 1), (1, 4), (1, 1)].map(case).into()
    }
}

kernel! {
    fn sum_of_squares<F: Real>(x: &[F]) -> F {
        lane_sum!(F, [x] => x * x)
    }
}

impl<F: Real> Var<'_, F> {
    /// The lower factor L of a positive definite matrix, ½ (A + Aᵀ) = L Lᵀ, with zeros above its diagonal: see
    /// [`Cholesky`]. The gradient is symmetric.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`]: the first pivot that is not positive and finite. (A node full of NaN stays on the tape
    /// until that is cleared.)
    ///
    /// # Panics
    /// If `self` is not a square matrix.
    #[track_caller]
    pub fn cholesky(self) -> Result<Self, NotPositiveDefinite> {
        checked(self.tape().apply(Cholesky, &[self]), self)
    }

    /// The solution X = L⁻¹ B of L X = B, for a lower triangular matrix L = `self` (n, n) and B (n, m). What is above the
    /// diagonal of L is not read, here and in the three below: see [`SolveTriangular`].
    ///
    /// # Panics
    /// If L is not square, or B is no matrix of its size (so do the three below).
    #[track_caller]
    pub fn solve_triangular(self, b: Self) -> Self {
        self.tape().apply(SolveTriangular::<false, false>, &[self, b])
    }

    /// The solution X = L⁻ᵀ B of Lᵀ X = B, for L (n, n) and B (n, m).
    #[track_caller]
    pub fn solve_triangular_t(self, b: Self) -> Self {
        self.tape().apply(SolveTriangular::<false, true>, &[self, b])
    }

    /// The solution X = B L⁻¹ of X L = B, for L (n, n) and B (m, n).
    #[track_caller]
    pub fn solve_triangular_right(self, b: Self) -> Self {
        self.tape().apply(SolveTriangular::<true, false>, &[self, b])
    }

    /// The solution X = B L⁻ᵀ of X Lᵀ = B, for L (n, n) and B (m, n).
    #[track_caller]
    pub fn solve_triangular_right_t(self, b: Self) -> Self {
        self.tape().apply(SolveTriangular::<true, true>, &[self, b])
    }

    /// ln det A = 2 Σᵢ ln Lᵢᵢ, from the [`cholesky`](Self::cholesky) factor L = `self` of A.
    ///
    /// # Panics
    /// If `self` is not a square matrix.
    #[track_caller]
    pub fn log_det_from_factor(self) -> Self {
        self.diagonal().ln().sum() * F::from_f64(2.0)
    }

    /// log N(Z; 0, K) of the columns of Z = `self` (N, c), summed, for one covariance K = `k` (N, N), of which the
    /// symmetric part is taken: see [`MultivariateNormalLogProb`]. In nats, to a scalar; the gradient of K is symmetric.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`], as [`cholesky`](Self::cholesky).
    ///
    /// # Panics
    /// If K is not square, or Z not a matrix with as many rows.
    #[track_caller]
    pub fn multivariate_normal_log_prob(self, k: Self) -> Result<Self, NotPositiveDefinite> {
        checked(self.tape().apply(MultivariateNormalLogProb, &[self, k]), k)
    }
}
