//! Gaps in vector time series, filled in with their uncertainty. Without flags, two simulated series:
//!
//!     cargo run --release -p gpvae --example timeseries
//!
//! A variational autoencoder describes the channels of one moment by a few latents, and Matérn processes describe how the
//! latents go on in time, at a cost that grows with the number of rows alone. Your own series, with a column of times in any order and
//! steps, numbers or dates such as 2024-01-31 and 2024-01-31T10:00:00Z, which become seconds, and cells that are empty or NA (or what
//! `--missing` names) where nothing was measured; with several series in one table, the column that says which of them a row is of:
//!
//!     cargo run --release -p gpvae --example timeseries -- --csv FILE --time COLUMN --series COLUMN
//!
//! Some of the measured cells are hidden from the model, to score it by, and all cells of some days. `model.safetensors` is the trained
//! model, which the example `gp_apply` applies to other times. `imputed.csv` has mean and standard deviation for
//! every cell, and `series.png` shows them. Ctrl-C saves; `--resume` goes on.

mod series;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use gpvae::prior::Matern;
use gpvae::{MarkovConfig, MarkovObjective, MarkovVae, Prediction, Windows};
use nn::data::{DataError, Matrix, Standardizer, Table};
use nn::model::{Model, TrainedOn};
use nn::run::{Defaults, Run, RunArgs, TableArgs, at_most, positive, share, whole, width};
use nn::train::{End, Fit, Objective, Schedule};

use series::saved::SeriesEntry;
use series::{Filled, Hidden, Reading, Score, Series, Simulation, draw, explorers, labels, write};

/// Fills gaps of time series by a VAE with Markov processes in time
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    /// Read the series from this table, with or without a header
    #[arg(long, value_name = "FILE")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
    /// The column of times, numbers or dates such as 2024-01-31T10:00:00Z, by name or by number from 1
    #[arg(long, value_name = "COLUMN", default_value = "1")]
    time: String,
    /// The column that says which series a row is of, by name or by number from 1 [default: all rows are one series]
    #[arg(long, value_name = "COLUMN", requires = "csv")]
    series: Option<String>,
    /// Simulate this many rows in all
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = whole, conflicts_with = "csv")]
    rows: usize,
    /// Simulate this many sensors
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = at_most::<100>, conflicts_with = "csv")]
    sensors: usize,
    /// Simulate this many subjects, each with a series of its own
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole, conflicts_with = "csv")]
    subjects: usize,
    /// Dimensions of the latent space, better one too many
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = width)]
    latent: usize,
    /// Width of the hidden layer
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = width)]
    hidden: usize,
    /// The time scale that the processes begin with, half of it to twice, in usual steps between rows
    #[arg(long, value_name = "STEPS", default_value_t = 30.0, value_parser = positive)]
    length: f64,
    /// Rows of a series that are learned from together; --batch-size counts such windows
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = width)]
    window: usize,
    /// Train for at most about this many steps, however many the epochs have
    #[arg(long, value_name = "N", default_value_t = 8000, value_parser = whole)]
    steps: usize,
    /// The share of measured cells that is hidden, to be scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    hide: f64,
    /// The share of days that is hidden whole, to be scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    hide_days: f64,
    /// The length of a day, in the units of the times [default: a day if they are dates, else a fiftieth of the longest series]
    #[arg(long, value_name = "LENGTH", value_parser = positive)]
    day: Option<f64>,
    /// Draws for means and standard deviations
    #[arg(long, value_name = "N", default_value_t = 100,
        default_value_if("dry_run", "true", "2"), value_parser = at_most::<10_000>)]
    draws: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-timeseries", epochs: 1000, batch_size: 4, lr: 1e-2 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| timeseries(&args))?)
}

fn timeseries(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example reads no folder: give a table by --csv");
    let series = series(args)?;
    // What the model may see, in units of each channel's deviation.
    let scaling = series.scaling()?;
    let run = Run::open(&args.run, args)?.documented("gpvae", "Time series with gaps");
    let seen = scaling.apply(&series.seen()).map(|y| y as f32);

    let model = model(args, &series)?;
    let mut trainer = run.trainer(model.layout());
    let windows = Windows { rows: args.window, ..Windows::default() };
    let mut objective = MarkovObjective::new(&model, &series.moments, &seen, windows);
    let steps_of_epoch = objective.rows().div_ceil(args.run.batch_size);
    let epochs = args.run.epochs.min(args.steps.div_ceil(steps_of_epoch));
    let fit = Fit { epochs, schedule: Schedule::Cosine { epochs }, ..run.fit() };
    if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
        return Ok(());
    }

    let theta = trainer.theta();
    let codes = model.codes(theta, &series.moments, &seen);
    drop(seen);
    let mut file = model.to_file(theta);
    codes.insert_into(&mut file);
    let (clock, subjects, channels) = (series.clock(), series.subjects.clone(), series.names.clone());
    file.set(SeriesEntry::ENTRY, &SeriesEntry { clock, subjects, channels, scaling: scaling.clone() });
    run.keep_model(file, &TrainedOn::new(args.csv.as_deref(), "simulated series", series.values.rows))?;

    let latents = model.latents(theta, &codes, &series.moments);
    let filled = filled(model.decode_draws(theta, &latents, args.draws, args.run.seed), &scaling);
    write(run.file("imputed.csv"), &series, &filled)?;
    report(&run, &series, &scaling, &filled)
}

