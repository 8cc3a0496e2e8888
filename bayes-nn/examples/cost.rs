//! What a draw from a posterior costs by Monte Carlo and by variational inference, as data and dimension grow (lecture 004, "Variational
//! Inference (VI)": "Methods such as Markov Chain Monte Carlo (MCMC) do that but they scale poorly with data size and can become
//! inefficient in very high dimensions").
//!
//!     cargo run --release -p bayes-nn --example cost
//!
//! The posterior is that of a linear regression, which is known exactly, and as easy for Monte Carlo as a posterior can be. Draws to
//! `out/bayes-nn-cost/`: the time of an effective draw, the gradients that it takes, and the error of the means.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::ensure;
use autograd::Tape;
use autograd::ops::TriangularSystem::{LX, LtX};
use bayes_nn::inference::{Hmc, Trajectories};
use bayes_nn::{BayesMlp, BayesMlpConfig, BayesMlpObjective, Likelihood, Sampling};
use nn::data::Matrix;
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Counter, Defaults, Label, Run, RunArgs, TextTable, at_most, whole};
use nn::stats::root_mean_square;
use nn::train::{Fit, Noise, Rule, Schedule, Trainer};
use rand::{SeedableRng, rngs::StdRng};

/// Measures what a draw from a posterior costs, by Monte Carlo and by variational inference
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// The largest number of rows; others are fewer by factors of √10, down to 100
    #[arg(long, value_name = "N", default_value_t = 31_623, default_value_if("dry_run", "true", "100"), value_parser = at_most::<10_000_000>)]
    rows: usize,
    /// The largest dimension of θ; others are smaller by factors of 4, down to 4
    #[arg(long, value_name = "D", default_value_t = 256, default_value_if("dry_run", "true", "4"), value_parser = at_most::<4096>)]
    dim: usize,
    /// Draws of Monte Carlo, after as many to warm up
    #[arg(long, value_name = "N", default_value_t = 500, default_value_if("dry_run", "true", "100"), value_parser = at_most::<100_000>)]
    draws: usize,
    /// Steps of variational inference, of --batch-size rows each
    #[arg(long, value_name = "N", default_value_t = 4000, default_value_if("dry_run", "true", "10"), value_parser = whole)]
    steps: usize,
    /// Everything is timed so often, and the shortest time counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_most::<100>)]
    repeats: usize,
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        let Self { rows, dim, draws, .. } = *self;
        ensure!(self.run.data.is_none(), "this example draws its data");
        ensure!(rows >= 100, "--rows: expected at least 100, found {rows}");
        ensure!(dim >= 4, "--dim: expected at least 4, found {dim}");
        // With fewer, the warm-up does not find a step that is accepted.
        ensure!(draws >= 100, "--draws: expected at least 100, found {draws}");
        Ok(())
    }
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-cost", epochs: 1_000_000, batch_size: 100, lr: 0.02 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| cost(&args))?)
}

/// The dimension of θ while the rows grow, and the rows while the dimension grows.
const DIM: usize = 8;
const ROWS: usize = 2000;

fn rows_of_dims(dry_run: bool) -> usize {
    if dry_run { 100 } else { ROWS }
}

/// The draws of θ among which the time of variational inference is divided.
const DRAWS: usize = 1000;

