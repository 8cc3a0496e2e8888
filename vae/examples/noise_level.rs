//! The variance σ² of a Gaussian decoder balances reconstruction and regularisation (lecture 000, "Replace the likelihood by
//! the ELBO"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example noise_level
//!
//! Trains a VAE for each σ² and one that learns it, and draws both parts of the bound of test images over σ², with
//! reconstructions and samples. With a small σ² the codes say much and leave the prior; with a large one they say nothing.

mod common;

use std::process::ExitCode;
use std::time::Instant;

use autograd::Tape;
use common::sets::{self, squared_distance};
use nn::data::{LabelledImages, Matrix};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, positive, result_line, whole};
use nn::schedule::Schedule;
use rayon::prelude::*;
use vae::{Config, Images, Likelihood, Observation, Vae, active_units};

/// Sweeps the noise level of a VAE's Gaussian decoder
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// The standard deviations σ
    #[arg(
        long,
        value_name = "SIGMA,…",
        value_delimiter = ',',
        default_value = "0.05,0.08,0.12,0.18,0.25,0.4,0.6,1",
        default_value_if("dry_run", "true", "0.1,1"), value_parser = positive)]
    sigmas: Vec<f64>,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = whole)]
    hidden: Vec<usize>,
    /// Draws of z for each test image in the bound
    #[arg(long, value_name = "N", default_value_t = 50,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-noise_level", epochs: 200, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| sweep(&args))?)
}

/// A trained model: its σ, and what it says of the test images.
struct Trained {
    sigma: f64,
    elbo: f64,
    kl: f64,
    /// ‖x − E[x|z = E_q(z|x)]‖² / D
    error: f64,
    active: usize,
    reconstructions: Matrix<f32>,
    samples: Matrix<f32>,
}

fn train(args: &Args, likelihood: Likelihood, sets: &[LabelledImages; 2]) -> anyhow::Result<Trained> {
    let [train, test] = sets;
    let vae = Vae::new(&Config { likelihood, ..Config::new(train.images.cols, &args.hidden, args.latent) });
    let theta = common::start(&args.run, vae.layout());
    let (objective, schedule) =
        (Images::new(&vae, &train.images), Schedule::Cosine { epochs: args.run.epochs });
    let mut trainer = common::train(&args.run, theta, (&objective, train.len()), schedule)?;
    let bound = Images { samples: args.samples, ..Images::new(&vae, &test.images) };
    let parts = trainer.evaluate(&bound, &(0..test.len()).collect::<Vec<_>>()).parts;
    let theta = trainer.theta();
    let reconstructions = vae.reconstruct(theta, &test.images);
    let tape = Tape::new();
    let z = tape.constant(&vec![0.0; args.latent], [1, args.latent]);
    let Observation::Normal(p) = vae.decode(tape.shared_constant(theta, [theta.len()]), z) else {
        unreachable!("the decoder is normal with one σ")
    };
    Ok(Trained {
        sigma: f64::from(p.log_sigma.item()).exp(),
        elbo: parts[0],
        kl: parts[2],
        error: squared_distance(&reconstructions, &test.images) / test.images.cols as f64,
        active: active_units(&vae.codes(theta, &test.images).0),
        reconstructions,
        samples: vae.sample(theta, SHOWN, args.run.seed),
    })
}

/// Images in a row of the pictures.
const SHOWN: usize = 10;

fn sweep(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    let sets = sets::digits(&args.run, args.images)?;
    let folder = RunFolder::open(&args.run, args)?;
    let mut sigmas = args.sigmas.clone();
    sigmas.sort_by(f64::total_cmp);
    let fixed = sigmas.iter().map(|&sigma| Likelihood::Normal { sigma });
    let likelihoods: Vec<_> = fixed.chain([Likelihood::NormalLearned]).collect();
    let mut trained = likelihoods
        .par_iter()
        .map(|&likelihood| train(args, likelihood, &sets))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let learned = trained.pop().expect("one more than fixed ones");
    anyhow::ensure!(!trained.is_empty(), "--sigmas: at least one is needed");

    println!("{} test images; nats per image, squares per pixel", sets[1].len());
    println!("        σ         σ²   squared error        KL       ELBO   active units");
    let line = |t: &Trained, says: &str| {
        let Trained { sigma, elbo, kl, error, active, .. } = t;
        let variance = sigma * sigma;
        println!("  {sigma:7.3} {variance:10.5} {error:15.5} {kl:9.3} {elbo:10.2} {active:14} {says}");
    };
    trained.iter().for_each(|t| line(t, ""));
    line(&learned, "  learned");
    draw(&folder, &sets[1], &trained, &learned)?;
    println!("pictures are in {}", args.run.out.display());
    let best = trained.iter().max_by(|a, b| a.elbo.total_cmp(&b.elbo)).expect("there is one");
    let (least, most) = (&trained[0], &trained[trained.len() - 1]);
    result_line(&[
        ("learned_sigma", learned.sigma),
        ("learned_elbo", learned.elbo),
        ("learned_kl", learned.kl),
        ("learned_error", learned.error),
        ("best_sigma", best.sigma),
        ("best_elbo", best.elbo),
        ("smallest_sigma_kl", least.kl),
        ("smallest_sigma_error", least.error),
        ("largest_sigma_kl", most.kl),
        ("largest_sigma_error", most.error),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

fn draw(
    folder: &RunFolder,
    test: &LabelledImages,
    trained: &[Trained],
    learned: &Trained,
) -> anyhow::Result<()> {
    let figure = |title: &str, label: &str, value: &dyn Fn(&Trained) -> f64| {
        Figure::new(title)
            .axes("σ²", label)
            .log_x()
            .line("σ² fixed", trained.iter().map(|t| (t.sigma * t.sigma, value(t))))
            .classes(["σ² learned"], [((learned.sigma * learned.sigma, value(learned)), 0)])
    };
    let diagonal = trained.iter().map(|t| (t.sigma * t.sigma, t.sigma * t.sigma));
    Panels::new("The noise level balances reconstruction and regularisation", 2)
        .figure(
            figure("Reconstruction", "squared error per pixel", &|t| t.error)
                .log_y()
                .line("squared error = σ²", diagonal),
        )
        .figure(figure("Regularisation", "KL(q(z|x) ‖ p(z)), nats", &|t| t.kl))
        .figure(figure("Bound", "ELBO, nats", &|t| t.elbo))
        .figure(figure("Latent dimensions in use", "active units", &|t| t.active as f64))
        .save(&folder.file("noise_level.png"))?;

    let (height, width, size) = (test.height, test.width, test.height * test.width);
    let shown = SHOWN.min(test.len()) * size;
    let mut images = ImageGrid::new("Reconstructions of test images", height, width)
        .row("data", &test.images.values[..shown]);
    let mut samples = ImageGrid::new("Samples: E[x|z] for z ~ N(0, I)", height, width);
    for t in trained {
        let label = format!("σ = {:.2}", t.sigma);
        images = images.row(&label, &t.reconstructions.values[..shown]);
        samples = samples.row(&label, &t.samples.values);
    }
    let label = format!("learned, {:.2}", learned.sigma);
    images.row(&label, &learned.reconstructions.values[..shown]).save(&folder.file("reconstructions.png"))?;
    samples.row(&label, &learned.samples.values).save(&folder.file("samples.png"))?;
    Ok(())
}
