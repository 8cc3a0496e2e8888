//! The gradient for the encoder (lecture 001, "Encoder Gradient" and "Encoder approximation using Reparametrization and Monte
//! Carlo"): by reparameterisation, with the divergence in closed form or at the samples, and by the score function; on the
//! embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example encoder_gradient
//!
//! All have the same mean. Draws how far each is from it by the number of samples of z, at a θ that has learned for a tenth of
//! the epochs, and how models learn by each of them, with the same samples and from the same θ. Writes to
//! `out/vae-encoder_gradient/`.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use autograd::Tape;
use common::sets;
use nn::noise::Noise;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Batch, Objective};
use rayon::prelude::*;
use vae::{Bound, Config, Images, Vae};

/// Compares estimators of the gradient of a VAE's bound for its encoder
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = whole)]
    hidden: Vec<usize>,
    /// Samples of z for each image in training
    #[arg(long, value_name = "M", default_value_t = 4, value_parser = whole)]
    samples: usize,
    /// Gradients that are drawn for each estimator and number of samples
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    draws: usize,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

const ESTIMATORS: [(&str, &str, Bound); 3] = [
    ("reparameterised, KL in closed form", "closed_form", Bound::ClosedForm),
    ("reparameterised, KL at the samples", "monte_carlo", Bound::MonteCarlo),
    ("score function", "score", Bound::ScoreFunction),
];

/// Numbers of samples of z. With two and more, the score function has the mean of the others for a baseline.
const SAMPLES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-encoder_gradient", epochs: 100, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// Draws of the gradient of a minibatch for the encoder's part of θ.
fn gradients(args: &Args, images: &Images<'_>, theta: &Arc<Vec<f32>>, seed: u64) -> Vec<Vec<f32>> {
    let rows: Vec<usize> = (0..images.data.rows.min(args.run.batch_size)).collect();
    let slots = images.vae.layout().slots();
    let of_encoder: Vec<_> = slots.iter().filter(|slot| slot.name().starts_with("encoder")).collect();
    let draw = |tape: &mut Tape<f32>, draw: usize| {
        let batch = Batch { rows: &rows, noise: Noise::new(seed, draw as u64), epoch: None };
        let (_, gradient) = tape.value_and_grad(theta, |_, theta| images.loss(theta, &batch, &mut [0.0; 3]));
        of_encoder.iter().flat_map(|slot| &gradient[slot.range()]).copied().collect()
    };
    (0..args.draws).into_par_iter().map_init(Tape::new, draw).collect()
}

fn mean(draws: &[Vec<f32>]) -> Vec<f64> {
    let mean = |i: usize| draws.iter().map(|draw| f64::from(draw[i])).sum::<f64>() / draws.len() as f64;
    (0..draws[0].len()).map(mean).collect()
}

/// The root of the mean of ‖g − m‖².
fn spread(draws: &[Vec<f32>], m: &[f64]) -> f64 {
    let square = |draw: &Vec<f32>| draw.iter().zip(m).map(|(&g, m)| (f64::from(g) - m).powi(2)).sum::<f64>();
    (draws.iter().map(square).sum::<f64>() / draws.len() as f64).sqrt()
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    let [train, test] = sets::digits(&args.run, args.images)?.map(|set| set.images);
    let folder = RunFolder::open(&args.run, args)?;
    let vae = Vae::new(&Config::new(train.cols, &args.hidden, args.latent));
    let images = |bound, samples| Images { bound, samples, ..Images::new(&vae, &train) };

    // Where gradients are compared, early in learning: at the end their mean is 0.
    let early = RunArgs { epochs: args.run.epochs.div_ceil(10), ..args.run.clone() };
    let objective = (&images(Bound::ClosedForm, args.samples), train.rows);
    let theta = common::start(&args.run, vae.layout());
    let trainer = common::train(&early, theta, objective, Schedule::Constant)?;
    let theta = trainer.theta();
    let most = SAMPLES[SAMPLES.len() - 1];
    let exact = mean(&gradients(args, &images(Bound::ClosedForm, most), theta, !args.run.seed));
    let length = exact.iter().map(|g| g * g).sum::<f64>().sqrt();
    let mut results: Vec<(String, f64)> = Vec::new();
    let mut errors =
        Figure::new("Error of the gradient").axes("samples of z", "error / length").log_x().log_y();
    println!("root mean square error of the encoder's gradient, in units of its length");
    println!("samples of z                       {}", SAMPLES.map(|m| format!("{m:8}")).concat());
    for (name, key, bound) in ESTIMATORS {
        let error =
            |m: usize| spread(&gradients(args, &images(bound, m), theta, args.run.seed), &exact) / length;
        let curve = SAMPLES.map(error);
        println!("{name:35}{}", curve.map(|error| format!("{error:8.3}")).concat());
        results.extend(SAMPLES.iter().zip(curve).map(|(m, error)| (format!("error_{key}_{m}"), error)));
        errors = errors.line(name, SAMPLES.iter().map(|&m| m as f64).zip(curve));
    }

    println!("learning with {} samples: bound in nats per image", args.samples);
    let mut learning = Figure::new(&format!("Learning with {} samples", args.samples))
        .axes("epoch", "ELBO of training images, nats")
        .log_x();
    for (name, key, bound) in ESTIMATORS {
        let theta = common::start(&args.run, vae.layout());
        let schedule = Schedule::Cosine { epochs: args.run.epochs };
        let objective = (&images(bound, args.samples), train.rows);
        let mut trainer = common::train(&args.run, theta, objective, schedule)?;
        let curve = trainer.history().iter().enumerate();
        let curve: Vec<_> = curve.map(|(i, epoch)| ((i + 1) as f64, epoch.train.parts[0])).collect();
        let bound = Images { samples: most, ..Images::new(&vae, &test) };
        let tested = trainer.evaluate(&bound, &(0..test.rows).collect::<Vec<_>>()).parts[0];
        let trained = curve.last().map_or(f64::NAN, |point| point.1);
        println!("{name:35} training {trained:7.2}   test {tested:7.2}");
        results.extend([(format!("train_elbo_{key}"), trained), (format!("test_elbo_{key}"), tested)]);
        learning = learning.line(name, curve);
    }
    Panels::new("The gradient for the encoder", 2)
        .figure(errors)
        .figure(learning)
        .save(&folder.file("gradients.png"))?;
    println!("the picture is in {}", args.run.out.display());
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}
