//! Lines, areas, points and heat maps on axes.

use std::ops::Range;
use std::path::Path;

use super::PictureError;
use super::axis::Axis;
use super::canvas::{Align, Canvas, FAINT, INK, Point, SOLID, colour, paint, text_width};
use super::heat_map::{BAR, HeatMap};
use super::legend::{Entry, Legend};
use super::style::Style;
use super::surface;

const SIZE: (f64, f64) = (960.0, 640.0);
pub(super) const MARGIN: f64 = 20.0;
pub(super) const TITLE: f64 = 24.0;
pub(super) const LABEL: f64 = 20.0;
pub(super) const TICK: f64 = 17.0;
/// The largest number of points that are drawn: more would hide one another.
const MOST: usize = 3000;

/// A picture with two axes and a title, and a legend beside the frame if it shows several things. What is added later lies
/// on top. Lines, bands, bars and points of the same name have the same colour and one entry in the legend.
///
/// Numbers that cannot be shown leave gaps: NaN, infinities, and on a logarithmic axis all that are not positive.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    title: String,
    labels: (String, String),
    log: (bool, bool),
    /// Whether a unit is as long on either axis.
    equal: bool,
    /// What the vertical axis must hold beside what is drawn.
    y_range: Option<(f64, f64)>,
    /// The names of 0, 1, 2 … on the axes, in place of numbers.
    names: (Vec<String>, Vec<String>),
    legend: String,
    layers: Vec<Layer>,
    /// The names of lines, bands, bars and points. The number of a name is that of its colour.
    series: Vec<String>,
    pub(super) heat: Option<HeatMap>,
    /// Whether the heat map is shown as a surface, seen from the side.
    pub(super) relief: bool,
}

#[derive(Clone, Debug)]
enum Layer {
    Line {
        number: usize,
        points: Vec<Point>,
    },
    /// The area between two lines.
    Band {
        number: usize,
        low: Vec<Point>,
        high: Vec<Point>,
    },
    Bars {
        number: usize,
        width: f64,
        points: Vec<Point>,
    },
    Points {
        number: usize,
        points: Vec<Point>,
    },
    /// Vertical bars with caps, from a low end to a high one.
    Errors {
        number: usize,
        ends: Vec<[Point; 2]>,
    },
    Classes {
        names: Vec<String>,
        ordered: bool,
        points: Vec<(Point, usize)>,
    },
}

impl Layer {
    /// All points that the frame must hold.
    fn points(&self) -> Vec<Point> {
        match self {
            Layer::Line { points, .. } | Layer::Points { points, .. } => points.clone(),
            Layer::Errors { ends, .. } => ends.concat(),
            Layer::Band { low, high, .. } => [&low[..], high].concat(),
            Layer::Bars { width, points, .. } => {
                points.iter().flat_map(|&(x, y)| [(x - width / 2.0, 0.0), (x + width / 2.0, y)]).collect()
            }
            Layer::Classes { points, .. } => points.iter().map(|(point, _)| *point).collect(),
        }
    }
}

impl Figure {
    /// An empty picture.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// Sets the labels of the axes: what they show, with units.
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

    /// Makes a unit of x as long as a unit of y, so that a circle is round. It is for linear axes.
    pub fn equal_axes(mut self) -> Self {
        self.equal = true;
        self
    }

    /// Sets the heading of the legend.
    pub fn legend(mut self, heading: &str) -> Self {
        self.legend = heading.to_owned();
        self
    }

