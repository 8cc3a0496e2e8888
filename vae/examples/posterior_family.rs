//! A full covariance in q(z|x) against a diagonal one (lecture 001, "Full Gaussian posterior"), on the embedded digits or
//! MNIST's:
//!
//!     cargo run --release -p vae --example posterior_family
//!
//! Trains both from the same weights, with no covariance to begin with, seed by seed, and compares their bounds on images not
//! seen in training. Writes to `out/vae-posterior_family/`: the bounds, and exact posteriors of some images with the ellipses
//! that stand for them.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use autograd::Tape;
use nn::Estimate;
use nn::data::LabelledImages;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use vae::{Config, Family, Images, Vae};

use common::sets;

/// Compares a diagonal and a full covariance in the posterior
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space; exact posteriors are drawn for two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole)]
    latent: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"))]
    seeds: u64,
    /// Draws of z for each image in the bound
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// With --data, the first images of MNIST's training set to use, and a fifth as many of its test images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-posterior_family", epochs: 200, batch_size: 32, lr: 2e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

const FAMILIES: [(&str, Family); 2] = [("diagonal", Family::Diagonal), ("full covariance", Family::Full)];

/// A model with its θ, and its bound and log-likelihood on the test images.
struct Trained {
    vae: Vae,
    theta: Arc<Vec<f32>>,
    elbo: f64,
    log_likelihood: f64,
}

/// A θ of the diagonal model, and 0 for what computes covariances.
fn start(diagonal: &Vae, vae: &Vae, seed: u64) -> Vec<f32> {
    let drawn: Vec<f32> = diagonal.layout().init(&mut StdRng::seed_from_u64(seed));
    let mut theta = vec![0.0; vae.layout().size()];
    for (from, to) in diagonal.layout().slots().iter().zip(vae.layout().slots()) {
        let (width, wider) = (from.shape().last(), to.shape().last());
        let rows = theta[to.range()].chunks_exact_mut(wider).zip(drawn[from.range()].chunks_exact(width));
        rows.for_each(|(to, from)| to[..width].copy_from_slice(from));
    }
    theta
}

