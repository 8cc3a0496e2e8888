//! Files that have another name until they are whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is not whole: it is of the process, as are the signals that end it.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file or folder that is removed when this is dropped, or when a signal [ends the process](abandon).
#[derive(Debug)]
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    pub(crate) fn new(path: PathBuf) -> Self {
        unfinished().insert(path.clone());
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        if unfinished.remove(&self.0) {
            remove(&self.0);
        }
    }
}

fn remove(path: &Path) {
    // Nothing can be done about what stays.
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// A file that will take the place of an old one once it is whole: a reader sees the old file or the new one.
#[derive(Debug)]
pub(crate) struct Aside {
    file: File,
    aside: Unfinished,
    path: PathBuf,
}

impl Aside {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
        let aside = Unfinished::new(path.with_file_name(format!(".{name}.{}", process::id())));
        Ok(Self { file: File::create(aside.path())?, aside, path: path.to_owned() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Waits for the disk, then gives the file its name.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        let mut unfinished = unfinished();
        fs::rename(self.aside.path(), &self.path)?;
        unfinished.remove(self.aside.path());
        drop(unfinished);
        Ok(())
    }
}

/// Writes a whole file in the place of an old one.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = Aside::create(path)?;
    aside.write(bytes)?;
    aside.finish()
}

/// Removes what is not whole, before the process ends. Other threads wait here for the end instead of finishing their files.
#[cfg(feature = "run")]
pub(crate) fn abandon() {
    let unfinished = unfinished();
    unfinished.iter().for_each(|path| remove(path));
    std::mem::forget(unfinished);
}

/// Removes what a process that was killed has left in a folder that is now this process's own.
#[cfg(feature = "run")]
pub(crate) fn remove_left(folder: &Path) {
    let kinds = ["csv", "html", "idx", "json", "png", "safetensors"];
    let is_left = |name: &str| {
        let rest = name.strip_prefix('.').and_then(|name| name.rsplit_once('.'));
        rest.is_some_and(|(name, process)| {
            let kind = Path::new(name).extension().unwrap_or_default().to_string_lossy();
            process.parse::<u32>().is_ok_and(|id| id != process::id()) && kinds.contains(&&*kind)
        })
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_left(&entry.file_name().to_string_lossy()) {
            remove(&entry.path());
        }
    }
}
