//! A Gaussian process by itself, the prior of lecture 003, "Casale et al (2018)": functions that it draws before and after a few
//! noisy observations of a sine, and the marginal likelihood, by which its length scale and the noise are learned.
//!
//!     cargo run --release -p gpvae --example gp_regression
//!
//! `--seed` draws others. Writes `process.png` to `out/gpvae-gp_regression/`.

use std::process::ExitCode;
use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Tape, Var};
use gpvae::kernel::{Kernel, SquaredExponential};
use gpvae::prior::{Dense, LatentPrior};
use nn::model::Layout;
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, Run, RunArgs, at_most, positive};
use nn::train::{Noise, Optimizer, Rule};
use rand::{SeedableRng, rngs::StdRng};

/// Draws functions of a Gaussian process before and after observations, and learns its length scale
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Observations of the sine
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_most::<1000>)]
    observations: usize,
    /// The length scale of the kernel before it is learned
    #[arg(long, value_name = "LENGTH", default_value_t = 1.0, value_parser = positive)]
    length: f64,
    /// The variance of the noise of an observation before it is learned
    #[arg(long, value_name = "ALPHA", default_value_t = 0.1, value_parser = positive)]
    alpha: f64,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-gp_regression", epochs: 500, batch_size: 1, lr: 0.02 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| regression(&args))?)
}

/// The number of functions that are drawn, and of times at which they are.
const DRAWS: usize = 4;
const GRID: usize = 200;
/// The times that are shown, and the standard deviation of the noise of an observation.
const TIMES: std::ops::Range<f64> = 0.0..10.0;
const NOISE: f64 = 0.1;

type Process = Dense<SquaredExponential>;

fn regression(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.run.data.is_none(), "this example draws its data: others with --seed");
    let run = Run::open(&args.run, args)?.documented("gpvae", "A Gaussian process by itself");

    // z = sin t + noise at random times. The last third of the times stays empty.
    let noise = Noise::new(args.run.seed, 0);
    let mut numbers = vec![0.0; 2 * args.observations];
    noise.normal(0, 2, &mut numbers);
    let span = TIMES.end - TIMES.start;
    let time = |u: f64| TIMES.start + span * 2.0 / 3.0 / (1.0 + (-1.7 * u).exp());
    let observed: Vec<(f64, f64)> =
        numbers.chunks_exact(2).map(|u| (time(u[0]), time(u[0]).sin() + NOISE * u[1])).collect();
    let (t, z): (Vec<f64>, Vec<f64>) = observed.iter().copied().unzip();

    // θ = (ln ℓ, ln α) by the marginal likelihood.
    let mut layout = Layout::new();
    let kernel = SquaredExponential::new(&mut layout, "length", args.length);
    let process = Dense::new(kernel).with_noise(&mut layout, args.alpha);
    let start = layout.init::<f64>(&mut StdRng::seed_from_u64(args.run.seed));
    let (mut theta, mut adam) = (Arc::new(start.clone()), Optimizer::new(Rule::ADAM, start.len()));
    let mut tape = Tape::new();
    for _ in 0..args.run.epochs {
        let (_, gradient) = tape.try_value_and_grad(&theta, |tape, theta| {
            let [t, z] = [&t, &z].map(|column| tape.constant(column, [column.len(), 1]));
            process.log_prob(theta, t, z).map(Var::neg)
        })?;
        adam.step(args.run.lr, Arc::make_mut(&mut theta).as_mut_slice(), &gradient);
    }
    let length = process.kernel.length.value(&theta);
    let alpha = process.alpha().expect("the process has noise").value(&theta);
    let value = terms(&process, &theta, &t, &z)?.iter().sum::<f64>();
    outln!(
        "learned: length scale {length:.3}, standard deviation of the noise {:.3} ({NOISE} is true)",
        alpha.sqrt()
    );

    Panels::new("A Gaussian process", 3)
        .figure(before(&process, &start, noise)?)
        .figure(after(&process, &theta, &observed, noise)?)
        .figure(likelihood(&process, &theta, &t, &z)?)
        .save(&run.picture(
            "process.png",
            "Left: functions before anything is observed. Middle: the same process after the observations, with two standard \
            deviations of the function; it should pass near the points, and widen where there are none. Right: the \
            log marginal likelihood by length scale, the sum of a fit and a price, with its maximum between the two \
            (lecture 003, \"Casale et al (2018)\")",
        ))?;
    run.label(&[
        Label::new("length", "learned length scale", ""),
        Label::new("alpha", "learned variance of the noise", ""),
        Label::new("log_marginal_likelihood", "log marginal likelihood of the observations", "nats"),
    ]);
    run.finish(&[("length", length), ("alpha", alpha), ("log_marginal_likelihood", value)])?;
    Ok(())
}

/// The times at which functions are shown.
fn grid() -> Vec<f64> {
    (0..GRID).map(|i| TIMES.start + (TIMES.end - TIMES.start) * i as f64 / (GRID - 1) as f64).collect()
}

/// Draws of f at these times, one a column: f = L ε with K + jitter I = L Lᵀ.
fn draws<'t>(
    process: &Process,
    theta: Var<'t, f64>,
    times: &[f64],
    noise: Noise,
) -> Result<Var<'t, f64>, NotPositiveDefinite> {
    let (tape, n) = (theta.tape(), times.len());
    let jitter = tape.constant(&[1e-8], []).broadcast_to([n]).diagonal_matrix();
    let l = (process.kernel.gram(theta, tape.constant(times, [n, 1])) + jitter).cholesky()?;
    Ok(l.matmul(tape.constant_with([n, DRAWS], |eps| noise.normal(1, DRAWS, eps))))
}

