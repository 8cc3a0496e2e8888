//! A variational autoencoder of handwritten digits, on the embedded data:
//!
//!     cargo run --release -p vae --example digits
//!
//! Trains with two latent dimensions, so that the latent space can be drawn, and writes to `out/vae-digits/`:
//! the trained model, reconstructions, samples from the prior, latent means by class, the decoded manifold, the loss
//! curve, and `index.html`, which shows all of it and lets you walk through the latent space. `digits.py` beside this file reads
//! the model in Python.

mod common {
    pub(crate) mod bound;
    pub(crate) mod classes;
    pub(crate) mod codes;
    pub(crate) mod decoder;
    pub(crate) mod evaluate;
    pub(crate) mod explorer;
    pub(crate) mod keep;
    pub(crate) mod manifold;
    pub(crate) mod report;
}

use std::process::ExitCode;

use common::classes::Classes;
use common::keep::keep;
use common::report::Trained;
use nn::data::{self, ImageFormat, split};
use nn::model::{Model, TrainedOn};
use nn::outln;
use nn::run::{Defaults, Run, RunArgs, whole, width};
use nn::stats::{adjusted_rand_index, k_means};
use nn::train::{End, Fit, Schedule};
use vae::{Vae, VaeConfig, VaeObjective};

/// Trains a variational autoencoder on handwritten digits and draws what it learned
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space; beyond two, the pictures show the first two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = width)]
    latent: usize,
    /// K, the draws of z for each image in the K-sample bound of log p(x)
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = whole)]
    importance_samples: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-digits", epochs: 300, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| digits(&args))?)
}

fn digits(args: &Args) -> anyhow::Result<()> {
    let embedded = args.run.data.is_none();
    anyhow::ensure!(embedded, "this example has its data embedded; for MNIST files run the example mnist");
    let run = Run::open(&args.run, args)?.documented("vae", "Handwritten digits, embedded");
    let data = data::digits();
    let parts = split(data.len(), [1297, 200, 300], args.run.seed);
    let [train, validation, test] = parts.map(|rows| data.select(&rows));

    let vae = Vae::new(&VaeConfig::new(data.images.cols, &[128, 64], args.latent))?;
    let mut trainer = run.trainer(vae.layout());
    let mut training = VaeObjective::new(&vae, &train.images);
    let mut validating = VaeObjective::new(&vae, &validation.images);
    let fit = Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..run.fit() };
    if run.train(&mut trainer, &mut training, Some(&mut validating), &fit)? == End::Stopped {
        return Ok(());
    }

    let format = ImageFormat::new(train.height, train.width);
    let trained_on = TrainedOn::new(None, "the embedded digits", train.len());
    keep(&run, vae.to_file(trainer.theta()), &format, &trained_on)?;

    // Clusters in the latent space, which are found without the labels, and the labels.
    let codes = vae.encode_rows(trainer.theta(), &test.images).mu;
    let labels: Vec<usize> = test.labels.iter().map(|&label| label.into()).collect();
    let agreement = adjusted_rand_index(&k_means(&codes, 10, 10, args.run.seed), &labels);
    outln!("10 clusters of codes agree with the digits by an adjusted Rand index of {agreement:.3}");
    Trained { run: &run, vae: &vae, trainer: &mut trainer, test: &test, classes: &Classes::digits() }
        .report(args.importance_samples, &[("adjusted_rand_index", agreement)])
}
