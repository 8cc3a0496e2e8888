//! A training run: from flags to a trained θ, with everything on disk.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use autograd::Real;
use serde::Serialize;
use serde_json::Value;

use super::csv::Metrics;
use super::error::io_error;
use super::print::{as_text, counted, finite, print_results, say};
use super::report::{Explorer, Label, Report};
use super::{Interrupt, Progress, RunArgs, RunError, RunFolder};
use crate::data::Minibatches;
use crate::model::{Layout, ModelFile, TrainedOn};
use crate::train::ranks::Ranks;
use crate::train::{Element, End, Epoch, Fit, Objective, Observer, TrainError, Trainer, write_aside};
use crate::{errln, outln};

/// A run of an example: its flags, its folder, and Ctrl-C.
#[derive(Debug)]
pub struct Run<'a> {
    /// The flags.
    pub args: &'a RunArgs,
    /// The folder.
    pub folder: RunFolder,
    interrupt: Interrupt,
    started: Instant,
    /// Whether a trainer went on from the checkpoint, if there was one.
    restored: Cell<bool>,
    /// The trained model, if there is one.
    kept: RefCell<Option<ModelFile>>,
    /// What there is to show, of all parts of the run.
    report: Rc<RefCell<Report>>,
}

impl<'a> Run<'a> {
    /// Opens the folder, as [`RunFolder::open`] does, and takes over Ctrl-C.
    ///
    /// # Errors
    /// [`RunError`] if the folder cannot be opened or the handler of Ctrl-C cannot be installed.
    pub fn open(args: &'a RunArgs, all: &impl Serialize) -> Result<Self, RunError> {
        // The handler first: a signal may come while ranks wait for each other.
        let interrupt = Interrupt::install()?;
        interrupt.set_saved(true); // there is nothing to lose yet
        let folder = RunFolder::open(args, all)?;
        let (started, restored, kept) = (Instant::now(), Cell::new(false), RefCell::new(None));
        Ok(Self { args, folder, interrupt, started, restored, kept, report: Rc::default() })
    }

    /// Names the section of a crate's `README.md` that says more of the program. The report shows it.
    pub fn documented(self, package: &str, section: &str) -> Self {
        self.report.borrow_mut().section = Some((package.to_owned(), section.to_owned()));
        self
    }

    /// Says what results are, in words and with units. Every result that is given to [`finish`](Self::finish) needs a label.
    pub fn label(&self, labels: &[Label]) {
        self.report.borrow_mut().labels.extend_from_slice(labels);
    }

