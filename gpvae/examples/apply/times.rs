//! Means and intervals of a time series at other times.

use std::f64::consts::FRAC_1_SQRT_2;
use std::iter::once;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use autograd::Real;
use gpvae::data::Moments;
use gpvae::{MarkovCodes, MarkovLatents, MarkovVae, Prediction};
use nn::data::{DataError, Matrix, Table, label};
use nn::model::{Model, ModelFile, ModelFileError};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Application, Counter, Csv, check_row, counted, single, trained_with};

use crate::Args;
use crate::series::saved::{Clock, SeriesEntry, Subjects};

/// The rows that are predicted together.
const CHUNK: usize = 16_384;

/// A model, and how it sees a series.
struct Trained {
    model: MarkovVae,
    theta: Arc<Vec<f32>>,
    codes: MarkovCodes<f32>,
    entry: SeriesEntry,
    draws: usize,
    seed: u64,
}

impl Trained {
    fn of_file(args: &Args, file: &ModelFile) -> Result<Self, ModelFileError> {
        let entry: SeriesEntry = file.get(SeriesEntry::ENTRY)?;
        let (model, theta) = MarkovVae::from_file(file)?;
        let codes = MarkovCodes::of_file(file, model.latent())?;
        let SeriesEntry { clock: Clock { range, .. }, subjects, channels, scaling } = &entry;
        let mut numbers = scaling.mean.iter().chain(&scaling.sd).chain(range);
        let sound = numbers.all(|number| number.is_finite())
            && scaling.sd.iter().all(|sd| *sd > 0.0)
            && [scaling.mean.len(), scaling.sd.len(), model.config().channels] == [channels.len(); 3]
            && codes.moments.series().last().is_none_or(|last| *last < subjects.names.len());
        if !sound {
            return Err(file.fault(SeriesEntry::ENTRY, "expected times, series and scales of all channels"));
        }
        let of_training = |flag, usual| trained_with(file, flag).unwrap_or(usual);
        let draws = args.draws.unwrap_or_else(|| of_training("draws", 100).clamp(1, 10_000) as usize);
        let seed = args.apply.seed.unwrap_or_else(|| of_training("seed", 0));
        Ok(Self { model, theta, codes, entry, draws, seed })
    }

    /// Mean and standard deviation of every channel at these rows, in the units of the series.
    fn predict(&self, latents: &MarkovLatents<f32>) -> [Matrix<f64>; 2] {
        let Self { model, theta, entry: SeriesEntry { scaling, .. }, .. } = self;
        let Prediction { mean, variance } = model.decode_draws(theta, latents, self.draws, self.seed);
        let sd = variance.values.iter().zip(scaling.sd.iter().cycle()).map(|(v, s)| v.sqrt() * s).collect();
        [scaling.invert(&mean), Matrix::new(variance.rows, variance.cols, sd)]
    }
}

