//! Loops over slices, compiled for the vector instructions that the machine has.
//!
//! This is the one module that uses `unsafe`: to call `matrixmultiply`, and to enter code compiled for instructions
//! that were found at run time.

#[macro_use]
mod dispatch;

pub(crate) mod broadcast;
pub(crate) mod cholesky;
#[macro_use]
pub mod elementary;
pub mod gemm;
pub mod normal;
pub mod special;

pub use dispatch::{Kernel, dispatch};
pub use gemm::{Mat, MatMut};
