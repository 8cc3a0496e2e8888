//! What a run shows while it trains.

use std::cell::Cell;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use autograd::Real;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::errln;
use crate::train::{Observer, Trainer};

/// The time between two lines: short epochs have no line each.
const BETWEEN_LINES: Duration = Duration::from_millis(500);

/// Progress on standard error: lines about epochs, and below them a bar with the loss and the time left. Where standard error
/// is not a terminal, there are lines alone.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    epochs: Range<usize>,
    started: Instant,
    last_line: Cell<Instant>,
}

impl Progress {
    /// Progress over these epochs of so many steps each. Epochs are counted from 0; those of a resumed run begin later.
    pub fn new(epochs: Range<usize>, steps_per_epoch: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  loss {msg}  {eta} left");
        let bar = ProgressBar::new((epochs.len() * steps_per_epoch) as u64); // hidden if standard error is not a terminal
        bar.set_style(style.expect("the template is sound"));
        bar.set_message("…");
        let started = Instant::now();
        Self { bar, epochs, started, last_line: Cell::new(started) }
    }

    /// Shows that a step was made, with this loss.
    pub fn step(&self, loss: f64) {
        self.bar.inc(1);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{loss:.3}"));
        }
    }

    /// Shows that an epoch, counted from 1, is done: a line that ends with `text`, unless the last line was written just
    /// before.
    pub fn epoch(&self, epoch: usize, text: &str) {
        let first_or_last = epoch == self.epochs.start + 1 || epoch == self.epochs.end;
        if !first_or_last && self.last_line.get().elapsed() < BETWEEN_LINES {
            return;
        }
        self.last_line.set(Instant::now());
        let (done, left) =
            (epoch.saturating_sub(self.epochs.start).max(1), self.epochs.end.saturating_sub(epoch));
        let line = format!(
            "epoch {epoch:>width$}/{}  {text}",
            self.epochs.end,
            width = self.epochs.end.to_string().len()
        );
        if self.bar.is_hidden() {
            let left = self.started.elapsed().mul_f64(left as f64 / done as f64);
            errln!("{line}  {:#} left", HumanDuration(left));
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

/// Progress of work that can be counted, such as models to be compared, images to be read, rows of a file. It is shown on standard
/// error once it has taken two seconds: a bar with the time left, or, where standard error is not a terminal, a line now and then.
/// Several threads may share it. As an [`Observer`] it counts epochs.
#[derive(Debug)]
pub struct Counter {
    what: String,
    started: Instant,
    shown: Mutex<Option<Shown>>,
    done: AtomicUsize,
    of: usize,
}

#[derive(Debug)]
struct Shown {
    bar: ProgressBar,
    last_line: Instant,
}

impl Counter {
    /// What takes less time is not worth a word.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// The time between two lines.
    const BETWEEN: Duration = Duration::from_secs(5);

    /// Progress through so many of something, in the plural, such as "models".
    pub fn new(what: &str, of: usize) -> Self {
        let (shown, done) = (Mutex::new(None), AtomicUsize::new(0));
        Self { what: what.to_owned(), started: Instant::now(), shown, done, of }
    }

    /// Counts one more.
    pub fn count(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(done as f64 / self.of as f64, || format!("{done} of {} {}", self.of, self.what));
    }

    /// Counts one more, and hands on what came of it.
    pub fn counted<T>(&self, result: T) -> T {
        self.count();
        result
    }

    /// Shows that so many are done, which are this share of all; for work whose whole is not known in the same units.
    pub fn at(&self, done: usize, share: f64) {
        self.show(share, || format!("{done} {}", self.what));
    }

    fn show(&self, share: f64, text: impl FnOnce() -> String) {
        const STEPS: f64 = 10_000.0;
        if self.started.elapsed() < Self::PATIENCE {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Shown { bar, last_line } = shown.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left");
            let bar = ProgressBar::new(STEPS as u64).with_elapsed(self.started.elapsed());
            let long_ago = self.started.checked_sub(Self::BETWEEN).unwrap_or(self.started);
            Shown { bar: bar.with_style(style.expect("the template is sound")), last_line: long_ago }
        });
        if !bar.is_hidden() {
            bar.set_message(text());
            bar.set_position((share * STEPS) as u64);
        } else if last_line.elapsed() >= Self::BETWEEN {
            *last_line = Instant::now();
            // Too little is done, or of a pipe nobody knows how much there is.
            if share < 0.01 {
                errln!("{}", text());
                return;
            }
            let left = self.started.elapsed().mul_f64((1.0 / share - 1.0).max(0.0));
            errln!("{}  {:#} left", text(), HumanDuration(left));
        }
    }
}

impl<F: Real> Observer<F> for &Counter {
    type Error = Infallible;

    fn epoch(&mut self, _: &Trainer<F>) -> Result<(), Infallible> {
        self.count();
        Ok(())
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Ok(Some(Shown { bar, .. })) = self.shown.get_mut() {
            bar.finish_and_clear();
        }
    }
}
