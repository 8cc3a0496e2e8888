//! What can be wrong with data in which a structure is looked for.

/// Why a graph of variables or the components of curves cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// A covariance is not positive definite.
    #[error(
        "row {row} of a covariance makes it not positive definite: leave the variable out, or penalise more"
    )]
    NotPositive {
        /// The row, counted from 0.
        row: usize,
    },
    /// There are too few curves, or they lie in one place.
    #[error(
        "{curves} curves, of which {pairs} have two values or more: expected some that overlap; widen the bandwidth"
    )]
    FewCurves {
        /// How many curves there are.
        curves: usize,
        /// How many have two values or more.
        pairs: usize,
    },
    /// An iteration did not settle.
    #[error("the graph is not found after {rounds} rounds: penalise more")]
    NotConverged {
        /// How many rounds were tried.
        rounds: usize,
    },
}
