//! A full covariance in q(z|x) against a diagonal one (lecture 001, "Full Gaussian posterior"), on the embedded digits or
//! MNIST's:
//!
//!     cargo run --release -p vae --example posterior_family
//!
//! Trains both from the same weights, with no covariance to begin with, seed by seed, and compares their bounds on images not
//! seen in training. Writes to `out/vae-posterior_family/`: the bounds, and exact posteriors of some images with the ellipses
//! that stand for them. The model of the first seed with a full covariance is kept in `model.safetensors`.

mod common {
    pub(crate) mod keep;
    pub(crate) mod recommend;
    pub(crate) mod sets;
}

use std::process::ExitCode;
use std::sync::Arc;

use autograd::Tape;
use common::recommend::recommend;
use common::sets;
use nn::data::LabelledImages;
use nn::model::Model;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, each, whole, width};
use nn::stats::Estimate;
use nn::train::{Fit, Rule, Schedule, Trainer};
use nn::{errln, outln};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Covariance, KSampleBound, Vae, VaeConfig, VaeObjective};

/// Compares a diagonal and a full covariance in the posterior
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space; exact posteriors are drawn for two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = width)]
    latent: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Draws of z for each image in the bound
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// With --data, the first images of MNIST's training set to use, and a fifth as many of its test images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-posterior_family", epochs: 200, batch_size: 32, lr: 2e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

const COVARIANCES: [(&str, Covariance); 2] =
    [("diagonal", Covariance::Diagonal), ("full covariance", Covariance::Full)];

