//! The benchmark of Hernández-Lobato & Adams (2015), on any set in its layout: a folder with `data.txt`,
//! `index_features.txt`, `index_target.txt` and, for each split K, `index_train_K.txt` and `index_test_K.txt`:
//!
//!     cargo run --release -p bayes-nn --example uci -- --data DIR
//!
//! Without `--data` the set is generated: Friedman's (1991) first function, 10,000 rows.
//!
//! One hidden layer of 50 ReLU units, θ ~ N(0, s² I), q with four modes; inputs and target standardised on the training
//! rows. All that differs from one set to the next are the noise level, the prior scale and the length of training, which
//! every split finds within its training rows. Writes a row a split to `splits.csv` and the calibration curve of all of them to `calibration.png`.

mod common;

use std::f64::consts::PI;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use bayes_nn::{
    BayesMlp, Draws, Likelihood, MlpConfig, Predictive, Prior, Regression, Sampling, Scaling, Scores,
};
use nn::Estimate;
use nn::data::{Matrix, counts, split, table};
use nn::optim::{Optimizer, Rule};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Fit, Trainer};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Fits a Bayesian network to every split of a regression set and scores it on the rows left out
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Rows of the set that is generated without --data
    #[arg(long, value_name = "N", default_value_t = 10_000, conflicts_with = "data")]
    rows: usize,
    /// Only these splits, the last one not included [default: all that there are]
    #[arg(long, value_name = "A..B", value_parser = range)]
    splits: Option<Range<usize>>,
    /// Steps of the shortest training: validation may choose two or four times as many; with --epochs, whichever ends first
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    steps: usize,
    /// Hidden units
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole)]
    hidden: usize,
    /// Modes of q
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = whole)]
    modes: usize,
    /// Train by local reparameterisation instead of sampled weights
    #[arg(long)]
    local: bool,
    /// Draws of θ for predictions
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = whole)]
    draws: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-uci", epochs: 1_000_000, batch_size: 100, lr: 5e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| uci(&args))?)
}

fn uci(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint().context("to go on, give the splits left to --splits")?;
    anyhow::ensure!(args.draws >= args.modes, "--draws must not be below --modes");
    let set = match &args.run.data {
        Some(dir) => Set::read(dir, args)?,
        None => Set::generated(args)?,
    };
    let folder = RunFolder::open(&args.run, args)?;

    let fit = |(k, train, test): &(usize, Vec<usize>, Vec<usize>)| {
        set.fit_split(args, *k, train, test).with_context(|| format!("split {k}"))
    };
    let (fits, failed): (Vec<_>, Vec<_>) =
        set.splits.par_iter().map(fit).collect::<Vec<_>>().into_iter().partition(Result::is_ok);
    let fits: Vec<SplitScores> = fits.into_iter().flatten().collect();
    write(&folder, &fits).context("the results could not be written")?;
    if let Some(Err(error)) = failed.into_iter().next() {
        return Err(error.context(format!(
            "{} splits of {} are in splits.csv",
            fits.len(),
            set.splits.len()
        )));
    }
    let over = |what: &str, of: fn(&SplitScores) -> f64| {
        let Estimate { mean, se } = Estimate::of(&fits.iter().map(of).collect::<Vec<_>>());
        // A single split has no standard error.
        println!("  {what:24} {mean:8.3}{}", if se.is_nan() { String::new() } else { format!(" ± {se:.3}") });
        (mean, se)
    };
    println!("{}, {} splits, mean and standard error", set.name, fits.len());
    let rmse = over("RMSE", |fit| fit.scores.rmse);
    let ll = over("log-likelihood", |fit| fit.scores.log_likelihood);
    over("CRPS", |fit| fit.scores.crps);
    over("inside 90 % intervals", |fit| fit.scores.coverage(0.9));
    over("noise level σ", |fit| fit.sigma);
    let mut results = vec![
        ("set", set.name.clone()),
        ("splits", fits.len().to_string()),
        ("rmse", rmse.0.to_string()),
        ("rmse_se", rmse.1.to_string()),
        ("ll", ll.0.to_string()),
        ("ll_se", ll.1.to_string()),
        ("seconds", started.elapsed().as_secs_f64().to_string()),
    ];
    results.retain(|(name, _)| fits.len() > 1 || !name.ends_with("_se"));
    result_line(&results);
    Ok(())
}

/// A set with its splits (number, training rows, test rows).
struct Set {
    name: String,
    x: Matrix<f64>,
    y: Matrix<f64>,
    splits: Vec<(usize, Vec<usize>, Vec<usize>)>,
}

struct SplitScores {
    split: usize,
    /// The noise level in units of the target.
    sigma: f64,
    scores: Scores,
}

