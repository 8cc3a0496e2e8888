//! What is true at kinks, ties and limits, and of arrays without elements or without axes.

use std::f64::consts::LN_2;

use crate::common::assert_close;
use crate::dirty::dirty_tape;
use autograd::forward::{Dual, hessian, jvp};
use autograd::ops::Nonlinearity;
use autograd::{Real, Tape, Var};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Value and derivative of a function at a point.
fn at(x: f64, f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> (f64, f64) {
    let tape = dirty_tape();
    let x = tape.parameter(&[x], []);
    let y = f(x);
    (y.item(), tape.backward(y).wrt(x)[0])
}

/// Values and gradient of the sum of a function of an array.
fn over(x: &[f64], f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> (Vec<f64>, Vec<f64>) {
    let tape = dirty_tape();
    let x = tape.parameter(x, [x.len()]);
    let y = f(x);
    (y.to_vec(), tape.backward(y.sum()).wrt(x).to_vec())
}

#[test]
fn the_slope_at_a_kink_is_the_one_from_the_left() {
    for zero in [0.0, -0.0] {
        assert_eq!(at(zero, |x| x.relu()), (0.0, 0.0));
        assert_eq!(at(zero, |x| x.leaky_relu(0.1)), (0.0, 0.1));
        assert_eq!(at(zero, |x| x.elu()), (0.0, 1.0));
    }
    assert_eq!(at(0.0, |x| x.leaky_relu(0.0)), (0.0, 0.0));
    let tiny = 5e-324;
    assert_eq!((at(tiny, |x| x.relu()).1, at(-tiny, |x| x.relu()).1), (1.0, 0.0));
}

#[test]
fn second_derivatives_at_kinks_are_those_of_the_slopes_there() {
    type D = Dual<f64>;
    fn forward(f: impl for<'t> Fn(Var<'t, D>) -> Var<'t, D>) -> f64 {
        jvp(&[0.0], &[1.0], |_, x| f(x)).1[0]
    }
    fn second(f: impl for<'t> Fn(Var<'t, D>) -> Var<'t, D> + Sync) -> f64 {
        hessian(&[0.0], |_, x| f(x).sum())[0]
    }
    assert_eq!((forward(|x| x.relu()), second(|x| (x.relu() + x).square())), (0.0, 2.0));
    assert_eq!((forward(|x| x.abs()), second(|x| x.abs())), (0.0, 0.0));
    assert_eq!((forward(|x| x.powf(D::from_f64(2.5))), second(|x| x.powf(D::from_f64(2.5)))), (0.0, 0.0));
    assert_eq!(second(|x| x.powf(D::from_f64(2.0))), 2.0);
    assert_eq!(
        (forward(|x| x.pow(x + D::from_f64(2.0))), second(|x| x.pow(x + D::from_f64(3.0)))),
        (0.0, 0.0)
    );
    fn of_one(l: Var<'_, D>) -> Var<'_, D> {
        l.tape().constant(&[D::ONE], [1]).bernoulli_log_prob(l)
    }
    assert_eq!((forward(|l| of_one(l).reshape([1])), second(of_one)), (0.5, -0.25));
}

#[test]
fn a_dense_layer_has_the_slopes_of_its_activation() {
    let phis = [
        (Nonlinearity::Identity, 1.0),
        (Nonlinearity::Relu, 0.0),
        (Nonlinearity::LeakyRelu(0.1), 0.1),
        (Nonlinearity::Elu, 1.0),
        (Nonlinearity::Tanh, 1.0),
        (Nonlinearity::Sigmoid, 0.25),
        (Nonlinearity::Softplus, 0.5),
    ];
    for (phi, slope) in phis {
        let tape = dirty_tape();
        let (x, w, b) =
            (tape.constant(&[3.0], [1, 1]), tape.constant(&[0.0], [1, 1]), tape.parameter(&[0.0], [1]));
        assert_close(tape.backward(x.dense(w, b, phi)).wrt(b), &[slope], 1e-15);
    }
}

#[test]
fn the_slope_of_the_absolute_value_at_zero_is_zero() {
    assert_eq!(at(0.0, |x| x.abs()), (0.0, 0.0));
    assert_eq!((at(2.0, |x| x.abs()), at(-2.0, |x| x.abs())), ((2.0, 1.0), (2.0, -1.0)));
}

#[test]
fn equal_arguments_of_max_and_min_share_the_gradient() {
    let (x, y) = ([1.0, 2.0, 3.0, -0.0, INF], [2.0, 2.0, 2.0, 0.0, INF]);
    let tape = dirty_tape();
    let (x, y) = (tape.parameter(&x, [5]), tape.parameter(&y, [5]));
    let (max, min) = (x.maximum(y), x.minimum(y));
    assert_eq!((max.to_vec(), min.to_vec()), (vec![2.0, 2.0, 3.0, 0.0, INF], vec![1.0, 2.0, 2.0, 0.0, INF]));
    let gradients = tape.backward(max.sum());
    assert_eq!(gradients.wrt(x), [0.0, 0.5, 1.0, 0.5, 0.5]);
    assert_eq!(gradients.wrt(y), [1.0, 0.5, 0.0, 0.5, 0.5]);
    let gradients = tape.backward(min.sum());
    assert_eq!(gradients.wrt(x), [1.0, 0.5, 0.0, 0.5, 0.5]);
    assert_eq!(gradients.wrt(y), [0.0, 0.5, 1.0, 0.5, 0.5]);
}

#[test]
fn the_slope_of_the_root_at_zero_is_zero_so_that_a_norm_has_a_gradient_at_the_origin() {
    assert_eq!(at(0.0, |x| x.sqrt()), (0.0, 0.0));
    assert_eq!(over(&[0.0, 0.0], |x| x.square().sum().sqrt()), (vec![0.0], vec![0.0, 0.0]));
    assert_close(&over(&[3.0, 4.0], |x| x.square().sum().sqrt()).1, &[0.6, 0.8], 1e-15);
    assert!(at(-1.0, |x| x.sqrt()).0.is_nan());
}

#[test]
fn not_a_number_is_never_swallowed() {
    let functions: [for<'t> fn(Var<'t, f64>) -> Var<'t, f64>; 22] = [
        |x| x.relu(),
        |x| x.leaky_relu(0.1),
        |x| x.elu(),
        |x| x.abs(),
        |x| x.sqrt(),
        |x| x.exp(),
        |x| x.exp_m1(),
        |x| x.ln(),
        |x| x.ln_1p(),
        |x| x.sin(),
        |x| x.cos(),
        |x| x.tanh(),
        |x| x.sigmoid(),
        |x| x.softplus(),
        |x| x.log_sigmoid(),
        |x| x.square(),
        |x| x.recip(),
        |x| x.powi(3),
        |x| x.maximum(x * 0.0 + 1.0),
        |x| x.tape().constant(&[1.0], []).maximum(x),
        |x| x.minimum(x.tape().constant(&[1.0], [])),
        |x| x.tape().constant(&[1.0], []).minimum(x),
    ];
    for (i, f) in functions.into_iter().enumerate() {
        assert!(at(NAN, f).0.is_nan(), "function {i}");
    }
    for place in 0..3 {
        let mut x = [1.0, 2.0, 3.0];
        x[place] = NAN;
        assert!(over(&x, |x| x.logsumexp()).0[0].is_nan());
        assert!(over(&x, |x| x.softmax()).0.iter().all(|y| y.is_nan()));
    }
}

