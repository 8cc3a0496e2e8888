//! Sparse inverse covariances.

use super::StructureError;
use crate::data::Matrix;

/// A covariance whose inverse has zeros, as [`graphical_lasso`] finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct SparsePrecision {
    /// Θ (D, D): of two variables with θ_ij = 0 neither tells anything of the other, once the rest is known
    pub precision: Matrix<f64>,
    /// W = Θ⁻¹ (D, D)
    pub covariance: Matrix<f64>,
}

/// The precision Θ that fits a covariance S (D, D) of data with few edges (Friedman, Hastie & Tibshirani 2008; Banerjee, El Ghaoui &
/// d'Aspremont 2008):
///
/// Θ = argmax log det Θ − tr(S Θ) − λ Σ_{i≠j} |θ_ij|
///
/// The diagonal is not penalised. With W = Θ⁻¹ the maximum is where w_ii = s_ii, w_ij − s_ij = λ sign θ_ij for each edge, and
/// |w_ij − s_ij| ≤ λ where θ_ij = 0. With λ = 0 it is S⁻¹. Columns of W are solved for by turns, each a lasso by coordinate descent,
/// from a positive definite W that fulfils the inequalities, so that each W after it is positive definite, too.
///
/// ```
/// use nn::data::Matrix;
/// use nn::stats::graphical_lasso;
/// // Two variables: the covariance is drawn towards 0 by λ.
/// let s = Matrix::new(2, 2, vec![2.0, 0.8, 0.8, 1.0]);
/// let found = graphical_lasso(&s, 0.3)?;
/// assert!((found.covariance.row(0)[1] - 0.5).abs() < 1e-9);
/// assert!((found.precision.row(0)[1] + 0.5 / (2.0 - 0.25)).abs() < 1e-9);
/// # Ok::<(), nn::stats::StructureError>(())
/// ```
///
/// # Errors
/// [`StructureError::NotPositive`] if a variance is not positive, or S is not positive definite and λ is 0; [`StructureError::NotConverged`] if
/// the iteration does not settle.
///
/// # Panics
/// If S is not square, or λ is negative or not finite.
#[track_caller]
pub fn graphical_lasso(s: &Matrix<f64>, lambda: f64) -> Result<SparsePrecision, StructureError> {
    const ROUNDS: usize = 2000;
    let d = s.rows;
    assert!(d == s.cols, "graphical_lasso: expected a square matrix, found [{d}, {}]", s.cols);
    assert!(
        lambda >= 0.0 && lambda.is_finite(),
        "graphical_lasso: expected a penalty of 0 or more, found {lambda}"
    );
    let at = |i: usize, j: usize| s.values[i * d + j];
    if let Some(row) = (0..d).find(|&i| at(i, i).is_nan() || at(i, i) <= 0.0) {
        return Err(StructureError::NotPositive { row });
    }
    let off = |i: usize| (0..d).filter(move |&j| j != i);
    let largest = (0..d).flat_map(|i| off(i).map(move |j| (i, j))).map(|(i, j)| at(i, j).abs());
    let largest = largest.fold(0.0, f64::max);
    let keep = 1.0 - if largest > 0.0 { (lambda / largest).min(1.0) } else { 1.0 };
    let mut w: Vec<f64> =
        (0..d * d).map(|k| if k / d == k % d { s.values[k] } else { keep * s.values[k] }).collect();
    // Row j holds β of column j, with 0 in the place j.
    let mut betas = vec![0.0; d * d];
    let size = |j: usize| at(j, j).sqrt();
    let mut settled = false;
    for _ in 0..ROUNDS {
        let mut moved: f64 = 0.0;
        for j in 0..d {
            let beta = &mut betas[j * d..][..d];
            lasso(&w, beta, j, |k| at(k, j), lambda);
            let column: Vec<f64> = off(j).map(|k| off(j).map(|l| w[k * d + l] * beta[l]).sum()).collect();
            for (k, new) in off(j).zip(column) {
                moved = moved.max((new - w[k * d + j]).abs() / (size(k) * size(j)));
                (w[k * d + j], w[j * d + k]) = (new, new);
            }
        }
        if moved <= 1e-12 {
            settled = true;
            break;
        }
    }
    let mut precision = vec![0.0; d * d];
    for j in 0..d {
        let beta = &betas[j * d..][..d];
        let explained: f64 = off(j).map(|k| w[k * d + j] * beta[k]).sum();
        let left = at(j, j) - explained;
        if left.is_nan() || left <= 1e-13 * at(j, j) {
            return Err(StructureError::NotPositive { row: j });
        }
        precision[j * d + j] = 1.0 / left;
        off(j).for_each(|k| precision[k * d + j] = -beta[k] / left);
    }
    if !settled {
        return Err(StructureError::NotConverged { rounds: ROUNDS });
    }
    // Each column was solved for by itself: rounding is made symmetric, and an edge is one from both ends.
    for i in 0..d {
        for j in 0..i {
            let (a, b) = (precision[i * d + j], precision[j * d + i]);
            let mean = if a == 0.0 || b == 0.0 { 0.0 } else { 0.5 * (a + b) };
            (precision[i * d + j], precision[j * d + i]) = (mean, mean);
        }
    }
    Ok(SparsePrecision { precision: Matrix::new(d, d, precision), covariance: Matrix::new(d, d, w) })
}

