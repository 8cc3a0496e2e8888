//! The folder of a run: `args.json`, `metrics.csv`, the checkpoint, pictures, report.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::csv::Metrics;
use super::error::io_error;
use super::report::Report;
use super::{ApplyArgs, RunArgs, RunError};
use crate::data::contents_below;
use crate::errln;
use crate::model::ModelFile;
use crate::train::ranks::Ranks;
use crate::train::{Checkpoint, CheckpointError, Unfinished, remove_left, write_aside};
use autograd::numerics::Vectors;
use flate2::{Crc, CrcReader};
use serde::Serialize;
use serde_json::{Value, json};

pub(super) const ARGS: &str = "args.json";
const LOCK: &str = ".lock";
/// Name and extension; a part of a run puts its own name between them.
pub(super) const METRICS: (&str, &str) = ("metrics", "csv");
const CHECKPOINT: (&str, &str) = ("checkpoint", "safetensors");

/// Flags that may change when a run goes on: they do not change what it computes up to the same epoch.
const FREE: [&str; 9] =
    ["data", "out", "epochs", "threads", "save", "resume", "dry_run", "force", "no_report"];

/// Flags of what is computed of a model after its training. They may change, too: a trained model can be evaluated again.
const EVALUATION: [&str; 5] = ["importance_samples", "ais", "ais_images", "ais_chains", "ais_encoder"];

/// The entry of a checkpoint that says which run it is of.
const IDENTITY: &str = "run";

/// Flags that name files or folders of data.
const FILES: [&str; 3] = ["csv", "images", "split"];

/// The flag that names a folder of data. It is free, since it is the contents of the folder that count.
const DATA: &str = "data";

/// The folder of a run. In a dry run it lies among the system's temporary files and is removed when this is dropped.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The part of the run, if it is one of several.
    part: Option<String>,
    resume: Resume,
    save: Option<PathBuf>,
    /// What the run is, for the files that it leaves.
    origin: Value,
    /// What a checkpoint must agree with: the flags that may not change, and what the files hold that they name.
    identity: Value,
    /// All flags.
    args: Value,
    _owner: Arc<Owner>,
}

/// What makes the folder this run's own, until the last part of the run is dropped.
#[derive(Debug)]
enum Owner {
    /// A folder that is removed.
    Temporary(#[expect(dead_code, reason = "it removes the folder when it is dropped")] Unfinished),
    /// A file that is locked. The system unlocks it when the process ends, however it does.
    Lock(#[expect(dead_code, reason = "it unlocks the file when it is dropped")] File),
}

/// Where a run goes on.
#[derive(Clone, Debug)]
enum Resume {
    /// At the beginning.
    No,
    /// At the checkpoint of this folder.
    Own(PathBuf),
    /// At this checkpoint.
    From(PathBuf),
}

/// Where a run goes, by its flags.
pub(super) struct Place<'a> {
    out: &'a PathBuf,
    resume: Option<&'a Option<PathBuf>>,
    save: Option<&'a PathBuf>,
    /// Whether it trains a model. A run that applies one removes nothing, and has no checkpoint.
    trains: bool,
    dry_run: bool,
    force: bool,
}

impl<'a> Place<'a> {
    /// That of a run that trains nothing.
    pub(super) fn of_application(args: &'a ApplyArgs) -> Self {
        let ApplyArgs { out, dry_run, force, .. } = args;
        Self { out, resume: None, save: None, trains: false, dry_run: *dry_run, force: *force }
    }
}

impl RunFolder {
    /// Creates the folder `--out`, or opens it again with `--resume`, and writes all flags of the example to `args.json`. Read the data
    /// before: a run goes on with the files that it was begun with.
    ///
    /// # Errors
    /// [`RunError::Running`] if a run in the folder has not ended, in this process or in another; a run that was killed has ended.
    /// [`RunError`] if the folder holds a run and neither `--resume` nor `--force` is given, if there is no checkpoint to
    /// resume, if the run was begun with other flags, or if the folder cannot be written.
    pub fn open(run: &RunArgs, all: &impl Serialize) -> Result<Self, RunError> {
        let RunArgs { out, resume, save, dry_run, force, .. } = run;
        let (resume, save) = (resume.as_ref(), save.as_ref());
        Self::open_at(
            &Place { out, resume, save, trains: true, dry_run: *dry_run, force: *force },
            flags(all),
        )
    }

