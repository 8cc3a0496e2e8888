//! Linear algebra of positive definite matrices, by their lower Cholesky factors.

use crate::check::{Case, Checked, Sample};
use crate::numerics::cholesky::{Lower, add_lower, cholesky, factor_backward};
use crate::numerics::{Mat, MatMut};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

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
pub(crate) fn square(a: Shape) -> Result<usize, String> {
    if a.rank() == 2 && a[0] == a[1] { Ok(a[0]) } else { Err(format!("expected a square matrix, found {a}")) }
}

/// `y`, or the error if A has no factor: then `y` is NaN.
pub(crate) fn checked<'t, F: Real>(y: Var<'t, F>, a: Var<'t, F>) -> Result<Var<'t, F>, NotPositiveDefinite> {
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
        let [a] = x else { return Err(format!("expected one input, found {}", x.len())) };
        square(*a).map(|_| *a)
    }

    fn forward(&self, x: &Inputs<'_, F>, l: &mut [F], _: &mut [F]) {
        if cholesky(&x[0], x.shape(0)[0], l).is_err() {
            l.fill(F::from_f64(f64::NAN));
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, l: &[F], _: &[F], dl: &[F], dx: &mut InputAdjoints<'_, F>) {
        let n = x.shape(0)[0];
        x.with_scratch(n * n + n * n / 4, |buffer| {
            let (w, scratch) = buffer.split_at_mut(n * n);
            w.copy_from_slice(dl);
            factor_backward(Lower::new(l, n), w, n, scratch);
            dx.each_part(0, |part, da| da.iter_mut().zip(part.of(w)).for_each(|(da, &w)| *da += w));
        });
    }
}

impl<F: Real> Checked<F> for Cholesky {
    fn cases() -> Vec<Case<Self>> {
        [1, 2, 5, 40].map(|n| Case::new(Self, [Sample::any([n, n]).plus_diagonal(9.0 + n as f64)])).into()
    }
}

/// Which system of equations with a lower triangular matrix L is solved for X, given B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriangularSystem {
    /// L X = B
    LX,
    /// Lᵀ X = B
    LtX,
    /// X L = B
    XL,
    /// X Lᵀ = B
    XLt,
}

/// The solution X of a [`TriangularSystem`]. Only the lower triangle of L is read.
///
/// With op(L) for L or Lᵀ, G for what is added to B̄, and H for the adjoint of op(L):
///
/// - op(L) X = B:   G = op(L)⁻ᵀ X̄,   H = −G Xᵀ
/// - X op(L) = B:   G = X̄ op(L)⁻ᵀ,   H = −Xᵀ G
///
/// B̄ += G;   L̄ += the lower triangle of H where op(L) = L, of Hᵀ where op(L) = Lᵀ
#[derive(Clone, Copy, Debug)]
pub struct SolveTriangular {
    /// The equation.
    pub system: TriangularSystem,
}

impl SolveTriangular {
    /// Whether L stands at the right of X.
    fn is_right(self) -> bool {
        matches!(self.system, TriangularSystem::XL | TriangularSystem::XLt)
    }

    fn is_transposed(self) -> bool {
        matches!(self.system, TriangularSystem::LtX | TriangularSystem::XLt)
    }

    /// X ← op(L)⁻¹ X or X op(L)⁻¹, op(L) = Lᵀ if `transposed`
    fn solve<F: Real>(self, l: Lower<'_, F>, transposed: bool, x: &mut [F], shape: Shape) {
        if self.is_right() {
            l.solve_right(transposed, x, shape[0]);
        } else {
            l.solve(transposed, x, shape[1]);
        }
    }
}

impl<F: Real> Op<F> for SolveTriangular {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [l, b] = x else { return Err(format!("expected two inputs, found {}", x.len())) };
        let n = square(*l)?;
        if b.rank() != 2 {
            return Err(format!("expected a matrix B, found {b}"));
        }
        let inner = b[usize::from(self.is_right())];
        if inner == n {
            Ok(*b)
        } else {
            let product = match self.system {
                TriangularSystem::LX => "L X",
                TriangularSystem::LtX => "Lᵀ X",
                TriangularSystem::XL => "X L",
                TriangularSystem::XLt => "X Lᵀ",
            };
            Err(format!("{product} = B: expected equal inner sizes, found {n} and {inner}"))
        }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        y.copy_from_slice(&x[1]);
        self.solve(Lower::new(x.get(0), x.shape(0)[0]), self.is_transposed(), y, x.shape(1));
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (n, shape) = (x.shape(0)[0], x.shape(1));
        let (right, transposed) = (self.is_right(), self.is_transposed());
        x.with_scratch(dy.len(), |db| {
            db.copy_from_slice(dy);
            self.solve(Lower::new(x.get(0), n), !transposed, db, shape);
            if let Some(dl) = dx.get(0) {
                let matrix = |x| Mat::new(x, shape[0], shape[1]).t_if(right);
                let (db, y) = (matrix(db), matrix(y));
                let (p, q) = if transposed == right { (db, y) } else { (y, db) };
                add_lower(n, n * dy.len() / 2, false, dl, |columns, dl| {
                    let (p, q) = (p.row_range(columns.start..n), q.row_range(columns));
                    F::gemm(-F::ONE, p, q.t(), F::ZERO, MatMut::new(dl, p.rows(), q.rows()));
                });
            }
            if let Some(sum) = dx.get(1) {
                sum.iter_mut().zip(db).for_each(|(sum, &mut db)| *sum += db);
            }
        });
    }
}

impl<F: Real> Checked<F> for SolveTriangular {
    fn cases() -> Vec<Case<Self>> {
        use TriangularSystem::*;
        let case = |system| {
            let op = Self { system };
            [(4, 3), (3, 1), (1, 2), (1, 1)].map(|(n, count)| {
                let b = if op.is_right() { [count, n] } else { [n, count] };
                Case::new(op, [Sample::any([n, n]).plus_diagonal(4.0), Sample::any(b)])
            })
        };
        [LX, LtX, XL, XLt].into_iter().flat_map(case).collect()
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

    /// The solution X of a system of equations with the lower triangular matrix L = `self` (n, n), such as L X = B. What is
    /// above the diagonal of L is not read. B is (n, m), or (m, n) if L stands at the right: see [`SolveTriangular`].
    ///
    /// # Panics
    /// If L is not square, or B is not a matrix of its size.
    #[track_caller]
    pub fn solve_triangular(self, b: Self, system: TriangularSystem) -> Self {
        self.tape().apply(SolveTriangular { system }, &[self, b])
    }

    /// ln det A = 2 Σᵢ ln Lᵢᵢ, from the [`cholesky`](Self::cholesky) factor L = `self` of A.
    ///
    /// # Panics
    /// If `self` is not a square matrix.
    #[track_caller]
    pub fn log_det_from_factor(self) -> Self {
        self.diagonal().ln().sum() * F::from_f64(2.0)
    }
}
