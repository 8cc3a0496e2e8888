//! `--protocol lecture`: lecture 002, "Fun with MNIST".
//!
//! Binary images, 784-256-64-2 and 2-64-256-784, ReLU, one sample, Adam with learning rate 1e-4, 55,000 training images and
//! the other 5,000 to validate. After 1, 250 and 500 epochs (of fewer `--epochs`: the first, the middle, the last) it draws
//! reconstructions, the aggregated posterior, whole and by class, and the manifold.

use std::path::PathBuf;
use std::sync::Arc;

use nn::data::{Binarise, LabelledImages, Matrix};
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Label, Run};
use nn::train::{End, Fit};
use vae::{Grid, Vae, VaeConfig, VaeObjective, aggregated_posterior};

use crate::common::{
    bound, classes::Classes, codes::codes_figure, evaluate::k_sample_bound, explorer::Space,
    manifold::manifold,
};
use crate::{Args, Data};

const VALIDATION: usize = 5000;
const BINARISE: Binarise = Binarise::Threshold(0.5);

pub(crate) fn run(args: &Args, data: &Data) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?.documented("vae", "MNIST, by the lecture's protocol");
    let (images, test) = (&data.train.images, binary(&data.test, args.run.rows(data.test.len())));
    let (train, validation) = images.split_at_row(images.rows - VALIDATION.min(images.rows / 2));
    let vae = Vae::new(&VaeConfig::new(images.cols, &[256, 64], args.latent[0]))?;
    let mut trainer = run.trainer(vae.layout());
    let objective = |data| VaeObjective { binarise: BINARISE, ..VaeObjective::new(&vae, data) };
    let (mut training, mut validating) = (objective(&train), objective(&validation));

    // Training goes on to more and more epochs, with pictures between them.
    for epochs in pictured(args.run.epochs) {
        let fit = Fit { epochs, ..run.fit() };
        if run.train(&mut trainer, &mut training, Some(&mut validating), &fit)? == End::Stopped {
            return Ok(());
        }
        let paths = pictures(&run, epochs);
        // A resumed run is beyond some of them, whose pictures are there already.
        if trainer.epochs() == epochs {
            draw(&paths, &vae, trainer.theta(), &test, &data.classes, epochs)?;
        }
    }
    data.keep(&run, &vae, &trainer, args, train.rows)?;
    run.draw_loss(&trainer, "−ELBO, nats per image")?;
    let size = [test.height, test.width];
    let (labels, classes) = (&test.labels[..], &data.classes.names[..]);
    let space = Space { vae: &vae, theta: trainer.theta(), rows: &test.images, size, labels, classes };
    space.explorer().into_iter().for_each(|explorer| run.explore(explorer));

    let loss = trainer.evaluate(&mut VaeObjective::new(&vae, &test.images))?;
    let bound = k_sample_bound(&run, &vae, trainer.theta(), &test.images, args.draws(), args.run.seed);
    let [elbo, log_likelihood, kl] = ["elbo", "log_likelihood", "kl"].map(|part| loss.part(part));
    outln!("{} binary test images after {} epochs, nats per image", test.len(), trainer.epochs());
    outln!("  ELBO {elbo:.2} = E_q[log p(x|z)] {log_likelihood:.2} − KL {kl:.2}");
    bound::print(&bound);
    let annealed = args.anneal.evaluate(&run, &vae, trainer.theta(), &test.images, args.draws());
    run.found(&format!(
        "To describe a binary image that it has not seen costs the model {:.1} nats (a nat is 1.44 bits; fewer are better): {kl:.1} \
         to say where the image lies in {} latent dimensions, and {:.1} for what the decoder cannot know from there.",
        -elbo,
        vae.latent(),
        -log_likelihood
    ));
    let results = [("test_elbo", elbo), ("log_likelihood", log_likelihood), ("kl", kl)];
    run.label(&[
        Label::new("test_elbo", "ELBO of binary test images", "nats per image"),
        Label::new(
            "log_likelihood",
            "reconstruction, E_q[log p(x|z)], of binary test images",
            "nats per image",
        ),
        Label::new("kl", "what the codes cost, KL(q(z|x) ‖ p(z)), of binary test images", "nats per image"),
    ]);
    run.label(&bound::labels("nats per image"));
    run.finish(&[&results[..], &bound::results(&bound), &annealed].concat())?;
    Ok(())
}

