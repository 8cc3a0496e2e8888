//! Orthonormal bases, eigenvectors of symmetric matrices, angles between subspaces. Vectors are rows.

use autograd::Tape;
use nn::data::Matrix;
use nn::noise::Noise;

use super::LinearError;

/// The angles between the subspaces that the rows of `a` (m, D) and of `b` (k, D) span, in radians, smallest first:
/// min(m, k) numbers between 0 and π/2, all 0 if one space holds the other.
///
/// With orthonormal bases Q of the larger space and P of the smaller, their cosines are the singular values of P Qᵀ, their
/// sines those of P − P QᵀQ (Björck & Golub 1973); both together are accurate at either end, to about 1e-8.
///
/// # Errors
/// [`LinearError::Dependent`] if the rows of a matrix depend on one another, to about 1e-10.
///
/// # Panics
/// If the rows of the two are not equally long.
#[track_caller]
pub fn principal_angles(a: &Matrix<f64>, b: &Matrix<f64>) -> Result<Vec<f64>, LinearError> {
    let d = a.cols;
    assert!(d == b.cols, "principal_angles: [{}, {d}] x [{}, {}]", a.rows, b.rows, b.cols);
    let (large, small) = if a.rows < b.rows { (b, a) } else { (a, b) };
    let (q, p) = (orthonormal(large)?, orthonormal(small)?);
    let tape = Tape::new();
    let (q, p) = (tape.shared_constant(&q.values, [q.rows, d]), tape.shared_constant(&p.values, [p.rows, d]));
    let overlap = p.matmul_t(q);
    let rest = p - overlap.matmul(q);
    let squares =
        |a: autograd::Var<'_, f64>| eigen(&Matrix::new(small.rows, small.rows, a.matmul_t(a).to_vec())).0;
    let (cosines, sines) = (squares(overlap), squares(rest));
    let angle = |(cos2, sin2): (&f64, &f64)| sin2.max(0.0).sqrt().atan2(cos2.max(0.0).sqrt());
    Ok(cosines.iter().zip(sines.iter().rev()).map(angle).collect())
}

/// An orthonormal basis of what the rows of `a` span, by Gram–Schmidt, each projection done twice.
pub(super) fn orthonormal(a: &Matrix<f64>) -> Result<Matrix<f64>, LinearError> {
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
            return Err(LinearError::Dependent { row });
        }
        vector.iter_mut().for_each(|x| *x /= left);
    }
    Ok(Matrix::new(a.rows, d, q))
}

/// The largest `m` eigenvalues of a positive semi-definite matrix S (D, D), largest first, and orthonormal eigenvectors,
/// the rows of (m, D): block power iteration Q ← orthonormal(Q S), with more vectors than are wanted, each round within
/// the eigenvectors of Q S Qᵀ (Rayleigh–Ritz; Golub & Van Loan, section 8.2).
pub(super) fn leading(s: &Matrix<f64>, m: usize) -> Result<(Vec<f64>, Matrix<f64>), LinearError> {
    const ROUNDS: usize = 5000;
    let d = s.rows;
    let block = d.min((2 * m).max(m + 16));
    // What S has no variance in would be lost by multiplying with S alone.
    let shift = 1e-6 * s.values.iter().step_by(d + 1).sum::<f64>() / d as f64;
    let mut start = vec![0.0; block * d];
    Noise::evaluation(0).normal(0, d, &mut start);
    let mut next = Matrix::new(block, d, start);
    let mut tape = Tape::new();
    for _ in 0..ROUNDS {
        let q = orthonormal(&next)?;
        tape.clear();
        let (s, q) = (tape.shared_constant(&s.values, [d, d]), tape.shared_constant(&q.values, [block, d]));
        let image = q.matmul(s);
        let (values, rotation) = eigen(&Matrix::new(block, block, image.matmul_t(q).to_vec()));
        let rotation = tape.shared_constant(&rotation.values, [block, block]);
        let (q, image) = (rotation.matmul(q), rotation.matmul(image));
        let lambda = tape.constant(&values, [block, 1]);
        let residuals = (image - q * lambda).square().sum_axis(1).to_vec();
        if residuals[..m].iter().all(|r| r.sqrt() <= 1e-12 * values[0]) {
            let vectors = Matrix::new(m, d, q.rows(0..m).to_vec());
            return Ok((values[..m].iter().map(|x| x.max(0.0)).collect(), vectors));
        }
        next = Matrix::new(block, d, (image + q * shift).to_vec());
    }
    Err(LinearError::NotConverged { rounds: ROUNDS })
}

/// All eigenvalues of a symmetric matrix, largest first, and its eigenvectors as rows, by Jacobi's rotations (Golub & Van
/// Loan, section 8.5).
pub(super) fn eigen(a: &Matrix<f64>) -> (Vec<f64>, Matrix<f64>) {
    const SWEEPS: usize = 60;
    let n = a.rows;
    let mut a = a.values.to_vec();
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
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
    (values, Matrix::new(n, n, vectors).select(&order))
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
