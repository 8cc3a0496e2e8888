//! The folder of a run: `args.json`, `metrics.csv`, the checkpoint, pictures.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use super::{RunArgs, RunError};
use crate::checkpoint::{Checkpoint, CheckpointError, write_aside};

const ARGS: &str = "args.json";
const METRICS: &str = "metrics.csv";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Flags that may change when a run goes on: they do not change what it computes up to the same epoch.
const FREE: [&str; 8] = ["data", "out", "epochs", "threads", "save", "resume", "dry_run", "force"];

/// The folder of a run. In a dry run it lies among the system's temporary files, and goes when this is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    resume: Option<PathBuf>,
    save: Option<PathBuf>,
    _temporary: Option<TempDir>,
}

impl RunFolder {
    /// Creates the folder `--out`, or opens it again with `--resume`, and writes all the example's flags to `args.json`.
    ///
    /// # Errors
    /// [`RunError`] if the folder holds a run and neither `--resume` nor `--force` is given, if there is nothing to resume,
    /// if the run was begun with other flags, or if the folder cannot be written.
    pub fn open(run: &RunArgs, all: &impl Serialize) -> Result<Self, RunError> {
        let resume = run.resume.as_ref().map(|file| file.clone().unwrap_or_else(|| run.out.join(CHECKPOINT)));
        if let Some(path) = resume.clone().filter(|path| !path.is_file()) {
            return Err(RunError::NothingToResume { path });
        }
        let args = serde_json::to_value(all).expect("flags are plain values");
        if run.dry_run {
            eprintln!("dry run: one minibatch; nothing is kept in {}", run.out.display());
            let temporary =
                tempfile::tempdir().map_err(io_error("create a folder in", &std::env::temp_dir()))?;
            let path = temporary.path().to_owned();
            return Self { path, resume, save: None, _temporary: Some(temporary) }.begin(&args);
        }
        let path = run.out.clone();
        fs::create_dir_all(&path).map_err(io_error("create the folder", &path))?;
        let taken = fs::read_dir(&path).map_err(io_error("read the folder", &path))?.next().is_some();
        match run.resume {
            Some(None) => same_flags(&path.join(ARGS), &args)?,
            _ if taken && !run.force => {
                return Err(RunError::Taken { resumable: path.join(CHECKPOINT).is_file(), path });
            }
            // What another program put there stays, and so does what is to be resumed.
            _ => {
                let old = [ARGS, METRICS, CHECKPOINT].map(|name| path.join(name));
                old.iter().filter(|old| resume.as_ref() != Some(old)).try_for_each(|old| remove(old))?;
            }
        }
        Self { path, resume, save: run.save.clone(), _temporary: None }.begin(&args)
    }

    fn begin(self, args: &Value) -> Result<Self, RunError> {
        let path = self.file(ARGS);
        write_aside(&path, format!("{args:#}\n").as_bytes()).map_err(io_error("write", &path))?;
        Ok(self)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The checkpoint to go on from, with `--resume`.
    ///
    /// # Errors
    /// [`CheckpointError`] if it cannot be read.
    pub fn resumed(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        self.resume.as_deref().map(Checkpoint::load).transpose()
    }

    /// Writes the run's checkpoint, and a copy to where `--save` says.
    ///
    /// # Errors
    /// [`CheckpointError`] if a file cannot be written.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        checkpoint.save(&self.file(CHECKPOINT))?;
        self.save.as_deref().map_or(Ok(()), |path| checkpoint.save(path))
    }

    /// Opens `metrics.csv` with the columns `epoch` and `header`, keeping the rows of the first `epochs` of a resumed run.
    ///
    /// A row is to be written before the checkpoint of its epoch: then rows are neither lost nor doubled, whenever a run
    /// ends.
    ///
    /// # Errors
    /// [`RunError`] if the file cannot be read or written, or if it has other columns.
    pub fn metrics(&self, header: &[&str], epochs: usize) -> Result<Metrics, RunError> {
        let path = self.file(METRICS);
        let header: Vec<_> = ["epoch"].iter().chain(header).map(|name| name.to_string()).collect();
        let mut rows = vec![header.clone()];
        if path.exists() {
            rows.extend(earlier_rows(&path, &header, epochs)?);
        }
        let mut text = csv::Writer::from_writer(Vec::new());
        rows.iter().try_for_each(|row| text.write_record(row)).expect("written in memory");
        let text = text.into_inner().expect("written in memory");
        write_aside(&path, &text).map_err(io_error("write", &path))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(io_error("write", &path))?;
        Ok(Metrics { path, columns: header.len() - 1, writer: csv::Writer::from_writer(file) })
    }
}

/// A run's `metrics.csv`: a row an epoch.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    columns: usize,
    writer: csv::Writer<File>,
}

impl Metrics {
    /// Writes a row through to the file.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
    ///
    /// # Panics
    /// If there are more or fewer values than columns.
    #[track_caller]
    pub fn row(&mut self, epoch: usize, values: &[f64]) -> Result<(), RunError> {
        assert_eq!(
            values.len(),
            self.columns,
            "metrics: {} values for {} columns",
            values.len(),
            self.columns
        );
        let row = [epoch.to_string()].into_iter().chain(values.iter().map(f64::to_string));
        let written =
            self.writer.write_record(row).map_err(io::Error::from).and_then(|()| self.writer.flush());
        written.map_err(io_error("write", &self.path))
    }
}

/// Whole rows up to this epoch: a last one may have been cut short when the run was ended.
fn earlier_rows(path: &Path, header: &[String], epochs: usize) -> Result<Vec<Vec<String>>, RunError> {
    let damaged = |reason: String| RunError::Damaged { path: path.into(), reason };
    let file = File::open(path).map_err(io_error("read", path))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut rows = reader.deserialize::<Vec<String>>();
    let found = rows.next().transpose().map_err(|error| damaged(error.to_string()))?.unwrap_or_default();
    if found != header {
        return Err(damaged(format!("its columns are {found:?}, not {header:?}")));
    }
    let kept = |row: &Vec<String>| {
        row.len() == header.len() && row[0].parse().is_ok_and(|epoch: usize| epoch <= epochs)
    };
    let rows: Result<Vec<_>, _> = rows.filter(|row| row.as_ref().map_or(true, kept)).collect();
    rows.map_err(|error| damaged(error.to_string()))
}

/// What a run goes on with must be what it was begun with, or it would be neither of two runs.
fn same_flags(path: &Path, now: &Value) -> Result<(), RunError> {
    let damaged =
        |error: serde_json::Error| RunError::Damaged { path: path.into(), reason: error.to_string() };
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    let then: Value = serde_json::from_str(&text).map_err(damaged)?;
    let flags: BTreeSet<_> =
        [&then, now].into_iter().filter_map(Value::as_object).flat_map(|flags| flags.keys()).collect();
    let differences: Vec<_> = flags
        .into_iter()
        .filter(|flag| !FREE.contains(&flag.as_str()) && then[flag] != now[flag])
        .map(|flag| format!("{flag} was {}, is {}", then[flag], now[flag]))
        .collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(RunError::OtherFlags { path: path.into(), differences: differences.join(", ") }),
    }
}

fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Io { doing, path, source }
}
