//! The parts of the example: its flags, its data, what it reports and draws.

pub(crate) mod data;
pub(crate) mod figure;
pub(crate) mod flags;
pub(crate) mod report;
pub(crate) mod saved;
