//! Several figures in one picture.

use std::path::Path;

use super::PictureError;
use super::canvas::{Align, INK, paint};
use super::figure::Figure;
use super::heat_map::HeatMap;
use super::legend::Legend;

const TITLE: f64 = 28.0;
const MARGIN: f64 = 20.0;

/// Figures of one size in rows, under a title, with one legend for all of them.
#[derive(Clone, Debug)]
pub struct Panels {
    title: String,
    across: usize,
    size: (f64, f64),
    figures: Vec<Figure>,
}

impl Panels {
    /// A picture with `across` figures in a row, each of 560 x 440 pixels.
    ///
    /// # Panics
    /// If `across` is 0.
    #[track_caller]
    pub fn new(title: &str, across: usize) -> Self {
        assert!(across > 0, "Panels: expected at least one figure in a row");
        Self { title: title.to_owned(), across, size: (560.0, 440.0), figures: Vec::new() }
    }

    /// Adds a figure to the last row, or to a new row if the last one is full.
    pub fn figure(mut self, figure: Figure) -> Self {
        self.figures.push(figure);
        self
    }

    /// Gives all figures one vertical axis, where heights are to be compared.
    pub fn shared_heights(mut self) -> Self {
        let all = self.figures.iter().filter_map(Figure::heights);
        let range = all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.figures = self.figures.into_iter().map(|figure| figure.y_range(range)).collect();
        self
    }

    /// Gives all heat maps one scale of colours, where their values are to be compared.
    pub fn shared_colours(mut self) -> Self {
        let all = self.figures.iter().filter_map(|figure| figure.heat.as_ref()).map(HeatMap::ends);
        let ends = all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let maps = self.figures.iter_mut().filter_map(|figure| figure.heat.as_mut());
        maps.for_each(|map| map.shared = ends);
        self
    }

    /// Writes the PNG.
    ///
    /// # Errors
    /// [`PictureError::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PictureError> {
        let (width, height) = self.size;
        let top = MARGIN + TITLE;
        let (across, down) =
            (self.across.min(self.figures.len().max(1)), self.figures.len().div_ceil(self.across));
        let frames = across as f64 * width;
        let legend = Legend::of(&self.figures);
        let whole = (frames + legend.width(), top + down as f64 * height);
        paint(path, whole, |canvas| {
            canvas.text(&self.title, TITLE, (whole.0 / 2.0, MARGIN + TITLE / 2.0), Align::Centre, INK);
            legend.draw(canvas, (frames, top + MARGIN), whole.1 - MARGIN);
            for (i, figure) in self.figures.iter().enumerate() {
                let (row, column) = (i / self.across, i % self.across);
                figure.draw(canvas, (column as f64 * width, top + row as f64 * height), self.size);
            }
        })
    }
}