#[test]
fn integer_powers_hold_at_zero_and_for_every_sign() {
    assert_eq!(at(0.0, |x| x.powi(0)), (1.0, 0.0));
    assert_eq!(at(3.0, |x| x.powi(0)), (1.0, 0.0));
    assert_eq!(at(0.0, |x| x.powi(1)), (0.0, 1.0));
    assert_eq!(at(-3.0, |x| x.powi(1)), (-3.0, 1.0));
    assert_eq!(at(0.0, |x| x.powi(2)), (0.0, 0.0));
    assert_eq!(at(-2.0, |x| x.powi(-1)), (-0.5, -0.25));
    assert_eq!(at(2.0, |x| x.powi(-2)), (0.25, -0.25));
    assert_eq!(at(0.0, |x| x.powi(-2)), (INF, -INF));
}

#[test]
fn logarithm_and_reciprocal_are_infinite_at_zero() {
    assert_eq!(at(0.0, |x| x.ln()), (-INF, INF));
    assert_eq!(at(-1.0, |x| x.ln_1p()), (-INF, INF));
    assert_eq!(at(0.0, |x| x.recip()), (INF, -INF));
    assert!(at(-1.0, |x| x.ln()).0.is_nan());
    assert_eq!(at(0.0, |x| x / x.tape().constant(&[2.0], [])), (0.0, 0.5));
    assert_eq!(at(0.0, |x| 1.0 / x), (INF, -INF));
}

