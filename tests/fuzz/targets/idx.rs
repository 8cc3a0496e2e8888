//! Image files: what is read has the values that its shape says, and is written back as it was.
#![no_main]

use flate2::Compression;
use flate2::read::GzEncoder;
use fuzz::{bounded, seeds};
use libfuzzer_sys::fuzz_target;
use nn::data::{Idx, IdxValues};

/// The bytes of a file.
fn file(code: u8, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|&size| (size as u32).to_be_bytes());
    [0, 0, code, shape.len() as u8].into_iter().chain(sizes).chain(values.iter().copied()).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    std::io::Read::read_to_end(&mut GzEncoder::new(bytes, Compression::fast()), &mut packed)
        .expect("in memory");
    packed
}

fuzz_target!(
    init: {
        let images = file(0x08, &[2, 2, 3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 255]);
        let floats = file(0x0d, &[1, 2], &[0, 0, 0, 0, 0x3f, 0x80, 0, 0]);
        let claims = file(0x08, &[0xffff_ffff, 0xffff, 0xffff], &[1, 2, 3]);
        let empty = file(0x08, &[0, 0xffff_ffff, 0xffff_ffff], &[]);
        let zeros = packed(&file(0x08, &[1 << 8, 1 << 8], &[0; 1 << 16]));
        seeds("idx", [packed(&images), packed(&claims), zeros, images, floats, claims, empty]);
    },
    |bytes: &[u8]| {
        let Ok(idx) = bounded(bytes, || Idx::parse(bytes)) else { return };
        let size: usize = idx.shape.iter().product();
        let (code, values) = match &idx.values {
            IdxValues::U8(values) => (0x08, values.clone()),
            IdxValues::F32(values) => (0x0d, values.iter().flat_map(|x| x.to_be_bytes()).collect()),
        };
        assert_eq!(values.len(), size * if code == 0x08 { 1 } else { 4 });
        let again = file(code, &idx.shape, &values);
        assert!(again == bytes || bytes.starts_with(&[0x1f, 0x8b]));
        assert_eq!(Idx::parse(&again).expect("it was written as it was read"), idx);
        let rows = idx.shape[0];
        assert_eq!(bounded(&again, || idx.into_matrix()).rows, rows);
    }
);
