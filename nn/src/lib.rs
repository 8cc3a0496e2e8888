//! What models are made of: data, the parameter vector θ with its layers and densities, training, statistics, pictures,
//! and what example programs share.
//!
//! | | |
//! | --- | --- |
//! | [`data`] | files to matrices, rows to minibatches |
//! | [`model`] | the layout of θ, layers, [densities](model::density) |
//! | [`train`] | objectives, optimisers, the trainer, checkpoints |
//! | [`stats`] | statistics of numbers that no model owns |
//! | `picture` | figures and rows of images as PNG files (feature `pictures`) |
//! | `run` | what example programs share (feature `run`) |
//!
//! The chapter `CHAPTER.md` of this crate explains networks and their training.

#[cfg(doctest)]
#[doc = include_str!("../CHAPTER.md")]
mod chapter {}

pub mod data;
mod instances;
pub mod model;
#[cfg(feature = "pictures")]
pub mod picture;
#[cfg(feature = "run")]
pub mod run;
pub mod stats;
pub mod train;

#[doc(hidden)]
pub use instances::instances;
