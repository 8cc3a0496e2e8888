//! Objects under views: images, which object each one shows and from where, and what they are for.

mod rotate;

use std::f64::consts::TAU;
use std::path::Path;

use autograd::Real;
use nn::data::{DataError, Matrix, idx};

use crate::{GpVaeError, Places, Samples};

pub use rotate::Rotations;

/// Images y_n of objects p_n under views q_n (lecture 003, "How to model the following").
#[derive(Clone, Debug, PartialEq)]
pub struct Views {
    /// (N, K): one image a row, itself row by row. Pixels may lie outside \[0, 1\].
    pub images: Matrix<f32>,
    /// Rows of pixels in an image.
    pub height: usize,
    /// Columns of pixels in an image.
    pub width: usize,
    /// p_n, counted from 0, for each image.
    pub object: Vec<usize>,
    /// q_n, counted from 0, for each image.
    pub view: Vec<usize>,
    /// P, the number of objects.
    pub objects: usize,
    /// w_q, the angle of each view in radians, around a circle.
    pub angles: Vec<f64>,
    /// The images to learn from.
    pub train: Vec<usize>,
    /// The images to predict in the end, of objects that other views are known of.
    pub test: Vec<usize>,
    /// All images of objects that are neither.
    pub validation: Vec<usize>,
}

/// What is wrong with objects and views, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what the fields beside it are")]
pub enum ViewsError {
    #[error(transparent)]
    Data(#[from] DataError),

    /// The split cannot be opened or is no CSV.
    #[error("{file}: cannot be read as CSV: {reason}; check the path, and whether the file is the right one")]
    Csv { file: String, reason: csv::Error },

    /// The split lacks a column.
    #[error(
        "{file}: has no column {wanted}; wanted are role, in_test, and one whose name begins with train_views"
    )]
    NoColumn { file: String, wanted: &'static str },

    /// A cell of the split makes no sense.
    #[error("{file}: line {line}: {text:?} is not {wanted}")]
    Cell { file: String, line: u64, text: String, wanted: String },

    /// Split and images have different numbers of objects.
    #[error("{split}: {rows} objects, where {images} has {objects}; do the two files belong together?")]
    Sizes { split: String, rows: usize, images: String, objects: usize },

    /// Not exactly one view is missing from training.
    #[error(
        "the test view is the one that no training image has, but these have none: {views:?}; correct the split"
    )]
    TestView { views: Vec<usize> },

    /// A test object is unknown.
    #[error(
        "object {object} is to be predicted, but no image of it is to learn from; give it one, or take it out of the test"
    )]
    NoTrainingView { object: usize },

    /// A part of the data is empty.
    #[error("there are no images to {part}; correct the split")]
    None { part: &'static str },

    /// A row that is not there, or that is for two things.
    #[error(
        "image {row} of {rows} is listed twice, or does not exist; correct the lists train, test and validation"
    )]
    Row { row: usize, rows: usize },

    /// Objects or views without a number, or numbers without images.
    #[error(
        "{images} images of {height} x {width}, {pixels} numbers each, have {objects} objects and {views} views; all must fit"
    )]
    Shape { images: usize, height: usize, width: usize, pixels: usize, objects: usize, views: usize },

    /// A pixel is infinite or not a number.
    #[error("image {row}, pixel {pixel} is {value}; replace what is not finite before training on it")]
    NotFinite { row: usize, pixel: usize, value: f32 },

    /// There are too few images for what is asked.
    #[error(
        "{images} images are too few for {validation} objects to validate on and some to learn from; give more"
    )]
    TooFew { images: usize, validation: usize },
}