pub(crate) fn run(args: &Args, file: &ModelFile) -> anyhow::Result<()> {
    let trained = Trained::of_file(args, file)?;
    let SeriesEntry { clock, subjects, channels, .. } = &trained.entry;
    let path = args.at.as_ref().with_context(|| {
        format!(
            "expected times to predict: give a file with a column of them by --at FILE, {} {}",
            if clock.dates { "dates as those of" } else { "in the units of" },
            label(&clock.name)
        )
    })?;
    let (table, column) = read(args, path, &trained.entry)?;
    let rows = if args.apply.dry_run { table.values.rows.min(16) } else { table.values.rows };
    let places = places(&table, column, subjects)?;
    let run = Application::open(&args.apply, args)?;

    // Each place once, in their order: no prediction depends on how the file lists them.
    let mut distinct = places[..rows].to_vec();
    let order = |a: &Place, b: &Place| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
    distinct.sort_by(order);
    distinct.dedup();
    let (series, times) = distinct.iter().copied().unzip();
    let latents = trained.model.latents(&trained.theta, &trained.codes, &Moments::new(series, times)?);
    let progress = Counter::new("rows", 0);
    let (mut means, mut sds) = (Vec::new(), Vec::new());
    for from in (0..distinct.len()).step_by(CHUNK) {
        let some: Vec<usize> = (from..distinct.len().min(from + CHUNK)).collect();
        let [mean, variance] = [&latents.mean, &latents.variance].map(|of| of.select(&some));
        let [mean, sd] = trained.predict(&MarkovLatents { mean, variance });
        means.extend_from_slice(&mean.values);
        sds.extend_from_slice(&sd.values);
        let done = means.len() / channels.len();
        progress.at(done, done as f64 / distinct.len() as f64);
    }
    drop(progress);
    let z = normal_quantile(0.5 + 0.5 * args.level);
    let cells: Vec<[f64; 4]> = means.iter().zip(&sds).map(|(m, s)| [*m, *s, m - z * s, m + z * s]).collect();
    let of_place = |place: &Place| {
        let at = distinct.partition_point(|other| order(other, place).is_lt());
        &cells[at * channels.len()..][..channels.len()]
    };
    let outside = |time: f64| match clock.range {
        [first, _] if time < first => "before",
        [_, last] if time > last => "after",
        _ => "",
    };
    let names =
        channels.iter().flat_map(|name| ["mean", "sd", "low", "high"].map(|what| format!("{name} {what}")));
    let of_series = subjects.column.clone();
    let head = once(clock.name.clone()).chain(of_series.clone());
    let mut csv = Csv::new(head.chain(names).chain(once("outside".to_owned())));
    for (row, place) in places[..rows].iter().enumerate() {
        let of_row = of_place(place).iter().flatten().copied();
        check_row(row + 1, of_row.clone())?;
        let of_row = of_row.map(|number| single(number).to_string());
        let head =
            once(table.pointed(row, column)).chain(of_series.iter().map(|_| subjects.names[place.0].clone()));
        csv.row(head.chain(of_row).chain(once(outside(place.1).to_owned())));
    }
    csv.save(&run.file("predictions.csv"))?;
    draw(args, &trained.entry, &distinct, &cells)
        .save(&run.file("predictions.png"))
        .context("the picture could not be drawn")?;

    let beyond = places[..rows].iter().filter(|place| !outside(place.1).is_empty()).count();
    outln!("{} predicted, intervals of {} %", counted(rows, "time"), 100.0 * args.level);
    if beyond > 0 {
        let scale = trained.model.prior().lengths(&trained.theta).into_iter().fold(0.0, f64::max);
        outln!(
            "{beyond} of them {} outside the times of the series, {} to {}: there the mean falls back to that of the prior, within a \
             few times {}{}, the longest time scale of the processes",
            if beyond == 1 { "lies" } else { "lie" },
            clock.text(clock.range[0]),
            clock.text(clock.range[1]),
            three_digits(scale),
            if clock.dates { " s" } else { "" }
        );
    }
    Ok(run.finish(&[("times", rows as f64), ("outside", beyond as f64)])?)
}

/// A series and a time of it.
type Place = (usize, f64);

/// The series and the time of each row.
fn places(table: &Table, column: usize, subjects: &Subjects) -> anyhow::Result<Vec<Place>> {
    let of_series = subjects.column.as_ref().map(|name| table.position(name)).transpose()?;
    let place = |row: usize| {
        // −0 is 0.
        let time = table.values.row(row)[column] + 0.0;
        if time.is_nan() {
            return Err(table.refuse(row, column, "a time", "give it one, or leave the row out"));
        }
        let Some(of_series) = of_series else { return Ok((0, time)) };
        let text = table.text(row, of_series).trim();
        let number = subjects.names.iter().position(|name| name == text);
        let advice = "the model knows no other series: leave the row out, or train with some of its rows";
        number
            .map(|number| (number, time))
            .ok_or_else(|| table.refuse(row, of_series, "a series of the training", advice))
    };
    Ok((0..table.values.rows).map(place).collect::<Result<_, _>>()?)
}

/// The table of times and its column of them: the one that is named as that of the series, or the only one. Times are dates if those
/// of the series were. With several series there is a column that tells them apart.
fn read(args: &Args, path: &Path, entry: &SeriesEntry) -> anyhow::Result<(Table, usize)> {
    let SeriesEntry { clock, subjects, .. } = entry;
    let text = subjects.column.as_deref();
    let (table, column) = match args.format.read_with_dates(path, &clock.name, text) {
        Ok(table) => (table, clock.name.clone()),
        Err(error) if text.is_some() => return Err(error.into()),
        Err(DataError::NoColumn { columns: 1, first, .. }) => {
            (args.format.read_with_dates(path, &first.to_string(), None)?, first.to_string())
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

/// Draws the first channels of the first series at these places, which are in order.
fn draw(args: &Args, entry: &SeriesEntry, places: &[Place], cells: &[[f64; 4]]) -> Panels {
    const MOST: usize = 6;
    const FEW: usize = 100;
    let SeriesEntry { clock, channels, .. } = entry;
    let panels = Panels::new("Predicted", channels.len().min(2));
    let times: Vec<f64> =
        places.iter().take_while(|place| place.0 == places[0].0).map(|place| place.1).collect();
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
