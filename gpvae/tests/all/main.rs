//! The tests of the crate, in one program.

mod baselines;
mod categories;
mod checkpoints;
mod common;
mod data;
mod elbo;
mod errors;
mod kernel;
mod markov;
mod motor;
mod prediction;
mod prior;
mod saved;
mod sequences;
mod training;
