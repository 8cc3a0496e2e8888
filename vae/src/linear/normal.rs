//! One normal distribution of all variables, fitted to data with gaps.

use std::collections::BTreeMap;

use autograd::ops::TriangularSystem::{LX, LtX};
use autograd::{Tape, Var};
use nn::data::Matrix;
use rayon::prelude::*;

use super::factor::LN_2PI;
use super::{Em, LinearError};
use crate::gaps::GivenOthers;

/// A normal distribution of all variables, x ~ N(μ, Σ), without latent ones: what fills gaps best, if nothing but means and
/// covariances counts. Its conditional means are the regressions of each variable on all others.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalModel {
    /// μ (D)
    pub mean: Vec<f64>,
    /// Σ (D, D)
    pub covariance: Matrix<f64>,
}

/// A normal distribution that EM has fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalFit {
    /// The distribution.
    pub model: NormalModel,
    /// The log-likelihood of what was observed plus the logarithm of the prior, before every round and at the end, in nats per
    /// row. It never falls.
    pub history: Vec<f64>,
}

impl NormalModel {
    /// The μ and Σ of the largest likelihood of the rows x (N, D), in which numbers may be missing (NaN), by EM (Dempster,
    /// Laird & Rubin 1977, section 4.1.3). In a round missing numbers get their expectation x̂ and covariance given the rest of
    /// their row, C, and
    ///
    /// μ ← 1/N Σₙ x̂ₙ,   Σ ← (Σₙ (x̂ₙ − μ)(x̂ₙ − μ)′ + Cₙ + κ V) / (N + κ)
    ///
    /// V is the diagonal matrix of the variables' variances (1 for a constant), κ = `prior_rows` the number of rows that it
    /// counts for: a prior, which keeps Σ positive definite. With κ = 0 it is the maximum-likelihood estimate. Without gaps one
    /// round suffices, and predictions of some variables from others are ridge regression with the penalty κ for variables of
    /// variance 1.
    ///
    /// # Errors
    /// [`LinearError`] if there are fewer than two rows, a number is infinite, a variable was never observed, or for κ = 0 one
    /// is constant or depends on others; [`LinearError::Fell`] if rounding errors dominate.
    pub fn fit(x: &Matrix<f64>, prior_rows: f64, em: Em) -> Result<NormalFit, LinearError> {
        let (mean, variances) = observed_moments(x, prior_rows)?;
        let patterns = Pattern::all(x);
        let mut model = Self { mean, covariance: diagonal(&variances) };
        let mut history: Vec<f64> = Vec::new();
        loop {
            let round = Round::new(&model, x, &patterns)?;
            let now = round.log_posterior(&variances, prior_rows);
            let last = history.last().copied().unwrap_or(f64::NEG_INFINITY);
            if now < last - 1e-10 * (1.0 + last.abs()) || now.is_nan() {
                return Err(LinearError::Fell { round: history.len(), from: last, to: now });
            }
            history.push(now);
            if history.len() > em.rounds || now - last < em.tolerance {
                return Ok(NormalFit { model, history });
            }
            model = round.maximise(&variances, prior_rows);
        }
    }

    /// Σ⁻¹ (D, D)
    ///
    /// # Errors
    /// [`LinearError::NotPositiveDefinite`] if Σ is not.
    pub fn precision(&self) -> Result<Matrix<f64>, LinearError> {
        Ok(self.inverse()?.0)
    }

    /// Σ⁻¹ (D, D) and ln |Σ|.
    fn inverse(&self) -> Result<(Matrix<f64>, f64), LinearError> {
        let (tape, d) = (Tape::new(), self.mean.len());
        let l = tape.shared_constant(&self.covariance.values, [d, d]).cholesky()?;
        let identity = tape.constant(&vec![1.0; d], [d]).diagonal_matrix();
        let precision = l.solve_triangular(l.solve_triangular(identity, LX), LtX);
        Ok((Matrix::new(d, d, precision.to_vec()), l.log_det_from_factor().item()))
    }