    pub(super) fn open_at(run: &Place<'_>, args: Value) -> Result<Self, RunError> {
        let resume = match run.resume {
            None => Resume::No,
            Some(None) => Resume::Own(run.out.clone()),
            Some(Some(file)) => Resume::From(file.clone()),
        };
        let found = match &resume {
            _ if !Ranks::world().is_first() => true, // it is the first rank that reads it
            Resume::No => true,
            Resume::Own(folder) => files_of(folder).any(|name| is(&name, CHECKPOINT)),
            Resume::From(file) => file.is_file(),
        };
        if !found {
            let own = run.out.join(file_name(CHECKPOINT, None));
            return Err(RunError::NothingToResume { path: run.resume.cloned().flatten().unwrap_or(own) });
        }
        if run.dry_run || !Ranks::world().is_first() {
            if run.dry_run {
                let what = if run.trains { "one minibatch" } else { "a few rows" };
                errln!("dry run: {what}; nothing is kept in {}", run.out.display());
            }
            let temporary = temporary()?;
            let path = temporary.path().to_owned();
            return Self::begin(path, resume, None, Owner::Temporary(temporary), args, run.trains);
        }
        let path = run.out.clone();
        fs::create_dir_all(&path).map_err(io_error("create the folder", &path))?;
        if !run.trains && files_of(&path).any(|name| name == ModelFile::NAME || is(&name, CHECKPOINT)) {
            return Err(RunError::OwnFolder { path });
        }
        let is_free = run.force || matches!(resume, Resume::Own(_));
        let refused = || {
            let resumable = files_of(&path).any(|name| is(&name, CHECKPOINT));
            Err(RunError::Taken { resumable, path: path.clone() })
        };
        // What another program left there gets no file of ours.
        if !is_free && is_taken(&path)? && !path.join(LOCK).exists() {
            return refused();
        }
        let owner = lock(&path)?;
        remove_left(&path);
        // Once more: another run may have ended in between.
        if !is_free && is_taken(&path)? {
            return refused();
        }
        match resume {
            Resume::Own(_) => same_flags(&path.join(ARGS), &args)?,
            _ if run.trains => remove_run(&path, &resume)?,
            _ => {}
        }
        Self::begin(path, resume, run.save.cloned(), Owner::Lock(owner), args, run.trains)
    }

    fn begin(
        path: PathBuf,
        resume: Resume,
        save: Option<PathBuf>,
        owner: Owner,
        args: Value,
        trains: bool,
    ) -> Result<Self, RunError> {
        let (origin, identity) = (origin(&args), if trains { identity(&args)? } else { Value::Null });
        if trains {
            same_on_all_ranks(&args, &identity)?;
        }
        let folder = Self { path, part: None, resume, save, origin, identity, args, _owner: Arc::new(owner) };
        if trains {
            folder.write_args()?;
        }
        Ok(folder)
    }

    /// Writes all flags to `args.json`.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be written.
    pub(super) fn write_args(&self) -> Result<(), RunError> {
        let file = self.file(ARGS);
        write_aside(&file, format!("{:#}\n", self.args).as_bytes()).map_err(io_error("write", &file))
    }

    /// The same folder for one of several models that a run trains. Its checkpoint is `checkpoint-NAME.safetensors` and
    /// its metrics are `metrics-NAME.csv`. With `--resume` it goes on from that checkpoint, or begins if there is none.
    ///
    /// # Errors
    /// [`RunError::SeveralModels`] if `--resume FILE` is given.
    pub fn part(&self, name: &str) -> Result<Self, RunError> {
        match &self.resume {
            Resume::From(path) => Err(RunError::SeveralModels { path: path.clone() }),
            _ => Ok(Self { part: Some(name.to_owned()), ..self.clone() }),
        }
    }

