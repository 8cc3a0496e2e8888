//! The latent space: which of its dimensions are used, how codes are distributed in it, walks through it.

use autograd::Real;
use nn::data::Matrix;

use crate::Codes;

/// The number of latent dimensions whose mean depends on the data, Var_x(E_q(zᵢ|x)) > 0.01 (Burda, Grosse & Salakhutdinov
/// 2016). In the other dimensions the posterior has collapsed onto the prior. `means` are [`Codes::mu`], (N, L).
pub fn active_units<F: Real>(means: &Matrix<F>) -> usize {
    let n = means.rows.max(1) as f64;
    let active = |j: &usize| {
        let column = || (0..means.rows).map(|i| means.row(i)[*j].to_f64());
        let mean = column().sum::<f64>() / n;
        column().map(|z| (z - mean).powi(2)).sum::<f64>() / n > 0.01
    };
    (0..means.cols).filter(active).count()
}

/// A square grid of `side` x `side` cells over (−reach, reach)², of which one row comes after the other from below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Half the length of a side.
    pub reach: f64,
    /// The number of cells along a side.
    pub side: usize,
}

/// The aggregated posterior 1/N Σₙ q(z|xₙ) of two latent dimensions, as a density at the centres of the grid's cells
/// (lecture 002, "Averaged distribution over Z"). The first of `dimensions` goes to the right. Correlations within a q are
/// left out.
///
/// # Panics
/// If there are no codes, no cells, or no such dimensions.
#[track_caller]
pub fn aggregated_posterior<F: Real>(codes: &Codes<F>, dimensions: [usize; 2], grid: Grid) -> Vec<f64> {
    let (Codes { mu: means, log_sigma: log_sigmas }, Grid { reach, side }) = (codes, grid);
    assert!(
        means.rows * side > 0,
        "aggregated_posterior: expected codes and cells, found {} and {side} x {side}",
        means.rows
    );
    let mut density = vec![0.0; side * side];
    for row in 0..means.rows {
        // q is a product of two densities: one for the columns of cells, one for their rows.
        let [across, up] = dimensions.map(|d| {
            let (mu, sigma) = (means.row(row)[d].to_f64(), log_sigmas.row(row)[d].to_f64().exp());
            let normal = move |i: usize| {
                let z = reach * ((2 * i + 1) as f64 / side as f64 - 1.0);
                (-0.5 * ((z - mu) / sigma).powi(2)).exp() / (sigma * (2.0 * std::f64::consts::PI).sqrt())
            };
            (0..side).map(normal).collect::<Vec<f64>>()
        });
        for (cells, up) in density.chunks_exact_mut(side).zip(up) {
            cells.iter_mut().zip(&across).for_each(|(cell, across)| *cell += up * across / means.rows as f64);
        }
    }
    density
}

/// A walk along each latent dimension, (L · steps, L): for each dimension `steps` copies of z (L), whose number in that
/// dimension goes evenly from −reach to reach.
///
/// # Panics
/// If there are fewer than two steps.
#[track_caller]
pub fn traverse<F: Real>(z: &[F], reach: f64, steps: usize) -> Matrix<F> {
    assert!(steps > 1, "traverse: expected two or more steps, found {steps}");
    let mut walks = z.repeat(z.len() * steps);
    for (i, row) in walks.chunks_exact_mut(z.len()).enumerate() {
        row[i / steps] = F::from_f64(reach * (2.0 * (i % steps) as f64 / (steps - 1) as f64 - 1.0));
    }
    Matrix::new(z.len() * steps, z.len(), walks)
}

/// The straight line from one z to another, both ends included: (steps, L).
///
/// # Panics
/// If the two differ in length, or there are fewer than two steps.
#[track_caller]
pub fn interpolate<F: Real>(from: &[F], to: &[F], steps: usize) -> Matrix<F> {
    let ends = (from.len(), to.len());
    assert!(ends.0 == ends.1, "interpolate: expected two z of one length, found {} and {}", ends.0, ends.1);
    assert!(steps > 1, "interpolate: expected two or more steps, found {steps}");
    let at = |i: usize| {
        let t = F::from_f64(i as f64 / (steps - 1) as f64);
        from.iter().zip(to).map(move |(&a, &b)| (F::ONE - t) * a + t * b)
    };
    Matrix::new(steps, from.len(), (0..steps).flat_map(at).collect())
}
