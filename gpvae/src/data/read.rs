//! The files of the rotated-digit benchmark.

use std::path::Path;

use nn::data::{DataError, Idx, Matrix};

use super::views::Lists;
use super::{Views, ViewsError};

impl Views {
    /// Reads the rotated-digit benchmark (Casale et al. 2018).
    ///
    /// `images` is an IDX file of shape (objects, views, height, width), plain or gzipped. `split` is a CSV file with a row for
    /// each object, whose columns say what images are for: `role` is `val` for validation, else `train/test`; `train_views…`
    /// has a character for each view, `1` if that image is to learn from; `in_test` is 1 if the object is in the test. The
    /// view to predict is the one that no training image has. Views are at equal angles from 0 on.
    ///
    /// # Errors
    /// [`ViewsError`] if a file cannot be read or has another form, if the two do not belong together, or if the set does not
    /// pass [`check`](Self::check).
    pub fn read(images: impl AsRef<Path>, split: impl AsRef<Path>) -> Result<Self, ViewsError> {
        let [images_file, split_file] =
            [images.as_ref(), split.as_ref()].map(|path| path.display().to_string());
        let images = Idx::read(images)?;
        let &[objects, views, height, width] = &images.shape[..] else {
            let expected = "images (objects, views, height, width)";
            return Err(DataError::NotThese { file: images_file, shape: images.shape, expected }.into());
        };
        let pixels = images.into_images(&images_file)?.values;
        let images = Matrix::new(objects * views, height * width, pixels.to_vec());

        let roles = read_split(split.as_ref(), &split_file, views)?;
        if roles.len() != objects {
            let (split, images, rows) = (split_file, images_file, roles.len());
            return Err(ViewsError::Sizes { split, rows, images, objects });
        }
        Self::grid(images, [height, width], views, lists(&roles, views)?)
    }
}

/// What an object is for.
enum Role {
    Validation,
    Train {
        /// Whether the image of each view is to learn from
        views: Vec<bool>,
        in_test: bool,
    },
}

/// The images of the objects, by what they are for.
fn lists(roles: &[Role], views: usize) -> Result<Lists, ViewsError> {
    let trained = |q: usize| roles.iter().any(|role| matches!(role, Role::Train { views, .. } if views[q]));
    let untrained: Vec<usize> = (0..views).filter(|&q| !trained(q)).collect();
    let &[test_view] = &untrained[..] else { return Err(ViewsError::TestView { views: untrained }) };
    let mut lists = Lists::default();
    for (p, role) in roles.iter().enumerate() {
        let images = p * views..(p + 1) * views;
        match role {
            Role::Validation => lists.validation.extend(images),
            Role::Train { views, in_test } => {
                lists.test.extend(in_test.then_some(images.start + test_view));
                lists.train.extend(images.zip(views).filter_map(|(image, &shown)| shown.then_some(image)));
            }
        }
    }
    Ok(lists)
}

fn read_split(path: &Path, file: &str, views: usize) -> Result<Vec<Role>, ViewsError> {
    let unreadable = |reason| ViewsError::Csv { file: file.to_owned(), reason };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &'static str| {
        let found = header.iter().position(|column| column.starts_with(name));
        found.ok_or_else(|| ViewsError::NoColumn { file: file.to_owned(), missing: name })
    };
    let [role, train, test] = [column("role")?, column("train_views")?, column("in_test")?];
    let mut roles = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let fault = |found: &str, expected: &str| {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            ViewsError::Cell { file: file.to_owned(), line, found, expected }
        };
        roles.push(match &record[role] {
            "val" => Role::Validation,
            "train/test" => {
                let shown = &record[train];
                if shown.len() != views || shown.bytes().any(|c| !matches!(c, b'0' | b'1')) {
                    return Err(fault(shown, &format!("a 0 or 1 for each of the {views} views")));
                }
                let in_test = match &record[test] {
                    "1" => true,
                    "0" => false,
                    other => return Err(fault(other, "0 or 1")),
                };
                Role::Train { views: shown.bytes().map(|c| c == b'1').collect(), in_test }
            }
            other => return Err(fault(other, "train/test or val")),
        });
    }
    Ok(roles)
}
