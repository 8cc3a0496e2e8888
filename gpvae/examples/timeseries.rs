//! Gaps in a vector time series, filled in with their uncertainty. Without flags, a generated series:
//!
//!     cargo run --release -p gpvae --example timeseries
//!
//! A variational autoencoder describes the channels of one moment by a few latents, and a Gaussian process describes how the
//! latents go on in time. Your own series, with a column of times in any order and steps, numbers or dates such as 2024-01-31 and
//! 2024-01-31T10:00:00Z, which become seconds, and cells that are empty or NA (or what `--missing` names) where nothing was measured:
//!
//!     cargo run --release -p gpvae --example timeseries -- --csv FILE --time COLUMN
//!
//! Some of the measured cells are hidden from the model, to score it by. `model.safetensors` is the trained model, which the
//! example `gp_apply` applies to other times. `filled.csv` has mean and standard deviation for
//! every cell, and `series.png` shows them. Ctrl-C saves; `--resume` goes on.

mod series;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use gpvae::data::{Places, Samples};
use gpvae::prior::Features;
use gpvae::{GpVae, GpVaeConfig, GpVaeError, GpVaeObjective, Pace, Part, Prediction};
use nn::data::{DataError, Matrix, Standardizer, Table};
use nn::model::TrainedOn;
use nn::run::{Defaults, Label, Run, RunArgs, TableArgs, at_most, positive, share, width};
use nn::train::End;

use series::saved::{Process, SeriesEntry, process};
use series::{Filled, Score, Series, draw, explorers, write};

/// Fills gaps of a time series by a VAE with a Gaussian-process prior
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
    /// Dimensions of the latent space, better one too many
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = width)]
    latent: usize,
    /// Width of the hidden layer
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = width)]
    hidden: usize,
    /// Inducing points of the Gaussian process, evenly over the time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = width)]
    inducing: usize,
    /// The time scale that the process begins with, as a share of the whole time
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = positive)]
    length: f64,
    /// The share of measured cells that is hidden, to be scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    hide: f64,
    /// Draws for means and standard deviations
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = at_most::<10_000>)]
    draws: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-timeseries", epochs: 1000, batch_size: 64, lr: 3e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| timeseries(&args))?)
}

fn timeseries(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example reads no folder: give a table by --csv");
    let series = match &args.csv {
        Some(path) => Series::of(read(args, path)?, &args.time, args.hide, args.run.seed)?,
        None => {
            args.format.without_table()?;
            Series::generated(args.hide, args.run.seed)?
        }
    };
    // What the model may see, in units of each channel's deviation.
    let scaling = series.scaling()?;
    let run = Run::open(&args.run, args)?.documented("gpvae", "A time series with gaps");

    let clock = series.clock();
    let places = clock.places(&series.time)?;
    let samples = samples(&scaling.apply(&series.seen()), &places, args)?;

    let model = model(args, &samples)?;
    let mut trainer = run.trainer(model.layout());
    // All of θ at once: networks that were trained alone first would lay the movements out as they please, folded for the
    // process.
    let mut objective = GpVaeObjective::new(&model, &samples, Part::All)?;
    let (epochs, rate) = (args.run.epochs, args.run.lr);
    let pace = Pace { epochs, networks_rate: rate, kernel_rate: rate, ..Pace::default() }.falling();
    let fit = objective.fit(&pace, run.fit());
    if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
        return Ok(());
    }

    let theta = trainer.theta();
    let codes = model.training_codes(theta, &samples);
    let mut file = model.to_file(theta, &codes);
    let channels = series.names.clone();
    let inducing = model.prior().features.rank();
    let entry = SeriesEntry { clock, channels, scaling: scaling.clone(), inducing };
    file.set(SeriesEntry::ENTRY, &entry);
    run.keep_model(file, &TrainedOn::new(args.csv.as_deref(), "the generated series", samples.len()))?;

    let prediction = model.predict_sampled_given(theta, &codes, &places, args.draws, args.run.seed)?;
    let filled = filled(&prediction, &scaling);
    let score = Score::of(&series, &scaling, &filled);
    score.print();
    write(&run.file("filled.csv"), &series, &filled)?;
    draw(
        &run.picture(
            "series.png",
            "Each channel with its gaps filled in. The hidden points were not shown to the model: about 95 % of \
            them should lie in the band, which should widen in a long gap (lecture 003, \"Predictive posterior \
            sampling\")",
        ),
        &series,
        &filled,
    )
    .context("the picture could not be drawn")?;
    explorers(&series, &filled).for_each(|explorer| run.explore(explorer));
    run.found(&format!(
        "Measured cells that were hidden are filled in with an error of {:.2} standard deviations of their channel, by a straight line \
         in time with {:.2}; {:.0} % of them lie inside their 95 % intervals.",
        score.rmse,
        score.linear,
        100.0 * score.coverage
    ));
    run.label(&[
        Label::new(
            "rmse",
            "error of hidden cells that the model fills in, root mean square",
            "standard deviations of the channel",
        ),
        Label::new(
            "rmse_linear",
            "error of hidden cells filled in by a straight line in time, root mean square",
            "standard deviations of the channel",
        ),
        Label::new(
            "rmse_mean",
            "error of hidden cells filled in with the mean of the channel, root mean square",
            "standard deviations of the channel",
        ),
        Label::new("coverage_95", "hidden cells inside their 95 % intervals", "share"),
    ]);
    run.finish(&[
        ("rmse", score.rmse),
        ("rmse_linear", score.linear),
        ("rmse_mean", score.mean),
        ("coverage_95", score.coverage),
    ])?;
    Ok(())
}

