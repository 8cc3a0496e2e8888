//! What holds of reading and preparing data.

mod bytes;
mod guesses;
mod image_files;
mod images;
mod kinds;
mod reader;
mod real;
mod rows;
mod tables;
mod texts;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::{Compression, write::GzEncoder};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// An IDX file of the given type, sizes and contents, which need not agree.
fn idx_file(code: u8, shape: &[u32], contents: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, code, shape.len() as u8].into_iter().chain(sizes).chain(contents.iter().copied()).collect()
}

/// A new folder in the system's place for temporary ones; gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nn-data-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.0.join(name), bytes).unwrap();
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `DATA_DIR`, or a line that says that the test was skipped.
fn data_dir(test: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("DATA_DIR").map(PathBuf::from);
    if dir.is_none() {
        // Past the test harness, which would keep a passing test's words to itself.
        let _ = writeln!(std::io::stderr(), "skipped: DATA_DIR is not set ({test})");
    }
    dir
}

macro_rules! assert_fails {
    ($result:expr, $pattern:pat, $($part:expr),+) => {
        let error = $result.expect_err("should be refused");
        let message = error.to_string();
        assert!(matches!(error, $pattern), "{message}");
        $(assert!(message.contains($part), "{:?} is not in {message:?}", $part);)+
    };
}

use assert_fails;
