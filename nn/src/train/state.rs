//! How far training has come, and its checkpoints.

use std::str::FromStr;
use std::sync::Arc;

use autograd::Real;

use super::{MAX_PARTS, Trainer};
use crate::checkpoint::{Checkpoint, CheckpointError, Element};
use crate::layout::Layout;
use crate::optim::Rule;

/// A loss in nats per row, with its parts in the order of [`Objective::PARTS`](super::Objective::PARTS).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// The loss.
    pub total: f64,
    /// Its parts; 0 behind the last.
    pub parts: [f64; MAX_PARTS],
}

/// Sums over rows: the loss, and its parts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) rows: usize,
    pub(super) total: f64,
    pub(super) parts: [f64; MAX_PARTS],
}

impl Sums {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.total += other.total;
        self.parts.iter_mut().zip(other.parts).for_each(|(sum, part)| *sum += part);
    }

    pub(super) fn mean(&self) -> Loss {
        let rows = self.rows as f64;
        Loss { total: self.total / rows, parts: self.parts.map(|part| part / rows) }
    }
}

/// How far training has come.
#[derive(Clone, Debug)]
pub(super) struct State<F> {
    /// Epochs that are done, and minibatches of the one that is not.
    pub(super) epoch: usize,
    pub(super) batch: usize,
    pub(super) sums: Sums,
    pub(super) seconds: f64,
    pub(super) history: Vec<Epoch>,
    /// The lowest validation loss, with its θ, and the epochs since.
    pub(super) best: Option<(f64, Vec<F>)>,
    pub(super) since_best: usize,
    /// θ after the last epoch, while the best one is in its place.
    pub(super) last: Option<Vec<F>>,
}

/// An epoch's results.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The loss, averaged over the epoch while θ moved.
    pub train: Loss,
    /// The loss on validation rows after the epoch, if there are any.
    pub validation: Option<Loss>,
    /// Seconds since training began.
    pub seconds: f64,
}

impl<F: Real + Element> Trainer<F> {
    /// All that training needs to go on with the same bits: θ, the optimiser's memory and the best θ by the slots' names,
    /// the seed, and how far training has come. Random numbers are keyed by seed and step, so these are their state.
    ///
    /// # Panics
    /// If the layout is not that of θ.
    #[track_caller]
    pub fn checkpoint(&self, layout: &Layout) -> Checkpoint {
        let mut checkpoint = Checkpoint::new();
        let State { epoch, batch, sums, seconds, history, best, since_best, last } = &self.state;
        let best_theta = best.as_ref().map_or(&[][..], |(_, theta)| theta);
        let last_theta = last.as_deref().unwrap_or_default();
        let (m, v) = (&self.optimizer.m, &self.optimizer.v);
        for (prefix, vector) in
            [("theta", &self.theta[..]), ("m", m), ("v", v), ("best", best_theta), ("last", last_theta)]
        {
            if !vector.is_empty() {
                checkpoint.insert_vector(prefix, layout.named(), vector);
            }
        }
        checkpoint.set("seed", self.seed);
        checkpoint.set(&steps_of(self.optimizer.rule), self.optimizer.steps);
        checkpoint.set("epoch", epoch);
        checkpoint.set("batch", batch);
        checkpoint.set("seconds", seconds);
        checkpoint.set("since_best", since_best);
        checkpoint.set("best_loss", best.as_ref().map_or(f64::INFINITY, |(loss, _)| *loss));
        checkpoint.set("ended", last.is_some());
        checkpoint.set("partial_rows", sums.rows);
        let partial: Vec<f64> = [sums.total].into_iter().chain(sums.parts).collect();
        checkpoint.insert("partial_epoch", &[partial.len()], partial);
        let rows: Vec<f64> = history.iter().flat_map(Epoch::row).collect();
        checkpoint.insert("history", &[history.len(), ROW], rows);
        checkpoint
    }

    /// Goes back to where the checkpoint was made. After an error the trainer is as it was.
    ///
    /// # Errors
    /// If the checkpoint is of another model, optimiser or number type, or makes no sense.
    ///
    /// # Panics
    /// If the layout is not that of θ.
    #[track_caller]
    pub fn restore(&mut self, layout: &Layout, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let (size, len) = (layout.size(), self.theta.len());
        assert!(size == len, "restore: the layout has {size} numbers, θ {len}");
        let vector = |prefix, wanted: bool| match wanted {
            true => checkpoint.vector(prefix, layout.named()),
            false => checkpoint.vector(prefix, []),
        };
        let count = |key: &str| checkpoint.value(key).map(|Count(count)| count);
        let steps = count(&steps_of(self.optimizer.rule))? as u64;
        let best_loss: f64 = checkpoint.value("best_loss")?;
        let theta = vector("theta", true)?;
        let m = vector("m", !self.optimizer.m.is_empty())?;
        let v = vector("v", !self.optimizer.v.is_empty())?;
        let best = vector("best", best_loss.is_finite())?;
        let ended = checkpoint.value("ended")?;
        let last = vector("last", ended)?;
        let partial: &[f64] = checkpoint.tensor("partial_epoch", &[1 + MAX_PARTS])?;
        let mut sums = Sums { rows: count("partial_rows")?, total: partial[0], parts: [0.0; MAX_PARTS] };
        sums.parts.copy_from_slice(&partial[1..]);
        let epoch = count("epoch")?;
        let history: &[f64] = checkpoint.tensor("history", &[epoch, ROW])?;
        let state = State {
            epoch,
            batch: count("batch")?,
            sums,
            seconds: checkpoint.value("seconds")?,
            history: history.chunks_exact(ROW).map(Epoch::from_row).collect(),
            best: best_loss.is_finite().then_some((best_loss, best)),
            since_best: count("since_best")?,
            last: ended.then_some(last),
        };
        (self.seed, self.theta, self.state) = (checkpoint.value("seed")?, Arc::new(theta), state);
        (self.optimizer.m, self.optimizer.v, self.optimizer.steps) = (m, v, steps);
        Ok(())
    }
}

/// The name under which a checkpoint keeps the optimiser's steps: one made with another rule does not have it.
fn steps_of(rule: Rule) -> String {
    format!("steps of {rule:?}")
}

/// What training counts: not so much that counting on would overflow, or that noise would run out.
struct Count(usize);

impl FromStr for Count {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().ok().filter(|count: &u64| *count < 1 << 39).map(|count| Self(count as usize)).ok_or(())
    }
}

/// The numbers of an epoch in a checkpoint: train and validation loss with their parts, seconds, and whether there was
/// validation.
const ROW: usize = 2 * (1 + MAX_PARTS) + 2;

impl Epoch {
    fn row(&self) -> [f64; ROW] {
        let mut row = [0.0; ROW];
        for (loss, row) in
            [Some(&self.train), self.validation.as_ref()].iter().zip(row.chunks_mut(1 + MAX_PARTS))
        {
            if let Some(loss) = loss {
                row[0] = loss.total;
                row[1..].copy_from_slice(&loss.parts);
            }
        }
        row[ROW - 2] = self.seconds;
        row[ROW - 1] = f64::from(self.validation.is_some());
        row
    }

    fn from_row(row: &[f64]) -> Self {
        let loss = |row: &[f64]| Loss { total: row[0], parts: std::array::from_fn(|i| row[1 + i]) };
        let (train, rest) = row.split_at(1 + MAX_PARTS);
        let validation = (row[ROW - 1] == 1.0).then(|| loss(rest));
        Self { train: loss(train), validation, seconds: row[ROW - 2] }
    }
}
