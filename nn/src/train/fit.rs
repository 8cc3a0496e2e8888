//! How training goes on, how it ends, and who watches it.

use std::convert::Infallible;
use std::ops::ControlFlow;

use autograd::Real;
use autograd::look::NonFinite;
use autograd::ops::NotPositiveDefinite;

use super::{Group, Schedule, Trainer};

/// How [`Trainer::fit`] trains.
///
/// ```
/// use nn::train::{Fit, Schedule};
/// let fit = Fit { epochs: 20, schedule: Schedule::Cosine { epochs: 20 }, ..Fit::default() };
/// assert_eq!((fit.batch_size, fit.rate), (64, 1e-3));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The stage of training, counted from 0. Training in several stages is one call of [`Trainer::fit`] for each, with
    /// its own objective, rates and epochs.
    ///
    /// A stage that the trainer has left behind ends at once, so that a resumed program may make the same calls again.
    /// A new stage begins at θ as it is, with the memory of the optimiser, and counts epochs and patience anew.
    pub stage: usize,
    /// The number of passes through the data in this stage.
    pub epochs: usize,
    /// The number of rows in a step.
    pub batch_size: usize,
    /// The learning rate ρ at the beginning of the stage.
    pub rate: f64,
    /// How learning rates change from epoch to epoch of the stage.
    pub schedule: Schedule,
    /// Early stopping: training stops after so many epochs (at least one) without a lower validation loss. θ is then the
    /// best one, also if all epochs were made. Without validation, nothing is stopped and θ is the last one.
    pub patience: Option<usize>,
    /// Other learning rates for ranges of θ. Where groups overlap, the first one counts.
    pub groups: Vec<Group>,
    /// If given, only the first so many rows of objective and validation are used: for a trial.
    pub rows: Option<usize>,
}

impl Default for Fit {
    /// One epoch in minibatches of 64 rows, with learning rate 10⁻³.
    fn default() -> Self {
        Self {
            stage: 0,
            epochs: 1,
            batch_size: 64,
            rate: 1e-3,
            schedule: Schedule::Constant,
            patience: None,
            groups: Vec::new(),
            rows: None,
        }
    }
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs of the stage are done.
    Done,
    /// The validation loss stopped falling.
    Early,
    /// The observer stopped training.
    Stopped,
}

/// Why a step was not made. θ is as it was before the step, unless the place is [`Place::Theta`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The loss is infinite or NaN.
    #[error("the loss is not finite: {0}; try a smaller learning rate or clip the gradient")]
    NonFinite(Place),
    /// A matrix in the loss has no Cholesky factor.
    #[error(transparent)]
    NotPositiveDefinite(#[from] NotPositiveDefinite),
    /// The loss does not depend on some slots of θ, in the first step of training.
    #[error(
        "no gradient reaches {}: expected the loss to depend on every slot of θ; use them in the loss, hold them by a \
         group of rate 0, or call Trainer::allow_unreached",
        slots.join(", ")
    )]
    Unreached {
        /// The names of the slots.
        slots: Vec<String>,
    },
}

/// Where a loss stopped being finite.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Place {
    /// In an operation on the tape.
    #[error(transparent)]
    Tape(#[from] NonFinite),
    /// In the sum over the minibatch alone.
    #[error("the sum over the minibatch overflows")]
    Sum,
    /// In what the objective computes by its own means, [`Objective::whole`](super::Objective::whole).
    #[error("the objective's own computation of it returned such a number")]
    Whole,
    /// In θ: the loss of an earlier step was finite, and its gradient was not.
    #[error("θ is not finite, since the gradient of an earlier step was not")]
    Theta,
}

/// Why training stopped with an error. `E` is the error of the observer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError<E = Infallible> {
    /// A step could not be made.
    #[error("epoch {epoch}, step {step}: {source}")]
    Step {
        /// The epoch, counted from 1 over all stages.
        epoch: usize,
        /// The step in the epoch, counted from 1.
        step: usize,
        /// What went wrong.
        source: StepError,
    },
    /// The objective could not prepare an epoch.
    #[error("before epoch {epoch}: {source}")]
    Prepare {
        /// The epoch, counted from 1 over all stages.
        epoch: usize,
        /// What went wrong.
        source: NotPositiveDefinite,
    },
    /// The validation loss could not be computed.
    #[error("validation after epoch {epoch}: {source}")]
    Validate {
        /// The epoch, counted from 1 over all stages.
        epoch: usize,
        /// What went wrong.
        source: NotPositiveDefinite,
    },
    /// The observer failed, for instance to write a file.
    #[error(transparent)]
    Observer(E),
}

impl<E> TrainError<E> {
    /// Tells the error of the observer from those of training.
    ///
    /// # Errors
    /// The error of training, if it is not the observer's.
    pub fn observer(self) -> Result<E, TrainError> {
        match self {
            Self::Step { epoch, step, source } => Err(TrainError::Step { epoch, step, source }),
            Self::Prepare { epoch, source } => Err(TrainError::Prepare { epoch, source }),
            Self::Validate { epoch, source } => Err(TrainError::Validate { epoch, source }),
            Self::Observer(error) => Ok(error),
        }
    }

    /// The same with another error of the observer.
    pub(super) fn map_observer<G>(self, other: impl FnOnce(E) -> G) -> TrainError<G> {
        match self {
            Self::Step { epoch, step, source } => TrainError::Step { epoch, step, source },
            Self::Prepare { epoch, source } => TrainError::Prepare { epoch, source },
            Self::Validate { epoch, source } => TrainError::Validate { epoch, source },
            Self::Observer(error) => TrainError::Observer(other(error)),
        }
    }
}

/// Watches training: it may draw progress, write metrics and checkpoints, and stop training. `()` does nothing.
pub trait Observer<F: Real> {
    /// What can go wrong; [`Infallible`] if nothing can.
    type Error;

    /// Called after every step, with the minibatch's loss in nats per row. `Break` stops training; it can be resumed
    /// at this very step.
    fn step(&mut self, loss: f64) -> ControlFlow<()> {
        let _ = loss;
        ControlFlow::Continue(())
    }

    /// Called after every epoch, whose results are the last of [`Trainer::history`].
    ///
    /// # Errors
    /// Whatever the observer could not do. Training stops with this error.
    fn epoch(&mut self, trainer: &Trainer<F>) -> Result<(), Self::Error> {
        let _ = trainer;
        Ok(())
    }
}

impl<F: Real> Observer<F> for () {
    type Error = Infallible;
}
