//! The bytes of a file, unpacked if it is gzipped.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::DataError;

/// A file or bytes in memory, plain or gzipped, with its name for messages.
pub(super) struct Source<'a> {
    pub(super) file: String,
    reader: Box<dyn Read + 'a>,
    /// The number of bytes that were read.
    byte: u64,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let file = path.display().to_string();
        // A system may open a folder and refuse to read from it.
        if path.is_dir() {
            return Err(DataError::Folder { file });
        }
        match File::open(path) {
            Ok(reader) => Self::new(file, reader),
            Err(reason) => Err(DataError::Open { file, reason }),
        }
    }

    pub(super) fn bytes(bytes: &'a [u8]) -> Result<Self, DataError> {
        Self::new("the given bytes".into(), bytes)
    }

    fn new(file: String, reader: impl Read + 'a) -> Result<Self, DataError> {
        let mut raw = Self { file, reader: Box::new(reader), byte: 0 };
        let head = raw.take(2)?;
        let gzip = head == [0x1f, 0x8b];
        let whole = Cursor::new(head).chain(raw.reader);
        let reader: Box<dyn Read + 'a> =
            if gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        Ok(Self { file: raw.file, reader, byte: 0 })
    }

    /// The next `limit` bytes, or fewer if the file ends before. Memory grows with the bytes read, not with `limit`.
    pub(super) fn take(&mut self, limit: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(limit).read_to_end(&mut bytes);
        self.byte += bytes.len() as u64;
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