#[test]
fn saturated_functions_have_exact_limits_and_slope_zero() {
    assert_eq!((at(1000.0, |x| x.tanh()), at(-1000.0, |x| x.tanh())), ((1.0, 0.0), (-1.0, 0.0)));
    assert_eq!((at(1000.0, |x| x.sigmoid()), at(-1000.0, |x| x.sigmoid())), ((1.0, 0.0), (0.0, 0.0)));
    assert_eq!((at(1000.0, |x| x.softplus()), at(-1000.0, |x| x.softplus())), ((1000.0, 1.0), (0.0, 0.0)));
    assert_eq!(at(-1000.0, |x| x.log_sigmoid()), (-1000.0, 1.0));
    assert_eq!(at(-1000.0, |x| x.elu()), (-1.0, 0.0));
    assert_eq!(at(1000.0, |x| x.exp()), (INF, INF));
}

#[test]
fn logsumexp_neither_overflows_nor_loses_infinities() {
    let (value, gradient) = over(&[1e300, 1e300], |x| x.logsumexp());
    assert_eq!((value, gradient), (vec![1e300], vec![0.5, 0.5]));
    let (value, gradient) = over(&[1000.0, 1000.0], |x| x.logsumexp());
    assert_close(&value, &[1000.0 + LN_2], 1e-15);
    assert_eq!(gradient, [0.5, 0.5]);
    let (value, gradient) = over(&[-1000.0, -1000.0], |x| x.logsumexp());
    assert_close(&value, &[-1000.0 + LN_2], 1e-15);
    assert_eq!(gradient, [0.5, 0.5]);

    assert_eq!(over(&[-INF, 2.0], |x| x.logsumexp()), (vec![2.0], vec![0.0, 1.0]));
    assert_eq!(over(&[-INF, -INF], |x| x.logsumexp()), (vec![-INF], vec![0.0, 0.0]));
    assert_eq!(over(&[INF, 2.0, -INF], |x| x.logsumexp()), (vec![INF], vec![1.0, 0.0, 0.0]));
    assert_eq!(over(&[INF, 1000.0], |x| x.logsumexp()), (vec![INF], vec![1.0, 0.0]));
    assert_eq!(over(&[], |x| x.logsumexp()), (vec![-INF], vec![]));
    assert_eq!(over(&[7.0], |x| x.logsumexp()), (vec![7.0], vec![1.0]));
}

#[test]
fn softmax_of_huge_values_is_a_distribution() {
    assert_eq!(over(&[1e300, 1e300], |x| x.softmax()).0, [0.5, 0.5]);
    assert_eq!(over(&[1e300, 0.0], |x| x.softmax()).0, [1.0, 0.0]);
    assert_eq!(over(&[-1e300, -1e300], |x| x.log_softmax()).0, [-LN_2, -LN_2]);
    assert_eq!(over(&[0.0, -INF], |x| x.softmax()), (vec![1.0, 0.0], vec![0.0, 0.0]));
    assert_eq!(over(&[1e300, 0.0], |x| x.log_softmax()).0, [0.0, -1e300]);
    // The gradient of Σ log_softmax = Σ x − 2 log Σ eˣ:   1 − 2 softmax
    assert_eq!(over(&[1000.0, 0.0], |x| x.log_softmax()).1, [-1.0, 1.0]);
}

