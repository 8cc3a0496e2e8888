//! The Laplace approximation against exact posteriors.

use approx::assert_relative_eq;
use autograd::Real;
use autograd::forward::{Dual, hessian};
use bayes_nn::inference::{Laplace, LaplaceError};

use super::{Linear, coin};

#[test]
fn it_is_exact_where_the_posterior_is_normal() {
    let linear = Linear::new();
    let q = Laplace::fit(|tape, w| linear.log_joint(tape, w), vec![3.0, -5.0], 10).unwrap();
    let covariance = q.covariance();
    for i in 0..2 {
        assert_relative_eq!(q.mode[i], linear.mean[i], max_relative = 1e-10);
        for j in 0..2 {
            assert_relative_eq!(covariance.row(i)[j], linear.covariance[i][j], max_relative = 1e-9);
        }
    }
    assert_relative_eq!(q.log_evidence(), linear.log_evidence, max_relative = 1e-10);
}

#[test]
fn on_a_coin_it_is_the_closed_form() {
    // The mode of 11 log σ(ζ) + 5 log σ(−ζ) is σ(ζ) = 11/16, its curvature −16 · 11/16 · 5/16.
    let q = Laplace::fit(coin, vec![-4.0], 50).unwrap();
    assert_relative_eq!(q.mode[0], (11.0_f64 / 5.0).ln(), max_relative = 1e-7);
    assert_relative_eq!(q.covariance().values[0], 16.0 / 55.0, max_relative = 1e-6);
    let log_joint = 11.0 * (11.0_f64 / 16.0).ln() + 5.0 * (5.0_f64 / 16.0).ln();
    let expected = log_joint + 0.5 * (std::f64::consts::TAU * 16.0 / 55.0).ln();
    assert_relative_eq!(q.log_evidence(), expected, max_relative = 1e-9);
    // The exact evidence is the Beta function's B(11, 5): within 2 %.
    assert!((q.log_evidence() + (15.0 * 1001.0_f64).ln()).abs() < 0.02);
}

#[test]
fn its_draws_have_its_moments() {
    let linear = Linear::new();
    let q = Laplace::fit(|tape, w| linear.log_joint(tape, w), vec![0.0; 2], 10).unwrap();
    let draws = q.draws(20_000, 3);
    let n = draws.rows as f64;
    let each = || (0..draws.rows).map(|s| draws.row(s));
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let product = |w: &[f64]| (w[i] - q.mode[i]) * (w[j] - q.mode[j]);
        let found = each().map(product).sum::<f64>() / n;
        let scale = (linear.covariance[i][i] * linear.covariance[j][j]).sqrt();
        assert!((found - linear.covariance[i][j]).abs() < 5.0 * scale * (2.0 / n).sqrt(), "{i} {j}: {found}");
    }
    assert_eq!(draws, q.draws(20_000, 3));
    assert_ne!(draws, q.draws(20_000, 4));
}

#[test]
fn linearised_draws_of_a_linear_function_are_the_function_of_the_draws() {
    let linear = Linear::new();
    let q = Laplace::fit(|tape, w| linear.log_joint(tape, w), vec![0.0; 2], 10).unwrap();
    let draws = q.draws(50, 3);
    let f = q.linearised(|tape, w| w * tape.constant(&[2.0, -1.0], [2]) + 0.5, 50, 3);
    for (found, w) in f.values.chunks(2).zip(draws.values.chunks(2)) {
        assert_relative_eq!(found[0], 2.0 * w[0] + 0.5, max_relative = 1e-12);
        assert_relative_eq!(found[1], 0.5 - w[1], max_relative = 1e-12);
    }
    // Of another one they are those of its tangent.
    let f = q.linearised(|_, w| w.square(), 50, 3);
    for (found, w) in f.values.chunks(2).zip(draws.values.chunks(2)) {
        for i in 0..2 {
            let tangent = q.mode[i].powi(2) + 2.0 * q.mode[i] * (w[i] - q.mode[i]);
            assert_relative_eq!(found[i], tangent, max_relative = 1e-9, epsilon = 1e-12);
        }
    }
}

#[test]
fn a_double_well_is_climbed_from_where_it_curves_upwards() {
    // −(θ² − 1)²: maxima at ±1, a minimum between.
    let one = Dual::<f64>::from_f64(1.0);
    let q =
        Laplace::fit(|_, theta| (theta.square() - one).square().sum().neg(), vec![0.1, -0.2], 100).unwrap();
    assert_relative_eq!(q.mode[0], 1.0, max_relative = 1e-5);
    assert_relative_eq!(q.mode[1], -1.0, max_relative = 1e-5);
    assert_relative_eq!(q.covariance().values[0], 0.125, max_relative = 1e-4);
}

#[test]
fn a_saddle_is_no_mode() {
    let saddle =
        Laplace::fit(|_, t| (t.view(1, [1]).square() - t.view(0, [1]).square()).sum(), vec![0.0; 2], 50);
    assert!(matches!(saddle, Err(LaplaceError::NotAMaximum(found)) if found.pivot == 1), "{saddle:?}");
}

#[test]
fn a_density_without_a_mode_or_a_value_is_an_error() {
    let slope = Laplace::fit(|_, theta| theta.sum(), vec![0.0], 20).unwrap_err();
    assert!(matches!(slope, LaplaceError::NoMode { steps: 20, gradient } if gradient == 1.0), "{slope}");
    // The largest value is at a kink, where the gradient is not 0 on either side.
    let kink = Laplace::fit(
        |_, t| ((t - Dual::from_f64(1.0)).abs() + t.square() * Dual::from_f64(0.5)).sum().neg(),
        vec![0.25],
        200,
    );
    assert!(matches!(kink, Err(LaplaceError::NoMode { .. })), "{kink:?}");
    let undefined = Laplace::fit(|_, theta| theta.ln().sum(), vec![-1.0], 20);
    assert!(matches!(undefined, Err(LaplaceError::NotFinite(place)) if place.operation == "ln"));
}

#[test]
fn the_curvature_is_the_difference_of_gradients() {
    let linear = Linear::new();
    let (at, h) = ([0.3, -0.4], 1e-6);
    let exact = hessian(&at, |tape, w| linear.log_joint(tape, w) + w.powi(3).sum());
    let gradient = |w: [f64; 2]| {
        let tape = autograd::Tape::new();
        let w = tape.parameter(&w, [2]);
        tape.backward(linear.log_joint(&tape, w) + w.powi(3).sum()).wrt(w).to_vec()
    };
    for j in 0..2 {
        let moved = |by: f64| gradient(std::array::from_fn(|i| at[i] + if i == j { by } else { 0.0 }));
        for (i, (up, down)) in moved(h).into_iter().zip(moved(-h)).enumerate() {
            assert_relative_eq!(exact[2 * i + j], (up - down) / (2.0 * h), max_relative = 1e-6);
        }
    }
}
