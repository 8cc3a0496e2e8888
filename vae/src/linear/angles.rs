//! Angles between subspaces.

use autograd::{Tape, Var};
use nn::data::Matrix;
use nn::stats::{orthonormal_rows, symmetric_eigen};

use super::LinearError;

/// The angles between the subspaces that the rows of `a` (m, D) and of `b` (k, D) span, in radians, smallest first:
/// min(m, k) numbers between 0 and π/2. All are 0 if one space contains the other.
///
/// With orthonormal bases Q of the larger space and P of the smaller one, the cosines of the angles are the singular values of
/// P Qᵀ, their sines those of P − P QᵀQ (Björck & Golub 1973). With both, small and large angles are accurate to about 1e-8.
///
/// # Errors
/// [`LinearError::Dependent`] if the rows of a matrix depend on one another, to about 1e-10.
///
/// # Panics
/// If the rows of the two matrices have different lengths.
#[track_caller]
pub fn principal_angles(a: &Matrix<f64>, b: &Matrix<f64>) -> Result<Vec<f64>, LinearError> {
    let d = a.cols;
    assert!(d == b.cols, "principal_angles: expected rows of one length, found {d} and {}", b.cols);
    let (large, small) = if a.rows < b.rows { (b, a) } else { (a, b) };
    let (q, p) = (orthonormal_rows(large)?, orthonormal_rows(small)?);
    let tape = Tape::new();
    let (q, p) = (tape.shared_constant(&q.values, [q.rows, d]), tape.shared_constant(&p.values, [p.rows, d]));
    let overlap = p.matmul_t(q);
    let rest = p - overlap.matmul(q);
    let squares = |a: Var<'_, f64>| {
        symmetric_eigen(&Matrix::new(small.rows, small.rows, a.matmul_t(a).to_vec())).values
    };
    let (cosines, sines) = (squares(overlap), squares(rest));
    let angle = |(cos2, sin2): (&f64, &f64)| sin2.max(0.0).sqrt().atan2(cos2.max(0.0).sqrt());
    Ok(cosines.iter().zip(sines.iter().rev()).map(angle).collect())
}
