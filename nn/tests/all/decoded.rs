//! Pictures, read back from their files.

use std::fs::{self, File};
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use nn::picture::PictureError;
use tempfile::tempdir;

/// A decoded picture: width, height, pixels as (red, green, blue).
pub(crate) struct Decoded {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<[u8; 3]>,
}

fn decode(path: &Path) -> Decoded {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = match info.color_type {
        png::ColorType::Grayscale => bytes.iter().map(|v| [*v; 3]).collect(),
        png::ColorType::Rgb => bytes.as_chunks().0.to_vec(),
        other => panic!("{other:?}"),
    };
    Decoded { width: info.width as usize, height: info.height as usize, pixels }
}

impl Decoded {
    /// How many pixels have a colour: not white, not grey.
    pub(crate) fn coloured(&self) -> usize {
        self.pixels.iter().filter(|[r, g, b]| r.abs_diff(*g).max(g.abs_diff(*b)) > 30).count()
    }

    /// These columns of pixels.
    pub(crate) fn columns(&self, columns: Range<usize>) -> Self {
        let rows = self.pixels.chunks_exact(self.width);
        let pixels = rows.flat_map(|row| row[columns.clone()].to_vec()).collect();
        Self { width: columns.len(), height: self.height, pixels }
    }

    pub(crate) fn dark(&self) -> usize {
        self.pixels.iter().filter(|pixel| pixel.iter().all(|v| *v < 100)).count()
    }
}

pub(crate) fn draw(save: impl FnOnce(&Path) -> Result<(), PictureError>) -> Decoded {
    let folder = tempdir().unwrap();
    let path = folder.path().join("picture.png");
    save(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 300_000);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    decode(&path)
}
