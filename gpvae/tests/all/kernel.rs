//! Every kernel against its formula, and its gradient in hyperparameters and places against differences.

use std::f64::consts::{PI, TAU};

use autograd::Tape;
use autograd::check::{Sample, check};
use gpvae::kernel::{
    Constant, Kernel, Linear, Matern32, Matern52, Periodic, Positive, SquaredExponential, White,
};
use nn::model::Layout;
use rand::{SeedableRng, rngs::StdRng};

const A: [f64; 6] = [0.3, -1.2, 0.3, 0.9, 2.0, 0.1];
const B: [f64; 4] = [0.3, -1.2, -0.4, 1.5];

/// K(A, B) and the diagonal of K(A, A) against k, with hyperparameters as they begin; and all gradients.
fn test<K: Kernel>(name: &str, make: impl Fn(&mut Layout) -> K, k: impl Fn([f64; 2], [f64; 2]) -> f64) {
    let mut layout = Layout::new();
    let kernel = make(&mut layout);
    let start = layout.init::<f64>(&mut StdRng::seed_from_u64(0));

    let tape = Tape::new();
    let theta = tape.constant(&start, [start.len()]);
    let (a, b) = (tape.constant(&A, [3, 2]), tape.constant(&B, [2, 2]));
    let row = |rows: &[f64], i: usize| [rows[2 * i], rows[2 * i + 1]];
    let (cross, gram) = (kernel.cross(theta, a, b).to_vec(), kernel.gram(theta, a).to_vec());
    let diagonal = kernel.diagonal(theta, a).to_vec();
    for i in 0..3 {
        for j in 0..2 {
            let wanted = k(row(&A, i), row(&B, j));
            assert!(
                (cross[2 * i + j] - wanted).abs() < 1e-14,
                "{name}: {} is not {wanted}",
                cross[2 * i + j]
            );
        }
        for j in 0..3 {
            assert!((gram[3 * i + j] - k(row(&A, i), row(&A, j))).abs() < 1e-14, "{name}: {gram:?}");
        }
        assert!((diagonal[i] - k(row(&A, i), row(&A, i))).abs() < 1e-14, "{name}: {diagonal:?}");
    }

    // θ is moved away from where it began by the sample.
    let inputs = [Sample::uniform([layout.size()], -0.5..0.5), Sample::any([3, 2]), Sample::any([2, 2])];
    check(name, &inputs, |_, x| kernel.cross(x[0], x[1], x[2])).unwrap();
    check(name, &inputs[..2], |_, x| kernel.gram(x[0], x[1])).unwrap();
    check(name, &inputs[..2], |_, x| kernel.diagonal(x[0], x[1])).unwrap();
}

fn squared_distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}

#[test]
fn squared_exponential() {
    let make = |layout: &mut Layout| SquaredExponential::new(layout, "length", 0.7);
    test("squared exponential", make, |a, b| (-squared_distance(a, b) / (2.0 * 0.49)).exp());
}

#[test]
fn matern() {
    test(
        "Matérn 3/2",
        |layout| Matern32::new(layout, "length", 1.3),
        |a, b| {
            let s = 3.0_f64.sqrt() * squared_distance(a, b).sqrt() / 1.3;
            (1.0 + s) * (-s).exp()
        },
    );
    test(
        "Matérn 5/2",
        |layout| Matern52::new(layout, "length", 1.3),
        |a, b| {
            let s = 5.0_f64.sqrt() * squared_distance(a, b).sqrt() / 1.3;
            (1.0 + s + s * s / 3.0) * (-s).exp()
        },
    );
}

#[test]
fn periodic() {
    let formula = |a: [f64; 2], b: [f64; 2]| {
        let sum: f64 = (0..2).map(|d| (PI * (a[d] - b[d]) / 3.0).sin().powi(2)).sum();
        (-2.0 * sum / (0.8 * 0.8)).exp()
    };
    test("periodic", |layout| Periodic::new(layout, "nu", 0.8).with_period(3.0), formula);
}

#[test]
fn an_angle_is_the_same_after_a_whole_turn_and_not_after_half_of_one() {
    let mut layout = Layout::new();
    let kernel = Periodic::new(&mut layout, "nu", 1.0);
    let tape = Tape::new();
    let theta = tape.constant(&[0.0], [1]);
    let (a, b) = (tape.constant(&[0.4], [1, 1]), tape.constant(&[0.4 + PI, 0.4 + TAU], [2, 1]));
    let k = kernel.cross(theta, a, b).to_vec();
    assert!((k[0] - (-2.0_f64).exp()).abs() < 1e-14 && (k[1] - 1.0).abs() < 1e-14, "{k:?}");
}