    /// The program, its version, and its flags but for paths.
    pub(super) fn origin(&self) -> &Value {
        &self.origin
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The checkpoint to go on from, with `--resume`.
    ///
    /// # Errors
    /// [`RunError`] if it is not there, cannot be read, or was made with other flags or from other data.
    pub fn resumed(&self) -> Result<Option<Checkpoint>, RunError> {
        let ranks = Ranks::world();
        if !ranks.are_several() {
            return self.own_checkpoint();
        }
        let own = if ranks.is_first() { self.own_checkpoint()? } else { None };
        let bytes = ranks.of_first(own.as_ref().map(Checkpoint::to_bytes));
        Ok(own.or_else(|| bytes.map(|bytes| Checkpoint::sent(&bytes))))
    }

    fn own_checkpoint(&self) -> Result<Option<Checkpoint>, RunError> {
        let path = match &self.resume {
            Resume::No => return Ok(None),
            Resume::Own(folder) => folder.join(file_name(CHECKPOINT, self.part.as_deref())),
            Resume::From(file) => file.clone(),
        };
        match (path.is_file(), &self.part) {
            (true, _) => {
                let checkpoint = Checkpoint::load(&path)?;
                // Another program's has no such entry.
                if let Ok(text) = checkpoint.value::<String>(IDENTITY) {
                    same(&path, &parsed(&path, &text)?, &self.identity)?;
                }
                Ok(Some(checkpoint))
            }
            (false, Some(_)) => Ok(None),
            (false, None) => Err(RunError::NothingToResume { path }),
        }
    }

    /// Writes the checkpoint of the run, and a copy to the file of `--save`. The copy for a part of the run has its name
    /// before the extension, as the checkpoint itself.
    ///
    /// # Errors
    /// [`CheckpointError`] if a file cannot be written.
    pub fn save(&self, mut checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        if !Ranks::world().is_first() {
            return Ok(());
        }
        checkpoint.set(IDENTITY, &self.identity);
        checkpoint.save(&self.file(&file_name(CHECKPOINT, self.part.as_deref())))?;
        let Some(path) = &self.save else { return Ok(()) };
        let Some(part) = &self.part else { return checkpoint.save(path) };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let copy = path.with_file_name(format!("{stem}-{part}"));
        checkpoint.save(&copy.with_added_extension(path.extension().unwrap_or_default()))
    }

    /// Opens the metrics with the columns `epoch` and `header`. It keeps the rows of the first `epochs` of a resumed run.
    ///
    /// Write the row of an epoch before its checkpoint: then rows are neither lost nor doubled, whenever a run ends.
    ///
    /// # Errors
    /// [`RunError`] if the file cannot be read or written, or if it has other columns.
    pub fn metrics(&self, header: &[&str], epochs: usize) -> Result<Metrics, RunError> {
        Metrics::open(self.file(&file_name(METRICS, self.part.as_deref())), header, epochs)
    }
}

/// The flags of an example by their names. They go through text, which takes less code in each program than a value does.
pub(super) fn flags(all: &impl Serialize) -> Value {
    value_of(&serde_json::to_string(all).expect("flags are plain values, and paths are written by path_text"))
}

fn value_of(json: &str) -> Value {
    serde_json::from_str(json).expect("it is JSON")
}

/// The program, its version, and its flags but for those that may change when a run goes on; files without their folders.
fn origin(args: &Value) -> Value {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_stem().unwrap_or_default().to_string_lossy();
    let flags = args.as_object().into_iter().flatten();
    let flags: serde_json::Map<_, _> = flags
        .filter(|(flag, _)| *flag == "epochs" || !FREE.contains(&flag.as_str()))
        .map(|(flag, value)| match value.as_str().filter(|_| FILES.contains(&flag.as_str())) {
            // A model is handed on: the folders of who trained it are nobody's business.
            Some(path) => {
                (flag.clone(), json!(Path::new(path).file_name().map(|name| name.to_string_lossy())))
            }
            None => (flag.clone(), value.clone()),
        })
        .collect();
    json!({ "program": program, "version": env!("CARGO_PKG_VERSION"), "flags": flags })
}

/// The flags that may not change when a run goes on, and what the files hold that they name: of a folder, those that were read.
fn identity(args: &Value) -> Result<Value, RunError> {
    let flags = args.as_object().into_iter().flatten();
    // Of a file it is the contents that count, wherever it lies.
    let fixed = flags.filter(|(flag, _)| !FREE.contains(&flag.as_str()) && !FILES.contains(&flag.as_str()));
    let mut identity: serde_json::Map<_, _> =
        fixed.map(|(flag, value)| (flag.clone(), value.clone())).collect();
    for flag in FILES.into_iter().chain([DATA]) {
        let Some(path) = args[flag].as_str().map(Path::new) else { continue };
        if !path.is_file() {
            if let Some(contents) = contents_below(path) {
                identity.insert(format!("contents of --{flag}"), contents.into());
            }
            continue;
        }
        let mut file = CrcReader::new(File::open(path).map_err(io_error("read", path))?);
        let bytes = io::copy(&mut file, &mut io::sink()).map_err(io_error("read", path))?;
        let contents = format!("{bytes} bytes, CRC-32 {:08x}", file.crc().sum());
        identity.insert(format!("contents of --{flag}"), contents.into());
    }
    Ok(identity.into())
}

/// That all ranks of MPI would do the same, and may exchange what they do.
fn same_on_all_ranks(args: &Value, identity: &Value) -> Result<(), RunError> {
    let ranks = Ranks::world();
    if !ranks.are_several() {
        return Ok(());
    }
    ranks.check().map_err(|reason| RunError::System { what: "MPI", reason })?;
    let program = std::env::current_exe().and_then(fs::read);
    let program = program.map_err(io_error("read", Path::new("the file of this program")))?;
    let is_free =
        |flag: &str| FILES.contains(&flag) || [DATA, "out", "save", "resume", "threads"].contains(&flag);
    let flags = args.as_object().into_iter().flatten().filter(|(flag, _)| !is_free(flag));
    let flags: String = flags.map(|(flag, value)| format!("{flag} {value}\n")).collect();
    let checksum = |bytes: &[u8]| {
        let mut crc = Crc::new();
        crc.update(bytes);
        crc.sum()
    };
    let [program, flags, data] = [&program, flags.as_bytes(), identity.to_string().as_bytes()].map(checksum);
    // The rounding of what every rank computes for itself, such as the step of the optimiser.
    let vectors = Vectors::in_use() as u32;
    let names = [
        "another build of the program",
        "other flags",
        "other data",
        "other vector instructions (AUTOGRAD_VECTORS narrows them)",
    ];
    match ranks.differing([program, flags, data, vectors]) {
        None => Ok(()),
        Some((rank, what)) => Err(RunError::Ranks { rank, what: names[what] }),
    }
}

/// Whether a folder holds more than a lock and the flags of a run that failed before it had anything to show.
fn is_taken(folder: &Path) -> Result<bool, RunError> {
    let mut files = fs::read_dir(folder).map_err(io_error("read the folder", folder))?;
    let is_ours = |name: OsString| name == LOCK || name == ARGS;
    Ok(files.any(|entry| entry.is_ok_and(|entry| !is_ours(entry.file_name()))))
}

/// Locks a folder for this process: a file in it, with the number of the process as its text.
fn lock(folder: &Path) -> Result<File, RunError> {
    let path = folder.join(LOCK);
    let mut options = File::options();
    let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(io_error("write", &path))?;
    // A program that this process is just starting holds all its locks for a moment.
    let mut locked = file.try_lock();
    for _ in 0..10 {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            if !text.is_empty() && text.trim().parse::<u32>().is_err() {
                return Err(RunError::ForeignLock { path });
            }
            file.rewind().map_err(io_error("write", &path))?;
            let id = format!("{}\n", process::id());
            let written = file.set_len(0).and_then(|()| file.write_all(id.as_bytes()));
            written.map_err(io_error("write", &path)).map(|()| file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text); // some systems let nobody read what is locked
            Err(RunError::Running { path: folder.to_owned(), process: text.trim().parse().ok() })
        }
        Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
    }
}

/// A new folder among the system's temporary files. It is removed when this is dropped.
fn temporary() -> Result<Unfinished, RunError> {
    let parent = std::env::temp_dir();
    let mut number = 0;
    loop {
        let path = parent.join(format!("nn-run-{}-{number}", process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(Unfinished::new(path)),
            // Another run of this process has it, or an earlier process of this number left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io_error("create a folder in", &parent)(error)),
        }
    }
}

/// `name.extension`, or `name-part.extension`.
fn file_name((name, extension): (&str, &str), part: Option<&str>) -> String {
    match part {
        None => format!("{name}.{extension}"),
        Some(part) => format!("{name}-{part}.{extension}"),
    }
}

/// Whether a file has this name, for the run or for a part of it.
pub(super) fn is(file: &str, (name, extension): (&str, &str)) -> bool {
    let middle = file.strip_prefix(name).and_then(|rest| rest.strip_suffix(extension)?.strip_suffix('.'));
    middle.is_some_and(|middle| middle.is_empty() || middle.starts_with('-'))
}

/// The names of the files in a folder; none if it cannot be read.
pub(super) fn files_of(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// Removes the files of an earlier run. What another program put into the folder stays, and so does the checkpoint to go
/// on from.
fn remove_run(folder: &Path, resume: &Resume) -> Result<(), RunError> {
    let whole = [ARGS, ModelFile::NAME, Report::NAME];
    let old = files_of(folder)
        .filter(|name| whole.contains(&name.as_str()) || is(name, METRICS) || is(name, CHECKPOINT));
    for path in old.map(|name| folder.join(name)).collect::<Vec<_>>() {
        if !matches!(resume, Resume::From(file) if *file == path) {
            fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(io_error("remove", &path)(error)),
            })?;
        }
    }
    Ok(())
}

/// A run goes on with the flags that it was begun with. With others it would be neither of two runs.
fn same_flags(path: &Path, now: &Value) -> Result<(), RunError> {
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    same(path, &parsed(path, &text)?, now)
}

fn parsed(path: &Path, text: &str) -> Result<Value, RunError> {
    let damaged =
        |error: serde_json::Error| RunError::Damaged { path: path.into(), reason: error.to_string() };
    serde_json::from_str(text).map_err(damaged)
}

/// Refuses flags that differ from those that a file names.
fn same(path: &Path, then: &Value, now: &Value) -> Result<(), RunError> {
    let flags: BTreeSet<_> =
        [then, now].into_iter().filter_map(Value::as_object).flat_map(|flags| flags.keys()).collect();
    let differences: Vec<_> = flags
        .into_iter()
        .filter(|flag| !FREE.iter().chain(&EVALUATION).any(|free| free == flag) && then[flag] != now[flag])
        .map(|flag| format!("{flag} was {}, is {}", then[flag], now[flag]))
        .collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(RunError::OtherFlags { path: path.into(), differences: differences.join(", ") }),
    }
}
