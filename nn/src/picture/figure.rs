//! Lines and points on axes.

use std::path::Path;

use super::PictureError;
use super::axis::Axis;
use super::canvas::{Align, Canvas, FAINT, INK, Point, SOLID, paint, text_width};
use super::style::Style;

const SIZE: (f64, f64) = (960.0, 640.0);
const MARGIN: f64 = 20.0;
const TITLE: f64 = 24.0;
const LABEL: f64 = 20.0;
const TICK: f64 = 17.0;
const LEGEND_LINE: f64 = 26.0;
const SAMPLE: f64 = 40.0;
/// More points than this hide one another.
const MOST: usize = 3000;

/// A picture with two axes, a title and, where there is something to tell apart, a legend beside the frame.
///
/// Numbers that cannot be shown (NaN, infinities, on a logarithmic axis also what is not positive) leave gaps.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    title: String,
    labels: (String, String),
    log: (bool, bool),
    legend: String,
    layers: Vec<Layer>,
    lines: usize,
}

#[derive(Clone, Debug)]
enum Layer {
    Line { number: usize, name: String, points: Vec<Point> },
    Classes { names: Vec<String>, points: Vec<(Point, usize)> },
}

impl Layer {
    fn points(&self) -> impl Iterator<Item = Point> {
        let (line, classes): (&[_], &[_]) = match self {
            Layer::Line { points, .. } => (points, &[]),
            Layer::Classes { points, .. } => (&[], points),
        };
        line.iter().copied().chain(classes.iter().map(|(point, _)| *point))
    }
}

impl Figure {
    /// An empty picture.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// What the axes show, with units.
    pub fn axes(mut self, x: &str, y: &str) -> Self {
        self.labels = (x.to_owned(), y.to_owned());
        self
    }

    /// Makes the horizontal axis logarithmic.
    pub fn log_x(mut self) -> Self {
        self.log.0 = true;
        self
    }

    /// Makes the vertical axis logarithmic.
    pub fn log_y(mut self) -> Self {
        self.log.1 = true;
        self
    }

    /// A heading for the legend.
    pub fn legend(mut self, heading: &str) -> Self {
        self.legend = heading.to_owned();
        self
    }

