//! Runs the benchmark of Hernández-Lobato & Adams (2015) on any set in its layout: a folder with `data.txt`,
//! `index_features.txt`, `index_target.txt` and, for each split K, `index_train_K.txt` and `index_test_K.txt`.
//!
//!     cargo run --release -p bayes-nn --example uci -- --data DIR
//!
//! Without `--data` the set is generated: 10,000 rows of Friedman's (1991) first function.
//!
//! The network has one hidden layer of 50 ReLU units, θ ~ N(0, s² I), and q has four modes. Inputs and target are standardised
//! on the training rows. Only the noise level, the prior's scale s and the length of training differ between sets; every split
//! finds them within its training rows. This is a benchmark: it recommends none of its networks and keeps none; `regression` trains
//! one to keep. Writes a row for each split to `splits.csv`, and the calibration curve of all splits to
//! `calibration.png`.

mod common;
mod splits;

use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use bayes_nn::{BayesMlpConfig, Likelihood, Sampling, Scores, WeightPrior};
use nn::data::{counts, split};
use nn::run::{
    Counter, Csv, Defaults, Explorer, Label, Run, RunArgs, RunError, TableArgs, TextTable, at_most, whole,
    width,
};
use nn::stats::Estimate;
use nn::{errln, outln};
use rayon::prelude::*;

use common::{Fitted, Rows};
use splits::{Set, Split};

/// Fits a Bayesian neural network to every split of a regression set and scores it on the rows left out
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    table: TableArgs,
    /// Rows of the set that is generated without --data
    #[arg(long, value_name = "N", default_value_t = 10_000, conflicts_with = "data", value_parser = whole)]
    rows: usize,
    /// Only these splits, the last one not included [default: all that there are]
    #[arg(long, value_name = "A..B", value_parser = range)]
    splits: Option<Range<usize>>,
    /// Steps of the shortest training: validation may choose two or four times as many; with --epochs, whichever ends first
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    steps: usize,
    /// Hidden units
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = width)]
    hidden: usize,
    /// Modes of q
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = width)]
    modes: usize,
    /// Train by local reparameterisation instead of sampled weights
    #[arg(long)]
    local: bool,
    /// Draws of θ for predictions
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_most::<10_000>)]
    draws: usize,
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let ends = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    ends.filter(|range| !range.is_empty()).ok_or_else(|| "expected a range such as 0..20".to_owned())
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-uci", epochs: 1_000_000, batch_size: 100, lr: 5e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| uci(&args))?)
}

fn uci(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint().context("to go on, give the splits left to --splits")?;
    let Args { draws, modes, .. } = *args;
    ensure!(draws >= modes, "--draws: expected at least {modes} as --modes, found {draws}");
    let set = match &args.run.data {
        Some(dir) => Set::read(dir, &args.run, &args.table, args.splits.clone())?,
        None => {
            args.table.without_table()?;
            Set::generated(args.rows, &args.run, args.splits.clone())?
        }
    };
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "The UCI benchmark");

    let score =
        |split: &Split| score_split(args, &set, split).with_context(|| format!("split {}", split.number));
    let splits = Counter::new("splits", set.splits.len());
    let all: Vec<_> = set.splits.par_iter().map(|split| splits.counted(score(split))).collect();
    drop(splits);
    let (scores, failed): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    let scores: Vec<SplitScores> = scores.into_iter().flatten().collect();
    write(&run, &scores).context("the results could not be written")?;
    if let Some(Err(error)) = failed.into_iter().next() {
        let (done, all) = (scores.len(), set.splits.len());
        return Err(error.context(format!("{done} splits of {all} are in splits.csv")));
    }
    scores.first().into_iter().for_each(|first| run.explore(first.shown.clone()));
    report(&run, &set.name, &scores)?;
    Ok(())
}

/// What is chosen by validation.
#[derive(Clone, Copy)]
struct Choice {
    /// The noise level.
    likelihood: Likelihood,
    /// s of the prior θ ~ N(0, s² I).
    scale: f64,
    /// The length of training.
    steps: usize,
}

/// Trains q on these rows.
fn fit(args: &Args, rows: &Rows, choice: Choice, seed: u64) -> anyhow::Result<Fitted> {
    let config = BayesMlpConfig {
        likelihood: choice.likelihood,
        prior: WeightPrior::Normal { sigma: vec![choice.scale] },
        modes: args.modes,
        ..BayesMlpConfig::new(rows.x.cols, &[args.hidden])
    };
    let sampling = if args.local { Sampling::Local { samples: 1 } } else { Sampling::Weights { samples: 1 } };
    common::fit(&RunArgs { seed, ..args.run.clone() }, &config, sampling, rows, choice.steps, args.draws)
}

