//! Surfaces: values over a plane, seen from the side.

use std::f64::consts::PI;
use std::ops::Range;

use super::axis::Axis;
use super::canvas::{Align, Canvas, FAINT, INK, Point, SOLID, heat, text_width};
use super::figure::{Figure, LABEL, MARGIN, TICK, TITLE};
use super::heat_map::HeatMap;

/// How far the plane is turned, and from how far above the horizon it is seen.
const TURN: f64 = 35.0 * PI / 180.0;
const ABOVE: f64 = 30.0 * PI / 180.0;
/// The height of the highest value, where a side of the plane is 1.
const HEIGHT: f64 = 0.6;

impl Figure {
    /// Shows values as a surface over a plane, seen from the side: the higher the value, the higher the place, and the darker.
    /// The values lie on a regular grid of cells over these ranges of x and y, row after row, the first one in front. Where a
    /// value cannot be shown (NaN, infinities) there is a hole. A figure with a surface shows nothing else.
    ///
    /// # Panics
    /// If there is a heat map or a surface already, the values are not whole rows of `columns` cells, or a range is empty or not
    /// finite.
    #[track_caller]
    pub fn surface(
        mut self,
        label: &str,
        ranges: (Range<f64>, Range<f64>),
        columns: usize,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        self = self.heat_map(label, ranges, columns, values);
        self.relief = true;
        self
    }
}

/// The way from a place over the unit square to pixels.
struct View {
    centre: Point,
    unit: f64,
}

impl View {
    /// The view that fills this part of a canvas.
    fn within((left, top): Point, (right, bottom): Point) -> Self {
        let (sin, cos) = TURN.sin_cos();
        let (width, depth, height) = (sin + cos, (sin + cos) * ABOVE.sin(), HEIGHT * ABOVE.cos());
        let unit = ((right - left) / width).min((bottom - top) / (depth + height));
        // Half of the depth lies below the centre of the plane, half of it and the height above.
        let middle = f64::midpoint(top, bottom) + unit * height / 2.0;
        Self { centre: (f64::midpoint(left, right), middle), unit }
    }

    /// Where a place of the unit cube is drawn. The corner (0, 0) is in front, x runs to the right, y to the left.
    fn place(&self, [x, y, z]: [f64; 3]) -> Point {
        let (sin, cos) = TURN.sin_cos();
        let across = (x - 0.5) * cos - (y - 0.5) * sin;
        let up = depth(x, y) * ABOVE.sin() + z * HEIGHT * ABOVE.cos();
        (self.centre.0 + self.unit * across, self.centre.1 - self.unit * up)
    }
}

/// How far a place of the unit square is from the reader.
fn depth(x: f64, y: f64) -> f64 {
    (x - 0.5) * TURN.sin() + (y - 0.5) * TURN.cos()
}

