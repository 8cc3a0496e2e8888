//! A batch in shards: parts of its rows, each computed on a tape of its own, in parallel.

use std::ops::Range;
use std::sync::Arc;

use autograd::look::NonFinite;
use autograd::ops::NotPositiveDefinite;
use autograd::{Gradient, Real, Tape};
use rayon::prelude::*;

use super::loss::Sums;
use super::ranks::Ranks;
use super::{Batch, MAX_PARTS, Objective};

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
    pub(super) fn count(self) -> usize {
        self.batch.rows.len().div_ceil(self.rows_per_shard)
    }

    /// The rows of a shard, with their noise.
    pub(super) fn shard(self, number: usize) -> Batch<'a> {
        let first = number * self.rows_per_shard;
        let end = self.batch.rows.len().min(first + self.rows_per_shard);
        Batch { rows: &self.batch.rows[first..end], noise: self.batch.noise.skip(first), ..self.batch }
    }
}

/// Losses of the shards of a batch, and gradients of those that this rank has computed.
pub(super) struct Shards<'t, F: Real> {
    losses: [Option<Outcome>; MAX_SHARDS],
    gradients: [Option<Gradient<'t, F>>; MAX_SHARDS],
}

/// The loss of a shard.
type Outcome = Result<Sums, NotPositiveDefinite>;

