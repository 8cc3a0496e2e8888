//! What the fuzz targets share: seeds, a folder, and the bound on memory.

use std::alloc::System;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Writes the inputs that a target begins with into its corpus.
pub fn seeds(target: &str, seeds: impl IntoIterator<Item = impl AsRef<[u8]>>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&corpus).expect("the corpus can be written");
    for (i, seed) in seeds.into_iter().enumerate() {
        fs::write(corpus.join(format!("seed-{i}")), seed).expect("the corpus can be written");
    }
}

/// An empty folder for the files that a target makes.
pub fn folder() -> PathBuf {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/files").join(std::process::id().to_string());
    let _ = fs::remove_dir_all(&folder); // of an earlier process of this number
    fs::create_dir_all(&folder).expect("a folder for files");
    folder
}

/// Calls `read`, and panics if all that it allocates together is more than 64 MiB and 100 times the inflated input: then it
/// believed a header.
pub fn bounded<R>(input: &[u8], read: impl FnOnce() -> R) -> R {
    let limit = (64 << 20) + 100 * inflated(input);
    let region = Region::new(ALLOCATOR);
    let result = read();
    let change = region.change();
    let allocated = change.bytes_allocated as u64;
    assert!(allocated <= limit, "{allocated} bytes were allocated for {} bytes", input.len());
    result
}

/// The length of the input after inflating, if it is gzipped.
fn inflated(input: &[u8]) -> u64 {
    let mut inflated = 0;
    if input.starts_with(&[0x1f, 0x8b]) {
        let mut reader = MultiGzDecoder::new(input);
        while let Ok(n @ 1..) = io::Read::read(&mut reader, &mut [0; 4096]) {
            inflated += n as u64;
        }
    }
    inflated.max(input.len() as u64)
}
