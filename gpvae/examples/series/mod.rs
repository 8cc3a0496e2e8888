//! The parts of the example: the series, their simulation, their score, their table and their picture.

mod data;
mod output;
pub(crate) mod saved;
mod score;
mod simulated;

pub(crate) use data::{Hidden, Reading, Series};
pub(crate) use output::{draw, explorers, write};
pub(crate) use score::{Filled, Score, labels};
pub(crate) use simulated::Simulation;
