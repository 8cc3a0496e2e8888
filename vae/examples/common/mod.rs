//! What the examples share: training, the table at the end, the pictures. Each uses a part of it.

#![allow(dead_code, reason = "each example uses a part of it")]

pub(crate) mod sets;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use nn::Layout;
use nn::data::{LabelledImages, Matrix};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, ImageGrid};
use nn::run::{Run, RunArgs, result_line};
use nn::schedule::Schedule;
use nn::train::{Loss, Objective, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Images, Vae};

/// Where a σ of pixels that is learned begins: from 1 the codes would first become the prior's, and some of them stay so.
const SIGMA: f32 = 0.1;

/// θ as training begins.
pub(crate) fn start(run: &RunArgs, layout: &Layout) -> Vec<f32> {
    let mut theta = layout.init(&mut StdRng::seed_from_u64(run.seed));
    if let Some(slot) = layout.slots().iter().find(|slot| slot.name() == "log_sigma") {
        theta[slot.range()].fill(SIGMA.ln());
    }
    theta
}

/// Adam from θ on, for examples that compare several trainings and keep no checkpoint.
pub(crate) fn train(
    run: &RunArgs,
    theta: Vec<f32>,
    (objective, rows): (&impl Objective<f32>, usize),
    schedule: Schedule,
) -> anyhow::Result<Trainer<f32>> {
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, run.seed);
    trainer.fit(objective, rows, None, &run.fit(schedule, None), &mut ())?;
    Ok(trainer)
}

/// The training objective of a set of grey images, one sample of z each.
pub(crate) fn grey<'a>(vae: &'a Vae, set: &'a LabelledImages) -> Images<'a> {
    Images::new(vae, &set.images)
}

/// Evaluates a trained model on images that it has not seen, draws what it learned, and prints table and result line, with
/// `more` numbers in it.
pub(crate) fn report(
    run: &Run<'_>,
    vae: &Vae,
    trainer: &mut Trainer<f32>,
    test: &LabelledImages,
    samples: usize,
    (more, started): (&[(&str, f64)], Instant),
) -> anyhow::Result<()> {
    let rows: Vec<usize> = (0..run.args.rows(test.len())).collect();
    let test = &test.select(&rows);
    let Loss { total, parts } = trainer.evaluate(&grey(vae, test), &rows);
    let estimate = vae.log_likelihood(trainer.theta(), &test.images, samples, run.args.seed);
    println!("{} images not seen in training, nats per image", test.len());
    println!("  ELBO                     {:9.2}", parts[0]);
    println!("    E_q[log p(x|z)]        {:9.2}", parts[1]);
    println!("    KL(q(z|x) ‖ p(z))      {:9.2}", parts[2]);
    println!("  log p(x), {samples:5} samples {:9.2} ± {:.3}", estimate.mean, estimate.se);

    let drawn = draw(run, vae, trainer, test).and_then(|()| draw_latent(run, vae, trainer, test));
    drawn.context("the pictures could not be drawn")?;
    println!("pictures, metrics and checkpoint are in {}", run.args.out.display());
    let results = [
        ("test_elbo", parts[0]),
        ("log_likelihood", parts[1]),
        ("kl", parts[2]),
        ("nll", -estimate.mean),
        ("nll_se", estimate.se),
        ("test_loss", total),
    ];
    result_line(&[&results[..], more, &[("seconds", started.elapsed().as_secs_f64())]].concat());
    Ok(())
}

