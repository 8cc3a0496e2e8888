//! Why a latent space needs a distribution (lecture 000, "Using the autoencoder to simulate"), on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example autoencoder_vs_vae
//!
//! The same two networks are an autoencoder and, with noise on the code and a divergence in the loss, a VAE. Draws the codes by
//! class, images decoded from a grid over each latent space, and samples decoded from z that are drawn evenly from the range of
//! the codes (lecture 004, "Generate new images ?"), from a normal distribution with the codes' moments, and from N(0, I), the
//! prior of the VAE. Counts how many samples lie in gaps.

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
use nn::run::{Defaults, RunArgs, RunFolder, positive, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Objective, Trainer};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use vae::{Autoencoder, AutoencoderConfig, Config, Images, Likelihood, Reconstruction, Vae};

/// Compares the latent spaces of an autoencoder and of a VAE with the same networks
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = whole)]
    hidden: Vec<usize>,
    /// σ of the VAE's decoder: ‖x − d(z)‖² is divided by 2σ²
    #[arg(long, value_name = "SIGMA", default_value_t = 0.3, value_parser = positive)]
    sigma: f64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

/// Samples of each kind that are compared with the data.
const SAMPLES: usize = 1000;

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
    let fit = args.run.fit(Schedule::Cosine { epochs: args.run.epochs }, None);
    trainer.fit(objective, rows, None, &fit, &mut ())?;
    Ok(trainer)
}

/// How the z of samples are drawn.
#[derive(Clone, Copy)]
enum Draws {
    /// Evenly from the rectangle of the codes.
    Even,
    /// From a normal distribution with the codes' moments.
    Moments,
    /// From N(0, I).
    Prior,
}

const DRAWS: [(Draws, &str, &str); 3] = [
    (Draws::Even, "even", "evenly drawn"),
    (Draws::Moments, "moments", "by the codes' moments"),
    (Draws::Prior, "prior", "from N(0, I)"),
];

type Decoder = dyn Fn(&Matrix<f32>) -> Matrix<f32>;

/// A latent space of two dimensions.
struct Space {
    name: &'static str,
    key: &'static str,
    /// Of the training images.
    codes: Matrix<f32>,
    /// Of the test images.
    reconstruction: Matrix<f32>,
    decode: Box<Decoder>,
}

impl Space {
    /// A column of the training images' codes.
    fn column(&self, j: usize) -> impl Iterator<Item = f64> {
        self.codes.values.iter().skip(j).step_by(2).map(|&z| f64::from(z))
    }

    /// Mean and standard deviation of the training images' codes, by dimension.
    fn moments(&self) -> [(f64, f64); 2] {
        let n = self.codes.rows as f64;
        [0, 1].map(|j| {
            let mean = self.column(j).sum::<f64>() / n;
            (mean, (self.column(j).map(|z| (z - mean).powi(2)).sum::<f64>() / n).sqrt())
        })
    }

    fn draw(&self, draws: Draws, seed: u64) -> Matrix<f32> {
        let places = match draws {
            Draws::Even => [0, 1].map(|j| {
                let low = self.column(j).fold(f64::INFINITY, f64::min);
                (low, self.column(j).fold(f64::NEG_INFINITY, f64::max) - low)
            }),
            Draws::Moments => self.moments(),
            Draws::Prior => [(0.0, 1.0); 2],
        };
        let mut z = vec![0.0_f64; 2 * SAMPLES];
        match draws {
            Draws::Even => {
                let mut rng = StdRng::seed_from_u64(seed);
                z.iter_mut().for_each(|z| *z = rng.random());
            }
            _ => Noise::evaluation(seed).normal(0, 2, &mut z),
        }
        let placed = z.iter().zip(places.iter().cycle()).map(|(z, (from, size))| (from + size * z) as f32);
        Matrix::new(SAMPLES, 2, placed.collect())
    }
}

/// Images on a side of the grid.
const SIDE: usize = 13;

/// The distance of each row of `from` to the nearest row of `to`, as a root mean square over columns.
fn nearest(from: &Matrix<f32>, to: &Matrix<f32>) -> Vec<f64> {
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let closest = |a: &[f32]| {
        let squares = to.values.chunks_exact(to.cols).map(|b| distance(a, b));
        f64::from(squares.fold(f32::INFINITY, f32::min) / to.cols as f32).sqrt()
    };
    from.values.par_chunks_exact(from.cols).map(closest).collect()
}

