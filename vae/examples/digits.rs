//! A variational autoencoder of handwritten digits, on the embedded data:
//!
//!     cargo run --release -p vae --example digits
//!
//! Trains with two latent dimensions, so that the latent space can be drawn, and writes to `out/vae-digits/`:
//! the trained model, reconstructions, samples from the prior, latent means by class, the decoded manifold, the loss
//! curve, and `index.html`, which shows all of it and lets you walk through the latent space. `digits.py` beside this file reads
//! the model in Python.
//!
//! The exercise of lecture 002, "Code Task: VAEs in Pyro", starts from a linear decoder and explores the latent spaces of others;
//! these models are compared, and none is kept:
//!
//!     cargo run --release -p vae --example digits -- --decoder linear,64,64-256

mod common {
    pub(crate) mod bound;
    pub(crate) mod classes;
    pub(crate) mod codes;
    pub(crate) mod decoder;
    pub(crate) mod depths;
    pub(crate) mod evaluate;
    pub(crate) mod explorer;
    pub(crate) mod keep;
    pub(crate) mod manifold;
    pub(crate) mod report;
}

use std::process::ExitCode;

use common::classes::Classes;
use common::depths::{Comparison, Decoder};
use common::keep::keep;
use common::report::Trained;
use nn::data::{self, ImageFormat, LabelledImages, split};
use nn::model::{Model, TrainedOn};
use nn::outln;
use nn::run::{Counter, Defaults, Run, RunArgs, whole, width};
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
    /// A model with each of these decoders, from linear to deep: their latent spaces, manifolds and bounds side by side
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',', num_args = 0..=1,
        default_missing_value = "linear,64,64-256", conflicts_with = "importance_samples")]
    decoder: Option<Vec<String>>,
}

const DEFAULTS: Defaults = Defaults { out: "out/vae-digits", epochs: 300, batch_size: 32, lr: 1e-3 };

impl Args {
    fn defaults(&self) -> Defaults {
        let out = if self.decoder.is_some() { "out/vae-digits-decoder" } else { DEFAULTS.out };
        Defaults { out, ..DEFAULTS }
    }
}

fn main() -> ExitCode {
    // What is trained decides about the folder.
    let args = nn::run::parse::<Args>(DEFAULTS, std::env::args_os());
    let defaults = args.map_or(DEFAULTS, |args| args.defaults());
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| digits(&args))?)
}

/// Images to train, to validate and to test on.
type Parts = [LabelledImages; 3];

fn digits(args: &Args) -> anyhow::Result<()> {
    let embedded = args.run.data.is_none();
    anyhow::ensure!(embedded, "this example has its data embedded; for MNIST files run the example mnist");
    let data = data::digits();
    let parts = split(data.len(), [1297, 200, 300], args.run.seed).map(|rows| data.select(&rows));
    match &args.decoder {
        Some(named) => decoders(args, &Decoder::parse(named, args.latent)?, &parts),
        None => one(args, &parts),
    }
}

/// 64-128-64 in the encoder, and in the decoder unless it is replaced.
fn config(args: &Args, train: &LabelledImages) -> VaeConfig {
    VaeConfig::new(train.images.cols, &[128, 64], args.latent)
}

fn fit(args: &Args) -> Fit {
    Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..args.run.fit() }
}

/// A model with each decoder.
fn decoders(args: &Args, decoders: &[Decoder], [train, _, test]: &Parts) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let run = Run::open(&args.run, args)?.documented("vae", "Decoders from linear to deep");
    let epochs = Counter::new("epochs", decoders.len() * args.run.epochs);
    let test = test.select(&(0..args.run.rows(test.len())).collect::<Vec<_>>());
    let comparison =
        Comparison { run: &run, decoders, usual: config(args, train), test, classes: &Classes::digits() };
    comparison.of_models(|config| {
        let vae = Vae::new(config)?;
        let mut trainer = args.run.trainer(vae.layout());
        trainer.fit(&mut VaeObjective::new(&vae, &train.images), None, &fit(args), &mut { &epochs })?;
        Ok((vae, trainer))
    })
}

/// A single model: what it learned, and its file.
fn one(args: &Args, [train, validation, test]: &Parts) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?.documented("vae", "Handwritten digits, embedded");
    let vae = Vae::new(&config(args, train))?;
    let mut trainer = run.trainer(vae.layout());
    let mut training = VaeObjective::new(&vae, &train.images);
    let mut validating = VaeObjective::new(&vae, &validation.images);
    if run.train(&mut trainer, &mut training, Some(&mut validating), &fit(args))? == End::Stopped {
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
    Trained { run: &run, vae: &vae, trainer: &mut trainer, test, classes: &Classes::digits() }
        .report(args.importance_samples, &[("adjusted_rand_index", agreement)])
}
