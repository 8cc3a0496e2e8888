//! Applies a trained Gaussian-process model, and trains nothing. Of the example `timeseries`, means and intervals at other times,
//! which are a column of numbers in the units of the series, or of dates if the series had them, in any order, with a column that says
//! of which series each is if there were several:
//!
//!     cargo run --release -p gpvae --example gp_apply -- --model out/gpvae-timeseries --at TIMES
//!
//! writes to `out/gpvae-apply/` `predictions.csv` with a row for each time: for every channel the mean, the standard deviation and the
//! ends of the interval of `--level`, in the units of the series, and `outside`, which says "before" or "after" where the time is not
//! within those of the series. There the mean falls back to that of the prior, within a few time scales of the process, and the
//! interval is as wide as the series. `predictions.png` draws them. With the draws and the seed of the training, which are the
//! defaults, the numbers at the series' own times are those that `timeseries` writes.
//!
//! Of the example `rotated_digits`, every object at any angles in degrees:
//!
//!     cargo run --release -p gpvae --example gp_apply -- --model out/gpvae-rotated_digits --angle 100,157.5
//!
//! writes `angles.png`, `angles.csv` with a row for each object and angle, and `angles.idx`, an IDX file of numbers (objects,
//! angles, height, width).

mod apply {
    pub(crate) mod angles;
    pub(crate) mod times;
}
mod rotated {
    pub(crate) mod saved;
}
mod series {
    pub(crate) mod saved;
}

use std::path::PathBuf;
use std::process::ExitCode;

use gpvae::MarkovVae;
use nn::model::Model;
use nn::run::{ApplyArgs, TableArgs, at_most, level};
use rotated::saved::RotatedEntry;

/// Predicts other times of a series, or other angles of objects, with a trained Gaussian-process model
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    /// Of a time series: predict at the times of this table, in its only column, or in that named as the series' times
    #[arg(long, value_name = "FILE", conflicts_with = "angle")]
    #[serde(serialize_with = "nn::run::path_text")]
    at: Option<PathBuf>,
    /// Of a time series: the probability of the interval
    #[arg(long, value_name = "P", default_value_t = 0.95, value_parser = level)]
    level: f64,
    /// Of a time series: draws for means and intervals [default: as in the training]
    #[arg(long, value_name = "N", value_parser = at_most::<10_000>)]
    draws: Option<usize>,
    /// Of turned objects: show every object at these angles, in degrees counter-clockwise, separated by commas
    #[arg(long, value_name = "DEGREES", value_delimiter = ',', allow_hyphen_values = true, value_parser = degrees)]
    angle: Vec<f64>,
}

/// Parses an angle.
fn degrees(text: &str) -> Result<f64, String> {
    let angle = |angle: &f64| angle.abs() <= 1e6;
    text.trim()
        .parse()
        .ok()
        .filter(angle)
        .ok_or_else(|| "expected an angle in degrees, such as 157.5".to_owned())
}

fn main() -> ExitCode {
    nn::run::apply("out/gpvae-apply", |args: Args| args.apply.in_pool(|| apply(&args))?)
}

fn apply(args: &Args) -> anyhow::Result<()> {
    let file = args.apply.load()?;
    let model = args.apply.model.display();
    if file.kind()? == MarkovVae::KIND {
        anyhow::ensure!(
            args.angle.is_empty(),
            "--angle: {model} is a model of time series; give times by --at FILE"
        );
        return apply::times::run(args, &file);
    }
    file.check_kind("gpvae.GpVae")?;
    anyhow::ensure!(
        file.get::<serde::de::IgnoredAny>(RotatedEntry::ENTRY).is_ok(),
        "{model}: expected the entry \"{}\", found none; give the model of the example timeseries or rotated_digits",
        RotatedEntry::ENTRY
    );
    anyhow::ensure!(
        args.at.is_none(),
        "--at: {model} is a model of turned objects; give angles by --angle DEGREES"
    );
    anyhow::ensure!(
        !args.angle.is_empty(),
        "expected angles in degrees for the objects of {model}: give them by --angle, as in --angle 100,157.5"
    );
    args.format.without_table()?;
    apply::angles::run(args, &file)
}
