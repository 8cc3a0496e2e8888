//! `--protocol lecture`: lecture 002, "Fun with MNIST".
//!
//! Binary images, 784-256-64-2 and 2-64-256-784, ReLU, one sample, Adam with learning rate 1e-4, 55,000 training images and
//! the other 5,000 to validate. After 1, 250 and 500 epochs (of fewer `--epochs`: the first, the middle, the last) it draws
//! reconstructions, the aggregated posterior, whole and by class, and the manifold.

use std::time::Instant;

use nn::data::{Binarise, LabelledImages, Matrix, Mnist};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Run, RunArgs, result_line};
use nn::schedule::Schedule;
use nn::train::{End, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Config, Images, Vae, aggregated_posterior};

use crate::Args;
use crate::common::{after, latent_figure, loss_figure, manifold};

const VALIDATION: usize = 5000;
const BINARISE: Binarise = Binarise::Threshold(0.5);

pub(crate) fn run(args: &Args, data: &Mnist, started: Instant) -> anyhow::Result<()> {
    // Pictures on the way: training goes on from stage to stage.
    let last = args.run.epochs;
    let mut stages = if last == 500 { vec![1, 250, 500] } else { vec![1.min(last), last.div_ceil(2), last] };
    stages.dedup();
    let stages: Vec<_> = stages.iter().map(|&epochs| RunArgs { epochs, ..args.run.clone() }).collect();
    let mut run = Run::open(&args.run, args)?;
    let (images, test) = (&data.train.images, binary(&data.test, args.run.rows(data.test.len())));
    let (train, validation) = images.split_at_row(images.rows - VALIDATION.min(images.rows / 2));
    let vae = Vae::new(&Config::new(images.cols, &[256, 64], args.latent[0]));
    let theta = vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, args.run.seed);
    let objective = |data| Images { binarise: BINARISE, ..Images::new(&vae, data) };
    let (training, validating) = (objective(&train), objective(&validation));

    let shown = test.images.select(&(0..test.len().min(10)).collect::<Vec<_>>());
    for stage in &stages {
        run.args = stage;
        let end = run
            .train(
                vae.layout(),
                &mut trainer,
                (&training, stage.rows(train.rows)),
                Some((&validating, stage.rows(validation.rows))),
                (Schedule::Constant, None),
            )
            .map_err(anyhow::Error::from_boxed)?;
        if end == End::Stopped {
            return Ok(());
        }
        // A resumed run is beyond some of them, whose pictures are there already.
        if trainer.epochs() == stage.epochs {
            let epochs = stage.epochs;
            let theta = trainer.theta();
            let name = after(epochs);
            let file = |what: &str| run.folder.file(&format!("{what}-{epochs}.png"));
            let title = format!("Test images and their reconstructions after {name}");
            ImageGrid::new(&title, test.height, test.width)
                .row("data", &shown.values)
                .row("model", &vae.reconstruct(theta, &shown).values)
                .save(&file("reconstructions"))?;
            let title = format!("Manifold after {name}: E[x|z], z₁ to the right, z₂ upwards");
            if vae.latent() > 1 {
                manifold(&title, &vae, theta, (test.height, test.width)).save(&file("manifold"))?;
                posterior(&name, &vae, &trainer, &test).save(&file("posterior"))?;
            }
        }
    }
    loss_figure(&trainer).save(&run.folder.file("loss.png"))?;

    let rows: Vec<usize> = (0..test.len()).collect();
    let loss = trainer.evaluate(&Images::new(&vae, &test.images), &rows);
    let estimate = vae.log_likelihood(trainer.theta(), &test.images, args.draws(), args.run.seed);
    let [elbo, log_likelihood, kl, _] = loss.parts;
    println!("{} binary test images after {} epochs, nats per image", test.len(), trainer.epochs());
    println!("  ELBO {elbo:.2} = E_q[log p(x|z)] {log_likelihood:.2} − KL {kl:.2}");
    println!("  log p(x), {} samples {:.2} ± {:.3}", args.draws(), estimate.mean, estimate.se);
    println!("pictures, metrics and checkpoint are in {}", args.run.out.display());
    result_line(&[
        ("test_elbo", elbo),
        ("log_likelihood", log_likelihood),
        ("kl", kl),
        ("nll", -estimate.mean),
        ("nll_se", estimate.se),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// The means by class; the aggregated posterior; the same of each class.
fn posterior(name: &str, vae: &Vae, trainer: &Trainer<f32>, test: &LabelledImages) -> Panels {
    const REACH: f64 = 4.0;
    const SIDE: usize = 80;
    let (mu, log_sigma) = vae.codes(trainer.theta(), &test.images);
    let density = |title: &str, rows: &[usize]| {
        let figure = Figure::new(title).axes("z₁", "z₂");
        if rows.is_empty() {
            return figure;
        }
        let codes = (&mu.select(rows), &log_sigma.select(rows));
        let density = aggregated_posterior(codes, [0, 1], REACH, SIDE);
        figure.heat_map("density", (-REACH..REACH, -REACH..REACH), SIDE, density)
    };
    let all: Vec<usize> = (0..test.len()).collect();
    let panels = Panels::new(&format!("Averaged distribution over z after {name}"), 4)
        .figure(latent_figure("means of q(z|x)", vae, trainer.theta(), test))
        .figure(density("all test images", &all));
    (0..10).fold(panels, |panels, digit| {
        let rows: Vec<usize> = all.iter().copied().filter(|&row| test.labels[row] == digit).collect();
        panels.figure(density(&format!("digit {digit}"), &rows))
    })
}

/// The first rows, made binary.
fn binary(set: &LabelledImages, rows: usize) -> LabelledImages {
    let some = set.select(&(0..rows).collect::<Vec<_>>());
    let mut pixels = some.images.values.to_vec();
    BINARISE.apply(0, 0, &mut pixels);
    LabelledImages { images: Matrix::new(rows, some.images.cols, pixels), ..some }
}