fn train(args: &Args, posterior: Family, seed: u64, sets: &[LabelledImages; 2]) -> anyhow::Result<Trained> {
    let [train, test] = sets;
    let config = Config::new(train.images.cols, &[64, 64], args.latent);
    let vae = Vae::new(&Config { posterior, ..config.clone() });
    let theta = start(&Vae::new(&config), &vae, seed);
    let run = RunArgs { seed, ..args.run.clone() };
    let (objective, schedule) = (Images::new(&vae, &train.images), Schedule::Cosine { epochs: run.epochs });
    let mut trainer = common::train(&run, theta, (&objective, run.rows(train.len())), schedule)?;
    let rows: Vec<usize> = (0..args.run.rows(test.len())).collect();
    let bound = Images { samples: args.samples, ..Images::new(&vae, &test.images) };
    let elbo = trainer.evaluate(&bound, &rows).parts[0];
    let log_likelihood = vae.log_likelihood(trainer.theta(), &test.images.select(&rows), args.samples, seed);
    let theta = trainer.theta().clone();
    Ok(Trained { vae, theta, elbo, log_likelihood: log_likelihood.mean })
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds {}: at least 2 are compared", args.seeds);
    let sets = sets::digits(&args.run, args.images)?;
    let folder = RunFolder::open(&args.run, args)?;

    let jobs: Vec<(u64, Family)> =
        (0..args.seeds).flat_map(|i| FAMILIES.map(|(_, family)| (args.run.seed + i, family))).collect();
    let trained = jobs
        .par_iter()
        .map(|&(seed, family)| train(args, family, seed, &sets))
        .collect::<anyhow::Result<Vec<_>>>()?;

    println!("bound of test images, nats per image; in brackets log p(x) by {} samples", args.samples);
    println!("seed          diagonal   full covariance   difference");
    let mut differences = Vec::new();
    for (i, pair) in trained.chunks_exact(2).enumerate() {
        let difference = pair[1].elbo - pair[0].elbo;
        let [diagonal, full] = [0, 1].map(|i| format!("{:.3} ({:.3})", pair[i].elbo, pair[i].log_likelihood));
        println!("{:4} {diagonal} {full} {difference:12.3}", args.run.seed + i as u64);
        differences.push(difference);
    }
    let (n, Estimate { mean, se }) = (differences.len() as f64, Estimate::of(&differences));
    println!("mean difference {mean:.3} ± {se:.3} (standard error over seeds)");

    let bars = differences.iter().enumerate().map(|(i, d)| (args.run.seed as f64 + i as f64, *d));
    Figure::new("What a full covariance adds to the bound of test images")
        .axes("seed", "ELBO with a full covariance − with a diagonal one, nats")
        .bars("full − diagonal", 0.5, bars)
        .line("mean", [-0.4, n - 0.6].map(|x| (args.run.seed as f64 + x, mean)))
        .save(&folder.file("bounds.png"))?;
    if args.latent == 2 {
        posteriors(&trained[..2], &sets[1]).save(&folder.file("posteriors.png"))?;
    }
    println!("pictures are in {}", args.run.out.display());
    let over =
        |f: fn(&Trained) -> f64, family| trained.iter().skip(family).step_by(2).map(f).sum::<f64>() / n;
    result_line(&[
        ("elbo_diagonal", over(|t| t.elbo, 0)),
        ("elbo_full", over(|t| t.elbo, 1)),
        ("log_likelihood_diagonal", over(|t| t.log_likelihood, 0)),
        ("log_likelihood_full", over(|t| t.log_likelihood, 1)),
        ("difference", mean),
        ("difference_se", se),
        ("smallest_difference", differences.iter().copied().fold(f64::INFINITY, f64::min)),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// p(z|x) ∝ p(x|z) p(z) on a grid around the posterior, and the ellipse of two standard deviations of q.
fn posteriors(trained: &[Trained], test: &LabelledImages) -> Panels {
    const SIDE: usize = 90;
    let mut panels = Panels::new("Exact posteriors and q(z|x) at two standard deviations", 3);
    for (Trained { vae, theta, .. }, (name, _)) in trained.iter().zip(FAMILIES) {
        for image in 0..3.min(test.len()) {
            let x = test.images.select(&[image]);
            let tape = Tape::new();
            let on_tape = tape.shared_constant(theta, [theta.len()]);
            let q = vae.encode(on_tape, tape.constant(&x.values, [1, x.cols]));
            let round: Vec<f32> = (0..=100)
                .flat_map(|i| {
                    let angle = std::f32::consts::TAU * i as f32 / 100.0;
                    [2.0 * angle.cos(), 2.0 * angle.sin()]
                })
                .collect();
            let ellipse = q.sample_with(tape.constant(&round, [101, 1, 2])).to_vec();
            let centre = q.mean().to_vec();
            let reach = ellipse
                .chunks_exact(2)
                .fold(0.0_f32, |reach, z| reach.max((z[0] - centre[0]).abs()).max((z[1] - centre[1]).abs()));
            let (centre, reach) = ([f64::from(centre[0]), f64::from(centre[1])], 1.6 * f64::from(reach));
            let at = |i: usize| reach * ((2 * i + 1) as f64 / SIDE as f64 - 1.0);
            let grid: Vec<f32> = (0..SIDE * SIDE)
                .flat_map(|i| [(centre[0] + at(i % SIDE)) as f32, (centre[1] + at(i / SIDE)) as f32])
                .collect();
            let z = tape.constant(&grid, [SIDE * SIDE, 2]);
            let images = tape.constant(&x.values.repeat(SIDE * SIDE), [SIDE * SIDE, x.cols]);
            let log_joint = vae.decode(on_tape, z).log_prob(images) + z.square().sum_axis(1) * -0.5;
            let log_joint: Vec<f64> = log_joint.to_vec().into_iter().map(f64::from).collect();
            let cell = (2.0 * reach / SIDE as f64).powi(2);
            let most = log_joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = log_joint.iter().map(|l| (l - most).exp() * cell).sum();
            let around = |c: f64| c - reach..c + reach;
            panels = panels.figure(
                Figure::new(&format!("{name}: a {}", test.labels[image]))
                    .axes("z₁", "z₂")
                    .heat_map(
                        "p(z|x)",
                        (around(centre[0]), around(centre[1])),
                        SIDE,
                        log_joint.iter().map(|l| (l - most).exp() / total),
                    )
                    .line("q(z|x)", ellipse.chunks_exact(2).map(|z| (f64::from(z[0]), f64::from(z[1])))),
            );
        }
    }
    panels
}
