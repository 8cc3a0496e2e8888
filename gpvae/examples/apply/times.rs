//! Means and intervals of a time series at other times.

use std::f64::consts::FRAC_1_SQRT_2;
use std::iter::once;
use std::path::Path;

use anyhow::{Context, bail};
use autograd::Real;
use gpvae::{GpVae, Loaded};
use nn::data::{DataError, Matrix, Table, label};
use nn::model::{ModelFile, ModelFileError};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Application, Counter, Csv, check_row, counted, single, trained_with};

use crate::Args;
use crate::series::saved::{Clock, Process, SeriesEntry, process};

/// The times that are predicted together.
const CHUNK: usize = 16_384;

/// A model, and how it sees a series.
struct Trained {
    loaded: Loaded<f32, Process>,
    entry: SeriesEntry,
    draws: usize,
    seed: u64,
}

impl Trained {
    fn of_file(args: &Args, file: &ModelFile) -> Result<Self, ModelFileError> {
        let entry: SeriesEntry = file.get(SeriesEntry::ENTRY)?;
        let SeriesEntry { clock: Clock { origin, span, range, .. }, channels, scaling, inducing } = &entry;
        let numbers = scaling.mean.iter().chain(&scaling.sd).chain([origin, span]).chain(range);
        let sound = numbers.copied().all(f64::is_finite)
            && *span > 0.0
            && scaling.sd.iter().all(|sd| *sd > 0.0)
            && [scaling.mean.len(), scaling.sd.len()] == [channels.len(); 2]
            && (1..=4096).contains(inducing);
        if !sound {
            return Err(file.fault(SeriesEntry::ENTRY, "expected times and scales of all channels"));
        }
        // Points and time scale are those of θ.
        let points = Matrix::new(*inducing, 1, vec![0.0; *inducing]);
        let loaded = GpVae::from_file(file, |layout| process(layout, &points, 1.0))?;
        if loaded.model.pixels() != 2 * channels.len() {
            return Err(file.fault(SeriesEntry::ENTRY, "expected as many channels as the networks take"));
        }
        let of_training = |flag, usual| trained_with(file, flag).unwrap_or(usual);
        let draws = args.draws.unwrap_or_else(|| of_training("draws", 200).clamp(1, 10_000) as usize);
        let seed = args.apply.seed.unwrap_or_else(|| of_training("seed", 0));
        Ok(Self { loaded, entry, draws, seed })
    }

    /// Mean and standard deviation of every channel at these times, in the units of the series.
    fn predict(&self, times: &[f64]) -> anyhow::Result<[Matrix<f64>; 2]> {
        let Self {
            loaded: Loaded { model, theta, codes }, entry: SeriesEntry { clock, scaling, .. }, ..
        } = self;
        let places = clock.places(times)?;
        let prediction = model.predict_sampled_given(theta, codes, &places, self.draws, self.seed)?;
        let channels: Vec<usize> = (0..scaling.sd.len()).collect();
        let mean = scaling.invert(&prediction.mean.columns(&channels));
        let variance = prediction.variance.columns(&channels);
        let sd = variance.values.iter().zip(scaling.sd.iter().cycle()).map(|(v, s)| v.sqrt() * s).collect();
        Ok([mean, Matrix::new(variance.rows, variance.cols, sd)])
    }
}

