//! Objects and views made of ordinary images, which are turned.

use std::f64::consts::TAU;

use nn::data::{Matrix, split};

use super::views::Lists;
use super::{Views, ViewsError};

/// How ordinary images become objects under views.
///
/// Each image is an object. It is turned counter-clockwise about its centre by 2π q / Q for q = 0 … Q − 1, by cubic
/// convolution (Keys 1981, a = −½) with black around it; values that overshoot are kept. One view is held out: no training
/// image has it, and it is to be predicted. Of the other views each object shows a random part, as in the benchmark of
/// Casale et al. 2018.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotations {
    /// Q, the number of views
    pub views: usize,
    /// The view that is held out, below Q
    pub held_out: usize,
    /// Rows and columns of black that are put around an image, so that its corners stay inside when it is turned
    pub margin: usize,
    /// The share of an object's other views that is to learn from; at least one of them is
    pub shown: f64,
    /// The number of objects that are kept for validation, with all their views
    pub validation: usize,
    /// The seed of the random choices
    pub seed: u64,
}

impl Default for Rotations {
    /// 16 views, of which the eighth (157.5°) is held out, no margin, three quarters of the views shown, none for validation.
    fn default() -> Self {
        Self { views: 16, held_out: 7, margin: 0, shown: 0.75, validation: 0, seed: 0 }
    }
}

impl Rotations {
    /// Turns images of `height` x `width` pixels, one image a row.
    ///
    /// # Errors
    /// [`ViewsError::TooFew`] if no object is left to learn from, [`ViewsError::NotFinite`] if a pixel is not finite.
    ///
    /// # Panics
    /// If there are fewer than two views, the held-out view is not one of them, the share is not between 0 and 1, or the images
    /// have another size.
    #[track_caller]
    pub fn turn(&self, images: &Matrix<f32>, height: usize, width: usize) -> Result<Views, ViewsError> {
        let Self { views, held_out, margin, shown, validation, .. } = *self;
        assert!(
            held_out < views && views >= 2,
            "Rotations: expected a held-out view below {views} and at least 2 views, found {held_out} of {views}"
        );
        assert!((0.0..=1.0).contains(&shown), "Rotations: expected a share between 0 and 1, found {shown}");
        let pixels = images.cols;
        assert!(
            pixels == height * width,
            "Rotations: expected images of {height} x {width} pixels, found rows of {pixels} numbers"
        );
        if images.rows <= validation {
            return Err(ViewsError::TooFew { images: images.rows, validation });
        }
        let frame = [height + 2 * margin, width + 2 * margin];
        let mut turned = Vec::with_capacity(images.rows * views * frame[0] * frame[1]);
        for p in 0..images.rows {
            let image = Image { pixels: images.row(p), height, width };
            for q in 0..views {
                image.turn(TAU * q as f64 / views as f64, frame, &mut turned);
            }
        }
        let turned = Matrix::new(images.rows * views, frame[0] * frame[1], turned);
        Views::grid(turned, frame, views, self.lists(images.rows))
    }

    /// Chooses what the images of these objects are for.
    fn lists(&self, objects: usize) -> Lists {
        let Self { views, held_out, shown, validation, seed, .. } = *self;
        let [to_validate] = split(objects, [validation], seed);
        let mut lists = Lists::default();
        for p in 0..objects {
            let image = |q: usize| p * views + q;
            if to_validate.contains(&p) {
                lists.validation.extend((0..views).map(image));
                continue;
            }
            let count = (((views - 1) as f64 * shown).round() as usize).max(1);
            let [chosen] = split(views - 1, [count], seed.wrapping_add(1 + p as u64));
            lists.train.extend(chosen.into_iter().map(|q| image(q + usize::from(q >= held_out))));
            lists.test.push(image(held_out));
        }
        lists.train.sort_unstable();
        lists
    }
}

/// A grey image.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) pixels: &'a [f32],
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Image<'_> {
    /// Appends the image, turned counter-clockwise about its centre, in a frame of [rows, columns].
    pub(super) fn turn(self, angle: f64, frame: [usize; 2], out: &mut Vec<f32>) {
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        let (sin, cos) = angle.sin_cos();
        for i in 0..frame[0] {
            for j in 0..frame[1] {
                let (up, right) = (middle(frame[0]) - i as f64, j as f64 - middle(frame[1]));
                // Where this pixel was before the turn.
                let (x, y) = (cos * right + sin * up, cos * up - sin * right);
                out.push(self.between(middle(self.height) - y, middle(self.width) + x));
            }
        }
    }

    /// The value at a place between pixels, from the 4 x 4 pixels around it.
    fn between(self, row: f64, column: f64) -> f32 {
        let weights = |at: f64| {
            let first = at.floor() as isize - 1;
            (first, [0, 1, 2, 3].map(|k| keys(at - (first + k) as f64)))
        };
        let ((top, down), (left, across)) = (weights(row), weights(column));
        let mut sum = 0.0;
        for (i, wi) in (top..).zip(down) {
            for (j, wj) in (left..).zip(across) {
                sum += wi * wj * self.pixel(i, j);
            }
        }
        sum as f32
    }

    /// A pixel, 0 outside the image.
    fn pixel(self, i: isize, j: isize) -> f64 {
        let inside = (0..self.height as isize).contains(&i) && (0..self.width as isize).contains(&j);
        if inside { f64::from(self.pixels[i as usize * self.width + j as usize]) } else { 0.0 }
    }
}

/// The weight of a pixel at distance t in cubic convolution with a = −½ (Keys 1981, equation 15).
fn keys(t: f64) -> f64 {
    match t.abs() {
        t if t < 1.0 => (1.5 * t - 2.5) * t * t + 1.0,
        t if t < 2.0 => ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0,
        _ => 0.0,
    }
}
