//! Charts of a run's metrics, drawn without a script.

use std::fs::File;
use std::path::Path;

use maud::{Markup, html};
use serde_json::json;

use crate::run::RunError;
use crate::run::error::io_error;

/// The most points of a line. Of more an even part is drawn.
const MOST: usize = 400;
/// The size of a chart, and its frame. `chart.js` draws in the same one.
const SIZE: (f64, f64) = (480.0, 270.0);
const FRAME: [f64; 4] = [62.0, 468.0, 12.0, 232.0];

/// A line: its name and its points.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// A chart of each column of a metrics file, over its first column. What was measured on several sets of rows is one chart.
pub(super) fn charts(path: &Path) -> Result<Vec<Markup>, RunError> {
    let damaged = |error: csv::Error| RunError::Damaged { path: path.to_owned(), reason: error.to_string() };
    let file = File::open(path).map_err(io_error("read", path))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().map_err(damaged)?.clone();
    let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(damaged)?;
    let step = rows.len().div_ceil(MOST).max(1);
    let mut shown: Vec<_> = rows.iter().step_by(step).collect();
    // The last one is what a line is said to end at.
    shown.extend(rows.last().filter(|_| rows.len() % step != 1 && step > 1));
    let number = |row: &csv::StringRecord, column: usize| row.get(column).and_then(|cell| cell.parse().ok());
    let mut charts: Vec<(&str, Vec<Line>)> = Vec::new();
    for (column, name) in header.iter().enumerate().skip(1) {
        let split = name.split_once('_').filter(|(set, _)| ["train", "validation"].contains(set));
        let (set, of) = split.unwrap_or(("", name));
        let points = shown.iter().filter_map(|row| Some((number(row, 0)?, number(row, column)?)));
        let points = points.filter(|(x, y): &(f64, f64)| x.is_finite() && y.is_finite()).collect();
        let line = Line { name: if set.is_empty() { of } else { set }.to_owned(), points };
        match charts.iter_mut().find(|(other, _)| *other == of) {
            Some((_, lines)) => lines.push(line),
            None => charts.push((of, vec![line])),
        }
    }
    let first = header.get(0).unwrap_or_default();
    Ok(charts.iter().map(|(name, lines)| chart(&name.replace('_', " "), first, lines)).collect())
}

fn chart(title: &str, label: &str, lines: &[Line]) -> Markup {
    let [left, right, top, bottom] = FRAME;
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Axis::over(points().map(|p| p.0)).logarithmic();
    let y = Axis::over(points().map(|p| p.1));
    let place = |p: &(f64, f64)| (left + x.at(p.0) * (right - left), bottom + y.at(p.1) * (top - bottom));
    let path = |line: &Line| {
        let text = |p: &(f64, f64)| format!("{:.1},{:.1}", place(p).0, place(p).1);
        line.points.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    let series = lines.iter().map(|line| {
        let (x, y): (Vec<f64>, Vec<f64>) = line.points.iter().copied().unzip();
        json!({ "name": line.name, "shape": { "line": { "x": x, "y": y } } })
    });
    let data = json!({ "x": [x.low, x.high], "log": x.log, "y": [y.low, y.high], "series": series.collect::<Vec<_>>() });
    let last = |line: &Line| line.points.last().map(|p| short(p.1)).unwrap_or_default();
    html! {
        figure.chart {
            figcaption {
                strong { (title) } " "
                @for (i, line) in lines.iter().enumerate() {
                    span.key { span class={ "swatch s" (i) } {} (line.name) " " b { (last(line)) } } " "
                }
            }
            svg viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="img" data-chart=(data)
                aria-label={ (title) " over " (label) @for line in lines { ", " (line.name) " ends at " (last(line)) } } {
                @for tick in x.ticks(6) {
                    @let at = left + x.at(tick) * (right - left);
                    line.grid x1=(at) x2=(at) y1=(top) y2=(bottom) {}
                    @let anchor = if at > right - 12.0 { "end" } else { "middle" };
                    text x=(at.min(SIZE.0 - 2.0)) y=(bottom + 18.0) text-anchor=(anchor) { (short(tick)) }
                }
                @for tick in y.ticks(5) {
                    @let at = bottom + y.at(tick) * (top - bottom);
                    line.grid x1=(left) x2=(right) y1=(at) y2=(at) {}
                    text x=(left - 6.0) y=(at + 4.0) text-anchor="end" { (short(tick)) }
                }
                text x=((left + right) / 2.0) y=(SIZE.1 - 4.0) text-anchor="middle" { (label) }
                @for (i, line) in lines.iter().enumerate() {
                    polyline class={ "line s" (i) } points=(path(line)) {}
                    @if let [only] = &line.points[..] {
                        circle class={ "dot s" (i) } cx=(place(only).0) cy=(place(only).1) r="3" {}
                    }
                }
            }
        }
    }
}

/// An axis from the lowest to the highest number.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        match (low <= high, low < high) {
            (_, true) => Self { low, high, log: false },
            (true, false) => {
                let margin = 0.5 * low.abs().max(1.0);
                Self { low: low - margin, high: high + margin, log: false }
            }
            (false, false) => Self { low: 0.0, high: 1.0, log: false },
        }
    }

    /// The same axis, logarithmic if it goes from 1 or more to ten times as much: the first epochs change most, and would squeeze
    /// the others.
    fn logarithmic(self) -> Self {
        Self { log: self.low >= 1.0 && self.high >= 10.0 * self.low, ..self }
    }

    /// The place of a number, from 0 to 1.
    fn at(&self, x: f64) -> f64 {
        if self.log {
            return (x / self.low).ln() / (self.high / self.low).ln();
        }
        // Halves, since the difference of two numbers may be too large for one.
        (x / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    /// Round numbers, about so many.
    fn ticks(&self, about: usize) -> Vec<f64> {
        if self.log {
            let powers = (0..308).map(|power| 10_f64.powi(power)).take_while(|power| *power <= self.high);
            let within = |steps: &[f64]| {
                let all = powers.clone().flat_map(|power| steps.iter().map(move |step| power * step));
                all.filter(|x| (self.low..=self.high).contains(x)).collect::<Vec<_>>()
            };
            return Some(within(&[1.0, 2.0, 5.0]))
                .filter(|all| all.len() <= about)
                .unwrap_or_else(|| within(&[1.0]));
        }
        let rough = (self.high / 2.0 - self.low / 2.0) / about as f64 * 2.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough);
        let Some(step) = step.filter(|step| step.is_normal()) else { return vec![self.low, self.high] };
        let first = (self.low / step).ceil();
        (0..=2 * about).map(|i| (first + i as f64) * step).take_while(|x| *x <= self.high).collect()
    }
}

/// A number in few digits.
pub(super) fn short(x: f64) -> String {
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    let text = match x.abs() {
        0.0 => "0".to_owned(),
        size if (1e-4..1e6).contains(&size) => {
            let decimals = (4 - size.log10().floor() as i32).clamp(0, 8) as usize;
            trimmed(&format!("{x:.decimals$}"))
        }
        _ => {
            let text = format!("{x:.3e}");
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{power}", trimmed(digits))
        }
    };
    text.replace('-', "−")
}
