//! Principal components.

use autograd::Tape;
use nn::data::Matrix;
use nn::stats::{Eigen, leading_eigen};

use super::LinearError;
use super::moments::Moments;

/// The m directions in which data vary most (lecture 000, "PCA versus autoencoder"):
///
/// P = argmax Σᵢ ‖P′(xᵢ − μ)‖² = argmin Σᵢ ‖xᵢ − μ − P P′(xᵢ − μ)‖²   over P (D, m) with P′P = I
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// μ, the mean of the data, (D).
    pub mean: Vec<f64>,
    /// P′ (m, D): orthonormal rows, that of the largest variance first.
    pub components: Matrix<f64>,
    /// The variances of the data along the components, the largest eigenvalues of their covariance (with 1/N), (m).
    pub variances: Vec<f64>,
    /// The sum of the variances in all D directions.
    pub total_variance: f64,
}

impl Pca {
    /// The m = `components` directions of the rows of x (N, D), by block power iteration.
    ///
    /// # Errors
    /// [`LinearError`] if m is not between 1 and D, there are m rows or fewer, all rows are equal, or a number is not finite.
    pub fn fit(x: &Matrix<f64>, components: usize) -> Result<Self, LinearError> {
        Self::of_moments(Moments::of(x, components)?, components)
    }

    pub(super) fn of_moments(moments: Moments, components: usize) -> Result<Self, LinearError> {
        let Eigen { values: variances, vectors: components } =
            leading_eigen(&moments.covariance, components)?;
        Ok(Self { total_variance: moments.total(), mean: moments.mean, components, variances })
    }

    /// The codes P′(x − μ) of rows, (N, D) to (N, m).
    ///
    /// # Panics
    /// If the rows do not have D numbers.
    #[track_caller]
    pub fn encode_rows(&self, x: &Matrix<f64>) -> Matrix<f64> {
        let (m, d) = (self.components.rows, self.mean.len());
        assert!(x.cols == d, "Pca: expected rows of {d} numbers, found [{}, {}]", x.rows, x.cols);
        let tape = Tape::new();
        let p = tape.shared_constant(&self.components.values, [m, d]);
        let centred = tape.shared_constant(&x.values, [x.rows, d]) - tape.constant(&self.mean, [d]);
        Matrix::new(x.rows, m, centred.matmul_t(p).to_vec())
    }

    /// μ + P z of rows, (N, m) to (N, D).
    ///
    /// # Panics
    /// If the rows do not have m numbers.
    #[track_caller]
    pub fn decode_rows(&self, z: &Matrix<f64>) -> Matrix<f64> {
        let (m, d) = (self.components.rows, self.mean.len());
        assert!(z.cols == m, "Pca: expected rows of {m} numbers, found [{}, {}]", z.rows, z.cols);
        let tape = Tape::new();
        let p = tape.shared_constant(&self.components.values, [m, d]);
        let x = tape.shared_constant(&z.values, [z.rows, m]).matmul(p) + tape.constant(&self.mean, [d]);
        Matrix::new(z.rows, d, x.to_vec())
    }

    /// μ + P P′(x − μ) of rows, the nearest points in the subspace, (N, D) to (N, D).
    ///
    /// # Panics
    /// If the rows do not have D numbers.
    #[track_caller]
    pub fn reconstruct(&self, x: &Matrix<f64>) -> Matrix<f64> {
        self.decode_rows(&self.encode_rows(x))
    }

    /// The mean of ‖x − μ − P P′(x − μ)‖² over the rows of the fit: the variance in all other directions.
    pub fn loss(&self) -> f64 {
        self.total_variance - self.variances.iter().sum::<f64>()
    }
}