    /// The rows of x (N, D), in which numbers that are missing (NaN) are replaced by their expectation given the rest of the
    /// row,
    ///
    /// E[x_missing | x_observed] = μ_m + Σ_mo Σ_oo⁻¹ (x_o − μ_o)
    ///
    /// # Errors
    /// [`LinearError::NotPositiveDefinite`] if Σ is not.
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn impute(&self, x: &Matrix<f64>) -> Result<Matrix<f64>, LinearError> {
        let d = self.mean.len();
        assert!(x.cols == d, "NormalModel: expected rows of {d} numbers, found [{}, {}]", x.rows, x.cols);
        let (precision, mut filled) = (self.precision()?, x.values.to_vec());
        for pattern in Pattern::all(x) {
            let given = pattern.given(&precision);
            for &row in &pattern.rows {
                let means = given.means(&self.mean, x.row(row));
                pattern.missing.iter().zip(means).for_each(|(&j, mean)| filled[row * d + j] = mean);
            }
        }
        Ok(Matrix::new(x.rows, d, filled))
    }

    /// log p(x_observed) in nats, averaged over the rows of x (N, D); numbers that are NaN are missing.
    ///
    /// # Errors
    /// [`LinearError::NotPositiveDefinite`] if Σ is not.
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn log_likelihood(&self, x: &Matrix<f64>) -> Result<f64, LinearError> {
        let d = self.mean.len();
        assert!(x.cols == d, "NormalModel: expected rows of {d} numbers, found [{}, {}]", x.rows, x.cols);
        Ok(Round::new(self, x, &Pattern::all(x))?.log_likelihood / x.rows as f64)
    }
}

/// Means and variances of what was observed of each variable.
fn observed_moments(x: &Matrix<f64>, prior_rows: f64) -> Result<(Vec<f64>, Vec<f64>), LinearError> {
    if x.rows < 2 {
        return Err(LinearError::TooFewRows { rows: x.rows, needed: 2 });
    }
    if let Some(i) = x.values.iter().position(|x| x.is_infinite()) {
        return Err(LinearError::NotFinite { row: i / x.cols, column: i % x.cols, value: x.values[i] });
    }
    let of = |column: usize| {
        let known = || x.values.iter().skip(column).step_by(x.cols).copied().filter(|x| !x.is_nan());
        let n = known().count() as f64;
        if n == 0.0 {
            return Err(LinearError::EmptyColumn { column });
        }
        let mean = known().sum::<f64>() / n;
        let variance = known().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        // Because the mean is rounded, equal numbers have a variance of this size, relative to their squares.
        match variance <= 1e-28 * mean * mean {
            true if prior_rows == 0.0 => Err(LinearError::ConstantColumn { column }),
            true => Ok((mean, 1.0)),
            false => Ok((mean, variance)),
        }
    };
    (0..x.cols).map(of).collect::<Result<Vec<_>, _>>().map(|moments| moments.into_iter().unzip())
}

/// The rows that lack the same numbers.
struct Pattern {
    missing: Vec<usize>,
    rows: Vec<usize>,
}

/// What is expected of the missing numbers of a pattern's rows.
struct Expected {
    /// E[x_m | x_o] of each row.
    means: Vec<Vec<f64>>,
    /// C, the covariance of x_m given x_o, (m, m), which is the same for all rows.
    covariance: Vec<f64>,
    /// ln |C|
    log_det: f64,
}

impl Pattern {
    fn all(x: &Matrix<f64>) -> Vec<Self> {
        let mut rows: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for i in 0..x.rows {
            let missing = (0..x.cols).filter(|&j| x.row(i)[j].is_nan()).collect();
            rows.entry(missing).or_default().push(i);
        }
        rows.into_iter().map(|(missing, rows)| Self { missing, rows }).collect()
    }

    /// What is missing, given the rest, for the precision Σ⁻¹.
    fn given<'a>(&'a self, precision: &'a Matrix<f64>) -> GivenOthers<'a> {
        GivenOthers::new(&precision.values, &self.missing, precision.cols, f64::EPSILON)
    }

    fn expected(&self, model: &NormalModel, precision: &Matrix<f64>, x: &Matrix<f64>) -> Expected {
        let given = self.given(precision);
        let means = self.rows.iter().map(|&row| given.means(&model.mean, x.row(row))).collect();
        let (covariance, log_det) = given.covariance();
        Expected { means, covariance, log_det }
    }
}

