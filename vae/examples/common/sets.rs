//! The embedded digits, or a part of MNIST.

use anyhow::Context;
use nn::data::{LabelledImages, Matrix, embedded, mnist, split};
use nn::run::RunArgs;

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

/// The mean over rows of ‖x − y‖².
pub(crate) fn squared_distance<F: Into<f64> + Copy>(x: &Matrix<F>, y: &Matrix<F>) -> f64 {
    let square = |(&x, &y): (&F, &F)| (x.into() - y.into()).powi(2);
    x.values.iter().zip(y.values.iter()).map(square).sum::<f64>() / x.rows as f64
}
