//! Regression with a Bayesian network. Without flags it learns a curve with a gap in the data:
//!
//!     cargo run --release -p bayes-nn --example regression
//!
//! and draws mean, uncertainty and functions from the posterior to `posterior.png`: by q, and beside it for the same network
//! by Hamiltonian Monte Carlo and by the Laplace approximation. Tables, the embedded one or your own:
//!
//!     cargo run --release -p bayes-nn --example regression -- --table diabetes
//!     cargo run --release -p bayes-nn --example regression -- --csv FILE --target COLUMN
//!
//! hold out a part of the rows, score the predictions for it, and write those for all rows to `predictions.csv`.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use autograd::{Real, Var};
use bayes_nn::{
    BayesMlp, Draws, Hmc, HmcRun, Laplace, Likelihood, MlpConfig, Predictive, Regression, Sampling, Scaling,
    Scores,
};
use nn::Nonlinearity;
use nn::data::{Matrix, Table, counts, embedded, split, table};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Run, RunArgs, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{End, Trainer};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

/// Fits a Bayesian network to a curve or a table and says how certain it is
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Learn this table, with or without a header
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "table")]
    csv: Option<PathBuf>,
    /// The column to predict from the others, by name or by number from 0
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Learn an embedded table
    #[arg(long, value_parser = ["diabetes"])]
    table: Option<String>,
    /// The share of a table's rows that is held out
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    validation: f64,
    /// Steps of training; with --epochs, whichever ends first
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    steps: usize,
    /// Hidden units of the network for a table
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole)]
    hidden: usize,
    /// Modes of q
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole)]
    modes: usize,
    /// Learn the noise as a function of the inputs
    #[arg(long)]
    heteroscedastic: bool,
    /// Iterations of each of four Markov chains on the curve, half of them to warm up
    #[arg(long, value_name = "N", default_value_t = 500, default_value_if("dry_run", "true", "20"))]
    hmc: usize,
    /// Draws of θ for predictions
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = whole)]
    draws: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-regression", epochs: 1_000_000, batch_size: 100, lr: 5e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| regression(&args))?)
}

fn regression(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example reads no folder: give a table by --csv");
    let table = args.csv.is_some() || args.table.is_some();
    anyhow::ensure!(
        table || args.target.is_none(),
        "--target is a column of a table: give one by --csv or --table"
    );
    anyhow::ensure!(args.draws >= args.modes, "--draws must not be below --modes");
    anyhow::ensure!(args.hmc >= 8, "--hmc {}: at least 8 iterations are needed", args.hmc);
    match (&args.csv, &args.table) {
        (Some(path), _) => {
            let table = table::read(path, &table::TableOptions::default())?;
            learn_table(args, &table, args.target.as_deref().unwrap_or_default())
        }
        (_, Some(_)) => {
            learn_table(args, &embedded::diabetes(), args.target.as_deref().unwrap_or("progression"))
        }
        _ => learn_curve(args),
    }
}

/// A network that was fitted to standardised rows.
struct Fitted {
    model: BayesMlp,
    draws: Draws<f32>,
    scaling: Scaling,
}

impl Fitted {
    fn predict(&self, draws: &Draws<f32>, x: &Matrix<f64>) -> anyhow::Result<Predictive> {
        Ok(self.scaling.restore(&self.model.predict(draws, &self.scaling.inputs(x)?)))
    }
}

