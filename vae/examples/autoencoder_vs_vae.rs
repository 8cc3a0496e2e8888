//! Why a latent space needs a distribution (lecture 000, "Using the autoencoder to simulate"), on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example autoencoder_vs_vae
//!
//! The same two networks are an autoencoder and, with noise on the code and a divergence in the loss, a VAE. Draws the codes by
//! class, images decoded from a grid over each latent space, and samples: of the VAE from the prior, of the autoencoder from a
//! normal distribution with the moments of its codes, for want of a better one.

mod common;

use std::process::ExitCode;
use std::time::Instant;

use common::sets::{self, squared_distance};
use nn::Layout;
use nn::Nonlinearity;
use nn::data::{LabelledImages, Matrix};
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line};
use nn::schedule::Schedule;
use nn::train::{Fit, Objective, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Autoencoder, AutoencoderConfig, Config, Images, Likelihood, Reconstruction, Vae};

/// Compares the latent spaces of an autoencoder and of a VAE with the same networks
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64")]
    hidden: Vec<usize>,
    /// σ of the VAE's decoder: ‖x − d(z)‖² is divided by 2σ²
    #[arg(long, value_name = "SIGMA", default_value_t = 0.2)]
    sigma: f64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

/// Draws that are compared with the data.
const DRAWS: usize = 1000;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-autoencoder_vs_vae", epochs: 300, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

fn train<O: Objective<f32>>(
    args: &Args,
    layout: &Layout,
    objective: &O,
    rows: usize,
) -> anyhow::Result<Trainer<f32>> {
    let theta = layout.init(&mut StdRng::seed_from_u64(args.run.seed));
    let mut trainer = Trainer::new(theta, Optimizer::new(Rule::ADAM, layout.size()), args.run.seed);
    let fit = Fit {
        epochs: args.run.epochs,
        batch_size: args.run.batch_size,
        rate: args.run.lr,
        schedule: Schedule::Cosine { epochs: args.run.epochs },
        patience: None,
    };
    trainer.fit(objective, rows, None, &fit, &mut ())?;
    Ok(trainer)
}

/// A latent space of two dimensions, and what was decoded from it.
struct Space {
    name: &'static str,
    /// Of the training images.
    codes: Matrix<f32>,
    /// Mean and standard deviation of the distribution that samples are drawn from, by dimension.
    moments: [(f64, f64); 2],
    samples: Matrix<f32>,
    manifold: Matrix<f32>,
    /// Of the test images.
    reconstruction: Matrix<f32>,
}

impl Space {
    fn new(
        name: &'static str,
        (codes, reconstruction): (Matrix<f32>, Matrix<f32>),
        moments: [(f64, f64); 2],
        seed: u64,
        decode: impl Fn(&Matrix<f32>) -> Matrix<f32>,
    ) -> Self {
        let mut z = vec![0.0_f32; 2 * DRAWS];
        Noise::evaluation(seed).normal(0, 2, &mut z);
        let place = |z: &mut [f32]| {
            z.iter_mut().zip(moments).for_each(|(z, (mean, sd))| *z = (mean + sd * f64::from(*z)) as f32);
        };
        z.chunks_exact_mut(2).for_each(place);
        let mut grid: Vec<f32> = (0..SIDE * SIDE).flat_map(|i| [at(i % SIDE), -at(i / SIDE)]).collect();
        grid.chunks_exact_mut(2).for_each(place);
        let [samples, manifold] = [z, grid].map(|z| decode(&Matrix::new(z.len() / 2, 2, z)));
        Self { name, codes, moments, samples, manifold, reconstruction }
    }
}

/// Images on a side of the grid, and where they are, in standard deviations.
const SIDE: usize = 13;

fn at(i: usize) -> f32 {
    -2.5 + 5.0 * i as f32 / (SIDE - 1) as f32
}

