//! What pictures are drawn with: the bitmap of plotters, in floating-point pixels with the origin at the top left.

use std::path::Path;
use std::sync::Once;

use dejavu::sans;
use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, Drawable, PathElement, PointCollection, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle, register_font,
};

use super::PictureError;
use crate::train::write_aside;

/// Pixels are drawn so many times finer and then averaged, which smooths edges and places text between pixels.
const FINE: u32 = 3;
const FONT: &str = "DejaVu Sans";

pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
pub(super) const INK: RGBColor = RGBColor(30, 30, 30);
pub(super) const FAINT: RGBColor = RGBColor(222, 222, 222);

/// Colours from dark to light, L* = 14, 24, 34, 43, 50, 55, 60, 66, 73, 79. Every second, third or fifth of them differ in hue too.
const PALETTE: [RGBColor; 10] = [
    RGBColor(16, 16, 115),   // navy
    RGBColor(115, 18, 18),   // maroon
    RGBColor(128, 30, 158),  // purple
    RGBColor(199, 28, 46),   // red
    RGBColor(29, 137, 39),   // green
    RGBColor(202, 106, 20),  // rust
    RGBColor(35, 152, 221),  // sky
    RGBColor(242, 119, 180), // pink
    RGBColor(239, 164, 0),   // amber
    RGBColor(149, 214, 40),  // lime
];

/// The colour of number `i` of `n`. A few colours are spread over the whole palette.
pub(super) fn colour(i: usize, n: usize) -> RGBColor {
    PALETTE[i * (PALETTE.len() / n.max(1)).max(1) % PALETTE.len()]
}

/// The colours of heat maps, from light to dark, L* = 98, 89, 76, 61, 46, 33. Dark lines can be seen on the lower half.
const HEAT: [[u8; 3]; 6] =
    [[255, 250, 235], [254, 221, 160], [250, 176, 96], [228, 118, 66], [183, 66, 60], [128, 34, 62]];

/// Colours of negative values, from light to dark, as dark as those of positive ones.
const COLD: [[u8; 3]; 6] =
    [[255, 250, 235], [205, 228, 240], [146, 197, 224], [84, 153, 199], [42, 103, 163], [24, 58, 110]];

/// The colour of a value from −1 to 1 in a heat map.
pub(super) fn heat(value: f64) -> RGBColor {
    let colours = if value < 0.0 { &COLD } else { &HEAT };
    let at = value.abs().min(1.0) * (colours.len() - 1) as f64;
    let left = (at as usize).min(colours.len() - 2);
    let mix = |i: usize| {
        let (a, b) = (f64::from(colours[left][i]), f64::from(colours[left + 1][i]));
        (a + (at - left as f64) * (b - a)).round() as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

/// Where a text lies relative to its point. Vertically it is centred on the point.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
    /// Centred and read from below to above.
    Upwards,
}

/// Dash and gap of an unbroken line.
pub(super) const SOLID: (u32, u32) = (1, 0);

pub(super) type Point = (f64, f64);

pub(super) struct Canvas<'a>(DrawingArea<BitMapBackend<'a>, Shift>);

impl Canvas<'_> {
    pub(super) fn text(&self, text: &str, size: f64, at: Point, align: Align, colour: RGBColor) {
        self.styled(text, font(size, FontStyle::Normal), size, at, align, colour);
    }

    /// A bold letter that stands for a point.
    pub(super) fn glyph(&self, letter: char, size: f64, at: Point, colour: RGBColor) {
        self.styled(&letter.to_string(), font(size, FontStyle::Bold), size, at, Align::Centre, colour);
    }

    fn styled(&self, text: &str, font: TextStyle<'_>, size: f64, at: Point, align: Align, colour: RGBColor) {
        // Plotters sets the baseline half a size below the given point. The middle is half a capital letter above the baseline.
        let lift = -0.19 * size;
        let (h_pos, turn, (x, y)) = match align {
            Align::Left => (HPos::Left, FontTransform::None, (at.0, at.1 + lift)),
            Align::Centre => (HPos::Center, FontTransform::None, (at.0, at.1 + lift)),
            Align::Right => (HPos::Right, FontTransform::None, (at.0, at.1 + lift)),
            Align::Upwards => (HPos::Center, FontTransform::Rotate270, (at.0 + lift, at.1)),
        };
        let style = font.transform(turn).color(&colour).pos(Pos::new(h_pos, VPos::Top));
        self.0.draw_text(text, &style, fine((x, y))).expect("text is drawn in memory");
    }

    /// A line in dashes and gaps of so many pixels. With a gap of 0 it is solid. Corners are round: mitred ones would reach far
    /// beyond the points where the line turns back.
    pub(super) fn line(&self, points: &[Point], dashes: (u32, u32), width: f64, colour: RGBColor) {
        let disc = ShapeStyle { filled: true, ..stroke(0.0, colour) };
        for dash in in_dashes(points, dashes) {
            let dash = fine_all(&dash);
            for ends in dash.windows(2) {
                self.element(&PathElement::new(ends, stroke(width, colour)));
            }
            for &corner in dash.get(1..dash.len().saturating_sub(1)).unwrap_or_default() {
                self.element(&Circle::new(corner, (width * f64::from(FINE) / 2.0).round() as u32, disc));
            }
        }
    }

    pub(super) fn polygon(&self, corners: &[Point], colour: impl Color) {
        self.element(&Polygon::new(fine_all(corners), colour.to_rgba()));
    }

    pub(super) fn rectangle(&self, (x, y): Point, (width, height): (f64, f64), colour: impl Color) {
        let ((left, top), (right, bottom)) = (fine((x, y)), fine((x + width, y + height)));
        let style = ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 0 };
        self.element(&Rectangle::new([(left, top), (right, bottom)], style));
    }

    fn element<'e, E>(&self, element: &'e E)
    where
        &'e E: PointCollection<'e, (i32, i32)>,
        E: 'e + for<'b> Drawable<BitMapBackend<'b>>,
    {
        self.0.draw(element).expect("shapes are drawn in memory");
    }
}