/// A model with its θ, and its bounds of the test images.
struct Trained {
    vae: Vae,
    theta: Arc<Vec<f32>>,
    elbo: f64,
    /// K samples
    bound: KSampleBound,
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

fn train(
    args: &Args,
    covariance: Covariance,
    seed: u64,
    sets: &[LabelledImages; 2],
) -> anyhow::Result<Trained> {
    let [train, test] = sets.each_ref().map(|set| &set.images);
    let diagonal = VaeConfig::new(train.cols, &[64, 64], args.latent);
    let vae = Vae::new(&VaeConfig { covariance, ..diagonal.clone() })?;
    let theta = start(&Vae::new(&diagonal)?, &vae, seed);
    let mut trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, seed);
    let fit = Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..args.run.fit() };
    trainer.fit(&mut VaeObjective::new(&vae, train), None, &fit, &mut ())?;
    let mut bound = VaeObjective { samples: args.samples, ..VaeObjective::new(&vae, test) };
    let elbo = trainer.evaluate(&mut bound)?.part("elbo");
    let bound = vae.k_sample_bound(trainer.theta(), test, args.samples, seed);
    let theta = trainer.theta().clone();
    Ok(Trained { vae, theta, elbo, bound })
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let sets = sets::load(&args.run, args.rows)?;
    let run = Run::open(&args.run, args)?
        .documented("vae", "What amortisation costs, what a full covariance brings");
    let seeds = args.run.seeds(args.seeds);
    let jobs: Vec<(u64, Covariance)> =
        seeds.iter().flat_map(|&seed| COVARIANCES.map(|(_, covariance)| (seed, covariance))).collect();
    let trained = each("models", &jobs, |&(seed, covariance)| train(args, covariance, seed, &sets))?;

    let mut table = TextTable::new().header(["seed", "diagonal", "full covariance", "difference"]);
    let mut differences = Vec::new();
    for (seed, pair) in seeds.iter().zip(trained.chunks_exact(2)) {
        let difference = pair[1].elbo - pair[0].elbo;
        let [diagonal, full] = [0, 1].map(|i| format!("{:.3} ({:.3})", pair[i].elbo, pair[i].bound.mean));
        table.row([seed.to_string(), diagonal, full, format!("{difference:.3}")]);
        differences.push(difference);
    }
    outln!("bound of test images, nats per image; in brackets that of K = {} draws", args.samples);
    table.print();
    let Estimate { mean, se } = Estimate::of(&differences);
    outln!("mean difference {mean:.3} ± {se:.3} (standard error over seeds)");
    let full = &trained[1];
    recommend(&run, "full covariance, of the first seed", full.vae.to_file(&full.theta), &sets[0])?;
    bounds(args, &differences, mean).save(&run.picture(
        "bounds.png",
        "What a full covariance of q(z|x) adds to the bound, seed by seed. All bars should be above 0: its family \
        contains the diagonal one (lecture 001, \"Full Gaussian posterior\")",
    ))?;
    if args.latent == 2 {
        posteriors(&trained[..2], &sets[1]).save(&run.picture(
            "posteriors.png",
            "The exact posterior of some test images, and the ellipse of two standard deviations of q. Where the \
            posterior lies askew, only the full covariance can follow it (lecture 001, \"Full Gaussian posterior\")",
        ))?;
    }
    for (model, (name, _)) in trained.iter().zip(COVARIANCES.iter().cycle()) {
        if let Some(warning) = model.bound.warning() {
            errln!("{name}: {warning}");
        }
    }
    let over = |value: fn(&Trained) -> f64, covariance| {
        trained.iter().skip(covariance).step_by(2).map(value).sum::<f64>() / differences.len() as f64
    };
    run.found(&format!(
        "A q(z|x) that may lie askew (full covariance) has a bound that is better by {mean:.3} ± {se:.3} nats than one along the axes: \
         {}.",
        if mean > 2.0 * se { "more than the seeds differ" } else { "no more than the seeds differ" }
    ));
    run.label(&[
        Label::new("elbo_*", "ELBO of test images, covariance of q: *", "nats per image"),
        Label::new("k_sample_bound_*", "K-sample bound of log p(x), covariance of q: *", "nats per image"),
        Label::new("draws", "K, draws of z in the K-sample bound", ""),
        Label::new("difference", "what a full covariance adds to the ELBO", "nats per image").over("seeds"),
        Label::new("smallest_difference", "the least that it adds, of all seeds", "nats per image"),
    ]);
    run.finish(&[
        ("elbo_diagonal", over(|t| t.elbo, 0)),
        ("elbo_full", over(|t| t.elbo, 1)),
        ("k_sample_bound_diagonal", over(|t| t.bound.mean, 0)),
        ("k_sample_bound_full", over(|t| t.bound.mean, 1)),
        ("draws", args.samples as f64),
        ("difference", mean),
        ("difference_se", se),
        ("smallest_difference", differences.iter().copied().fold(f64::INFINITY, f64::min)),
    ])?;
    Ok(())
}

/// The differences of the bounds by seed.
fn bounds(args: &Args, differences: &[f64], mean: f64) -> Figure {
    let (first, n) = (args.run.seed as f64, differences.len() as f64);
    let bars = differences.iter().enumerate().map(|(i, d)| (first + i as f64, *d));
    Figure::new("What a full covariance adds to the bound of test images")
        .axes("seed", "ELBO with a full covariance − with a diagonal one, nats")
        .bars("full − diagonal", 0.5, bars)
        .line("mean", [-0.4, n - 0.6].map(|x| (first + x, mean)))
}

/// Exact posteriors of some images, with the ellipses that stand for them.
fn posteriors(trained: &[Trained], test: &LabelledImages) -> Panels {
    let mut panels = Panels::new("Exact posteriors and q(z|x) at two standard deviations", 3);
    for (model, (name, _)) in trained.iter().zip(COVARIANCES) {
        for image in 0..3.min(test.len()) {
            let title = format!("{name}: a {}", test.labels[image]);
            panels = panels.figure(posterior(model, test.images.row(image), &title));
        }
    }
    panels
}

