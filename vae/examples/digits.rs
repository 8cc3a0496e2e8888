//! A variational autoencoder of handwritten digits, on the embedded data:
//!
//!     cargo run --release -p vae --example digits
//!
//! Trains with two latent dimensions, so that the latent space can be drawn, and writes to `out/vae-digits/`:
//! reconstructions, samples from the prior, latent means by class, the decoded manifold and the loss curve.

mod common;

use std::process::ExitCode;
use std::time::Instant;

use nn::data::{embedded, split};
use nn::optim::{Optimizer, Rule};
use nn::run::{Defaults, Run, RunArgs, whole};
use nn::schedule::Schedule;
use nn::train::{End, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Config, Vae, adjusted_rand_index, k_means};

/// Trains a variational autoencoder on handwritten digits and draws what it learned
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space; beyond two, the pictures show the first two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole)]
    latent: usize,
    /// Draws of z for each image in the importance-sampled log-likelihood
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = whole)]
    importance_samples: usize,
}

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/vae-digits", epochs: 300, batch_size: 32, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| digits(&args))?
    })
}

fn digits(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(
        args.run.data.is_none(),
        "this example has its data embedded; for MNIST files run the example mnist"
    );
    let run = Run::open(&args.run, args)?;

    let data = embedded::digits();
    let [train, validation, test] =
        split(data.len(), [1297, 200, 300], args.run.seed).map(|rows| data.select(&rows));

    let vae = Vae::new(&Config::new(data.images.cols, &[128, 64], args.latent));
    let theta = vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, args.run.seed);
    let end = run
        .train(
            vae.layout(),
            &mut trainer,
            (&common::grey(&vae, &train), args.run.rows(train.len())),
            Some((&common::grey(&vae, &validation), validation.len())),
            (Schedule::Cosine { epochs: args.run.epochs }, None),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }

    // Groups in the latent space, found without the labels, and the labels.
    let means = vae.codes(trainer.theta(), &test.images).0;
    let labels: Vec<usize> = test.labels.iter().map(|&label| label.into()).collect();
    let agreement = adjusted_rand_index(&k_means(&means, 10, 10, args.run.seed), &labels);
    println!(
        "10 clusters of the latent means agree with the digits by an adjusted Rand index of {agreement:.3}"
    );
    let more = [("adjusted_rand_index", agreement)];
    common::report(&run, &vae, &mut trainer, &test, args.importance_samples, (&more, started))
}