/// The numbers of epochs after which pictures are drawn.
fn pictured(epochs: usize) -> Vec<usize> {
    let mut pictured = match epochs {
        500 => vec![1, 250, 500],
        _ => vec![1.min(epochs), epochs.div_ceil(2), epochs],
    };
    pictured.dedup();
    pictured
}

/// The paths of reconstructions, manifold and posterior after these epochs, which the report shows if they are there.
fn pictures(run: &Run<'_>, epochs: usize) -> [PathBuf; 3] {
    [
        (
            "reconstructions",
            "Test images and E[x|z] at their codes. From picture to picture they turn from an average into digits \
            (lecture 002, \"Trying to reconstruct\")",
        ),
        (
            "manifold",
            "What the decoder makes of a grid over the plane. With the epochs more digits find a place (lecture \
            002, \"Fun with MNIST\")",
        ),
        (
            "posterior",
            "Where the codes lie, all together and digit by digit. All together they should look like N(0, I), and \
            the digits share it out (lecture 002, \"Averaged distribution over Z\")",
        ),
    ]
    .map(|(what, text)| run.picture(&format!("{what}-{epochs}.png"), text))
}

/// Draws the model as it is after these epochs to these files.
fn draw(
    [reconstructions, plane, codes]: &[PathBuf; 3],
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    test: &LabelledImages,
    classes: &Classes,
    epochs: usize,
) -> anyhow::Result<()> {
    let name = if epochs == 1 { "epoch 1".to_owned() } else { format!("{epochs} epochs") };
    let shown = test.images.select(&(0..test.len().min(10)).collect::<Vec<_>>());
    let title = format!("Test images and their reconstructions after {name}");
    ImageGrid::new(&title, test.height, test.width)
        .row("data", &shown.values)
        .row("model", &vae.reconstruct(theta, &shown).values)
        .save(reconstructions)?;
    if vae.latent() > 1 {
        let title = format!("Manifold after {name}: E[x|z], z₁ to the right, z₂ upwards");
        manifold(&title, vae, theta, [test.height, test.width]).save(plane)?;
        posterior(&name, vae, theta, test, classes).save(codes)?;
    }
    Ok(())
}

/// The means by class, the aggregated posterior, and that of each class.
fn posterior(
    name: &str,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    test: &LabelledImages,
    classes: &Classes,
) -> Panels {
    let codes = vae.encode_rows(theta, &test.images);
    // All codes lie within, some standard deviations from the frame.
    let furthest = codes.mu.values.iter().fold(0.0_f64, |reach, z| reach.max(f64::from(z.abs())));
    let grid = Grid { reach: furthest.max(3.0) + 1.0, side: 80 };
    let density = |title: &str, rows: &[usize]| {
        let figure = Figure::new(title).axes("z₁", "z₂");
        if rows.is_empty() {
            return figure;
        }
        let (density, ends) =
            (aggregated_posterior(&codes.select(rows), [0, 1], grid), -grid.reach..grid.reach);
        figure.heat_map("density", (ends.clone(), ends), grid.side, density)
    };
    let all: Vec<usize> = (0..test.len()).collect();
    let panels = Panels::new(&format!("Averaged distribution over z after {name}"), 4)
        .figure(codes_figure("means of q(z|x)", &codes.mu, &test.labels, classes))
        .figure(density("all test images", &all));
    // Images without classes have no more to show, and a picture has room for ten.
    let shown = if classes.names.len() > 1 { classes.names.len().min(10) } else { 0 };
    classes.names.iter().enumerate().take(shown).fold(panels, |panels, (class, name)| {
        let rows: Vec<usize> =
            all.iter().copied().filter(|&row| usize::from(test.labels[row]) == class).collect();
        panels.figure(density(&format!("{} {name}", classes.kind), &rows))
    })
}

/// The first rows, made binary.
fn binary(set: &LabelledImages, rows: usize) -> LabelledImages {
    let some = set.select(&(0..rows).collect::<Vec<_>>());
    let mut pixels = some.images.values.to_vec();
    BINARISE.apply(0, 0, &mut pixels);
    LabelledImages { images: Matrix::new(rows, some.images.cols, pixels), ..some }
}