#[test]
fn extreme_logits_have_finite_log_likelihoods() {
    let tape = dirty_tape();
    let logits = tape.parameter(&[1e4, -1e4, 1e4, -1e4], [4]);
    let x = tape.constant(&[1.0, 0.0, 0.0, 1.0], [4]);
    let y = x.bernoulli_log_prob(logits);
    assert_eq!(y.item(), -2e4);
    assert_eq!(tape.backward(y).wrt(logits), [0.0, 0.0, -1.0, 1.0]);
}

#[test]
fn a_distribution_has_no_divergence_from_itself() {
    let tape = dirty_tape();
    let q = tape.parameter(&[0.3, -2.0, 0.7, -1.0], [4]);
    let kl = q.diag_normal_kl(q);
    assert_eq!(kl.item(), 0.0);
    assert_eq!(tape.backward(kl).wrt(q), [0.0; 4]);
    let standard = tape.parameter(&[0.0; 4], [4]);
    let kl = standard.diag_normal_kl_to_standard();
    assert_eq!((kl.item(), tape.backward(kl).wrt(standard)), (0.0, &[0.0; 4][..]));
}

#[test]
fn scalars_go_through_everything() {
    let tape = dirty_tape();
    let (x, y) = (tape.parameter(&[2.0], []), tape.parameter(&[3.0], []));
    let check = |z: Var<'_, f64>, value: f64, dx: f64, dy: f64| {
        assert_eq!((z.shape().rank(), z.item()), (0, value));
        let gradients = tape.backward(z);
        assert_eq!((gradients.wrt(x)[0], gradients.wrt(y)[0]), (dx, dy));
    };
    check(x + y, 5.0, 1.0, 1.0);
    check(x - y, -1.0, 1.0, -1.0);
    check(x * y, 6.0, 3.0, 2.0);
    check(y / x, 1.5, -0.75, 0.5);
    check(x.maximum(y), 3.0, 0.0, 1.0);
    check(x.minimum(y), 2.0, 1.0, 0.0);
    check(1.0 - x * 2.0 + y / 4.0 - 3.0, -5.25, -2.0, 0.25);
    check(6.0 / x, 3.0, -1.5, 0.0);
    check(-x, -2.0, -1.0, 0.0);
    check(x.sum() + y.mean(), 5.0, 1.0, 1.0);
    check(x.logsumexp() + x.softmax() + x.log_softmax(), 3.0, 1.0, 0.0);
    check(x.reshape([1, 1]).matmul(y.reshape([1, 1])).reshape([]), 6.0, 3.0, 2.0);
    check(x.broadcast_to([2, 2]).sum() + y.view(0, []), 11.0, 4.0, 1.0);
    let x = tape.parameter(&[0.0], []);
    let y = tape.constant(&[1.0], []).bernoulli_log_prob(x);
    assert_close(&[y.item(), tape.backward(y).wrt(x)[0]], &[-LN_2, 0.5], 1e-15);
}

