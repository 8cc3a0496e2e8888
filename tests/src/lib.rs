//! What must hold across the crates: tests in `tests/`, and programs that measure in `benches/`.
//!
//! The library holds what several of them use: workloads, and where the example programs are.

pub mod measure;
pub mod programs;
pub mod workloads;
