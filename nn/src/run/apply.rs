//! Programs that apply a trained model to new data.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::folder::{Place, flags};
use super::training::finish;
use super::{Interrupt, RunError, RunFolder, in_pool};
use crate::data::{Preprocessing, Table};
use crate::model::ModelFile;
use crate::outln;

/// The flags of every program that applies a trained model. It adds them to its own by `#[command(flatten)]` and
/// `#[serde(flatten)]`.
#[derive(Clone, Debug, clap::Args, Serialize)]
pub struct ApplyArgs {
    /// The trained model: the folder of a run, or a file model.safetensors
    #[arg(long, value_name = "PATH")]
    #[serde(serialize_with = "super::path_text")]
    pub model: PathBuf,
    /// Put what is computed into this folder
    #[arg(long, value_name = "DIR")]
    #[serde(serialize_with = "super::path_text")]
    pub out: PathBuf,
    /// Where all random numbers start from [default: as in the training]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Use this many threads; the results are the same for any number [default: all]
    #[arg(long, value_name = "N", value_parser = super::at_most::<1024>)]
    pub threads: Option<usize>,
    /// Try everything once on a few rows and keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite what is in the folder
    #[arg(long)]
    pub force: bool,
}

impl ApplyArgs {
    /// Calls `body` within a pool of `--threads` threads. All parallel work of `body` stays in it.
    ///
    /// # Errors
    /// [`RunError::System`] if the system gives no threads.
    pub fn in_pool<R: Send>(&self, body: impl FnOnce() -> R + Send) -> Result<R, RunError> {
        in_pool(self.threads, body)
    }

    /// Reads the file of the model.
    ///
    /// # Errors
    /// [`RunError::NoModel`] if there is none; otherwise [`RunError::Model`] as [`ModelFile::load`].
    pub fn load(&self) -> Result<ModelFile, RunError> {
        let path = if self.model.is_dir() { self.model.join(ModelFile::NAME) } else { self.model.clone() };
        if !path.exists() {
            return Err(RunError::NoModel { path });
        }
        Ok(ModelFile::load(&self.model)?)
    }
}

/// A run of a program that applies a trained model: its flags and its folder. See [`apply`](super::apply) for its `main`.
#[derive(Debug)]
pub struct Application<'a> {
    /// The flags.
    pub args: &'a ApplyArgs,
    folder: RunFolder,
    started: Instant,
}

impl<'a> Application<'a> {
    /// Opens the folder `--out`. [`finish`](Self::finish) writes all flags of the program to `args.json`: until then the folder holds
    /// what an earlier run left. Read the model and open the data before: then nothing is left behind, and nothing overwritten, where
    /// one of them is wrong. Ctrl-C ends the program from now on without leaving files that are not whole.
    ///
    /// # Errors
    /// [`RunError::OwnFolder`] if it is that of the model, or of another run that trained one; otherwise as [`RunFolder::open`].
    pub fn open(args: &'a ApplyArgs, all: &impl Serialize) -> Result<Self, RunError> {
        let model = if args.model.is_dir() { Some(&*args.model) } else { args.model.parent() };
        let place = |path: &Path| fs::canonicalize(path).ok();
        let model = model.map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
        if !args.dry_run && place(&args.out).is_some_and(|out| model.and_then(place) == Some(out)) {
            return Err(RunError::OwnFolder { path: args.out.clone() });
        }
        Interrupt::install()?.set_saved(true);
        let folder = RunFolder::open_at(&Place::of_application(args), flags(all))?;
        Ok(Self { args, folder, started: Instant::now() })
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// Writes the flags. Prints where the files of the run are, unless it is a dry run, and the [result line](super::result_line)
    /// with the seconds at its end.
    ///
    /// # Errors
    /// [`RunError::NotFinite`] if a result is infinite or not a number.
    pub fn finish(&self, results: &[(&str, f64)]) -> Result<(), RunError> {
        self.folder.write_args()?;
        let seconds = ("seconds", self.started.elapsed().as_secs_f64());
        let results =
            results.iter().chain([&seconds]).map(|(name, value)| (name.to_string(), value.to_string()));
        finish(self.args.dry_run, &self.args.out, results.collect())
    }
}

/// Checks that what a model computed of a row is finite. Rows are counted from 1.
///
/// # Errors
/// [`RunError::RowNotFinite`] with the first number that is not.
pub fn check_row<F: Into<f64>>(row: usize, numbers: impl IntoIterator<Item = F>) -> Result<(), RunError> {
    let wrong = numbers.into_iter().map(F::into).find(|number| !number.is_finite());
    wrong.map_or(Ok(()), |value| Err(RunError::RowNotFinite { row, value }))
}

/// The rows of new data that lie outside the range of the rows to train on: there a model extrapolates.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    rows: usize,
}

impl Outside {
    /// The cell of the column `outside` for a row of inputs in the table's units: their names, with "; " between them. A name that
    /// holds a semicolon or a quote is in quotes.
    ///
    /// # Panics
    /// As [`Preprocessing::outside`].
    #[track_caller]
    pub fn cell(&mut self, model: &Preprocessing, row: &[f64]) -> String {
        let names = model.outside(row);
        self.rows += usize::from(!names.is_empty());
        let name =
            |name: &&str| if name.contains([';', '"']) { format!("{name:?}") } else { (*name).to_owned() };
        names.iter().map(name).collect::<Vec<_>>().join("; ")
    }

    /// The number of such rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Prints the number of such rows.
    pub fn print(&self) {
        let have = if self.rows == 1 { "has" } else { "have" };
        outln!("{} of them {have} inputs outside the range of the rows to train on", self.rows);
    }
}

/// Counts the cells of new rows that name no class of the training.
#[derive(Debug, Default)]
pub struct Unknown {
    cells: usize,
    /// Line, column and text of the first one.
    first: Option<(usize, String, String)>,
}

impl Unknown {
    /// Adds the cells of a table of inputs, as [`Preprocessing::inputs_of`] makes it.
    pub fn add(&mut self, model: &Preprocessing, inputs: &Table) {
        for (row, input) in model.unseen_in(inputs) {
            self.cells += 1;
            self.first.get_or_insert_with(|| {
                (inputs.line(row), inputs.describe(input), inputs.text(row, input).trim().to_owned())
            });
        }
    }

    /// What there is to say of them, for a file of this path.
    pub fn note(&self, file: &Path) -> Option<String> {
        let (line, column, text) = self.first.as_ref()?;
        let file = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        Some(format!(
            "{file}: line {line}, {column}: {text:?} is a class that the model does not know; cells of such: {}",
            self.cells
        ))
    }
}

/// A flag of the run that trained a model, as it stands in the model's file: a whole number. None if the file does not say.
pub fn trained_with(model: &ModelFile, flag: &str) -> Option<u64> {
    model.get::<Value>("run").ok()?.get("flags")?.get(flag)?.as_u64()
}
