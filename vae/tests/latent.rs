//! What is said about the latent space.

use nn::data::Matrix;
use nn::noise::Noise;
use vae::{
    active_units, adjusted_rand_index, aggregated_posterior, area_under_roc, interpolate, k_means, traverse,
};

#[test]
fn units_are_active_whose_means_vary_by_more_than_a_hundredth() {
    let row = |i: i32| [0.11 * f64::from(1 - i % 2 * 2), 0.09 * f64::from(1 - i % 2 * 2), 3.0];
    let means = Matrix::new(10, 3, (0..10).flat_map(row).collect());
    assert_eq!(active_units(&means), 1);
}

#[test]
fn the_aggregated_posterior_is_the_mean_of_normal_densities() {
    // The middle column is not looked at.
    let means = Matrix::new(2, 3, vec![0.5, 9.0, -1.0, -1.5, 9.0, 2.0]);
    let log_sigmas = Matrix::new(2, 3, vec![-0.5, 9.0, 0.0, 0.2, 9.0, -1.0]);
    let (reach, side) = (8.0, 160);
    let density = aggregated_posterior((&means, &log_sigmas), [2, 0], reach, side);
    let cell = 2.0 * reach / side as f64;
    assert!((density.iter().sum::<f64>() * cell * cell - 1.0).abs() < 1e-6);
    let normal = |z: f64, mu: f64, log_sigma: f64| {
        (-0.5 * ((z - mu) / log_sigma.exp()).powi(2) - log_sigma).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    // Row 100, column 70: z₂ upwards is the first column of the means, z₁ to the right the last.
    let (across, up) = (-reach + 70.5 * cell, -reach + 100.5 * cell);
    let row = |i: usize| {
        let (mu, s) = (means.row(i), log_sigmas.row(i));
        normal(across, mu[2], s[2]) * normal(up, mu[0], s[0])
    };
    assert!((density[100 * side + 70] - 0.5 * (row(0) + row(1))).abs() < 1e-12);
}

#[test]
fn walks_move_one_dimension_at_a_time_and_lines_meet_their_ends() {
    let walks = traverse(&[1.0, 2.0], 3.0, 3);
    let rows = [[-3.0, 2.0], [0.0, 2.0], [3.0, 2.0], [1.0, -3.0], [1.0, 0.0], [1.0, 3.0]];
    assert_eq!((walks.rows, walks.cols, &walks.values[..]), (6, 2, rows.as_flattened()));
    let line = interpolate(&[0.0, 1.0], &[1.0, 3.0], 5);
    assert_eq!((line.row(0), line.row(2), line.row(4)), (&[0.0, 1.0][..], &[0.5, 2.0][..], &[1.0, 3.0][..]));
}

/// Three round clouds of different sizes.
fn clouds() -> (Matrix<f64>, Vec<usize>) {
    let labels: Vec<usize> = (0..300).map(|i| [0, 0, 0, 1, 1, 2][i % 6]).collect();
    let mut points = vec![0.0; 600];
    Noise::new(2, 0).normal(0, 2, &mut points);
    for (point, label) in points.chunks_exact_mut(2).zip(&labels) {
        let centre = [[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]][*label];
        point.iter_mut().zip(centre).for_each(|(x, c)| *x += c);
    }
    (Matrix::new(300, 2, points), labels)
}

#[test]
fn k_means_finds_separate_clouds_and_the_index_sees_it() {
    let (points, labels) = clouds();
    let found = k_means(&points, 3, 4, 0);
    assert!(adjusted_rand_index(&found, &labels) > 0.99);
    assert_eq!(found, k_means(&points, 3, 4, 0));
    let single = k_means(&points, 1, 1, 0);
    assert!(single.iter().all(|&label| label == 0));
    assert_eq!(adjusted_rand_index(&single, &labels), 0.0);
    assert_eq!(k_means(&points, 300, 1, 0).iter().collect::<std::collections::HashSet<_>>().len(), 300);
}

#[test]
fn the_adjusted_rand_index_is_one_for_renamed_parts_and_known_in_between() {
    assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 2, 2]), 1.0);
    // Contingency (2, 0), (1, 1), (0, 2): 2 pairs in both, 3 and 6 in each, of 15.
    let index = adjusted_rand_index(&[0, 0, 1, 1, 2, 2], &[0, 0, 0, 1, 1, 1]);
    let expected = 3.0 * 6.0 / 15.0;
    assert!((index - (2.0 - expected) / (4.5 - expected)).abs() < 1e-12, "{index}");
    // Random partitions agree by chance alone.
    let (_, labels) = clouds();
    let random: Vec<usize> = (0..300).map(|i: usize| i * i * 7919 / 13 % 3).collect();
    assert!(adjusted_rand_index(&random, &labels).abs() < 0.05);
}

#[test]
fn the_area_under_the_roc_curve_is_the_share_of_pairs_in_order() {
    let (low, high) = ([1.0, 2.0, f64::NEG_INFINITY], [3.0, f64::INFINITY]);
    assert_eq!([area_under_roc(&low, &high), area_under_roc(&high, &low)], [1.0, 0.0]);
    assert_eq!(area_under_roc(&[0.0, -0.0, 2.0, 2.0], &[0.0, 2.0]), 0.5);
    let score = |i: usize| ((i * i) as f64 * 0.7).sin().mul_add(4.0, 0.5).round();
    let (usual, anomalous): (Vec<f64>, Vec<f64>) =
        ((0..40).map(score).collect(), (40..63).map(score).collect());
    let pair = |u: f64, a: f64| if a > u { 1.0 } else { f64::from(u8::from(a == u)) / 2.0 };
    let pairs: f64 = usual.iter().flat_map(|&u| anomalous.iter().map(move |&a| pair(u, a))).sum();
    assert_eq!(area_under_roc(&usual, &anomalous), pairs / (40.0 * 23.0));
}

#[test]
#[should_panic(expected = "a score is NaN")]
fn a_score_that_is_not_a_number_panics() {
    area_under_roc(&[1.0], &[f64::NAN]);
}
