//! Gaps filled from the rows that are most alike.

use rayon::prelude::*;

use crate::data::Matrix;

/// The rows x (N, D), in which a number that is missing (NaN) is replaced by the mean of the k nearest rows that have it, for each k of
/// `counts` (Troyanskaya et al. 2001, KNNimpute). Two rows are as far from each other as the numbers that both have,
///
/// d² = D / |common| Σ_common (a − b)²
///
/// and infinitely far if there is none; of rows that are equally near the first counts. Where no row has a number, the result is 0. It
/// takes N² D operations.
///
/// # Panics
/// If a count is 0.
///
/// ```
/// use nn::data::Matrix;
/// use nn::stats::fill_by_neighbours;
/// let x = Matrix::new(4, 2, vec![0.0, 1.0, 0.2, 3.0, 9.0, 8.0, 0.1, f64::NAN]);
/// let filled = fill_by_neighbours(&x, &[1, 2]);
/// assert_eq!([filled[0].row(3)[1], filled[1].row(3)[1]], [1.0, 2.0]);
/// ```
#[track_caller]
pub fn fill_by_neighbours(x: &Matrix<f64>, counts: &[usize]) -> Vec<Matrix<f64>> {
    assert!(!counts.contains(&0), "fill_by_neighbours: expected one neighbour or more, found {counts:?}");
    let most = counts.iter().copied().max().unwrap_or(0);
    let distance = |a: &[f64], b: &[f64]| {
        let (mut sum, mut common) = (0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            let square = (a - b) * (a - b);
            if !square.is_nan() {
                (sum, common) = (sum + square, common + 1.0);
            }
        }
        if common > 0.0 { sum / common } else { f64::INFINITY }
    };
    let of_row = |i: usize| -> Vec<(usize, Vec<f64>)> {
        let row = x.row(i);
        let missing: Vec<usize> = (0..x.cols).filter(|&j| row[j].is_nan()).collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let mut others: Vec<(f64, usize)> = (0..x.rows)
            .filter(|&other| other != i)
            .map(|other| (distance(row, x.row(other)), other))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        let fills = |j: usize| {
            let donors = others.iter().map(|&(_, other)| x.row(other)[j]).filter(|x| !x.is_nan());
            let donors: Vec<f64> = donors.take(most).collect();
            let mean = |k: &usize| {
                let nearest = &donors[..donors.len().min(*k)];
                nearest.iter().sum::<f64>() / nearest.len().max(1) as f64
            };
            counts.iter().map(mean).collect()
        };
        missing.into_iter().map(|j| (j, fills(j))).collect()
    };
    let rows: Vec<_> = (0..x.rows).into_par_iter().map(of_row).collect();
    let filled = |which: usize| {
        let mut values = x.values.to_vec();
        for (i, row) in rows.iter().enumerate() {
            row.iter().for_each(|(j, fills)| values[i * x.cols + j] = fills[which]);
        }
        Matrix::new(x.rows, x.cols, values)
    };
    (0..counts.len()).map(filled).collect()
}