impl<'t, F: Real> Shards<'t, F> {
    /// Computes the shards of this rank, on as many tapes. Then all ranks know all losses.
    pub(super) fn compute(
        tapes: &'t mut Vec<Tape<F>>,
        objective: &dyn Objective<F>,
        theta: &Arc<Vec<F>>,
        cut: Cut<'_>,
        ranks: Ranks,
    ) -> Self {
        let part = ranks.part(cut.count());
        let tapes = at_least(tapes, part.len());
        let (mut losses, mut gradients) = ([None; MAX_SHARDS], [const { None }; MAX_SHARDS]);
        let compute = |(number, ((tape, loss), slot)): (usize, ((&'t mut _, &mut _), &mut _))| {
            let shard = gradient(tape, objective, theta, cut.shard(number));
            *loss = Some(shard.map(|(sums, gradient)| {
                *slot = Some(gradient);
                sums
            }));
        };
        let mine = &mut losses[part.clone()];
        if let [tape] = tapes {
            compute((part.start, ((tape, &mut mine[0]), &mut gradients[0])));
        } else {
            let shards = tapes.par_iter_mut().zip(mine).zip(&mut gradients).enumerate();
            shards.map(|(i, shard)| (part.start + i, shard)).for_each(compute);
        }
        share(ranks, &mut losses[..cut.count()]);
        Self { losses, gradients }
    }

    /// The loss of the batch: those of the shards, added in their order.
    pub(super) fn sums(&self) -> Result<Sums, NotPositiveDefinite> {
        let mut sums = Sums::default();
        for loss in self.losses.iter().flatten() {
            sums.add((*loss)?);
        }
        Ok(sums)
    }

    /// The gradients of this rank's shards, and how many there are.
    pub(super) fn gradients(&self) -> ([&[F]; MAX_SHARDS], usize) {
        let (mut gradients, mut count): ([&[F]; MAX_SHARDS], _) = ([&[]; MAX_SHARDS], 0);
        for gradient in self.gradients.iter().flatten() {
            gradients[count] = gradient;
            count += 1;
        }
        (gradients, count)
    }

    /// Whether the loss of any of this rank's shards depends on these parameters.
    pub(super) fn reach(&self, range: &Range<usize>) -> bool {
        self.gradients.iter().flatten().any(|gradient| gradient.reaches(range.clone()))
    }

    /// The first shard whose loss is not finite.
    pub(super) fn broken(&self) -> Option<usize> {
        self.losses.iter().flatten().flatten().position(|sums| !sums.total.is_finite())
    }
}

/// Gives every rank the losses of all shards.
fn share(ranks: Ranks, losses: &mut [Option<Outcome>]) {
    if !ranks.are_several() {
        return;
    }
    let mut all: Vec<f64> = losses.iter().flat_map(to_numbers).collect();
    ranks.add(&mut all);
    let outcomes = all.chunks_exact(NUMBERS).map(from_numbers);
    losses.iter_mut().zip(outcomes).for_each(|(loss, outcome)| *loss = Some(outcome));
}

/// The numbers of a loss: the size of a matrix without a factor, or 0; then its pivot and its value, or the rows, the total and the
/// parts. What this rank does not know is −0.
const NUMBERS: usize = 3 + MAX_PARTS;

fn to_numbers(loss: &Option<Outcome>) -> [f64; NUMBERS] {
    let mut numbers = [-0.0; NUMBERS];
    match *loss {
        None => {}
        Some(Ok(Sums { rows, total, parts })) => {
            (numbers[1], numbers[2]) = (rows as f64, total);
            numbers[3..].copy_from_slice(&parts);
        }
        Some(Err(NotPositiveDefinite { pivot, value, size })) => {
            (numbers[0], numbers[1], numbers[2]) = (size as f64, pivot as f64, value);
        }
    }
    numbers
}

fn from_numbers(numbers: &[f64]) -> Outcome {
    let (size, count, value) = (numbers[0] as usize, numbers[1] as usize, numbers[2]);
    if size > 0 {
        return Err(NotPositiveDefinite { pivot: count, value, size });
    }
    let mut sums = Sums { total: value, ..Sums::over(count) };
    sums.parts.copy_from_slice(&numbers[3..]);
    Ok(sums)
}

/// Loss and gradient of a shard.
fn gradient<'t, F: Real>(
    tape: &'t mut Tape<F>,
    objective: &dyn Objective<F>,
    theta: &Arc<Vec<F>>,
    batch: Batch<'_>,
) -> Result<(Sums, Gradient<'t, F>), NotPositiveDefinite> {
    let mut sums = Sums::over(batch.rows.len());
    let (total, gradient) = tape.try_value_and_grad(theta, |_, theta| {
        objective.loss(theta, &batch, &mut sums.parts(objective.parts()))
    })?;
    sums.total = total.to_f64();
    Ok((sums, gradient))
}

/// Where the loss of a shard, which is not finite, stopped being so. The shard is computed again, with the same noise.
pub(super) fn first_non_finite<F: Real>(
    tapes: &mut Vec<Tape<F>>,
    objective: &dyn Objective<F>,
    theta: &Arc<Vec<F>>,
    batch: Batch<'_>,
) -> Option<NonFinite> {
    let tape = &mut at_least(tapes, 1)[0]; // a rank without shards has none
    tape.clear();
    let theta = tape.shared_parameter(theta, [theta.len()]);
    let _ = objective.loss(theta, &batch, &mut Sums::default().parts(objective.parts()));
    let place = tape.first_non_finite();
    tape.clear();
    place
}

/// The loss of a batch without its gradient, in memory that grows with the batch by some words for each shard alone.
pub(super) fn value<F: Real>(
    tapes: &mut Vec<Tape<F>>,
    objective: &dyn Objective<F>,
    theta: &Arc<Vec<F>>,
    batch: Batch<'_>,
    ranks: Ranks,
) -> Result<Sums, NotPositiveDefinite> {
    let cut = Cut { batch, rows_per_shard: EVALUATED_ROWS };
    let mut losses = vec![None; cut.count()];
    let part = ranks.part(losses.len());
    let tapes = at_least(tapes, MAX_SHARDS.min(part.len()).max(1));
    for (first, losses) in part.clone().step_by(tapes.len()).zip(losses[part].chunks_mut(tapes.len())) {
        let shards = tapes.par_iter_mut().zip(losses).enumerate();
        shards.for_each(|(i, (tape, loss))| {
            let batch = cut.shard(first + i);
            let mut sums = Sums::over(batch.rows.len());
            tape.clear();
            let theta = tape.shared_constant(theta, [theta.len()]);
            let total = objective.loss(theta, &batch, &mut sums.parts(objective.parts()));
            *loss = Some(total.map(|total| {
                sums.total = total.item().to_f64();
                sums
            }));
            tape.clear(); // the tape must not hold on to θ, which training changes in place
        });
    }
    share(ranks, &mut losses);
    let mut sums = Sums::default();
    for loss in losses.into_iter().flatten() {
        sums.add(loss?);
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

#[cfg(test)]
mod tests {
    use super::{NUMBERS, from_numbers, to_numbers};
    use crate::train::loss::Sums;
    use autograd::ops::NotPositiveDefinite;

    #[test]
    fn losses_and_errors_survive_the_exchange() {
        let mut sums = Sums { total: -0.0, ..Sums::over(17) };
        (sums.parts[0], sums.parts[7]) = (f64::INFINITY, 0.1);
        let error = NotPositiveDefinite { pivot: 0, value: -1e-300, size: 12 };
        for loss in [Ok(sums), Err(error)] {
            // What the other ranks add.
            let sent = to_numbers(&Some(loss)).map(|number| number + to_numbers(&None)[0]);
            assert_eq!(sent.len(), NUMBERS);
            assert_eq!(format!("{:?}", from_numbers(&sent)), format!("{loss:?}"));
        }
    }
}
