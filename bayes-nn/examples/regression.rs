//! Fits a Bayesian neural network to a regression and says how certain it is. Without flags it learns a curve with a gap in the
//! data:
//!
//!     cargo run --release -p bayes-nn --example regression
//!
//! It draws mean, uncertainty and functions from the posterior to `posterior.png`: by q, and beside it for the same network
//! by Hamiltonian Monte Carlo and by the Laplace approximation. It also learns tables, the embedded one or your own:
//!
//!     cargo run --release -p bayes-nn --example regression -- --table diabetes
//!     cargo run --release -p bayes-nn --example regression -- --csv FILE --target COLUMN
//!
//! The target is a number with normal noise unless `--likelihood` says otherwise: with noise that varies with the inputs or has heavy
//! tails, or a count, or one of several classes. Columns of text are inputs, too: an indicator stands for each class that the rows to
//! train on have.
//!
//! Then it holds out a part of the rows, scores the predictions for it beside those of a straight line, and writes those for
//! all rows to `predictions.csv`, with rows counted from 1. Further random splits say how far the scores can be trusted. The
//! network of the first split, or of the curve, is kept in `model.safetensors`: the example `bayes_apply` predicts new rows with it.

mod cells;
mod common;
mod confidence;
mod curve;
mod gaps;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use bayes_nn::{BayesMlp, BayesMlpConfig, BayesMlpObjective, Likelihood, Scaling, ScalingError};
use nn::data::{Preprocessing, Table, Target, diabetes};
use nn::model::{Model, TrainedOn};
use nn::run::{Defaults, KindArgs, Run, RunArgs, RunError, TableArgs, at_most, share, whole, width};
use nn::train::End;

use common::{Fitted, Rows};

/// The help of `--kind`.
const KIND: &str = "What an input, by name or by number from 1, is: normal (its numbers as they are), yes-no or category (an \
                    indicator for each class); may be given several times [default: columns of text are classes, others numbers]";

/// Fits a Bayesian neural network to a curve or a table and says how certain it is
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
#[command(mut_arg("kind", |arg| arg.help(KIND)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    #[command(flatten)]
    #[serde(flatten)]
    kinds: KindArgs,
    /// Learn this table, of numbers and text, without gaps
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "table")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
    /// The column to predict from the others, by name or by number from 1
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Learn an embedded table
    #[arg(long, value_parser = ["diabetes"])]
    table: Option<String>,
    /// The share of a table's rows that is held out
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    validation: f64,
    /// Random splits of a table; the predictions that are written are those of the first
    #[arg(long, value_name = "N", default_value_t = 10, default_value_if("dry_run", "true", "2"),
        value_parser = whole)]
    splits: usize,
    /// Steps of training; with --epochs, whichever ends first
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    steps: usize,
    /// Hidden units of the network for a table [default: 10 beside a line, or 50; rows held out of those to train on choose]
    #[arg(long, value_name = "N", value_parser = width)]
    hidden: Option<usize>,
    /// Modes of q
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = width)]
    modes: usize,
    /// What the target is, and its distribution around the function
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Kind::Normal)]
    likelihood: Kind,
    /// Iterations of each of four Markov chains on the curve, half of them to warm up
    #[arg(long, value_name = "N", default_value_t = 500, default_value_if("dry_run", "true", "20"), value_parser = at_most::<100_000>)]
    hmc: usize,
    /// Draws of θ for predictions
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = at_most::<10_000>)]
    draws: usize,
}

/// What `--likelihood` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A number with normal noise of one size
    Normal,
    /// A number with normal noise whose size is a function of the inputs
    NormalHead,
    /// A number with noise of heavy tails: few wild rows do not bend the function
    Student,
    /// A count, with the variance of its mean
    Poisson,
    /// A count that varies more
    NegativeBinomial,
    /// One of several classes, given as texts or numbers
    Categorical,
}

