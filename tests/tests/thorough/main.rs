//! Tests that take long to run or to build:
//!
//!     cargo test --release -p tests --features thorough --test thorough

mod apply;
mod browser;
mod calibration;
mod graphs;
mod kills;
mod python;
mod report;
mod soak;
mod steps;
mod sums;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: they measure time and memory of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