/// The table, whose column of times may be another one than the user thinks.
fn read(args: &Args, path: &Path) -> anyhow::Result<Table> {
    args.format.read_with_dates(path, &args.time).map_err(|error| match &error {
        DataError::Cell { expected, .. } if expected.ends_with("a date") => {
            anyhow::anyhow!("{error}; --time names the column of times")
        }
        _ => error.into(),
    })
}

/// Rows (y | whether it was measured) of the moments at which something was. The encoder reads both halves, and the
/// likelihood the measured cells of the first. A moment without any measurement says nothing of its latents: it is left to
/// the process.
fn samples(scaled: &Matrix<f64>, places: &Places, args: &Args) -> Result<Samples<f32>, GpVaeError> {
    let measured = |&row: &usize| scaled.row(row).iter().any(|y| !y.is_nan());
    let mut rows: Vec<usize> = (0..scaled.rows).filter(measured).collect();
    rows.truncate(args.run.rows(rows.len()));
    let cells = scaled.select(&rows);
    let halves = |first: fn(f64) -> f32, second: fn(f64) -> f32| {
        let row = |i| {
            let row = || cells.row(i).iter().copied();
            row().map(first).chain(row().map(second))
        };
        Matrix::new(cells.rows, 2 * cells.cols, (0..cells.rows).flat_map(row).collect())
    };
    let [value, known, zero]: [fn(f64) -> f32; 3] =
        [|y| if y.is_nan() { 0.0 } else { y as f32 }, |y| if y.is_nan() { 0.0 } else { 1.0 }, |_| 0.0];
    Ok(Samples::new(halves(value, known), places.select(&rows))?.with_observed(halves(known, zero)))
}

/// y_t = g(z_t) + ε_t,   z_t = f(t) + η_t,   f ~ GP(0, β k) with a Matérn kernel k, by inducing points in time
fn model(args: &Args, samples: &Samples<f32>) -> Result<GpVae<Process>, GpVaeError> {
    let count = args.inducing.min(samples.len()).max(2);
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (first, last) = samples.places.views.values.iter().fold(ends, |a, &t| (a.0.min(t), a.1.max(t)));
    let point = |i| first + (last - first) * i as f64 / (count - 1) as f64;
    let points = Matrix::new(count, 1, (0..count).map(point).collect());
    let config = GpVaeConfig::new(samples.images.cols, &[args.hidden], args.latent);
    GpVae::new(&config, |layout| process(layout, &points, args.length))
}

/// Mean and standard deviation of every cell, in the units of the series.
fn filled(prediction: &Prediction, scaling: &Standardizer) -> Filled {
    let channels: Vec<usize> = (0..scaling.sd.len()).collect();
    let mean = scaling.invert(&prediction.mean.columns(&channels));
    let variance = prediction.variance.columns(&channels);
    let sd = variance.values.iter().zip(scaling.sd.iter().cycle()).map(|(v, s)| v.sqrt() * s).collect();
    Filled { mean, sd: Matrix::new(variance.rows, variance.cols, sd) }
}