impl Kind {
    fn likelihood(self) -> Likelihood {
        match self {
            Self::Normal => Likelihood::NORMAL_LEARNED,
            Self::NormalHead => Likelihood::NormalHead,
            Self::Student => Likelihood::STUDENT,
            Self::Poisson => Likelihood::Poisson,
            Self::NegativeBinomial => Likelihood::NEGATIVE_BINOMIAL,
            Self::Categorical => Likelihood::Categorical,
        }
    }
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        let Self { draws, modes, hmc, .. } = *self;
        let table = self.csv.is_some() || self.table.is_some();
        ensure!(self.run.data.is_none(), "this example reads no folder: give a table by --csv");
        ensure!(
            table || self.target.is_none(),
            "--target is a column of a table: give one by --csv or --table"
        );
        ensure!(
            table || self.likelihood == Kind::Normal,
            "--likelihood: the noise of the curve is known: give a table by --csv or --table"
        );
        if self.csv.is_none() {
            self.format.without_table()?;
        }
        ensure!(table || !self.kinds.is_given(), RunError::NoTable { flag: "kind" });
        ensure!(draws >= modes, "--draws: expected at least {modes} as --modes, found {draws}");
        ensure!(hmc >= 8, "--hmc: expected at least 8 iterations, found {hmc}");
        Ok(())
    }
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-regression", epochs: 1_000_000, batch_size: 100, lr: 5e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| regression(&args))?)
}

fn regression(args: &Args) -> anyhow::Result<()> {
    args.check()?;
    match (&args.csv, &args.table) {
        (Some(path), _) => {
            let target = args.target.as_deref().unwrap_or_default();
            let is_class = args.likelihood == Kind::Categorical;
            let class = is_class.then(|| target.to_owned());
            let texts: Vec<String> = args.kinds.texts().into_iter().chain(class).collect();
            of_table(args, &args.format.read_mixed(path, &texts, false)?, target)
        }
        (_, Some(_)) => of_table(args, &diabetes(), args.target.as_deref().unwrap_or("progression")),
        _ => curve::learn(args),
    }
}

fn of_table(args: &Args, table: &Table, target: &str) -> anyhow::Result<()> {
    match args.likelihood {
        Kind::Categorical => table::classes::learn(args, table, target),
        _ => table::learn(args, table, target),
    }
}

/// What the columns of the rows are called.
struct Named {
    /// Of the inputs, in the rows to train on.
    inputs: Preprocessing,
    target: String,
    /// The names of the classes, if the target is one.
    classes: Vec<String>,
    /// The data, if they are not read from a file.
    embedded: &'static str,
}

impl Named {
    /// The name of the entry of the classes in a model's file.
    const CLASSES: &str = "classes";

    fn preprocessing(&self, scaling: &Scaling, train: &Rows) -> Result<Preprocessing, ScalingError> {
        let (x, y) = scaling.inputs_and_target();
        // A class is one column of a table.
        let unscaled = Scaling::of_inputs(&train.x, 1)?;
        let y = if self.classes.is_empty() { y } else { unscaled.inputs_and_target().1 };
        let target = Target { name: self.target.clone(), scaling: y.clone() };
        Ok(Preprocessing { scaling: Some(x.clone()), target: Some(target), ..self.inputs.clone() })
    }
}

/// Trains q on rows, which are standardised first, and keeps it in a file with what names the table gives; none if the user stopped
/// it.
fn fit(
    run: &Run<'_>,
    args: &Args,
    config: &BayesMlpConfig,
    train: &Rows,
    validation: Option<&Rows>,
    names: Named,
) -> anyhow::Result<Option<Fitted>> {
    let scaling = train.scaling(config.likelihood)?;
    let preprocessing = names.preprocessing(&scaling, train)?;
    let train = train.standardise(&scaling)?;
    let validation = validation.map(|rows| rows.standardise(&scaling)).transpose()?;

    let model = BayesMlp::new(config)?;
    let mut objective = train.objective(&model);
    let fit = common::in_steps(&args.run, args.steps, &mut objective);
    let on_validation =
        |rows| BayesMlpObjective { n: train.x.rows, ..common::Standardised::objective(rows, &model) };
    let mut validation = validation.as_ref().map(on_validation);

    let mut trainer = run.trainer(model.layout());
    if run.train(&mut trainer, &mut objective, validation.as_mut(), &fit)? == End::Stopped {
        return Ok(None);
    }
    let mut file = model.to_file(trainer.theta());
    file.set(Preprocessing::ENTRY, &preprocessing);
    if !names.classes.is_empty() {
        file.set(Named::CLASSES, &names.classes);
    }
    run.keep_model(file, &TrainedOn::new(args.csv.as_deref(), names.embedded, train.x.rows))?;
    Fitted::new(&args.run, model, &mut trainer, scaling, &train, args.draws).map(Some)
}
