//! The table and the picture.

use std::iter::once;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nn::picture::{Figure, Panels, PictureError};
use nn::run::{Csv, Curves, Explorer, Output, RunError, Series as Drawn, single};

use super::{Filled, Hidden, Series};

/// The most channels that are drawn, and the most rows of them: the first of the first series.
const MOST: usize = 4;
const ROWS: usize = 240;
/// So many rows are written at a time.
const CHUNK: usize = 4096;

/// Writes the time, the series if there is a column of them, and for every channel what was measured, all as they were read,
/// whether the model saw it, mean and standard deviation.
pub(crate) fn write(path: PathBuf, series: &Series, filled: &Filled) -> Result<(), RunError> {
    let columns = series
        .names
        .iter()
        .flat_map(|name| ["measured", "seen", "mean", "sd"].map(|what| format!("{name} {what}")));
    let of_series = series.subjects.column.clone();
    let mut csv = Csv::new(once("time".to_owned()).chain(of_series.clone()).chain(columns));
    let mut file = Output::begin(path)?;
    let k = series.values.cols;
    for row in 0..series.values.rows {
        let cells = (0..k).flat_map(|j| {
            let i = row * k + j;
            let seen = !series.values.values[i].is_nan() && series.hidden[i] == Hidden::No;
            let [mean, sd] = [&filled.mean, &filled.sd].map(|of| single(of.values[i]).to_string());
            [series.measured_text(row, j), u8::from(seen).to_string(), mean, sd]
        });
        let of_series = of_series.iter().map(|_| series.subjects.names[series.moments.series()[row]].clone());
        csv.row(once(series.time_text(row)).chain(of_series).chain(cells));
        if row % CHUNK == CHUNK - 1 {
            file.write(&csv.take())?;
        }
    }
    file.write(&csv.take())?;
    file.finish()
}

/// The rows that are drawn.
fn drawn(series: &Series) -> Range<usize> {
    series.moments.each().next().map_or(0..0, |rows| rows.start..rows.end.min(rows.start + ROWS))
}

/// The first channels, to be zoomed.
pub(crate) fn explorers<'a>(series: &'a Series, filled: &'a Filled) -> impl Iterator<Item = Explorer> + 'a {
    let k = series.values.cols;
    let clock = series.clock();
    let time: Vec<f64> = series.moments.time()[drawn(series)].iter().map(|&time| clock.drawn(time)).collect();
    series.names.iter().enumerate().take(MOST).map(move |(j, name)| {
        let cells = || time.iter().enumerate().map(|(row, &time)| (row * k + j, time));
        let of = |hidden: bool| {
            let measured = cells().filter(move |&(i, _)| (series.hidden[i] != Hidden::No) == hidden);
            measured.map(|(i, time)| (time, series.values.values[i]))
        };
        let interval = cells().map(|(i, time)| {
            let (mean, sd) = (filled.mean.values[i], filled.sd.values[i]);
            (time, mean - 2.0 * sd, mean + 2.0 * sd)
        });
        Explorer::Curves(Curves {
            title: format!("{name}, measured and filled in"),
            labels: [clock.axis(), "value".to_owned()],
            series: vec![
                Drawn::band("± 2 sd", interval),
                Drawn::line("mean", cells().map(|(i, time)| (time, filled.mean.values[i]))),
                Drawn::points("seen", of(false)),
                Drawn::points("hidden", of(true)),
            ],
        })
    })
}

/// Draws the first channels.
pub(crate) fn draw(path: &Path, series: &Series, filled: &Filled) -> Result<(), PictureError> {
    let k = series.values.cols;
    let mut panels = Panels::new("Measured, and filled in", 2);
    let clock = series.clock();
    for (j, name) in series.names.iter().enumerate().take(MOST) {
        let time = &series.moments.time()[drawn(series)];
        let cells = || time.iter().enumerate().map(|(row, &time)| (row * k + j, clock.drawn(time)));
        let interval = cells().map(|(i, time)| {
            let (mean, sd) = (filled.mean.values[i], filled.sd.values[i]);
            (time, mean - 2.0 * sd, mean + 2.0 * sd)
        });
        let measured = cells().filter(|&(i, _)| !series.values.values[i].is_nan());
        let points = measured
            .map(|(i, time)| ((time, series.values.values[i]), usize::from(series.hidden[i] != Hidden::No)));
        panels = panels.figure(
            Figure::new(name)
                .axes(&clock.axis(), "value")
                .band("± 2 sd", interval)
                .classes(["seen", "hidden"], points)
                .line("mean", cells().map(|(i, time)| (time, filled.mean.values[i]))),
        );
    }
    panels.save(path)
}
