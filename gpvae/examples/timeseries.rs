//! Gaps in a vector time series, filled in with their uncertainty. Without flags, a generated series:
//!
//!     cargo run --release -p gpvae --example timeseries
//!
//! A variational autoencoder describes the channels of one moment by a few latents, a Gaussian process how these go on in time.
//! Your own series, with a column of times in any order and steps, cells empty or NA where nothing was measured:
//!
//!     cargo run --release -p gpvae --example timeseries -- --csv FILE --time COLUMN
//!
//! Some of the measured cells are hidden from the model, to score it by. `filled.csv` has mean and standard deviation for every
//! cell, `series.png` shows them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use gpvae::kernel::{Constant, Kernel, Matern52};
use gpvae::prior::{Inducing, LowRank};
use gpvae::{GpVae, Networks, Objects, Part, Phase, PixelNoise, Places, Predictive, Samples, Training};
use nn::checkpoint::Checkpoint;
use nn::data::table::{self, TableOptions};
use nn::data::{Matrix, Standardizer, Table, split};
use nn::noise::Noise;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Interrupt, Progress, RunArgs, RunFolder, positive, result_line, whole};
use rand::{SeedableRng, rngs::StdRng};

/// Fills gaps of a time series by a VAE with a Gaussian-process prior
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Read the series from this file, with or without a header
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The column of times, by name or by number from 0
    #[arg(long, value_name = "COLUMN", default_value = "0")]
    time: String,
    /// Dimensions of the latent space, better one too many
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole)]
    latent: usize,
    /// Width of the hidden layer
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = whole)]
    hidden: usize,
    /// Inducing points of the Gaussian process, evenly over the time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole)]
    inducing: usize,
    /// The time scale that the process begins with, as a share of the whole time
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = positive)]
    length: f64,
    /// The share of measured cells that is hidden, to be scored
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    hide: f64,
    /// Draws for means and standard deviations
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    draws: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-timeseries", epochs: 1000, batch_size: 64, lr: 3e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| timeseries(&args))?)
}

/// Channels over time, in its order; NaN where nothing was measured.
struct Series {
    names: Vec<String>,
    time: Vec<f64>,
    values: Matrix<f64>,
    /// Whether a cell was measured, but is hidden from the model.
    hidden: Vec<bool>,
}