pub(crate) fn run(args: &Args, file: &ModelFile) -> anyhow::Result<()> {
    let trained = Trained::of_file(args, file)?;
    let SeriesEntry { clock, channels, .. } = &trained.entry;
    let path = args.at.as_ref().with_context(|| {
        format!(
            "expected times to predict: give a file with a column of them by --at FILE, {} {}",
            if clock.dates { "dates as those of" } else { "in the units of" },
            label(&clock.name)
        )
    })?;
    let (table, column) = read(args, path, clock)?;
    let rows = if args.apply.dry_run { table.values.rows.min(16) } else { table.values.rows };
    // −0 is 0.
    let times: Vec<f64> = (0..rows).map(|row| table.values.row(row)[column] + 0.0).collect();
    if let Some(row) = times.iter().position(|time| !clock.unit(*time).is_finite()) {
        return Err(table
            .refuse(row, column, "a time near those of the series", "correct it, or leave it out")
            .into());
    }
    let run = Application::open(&args.apply, args)?;

    // Each time once, in their order: no prediction depends on how the file lists them.
    let mut distinct = times.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let progress = Counter::new("rows", 0);
    let (mut means, mut sds) = (Vec::new(), Vec::new());
    for some in distinct.chunks(CHUNK) {
        let [mean, sd] = trained.predict(some)?;
        means.extend_from_slice(&mean.values);
        sds.extend_from_slice(&sd.values);
        let done = means.len() / channels.len();
        progress.at(done, done as f64 / distinct.len() as f64);
    }
    drop(progress);
    let z = normal_quantile(0.5 + 0.5 * args.level);
    let cells: Vec<[f64; 4]> = means.iter().zip(&sds).map(|(m, s)| [*m, *s, m - z * s, m + z * s]).collect();
    let of_time = |time: f64| {
        let place = distinct.partition_point(|other| other.total_cmp(&time).is_lt());
        &cells[place * channels.len()..][..channels.len()]
    };
    let outside = |time: f64| match clock.range {
        [first, _] if time < first => "before",
        [_, last] if time > last => "after",
        _ => "",
    };
    let names =
        channels.iter().flat_map(|name| ["mean", "sd", "low", "high"].map(|what| format!("{name} {what}")));
    let mut csv = Csv::new(once(clock.name.clone()).chain(names).chain(once("outside".to_owned())));
    for (row, &time) in times.iter().enumerate() {
        let of_row = of_time(time).iter().flatten().copied();
        check_row(row + 1, of_row.clone())?;
        let of_row = of_row.map(|number| single(number).to_string());
        csv.row(once(table.pointed(row, column)).chain(of_row).chain(once(outside(time).to_owned())));
    }
    csv.save(&run.file("predictions.csv"))?;
    draw(args, &trained.entry, &distinct, &cells)
        .save(&run.file("predictions.png"))
        .context("the picture could not be drawn")?;

    let beyond = times.iter().filter(|&&time| !outside(time).is_empty()).count();
    outln!("{} predicted, intervals of {} %", counted(rows, "time"), 100.0 * args.level);
    if beyond > 0 {
        let Loaded { model, theta, .. } = &trained.loaded;
        let scale = model.prior().features.kernel.second.length.value(theta) * clock.span;
        outln!(
            "{beyond} of them {} outside the times of the series, {} to {}: there the mean falls back to that of the prior, within a \
             few times {}{}, the time scale of the process",
            if beyond == 1 { "lies" } else { "lie" },
            clock.text(clock.range[0]),
            clock.text(clock.range[1]),
            three_digits(scale),
            if clock.dates { " s" } else { "" }
        );
    }
    Ok(run.finish(&[("times", rows as f64), ("outside", beyond as f64)])?)
}

/// The table of times and its column of them: the one that is named as that of the series, or the only one. Times are dates if those
/// of the series were.
fn read(args: &Args, path: &Path, clock: &Clock) -> anyhow::Result<(Table, usize)> {
    let (table, column) = match args.format.read_with_dates(path, &clock.name) {
        Ok(table) => (table, clock.name.clone()),
        Err(DataError::NoColumn { columns: 1, first, .. }) => {
            (args.format.read_with_dates(path, &first.to_string())?, first.to_string())
        }
        Err(DataError::NoColumn { names, .. }) => bail!(
            "{}: expected a single column of times, or one with the name {}, found {names}",
            path.display(),
            label(&clock.name)
        ),
        Err(error) => return Err(error.into()),
    };
    let column = table.position(&column)?;
    if table.has_dates() == clock.dates {
        return Ok((table, column));
    }
    let (expected, advice) = match clock.dates {
        true => ("a date, as the times of the series are", "write times as 2024-01-31T10:00:00Z"),
        false => ("a number, as the times of the series are", "give times in the units of the series"),
    };
    Err(table.refuse(0, column, expected, advice).into())
}

/// Draws the first channels at these times, which are in order.
fn draw(args: &Args, entry: &SeriesEntry, times: &[f64], cells: &[[f64; 4]]) -> Panels {
    const MOST: usize = 6;
    const FEW: usize = 100;
    let SeriesEntry { clock, channels, .. } = entry;
    let panels = Panels::new("Predicted", channels.len().min(2));
    channels.iter().enumerate().take(MOST).fold(panels, |panels, (j, name)| {
        let points =
            || times.iter().enumerate().map(|(i, &time)| (clock.drawn(time), cells[i * channels.len() + j]));
        let (figure, interval) =
            (Figure::new(name).axes(&clock.axis(), "value"), format!("{} %", 100.0 * args.level));
        let ends = points().map(|(time, [_, _, low, high])| (time, low, high));
        let means = points().map(|(time, [mean, ..])| (time, mean));
        // Between a few times nothing was predicted.
        panels.figure(match times.len() {
            0..=FEW => {
                let name = format!("mean and {interval}");
                figure.points(&name, means).errors(&name, ends)
            }
            _ => figure.band(&interval, ends).line("mean", means),
        })
    })
}

/// A positive number with three digits.
fn three_digits(x: f64) -> String {
    let decimals = (2 - x.log10().floor() as i32).clamp(0, 12) as usize;
    format!("{x:.decimals$}")
}

/// The number below which a standard normal one lies with probability p, ½ ≤ p < 1.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..100 {
        let middle: f64 = 0.5 * (low + high);
        let below = 0.5 * (1.0 + Real::erf(middle * FRAC_1_SQRT_2));
        (low, high) = if below < p { (middle, high) } else { (low, middle) };
    }
    high
}
