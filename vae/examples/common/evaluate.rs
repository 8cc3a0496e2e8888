//! The K-sample bound of many rows.

use std::sync::Arc;

use nn::data::Matrix;
use nn::run::{Counter, Run};
use vae::{KSampleBound, RowBound, RowSeed, Vae};

/// The bound of all rows, with progress: it may take longer than training.
pub(crate) fn k_sample_bound(
    run: &Run<'_>,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    x: &Matrix<f32>,
    samples: usize,
    seed: u64,
) -> KSampleBound {
    let progress = Counter::new("rows evaluated", x.rows);
    let numbers = run.over_rows(x.rows, |rows, share| {
        let (first, last) = (rows.start, rows.end);
        let part = x.select(&rows.collect::<Vec<_>>());
        let bounds = vae.k_sample_bound_of_rows(theta, &part, samples, RowSeed { seed, first });
        progress.at(last, share);
        let numbers =
            |bound: &RowBound| [bound.value, bound.se, bound.rise, bound.effective_samples, bound.pareto_k];
        bounds.iter().map(numbers).collect()
    });
    let bounds = numbers.into_iter().map(|[value, se, rise, effective_samples, pareto_k]| RowBound {
        value,
        se,
        samples,
        rise,
        effective_samples,
        pareto_k,
    });
    KSampleBound::of_rows(&bounds.collect::<Vec<_>>())
}
