//! Principal components.

use autograd::Tape;
use nn::data::Matrix;

use super::{LinearError, Moments, algebra};

/// The m directions in which data vary most (lecture 000, "PCA versus autoencoder"; its P′P = I is that of Rᵐ):
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
    /// The variance in all D directions together.
    pub total_variance: f64,
}

impl Pca {
    /// Fits m = `components` directions to the rows of x (N, D), by block power iteration.
    ///
    /// # Errors
    /// [`LinearError`] if m is not in 1 ..= D, there are no more than m rows, all of them are equal, or one is not finite.
    pub fn fit(x: &Matrix<f64>, components: usize) -> Result<Self, LinearError> {
        let moments = Moments::of(x, components)?;
        let (variances, components) = algebra::leading(&moments.covariance, components)?;
        Ok(Self { total_variance: moments.total(), mean: moments.mean, components, variances })
    }

    /// P′(x − μ) for every row, (N, D) to (N, m).
    ///
    /// # Panics
    /// If the rows are not as long as those fitted.
    #[track_caller]
    pub fn codes(&self, x: &Matrix<f64>) -> Matrix<f64> {
        let (m, d) = (self.components.rows, self.mean.len());
        assert!(x.cols == d, "Pca: [{}, {}]: rows of {d} numbers are wanted", x.rows, x.cols);
        let tape = Tape::new();
        let p = tape.shared_constant(&self.components.values, [m, d]);
        let centred = tape.shared_constant(&x.values, [x.rows, d]) - tape.constant(&self.mean, [d]);
        Matrix::new(x.rows, m, centred.matmul_t(p).to_vec())
    }

    /// μ + P z for every row, (N, m) to (N, D).
    ///
    /// # Panics
    /// If the rows are not m long.
    #[track_caller]
    pub fn decode(&self, z: &Matrix<f64>) -> Matrix<f64> {
        let (m, d) = (self.components.rows, self.mean.len());
        assert!(z.cols == m, "Pca: [{}, {}]: rows of {m} numbers are wanted", z.rows, z.cols);
        let tape = Tape::new();
        let p = tape.shared_constant(&self.components.values, [m, d]);
        let x = tape.shared_constant(&z.values, [z.rows, m]).matmul(p) + tape.constant(&self.mean, [d]);
        Matrix::new(z.rows, d, x.to_vec())
    }

    /// μ + P P′(x − μ), the nearest point of the subspace, (N, D) to (N, D).
    ///
    /// # Panics
    /// If the rows are not as long as those fitted.
    #[track_caller]
    pub fn reconstruct(&self, x: &Matrix<f64>) -> Matrix<f64> {
        self.decode(&self.codes(x))
    }

    /// The mean of ‖x − μ − P P′(x − μ)‖² over the fitted rows: the variance in all other directions.
    pub fn loss(&self) -> f64 {
        self.total_variance - self.variances.iter().sum::<f64>()
    }
}