/// The parts of a line that are drawn: all of it, or dashes with gaps between them, of so many pixels along the line.
fn in_dashes(points: &[Point], (dash, gap): (u32, u32)) -> Vec<Vec<Point>> {
    let (Some(&first), true) = (points.first(), gap > 0) else { return vec![points.to_vec()] };
    let (mut dashes, mut at) = (vec![vec![first]], first);
    let (mut drawn, mut left) = (true, f64::from(dash));
    for &end in &points[1..] {
        let mut rest = (end.0 - at.0).hypot(end.1 - at.1);
        while rest > left {
            at = (at.0 + (end.0 - at.0) * left / rest, at.1 + (end.1 - at.1) * left / rest);
            rest -= left;
            match (drawn, dashes.last_mut()) {
                (true, Some(last)) => last.push(at),
                _ => dashes.push(vec![at]),
            }
            drawn = !drawn;
            left = f64::from(if drawn { dash } else { gap });
        }
        (at, left) = (end, left - rest);
        if let (true, Some(last)) = (drawn, dashes.last_mut()) {
            last.push(end);
        }
    }
    dashes
}

/// Draws a picture of this size and writes it to a file, in place of an old one.
pub(super) fn paint(
    path: &Path,
    (width, height): (f64, f64),
    draw: impl FnOnce(&Canvas<'_>),
) -> Result<(), PictureError> {
    let (width, height) = (width.ceil() as u32, height.ceil() as u32);
    let mut fine = vec![255; (width * height * FINE * FINE * 3) as usize];
    draw(&Canvas(BitMapBackend::with_buffer(&mut fine, (width * FINE, height * FINE)).into_drawing_area()));
    let png = encode(&average(&fine, width as usize), width, height);
    png.and_then(|png| write_aside(path, &png))
        .map_err(|source| PictureError::Write { path: path.into(), source })
}

/// Averages each square of FINE × FINE pixels to one pixel.
fn average(fine: &[u8], width: usize) -> Vec<u8> {
    let (step, row) = (FINE as usize, width * 3);
    let mut pixels = Vec::with_capacity(fine.len() / (step * step));
    for band in fine.chunks_exact(row * step * step) {
        for at in 0..row {
            let left = at / 3 * 3 * step + at % 3;
            let square =
                (0..step * step).map(|k| u32::from(band[left + k / step * row * step + k % step * 3]));
            pixels.push(((square.sum::<u32>() + FINE * FINE / 2) / (FINE * FINE)) as u8);
        }
    }
    pixels
}

/// The picture as a PNG, in grey if it has no colours: that is a third of the size.
fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, std::io::Error> {
    let grey = pixels.as_chunks().0.iter().all(|[r, g, b]| r == g && g == b);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(if grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    if grey {
        writer.write_image_data(&pixels.iter().copied().step_by(3).collect::<Vec<_>>())?;
    } else {
        writer.write_image_data(pixels)?;
    }
    writer.finish()?;
    Ok(file)
}

/// The width of a text of this size.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let (_, (width, _)) = font(size, FontStyle::Normal).font.layout_box(text).expect("the font is there");
    f64::from(width) / f64::from(FINE)
}

fn font(size: f64, style: FontStyle) -> TextStyle<'static> {
    static REGISTERED: Once = Once::new(); // plotters keeps its fonts for the whole process
    REGISTERED.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, sans::regular()), (FontStyle::Bold, sans::bold())] {
            assert!(register_font(FONT, style, bytes).is_ok(), "the font is sound");
        }
    });
    (FONT, size * f64::from(FINE), style).into_font().into()
}

fn stroke(width: f64, colour: RGBColor) -> ShapeStyle {
    ShapeStyle { color: colour.into(), filled: false, stroke_width: (width * f64::from(FINE)).round() as u32 }
}

fn fine((x, y): Point) -> (i32, i32) {
    let scale = |v: f64| (v * f64::from(FINE)).round() as i32;
    (scale(x), scale(y))
}

fn fine_all(points: &[Point]) -> Vec<(i32, i32)> {
    points.iter().copied().map(fine).collect()
}