/// The series of the table, or simulated ones.
fn series(args: &Args) -> anyhow::Result<Series> {
    let &Args { hide, hide_days, day, rows, sensors, subjects, .. } = args;
    let seed = args.run.seed;
    let reading = Reading { time: &args.time, series: args.series.as_deref(), hide, hide_days, day, seed };
    match &args.csv {
        Some(path) => Series::of(read(args, path)?, reading),
        None => {
            args.format.without_table()?;
            anyhow::ensure!(subjects * 3 <= rows, "--rows {rows}: expected three or more for each subject");
            let table = Simulation { rows, sensors, subjects, seed }.table();
            let day = Some(day.unwrap_or(1.0));
            Series::of(table, Reading { time: "time", series: Some("subject"), day, ..reading })
        }
    }
}

/// The table, whose column of times may be another one than the user thinks.
fn read(args: &Args, path: &Path) -> anyhow::Result<Table> {
    args.format.read_with_dates(path, &args.time, args.series.as_deref()).map_err(|error| match &error {
        DataError::Cell { expected, .. } if expected.ends_with("a date") => {
            anyhow::anyhow!("{error}; --time names the column of times")
        }
        _ => error.into(),
    })
}

/// The model, whose length scales begin at `--length` usual steps: half of it for the first latent to twice for the last, and no more
/// than a quarter of the longest series.
fn model(args: &Args, series: &Series) -> anyhow::Result<MarkovVae> {
    let (step, most) = (series.usual_gap(), 0.25 * series.span());
    let last = (args.latent - 1).max(1) as f64;
    let length = |l: usize| (args.length * step * 4_f64.powf(l as f64 / last - 0.5)).min(most);
    Ok(MarkovVae::new(&MarkovConfig {
        channels: series.names.len(),
        hidden: vec![args.hidden],
        kernel: Matern::FiveHalves,
        lengths: (0..args.latent).map(length).collect(),
    })?)
}

/// Mean and standard deviation of every cell, in the units of the series.
fn filled(prediction: Prediction, scaling: &Standardizer) -> Filled {
    let Prediction { mean, variance } = prediction;
    let mean = scaling.invert(&mean);
    let sd = variance.values.iter().zip(scaling.sd.iter().cycle()).map(|(v, s)| v.sqrt() * s).collect();
    Filled { mean, sd: Matrix::new(variance.rows, variance.cols, sd) }
}

/// The scores and the pictures.
fn report(run: &Run<'_>, series: &Series, scaling: &Standardizer, filled: &Filled) -> anyhow::Result<()> {
    draw(
        &run.picture(
            "series.png",
            "The first channels with their gaps filled in. The hidden points were not shown to the model: about 95 % of \
            them should lie in the band, which should widen in a long gap (lecture 003, \"Predictive posterior \
            sampling\")",
        ),
        series,
        filled,
    )
    .context("the picture could not be drawn")?;
    explorers(series, filled).for_each(|explorer| run.explore(explorer));
    let kinds = [(Hidden::Cell, "cells at random", ""), (Hidden::Day, "cells of whole days", "days_")];
    let scores: Vec<_> = kinds
        .iter()
        .filter_map(|&(kind, of, prefix)| Some((of, Score::of(kind, series, scaling, filled)?, prefix)))
        .collect();
    Score::print(&scores.iter().map(|(of, score, _)| (*of, score)).collect::<Vec<_>>());
    let sentence = |(of, score, _): &(&str, Score, &str)| {
        let [model, linear, ..] = score.errors;
        format!(
            "Hidden {of} are filled in with an error of {model:.2} standard deviations of their channel, by a straight line in time with \
             {linear:.2}; {:.0} % of them lie inside their 95 % intervals.",
            100.0 * score.coverage
        )
    };
    run.found(&scores.iter().map(sentence).collect::<Vec<_>>().join(" "));
    run.label(&labels());
    let results: Vec<_> = scores.iter().flat_map(|(_, score, prefix)| score.results(prefix)).collect();
    Ok(run.finish(&results)?)
}
