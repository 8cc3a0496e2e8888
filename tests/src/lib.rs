//! What must hold across the crates: tests in `tests/`, and programs that measure in `benches/`.
//!
//! The library holds the workloads that both use.

pub mod measure;
pub mod workloads;