#[test]
fn axes_of_size_zero_go_through_everything() {
    let tape = dirty_tape();
    let empty = |shape: &[usize]| tape.parameter(&[], shape);
    let shape = |x: Var<'_, f64>| x.shape().dims().to_vec();
    let x = empty(&[0, 3]);
    assert_eq!(shape(x.exp() + x * 2.0 - tape.constant(&[1.0; 3], [3])), [0, 3]);
    assert_eq!(shape(x.maximum(tape.constant(&[1.0], [])).transpose()), [3, 0]);
    assert_eq!(shape(x.columns(1..3)), [0, 2]);
    assert_eq!(shape(empty(&[3, 0]).columns(0..0)), [3, 0]);
    assert_eq!(shape(tape.constant(&[1.0; 6], [2, 3]).columns(1..1)), [2, 0]);
    assert_eq!(shape(Var::concatenate(&[empty(&[3, 0]), empty(&[3, 0])], 1)), [3, 0]);
    assert_eq!(Var::concatenate(&[empty(&[1, 0]), tape.constant(&[1.0], [1, 1])], 1).to_vec(), [1.0]);
    assert_eq!(shape(tape.constant(&[1.0; 6], [2, 3]).gather(&[])), [0, 3]);
    assert_eq!(shape(empty(&[2, 0]).gather(&[1, 1, 0])), [3, 0]);
    assert_eq!(shape(empty(&[0, 1]).broadcast_to([2, 0, 5])), [2, 0, 5]);
    assert_eq!(shape(x.rows(0..0).reshape([3, 0, 7])), [3, 0, 7]);
    assert_eq!(shape(x.softmax()), [0, 3]);
    assert_eq!((shape(x.softmax_axis(0)), shape(x.log_softmax_axis(1))), (vec![0, 3], vec![0, 3]));

    assert_eq!((x.sum().item(), x.logsumexp().item()), (0.0, -INF));
    assert!(x.mean().item().is_nan());
    assert_eq!((x.sum_axis(0).to_vec(), shape(x.sum_axis(1))), (vec![0.0; 3], vec![0]));
    assert!(x.mean_axis(0).to_vec().iter().chain(&empty(&[2, 0]).mean_axis(1).to_vec()).all(|y| y.is_nan()));
    assert_eq!(empty(&[2, 0, 2]).logsumexp_axis(1).to_vec(), [-INF; 4]);

    // A product without inner terms is zero.
    assert_eq!(empty(&[2, 0]).matmul(empty(&[0, 3])).to_vec(), [0.0; 6]);
    assert_eq!(empty(&[1, 0]).matmul_t(empty(&[2, 0])).to_vec(), [0.0; 2]);
    assert_eq!(shape(tape.constant(&[1.0; 3], [3, 1]).matmul(empty(&[1, 0]))), [3, 0]);
    assert_eq!(shape(x.matmul_t(x)), [0, 0]);
    let (w, b) = (tape.parameter(&[1.0; 6], [3, 2]), tape.parameter(&[1.0; 2], [2]));
    let y = x.dense(w, b, Nonlinearity::Tanh);
    assert_eq!(shape(y), [0, 2]);
    assert_eq!(tape.backward(y.sum() + w.sum() * 0.0).wrt(w), [0.0; 6]);
    let nothing = empty(&[2, 0]).dense(empty(&[0, 2]), b, Nonlinearity::Identity);
    assert_eq!(nothing.to_vec(), [1.0; 4]);
    assert_eq!(tape.backward(nothing.sum()).wrt(b), [2.0; 2]);
    assert_eq!(shape(empty(&[2, 0]).dense(empty(&[0, 0]), empty(&[0]), Nonlinearity::Relu)), [2, 0]);

    // Rows of no variables have probability one; no rows have none.
    let (rows, scalar) = (empty(&[2, 0]), tape.parameter(&[0.5], []));
    assert_eq!(rows.bernoulli_log_prob(rows).to_vec(), [0.0; 2]);
    assert_eq!(rows.normal_log_prob(rows, scalar).to_vec(), [0.0; 2]);
    assert_eq!(tape.backward(rows.normal_log_prob(rows, scalar).sum()).wrt(scalar), [0.0]);
    assert_eq!(rows.diag_normal_log_prob(rows).to_vec(), [0.0; 2]);
    assert_eq!(rows.diag_normal_kl(rows).to_vec(), [0.0; 2]);
    assert_eq!(rows.diag_normal_kl_to_standard().to_vec(), [0.0; 2]);
    assert_eq!(shape(rows.diag_normal_sample(rows).bound_log_sigma(1.0)), [2, 0]);
    assert_eq!(shape(tape.constant(&[1.0; 3], [3]).bernoulli_log_prob(x)), [0]);
    assert_eq!(shape(empty(&[0, 4]).diag_normal_sample(tape.constant(&[1.0; 2], [2]))), [0, 2]);
    assert_eq!(shape(empty(&[0, 0]).transpose()), [0, 0]);
}

