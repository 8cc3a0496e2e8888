//! Objects and views made of ordinary images: each one is turned.

use nn::data::{Matrix, split};

use super::{Views, ViewsError};

/// How images are turned into objects under views.
///
/// Each image is an object, turned counter-clockwise about its centre by 2π q / Q for q = 0 … Q − 1 (cubic convolution, Keys
/// 1981, a = −½; black outside; values that overshoot are kept). One view is held out: no object shows it in training, and it
/// is what is to be predicted. Of the other views each object shows a random part, as in the benchmark of Casale et al. 2018.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotations {
    /// Q, the number of views.
    pub views: usize,
    /// The view that is held out, below Q.
    pub held_out: usize,
    /// Rows and columns of black that are put around an image, so that its corners are not turned out of it.
    pub margin: usize,
    /// The share of an object's other views to learn from, at least one.
    pub shown: f64,
    /// The number of objects that are for validation, with all their views.
    pub validation: usize,
    /// What the choices at random start from.
    pub seed: u64,
}

impl Rotations {
    /// Turns images of `height` x `width`, a row each.
    ///
    /// # Errors
    /// [`ViewsError::TooFew`] if no object is left to learn from, [`ViewsError::NotFinite`] for such a pixel.
    ///
    /// # Panics
    /// If there are fewer than two views, no such view to hold out, a share that is not in 0 to 1, or images of another size.
    #[track_caller]
    pub fn of(&self, images: &Matrix<f32>, height: usize, width: usize) -> Result<Views, ViewsError> {
        let Self { views, held_out, margin, shown, validation, seed } = *self;
        assert!(views >= 2 && held_out < views, "Rotations: view {held_out} of {views} cannot be held out");
        assert!((0.0..=1.0).contains(&shown), "Rotations: a share of {shown} to learn from");
        let [rows, cols] = [images.rows, images.cols];
        assert!(cols == height * width, "Rotations: [{rows}, {cols}] are no images of {height} x {width}");
        if rows <= validation {
            return Err(ViewsError::TooFew { images: rows, validation });
        }
        let size = (height + 2 * margin, width + 2 * margin);
        let mut turned = Vec::with_capacity(rows * views * size.0 * size.1);
        for p in 0..rows {
            for q in 0..views {
                let angle = std::f64::consts::TAU * q as f64 / views as f64;
                turn(images.row(p), (height, width), angle, size, &mut turned);
            }
        }
        let turned = Matrix::new(rows * views, size.0 * size.1, turned);

        let [to_validate] = split(rows, [validation], seed);
        let [mut train, mut test, mut held] = [const { Vec::new() }; 3];
        for p in 0..rows {
            let of = |q: usize| p * views + q;
            if to_validate.contains(&p) {
                held.extend((0..views).map(of));
                continue;
            }
            let count = (((views - 1) as f64 * shown).round() as usize).max(1);
            let [chosen] = split(views - 1, [count], seed.wrapping_add(1 + p as u64));
            train.extend(chosen.into_iter().map(|q| of(q + usize::from(q >= held_out))));
            test.push(of(held_out));
        }
        train.sort_unstable();
        let set = Views::grid(turned, size, (rows, views), [train, test, held]);
        set.check()?;
        Ok(set)
    }
}

/// Appends an image turned counter-clockwise about its centre, in a frame of another size.
fn turn(
    image: &[f32],
    (height, width): (usize, usize),
    angle: f64,
    size: (usize, usize),
    out: &mut Vec<f32>,
) {
    let middle = |n: usize| (n as f64 - 1.0) / 2.0;
    let (sin, cos) = angle.sin_cos();
    for i in 0..size.0 {
        for j in 0..size.1 {
            let (up, right) = (middle(size.0) - i as f64, j as f64 - middle(size.1));
            // Where the pixel was before it was turned.
            let (x, y) = (cos * right + sin * up, cos * up - sin * right);
            out.push(cubic(image, (height, width), (middle(height) - y, middle(width) + x)));
        }
    }
}

/// The value between pixels, from the 4 x 4 around it.
fn cubic(image: &[f32], (height, width): (usize, usize), (row, column): (f64, f64)) -> f32 {
    let weights = |at: f64| {
        let first = at.floor() as isize - 1;
        (first, [0, 1, 2, 3].map(|k| keys(at - (first + k) as f64)))
    };
    let ((top, down), (left, across)) = (weights(row), weights(column));
    let pixel = |i: isize, j: isize| {
        let inside = (0..height as isize).contains(&i) && (0..width as isize).contains(&j);
        if inside { f64::from(image[i as usize * width + j as usize]) } else { 0.0 }
    };
    let mut sum = 0.0;
    for (i, wi) in (top..).zip(down) {
        for (j, wj) in (left..).zip(across) {
            sum += wi * wj * pixel(i, j);
        }
    }
    sum as f32
}

/// The kernel of cubic convolution with a = −½ (Keys 1981, eq. 15).
fn keys(t: f64) -> f64 {
    match t.abs() {
        t if t < 1.0 => (1.5 * t - 2.5) * t * t + 1.0,
        t if t < 2.0 => ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0,
        _ => 0.0,
    }
}