fn cost(args: &Args) -> anyhow::Result<()> {
    args.check()?;
    args.run.without_checkpoint()?;
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "What a draw costs");

    let rows = (0..).map(|i| (100.0 * 10_f64.powf(f64::from(i) / 2.0)).round() as usize);
    let rows: Vec<usize> = rows.take_while(|&n| n <= args.rows).collect();
    let dims: Vec<usize> = (1..).map(|i| 4_usize.pow(i)).take_while(|&d| d <= args.dim).collect();
    let fits = Counter::new("posteriors", rows.len() + dims.len());
    let measure = |rows, dim| {
        let costs = Posterior::new(rows, dim, args.run.seed)?.costs(args);
        fits.count();
        costs
    };
    let by_rows = rows.iter().map(|&n| Ok((n, measure(n, DIM)?))).collect::<anyhow::Result<Vec<_>>>()?;
    let of_rows = rows_of_dims(args.run.dry_run);
    let by_dim = dims.iter().map(|&d| Ok((d, measure(of_rows, d)?))).collect::<anyhow::Result<Vec<_>>>()?;

    draw(&run, &by_rows, &by_dim)?;
    outln!("milliseconds and gradients of an effective draw; error of the means in sd");
    report("rows", &by_rows);
    report("dimension", &by_dim);
    let last = |of: &[(usize, [Cost; 3])]| of[of.len() - 1].1;
    let (most_rows, most_dims) = (last(&by_rows), last(&by_dim));
    run.found(&format!(
        "With {} rows an effective draw takes {:.2} ms by the No-U-Turn sampler and {:.2} ms by variational inference, whose steps see {} \
         rows each; its means are then {:.2} posterior standard deviations off.",
        rows[rows.len() - 1],
        1e3 * most_rows[1].seconds,
        1e3 * most_rows[2].seconds,
        args.run.batch_size,
        most_rows[2].error
    ));
    run.label(&[
        Label::new("ms_hmc", "an effective draw by Hamiltonian Monte Carlo, most rows", "milliseconds"),
        Label::new("ms_nuts", "an effective draw by the No-U-Turn sampler, most rows", "milliseconds"),
        Label::new("ms_vi", "a draw by variational inference, training included, most rows", "milliseconds"),
        Label::new(
            "error_vi",
            "error of the means by variational inference, most rows",
            "posterior standard deviations",
        ),
        Label::new(
            "sd_ratio_vi",
            "standard deviations by variational inference over the exact ones, most rows",
            "",
        ),
        Label::new(
            "gradients_hmc_dim",
            "gradients for an effective draw by Hamiltonian Monte Carlo, most dimensions",
            "",
        ),
        Label::new(
            "gradients_nuts_dim",
            "gradients for an effective draw by the No-U-Turn sampler, most dimensions",
            "",
        ),
        Label::new(
            "ms_nuts_dim",
            "an effective draw by the No-U-Turn sampler, most dimensions",
            "milliseconds",
        ),
        Label::new("ms_vi_dim", "a draw by variational inference, most dimensions", "milliseconds"),
    ]);
    run.finish(&[
        ("ms_hmc", 1e3 * most_rows[0].seconds),
        ("ms_nuts", 1e3 * most_rows[1].seconds),
        ("ms_vi", 1e3 * most_rows[2].seconds),
        ("error_vi", most_rows[2].error),
        ("sd_ratio_vi", most_rows[2].sd_ratio),
        ("gradients_hmc_dim", most_dims[0].gradients),
        ("gradients_nuts_dim", most_dims[1].gradients),
        ("ms_nuts_dim", 1e3 * most_dims[1].seconds),
        ("ms_vi_dim", 1e3 * most_dims[2].seconds),
    ])?;
    Ok(())
}

/// What draws from a posterior cost by one method, and how good they are.
#[derive(Clone, Copy)]
struct Cost {
    /// Seconds and gradients of an effective draw: without the warm-up of a chain, with the training of q.
    seconds: f64,
    gradients: f64,
    /// The root mean square error of the means, in posterior standard deviations.
    error: f64,
    /// The average of the standard deviations, divided by the exact ones.
    sd_ratio: f64,
}

const METHODS: [&str; 3] = ["Hamiltonian Monte Carlo", "No-U-Turn sampler", "variational inference"];

/// The posterior of y ~ N(f_θ(x), ½²), f_θ(x) = wᵀx + b, θ = (w, b) ~ N(0, I).
struct Posterior {
    model: BayesMlp,
    x: Matrix<f64>,
    y: Matrix<f64>,
    /// The exact means and standard deviations of θ.
    mean: Vec<f64>,
    sd: Vec<f64>,
}

/// The standard deviation of an observation.
const NOISE: f64 = 0.5;