/// argmin ½ βᵀW₁₁β − s₁₂ᵀβ + λ Σ |β_k| over all k but j, from `beta`, by coordinate descent.
fn lasso(w: &[f64], beta: &mut [f64], j: usize, s: impl Fn(usize) -> f64, lambda: f64) {
    const SWEEPS: usize = 10_000;
    let d = beta.len();
    for _ in 0..SWEEPS {
        let mut moved: f64 = 0.0;
        for k in (0..d).filter(|&k| k != j) {
            let others: f64 = (0..d).map(|l| w[k * d + l] * beta[l]).sum::<f64>() - w[k * d + k] * beta[k];
            let pull = s(k) - others;
            let new = pull.signum() * (pull.abs() - lambda).max(0.0) / w[k * d + k];
            moved = moved.max((new - beta[k]).abs() * (w[k * d + k] / w[j * d + j]).sqrt());
            beta[k] = new;
        }
        if moved <= 1e-14 {
            return;
        }
    }
}

impl SparsePrecision {
    /// log N(x; 0, W) of a datum in nats, averaged over data whose covariance is `s` (D, D), for instance data that were held out:
    /// ½ log det Θ − ½ tr(S Θ) − ½ D ln 2π.
    ///
    /// # Panics
    /// If `s` has another shape than Θ.
    #[track_caller]
    pub fn log_likelihood(&self, s: &Matrix<f64>) -> f64 {
        let (d, shape) = (self.precision.rows, [s.rows, s.cols]);
        assert!(shape == [d, d], "log_likelihood: expected [{d}, {d}], found {shape:?}");
        let trace: f64 = s.values.iter().zip(self.precision.values.iter()).map(|(s, t)| s * t).sum();
        let log_det: f64 = super::symmetric_eigen(&self.precision).values.iter().map(|x| x.ln()).sum();
        0.5 * (log_det - trace - d as f64 * 2.0 * autograd::numerics::HALF_LN_2PI)
    }

    /// −θ_ij / √(θ_ii θ_jj) (D, D): the correlation of i and j once all others are known, with 1 on the diagonal.
    pub fn partial_correlations(&self) -> Matrix<f64> {
        let d = self.precision.rows;
        let theta = |i: usize, j: usize| self.precision.values[i * d + j];
        let of = |i: usize, j: usize| {
            if i == j { 1.0 } else { 0.0 - theta(i, j) / (theta(i, i) * theta(j, j)).sqrt() }
        };
        Matrix::new(d, d, (0..d * d).map(|k| of(k / d, k % d)).collect())
    }

    /// The pairs i < j with θ_ij ≠ 0, in order.
    pub fn edges(&self) -> Vec<(usize, usize)> {
        let d = self.precision.rows;
        let pairs = (0..d).flat_map(|i| (i + 1..d).map(move |j| (i, j)));
        pairs.filter(|&(i, j)| self.precision.values[i * d + j] != 0.0).collect()
    }
}
