//! The variational autoencoder whose latents follow a Gaussian process (lecture 003; Casale et al. 2018).
//!
//! Images y_n show object p_n under view w_n. In a plain VAE their latents z_n are independent. Here they are values of one
//! function f of object and view, so that an object can be predicted under a view that it was not seen under:
//!
//! y_n = g(z_n) + ε_n,   z_n = f(x_{p_n}, w_n) + η_n,   f ~ GP(0, k_view(w, w') xᵀx')
//!
//! The [`kernel`]s are covariance functions, a [`prior`] is the density of all latents, and [`GpVae::elbo`] is the bound. The
//! prior couples all data. [`GpVae::elbo_and_grad`] still computes the exact gradient in chunks, because the prior's gradient
//! in Z enters the backward pass of the networks as a cotangent ([`autograd::Tape::backward_from`]). A [`GpVaeObjective`]
//! learns from minibatches, where the prior is a sum over rows ([`prior::RowwisePrior`]). Training goes in [`Phase`]s. Many short
//! sequences have a [`SequenceVae`], and long series at any times, with gaps, a [`MarkovVae`].
//! Results are in nats. `CHAPTER.md` beside this crate's README explains Gaussian processes and derives all of this.
//!
//! ```
//! use std::f64::consts::TAU;
//!
//! use gpvae::data::{ObjectFeatures, Places, Samples, principal_features};
//! use gpvae::kernel::Periodic;
//! use gpvae::prior::{LowRank, ViewObject};
//! use gpvae::{GpVae, GpVaeConfig, GpVaeObjective, Pace, Part};
//! use nn::data::Matrix;
//! use nn::train::{Fit, Rule, Trainer};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! // Five objects under the views 0, ¼ and ½ of a turn. The first object lacks the last view.
//! let angle = |q: usize| TAU * q as f64 / 4.0;
//! let seen: Vec<(usize, usize)> = (0..15).map(|i| (i / 3, i % 3)).filter(|&pair| pair != (0, 2)).collect();
//! let places = |pairs: &[(usize, usize)]| {
//!     let views = pairs.iter().map(|&(_, q)| angle(q)).collect();
//!     Places::new(Matrix::new(pairs.len(), 1, views), pairs.iter().map(|&(p, _)| p).collect())
//! };
//! let pixels = seen.iter().flat_map(|&(p, q)| [angle(q).cos() * p as f64, angle(q).sin() * p as f64]).collect();
//! let samples = Samples::new(Matrix::new(seen.len(), 2, pixels), places(&seen)?)?;
//!
//! // z_n = f(x_{p_n}, w_n) + η_n with a kernel of period 2π in w and two features x for each object.
//! let features = ObjectFeatures::Learned(principal_features(&samples, [5, 2])?);
//! let config = GpVaeConfig { objects: features, ..GpVaeConfig::new(2, &[8], 2) };
//! let model = GpVae::new(&config, |layout| {
//!     let view = Periodic::new(layout, "nu", 1.0);
//!     let views = Matrix::new(3, 1, (0..3).map(angle).collect());
//!     LowRank::new(layout, ViewObject::new(view, views, 2).with_jitter(1e-6), 0.1)
//! })?;
//!
//! let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(0));
//! let mut trainer = Trainer::new(model.layout(), theta, Rule::ADAM, 0);
//! let mut objective = GpVaeObjective::new(&model, &samples, Part::All)?;
//! let fit = objective.fit(&Pace { epochs: 5, ..Pace::default() }, Fit::default());
//! trainer.fit(&mut objective, None, &fit, &mut ())?;
//! for epoch in trainer.history() {
//!     println!("{:.3} nats per sample", epoch.train.part("elbo"));
//! }
//!
//! let image = model.predict(trainer.theta(), &samples, &places(&[(0, 2)])?)?;
//! assert_eq!((image.rows, image.cols), (1, 2));
//!
//! // In a file with what predictions condition on, and back. The prior is said again.
//! # let path = std::env::temp_dir().join(format!("gpvae-doc-{}.safetensors", std::process::id()));
//! let codes = model.training_codes(trainer.theta(), &samples);
//! model.to_file(trainer.theta(), &codes).save(&path)?;
//! let gpvae::Loaded { model, theta, codes } = GpVae::load::<f64>(&path, |layout| {
//!     let view = Periodic::new(layout, "nu", 1.0);
//!     let views = Matrix::new(3, 1, (0..3).map(angle).collect());
//!     LowRank::new(layout, ViewObject::new(view, views, 2).with_jitter(1e-6), 0.1)
//! })?;
//! assert_eq!(model.predict_given(&theta, &codes, &places(&[(0, 2)])?)?, image);
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod baselines;
mod config;
pub mod data;
mod error;
mod exact;
pub mod kernel;
mod markov;
mod model;
mod objective;
mod phases;
mod predict;
pub mod prior;
mod saved;
mod sequences;

pub use baselines::Baseline;
pub use config::{GpVaeConfig, PixelNoise};
pub use error::GpVaeError;
pub use exact::ElboGradient;
pub use markov::{MarkovCodes, MarkovConfig, MarkovElbo, MarkovLatents, MarkovObjective, MarkovVae, Windows};
pub use model::{Elbo, GpVae};
pub use objective::{ExactObjective, GpVaeObjective};
pub use phases::{Pace, Part, Phase, Plan};
pub use predict::{LatentPrediction, Prediction, TrainingCodes};
pub use saved::Loaded;
pub use sequences::{SequenceElbo, SequenceObjective, SequenceVae};

/// ln 2π
const LN_2PI: f64 = 2.0 * autograd::numerics::HALF_LN_2PI;

/// The blocks of code of the chapter are tests.
#[cfg(doctest)]
#[doc = include_str!("../CHAPTER.md")]
mod chapter {}