impl Views {
    /// Reads the rotated-digit benchmark (Casale et al. 2018): an IDX file of images (objects, views, height, width), plain
    /// or gzipped, and a CSV file with a row for each object. Its columns `role` (`val` for validation), `train_views…` (a
    /// character for each view, `1` if that image is to learn from) and `in_test` (1 if the object is in the test) say
    /// what images are for. The test view is the one that no training image has; views are at equal angles from 0 on.
    ///
    /// # Errors
    /// If a file cannot be read or is not as described, if the files do not fit, and as [`check`](Self::check).
    pub fn read(images: impl AsRef<Path>, split: impl AsRef<Path>) -> Result<Self, ViewsError> {
        let [images_file, split_file] =
            [images.as_ref(), split.as_ref()].map(|path| path.display().to_string());
        let images = idx::read(images)?;
        let &[objects, views, height, width] = &images.shape[..] else {
            let wanted = "images (objects, views, height, width)";
            return Err(DataError::NotThese { file: images_file, shape: images.shape, wanted }.into());
        };
        let pixels = images.into_matrix().values;
        let images = Matrix::new(objects * views, height * width, pixels.to_vec());

        let roles = read_split(split.as_ref(), &split_file, views)?;
        if roles.len() != objects {
            let (split, images, rows) = (split_file, images_file, roles.len());
            return Err(ViewsError::Sizes { split, rows, images, objects });
        }
        let trained = |q: usize| roles.iter().any(|role| matches!(role, Role::Train(views, _) if views[q]));
        let untrained: Vec<usize> = (0..views).filter(|&q| !trained(q)).collect();
        let &[test_view] = &untrained[..] else { return Err(ViewsError::TestView { views: untrained }) };

        let (mut train, mut test, mut validation) = (Vec::new(), Vec::new(), Vec::new());
        for (p, role) in roles.iter().enumerate() {
            let rows = p * views..(p + 1) * views;
            match role {
                Role::Validation => validation.extend(rows),
                Role::Train(known, tested) => {
                    train.extend(rows.clone().zip(known).filter_map(|(row, &known)| known.then_some(row)));
                    test.extend(tested.then_some(rows.start + test_view));
                }
            }
        }
        let set = Self::grid(images, (height, width), (objects, views), [train, test, validation]);
        set.check()?;
        Ok(set)
    }

    /// A set in which every object has every view, object by object.
    fn grid(
        images: Matrix<f32>,
        (height, width): (usize, usize),
        (objects, views): (usize, usize),
        [train, test, validation]: [Vec<usize>; 3],
    ) -> Self {
        let (object, view) = (0..objects * views).map(|row| (row / views, row % views)).unzip();
        let angles = (0..views).map(|q| TAU * q as f64 / views as f64).collect();
        Self { images, height, width, object, view, objects, angles, train, test, validation }
    }

    /// Whether all of it fits together; the readers here have asked already.
    ///
    /// # Errors
    /// [`ViewsError`] if lists of rows overlap or lead beyond the images, if there is nothing to learn from or to predict,
    /// if an object in the test has no training image, or if a pixel is not finite.
    pub fn check(&self) -> Result<(), ViewsError> {
        let Self { ref images, height, width, objects, .. } = *self;
        let rows = images.rows;
        let numbered = self.object.len() == rows && self.view.len() == rows;
        let below = |numbers: &[usize], count| numbers.iter().all(|&number| number < count);
        let views = self.angles.len();
        if !numbered
            || images.cols != height * width
            || !below(&self.object, objects)
            || !below(&self.view, views)
        {
            let pixels = images.cols;
            return Err(ViewsError::Shape { images: rows, height, width, pixels, objects, views });
        }
        let mut seen = vec![false; rows];
        for &row in [&self.train, &self.test, &self.validation].into_iter().flatten() {
            if row >= rows || std::mem::replace(&mut seen[row], true) {
                return Err(ViewsError::Row { row, rows });
            }
        }
        for (part, rows) in [("learn from", &self.train), ("predict", &self.test)] {
            if rows.is_empty() {
                return Err(ViewsError::None { part });
            }
        }
        let mut known = vec![false; objects];
        self.train.iter().for_each(|&row| known[self.object[row]] = true);
        if let Some(&row) = self.test.iter().find(|&&row| !known[self.object[row]]) {
            return Err(ViewsError::NoTrainingView { object: self.object[row] });
        }
        match images.values.iter().position(|pixel| !pixel.is_finite()) {
            Some(i) => {
                let (row, pixel) = (i / images.cols, i % images.cols);
                Err(ViewsError::NotFinite { row, pixel, value: images.values[i] })
            }
            None => Ok(()),
        }
    }