    /// The run of one of several models, in the same folder: see [`RunFolder::part`].
    ///
    /// # Errors
    /// [`RunError::SeveralModels`] if `--resume FILE` is given.
    pub fn part(&self, name: &str) -> Result<Self, RunError> {
        Ok(Self {
            folder: self.folder.part(name)?,
            interrupt: self.interrupt.clone(),
            restored: Cell::new(false),
            kept: RefCell::new(None),
            report: self.report.clone(),
            ..*self
        })
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// The path of a picture in the folder, for what draws it. The report shows it with this text: what is to be seen, what to
    /// look for, and, in parentheses at the end, the page of the lecture.
    pub fn picture(&self, name: &str, text: &str) -> PathBuf {
        self.report.borrow_mut().picture(name, text);
        self.file(name)
    }

    /// Prints what was found, in plain words, and puts it first into the report. It is for a reader who knows no more than the
    /// question: terms are explained.
    pub fn found(&self, text: &str) {
        say(text);
        self.report.borrow_mut().found = text.to_owned();
    }

    /// Adds a part to the report that its reader can move.
    pub fn explore(&self, explorer: Explorer) {
        self.report.borrow_mut().explorers.push(explorer);
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Seconds since the run was opened.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// A trainer by Adam, whose θ is drawn by the initialisers of the layout.
    pub fn trainer<F: Real>(&self, layout: &Layout) -> Trainer<F> {
        self.args.trainer(layout)
    }

    /// How to train by the flags: see [`RunArgs::fit`].
    pub fn fit(&self) -> Fit {
        self.args.fit()
    }

    /// Trains within the folder. The first call goes on from the checkpoint with `--resume`. Training draws progress, and
    /// writes a row of `metrics.csv` after every epoch and a checkpoint about once a second. Ctrl-C saves in the middle of
    /// an epoch and stops training; before and after training, when all is saved, it ends the program. Of several ranks of MPI it
    /// ends all at once, and the last checkpoint is what is left.
    ///
    /// Training in several stages calls this once for each; their objectives have the same parts, since these are the
    /// columns of `metrics.csv`. Call it within [`RunArgs::in_pool`].
    ///
    /// # Errors
    /// [`RunError`] if a checkpoint or a file of the run cannot be read or written, or if training fails.
    ///
    /// # Panics
    /// As [`Trainer::fit`].
    #[track_caller]
    pub fn train<F: Real + Element, O: Objective<F>>(
        &self,
        trainer: &mut Trainer<F>,
        objective: &mut O,
        validation: Option<&mut O>,
        fit: &Fit,
    ) -> Result<End, RunError> {
        self.train_any(trainer, objective, validation.map(|objective| objective as _), fit)
    }

    /// [`train`](Self::train) with any objective: this code is compiled once, not for each of them.
    #[track_caller]
    #[inline(never)]
    pub(crate) fn train_any<F: Real + Element>(
        &self,
        trainer: &mut Trainer<F>,
        objective: &mut dyn Objective<F>,
        validation: Option<&mut dyn Objective<F>>,
        fit: &Fit,
    ) -> Result<End, RunError> {
        let Self { folder, interrupt, .. } = self;
        if !self.restored.replace(true)
            && let Some(checkpoint) = folder.resumed()?
        {
            trainer.restore(&checkpoint)?;
        }
        if trainer.epochs() > 0 && trainer.epochs_left(fit) == 0 {
            // Nothing is left to be done, and what was done is saved.
            return Ok(trainer.fit_watched(objective, validation, fit, &mut ())?);
        }
        let sets = if validation.is_some() { &["train", "validation"][..] } else { &["train"] };
        let columns = sets.iter().flat_map(|set| {
            ["loss"].iter().chain(objective.parts()).map(move |part| format!("{set}_{part}"))
        });
        let columns: Vec<String> = columns.chain(["seconds".to_owned()]).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let rows = objective.rows().min(fit.rows.unwrap_or(usize::MAX));
        let steps = Minibatches::new(rows, fit.batch_size, self.args.seed).per_epoch();
        let done = trainer.epochs();
        let mut session = Session {
            folder,
            interrupt,
            metrics: folder.metrics(&columns, done)?,
            progress: Progress::new(done..done + trainer.epochs_left(fit), steps),
            saved: Instant::now(),
        };
        interrupt.set_saved(false);
        if Ranks::world().are_several() {
            let shards = trainer.shards(objective, fit.batch_size.min(rows));
            let idle = Ranks::world().idle(shards);
            if idle > 0 {
                errln!(
                    "{} without work: a minibatch has {}",
                    counted(idle, "rank"),
                    counted(shards, "shard")
                );
            }
        }
        trainer.ranks = Ranks::world();
        let end = trainer.fit_watched(objective, validation, fit, &mut session);
        trainer.ranks = Ranks::ALONE;
        drop(session);
        let end =
            end.map_err(|error: TrainError<RunError>| error.observer().unwrap_or_else(RunError::Train))?;
        folder.save(trainer.checkpoint())?;
        interrupt.set_saved(true);
        match end {
            End::Stopped => {
                errln!("stopped in epoch {} and saved; go on with --resume", trainer.epochs() + 1)
            }
            End::Early => errln!(
                "stopped early, after epoch {}: the validation loss was lowest in epoch {}, whose θ is kept",
                trainer.epochs(),
                lowest(trainer.history())
            ),
            End::Done => {}
        }
        Ok(end)
    }

    /// Numbers of each row, for an evaluation that takes long: `of` gives those of a range of rows, and is told the share of this
    /// process's work that is then done. Several ranks of MPI compute a part of the rows each, and all get all numbers.
    ///
    /// # Panics
    /// If `of` gives the numbers of more or fewer rows.
    #[track_caller]
    pub fn over_rows<const N: usize>(
        &self,
        rows: usize,
        mut of: impl FnMut(Range<usize>, f64) -> Vec<[f64; N]>,
    ) -> Vec<[f64; N]> {
        const AT_ONCE: usize = 256;
        let ranks = Ranks::world();
        let mut numbers = vec![[-0.0; N]; rows];
        let parts = ranks.part(rows.div_ceil(AT_ONCE));
        for part in parts.clone() {
            let rows = part * AT_ONCE..rows.min((part + 1) * AT_ONCE);
            let share = (part + 1 - parts.start) as f64 / parts.len() as f64;
            numbers[rows.clone()].copy_from_slice(&of(rows, share));
        }
        let mut numbers = numbers.into_flattened();
        ranks.add(&mut numbers);
        numbers.as_chunks().0.to_vec()
    }

    /// Writes the trained model to `model.safetensors` in the folder, with what it was trained on and an entry `run` about the
    /// run: the program, its version, and its flags but for folders. [`finish`](Self::finish) adds the results.
    ///
    /// # Errors
    /// [`RunError::Model`] if it cannot be written.
    pub fn keep_model(&self, mut model: ModelFile, trained_on: &TrainedOn) -> Result<(), RunError> {
        model.set(TrainedOn::ENTRY, trained_on);
        model.set("run", &self.folder.origin());
        if !Ranks::world().is_first() {
            return Ok(());
        }
        model.save(self.file(ModelFile::NAME))?;
        self.kept.replace(Some(model));
        Ok(())
    }

    /// Writes the report, `index.html`, unless `--no-report` is given: the command, the results, the [pictures](Self::picture),
    /// what [can be moved](Self::explore), the metrics, the flags. A result `NAME_se` is the standard error of the result `NAME`.
    /// Prints where the files of the run are, unless it is a dry run, which keeps none. Then prints the
    /// [result line](super::result_line) with the seconds at its end. The file of a trained model gets them as its entry `result`.
    ///
    /// # Errors
    /// [`RunError::NotFinite`] if a result is infinite or not a number; otherwise if the report or the file of the model cannot
    /// be written.
    ///
    /// # Panics
    /// If a result has no [label](Self::label), unless `--no-report` is given.
    #[track_caller]
    pub fn finish<N: Display, V: Display>(&self, results: &[(N, V)]) -> Result<(), RunError> {
        self.finish_texts(as_text(results))
    }

    #[track_caller]
    fn finish_texts(&self, results: Vec<(String, String)>) -> Result<(), RunError> {
        let (mut results, seconds) = (finite(results)?, self.seconds());
        if !Ranks::world().is_first() {
            return Ok(());
        }
        if !self.args.no_report {
            self.report.borrow().write(&self.folder, &results, seconds)?;
        }
        results.push(("seconds".to_owned(), seconds.to_string()));
        if let Some(mut model) = self.kept.take() {
            let value = |text: &String| text.parse::<f64>().map_or(Value::from(&text[..]), Value::from);
            let pairs = results.iter().map(|(name, text)| (name.clone(), value(text)));
            model.set("result", &pairs.collect::<serde_json::Map<_, _>>());
            model.save(self.file(ModelFile::NAME))?;
        }
        finish(self.args.dry_run, &self.args.out, results)
    }

    /// Writes a text file of the run, in place of an old one.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), RunError> {
        let path = self.file(name);
        write_aside(&path, text.as_bytes()).map_err(io_error("write", &path))
    }
}

/// Prints where the files of a run are, and its result line.
pub(super) fn finish(dry_run: bool, out: &Path, results: Vec<(String, String)>) -> Result<(), RunError> {
    if !dry_run {
        outln!("the files of this run are in {}", out.display());
    }
    print_results(results)
}

/// The number, from 1, of the first epoch with the lowest validation loss.
fn lowest(history: &[Epoch]) -> usize {
    let losses = history.iter().zip(1..).filter_map(|(epoch, i)| Some((epoch.validation.as_ref()?.total, i)));
    losses.reduce(|best, next| if next.0 < best.0 { next } else { best }).map_or(0, |(_, epoch)| epoch)
}

/// Short epochs do not wait for the disk every time.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(1);

/// What watches training within a folder.
struct Session<'a> {
    folder: &'a RunFolder,
    interrupt: &'a Interrupt,
    metrics: Metrics,
    progress: Progress,
    saved: Instant,
}

impl<F: Real + Element> Observer<F> for Session<'_> {
    type Error = RunError;

    fn step(&mut self, loss: f64) -> ControlFlow<()> {
        self.progress.step(loss);
        if self.interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, trainer: &Trainer<F>) -> Result<(), RunError> {
        let epoch = trainer.history().last().expect("an epoch was done");
        let mut row: Vec<f64> = Vec::new();
        let mut text = Vec::new();
        for (set, loss) in [("train", Some(&epoch.train)), ("validation", epoch.validation.as_ref())] {
            let Some(loss) = loss else { continue };
            row.push(loss.total);
            row.extend(loss.parts().map(|(_, part)| part));
            text.push(format!("{set} {:.3}", loss.total));
        }
        row.push(epoch.seconds);
        // The row before its checkpoint: a run that ends between the two does not lose it.
        self.metrics.row(trainer.epochs(), &row)?;
        if self.saved.elapsed() >= BETWEEN_CHECKPOINTS {
            self.folder.save(trainer.checkpoint())?;
            self.saved = Instant::now();
        }
        self.progress.epoch(trainer.epochs(), &text.join("  "));
        Ok(())
    }
}
