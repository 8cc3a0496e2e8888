//! Variational autoencoders: q(z|x), p(x|z) and the ELBO (lectures 000 to 004; Kingma & Welling 2014).
//!
//! A [`Vae`] couples two networks. The decoder is the model, z ~ N(0, I) and x ~ p_θ(x|z); the encoder q_φ(z|x)
//! approximates the posterior of z. Both are parts of one vector, here θ, and maximise
//!
//! ELBO(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x)
//!
//! which is [`Vae::elbo`]. All results are in nats per datum, and the bound's two parts are always kept apart.
//!
//! ```
//! use std::sync::Arc;
//!
//! use autograd::Tape;
//! use rand::SeedableRng;
//! use vae::{Config, Vae};
//!
//! let vae = Vae::new(&Config::new(4, &[8], 2));
//! let theta = Arc::new(vae.layout().init::<f64>(&mut rand::rngs::StdRng::seed_from_u64(1)));
//! let mut tape = Tape::new();
//! let (loss, gradient) = tape.value_and_grad(&theta, |tape, theta| {
//!     let x = tape.constant(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [2, 4]);
//!     let eps = tape.constant(&[0.3, -1.2, 0.5, 0.1], [2, 2]);
//!     vae.elbo(theta, x, eps).value().mean().neg()
//! });
//! assert!(loss > 0.0 && gradient.len() == vae.layout().size());
//! ```

mod autoencoder;
mod evaluate;
mod impute;
mod latent;
mod likelihood;
pub mod linear;
mod local;
mod model;
mod objective;
mod posterior;

pub use autoencoder::{Autoencoder, AutoencoderConfig, Reconstruction};
pub use evaluate::area_under_roc;
pub use impute::Imputation;
pub use latent::{active_units, adjusted_rand_index, aggregated_posterior, interpolate, k_means, traverse};
pub use likelihood::{Likelihood, Observation};
pub use local::Local;
pub use model::{Config, Elbo, Vae};
pub use nn::Estimate;
pub use objective::{Bound, Images, SemiAmortised};
pub use posterior::{Family, Posterior};
