//! What all example programs share: flags, the run's folder, progress, Ctrl-C, errors in one line.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use nn::run::{Defaults, RunArgs, RunError, RunFolder, result_line};
//!
//! /// Fits a line.
//! #[derive(clap::Parser, serde::Serialize)]
//! struct Args {
//!     #[command(flatten)]
//!     #[serde(flatten)]
//!     run: RunArgs,
//!     /// Degree of the polynomial
//!     #[arg(long, default_value_t = 1)]
//!     degree: usize,
//! }
//!
//! fn main() -> ExitCode {
//!     nn::run::main(Defaults { out: "out/nn-line", epochs: 20, batch_size: 64, lr: 1e-2 }, fit)
//! }
//!
//! fn fit(args: Args) -> Result<(), RunError> {
//!     let folder = RunFolder::open(&args.run, &args)?;
//!     let mut metrics = folder.metrics(&["loss"], 0)?;
//!     metrics.row(1, &[0.25])?;
//!     result_line(&[("loss", 0.25)]);
//!     Ok(())
//! }
//! ```

mod folder;
mod progress;
mod session;

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::schedule::Schedule;
use crate::train::Fit;

pub use folder::{Metrics, RunFolder};
pub use progress::{Interrupt, Progress};
pub use session::Run;

/// The flags of every example; flattened into its own by `#[command(flatten)]` and `#[serde(flatten)]`.
#[derive(Clone, Debug, clap::Args, Serialize)]
pub struct RunArgs {
    /// Read the data from this folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Put checkpoint, metrics and pictures into this folder
    #[arg(long, value_name = "DIR")]
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
    #[arg(long, value_name = "N", value_parser = whole)]
    pub threads: Option<usize>,
    /// Also write the checkpoint to this file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Go on from the run's own checkpoint, or from FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// Try everything once on a single minibatch and keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite the run that is in the folder
    #[arg(long)]
    pub force: bool,
}

/// What an example's flags are unless given; `--help` shows them.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The run's folder: `out/<crate>-<example>`.
    pub out: &'static str,
    /// Passes through the data.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// Learning rate.
    pub lr: f64,
}

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "write" …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder is not empty.
    #[error("{} holds an earlier run: {}overwrite with --force, or take another --out", path.display(),
        if *resumable { "go on with --resume, " } else { "" })]
    Taken {
        /// The folder.
        path: PathBuf,
        /// Whether there is a checkpoint in it.
        resumable: bool,
    },
    /// A flag about checkpoints, given to a run that keeps none.
    #[error("{flag}: a run of several trainings keeps no checkpoint: leave the flag out")]
    NoCheckpoint {
        /// The flag.
        flag: &'static str,
    },
    /// `--resume` without a checkpoint.
    #[error("there is no checkpoint {} to go on from: begin without --resume", path.display())]
    NothingToResume {
        /// The checkpoint that was looked for.
        path: PathBuf,
    },
    /// `--resume` with flags that would make it another run.
    #[error("{} was begun with other flags ({differences}): give the same, or begin anew with --force", path.display())]
    OtherFlags {
        /// The run's `args.json`.
        path: PathBuf,
        /// Each flag, then and now.
        differences: String,
    },
    /// A file of an earlier run makes no sense.
    #[error("{} is damaged: {reason}; begin anew with --force", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refuses threads or the handler of Ctrl-C.
    #[error("cannot set up {what}: {reason}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system says.
        reason: String,
    },
}

impl RunArgs {
    /// How many of `n` rows to use: all; in a dry run one minibatch.
    pub fn rows(&self, n: usize) -> usize {
        if self.dry_run { n.min(self.batch_size) } else { n }
    }

    /// How to train by these flags.
    pub fn fit(&self, schedule: Schedule, patience: Option<usize>) -> Fit {
        Fit { epochs: self.epochs, batch_size: self.batch_size, rate: self.lr, schedule, patience }
    }

    /// Refuses the flags of a checkpoint, for a run of several trainings, which keeps none.
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

    /// Calls `body` within a pool of `--threads` threads, where all parallel work then stays.
    ///
    /// # Errors
    /// [`RunError::System`] if there are no threads to be had.
    pub fn in_pool<R: Send>(&self, body: impl FnOnce() -> R + Send) -> Result<R, RunError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0)).build();
        let refused =
            |e: rayon::ThreadPoolBuildError| RunError::System { what: "threads", reason: e.to_string() };
        Ok(pool.map_err(refused)?.install(body))
    }
}

/// An example's `main`: parses the flags, calls `body`, and turns an error into one line on standard error.
///
/// The exit code is 0, 1 after an error of `body`, 2 for wrong flags.
pub fn main<A, E>(defaults: Defaults, body: impl FnOnce(A) -> Result<(), E>) -> ExitCode
where
    A: Parser,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let args = match parse(defaults, std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print(); // whoever closed the output wants no help
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match body(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&*error.into()));
            ExitCode::FAILURE
        }
    }
}

/// Parses flags, the program's name first, with an example's defaults.
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
    let command = defaults.into_iter().fold(A::command(), |command, (id, value)| {
        command.mut_arg(id, |arg| arg.required(false).default_value(value))
    });
    A::from_arg_matches(&command.try_get_matches_from(flags)?)
}

/// An error and its causes on one line; what a cause only repeats is left out.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Prints the last line on standard output, for programs to read: `RESULT name=value name=value`.
pub fn result_line<N: Display, V: Display>(results: &[(N, V)]) {
    let line: String = results.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let _ = writeln!(io::stdout(), "RESULT{line}"); // nobody is left to tell if standard output is closed
}

/// A whole number from 1 on: a `value_parser` for flags.
///
/// # Errors
/// For any other text.
pub fn whole(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a whole number from 1 on is wanted".to_owned())
}

/// A finite number greater than 0: a `value_parser` for flags.
///
/// # Errors
/// For any other text.
pub fn positive(text: &str) -> Result<f64, String> {
    let positive = |x: &f64| x.is_finite() && *x > 0.0;
    text.parse().ok().filter(positive).ok_or_else(|| "a number greater than 0 is wanted".to_owned())
}
