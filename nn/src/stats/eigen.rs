//! Orthonormal bases and eigenvectors of symmetric matrices. Vectors are rows.

use autograd::Tape;

use crate::data::Matrix;
use crate::train::Noise;

/// Eigenvalues, largest first, and orthonormal eigenvectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// The eigenvalues λ₁ ≥ λ₂ ≥ ….
    pub values: Vec<f64>,
    /// The eigenvectors, each a row, in the order of the eigenvalues.
    pub vectors: Matrix<f64>,
}

/// Why a basis or eigenvectors cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsError {
    /// Vectors that are to span a space depend on one another.
    #[error("row {row} of a basis depends on the rows before it: they span a smaller space")]
    Dependent {
        /// The row, counted from 0.
        row: usize,
    },
    /// An iteration did not settle.
    #[error("the leading eigenvectors are not found after {rounds} rounds: rescale the data")]
    NotConverged {
        /// How many rounds were tried.
        rounds: usize,
    },
}

/// An orthonormal basis of the space that the rows of `a` span, by Gram–Schmidt with each projection done twice.
///
/// # Errors
/// [`StatsError::Dependent`] if a row depends on those before it, to about 10⁻¹⁰.
pub fn orthonormal_rows(a: &Matrix<f64>) -> Result<Matrix<f64>, StatsError> {
    let d = a.cols;
    let mut q = a.values.to_vec();
    for row in 0..a.rows {
        let (before, rest) = q.split_at_mut(row * d);
        let vector = &mut rest[..d];
        let size = norm(vector);
        for _ in 0..2 {
            for other in before.chunks_exact(d) {
                let along = dot(vector, other);
                vector.iter_mut().zip(other).for_each(|(x, q)| *x -= along * q);
            }
        }
        let left = norm(vector);
        if left <= 1e-10 * size || left.is_nan() {
            return Err(StatsError::Dependent { row });
        }
        vector.iter_mut().for_each(|x| *x /= left);
    }
    Ok(Matrix::new(a.rows, d, q))
}

/// The largest `m` eigenvalues of a positive semi-definite matrix S (D, D) with eigenvectors (m, D).
///
/// Block power iteration, Q ← orthonormal(Q S), with some more vectors than `m`; each round takes the eigenvectors of
/// Q S Qᵀ within Q (Rayleigh–Ritz; Golub & Van Loan 2013, section 8.2). For m much smaller than D this takes a part of the
/// time of [`symmetric_eigen`].
///
/// # Errors
/// [`StatsError::NotConverged`] if the iteration does not settle.
///
/// # Panics
/// If S is not square, or `m` is larger than D.
#[track_caller]
pub fn leading_eigen(s: &Matrix<f64>, m: usize) -> Result<Eigen, StatsError> {
    const ROUNDS: usize = 5000;
    check_square("leading_eigen", s);
    let d = s.rows;
    assert!(m <= d, "leading_eigen: expected at most {d} eigenvectors of [{d}, {d}], found {m}");
    if s.values.iter().all(|&s| s == 0.0) {
        return Ok(Eigen { values: vec![0.0; m], vectors: unit_rows(m, d) });
    }
    let block = d.min((2 * m).max(m + 16));
    // A product with S alone would lose the directions in which S is zero.
    let shift = 1e-6 * s.values.iter().step_by(d + 1).sum::<f64>() / d as f64;
    let mut start = vec![0.0; block * d];
    Noise::evaluation(0).normal(0, d, &mut start);
    let mut next = Matrix::new(block, d, start);
    let mut tape = Tape::new();
    for _ in 0..ROUNDS {
        let q = orthonormal_rows(&next)?;
        tape.clear();
        let (s, q) = (tape.shared_constant(&s.values, [d, d]), tape.shared_constant(&q.values, [block, d]));
        let image = q.matmul(s);
        let Eigen { values, vectors: rotation } =
            symmetric_eigen(&Matrix::new(block, block, image.matmul_t(q).to_vec()));
        let rotation = tape.shared_constant(&rotation.values, [block, block]);
        let (q, image) = (rotation.matmul(q), rotation.matmul(image));
        let lambda = tape.constant(&values, [block, 1]);
        let residuals = (image - q * lambda).square().sum_axis(1).to_vec();
        if residuals[..m].iter().all(|r| r.sqrt() <= 1e-12 * values[0]) {
            let vectors = Matrix::new(m, d, q.rows(0..m).to_vec());
            return Ok(Eigen { values: values[..m].iter().map(|x| x.max(0.0)).collect(), vectors });
        }
        next = Matrix::new(block, d, (image + q * shift).to_vec());
    }
    Err(StatsError::NotConverged { rounds: ROUNDS })
}

/// All eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations (Golub & Van Loan 2013, section 8.5).
///
/// # Panics
/// If the matrix is not square.
#[track_caller]
pub fn symmetric_eigen(a: &Matrix<f64>) -> Eigen {
    const SWEEPS: usize = 60;
    check_square("symmetric_eigen", a);
    let n = a.rows;
    let mut a = a.values.to_vec();
    let mut vectors = unit_rows(n, n).values.to_vec();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
                if apq == 0.0 || apq * apq <= 1e-32 * (app * aqq).abs() {
                    continue;
                }
                rotated = true;
                // The tangent of the smaller angle that makes a_pq zero.
                let theta = (aqq - app) / (2.0 * apq);
                let t = 1.0_f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let rotate = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - t * c * *y, t * c * *x + c * *y);
                for k in 0..n {
                    let (mut x, mut y) = (a[k * n + p], a[k * n + q]);
                    rotate(&mut x, &mut y);
                    (a[k * n + p], a[k * n + q]) = (x, y);
                }
                for rows in [&mut a, &mut vectors] {
                    let (head, tail) = rows.split_at_mut(q * n);
                    head[p * n..][..n].iter_mut().zip(&mut tail[..n]).for_each(|(x, y)| rotate(x, y));
                }
                (a[p * n + q], a[q * n + p]) = (0.0, 0.0);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    Eigen { values, vectors: Matrix::new(n, n, vectors).select(&order) }
}

/// The first `m` rows of the identity matrix (d, d).
fn unit_rows(m: usize, d: usize) -> Matrix<f64> {
    let mut rows = vec![0.0; m * d];
    (0..m).for_each(|i| rows[i * d + i] = 1.0);
    Matrix::new(m, d, rows)
}

#[track_caller]
fn check_square(what: &str, a: &Matrix<f64>) {
    assert!(a.rows == a.cols, "{what}: expected a square matrix, found [{}, {}]", a.rows, a.cols);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
