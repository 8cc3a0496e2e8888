//! The latent space: which of its dimensions are used, walks through it, groups in it.

use autograd::Real;
use nn::data::{Matrix, split};

/// The number of latent dimensions whose mean the data move: Var_x(E_q(zᵢ|x)) > 0.01 (Burda, Grosse & Salakhutdinov
/// 2016). The others have collapsed onto the prior.
pub fn active_units<F: Real>(means: &Matrix<F>) -> usize {
    let n = means.rows.max(1) as f64;
    let active = |j: &usize| {
        let column = || (0..means.rows).map(|i| means.row(i)[*j].to_f64());
        let mean = column().sum::<f64>() / n;
        column().map(|z| (z - mean).powi(2)).sum::<f64>() / n > 0.01
    };
    (0..means.cols).filter(active).count()
}

/// The aggregated posterior 1/N Σₙ q(z|xₙ) of two latent dimensions, as a density on a grid of `side` x `side` cells over
/// (−reach, reach)², row after row from below (lecture 002, "Averaged distribution over Z"). `means` and `log_sigmas` are
/// [`Vae::codes`](crate::Vae::codes), `dimensions` which of their columns; correlations within a q are left out.
///
/// # Panics
/// If means and log σ differ in shape, or there are no rows or cells.
#[track_caller]
pub fn aggregated_posterior<F: Real>(
    (means, log_sigmas): (&Matrix<F>, &Matrix<F>),
    dimensions: [usize; 2],
    reach: f64,
    side: usize,
) -> Vec<f64> {
    let (shape, other) = ((means.rows, means.cols), (log_sigmas.rows, log_sigmas.cols));
    assert!(shape == other && means.rows * side > 0, "aggregated_posterior: {shape:?} and {other:?}");
    let mut density = vec![0.0; side * side];
    for row in 0..means.rows {
        // q is a product: the densities of columns times those of rows of cells.
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

/// A walk along each latent dimension: for each, `steps` copies of z whose entry there goes evenly from −reach to reach,
/// (L · steps, L).
///
/// # Panics
/// If there are fewer than two steps.
#[track_caller]
pub fn traverse<F: Real>(z: &[F], reach: f64, steps: usize) -> Matrix<F> {
    assert!(steps > 1, "traverse: {steps} steps");
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
    assert!(
        from.len() == to.len() && steps > 1,
        "interpolate: {} to {}: {steps} steps",
        from.len(),
        to.len()
    );
    let at = |i: usize| {
        let t = F::from_f64(i as f64 / (steps - 1) as f64);
        from.iter().zip(to).map(move |(&a, &b)| a + t * (b - a))
    };
    Matrix::new(steps, from.len(), (0..steps).flat_map(at).collect())
}

/// The cluster of each row by Lloyd's algorithm: of `restarts` that begin at rows far from one another, the one with the
/// least sum of squared distances to the clusters' means.
///
/// # Panics
/// If there are no clusters, or fewer rows than clusters.
#[track_caller]
pub fn k_means<F: Real>(points: &Matrix<F>, clusters: usize, restarts: usize, seed: u64) -> Vec<usize> {
    assert!((1..=points.rows).contains(&clusters), "k_means: {clusters} clusters of {} rows", points.rows);
    let points = points.map(Real::to_f64);
    let runs = (0..restarts.max(1) as u64).map(|run| lloyd(&points, clusters, seed.wrapping_add(run)));
    runs.min_by(|a, b| a.1.total_cmp(&b.1)).expect("at least one run").0
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Clusters, and the sum of squared distances to their centres.
fn lloyd(points: &Matrix<f64>, clusters: usize, seed: u64) -> (Vec<usize>, f64) {
    let [order] = split(points.rows, [points.rows], seed);
    let mut centres = vec![points.row(order[0]).to_vec()];
    // Greedily: of some random rows the one that is farthest from the centres so far.
    let candidates = (points.rows / clusters).clamp(1, 20);
    for rows in order[1..].chunks(candidates).cycle().take(clusters - 1) {
        let nearest = |&row: &usize| {
            let distances = centres.iter().map(|centre| distance(points.row(row), centre));
            distances.fold(f64::INFINITY, f64::min)
        };
        let far = rows.iter().max_by(|a, b| nearest(a).total_cmp(&nearest(b))).expect("a row");
        centres.push(points.row(*far).to_vec());
    }
    let mut labels = vec![usize::MAX; points.rows];
    loop {
        let mut total = 0.0;
        let mut moved = false;
        for (i, label) in labels.iter_mut().enumerate() {
            let to = |centre: &Vec<f64>| distance(points.row(i), centre);
            let (nearest, distance) =
                centres.iter().map(to).enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("a centre");
            moved |= *label != nearest;
            (*label, total) = (nearest, total + distance);
        }
        if !moved {
            return (labels, total);
        }
        for (cluster, centre) in centres.iter_mut().enumerate() {
            let rows: Vec<&[f64]> = labels
                .iter()
                .enumerate()
                .filter(|(_, l)| **l == cluster)
                .map(|(i, _)| points.row(i))
                .collect();
            // A cluster without rows keeps its centre.
            if !rows.is_empty() {
                for (j, centre) in centre.iter_mut().enumerate() {
                    *centre = rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64;
                }
            }
        }
    }
}

/// How far two partitions of the same rows agree, corrected for chance: 1 if they are the same up to names, 0 on average
/// for random ones (Hubert & Arabie 1985).
///
/// # Panics
/// If the partitions are of different numbers of rows.
#[track_caller]
pub fn adjusted_rand_index(a: &[usize], b: &[usize]) -> f64 {
    assert!(a.len() == b.len(), "adjusted_rand_index: {} and {} rows", a.len(), b.len());
    let pairs = |counts: &dyn Fn(usize) -> (usize, usize)| {
        let mut sizes = std::collections::BTreeMap::new();
        (0..a.len()).for_each(|i| *sizes.entry(counts(i)).or_insert(0.0) += 1.0);
        sizes.values().map(|n: &f64| n * (n - 1.0) / 2.0).sum::<f64>()
    };
    let (both, of_a, of_b) = (pairs(&|i| (a[i], b[i])), pairs(&|i| (a[i], 0)), pairs(&|i| (b[i], 0)));
    let all = a.len() as f64 * (a.len() as f64 - 1.0) / 2.0;
    let (expected, most) = (of_a * of_b / all.max(1.0), (of_a + of_b) / 2.0);
    // Both partitions of one part, or both of single rows: they agree.
    if most == expected { 1.0 } else { (both - expected) / (most - expected) }
}
