//! Pictures of many small images.

use std::path::Path;

use plotters::style::RGBColor;

use super::PictureError;
use super::canvas::{Align, INK, paint, text_width};

const MARGIN: f64 = 20.0;
const TITLE: f64 = 24.0;
const LABEL: f64 = 17.0;
/// The gap between two images.
const GAP: f64 = 4.0;
/// The side in pixels to which images are enlarged by default, as near as a whole factor comes.
const SIDE: usize = 64;
const NOT_A_NUMBER: RGBColor = RGBColor(220, 40, 40);

/// Rows of small grey images of one size, enlarged by a whole factor, under a title.
///
/// 0 is black and 1 is white. Numbers outside are clamped, and NaN is red.
#[derive(Clone, Debug)]
pub struct ImageGrid {
    title: String,
    height: usize,
    width: usize,
    zoom: usize,
    columns: Vec<String>,
    rows: Vec<(String, Vec<f32>)>,
}

impl ImageGrid {
    /// A grid of images of `height` × `width` values, each image row by row from the top left.
    pub fn new(title: &str, height: usize, width: usize) -> Self {
        let zoom = (SIDE / height.max(width).max(1)).max(1);
        Self { title: title.to_owned(), height, width, zoom, columns: Vec::new(), rows: Vec::new() }
    }

    /// Sets the factor by which images are enlarged, at least 1.
    pub fn zoom(mut self, zoom: usize) -> Self {
        self.zoom = zoom.max(1);
        self
    }

    /// Sets the labels above the columns, from the left.
    pub fn columns<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.columns = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a row of images, one after the other, with a label at its left, which may be "".
    ///
    /// # Panics
    /// If `images` is not a whole number of images.
    #[track_caller]
    pub fn row(mut self, label: &str, images: &[f32]) -> Self {
        let (height, width, size) = (self.height, self.width, self.height * self.width);
        assert!(
            size > 0 && images.len().is_multiple_of(size),
            "ImageGrid: expected whole images of [{height}, {width}], found {} values",
            images.len()
        );
        self.rows.push((label.to_owned(), images.to_vec()));
        self
    }

    /// Adds rows of `across` images each, without labels.
    ///
    /// # Panics
    /// If `images` is not a whole number of images, or `across` is 0.
    #[track_caller]
    pub fn rows(mut self, images: &[f32], across: usize) -> Self {
        assert!(across > 0, "ImageGrid: expected at least one image in a row");
        for row in images.chunks((across * self.height * self.width).max(1)) {
            self = self.row("", row);
        }
        self
    }

    /// Writes the PNG.
    ///
    /// # Errors
    /// [`PictureError::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        let across =
            self.rows.iter().map(|(_, row)| row.len() / (self.height * self.width)).max().unwrap_or(0);
        let (image_height, image_width) = (self.height * self.zoom, self.width * self.zoom);
        let (step_y, step_x) = (image_height as f64 + GAP, image_width as f64 + GAP);
        let labels = self.rows.iter().map(|(label, _)| text_width(label, LABEL)).fold(0.0, f64::max);
        let left = MARGIN + labels + if labels > 0.0 { 10.0 } else { 0.0 };
        let top = 2.0 * MARGIN + TITLE + if self.columns.is_empty() { 0.0 } else { LABEL + 6.0 };
        let right =
            (left + step_x * across as f64 - GAP).max(MARGIN + text_width(&self.title, TITLE)) + MARGIN;
        let bottom = top + step_y * self.rows.len() as f64 - GAP + MARGIN;

        paint(path, (right, bottom), |canvas| {
            canvas.text(&self.title, TITLE, (MARGIN, MARGIN + TITLE / 2.0), Align::Left, INK);
            for (i, label) in self.columns.iter().enumerate() {
                let middle = left + i as f64 * step_x + image_width as f64 / 2.0;
                canvas.text(label, LABEL, (middle, top - 6.0 - LABEL / 2.0), Align::Centre, INK);
            }
            for (r, (label, images)) in self.rows.iter().enumerate() {
                let y = top + r as f64 * step_y;
                canvas.text(label, LABEL, (left - 10.0, y + image_height as f64 / 2.0), Align::Right, INK);
                for (i, value) in images.iter().enumerate() {
                    let (image, pixel) = (i / (self.height * self.width), i % (self.height * self.width));
                    let x = left + image as f64 * step_x + (pixel % self.width * self.zoom) as f64;
                    let y = y + (pixel / self.width * self.zoom) as f64;
                    canvas.rectangle((x, y), (self.zoom as f64, self.zoom as f64), shade(*value));
                }
            }
        })
    }
}

fn shade(value: f32) -> RGBColor {
    let grey = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    if value.is_nan() { NOT_A_NUMBER } else { RGBColor(grey, grey, grey) }
}
