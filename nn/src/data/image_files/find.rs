//! Which files of a folder are images, and of which class.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::data::DataError;

/// The image files of a folder.
pub(super) struct Found {
    /// Paths from the folder, class by class, sorted.
    pub(super) files: Vec<PathBuf>,
    /// The class of each file, all 0 without classes.
    pub(super) labels: Vec<u8>,
    /// The names of subfolders with images, sorted.
    pub(super) classes: Vec<String>,
    /// What is no image, paths from the folder.
    pub(super) others: Vec<PathBuf>,
    /// The names of subfolders without images.
    pub(super) empty: Vec<String>,
}

/// What is in a folder: images, folders, and all else; each sorted by name.
#[derive(Default)]
struct Entries {
    images: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

/// Labels are bytes.
const MOST_CLASSES: usize = 256;

impl Found {
    pub(super) fn of(path: &Path) -> Result<Self, DataError> {
        if path.is_file() {
            // A single file is a folder of its own, whatever its name.
            let file = path.file_name().map_or_else(|| path.to_owned(), PathBuf::from);
            return Ok(Self {
                files: vec![file],
                labels: vec![0],
                classes: vec![],
                others: vec![],
                empty: vec![],
            });
        }
        let refuse = |reason: String| DataError::ImageFiles { folder: path.display().to_string(), reason };
        let Entries { images, folders, mut others } = entries(path, Path::new(""))?;
        if folders.is_empty() {
            let labels = vec![0; images.len()];
            return Self { files: images, labels, classes: vec![], others, empty: vec![] }.some(path);
        }
        let (mut files, mut labels, mut classes, mut empty) = (vec![], vec![], vec![], vec![]);
        for folder in folders {
            let inner = entries(path, &folder)?;
            others.extend(inner.folders.into_iter().chain(inner.others));
            let name = folder.to_string_lossy().into_owned();
            if inner.images.is_empty() {
                empty.push(name);
                continue;
            }
            if classes.len() == MOST_CLASSES {
                return Err(refuse(format!(
                    "expected at most {MOST_CLASSES} folders of classes, found more; move some away"
                )));
            }
            labels.extend(vec![classes.len() as u8; inner.images.len()]);
            files.extend(inner.images);
            classes.push(name);
        }
        match (images.first(), classes.first()) {
            (Some(image), Some(class)) => Err(refuse(format!(
                "expected all images in folders of their classes, found {} beside the folder {class}; move it into the folder \
                 of its class, or the folders away",
                image.display()
            ))),
            // Folders of other things beside images are no classes.
            (Some(_), None) => {
                Ok(Self { labels: vec![0; images.len()], files: images, classes, others, empty })
            }
            (None, _) => Self { files, labels, classes, others, empty }.some(path),
        }
    }

    /// This, unless there are no images.
    fn some(self, path: &Path) -> Result<Self, DataError> {
        if !self.files.is_empty() {
            return Ok(self);
        }
        let found = match self.others.is_empty() {
            true => "no files".to_owned(),
            false => named(&self.others),
        };
        let reason = format!(
            "expected .png, .jpg or .jpeg files, or folders of them, a folder for each class; found {found}; give the folder \
             that holds them, or save the images in one of these formats"
        );
        Err(DataError::ImageFiles { folder: path.display().to_string(), reason })
    }
}

/// What lies in the folder `inner` of `root`, as paths from `root`.
fn entries(root: &Path, inner: &Path) -> Result<Entries, DataError> {
    let folder = if inner.as_os_str().is_empty() { root.to_owned() } else { root.join(inner) };
    let refused = |reason| DataError::Open { file: folder.display().to_string(), reason };
    let mut entries = Entries::default();
    for entry in fs::read_dir(&folder).map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        let path = inner.join(&name);
        // A link counts as what it leads to.
        let kind = match root.join(&path).is_dir() {
            _ if name.to_string_lossy().starts_with('.') => &mut entries.others,
            true => &mut entries.folders,
            false if is_image(&path) => &mut entries.images,
            false => &mut entries.others,
        };
        kind.push(path);
    }
    for paths in [&mut entries.images, &mut entries.folders, &mut entries.others] {
        paths.sort();
    }
    Ok(entries)
}

/// Whether a name is that of an image.
fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| ["png", "jpg", "jpeg"].contains(&&*extension))
}

/// How many paths there are and the first of them, for a message.
pub(super) fn named(paths: &[PathBuf]) -> String {
    const MOST: usize = 4;
    let first: Vec<_> = paths.iter().take(MOST).map(|path| path.display().to_string()).collect();
    let more = if paths.len() > MOST { ", …" } else { "" };
    let files = if paths.len() == 1 { "other file" } else { "other files" };
    format!("{} {files} ({}{more})", paths.len(), first.join(", "))
}
