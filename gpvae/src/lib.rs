//! The variational autoencoder whose latents follow a Gaussian process (lecture 003; Casale et al. 2018).
//!
//! Images y_n show object p_n under view w_n. A plain VAE takes their latents z_n for independent; here they are values of
//! one function of object and view, so that an object can be predicted under a view that it was not seen under:
//!
//! y_n = g(z_n) + ε_n,   z_n = f(x_{p_n}, w_n) + η_n,   f ~ GP(0, k_view(w, w') xᵀx')
//!
//! [`kernel`]s make the covariance, a [`prior`] the density of all latents, [`GpVae`] the bound. The prior couples all data;
//! [`GpVae::bound_and_grad`] still computes the exact gradient in chunks, since the prior's gradient in Z enters the
//! backward pass of the networks as a seed ([`autograd::Tape::backward_from`]), and [`Training`] learns from minibatches
//! where the prior is a sum over rows ([`prior::ByRows`]). Results are in nats.
//!
//! ```
//! use std::f64::consts::TAU;
//! use std::ops::ControlFlow;
//!
//! use gpvae::kernel::Periodic;
//! use gpvae::prior::{LowRank, ViewObject};
//! use gpvae::{GpVae, Networks, Objects, Part, Phase, PixelNoise, Places, Samples, Training, principal_features};
//! use nn::data::Matrix;
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! // Five objects under the views 0, ¼ and ½ of a turn; the first lacks the last of them.
//! let angle = |q: usize| TAU * q as f64 / 4.0;
//! let seen: Vec<(usize, usize)> = (0..15).map(|i| (i / 3, i % 3)).filter(|&pair| pair != (0, 2)).collect();
//! let places = |pairs: &[(usize, usize)]| {
//!     let views = pairs.iter().map(|&(_, q)| angle(q)).collect();
//!     Places::new(Matrix::new(pairs.len(), 1, views), pairs.iter().map(|&(p, _)| p).collect())
//! };
//! let pixels = seen.iter().flat_map(|&(p, q)| [angle(q).cos() * p as f64, angle(q).sin() * p as f64]).collect();
//! let samples = Samples::new(Matrix::new(seen.len(), 2, pixels), places(&seen)?)?;
//!
//! let model = GpVae::new(
//!     |layout| Networks::mlp(layout, 2, &[8], 2, 0),
//!     PixelNoise::Learned(0.5),
//!     |layout| {
//!         let view = Periodic::new(layout, "nu", TAU, 1.0);
//!         LowRank::new(layout, ViewObject::new(view, Matrix::new(3, 1, (0..3).map(angle).collect()), 2, 1e-6), 0.1)
//!     },
//!     |layout| Objects::learned(layout, &principal_features(&samples, 5, 2)),
//! );
//! let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(0));
//! let mut training = Training::new(&model, &samples, theta, 0)?;
//! training.fit(&[Phase::new(Part::All, 5)], |_, epoch| {
//!     println!("{:.3} nats per sample", epoch.bound.value(1.0));
//!     ControlFlow::Continue(())
//! })?;
//! let image = model.predict(training.theta(), &samples, &places(&[(0, 2)])?)?;
//! assert_eq!((image.rows, image.cols), (1, 2));
//! # Ok::<(), gpvae::GpVaeError>(())
//! ```

pub mod baselines;
pub mod data;
mod error;
mod exact;
pub mod kernel;
mod model;
pub mod networks;
mod objects;
mod predict;
pub mod prior;
mod samples;
pub mod schedule;
mod train;

pub use data::Views;
pub use error::GpVaeError;
pub use model::{Bound, GpVae, Observed, PixelNoise};
pub use networks::Networks;
pub use objects::{Objects, principal_features};
pub use predict::{Latents, Predictive};
pub use samples::{Places, Samples};
pub use schedule::{Part, Phase};
pub use train::{Epoch, Training};
