//! Styles: how a line, an area or a class looks in the frame and in the legend.

use std::f64::consts::{PI, SQRT_2};

use plotters::style::{Color, RGBColor};

use super::canvas::{Canvas, Point, SOLID, colour, heat};

/// The dash and the gap in pixels of the first, second … line.
const DASHES: [(u32, u32); 5] = [SOLID, (10, 5), (3, 4), (18, 6), (6, 10)];

/// Shapes as stars: the number of points, the turns from the right to the first point, and the depth between two points. They
/// are a disc, a diamond, a triangle, a cross, a square and a star.
const SHAPES: [(usize, f64, f64); 6] = [
    (12, 0.0, 1.0),
    (4, 0.0, 0.5 * SQRT_2),
    (3, 0.75, 0.5),
    (4, 0.125, 0.3),
    (4, 0.125, 0.5 * SQRT_2),
    (5, 0.75, 0.4),
];

/// The opacity of an area.
const TINT: f64 = 0.3;

#[derive(PartialEq)]
pub(super) enum Style {
    Line((u32, u32), RGBColor),
    Area(RGBColor),
    Glyph(char, RGBColor),
    Shape((usize, f64, f64), RGBColor),
}

impl Style {
    pub(super) fn nth_line(i: usize, n: usize) -> Self {
        Style::Line(DASHES[i % DASHES.len()], colour(i, n))
    }

    pub(super) fn nth_area(i: usize, n: usize) -> Self {
        Style::Area(colour(i, n))
    }

    /// A point of a series that has no line.
    pub(super) fn nth_point(i: usize, n: usize) -> Self {
        Style::Shape(SHAPES[i % SHAPES.len()], colour(i, n))
    }

    /// A class among these. Those that have an order go from light to dark.
    pub(super) fn class(names: &[String], i: usize, ordered: bool) -> Self {
        let last = (names.len() - 1).max(1) as f64;
        let colour = if ordered { heat(0.3 + 0.7 * i as f64 / last) } else { colour(i, names.len()) };
        let mut letters = names[i].chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Style::Glyph(letter, colour),
            _ => Style::Shape(SHAPES[i % SHAPES.len()], colour),
        }
    }

    pub(super) fn colour(&self) -> RGBColor {
        match *self {
            Style::Line(_, colour)
            | Style::Area(colour)
            | Style::Glyph(_, colour)
            | Style::Shape(_, colour) => colour,
        }
    }

    /// Whether its sample in a legend is its name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self, Style::Glyph(..))
    }

    /// Draws its sample in the legend, `width` pixels from `(x, y)` on.
    pub(super) fn sample(&self, canvas: &Canvas<'_>, (x, y): Point, width: f64) {
        match self {
            Style::Line(..) => self.line(canvas, &[(x, y), (x + width, y)]),
            Style::Area(_) => self.area(
                canvas,
                &[(x, y - 8.0), (x + width, y - 8.0)],
                &[(x, y + 8.0), (x + width, y + 8.0)],
            ),
            _ => self.point(canvas, (x + width / 2.0, y), 18.0),
        }
    }

    /// Draws a line through these points; a single point, between two gaps, is a dot.
    pub(super) fn line(&self, canvas: &Canvas<'_>, points: &[Point]) {
        match (self, points) {
            (_, [point]) => self.point(canvas, *point, 8.0),
            (Style::Line(dash, colour), points) => canvas.line(points, *dash, 2.0, *colour),
            _ => {}
        }
    }

    /// Draws the area between two lines through equally many points.
    pub(super) fn area(&self, canvas: &Canvas<'_>, above: &[Point], below: &[Point]) {
        let Style::Area(colour) = self else { return };
        let corners: Vec<Point> = above.iter().chain(below.iter().rev()).copied().collect();
        canvas.polygon(&corners, colour.mix(TINT));
    }

    /// Draws a point, about `size` pixels high.
    pub(super) fn point(&self, canvas: &Canvas<'_>, (x, y): Point, size: f64) {
        let colour = self.colour();
        let (points, turn, depth) = match self {
            Style::Glyph(letter, _) => {
                return canvas.glyph(*letter, size, (x, y), colour);
            }
            Style::Shape(shape, _) => *shape,
            Style::Line(..) | Style::Area(_) => SHAPES[0],
        };
        let corner = |k: usize| {
            let radius = 0.4 * size * if k.is_multiple_of(2) { 1.0 } else { depth };
            let (sin, cos) = (2.0 * PI * turn + PI * k as f64 / points as f64).sin_cos();
            (x + radius * cos, y + radius * sin)
        };
        canvas.polygon(&(0..2 * points).map(corner).collect::<Vec<_>>(), colour);
    }
}