fn timeseries(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(args.run.data.is_none(), "this example reads no folder: give a table by --csv");
    anyhow::ensure!(args.run.resume.is_none(), "training takes a moment: no --resume");
    anyhow::ensure!(
        args.hide > 0.0 && args.hide < 1.0,
        "--hide {}: a share between 0 and 1 is wanted",
        args.hide
    );
    let series = match &args.csv {
        Some(path) => read(
            &table::read(path, &TableOptions { missing: true, ..TableOptions::default() })?,
            &args.time,
            args,
        )?,
        None => generated(args),
    };
    let folder = RunFolder::open(&args.run, args)?;

    // What the model may see, in units of each channel's deviation.
    let (n, k) = (series.values.rows, series.values.cols);
    let seen = series.values.values.iter().zip(&series.hidden);
    let seen = Matrix::new(n, k, seen.map(|(&y, &hidden)| if hidden { f64::NAN } else { y }).collect());
    let scaling = Standardizer::fit(&seen, &(0..n).collect::<Vec<_>>());
    let scaled = scaling.apply(&seen);
    let (first, last) = (series.time[0], series.time[n - 1]);
    let time = Matrix::new(n, 1, series.time.iter().map(|t| (t - first) / (last - first)).collect());
    let places = Places::new(time, Vec::new())?;
    let Some(Predictive { mean, variance }) = fit(args, &folder, &scaled, &places)? else { return Ok(()) };
    let mean = scaling.invert(&mean);
    let sd: Vec<f64> =
        variance.values.iter().zip(scaling.sd.iter().cycle()).map(|(v, s)| v.sqrt() * s).collect();

    let score = Score::of(&series, &scaling, &mean, &sd);
    println!("{} measured cells hidden, errors in standard deviations of their channel", score.cells);
    println!("  RMSE, Gaussian process and autoencoder {:9.3}", score.rmse);
    println!("  RMSE, linear interpolation             {:9.3}", score.linear);
    println!("  RMSE, mean of the channel              {:9.3}", score.mean);
    println!("  inside 95 % intervals                  {:9.3}", score.coverage);
    write(&folder, &series, &mean, &sd).context("the table could not be written")?;
    draw(&folder, &series, &mean, &sd).context("the picture could not be drawn")?;
    println!("table, picture, metrics and parameters are in {}", args.run.out.display());
    result_line(&[
        ("rmse", score.rmse),
        ("rmse_linear", score.linear),
        ("rmse_mean", score.mean),
        ("coverage_95", score.coverage),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// What is predicted at all times from the cells that are not NaN; nothing if the user stopped it.
fn fit(
    args: &Args,
    folder: &RunFolder,
    scaled: &Matrix<f64>,
    places: &Places,
) -> anyhow::Result<Option<Predictive>> {
    let k = scaled.cols;
    // A row without any measurement says nothing of its latents: it is left to the process.
    let mut rows: Vec<usize> =
        (0..scaled.rows).filter(|&row| scaled.row(row).iter().any(|y| !y.is_nan())).collect();
    if args.run.dry_run {
        rows.truncate(args.run.batch_size);
    }
    // The encoder is to know what it does not see: (y | whether it was measured), the second half of which is not modelled.
    let beside = |f: fn(f64) -> [f32; 2]| {
        let row = |&row: &usize| {
            let pairs: Vec<[f32; 2]> = scaled.row(row).iter().map(|&y| f(y)).collect();
            pairs.iter().map(|pair| pair[0]).chain(pairs.iter().map(|pair| pair[1])).collect::<Vec<_>>()
        };
        Matrix::new(rows.len(), 2 * k, rows.iter().flat_map(row).collect())
    };
    let images = beside(|y| if y.is_nan() { [0.0, 0.0] } else { [y as f32, 1.0] });
    let observed = beside(|y| [if y.is_nan() { 0.0 } else { 1.0 }, 0.0]);
    let samples = Samples { observed: Some(observed), ..Samples::new(images, places.select(&rows))? };

    let points = args.inducing.min(rows.len()).max(2);
    let points = Matrix::new(points, 1, (0..points).map(|i| i as f64 / (points - 1) as f64).collect());
    let model = GpVae::new(
        |layout| Networks::mlp(layout, 2 * k, &[args.hidden], args.latent, 0),
        PixelNoise::Learned(0.5),
        |layout| {
            let amplitude = Constant::new(layout, "beta", 1.0);
            let kernel = amplitude.times(Matern52::new(layout, "length", args.length));
            let covariance = Inducing::new(layout, kernel, &points, 1e-5);
            LowRank::new(layout, covariance, 0.05)
        },
        |_| Objects::None,
    );
    let theta = model.layout().init::<f32>(&mut StdRng::seed_from_u64(args.run.seed));
    let mut training = Training::new(&model, &samples, theta, args.run.seed)?;
    training.batch_size = args.run.batch_size;
    // Networks that were trained alone first would lay the movements out as they please, folded for the process.
    let phase = Phase::new(Part::All, args.run.epochs).rates(args.run.lr, args.run.lr).falling();
    let progress = Progress::new(0..phase.epochs, 1);
    let interrupt = Interrupt::install()?;
    let mut metrics = folder.metrics(&["bound", "log_likelihood", "kl", "seconds"], 0)?;
    let mut logged = Ok(());
    training.fit(&[phase], |_, epoch| {
        let (bound, value) = (epoch.bound, epoch.bound.value(1.0));
        progress.step(-value);
        progress.epoch(epoch.epoch, &format!("bound {value:.3} nats per row"));
        let kl = -bound.log_prior - bound.entropy;
        logged = metrics.row(epoch.epoch, &[value, bound.log_likelihood, kl, epoch.seconds]);
        let stop = logged.is_err() || interrupt.requested();
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    drop(progress);
    logged?;
    if interrupt.requested() {
        return Ok(None);
    }
    let mut checkpoint = Checkpoint::new();
    checkpoint.insert_vector("theta", model.layout().named(), training.theta());
    folder.save(&checkpoint)?;
    let both = model.predict_sampled(training.theta(), &samples, places, args.draws, args.run.seed)?;
    let channels: Vec<usize> = (0..k).collect();
    Ok(Some(Predictive { mean: both.mean.columns(&channels), variance: both.variance.columns(&channels) }))
}

/// Five sensors that see two slow movements through curved characteristics, over 300 times; a sensor fails for a while, later
/// all of them, and of the rest some cells are hidden at random.
fn generated(args: &Args) -> Series {
    let (n, k) = (300, 5);
    let mut noise = vec![0.0; n * k];
    Noise::evaluation(args.run.seed).normal(0, k, &mut noise);
    let time: Vec<f64> = (0..n).map(|i| i as f64 / 10.0).collect();
    let channel = |t: f64, k: usize| {
        let (a, b) = ((0.55 * t).sin() + 0.4 * (0.13 * t).cos(), (0.31 * t + 0.5).cos());
        match k {
            0 => (1.5 * a).tanh(),
            1 => a * b,
            2 => (-(a - b).powi(2)).exp(),
            3 => b + 0.3 * a * a,
            _ => (a + b).sin(),
        }
    };
    let values = (0..n * k).map(|i| channel(time[i / k], i % k) + 0.07 * noise[i]).collect();
    let values = Matrix::new(n, k, values);
    let mut hidden = hide(&values, args);
    for (i, hidden) in hidden.iter_mut().enumerate() {
        let (row, k) = (i / k, i % k);
        *hidden |= k == 1 && (60..130).contains(&row) || (200..225).contains(&row);
    }
    Series { names: (1..=k).map(|k| format!("sensor {k}")).collect(), time, values, hidden }
}

/// The rows of a table in the order of time.
fn read(table: &Table, time: &str, args: &Args) -> anyhow::Result<Series> {
    let (others, time) = table.split_target(time)?;
    anyhow::ensure!(!others.names.is_empty(), "the table has no column but the time");
    if let Some(row) = time.values.iter().position(|t| t.is_nan()) {
        anyhow::bail!("row {row} has no time; give it one, or leave the row out");
    }
    let mut order: Vec<usize> = (0..time.rows).collect();
    order.sort_by(|&a, &b| time.values[a].total_cmp(&time.values[b]));
    let values = others.values.select(&order);
    let time: Vec<f64> = order.iter().map(|&row| time.values[row]).collect();
    anyhow::ensure!(time[0] < time[time.len() - 1], "all rows have the same time, {}", time[0]);
    for (j, name) in others.names.iter().enumerate() {
        let measured = (0..values.rows).filter(|&row| !values.row(row)[j].is_nan()).count();
        anyhow::ensure!(measured >= 2, "column {name} has {measured} measured cells; leave it out");
    }
    let hidden = hide(&values, args);
    anyhow::ensure!(
        hidden.contains(&true),
        "too few measured cells to hide any; give more, or a larger --hide"
    );
    Ok(Series { names: others.names, time, values, hidden })
}

/// A share of the measured cells, at random.
fn hide(values: &Matrix<f64>, args: &Args) -> Vec<bool> {
    let measured: Vec<usize> = (0..values.values.len()).filter(|&i| !values.values[i].is_nan()).collect();
    let [chosen] =
        split(measured.len(), [(measured.len() as f64 * args.hide).round() as usize], args.run.seed);
    let mut hidden = vec![false; values.values.len()];
    chosen.into_iter().for_each(|i| hidden[measured[i]] = true);
    hidden
}

/// How well the hidden cells are predicted, in standard deviations of their channel.
struct Score {
    cells: usize,
    rmse: f64,
    linear: f64,
    mean: f64,
    coverage: f64,
}

impl Score {
    fn of(series: &Series, scaling: &Standardizer, mean: &Matrix<f64>, sd: &[f64]) -> Self {
        let k = series.values.cols;
        let hidden: Vec<usize> = (0..series.hidden.len()).filter(|&i| series.hidden[i]).collect();
        let over = |f: &dyn Fn(usize) -> f64| hidden.iter().map(|&i| f(i)).sum::<f64>() / hidden.len() as f64;
        let rmse = |prediction: &dyn Fn(usize) -> f64| {
            let error = |i| (series.values.values[i] - prediction(i)) / scaling.sd[i % k];
            over(&|i| error(i).powi(2)).sqrt()
        };
        let inside = |i: usize| {
            let error = (series.values.values[i] - mean.values[i]).abs();
            if error <= 1.96 * sd[i] { 1.0 } else { 0.0 }
        };
        Self {
            cells: hidden.len(),
            rmse: rmse(&|i| mean.values[i]),
            linear: rmse(&|i| interpolated(series, i)),
            mean: rmse(&|i| scaling.mean[i % k]),
            coverage: over(&inside),
        }
    }
}

/// Between the nearest cells of the channel that the model saw too; the nearest alone at an end.
fn interpolated(series: &Series, cell: usize) -> f64 {
    let (k, time) = (series.values.cols, &series.time);
    let (row, channel) = (cell / k, cell % k);
    let value = |row: usize| series.values.values[row * k + channel];
    let seen = |row: &usize| !series.hidden[row * k + channel] && !value(*row).is_nan();
    match ((0..row).rev().find(seen), (row + 1..time.len()).find(seen)) {
        (Some(a), Some(b)) if time[a] < time[b] => {
            value(a) + (value(b) - value(a)) * (time[row] - time[a]) / (time[b] - time[a])
        }
        (Some(near), _) | (None, Some(near)) => value(near),
        (None, None) => f64::NAN,
    }
}

/// Time, and for every channel what was measured, whether the model saw it, mean and standard deviation.
fn write(folder: &RunFolder, series: &Series, mean: &Matrix<f64>, sd: &[f64]) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_path(folder.file("filled.csv"))?;
    let header = series
        .names
        .iter()
        .flat_map(|name| ["measured", "seen", "mean", "sd"].map(|what| format!("{name} {what}")));
    file.write_record(std::iter::once("time".to_owned()).chain(header))?;
    let k = series.values.cols;
    for (row, time) in series.time.iter().enumerate() {
        let cells = (row * k..(row + 1) * k).flat_map(|i| {
            let y = series.values.values[i];
            let measured = if y.is_nan() { String::new() } else { y.to_string() };
            let seen = u8::from(!y.is_nan() && !series.hidden[i]);
            [measured, seen.to_string(), mean.values[i].to_string(), sd[i].to_string()]
        });
        file.write_record(std::iter::once(time.to_string()).chain(cells))?;
    }
    file.flush()?;
    Ok(())
}

fn draw(
    folder: &RunFolder,
    series: &Series,
    mean: &Matrix<f64>,
    sd: &[f64],
) -> Result<(), nn::picture::PictureError> {
    const MOST: usize = 6;
    let k = series.values.cols;
    let mut panels = Panels::new("Measured, and filled in", 2);
    for (j, name) in series.names.iter().enumerate().take(MOST) {
        let cells = || series.time.iter().enumerate().map(|(row, &time)| (row * k + j, time));
        let points = cells().filter(|&(i, _)| !series.values.values[i].is_nan());
        let points = points.map(|(i, time)| ((time, series.values.values[i]), usize::from(series.hidden[i])));
        panels = panels.figure(
            Figure::new(name)
                .axes("time", "value")
                .band(
                    "± 2 sd",
                    cells()
                        .map(|(i, time)| (time, mean.values[i] - 2.0 * sd[i], mean.values[i] + 2.0 * sd[i])),
                )
                .line("mean", cells().map(|(i, time)| (time, mean.values[i])))
                .classes(["seen", "hidden"], points),
        );
    }
    panels.save(&folder.file("series.png"))
}