/// Draws title, axes and surface into the part of a canvas that begins at `corner`.
pub(super) fn draw(
    canvas: &Canvas<'_>,
    map: &HeatMap,
    title: &str,
    labels: [&str; 2],
    (corner, size): (Point, (f64, f64)),
) {
    let ((x0, y0), (width, height)) = (corner, size);
    canvas.text(title, TITLE, (x0 + width / 2.0, y0 + MARGIN + TITLE / 2.0), Align::Centre, INK);
    let highest = map.values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let z = Axis::exact(0.0, if highest > 0.0 { highest } else { 1.0 });
    let ticks = z.ticks(4);
    let names = ticks.iter().map(|(_, name)| text_width(name, TICK)).fold(0.0, f64::max);
    let side = MARGIN + LABEL + 8.0 + names;
    let view = View::within(
        (x0 + side, y0 + MARGIN + TITLE + 12.0),
        (x0 + width - MARGIN, y0 + height - MARGIN - 2.0 * LABEL),
    );

    // The plane with its marks, and the axis of the values above its left corner.
    let line = |ends: [[f64; 3]; 2], colour| {
        canvas.line(&ends.map(|end| view.place(end)), SOLID, 1.0, colour);
    };
    for (at, name) in Axis::exact(map.x.start, map.x.end).ticks(5) {
        line([[at, 0.0, 0.0], [at, 1.0, 0.0]], FAINT);
        let (x, y) = view.place([at, 0.0, 0.0]);
        canvas.text(&name, TICK, (x + 6.0, y + TICK / 2.0 + 6.0), Align::Left, INK);
    }
    for (at, name) in Axis::exact(map.y.start, map.y.end).ticks(5) {
        line([[0.0, at, 0.0], [1.0, at, 0.0]], FAINT);
        let (x, y) = view.place([0.0, at, 0.0]);
        canvas.text(&name, TICK, (x - 6.0, y + TICK / 2.0 + 6.0), Align::Right, INK);
    }
    for (at, name) in &ticks {
        let (x, y) = view.place([0.0, 1.0, *at]);
        canvas.line(&[(x - 4.0, y), (x, y)], SOLID, 1.0, INK);
        canvas.text(name, TICK, (x - 8.0, y), Align::Right, INK);
    }
    line([[0.0; 3], [1.0, 0.0, 0.0]], INK);
    line([[0.0; 3], [0.0, 1.0, 0.0]], INK);
    line([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]], INK);
    let (x, y) = view.place([0.55, 0.0, 0.0]);
    canvas.text(labels[0], LABEL, (x + 30.0, y + 2.0 * LABEL), Align::Centre, INK);
    let (x, y) = view.place([0.0, 0.55, 0.0]);
    canvas.text(labels[1], LABEL, (x - 30.0, y + 2.0 * LABEL), Align::Centre, INK);
    let (_, y) = view.place([0.0, 1.0, 0.5]);
    canvas.text(&map.label, LABEL, (x0 + MARGIN + LABEL / 2.0, y), Align::Upwards, INK);
    draw_quadrangles(canvas, map, &view, &z);
}

/// Draws what lies between four neighbouring values, from the back to the front, so that what is nearer hides what is behind it.
fn draw_quadrangles(canvas: &Canvas<'_>, map: &HeatMap, view: &View, z: &Axis) {
    let (columns, rows) = (map.columns, map.values.len() / map.columns);
    let place = |i: usize, j: usize| {
        let value = map.values[j * columns + i];
        let at = |k: usize, n: usize| (k as f64 + 0.5) / n as f64;
        Some([at(i, columns), at(j, rows), z.place(value).filter(|z| z.is_finite())?.max(0.0)])
    };
    let mut quadrangles: Vec<(usize, usize, [[f64; 3]; 4])> = (0..(rows - 1) * (columns - 1))
        .filter_map(|k| {
            let (i, j) = (k % (columns - 1), k / (columns - 1));
            Some((i, j, [place(i, j)?, place(i + 1, j)?, place(i + 1, j + 1)?, place(i, j + 1)?]))
        })
        .collect();
    quadrangles.sort_by(|(.., a), (.., b)| depth(b[0][0], b[0][1]).total_cmp(&depth(a[0][0], a[0][1])));
    // About twenty lines of a mesh in either direction show slopes, where there are any.
    let every = [columns, rows].map(|n| n.div_ceil(20));
    for (i, j, corners) in quadrangles {
        let height = corners.iter().map(|corner| corner[2]).sum::<f64>() / 4.0;
        let [a, b, c, d] = corners.map(|corner| view.place(corner));
        canvas.polygon(&[a, b, c, d], heat(height));
        let darker = heat((height + 0.35).min(1.0));
        for (at, every, end) in [(i, every[0], d), (j, every[1], b)] {
            if height > 0.01 && at.is_multiple_of(every) {
                canvas.line(&[a, end], SOLID, 0.7, darker);
            }
        }
    }
}
