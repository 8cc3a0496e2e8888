//! Variational autoencoders: q(z|x), p(x|z) and the ELBO (lectures 000 to 004; Kingma & Welling 2014).
//!
//! A [`Vae`] consists of two networks. The decoder is the model: z ~ N(0, I) and x ~ p_θ(x|z). The encoder q_φ(z|x)
//! approximates the posterior of z. Both have their parameters in one vector, here θ, and maximise
//!
//! ELBO(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x)
//!
//! which is [`Vae::elbo`]. Bounds are in nats per row, as reconstruction term and divergence. The crate's `CHAPTER.md` derives
//! all of it, from principal components on.
//!
//! ```
//! use std::sync::Arc;
//!
//! use autograd::Tape;
//! use rand::SeedableRng;
//! use vae::{Vae, VaeConfig};
//!
//! let vae = Vae::new(&VaeConfig::new(4, &[8], 2))?;
//! let theta = Arc::new(vae.layout().init::<f64>(&mut rand::rngs::StdRng::seed_from_u64(1)));
//! let mut tape = Tape::new();
//! let (loss, gradient) = tape.value_and_grad(&theta, |tape, theta| {
//!     let x = tape.constant(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [2, 4]);
//!     let eps = tape.constant(&[0.3, -1.2, 0.5, 0.1], [2, 2]);
//!     vae.elbo(theta, x, eps).value().mean().neg()
//! });
//! assert!(loss > 0.0 && gradient.len() == vae.layout().size());
//! # Ok::<(), vae::VaeError>(())
//! ```

mod annealed;
mod autoencoder;
mod bounds;
mod config;
mod error;
mod evaluate;
mod gaps;
mod impute;
mod instances;
mod latent;
mod likelihood;
pub mod linear;
mod local;
mod mixed;
mod model;
mod network;
mod objective;
mod posterior;
mod predict;
mod rows;
mod semi_amortised;

pub use annealed::{AnnealedBound, Annealing, AnnealingStart};
pub use autoencoder::{Autoencoder, AutoencoderObjective};
pub use config::{AutoencoderConfig, Gaps, Layers, NetworkConfig, VaeConfig};
pub use error::VaeError;
pub use evaluate::{KSampleBound, RowBound};
pub use impute::{Imputation, RowSeed};
#[doc(hidden)]
pub use instances::instances;
pub use latent::{Grid, active_units, aggregated_posterior, interpolate, traverse};
pub use likelihood::{Likelihood, Observation};
pub use local::{LocalBound, LocalPosteriors, LocalStep};
pub use mixed::Variable;
pub use model::{Elbo, Vae};
pub use network::{Network, Networks, Sizes};
pub use objective::{Estimator, VaeObjective};
pub use posterior::{Covariance, Posterior};
pub use predict::{Codes, Simulation};
pub use semi_amortised::SemiAmortisedObjective;

#[cfg(doctest)]
#[doc = include_str!("../CHAPTER.md")]
mod chapter {}
