//! What a run shows while it goes on, and how it is told to stop.

use std::cell::Cell;
use std::ops::Range;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::RunError;

/// What a shell reports of a program that Ctrl-C ended.
const ENDED_BY_INTERRUPT: i32 = 130;

/// Short epochs do not get a line each.
const BETWEEN_LINES: Duration = Duration::from_millis(500);

/// Progress on standard error: a bar with loss and time left, above which lines stay that tell of epochs; the lines alone
/// where it is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    epochs: Range<usize>,
    started: Instant,
    said: Cell<Instant>,
}

impl Progress {
    /// Progress over these epochs, counted from 0 (a resumed run begins later), of so many steps each.
    pub fn new(epochs: Range<usize>, steps_per_epoch: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  loss {msg}  {eta} left");
        let bar = ProgressBar::new((epochs.len() * steps_per_epoch) as u64); // hidden where standard error is no terminal
        bar.set_style(style.expect("the template is sound"));
        bar.set_message("…");
        let started = Instant::now();
        Self { bar, epochs, started, said: Cell::new(started) }
    }

    /// A step was done, with this loss.
    pub fn step(&self, loss: f64) {
        self.bar.inc(1);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{loss:.3}"));
        }
    }

    /// An epoch, counted from 1, was done: a line with what is to be said of it, unless the last line was only just said.
    pub fn epoch(&self, epoch: usize, says: &str) {
        let first_or_last = epoch == self.epochs.start + 1 || epoch == self.epochs.end;
        if !first_or_last && self.said.get().elapsed() < BETWEEN_LINES {
            return;
        }
        self.said.set(Instant::now());
        let (done, left) =
            (epoch.saturating_sub(self.epochs.start).max(1), self.epochs.end.saturating_sub(epoch));
        let line = format!(
            "epoch {epoch:>width$}/{}  {says}",
            self.epochs.end,
            width = self.epochs.end.to_string().len()
        );
        if self.bar.is_hidden() {
            let left = self.started.elapsed().mul_f64(left as f64 / done as f64);
            eprintln!("{line}  {:#} left", HumanDuration(left));
        } else {
            self.bar.println(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Whether Ctrl-C was pressed. The default never is.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    /// Nothing would be lost: Ctrl-C ends the program.
    saved: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on the first Ctrl-C asks the run to save and stop, and the second ends the program at once.
    ///
    /// # Errors
    /// [`RunError::System`] if a handler is there already.
    pub fn install() -> Result<Self, RunError> {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        let handler = move || {
            if flag.requested.swap(true, Ordering::Relaxed) || flag.saved.load(Ordering::Relaxed) {
                process::exit(ENDED_BY_INTERRUPT);
            }
            eprintln!("\nstopping; Ctrl-C again ends at once, unsaved");
        };
        let refused = |error: ctrlc::Error| RunError::System { what: "Ctrl-C", reason: error.to_string() };
        ctrlc::set_handler(handler).map_err(refused)?;
        Ok(interrupt)
    }

    /// Whether the run should save and stop.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether all is saved: then Ctrl-C ends the program the first time.
    pub(super) fn set_saved(&self, saved: bool) {
        self.saved.store(saved, Ordering::Relaxed);
    }
}
