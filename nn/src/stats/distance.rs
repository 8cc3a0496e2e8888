//! Distances between rows.

use rayon::prelude::*;

use crate::data::Matrix;

/// ‖x − y‖² of each row x of one matrix and the same row y of the other.
///
/// ```
/// # use nn::{data::Matrix, stats::squared_distances};
/// let x = Matrix::new(2, 2, vec![0.0, 1.0, 2.0, 3.0]);
/// assert_eq!(squared_distances(&x, &Matrix::new(2, 2, vec![0.0, 1.0, 5.0, 7.0])), [0.0, 25.0]);
/// ```
///
/// # Panics
/// If the matrices have different shapes.
#[track_caller]
pub fn squared_distances<T: Copy + Into<f64>>(x: &Matrix<T>, y: &Matrix<T>) -> Vec<f64> {
    let shapes = [[x.rows, x.cols], [y.rows, y.cols]];
    assert!(shapes[0] == shapes[1], "squared_distances: expected one shape, found {shapes:?}");
    let square = |(&x, &y): (&T, &T)| (x.into() - y.into()).powi(2);
    (0..x.rows).map(|i| x.row(i).iter().zip(y.row(i)).map(square).sum()).collect()
}

/// The row that is nearest to another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The row, counted from 0.
    pub row: usize,
    /// How far it is: the root mean square of the differences over the columns.
    pub distance: f64,
}

/// For each row of `from` the nearest row of `to`; the first one, if several are equally near.
///
/// ```
/// # use nn::{data::Matrix, stats::{Neighbour, nearest_rows}};
/// let (from, to) = (Matrix::new(1, 2, vec![1.0, 1.0]), Matrix::new(2, 2, vec![9.0, 9.0, 2.0, 2.0]));
/// assert_eq!(nearest_rows(&from, &to), [Neighbour { row: 1, distance: 1.0 }]);
/// ```
///
/// # Panics
/// If the rows have different lengths, or there are no rows in `to`.
#[track_caller]
pub fn nearest_rows(from: &Matrix<f32>, to: &Matrix<f32>) -> Vec<Neighbour> {
    assert!(
        from.cols == to.cols,
        "nearest_rows: expected rows of one length, found {} and {}",
        from.cols,
        to.cols
    );
    assert!(to.rows > 0, "nearest_rows: expected rows to be near to, found none");
    let square = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let nearest = |i: usize| {
        let squares = (0..to.rows).map(|j| square(from.row(i), to.row(j))).enumerate();
        let (row, least) = squares.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are rows");
        Neighbour { row, distance: f64::from(least / to.cols as f32).sqrt() }
    };
    (0..from.rows).into_par_iter().map(nearest).collect()
}
