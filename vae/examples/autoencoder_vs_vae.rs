//! Why a latent space needs a distribution (lecture 000, "Using the autoencoder to simulate"), on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example autoencoder_vs_vae
//!
//! The same two networks are an autoencoder and, with noise on the code and a divergence in the loss, a VAE. Samples are decoded
//! from z that are drawn evenly from the box of the codes (lecture 004, "Generate new images ?"), from the normal distribution
//! with the codes' mean and covariance, and from N(0, I), the prior of the VAE; how many of them lie in gaps is counted for
//! each number of latent dimensions. Of two dimensions it draws the codes by class, and images decoded from a grid over the
//! latent space. It says how far codes reach, too (lecture 004, "Mapping to latence space"): nothing in the autoencoder's loss sets
//! their scale, and `--scale` begins with another. It compares, and keeps none of its models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use autograd::Tape;
use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::model::Layout;
use nn::model::density::MultivariateNormal;
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, positive, say, whole, width};
use nn::stats::{Estimate, nearest_rows, squared_distances};
use nn::train::{Fit, Noise, Rule, Schedule, Trainer};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use vae::{
    Autoencoder, AutoencoderConfig, AutoencoderObjective, Likelihood, Networks, Vae, VaeConfig, VaeObjective,
};

/// Compares the latent spaces of an autoencoder and of a VAE with the same networks
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space, two models of each
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "2,5,10,20",
        default_value_if("dry_run", "true", "2,3"), value_parser = width)]
    latent: Vec<usize>,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    hidden: Vec<usize>,
    /// σ of the VAE's decoder: ‖x − d(z)‖² is divided by 2σ²
    #[arg(long, value_name = "SIGMA", default_value_t = 0.3, value_parser = positive)]
    sigma: f64,
    /// Begin with codes that are so many times as large as usual, and with decoders that make the same of them
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    scale: f64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

/// Samples of each kind that are compared with the data.
const SAMPLES: usize = 1000;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-autoencoder_vs_vae", epochs: 300, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// How the z of samples are drawn.
#[derive(Clone, Copy)]
enum Draws {
    /// Evenly from the box that holds the codes.
    Even,
    /// From the normal distribution with the codes' mean and covariance.
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

/// A latent space.
struct Space {
    name: &'static str,
    key: &'static str,
    /// Codes of the training images.
    codes: Matrix<f32>,
    /// Reconstructions of the test images.
    reconstruction: Matrix<f32>,
    decode: Box<Decoder>,
}

impl Space {
    /// The codes' numbers in a dimension.
    fn column(&self, j: usize) -> impl Iterator<Item = f64> + Clone {
        self.codes.values.iter().skip(j).step_by(self.codes.cols).map(|&z| f64::from(z))
    }

    /// The largest number of a code without its sign, and the codes' standard deviation, a root mean square over dimensions.
    fn range(&self) -> (f64, f64) {
        let largest = self.codes.values.iter().fold(0.0_f64, |largest, z| largest.max(f64::from(z.abs())));
        let variances = (0..self.codes.cols).map(|j| self.moments(j).1.powi(2));
        (largest, (variances.sum::<f64>() / self.codes.cols as f64).sqrt())
    }

