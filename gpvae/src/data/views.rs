//! Objects under views: images, which object each one shows, from where, and what the image is for.

use std::f64::consts::TAU;

use autograd::Real;
use nn::data::Matrix;

use super::{Places, Samples, ViewsError};
use crate::GpVaeError;

/// N images y_n of objects p_n under views q_n around a circle (lecture 003, "How to model the following").
#[derive(Clone, Debug, PartialEq)]
pub struct Views {
    /// (N, K): each row is an image, one row of pixels after the other. Pixels may lie outside \[0, 1\].
    pub images: Matrix<f32>,
    /// Rows of pixels of an image
    pub height: usize,
    /// Columns of pixels of an image
    pub width: usize,
    /// p_n of each image, counted from 0
    pub object: Vec<usize>,
    /// q_n of each image, counted from 0
    pub view: Vec<usize>,
    /// P, the number of objects
    pub objects: usize,
    /// w_q, the angle of each view in radians
    pub angles: Vec<f64>,
    /// The images to learn from
    pub train: Vec<usize>,
    /// The images to predict at the end, of objects that other training images show
    pub test: Vec<usize>,
    /// All images of the objects that are kept for validation
    pub validation: Vec<usize>,
}

/// An image next to a view, with its weight in the interpolation of that view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The image
    pub row: usize,
    /// Its weight. The weights of all neighbours of a view add up to 1.
    pub weight: f64,
}

/// What the images of a set are for, by their rows.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
    pub(super) validation: Vec<usize>,
}

impl Views {
    /// A checked set in which each object has every view, at equal angles from 0 on: image p Q + q shows object p under view
    /// q of Q.
    pub(super) fn grid(
        images: Matrix<f32>,
        [height, width]: [usize; 2],
        views: usize,
        lists: Lists,
    ) -> Result<Self, ViewsError> {
        let Lists { train, test, validation } = lists;
        let objects = images.rows / views;
        let (object, view) = (0..images.rows).map(|row| (row / views, row % views)).unzip();
        let angles = (0..views).map(|q| TAU * q as f64 / views as f64).collect();
        let set = Self { images, height, width, object, view, objects, angles, train, test, validation };
        set.check()?;
        Ok(set)
    }

    /// Checks a set that was put together by hand. [`Views::read`] and [`Rotations`](super::Rotations) return checked sets.
    ///
    /// # Errors
    /// [`ViewsError`] if the sizes disagree, if lists of images overlap or name images that do not exist, if there is nothing
    /// to learn from or to predict, if an object of the test has no training image, or if a pixel is not finite.
    pub fn check(&self) -> Result<(), ViewsError> {
        self.check_sizes()?;
        self.check_lists()?;
        match self.images.values.iter().position(|pixel| !pixel.is_finite()) {
            Some(i) => {
                let (row, pixel) = (i / self.images.cols, i % self.images.cols);
                Err(ViewsError::NotFinite { row, pixel, value: self.images.values[i] })
            }
            None => Ok(()),
        }
    }

    fn check_sizes(&self) -> Result<(), ViewsError> {
        let Self { height, width, objects, .. } = *self;
        let (images, pixels, views) = (self.images.rows, self.images.cols, self.angles.len());
        if pixels != height * width {
            return Err(ViewsError::Pixels { height, width, pixels });
        }
        let below = |numbers: &[usize], count| {
            numbers.len() == images && numbers.iter().all(|&number| number < count)
        };
        if !below(&self.object, objects) || !below(&self.view, views) {
            return Err(ViewsError::Numbers { images, objects, views });
        }
        Ok(())
    }

    fn check_lists(&self) -> Result<(), ViewsError> {
        let rows = self.images.rows;
        let mut listed = vec![false; rows];
        for &row in [&self.train, &self.test, &self.validation].into_iter().flatten() {
            if row >= rows || std::mem::replace(&mut listed[row], true) {
                return Err(ViewsError::Row { row, rows });
            }
        }
        for (part, list) in [("learn from", &self.train), ("predict", &self.test)] {
            if list.is_empty() {
                return Err(ViewsError::Empty { part });
            }
        }
        let mut known = vec![false; self.objects];
        self.train.iter().for_each(|&row| known[self.object[row]] = true);
        match self.test.iter().find(|&&row| !known[self.object[row]]) {
            Some(&row) => Err(ViewsError::NoTrainingView { object: self.object[row] }),
            None => Ok(()),
        }
    }

