//! Images of one's own.

use nn::data::ImageFolder;

use super::classes::Classes;

impl Classes {
    /// The classes of images of one's own. Without any, all images are of one.
    pub(crate) fn of(folder: &ImageFolder) -> Self {
        match folder.classes.is_empty() {
            true => Self { kind: "", names: vec!["image".to_owned()] },
            false => Self { kind: "class", names: folder.classes.clone() },
        }
    }
}
