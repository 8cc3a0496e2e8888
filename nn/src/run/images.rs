//! The flags of programs that read images of one's own.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Counter, RunError};
use crate::data::{Backdrop, DataError, Idx, ImageFolder, ImageFormat, ImageOptions, Matrix};
use crate::{errln, outln};

/// Above these flags in the help.
const HEADING: &str = "Images of your own";

/// A folder of images, and how they are read. An example adds these flags to its own by `#[command(flatten)]` and
/// `#[serde(flatten)]`.
#[derive(Clone, Debug, Default, clap::Args, Serialize)]
pub struct ImageArgs {
    /// Read PNG and JPEG files from this folder; its subfolders are the classes
    #[arg(long, help_heading = HEADING, value_name = "FOLDER", conflicts_with = "data")]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "super::path_text")]
    pub images: Option<PathBuf>,
    /// Bring all images to this size in pixels, such as 28x28 [default: the size that most of them have]
    #[arg(long, help_heading = HEADING, value_name = "HEIGHTxWIDTH", value_parser = size, requires = "images")]
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<[usize; 2]>,
    #[command(flatten)]
    #[serde(flatten)]
    style: ImageStyle,
}

/// How images of any size are read. It is a part of [`ImageArgs`], and stands alone where the size is known already.
#[derive(Clone, Debug, Default, clap::Args, Serialize)]
pub struct ImageStyle {
    /// Exchange light and dark: dark strokes on white paper become light ones on black, as MNIST's are
    #[arg(long, help_heading = HEADING)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    invert: bool,
    /// What transparent pixels lie over [default: white]
    #[arg(long, help_heading = HEADING, value_name = "COLOUR", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    backdrop: Option<Behind>,
    /// Leave out files that cannot be read
    #[arg(long, help_heading = HEADING)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skip_damaged: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Behind {
    White,
    Black,
}

/// Parses a height and a width.
fn size(text: &str) -> Result<[usize; 2], String> {
    const MOST: usize = 4096;
    let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=MOST).contains(side));
    let sides =
        text.split_once(['x', 'X', '×']).and_then(|(height, width)| Some([side(height)?, side(width)?]));
    sides.ok_or_else(|| format!("expected HEIGHTxWIDTH in pixels, such as 28x28, each from 1 to {MOST}"))
}

impl ImageArgs {
    /// The images of `--images`, if it is given. Prints on standard output in one line what was read, and on standard error what
    /// a user should know of it, and progress if it takes more than two seconds.
    ///
    /// # Errors
    /// Those of [`ImageFolder::read`]; [`RunError::NoImages`] if a flag of images is given without them.
    pub fn read(&self) -> Result<Option<ImageFolder>, RunError> {
        match &self.images {
            Some(folder) => Ok(Some(self.style.read(folder, self.size)?)),
            None => self.style.without_images().map(|()| None),
        }
    }
}

impl ImageStyle {
    /// Reads a folder of images, or a single one, and brings them to this height and width. Prints as [`ImageArgs::read`] does.
    ///
    /// # Errors
    /// Those of [`ImageFolder::read`].
    pub fn read(&self, path: &Path, size: Option<[usize; 2]>) -> Result<ImageFolder, DataError> {
        read_folder(path, &self.options(size))
    }

    /// Reads images for a trained model: an IDX file, a folder of images, or a single one. They are brought to the form of those
    /// that the model was trained on, unless a flag says otherwise. Prints as [`ImageArgs::read`] does.
    ///
    /// # Errors
    /// Those of [`Idx::read`] and [`ImageFolder::read`]; [`DataError::ImageFiles`] for an IDX file with images of another size.
    pub fn read_for(&self, path: &Path, form: &ImageFormat) -> Result<NewImages, DataError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if path.is_dir() || ["png", "jpg", "jpeg"].contains(&&*extension) {
            let given = self.options(None);
            let options = form.options();
            let invert = options.invert || given.invert;
            let backdrop = if self.backdrop.is_some() { given.backdrop } else { options.backdrop };
            let options = ImageOptions { invert, backdrop, skip_damaged: given.skip_damaged, ..options };
            let ImageFolder { set, files, classes, .. } = read_folder(path, &options)?;
            let class = |label: &u8| classes.get(usize::from(*label)).cloned();
            let classes = set.labels.iter().filter_map(class).collect();
            return Ok(NewImages { images: form.apply(set.images), files, classes });
        }
        let (idx, file) = (Idx::read(path)?, path.display().to_string());
        let [_, height, width] = idx.shape[..] else {
            return Err(DataError::NotThese {
                file,
                shape: idx.shape,
                expected: "images (count, height, width)",
            });
        };
        if [height, width] != [form.height, form.width] {
            let reason = format!(
                "expected images of {}x{} pixels, which the model was trained on, found {height}x{width}",
                form.height, form.width
            );
            return Err(DataError::ImageFiles { folder: file, reason });
        }
        let mut images = idx.into_images(&file)?;
        if self.invert {
            images = images.map(|grey| 1.0 - grey);
        }
        match images.rows {
            0 => Err(DataError::Empty { file }),
            count => {
                outln!("{file}: {count} images of {height}x{width} grey pixels");
                Ok(NewImages { images: form.apply(images), files: Vec::new(), classes: Vec::new() })
            }
        }
    }

    /// What the flags say, for the reader, with this height and width.
    pub fn options(&self, size: Option<[usize; 2]>) -> ImageOptions {
        let backdrop = match self.backdrop {
            None | Some(Behind::White) => Backdrop::White,
            Some(Behind::Black) => Backdrop::Black,
        };
        ImageOptions { size, invert: self.invert, backdrop, skip_damaged: self.skip_damaged }
    }

    /// Refuses these flags, for a run that reads no images.
    ///
    /// # Errors
    /// [`RunError::NoImages`] if one is given.
    pub fn without_images(&self) -> Result<(), RunError> {
        let given = [
            ("invert", self.invert),
            ("backdrop", self.backdrop.is_some()),
            ("skip-damaged", self.skip_damaged),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(RunError::NoImages { flag }),
            None => Ok(()),
        }
    }
}

/// Images for a trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImages {
    /// The images, one in each row.
    pub images: Matrix<f32>,
    /// The file of each, as a path from the folder; none for the images of an IDX file.
    pub files: Vec<PathBuf>,
    /// The name of the subfolder of each; none if they do not lie in subfolders.
    pub classes: Vec<String>,
}

/// Reads a folder, with progress, and prints what was read.
fn read_folder(path: &Path, options: &ImageOptions) -> Result<ImageFolder, DataError> {
    let progress = Counter::new("images", 0);
    let read = ImageFolder::read(path, options, &|done, of| progress.at(done, done as f64 / of as f64));
    drop(progress);
    read.inspect(|folder| {
        let classes = match folder.classes.len() {
            0 => "no classes, which would be subfolders".to_owned(),
            _ => format!("classes {}", listed(&folder.classes)),
        };
        let (count, format) = (folder.set.len(), &folder.format);
        let images = if count == 1 { "image" } else { "images" };
        outln!(
            "{}: {count} {images} of {}x{} grey pixels; {classes}",
            path.display(),
            format.height,
            format.width
        );
        folder.notes.iter().for_each(|note| errln!("note: {note}"));
    })
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    const MOST: usize = 10;
    let more = if names.len() > MOST { format!(", … ({} in all)", names.len()) } else { String::new() };
    format!("{}{more}", names[..names.len().min(MOST)].join(", "))
}
