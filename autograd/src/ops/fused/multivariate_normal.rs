//! The log-density of a multivariate normal distribution as one operation.

use crate::check::{Case, Checked, Sample};
use crate::numerics::cholesky::{Lower, add_lower, cholesky};
use crate::numerics::{HALF_LN_2PI, Mat, MatMut};
use crate::ops::NotPositiveDefinite;
use crate::ops::primitive::linalg::{checked, square};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// log N(Z; 0, K), summed over the columns of Z, as the composition of `cholesky`, `solve_triangular`, `square`, `diagonal`, `ln`
/// and `sum`.
/// With K = ½ (K + Kᵀ) = L Lᵀ and α = K⁻¹ Z:
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
        let [z, k] = x else {
            return Err(format!("expected a matrix Z and a covariance K, found {} inputs", x.len()));
        };
        let n = square(*k)?;
        if z.rank() == 2 && z[0] == n {
            return Ok(Shape::SCALAR);
        }
        Err(format!("expected a matrix Z of {n} rows, found {z}"))
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

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], aux: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (n, count) = (x.shape(0)[0], x.shape(0)[1]);
        let (l, alpha) = aux.split_at(n * n);
        let (half, matrix) = (F::from_f64(0.5) * dy[0], Mat::new(alpha, n, count));
        if let Some(dk) = dx.get(1) {
            // In each block of columns: ½ ȳ α αᵀ + L⁻ᵀ L⁻¹ (−½ c ȳ I)
            add_lower(n, n * n * n / 2, true, dk, |columns, dk| {
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
        if let Some(dz) = dx.get(0) {
            dz.iter_mut().zip(alpha).for_each(|(dz, &alpha)| *dz -= alpha * dy[0]);
        }
    }
}

impl<F: Real> Checked<F> for MultivariateNormalLogProb {
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
    /// log N(Z; 0, K) of the columns of Z = `self` (N, c), summed, for one covariance K = `k` (N, N), of which the
    /// symmetric part is taken: see [`MultivariateNormalLogProb`]. In nats, to a scalar; the gradient of K is symmetric.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`]: the first pivot of K that is not positive and finite. (A node that is NaN stays on the tape until
    /// that is cleared.)
    ///
    /// # Panics
    /// If K is not a square matrix, or Z not a matrix with as many rows.
    #[track_caller]
    pub fn multivariate_normal_log_prob(self, k: Self) -> Result<Self, NotPositiveDefinite> {
        checked(self.tape().apply(MultivariateNormalLogProb, &[self, k]), k)
    }
}
