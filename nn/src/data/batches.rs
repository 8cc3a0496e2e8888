//! Which rows, in which order.

use std::slice::Chunks;

use super::Matrix;
use super::keyed::{key, permute};

/// Shuffled minibatches of the row indices 0 .. `rows`.
///
/// Their order is a function of the seed and the number of the epoch. `batches.epoch(e).skip(k)` therefore resumes at batch k
/// of epoch e, and there is no state to save.
#[derive(Clone, Debug)]
pub struct Minibatches {
    indices: Vec<usize>,
    /// The number of shuffled indices that are handed out.
    used: usize,
    batch: usize,
    seed: u64,
}

impl Minibatches {
    /// Batches of `batch` rows. Each epoch visits every row once; its last batch may be shorter.
    ///
    /// # Panics
    /// If `batch` is 0.
    #[track_caller]
    pub fn new(rows: usize, batch: usize, seed: u64) -> Self {
        assert!(batch > 0, "Minibatches: expected batches of at least one of {rows} rows, found 0");
        Self { indices: vec![0; rows], used: rows, batch, seed }
    }

    /// Leaves out a last batch that is not full. Each epoch then misses up to `batch` − 1 rows, other ones each time.
    ///
    /// # Panics
    /// If there are too few rows for a single batch.
    #[track_caller]
    pub fn drop_last(mut self) -> Self {
        let (rows, batch) = (self.indices.len(), self.batch);
        assert!(batch <= rows, "Minibatches: expected at least {batch} rows for a whole batch, found {rows}");
        self.used = rows / batch * batch;
        self
    }

    /// The number of batches in an epoch.
    pub fn per_epoch(&self) -> usize {
        self.used.div_ceil(self.batch)
    }

    /// The batches of an epoch, each a slice of row indices. This allocates nothing.
    pub fn epoch(&mut self, epoch: u64) -> Chunks<'_, usize> {
        permute(&mut self.indices, key(b"batches ", [self.seed, epoch]));
        self.indices[..self.used].chunks(self.batch)
    }
}

/// Deals the row indices 0 .. `rows` at random into disjoint parts of these sizes. The same seed gives the same parts.
///
/// ```
/// # use nn::data::{counts, split};
/// let [train, validation, test] = split(1965, [1565, 200, 200], 0);
/// let [train, test] = split(442, counts(442, [0.9, 0.1]), 0);
/// assert_eq!((train.len(), test.len()), (398, 44));
/// ```
/// Rows beyond the sum of the sizes go to no part.
///
/// # Panics
/// If the sizes add up to more than `rows`.
#[track_caller]
pub fn split<const K: usize>(rows: usize, sizes: [usize; K], seed: u64) -> [Vec<usize>; K] {
    let taken = sizes.iter().fold(0usize, |sum, &size| sum.saturating_add(size));
    assert!(taken <= rows, "split: {sizes:?}: expected at most {rows} rows, found {taken}");
    let mut order = vec![0; rows];
    permute(&mut order, key(b"split   ", [seed]));
    let mut rest = &order[..];
    sizes.map(|size| {
        let (part, others) = rest.split_at(size);
        rest = others;
        part.to_vec()
    })
}

/// Sizes for [`split`] from fractions of `rows`. The cuts are rounded, not the sizes, so that fractions that add up to 1
/// lose no row.
///
/// # Panics
/// If a fraction is negative or not a number, or if they add up to more than 1.
#[track_caller]
pub fn counts<const K: usize>(rows: usize, fractions: [f64; K]) -> [usize; K] {
    let sum: f64 = fractions.iter().sum();
    // Ten tenths add up to a little less or more than 1.
    let valid = fractions.iter().all(|&f| f >= 0.0) && sum <= 1.0 + 1e-9;
    assert!(valid, "counts: expected fractions from 0 on that add up to at most 1, found {fractions:?}");
    let (mut sum, mut cut) = (0.0, 0);
    fractions.map(|fraction| {
        sum += fraction;
        let from = cut;
        cut = ((rows as f64 * sum).round() as usize).min(rows);
        cut - from
    })
}

/// Chooses `count` of the cells that are not missing (NaN), at random: their indices in `values.values`. A column keeps
/// `keep` cells that are neither missing nor chosen; where too few columns have more, fewer cells than `count` are chosen.
pub fn hide(values: &Matrix<f64>, count: usize, keep: usize, seed: u64) -> Vec<usize> {
    let is_known = |&cell: &usize| !values.values[cell].is_nan();
    let known: Vec<usize> = (0..values.values.len()).filter(is_known).collect();
    let mut left = vec![0; values.cols];
    known.iter().for_each(|cell| left[cell % values.cols] += 1);
    let [order] = split(known.len(), [known.len()], seed);
    let is_spare = |cell: &usize| {
        let left = &mut left[cell % values.cols];
        let spare = *left > keep;
        *left -= usize::from(spare);
        spare
    };
    order.into_iter().map(|i| known[i]).filter(is_spare).take(count).collect()
}
