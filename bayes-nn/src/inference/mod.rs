//! Variational inference for any log-density that is written on the tape, and what its answers are compared with.
//!
//! Nothing here knows of networks. Reading order:
//!
//! 1. [`Family`]: densities q_η(θ), of which there are three: [`MeanField`], [`FullNormal`], [`LowRankNormal`].
//! 2. [`FreeEnergyObjective`]: F(η) = −ELBO, what η minimises, and [`Estimator`]: how F and its gradient are computed from samples.
//! 3. [`Transform`]: parameters with constraints, as functions of unconstrained ones.
//! 4. [`conjugate`]: models whose best q is known in closed form, factor by factor.
//! 5. [`Hmc`] and [`Chains`]: draws from the posterior itself, along paths of some length or until they turn back
//!    ([`Trajectories`]), and whether the chains of draws agree.
//! 6. [`Laplace`]: the normal distribution at a mode of the posterior.
//!
//! A density that can fail, as a Cholesky factorisation can, is made one by [`fallible`]: where it fails, θ is impossible.
//!
//! Here is the probability p of heads of a coin that showed 10 heads in 14 throws, under a uniform prior. The posterior is
//! Beta(11, 5), with mean 11/16.
//!
//! ```
//! use autograd::Tape;
//! use bayes_nn::inference::{
//!     Descent, DivergenceEstimator, Estimator, FreeEnergyObjective, MeanField, Support, Transform,
//! };
//! use nn::model::{Init, Layout};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let mut transform = Transform::new();
//! let p = transform.slot("p", [1], Support::UNIT);
//! let mut layout = Layout::new();
//! let q = MeanField::new(&mut layout, "q", transform.dim(), Init::Constant(0.0), 1.0);
//!
//! // log p(Y, ζ) = 10 log p + 4 log (1 − p) + log |dp/dζ|,   p = σ(ζ)
//! let divergence = DivergenceEstimator::Path;
//! let estimator = Estimator { samples: 32, divergence, ..Estimator::default() };
//! let free_energy = FreeEnergyObjective::new(
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
//! let eta = free_energy.minimise(&layout, eta, Descent { steps: 500, rate: 0.05, seed: 1 })?;
//!
//! let elbo = free_energy.estimate_elbo(&eta, 100, 2);
//! let log_evidence = -(15.0 * 1001.0_f64).ln(); // log B(11, 5)
//! assert!(elbo.mean < log_evidence && elbo.mean > log_evidence - 0.02);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adaptation;
mod chains;
pub mod conjugate;
mod estimator;
mod family;
mod free_energy;
mod full_normal;
mod hmc;
mod laplace;
mod leapfrog;
mod log_density;
mod low_rank_normal;
mod mean_field;
mod no_u_turn;
mod normal_prior;
mod ranks;
mod transform;

pub use chains::Chains;
pub use estimator::{DivergenceEstimator, Estimator, GradientEstimator};
pub use family::Family;
pub use free_energy::{Descent, Elbo, FreeEnergyObjective};
pub use full_normal::FullNormal;
pub use hmc::{ChainReport, Hmc, HmcError, HmcRun, Trajectories};
pub use laplace::{Laplace, LaplaceError};
pub use log_density::{LogDensity, fallible};
pub use low_rank_normal::LowRankNormal;
pub use mean_field::MeanField;
pub use normal_prior::NormalPrior;
pub use transform::{Constrained, Support, Transform};