#[test]
fn linear_and_constant() {
    test("linear", |_| Linear, |a, b| a[0] * b[0] + a[1] * b[1]);
    test("constant", |layout| Constant::new(layout, "beta", 0.6), |_, _| 0.6);
}

#[test]
fn white_noise_is_of_a_value_itself_not_of_its_place() {
    let mut layout = Layout::new();
    let kernel = White::new(&mut layout, "beta", 0.6);
    let tape = Tape::new();
    let theta = tape.constant(&[0.6_f64.ln()], [1]);
    let a = tape.constant(&[1.0, 1.0], [2, 1]);
    let gram = kernel.gram(theta, a).to_vec();
    assert!((gram[0] - 0.6).abs() < 1e-15 && gram[0] == gram[3] && gram[1] == 0.0 && gram[2] == 0.0);
    assert_eq!(kernel.cross(theta, a, a).to_vec(), [0.0; 4]);
    let inputs = [Sample::any([1]), Sample::any([3, 2])];
    check("white", &inputs, |_, x| kernel.gram(x[0], x[1])).unwrap();
    check("white", &inputs, |_, x| kernel.diagonal(x[0], x[1])).unwrap();
}

#[test]
fn sums_products_and_columns() {
    let make = |layout: &mut Layout| {
        let view = Periodic::new(layout, "nu", 1.2).on(0..1);
        let beta = Constant::new(layout, "beta", 0.5);
        beta.times(view).times(Linear.on(1..2)).plus(SquaredExponential::new(layout, "length", 2.0))
    };
    test("a sum of products", make, |a, b| {
        let view = (-2.0 * (0.5 * (a[0] - b[0])).sin().powi(2) / 1.44).exp();
        0.5 * view * a[1] * b[1] + (-squared_distance(a, b) / 8.0).exp()
    });
}

#[test]
fn what_is_the_same_everywhere_is_joined_like_any_other_kernel() {
    let constant = |layout: &mut Layout, name: &str, beta| Constant::new(layout, name, beta);
    let make = |layout: &mut Layout| {
        let both = constant(layout, "a", 0.5).times(constant(layout, "b", 3.0));
        Linear.on(0..1).times(both).plus(constant(layout, "c", 0.7))
    };
    test("constants on the right", make, |a, b| 1.5 * a[0] * b[0] + 0.7);
    let make = |layout: &mut Layout| constant(layout, "a", 0.5).plus(constant(layout, "b", 3.0));
    test("constants alone", make, |_, _| 3.5);
    let make = |layout: &mut Layout| constant(layout, "a", 0.5).plus(Linear.on(1..2));
    test("a constant on the left", make, |a, b| 0.5 + a[1] * b[1]);
}

#[test]
fn a_positive_number_stays_positive_and_one_that_is_not_is_refused() {
    let mut layout = Layout::new();
    let positive = Positive::new(&mut layout, "x", 3.0);
    let start = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    assert!((positive.value(&start) - 3.0).abs() < 1e-14);
    assert!(positive.value(&[-50.0]) > 0.0);
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = std::panic::catch_unwind(|| Positive::new(&mut Layout::new(), "x", wrong));
        assert!(refused.is_err(), "{wrong}");
    }
}

#[test]
fn a_period_is_found_again_after_years_of_seconds() {
    let mut layout = Layout::new();
    let kernel = Periodic::new(&mut layout, "nu", 0.8).with_period(60.0);
    let (start, seconds) = (1.7e9, [0.0, 7.0, 15.0, 61.0, 119.5]);
    let tape = Tape::new();
    let theta = tape.constant(&[0.8_f64.ln()], [1]);
    let places = tape.constant(&seconds.map(|s| start + s), [5, 1]);
    let gram = kernel.gram(theta, places).to_vec();
    for (i, a) in seconds.iter().enumerate() {
        for (j, b) in seconds.iter().enumerate() {
            let expected = (-2.0 * (PI * (a - b) / 60.0).sin().powi(2) / 0.64).exp();
            assert!(
                (gram[5 * i + j] - expected).abs() < 1e-12,
                "{a} and {b}: {} not {expected}",
                gram[5 * i + j]
            );
        }
    }
}