    /// w_n, the angles of these images in radians.
    pub fn angles_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.angles[self.view[row]]).collect()
    }

    /// Where these images lie, as the model wants it.
    ///
    /// # Errors
    /// If an angle is not finite.
    pub fn places(&self, rows: &[usize]) -> Result<Places, GpVaeError> {
        let objects = rows.iter().map(|&row| self.object[row]).collect();
        Places::new(Matrix::new(rows.len(), 1, self.angles_of(rows)), objects)
    }

    /// These images and where they lie, as the model wants them.
    ///
    /// # Errors
    /// If there are none, or an angle or a pixel is not finite.
    pub fn samples<F: Real>(&self, rows: &[usize]) -> Result<Samples<F>, GpVaeError> {
        let images = self.images.select(rows).map(|pixel| F::from_f64(f64::from(pixel)));
        Samples::new(images, self.places(rows)?)
    }

    /// (cos w, sin w) of these images, (rows, 2): the view as a network wants it, without a seam at 360°.
    pub fn conditions(&self, rows: &[usize]) -> Matrix<f32> {
        let pairs = self.angles_of(rows).into_iter().flat_map(|w| [w.cos() as f32, w.sin() as f32]);
        Matrix::new(rows.len(), 2, pairs.collect())
    }

    /// Around the circle, the images of the same object among `known` that lie next to image `row` on either side of its
    /// view, each with its weight in a linear interpolation of the angle: one or two, none if the object is unknown.
    pub fn neighbours(&self, row: usize, known: &[usize]) -> Vec<(usize, f64)> {
        let ahead =
            |other: usize| (self.angles[self.view[other]] - self.angles[self.view[row]]).rem_euclid(TAU);
        let mut same: Vec<usize> =
            known.iter().copied().filter(|&other| self.object[other] == self.object[row]).collect();
        same.sort_by(|&a, &b| ahead(a).total_cmp(&ahead(b)));
        let (Some(&next), Some(&last)) = (same.first(), same.last()) else { return Vec::new() };
        let (forth, back) = (ahead(next), TAU - ahead(last));
        if next == last || forth == 0.0 {
            return vec![(next, 1.0)];
        }
        vec![(last, forth / (forth + back)), (next, back / (forth + back))]
    }

    /// What predicted images, a row for each of `rows`, differ from the true ones by: (1/K) ‖y − ŷ‖², for every image.
    ///
    /// # Panics
    /// If `predicted` has another shape.
    #[track_caller]
    pub fn errors<T: Copy + Into<f64>>(&self, rows: &[usize], predicted: &Matrix<T>) -> Vec<f64> {
        let (n, k) = (rows.len(), self.images.cols);
        let fits = predicted.rows == n && predicted.cols == k;
        assert!(fits, "errors: [{}, {}] for {n} images of {k} pixels", predicted.rows, predicted.cols);
        let of_image = |(i, &row): (usize, &usize)| {
            let pairs = predicted.row(i).iter().zip(self.images.row(row));
            pairs.map(|(&p, &y)| (p.into() - f64::from(y)).powi(2)).sum::<f64>() / k as f64
        };
        rows.iter().enumerate().map(of_image).collect()
    }
}

/// What an object is for.
enum Role {
    /// Which of its views are to learn from, and whether it is in the test.
    Train(Vec<bool>, bool),
    Validation,
}

fn read_split(path: &Path, file: &str, views: usize) -> Result<Vec<Role>, ViewsError> {
    let unreadable = |reason| ViewsError::Csv { file: file.to_owned(), reason };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &'static str| {
        let found = header.iter().position(|column| column.starts_with(name));
        found.ok_or(ViewsError::NoColumn { file: file.to_owned(), wanted: name })
    };
    let [role, train, test] = [column("role")?, column("train_views")?, column("in_test")?];
    let mut roles = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let fault = |text: &str, wanted: &str| {
            let (text, wanted) = (text.to_owned(), wanted.to_owned());
            ViewsError::Cell { file: file.to_owned(), line, text, wanted }
        };
        roles.push(match &record[role] {
            "val" => Role::Validation,
            "train/test" => {
                let known = &record[train];
                if known.len() != views || known.bytes().any(|c| !matches!(c, b'0' | b'1')) {
                    return Err(fault(known, &format!("a 0 or 1 for each of the {views} views")));
                }
                let tested = match &record[test] {
                    "1" => true,
                    "0" => false,
                    text => return Err(fault(text, "0 or 1")),
                };
                Role::Train(known.bytes().map(|c| c == b'1').collect(), tested)
            }
            text => return Err(fault(text, "train/test or val")),
        });
    }
    Ok(roles)
}
