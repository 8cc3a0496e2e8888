//! The parts of the example: the series, its score, its table and its picture.

mod data;
mod output;
pub(crate) mod saved;
mod score;

pub(crate) use data::Series;
pub(crate) use output::{draw, explorers, write};
pub(crate) use score::{Filled, Score};
