//! Curves of subjects that were observed at few times, each at its own (lecture 003, "My Discussion: neuroimaging": "Functional PCA ??"):
//!
//!     cargo run --release -p gpvae --example curves
//!
//! A subject's curve is a common one, plus two ways in which subjects differ, plus a rough part of its own. Whole curves are predicted from a
//! few noisy values: by functional principal components (PACE), whose bandwidth and number are chosen by values that were hidden from
//! them, and by a Gaussian process over subjects and times, the latent prior of this crate, with the covariance
//! k_common(t, t') + k_own(t, t') [same subject] and hyperparameters by the marginal likelihood. Means over seeds, of which each has
//! curves of its own; pictures are of the first.

use std::f64::consts::PI;
use std::process::ExitCode;
use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Tape, Var};
use gpvae::kernel::{Constant, Kernel, Linear, Matern52};
use gpvae::prior::{Dense, LatentPrior};
use nn::data::Matrix;
use nn::model::Layout;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, positive, say, whole};
use nn::stats::{Curve, FunctionalPca, Smoothing, symmetric_eigen};
use nn::train::{Noise, Optimizer, Rule};
use rand::{SeedableRng, rngs::StdRng};

/// Predicts whole curves of subjects from a few noisy values, by a Gaussian process and by functional principal components
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Subjects
    #[arg(long, value_name = "N", default_value_t = 40, default_value_if("dry_run", "true", "10"), value_parser = whole)]
    subjects: usize,
    /// Values that are seen of a curve
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = whole)]
    values: usize,
    /// The standard deviation of the noise of a value
    #[arg(long, value_name = "SD", default_value_t = 0.2, value_parser = positive)]
    noise: f64,
    /// The standard deviation of the rough part of a curve
    #[arg(long, value_name = "SD", default_value_t = 0.3, value_parser = positive)]
    rough: f64,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-curves", epochs: 150, batch_size: 1, lr: 0.05 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| curves(&args))?)
}

/// The times at which curves are predicted, from 0 to 1.
const GRID: usize = 41;

fn grid() -> Vec<f64> {
    (0..GRID).map(|g| g as f64 / (GRID - 1) as f64).collect()
}

/// Curves 2 sin(πt) + ξ₁ √2 cos(πt) + ξ₂ √2 cos(2πt) + r(t) with ξ ~ N(0, 1) and N(0, ¼), and a rough part r, a sum of cosines of
/// the frequencies 3 to 8 with equal variances. Each is seen at random times, with noise.
struct Subjects {
    seen: Vec<Curve>,
    /// Whole curves on the grid, without noise
    truth: Vec<Vec<f64>>,
}

impl Subjects {
    fn draw(args: &Args, seed: u64) -> Self {
        let (noise, rough) = (args.noise, args.rough);
        let width = 8 + 2 * args.values;
        let mut numbers = vec![0.0; args.subjects * width];
        Noise::new(seed, 0).normal(0, width, &mut numbers);
        let of = |row: &[f64]| {
            let (scores, places) = row.split_at(8);
            let (places, errors) = places.split_at(args.values);
            let curve = |t: f64| {
                let size = |k: usize| [1.0, 0.5].get(k).copied().unwrap_or(rough / 6.0_f64.sqrt());
                let waves = (0..8).map(|k| size(k) * scores[k] * (PI * (k + 1) as f64 * t).cos());
                2.0 * (PI * t).sin() + 2.0_f64.sqrt() * waves.sum::<f64>()
            };
            // The normal distribution function, nearly: times are spread evenly.
            let times: Vec<f64> = places.iter().map(|u| 1.0 / (1.0 + (-1.702 * u).exp())).collect();
            let values = times.iter().zip(errors).map(|(&t, e)| curve(t) + noise * e).collect();
            (Curve { times, values }, grid().into_iter().map(curve).collect::<Vec<f64>>())
        };
        let (seen, truth) = numbers.chunks_exact(width).map(of).unzip();
        Self { seen, truth }
    }
}

/// Mean and variance of each curve on the grid.
type Predicted = Vec<(Vec<f64>, Vec<f64>)>;

/// The components with the bandwidth and number that predict a fifth of the values best when it is hidden.
fn components(seen: &[Curve]) -> anyhow::Result<FunctionalPca> {
    let (mut train, mut hidden) = (seen.to_vec(), vec![Curve::default(); seen.len()]);
    for (i, (curve, hidden)) in train.iter_mut().zip(&mut hidden).enumerate() {
        for _ in 0..curve.times.len().div_ceil(5) {
            let j = i % curve.times.len();
            hidden.times.push(curve.times.remove(j));
            hidden.values.push(curve.values.remove(j));
        }
    }
    let mut best: Option<(f64, Smoothing)> = None;
    for bandwidth in [0.05, 0.08, 0.12, 0.18] {
        for components in 1..=4 {
            let smoothing = Smoothing { points: GRID, bandwidth, components };
            let fpca = FunctionalPca::fit(&train, &smoothing)?;
            let errors = train.iter().zip(&hidden).flat_map(|(curve, hidden)| {
                let found = fpca.predict(curve, &hidden.times).mean;
                found.into_iter().zip(&hidden.values).map(|(a, b)| (a - b).powi(2)).collect::<Vec<_>>()
            });
            let error = errors.sum::<f64>();
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, smoothing));
            }
        }
    }
    Ok(FunctionalPca::fit(seen, &best.expect("there are bandwidths").1)?)
}

