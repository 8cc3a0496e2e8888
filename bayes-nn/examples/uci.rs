//! Runs the benchmark of Hernández-Lobato & Adams (2015) on any set in its layout: a folder with `data.txt`,
//! `index_features.txt`, `index_target.txt` and, for each split K, `index_train_K.txt` and `index_test_K.txt`.
//!
//!     cargo run --release -p bayes-nn --example uci -- --data DIR
//!
//! Without `--data` the set is generated: 10,000 rows of Friedman's (1991) first function.
//!
//! The network has one hidden layer of 50 ReLU units, θ ~ N(0, s² I), and q has four modes. Inputs and target are standardised
//! on the training rows. Only the noise level of the training, the prior's scale s, the length of training, and the noise of
//! predictions differ between sets; every split finds them within its training rows. This is a benchmark: it recommends none of its
//! networks and keeps none; `regression` trains one to keep. Writes a row for each split to `splits.csv`, and the calibration curve of all splits to
//! `calibration.png`.

mod common;
mod splits;

use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use bayes_nn::{BayesMlpConfig, Likelihood, NoiseModel, Predictive, Sampling, Scores, WeightPrior};
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
    /// Only these splits, the last one not included [default: all that there are; in a dry run two]
    #[arg(long, value_name = "A..B", value_parser = range)]
    splits: Option<Range<usize>>,
    /// Steps of the shorter training: validation may choose four times as many; with --epochs, whichever ends first
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
    /// The noise level of the training, for a standardised target.
    sigma: f64,
    /// s of the prior θ ~ N(0, s² I).
    scale: f64,
    /// The length of training.
    steps: usize,
}

/// Trains q on these rows.
fn fit(args: &Args, rows: &Rows, choice: Choice, seed: u64) -> anyhow::Result<Fitted> {
    let config = BayesMlpConfig {
        likelihood: Likelihood::Normal { sigma: choice.sigma },
        prior: WeightPrior::Normal { sigma: vec![choice.scale] },
        modes: args.modes,
        ..BayesMlpConfig::new(rows.x.cols, &[args.hidden])
    };
    let sampling = if args.local { Sampling::Local { samples: 1 } } else { Sampling::Weights { samples: 1 } };
    common::fit(&RunArgs { seed, ..args.run.clone() }, &config, sampling, rows, choice.steps, args.draws)
}

struct SplitScores {
    split: usize,
    /// The ELBO of the rows to train on, in nats, with the target standardised.
    bound: f64,
    /// The noise level of the training, for a standardised target.
    sigma: f64,
    scores: Scores,
    /// Of Bayesian linear regression.
    linear: Scores,
    /// The numbers of rows to train on and to test on.
    rows: [usize; 2],
    /// What was said of the test rows, and what was observed.
    shown: Explorer,
}

/// Chooses noise level, prior scale and length of training, fits all training rows with them, and scores the test rows, with the noise
/// that rows held out in the choice had.
fn score_split(args: &Args, set: &Set, split: &Split) -> anyhow::Result<SplitScores> {
    ensure!(!split.test.is_empty(), "no rows to predict");
    let seed = args.run.seed.wrapping_add(split.number as u64);
    let held_out = Validation::new(args, set, &split.train, seed)?.choose()?;
    let (choice, noise) = (held_out.choice, NoiseModel::fit(&held_out.parts)?);
    let (train, test) = (set.rows.select(&split.train), set.rows.select(&split.test));
    let fitted = fit(args, &train, choice, seed)?;
    let linear = Scores::of(&common::linear(&train, &test.x, args.draws, seed)?, &test.y.values);
    let predictive = noise.apply(&fitted.predict(&test.x)?, seed);
    let (sigma, scores) = (choice.sigma, Scores::of(&predictive, &test.y.values));
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
    Ok(SplitScores { split: split.number, bound: fitted.bound, sigma, scores, linear, rows, shown })
}

/// Two fifths of the training rows, which are held out one after the other.
struct Validation<'a> {
    args: &'a Args,
    /// (rows to train on, rows held out), twice.
    parts: [(Rows, Rows); 2],
    seed: u64,
}

/// A choice, and what rows held out say of it.
struct HeldOut {
    choice: Choice,
    /// The mean of log p(y|x) over the rows held out, each part with the noise of the other.
    log_density: f64,
    /// What was predicted of both parts, and what was observed.
    parts: [(Predictive, Vec<f64>); 2],
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
        let part = |(train, held_out): &(Rows, Rows)| -> anyhow::Result<_> {
            let fitted = fit(self.args, train, choice, self.seed)?;
            Ok((fitted.predict(&held_out.x)?, held_out.y.values.to_vec()))
        };
        let parts = [part(&self.parts[0])?, part(&self.parts[1])?];
        let of_other = |part: usize| -> anyhow::Result<f64> {
            let (predictive, y) = &parts[part];
            let noise = NoiseModel::fit(&parts[1 - part..2 - part])?;
            let log_density = noise.apply(predictive, self.seed).log_density(y);
            Ok(log_density.iter().sum::<f64>() / y.len() as f64)
        };
        let log_density = 0.5 * (of_other(0)? + of_other(1)?);
        Ok(HeldOut { choice, log_density, parts })
    }

    /// The next choice, if it makes the rows held out more likely than the best one so far. A training that diverges is no better.
    fn better(&self, best: HeldOut, next: Choice) -> HeldOut {
        match self.score(next) {
            Ok(score) if score.log_density > best.log_density => score,
            _ => best,
        }
    }

    /// First the best σ of 0.32, 0.08, 0.02 and 0.005, then half or twice as much; then the prior's s, 1, ½ or 2; then four times the
    /// steps: whatever makes the rows held out more likely.
    ///
    /// The ELBO alone takes for noise what a mean-field q cannot express, and would find a σ that is up to ten times as large.
    fn choose(&self) -> anyhow::Result<HeldOut> {
        let first = Choice { sigma: 0.32, scale: 1.0, steps: self.args.steps };
        let mut best = self.score(first)?;
        for sigma in [0.08, 0.02, 0.005] {
            best = self.better(best, Choice { sigma, ..first });
        }
        let coarse = best.choice;
        for factor in [0.5, 2.0] {
            if best.choice.sigma == coarse.sigma {
                best = self.better(best, Choice { sigma: factor * coarse.sigma, ..coarse });
            }
        }
        let unscaled = best.choice;
        for factor in [0.5, 2.0] {
            if best.choice.scale == unscaled.scale {
                best = self.better(best, Choice { scale: factor * unscaled.scale, ..unscaled });
            }
        }
        let longer = Choice { steps: best.choice.steps.saturating_mul(4), ..best.choice };
        Ok(self.better(best, longer))
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
        ("noise level of the training, σ", over(|split| split.sigma)),
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
        "bound",
        "sigma",
        "rmse",
        "log_likelihood",
        "crps",
        "coverage_50",
        "coverage_90",
        "coverage_95",
    ]);
    for SplitScores { split, bound, sigma, scores, .. } in splits {
        let numbers = [*bound, *sigma, scores.rmse, scores.log_density, scores.crps];
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
