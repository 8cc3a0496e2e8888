//! The flags of example programs.

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use autograd::Real;
use clap::Parser;
use rand::{SeedableRng, rngs::StdRng};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::print::one_line;
use super::{RunError, stream};
use crate::errln;
use crate::model::{Layout, Nonlinearity};
use crate::train::ranks::Ranks;
use crate::train::{Fit, Rule, Trainer};

/// Writes a path, or none, as text; what is not Unicode, with replacement characters:
/// `#[serde(serialize_with = "nn::run::path_text")]` for flags.
///
/// # Errors
/// Those of the serializer.
pub fn path_text<P: PathText, S: Serializer>(path: &P, serializer: S) -> Result<S::Ok, S::Error> {
    path.text().serialize(serializer)
}

/// A path, or none, for [`path_text`].
pub trait PathText {
    /// The path as a text, `null` if there is none.
    fn text(&self) -> Value;
}

impl PathText for PathBuf {
    fn text(&self) -> Value {
        self.to_string_lossy().into()
    }
}

impl<P: PathText> PathText for Option<P> {
    fn text(&self) -> Value {
        self.as_ref().map_or(Value::Null, P::text)
    }
}

/// The flags of every example. An example adds them to its own by `#[command(flatten)]` and `#[serde(flatten)]`.
#[derive(Clone, Debug, clap::Args, Serialize)]
pub struct RunArgs {
    /// Read the data from this folder
    #[arg(long, value_name = "DIR")]
    #[serde(serialize_with = "path_text")]
    pub data: Option<PathBuf>,
    /// Put checkpoint, metrics and pictures into this folder
    #[arg(long, value_name = "DIR")]
    #[serde(serialize_with = "path_text")]
    pub out: PathBuf,
    /// Go through the data this many times in all
    #[arg(long, value_name = "N", default_value_if("dry_run", "true", "1"))]
    pub epochs: usize,
    /// Take this many rows a step
    #[arg(long, value_name = "N", value_parser = whole)]
    pub batch_size: usize,
    /// Learning rate
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub lr: f64,
    /// Where all random numbers start from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Use this many threads; the results are the same for any number [default: all]
    #[arg(long, value_name = "N", value_parser = at_most::<1024>)]
    pub threads: Option<usize>,
    /// Also write the checkpoint to this file
    #[arg(long, value_name = "FILE")]
    #[serde(serialize_with = "path_text")]
    pub save: Option<PathBuf>,
    /// Go on from the run's own checkpoint, or from FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[serde(serialize_with = "path_text")]
    pub resume: Option<Option<PathBuf>>,
    /// Try everything once on a single minibatch and keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite the run that is in the folder
    #[arg(long)]
    pub force: bool,
    /// Write no index.html about the run
    #[arg(long)]
    pub no_report: bool,
}

/// The values of an example's flags that are not given; `--help` shows them.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The run's folder: `out/<crate>-<example>`.
    pub out: &'static str,
    /// Passes through the data.
    pub epochs: usize,
    /// Rows in a step.
    pub batch_size: usize,
    /// Learning rate.
    pub lr: f64,
}

impl RunArgs {
    /// The number of rows to use of `n`: all of them, or a minibatch in a dry run.
    pub fn rows(&self, n: usize) -> usize {
        if self.dry_run { n.min(self.batch_size) } else { n }
    }

    /// How to train by these flags: epochs, batch size, learning rate, and a single minibatch in a dry run.
    pub fn fit(&self) -> Fit {
        Fit {
            epochs: self.epochs,
            batch_size: self.batch_size,
            rate: self.lr,
            rows: self.dry_run.then_some(self.batch_size),
            ..Fit::default()
        }
    }

    /// A trainer by Adam, whose θ is drawn by the initialisers of the layout.
    #[inline(never)]
    pub fn trainer<F: Real>(&self, layout: &Layout) -> Trainer<F> {
        let theta = layout.init(&mut StdRng::seed_from_u64(self.seed));
        Trainer::new(layout, theta, Rule::ADAM, self.seed)
    }

    /// Refuses the flags of checkpoints, for a run of several trainings that keeps none.
    ///
    /// # Errors
    /// [`RunError::NoCheckpoint`] if `--resume` or `--save` is given.
    pub fn without_checkpoint(&self) -> Result<(), RunError> {
        let given = [("--resume", self.resume.is_some()), ("--save", self.save.is_some())];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(RunError::NoCheckpoint { flag }),
            None => Ok(()),
        }
    }

    /// Calls `body` within a pool of `--threads` threads. All parallel work of `body` stays in it.
    ///
    /// # Errors
    /// [`RunError::System`] if the system gives no threads.
    pub fn in_pool<R: Send>(&self, body: impl FnOnce() -> R + Send) -> Result<R, RunError> {
        in_pool(self.threads, body)
    }
}

/// Calls `body` within a pool of so many threads, or of all.
pub(super) fn in_pool<R: Send>(
    threads: Option<usize>,
    body: impl FnOnce() -> R + Send,
) -> Result<R, RunError> {
    Ok(pool(threads)?.install(body))
}

fn pool(threads: Option<usize>) -> Result<ThreadPool, RunError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.map_err(|error| RunError::System { what: "threads", reason: error.to_string() })
}

/// The `main` of an example: parses the flags, calls `body`, and prints an error in one line on standard error.
///
/// The exit code is 0, 1 after an error of `body`, or 2 for wrong flags.
pub fn main<A, E>(defaults: Defaults, body: impl FnOnce(A) -> Result<(), E>) -> ExitCode
where
    A: Parser,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    end(parse(defaults, std::env::args_os()), body)
}

