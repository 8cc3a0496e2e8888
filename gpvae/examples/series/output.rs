//! The table and the picture.

use std::iter::once;
use std::path::Path;

use nn::picture::{Figure, Panels, PictureError};
use nn::run::{Csv, Curves, Explorer, RunError, Series as Drawn, single};

use super::{Filled, Series};

/// The most channels that are drawn.
const MOST: usize = 6;

/// Writes the time, and for every channel what was measured, both as they were read, whether the model saw it, mean and
/// standard deviation.
pub(crate) fn write(path: &Path, series: &Series, filled: &Filled) -> Result<(), RunError> {
    let columns = series
        .names
        .iter()
        .flat_map(|name| ["measured", "seen", "mean", "sd"].map(|what| format!("{name} {what}")));
    let mut csv = Csv::new(once("time".to_owned()).chain(columns));
    let k = series.values.cols;
    for row in 0..series.time.len() {
        let cells = (0..k).flat_map(|j| {
            let i = row * k + j;
            let seen = u8::from(!series.values.values[i].is_nan() && !series.hidden[i]).to_string();
            let [mean, sd] = [&filled.mean, &filled.sd].map(|of| single(of.values[i]).to_string());
            [series.measured_text(row, j), seen, mean, sd]
        });
        csv.row(once(series.time_text(row)).chain(cells));
    }
    csv.save(path)
}

/// The first channels, to be zoomed. Of many times an even part is shown.
pub(crate) fn explorers<'a>(series: &'a Series, filled: &'a Filled) -> impl Iterator<Item = Explorer> + 'a {
    const TIMES: usize = 1000;
    let (k, step) = (series.values.cols, series.time.len().div_ceil(TIMES));
    let clock = series.clock();
    let time: Vec<f64> = series.time.iter().map(|&time| clock.drawn(time)).collect();
    series.names.iter().enumerate().take(MOST).map(move |(j, name)| {
        let cells = || time.iter().enumerate().step_by(step).map(|(row, &time)| (row * k + j, time));
        let of = |hidden: bool| {
            let measured = cells().filter(move |&(i, _)| series.hidden[i] == hidden);
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
        let cells = || series.time.iter().enumerate().map(|(row, &time)| (row * k + j, clock.drawn(time)));
        let interval = cells().map(|(i, time)| {
            let (mean, sd) = (filled.mean.values[i], filled.sd.values[i]);
            (time, mean - 2.0 * sd, mean + 2.0 * sd)
        });
        let measured = cells().filter(|&(i, _)| !series.values.values[i].is_nan());
        let points =
            measured.map(|(i, time)| ((time, series.values.values[i]), usize::from(series.hidden[i])));
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