/// Trains on standardised rows; none if the user stopped it.
fn fit(
    run: &Run<'_>,
    args: &Args,
    config: &MlpConfig,
    (x, y): (&Matrix<f64>, &Matrix<f64>),
    window: usize,
    validation: Option<(&Matrix<f64>, &Matrix<f64>)>,
) -> anyhow::Result<Option<Fitted>> {
    let scaling = Scaling::fit(x, y)?;
    let model = BayesMlp::new(config);
    let (x, y) = (scaling.inputs(x)?, scaling.targets(y)?);
    let objective = Regression { sampling: Sampling::Local, window, ..Regression::new(&model, &x, &y) };
    let held_out = validation.map(|(x, y)| Ok::<_, anyhow::Error>((scaling.inputs(x)?, scaling.targets(y)?)));
    let held_out = held_out.transpose()?;
    let validation =
        held_out.as_ref().map(|(x, y)| Regression { n: objective.n, ..Regression::new(&model, x, y) });

    let eta = model.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, eta.len());
    let mut trainer = Trainer::new(eta, optimizer, args.run.seed);
    let end = run
        .train(
            model.layout(),
            &mut trainer,
            (&objective, args.run.rows(window)),
            validation.as_ref().map(|objective| (objective, objective.x.rows)),
            (Schedule::Cosine { epochs: run.args.epochs }, None),
        )
        .map_err(anyhow::Error::from_boxed)?;
    let draws = model.draws(trainer.theta(), args.draws, args.run.seed);
    Ok((end != End::Stopped).then_some(Fitted { model, draws, scaling }))
}

/// The function to be learned, and the noise on it.
fn truth(x: f64) -> f64 {
    (2.0 * x).sin() + 0.3 * x
}

const NOISE: f64 = 0.15;

/// 100 observations with x in ±(0.8 … 2.2).
fn curve(seed: u64) -> (Matrix<f64>, Matrix<f64>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let side = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let x: Vec<f64> = (0..100).map(|i| side(i) * rng.random_range(0.8..2.2)).collect();
    let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
    let y = x.iter().map(|&x| truth(x) + NOISE * noise()).collect();
    (Matrix::new(100, 1, x), Matrix::new(100, 1, y))
}