/// What the process says of each curve, with hyperparameters by the marginal likelihood of all values.
fn process(args: &Args, seen: &[Curve]) -> Result<Predicted, NotPositiveDefinite> {
    let values: Vec<f64> = seen.iter().flat_map(|curve| curve.values.iter().copied()).collect();
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let scale = (values.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    let z: Vec<f64> = values.iter().map(|y| (y - mean) / scale).collect();
    // Rows (time | indicator of the subject): the product of two indicators says whether it is the same subject.
    let width = 1 + seen.len();
    let place = |subject: usize, t: f64| {
        (0..width).map(move |j| if j == 0 { t } else { f64::from(u8::from(j == subject + 1)) })
    };
    let rows =
        seen.iter().enumerate().flat_map(|(i, curve)| curve.times.iter().flat_map(move |&t| place(i, t)));
    let rows: Vec<f64> = rows.collect();
    let at: Vec<f64> =
        (0..seen.len()).flat_map(|i| grid().into_iter().flat_map(move |t| place(i, t))).collect();

    let mut layout = Layout::new();
    let mut part = |name: &str| {
        let size = Constant::new(&mut layout, &format!("size_{name}"), 0.5);
        size.times(Matern52::new(&mut layout, &format!("length_{name}"), 0.5).on(0..1))
    };
    let (common, own) = (part("common"), part("own").times(Linear.on(1..width)));
    let process = Dense::new(common.plus(own)).with_noise(&mut layout, 0.1);
    let mut theta = Arc::new(layout.init::<f64>(&mut StdRng::seed_from_u64(0)));
    let (mut tape, mut adam) = (Tape::new(), Optimizer::new(Rule::ADAM, theta.len()));
    for _ in 0..args.run.epochs {
        let (_, gradient) = tape.try_value_and_grad(&theta, |tape, theta| {
            let x = tape.constant(&rows, [n, width]);
            process.log_prob(theta, x, tape.constant(&z, [n, 1])).map(Var::neg)
        })?;
        adam.step(args.run.lr, Arc::make_mut(&mut theta).as_mut_slice(), &gradient);
    }
    tape.clear();
    let theta = tape.constant(&theta, [theta.len()]);
    let (x, z) = (tape.constant(&rows, [n, width]), tape.constant(&z, [n, 1]));
    let found = process.posterior(theta, x, z, tape.constant(&at, [at.len() / width, width]))?;
    let mean: Vec<f64> = found.mean.to_vec().iter().map(|z| mean + scale * z).collect();
    let variance: Vec<f64> = found.variance.to_vec().iter().map(|v| scale * scale * v.max(0.0)).collect();
    Ok(mean.chunks(GRID).map(<[f64]>::to_vec).zip(variance.chunks(GRID).map(<[f64]>::to_vec)).collect())
}

/// What was found from the curves of a seed.
struct Found {
    subjects: Subjects,
    fpca: FunctionalPca,
    process: Predicted,
    components: Predicted,
    results: Results,
}

fn found(args: &Args, seed: u64) -> anyhow::Result<Found> {
    let subjects = Subjects::draw(args, seed);
    let fpca = components(&subjects.seen)?;
    let of = |curve: &Curve| {
        let found = fpca.predict(curve, &grid());
        (found.mean, found.variance)
    };
    let components: Predicted = subjects.seen.iter().map(of).collect();
    let mean: Predicted = vec![of(&Curve::default()); subjects.seen.len()];
    let process = process(args, &subjects.seen)?;
    let mut results = Results::new();
    for (name, predicted) in [("process", &process), ("components", &components), ("mean", &mean)] {
        let cells = || {
            let pairs = subjects.truth.iter().zip(predicted);
            pairs.flat_map(|(truth, (mean, variance))| {
                truth.iter().zip(mean).zip(variance).map(|((y, m), v)| ((y - m).powi(2), *v))
            })
        };
        let count = (subjects.truth.len() * GRID) as f64;
        let inside = cells().filter(|(square, variance)| *square <= 1.96 * 1.96 * variance).count() as f64;
        results.push((format!("{name}_error"), cells().map(|(square, _)| square).sum::<f64>() / count));
        results.push((format!("{name}_inside"), inside / count));
    }
    results.push(("kept".to_owned(), fpca.variances.len() as f64));
    Ok(Found { subjects, fpca, process, components, results })
}

fn curves(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example draws its curves, and takes no --data");
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    anyhow::ensure!((3..=100).contains(&args.values), "--values: expected 3 to 100, found {}", args.values);
    let most = 2000 / args.values;
    anyhow::ensure!(
        (5..=most).contains(&args.subjects),
        "--subjects: expected 5 to {most}, found {}: the process couples all values",
        args.subjects
    );
    let run = Run::open(&args.run, args)?.documented("gpvae", "Curves of subjects");
    let all = each("sets of curves", &args.run.seeds(args.seeds), |&seed| found(args, seed))?;
    let over = OverSeeds::of(all.iter().map(|found| &found.results));

    say(&format!(
        "{} curves with {} values each; squared errors, means over {} seeds ± standard error",
        args.subjects, args.values, args.seeds
    ));
    let mut table = TextTable::new().header(["", "error of a curve", "inside 95 % intervals"]);
    for (title, of) in [
        ("Gaussian process over subjects", "process"),
        ("functional components", "components"),
        ("the mean curve", "mean"),
    ] {
        table.row([title, &*over.cell(&format!("{of}_error"), 4), &over.cell(&format!("{of}_inside"), 3)]);
    }
    table.print();

    draw(&all[0]).save(&run.picture(
        "curves.png",
        "Left and middle: two subjects' curves, what was seen of them, and the predictions of both methods with two standard deviations. \
        The truth should lie in the bands. Right: the first eigenfunction and the leading direction of the curves that the process \
        predicts, which should be the same wave but for its sign (lecture 003, \"My Discussion: neuroimaging\")",
    ))?;
    run.found(&format!(
        "Whole curves are predicted from {} values with a squared error of {:.3} by the Gaussian process, and of {:.3} by functional \
         components.",
        args.values,
        over.mean("process_error"),
        over.mean("components_error"),
    ));
    run.label(&[
        Label::new("*_error", "squared error of a curve without noise, predicted by: *", "").over("seeds"),
        Label::new("*_inside", "share of a curve inside intervals of 95 %, predicted by: *", "share")
            .over("seeds"),
        Label::new("kept", "components that were kept", "").over("seeds"),
    ]);
    run.finish(&over.results())?;
    Ok(())
}

fn draw(found: &Found) -> Panels {
    let grid = grid();
    let panel = |i: usize| {
        let seen = &found.subjects.seen[i];
        let line = |y: &[f64]| grid.iter().copied().zip(y.iter().copied()).collect::<Vec<_>>();
        let (mean, variance) = &found.process[i];
        let band = grid.iter().zip(mean).zip(variance);
        Figure::new(&format!("Subject {}", i + 1))
            .axes("t", "value")
            .band("process ± 2 sd", band.map(|((&t, m), v)| (t, m - 2.0 * v.sqrt(), m + 2.0 * v.sqrt())))
            .line("process", line(mean))
            .line("components", line(&found.components[i].0))
            .line("truth", line(&found.subjects.truth[i]))
            .points("seen", seen.times.iter().copied().zip(seen.values.iter().copied()))
    };
    // The leading direction of the curves that the process predicts, as a function of norm one.
    let n = found.process.len() as f64;
    let mean: Vec<f64> =
        (0..GRID).map(|g| found.process.iter().map(|(y, _)| y[g]).sum::<f64>() / n).collect();
    let of =
        |g: usize, h: usize| found.process.iter().map(|(y, _)| (y[g] - mean[g]) * (y[h] - mean[h])).sum();
    let covariance = Matrix::new(GRID, GRID, (0..GRID * GRID).map(|k| of(k / GRID, k % GRID)).collect());
    let eigen = symmetric_eigen(&covariance);
    let direction = eigen.vectors.row(0);
    let alike = |t: &[f64], f: &[f64]| {
        let cosine: f64 = t.iter().zip(f).map(|(t, f)| (PI * t).cos() * f).sum();
        cosine.signum()
    };
    let (sign, size) = (alike(&grid, direction), ((GRID - 1) as f64).sqrt());
    let first = found.fpca.functions.row(0);
    let other = alike(&found.fpca.grid, first);
    let directions = Figure::new("Leading directions")
        .axes("t", "function")
        // The same names in the same order have the same colours.
        .band("process ± 2 sd", [])
        .line("process", grid.iter().zip(direction).map(|(&t, x)| (t, sign * size * x)))
        .line("components", found.fpca.grid.iter().zip(first).map(|(&t, x)| (t, other * x)))
        .line("truth", grid.iter().map(|&t| (t, 2.0_f64.sqrt() * (PI * t).cos())));
    Panels::new("Curves from a few values", 3).figure(panel(0)).figure(panel(1)).figure(directions)
}
