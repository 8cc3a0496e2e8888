//! What a profile counts, and that it leaves the tape as it was.

use crate::dirty::dirty_tape;
use autograd::look::{Profile, ProfileRow};
use autograd::ops::{Convolution, Nonlinearity, TriangularSystem};
use autograd::{Tape, Var};

fn row<'p>(profile: &'p Profile, operation: &str) -> &'p ProfileRow {
    profile.rows.iter().find(|row| row.operation == operation).expect("the operation was recorded")
}

#[test]
fn calls_bytes_and_operations_are_those_of_the_formula() {
    let tape = dirty_tape();
    let (x, w, b) = (
        tape.constant(&[0.5; 6], [2, 3]),
        tape.parameter(&[0.1; 12], [3, 4]),
        tape.parameter(&[0.2; 4], [4]),
    );
    let hidden = x.dense(w, b, Nonlinearity::Tanh);
    let loss = (hidden.matmul(tape.parameter(&[1.0; 4], [4, 1])) * 2.0).square().sum();
    let (before, gradient) = (loss.item(), tape.backward(loss).wrt(w).to_vec());
    let profile = tape.profile(loss);

    let dense = row(&profile, "dense");
    // 2 · 2 · 3 · 4 forward, as many for W̄, none for X̄, which nobody wants, and one for each element for b̄.
    assert_eq!((dense.calls, dense.flops), (1, 48.0 + 48.0 + 8.0));
    // Forward X, W, b and Y; backward these again, Ȳ, W̄ and b̄.
    assert_eq!(dense.bytes, 8 * ((6 + 12 + 4 + 8) * 2 + 8 + 12 + 4));
    assert_eq!(row(&profile, "matmul").flops, 3.0 * 16.0);
    assert_eq!(row(&profile, "square").flops, 4.0);

    let total = profile.total();
    assert_eq!(total.calls, profile.rows.iter().map(|row| row.calls).sum::<usize>());
    assert!(profile.rows.iter().all(|row| row.time() <= total.time()));
    assert!(profile.rows.is_sorted_by(|a, b| a.time() >= b.time()));

    assert_eq!(loss.item(), before);
    assert_eq!(tape.backward(loss).wrt(w), gradient);
}

#[test]
fn what_no_parameter_reaches_or_the_loss_does_not_use_has_no_backward_pass() {
    let tape = dirty_tape();
    let x = tape.constant(&[1.0, 2.0], [2]);
    let theta = tape.parameter(&[3.0, 4.0], [2]);
    let _unused = theta.sin().sum();
    let loss = (x.exp() * theta).sum();
    let _later = theta.cos();
    let profile = tape.profile(loss);
    for operation in ["exp", "sin"] {
        let row = row(&profile, operation);
        assert!(row.backward.is_zero() && !row.forward.is_zero(), "{row:?}");
        assert_eq!((row.bytes, row.flops), (8 * 4, 2.0));
    }
    assert!(profile.rows.iter().all(|row| row.operation != "cos"));
}

#[test]
fn the_operations_of_convolutions_and_linear_algebra_are_those_of_their_loops() {
    let tape = dirty_tape();
    let zeros = |shape: &[usize]| tape.parameter(&vec![0.0; shape.iter().product()], shape);
    // Two images of 3 channels and 5 x 4 pixels, 6 kernels of 3 x 2, stride 2, padding 1: 3 x 3 places. A transposed one
    // has as many products as there are pixels in its input.
    let (x, w, b) = (zeros(&[2, 3, 5, 4]), zeros(&[6, 3, 3, 2]), zeros(&[6]));
    let features = x.conv2d(w, b, Convolution { stride: 2, padding: 1 }, Nonlinearity::Identity);
    assert_eq!(features.shape().dims(), [2, 6, 3, 3]);
    let products = 2.0 * (2 * 6 * 3 * 3) as f64 * (3 * 3 * 2) as f64;
    let back = features.conv_transpose2d(
        w,
        zeros(&[3]),
        Convolution { stride: 2, padding: 1 },
        0,
        Nonlinearity::Identity,
    );
    let profile = tape.profile(back.sum());
    let results = |y: Var<'_, f64>| y.size() as f64;
    assert_eq!(row(&profile, "conv2d").flops, 3.0 * products + results(features));
    assert_eq!(row(&profile, "conv_transpose2d").flops, 3.0 * products + results(back));

    // n³/3 for a factor of n rows and twice as many for its adjoint; n² for a column of a solution, and as many for each
    // adjoint.
    let (n, count) = (5, 3);
    let identity: Vec<f64> = (0..n * n).map(|i| f64::from(i / n == i % n)).collect();
    let (k, z) = (tape.parameter(&identity, [n, n]), zeros(&[n, count]));
    let cube = (n * n * n) as f64;
    let column = (n * n * count) as f64;
    let solution = k.cholesky().unwrap().solve_triangular(z, TriangularSystem::LX);
    let profile = tape.profile(solution.sum());
    assert_eq!(row(&profile, "cholesky").flops, cube / 3.0 + 2.0 / 3.0 * cube);
    assert_eq!(row(&profile, "solve_triangular").flops, 3.0 * column);
    // The density factors, solves twice, and makes K⁻¹ of the factor for K̄ = ½ (α αᵀ − K⁻¹).
    let profile = tape.profile(z.multivariate_normal_log_prob(k).unwrap());
    let forward = cube / 3.0 + 2.0 * column;
    let backward = (n * count) as f64 + 2.0 * cube / 3.0 + column;
    assert_eq!(row(&profile, "multivariate_normal_log_prob").flops, forward + backward);
}

#[test]
fn it_prints_as_a_table_with_a_total() {
    let tape = Tape::<f32>::new();
    let x = tape.parameter(&[0.5; 64 * 64], [64, 64]);
    let table = tape.profile(x.matmul(x).sum()).to_string();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("operation") && lines[0].ends_with("GFLOP/s"));
    assert!(lines[3].starts_with("total") && lines[3].contains("100.0 %"));
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
}

#[test]
#[should_panic(expected = "profile: [2]: expected a scalar loss")]
fn a_loss_must_be_a_scalar() {
    let tape = dirty_tape();
    let _ = tape.profile(tape.parameter(&[1.0, 2.0], [2]).exp());
}
