//! A training run: from flags to a trained θ, with everything on disk.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use autograd::Real;
use serde::Serialize;

use super::{Interrupt, Metrics, Progress, RunArgs, RunError, RunFolder};
use crate::checkpoint::Element;
use crate::data::Minibatches;
use crate::layout::Layout;
use crate::schedule::Schedule;
use crate::train::{End, Loss, Objective, Observer, Trainer};

type AnyError = Box<dyn Error + Send + Sync>;

/// A run of an example: its flags, its folder, and Ctrl-C.
#[derive(Debug)]
pub struct Run<'a> {
    /// The flags.
    pub args: &'a RunArgs,
    /// The folder.
    pub folder: RunFolder,
    interrupt: Interrupt,
}

impl<'a> Run<'a> {
    /// Opens the folder, as [`RunFolder::open`] does, and takes over Ctrl-C.
    ///
    /// # Errors
    /// [`RunError`] if the folder or the handler cannot be had.
    pub fn open(args: &'a RunArgs, all: &impl Serialize) -> Result<Self, RunError> {
        let run = Self { args, folder: RunFolder::open(args, all)?, interrupt: Interrupt::install()? };
        run.interrupt.set_saved(true); // there is nothing yet
        Ok(run)
    }

    /// Trains within the folder: goes on from its checkpoint with `--resume`, draws progress, writes a row of
    /// `metrics.csv` after every epoch and a checkpoint about once a second; Ctrl-C saves in the middle of an epoch and
    /// stops; before and after training, when all is saved, it ends the program. `objective` and `validation` come with
    /// their number of rows; `schedule` and `patience` are for [`RunArgs::fit`].
    ///
    /// Call it within [`RunArgs::in_pool`].
    ///
    /// # Errors
    /// If a checkpoint or a file of the run cannot be read or written, or training fails.
    pub fn train<F: Real + Element, O: Objective<F>>(
        &self,
        layout: &Layout,
        trainer: &mut Trainer<F>,
        (objective, rows): (&O, usize),
        validation: Option<(&O, usize)>,
        (schedule, patience): (Schedule, Option<usize>),
    ) -> Result<End, AnyError> {
        let Self { args, folder, interrupt } = self;
        // A trainer that has learned already goes on from where it is.
        if let (0, Some(checkpoint)) = (trainer.epochs(), folder.resumed()?) {
            trainer.restore(layout, &checkpoint)?;
        }
        let sets = ["train", "validation"];
        let columns = sets[..1 + usize::from(validation.is_some())]
            .iter()
            .flat_map(|set| ["loss"].iter().chain(O::PARTS).map(move |part| format!("{set}_{part}")));
        let mut columns: Vec<String> = columns.collect();
        columns.push("seconds".to_owned());
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let steps = Minibatches::new(rows, args.batch_size, args.seed).per_epoch();
        let mut session = Session {
            folder,
            interrupt,
            layout,
            parts: O::PARTS,
            metrics: folder.metrics(&columns, trainer.epochs())?,
            progress: Progress::new(trainer.epochs()..args.epochs, steps),
            saved: Instant::now(),
        };
        let fit = args.fit(schedule, patience);
        interrupt.set_saved(false);
        let end = trainer.fit(objective, rows, validation, &fit, &mut session)?;
        drop(session);
        folder.save(&trainer.checkpoint(layout))?;
        interrupt.set_saved(true);
        if end == End::Stopped {
            eprintln!("stopped in epoch {} and saved; go on with --resume", trainer.epochs() + 1);
        }
        Ok(end)
    }
}

/// Short epochs do not wait for the disk every time.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(1);

struct Session<'a> {
    folder: &'a RunFolder,
    interrupt: &'a Interrupt,
    layout: &'a Layout,
    parts: &'static [&'static str],
    metrics: Metrics,
    progress: Progress,
    saved: Instant,
}

impl<F: Real + Element> Observer<F> for Session<'_> {
    fn step(&mut self, loss: f64) -> ControlFlow<()> {
        self.progress.step(loss);
        if self.interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, trainer: &Trainer<F>) -> Result<(), AnyError> {
        let epoch = trainer.history().last().expect("an epoch was done");
        let mut row: Vec<f64> = Vec::new();
        let mut says = Vec::new();
        for (set, loss) in [("train", Some(&epoch.train)), ("validation", epoch.validation.as_ref())] {
            let Some(Loss { total, parts }) = loss else { continue };
            row.push(*total);
            row.extend(&parts[..self.parts.len()]);
            says.push(format!("{set} {total:.3}"));
        }
        row.push(epoch.seconds);
        // The row before its checkpoint: a run that ends between the two does not lose it.
        self.metrics.row(trainer.epochs(), &row)?;
        if self.saved.elapsed() >= BETWEEN_CHECKPOINTS {
            self.folder.save(&trainer.checkpoint(self.layout))?;
            self.saved = Instant::now();
        }
        self.progress.epoch(trainer.epochs(), &says.join("  "));
        Ok(())
    }
}
