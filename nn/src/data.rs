//! Reading and preparing data: files to matrices, rows to batches.
//!
//! | | |
//! | --- | --- |
//! | [`idx`], [`mnist`] | image files, `f32`, one image a row |
//! | [`table`] | comma-, semicolon-, tab- and blank-separated numbers, `f64` |
//! | [`embedded`] | two small sets that are part of the program |
//! | [`split`], [`Minibatches`] | which rows, in which order |
//! | [`Standardizer`], [`Binarise`] | what becomes of their values |
//!
//! Files may be gzipped: their first bytes tell, not their names. No content of a file can make a reader panic or
//! allocate more than a small multiple of what the file really holds; what is wrong comes back as a [`DataError`].
//!
//! All randomness is a pure function of a seed and of what it is drawn for (an epoch, a row, a pixel): there is no
//! generator whose state would have to be saved, and no order in which things must be asked for.
//!
//! ```
//! use nn::data::{Binarise, Minibatches, embedded};
//!
//! let digits = embedded::digits();
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
pub mod embedded;
mod error;
pub mod idx;
mod images;
mod keyed;
mod matrix;
mod source;
mod standardizer;
pub mod table;

pub use batches::{Minibatches, counts, split};
pub use binarise::Binarise;
pub use error::DataError;
pub use images::{LabelledImages, Mnist, mnist};
pub use matrix::Matrix;
pub use standardizer::Standardizer;
pub use table::Table;
