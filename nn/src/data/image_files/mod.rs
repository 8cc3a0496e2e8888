//! Images of one's own: a folder of PNG and JPEG files.

#[cfg(feature = "pictures")]
mod find;
#[cfg(feature = "pictures")]
mod read;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{DataError, ImageFormat, LabelledImages, counts, split};

/// What transparent pixels lie over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backdrop {
    /// White, as paper.
    #[default]
    White,
    /// Black.
    Black,
}

/// How to read image files. The default asks for files of one size, white behind transparent pixels, and every file sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// The height and width that all images are brought to. Without it, the size that more than half of the files have.
    pub size: Option<[usize; 2]>,
    /// Exchanges light and dark: dark strokes on white become light ones on black, as MNIST's are.
    pub invert: bool,
    /// What transparent pixels lie over.
    pub backdrop: Backdrop,
    /// Leaves out files that cannot be read, instead of refusing the folder.
    pub skip_damaged: bool,
}

/// Images that were read from a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFolder {
    /// The images, with the class of each, which is 0 for all if there are no classes.
    pub set: LabelledImages,
    /// The names of the classes, which are those of the subfolders, sorted; none if there are no subfolders.
    pub classes: Vec<String>,
    /// The file of each image, as a path from the folder.
    pub files: Vec<PathBuf>,
    /// How the files became rows.
    pub format: ImageFormat,
    /// What was left out, resized or is otherwise worth knowing, a line each.
    pub notes: Vec<String>,
}

impl ImageFolder {
    /// Reads a folder of PNG and JPEG files, or a single such file.
    ///
    /// Subfolders are classes: their names are sorted, and class 0 is the first. Files are sorted by name. Whether a file is an
    /// image says its extension (`.png`, `.jpg`, `.jpeg`), and which format it has says its contents. Other files, hidden ones
    /// and folders within a class are left out, which a note says.
    ///
    /// Colours become grey by their luminance (Rec. 709), of 8 or 16 bits a channel, and images are turned as their EXIF data
    /// asks. They are stretched to the size that all have, averaged where they get smaller and interpolated where they get
    /// larger. `progress` is told how many files of how many are read, by several threads.
    ///
    /// No file is decoded whose header claims more than 2²⁶ pixels, or more than so few bytes can hold.
    ///
    /// # Errors
    /// [`DataError::ImageFiles`] if there are no images, images lie beside subfolders, or no size is that of most files;
    /// [`DataError::Image`] if a file cannot be read.
    #[cfg(feature = "pictures")]
    pub fn read(
        path: impl AsRef<std::path::Path>,
        options: &ImageOptions,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, DataError> {
        read::folder(path.as_ref(), options, progress)
    }

    /// Deals the images at random into parts of these shares, such as 80 % to train on and 20 % to test on. The same seed gives
    /// the same parts.
    ///
    /// # Errors
    /// [`DataError::FewImages`] if there are fewer than ten.
    ///
    /// # Panics
    /// If a share is negative or not a number, or if they add up to more than 1.
    #[track_caller]
    pub fn split<const K: usize>(
        &self,
        shares: [f64; K],
        seed: u64,
    ) -> Result<[LabelledImages; K], DataError> {
        const LEAST: usize = 10;
        let found = self.set.len();
        if found < LEAST {
            return Err(DataError::FewImages { expected: LEAST, found });
        }
        Ok(split(found, counts(found, shares), seed).map(|rows| self.set.select(&rows)))
    }

    /// Checks that there are two classes or more, for what learns to tell them apart.
    ///
    /// # Errors
    /// [`DataError::FewClasses`] if there are fewer.
    pub fn check_classes(&self) -> Result<(), DataError> {
        match self.classes.len() {
            0 | 1 => Err(DataError::FewClasses { found: self.classes.len() }),
            _ => Ok(()),
        }
    }
}
