//! Training: an [`Objective`] is minimised over θ by a [`Trainer`].
//!
//! | | |
//! | --- | --- |
//! | [`Objective`], [`Batch`], [`Parts`], [`Loss`] | what is minimised, and its value by named parts |
//! | [`Noise`] | random numbers, each a function of the seed, the step and the place in the minibatch; by [`philox()`] |
//! | [`Rule`], [`Optimizer`], [`Schedule`] | how θ follows the gradient |
//! | [`Trainer`], [`Fit`], [`Observer`] | steps, epochs, validation, early stopping |
//! | [`Checkpoint`] | θ and the state of training in a file |
//!
//! A complete program: a network learns the sine.
//!
//! ```
//! use autograd::{Var, ops::NotPositiveDefinite};
//! use nn::data::Matrix;
//! use nn::model::{Layout, Mlp, Nonlinearity, density::squared_error, map_rows};
//! use nn::train::{Batch, Fit, Objective, Parts, Rule, Trainer};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! struct SineObjective<'a>(&'a Mlp, &'a Matrix<f64>);
//!
//! impl Objective<f64> for SineObjective<'_> {
//!     fn rows(&self) -> usize {
//!         self.1.rows
//!     }
//!
//!     fn loss<'t>(
//!         &self,
//!         theta: Var<'t, f64>,
//!         batch: &Batch<'_>,
//!         _: &mut Parts<'_>,
//!     ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
//!         let x = theta.tape().constant(&self.1.select(batch.rows).values, [batch.rows.len(), 1]);
//!         Ok(squared_error(self.0.apply(theta, x), x.sin()).sum())
//!     }
//! }
//!
//! let x = Matrix::new(100, 1, (0..100).map(|i| 0.06 * i as f64 - 3.0).collect());
//! let mut layout = Layout::new();
//! let network = Mlp::new(&mut layout, "network", &[1, 20, 1], Nonlinearity::Tanh, Nonlinearity::Identity);
//! let theta = layout.init(&mut StdRng::seed_from_u64(0));
//! let mut trainer = Trainer::new(&layout, theta, Rule::ADAM, 0);
//! let fit = Fit { epochs: 500, batch_size: 20, rate: 0.02, ..Fit::default() };
//! trainer.fit(&mut SineObjective(&network, &x), None, &fit, &mut ())?;
//!
//! let y = map_rows(trainer.theta(), &x, 1, |theta, x| network.apply(theta, x));
//! assert!(x.values.iter().zip(y.values.iter()).all(|(x, y)| (x.sin() - y).abs() < 0.1));
//! # Ok::<(), nn::train::TrainError>(())
//! ```
//!
//! `None` stands for the objective of validation rows, and `&mut ()` for an [`Observer`] that does nothing. A minibatch is cut
//! into shards that are computed in parallel, in the `rayon` pool in which `fit` is called; the bits do not depend on the
//! number of threads. [`loss`](Objective::loss) returns a `Result` because a Cholesky factorisation in it may fail: `?` then
//! hands [`NotPositiveDefinite`](autograd::ops::NotPositiveDefinite) to the trainer, which ends with an error.

mod aside;
mod checkpoint;
mod fit;
mod loss;
mod noise;
mod objective;
mod optimizer;
mod philox;
pub(crate) mod ranks;
mod schedule;
mod shards;
mod state;
mod trainer;
mod update;

#[cfg(any(feature = "pictures", feature = "run"))]
pub(crate) use aside::write_aside;
#[cfg(feature = "run")]
pub(crate) use aside::{Aside, Unfinished, abandon, remove_left};
pub use checkpoint::{Checkpoint, CheckpointError, Element, Numbers};
pub use fit::{End, Fit, Observer, Place, StepError, TrainError};
pub use loss::{Epoch, Loss};
pub use noise::Noise;
pub use objective::{Batch, MAX_PARTS, Objective, Parts, Prepared};
pub use optimizer::{Group, Optimizer, Rates, Rule};
pub use philox::{fill_standard_normal, philox};
pub use schedule::Schedule;
pub use trainer::Trainer;
pub use update::ShardSum;