impl Posterior {
    fn new(rows: usize, dim: usize, seed: u64) -> anyhow::Result<Self> {
        let inputs = dim - 1;
        let config = BayesMlpConfig {
            likelihood: Likelihood::Normal { sigma: NOISE },
            initial_sigma: 0.1,
            ..BayesMlpConfig::new(inputs, &[])
        };
        let mut numbers = vec![0.0; rows * (inputs + 1)];
        Noise::new(seed, 0).normal(0, inputs + 1, &mut numbers);
        let (x, noise) = numbers.split_at(rows * inputs);
        let weight = |j: usize| (1.7 * j as f64).sin() / (inputs as f64).sqrt();
        let f = x.chunks_exact(inputs).map(|x| x.iter().enumerate().map(|(j, x)| weight(j) * x).sum::<f64>());
        let y = f.zip(noise).map(|(f, noise)| f + NOISE * noise).collect();
        let (x, y) = (Matrix::new(rows, inputs, x.to_vec()), Matrix::new(rows, 1, y));

        // Λ = XᵀX/σ² + I with a column of ones in X, Λ m = Xᵀ y/σ².
        let tape = Tape::new();
        let design = x.values.chunks_exact(inputs).flat_map(|x| x.iter().copied().chain([1.0]));
        let design = tape.constant(&design.collect::<Vec<_>>(), [rows, dim]);
        let identity = tape.constant(&vec![1.0; dim], [dim]).diagonal_matrix();
        let l = (design.t_matmul(design) / (NOISE * NOISE) + identity).cholesky()?;
        let right = design.t_matmul(tape.constant(&y.values, [rows, 1])) / (NOISE * NOISE);
        let mean = l.solve_triangular(l.solve_triangular(right, LX), LtX).to_vec();
        let sd = l.solve_triangular(identity, LX).square().sum_axis(0).sqrt().to_vec();
        Ok(Self { model: BayesMlp::new(&config)?, x, y, mean, sd })
    }

    fn costs(&self, args: &Args) -> anyhow::Result<[Cost; 3]> {
        Ok([
            self.by_monte_carlo(args, Trajectories::OfPath)?,
            self.by_monte_carlo(args, Trajectories::NoUTurn)?,
            self.by_variational_inference(args)?,
        ])
    }

    fn by_monte_carlo(&self, args: &Args, trajectories: Trajectories) -> anyhow::Result<Cost> {
        // The first paths of the warm-up know no scales and would be long; later ones take a few steps.
        let hmc =
            Hmc { warmup: args.draws, draws: args.draws, trajectories, max_steps: 100, ..Hmc::default() };
        let gradients = AtomicUsize::new(0);
        let start = vec![0.0; self.mean.len()];
        let sample = || {
            hmc.sample(
                |tape: &Tape<f64>, theta| {
                    gradients.fetch_add(1, Ordering::Relaxed);
                    let x = tape.shared_constant(&self.x.values, [self.x.rows, self.x.cols]);
                    self.model.log_joint(theta, x, tape.shared_constant(&self.y.values, [self.y.rows, 1]))
                },
                std::slice::from_ref(&start),
                args.run.seed,
            )
        };
        let (run, seconds) = timed(args.repeats, sample)?;
        let ess = run.chains.ess();
        let ess = ess.iter().sum::<f64>() / ess.len() as f64;
        let of_gradient = seconds * args.repeats as f64 / gradients.into_inner() as f64;
        let of_draw = run.reports[0].steps * args.draws as f64 / ess;
        let sd: Vec<f64> = run.chains.variance().iter().map(|variance| variance.sqrt()).collect();
        Ok(self.cost(of_draw * of_gradient, of_draw, &run.chains.mean(), &sd))
    }

    fn by_variational_inference(&self, args: &Args) -> anyhow::Result<Cost> {
        let objective = BayesMlpObjective::new(&self.model, &self.x, &self.y);
        // An epoch is about a hundredth of the steps, so that the rate falls smoothly.
        let batch_size = args.run.batch_size;
        let window = self.x.rows.min(args.steps.div_ceil(100).saturating_mul(batch_size));
        let epochs = args.run.epochs.min(args.steps.div_ceil(window.div_ceil(batch_size)));
        let schedule = Schedule::Cosine { epochs };
        let fit = Fit { epochs, batch_size, rate: args.run.lr, schedule, ..Fit::default() };
        let seed = args.run.seed;
        let ((trainer, _), seconds) = timed(args.repeats, || {
            let eta: Vec<f64> = self.model.layout().init(&mut StdRng::seed_from_u64(seed));
            let mut trainer = Trainer::new(self.model.layout(), eta, Rule::ADAM, seed);
            let sampling = Sampling::Local { samples: 1 };
            let mut objective = BayesMlpObjective { window, sampling, ..objective };
            trainer.fit(&mut objective, None, &fit, &mut ())?;
            let draws = self.model.draws(trainer.theta(), DRAWS, seed);
            anyhow::Ok((trainer, draws))
        })?;
        let steps = epochs * window.div_ceil(batch_size);
        let tape = Tape::new();
        let q = self.model.posterior(tape.constant(trainer.theta(), [trainer.theta().len()]));
        let (mu, sigma) = (q.modes[0].mu.to_vec(), q.modes[0].sigma.to_vec());
        let draws = DRAWS as f64;
        // A step sees a part of the rows.
        let share = batch_size.min(self.x.rows) as f64 / self.x.rows as f64;
        Ok(self.cost(seconds / draws, steps as f64 * share / draws, &mu, &sigma))
    }

