//! The K-sample bound of many rows.

use std::sync::Arc;

use nn::data::Matrix;
use nn::run::Counter;
use vae::{KSampleBound, RowSeed, Vae};

/// The bound of all rows, with progress: it may take longer than training.
pub(crate) fn k_sample_bound(
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    x: &Matrix<f32>,
    samples: usize,
    seed: u64,
) -> KSampleBound {
    const AT_ONCE: usize = 256;
    let progress = Counter::new("rows evaluated", x.rows);
    let part = |first: usize| {
        let last = x.rows.min(first + AT_ONCE);
        let rows = x.select(&(first..last).collect::<Vec<_>>());
        let bounds = vae.k_sample_bound_of_rows(theta, &rows, samples, RowSeed { seed, first });
        progress.at(last, last as f64 / x.rows as f64);
        bounds
    };
    KSampleBound::of_rows(&(0..x.rows).step_by(AT_ONCE).flat_map(part).collect::<Vec<_>>())
}
