//! What a run shows while it trains.

use std::cell::Cell;
use std::ops::Range;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::errln;

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

/// Progress through a file on standard error: a bar with the rows that are done and the time left. Where standard error is not a
/// terminal, there is a line now and then.
#[derive(Debug)]
pub struct RowProgress {
    bar: ProgressBar,
    last_line: Instant,
}

impl Default for RowProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl RowProgress {
    const STEPS: u64 = 10_000;
    /// The time between two lines.
    const BETWEEN: Duration = Duration::from_secs(10);

    /// Progress that begins now.
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left");
        let bar = ProgressBar::new(Self::STEPS);
        bar.set_style(style.expect("the template is sound"));
        Self { bar, last_line: Instant::now() }
    }

    /// Shows that so many rows are done, which are this share of all.
    pub fn done(&mut self, rows: usize, share: f64) {
        self.bar.set_message(format!("{rows} rows"));
        self.bar.set_position((share * Self::STEPS as f64) as u64);
        if self.bar.is_hidden() && self.last_line.elapsed() >= Self::BETWEEN {
            self.last_line = Instant::now();
            errln!("{rows} rows, {:.0} %", 100.0 * share);
        }
    }
}

impl Drop for RowProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
