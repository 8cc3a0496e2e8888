//! What models are made of: the parameter vector θ, layers, densities, optimisers, data, training, pictures.

pub mod checkpoint;
pub mod conv;
pub mod data;
pub mod density;
mod estimate;
pub mod layers;
pub mod layout;
pub mod noise;
pub mod optim;
#[cfg(feature = "pictures")]
pub mod picture;
mod rows;
#[cfg(feature = "run")]
pub mod run;
pub mod schedule;
pub mod train;

pub use autograd::Nonlinearity;
pub use conv::{Conv2d, ConvTranspose2d, Window};
pub use estimate::Estimate;
pub use layers::{Linear, Mlp};
pub use layout::{Init, Layout, Slot};
pub use rows::{map_row_numbers, map_rows};