    /// Adds a line through these points, in their order.
    pub fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (number, name) = (self.lines, name.to_owned());
        self.layers.push(Layer::Line { number, name, points: points.into_iter().collect() });
        self.lines += 1;
        self
    }

    /// Adds points, each with the index of its class among `names`; later ones lie on top. A class whose name is a single
    /// character (a digit) is drawn as that character, others as a shape. Of more than 3000 points an even part is
    /// drawn: all of them would be a blot.
    ///
    /// # Panics
    /// If a class has no name.
    #[track_caller]
    pub fn classes<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
        points: impl IntoIterator<Item = ((f64, f64), usize)>,
    ) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let points: Vec<_> = points.into_iter().collect();
        if let Some((_, class)) = points.iter().find(|(_, class)| *class >= names.len()) {
            panic!("figure: class {class} has no name among {names:?}");
        }
        self.layers.push(Layer::Classes { names, points });
        self
    }

    /// Writes the PNG.
    ///
    /// # Errors
    /// [`PictureError::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        let all = || self.layers.iter().flat_map(Layer::points);
        let x = Axis::over(all().map(|p| p.0), self.log.0);
        let y = Axis::over(all().map(|p| p.1), self.log.1);
        paint(path, SIZE, |canvas| {
            let entries = self.entries();
            let width = |text: &str| text_width(text, TICK);
            let legend =
                entries.iter().map(|(name, _)| SAMPLE + width(name)).fold(width(&self.legend), f64::max);
            let numbers = y.ticks(8).iter().map(|(_, name)| width(name)).fold(0.0, f64::max);
            let frame = Frame {
                left: MARGIN + LABEL + 12.0 + numbers + 8.0,
                right: SIZE.0 - MARGIN - if entries.is_empty() { 0.0 } else { legend + MARGIN },
                top: MARGIN + TITLE + 18.0,
                bottom: SIZE.1 - MARGIN - LABEL - 12.0 - TICK - 8.0,
                x,
                y,
            };
            self.draw_axes(canvas, &frame);
            self.draw_layers(canvas, &frame);
            let at = frame.right + MARGIN;
            canvas.text(&self.legend, TICK, (at, frame.top + TICK / 2.0), Align::Left, INK);
            let top = frame.top + TICK / 2.0 + if self.legend.is_empty() { 0.0 } else { LEGEND_LINE };
            for (i, (name, style)) in entries.iter().enumerate() {
                let y = top + i as f64 * LEGEND_LINE;
                style.sample(canvas, (at, y), SAMPLE - 8.0);
                if !style.is_name() {
                    canvas.text(name, TICK, (at + SAMPLE, y), Align::Left, INK);
                }
            }
        })
    }

    fn draw_axes(&self, canvas: &Canvas<'_>, frame: &Frame) {
        let Frame { left, right, top, bottom, .. } = *frame;
        let centre = ((left + right) / 2.0, (top + bottom) / 2.0);
        for (at, name) in frame.x.ticks(10) {
            let x = left + at * (right - left);
            canvas.line(&[(x, top), (x, bottom)], SOLID, 1.0, FAINT);
            canvas.text(&name, TICK, (x, bottom + 8.0 + TICK / 2.0), Align::Centre, INK);
        }
        for (at, name) in frame.y.ticks(8) {
            let y = bottom + at * (top - bottom);
            canvas.line(&[(left, y), (right, y)], SOLID, 1.0, FAINT);
            canvas.text(&name, TICK, (left - 8.0, y), Align::Right, INK);
        }
        canvas.line(
            &[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)],
            SOLID,
            1.0,
            INK,
        );
        canvas.text(&self.title, TITLE, (centre.0, MARGIN + TITLE / 2.0), Align::Centre, INK);
        canvas.text(&self.labels.0, LABEL, (centre.0, SIZE.1 - MARGIN - LABEL / 2.0), Align::Centre, INK);
        canvas.text(&self.labels.1, LABEL, (MARGIN + LABEL / 2.0, centre.1), Align::Upwards, INK);
    }

    fn draw_layers(&self, canvas: &Canvas<'_>, frame: &Frame) {
        for layer in &self.layers {
            match layer {
                Layer::Line { number, points, .. } => {
                    let style = Style::nth_line(*number, self.lines);
                    let places: Vec<_> = points.iter().map(|point| frame.place(*point)).collect();
                    for run in places.split(Option::is_none) {
                        style.line(canvas, &run.iter().flatten().copied().collect::<Vec<_>>());
                    }
                }
                Layer::Classes { names, points } => {
                    // The more there are, the smaller: 18 pixels up to a hundred, 10 from 1600 on.
                    let size = 18.0 - 2.0 * (points.len().max(100) as f64 / 100.0).log2().min(4.0);
                    // By the golden ratio: a fixed stride could meet a single class where they take turns.
                    let golden = |i: usize| (i as f64 * 0.618_033_988_749_894_9).fract();
                    let share = MOST as f64 / points.len() as f64;
                    let drawn = points.iter().enumerate().filter(|(i, _)| golden(*i) < share);
                    for (place, class) in
                        drawn.filter_map(|(_, (point, class))| Some((frame.place(*point)?, class)))
                    {
                        Style::class(names, *class).point(canvas, place, size);
                    }
                }
            }
        }
    }

    /// What the legend explains: nothing if there is a single line.
    fn entries(&self) -> Vec<(&str, Style)> {
        let mut entries = Vec::new();
        for layer in &self.layers {
            match layer {
                Layer::Line { number, name, .. } => {
                    entries.push((&name[..], Style::nth_line(*number, self.lines)))
                }
                Layer::Classes { names, .. } => {
                    entries.extend(
                        names.iter().enumerate().map(|(i, name)| (&name[..], Style::class(names, i))),
                    );
                }
            }
        }
        if entries.len() > 1 { entries } else { Vec::new() }
    }
}

/// Where the data goes: pixels and axes.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn place(&self, (x, y): Point) -> Option<Point> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        Some((self.left + x * (self.right - self.left), self.bottom + y * (self.top - self.bottom)))
    }
}
