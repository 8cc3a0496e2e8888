//! What can go wrong in a run.

use std::io;
use std::path::{Path, PathBuf};

use crate::data::DataError;
use crate::model::ModelFileError;
use crate::train::{CheckpointError, TrainError};

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file or folder cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, such as "read" or "write".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder is not empty.
    #[error("{} holds an earlier run: {}overwrite it with --force, or give another --out", path.display(),
        if *resumable { "go on with --resume, " } else { "" })]
    Taken {
        /// The folder.
        path: PathBuf,
        /// Whether there is a checkpoint in it.
        resumable: bool,
    },
    /// There is no trained model.
    #[error(
        "--model: expected the folder of a run that has trained a model, or its file model.safetensors, found no {}",
        path.display()
    )]
    NoModel {
        /// The file.
        path: PathBuf,
    },
    /// What a model computes would be written over the run that trained it.
    #[error("--out: expected another folder than that of a trained model, found {}", path.display())]
    OwnFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file of another program has the name of the lock.
    #[error("{} is not a lock of these programs: give another --out", path.display())]
    ForeignLock {
        /// The file.
        path: PathBuf,
    },
    /// Another program is running in the folder.
    #[error("{} belongs to a run that has not ended{}: wait for it or end it, or give another --out", path.display(),
        process.map(|id| format!(" (process {id})")).unwrap_or_default())]
    Running {
        /// The folder.
        path: PathBuf,
        /// The number of its process, if it is known.
        process: Option<u32>,
    },
    /// A flag about checkpoints was given to a run that has none.
    #[error("{flag}: a run of several trainings has no checkpoint: leave the flag out")]
    NoCheckpoint {
        /// The flag.
        flag: &'static str,
    },
    /// `--resume FILE` was given to a run of several models.
    #[error("--resume {}: a run of several models goes on from its own checkpoints: leave the file out", path.display())]
    SeveralModels {
        /// The file.
        path: PathBuf,
    },
    /// `--resume` was given, and there is no checkpoint.
    #[error("expected a checkpoint {} to go on from, found none: begin without --resume", path.display())]
    NothingToResume {
        /// The checkpoint.
        path: PathBuf,
    },
    /// `--resume` was given with flags that would make it another run.
    #[error(
        "{} was begun with other flags ({differences}): give the same ones, or begin anew with --force",
        path.display()
    )]
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
        /// What was to be set up.
        what: &'static str,
        /// What the system says.
        reason: String,
    },
    /// The ranks of MPI do not do the same.
    #[error("rank {rank} has {what} than rank 0: expected all ranks to do the same")]
    Ranks {
        /// The first rank that differs.
        rank: usize,
        /// What differs, such as "other flags".
        what: &'static str,
    },
    /// A result is infinite or not a number.
    #[error("expected finite results, found {results}; the other files of the run may hold such numbers too")]
    NotFinite {
        /// The results that are not finite, as `name=value`.
        results: String,
    },
    /// What a model computes of a row is infinite or not a number.
    #[error(
        "row {row}: expected finite numbers of the model, found {value}; its numbers are too far from those of the training"
    )]
    RowNotFinite {
        /// The row, counted from 1.
        row: usize,
        /// The first such number.
        value: f64,
    },
    /// A flag about a table was given to a run without one.
    #[error("--{flag}: there is no table to read: give its file, or leave the flag out")]
    NoTable {
        /// The flag.
        flag: &'static str,
    },
    /// A flag about images of one's own was given to a run without them.
    #[error("--{flag}: there are no images to read: give their folder by --images, or leave the flag out")]
    NoImages {
        /// The flag.
        flag: &'static str,
    },
    /// Images cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint cannot be read, used or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The trained model cannot be written.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// Turns an error of the system into [`RunError::Io`].
pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Io { doing, path, source }
}
