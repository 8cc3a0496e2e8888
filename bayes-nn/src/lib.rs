//! Bayesian neural networks: q(θ) over a network's weights, and variational inference (lectures 000, 002 and 004).
//!
//! A Bayesian network is the same [`nn::Mlp`] fed with a sampled θ: it computes from any vector that is put in.
//! [`BayesMlp`] is such a network with its posterior q_η(θ) and prior π(θ), [`Regression`] the bound that η minimises,
//!
//! F(η) = KL(q_η ‖ π) − E_q[log ℓ(Y|θ)]
//!
//! [`Predictive`] what the posterior says of new rows, and [`Scores`] how good that is.
//!
//! ```
//! use bayes_nn::{BayesMlp, MlpConfig, Regression, Scores};
//! use nn::data::Matrix;
//! use nn::optim::{Optimizer, Rule};
//! use nn::schedule::Schedule;
//! use nn::train::{Fit, Trainer};
//! use rand::SeedableRng;
//!
//! // y = sin 2x + noise, but for |x| < ½ nothing is known
//! let x: Vec<f32> = (0..60).map(|i| 0.5 + i as f32 / 60.0).flat_map(|x| [x, -x]).collect();
//! let y = x.iter().enumerate().map(|(i, x)| (2.0 * x).sin() + 0.1 * (37.0 * i as f32).sin()).collect();
//! let (x, y) = (Matrix::new(120, 1, x), Matrix::new(120, 1, y));
//!
//! let model = BayesMlp::new(&MlpConfig::new(1, &[20]));
//! let eta: Vec<f32> = model.layout().init(&mut rand::rngs::StdRng::seed_from_u64(1));
//! let mut trainer = Trainer::new(eta.clone(), Optimizer::new(Rule::ADAM, eta.len()), 1);
//! let epochs = 500;
//! let schedule = Schedule::Cosine { epochs };
//! let fit = Fit { epochs, batch_size: 120, rate: 0.01, schedule, patience: None };
//! trainer.fit(&Regression::new(&model, &x, &y), 120, None, &fit, &mut ())?;
//!
//! let draws = model.draws(trainer.theta(), 100, 1);
//! let predictive = model.predict(&draws, &Matrix::new(2, 1, vec![1.0, 4.0]));
//! let epistemic = predictive.epistemic();
//! assert!(epistemic[1] > 4.0 * epistemic[0]); // far off the data
//! let scores = Scores::of(&model.predict(&draws, &x), &y.values.iter().map(|&y| y.into()).collect::<Vec<_>>());
//! assert!(scores.rmse < 0.15 && scores.coverage(0.9) > 0.7);
//! # Ok::<(), nn::train::TrainError>(())
//! ```
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
//! For conjugate models, [`conjugate`] needs no gradient. How good q is, [`Hmc`] tells, which draws from the posterior itself;
//! [`Laplace`] is the normal distribution at a mode, for comparison. Both take the same log p(Y, θ).

mod chains;
pub mod conjugate;
mod family;
mod free_energy;
mod hmc;
mod laplace;
mod likelihood;
mod mlp;
mod predict;
mod prior;
mod regression;
mod scaling;
mod score;
mod transform;

pub use chains::Chains;
pub use family::{Family, FullNormal, LowRankNormal, MeanField};
pub use free_energy::{Bound, Divergence, Estimator, FreeEnergy, Gradient, NormalPrior};
pub use hmc::{ChainReport, Hmc, HmcError, HmcRun};
pub use laplace::{Laplace, LaplaceError};
pub use likelihood::Likelihood;
pub use mlp::{BayesMlp, MlpConfig, WeightDensity};
pub use nn::Estimate;
pub use predict::{Draws, Predictive};
pub use prior::Prior;
pub use regression::{Regression, Sampling};
pub use scaling::{Scaling, ScalingError};
pub use score::Scores;
pub use transform::{Support, Transform};
