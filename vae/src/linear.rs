//! Linear models of low dimension, with exact answers: what autoencoders are measured against.
//!
//! | | | |
//! | --- | --- | --- |
//! | [`Pca`] | the subspace that is nearest to the data | lecture 000, "PCA versus autoencoder" |
//! | [`Oja`] | the same, learned datum by datum | lecture 001, "What differences between Oja's rule and VAE" |
//! | [`FactorModel`] | x = W z + μ + ε: probabilistic PCA, factor analysis | lecture 001, "Factor analysis generalizes Oja" |
//! | [`CubatureElbo`] | the bound of a VAE whose decoder is linear, without sampling | |
//! | [`principal_angles`] | how far two subspaces are apart | |
//!
//! Bases are matrices (m, D), a row a vector of the space of the data, as the weights of a decoder z ↦ z W + b are.

mod algebra;
mod cubature;
mod factor;
mod oja;
mod pca;

use autograd::{NotPositiveDefinite, Tape};
use nn::data::Matrix;

pub use algebra::principal_angles;
pub use cubature::CubatureElbo;
pub use factor::{Em, FactorModel};
pub use oja::Oja;
pub use pca::Pca;

/// Why a linear model cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LinearError {
    /// A number of components that the data cannot have.
    #[error("{wanted} components of {dimensions} variables: between 1 and {dimensions} are possible")]
    Components {
        /// How many were asked for.
        wanted: usize,
        /// D, the number of variables.
        dimensions: usize,
    },
    /// Too few data for so many components.
    #[error("{rows} rows of data: for this many components at least {wanted} are needed")]
    TooFewRows {
        /// How many there are.
        rows: usize,
        /// How many it takes.
        wanted: usize,
    },
    /// A value is infinite or missing.
    #[error("row {row}, column {column} is {value}: fill in or leave out what is missing first")]
    NotFinite {
        /// Counted from 0.
        row: usize,
        /// Counted from 0.
        column: usize,
        /// What is there.
        value: f64,
    },
    /// All rows are the same.
    #[error("all rows are equal: there are no directions in which the data vary")]
    Constant,
    /// A variable does not vary, so that its noise has no variance and the likelihood no maximum.
    #[error("column {column} is constant: leave it out, its likelihood has no maximum")]
    ConstantColumn {
        /// Counted from 0.
        column: usize,
    },
    /// The components explain all of the variance, so that the likelihood has no maximum.
    #[error(
        "{components} components leave no variance for the noise: take fewer, the likelihood has no maximum"
    )]
    NoNoise {
        /// Their number.
        components: usize,
    },
    /// Vectors that are to span a space depend on one another.
    #[error("row {row} of a basis depends on the rows before it: they span a smaller space")]
    Dependent {
        /// Counted from 0.
        row: usize,
    },
    /// An iteration did not settle.
    #[error("after {rounds} rounds the leading eigenvectors are not found: rescale the data")]
    NotConverged {
        /// How many rounds were tried.
        rounds: usize,
    },
    /// A round of EM lost likelihood, which only rounding can do.
    #[error("round {round} of EM lowered the log-likelihood from {from} to {to}: standardise the data")]
    Fell {
        /// Counted from 1.
        round: usize,
        /// Nats per datum before it.
        from: f64,
        /// Nats per datum after it.
        to: f64,
    },
    /// Oja's rule ran away.
    #[error("the weights are not finite after epoch {epoch}: take a smaller learning rate")]
    Diverged {
        /// Counted from 1.
        epoch: usize,
    },
    /// A covariance has no Cholesky factor.
    #[error(transparent)]
    NotPositiveDefinite(#[from] NotPositiveDefinite),
}

/// The mean (D) and the covariance (D, D) of rows, with 1/N: the maximum-likelihood estimates.
struct Moments {
    mean: Vec<f64>,
    covariance: Matrix<f64>,
}

impl Moments {
    /// Of data in which `components` directions are looked for.
    fn of(x: &Matrix<f64>, components: usize) -> Result<Self, LinearError> {
        /// Rows that are centred at a time, so that memory does not grow with the data.
        const ROWS: usize = 1024;
        let (n, d) = (x.rows, x.cols);
        if components == 0 || components > d {
            return Err(LinearError::Components { wanted: components, dimensions: d });
        }
        if n <= components {
            return Err(LinearError::TooFewRows { rows: n, wanted: components + 1 });
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
        // Rounding of the mean leaves equal rows a variance of this size, relative to their squares.
        let size: f64 = x.row(0).iter().map(|x| x * x).sum();
        if moments.total() <= 1e-28 * size { Err(LinearError::Constant) } else { Ok(moments) }
    }

    /// tr S, the variance in all directions together.
    fn total(&self) -> f64 {
        self.variances().sum()
    }

    /// The diagonal of S.
    fn variances(&self) -> impl Iterator<Item = f64> {
        self.covariance.values.iter().step_by(self.mean.len() + 1).copied()
    }
}
