//! The embedded digits, or a part of MNIST.

use anyhow::Context;
use nn::data::{LabelledImages, Matrix, embedded, mnist, split};
use nn::run::RunArgs;
use rayon::prelude::*;

/// Images to train and to test on: 1,497 and 300 of the embedded digits, or with `--data` the first `images` of MNIST and a
/// fifth as many of its test images. In a dry run a minibatch of each.
pub(crate) fn digits(run: &RunArgs, images: usize) -> anyhow::Result<[LabelledImages; 2]> {
    anyhow::ensure!(images >= 5, "--images {images}: at least 5 are needed");
    let sets = match &run.data {
        None => {
            let data = embedded::digits();
            split(data.len(), [1497, 300], 0).map(|rows| data.select(&rows))
        }
        Some(dir) => {
            let data = mnist(dir).with_context(|| format!("no MNIST in --data {}", dir.display()))?;
            [first(&data.train, images), first(&data.test, images / 5)]
        }
    };
    Ok(if run.dry_run { sets.map(|set| first(&set, run.batch_size)) } else { sets })
}

fn first(set: &LabelledImages, n: usize) -> LabelledImages {
    set.select(&(0..set.len().min(n)).collect::<Vec<_>>())
}

/// ‖x − y‖² of each row.
pub(crate) fn squared_distances<F: Into<f64> + Copy>(x: &Matrix<F>, y: &Matrix<F>) -> Vec<f64> {
    let square = |(&x, &y): (&F, &F)| (x.into() - y.into()).powi(2);
    let rows = x.values.chunks_exact(x.cols).zip(y.values.chunks_exact(x.cols));
    rows.map(|(x, y)| x.iter().zip(y).map(square).sum()).collect()
}

/// The mean over rows of ‖x − y‖².
pub(crate) fn squared_distance<F: Into<f64> + Copy>(x: &Matrix<F>, y: &Matrix<F>) -> f64 {
    squared_distances(x, y).iter().sum::<f64>() / x.rows as f64
}

/// The row of `to` that is nearest to each row of `from`, and how far it is, as a root mean square over columns.
pub(crate) fn nearest(from: &Matrix<f32>, to: &Matrix<f32>) -> Vec<(usize, f64)> {
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let closest = |a: &[f32]| {
        let distances = to.values.chunks_exact(to.cols).map(|b| distance(a, b)).enumerate();
        let (row, least) =
            distances.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are rows to be near to");
        (row, f64::from(least / to.cols as f32).sqrt())
    };
    from.values.par_chunks_exact(from.cols).map(closest).collect()
}