/// Each column over the times, as points of a line.
fn lines(times: &[f64], values: Var<'_, f64>) -> Vec<Vec<(f64, f64)>> {
    let columns = values.shape().last();
    let values = values.to_vec();
    (0..columns)
        .map(|j| times.iter().copied().zip(values.iter().skip(j).step_by(columns).copied()).collect())
        .collect()
}

fn before(process: &Process, theta: &[f64], noise: Noise) -> Result<Figure, NotPositiveDefinite> {
    let (tape, grid) = (Tape::new(), grid());
    let f = draws(process, tape.constant(theta, [theta.len()]), &grid, noise)?;
    let figure = Figure::new("Before observations").axes("t", "f(t)");
    let figure = figure.band("± 2 sd", grid.iter().map(|&t| (t, -2.0, 2.0)));
    let figure = lines(&grid, f).into_iter().fold(figure, |figure, line| figure.line("draw", line));
    // The same names as after observations, in the same order, have the same colours.
    Ok(figure.line("mean", grid.iter().map(|&t| (t, 0.0))).points("observed", []))
}

/// Draws of the posterior are f⋆ + K⋆ C⁻¹ (z − f − η) for draws f, f⋆, η of the prior and the noise (Matheron's rule): the
/// difference has mean and covariance of the posterior, by the argument that gives the posterior itself.
fn after(
    process: &Process,
    theta: &[f64],
    observed: &[(f64, f64)],
    noise: Noise,
) -> Result<Figure, NotPositiveDefinite> {
    let (tape, grid, n) = (Tape::new(), grid(), observed.len());
    let theta = tape.constant(theta, [theta.len()]);
    let (t, z): (Vec<f64>, Vec<f64>) = observed.iter().copied().unzip();
    let [x, z] = [&t, &z].map(|column| tape.constant(column, [n, 1]));
    let at = tape.constant(&grid, [GRID, 1]);
    let posterior = process.posterior(theta, x, z, at)?;

    let f = draws(process, theta, &[t, grid.clone()].concat(), noise)?;
    let sd = process.alpha().expect("the process has noise").of(theta).sqrt();
    let eta = tape.constant_with([n, DRAWS], |eps| noise.normal(2, DRAWS, eps)) * sd;
    let lacking = z - f.rows(0..n) - eta;
    let drawn = f.rows(n..n + GRID) + process.posterior(theta, x, lacking, at)?.mean;

    let (mean, variance) = (posterior.mean.to_vec(), posterior.variance.to_vec());
    let sd: Vec<f64> = variance.iter().map(|v| 2.0 * v.max(0.0).sqrt()).collect();
    let band = grid.iter().zip(&mean).zip(&sd).map(|((&t, m), sd)| (t, m - sd, m + sd));
    let figure = Figure::new("After observations").axes("t", "f(t)").band("± 2 sd", band);
    let figure = lines(&grid, drawn).into_iter().fold(figure, |figure, line| figure.line("draw", line));
    let figure = figure.line("mean", grid.iter().copied().zip(mean));
    Ok(figure.points("observed", observed.iter().copied()))
}

/// log p(z) in its two terms: the fit −½ zᵀC⁻¹z, and −½ ln det C − ½ N ln 2π, which is the log-density of 0.
fn terms(process: &Process, theta: &[f64], t: &[f64], z: &[f64]) -> Result<[f64; 2], NotPositiveDefinite> {
    let tape = Tape::new();
    let theta = tape.constant(theta, [theta.len()]);
    let [x, z] = [t, z].map(|column| tape.constant(column, [column.len(), 1]));
    let whole = process.log_prob(theta, x, z)?.item();
    let price = process.log_prob(theta, x, z * 0.0)?.item();
    Ok([whole - price, price])
}

fn likelihood(process: &Process, theta: &[f64], t: &[f64], z: &[f64]) -> Result<Figure, NotPositiveDefinite> {
    let mut theta = theta.to_vec();
    let slot = process.kernel.length.slot().range().start;
    let learned = theta[slot].exp();
    let mut of_length = |length: f64| {
        theta[slot] = length.ln();
        terms(process, &theta, t, z)
    };
    // From a fifth of the learned length scale to twice as much.
    let lengths: Vec<f64> = (0..=60).map(|i| 0.2 * learned * 10.0_f64.powf(f64::from(i) / 60.0)).collect();
    let found = lengths.iter().map(|&length| of_length(length)).collect::<Result<Vec<_>, _>>()?;
    let line = |f: fn([f64; 2]) -> f64| -> Vec<(f64, f64)> {
        lengths.iter().copied().zip(found.iter().map(|&terms| f(terms))).collect()
    };
    let [fit, price] = of_length(learned)?;
    Ok(Figure::new("Log marginal likelihood")
        .axes("length scale", "nats")
        .log_x()
        .line("fit", line(|[fit, _]| fit))
        .line("price", line(|[_, price]| price))
        .line("sum", line(|[fit, price]| fit + price))
        .points("learned", [(learned, fit + price)]))
}
