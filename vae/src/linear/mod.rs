//! Linear models of low dimension. Their answers are exact, and autoencoders are compared with them.
//!
//! | | | |
//! | --- | --- | --- |
//! | [`Pca`] | the subspace that is nearest to the data | lecture 000, "PCA versus autoencoder" |
//! | [`Oja`] | the same subspace, learned datum by datum | lecture 001, "What differences between Oja's rule and VAE" |
//! | [`FactorModel`] | x = W z + μ + ε: probabilistic PCA, factor analysis | lecture 001, "Factor analysis generalizes Oja" |
//! | [`NormalModel`] | one normal distribution of all variables, fitted to data with gaps | |
//! | [`CubatureObjective`] | the bound of a VAE with a linear decoder, without sampling | |
//! | [`principal_angles`] | how far two subspaces are apart | |
//!
//! A basis is a matrix (m, D), of which each row is a vector in the space of the data. So are the weights of a decoder
//! z ↦ z W + b.

mod angles;
mod begin;
mod cubature;
mod em;
mod error;
mod factor;
mod moments;
mod normal;
mod oja;
mod pca;
mod start;

pub use angles::principal_angles;
pub use cubature::CubatureObjective;
pub use em::{Em, EmFit};
pub use error::LinearError;
pub use factor::{FactorModel, FactorPosterior};
pub use normal::{NormalFit, NormalModel};
pub use oja::Oja;
pub use pca::Pca;
