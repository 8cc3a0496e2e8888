//! How far training has come, and how that is kept in a checkpoint.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use autograd::Real;
use serde_json::json;

use super::loss::Sums;
use super::optimizer::Span;
use super::{Checkpoint, CheckpointError, Element, Epoch, Loss, MAX_PARTS, Rule, Trainer};

/// How far training has come.
#[derive(Clone, Debug)]
pub(super) struct State<F> {
    /// The stage, and the epochs that were done before it.
    pub(super) stage: usize,
    pub(super) first_epoch: usize,
    /// The steps of all epochs: what noise is keyed by.
    pub(super) steps: u64,
    /// How many minibatches of the current epoch are done, and the sum of their losses.
    pub(super) batch: usize,
    pub(super) sums: Sums,
    pub(super) seconds: f64,
    pub(super) history: Vec<Epoch>,
    /// The lowest validation loss of the stage with its θ, and the number of epochs since.
    pub(super) best: Option<(f64, Vec<F>)>,
    pub(super) since_best: usize,
    /// θ after the last epoch, while the best θ is in its place.
    pub(super) last: Option<Vec<F>>,
    /// θ at the beginning of the epoch that is not done, if the objective has prepared something from it.
    pub(super) prepared: Option<Arc<Vec<F>>>,
}

impl<F: Real> State<F> {
    pub(super) fn new() -> Self {
        Self {
            stage: 0,
            first_epoch: 0,
            steps: 0,
            batch: 0,
            sums: Sums::default(),
            seconds: 0.0,
            history: Vec::new(),
            best: None,
            since_best: 0,
            last: None,
            prepared: None,
        }
    }

    /// The epochs of this stage that are done.
    pub(super) fn epochs_of_stage(&self) -> usize {
        self.history.len() - self.first_epoch
    }

    /// Begins a stage with nothing to compare to.
    pub(super) fn begin_stage(&mut self, stage: usize) {
        (self.stage, self.first_epoch, self.since_best) = (stage, self.history.len(), 0);
        (self.batch, self.sums) = (0, Sums::default());
        (self.best, self.last, self.prepared) = (None, None, None);
    }

    /// Keeps θ if its validation loss is the lowest. A loss that is not finite never is.
    pub(super) fn compare(&mut self, loss: f64, theta: &[F]) {
        self.since_best += 1;
        if loss < self.best.as_ref().map_or(f64::INFINITY, |(best, _)| *best) {
            (self.best, self.since_best) = (Some((loss, theta.to_vec())), 0);
        }
    }

    pub(super) fn end_epoch(&mut self, train: Loss, validation: Option<Loss>) {
        let (stage, seconds) = (self.stage, self.seconds);
        self.history.push(Epoch { stage, train, validation, seconds });
        (self.batch, self.sums, self.prepared) = (0, Sums::default(), None);
    }
}

impl<F: Real + Element> Trainer<F> {
    /// All that training needs to go on with the same bits: θ, the optimiser's memory and the best θ by the names of the
    /// slots, the seed, and how far training has come. Random numbers are keyed by seed and step, so that these are their
    /// state.
    #[inline(never)]
    pub fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::new();
        let state = &self.state;
        let best = state.best.as_ref().map_or(&[][..], |(_, theta)| theta);
        let last = state.last.as_deref().unwrap_or_default();
        let prepared = state.prepared.as_ref().map_or(&[][..], |theta| theta);
        let (m, v) = (&self.optimizer.m[..], &self.optimizer.v[..]);
        for (prefix, vector) in [
            ("theta", &self.theta[..]),
            ("m", m),
            ("v", v),
            ("best", best),
            ("last", last),
            ("prepared", prepared),
        ] {
            if !vector.is_empty() {
                checkpoint.insert_vector(prefix, &self.layout, vector);
            }
        }
        checkpoint.set("seed", self.seed);
        checkpoint.set(&steps_of(self.optimizer.rule), state.steps);
        checkpoint.set("steps of parameters", Spans(self.optimizer.spans.clone()));
        checkpoint.set("stage", state.stage);
        checkpoint.set("first_epoch", state.first_epoch);
        checkpoint.set("epoch", state.history.len());
        checkpoint.set("batch", state.batch);
        checkpoint.set("seconds", state.seconds);
        checkpoint.set("since_best", state.since_best);
        checkpoint.set("best_loss", state.best.as_ref().map_or(f64::INFINITY, |(loss, _)| *loss));
        checkpoint.set("ended", state.last.is_some());
        checkpoint.set("prepared", state.prepared.is_some());
        checkpoint.set("partial_rows", state.sums.rows);
        let partial: Vec<f64> = [state.sums.total].into_iter().chain(state.sums.parts).collect();
        checkpoint.insert("partial_epoch", &[partial.len()], partial);
        let mut names = Names(Vec::new());
        let rows: Vec<f64> = state.history.iter().flat_map(|epoch| row(epoch, &mut names)).collect();
        checkpoint.insert("history", &[state.history.len(), ROW], rows);
        checkpoint.set("parts", names);
        checkpoint
    }

    /// Goes back to where the checkpoint was made. After an error the trainer is as it was.
    ///
    /// # Errors
    /// [`CheckpointError::Mismatch`] if the checkpoint is of another model, optimiser or number type, or makes no sense.
    #[inline(never)]
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let vector = |prefix, expected: bool| match expected {
            true => checkpoint.vector(prefix, &self.layout),
            false => checkpoint.vector(prefix, &Default::default()),
        };
        let count = |key: &str| checkpoint.value(key).map(|Count(count)| count);
        let steps = count(&steps_of(self.optimizer.rule))? as u64;
        let Spans(spans) = checkpoint.value("steps of parameters")?;
        let (size, end) = (self.theta.len(), spans.last().map_or(0, |span| span.end));
        if end != size {
            return Err(checkpoint.mismatch(format!("its steps are of {end} parameters, expected {size}")));
        }
        let best_loss: f64 = checkpoint.value("best_loss")?;
        let theta = vector("theta", true)?;
        let m = vector("m", !self.optimizer.m.is_empty())?;
        let v = vector("v", !self.optimizer.v.is_empty())?;
        let best = vector("best", best_loss.is_finite())?;
        let (ended, is_prepared) = (checkpoint.value("ended")?, checkpoint.value("prepared")?);
        let last = vector("last", ended)?;
        let prepared = vector("prepared", is_prepared)?;
        let partial: &[f64] = checkpoint.tensor("partial_epoch", &[1 + MAX_PARTS])?;
        let mut sums = Sums { total: partial[0], ..Sums::over(count("partial_rows")?) };
        sums.parts.copy_from_slice(&partial[1..]);
        let (epoch, first_epoch) = (count("epoch")?, count("first_epoch")?);
        if first_epoch > epoch {
            let reason = format!("it is in epoch {epoch} of a stage that began with {first_epoch}");
            return Err(checkpoint.mismatch(reason));
        }
        let history: &[f64] = checkpoint.tensor("history", &[epoch, ROW])?;
        let Names(names) = checkpoint.value("parts")?;
        let history: Option<Vec<Epoch>> =
            history.chunks_exact(ROW).map(|row| epoch_of(row, &names)).collect();
        let history =
            history.ok_or_else(|| checkpoint.mismatch("its history lacks names of parts".into()))?;
        let state = State {
            stage: count("stage")?,
            first_epoch,
            steps,
            batch: count("batch")?,
            sums,
            seconds: checkpoint.value("seconds")?,
            history,
            best: best_loss.is_finite().then_some((best_loss, best)),
            since_best: count("since_best")?,
            last: ended.then_some(last),
            prepared: is_prepared.then(|| Arc::new(prepared)),
        };
        (self.seed, self.theta, self.state) = (checkpoint.value("seed")?, Arc::new(theta), state);
        (self.optimizer.m, self.optimizer.v, self.optimizer.spans) = (m, v, spans);
        Ok(())
    }
}

