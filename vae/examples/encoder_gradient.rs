//! The gradient for the encoder (lecture 001, "Encoder Gradient" and "Encoder approximation using Reparametrization and Monte
//! Carlo"): by reparameterisation, with the divergence in closed form or at the samples, and by the score function; on the
//! embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example encoder_gradient
//!
//! All have the same mean. Draws how far each is from it by the number of samples of z, at a θ that has learned for a tenth of
//! the epochs, and how models learn by each of them, with the same samples and from the same θ; means over seeds. Writes to
//! `out/vae-encoder_gradient/`. It compares gradients, and keeps none of the models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;
use std::sync::Arc;

use autograd::Tape;
use common::sets;
use nn::data::Matrix;
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, at_most, each, whole, width};
use nn::train::{Batch, Fit, Noise, Objective, Parts, Schedule};
use rayon::prelude::*;
use vae::{Estimator, Vae, VaeConfig, VaeObjective};

/// Compares estimators of the gradient of a VAE's bound for its encoder
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = width)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    hidden: Vec<usize>,
    /// Samples of z for each image in training
    #[arg(long, value_name = "M", default_value_t = 4, value_parser = whole)]
    samples: usize,
    /// Gradients that are drawn for each estimator and number of samples
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = at_most::<10_000>)]
    draws: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

const ESTIMATORS: [(&str, &str, Estimator); 3] = [
    ("reparameterised, KL in closed form", "closed_form", Estimator::ClosedForm),
    ("reparameterised, KL at the samples", "monte_carlo", Estimator::MonteCarlo),
    ("score function", "score", Estimator::ScoreFunction),
];

/// Numbers of samples of z. With two and more, the score function has the mean of the others for a baseline.
const SAMPLES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const MOST: usize = SAMPLES[SAMPLES.len() - 1];

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-encoder_gradient", epochs: 100, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let sets = sets::load(&args.run, args.rows)?.map(|set| set.images);
    let run = Run::open(&args.run, args)?.documented("vae", "The gradient for the encoder");
    let vae = Vae::new(&VaeConfig::new(sets[0].cols, &args.hidden, args.latent))?;
    let of_seed = |&seed: &u64| -> anyhow::Result<Results> {
        let run = RunArgs { seed, ..args.run.clone() };
        Ok([errors(args, &run, &vae, &sets[0])?, learning(args, &run, &vae, &sets)?].concat())
    };
    let over = OverSeeds::of(&each("seeds", &args.run.seeds(args.seeds), of_seed)?);
    Panels::new("The gradient for the encoder", 2)
        .figure(print_errors(&over))
        .figure(print_learning(args, &over))
        .save(&run.picture(
            "gradients.png",
            "Left: the error of the encoder's gradient falls with the number of samples of z, and that of the score \
            function is far larger than that of reparameterisation. Right: what this does to learning (lecture 001, \
            \"Encoder Gradient\")",
        ))?;
    let error = |of: &str| over.mean(&format!("error_{of}_1"));
    run.found(&format!(
        "With one sample of z the gradient by the score function is {:.0} times as far from the exact one as that by \
         reparameterisation; models that learned by it end {:.1} nats an image worse on images that they have not seen.",
        error("score") / error("closed_form"),
        over.mean("test_elbo_closed_form") - over.mean("test_elbo_score")
    ));
    let results = over.results().into_iter().filter(|(name, _)| !name.starts_with("epoch_"));
    run.label(&[
        Label::new(
            "error_*",
            "root mean square error of the encoder's gradient; estimator and samples of z: *",
            "lengths of the gradient",
        )
        .over("seeds"),
        Label::new("train_elbo_*", "ELBO of training images, learned by: *", "nats per image").over("seeds"),
        Label::new("test_elbo_*", "ELBO of test images, learned by: *", "nats per image").over("seeds"),
    ]);
    run.finish(&results.collect::<Vec<_>>())?;
    Ok(())
}