fn average(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(args.run.resume.is_none(), "--resume is for a single model");
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
    let objective = Reconstruction { model: &model, data: x, noise: 0.0 };
    let theta = train(args, model.layout(), &objective, x.rows)?.theta().clone();
    let plain = Space {
        name: "autoencoder",
        key: "autoencoder",
        codes: model.codes(&theta, x),
        reconstruction: model.reconstruct(&theta, &test.images),
        decode: Box::new(move |z| model.decode_rows(&theta, z)),
    };

    let likelihood = Likelihood::Normal { sigma: args.sigma };
    let vae = Vae::new(&Config { likelihood, ..Config::new(x.cols, &args.hidden, 2) });
    let theta = train(args, vae.layout(), &Images::new(&vae, x), x.rows)?.theta().clone();
    let variational = Space {
        name: "VAE",
        key: "vae",
        codes: vae.codes(&theta, x).0,
        reconstruction: vae.reconstruct(&theta, &test.images),
        decode: Box::new(move |z| vae.decode_rows(&theta, z)),
    };

    let spaces = [plain, variational];
    println!(
        "root mean square differences of pixels; {SAMPLES} samples of each kind, of which those lie in a gap that"
    );
    println!("are further from all training images than 95 % of the reconstructions of test images are");
    println!("                                           to nearest training image   in a gap");
    let mut results = Vec::new();
    for space in &spaces {
        let Space { name, key, reconstruction, decode, .. } = space;
        let error = (squared_distance(reconstruction, &test.images) / x.cols as f64).sqrt();
        results.push((format!("{key}_reconstruction"), error));
        let mut usual = nearest(reconstruction, x);
        usual.sort_by(f64::total_cmp);
        let far = usual[usual.len() * 95 / 100];
        println!("  {name}: {error:.4} from test images to their reconstructions");
        println!("    {:38} {:25.4} {:8.1} %", "reconstructions of test images", average(&usual), 5.0);
        for (draws, of, drawn) in DRAWS {
            let distances = nearest(&decode(&space.draw(draws, seed)), x);
            let gaps = distances.iter().filter(|&&distance| distance > far).count() as f64 / SAMPLES as f64;
            let how = format!("samples, z {drawn}");
            println!("    {how:38} {:25.4} {:8.1} %", average(&distances), 100.0 * gaps);
            results.push((format!("{key}_{of}_sample_to_data"), average(&distances)));
            results.push((format!("{key}_{of}_gaps"), gaps));
        }
    }
    draw(&folder, &train_set, &spaces, seed)?;
    println!("pictures are in {}", folder.path().display());
    results.push(("seconds".into(), started.elapsed().as_secs_f64()));
    result_line(&results.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>());
    Ok(())
}

fn draw(folder: &RunFolder, train: &LabelledImages, spaces: &[Space; 2], seed: u64) -> anyhow::Result<()> {
    let (height, width) = (train.height, train.width);
    let mut panels = Panels::new("Codes of training images", 2);
    let mut images = ImageGrid::new("Samples, by how z was drawn", height, width);
    for space in spaces {
        let Space { name, key, codes, decode, .. } = space;
        let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
        let classes = train.labels.iter().map(|&label| usize::from(label));
        // √(−2 ln 0.05) standard deviations
        let radius = (-2.0 * 0.05_f64.ln()).sqrt();
        let circle = |[(m1, s1), (m2, s2)]: [(f64, f64); 2]| {
            (0..=100).map(move |i| {
                let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / 100.0).sin_cos();
                (m1 + s1 * radius * cos, m2 + s2 * radius * sin)
            })
        };
        let moments = space.moments();
        panels = panels.figure(
            Figure::new(name)
                .axes("z₁", "z₂")
                .classes((0..10).map(|digit| digit.to_string()), points.zip(classes))
                .line("95 %, codes' moments", circle(moments))
                .line("95 %, N(0, I)", circle([(0.0, 1.0); 2])),
        );
        for (draws, _, drawn) in DRAWS {
            let samples = decode(&space.draw(draws, seed));
            for (row, label) in [format!("{name}, {drawn}"), String::new()].iter().enumerate() {
                let size = 14 * height * width;
                images = images.row(label, &samples.values[row * size..][..size]);
            }
        }
        let at = |i: usize| -2.5 + 5.0 * i as f64 / (SIDE - 1) as f64;
        let [(m1, s1), (m2, s2)] = moments;
        let grid = (0..SIDE * SIDE).flat_map(|i| [m1 + s1 * at(i % SIDE), m2 - s2 * at(i / SIDE)]);
        let grid = Matrix::new(SIDE * SIDE, 2, grid.map(|z| z as f32).collect());
        let title = format!("Decoded from a grid of ±2.5 standard deviations of the codes: {name}");
        ImageGrid::new(&title, height, width)
            .zoom((32 / height).max(1))
            .rows(&decode(&grid).values, SIDE)
            .save(&folder.file(&format!("manifold_{key}.png")))?;
    }
    panels.save(&folder.file("codes.png"))?;
    images.save(&folder.file("samples.png"))?;
    Ok(())
}