impl Set {
    fn read(dir: &Path, args: &Args) -> anyhow::Result<Self> {
        let absolute =
            dir.canonicalize().with_context(|| format!("the folder {} cannot be opened", dir.display()))?;
        let name = absolute.file_name().map_or("uci".into(), |name| name.to_string_lossy().replace(' ', "_"));
        let table = table::read(dir.join("data.txt"), &table::TableOptions::default())?;
        let columns = |file: &str| table::read_indices(dir.join(file), table.names.len());
        let (features, target) = (columns("index_features.txt")?, columns("index_target.txt")?);
        anyhow::ensure!(target.len() == 1, "{}: {} targets, one is wanted", dir.display(), target.len());
        let (x, y) = (table.values.columns(&features), table.values.columns(&target));
        let there = || (0..).take_while(|k| dir.join(format!("index_train_{k}.txt")).is_file()).count();
        let numbers = args.splits.clone().unwrap_or_else(|| 0..there().max(1));
        let splits = numbers.map(|k| {
            let rows = |part: &str| table::read_indices(dir.join(format!("index_{part}_{k}.txt")), x.rows);
            let (mut train, mut test) = (rows("train")?, rows("test")?);
            for rows in [&mut train, &mut test].into_iter().filter(|_| args.run.dry_run) {
                rows.truncate(args.run.batch_size);
            }
            Ok((k, train, test))
        });
        Ok(Self { name, splits: splits.collect::<anyhow::Result<_>>()?, x, y })
    }

    /// y = 10 sin(π x₀ x₁) + 20 (x₂ − ½)² + 10 x₃ + 5 x₄ + ε,   x ~ U(0, 1)¹⁰, ε ~ N(0, 1)
    ///
    /// With 20 splits, a tenth of the rows to test.
    fn generated(args: &Args) -> anyhow::Result<Self> {
        let rows = if args.run.dry_run { args.run.batch_size } else { args.rows };
        anyhow::ensure!(rows >= 20, "--rows {rows}: 20 at least are needed");
        let mut rng = StdRng::seed_from_u64(args.run.seed);
        let x: Vec<f64> = (0..10 * rows).map(|_| rng.random()).collect();
        let y = x.chunks_exact(10).map(|x| {
            let noise: f64 = rng.sample(StandardNormal);
            10.0 * (PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4] + noise
        });
        let y = Matrix::new(rows, 1, y.collect());
        let splits = args.splits.clone().unwrap_or(0..20).map(|k| {
            let [train, test] = split(rows, counts(rows, [0.9, 0.1]), args.run.seed.wrapping_add(k as u64));
            (k, train, test)
        });
        Ok(Self { name: "friedman".into(), splits: splits.collect(), x: Matrix::new(rows, 10, x), y })
    }

    /// Finds noise level, prior scale and length of training, fits all training rows with them, and scores the test rows.
    fn fit_split(
        &self,
        args: &Args,
        k: usize,
        train: &[usize],
        test: &[usize],
    ) -> anyhow::Result<SplitScores> {
        let seed = args.run.seed.wrapping_add(k as u64);
        let choice = self.validate(args, train, seed)?;
        let fit = self.fit(args, train, choice, seed)?;
        anyhow::ensure!(!test.is_empty(), "no rows to predict");
        let predictive = fit.predict(&self.x.select(test))?;
        let (sigma, scores) = (fit.sigma(), Scores::of(&predictive, &self.y.select(test).values));
        eprintln!(
            "{} split {k}: σ {sigma:.3}, s {:.2}, {} steps, RMSE {:.3}, log-likelihood {:.3}",
            self.name, choice.scale, choice.steps, scores.rmse, scores.log_likelihood
        );
        Ok(SplitScores { split: k, sigma, scores })
    }

    /// What rows held out say of it: two fifths of the training rows, one after the other. First σ as the bound learns it,
    /// then less and less of it, by √2 each time; then the prior's s, halved or doubled from 1; then the steps, doubled twice
    /// at most: each as long as the rows held out become more likely.
    ///
    /// The bound alone takes for noise what a mean-field q cannot express, and finds σ too large.
    fn validate(&self, args: &Args, train: &[usize], seed: u64) -> anyhow::Result<Choice> {
        let [a, b, rest] = split(train.len(), counts(train.len(), [0.2, 0.2, 0.6]), seed)
            .map(|part| part.into_iter().map(|i| train[i]).collect::<Vec<_>>());
        let few = a.is_empty() || b.is_empty();
        anyhow::ensure!(!few, "{} rows to train on are too few for validation", train.len());
        // The mean log-likelihood of what is held out, and the mean of log σ.
        let held_out = |choice| -> anyhow::Result<(f64, f64)> {
            let (mut log_likelihood, mut log_sigma) = (0.0, 0.0);
            for (validation, other) in [(&a, &b), (&b, &a)] {
                let fit = self.fit(args, &[&rest[..], other].concat(), choice, seed)?;
                let y = self.y.select(validation);
                let log_density = fit.predict(&self.x.select(validation))?.log_density(&y.values);
                log_likelihood += 0.5 * log_density.iter().sum::<f64>() / y.rows as f64;
                log_sigma += 0.5 * (fit.sigma() / fit.scaling.target_sd()).ln();
            }
            Ok((log_likelihood, log_sigma))
        };
        let first = Choice { likelihood: Likelihood::NORMAL_LEARNED, scale: 1.0, steps: args.steps };
        let (first_score, log_sigma) = held_out(first)?;
        let climb = |mut best: (Choice, f64), most: i32, next: &dyn Fn(i32, Choice) -> Choice| {
            for step in 1..=if args.run.dry_run { 1 } else { most } {
                let choice = next(step, best.0);
                match held_out(choice) {
                    Ok((score, _)) if score > best.1 => best = (choice, score),
                    // A training that diverges is no better either.
                    _ => break,
                }
            }
            best
        };
        let sigma = |step: i32| log_sigma.exp() * std::f64::consts::FRAC_1_SQRT_2.powi(step);
        let quieter =
            |step, choice| Choice { likelihood: Likelihood::Normal { sigma: sigma(step) }, ..choice };
        let mut best = climb((first, first_score), 20, &quieter);
        for factor in [0.5, 2.0] {
            if best.0.scale == 1.0 {
                best = climb(best, 10, &|_, choice| Choice { scale: factor * choice.scale, ..choice });
            }
        }
        let longer = |_, choice: Choice| Choice { steps: choice.steps.saturating_mul(2), ..choice };
        Ok(climb(best, 2, &longer).0)
    }

