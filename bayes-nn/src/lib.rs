//! Bayesian neural networks: q(θ) over a network's weights, and variational inference (lectures 000, 002 and 004).
//!
//! A Bayesian network is the same [`nn::Mlp`] fed with a sampled θ: it computes from any vector that is put in.
//!
//! Variational inference works for any log joint density that is written on the tape. Here is the probability p of heads
//! of a coin that showed 10 heads in 14 throws, under a uniform prior; the posterior is Beta(11, 5) with mean 11/16:
//!
//! ```
//! use autograd::Tape;
//! use bayes_nn::{Divergence, Estimator, FreeEnergy, MeanField, Support, Transform};
//! use nn::{Init, Layout};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let mut transform = Transform::new();
//! let p = transform.slot("p", [1], Support::UNIT);
//! let mut layout = Layout::new();
//! let q = MeanField::new(&mut layout, "q", transform.dim(), Init::Constant(0.0), 1.0);
//!
//! // log p(Y, ζ) = 10 log p + 4 log (1 − p) + log |dp/dζ|,   p = σ(ζ)
//! let estimator = Estimator { samples: 32, divergence: Divergence::Path, ..Estimator::default() };
//! let free_energy = FreeEnergy::new(
//!     &q,
//!     |_: &Tape<f64>, zeta| {
//!         transform.log_joint(zeta, |theta| {
//!             let p = p.of(theta);
//!             (p.ln() * 10.0 + p.neg().ln_1p() * 4.0).sum()
//!         })
//!     },
//!     estimator,
//! );
//! let eta = layout.init(&mut StdRng::seed_from_u64(0));
//! let eta = free_energy.minimise(eta, 500, 0.05, 1)?;
//!
//! let elbo = free_energy.elbo(&eta, 100, 2);
//! let log_evidence = -(15.0 * 1001.0_f64).ln(); // log B(11, 5)
//! assert!(elbo.mean < log_evidence && elbo.mean > log_evidence - 0.02);
//! # Ok::<(), nn::train::TrainError>(())
//! ```
//!
//! For conjugate models, [`conjugate`] needs no gradient.

pub mod conjugate;
mod family;
mod free_energy;
mod transform;

pub use family::{Family, FullNormal, LowRankNormal, MeanField};
pub use free_energy::{Bound, Divergence, Estimate, Estimator, FreeEnergy, Gradient, NormalPrior};
pub use transform::{Support, Transform};