    /// These images with another view to predict: its images among those to learn from become the images to predict, if their object
    /// has another image to learn from, and nobody learns from any image of it. The images that were to predict are for nothing. So
    /// can choices be made without them.
    ///
    /// # Errors
    /// [`ViewsError::Empty`] if nothing is left to learn from or to predict.
    pub fn holding_out(&self, view: usize) -> Result<Self, ViewsError> {
        let (test, train): (Vec<usize>, Vec<usize>) =
            self.train.iter().partition(|&&row| self.view[row] == view);
        let known = |&row: &usize| train.iter().any(|&other| self.object[other] == self.object[row]);
        let test = test.into_iter().filter(known).collect();
        let views = Self { train, test, ..self.clone() };
        views.check_lists()?;
        Ok(views)
    }

    /// w_n, the angles of these images in radians.
    #[track_caller]
    pub fn angles_of(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.angles[self.view[row]]).collect()
    }

    /// Where these images lie: the angle is the view.
    ///
    /// # Errors
    /// [`GpVaeError::View`] if an angle is not finite.
    pub fn places(&self, rows: &[usize]) -> Result<Places, GpVaeError> {
        let objects = rows.iter().map(|&row| self.object[row]).collect();
        Places::new(Matrix::new(rows.len(), 1, self.angles_of(rows)), objects)
    }

    /// These images with their places.
    ///
    /// # Errors
    /// [`GpVaeError::Empty`] if there are none, [`GpVaeError::View`] or [`GpVaeError::Pixel`] if a number is not finite.
    pub fn samples<F: Real>(&self, rows: &[usize]) -> Result<Samples<F>, GpVaeError> {
        let images = self.images.select(rows).map(|pixel| F::from_f64(f64::from(pixel)));
        Samples::new(images, self.places(rows)?)
    }

    /// (cos w, sin w) of these images, (rows, 2): the view for a network, without a jump at 360°.
    #[track_caller]
    pub fn conditions(&self, rows: &[usize]) -> Matrix<f32> {
        let pairs = self.angles_of(rows).into_iter().flat_map(|w| [w.cos() as f32, w.sin() as f32]);
        Matrix::new(rows.len(), 2, pairs.collect())
    }

    /// The images among `known` of the object of image `row` whose views are next to its view, one on either side around the
    /// circle, with their weights in a linear interpolation of the angle. There are two of them; one if that is the only
    /// image of the object, or has the same view; none if the object is not known.
    #[track_caller]
    pub fn neighbours(&self, row: usize, known: &[usize]) -> Vec<Neighbour> {
        let angle = |row: usize| self.angles[self.view[row]];
        let ahead = |other: usize| (angle(other) - angle(row)).rem_euclid(TAU);
        let mut same: Vec<usize> =
            known.iter().copied().filter(|&other| self.object[other] == self.object[row]).collect();
        same.sort_by(|&a, &b| ahead(a).total_cmp(&ahead(b)));
        let (Some(&next), Some(&last)) = (same.first(), same.last()) else { return Vec::new() };
        let (forth, back) = (ahead(next), TAU - ahead(last));
        if next == last || forth == 0.0 {
            return vec![Neighbour { row: next, weight: 1.0 }];
        }
        let whole = forth + back;
        vec![Neighbour { row: last, weight: forth / whole }, Neighbour { row: next, weight: back / whole }]
    }

    /// The squared error of a pixel, (1/K) ‖y − ŷ‖², of each of these images, for predictions ŷ (rows, K).
    ///
    /// # Panics
    /// If `predicted` has another shape.
    #[track_caller]
    pub fn errors<T: Copy + Into<f64>>(&self, rows: &[usize], predicted: &Matrix<T>) -> Vec<f64> {
        let (n, k) = (rows.len(), self.images.cols);
        let found = [predicted.rows, predicted.cols];
        assert!(found == [n, k], "errors: expected predictions of shape [{n}, {k}], found {found:?}");
        let of_image = |(i, &row): (usize, &usize)| {
            let pairs = predicted.row(i).iter().zip(self.images.row(row));
            pairs.map(|(&p, &y)| (p.into() - f64::from(y)).powi(2)).sum::<f64>() / k as f64
        };
        rows.iter().enumerate().map(of_image).collect()
    }
}
