//! Objects under views: the benchmark, or ordinary digits that are turned.

use anyhow::Context;
use gpvae::data::{Rotations, Views};
use nn::data::{LabelledImages, Mnist, digits};

use super::flags::Args;

/// The images, a few of them in a dry run.
pub(crate) fn load(args: &Args) -> anyhow::Result<Views> {
    let mut views = read(args)?;
    if let Some(view) = args.hold_out {
        let last = views.angles.len() - 1;
        anyhow::ensure!(view <= last, "--hold-out {view}: expected a view from 0 to {last}");
        views = views.holding_out(view)?;
    }
    if args.run.dry_run {
        let some = args.options.features;
        let Views { train, test, object, .. } = &mut views;
        train.retain(|&row| object[row] < some);
        train.truncate(args.run.batch_size);
        test.retain(|&row| train.iter().any(|&known| object[known] == object[row]));
    }
    let (features, objects) = (args.options.features, views.objects);
    anyhow::ensure!(features <= objects, "--features {features}: there are {objects} objects");
    Ok(views)
}

/// The benchmark, or ordinary digits, turned. The small ones get a margin of black: their corners would be lost.
fn read(args: &Args) -> anyhow::Result<Views> {
    if let (Some(images), Some(split)) = (&args.images, &args.split) {
        return Ok(Views::read(images, split)?);
    }
    let (set, margin): (LabelledImages, usize) = match &args.run.data {
        Some(dir) => {
            let set = Mnist::read(dir).with_context(|| {
                format!("no MNIST in --data {}; without --data the embedded digits are used", dir.display())
            })?;
            (set.train, 0)
        }
        None => (digits(), 2),
    };
    let is_digit = |&row: &usize| set.labels[row] == args.digit;
    let rows: Vec<usize> = (0..set.len()).filter(is_digit).take(args.objects).collect();
    let rotations = Rotations { margin, seed: args.run.seed, ..Rotations::default() };
    Ok(rotations.turn(&set.select(&rows).images, set.height, set.width)?)
}
