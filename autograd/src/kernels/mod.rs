//! Loops over slices, compiled for the vector instructions that the machine has.
//!
//! This is the one module that uses `unsafe`: to call `matrixmultiply`, to keep tiles of a product in registers, and to
//! enter code compiled for instructions that were found at run time.

#[macro_use]
mod dispatch;

pub(crate) mod broadcast;
pub(crate) mod cholesky;
#[macro_use]
pub mod elementary;
pub mod gemm;
pub(crate) mod im2col;
pub mod normal;
pub mod special;
#[cfg(target_arch = "x86_64")]
mod tiles;

pub use dispatch::{Kernel, Vectors, dispatch, fold_lanes};
pub use gemm::{Mat, MatMut};