#[test]
fn arrays_of_rank_four_go_through_everything() {
    let tape = dirty_tape();
    let numbers: Vec<f64> = (0..24).map(f64::from).collect();
    let x = tape.parameter(&numbers, [2, 1, 3, 4]);
    let y = tape.parameter(&numbers[..6], [1, 2, 3, 1]);
    let z = x * y;
    assert_eq!(z.shape().dims(), [2, 2, 3, 4]);
    // z[1, 1, 2, 3] = x[1, 0, 2, 3] y[0, 1, 2, 0]
    assert_eq!(z.to_vec()[47], numbers[23] * numbers[5]);
    let gradients = tape.backward(z.sum());
    assert_eq!(gradients.wrt(x)[..5], [3.0, 3.0, 3.0, 3.0, 5.0]);
    assert_eq!(gradients.wrt(y)[0], 0.0 + 1.0 + 2.0 + 3.0 + 12.0 + 13.0 + 14.0 + 15.0);
    assert_eq!(z.sum_axis(3).shape().dims(), [2, 2, 3]);
    assert_eq!(z.logsumexp_axis(1).shape().dims(), [2, 3, 4]);
    assert_eq!(z.transpose().shape().dims(), [2, 2, 4, 3]);
    assert_eq!(x.transpose().to_vec()[12..16], [12.0, 16.0, 20.0, 13.0]);
    assert_eq!(Var::concatenate(&[x, x], 1).to_vec()[12..24], numbers[..12]);
    assert_eq!(x.rows(1..2).to_vec(), numbers[12..]);
    assert_eq!(x.columns(1..3).to_vec()[..4], [1.0, 2.0, 5.0, 6.0]);
    assert_eq!(x.gather(&[1, 0]).to_vec()[..12], numbers[12..]);
    assert_eq!(x.diag_normal_kl_to_standard().shape().dims(), [2, 1, 3]);
}

#[test]
#[should_panic(expected = "leaky_relu: expected a finite c ≥ 0, found -0.1")]
fn a_leaky_relu_that_folds_back_is_refused_since_its_slope_could_not_be_read_off_its_value() {
    let tape = Tape::new();
    let _ = tape.parameter(&[1.0], []).leaky_relu(-0.1);
}

#[test]
fn sine_and_cosine_hold_for_numbers_of_every_size_beside_each_other() {
    fn check<F: Real>(tolerance: f64) {
        let x: Vec<f64> = vec![0.5, 1e7, -2e7, 1.7e9, 3.0, 1e22, -1e30, 0.0];
        let x: Vec<F> = x.into_iter().map(F::from_f64).collect();
        let tape = Tape::new();
        let on_tape = tape.parameter(&x, [x.len()]);
        for (y, value, slope) in [
            (on_tape.sin(), f64::sin as fn(f64) -> f64, f64::cos as fn(f64) -> f64),
            (on_tape.cos(), f64::cos, |x| -x.sin()),
        ] {
            let gradient = tape.backward(y.sum());
            for ((x, y), dy) in x.iter().zip(y.to_vec()).zip(gradient.wrt(on_tape)) {
                let x = x.to_f64();
                assert!((y.to_f64() - value(x)).abs() <= tolerance, "at {x}: {y}");
                assert!((dy.to_f64() - slope(x)).abs() <= tolerance, "slope at {x}: {dy}");
            }
        }
    }
    check::<f32>(1.2e-7);
    check::<f64>(2.3e-16);
    let far = Dual::new(1e9_f64, 2.0);
    assert!((far.sin().tangent - 2.0 * 1e9_f64.cos()).abs() < 1e-15);
    assert!((far.cos().tangent + 2.0 * 1e9_f64.sin()).abs() < 1e-15);
}

