//! The trainer: steps, epochs, validation, early stopping, stages.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape};

use super::loss::Sums;
use super::ranks::Ranks;
use super::shards::{self, Cut, Shards, first_non_finite};
use super::state::State;
use super::{
    Batch, End, Epoch, Fit, Loss, Noise, Objective, Observer, Optimizer, Place, Prepared, Rates, Rule,
    ShardSum, StepError, TrainError,
};
use crate::data::Minibatches;
use crate::model::Layout;

/// θ with its optimiser, and the tapes on which gradients are computed.
///
/// A minibatch is cut into shards, each with a tape of its own. The number of shards depends on the model and the
/// minibatch, not on the machine, and their gradients are added in a fixed order: the same seed gives the same bits on
/// any number of threads.
pub struct Trainer<F: Real> {
    pub(super) layout: Layout,
    pub(super) theta: Arc<Vec<F>>,
    pub(super) optimizer: Optimizer<F>,
    pub(super) seed: u64,
    pub(super) state: State<F>,
    /// One for each shard of a minibatch.
    tapes: Vec<Tape<F>>,
    /// The names of the parts of the objective that was used last.
    names: Arc<[String]>,
    unreached: Unreached,
    /// The processes that share its steps, and the gradient of all of them.
    pub(crate) ranks: Ranks,
    total: Vec<F>,
}

/// What is done about slots that no gradient reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unreached {
    Allowed,
    RefusedInNextStep,
    Refused,
}

impl<F: Real> Trainer<F> {
    /// A trainer that begins at θ, with an optimiser of this rule.
    ///
    /// # Panics
    /// If θ is not as long as the layout.
    #[track_caller]
    #[inline(never)]
    pub fn new(layout: &Layout, theta: Vec<F>, rule: Rule, seed: u64) -> Self {
        let (size, len) = (layout.size(), theta.len());
        assert!(size == len, "Trainer: expected a θ of {size} numbers, found {len}");
        Self {
            layout: layout.clone(),
            theta: Arc::new(theta),
            optimizer: Optimizer::new(rule, len),
            seed,
            state: State::new(),
            tapes: Vec::new(),
            names: Arc::new([]),
            unreached: Unreached::RefusedInNextStep,
            ranks: Ranks::ALONE,
            total: Vec::new(),
        }
    }

    /// Clips gradients: one whose norm is above `norm` is shortened to it (Pascanu, Mikolov & Bengio 2013).
    pub fn clip_norm(mut self, norm: f64) -> Self {
        self.optimizer.clip = Some(norm);
        self
    }

    /// Trains also if no gradient reaches a slot of θ. Otherwise the first step is refused, since such a slot is most
    /// often one that was forgotten in the loss.
    pub fn allow_unreached(mut self) -> Self {
        self.unreached = Unreached::Allowed;
        self
    }

