//! The tests of the crate but for the checks of all gradients, which are a program of their own (`gradients`).

mod budget;
mod common;
mod conventions;
mod convolutions;
mod diagnose;
mod differences;
mod dirty;
mod fused;
mod kernels;
mod linalg;
mod long_arrays;
mod own_operation;
mod profile;
mod random_graphs;
mod recurrences;
mod second_order;
mod shapes;
mod single_precision;
mod special;
mod sums;
mod tape;
mod trace;
mod ulp;
mod views;