/// The noise level of a fitted network in units of the target: σ, or exp E[log σ] if it is not known.
fn noise_level(fitted: &Fitted) -> f64 {
    let log_sigma = &fitted.draws.unknowns.values;
    let sigma = match fitted.model.config().likelihood {
        Likelihood::Normal { sigma } => sigma,
        _ => (log_sigma.iter().sum::<f64>() / log_sigma.len() as f64).exp(),
    };
    sigma * fitted.scaling.target_sd()
}

struct SplitScores {
    split: usize,
    /// The noise level in units of the target.
    sigma: f64,
    scores: Scores,
    /// Of Bayesian linear regression.
    linear: Scores,
    /// The numbers of rows to train on and to test on.
    rows: [usize; 2],
    /// What was said of the test rows, and what was observed.
    shown: Explorer,
}

/// Chooses noise level, prior scale and length of training, fits all training rows with them, and scores the test rows.
fn score_split(args: &Args, set: &Set, split: &Split) -> anyhow::Result<SplitScores> {
    ensure!(!split.test.is_empty(), "no rows to predict");
    let seed = args.run.seed.wrapping_add(split.number as u64);
    let choice = Validation::new(args, set, &split.train, seed)?.choose()?;
    let (train, test) = (set.rows.select(&split.train), set.rows.select(&split.test));
    let fitted = fit(args, &train, choice, seed)?;
    let linear = Scores::of(&common::linear(&train, &test.x, args.draws, seed)?, &test.y.values);
    let predictive = fitted.predict(&test.x)?;
    let (sigma, scores) = (noise_level(&fitted), Scores::of(&predictive, &test.y.values));
    let title = format!("Test rows of split {}: what was predicted, and what was observed", split.number);
    let shown = common::intervals(&title, &test.y, &predictive);
    errln!(
        "{} split {}: σ {sigma:.3}, s {:.2}, {} steps, RMSE {:.3}, log-likelihood {:.3}",
        set.name,
        split.number,
        choice.scale,
        choice.steps,
        scores.rmse,
        scores.log_density
    );
    let rows = [train.x.rows, test.x.rows];
    Ok(SplitScores { split: split.number, sigma, scores, linear, rows, shown })
}

/// Two fifths of the training rows, which are held out one after the other.
struct Validation<'a> {
    args: &'a Args,
    /// (rows to train on, rows held out), twice.
    parts: [(Rows, Rows); 2],
    seed: u64,
}

/// A choice, and what rows held out say of it.
#[derive(Clone, Copy)]
struct HeldOut {
    choice: Choice,
    /// The mean of log p(y|x) over the rows held out.
    log_density: f64,
    /// The mean of log σ, for a standardised target.
    log_sigma: f64,
}

impl<'a> Validation<'a> {
    fn new(args: &'a Args, set: &Set, train: &[usize], seed: u64) -> anyhow::Result<Self> {
        let [a, b, rest] = split(train.len(), counts(train.len(), [0.2, 0.2, 0.6]), seed)
            .map(|part| part.into_iter().map(|i| train[i]).collect::<Vec<_>>());
        let few = a.is_empty() || b.is_empty();
        ensure!(!few, "{} rows to train on are too few for validation", train.len());
        let part = |held_out: &[usize], other: &[usize]| {
            (set.rows.select(&[&rest, other].concat()), set.rows.select(held_out))
        };
        Ok(Self { args, parts: [part(&a, &b), part(&b, &a)], seed })
    }

    fn score(&self, choice: Choice) -> anyhow::Result<HeldOut> {
        let mut score = HeldOut { choice, log_density: 0.0, log_sigma: 0.0 };
        for (train, held_out) in &self.parts {
            let fitted = fit(self.args, train, choice, self.seed)?;
            let log_density = fitted.predict(&held_out.x)?.log_density(&held_out.y.values);
            score.log_density += 0.5 * log_density.iter().sum::<f64>() / held_out.y.rows as f64;
            score.log_sigma += 0.5 * (noise_level(&fitted) / fitted.scaling.target_sd()).ln();
        }
        Ok(score)
    }

    /// Goes on from the best choice so far as long as rows held out become more likely, at most so many times.
    fn climb(&self, mut best: HeldOut, most: i32, next: impl Fn(i32, Choice) -> Choice) -> HeldOut {
        for step in 1..=if self.args.run.dry_run { 1 } else { most } {
            match self.score(next(step, best.choice)) {
                Ok(score) if score.log_density > best.log_density => best = score,
                // A training that diverges is no better either.
                _ => break,
            }
        }
        best
    }