fn learn_curve(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let (x, y) = curve(args.run.seed);
    let (flags, window) = common::within_steps(&args.run, args.steps, x.rows);
    let run = Run::open(&flags, args)?;
    // The noise is known: what is compared are posteriors of θ.
    let likelihood = Likelihood::Normal { sigma: NOISE / Scaling::fit(&x, &y)?.target_sd() };
    let (phi, modes) = (Nonlinearity::Elu, args.modes);
    let config = MlpConfig { phi, likelihood, modes, ..MlpConfig::new(1, &[20, 20]) };
    let Some(fitted) = fit(&run, args, &config, (&x, &y), window, None)? else { return Ok(()) };

    let run_of_chains = sample_chains(args, &fitted, (&x, &y))?;
    let laplace = Laplace::fit(
        |_, theta| log_joint(&fitted, theta, (&x, &y)),
        fitted.draws.theta.row(0).iter().map(|&theta| theta.into()).collect(),
        if args.run.dry_run { 1 } else { 200 },
    );
    let first: Vec<usize> = (0..args.draws).step_by(args.modes).collect();
    let many = format!("q with {} modes", args.modes);
    let hmc = fitted.model.draws_from(&run_of_chains.chains.thinned(args.draws));
    let grid = Matrix::new(241, 1, (0..241).map(|i| -3.0 + i as f64 / 40.0).collect());
    let mut posteriors = vec![
        ("q with one mode", fitted.predict(&fitted.draws.select(&first), &grid)?),
        (&many, fitted.predict(&fitted.draws, &grid)?),
        ("Hamiltonian Monte Carlo", fitted.predict(&hmc, &grid)?),
    ];
    if args.modes == 1 {
        posteriors.remove(0);
    }
    match &laplace {
        Ok(q) => {
            posteriors.push(("Laplace, linearised", linearised(q, args, &fitted, &grid)?));
            let draws = fitted.model.draws_from(&q.draws(args.draws, args.run.seed));
            posteriors.push(("Laplace, draws of θ", fitted.predict(&draws, &grid)?));
        }
        Err(error) => eprintln!("note: there is no Laplace approximation: {error}"),
    }

    let mut panels = Panels::new("A curve, and what is known of it", 2);
    // The draws of θ by Laplace are off the scale.
    for (title, predictive) in posteriors.iter().filter(|(title, _)| !title.ends_with('θ')) {
        panels = panels.figure(panel(title, (&x, &y), &grid, predictive));
    }
    panels.save(&run.folder.file("posterior.png"))?;

    let yardstick = posteriors.iter().find(|(title, _)| title.starts_with("Hamil")).expect("it was added");
    println!("                          sd of the curve           against Hamiltonian Monte Carlo");
    println!("                        at data  in gap  beyond        mean, rms    sd, ratio");
    let mut results = Vec::new();
    let near: Vec<usize> = (0..grid.rows).filter(|&i| (0.8..=2.2).contains(&grid.values[i].abs())).collect();
    for (title, p) in &posteriors {
        let variance = p.epistemic();
        let sd = |at: &[usize]| (at.iter().map(|&i| variance[i]).sum::<f64>() / at.len() as f64).sqrt();
        let (on_data, in_gap, beyond) = (sd(&near), sd(&[120]), sd(&[0, 240]));
        let (distance, ratio) = compare(p, &yardstick.1);
        println!("{title:<25}{on_data:>7.3} {in_gap:>7.3} {beyond:>7.3}     {distance:>12.3} {ratio:>12.2}");
        results.push((on_data, in_gap, beyond, distance, ratio));
    }
    let (r_hat, ess, acceptance) = judge(&run_of_chains, &fitted, &grid)?;
    println!(
        "Hamiltonian Monte Carlo: R-hat of the curve at most {r_hat:.3}, effective draws at least {ess:.0},"
    );
    println!("acceptance {acceptance:.2}");
    println!("the picture is {}", run.folder.file("posterior.png").display());
    let (on_data, in_gap, beyond, distance, ratio) = results[usize::from(args.modes > 1)];
    let scores = Scores::of(&fitted.predict(&fitted.draws, &x)?, &y.values);
    result_line(&[
        ("on_data", on_data),
        ("in_gap", in_gap),
        ("beyond", beyond),
        ("rmse", scores.rmse),
        ("ll", scores.log_likelihood),
        ("hmc_distance", distance),
        ("hmc_sd_ratio", ratio),
        ("r_hat", r_hat),
        ("ess", ess),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// log p(Y, θ) of the standardised rows.
fn log_joint<'t, F: Real>(
    fitted: &Fitted,
    theta: Var<'t, F>,
    (x, y): (&Matrix<f64>, &Matrix<f64>),
) -> Var<'t, F> {
    let (x, y) = (fitted.scaling.inputs(x), fitted.scaling.targets(y));
    let [x, y] = [x, y].map(|rows| {
        let rows = rows.expect("the rows were fitted").map(|x| F::from_f64(x.into()));
        theta.tape().constant(&rows.values, [rows.rows, 1])
    });
    fitted.model.log_joint(theta, x, y)
}

/// Four chains, each from another draw of q.
fn sample_chains(args: &Args, fitted: &Fitted, data: (&Matrix<f64>, &Matrix<f64>)) -> anyhow::Result<HmcRun> {
    // The acceptance at which a draw of many dimensions is cheapest (Beskos et al. 2013).
    let acceptance = 0.65;
    let hmc = Hmc { warmup: args.hmc / 2, draws: args.hmc.div_ceil(2), acceptance, ..Hmc::default() };
    let start = |chain: usize| {
        let draw = fitted.draws.theta.row(chain % fitted.draws.theta.rows);
        draw.iter().map(|&theta| f64::from(theta)).collect()
    };
    let starts: Vec<Vec<f64>> = (0..4).map(start).collect();
    Ok(hmc.sample(|_, theta| log_joint(fitted, theta, data), &starts, args.run.seed)?)
}

/// What the linearised Laplace approximation says of the curve at the points of a grid.
fn linearised(q: &Laplace, args: &Args, fitted: &Fitted, grid: &Matrix<f64>) -> anyhow::Result<Predictive> {
    let x = fitted.scaling.inputs(grid)?.map(f64::from);
    let network = fitted.model.mlp();
    let f = q.linearised(
        |tape, theta| network.apply(theta, tape.constant(&x.values, [x.rows, 1])),
        args.draws,
        args.run.seed,
    );
    let Likelihood::Normal { sigma } = fitted.model.likelihood() else { unreachable!("the noise is known") };
    Ok(fitted.scaling.restore(&Predictive { sigma: f.map(|_| sigma), f }))
}

/// R-hat and effective sample size of the curve where they are worst, and the average acceptance. Of the weights themselves
/// they would say little: hidden units can change places.
fn judge(run: &HmcRun, fitted: &Fitted, grid: &Matrix<f64>) -> anyhow::Result<(f64, f64, f64)> {
    let every: Vec<usize> = (0..grid.rows).step_by(20).collect();
    let x = grid.select(&every);
    let all = run.chains.thinned(usize::MAX);
    let curves = fitted.predict(&fitted.model.draws_from(&all), &x)?.f;
    let mut row = 0;
    let curves = run.chains.map(|_| {
        row += 1;
        curves.row(row - 1).to_vec()
    });
    let r_hat = curves.r_hat().into_iter().fold(0.0, f64::max);
    let ess = curves.ess().into_iter().fold(f64::INFINITY, f64::min);
    let acceptance =
        run.reports.iter().map(|report| report.acceptance).sum::<f64>() / run.reports.len() as f64;
    Ok((r_hat, ess, acceptance))
}

/// The root mean square of the difference of the means, and the ratio of the curve's average standard deviations.
fn compare(p: &Predictive, other: &Predictive) -> (f64, f64) {
    let square = p.mean().iter().zip(other.mean()).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let sd = |p: &Predictive| p.epistemic().iter().map(|v| v.sqrt()).sum::<f64>();
    ((square / p.f.cols as f64).sqrt(), sd(p) / sd(other))
}

/// Data, truth, and what a posterior says of the curve at the points of a grid.
fn panel(title: &str, (x, y): (&Matrix<f64>, &Matrix<f64>), grid: &Matrix<f64>, p: &Predictive) -> Figure {
    let at = &grid.values;
    let mean = p.mean();
    let band = |variance: Vec<f64>| {
        let points = at.iter().zip(&mean).zip(variance);
        points.map(|((&x, &mean), variance)| (x, mean - 2.0 * variance.sqrt(), mean + 2.0 * variance.sqrt()))
    };
    let (curve, noisy) = ("curve: mean, ± 2 sd", "observations: ± 2 sd");
    let mut figure =
        Figure::new(title).axes("x", "y").band(curve, band(p.epistemic())).band(noisy, band(p.variance()));
    for s in 0..p.f.rows.min(8) {
        figure = figure.line("drawn curves", at.iter().copied().zip(p.f.row(s).iter().copied()));
    }
    figure
        .line("truth", at.iter().map(|&x| (x, truth(x))))
        .line(curve, at.iter().copied().zip(mean.iter().copied()))
        .classes(["data"], x.values.iter().zip(y.values.iter()).map(|(&x, &y)| ((x, y), 0)))
}

fn learn_table(args: &Args, table: &Table, target: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    let share = args.validation;
    anyhow::ensure!(share > 0.0 && share < 1.0, "--validation {share}: a share between 0 and 1 is wanted");
    let (inputs, y) = table.split_target(target)?;
    let (names, x) = (&inputs.names, &inputs.values);
    anyhow::ensure!(!names.is_empty(), "the table has no column but the target");
    let [train, validation] = split(x.rows, counts(x.rows, [1.0 - share, share]), args.run.seed);
    anyhow::ensure!(
        !validation.is_empty(),
        "{} rows: too few to hold any out; give more, or --validation",
        x.rows
    );
    let constant = Scaling::fit(&x.select(&train), &y.select(&train))?;
    for &j in constant.constant_inputs() {
        eprintln!("note: {} does not vary over the rows to train on and tells nothing", names[j]);
    }
    let (flags, window) = common::within_steps(&args.run, args.steps, train.len());
    let run = Run::open(&flags, args)?;
    let part = |rows: &[usize]| (x.select(rows), y.select(rows));
    let ((x_train, y_train), (x_validation, y_validation)) = (part(&train), part(&validation));
    let held_out = Some((&x_validation, &y_validation));
    let likelihood = if args.heteroscedastic { Likelihood::NormalHead } else { Likelihood::NORMAL_LEARNED };
    let config = MlpConfig { likelihood, modes: args.modes, ..MlpConfig::new(x.cols, &[args.hidden]) };
    let Some(fitted) = fit(&run, args, &config, (&x_train, &y_train), window, held_out)? else {
        return Ok(());
    };

    let predictive = fitted.predict(&fitted.draws, &x_validation)?;
    let scores = Scores::of(&predictive, &y_validation.values);
    println!("{} rows held out of {}, in units of {target}", validation.len(), x.rows);
    println!(
        "  RMSE                    {:9.3}   (of the mean alone: {:.3})",
        scores.rmse,
        spread(&y_train, &y_validation)
    );
    println!("  log-likelihood          {:9.3}   nats per row", scores.log_likelihood);
    println!("  CRPS                    {:9.3}", scores.crps);
    for level in [0.5, 0.9, 0.95] {
        println!("  inside {:2.0} % intervals    {:9.3}", 100.0 * level, scores.coverage(level));
    }
    write_predictions(&run, &fitted, (x, &y), &validation).context("the predictions could not be written")?;
    common::calibration(&scores).save(&run.folder.file("calibration.png"))?;
    let mean = predictive.mean();
    let ends =
        y_validation.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |a, &y| (a.0.min(y), a.1.max(y)));
    let points = mean.iter().zip(y_validation.values.iter()).map(|(&mean, &y)| ((mean, y), 0));
    Figure::new("Rows held out: observed against predicted")
        .axes(&format!("predicted {target}"), &format!("observed {target}"))
        .line("equal", [(ends.0, ends.0), (ends.1, ends.1)])
        .classes(["rows"], points)
        .save(&run.folder.file("predictions.png"))?;
    println!("predictions, pictures, metrics and checkpoint are in {}", run.folder.path().display());
    result_line(&[
        ("rmse", scores.rmse),
        ("ll", scores.log_likelihood),
        ("crps", scores.crps),
        ("coverage_90", scores.coverage(0.9)),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// The error of predicting the training rows' mean.
fn spread(train: &Matrix<f64>, validation: &Matrix<f64>) -> f64 {
    let mean = train.values.iter().sum::<f64>() / train.rows as f64;
    (validation.values.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / validation.rows as f64).sqrt()
}

/// A row for each row of the table: its part, the target, and what is predicted of it.
fn write_predictions(
    run: &Run<'_>,
    fitted: &Fitted,
    (x, y): (&Matrix<f64>, &Matrix<f64>),
    validation: &[usize],
) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_path(run.folder.file("predictions.csv"))?;
    file.write_record(["row", "part", "target", "mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q95"])?;
    let mut part = vec!["train"; x.rows];
    validation.iter().for_each(|&row| part[row] = "validation");
    // Some rows at a time: a prediction holds every draw of every row.
    for first in (0..x.rows).step_by(4096) {
        let rows: Vec<usize> = (first..x.rows.min(first + 4096)).collect();
        let p = fitted.predict(&fitted.draws, &x.select(&rows))?;
        let root = |variance: Vec<f64>| variance.into_iter().map(f64::sqrt).collect();
        let columns = [
            y.select(&rows).values.to_vec(),
            p.mean(),
            root(p.variance()),
            root(p.epistemic()),
            root(p.aleatoric()),
            p.quantile(0.05),
            p.quantile(0.95),
        ];
        for (i, row) in rows.iter().enumerate() {
            let numbers = columns.iter().map(|column| column[i].to_string());
            file.write_record([row.to_string(), part[*row].to_string()].into_iter().chain(numbers))?;
        }
    }
    file.flush()?;
    Ok(())
}