    /// θ, to be read on a tape. A clone of the `Arc` keeps its numbers: the next step then writes to a copy.
    pub fn theta(&self) -> &Arc<Vec<F>> {
        &self.theta
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The results of the epochs so far, those before a resumed checkpoint included.
    pub fn history(&self) -> &[Epoch] {
        &self.state.history
    }

    /// The number of epochs that are done, over all stages.
    pub fn epochs(&self) -> usize {
        self.state.history.len()
    }

    /// The number of epochs that [`fit`](Self::fit) would make now, if no validation loss stops it.
    pub fn epochs_left(&self, fit: &Fit) -> usize {
        match fit.stage.cmp(&self.state.stage) {
            Ordering::Less => 0,
            Ordering::Equal if self.lost_patience(fit) => 0,
            Ordering::Equal => fit.epochs.saturating_sub(self.state.epochs_of_stage()),
            Ordering::Greater => fit.epochs,
        }
    }

    /// Into how many shards a minibatch of so many rows is cut.
    #[cfg(feature = "run")]
    pub(crate) fn shards(&self, objective: &dyn Objective<F>, rows: usize) -> usize {
        let rows = vec![0; rows];
        let batch = Batch { rows: &rows, noise: Noise::new(self.seed, 0), epoch: None };
        Cut::new(batch, objective.samples(), self.theta.len()).count()
    }

    /// The number of steps that were made.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// Makes one step on the minibatch `rows` with this learning rate. Returns the loss of the minibatch in nats per row.
    ///
    /// With it one writes a training loop of one's own. [`fit`](Self::fit) does more: only there epochs are counted (in such a
    /// loop the epoch of a batch is 0), and objectives are [prepared](Objective::prepare).
    ///
    /// ```
    /// # use autograd::{Var, ops::NotPositiveDefinite};
    /// # use nn::data::Minibatches;
    /// # use nn::model::{Init, Layout};
    /// # use nn::train::{Batch, Objective, Parts, Rule, StepError, Trainer};
    /// # struct DistanceObjective([f64; 4]);
    /// # impl Objective<f64> for DistanceObjective {
    /// #     fn rows(&self) -> usize {
    /// #         self.0.len()
    /// #     }
    /// #     fn loss<'t>(
    /// #         &self,
    /// #         theta: Var<'t, f64>,
    /// #         batch: &Batch<'_>,
    /// #         _: &mut Parts<'_>,
    /// #     ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
    /// #         let x: Vec<f64> = batch.rows.iter().map(|&row| self.0[row]).collect();
    /// #         Ok((theta.tape().constant(&x, [x.len()]) - theta).square().sum())
    /// #     }
    /// # }
    /// # let mut layout = Layout::new();
    /// # layout.slot("mean", [], Init::Constant(0.0));
    /// let objective = DistanceObjective([1.0, 2.0, 3.0, 4.0]); // Σ (x − θ)²
    /// let mut trainer = Trainer::new(&layout, vec![0.0], Rule::Sgd, 0);
    /// let mut minibatches = Minibatches::new(objective.rows(), 2, 0);
    /// for epoch in 0..100 {
    ///     for rows in minibatches.epoch(epoch) {
    ///         trainer.step(&objective, rows, 0.5 / (1.0 + epoch as f64))?;
    ///     }
    /// }
    /// assert!((trainer.theta()[0] - 2.5).abs() < 1e-2);
    /// # Ok::<(), StepError>(())
    /// ```
    ///
    /// # Errors
    /// [`StepError`]. θ is then unchanged.
    ///
    /// # Panics
    /// If there are no rows.
    #[track_caller]
    #[inline(never)]
    pub fn step(
        &mut self,
        objective: &dyn Objective<F>,
        rows: &[usize],
        rate: f64,
    ) -> Result<Loss, StepError> {
        assert!(!rows.is_empty(), "Trainer::step: expected at least one row");
        self.state.last = None; // training goes on from here
        let sums = self.sum_step(objective, rows, Rates::all(rate))?;
        self.name_parts(objective);
        Ok(sums.mean(&self.names))
    }

    /// Makes one step. Returns the loss and its parts, summed over the rows.
    fn sum_step(
        &mut self,
        objective: &dyn Objective<F>,
        rows: &[usize],
        rates: Rates<'_>,
    ) -> Result<Sums, StepError> {
        let noise = Noise::new(self.seed, self.state.steps);
        let batch = Batch { rows, noise, epoch: Some(self.epochs() as u64) };
        let scale = F::from_f64(1.0 / rows.len() as f64);
        let mut sums = Sums::over(rows.len());
        if let Some(whole) = objective.whole(&self.theta, &batch, &mut sums.parts(objective.parts())) {
            let (total, gradient) = whole?;
            sums.total = total;
            if !total.is_finite() {
                return Err(self.not_finite(Place::Whole));
            }
            let gradient = ShardSum { shards: &[&gradient], scale };
            let theta = Arc::make_mut(&mut self.theta);
            self.optimizer.step_sum(rates, theta, gradient);
        } else {
            let cut = Cut::new(batch, objective.samples(), self.theta.len());
            let shards = Shards::compute(&mut self.tapes, objective, &self.theta, cut, self.ranks);
            sums = shards.sums()?;
            if !sums.total.is_finite() {
                let broken = shards.broken();
                drop(shards);
                let find =
                    |number| first_non_finite(&mut self.tapes, objective, &self.theta, cut.shard(number));
                let place = broken.and_then(find).map_or(Place::Sum, Place::Tape);
                return Err(self.not_finite(place));
            }
            if self.unreached == Unreached::RefusedInNextStep {
                let slots = self.layout.slots().iter();
                let mut reached: Vec<f64> =
                    slots.map(|slot| f64::from(u8::from(shards.reach(&slot.range())))).collect();
                self.ranks.add(&mut reached);
                check_reached(&self.layout, rates, &reached)?;
                self.unreached = Unreached::Refused;
            }
            let (gradients, count) = shards.gradients();
            let mut gradient = ShardSum { shards: &gradients[..count], scale };
            let only;
            if self.ranks.are_several() {
                self.total.resize(self.theta.len(), F::ZERO);
                gradient.total(&mut self.total);
                self.ranks.add(&mut self.total);
                only = [&self.total[..]];
                gradient.shards = &only;
            }
            let theta = Arc::make_mut(&mut self.theta);
            self.optimizer.step_sum(rates, theta, gradient);
        }
        self.state.steps += 1;
        Ok(sums)
    }

    /// A loss that is not finite at this place, or in θ before it.
    fn not_finite(&self, place: Place) -> StepError {
        StepError::NonFinite(if all_finite(&self.theta) { place } else { Place::Theta })
    }

    /// Keeps the names of the objective's parts, unless they are there already.
    fn name_parts(&mut self, objective: &dyn Objective<F>) {
        let parts = objective.parts();
        if !self.names.iter().eq(parts) {
            self.names = parts.iter().map(|&name| name.to_owned()).collect();
        }
    }

    /// The loss over all rows of the objective at the current θ, without gradients and in bounded memory. The noise is
    /// the same in every evaluation, so that these can be compared.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a matrix in the loss has no Cholesky factor.
    ///
    /// # Panics
    /// If the objective has no rows.
    #[track_caller]
    #[inline(never)]
    pub fn evaluate(&mut self, objective: &mut dyn Objective<F>) -> Result<Loss, NotPositiveDefinite> {
        let rows = objective.rows();
        assert!(rows > 0, "Trainer::evaluate: expected an objective with rows");
        self.evaluate_rows(objective, rows)
    }

    fn evaluate_rows(
        &mut self,
        objective: &mut dyn Objective<F>,
        rows: usize,
    ) -> Result<Loss, NotPositiveDefinite> {
        objective.prepare(&self.theta, None)?;
        let (objective, rows): (&dyn Objective<F>, Vec<usize>) = (objective, (0..rows).collect());
        self.name_parts(objective);
        let batch = Batch { rows: &rows, noise: Noise::evaluation(self.seed), epoch: None };
        let mut sums = Sums::over(rows.len());
        if let Some(whole) = objective.whole(&self.theta, &batch, &mut sums.parts(objective.parts())) {
            sums.total = whole?.0;
            return Ok(sums.mean(&self.names));
        }
        Ok(shards::value(&mut self.tapes, objective, &self.theta, batch, self.ranks)?.mean(&self.names))
    }

    /// Trains on the rows of the objective. If there is `validation`, an objective on other data, its loss is computed
    /// after every epoch. A trainer that was stopped or restored goes on where it was.
    ///
    /// Call it inside a `rayon` pool: to fork from outside of one costs more than a small step.
    ///
    /// # Errors
    /// [`TrainError`] if a step cannot be made, for instance since a loss is not finite, or if the observer fails.
    ///
    /// # Panics
    /// If there are no rows to train or to validate on, or the batch size is 0.
    #[track_caller]
    pub fn fit<O: Objective<F>, Ob: Observer<F>>(
        &mut self,
        objective: &mut O,
        validation: Option<&mut O>,
        fit: &Fit,
        observer: &mut Ob,
    ) -> Result<End, TrainError<Ob::Error>> {
        self.fit_watched(objective, validation.map(|objective| objective as _), fit, observer)
    }

    /// [`fit`](Self::fit) of any objective.
    #[track_caller]
    pub(crate) fn fit_watched<Ob: Observer<F>>(
        &mut self,
        objective: &mut dyn Objective<F>,
        validation: Option<&mut dyn Objective<F>>,
        fit: &Fit,
        observer: &mut Ob,
    ) -> Result<End, TrainError<Ob::Error>> {
        let mut kept = KeptError { observer, error: None };
        let end = self.fit_any(objective, validation, fit, &mut kept);
        end.map_err(|error| error.map_observer(|()| kept.error.expect("the observer has failed")))
    }

    /// [`fit`](Self::fit) of any objective, with any observer: this code is compiled once, not for each of them.
    #[track_caller]
    #[inline(never)]
    fn fit_any(
        &mut self,
        objective: &mut dyn Objective<F>,
        mut validation: Option<&mut dyn Objective<F>>,
        fit: &Fit,
        observer: &mut dyn Observer<F, Error = ()>,
    ) -> Result<End, TrainError<()>> {
        let limit = |objective: &dyn Objective<F>| objective.rows().min(fit.rows.unwrap_or(usize::MAX));
        let (rows, held_out) = (limit(objective), validation.as_deref().map(limit));
        assert!(rows > 0, "Trainer::fit: expected an objective with rows");
        assert!(held_out != Some(0), "Trainer::fit: expected a validation objective with rows");
        let mut minibatches = Minibatches::new(rows, fit.batch_size, self.seed);
        if fit.stage < self.state.stage {
            return Ok(End::Done);
        }
        self.enter(fit.stage);
        if self.unreached == Unreached::Refused {
            self.unreached = Unreached::RefusedInNextStep;
        }
        let clock = Clock { started: Instant::now(), before: self.state.seconds };
        while self.state.epochs_of_stage() < fit.epochs {
            if self.lost_patience(fit) {
                self.take_best();
                return Ok(End::Early);
            }
            if self.train_epoch(objective, &mut minibatches, fit, &clock, observer)?.is_break() {
                return Ok(End::Stopped);
            }
            self.name_parts(objective);
            let train = self.state.sums.mean(&self.names);
            let validation = match (&mut validation, held_out) {
                (Some(objective), Some(rows)) => Some(self.evaluate_rows(&mut **objective, rows)),
                _ => None,
            };
            let epoch = self.epochs() + 1;
            let validation =
                validation.transpose().map_err(|source| TrainError::Validate { epoch, source })?;
            if let (Some(loss), Some(_)) = (&validation, fit.patience) {
                self.state.compare(loss.total, &self.theta);
            }
            self.state.seconds = clock.seconds();
            self.state.end_epoch(train, validation);
            observer.epoch(self).map_err(TrainError::Observer)?;
        }
        if fit.patience.is_some() {
            self.take_best();
        }
        Ok(End::Done)
    }

    /// Makes the steps of the epoch that are left. `Break` if the observer stops training.
    fn train_epoch(
        &mut self,
        objective: &mut dyn Objective<F>,
        minibatches: &mut Minibatches,
        fit: &Fit,
        clock: &Clock,
        observer: &mut dyn Observer<F, Error = ()>,
    ) -> Result<ControlFlow<()>, TrainError<()>> {
        let (number, epoch) = (self.epochs(), self.epochs() + 1);
        let factor = fit.schedule.factor(self.state.epochs_of_stage());
        let rates = Rates { rate: fit.rate, groups: &fit.groups, factor };
        self.prepare(objective).map_err(|source| TrainError::Prepare { epoch, source })?;
        for rows in minibatches.epoch(number as u64).skip(self.state.batch) {
            let step = self.state.batch + 1;
            let sums = self.sum_step(objective, rows, rates);
            let sums = sums.map_err(|source| TrainError::Step { epoch, step, source })?;
            self.state.sums.add(sums);
            self.state.batch = step;
            self.state.seconds = clock.seconds();
            if observer.step(sums.total / sums.rows as f64).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if !all_finite(&self.theta) {
            let (step, source) = (self.state.batch, StepError::NonFinite(Place::Theta));
            return Err(TrainError::Step { epoch, step, source });
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the validation loss has not fallen for long enough.
    fn lost_patience(&self, fit: &Fit) -> bool {
        fit.patience.is_some_and(|patience| self.state.since_best >= patience.max(1))
    }

    /// Begins a new stage at θ as it is, or goes on in the present one.
    fn enter(&mut self, stage: usize) {
        if stage > self.state.stage {
            self.state.begin_stage(stage);
        } else if let Some(last) = self.state.last.take() {
            self.theta = Arc::new(last);
        }
    }

    /// Prepares the objective for the epoch, at θ as the epoch began.
    fn prepare(&mut self, objective: &mut dyn Objective<F>) -> Result<(), NotPositiveDefinite> {
        let theta = self.state.prepared.as_ref().unwrap_or(&self.theta).clone();
        let prepared = objective.prepare(&theta, Some(self.epochs() as u64))?;
        self.state.prepared = (prepared == Prepared::ForEpoch).then_some(theta);
        Ok(())
    }

    /// Goes back to the θ of the lowest validation loss, if there is one. The last θ is set aside: training that is given
    /// more epochs later goes on from there.
    fn take_best(&mut self) {
        if let Some((_, best)) = &self.state.best {
            let last = std::mem::replace(&mut self.theta, Arc::new(best.clone()));
            self.state.last = Some(last.to_vec());
        }
    }
}

/// Keeps the error of an observer until training has ended, so that only [`Trainer::fit`] knows its type.
struct KeptError<'a, Ob, E> {
    observer: &'a mut Ob,
    error: Option<E>,
}

impl<F: Real, Ob: Observer<F>> Observer<F> for KeptError<'_, Ob, Ob::Error> {
    type Error = ();

    fn step(&mut self, loss: f64) -> ControlFlow<()> {
        self.observer.step(loss)
    }

    fn epoch(&mut self, trainer: &Trainer<F>) -> Result<(), ()> {
        self.observer.epoch(trainer).map_err(|error| self.error = Some(error))
    }
}

/// The seconds of training, those before this call of [`Trainer::fit`] included.
struct Clock {
    started: Instant,
    before: f64,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

/// That gradients reach every slot that is not held: so many shards or ranks each.
fn check_reached(layout: &Layout, rates: Rates<'_>, reached: &[f64]) -> Result<(), StepError> {
    let missed = layout.slots().iter().zip(reached).filter(|(slot, reached)| {
        let held = || slot.range().all(|place| rates.at(place) == 0.0);
        **reached == 0.0 && !held()
    });
    let slots: Vec<String> = missed.map(|(slot, _)| slot.name().to_owned()).collect();
    if slots.is_empty() { Ok(()) } else { Err(StepError::Unreached { slots }) }
}

fn all_finite<F: Real>(theta: &[F]) -> bool {
    theta.iter().all(|x| x.is_finite())
}