#[test]
fn a_normal_density_at_its_mean_is_finite_for_every_sigma_that_can_be_written() {
    fn check<F: Real>(log_sigma: f64) {
        let tape = Tape::new();
        let n = 2.0;
        let expected = -n * (log_sigma + 0.5 * (2.0 * std::f64::consts::PI).ln());
        let close =
            |found: F| assert!((found.to_f64() / expected - 1.0).abs() < 1e-6, "{found} not {expected}");
        let zeros = |gradient: &[F]| assert!(gradient.iter().all(|g| g.is_zero()), "{gradient:?}");
        let mu = tape.parameter(&[F::from_f64(0.3); 2], [2]);
        let x = tape.parameter(&[F::from_f64(0.3); 2], [2]);

        for sizes in [1, 2] {
            let s = tape.parameter(&vec![F::from_f64(log_sigma); sizes], [sizes]);
            let y = x.normal_log_prob(mu, s);
            close(y.item());
            let gradient = tape.backward(y);
            zeros(gradient.wrt(x));
            zeros(gradient.wrt(mu));
            assert!(gradient.wrt(s).iter().all(|&g| (g.to_f64() + n / sizes as f64).abs() < 1e-4));
        }
        // Rows of one number
        let (x1, mu1) = (x.reshape([2, 1]), mu.reshape([2, 1]));
        let y = x1.normal_log_prob(mu1, tape.constant(&[F::from_f64(log_sigma)], [])).sum();
        close(y.item());
        zeros(tape.backward(y).wrt(x));

        let q: Vec<F> = [0.3, 0.3, log_sigma, log_sigma].map(F::from_f64).into();
        let q = tape.parameter(&q, [4]);
        let y = x.diag_normal_log_prob(q);
        close(y.item());
        let gradient = tape.backward(y);
        zeros(gradient.wrt(x));
        assert!(gradient.wrt(q).iter().zip([0.0, 0.0, -1.0, -1.0]).all(|(g, e)| g.to_f64() == e));
        let kl = q.diag_normal_kl(q);
        assert_eq!(kl.item().to_f64(), 0.0);
        zeros(tape.backward(kl).wrt(q));
    }
    // The smallest σ above 0 of each type has log σ = −103.28 and −744.44.
    for log_sigma in [-100.0, -103.0, -50.0] {
        check::<f32>(log_sigma);
    }
    for log_sigma in [-700.0, -744.0] {
        check::<f64>(log_sigma);
    }
}

#[test]
fn a_certain_bernoulli_variable_has_log_probability_zero_or_minus_infinity() {
    let tape = Tape::new();
    for (x, logit, expected, slope) in [
        (1.0, INF, 0.0, 0.0),
        (0.0, INF, -INF, -1.0),
        (0.25, INF, -INF, -0.75),
        (0.0, -INF, 0.0, 0.0),
        (1.0, -INF, -INF, 1.0),
        (0.25, -INF, -INF, 0.25),
    ] {
        let logits = tape.parameter(&[logit, logit], [2]);
        let y = tape.constant(&[x, x], [2]).bernoulli_log_prob(logits);
        assert_eq!(y.item(), expected, "x = {x}, logit {logit}");
        assert_eq!(tape.backward(y).wrt(logits), [slope; 2], "x = {x}, logit {logit}");
    }
    let y = tape.constant(&[1.0], [1]).bernoulli_log_prob(tape.constant(&[NAN], [1]));
    assert!(y.item().is_nan());
}

#[test]
fn the_slope_of_a_sample_in_log_sigma_is_that_of_its_noise() {
    // σ is far below the spacing of numbers beside μ: z is μ.
    let tape = Tape::<f32>::new();
    let q = tape.parameter(&[1.0, -20.0], [2]);
    let z = q.diag_normal_sample(tape.constant(&[1.5], [1]));
    assert_eq!(z.item(), 1.0);
    let slope = tape.backward(z.sum()).wrt(q)[1];
    assert!((slope / (1.5 * (-20.0_f32).exp()) - 1.0).abs() < 1e-6, "{slope}");
}
