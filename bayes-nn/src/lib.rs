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
//! use std::sync::Arc;
//!
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

mod likelihood;
mod mlp;
mod normal_cdf;
mod objective;
mod predict;
mod prior;
mod score;

pub use likelihood::Likelihood;
pub use mlp::{BayesMlp, MlpConfig, WeightDensity};
pub use objective::{Regression, Sampling};
pub use predict::{Draws, Predictive};
pub use prior::Prior;
pub use score::Scores;
