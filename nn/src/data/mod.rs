//! Reading and preparing data: files to matrices, rows to batches.
//!
//! | | |
//! | --- | --- |
//! | [`Idx`], [`LabelledImages`], [`Mnist`] | image files, `f32`, one image a row |
//! | [`ImageFolder`] | PNG and JPEG files of one's own (with the feature `pictures`) |
//! | [`Table`] | numbers separated by commas, semicolons, tabs, bars or blanks, `f64`, with the texts that were read |
//! | [`TableReader`] | the same, some rows at a time |
//! | [`ColumnKind`], [`ColumnCode`] | columns of different kinds, such as categories, as numbers |
//! | [`read_date`] | dates as seconds |
//! | [`digits()`], [`diabetes()`] | two small sets that are part of the program |
//! | [`split`], [`Minibatches`] | which rows, in which order |
//! | [`hide`] | which cells to hide, to tell how well they are predicted |
//! | [`Standardizer`], [`Binarise`] | how their values are transformed |
//! | [`Preprocessing`], [`ImageFormat`] | what a trained model keeps of all this, for new data |
//!
//! Files may be gzipped, which their first bytes tell, not their names. No contents of a file make a reader panic, or allocate
//! more than a small multiple of its size. What is wrong comes back as a [`DataError`].
//!
//! Random numbers are functions of a seed and of what they are drawn for: an epoch, a row, a pixel. There is no generator
//! whose state would have to be saved, and no order in which numbers must be drawn.
//!
//! ```
//! use nn::data::{self, Binarise, Minibatches};
//!
//! let digits = data::digits();
//! let binarise = Binarise::Redrawn { seed: 1 };
//! let mut batches = Minibatches::new(digits.len(), 100, 0);
//! let mut x = vec![0.0; 100 * 64];
//! for epoch in 0..2 {
//!     for rows in batches.epoch(epoch) {
//!         let x = &mut x[..rows.len() * 64];
//!         digits.images.gather_into(rows, x);
//!         for (&row, pixels) in rows.iter().zip(x.chunks_exact_mut(64)) {
//!             binarise.apply(row, epoch, pixels);
//!         }
//!     }
//! }
//! ```

mod batches;
mod binarise;
mod contents;
mod date;
mod embedded;
mod error;
mod idx;
mod image_files;
mod images;
mod keyed;
mod matrix;
mod preprocessing;
mod source;
mod standardizer;
mod table;

pub use batches::{Minibatches, counts, hide, split};
pub use binarise::Binarise;
#[cfg(feature = "run")]
pub(crate) use contents::contents_below;
pub use date::{read_date, write_date};
pub use embedded::{diabetes, digits};
pub use error::{DataError, label};
pub use idx::{Idx, IdxValues};
pub use image_files::{Backdrop, ImageFolder, ImageOptions};
pub use images::{LabelledImages, Mnist};
pub use matrix::Matrix;
pub use preprocessing::{ImageFormat, Preprocessing, Target};
pub use standardizer::{ScaleError, Standardizer};
#[cfg(feature = "run")]
pub(crate) use table::listed;
pub use table::{
    ColumnCode, ColumnKind, Header, KindOf, NewCell, Separator, Table, TableOptions, TableReader, Unseen,
    read_indices,
};
