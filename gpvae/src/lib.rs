//! The variational autoencoder whose latents follow a Gaussian process (lecture 003; Casale et al. 2018).
//!
//! Its prior couples all data, so its gradient enters the backward pass of the networks as a seed:
//! [`autograd::Tape::backward_from`].

pub mod baselines;
pub mod data;
pub mod kernel;
pub mod networks;
pub mod prior;

pub use networks::Networks;
