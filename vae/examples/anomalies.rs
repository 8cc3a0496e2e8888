//! Anomaly detection (lecture 004, "Autoencoders (AE)"): what a model has not learned it cannot reconstruct. Each digit in
//! turn is left out of the training images, and is then to be told from the others; on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example anomalies
//!
//! Four scores: the reconstruction errors ‖x − x̂‖² of PCA, of an autoencoder and of a VAE with a normal decoder, and the VAE's
//! −log p(x) by importance sampling. Each is judged by the probability that it ranks an image of the unknown digit above a test
//! image of a known one (the area under the ROC curve: a half for a coin, 1 without mistakes). Writes these to
//! `out/vae-anomalies/` as a picture, with the scores and reconstructions of the digits that are told most and least easily.

mod common;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use common::sets::{self, squared_distances};
use nn::Estimate;
use nn::data::{LabelledImages, Matrix};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use rayon::prelude::*;
use vae::linear::Pca;
use vae::{Autoencoder, AutoencoderConfig, Config, Images, Likelihood, Reconstruction, Vae, area_under_roc};

/// Finds images of a digit that was not learned
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Principal components and dimensions of the latent spaces
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole)]
    latent: usize,
    /// Hidden layers of the encoders, and of the decoders in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = whole)]
    hidden: Vec<usize>,
    /// Draws of z for each image in log p(x)
    #[arg(long, value_name = "N", default_value_t = 100,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

const METHODS: [(&str, &str); 4] = [
    ("PCA, error", "pca"),
    ("autoencoder, error", "autoencoder"),
    ("VAE, error", "vae_error"),
    ("VAE, −log p(x)", "vae"),
];
/// The place among them of −log p(x), and of the one that all are compared with.
const SURPRISE: usize = 3;
const REFERENCE: usize = 1;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-anomalies", epochs: 100, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| detect(&args))?)
}

/// What three models that have not seen a digit make of it.
struct Unknown {
    digit: u8,
    /// Each method's scores of test images of known digits, and of all images of the unknown one.
    scores: [[Vec<f64>; 2]; 4],
    /// Each method's area under the ROC curve.
    areas: [f64; 4],
    /// Some images of the unknown digit, and each model's reconstructions.
    shown: [Matrix<f32>; 4],
}

fn leave_out(args: &Args, sets: &[LabelledImages; 2], digit: u8) -> anyhow::Result<Unknown> {
    let rows = |set: &LabelledImages, of_digit: bool| -> Matrix<f32> {
        let rows = (0..set.len()).filter(|&row| (set.labels[row] == digit) == of_digit);
        set.images.select(&rows.collect::<Vec<_>>())
    };
    let [train, test] = sets;
    let (known, usual) = (rows(train, false), rows(test, false));
    let parts = [rows(test, true), rows(train, true)];
    let values = parts.iter().flat_map(|part| part.values.iter().copied()).collect();
    let unknown = Matrix::new(parts.iter().map(|part| part.rows).sum(), known.cols, values);
    let some = unknown.select(&(0..unknown.rows.min(10)).collect::<Vec<_>>());
    let schedule = || Schedule::Cosine { epochs: args.run.epochs };

    let pca = Pca::fit(&known.map(f64::from), args.latent)
        .with_context(|| format!("principal components of the training images without the {digit}"))?;
    let of_pca = |x: &Matrix<f32>| pca.reconstruct(&x.map(f64::from)).map(|x| x as f32);

    let model = Autoencoder::new(&AutoencoderConfig::new(known.cols, &args.hidden, args.latent));
    let objective = Reconstruction { model: &model, data: &known, noise: 0.0 };
    let theta = common::start(&args.run, model.layout());
    let trainer = common::train(&args.run, theta, (&objective, known.rows), schedule())?;
    let of_autoencoder = |x: &Matrix<f32>| model.reconstruct(trainer.theta(), x);

    let likelihood = Likelihood::NormalLearned;
    let vae = Vae::new(&Config { likelihood, ..Config::new(known.cols, &args.hidden, args.latent) });
    let theta = common::start(&args.run, vae.layout());
    let trainer = common::train(&args.run, theta, (&Images::new(&vae, &known), known.rows), schedule())?;
    let of_vae = |x: &Matrix<f32>| vae.reconstruct(trainer.theta(), x);
    let surprise = |x: &Matrix<f32>| {
        let estimates = vae.log_likelihood_of_rows(trainer.theta(), x, args.samples, args.run.seed);
        estimates.into_iter().map(|log_p| -log_p.mean).collect::<Vec<_>>()
    };

    let scores = [
        [&usual, &unknown].map(|x| squared_distances(x, &of_pca(x))),
        [&usual, &unknown].map(|x| squared_distances(x, &of_autoencoder(x))),
        [&usual, &unknown].map(|x| squared_distances(x, &of_vae(x))),
        [&usual, &unknown].map(surprise),
    ];
    let finite = scores.iter().flatten().flatten().all(|score| score.is_finite());
    anyhow::ensure!(finite, "without the {digit}: a score is not finite; a smaller --lr may help");
    let areas = scores.each_ref().map(|[usual, unknown]| area_under_roc(usual, unknown));
    let reconstructions = [of_pca(&some), of_autoencoder(&some), of_vae(&some)];
    let [of_pca, of_autoencoder, of_vae] = reconstructions;
    Ok(Unknown { digit, scores, areas, shown: [some, of_pca, of_autoencoder, of_vae] })
}

