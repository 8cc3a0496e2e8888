//! The embedded digits, or a part of MNIST.

use anyhow::Context;
use nn::data::{LabelledImages, Mnist, digits, split};
use nn::run::RunArgs;

/// Images to train and to test on: 1,497 and 300 of the embedded digits, or with `--data` the first `images` of MNIST and a
/// fifth as many of its test images. In a dry run a minibatch of each.
pub(crate) fn load(run: &RunArgs, images: usize) -> anyhow::Result<[LabelledImages; 2]> {
    anyhow::ensure!(images >= 5, "--rows: expected 5 or more, found {images}");
    let sets = match &run.data {
        None => {
            let data = digits();
            split(data.len(), [1497, 300], 0).map(|rows| data.select(&rows))
        }
        Some(dir) => {
            let data = Mnist::read(dir).with_context(|| format!("no MNIST in --data {}", dir.display()))?;
            [first(&data.train, images), first(&data.test, images / 5)]
        }
    };
    Ok(if run.dry_run { sets.map(|set| first(&set, run.batch_size)) } else { sets })
}

/// At most so many images, the first ones.
pub(crate) fn first(set: &LabelledImages, n: usize) -> LabelledImages {
    set.select(&(0..set.len().min(n)).collect::<Vec<_>>())
}
