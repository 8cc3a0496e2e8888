//! A variational autoencoder of MNIST's handwritten digits, from the four standard files:
//!
//!     cargo run --release -p vae --example mnist -- --data DIR
//!
//! Network and schedule are those of PyTorch's own VAE example unless flags say otherwise: 784-400-20, ReLU, grey pixels
//! as Bernoulli probabilities, Adam with learning rate 1e-3, batches of 128, 10 epochs, all 60,000 training images.

mod common;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use nn::data::{Binarise, mnist};
use nn::optim::{Optimizer, Rule};
use nn::run::{Defaults, Run, RunArgs};
use nn::schedule::Schedule;
use nn::train::{End, Trainer};
use nn::{Init, Nonlinearity};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Config, Likelihood, Vae};

/// Trains a variational autoencoder on MNIST and draws what it learned
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space; beyond two, the pictures show the first two
    #[arg(long, value_name = "N", default_value_t = 20)]
    latent: usize,
    /// Width of the hidden layers
    #[arg(long, value_name = "N", default_value_t = 400)]
    hidden: usize,
    /// Draws of z for each image in the importance-sampled log-likelihood
    #[arg(long, value_name = "N", default_value_t = 100)]
    importance_samples: usize,
}

const ALTERNATIVE: &str = "the embedded digits need no files: cargo run --release -p vae --example digits";

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/vae-mnist", epochs: 10, batch_size: 128, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| train(&args))?
    })
}

fn train(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let sizes = [args.latent, args.hidden, args.importance_samples];
    anyhow::ensure!(!sizes.contains(&0), "--latent, --hidden and --importance-samples must be positive");
    let dir = args.run.data.as_ref().with_context(|| {
        format!("--data DIR is wanted, the folder of MNIST's four IDX files, gzipped or not; {ALTERNATIVE}")
    })?;
    let data = mnist(dir).with_context(|| format!("no MNIST in --data {}; {ALTERNATIVE}", dir.display()))?;
    for set in [&data.train, &data.test] {
        Binarise::check(&set.images)?;
    }
    let run = Run::open(&args.run, args)?;

    let config = Config {
        inputs: data.train.images.cols,
        encoder: vec![args.hidden],
        latent: args.latent,
        decoder: vec![args.hidden],
        phi: Nonlinearity::Relu,
        likelihood: Likelihood::Bernoulli,
    };
    // As PyTorch's linear layers begin.
    let vae = Vae::with_init(&config, |inputs, _, _| {
        let bound = (inputs as f64).sqrt().recip();
        (Init::Uniform(bound), Init::Uniform(bound))
    });
    let theta = vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, args.run.seed);
    let end = run
        .train(
            vae.layout(),
            &mut trainer,
            (&common::grey(&vae, &data.train), args.run.rows(data.train.len())),
            None,
            (Schedule::Constant, None),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }
    common::report(&run, &vae, &mut trainer, &data.test, args.importance_samples, started)
}