/// The error of each estimator, in units of the length of the gradient. It is measured early in learning: at the end the
/// mean of the gradient is 0.
fn errors(args: &Args, run: &RunArgs, vae: &Vae, train: &Matrix<f32>) -> anyhow::Result<Results> {
    let bound = |estimator, samples| VaeObjective { estimator, samples, ..VaeObjective::new(vae, train) };
    let mut trainer = run.trainer(vae.layout());
    let early = Fit { epochs: run.epochs.div_ceil(10), ..run.fit() };
    trainer.fit(&mut bound(Estimator::ClosedForm, args.samples), None, &early, &mut ())?;
    let theta = trainer.theta();

    let exact = mean(&gradients(args, &bound(Estimator::ClosedForm, MOST), theta, !run.seed));
    let length = exact.iter().map(|g| g * g).sum::<f64>().sqrt();
    let mut results = Results::new();
    for (_, key, estimator) in ESTIMATORS {
        for samples in SAMPLES {
            let draws = gradients(args, &bound(estimator, samples), theta, run.seed);
            results.push((format!("error_{key}_{samples}"), spread(&draws, &exact) / length));
        }
    }
    Ok(results)
}

fn print_errors(over: &OverSeeds) -> Figure {
    outln!("root mean square error of the encoder's gradient, in units of its length");
    let mut table = TextTable::new()
        .header(["samples of z".to_owned()].into_iter().chain(SAMPLES.map(|m| m.to_string())));
    let mut figure =
        Figure::new("Error of the gradient").axes("samples of z", "error / length").log_x().log_y();
    for (name, key, _) in ESTIMATORS {
        let curve = SAMPLES.map(|m| over.mean(&format!("error_{key}_{m}")));
        table.row([name.to_owned()].into_iter().chain(curve.map(|error| format!("{error:.2}"))));
        figure = figure.line(name, SAMPLES.iter().zip(curve).map(|(&m, error)| (m as f64, error)));
    }
    table.print();
    figure
}

/// How models learn by each estimator, from the same θ.
fn learning(
    args: &Args,
    run: &RunArgs,
    vae: &Vae,
    [train, test]: &[Matrix<f32>; 2],
) -> anyhow::Result<Results> {
    let mut results = Results::new();
    for (_, key, estimator) in ESTIMATORS {
        let mut trainer = run.trainer(vae.layout());
        let mut objective =
            VaeObjective { estimator, samples: args.samples, ..VaeObjective::new(vae, train) };
        let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
        trainer.fit(&mut objective, None, &fit, &mut ())?;
        let epochs = trainer.history().iter().zip(1..);
        results.extend(epochs.map(|(epoch, i)| (format!("epoch_{key}_{i}"), epoch.train.part("elbo"))));
        let trained = results.last().map_or(f64::NAN, |(_, elbo)| *elbo);
        let mut bound = VaeObjective { samples: MOST, ..VaeObjective::new(vae, test) };
        let tested = trainer.evaluate(&mut bound)?.part("elbo");
        results.extend([(format!("train_elbo_{key}"), trained), (format!("test_elbo_{key}"), tested)]);
    }
    Ok(results)
}

fn print_learning(args: &Args, over: &OverSeeds) -> Figure {
    let Args { samples, seeds, run, .. } = args;
    outln!("learning with {samples} samples: nats per image, mean over {seeds} seeds ± standard error");
    let mut table = TextTable::new().header(["", "training", "test"]);
    let mut figure = Figure::new(&format!("Learning with {samples} samples"))
        .axes("epoch", "ELBO of training images, nats")
        .log_x();
    for (name, key, _) in ESTIMATORS {
        let [training, test] = ["train", "test"].map(|set| over.cell(&format!("{set}_elbo_{key}"), 2));
        table.row([name, &*training, &test]);
        let curve = (1..=run.epochs).map(|i| (i as f64, over.mean(&format!("epoch_{key}_{i}"))));
        figure = figure.line(name, curve);
    }
    table.print();
    figure
}

/// Draws of the gradient of a minibatch for the encoder's part of θ.
fn gradients(args: &Args, bound: &VaeObjective<'_>, theta: &Arc<Vec<f32>>, seed: u64) -> Vec<Vec<f32>> {
    let rows: Vec<usize> = (0..bound.data.rows.min(args.run.batch_size)).collect();
    let encoder = bound.vae.layout().range("encoder");
    let draw = |tape: &mut Tape<f32>, draw: usize| {
        let batch = Batch { rows: &rows, noise: Noise::new(seed, draw as u64), epoch: None };
        let mut sums = [0.0; 3];
        let (_, gradient) = tape.value_and_grad(theta, |_, theta| {
            let mut parts = Parts::new(bound.parts(), &mut sums);
            bound.loss(theta, &batch, &mut parts).expect("a VAE has no matrix to factor")
        });
        gradient[encoder.clone()].to_vec()
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
