//! Why a linear model cannot be fitted.

use autograd::ops::NotPositiveDefinite;
use nn::stats::StatsError;

/// Why a linear model cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LinearError {
    /// The data cannot have so many components.
    #[error("expected 1 to {dimensions} components of {dimensions} variables, found {components}")]
    Components {
        /// The number of components that was asked for.
        components: usize,
        /// D, the number of variables.
        dimensions: usize,
    },
    /// There are too few rows for so many components.
    #[error("expected at least {needed} rows of data for {} components, found {rows}", needed - 1)]
    TooFewRows {
        /// The number of rows.
        rows: usize,
        /// The smallest number of rows.
        needed: usize,
    },
    /// A value is infinite or missing.
    #[error(
        "row {row}, column {column}: expected a finite number, found {value}; fill it in or leave the row out"
    )]
    NotFinite {
        /// Counted from 0.
        row: usize,
        /// Counted from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// All rows are the same.
    #[error("expected rows that differ, found all rows equal")]
    Constant,
    /// A variable does not vary: its noise has no variance, and the likelihood has no maximum.
    #[error("column {column}: expected numbers that differ, found a constant; leave the column out")]
    ConstantColumn {
        /// Counted from 0.
        column: usize,
    },
    /// Nothing is known of a variable.
    #[error("column {column}: expected known numbers, found none; leave the column out")]
    EmptyColumn {
        /// Counted from 0.
        column: usize,
    },
    /// The components explain all of the variance: none is left for the noise, and the likelihood has no maximum.
    #[error("expected variance outside of {components} components, found none; take fewer components")]
    NoNoise {
        /// The number of components.
        components: usize,
    },
    /// The vectors of a basis depend on one another.
    #[error("row {row} of a basis: expected a vector that does not depend on the rows before it")]
    Dependent {
        /// Counted from 0.
        row: usize,
    },
    /// The power iteration did not converge.
    #[error("the leading eigenvectors were not found in {rounds} rounds; rescale the data")]
    NotConverged {
        /// The number of rounds.
        rounds: usize,
    },
    /// The log-likelihood fell in a round of EM; only rounding errors can cause that.
    #[error("round {round} of EM lowered the log-likelihood from {from} to {to}; standardise the data")]
    Fell {
        /// Counted from 1.
        round: usize,
        /// Before the round, in nats per datum.
        from: f64,
        /// After the round, in nats per datum.
        to: f64,
    },
    /// The weights of Oja's rule became infinite.
    #[error("the weights are not finite after epoch {epoch}; take a smaller learning rate")]
    Diverged {
        /// Counted from 1.
        epoch: usize,
    },
    /// A covariance has no Cholesky factor.
    #[error(transparent)]
    NotPositiveDefinite(#[from] NotPositiveDefinite),
}

impl From<StatsError> for LinearError {
    fn from(error: StatsError) -> Self {
        match error {
            StatsError::Dependent { row } => Self::Dependent { row },
            StatsError::NotConverged { rounds } => Self::NotConverged { rounds },
        }
    }
}
