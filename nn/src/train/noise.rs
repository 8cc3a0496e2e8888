//! Noise for training, keyed by the seed, the step and the place in the minibatch.

use autograd::Real;

use super::fill_standard_normal;

/// The noise of the rows of a minibatch. The numbers of a row depend on the seed, the step and the row's place in the
/// minibatch alone, not on how the minibatch is cut into shards or on the number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
    step: u64,
    row: usize,
}

/// The lower bits count steps; the upper ones tell several samples of a row apart.
const SAMPLE: u32 = 40;
/// The numbers of steps and of samples that there are bits for. The last step is that of evaluation.
const STEPS: u64 = 1 << SAMPLE;
const SAMPLES: u64 = 1 << (u64::BITS - SAMPLE);

impl Noise {
    /// The noise of a step, from row 0 on.
    ///
    /// # Panics
    /// If `step` is not below 2⁴⁰ − 1.
    #[track_caller]
    pub fn new(seed: u64, step: u64) -> Self {
        assert!(step < STEPS - 1, "Noise: expected a step below 2^40 - 1, found {step}");
        Self { seed, step, row: 0 }
    }

    /// Noise for evaluation. No training step has it, and it is the same at every evaluation, so that these can be
    /// compared.
    pub fn evaluation(seed: u64) -> Self {
        Self { seed, step: STEPS - 1, row: 0 }
    }

    /// The noise from `row` rows further on.
    pub fn skip(self, row: usize) -> Self {
        Self { row: self.row + row, ..self }
    }

    /// The noise of the step from row 0 on, whatever was skipped: for what all rows of a minibatch share.
    pub fn of_step(self) -> Self {
        Self { row: 0, ..self }
    }

    /// Fills `out`, rows of `width` numbers, with standard normal noise. Give each further array of a step another
    /// `sample`.
    ///
    /// # Panics
    /// If `out` is not a whole number of rows, if `sample` is not below 2²⁴, or if a row is not below 2³². Beyond these
    /// limits noise would repeat.
    #[track_caller]
    pub fn normal<F: Real>(self, sample: usize, width: usize, out: &mut [F]) {
        let (sample, end) = (sample as u64, self.row as u64 + (out.len() / width.max(1)) as u64);
        assert!(sample < SAMPLES, "Noise: expected a sample below 2^24, found {sample}");
        assert!(end <= 1 << u32::BITS, "Noise: expected rows below 2^32, found {}", end - 1);
        fill_standard_normal(self.seed, self.step | sample << SAMPLE, self.row as u32, width, out);
    }
}
