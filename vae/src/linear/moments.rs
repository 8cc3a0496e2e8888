//! Means and covariances.

use autograd::Tape;
use nn::data::Matrix;

use super::LinearError;

/// The mean and the covariance of rows, with 1/N: the maximum-likelihood estimates.
pub(super) struct Moments {
    /// (D)
    pub(super) mean: Vec<f64>,
    /// S (D, D)
    pub(super) covariance: Matrix<f64>,
}

impl Moments {
    /// The moments of the rows of x (N, D), in which `components` directions are to be found.
    pub(super) fn of(x: &Matrix<f64>, components: usize) -> Result<Self, LinearError> {
        /// The rows that are centred at a time: memory does not grow with the data.
        const ROWS: usize = 1024;
        let (n, d) = (x.rows, x.cols);
        if components == 0 || components > d {
            return Err(LinearError::Components { components, dimensions: d });
        }
        if n <= components {
            return Err(LinearError::TooFewRows { rows: n, needed: components + 1 });
        }
        if let Some(i) = x.values.iter().position(|x| !x.is_finite()) {
            return Err(LinearError::NotFinite { row: i / d, column: i % d, value: x.values[i] });
        }
        let mut mean = vec![0.0; d];
        for row in x.values.chunks_exact(d) {
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / n as f64);
        }
        let mut covariance = vec![0.0; d * d];
        let mut tape = Tape::new();
        for rows in x.values.chunks(ROWS * d) {
            tape.clear();
            let centred = tape.constant(rows, [rows.len() / d, d]) - tape.constant(&mean, [d]);
            centred.t_matmul(centred).with(|squares| {
                covariance.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square / n as f64);
            });
        }
        let moments = Self { mean, covariance: Matrix::new(d, d, covariance) };
        // Because the mean is rounded, equal rows have a variance of this size, relative to their squares.
        let size: f64 = x.row(0).iter().map(|x| x * x).sum();
        if moments.total() <= 1e-28 * size { Err(LinearError::Constant) } else { Ok(moments) }
    }

    /// tr S, the variance in all directions together.
    pub(super) fn total(&self) -> f64 {
        self.variances().sum()
    }

    /// The diagonal of S.
    pub(super) fn variances(&self) -> impl Iterator<Item = f64> {
        self.covariance.values.iter().step_by(self.mean.len() + 1).copied()
    }
}