fn detect(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    let sets = sets::digits(&args.run, args.images)?;
    let mut digits = sets[1].labels.clone();
    digits.sort_unstable();
    digits.dedup();
    anyhow::ensure!(digits.len() > 1, "test images of at least two digits are wanted");
    let folder = RunFolder::open(&args.run, args)?;
    let unknowns =
        digits.par_iter().map(|&digit| leave_out(args, &sets, digit)).collect::<anyhow::Result<Vec<_>>>()?;

    println!("area under the ROC curve of an unknown digit");
    println!("digit   PCA   autoencoder     VAE   VAE, −log p(x)");
    for Unknown { digit, areas: [pca, autoencoder, error, surprise], .. } in &unknowns {
        println!("{digit:5} {pca:5.3} {autoencoder:13.3} {error:7.3} {surprise:16.3}");
    }
    println!("mean over digits, and paired differences with their standard error over digits");
    let mut results = Vec::new();
    for (method, (name, key)) in METHODS.iter().enumerate() {
        let areas: Vec<f64> = unknowns.iter().map(|unknown| unknown.areas[method]).collect();
        let below: Vec<f64> =
            areas.iter().zip(&unknowns).map(|(area, of)| of.areas[REFERENCE] - area).collect();
        let (Estimate { mean, .. }, below) = (Estimate::of(&areas), Estimate::of(&below));
        print!("  {name:20} {mean:.3}");
        match method {
            REFERENCE => println!(),
            _ => println!(", {:.3} ± {:.3} below the {}", below.mean, below.se, METHODS[REFERENCE].0),
        }
        results.push((format!("{key}_area"), mean));
    }

    let mut areas = Figure::new("How well an unknown digit is told from the others")
        .axes("the digit that was not learned", "area under the ROC curve");
    for (method, (name, _)) in METHODS.iter().enumerate() {
        areas = areas.line(name, unknowns.iter().map(|of| (f64::from(of.digit), of.areas[method])));
    }
    areas.save(&folder.file("areas.png"))?;

    let by_vae = |a: &&Unknown, b: &&Unknown| a.areas[SURPRISE].total_cmp(&b.areas[SURPRISE]);
    let extremes = [unknowns.iter().max_by(by_vae), unknowns.iter().min_by(by_vae)];
    let mut panels = Panels::new("Scores −log p(x) of the digits that they tell most and least easily", 2);
    for (unknown, ease) in extremes.into_iter().flatten().zip(["most easily", "least easily"]) {
        let Unknown { digit, scores, shown, .. } = unknown;
        panels = panels.figure(histograms(*digit, &scores[SURPRISE]));
        let title = format!("A {digit}, {ease} told by −log p(x), and what models without it make of it");
        let labels = ["data", "PCA", "autoencoder", "VAE"];
        let grid = ImageGrid::new(&title, sets[0].height, sets[0].width);
        let rows = labels.into_iter().zip(shown);
        rows.fold(grid, |grid, (label, images)| grid.row(label, &images.values))
            .save(&folder.file(&format!("{}.png", ease.replace(' ', "-"))))?;
    }
    panels.save(&folder.file("scores.png"))?;
    println!("pictures are in {}", args.run.out.display());
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}

/// The shares of known and unknown images in bins of the score.
fn histograms(digit: u8, scores: &[Vec<f64>; 2]) -> Figure {
    const BINS: usize = 30;
    let all = || scores.iter().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let mut figure = Figure::new(&format!("a {digit} is unknown")).axes("−log p(x), nats", "share, %");
    for (name, scores) in ["known digits", "the unknown digit"].into_iter().zip(scores) {
        let mut shares = [0.0; BINS];
        for score in scores {
            shares[(((score - low) / width) as usize).min(BINS - 1)] += 100.0 / scores.len() as f64;
        }
        // The outline of the bars: two distributions are to be seen behind one another.
        let edges =
            (0..BINS).flat_map(|bin| [bin, bin + 1].map(|edge| (low + edge as f64 * width, shares[bin])));
        figure = figure.line(name, edges);
    }
    figure
}