/// Draws reconstructions, samples and the loss curve.
pub(crate) fn draw(
    run: &Run<'_>,
    vae: &Vae,
    trainer: &Trainer<f32>,
    test: &LabelledImages,
) -> anyhow::Result<()> {
    let (folder, theta) = (&run.folder, trainer.theta());
    let (height, width) = (test.height, test.width);

    let shown = test.images.select(&(0..test.len().min(10)).collect::<Vec<_>>());
    ImageGrid::new("Test images and their reconstructions", height, width)
        .row("data", &shown.values)
        .row("reconstruction", &vae.reconstruct(theta, &shown).values)
        .save(&folder.file("reconstructions.png"))?;

    ImageGrid::new("Samples: E[x|z] for z ~ N(0, I)", height, width)
        .rows(&vae.sample(theta, 100, run.args.seed).values, 10)
        .save(&folder.file("samples.png"))?;

    loss_figure(trainer).save(&folder.file("loss.png"))?;
    Ok(())
}

/// Draws the latent space and its manifold, of the first two dimensions.
fn draw_latent(
    run: &Run<'_>,
    vae: &Vae,
    trainer: &Trainer<f32>,
    test: &LabelledImages,
) -> anyhow::Result<()> {
    if vae.latent() < 2 {
        return Ok(());
    }
    let (folder, theta) = (&run.folder, trainer.theta());
    latent_figure("Latent space: means of q(z|x) of test images", vae, theta, test)
        .save(&folder.file("latent.png"))?;
    manifold("Manifold: E[x|z], z₁ to the right, z₂ upwards", vae, theta, (test.height, test.width))
        .save(&folder.file("manifold.png"))?;
    Ok(())
}

/// The means of q(z|x) in the first two dimensions, by class.
pub(crate) fn latent_figure(title: &str, vae: &Vae, theta: &Arc<Vec<f32>>, set: &LabelledImages) -> Figure {
    codes_figure(title, &vae.codes(theta, &set.images).0, &set.labels)
}

/// The first two dimensions of codes, by digit.
pub(crate) fn codes_figure(title: &str, codes: &Matrix<f32>, labels: &[u8]) -> Figure {
    let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
    let classes = labels.iter().map(|&label| usize::from(label));
    Figure::new(title)
        .axes("z₁", "z₂")
        .legend("digit")
        .classes((0..10).map(|digit| digit.to_string()), points.zip(classes))
}

/// E[x|z] on a grid over the first two dimensions, the others 0.
pub(crate) fn manifold(
    title: &str,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    (height, width): (usize, usize),
) -> ImageGrid {
    // Rows from the top: z₂ falls as one reads down, as in the scatter plot.
    const SIDE: usize = 15;
    let at = |i: usize| -2.5 + 5.0 * i as f32 / (SIDE - 1) as f32;
    let mut z = vec![0.0; SIDE * SIDE * vae.latent()];
    for (i, z) in z.chunks_exact_mut(vae.latent()).enumerate() {
        (z[0], z[1]) = (at(i % SIDE), -at(i / SIDE));
    }
    let decoded = vae.decode_rows(theta, &Matrix::new(SIDE * SIDE, vae.latent(), z));
    let grid = ImageGrid::new(title, height, width).columns((0..SIDE).map(|i| format!("{:.1}", at(i))));
    let rows = decoded.values.chunks_exact(SIDE * height * width).enumerate();
    rows.fold(grid, |grid, (i, row)| grid.row(&format!("{:.1}", 0.0 - at(i)), row))
}

/// What pictures call the state of a model that has learned for some epochs.
pub(crate) fn after(epochs: usize) -> String {
    if epochs == 1 { "epoch 1".to_owned() } else { format!("{epochs} epochs") }
}

/// The negative bound over the epochs.
pub(crate) fn loss_figure(trainer: &Trainer<f32>) -> Figure {
    let curve = |loss: fn(&nn::train::Epoch) -> Option<&Loss>| {
        let epochs = trainer.history().iter().enumerate();
        epochs.filter_map(move |(i, epoch)| Some(((i + 1) as f64, loss(epoch)?.total))).collect::<Vec<_>>()
    };
    Figure::new("Learning: the negative bound")
        .axes("epoch", "−ELBO, nats per datum")
        .line("training", curve(|epoch| Some(&epoch.train)))
        .line("validation", curve(|epoch| epoch.validation.as_ref()))
}
