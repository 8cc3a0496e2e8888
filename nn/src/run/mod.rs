//! What example programs share, so that an example shows its idea: flags, the folder of the run, the trainer, progress
//! and Ctrl-C, tables, images, the result line, the report, errors in one line. Programs that apply a trained model have
//! [`ApplyArgs`], [`Application`] and a `main` by [`apply`].
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use autograd::Var;
//! use autograd::ops::NotPositiveDefinite;
//! use nn::model::{Init, Layout};
//! use nn::run::{Defaults, Label, Run, RunArgs, RunError};
//! use nn::train::{Batch, End, Fit, Objective, Parts, Schedule};
//!
//! /// Finds the mean of numbers.
//! #[derive(clap::Parser, serde::Serialize)]
//! struct Args {
//!     #[command(flatten)]
//!     #[serde(flatten)]
//!     run: RunArgs,
//!     /// Stop after so many epochs without a lower validation loss
//!     #[arg(long, default_value_t = 5)]
//!     patience: usize,
//! }
//!
//! /// Σ (x − θ)²
//! struct DistanceObjective(Vec<f64>);
//!
//! impl Objective<f64> for DistanceObjective {
//!     fn rows(&self) -> usize {
//!         self.0.len()
//!     }
//!
//!     fn loss<'t>(
//!         &self,
//!         theta: Var<'t, f64>,
//!         batch: &Batch<'_>,
//!         _: &mut Parts<'_>,
//!     ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
//!         let x: Vec<f64> = batch.rows.iter().map(|&row| self.0[row]).collect();
//!         Ok((theta.tape().constant(&x, [x.len()]) - theta).square().sum())
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let defaults = Defaults { out: "out/nn-mean", epochs: 20, batch_size: 2, lr: 1e-2 };
//!     nn::run::main(defaults, |args: Args| args.run.in_pool(|| mean(&args))?)
//! }
//!
//! fn mean(args: &Args) -> Result<(), RunError> {
//!     let mut train = DistanceObjective(vec![1.0, 2.0, 3.0, 4.0]);
//!     let mut validation = DistanceObjective(vec![2.4, 2.6]);
//!     let mut layout = Layout::new();
//!     layout.slot("mean", [], Init::Constant(0.0));
//!
//!     let run = Run::open(&args.run, args)?;
//!     let mut trainer = run.trainer(&layout);
//!     let fit = Fit { patience: Some(args.patience), ..run.fit() };
//!     if run.train(&mut trainer, &mut train, Some(&mut validation), &fit)? == End::Stopped {
//!         return Ok(());
//!     }
//!     run.label(&[Label::new("mean", "mean of the numbers", "their unit")]);
//!     run.finish(&[("mean", trainer.theta()[0])])
//! }
//! ```
//!
//! # The report
//!
//! [`Run::finish`] writes `index.html`, one page about the run that loads nothing: the command, the results, each with its
//! [label](Label): what it is in plain words, its unit, its standard error and over what that is,
//! the metrics as charts, the flags, and each picture that was saved to [`Run::picture`] with its sentence. It can be read without
//! scripts.
//!
//! ```no_run
//! # use nn::run::{Curves, Explorer, Run, Series};
//! # fn draw(run: &Run<'_>, figure: &nn::picture::Figure) -> Result<(), Box<dyn std::error::Error>> {
//! figure.save(&run.picture(
//!     "curve.png",
//!     "The curve and its noisy observations. Look for the gap (lecture 000, \"More details for the regression case\")",
//! ))?;
//! run.explore(Explorer::Curves(Curves {
//!     title: "The curve, to be zoomed".to_owned(),
//!     labels: ["x".to_owned(), "y".to_owned()],
//!     series: vec![Series::line("truth", (0..100).map(|i| (f64::from(i), f64::from(i).sin())))],
//! }));
//! # Ok(())
//! # }
//! ```
//!
//! What is given to [`Run::explore`] can be moved by the reader: a [`Plane`] is a latent space of images whose decoder the page
//! computes, a [`TablePlane`] one of a table's rows, [`Frames`] are scenes behind a slider, [`Curves`] a chart that zooms. A page with `#test` behind its address tests itself and
//! says in the element `verdict` what it found. [`gallery`] makes one page of many runs.

mod apply;
mod args;
mod csv;
mod error;
#[cfg(feature = "pictures")]
mod figure;
mod folder;
#[cfg(feature = "pictures")]
mod images;
mod interrupt;
mod print;
mod progress;
mod report;
mod seeds;
mod stream;
mod table;
mod training;

pub use self::csv::{Csv, Metrics, Output, single};
pub use apply::{Application, ApplyArgs, Outside, Unknown, check_row, trained_with};
use args::in_pool;
pub use args::{
    Activation, Defaults, PathText, RunArgs, apply, at_most, level, main, parse, path_text, positive, share,
    whole, width,
};
pub use error::RunError;
#[cfg(feature = "pictures")]
pub use figure::loss_figure;
pub use folder::RunFolder;
#[cfg(feature = "pictures")]
pub use images::{ImageArgs, ImageStyle, NewImages};
pub use interrupt::Interrupt;
pub use print::{TextTable, counted, one_line, result_line, result_of, say};
pub use progress::{Counter, Progress};
pub use report::{
    Curves, Decoder, Dense, Explorer, Frames, Label, Outputs, Plane, Position, Scene, Series, TableColumn,
    TablePlane, gallery, utc,
};
pub use seeds::{OverSeeds, Results, each};
#[doc(hidden)]
pub use stream::write_line;
pub use table::{KindArgs, TableArgs, say_kinds};
pub use training::Run;
