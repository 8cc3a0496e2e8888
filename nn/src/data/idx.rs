//! IDX files, the format of MNIST: a type, a shape, and the values, big-endian.
//!
//! ```text
//! 00 00 tt dd    tt: 08 = u8, 0d = f32; dd: number of dimensions
//! nn nn nn nn    the size of each dimension
//! …              the values, last dimension fastest
//! ```

use std::path::Path;

use super::source::Source;
use super::{DataError, Matrix};

/// The contents of an IDX file.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// The size of each dimension; there is at least one.
    pub shape: Vec<usize>,
    /// The values, with the last dimension fastest.
    pub values: IdxValues,
}

/// The values of an IDX file.
#[derive(Clone, Debug, PartialEq)]
pub enum IdxValues {
    /// Bytes, type 08.
    U8(Vec<u8>),
    /// Numbers, type 0d; all are finite.
    F32(Vec<f32>),
}

impl Idx {
    /// Reads an IDX file, plain or gzipped.
    ///
    /// # Errors
    /// [`DataError`] if the file cannot be read, is not IDX of a known type, holds fewer or more values than its header
    /// says, or a value that is not finite.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        decode(Source::open(path.as_ref())?)
    }

    /// Reads the bytes of an IDX file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(bytes: &[u8]) -> Result<Self, DataError> {
        decode(Source::bytes(bytes)?)
    }

    /// The values as a matrix with a row for each index of the first dimension. Bytes are scaled by 1/255 to \[0, 1\], `f32`
    /// values stay as they are.
    pub fn into_matrix(self) -> Matrix<f32> {
        let values = match self.values {
            IdxValues::U8(bytes) => bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
            IdxValues::F32(values) => values,
        };
        Matrix::new(self.shape[0], self.shape[1..].iter().product(), values)
    }

    /// [`into_matrix`](Self::into_matrix) for images, read from this file: grey values from 0, black, to 1, white. They may lie
    /// half of that beyond, as those of a rotated image do that was interpolated.
    ///
    /// # Errors
    /// [`DataError::Grey`] for the first pixel beyond, as in an image of `f32` values that go up to 255.
    pub fn into_images(self, file: &str) -> Result<Matrix<f32>, DataError> {
        let images = self.into_matrix();
        match images.values.iter().position(|grey| !(-0.5..=1.5).contains(grey)) {
            Some(at) => {
                let (row, column, value) = (at / images.cols, at % images.cols, images.values[at]);
                Err(DataError::Grey { file: file.to_owned(), row, column, value })
            }
            None => Ok(images),
        }
    }
}

fn decode(mut source: Source<'_>) -> Result<Idx, DataError> {
    let magic = source.take(4)?;
    let [0, 0, code @ (0x08 | 0x0d), rank @ 1..=255] = magic[..] else {
        return Err(DataError::NotIdx { file: source.file, magic });
    };
    let sizes = source.take_all(4 * usize::from(rank))?;
    let shape: Vec<_> = sizes.as_chunks().0.iter().map(|&b| u32::from_be_bytes(b) as usize).collect();
    let width = if code == 0x08 { 1 } else { 4 };
    // A size of 0 must not hide that the others' product overflows.
    if shape.iter().try_fold(width, |n: usize, &size| n.checked_mul(size.max(1))).is_none() {
        return Err(DataError::ShapeTooLarge { file: source.file, shape });
    }
    let bytes = source.take_all(width * shape.iter().product::<usize>())?;
    // Asking for one more byte also makes gzip compare its checksum.
    if !source.take(1)?.is_empty() {
        let end = magic.len() + sizes.len() + bytes.len();
        return Err(DataError::TooLong { file: source.file, end, shape });
    }
    if code == 0x08 {
        return Ok(Idx { shape, values: IdxValues::U8(bytes) });
    }
    let values: Vec<_> = bytes.as_chunks().0.iter().map(|&b| f32::from_be_bytes(b)).collect();
    match values.iter().position(|x| !x.is_finite()) {
        Some(entry) => Err(DataError::NotFinite { file: source.file, entry, value: values[entry] }),
        None => Ok(Idx { shape, values: IdxValues::F32(values) }),
    }
}