/// The `main` of a program that applies a trained model, by [`ApplyArgs`](super::ApplyArgs), and writes to the folder `out` unless
/// a flag names another. Otherwise as [`main`].
pub fn apply<A, E>(out: &'static str, body: impl FnOnce(A) -> Result<(), E>) -> ExitCode
where
    A: Parser,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    end(parse_with(&[("out", out.to_owned())], std::env::args_os()), body)
}

fn end<A, E>(args: Result<A, clap::Error>, body: impl FnOnce(A) -> Result<(), E>) -> ExitCode
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Ranks::within(|| match args {
        Ok(args) => exit_code(body(args).map_err(Into::into)),
        Err(error) => {
            let code = ExitCode::from(error.exit_code() as u8);
            let is_wrong = error.exit_code() != 0;
            if Ranks::world().is_first() {
                let _ = error.print(); // nobody is there to be told if the output is closed
            } else if is_wrong {
                say_late(&one_line(&error));
            }
            if is_wrong { Err(code) } else { Ok(code) }
        }
    })
}

/// Prints the error of a rank that is not the first. What fails everywhere the first one says, and by then it has ended this one.
fn say_late(error: &str) {
    thread::sleep(Duration::from_secs(2));
    eprintln!("error: rank {}: {}", Ranks::world().rank(), error.trim_start_matches("error: "));
}

fn exit_code(end: Result<(), Box<dyn Error + Send + Sync>>) -> Result<ExitCode, ExitCode> {
    match end {
        Ok(()) if stream::is_lost() => {
            errln!("error: a part of the output could not be written; the files of the run are whole");
            Ok(ExitCode::FAILURE)
        }
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let error = one_line(&*error);
            if Ranks::world().is_first() {
                errln!("error: {error}")
            } else {
                say_late(&error)
            }
            Err(ExitCode::FAILURE)
        }
    }
}

/// Parses flags, of which the first is the program's name, with the defaults of an example.
///
/// # Errors
/// Those of `clap`, `--help` among them.
pub fn parse<A: Parser>(
    defaults: Defaults,
    flags: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<A, clap::Error> {
    let Defaults { out, epochs, batch_size, lr } = defaults;
    let defaults = [
        ("out", out.to_owned()),
        ("epochs", epochs.to_string()),
        ("batch_size", batch_size.to_string()),
        ("lr", lr.to_string()),
    ];
    parse_with(&defaults, flags)
}

/// Parses flags, of which these have these defaults.
fn parse_with<A: Parser>(
    defaults: &[(&'static str, String)],
    flags: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<A, clap::Error> {
    let command = defaults.iter().fold(A::command(), |command, (id, value)| {
        command.mut_arg(id, |arg| arg.required(false).default_value(value.clone()))
    });
    A::from_arg_matches(&command.try_get_matches_from(flags)?)
}

/// Parses a whole number from 1 to `MOST`: a `value_parser` for flags. What is kept in memory grows with the number, so that no
/// flag asks for more than there is.
///
/// # Errors
/// For any other text.
pub fn at_most<const MOST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=MOST).contains(n));
    number.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

/// Parses a number of repetitions, from 1 to a million: steps, draws, epochs, rows.
///
/// # Errors
/// For any other text.
pub fn whole(text: &str) -> Result<usize, String> {
    at_most::<1_000_000>(text)
}

/// Parses the size of a layer or of a latent space, from 1 to 4,096.
///
/// # Errors
/// For any other text.
pub fn width(text: &str) -> Result<usize, String> {
    at_most::<4096>(text)
}

/// Parses a finite number greater than 0: a `value_parser` for flags.
///
/// # Errors
/// For any other text.
pub fn positive(text: &str) -> Result<f64, String> {
    let positive = |x: &f64| x.is_finite() && *x > 0.0;
    text.parse().ok().filter(positive).ok_or_else(|| "expected a number greater than 0".to_owned())
}

/// Parses a number greater than 0 and less than 1: a `value_parser` for flags.
///
/// # Errors
/// For any other text.
pub fn share(text: &str) -> Result<f64, String> {
    let share = |x: &f64| *x > 0.0 && *x < 1.0;
    text.parse().ok().filter(share).ok_or_else(|| "expected a number between 0 and 1".to_owned())
}

/// Parses the probability of an interval, from 10⁻⁶ to 1 − 10⁻⁶: closer to 0 or 1 its ends are one number, or infinite.
///
/// # Errors
/// For any other text.
pub fn level(text: &str) -> Result<f64, String> {
    let level = |x: &f64| (1e-6..=1.0 - 1e-6).contains(x);
    text.parse()
        .ok()
        .filter(level)
        .ok_or_else(|| "expected a probability from 0.000001 to 0.999999".to_owned())
}

/// The activations that a flag can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// max(x, x / 100)
    LeakyRelu,
    /// x if x > 0, otherwise eˣ − 1
    Elu,
    /// tanh x
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// ln(1 + eˣ)
    Softplus,
}

impl From<Activation> for Nonlinearity {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Identity => Self::Identity,
            Activation::Relu => Self::Relu,
            Activation::LeakyRelu => Self::LeakyRelu(0.01),
            Activation::Elu => Self::Elu,
            Activation::Tanh => Self::Tanh,
            Activation::Sigmoid => Self::Sigmoid,
            Activation::Softplus => Self::Softplus,
        }
    }
}