/// The name under which a checkpoint keeps the number of steps. One that was made with another rule does not have it.
fn steps_of(rule: Rule) -> String {
    format!("steps of {rule:?}")
}

/// A count of training, small enough that counting on does not overflow and noise does not run out.
struct Count(usize);

impl FromStr for Count {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().ok().filter(|count: &u64| *count < 1 << 39).map(|count| Self(count as usize)).ok_or(())
    }
}

/// The steps of the parameters as text: `end:steps` for each span, such as `1000:57 1204:12`.
struct Spans(Vec<Span>);

impl Display for Spans {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let spans = self.0.iter().map(|span| format!("{}:{}", span.end, span.steps));
        f.write_str(&spans.collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Spans {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let span = |text: &str| {
            let (end, steps) = text.split_once(':').ok_or(())?;
            let (Count(end), Count(steps)) = (end.parse()?, steps.parse()?);
            Ok(Span { end, steps: steps as u64 })
        };
        let spans: Vec<Span> = text.split_whitespace().map(span).collect::<Result<_, _>>()?;
        if spans.is_sorted_by(|a, b| a.end < b.end) { Ok(Self(spans)) } else { Err(()) }
    }
}

/// The lists of names that occur in the history, in JSON.
struct Names(Vec<Arc<[String]>>);

impl Display for Names {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lists: Vec<&[String]> = self.0.iter().map(|names| &names[..]).collect();
        f.write_str(&json!(lists).to_string())
    }
}

impl FromStr for Names {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let lists: Vec<Vec<String>> = serde_json::from_str(text).map_err(|_| ())?;
        let short = lists.iter().all(|names| names.len() <= MAX_PARTS);
        if short { Ok(Self(lists.into_iter().map(Arc::from).collect())) } else { Err(()) }
    }
}

/// The numbers of an epoch in a checkpoint: its stage, the number of its list of names, seconds, whether there was
/// validation, and training and validation loss with their parts.
const ROW: usize = 4 + 2 * LOSS;
const LOSS: usize = 1 + MAX_PARTS;

fn row(epoch: &Epoch, names: &mut Names) -> [f64; ROW] {
    let Epoch { stage, train, validation, seconds } = epoch;
    let list = names.0.iter().position(|names| *names == train.names).unwrap_or_else(|| {
        names.0.push(Arc::clone(&train.names));
        names.0.len() - 1
    });
    let mut row = [0.0; ROW];
    row[..4].copy_from_slice(&[*stage as f64, list as f64, *seconds, f64::from(validation.is_some())]);
    for (loss, row) in [Some(train), validation.as_ref()].into_iter().zip(row[4..].chunks_exact_mut(LOSS)) {
        if let Some(loss) = loss {
            row[0] = loss.total;
            row[1..].copy_from_slice(&loss.values);
        }
    }
    row
}

/// The epoch of these numbers; none if there is no such list of names.
fn epoch_of(row: &[f64], names: &[Arc<[String]>]) -> Option<Epoch> {
    let names = names.get(row[1] as usize)?;
    let loss = |row: &[f64]| Loss {
        total: row[0],
        names: Arc::clone(names),
        values: std::array::from_fn(|i| row[1 + i]),
    };
    let (train, validation) = row[4..].split_at(LOSS);
    Some(Epoch {
        stage: row[0] as usize,
        train: loss(train),
        validation: (row[3] == 1.0).then(|| loss(validation)),
        seconds: row[2],
    })
}