    /// The mean and the standard deviation of the codes in a dimension.
    fn moments(&self, j: usize) -> (f64, f64) {
        let n = self.codes.rows as f64;
        let mean = self.column(j).sum::<f64>() / n;
        (mean, (self.column(j).map(|z| (z - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    /// μ + L ε for rows ε of standard normal numbers, μ and L Lᵀ the mean and covariance of the codes.
    fn like_codes(&self, noise: &[f64]) -> anyhow::Result<Vec<f64>> {
        let (tape, rows, latent) = (Tape::new(), self.codes.rows, self.codes.cols);
        let codes = tape.constant(&self.codes.map(f64::from).values, [rows, latent]);
        let mu = codes.mean_axis(0);
        let covariance = (codes - mu).t_matmul(codes - mu) / rows as f64;
        // With it, a dimension that does not vary has a factor, too.
        let ridge = tape.constant(&vec![1e-12; latent], [latent]).diagonal_matrix();
        let normal = MultivariateNormal { mu, l: (covariance + ridge).cholesky()? };
        Ok(normal.sample_with(tape.constant(noise, [noise.len() / latent, latent])).to_vec())
    }

    fn draw(&self, draws: Draws, seed: u64) -> anyhow::Result<Matrix<f32>> {
        let latent = self.codes.cols;
        let mut z = vec![0.0_f64; latent * SAMPLES];
        Noise::evaluation(seed).normal(0, latent, &mut z);
        match draws {
            Draws::Even => {
                let mut rng = StdRng::seed_from_u64(seed);
                z.iter_mut().for_each(|z| *z = rng.random());
                for j in 0..latent {
                    let low = self.column(j).fold(f64::INFINITY, f64::min);
                    let high = self.column(j).fold(f64::NEG_INFINITY, f64::max);
                    z.iter_mut().skip(j).step_by(latent).for_each(|z| *z = low + (high - low) * *z);
                }
            }
            Draws::Moments => z = self.like_codes(&z)?,
            Draws::Prior => {}
        }
        Ok(Matrix::new(SAMPLES, latent, z.into_iter().map(|z| z as f32).collect()))
    }
}

/// A trainer whose θ begins with codes that are `--scale` times as large, and with a decoder that takes them so: what is reconstructed
/// from a code does not change.
fn begin(args: &Args, layout: &Layout, networks: &Networks, latent: usize) -> Trainer<f32> {
    let mut theta: Vec<f32> = layout.init(&mut StdRng::seed_from_u64(args.run.seed));
    let scale = args.scale as f32;
    let outputs = networks.encoder.last_bias().range().len();
    // Behind the codes, or their means, stand the logarithms of σ.
    let rows = theta[networks.encoder.last_weight().range()].chunks_exact_mut(outputs);
    rows.for_each(|row| row[..latent].iter_mut().for_each(|weight| *weight *= scale));
    theta[layout.range("decoder.0.weight")].iter_mut().for_each(|weight| *weight /= scale);
    Trainer::new(layout, theta, Rule::ADAM, args.run.seed)
}

/// The autoencoder and the VAE with so many latent dimensions.
fn trained(args: &Args, sets: &[LabelledImages; 2], latent: usize) -> anyhow::Result<[Space; 2]> {
    let [x, test] = sets.each_ref().map(|set| &set.images);
    let fit = Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..args.run.fit() };

    let model = Autoencoder::new(&AutoencoderConfig::new(x.cols, &args.hidden, latent))?;
    let mut trainer = begin(args, model.layout(), model.networks(), latent);
    let mut objective = AutoencoderObjective { model: &model, data: x, noise: 0.0 };
    trainer.fit(&mut objective, None, &fit, &mut ())?;
    let theta = trainer.theta().clone();
    let plain = Space {
        name: "autoencoder",
        key: "autoencoder",
        codes: model.encode_rows(&theta, x),
        reconstruction: model.reconstruct(&theta, test),
        decode: Box::new(move |z| model.decode_rows(&theta, z)),
    };

    let likelihood = Likelihood::Normal { sigma: args.sigma };
    let vae = Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(x.cols, &args.hidden, latent) })?;
    let mut trainer = begin(args, vae.layout(), vae.networks(), latent);
    trainer.fit(&mut VaeObjective::new(&vae, x), None, &fit, &mut ())?;
    let theta = trainer.theta().clone();
    let variational = Space {
        name: "VAE",
        key: "vae",
        codes: vae.encode_rows(&theta, x).mu,
        reconstruction: vae.reconstruct(&theta, test),
        decode: Box::new(move |z| vae.decode_rows(&theta, z)),
    };
    Ok([plain, variational])
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let sets = sets::load(&args.run, args.rows)?;
    let run =
        Run::open(&args.run, args)?.documented("vae", "An autoencoder and a VAE with the same networks");
    say(&format!(
        "root mean square differences of pixels; {SAMPLES} samples of each kind, of which those lie in a gap that \
         are further from all training images than 95 % of the reconstructions of test images are"
    ));
    let mut results = Vec::new();
    // By model and way to draw.
    let mut curves: [[Vec<(f64, f64)>; 3]; 2] = Default::default();
    let mut latents = args.latent.clone();
    latents.sort_unstable();
    latents.dedup();
    for latent in latents {
        let spaces = trained(args, &sets, latent)?;
        outln!("{latent} latent dimensions");
        let title = format!("Samples of {latent} latent dimensions, by how z was drawn");
        let mut images = ImageGrid::new(&title, sets[0].height, sets[0].width);
        for (space, curves) in spaces.iter().zip(&mut curves) {
            images = sample(space, &sets, args.run.seed, images, curves, &mut results)?;
        }
        images.save(&run.picture(
            &format!("samples-{latent}.png"),
            "Two rows for each model and each way to draw z. Look for images that are no digits: they come from \
            places where no code is (lecture 004, \"Generate new images ?\")",
        ))?;
        if latent == 2 {
            draw(&run, &sets[0], &spaces)?;
        }
    }
    let [of_autoencoder, of_vae] = &curves;
    Figure::new("Samples in gaps, by the number of latent dimensions")
        .axes("latent dimensions", "samples in a gap, %")
        .line("autoencoder, evenly drawn", of_autoencoder[0].iter().copied())
        .line("autoencoder, codes' moments", of_autoencoder[1].iter().copied())
        .line("VAE, evenly drawn", of_vae[0].iter().copied())
        .line("VAE, N(0, I)", of_vae[2].iter().copied())
        .save(&run.picture(
            "gaps.png",
            "The share of samples that lie farther from all data than nearly all test images do. The VAE drawn from \
            its prior should stay low; an autoencoder has no prior, and its gaps grow with the number of dimensions \
            (lecture 000, \"Using the autoencoder to simulate\")",
        ))?;
    if let (Some(&(latent, plain)), Some(&(_, variational))) = (of_autoencoder[1].last(), of_vae[2].last()) {
        run.found(&format!(
            "With {latent} latent dimensions {plain:.0} % of the images that are drawn from the autoencoder lie in a gap, farther from all \
             training images than nearly all test images do; of those drawn from the VAE {variational:.0} %."
        ));
    }
    run.label(&[
        Label::new("*_reconstruction", "root mean square difference of test images and their reconstructions; model and latent dimensions: *", "black is 0, white 1"),
        Label::new("*_sample_to_data", "root mean square difference of samples and the nearest training image; model, latent dimensions, way to draw: *", "black is 0, white 1"),
        Label::new("*_gaps", "samples in a gap, far from all training images; model, latent dimensions, way to draw: *", "share"),
        Label::new("*_range", "largest coordinate of the codes of training images; model and latent dimensions: *", ""),
        Label::new("*_spread", "standard deviation of the codes; model and latent dimensions: *", ""),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// Draws samples from a latent space in three ways, adds two rows of each to the images, and counts how many lie in gaps.
fn sample(
    space: &Space,
    sets: &[LabelledImages; 2],
    seed: u64,
    mut images: ImageGrid,
    curves: &mut [Vec<(f64, f64)>; 3],
    results: &mut Vec<(String, f64)>,
) -> anyhow::Result<ImageGrid> {
    let [x, test] = sets.each_ref().map(|set| &set.images);
    let Space { name, key, reconstruction, decode, codes } = space;
    let latent = codes.cols;
    let error = Estimate::of(&squared_distances(reconstruction, test)).mean;
    let error = (error / x.cols as f64).sqrt();
    results.push((format!("{key}_{latent}_reconstruction"), error));
    let distances = |images: &Matrix<f32>| -> Vec<f64> {
        nearest_rows(images, x).iter().map(|near| near.distance).collect()
    };
    let mut usual = distances(reconstruction);
    usual.sort_by(f64::total_cmp);
    let far = usual[usual.len() * 95 / 100];
    let cells = |what: &str, distance: f64, gaps: f64| {
        [what.to_owned(), format!("{distance:.4}"), format!("{:.1} %", 100.0 * gaps)]
    };
    let mut table = TextTable::new().header(["", "to nearest training image", "in a gap"]);
    table.row(cells("reconstructions of test images", Estimate::of(&usual).mean, 0.05));
    for ((draws, of, drawn), curve) in DRAWS.into_iter().zip(curves) {
        let samples = decode(&space.draw(draws, seed)?);
        for (row, label) in [format!("{name}, {drawn}"), String::new()].iter().enumerate() {
            images = images.row(label, &samples.values[row * 14 * x.cols..][..14 * x.cols]);
        }
        let distances = distances(&samples);
        let mean = Estimate::of(&distances).mean;
        let gaps = distances.iter().filter(|&&distance| distance > far).count() as f64 / SAMPLES as f64;
        table.row(cells(&format!("samples, z {drawn}"), mean, gaps));
        results.push((format!("{key}_{latent}_{of}_sample_to_data"), mean));
        results.push((format!("{key}_{latent}_{of}_gaps"), gaps));
        curve.push((latent as f64, 100.0 * gaps));
    }
    outln!("{name}: {error:.4} from test images to their reconstructions");
    let (largest, spread) = space.range();
    outln!("the codes reach to {largest:.1}, their standard deviation is {spread:.2}");
    results.push((format!("{key}_{latent}_range"), largest));
    results.push((format!("{key}_{latent}_spread"), spread));
    table.print();
    Ok(images)
}

/// Draws latent spaces of two dimensions.
fn draw(run: &Run<'_>, train: &LabelledImages, spaces: &[Space; 2]) -> anyhow::Result<()> {
    let mut panels = Panels::new("Codes of training images", 2);
    for space in spaces {
        panels = panels.figure(codes(space, &train.labels)?);
        let path = run.picture(
            &format!("manifold_{}.png", space.key),
            "What the decoder makes of a grid over the codes. With gaps between the codes, some of these images are \
            no digits (lecture 004, \"Generate new images ?\")",
        );
        manifold(space, train.height, train.width).save(&path)?;
    }
    panels.save(&run.picture(
        "codes.png",
        "Where both encoders put the training images, with the ellipses that samples are drawn from. The VAE fills \
        the circle of N(0, I); the autoencoder leaves gaps and long arms (lecture 000, \"Using the autoencoder to \
        simulate\")",
    ))?;
    Ok(())
}

/// The codes by class, and ellipses that hold 95 % of the normal distributions.
fn codes(space: &Space, labels: &[u8]) -> anyhow::Result<Figure> {
    let Space { name, codes, .. } = space;
    let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
    let classes = labels.iter().map(|&label| usize::from(label));
    // √(−2 ln 0.05) standard deviations
    let radius = (-2.0 * 0.05_f64.ln()).sqrt();
    let on_circle = |i| {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(i) / 100.0).sin_cos();
        [radius * cos, radius * sin]
    };
    let circle: Vec<f64> = (0..=100).flat_map(on_circle).collect();
    let ellipse = space.like_codes(&circle)?;
    let line = |z: &[f64]| z.chunks_exact(2).map(|z| (z[0], z[1])).collect::<Vec<_>>();
    Ok(Figure::new(name)
        .axes("z₁", "z₂")
        .equal_axes()
        .classes((0..10).map(|digit| digit.to_string()), points.zip(classes))
        .line("95 %, codes' moments", line(&ellipse))
        .line("95 %, N(0, I)", line(&circle)))
}

/// Images decoded from a grid over the codes.
fn manifold(space: &Space, height: usize, width: usize) -> ImageGrid {
    const SIDE: usize = 13;
    let at = |i: usize| -2.5 + 5.0 * i as f64 / (SIDE - 1) as f64;
    let [(m1, s1), (m2, s2)] = [0, 1].map(|j| space.moments(j));
    let grid = (0..SIDE * SIDE).flat_map(|i| [m1 + s1 * at(i % SIDE), m2 - s2 * at(i / SIDE)]);
    let grid = Matrix::new(SIDE * SIDE, 2, grid.map(|z| z as f32).collect());
    let title = format!("Decoded from a grid of ±2.5 standard deviations of the codes: {}", space.name);
    ImageGrid::new(&title, height, width).zoom((32 / height).max(1)).rows(&(space.decode)(&grid).values, SIDE)
}
