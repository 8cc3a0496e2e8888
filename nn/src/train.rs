//! Training by minibatches, in shards that go to several threads.

mod state;

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use autograd::{NonFinite, Real, Tape, Var};
use rayon::prelude::*;

use crate::data::Minibatches;
use crate::noise::Noise;
use crate::optim::Optimizer;
use crate::schedule::Schedule;
use state::{State, Sums};

pub use state::{Epoch, Loss};

/// What is trained: a loss for every row of the data.
pub trait Objective<F: Real>: Sync {
    /// The names of the loss's parts, at most [`MAX_PARTS`].
    const PARTS: &'static [&'static str];

    /// Σ over the rows of `batch` of the loss, recorded on θ's tape; the parts' sums go to `parts`.
    fn loss<'t>(&self, theta: Var<'t, F>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, F>;

    /// How many samples are computed for a row: with it the work of a minibatch grows.
    fn samples(&self) -> usize {
        1
    }
}

/// The largest number of parts of an [`Objective`].
pub const MAX_PARTS: usize = 4;

/// The rows of a minibatch that one shard has.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Indices of rows of the data.
    pub rows: &'a [usize],
    /// The noise of these rows.
    pub noise: Noise,
    /// The epoch of training, counted from 0; none where a trained θ is evaluated.
    pub epoch: Option<u64>,
}

/// θ with its optimiser and the tapes on which its gradients are computed.
///
/// A minibatch is cut into shards, each with a tape of its own. Their number depends on the model and the minibatch, not
/// on the machine, and their gradients are added in a fixed order: the same seed gives the same bits on any number of
/// threads.
pub struct Trainer<F: Real> {
    theta: Arc<Vec<F>>,
    optimizer: Optimizer<F>,
    seed: u64,
    shards: Vec<Shard<F>>,
    state: State<F>,
}

#[derive(Default)]
struct Shard<F: Real> {
    tape: Tape<F>,
    sums: Sums,
}

/// How to train.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Passes through the data.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// The learning rate ρ to begin with.
    pub rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Early stopping: after so many epochs (at least one) without a lower validation loss, training stops. At the end,
    /// early or not, θ is the best one. Without validation nothing is stopped or kept.
    pub patience: Option<usize>,
}

/// Why training stopped early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A loss that is infinite or NaN; θ is as it was before that step, unless [`Place::Theta`].
    #[error(
        "epoch {epoch}, step {step}: the loss is not finite: {place}; try a smaller learning rate or clip the gradient"
    )]
    NonFinite {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step in the epoch, counted from 1.
        step: usize,
        /// Where on the tape.
        place: Place,
    },
    /// What the observer could not do, such as writing a file.
    #[error(transparent)]
    Observer(Box<dyn Error + Send + Sync>),
}

/// Where a loss stopped being finite.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Place {
    /// An operation on the tape.
    #[error(transparent)]
    Tape(#[from] NonFinite),
    /// Only the sum over shards is not finite.
    #[error("the sum over the minibatch overflows")]
    Sum,
    /// The loss of an earlier step was finite, its gradient was not.
    #[error("θ is not, since the gradient of an earlier step was not")]
    Theta,
}

/// Watches training: draws progress, writes metrics and checkpoints, stops it. The default does nothing.
pub trait Observer<F: Real> {
    /// After every step, with the minibatch's loss. `Break` stops training here; it can be resumed at this very step.
    fn step(&mut self, loss: f64) -> ControlFlow<()> {
        let _ = loss;
        ControlFlow::Continue(())
    }

    /// After every epoch, whose results are the last of [`Trainer::history`].
    ///
    /// # Errors
    /// Whatever the observer could not do; training stops with it.
    fn epoch(&mut self, trainer: &Trainer<F>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let _ = trainer;
        Ok(())
    }
}

impl<F: Real> Observer<F> for () {}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs are done.
    Done,
    /// The validation loss stopped falling.
    Early,
    /// The observer stopped it.
    Stopped,
}

impl<F: Real> Trainer<F> {
    /// A trainer that begins at θ.
    pub fn new(theta: Vec<F>, optimizer: Optimizer<F>, seed: u64) -> Self {
        let state = State {
            epoch: 0,
            batch: 0,
            sums: Sums::default(),
            seconds: 0.0,
            history: Vec::new(),
            best: None,
            since_best: 0,
            last: None,
        };
        Self { theta: Arc::new(theta), optimizer, seed, shards: Vec::new(), state }
    }

