//! Parameters with constraints.

use approx::assert_relative_eq;
use autograd::Tape;
use autograd::check::check_theta;
use bayes_nn::inference::{Constrained, Support, Transform};

const SUPPORTS: [Support; 4] =
    [Support::Real, Support::Positive, Support::UNIT, Support::Interval { low: -2.0, high: 7.5 }];

#[test]
fn the_log_jacobian_is_the_logarithm_of_the_maps_derivative() {
    for support in SUPPORTS {
        for zeta in [-30.0, -2.0, -0.1, 0.4, 3.0, 20.0] {
            let tape = Tape::new();
            let var = tape.parameter(&[zeta], [1]);
            let theta = support.constrain(var);
            assert_relative_eq!(theta.item(), support.value(zeta), max_relative = 1e-14);
            let slope = tape.backward(theta.sum()).wrt(var)[0];
            let log_jacobian = support.log_jacobian(var).item();
            // σ(1 − σ) in a product of rounded numbers is as exact as 1 − σ is.
            assert_relative_eq!(log_jacobian, slope.ln(), epsilon = 1e-13, max_relative = 1e-7);
        }
        let tape = Tape::new();
        let zeta = [-1.3, 0.4, 2.0];
        let each: f64 = zeta.iter().map(|&z| support.log_jacobian(tape.constant(&[z], [1])).item()).sum();
        assert_relative_eq!(
            support.log_jacobian(tape.constant(&zeta, [3])).item(),
            each,
            max_relative = 1e-14
        );
        check_theta("log |J|", &zeta, 3, |_, zeta| support.log_jacobian(zeta) + zeta.sum() * 0.1).unwrap();
    }
}

#[test]
fn a_number_comes_back_from_its_unconstrained_value() {
    for (support, theta) in SUPPORTS.into_iter().zip([-3.7, 1e-5, 0.999, 7.4]) {
        assert_relative_eq!(support.value(support.inverse(theta)), theta, max_relative = 1e-12);
    }
}

/// The reference is a finer sum over more standard deviations.
#[test]
fn the_mean_of_a_normal_zeta_is_its_expectation() {
    for support in SUPPORTS {
        for (mu, sigma) in [(0.0, 1.0), (-1.3, 0.4), (2.0, 0.05)] {
            let (from, step) = (-12.0, 1e-3);
            let expected: f64 = (0..24_000)
                .map(|i| from + (i as f64 + 0.5) * step)
                .map(|xi| (-0.5 * xi * xi).exp() * support.value(mu + sigma * xi) * step)
                .sum::<f64>()
                / std::f64::consts::TAU.sqrt();
            assert_relative_eq!(support.mean_of_normal(mu, sigma), expected, max_relative = 1e-12);
        }
    }
}

#[test]
fn every_part_is_transformed_by_its_own_support() {
    let mut transform = Transform::new();
    let slots = [
        transform.slot("a", [2], Support::Positive),
        transform.slot("b", [], Support::Real),
        transform.slot("c", [1, 2], Support::UNIT),
    ];
    let zeta = [0.1, -0.3, 2.0, 0.5, -4.0];
    let tape = Tape::new();
    let Constrained { theta, log_jacobian } = transform.apply(tape.parameter(&zeta, [5]));
    for (theta, value) in theta.to_vec().into_iter().zip(transform.values(&zeta)) {
        assert_relative_eq!(theta, value, max_relative = 1e-14);
    }
    assert_eq!(slots[2].of(theta).shape(), [1, 2].into());
    let sum: f64 = [(Support::Positive, 0..2), (Support::UNIT, 3..5)]
        .into_iter()
        .map(|(support, range)| support.log_jacobian(tape.constant(&zeta[range], [2])).item())
        .sum();
    assert_relative_eq!(log_jacobian.item(), sum, max_relative = 1e-14);
    check_theta("log p(T(ζ)) + log |J|", &zeta, 4, |_, zeta| {
        transform.log_joint(zeta, |theta| (theta.square() * -0.3).sum())
    })
    .unwrap();
}

/// ∫ p(T(ζ)) |T'(ζ)| dζ = 1 for a density p of θ.
#[test]
fn densities_stay_normalised() {
    let mut transform = Transform::new();
    transform.slot("rate", [], Support::Positive);
    let h = 1e-3;
    let integral: f64 = (-30_000..8_000)
        .map(|i| {
            let tape = Tape::new();
            let zeta = tape.constant(&[f64::from(i) * h], [1]);
            transform.log_joint(zeta, |rate| (rate * -2.0 + 2.0_f64.ln()).sum()).item().exp() * h
        })
        .sum();
    assert_relative_eq!(integral, 1.0, max_relative = 1e-9);
}

#[test]
#[should_panic(expected = "transform: ζ: expected 2 numbers, found 3")]
fn a_vector_of_another_length_is_refused() {
    let mut transform = Transform::new();
    transform.slot("a", [2], Support::Positive);
    transform.values(&[0.0; 3]);
}

#[test]
#[should_panic(expected = "transform: p: expected a bounded interval, low < high, found 1..1")]
fn an_empty_interval_is_refused() {
    Transform::new().slot("p", [], Support::Interval { low: 1.0, high: 1.0 });
}

#[test]
#[should_panic(expected = "support: expected a number within Positive, found -1")]
fn a_number_outside_the_support_is_refused() {
    Support::Positive.inverse(-1.0);
}