    fn fit(&self, args: &Args, rows: &[usize], choice: Choice, seed: u64) -> anyhow::Result<Fitted> {
        let (x, y) = (self.x.select(rows), self.y.select(rows));
        let scaling = Scaling::fit(&x, &y)?;
        let (x, y) = (scaling.inputs(&x)?, scaling.targets(&y)?);
        let (likelihood, prior) = (choice.likelihood, Prior::Normal(vec![choice.scale]));
        let config =
            MlpConfig { likelihood, prior, modes: args.modes, ..MlpConfig::new(x.cols, &[args.hidden]) };
        let model = BayesMlp::new(&config);
        let eta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(seed));
        let optimizer = Optimizer::new(Rule::ADAM, eta.len());
        let mut trainer = Trainer::new(eta, optimizer, seed);
        let (RunArgs { epochs, batch_size, lr: rate, .. }, window) =
            common::within_steps(&args.run, choice.steps, x.rows);
        let fit = Fit { epochs, batch_size, rate, schedule: Schedule::Cosine { epochs }, patience: None };
        let sampling = if args.local { Sampling::Local } else { Sampling::Weights };
        let objective = Regression { sampling, window, ..Regression::new(&model, &x, &y) };
        trainer.fit(&objective, window, None, &fit, &mut ())?;
        let draws = model.draws(trainer.theta(), args.draws, seed);
        Ok(Fitted { model, draws, scaling })
    }
}

/// What is chosen by validation: the noise, s of the prior θ ~ N(0, s² I), and the length of training.
#[derive(Clone, Copy)]
struct Choice {
    likelihood: Likelihood,
    scale: f64,
    steps: usize,
}

/// A posterior, and draws from it.
struct Fitted {
    model: BayesMlp,
    draws: Draws<f32>,
    scaling: Scaling,
}

impl Fitted {
    fn predict(&self, x: &Matrix<f64>) -> anyhow::Result<Predictive> {
        Ok(self.scaling.restore(&self.model.predict(&self.draws, &self.scaling.inputs(x)?)))
    }

    /// The noise level in units of the target: exp E[log σ].
    fn sigma(&self) -> f64 {
        let log_sigma = &self.draws.log_sigma;
        (log_sigma.iter().sum::<f64>() / log_sigma.len() as f64).exp() * self.scaling.target_sd()
    }
}

fn write(folder: &RunFolder, fits: &[SplitScores]) -> anyhow::Result<()> {
    let mut rows = csv::Writer::from_path(folder.file("splits.csv"))?;
    rows.write_record([
        "split",
        "sigma",
        "rmse",
        "log_likelihood",
        "crps",
        "coverage_50",
        "coverage_90",
        "coverage_95",
    ])?;
    for SplitScores { split, sigma, scores } in fits {
        let coverage = [0.5, 0.9, 0.95].map(|level| scores.coverage(level));
        let numbers = [&[*sigma, scores.rmse, scores.log_likelihood, scores.crps][..], &coverage].concat();
        rows.write_record([split.to_string()].into_iter().chain(numbers.iter().map(f64::to_string)))?;
    }
    rows.flush()?;
    let cdf = fits.iter().flat_map(|fit| fit.scores.cdf.iter().copied()).collect();
    let all = Scores { cdf, ..fits.first().context("there are no splits")?.scores.clone() };
    common::calibration(&all).save(&folder.file("calibration.png"))?;
    Ok(())
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let ends = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    ends.filter(|range| !range.is_empty()).ok_or_else(|| "a range such as 0..20 is wanted".to_owned())
}
