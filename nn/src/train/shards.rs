//! A batch in shards: parts of its rows, each computed on a tape of its own, in parallel.

use std::ops::Range;
use std::sync::Arc;

use autograd::look::NonFinite;
use autograd::ops::NotPositiveDefinite;
use autograd::{Gradient, Real, Tape};
use rayon::prelude::*;

use super::loss::Sums;
use super::{Batch, Objective};

/// The largest number of shards, so that as many threads share a step.
pub(super) const MAX_SHARDS: usize = 16;
/// The rows of a shard in an evaluation.
const EVALUATED_ROWS: usize = 256;

/// How a batch is cut into shards.
#[derive(Clone, Copy)]
pub(super) struct Cut<'a> {
    batch: Batch<'a>,
    rows_per_shard: usize,
}

impl<'a> Cut<'a> {
    /// One shard for every 64 rows begun, times samples, up to half of the largest number; then one for every 128, since each
    /// has a gradient of its own, to be added to the others. A single one where a fork would cost more than it saves. The
    /// cut depends on the model and the batch, not on the machine.
    pub(super) fn new(batch: Batch<'a>, samples: usize, parameters: usize) -> Self {
        let rows = batch.rows.len();
        let small = rows * samples * parameters < 1 << 19;
        let at_least = |rows_per_shard| (rows * samples).div_ceil(rows_per_shard);
        let shards = at_least(64).min(MAX_SHARDS / 2).max(at_least(128).min(MAX_SHARDS));
        let shards = if small { 1 } else { shards };
        Self { batch, rows_per_shard: rows.div_ceil(shards).max(1) }
    }

    /// The number of shards.
    fn count(self) -> usize {
        self.batch.rows.len().div_ceil(self.rows_per_shard)
    }

    /// The rows of a shard, with their noise.
    pub(super) fn shard(self, number: usize) -> Batch<'a> {
        let first = number * self.rows_per_shard;
        let end = self.batch.rows.len().min(first + self.rows_per_shard);
        Batch { rows: &self.batch.rows[first..end], noise: self.batch.noise.skip(first), ..self.batch }
    }
}

/// Losses and gradients of the shards of a batch.
pub(super) struct Shards<'t, F: Real>([Option<Shard<'t, F>>; MAX_SHARDS]);

type Shard<'t, F> = Result<(Sums, Gradient<'t, F>), NotPositiveDefinite>;

impl<'t, F: Real> Shards<'t, F> {
    /// Computes all shards, on as many tapes.
    pub(super) fn compute(
        tapes: &'t mut Vec<Tape<F>>,
        objective: &dyn Objective<F>,
        theta: &Arc<Vec<F>>,
        cut: Cut<'_>,
    ) -> Self {
        let tapes = at_least(tapes, cut.count());
        let mut shards = [const { None }; MAX_SHARDS];
        if let [tape] = tapes {
            shards[0] = Some(gradient(tape, objective, theta, cut.shard(0)));
        } else {
            tapes.par_iter_mut().zip(&mut shards).enumerate().for_each(|(number, (tape, shard))| {
                *shard = Some(gradient(tape, objective, theta, cut.shard(number)));
            });
        }
        Self(shards)
    }

    /// The loss of the batch: those of the shards, added in their order.
    pub(super) fn sums(&self) -> Result<Sums, NotPositiveDefinite> {
        let mut sums = Sums::default();
        for shard in self.0.iter().flatten() {
            sums.add(shard.as_ref().map_err(|error| *error)?.0);
        }
        Ok(sums)
    }

    /// The gradients of the shards, and how many there are.
    pub(super) fn gradients(&self) -> ([&[F]; MAX_SHARDS], usize) {
        let (mut gradients, mut count): ([&[F]; MAX_SHARDS], _) = ([&[]; MAX_SHARDS], 0);
        for (_, gradient) in self.0.iter().flatten().flatten() {
            gradients[count] = gradient;
            count += 1;
        }
        (gradients, count)
    }

    /// Whether the loss of any shard depends on these parameters.
    pub(super) fn reach(&self, range: &Range<usize>) -> bool {
        self.0.iter().flatten().flatten().any(|(_, gradient)| gradient.reaches(range.clone()))
    }

    /// The first shard whose loss is not finite.
    pub(super) fn broken(&self) -> Option<usize> {
        self.0.iter().flatten().flatten().position(|(sums, _)| !sums.total.is_finite())
    }
}

/// Loss and gradient of a shard.
fn gradient<'t, F: Real>(
    tape: &'t mut Tape<F>,
    objective: &dyn Objective<F>,
    theta: &Arc<Vec<F>>,
    batch: Batch<'_>,
) -> Shard<'t, F> {
    let mut sums = Sums::over(batch.rows.len());
    let (total, gradient) = tape.try_value_and_grad(theta, |_, theta| {
        objective.loss(theta, &batch, &mut sums.parts(objective.parts()))
    })?;
    sums.total = total.to_f64();
    Ok((sums, gradient))
}

/// Where the loss of a shard, which is not finite, stopped being so. The shard is computed again, with the same noise.
pub(super) fn first_non_finite<F: Real>(
    tapes: &mut [Tape<F>],
    objective: &dyn Objective<F>,
    theta: &Arc<Vec<F>>,
    batch: Batch<'_>,
) -> Option<NonFinite> {
    let tape = &mut tapes[0];
    tape.clear();
    let theta = tape.shared_parameter(theta, [theta.len()]);
    let _ = objective.loss(theta, &batch, &mut Sums::default().parts(objective.parts()));
    let place = tape.first_non_finite();
    tape.clear();
    place
}

/// The loss of a batch without its gradient, in memory that does not grow with the batch.
pub(super) fn value<F: Real>(
    tapes: &mut Vec<Tape<F>>,
    objective: &dyn Objective<F>,
    theta: &Arc<Vec<F>>,
    batch: Batch<'_>,
) -> Result<Sums, NotPositiveDefinite> {
    let cut = Cut { batch, rows_per_shard: EVALUATED_ROWS };
    let tapes = at_least(tapes, MAX_SHARDS.min(cut.count()));
    let mut sums = Sums::default();
    for first in (0..cut.count()).step_by(tapes.len()) {
        let shards = tapes.par_iter_mut().zip(first..cut.count());
        let values = shards.map(|(tape, number)| {
            let batch = cut.shard(number);
            let mut sums = Sums::over(batch.rows.len());
            tape.clear();
            let theta = tape.shared_constant(theta, [theta.len()]);
            let loss = objective.loss(theta, &batch, &mut sums.parts(objective.parts()));
            let total = loss.map(|loss| loss.item().to_f64());
            tape.clear(); // the tape must not hold on to θ, which training changes in place
            sums.total = total?;
            Ok(sums)
        });
        for value in values.collect::<Vec<_>>() {
            sums.add(value?);
        }
    }
    Ok(sums)
}

/// So many tapes, of which new ones are made if there are too few.
fn at_least<F: Real>(tapes: &mut Vec<Tape<F>>, count: usize) -> &mut [Tape<F>] {
    if tapes.len() < count {
        tapes.resize_with(count, Tape::default);
    }
    &mut tapes[..count]
}
