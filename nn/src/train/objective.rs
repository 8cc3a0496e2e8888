//! What is minimised: an objective, its batches, and the parts of its loss.

use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};

use super::Noise;
use crate::data::Matrix;

/// The largest number of parts of an [`Objective`].
pub const MAX_PARTS: usize = 8;

/// A loss that is a sum over the rows of data, as [`Trainer::fit`](super::Trainer::fit) minimises it.
///
/// ```
/// use autograd::Var;
/// use autograd::ops::NotPositiveDefinite;
/// use nn::data::Matrix;
/// use nn::model::{Mlp, density::squared_error};
/// use nn::train::{Batch, Objective, Parts};
///
/// struct SquaredErrorObjective<'a> {
///     network: &'a Mlp,
///     x: &'a Matrix<f32>,
///     y: &'a Matrix<f32>,
/// }
///
/// impl Objective<f32> for SquaredErrorObjective<'_> {
///     fn rows(&self) -> usize {
///         self.x.rows
///     }
///
///     /// Σ ‖y − f_θ(x)‖²
///     fn loss<'t>(
///         &self,
///         theta: Var<'t, f32>,
///         batch: &Batch<'_>,
///         _: &mut Parts<'_>,
///     ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
///         let [x, y] = [self.x, self.y].map(|data| batch.gather(theta.tape(), data));
///         Ok(squared_error(self.network.apply(theta, x), y).sum())
///     }
/// }
/// ```
pub trait Objective<F: Real>: Sync {
    /// The number of rows of the data. An epoch visits each of the rows 0 to `rows()` − 1 once.
    fn rows(&self) -> usize;

    /// The loss summed over the rows of `batch`, recorded on the tape of θ. The sums of its parts are added to `parts`.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a matrix in the loss has no Cholesky factor.
    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite>;

    /// The names of the loss's parts, at most [`MAX_PARTS`]; none unless this method is written.
    fn parts(&self) -> &'static [&'static str] {
        &[]
    }

    /// The number of samples that are computed for each row. A minibatch with more samples is cut into more shards.
    fn samples(&self) -> usize {
        1
    }

    /// Computes what all steps of an epoch share, at θ as the epoch begins. `epoch` is counted from 0; it is `None` before
    /// an evaluation.
    ///
    /// The result must depend on θ, the epoch and the data alone. Training that was interrupted in the middle of an
    /// epoch calls this method again, with the θ of that epoch's beginning, and then goes on with the same bits. The
    /// trainer keeps that θ if the method returns [`Prepared::ForEpoch`].
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a matrix has no Cholesky factor.
    fn prepare(&mut self, theta: &Arc<Vec<F>>, epoch: Option<u64>) -> Result<Prepared, NotPositiveDefinite> {
        let _ = (theta, epoch);
        Ok(Prepared::Nothing)
    }

    /// The loss summed over the rows of `batch` and its gradient, computed by the objective's own means: for a loss that
    /// is not a sum over the rows, or needs several tapes. The sums of its parts are added to `parts`.
    ///
    /// With `None`, the default, the trainer cuts the batch into shards and calls [`loss`](Self::loss) for each. An
    /// evaluation, whose batch has no epoch and holds all rows, does not read the gradient; it may be empty there.
    fn whole(
        &self,
        theta: &Arc<Vec<F>>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Option<Result<(f64, Vec<F>), NotPositiveDefinite>> {
        let _ = (theta, batch, parts);
        None
    }
}

/// What [`Objective::prepare`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The objective has no work to share among the steps of an epoch.
    Nothing,
    /// The objective holds results that were computed from θ and are valid until the epoch ends.
    ForEpoch,
}

/// Rows of the data, with their noise: a minibatch, or the part of it that is computed on one tape.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Indices of rows of the data.
    pub rows: &'a [usize],
    /// The noise of these rows.
    pub noise: Noise,
    /// The epoch of training, counted from 0 over all stages; `None` in an evaluation.
    pub epoch: Option<u64>,
}

impl Batch<'_> {
    /// The batch's rows of `data` on a tape, as a constant (B, columns).
    ///
    /// # Panics
    /// If the data have no such row.
    #[track_caller]
    #[inline(never)]
    pub fn gather<'t, F: Real>(&self, tape: &'t Tape<F>, data: &Matrix<F>) -> Var<'t, F> {
        tape.constant_with([self.rows.len(), data.cols], |out| data.gather_into(self.rows, out))
    }
}

/// The parts of a loss, summed over the rows of a batch; [`Objective::loss`] adds to them by their names.
#[derive(Debug)]
pub struct Parts<'a> {
    names: &'static [&'static str],
    sums: &'a mut [f64],
}

impl<'a> Parts<'a> {
    /// Parts of these names, which are added to `sums`, in the same order.
    ///
    /// # Panics
    /// If there are not as many sums as names.
    #[track_caller]
    pub fn new(names: &'static [&'static str], sums: &'a mut [f64]) -> Self {
        assert!(names.len() == sums.len(), "Parts: expected {} sums, found {}", names.len(), sums.len());
        Self { names, sums }
    }

    /// Adds to the part of this name.
    ///
    /// # Panics
    /// If the objective has no part of this name.
    #[track_caller]
    pub fn add(&mut self, name: &str, value: f64) {
        match self.names.iter().position(|other| *other == name) {
            Some(i) => self.sums[i] += value,
            None => panic!("Parts::add: expected one of {:?}, found {name:?}", self.names),
        }
    }
}
