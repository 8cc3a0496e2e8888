//! The crate's tests, in one program.

mod annealed;
mod autoencoder;
mod bounds;
mod common;
mod config;
mod counts;
mod latent;
mod likelihood;
mod linear;
mod local;
mod missing;
mod mixed;
mod model;
mod network;
mod normal_model;
mod objective;
mod saved;
mod simulation;
