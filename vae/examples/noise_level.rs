//! The variance σ² of a Gaussian decoder balances reconstruction and regularisation (lecture 000, "Replace the likelihood by
//! the ELBO"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example noise_level
//!
//! Trains a VAE for each σ² and one that learns it, and draws both parts of the bound of test images over σ², with
//! reconstructions and samples. With a small σ² the codes say much and leave the prior; with a large one they say nothing.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use autograd::Tape;
use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, Run, RunArgs, TextTable, positive, whole};
use nn::stats::{Estimate, squared_distances};
use nn::train::{Fit, Schedule};
use rayon::prelude::*;
use vae::{Likelihood, Observation, Vae, VaeConfig, VaeObjective, active_units};

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

/// Where the σ that is learned begins: from 1 the codes would first become the prior's, and some of them stay so.
const START: f64 = 0.1;
/// Images in a row of the pictures.
const SHOWN: usize = 10;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-noise_level", epochs: 200, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| sweep(&args))?)
}

fn sweep(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let sets = sets::load(&args.run, args.images)?;
    let run = Run::open(&args.run, args)?;
    let mut sigmas = args.sigmas.clone();
    sigmas.sort_by(f64::total_cmp);
    let fixed = sigmas.iter().map(|&sigma| Likelihood::Normal { sigma });
    let likelihoods: Vec<_> = fixed.chain([Likelihood::NormalLearned { start: START }]).collect();
    let trained = likelihoods.par_iter().map(|&likelihood| train(args, likelihood, &sets));
    let mut trained = trained.collect::<anyhow::Result<Vec<_>>>()?;
    let learned = trained.pop().expect("one more than fixed ones");
    anyhow::ensure!(!trained.is_empty(), "--sigmas: expected one or more, found none");

    println!("{} test images; nats per image, squares per pixel", sets[1].len());
    print!("{}", table(&trained, &learned));
    draw_parts(&trained, &learned).save(&run.file("noise_level.png"))?;
    draw_images(&run, &sets[1], &trained, &learned)?;
    let best = trained.iter().max_by(|a, b| a.elbo.total_cmp(&b.elbo)).expect("there is one");
    let (least, most) = (&trained[0], &trained[trained.len() - 1]);
    run.finish(&[
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
    ]);
    Ok(())
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
    let [train, test] = sets.each_ref().map(|set| &set.images);
    let usual = VaeConfig::new(train.cols, &args.hidden, args.latent);
    let vae = Vae::new(&VaeConfig { likelihood, ..usual })?;
    let mut trainer = args.run.trainer(vae.layout());
    let fit = Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..args.run.fit() };
    trainer.fit(&mut VaeObjective::new(&vae, train), None, &fit, &mut ())?;
    let mut bound = VaeObjective { samples: args.samples, ..VaeObjective::new(&vae, test) };
    let loss = trainer.evaluate(&mut bound)?;
    let theta = trainer.theta();
    let reconstructions = vae.reconstruct(theta, test);
    Ok(Trained {
        sigma: sigma(&vae, theta),
        elbo: loss.part("elbo"),
        kl: loss.part("kl"),
        error: Estimate::of(&squared_distances(&reconstructions, test)).mean / test.cols as f64,
        active: active_units(&vae.encode_rows(theta, test).mu),
        reconstructions,
        samples: vae.decode_prior_samples(theta, SHOWN, args.run.seed),
    })
}

/// The σ of the decoder, which does not depend on z.
fn sigma(vae: &Vae, theta: &[f32]) -> f64 {
    let tape = Tape::new();
    let z = tape.constant(&vec![0.0; vae.latent()], [1, vae.latent()]);
    match vae.decode(tape.constant(theta, [theta.len()]), z) {
        Observation::Normal(p) => f64::from(p.log_sigma.item()).exp(),
        other => unreachable!("the decoder is normal with one σ, not {other:?}"),
    }
}

fn table(trained: &[Trained], learned: &Trained) -> TextTable {
    let header = ["σ", "σ²", "squared error", "KL", "ELBO", "active units"];
    let mut table = TextTable::new().header(header);
    for t in trained.iter().chain([learned]) {
        let is_learned = std::ptr::eq(t, learned);
        let name = if is_learned { format!("{:.3}, learned", t.sigma) } else { format!("{:.3}", t.sigma) };
        let (variance, error) = (format!("{:.5}", t.sigma * t.sigma), format!("{:.5}", t.error));
        let [kl, elbo] = [format!("{:.3}", t.kl), format!("{:.2}", t.elbo)];
        table.row([name, variance, error, kl, elbo, t.active.to_string()]);
    }
    table
}

/// The parts of the bound over σ².
fn draw_parts(trained: &[Trained], learned: &Trained) -> Panels {
    let figure = |title: &str, label: &str, value: &dyn Fn(&Trained) -> f64| {
        Figure::new(title)
            .axes("σ²", label)
            .log_x()
            .line("σ² fixed", trained.iter().map(|t| (t.sigma * t.sigma, value(t))))
            .classes(["σ² learned"], [((learned.sigma * learned.sigma, value(learned)), 0)])
    };
    let diagonal = trained.iter().map(|t| (t.sigma * t.sigma, t.sigma * t.sigma));
    let error = figure("Reconstruction", "squared error per pixel", &|t| t.error);
    Panels::new("The noise level balances reconstruction and regularisation", 2)
        .figure(error.log_y().line("squared error = σ²", diagonal))
        .figure(figure("Regularisation", "KL(q(z|x) ‖ p(z)), nats", &|t| t.kl))
        .figure(figure("Bound", "ELBO, nats", &|t| t.elbo))
        .figure(figure("Latent dimensions in use", "active units", &|t| t.active as f64))
}

/// Reconstructions and samples, a row for each σ.
fn draw_images(
    run: &Run<'_>,
    test: &LabelledImages,
    trained: &[Trained],
    learned: &Trained,
) -> anyhow::Result<()> {
    let (height, width, size) = (test.height, test.width, test.height * test.width);
    let shown = SHOWN.min(test.len()) * size;
    let mut images = ImageGrid::new("Reconstructions of test images", height, width)
        .row("data", &test.images.values[..shown]);
    let mut samples = ImageGrid::new("Samples: E[x|z] for z ~ N(0, I)", height, width);
    let labels = trained.iter().map(|t| format!("σ = {:.2}", t.sigma));
    let labels = labels.chain([format!("learned, {:.2}", learned.sigma)]);
    for (t, label) in trained.iter().chain([learned]).zip(labels) {
        images = images.row(&label, &t.reconstructions.values[..shown]);
        samples = samples.row(&label, &t.samples.values);
    }
    images.save(&run.file("reconstructions.png"))?;
    samples.save(&run.file("samples.png"))?;
    Ok(())
}