/// A round of EM: the data with what is expected of the missing numbers.
struct Round {
    /// x̂ (N, D)
    filled: Matrix<f64>,
    /// Σₙ Cₙ (D, D)
    uncertain: Vec<f64>,
    /// Σ⁻¹ (D, D)
    precision: Matrix<f64>,
    /// ln |Σ|
    log_det: f64,
    /// Of all rows.
    log_likelihood: f64,
}

impl Round {
    fn new(model: &NormalModel, x: &Matrix<f64>, patterns: &[Pattern]) -> Result<Self, LinearError> {
        let d = x.cols;
        let (precision, log_det) = model.inverse()?;

        let expected: Vec<_> =
            patterns.par_iter().map(|pattern| pattern.expected(model, &precision, x)).collect();
        let (mut filled, mut uncertain) = (x.values.to_vec(), vec![0.0; d * d]);
        // ln |Σ_oo| = ln |Σ| − ln |C|
        let mut log_likelihood = -0.5 * x.rows as f64 * log_det;
        for (Pattern { missing, rows }, expected) in patterns.iter().zip(&expected) {
            let n = rows.len() as f64;
            log_likelihood += 0.5 * n * (expected.log_det - (d - missing.len()) as f64 * LN_2PI);
            for (&row, means) in rows.iter().zip(&expected.means) {
                missing.iter().zip(means).for_each(|(&j, mean)| filled[row * d + j] = *mean);
            }
            for (&i, c) in missing.iter().zip(expected.covariance.chunks_exact(missing.len().max(1))) {
                missing.iter().zip(c).for_each(|(&j, c)| uncertain[i * d + j] += n * c);
            }
        }
        let filled = Matrix::new(x.rows, d, filled);
        // (x_o − μ_o)′ Σ_oo⁻¹ (x_o − μ_o) = (x̂ − μ)′ Σ⁻¹ (x̂ − μ)
        let distances = trace(&precision.values, &scatter(&filled, &model.mean));
        Ok(Self { filled, uncertain, precision, log_det, log_likelihood: log_likelihood - 0.5 * distances })
    }

    /// 1/N (Σₙ log p(x_o) − ½ κ (ln |Σ| + tr Σ⁻¹ V))
    fn log_posterior(&self, variances: &[f64], prior_rows: f64) -> f64 {
        let d = variances.len();
        let trace: f64 =
            variances.iter().zip(self.precision.values.iter().step_by(d + 1)).map(|(v, p)| v * p).sum();
        (self.log_likelihood - 0.5 * prior_rows * (self.log_det + trace)) / self.filled.rows as f64
    }

    fn maximise(&self, variances: &[f64], prior_rows: f64) -> NormalModel {
        let (n, d) = (self.filled.rows as f64, variances.len());
        let mean: Vec<f64> =
            (0..d).map(|j| self.filled.values.iter().skip(j).step_by(d).sum::<f64>() / n).collect();
        let mut covariance = scatter(&self.filled, &mean);
        covariance.iter_mut().zip(&self.uncertain).for_each(|(s, c)| *s += c);
        covariance.iter_mut().step_by(d + 1).zip(variances).for_each(|(s, v)| *s += prior_rows * v);
        covariance.iter_mut().for_each(|s| *s /= n + prior_rows);
        NormalModel { mean, covariance: Matrix::new(d, d, covariance) }
    }
}

/// Σₙ (xₙ − μ)(xₙ − μ)′ of the rows of x (N, D), (D, D).
fn scatter(x: &Matrix<f64>, mean: &[f64]) -> Vec<f64> {
    let (tape, d) = (Tape::new(), x.cols);
    let centred: Var<'_, f64> = tape.shared_constant(&x.values, [x.rows, d]) - tape.constant(mean, [d]);
    centred.t_matmul(centred).to_vec()
}

/// tr A B of symmetric matrices.
fn trace(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn diagonal(variances: &[f64]) -> Matrix<f64> {
    let d = variances.len();
    let mut matrix = vec![0.0; d * d];
    matrix.iter_mut().step_by(d + 1).zip(variances).for_each(|(x, v)| *x = *v);
    Matrix::new(d, d, matrix)
}
