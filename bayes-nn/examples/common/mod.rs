//! What the examples share.

use bayes_nn::Scores;
use nn::picture::Figure;
use nn::run::RunArgs;

/// The flags, with as many epochs as hold this many steps on so many rows, if those are fewer; and the rows of an epoch: a
/// hundredth of the steps is enough, since the learning rate changes from epoch to epoch.
pub(crate) fn within_steps(run: &RunArgs, steps: usize, rows: usize) -> (RunArgs, usize) {
    let window = rows.min(steps.div_ceil(100).saturating_mul(run.batch_size)).max(1);
    let per_epoch = window.div_ceil(run.batch_size);
    (RunArgs { epochs: run.epochs.min(steps.div_ceil(per_epoch)), ..run.clone() }, window)
}

/// Coverage of the predictive intervals as a function of their probability.
pub(crate) fn calibration(scores: &Scores) -> Figure {
    Figure::new("Calibration: observations inside their predictive interval")
        .axes("probability of the interval", "share inside")
        .line("right", [(0.0, 0.0), (1.0, 1.0)])
        .line("found", scores.calibration(20))
}
