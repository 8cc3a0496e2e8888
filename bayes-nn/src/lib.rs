//! Bayesian neural networks: q(θ) over a network's weights, and variational inference (lectures 000, 002 and 004).
//!
//! A Bayesian network is the same [`nn::Mlp`] fed with a sampled θ: it computes from any vector that is put in.
