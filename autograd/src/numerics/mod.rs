//! What is fast: scalars, their functions, matrices and their products, and loops compiled for the vector instructions that
//! the machine has. It uses nothing of the rest of the crate.
//!
//! This is the one folder with `unsafe` code: to call `matrixmultiply`, to keep tiles of a product in registers, to enter code
//! compiled for instructions that were found at run time, and to read pairs of numbers as numbers.

#[macro_use]
mod dispatch;

pub(crate) mod cholesky;
#[macro_use]
pub mod elementary;
pub(crate) mod gemm;
pub(crate) mod im2col;
pub(crate) mod real;
pub mod special;
#[cfg(target_arch = "x86_64")]
mod tiles;

pub use dispatch::{Kernel, Vectors, dispatch, fold_lanes};
pub use gemm::{Mat, MatMut};
pub use special::HALF_LN_2PI;
