//! Pictures of what a model learned, as PNG files. A [`Figure`] has lines, areas, points and heat maps on axes, or a surface;
//! [`Panels`] are several figures; an [`ImageGrid`] shows many small images. The font, DejaVu Sans, is part of the program: nothing
//! of the system is needed.
//!
//! ```no_run
//! use nn::picture::{Figure, ImageGrid};
//!
//! let loss = [120.0, 108.5, 106.2].into_iter().enumerate().map(|(i, loss)| (i as f64 + 1.0, loss));
//! Figure::new("Training").axes("epoch", "−ELBO [nats]").line("train", loss).save("loss.png".as_ref())?;
//!
//! let (digits, again) = (vec![0.5_f32; 10 * 8 * 8], vec![0.4_f32; 10 * 8 * 8]);
//! ImageGrid::new("Reconstructions", 8, 8)
//!     .row("data", &digits)
//!     .row("reconstruction", &again)
//!     .save("reconstructions.png".as_ref())?;
//! # Ok::<(), nn::picture::PictureError>(())
//! ```
//!
//! Colours are ordered by luminance, and each comes with a shape, a dash or a letter of its own, so that pictures can also be
//! read in grey.

mod axis;
mod canvas;
mod figure;
mod grid;
mod heat_map;
mod legend;
mod panels;
mod style;
mod surface;

use std::io;
use std::path::PathBuf;

pub use figure::Figure;
pub use grid::ImageGrid;
pub use panels::Panels;

/// Why a picture could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be written.
    #[error("cannot write the picture {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
