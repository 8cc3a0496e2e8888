//! What models are described by: the [`Layout`] of the parameter vector θ, layers that hold slots of it, and
//! [densities](density).
//!
//! A model owns no numbers. It takes slots of a layout when it is built, and computes from any θ: the current estimate, a
//! sample of its posterior, or one with tangents.

mod conv;
pub mod density;
mod file;
mod layers;
mod layout;
mod network;
mod rows;

pub use autograd::ops::Nonlinearity;
pub use conv::{Conv2d, ConvTranspose2d, Window};
pub use file::{Model, ModelFile, ModelFileError, NonlinearityText, TrainedOn};
pub use layers::{Linear, Mlp, init_for};
pub use layout::{Init, Layout, Slot};
pub use network::{MlpConfig, MlpError, MlpModel};
pub(crate) use rows::map_chunks;
pub use rows::{map_row_numbers, map_rows};
