//! The variance σ² of a Gaussian decoder balances reconstruction and regularisation (lecture 000, "Replace the likelihood by
//! the ELBO"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example noise_level
//!
//! Trains a VAE for each σ² and one that learns it, and draws both parts of the bound of test images over σ², means over seeds,
//! with reconstructions and samples of the first seed. With a small σ² the codes say much and leave the prior; with a large one they say nothing.
//! The model of the first seed that learns σ² is kept in `model.safetensors`.

mod common {
    pub(crate) mod keep;
    pub(crate) mod recommend;
    pub(crate) mod sets;
}

use std::process::ExitCode;

use autograd::Tape;
use common::recommend::recommend;
use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::model::{Model, ModelFile};
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, positive, whole, width};
use nn::stats::{Estimate, squared_distances};
use nn::train::{Fit, Schedule};
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
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = width)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    hidden: Vec<usize>,
    /// Draws of z for each test image in the bound
    #[arg(long, value_name = "N", default_value_t = 50,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
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
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let sets = sets::load(&args.run, args.rows)?;
    let run = Run::open(&args.run, args)?.documented("vae", "The noise level");
    let mut sigmas = args.sigmas.clone();
    sigmas.sort_by(f64::total_cmp);
    let fixed = sigmas.iter().map(|&sigma| Likelihood::Normal { sigma });
    let likelihoods: Vec<_> = fixed.chain([Likelihood::NormalLearned { start: START }]).collect();
    let seeds = args.run.seeds(args.seeds);
    let jobs: Vec<(Likelihood, u64)> = likelihoods
        .iter()
        .flat_map(|likelihood| seeds.iter().map(move |&seed| (likelihood.clone(), seed)))
        .collect();
    let trained = each("models", &jobs, |(likelihood, seed)| train(args, likelihood.clone(), *seed, &sets))?;
    let mut levels: Vec<Level<'_>> = trained.chunks_exact(seeds.len()).map(Level::new).collect();
    let learned = levels.pop().expect("one more than fixed ones");
    anyhow::ensure!(!levels.is_empty(), "--sigmas: expected one or more, found none");

    outln!("{} test images; nats per image, squares per pixel", sets[1].len());
    outln!("means over {} seeds ± standard error", seeds.len());
    table(&levels, &learned).print();
    let (sigma, square) = (learned.over.mean("sigma"), learned.over.mean("training_square"));
    outln!(
        "the learned σ² is {:.5}, E_q ‖x − E[x|z]‖² / D of the training images {square:.5}",
        sigma * sigma
    );
    recommend(&run, "σ² learned, of the first seed", learned.first.file.clone(), &sets[0])?;
    draw_parts(&levels, &learned).save(&run.picture(
        "noise_level.png",
        "The smaller σ², the better the reconstructions and the more nats the codes cost. The bound is highest \
        between the extremes, and the σ² that is learned should lie there (lecture 000, \"Replace the likelihood by \
        the ELBO\")",
    ))?;
    draw_images(&run, &sets[1], &levels, &learned)?;
    let elbo = |level: &&Level<'_>| level.over.mean("elbo");
    let best = levels.iter().max_by(|a, b| elbo(a).total_cmp(&elbo(b))).expect("there is one");
    let (least, most) = (&levels[0], &levels[levels.len() - 1]);
    let mut results: Results =
        learned.over.results().into_iter().map(|(name, value)| (format!("learned_{name}"), value)).collect();
    let fixed = [
        ("best_sigma", best, "sigma"),
        ("best_elbo", best, "elbo"),
        ("smallest_sigma_kl", least, "kl"),
        ("smallest_sigma_error", least, "error"),
        ("largest_sigma_kl", most, "kl"),
        ("largest_sigma_error", most, "error"),
    ];
    results.extend(fixed.map(|(name, level, of)| (name.to_owned(), level.over.mean(of))));
    run.found(&format!(
        "The noise level σ decides how many nats a code may cost (a nat is 1.44 bits). Of the fixed ones σ = {} has the best bound of \
         images that were not seen; a model that learns σ finds {sigma:.3} by itself.",
        (1e4 * best.over.mean("sigma")).round() / 1e4
    ));
    run.label(&[
        Label::new("learned_sigma", "noise level σ that is learned", "black is 0, white 1").over("seeds"),
        Label::new("learned_elbo", "ELBO of test images, σ learned", "nats per image").over("seeds"),
        Label::new("learned_kl", "cost of the codes, KL(q(z|x) ‖ p(z)), σ learned", "nats per image")
            .over("seeds"),
        Label::new("learned_error", "squared error of reconstructed test images, σ learned", "per pixel")
            .over("seeds"),
        Label::new(
            "learned_active_units",
            "latent dimensions that say something (active units), σ learned",
            "",
        )
        .over("seeds"),
        Label::new(
            "learned_training_square",
            "expected squared error of training images, E_q ‖x − E[x|z]‖² / D, σ learned",
            "per pixel",
        )
        .over("seeds"),
        Label::new("best_sigma", "fixed σ with the best ELBO", "black is 0, white 1"),
        Label::new("best_elbo", "ELBO of test images with that σ", "nats per image"),
        Label::new("*_sigma_kl", "cost of the codes, KL(q(z|x) ‖ p(z)), σ: *", "nats per image"),
        Label::new("*_sigma_error", "squared error of reconstructed test images, σ: *", "per pixel"),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// The models of a noise level.
struct Level<'a> {
    over: OverSeeds,
    first: &'a Trained,
}

impl<'a> Level<'a> {
    fn new(seeds: &'a [Trained]) -> Self {
        let over = OverSeeds::of(seeds.iter().map(|trained| &trained.results));
        Self { over, first: &seeds[0] }
    }

    fn variance(&self) -> f64 {
        self.over.mean("sigma").powi(2)
    }
}

/// A trained model: its σ, and what it says of the images.
struct Trained {
    /// σ, and of the test images ELBO, KL, the error ‖x − E[x|z = E_q(z|x)]‖² / D and active units; the error of the training
    /// images; and, of these, E_q ‖x − E[x|z]‖² / D.
    results: Results,
    reconstructions: Matrix<f32>,
    samples: Matrix<f32>,
    file: ModelFile,
}

fn train(
    args: &Args,
    likelihood: Likelihood,
    seed: u64,
    sets: &[LabelledImages; 2],
) -> anyhow::Result<Trained> {
    let [train, test] = sets.each_ref().map(|set| &set.images);
    let usual = VaeConfig::new(train.cols, &args.hidden, args.latent);
    let vae = Vae::new(&VaeConfig { likelihood, ..usual })?;
    let run = RunArgs { seed, ..args.run.clone() };
    let mut trainer = run.trainer(vae.layout());
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
    trainer.fit(&mut VaeObjective::new(&vae, train), None, &fit, &mut ())?;
    let bound = |data| VaeObjective { samples: args.samples, ..VaeObjective::new(&vae, data) };
    let (loss, learned) = (trainer.evaluate(&mut bound(test))?, trainer.evaluate(&mut bound(train))?);
    let theta = trainer.theta();
    let sigma = sigma(&vae, theta);
    // E_q log p(x|z) = −D (½ ln 2πσ² + E_q ‖x − E[x|z]‖² / 2σ²D)
    let ln_2pi = (2.0 * std::f64::consts::PI).ln();
    let square = -2.0 * learned.part("log_likelihood") / train.cols as f64 - ln_2pi - 2.0 * sigma.ln();
    let reconstructions = vae.reconstruct(theta, test);
    let error = Estimate::of(&squared_distances(&reconstructions, test)).mean / test.cols as f64;
    let results = [
        ("sigma", sigma),
        ("elbo", loss.part("elbo")),
        ("kl", loss.part("kl")),
        ("error", error),
        ("active_units", active_units(&vae.encode_rows(theta, test).mu) as f64),
        ("training_square", square * sigma * sigma),
    ];
    Ok(Trained {
        results: results.map(|(name, value)| (name.to_owned(), value)).into(),
        reconstructions,
        samples: vae.decode_prior_samples(theta, SHOWN, seed),
        file: vae.to_file(theta),
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

fn table(levels: &[Level<'_>], learned: &Level<'_>) -> TextTable {
    let header = ["σ", "squared error", "KL", "ELBO", "active units"];
    let mut table = TextTable::new().header(header);
    for level in levels.iter().chain([learned]) {
        let (over, is_learned) = (&level.over, std::ptr::eq(level, learned));
        let sigma = over.mean("sigma");
        let name = if is_learned { format!("{sigma:.4}, learned") } else { format!("{sigma:.3}") };
        let [error, kl, elbo] = [("error", 5), ("kl", 2), ("elbo", 2)].map(|(of, n)| over.cell(of, n));
        table.row([name, error, kl, elbo, format!("{:.1}", over.mean("active_units"))]);
    }
    table
}

/// The parts of the bound over σ².
fn draw_parts(levels: &[Level<'_>], learned: &Level<'_>) -> Panels {
    let figure = |title: &str, label: &str, of: &str| {
        Figure::new(title)
            .axes("σ²", label)
            .log_x()
            .line("σ² fixed", levels.iter().map(|level| (level.variance(), level.over.mean(of))))
            .classes(["σ² learned"], [((learned.variance(), learned.over.mean(of)), 0)])
    };
    let diagonal = levels.iter().map(|level| (level.variance(), level.variance()));
    let error = figure("Reconstruction", "squared error per pixel", "error");
    Panels::new("The noise level balances reconstruction and regularisation", 2)
        .figure(error.log_y().line("squared error = σ²", diagonal))
        .figure(figure("Regularisation", "KL(q(z|x) ‖ p(z)), nats", "kl"))
        .figure(figure("Bound", "ELBO, nats", "elbo"))
        .figure(figure("Latent dimensions in use", "active units", "active_units"))
}

/// Reconstructions and samples, a row for each σ.
fn draw_images(
    run: &Run<'_>,
    test: &LabelledImages,
    levels: &[Level<'_>],
    learned: &Level<'_>,
) -> anyhow::Result<()> {
    let (height, width, size) = (test.height, test.width, test.height * test.width);
    let shown = SHOWN.min(test.len()) * size;
    let mut images = ImageGrid::new("Reconstructions of test images", height, width)
        .row("data", &test.images.values[..shown]);
    let mut samples =
        ImageGrid::new("Samples from the prior: with a small σ codes leave gaps", height, width);
    for level in levels.iter().chain([learned]) {
        let name = if std::ptr::eq(level, learned) { "learned, " } else { "σ = " };
        let label = format!("{name}{:.2}", level.over.mean("sigma"));
        images = images.row(&label, &level.first.reconstructions.values[..shown]);
        samples = samples.row(&label, &level.first.samples.values);
    }
    images.save(&run.picture(
        "reconstructions.png",
        "Test images again, one row for each σ. With a large σ all look like an average; with a small one they are \
        sharp (lecture 000, \"Replace the likelihood by the ELBO\")",
    ))?;
    samples.save(&run.picture(
        "samples.png",
        "Draws from the prior, one row for each σ. With a small σ the codes no longer fill the prior, and samples \
        fall between them (lecture 000, \"Replace the likelihood by the ELBO\")",
    ))?;
    Ok(())
}
