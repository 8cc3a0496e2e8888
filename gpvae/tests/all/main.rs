//! The tests of the crate, in one program.

mod baselines;
mod checkpoints;
mod common;
mod data;
mod elbo;
mod errors;
mod kernel;
mod prediction;
mod prior;
mod saved;
mod training;