fn moments(codes: &Matrix<f32>, j: usize) -> (f64, f64) {
    let n = codes.rows as f64;
    let column = || (0..codes.rows).map(|i| f64::from(codes.row(i)[j]));
    let mean = column().sum::<f64>() / n;
    (mean, (column().map(|z| (z - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// The mean over rows of `from` of the root mean square difference to the nearest row of `to`.
fn nearest(from: &Matrix<f32>, to: &Matrix<f32>) -> f64 {
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let closest =
        |a: &[f32]| to.values.chunks_exact(to.cols).map(|b| distance(a, b)).fold(f32::INFINITY, f32::min);
    let sum: f64 =
        from.values.chunks_exact(from.cols).map(|a| f64::from(closest(a) / to.cols as f32).sqrt()).sum();
    sum / from.rows as f64
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(args.run.resume.is_none(), "--resume is for a single model");
    anyhow::ensure!(!args.hidden.contains(&0), "--hidden: no layer may have 0 neurons");
    anyhow::ensure!(args.sigma > 0.0 && args.sigma.is_finite(), "--sigma {}: must be positive", args.sigma);
    let [train_set, test] = sets::digits(&args.run, args.images)?;
    let folder = RunFolder::open(&args.run, args)?;
    let (x, seed) = (&train_set.images, args.run.seed);

    let model = Autoencoder::new(&AutoencoderConfig {
        inputs: x.cols,
        encoder: args.hidden.clone(),
        latent: 2,
        decoder: args.hidden.iter().rev().copied().collect(),
        phi: Nonlinearity::Relu,
        psi: Nonlinearity::Identity,
    });
    let trainer =
        train(args, model.layout(), &Reconstruction { model: &model, data: x, noise: 0.0 }, x.rows)?;
    let theta = trainer.theta();
    let codes = model.codes(theta, x);
    let of_codes = [0, 1].map(|j| moments(&codes, j));
    let both = (codes, model.reconstruct(theta, &test.images));
    let plain = Space::new("autoencoder", both, of_codes, seed, |z| model.decode_rows(theta, z));

    let likelihood = Likelihood::Normal { sigma: args.sigma };
    let vae = Vae::new(&Config { likelihood, ..Config::new(x.cols, &args.hidden, 2) });
    let trainer = train(args, vae.layout(), &Images::new(&vae, x), x.rows)?;
    let theta = trainer.theta();
    let both = (vae.codes(theta, x).0, vae.reconstruct(theta, &test.images));
    let prior = [(0.0, 1.0); 2];
    let variational = Space::new("VAE", both, prior, seed, |z| vae.decode_rows(theta, z));

    let spaces = [plain, variational];
    println!("root mean square differences of pixels; {DRAWS} samples of each");
    println!("                test image to its   sample to the nearest   test image to the");
    println!("                   reconstruction          training image      nearest sample");
    let mut results = Vec::new();
    for (Space { name, samples, reconstruction, .. }, key) in spaces.iter().zip(["autoencoder", "vae"]) {
        let error = (squared_distance(reconstruction, &test.images) / x.cols as f64).sqrt();
        let (realism, coverage) = (nearest(samples, x), nearest(&test.images, samples));
        println!("  {name:12} {error:18.4} {realism:23.4} {coverage:19.4}");
        results.extend([
            (format!("{key}_reconstruction"), error),
            (format!("{key}_sample_to_data"), realism),
            (format!("{key}_data_to_sample"), coverage),
        ]);
    }
    draw(&folder, &train_set, &spaces)?;
    println!("pictures are in {}", folder.path().display());
    results.push(("seconds".into(), started.elapsed().as_secs_f64()));
    result_line(&results.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>());
    Ok(())
}

fn draw(folder: &RunFolder, train: &LabelledImages, spaces: &[Space; 2]) -> anyhow::Result<()> {
    let (height, width) = (train.height, train.width);
    let mut panels =
        Panels::new("Codes of training images, and the circle within which are 95 % of the samples", 2);
    let mut images = ImageGrid::new("Samples", height, width);
    for Space { name, codes, moments: [(m1, s1), (m2, s2)], samples, manifold, .. } in spaces {
        let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
        let classes = train.labels.iter().map(|&label| usize::from(label));
        // √(−2 ln 0.05) standard deviations
        let radius = (-2.0 * 0.05_f64.ln()).sqrt();
        let circle = (0..=100).map(|i| {
            let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / 100.0).sin_cos();
            (m1 + s1 * radius * cos, m2 + s2 * radius * sin)
        });
        panels = panels.figure(
            Figure::new(name)
                .axes("z₁", "z₂")
                .legend("digit")
                .classes((0..10).map(|digit| digit.to_string()), points.zip(classes))
                .line("95 % of the samples", circle),
        );
        for (row, label) in [name, "", "", ""].into_iter().enumerate() {
            let size = 14 * height * width;
            images = images.row(label, &samples.values[row * size..][..size]);
        }
        let title = format!("Decoded from a grid of ±2.5 standard deviations: {name}");
        let file = format!("manifold_{}.png", name.to_lowercase());
        ImageGrid::new(&title, height, width)
            .zoom((32 / height).max(1))
            .rows(&manifold.values, SIDE)
            .save(&folder.file(&file))?;
    }
    panels.save(&folder.file("codes.png"))?;
    images.save(&folder.file("samples.png"))?;
    Ok(())
}
