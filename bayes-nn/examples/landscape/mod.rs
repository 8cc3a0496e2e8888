//! Densities of two numbers: the cells of a window, and the lines that hold a share of a density.

use std::f64::consts::PI;
use std::ops::Range;

/// The shares of a density that contours hold.
pub(crate) const SHARES: [f64; 2] = [0.5, 0.95];
/// The cells of a landscape in either direction.
pub(crate) const CELLS: usize = 100;

/// The centres of the cells of a window, row after row.
pub(crate) fn cells([x, y]: &[Range<f64>; 2], side: usize) -> impl Iterator<Item = [f64; 2]> {
    let at = move |range: &Range<f64>, i: usize| {
        range.start + (range.end - range.start) * (i as f64 + 0.5) / side as f64
    };
    (0..side * side).map(move |i| [at(x, i % side), at(y, i / side)])
}

/// The lines around the likeliest places that hold [`SHARES`] of a density with one peak: it falls along rays from the peak. `all` are
/// ranges that hold nearly all of it.
pub(crate) fn contours(all: &[Range<f64>; 2], log_density: impl Fn([f64; 2]) -> f64) -> Vec<Vec<(f64, f64)>> {
    let cells = cells(all, 2 * CELLS).map(|at| (log_density(at), at));
    let mut cells: Vec<(f64, [f64; 2])> = cells.collect();
    cells.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (most, peak) = cells[0];
    let mass = |(log_p, _): &(f64, [f64; 2])| (log_p - most).exp();
    let total: f64 = cells.iter().map(mass).sum();
    let level = |share: f64| {
        let mut seen = 0.0;
        let last = cells.iter().find(|cell| {
            seen += mass(cell);
            seen >= share * total
        });
        last.map_or(most, |cell| cell.0)
    };
    let size = all.each_ref().map(|range| range.end - range.start);
    let line = |level: f64| {
        let place = |k: i32| {
            let (sin, cos) = (f64::from(k) * PI / 100.0).sin_cos();
            let at = |r: f64| [peak[0] + r * size[0] * cos, peak[1] + r * size[1] * sin];
            let (mut inside, mut outside) = (0.0, 2.0);
            for _ in 0..40 {
                let middle = f64::midpoint(inside, outside);
                *(if log_density(at(middle)) >= level { &mut inside } else { &mut outside }) = middle;
            }
            let [x, y] = at(inside);
            (x, y)
        };
        (0..=200).map(place).collect()
    };
    SHARES.map(|share| line(level(share))).to_vec()
}
