//! What is fast: scalars, their functions, matrices and their products, and loops compiled for the vector instructions that
//! the machine has. It uses nothing of the rest of the crate.
//!
//! This is the one folder with `unsafe` code: to call `matrixmultiply`, to keep tiles of a product in registers, to enter code
//! compiled for instructions that were found at run time, and to read pairs of numbers as numbers.
//!
//! # Errors of the functions
//!
//! The largest that were found, in units in the last place (ulp), beside those of the standard library (on Linux with glibc
//! 2.36), as `cargo bench -p tests --features thorough --bench ulp` prints them. In single precision over all 2³² arguments, in
//! double precision over 20,000 references of mpmath each.
//!
//! | function | f32 | f32, std | f64 | f64, std |
//! | --- | --- | --- | --- | --- |
//! | `exp` | 0.93 | 0.50 | 0.81 | 0.50 |
//! | `exp_m1` | 1.36 | 0.81 | 0.99 | 0.75 |
//! | `ln` | 0.83 | 0.82 | 0.76 | 0.51 |
//! | `ln_1p` | 1.42 | 1.29 | 1.09 | 0.75 |
//! | `sin` | 1.59 | 0.56 | 1.30 | 0.51 |
//! | `cos` | 1.59 | 0.56 | 1.28 | 0.51 |
//! | `tanh` | 1.93 | 2.19 | 1.67 | 1.95 |
//! | `sigmoid` | 1.85 | 2·10⁶ | 1.47 | 1.96 |
//! | `softplus` | 1.66 | ∞ | 1.32 | 1.32 |
//! | `erf` | 1.38 | 0.97 | 1.38 | 0.70 |
//! | `lgamma` | 0.50 | ∞ | 3.93 | 2.41 |
//! | `digamma` | 0.50 | – | 5.48 | – |
//! | `trigamma` | 2.97 | – | 3.92 | – |
//!
//! The standard library has no `sigmoid` and no `softplus`: beside them
//! stand 1 / (1 + e⁻ˣ) and ln(1 + eˣ), which overflow; beside `erf` and `lgamma` those of the crate `libm`, whose `lgamma`
//! overflows before its value does. `lgamma` is
//! measured for x > −½, `digamma` and `trigamma` for x > 0, in both precisions over the references; the unit of `digamma` is that
//! of max(1, |ψ|).

#[macro_use]
mod dispatch;
#[macro_use]
mod sums;

pub(crate) mod cholesky;
#[macro_use]
pub mod elementary;
pub(crate) mod gemm;
pub(crate) mod im2col;
#[cfg(target_arch = "x86_64")]
mod lanes;
pub(crate) mod real;
pub mod special;
#[cfg(target_arch = "x86_64")]
mod tiles;

pub use dispatch::{Kernel, Vectors, dispatch};
pub use gemm::{Mat, MatMut};
pub use special::HALF_LN_2PI;
#[doc(hidden)]
pub use sums::{PART, Totals, fold_lanes};
pub(crate) use sums::{add_matrix, add_rows, running_sums, sum_of};