    fn cost(&self, seconds: f64, gradients: f64, mean: &[f64], sd: &[f64]) -> Cost {
        let errors = mean.iter().zip(&self.mean).zip(&self.sd).map(|((found, mean), sd)| (found - mean) / sd);
        let ratios = sd.iter().zip(&self.sd).map(|(found, sd)| found / sd);
        let sd_ratio = ratios.sum::<f64>() / self.sd.len() as f64;
        Cost { seconds, gradients, error: root_mean_square(errors), sd_ratio }
    }
}

/// What `work` returns, and the shortest of its times in seconds.
fn timed<T, E>(repeats: usize, mut work: impl FnMut() -> Result<T, E>) -> Result<(T, f64), E> {
    let mut once = || {
        let start = Instant::now();
        work().map(|result| (result, start.elapsed().as_secs_f64()))
    };
    let mut best = once()?;
    for _ in 1..repeats {
        let next = once()?;
        best = (next.0, best.1.min(next.1));
    }
    Ok(best)
}

fn report(what: &str, costs: &[(usize, [Cost; 3])]) {
    let header = [what, "HMC", "gradients", "No-U-Turn", "gradients", "VI", "error"];
    let mut table = TextTable::new().header(header);
    for (size, [hmc, nuts, vi]) in costs {
        let of = |cost: &Cost| [format!("{:.3}", 1e3 * cost.seconds), format!("{:.1}", cost.gradients)];
        let of_vi = [format!("{:.3}", 1e3 * vi.seconds), format!("{:.3}", vi.error)];
        table.row([size.to_string()].into_iter().chain(of(hmc)).chain(of(nuts)).chain(of_vi));
    }
    table.print();
}

fn draw(run: &Run<'_>, by_rows: &[(usize, [Cost; 3])], by_dim: &[(usize, [Cost; 3])]) -> anyhow::Result<()> {
    let figure = |title: &str, labels: [&str; 2], costs: &[(usize, [Cost; 3])], of: fn(&Cost) -> f64| {
        let mut figure = Figure::new(title).axes(labels[0], labels[1]).log_x().log_y();
        for (i, name) in METHODS.into_iter().enumerate() {
            figure = figure.line(name, costs.iter().map(|(size, costs)| (*size as f64, of(&costs[i]))));
        }
        figure
    };
    let milliseconds = |cost: &Cost| 1e3 * cost.seconds;
    let title = "What a draw from the posterior of a linear regression costs";
    let fixed_dim = format!("{DIM} numbers, more and more rows");
    let fixed_rows = format!("{} rows, more and more numbers", rows_of_dims(run.args.dry_run));
    Panels::new(title, 2)
        .figure(figure(&fixed_dim, ["rows", "ms of an effective draw"], by_rows, milliseconds))
        .figure(figure(&fixed_rows, ["dimension of θ", "ms of an effective draw"], by_dim, milliseconds))
        .save(&run.picture(
            "cost.png",
            "Time of an effective draw by three methods as rows and dimensions grow, on logarithmic axes. A gradient of Monte Carlo sees all rows, \
            a step of variational inference a minibatch (lecture 004, \"Variational Inference (VI)\")",
        ))?;
    Panels::new("Why, and at what price", 2)
        .figure(figure("Errors of the means", ["rows", "posterior sd"], by_rows, |cost| cost.error))
        .figure(figure("Gradients by all rows", ["dimension of θ", "of an effective draw"], by_dim, |cost| cost.gradients))
        .save(&run.picture(
            "price.png",
            "Left: how far the means are off, in posterior standard deviations. With more rows the posterior gets narrower, and the noise of \
            minibatches does not. Right: the gradients by all rows that an effective draw takes (lecture 004, \"Variational Inference (VI)\")",
        ))?;
    Ok(())
}
