//! Heat maps, and the bar that explains their colours.

use std::ops::Range;

use super::axis::Axis;
use super::canvas::{Align, Canvas, INK, PAPER, SOLID, heat, text_width};
use super::figure::{Frame, LABEL, MARGIN, TICK};

/// The width of the colour bar of a heat map, and the number of stripes that it is drawn in.
pub(super) const BAR: f64 = 22.0;
const STRIPES: usize = 200;
/// Cells overlap by so many pixels, so that rounding leaves no line between them.
const SEAM: f64 = 0.2;
/// A narrower cell has no room for its number.
const ROOM: f64 = 30.0;

#[derive(Clone, Debug)]
pub(super) struct HeatMap {
    pub(super) label: String,
    pub(super) x: Range<f64>,
    pub(super) y: Range<f64>,
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
    /// Whether each cell shows its number.
    pub(super) numbers: bool,
    /// The ends of the scale, if other maps share it.
    pub(super) shared: Option<(f64, f64)>,
}

impl HeatMap {
    /// The lowest and the highest value.
    pub(super) fn ends(&self) -> (f64, f64) {
        if let Some(ends) = self.shared {
            return ends;
        }
        let shown = || self.values.iter().copied().filter(|value| value.is_finite());
        (shown().fold(f64::INFINITY, f64::min), shown().fold(f64::NEG_INFINITY, f64::max))
    }

    /// Whether there are values of both signs, beyond rounding.
    fn is_signed(&self) -> bool {
        let (low, high) = self.ends();
        low < -1e-9 * high && high > -1e-9 * low
    }

    /// The axis from the lowest to the highest value, with 0 in the middle if they have both signs; if there is a single value,
    /// one around it that reaches to 0.
    pub(super) fn scale(&self) -> Axis {
        let (low, high) = self.ends();
        let (size, span) = (low.abs().max(high.abs()), high - low);
        match (size.is_finite() && span.is_finite(), span > 1e-9 * size) {
            (true, true) if self.is_signed() => Axis::exact(-size, size),
            (true, true) => Axis::exact(low, high),
            (true, false) if size > 0.0 => Axis::exact(low - size, low + size),
            _ => Axis::exact(0.0, 1.0),
        }
    }

    /// How far the colour at a place on the scale, from 0 to 1, is from white, from −1 to 1.
    fn intensity(&self) -> impl Fn(f64) -> f64 + use<> {
        let is_signed = self.is_signed();
        move |at| if is_signed { 2.0 * at - 1.0 } else { at }
    }

    /// Draws the cells, and the bar beside the frame.
    pub(super) fn draw(&self, canvas: &Canvas<'_>, frame: &Frame, scale: &Axis) {
        let Frame { left, right, top, bottom, .. } = *frame;
        let (rows, intensity) = (self.values.len() / self.columns, self.intensity());
        let (width, height) = ((right - left) / self.columns as f64, (bottom - top) / rows as f64);
        for (i, value) in self.values.iter().enumerate() {
            let Some(at) = scale.place(*value) else { continue };
            let (x, y) = ((i % self.columns) as f64 * width, (i / self.columns + 1) as f64 * height);
            canvas.rectangle((left + x, bottom - y), (width + SEAM, height + SEAM), heat(intensity(at)));
            if self.numbers && width > ROOM {
                let ink = if intensity(at).abs() > 0.6 { PAPER } else { INK };
                let (middle, size) =
                    ((left + x + width / 2.0, bottom - y + height / 2.0), TICK.min(width / 2.8));
                canvas.text(&short(*value), size, middle, Align::Centre, ink);
            }
        }
        let (x, stripe) = (right + MARGIN, (bottom - top) / STRIPES as f64);
        for i in 0..STRIPES {
            let at = (i as f64 + 0.5) / STRIPES as f64;
            canvas.rectangle(
                (x, bottom - (i + 1) as f64 * stripe),
                (BAR, stripe + SEAM),
                heat(intensity(at)),
            );
        }
        let mut numbers = 0.0_f64;
        for (at, name) in scale.ticks(8) {
            let y = frame.height(at);
            canvas.line(&[(x + BAR, y), (x + BAR + 4.0, y)], SOLID, 1.0, INK);
            canvas.text(&name, TICK, (x + BAR + 8.0, y), Align::Left, INK);
            numbers = numbers.max(text_width(&name, TICK));
        }
        let label = (x + BAR + 14.0 + numbers + LABEL / 2.0, (top + bottom) / 2.0);
        canvas.text(&self.label, LABEL, label, Align::Upwards, INK);
    }
}

/// A number in as few digits as a cell has room for.
fn short(value: f64) -> String {
    let digits = if value.fract() == 0.0 || value.abs() < 0.005 { 0 } else { 2 };
    format!("{:.digits$}", if value.abs() < 0.005 { 0.0 } else { value }).replace('-', "−")
}