    /// First σ as the ELBO learns it, then σ divided by √2 again and again; then the prior's s, halved or doubled from 1; then
    /// the steps, doubled at most twice: each as long as the rows held out become more likely.
    ///
    /// The ELBO alone takes for noise what a mean-field q cannot express, and finds a σ that is too large.
    fn choose(&self) -> anyhow::Result<Choice> {
        let likelihood = Likelihood::NORMAL_LEARNED;
        let first = self.score(Choice { likelihood, scale: 1.0, steps: self.args.steps })?;
        let sigma = |step| first.log_sigma.exp() * std::f64::consts::FRAC_1_SQRT_2.powi(step);
        let quieter =
            |step, choice| Choice { likelihood: Likelihood::Normal { sigma: sigma(step) }, ..choice };
        let mut best = self.climb(first, 20, quieter);
        for factor in [0.5, 2.0] {
            if best.choice.scale == 1.0 {
                best = self.climb(best, 10, |_, choice| Choice { scale: factor * choice.scale, ..choice });
            }
        }
        let longer = |_, choice: Choice| Choice { steps: choice.steps.saturating_mul(2), ..choice };
        Ok(self.climb(best, 2, longer).choice)
    }
}

fn report(run: &Run<'_>, set: &str, splits: &[SplitScores]) -> Result<(), RunError> {
    let [train, test] = splits[0].rows;
    let over = |of: fn(&SplitScores) -> f64| {
        Estimate::over_splits(&splits.iter().map(of).collect::<Vec<_>>(), train, test)
    };
    let (rmse, ll) = (over(|split| split.scores.rmse), over(|split| split.scores.log_density));
    let mut table = TextTable::new();
    for (name, Estimate { mean, se }) in [
        ("RMSE", rmse),
        ("log-likelihood", ll),
        ("CRPS", over(|split| split.scores.crps)),
        ("inside 90 % intervals", over(|split| split.scores.coverage(0.9))),
        ("noise level σ", over(|split| split.sigma)),
        ("linear regression: RMSE", over(|split| split.linear.rmse)),
        ("linear regression: log-likelihood", over(|split| split.linear.log_density)),
    ] {
        // A single split has no standard error.
        let error = if se.is_nan() { String::new() } else { format!("± {se:.3}") };
        table.row([name.to_owned(), format!("{mean:.3}"), error]);
    }
    outln!("{set}, {} splits, mean and standard error (for splits that share rows)", splits.len());
    table.print();
    let mut results = vec![
        ("set", set.to_owned()),
        ("splits", splits.len().to_string()),
        ("rmse", rmse.mean.to_string()),
        ("rmse_se", rmse.se.to_string()),
        ("ll", ll.mean.to_string()),
        ("ll_se", ll.se.to_string()),
        ("linear_rmse", over(|split| split.linear.rmse).mean.to_string()),
        ("linear_ll", over(|split| split.linear.log_density).mean.to_string()),
    ];
    results.retain(|(name, _)| splits.len() > 1 || !name.ends_with("_se"));
    let linear = over(|split| split.linear.log_density);
    run.found(&format!(
        "On rows that it has not seen the Bayesian network predicts the target with an error (RMSE) of {:.2}, linear regression with \
         {:.2}; by log-likelihood, which also counts how certain a prediction is, the {} is better.",
        rmse.mean,
        over(|split| split.linear.rmse).mean,
        if ll.mean > linear.mean { "network" } else { "line" }
    ));
    run.label(&[
        Label::new("set", "the set", ""),
        Label::new("splits", "splits into rows to train on and to test on", ""),
        Label::new("rmse", "error of test rows, root mean square (RMSE)", "target's unit")
            .over("splits, which share rows"),
        Label::new("ll", "log-likelihood of test rows, log p(y|x)", "nats per row")
            .over("splits, which share rows"),
        Label::new("linear_rmse", "RMSE of Bayesian linear regression", "target's unit"),
        Label::new("linear_ll", "log-likelihood of Bayesian linear regression", "nats per row"),
    ]);
    run.finish(&results)
}

fn write(run: &Run<'_>, splits: &[SplitScores]) -> anyhow::Result<()> {
    let levels = [0.5, 0.9, 0.95];
    let mut csv = Csv::new([
        "split",
        "sigma",
        "rmse",
        "log_likelihood",
        "crps",
        "coverage_50",
        "coverage_90",
        "coverage_95",
    ]);
    for SplitScores { split, sigma, scores, .. } in splits {
        let numbers = [*sigma, scores.rmse, scores.log_density, scores.crps];
        let coverage = levels.map(|level| scores.coverage(level));
        let numbers = numbers.iter().chain(&coverage).map(f64::to_string);
        csv.row([split.to_string()].into_iter().chain(numbers));
    }
    csv.save(&run.file("splits.csv"))?;
    let cdf = splits.iter().flat_map(|split| split.scores.cdf.iter().copied()).collect();
    let all = Scores { cdf, ..splits.first().context("there are no splits")?.scores.clone() };
    common::calibration(&all).save(&run.picture(
        "calibration.png",
        "How often the truth lies in an interval, over how often it should. A curve on the diagonal is calibrated; \
        below it the intervals are too narrow",
    ))?;
    Ok(())
}
