//! What the files held that this process has read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Crc;

/// The number of bytes and the CRC-32 of what was read, unpacked, by file. Readers are called from many places, and what they have
/// read is known only to them.
static READ: Mutex<BTreeMap<PathBuf, (u64, u32)>> = Mutex::new(BTreeMap::new());

/// Notes what a file holds when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Contents {
    file: Option<PathBuf>,
    bytes: u64,
    crc: Crc,
}

impl Contents {
    pub(super) fn of(file: &Path) -> Self {
        let (bytes, crc) = (0, Crc::new());
        Self { file: Some(file.to_owned()), bytes, crc }
    }

    /// Adds what was read next.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc.update(bytes);
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(file, (self.bytes, self.crc.sum()));
        }
    }
}

/// What the files below a folder hold that were read, in a line; none if none was. A file that was packed since is the same.
#[cfg(feature = "run")]
pub(crate) fn contents_below(folder: &Path) -> Option<String> {
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let mut files: Vec<(String, u64, u32)> = Vec::new();
    for (file, (bytes, sum)) in read.iter() {
        let Ok(name) = file.strip_prefix(folder) else { continue };
        let name = name.to_string_lossy();
        files.push((name.strip_suffix(".gz").unwrap_or(&name).to_owned(), *bytes, *sum));
    }
    // By name without the suffix, which would put `a.gz` behind `a-b`.
    files.sort_unstable();
    let (mut all, mut crc) = (0, Crc::new());
    for (name, bytes, sum) in &files {
        crc.update(format!("{name} {bytes} {sum:08x}\n").as_bytes());
        all += bytes;
    }
    let files_of = if files.len() == 1 { "file" } else { "files" };
    (!files.is_empty()).then(|| format!("{} {files_of}, {all} bytes, CRC-32 {:08x}", files.len(), crc.sum()))
}