    /// θ, to be read on a tape. Whoever clones the `Arc` must let go of it before the next step.
    pub fn theta(&self) -> &Arc<Vec<F>> {
        &self.theta
    }

    /// The results of the epochs so far, those before a resumed checkpoint included.
    pub fn history(&self) -> &[Epoch] {
        &self.state.history
    }

    /// How many epochs are done.
    pub fn epochs(&self) -> usize {
        self.state.epoch
    }

    /// One step on the minibatch `rows` of epoch `epoch` with this learning rate. Returns the minibatch's loss in nats per row.
    ///
    /// # Errors
    /// If the loss is not finite, with the first operation that was not; θ is then unchanged.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    pub fn step<O: Objective<F>>(
        &mut self,
        objective: &O,
        rows: &[usize],
        epoch: u64,
        rate: f64,
    ) -> Result<Loss, Place> {
        assert!(!rows.is_empty(), "step: there are no rows");
        self.state.last = None; // training goes on from here
        Ok(self.sum_step(objective, rows, epoch, rate)?.mean())
    }

    fn sum_step<O: Objective<F>>(
        &mut self,
        objective: &O,
        rows: &[usize],
        epoch: u64,
        rate: f64,
    ) -> Result<Sums, Place> {
        const { assert!(O::PARTS.len() <= MAX_PARTS, "an objective of too many parts") };
        let per_shard = rows_per_shard(rows.len(), objective.samples(), self.theta.len());
        let count = rows.len().div_ceil(per_shard);
        if self.shards.len() < count {
            self.shards.resize_with(count, Shard::default);
        }
        let noise = Noise::new(self.seed, self.optimizer.steps());
        let (theta, shards) = (&self.theta, &mut self.shards[..count]);
        let run = |number: usize, Shard { tape, sums }: &mut Shard<F>, rows: &[usize]| {
            *sums = Sums { rows: rows.len(), ..Sums::default() };
            let batch = Batch { rows, noise: noise.skip(number * per_shard), epoch: Some(epoch) };
            let (total, _) =
                tape.value_and_grad(theta, |_, theta| objective.loss(theta, &batch, &mut sums.parts));
            sums.total = total.to_f64();
        };
        if let [shard] = &mut *shards {
            run(0, shard, rows);
        } else {
            let parts = shards.par_iter_mut().zip(rows.par_chunks(per_shard)).enumerate();
            parts.for_each(|(number, (shard, rows))| run(number, shard, rows));
        }
        let mut sums = Sums::default();
        shards.iter().for_each(|shard| sums.add(shard.sums));
        if !sums.total.is_finite() {
            if !all_finite(theta) {
                return Err(Place::Theta);
            }
            let trapped = shards.iter().find_map(|shard| shard.tape.trap_non_finite().err());
            return Err(trapped.map_or(Place::Sum, Place::Tape));
        }
        let mut gradients: [&[F]; MAX_SHARDS] = [&[]; MAX_SHARDS];
        gradients.iter_mut().zip(shards).for_each(|(gradient, shard)| *gradient = shard.tape.gradient());
        let theta = Arc::get_mut(&mut self.theta).expect("step: a clone of Trainer::theta is still held");
        self.optimizer.step_sum(rate, theta, &gradients[..count], 1.0 / rows.len() as f64);
        Ok(sums)
    }

    /// The loss on `rows` at the current θ, without gradients, in bounded memory. The noise is the same every time.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    pub fn evaluate<O: Objective<F>>(&mut self, objective: &O, rows: &[usize]) -> Loss {
        assert!(!rows.is_empty(), "evaluate: there are no rows");
        let noise = Noise::evaluation(self.seed);
        let theta = &self.theta;
        if self.shards.len() < MAX_SHARDS {
            self.shards.resize_with(MAX_SHARDS, Shard::default);
        }
        let mut sums = Sums::default();
        for (wave, rows) in rows.chunks(MAX_SHARDS * EVALUATED_ROWS).enumerate() {
            let shards = &mut self.shards[..rows.len().div_ceil(EVALUATED_ROWS)];
            let parts = shards.par_iter_mut().zip(rows.par_chunks(EVALUATED_ROWS)).enumerate();
            parts.for_each(|(number, (Shard { tape, sums }, rows))| {
                *sums = Sums { rows: rows.len(), ..Sums::default() };
                tape.clear();
                let noise = noise.skip((wave * MAX_SHARDS + number) * EVALUATED_ROWS);
                let batch = Batch { rows, noise, epoch: None };
                let theta = tape.shared_constant(theta, [theta.len()]);
                sums.total = objective.loss(theta, &batch, &mut sums.parts).item().to_f64();
                tape.clear();
            });
            shards.iter().for_each(|shard| sums.add(shard.sums));
        }
        sums.mean()
    }

    /// Trains on rows 0..`rows` of the objective's data. With `validation`, an objective on other data and its number of
    /// rows, that loss is computed after every epoch. Goes on where a checkpoint left off.
    ///
    /// Call it inside a `rayon` pool: forking from outside costs more than a small step.
    ///
    /// # Errors
    /// If a loss is not finite, or the observer fails.
    ///
    /// # Panics
    /// If there are no rows to train or to validate on, or the batch size is 0.
    #[track_caller]
    pub fn fit<O: Objective<F>>(
        &mut self,
        objective: &O,
        rows: usize,
        validation: Option<(&O, usize)>,
        fit: &Fit,
        observer: &mut impl Observer<F>,
    ) -> Result<End, TrainError> {
        assert!(rows > 0, "fit: there are no rows");
        assert!(validation.is_none_or(|(_, rows)| rows > 0), "fit: there are no rows to validate on");
        let mut minibatches = Minibatches::new(rows, fit.batch_size, self.seed);
        if let Some(last) = self.state.last.take() {
            self.theta = Arc::new(last);
        }
        let validation = validation.map(|(objective, rows)| (objective, (0..rows).collect::<Vec<_>>()));
        let (started, before) = (Instant::now(), self.state.seconds);
        while self.state.epoch < fit.epochs {
            if fit.patience.is_some_and(|patience| self.state.since_best >= patience.max(1)) {
                self.take_best();
                return Ok(End::Early);
            }
            let epoch = self.state.epoch;
            let rate = fit.rate * fit.schedule.factor(epoch);
            for rows in minibatches.epoch(epoch as u64).skip(self.state.batch) {
                let step = self.state.batch + 1;
                let sums = self
                    .sum_step(objective, rows, epoch as u64, rate)
                    .map_err(|place| TrainError::NonFinite { epoch: epoch + 1, step, place })?;
                self.state.sums.add(sums);
                self.state.batch = step;
                self.state.seconds = before + started.elapsed().as_secs_f64();
                if observer.step(sums.total / sums.rows as f64).is_break() {
                    return Ok(End::Stopped);
                }
            }
            if !all_finite(&self.theta) {
                let (epoch, step) = (epoch + 1, self.state.batch);
                return Err(TrainError::NonFinite { epoch, step, place: Place::Theta });
            }
            let train = self.state.sums.mean();
            let validation = validation.as_ref().map(|(objective, rows)| self.evaluate(*objective, rows));
            (self.state.epoch, self.state.batch, self.state.sums) = (epoch + 1, 0, Sums::default());
            if let (Some(loss), Some(_)) = (&validation, fit.patience) {
                self.state.since_best += 1;
                // A loss that is not finite is never the best.
                if loss.total < self.state.best.as_ref().map_or(f64::INFINITY, |(best, _)| *best) {
                    self.state.best = Some((loss.total, self.theta.to_vec()));
                    self.state.since_best = 0;
                }
            }
            self.state.seconds = before + started.elapsed().as_secs_f64();
            self.state.history.push(Epoch { train, validation, seconds: self.state.seconds });
            observer.epoch(self).map_err(TrainError::Observer)?;
        }
        if fit.patience.is_some() {
            self.take_best();
        }
        Ok(End::Done)
    }

    /// Goes back to the θ of the lowest validation loss, if early stopping kept one. The last θ is set aside: whoever
    /// adds epochs later goes on from there.
    fn take_best(&mut self) {
        if let Some((_, best)) = &self.state.best {
            let last = std::mem::replace(&mut self.theta, Arc::new(best.clone()));
            self.state.last = Some(last.to_vec());
        }
    }
}

fn all_finite<F: Real>(theta: &[F]) -> bool {
    theta.iter().all(|x| x.is_finite())
}

/// The largest number of shards of a minibatch, and the rows that one evaluates at a time.
const MAX_SHARDS: usize = 8;
const EVALUATED_ROWS: usize = 256;

/// One shard for every 64 rows begun, times samples; a single one where a fork would cost more than it saves.
fn rows_per_shard(rows: usize, samples: usize, parameters: usize) -> usize {
    let small = rows * samples * parameters < 1 << 19;
    let shards = if small { 1 } else { (rows * samples).div_ceil(64).min(MAX_SHARDS) };
    rows.div_ceil(shards).max(1)
}
