//! Bayesian neural networks: q(θ) over the weights of a network, and variational inference (lectures 000, 002 and 004).
//!
//! A Bayesian neural network is an [`Mlp`](nn::model::Mlp) that is fed with a sampled θ. Its posterior q_η(θ) is learned by
//! minimising
//!
//! F(η) = KL(q_η ‖ π) − E_q[log ℓ(Y|θ)] = −ELBO(η)
//!
//! | | |
//! | --- | --- |
//! | [`BayesMlpConfig`], [`WeightPrior`], [`Likelihood`] | the network, π and ℓ |
//! | [`BayesMlp`], [`Posterior`] | the model, q_η(θ), and the two terms of F |
//! | [`BayesMlpObjective`], [`Sampling`] | F as a training objective |
//! | [`Draws`] | draws of θ |
//! | [`Predictive`], [`Components`], [`ClassPredictive`] | what draws say of the number, count or class of new rows |
//! | [`NoiseModel`] | noise that rows held out teach |
//! | [`Scores`], [`ClassScores`] | how good predictions are |
//! | [`LinearBaseline`] | what a network must be better than |
//! | [`Scaling`] | the way from the units of a table to those of a network, and back |
//! | [`inference`] | the half of the crate that knows no network: families, free energy, Monte Carlo, Laplace |
//!
//! ```
//! use bayes_nn::{BayesMlp, BayesMlpConfig, BayesMlpObjective, Scores};
//! use nn::data::Matrix;
//! use nn::train::{Fit, Rule, Schedule, Trainer};
//! use rand::SeedableRng;
//!
//! // y = sin 2x + noise, without any data for |x| < ½ and |x| > 1½
//! let x: Vec<f32> = (0..60).map(|i| 0.5 + i as f32 / 60.0).flat_map(|x| [x, -x]).collect();
//! let y = x.iter().enumerate().map(|(i, x)| (2.0 * x).sin() + 0.1 * (37.0 * i as f32).sin()).collect();
//! let (x, y) = (Matrix::new(120, 1, x), Matrix::new(120, 1, y));
//!
//! let model = BayesMlp::new(&BayesMlpConfig::new(1, &[20]))?;
//! let eta: Vec<f32> = model.layout().init(&mut rand::rngs::StdRng::seed_from_u64(1));
//! let mut trainer = Trainer::new(model.layout(), eta, Rule::ADAM, 1);
//! let schedule = Schedule::Cosine { epochs: 500 };
//! let fit = Fit { epochs: 500, batch_size: 120, rate: 0.01, schedule, ..Fit::default() };
//! trainer.fit(&mut BayesMlpObjective::new(&model, &x, &y), None, &fit, &mut ())?;
//!
//! let draws = model.draws(trainer.theta(), 100, 1);
//! let predictive = model.predict(&draws, &Matrix::new(2, 1, vec![1.0, 4.0]));
//! let epistemic = predictive.epistemic();
//! assert!(epistemic[1] > 4.0 * epistemic[0]); // far from the data
//! let scores = Scores::of(&model.predict(&draws, &x), &y.values.iter().map(|&y| y.into()).collect::<Vec<_>>());
//! assert!(scores.rmse < 0.15 && scores.coverage(0.9) > 0.7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod baselines;
mod classes;
mod components;
mod config;
mod draws;
mod error;
mod evaluate;
pub mod inference;
mod likelihood;
mod model;
mod noise_model;
mod objective;
mod predict;
mod scaling;
mod weight_prior;

pub use baselines::LinearBaseline;
pub use classes::ClassPredictive;
pub use components::Components;
pub use config::BayesMlpConfig;
pub use draws::Draws;
pub use error::{BayesMlpError, ScalingError};
pub use evaluate::{ClassScores, ConfidenceBin, Scores};
pub use likelihood::Likelihood;
pub use model::{BayesMlp, Posterior, WeightDensity};
pub use noise_model::NoiseModel;
pub use objective::{BayesMlpObjective, Sampling};
pub use predict::Predictive;
pub use scaling::Scaling;
pub use weight_prior::WeightPrior;

#[cfg(doctest)]
#[doc = include_str!("../CHAPTER.md")]
mod chapter {}