/// p(z|x) ∝ p(x|z) p(z) in a window that holds nearly all of it, and the ellipse of two standard deviations of q.
fn posterior(Trained { vae, theta, .. }: &Trained, x: &[f32], title: &str) -> Figure {
    const SIDE: usize = 90;
    let tape = Tape::new();
    let q = vae.encode(tape.shared_constant(theta, [theta.len()]), tape.constant(x, [1, x.len()]));
    let on_circle = |i: i32| {
        let angle = std::f32::consts::TAU * i as f32 / 100.0;
        [2.0 * angle.cos(), 2.0 * angle.sin()]
    };
    let circle: Vec<f32> = (0..=100).flat_map(on_circle).collect();
    let ellipse = q.sample_with(tape.constant(&circle, [101, 1, 2])).to_vec();
    let ellipse = || ellipse.chunks_exact(2).map(|z| [z[0], z[1]].map(f64::from));

    // The prior leaves a share of 1e-6 outside; then a square around the ellipse and 99 % of the density there.
    let wide = Square { centre: [0.0; 2], reach: 5.0 };
    let mut likely: Vec<(f64, [f64; 2])> =
        wide.density(vae, theta, x, SIDE).into_iter().zip(wide.cells(SIDE)).collect();
    likely.sort_by(|a, b| b.0.total_cmp(&a.0));
    let total: f64 = likely.iter().map(|(p, _)| p).sum();
    let mut seen = 0.0;
    likely.retain(|(p, _)| {
        seen += p;
        seen - p < 0.99 * total
    });
    let window = Square::around(likely.into_iter().map(|(_, z)| z).chain(ellipse()));
    let [right, up] = window.centre.map(|c| c - window.reach..c + window.reach);
    Figure::new(title)
        .axes("z₁", "z₂")
        .heat_map("p(z|x)", (right, up), SIDE, window.density(vae, theta, x, SIDE))
        .line("q(z|x)", ellipse().map(|[a, b]| (a, b)))
}

/// A part of the latent space.
struct Square {
    centre: [f64; 2],
    /// From the centre to a side.
    reach: f64,
}

impl Square {
    /// A square that holds these points, with some room beside them.
    fn around(points: impl Iterator<Item = [f64; 2]>) -> Self {
        let ends = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
        let widen = |[low, high]: [f64; 2], z: f64| [low.min(z), high.max(z)];
        let ends = points.fold(ends, |[a, b], z| [widen(a, z[0]), widen(b, z[1])]);
        let reach = ends.map(|[low, high]| (high - low) / 2.0);
        Self {
            centre: ends.map(|[low, high]| f64::midpoint(low, high)),
            reach: 1.15 * reach[0].max(reach[1]),
        }
    }

    /// The centres of `side` × `side` cells, row after row.
    fn cells(&self, side: usize) -> impl Iterator<Item = [f64; 2]> {
        let Self { centre: [x, y], reach } = *self;
        let at = move |i: usize| reach * ((2 * i + 1) as f64 / side as f64 - 1.0);
        (0..side * side).map(move |i| [x + at(i % side), y + at(i / side)])
    }

    /// p(z|x) in these cells, as if it were 0 outside of the square.
    fn density(&self, vae: &Vae, theta: &Arc<Vec<f32>>, x: &[f32], side: usize) -> Vec<f64> {
        let (tape, n) = (Tape::new(), side * side);
        let theta = tape.shared_constant(theta, [theta.len()]);
        let z: Vec<f32> = self.cells(side).flat_map(|z| z.map(|z| z as f32)).collect();
        let (z, images) = (tape.constant(&z, [n, 2]), tape.constant(&x.repeat(n), [n, x.len()]));
        let log_joint = vae.decode(theta, z).log_prob(images) + z.square().sum_axis(1) * -0.5;
        let log_joint: Vec<f64> = log_joint.to_vec().into_iter().map(f64::from).collect();
        let most = log_joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let area = (2.0 * self.reach / side as f64).powi(2);
        let total: f64 = log_joint.iter().map(|l| (l - most).exp() * area).sum();
        log_joint.iter().map(|l| (l - most).exp() / total).collect()
    }
}
