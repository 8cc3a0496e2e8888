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
const SAMPLE: u32 = 48;

impl Noise {
    /// The noise of a step, from row 0 on.
    pub fn new(seed: u64, step: u64) -> Self {
        Self { seed, step, row: 0 }
    }

    /// Noise that no training step has, for evaluation: the same at every evaluation, so that these can be compared.
    pub fn evaluation(seed: u64) -> Self {
        Self::new(seed, (1 << SAMPLE) - 1)
    }

    /// The noise from `row` rows further on.
    pub fn skip(self, row: usize) -> Self {
        Self { row: self.row + row, ..self }
    }

    /// Fills `out`, rows of `width`, with standard normal noise; `sample` numbers several such arrays of one step.
    ///
    /// # Panics
    /// If `out` is not a whole number of rows.
    #[track_caller]
    pub fn normal<F: Real>(self, sample: usize, width: usize, out: &mut [F]) {
        let step = self.step | (sample as u64) << SAMPLE;
        fill_standard_normal(self.seed, step, self.row as u32, width, out);
    }
}
