//! The tests of this crate: inference for any log-density, and networks with a posterior.

mod inference;
mod network;
