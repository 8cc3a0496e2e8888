//! What is said about the latent space.

use nn::data::Matrix;
use vae::{Codes, Grid, active_units, aggregated_posterior, interpolate, traverse};

#[test]
fn units_are_active_whose_means_vary_by_more_than_a_hundredth() {
    let row = |i: i32| [0.11 * f64::from(1 - i % 2 * 2), 0.09 * f64::from(1 - i % 2 * 2), 3.0];
    let means = Matrix::new(10, 3, (0..10).flat_map(row).collect());
    assert_eq!(active_units(&means), 1);
}

#[test]
fn the_aggregated_posterior_is_the_mean_of_normal_densities() {
    // The middle column is not looked at.
    let mu = Matrix::new(2, 3, vec![0.5, 9.0, -1.0, -1.5, 9.0, 2.0]);
    let log_sigma = Matrix::new(2, 3, vec![-0.5, 9.0, 0.0, 0.2, 9.0, -1.0]);
    let codes = Codes { mu, log_sigma };
    let (reach, side) = (8.0, 160);
    let density = aggregated_posterior(&codes, [2, 0], Grid { reach, side });
    let cell = 2.0 * reach / side as f64;
    assert!((density.iter().sum::<f64>() * cell * cell - 1.0).abs() < 1e-6);
    let normal = |z: f64, mu: f64, log_sigma: f64| {
        (-0.5 * ((z - mu) / log_sigma.exp()).powi(2) - log_sigma).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    // Row 100, column 70: z₂ upwards is the first column of the means, z₁ to the right the last.
    let (across, up) = (-reach + 70.5 * cell, -reach + 100.5 * cell);
    let row = |i: usize| {
        let (mu, s) = (codes.mu.row(i), codes.log_sigma.row(i));
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
    // To the bit: 1e8 + (0.1 - 1e8) would be 0 in single precision.
    let (from, to) = ([0.1_f32, 1e8], [0.3, 0.1]);
    let line = interpolate(&from, &to, 4);
    assert_eq!((line.row(0), line.row(3)), (&from[..], &to[..]));
}
