//! Clusters of rows, and the agreement of partitions.

use std::collections::BTreeMap;

use autograd::Real;

use crate::data::{Matrix, split};

/// The cluster of each row by Lloyd's algorithm. Of `restarts` attempts, which begin at rows far from one another, the
/// result is the one with the least sum of squared distances to the means of the clusters.
///
/// # Panics
/// If there are no clusters, or fewer rows than clusters.
#[track_caller]
pub fn k_means<F: Real>(points: &Matrix<F>, clusters: usize, restarts: usize, seed: u64) -> Vec<usize> {
    let rows = points.rows;
    assert!((1..=rows).contains(&clusters), "k_means: expected 1 to {rows} clusters, found {clusters}");
    let points = points.map(Real::to_f64);
    let runs = (0..restarts.max(1) as u64).map(|run| lloyd(&points, clusters, seed.wrapping_add(run)));
    runs.min_by(|a, b| a.1.total_cmp(&b.1)).expect("at least one run").0
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The cluster of each row, and the sum of squared distances to the centres.
fn lloyd(points: &Matrix<f64>, clusters: usize, seed: u64) -> (Vec<usize>, f64) {
    let mut centres = first_centres(points, clusters, seed);
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
            let of_cluster = labels.iter().enumerate().filter(|(_, label)| **label == cluster);
            let rows: Vec<&[f64]> = of_cluster.map(|(i, _)| points.row(i)).collect();
            // A cluster without rows keeps its centre.
            if !rows.is_empty() {
                for (j, centre) in centre.iter_mut().enumerate() {
                    *centre = rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64;
                }
            }
        }
    }
}

/// A random row, and then again and again, of some random rows, the one that is farthest from the centres so far.
fn first_centres(points: &Matrix<f64>, clusters: usize, seed: u64) -> Vec<Vec<f64>> {
    let [order] = split(points.rows, [points.rows], seed);
    let mut centres = vec![points.row(order[0]).to_vec()];
    let candidates = (points.rows / clusters).clamp(1, 20);
    for rows in order[1..].chunks(candidates).cycle().take(clusters - 1) {
        let nearest = |&row: &usize| {
            let distances = centres.iter().map(|centre| distance(points.row(row), centre));
            distances.fold(f64::INFINITY, f64::min)
        };
        let far = rows.iter().max_by(|a, b| nearest(a).total_cmp(&nearest(b))).expect("a row");
        centres.push(points.row(*far).to_vec());
    }
    centres
}

/// How far two partitions of the same rows agree, corrected for chance: 1 if they are the same up to names, and 0 on
/// average for random ones (Hubert & Arabie 1985).
///
/// # Panics
/// If the partitions are of different numbers of rows.
#[track_caller]
pub fn adjusted_rand_index(a: &[usize], b: &[usize]) -> f64 {
    let (n, m) = (a.len(), b.len());
    assert!(n == m, "adjusted_rand_index: expected two partitions of as many rows, found {n} and {m}");
    // The pairs of rows that lie in one part, by whatever numbers a row's part.
    let pairs = |part: &dyn Fn(usize) -> (usize, usize)| {
        let mut sizes = BTreeMap::new();
        (0..n).for_each(|i| *sizes.entry(part(i)).or_insert(0.0) += 1.0);
        sizes.values().map(|n: &f64| n * (n - 1.0) / 2.0).sum::<f64>()
    };
    let (both, of_a, of_b) = (pairs(&|i| (a[i], b[i])), pairs(&|i| (a[i], 0)), pairs(&|i| (b[i], 0)));
    let all = n as f64 * (n as f64 - 1.0) / 2.0;
    let (expected, most) = (of_a * of_b / all.max(1.0), (of_a + of_b) / 2.0);
    // Both partitions have one part, or only single rows: they agree.
    if most == expected { 1.0 } else { (both - expected) / (most - expected) }
}