    /// Adds a line through these points, in this order.
    pub fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let number = self.number(name);
        self.layers.push(Layer::Line { number, points: points.into_iter().collect() });
        self
    }

    /// Adds points, without a line through them.
    pub fn points(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let number = self.number(name);
        self.layers.push(Layer::Points { number, points: points.into_iter().collect() });
        self
    }

    /// Adds error bars, given as (x, low, high).
    pub fn errors(mut self, name: &str, errors: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let number = self.number(name);
        let ends = errors.into_iter().map(|(x, low, high)| [(x, low), (x, high)]).collect();
        self.layers.push(Layer::Errors { number, ends });
        self
    }

    /// Adds the area between two lines, given as (x, low, high). There is a gap where a number cannot be shown.
    pub fn band(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let number = self.number(name);
        let (low, high) = points.into_iter().map(|(x, low, high)| ((x, low), (x, high))).unzip();
        self.layers.push(Layer::Band { number, low, high });
        self
    }

    /// Adds bars from 0 to y, centred at x and as wide as `width` on the x-axis. On a logarithmic axis, which has no 0, they
    /// begin at the frame.
    pub fn bars(mut self, name: &str, width: f64, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let number = self.number(name);
        self.layers.push(Layer::Bars { number, width, points: points.into_iter().collect() });
        self
    }

    /// Adds a heat map, which lies below everything else: values on a regular grid of cells over these ranges of x and y, row
    /// after row, the first one at the bottom. The axes then have these ranges and are linear. A bar with the label shows
    /// the colours of the values. Cells that cannot be shown (NaN, infinities) stay white.
    ///
    /// # Panics
    /// If there is a heat map already, the values are not whole rows of `columns` cells, or a range is empty or not finite.
    #[track_caller]
    pub fn heat_map(
        mut self,
        label: &str,
        (x, y): (Range<f64>, Range<f64>),
        columns: usize,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let filled = columns > 0 && !values.is_empty() && values.len().is_multiple_of(columns);
        assert!(filled, "Figure: expected whole rows of {columns} cells, found {} values", values.len());
        for range in [&x, &y] {
            let sound = range.start < range.end && (range.end - range.start).is_finite();
            assert!(sound, "Figure: expected a finite range that is not empty, found {range:?}");
        }
        assert!(self.heat.is_none(), "Figure: expected one heat map, found a second, which would hide it");
        self.heat =
            Some(HeatMap { label: label.to_owned(), x, y, columns, values, numbers: false, shared: None });
        self
    }

    /// Adds a matrix, as it is written: row after row, the first one at the top, with names of rows and columns, and each number
    /// in its cell, if cells are large enough. It is a [heat map](Self::heat_map) otherwise.
    ///
    /// # Panics
    /// If there are not as many values as rows times columns, or there are none.
    #[track_caller]
    pub fn matrix(
        mut self,
        label: &str,
        (rows, columns): (&[String], &[String]),
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let (m, n) = (rows.len(), columns.len());
        assert_eq!(
            values.len(),
            m * n,
            "Figure: expected {m} rows of {n} cells, found {} values",
            values.len()
        );
        let ends = |n: usize| -0.5..n as f64 - 0.5;
        let upwards = values.chunks_exact(n.max(1)).rev().flatten().copied();
        self = self.heat_map(label, (ends(n), ends(m)), n, upwards);
        self.names = (columns.to_vec(), rows.iter().rev().cloned().collect());
        self.heat.iter_mut().for_each(|map| map.numbers = true);
        self
    }

    /// Names 0, 1, 2 … on the horizontal axis, for things that have no order.
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names.0 = names.into_iter().map(Into::into).collect();
        self
    }

    /// The number of the series of this name.
    fn number(&mut self, name: &str) -> usize {
        self.series.iter().position(|other| other == name).unwrap_or_else(|| {
            self.series.push(name.to_owned());
            self.series.len() - 1
        })
    }

    /// Adds points, each with the number of its class among `names`. Later points lie on top. A class whose name is a single
    /// character, such as a digit, is drawn as that character, other classes as shapes. Of more than 3000 points an even part
    /// is drawn.
    ///
    /// # Panics
    /// If a class has no name.
    #[track_caller]
    pub fn classes<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
        points: impl IntoIterator<Item = ((f64, f64), usize)>,
    ) -> Self {
        self.classes_in(false, names.into_iter().map(Into::into).collect(), points.into_iter().collect())
    }

    /// As [`classes`](Self::classes), for classes that have an order, such as ranges of a number: their colours go from light
    /// to dark.
    ///
    /// # Panics
    /// If a class has no name.
    #[track_caller]
    pub fn ordered_classes<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
        points: impl IntoIterator<Item = ((f64, f64), usize)>,
    ) -> Self {
        self.classes_in(true, names.into_iter().map(Into::into).collect(), points.into_iter().collect())
    }

    #[track_caller]
    fn classes_in(mut self, ordered: bool, names: Vec<String>, points: Vec<((f64, f64), usize)>) -> Self {
        if let Some((_, class)) = points.iter().find(|(_, class)| *class >= names.len()) {
            panic!("Figure: expected a class of {names:?}, found number {class}");
        }
        self.layers.push(Layer::Classes { names, ordered, points });
        self
    }

    /// Writes the PNG.
    ///
    /// # Errors
    /// [`PictureError::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        let legend = Legend::of([self]);
        let frame = SIZE.0 - legend.width();
        paint(path, SIZE, |canvas| {
            self.draw(canvas, (0.0, 0.0), (frame, SIZE.1));
            legend.draw(canvas, (frame, MARGIN + TITLE + 18.0), SIZE.1 - MARGIN);
        })
    }

    /// Draws everything but the legend into a part of a canvas.
    pub(super) fn draw(&self, canvas: &Canvas<'_>, (x0, y0): Point, size: (f64, f64)) {
        if let (Some(map), true) = (&self.heat, self.relief) {
            return surface::draw(
                canvas,
                map,
                &self.title,
                [&self.labels.0, &self.labels.1],
                ((x0, y0), size),
            );
        }
        let points: Vec<Point> = self.layers.iter().flat_map(Layer::points).collect();
        let (x, y) = match &self.heat {
            Some(map) => (Axis::exact(map.x.start, map.x.end), Axis::exact(map.y.start, map.y.end)),
            None => {
                let ends = self.y_range.map(|(low, high)| [low, high]);
                let heights = points.iter().map(|p| p.1).chain(ends.into_iter().flatten());
                (Axis::over(points.iter().map(|p| p.0), self.log.0), Axis::over(heights, self.log.1))
            }
        };
        let width = |text: &str| text_width(text, TICK);
        let bar = self.heat.as_ref().map(HeatMap::scale);
        let bar_width = bar.as_ref().map_or(0.0, |scale| {
            let numbers = scale.ticks(8).iter().map(|(_, name)| width(name)).fold(0.0, f64::max);
            MARGIN + BAR + 6.0 + numbers + 8.0 + LABEL
        });
        let numbers = y.marks(&self.names.1, 8).iter().map(|(_, name)| width(name)).fold(0.0, f64::max);
        let mut frame = Frame {
            left: x0 + MARGIN + LABEL + 12.0 + numbers + 8.0,
            right: x0 + size.0 - MARGIN - bar_width,
            top: y0 + MARGIN + TITLE + 18.0,
            bottom: y0 + size.1 - MARGIN - LABEL - 12.0 - TICK - 8.0,
            x,
            y,
        };
        if self.equal {
            frame.equalise();
        }
        self.draw_axes(canvas, &frame, (x0, y0 + size.1));
        if let (Some(map), Some(scale)) = (&self.heat, bar) {
            map.draw(canvas, &frame, &scale);
        }
        self.draw_layers(canvas, &frame);
        frame.outline(canvas);
    }

    /// The heading above its names in a legend.
    pub(super) fn heading(&self) -> &str {
        &self.legend
    }

    fn draw_axes(&self, canvas: &Canvas<'_>, frame: &Frame, (x0, y1): Point) {
        let Frame { left, right, top, bottom, .. } = *frame;
        let centre = ((left + right) / 2.0, (top + bottom) / 2.0);
        for (at, name) in frame.x.marks(&self.names.0, ((right - left) / 60.0).clamp(2.0, 10.0) as usize) {
            let x = left + at * (right - left);
            canvas.line(&[(x, top), (x, bottom)], SOLID, 1.0, FAINT);
            canvas.text(&name, TICK, (x, bottom + 8.0 + TICK / 2.0), Align::Centre, INK);
        }
        for (at, name) in frame.y.marks(&self.names.1, 8) {
            let y = bottom + at * (top - bottom);
            canvas.line(&[(left, y), (right, y)], SOLID, 1.0, FAINT);
            canvas.text(&name, TICK, (left - 8.0, y), Align::Right, INK);
        }
        canvas.text(&self.title, TITLE, (centre.0, top - 18.0 - TITLE / 2.0), Align::Centre, INK);
        canvas.text(&self.labels.0, LABEL, (centre.0, y1 - MARGIN - LABEL / 2.0), Align::Centre, INK);
        canvas.text(&self.labels.1, LABEL, (x0 + MARGIN + LABEL / 2.0, centre.1), Align::Upwards, INK);
    }

    fn draw_layers(&self, canvas: &Canvas<'_>, frame: &Frame) {
        for layer in &self.layers {
            match layer {
                Layer::Line { number, points } => {
                    let style = Style::nth_line(*number, self.series.len());
                    let places: Vec<_> = points.iter().map(|point| frame.place(*point)).collect();
                    for run in places.split(Option::is_none) {
                        style.line(canvas, &run.iter().flatten().copied().collect::<Vec<_>>());
                    }
                }
                Layer::Band { number, low, high } => {
                    let style = Style::nth_area(*number, self.series.len());
                    let both =
                        |(low, high): (&Point, &Point)| Some((frame.place(*high)?, frame.place(*low)?));
                    let places: Vec<_> = low.iter().zip(high).map(both).collect();
                    for run in places.split(Option::is_none) {
                        let (high, low): (Vec<_>, Vec<_>) = run.iter().flatten().copied().unzip();
                        style.area(canvas, &high, &low);
                    }
                }
                Layer::Bars { number, width, points } => {
                    let style = Style::nth_area(*number, self.series.len());
                    for &(x, y) in points {
                        let ends = [x - width / 2.0, x + width / 2.0].map(|x| frame.place((x, y)));
                        let [Some(left), Some(right)] = ends else { continue };
                        let base = frame.y.place(0.0).map_or(frame.bottom, |at| frame.height(at));
                        style.area(canvas, &[left, right], &[(left.0, base), (right.0, base)]);
                    }
                }
                Layer::Points { number, points } => {
                    let style = Style::nth_point(*number, self.series.len());
                    let places = points.iter().filter_map(|point| frame.place(*point));
                    places.for_each(|place| style.point(canvas, place, 14.0));
                }
                Layer::Errors { number, ends } => {
                    for ends in ends {
                        let [Some(low), Some(high)] = ends.map(|end| frame.place(end)) else { continue };
                        let colour = colour(*number, self.series.len());
                        canvas.line(&[low, high], SOLID, 2.0, colour);
                        for (x, y) in [low, high] {
                            canvas.line(&[(x - 5.0, y), (x + 5.0, y)], SOLID, 2.0, colour);
                        }
                    }
                }
                Layer::Classes { names, ordered, points } => {
                    // The more points, the smaller: 18 pixels for up to a hundred, 10 from 1600 on, and less in a panel.
                    let size = 18.0 - 2.0 * (points.len().max(100) as f64 / 100.0).log2().min(4.0);
                    let size = size * ((frame.right - frame.left) / 700.0).min(1.0);
                    // Chosen by the golden ratio: a fixed stride could meet one class alone where classes take turns.
                    let golden = |i: usize| (i as f64 * 0.618_033_988_749_894_9).fract();
                    let share = MOST as f64 / points.len() as f64;
                    let drawn = points.iter().enumerate().filter(|(i, _)| golden(*i) < share);
                    for (place, class) in
                        drawn.filter_map(|(_, (point, class))| Some((frame.place(*point)?, class)))
                    {
                        Style::class(names, *class, *ordered).point(canvas, place, size);
                    }
                }
            }
        }
    }

    /// The entries of the legend: none if the figure shows a single thing. What has no point that can be shown has no entry.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let (mut series, mut classes) = (Vec::new(), Vec::new());
        series.extend(self.series.iter().map(|name| (&name[..], Vec::new())));
        let count = self.series.len();
        for layer in &self.layers {
            if !layer.points().iter().any(|(x, y)| x.is_finite() && y.is_finite()) {
                continue;
            }
            let (number, style) = match layer {
                Layer::Line { number, .. } => (*number, Style::nth_line(*number, count)),
                Layer::Band { number, .. } | Layer::Bars { number, .. } => {
                    (*number, Style::nth_area(*number, count))
                }
                Layer::Points { number, .. } => (*number, Style::nth_point(*number, count)),
                Layer::Errors { .. } => continue, // they belong to points or lines
                Layer::Classes { names, ordered, .. } => {
                    let style = |i: usize| vec![Style::class(names, i, *ordered)];
                    classes.extend(names.iter().enumerate().map(|(i, name)| (&name[..], style(i))));
                    continue;
                }
            };
            // Several lines of one name have one entry.
            if !series[number].1.contains(&style) {
                series[number].1.push(style);
            }
        }
        series.retain(|(_, styles)| !styles.is_empty());
        series.append(&mut classes);
        if series.len() > 1 { series } else { Vec::new() }
    }

    /// The lowest and the highest number on the vertical axis; none if nothing can be shown.
    pub(super) fn heights(&self) -> Option<(f64, f64)> {
        let points = self.layers.iter().flat_map(Layer::points);
        let heights = points.map(|(_, y)| y).filter(|y| y.is_finite());
        heights.map(|y| (y, y)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Makes the vertical axis hold these numbers, too.
    pub(super) fn y_range(mut self, range: Option<(f64, f64)>) -> Self {
        self.y_range = range;
        self
    }
}

/// The frame: its place in pixels, and its axes.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    x: Axis,
    y: Axis,
}

impl Frame {
    /// The place of a point in pixels; none if it cannot be shown or lies outside.
    fn place(&self, (x, y): Point) -> Option<Point> {
        let inside = |at: &f64| (-1e-9..=1.0 + 1e-9).contains(at);
        let (x, y) = (self.x.place(x).filter(inside)?, self.y.place(y).filter(inside)?);
        Some((self.left + x * (self.right - self.left), self.height(y)))
    }

    /// Widens one axis, so that a unit is as long on either.
    fn equalise(&mut self) {
        let (across, down) =
            (self.x.length() / (self.right - self.left), self.y.length() / (self.bottom - self.top));
        if across < down { self.x.widen(down / across) } else { self.y.widen(across / down) }
    }

    pub(super) fn height(&self, at: f64) -> f64 {
        self.bottom + at * (self.top - self.bottom)
    }

    fn outline(&self, canvas: &Canvas<'_>) {
        let Self { left, right, top, bottom, .. } = *self;
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        canvas.line(&corners, SOLID, 1.0, INK);
    }
}
