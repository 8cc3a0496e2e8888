//! The bytes of a file, unpacked if it is gzipped.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use super::DataError;
use super::contents::Contents;

/// A file or bytes in memory, plain or gzipped, with its name for messages.
pub(super) struct Source<'a> {
    pub(super) file: String,
    reader: Box<dyn Read + 'a>,
    /// The number of bytes that were read.
    byte: u64,
    /// The number of bytes that were read of the file itself, and of all that it has; 0 if that is not known.
    raw: Rc<Cell<u64>>,
    size: u64,
    contents: Contents,
}

/// A reader that counts.
struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(out)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let file = path.display().to_string();
        // A system may open a folder and refuse to read from it.
        if path.is_dir() {
            return Err(DataError::Folder { file });
        }
        match File::open(path) {
            Ok(reader) => {
                let size = reader.metadata().map_or(0, |metadata| metadata.len());
                Ok(Self { size, contents: Contents::of(path), ..Self::new(file, reader)? })
            }
            Err(reason) => Err(DataError::Open { file, reason }),
        }
    }

    pub(super) fn bytes(bytes: &'a [u8]) -> Result<Self, DataError> {
        Self::new("the given bytes".into(), bytes)
    }

    fn new(file: String, reader: impl Read + 'a) -> Result<Self, DataError> {
        let count = Rc::new(Cell::new(0));
        let reader = Box::new(Counted { reader, count: count.clone() });
        let contents = Contents::default;
        let mut raw = Self { file, reader, byte: 0, raw: count, size: 0, contents: contents() };
        let head = raw.take(2)?;
        let gzip = head == [0x1f, 0x8b];
        let whole = Cursor::new(head).chain(raw.reader);
        let reader: Box<dyn Read + 'a> =
            if gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        Ok(Self { file: raw.file, reader, byte: 0, raw: raw.raw, size: 0, contents: contents() })
    }

    /// The share of the file that was read, from 0 to 1; 0 if its size is not known.
    pub(super) fn share(&self) -> f64 {
        if self.size == 0 { 0.0 } else { (self.raw.get() as f64 / self.size as f64).min(1.0) }
    }

    /// The next `limit` bytes, or fewer if the file ends before. Memory grows with the bytes read, not with `limit`.
    pub(super) fn take(&mut self, limit: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(limit).read_to_end(&mut bytes);
        self.byte += bytes.len() as u64;
        self.contents.add(&bytes);
        match read {
            Ok(_) => Ok(bytes),
            Err(reason) => Err(DataError::Read { file: self.file.clone(), byte: self.byte, reason }),
        }
    }

    /// Exactly the next `size` bytes.
    pub(super) fn take_all(&mut self, size: usize) -> Result<Vec<u8>, DataError> {
        let bytes = self.take(size as u64)?;
        match size - bytes.len() {
            0 => Ok(bytes),
            missing => Err(DataError::CutShort { file: self.file.clone(), end: self.byte as usize, missing }),
        }
    }
}
