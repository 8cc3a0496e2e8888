//! Noise for training, keyed by (seed, step, row).

use autograd::Real;
use autograd::kernels::normal::fill_standard_normal;

/// The noise of the rows of a minibatch, from one on: a row's numbers depend on the seed, the step and its place in the
/// minibatch alone, not on how that is cut into shards or on how many threads there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
    step: u64,
    row: usize,
}

/// Steps are counted in the lower bits; the upper ones tell several samples of a row apart.
const SAMPLE: u32 = 40;
/// How many steps and samples there are bits for; the last step is that of evaluation.
const STEPS: u64 = 1 << SAMPLE;
const SAMPLES: u64 = 1 << (u64::BITS - SAMPLE);

impl Noise {
    /// The noise of a step, from row 0 on.
    ///
    /// # Panics
    /// If `step` is not below 2⁴⁰ − 1.
    #[track_caller]
    pub fn new(seed: u64, step: u64) -> Self {
        assert!(step < STEPS - 1, "noise: there is none for step {step}");
        Self { seed, step, row: 0 }
    }

    /// Noise that no training step has, for evaluation: the same at every evaluation, so that these can be compared.
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

    /// Fills `out`, rows of `width`, with standard normal noise; `sample` numbers several such arrays of one step.
    ///
    /// # Panics
    /// If `out` is not a whole number of rows, `sample` not below 2²⁴ or a row not below 2³²: noise never repeats.
    #[track_caller]
    pub fn normal<F: Real>(self, sample: usize, width: usize, out: &mut [F]) {
        let (sample, end) = (sample as u64, self.row as u64 + (out.len() / width.max(1)) as u64);
        assert!(sample < SAMPLES, "noise: there is none for sample {sample}");
        assert!(end <= 1 << u32::BITS, "noise: there is none for row {}", end - 1);
        fill_standard_normal(self.seed, self.step | sample << SAMPLE, self.row as u32, width, out);
    }
}
