//! erf, ln Γ, ψ and what is made of them, and the operations on the structure of arrays.

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::check::{Sample, check};
use autograd::forward::{Dual, hessian, jvp};
use autograd::numerics::special;
use autograd::{Real, Tape, Var, kernel};

/// erf x, which the standard library may have one day, too.
fn erf<F: Real>(x: F) -> F {
    Real::erf(x)
}

/// The values of `reference.txt` for one function.
fn references(function: &str) -> Vec<(f64, f64)> {
    let lines = include_str!("special/reference.txt").lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_function = lines.filter(|words| words[0] == function);
    let pairs: Vec<_> =
        of_function.map(|words| (words[1].parse().unwrap(), words[2].parse().unwrap())).collect();
    assert!(pairs.len() > 150, "only {} references", pairs.len());
    pairs
}

/// The error of `y` in units in the last place of `scale`.
fn units(y: f64, expected: f64, scale: f64) -> f64 {
    if y == expected || y.is_nan() && expected.is_nan() {
        return 0.0;
    }
    let scale = scale.abs().max(f64::MIN_POSITIVE);
    let error = (y - expected).abs() / (scale.next_up() - scale);
    if error.is_nan() { f64::INFINITY } else { error }
}

#[track_caller]
fn assert_within(bound: f64, name: &str, x: f64, y: f64, expected: f64, scale: f64) -> f64 {
    let error = units(y, expected, scale);
    assert!(error <= bound, "{name}({x:e}) is {y:e}, not {expected:e}: {error} units of {scale:e}");
    error
}

#[test]
fn erf_is_within_its_bound() {
    let worst = references("erf").into_iter().map(|(x, y)| assert_within(1.5, "erf", x, erf(x), y, y));
    println!("erf: {}", worst.fold(0.0, f64::max));
    let mut worst = 0.0;
    for bits in (0..f32::INFINITY.to_bits()).step_by(997) {
        let x = f32::from_bits(bits);
        let (y, expected) = (f64::from(erf(x)), erf(f64::from(x)));
        let ulp = (2.0_f64).powi((expected.log2().floor() as i32).max(-126) - 23);
        let error = (y - expected).abs() / ulp;
        assert!(error <= 1.5, "erf({x:e}) is {y:e}, not {expected:e}: {error} ulp");
        assert_eq!(erf(-x), -erf(x));
        worst = error.max(worst);
    }
    println!("erf in single precision: {worst}");
}

#[test]
fn ln_gamma_is_within_its_bound() {
    let mut worst: [f64; 2] = [0.0; 2];
    for (x, y) in references("lgamma") {
        let scale = if x > -0.5 { y } else { y.abs().max(1.0).max((-x).lgamma()) };
        let error = assert_within(4.0, "lgamma", x, x.lgamma(), y, scale);
        worst[usize::from(x < -0.5)] = error.max(worst[usize::from(x < -0.5)]);
        let single = (x as f32).lgamma();
        assert!(single.is_nan() || single == f64::from(x as f32).lgamma() as f32, "lgamma({x:e}) in f32");
    }
    println!("lgamma: {worst:?}");
}

#[test]
fn digamma_and_its_derivative_are_within_their_bounds() {
    let scale_left = |x: f64| {
        let cot = std::f64::consts::PI / (std::f64::consts::PI * (x - x.round())).tan();
        (-x).ln().abs().max(cot.abs()).max(1.0)
    };
    let mut worst: [f64; 4] = [0.0; 4];
    for (x, y) in references("digamma") {
        let scale = if x > 0.0 { y.abs().max(1.0) } else { scale_left(x) };
        let error = assert_within(6.0, "digamma", x, x.digamma(), y, scale);
        worst[usize::from(x < 0.0)] = error.max(worst[usize::from(x < 0.0)]);
    }
    for (x, y) in references("trigamma") {
        let scale = if x > 0.0 { y } else { scale_left(x).powi(2).max(y) };
        let trigamma = Dual::new(x, 1.0).digamma().tangent;
        let error = assert_within(8.0, "trigamma", x, trigamma, y, scale);
        worst[2 + usize::from(x < 0.0)] = error.max(worst[2 + usize::from(x < 0.0)]);
    }
    println!("digamma, trigamma: {worst:?}");
}

#[test]
fn special_values() {
    const INF: f64 = f64::INFINITY;
    for (x, y) in [(0.0, 0.0), (INF, 1.0), (-INF, -1.0), (1e-310, 1.1283791670955e-310), (27.0, 1.0)] {
        assert_eq!(erf(x), y);
        assert_eq!(erf(x as f32), y as f32);
    }
    assert!(erf(-0.0_f64).is_sign_negative());
    for x in [0.0, -0.0, -1.0, -7.0, -1e20, INF, -INF] {
        assert_eq!(x.lgamma(), INF, "lgamma({x})");
    }
    assert_eq!([1.0_f64.lgamma(), 2.0_f64.lgamma()], [0.0; 2]);
    assert_eq!([0.0_f64.digamma(), (-0.0_f64).digamma(), INF.digamma()], [-INF, INF, INF]);
    for x in [-1.0, -7.0, -1e20, -INF, f64::NAN] {
        assert!(x.digamma().is_nan(), "digamma({x})");
    }
    assert!(erf(f64::NAN).is_nan() && f64::NAN.lgamma().is_nan() && erf(f32::NAN).is_nan());
}

kernel! {
    fn erf_f32(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = special::f32::erf(x);
        }
    }
}

kernel! {
    fn erf_f64(x: &[f64], y: &mut [f64]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = special::f64::erf(x);
        }
    }
}

#[test]
fn erf_has_the_same_bits_in_a_loop_of_every_length() {
    let x: Vec<f64> = numbers(1, 70).into_iter().map(|x| 4.0 * x).collect();
    let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    for n in 0..=70 {
        let (mut y, mut z) = (vec![0.0; n], vec![0.0; n]);
        erf_f64(&x[..n], &mut y);
        erf_f32(&narrow[..n], &mut z);
        assert!(y.iter().zip(&x).all(|(&y, &x)| y == erf(x)));
        assert!(z.iter().zip(&narrow).all(|(&z, &x)| z == erf(x)));
    }
}

#[test]
fn ln_gamma_is_differentiable_as_often_as_wanted() {
    // ψ″(x) by dual numbers twice nested, and by the tape over dual numbers: the Hessian of ψ(x).
    for x in [0.3, 1.0, 4.7, 30.0, -2.3] {
        let h = 1e-3 * f64::max(1.0, 0.1 * f64::abs(x));
        let trigamma = |x: f64| Dual::new(x, 1.0).digamma().tangent;
        let difference = (trigamma(x - 2.0 * h) - 8.0 * trigamma(x - h) + 8.0 * trigamma(x + h)
            - trigamma(x + 2.0 * h))
            / (12.0 * h);
        let nested = Dual::new(Dual::new(x, 1.0), Dual::new(1.0, 0.0)).digamma().tangent.tangent;
        assert_close(&[nested], &[difference], 1e-6);
        assert_close(&hessian(&[x], |_, x| x.digamma().reshape([])), &[nested], 1e-12);
        assert_close(&hessian(&[x], |_, x| x.lgamma().reshape([])), &[trigamma(x)], 1e-12);
    }
    // Γ(x) Γ(x + ½) = 2^(1 − 2x) √π Γ(2x)
    let x: Vec<f64> = numbers(5, 40).into_iter().map(|x| 6.1 + 6.0 * x).collect();
    let ln_2 = std::f64::consts::LN_2;
    for x in x {
        let right = (1.0 - 2.0 * x) * ln_2 + 0.5 * std::f64::consts::PI.ln() + (2.0 * x).lgamma();
        assert_close(&[x.lgamma() + (x + 0.5).lgamma()], &[right], 1e-14);
    }
}

/// Value and slope at each point.
fn graph(points: &[f64], f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> Vec<(f64, f64)> {
    let tape = dirty_tape();
    let x = tape.parameter(points, [points.len()]);
    let y = f(x);
    y.to_vec().into_iter().zip(tape.backward(y.sum()).wrt(x).iter().copied()).collect()
}

#[test]
fn activations_have_their_values_and_limits() {
    let known = [0.841_344_746_068_542_9, -0.158_655_253_931_457_05, 0.0];
    let found = graph(&[1.0, -1.0, 0.0], |x| x.gelu());
    assert_close(&found.iter().map(|(y, _)| *y).collect::<Vec<_>>(), &known, 1e-15);
    assert_eq!(found[2].1, 0.5);
    let (silu, slope) = graph(&[2.0], |x| x.silu())[0];
    let sigma = 2.0_f64.sigmoid();
    assert_close(&[silu, slope], &[2.0 * sigma, sigma + 2.0 * sigma * (1.0 - sigma)], 1e-15);
    for far in [graph(&[100.0, -100.0], |x| x.gelu()), graph(&[100.0, -800.0], |x| x.silu())] {
        assert_eq!(far[0], (100.0, 1.0));
        assert!(far[1].0.abs() < 1e-100 && far[1].1.abs() < 1e-100, "{far:?}");
    }
    assert!(graph(&[f64::NAN], |x| x.gelu())[0].0.is_nan() && graph(&[f64::NAN], |x| x.silu())[0].0.is_nan());
}

#[test]
fn clamp_has_slope_one_on_its_bounds() {
    let found = graph(&[-3.0, -1.0, 0.5, 2.0, 2.5], |x| x.clamp(-1.0, 2.0));
    assert_eq!(found, [(-1.0, 0.0), (-1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (2.0, 0.0)]);
    assert!(graph(&[f64::NAN], |x| x.clamp(-1.0, 2.0))[0].0.is_nan());
}

#[test]
#[should_panic(expected = "clamp: expected low ≤ high, found (")]
fn clamp_wants_its_bounds_in_order() {
    Tape::new().parameter(&[0.0], []).clamp(2.0, -1.0);
}

#[test]
fn powers_at_zero_are_what_the_exponent_says() {
    const INF: f64 = f64::INFINITY;
    let at_zero = |c: f64| graph(&[0.0], |x| x.powf(c))[0];
    assert_eq!(at_zero(2.5), (0.0, 0.0));
    assert_eq!(at_zero(1.0), (0.0, 1.0));
    assert_eq!(at_zero(0.5), (0.0, INF));
    assert_eq!(at_zero(0.0), (1.0, 0.0));
    assert_eq!(at_zero(-0.5), (INF, -INF));
    assert_eq!(graph(&[-2.0, 3.0, INF, f64::NAN], |x| x.powf(0.0)), [(1.0, 0.0); 4]);
    assert!(graph(&[-2.0], |x| x.powf(3.0))[0].0.is_nan());
    let (y, slope) = graph(&[3.0], |x| x.powf(2.5))[0];
    assert_close(&[y, slope], &[3.0_f64.powf(2.5), 2.5 * 3.0_f64.powf(1.5)], 1e-14);

    let tape = Tape::new();
    let (x, y) = (tape.parameter(&[0.0, 0.0, 2.0, 2.0], [4]), tape.parameter(&[2.0, 0.0, 0.0, 3.0], [4]));
    let z = x.pow(y);
    assert_close(&z.to_vec(), &[0.0, 1.0, 1.0, 8.0], 1e-14);
    let gradients = tape.backward(z.sum());
    assert_close(gradients.wrt(x), &[0.0, 0.0, 0.0, 12.0], 1e-14);
    let ln_2 = std::f64::consts::LN_2;
    assert_close(&gradients.wrt(y)[2..], &[ln_2, 8.0 * ln_2], 1e-14);
    assert_eq!(gradients.wrt(y)[0], 0.0);
    // ∂²(xʸ) at y = 0: (0 1/x; 1/x ln² x)
    let second = hessian(&[2.0, 0.0], |_, v| v.view(0, []).pow(v.view(1, [])));
    assert_close(&second, &[0.0, 0.5, 0.5, ln_2 * ln_2], 1e-14);
}

#[test]
fn equal_maxima_share_the_gradient() {
    const INF: f64 = f64::INFINITY;
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 3.0, 3.0, 2.0, -INF, -INF, INF, 0.0, INF], [3, 3]);
    let y = x.max_axis(1);
    assert_eq!(y.to_vec(), [3.0, 2.0, INF]);
    assert_eq!(tape.backward(y.sum()).wrt(x), [0.0, 0.5, 0.5, 1.0, 0.0, 0.0, 0.5, 0.0, 0.5]);
    assert_eq!(x.view(0, [2, 2]).max_axis(0).to_vec(), [3.0, 3.0]);
    assert_eq!(x.view(0, [4]).max().item(), 3.0);

    let nan = tape.parameter(&[1.0, f64::NAN, 3.0, f64::NAN, 1.0, 0.0], [2, 3]);
    let y = nan.max_axis(1);
    assert!(y.to_vec().iter().all(|y| y.is_nan()));
    assert_close(tape.backward(y.sum()).wrt(nan), &[1.0 / 3.0; 6], 1e-15);
    assert_eq!(tape.parameter(&[], [2, 0]).max_axis(1).to_vec(), [-INF; 2]);
    assert!(tape.parameter(&[], [0, 2]).max_axis(1).to_vec().is_empty());

    // Along a direction, too, equal ones count alike.
    let masked = jvp(&[2.0, 2.0, f64::NEG_INFINITY], &[1.0, 3.0, 9.0], |_, x| x.max());
    assert_eq!(masked, (vec![2.0], vec![2.0]));
    let tangent = jvp(&[2.0, 2.0, 1.0], &[1.0, 3.0, 9.0], |_, x| x.max());
    assert_eq!(format!("{tangent:?}"), format!("{:?}", (vec![2.0], vec![2.0])));
}

#[test]
fn running_sums_go_along_an_axis() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
    assert_eq!(x.cumsum_axis(0).to_vec(), [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    assert_eq!(x.cumsum_axis(1).to_vec(), [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    assert_eq!(x.cumsum().to_vec(), [1.0, 3.0, 6.0, 10.0, 15.0, 21.0]);
    assert_eq!(tape.backward(x.cumsum_axis(1).sum()).wrt(x), [3.0, 2.0, 1.0, 3.0, 2.0, 1.0]);
    assert!(tape.parameter(&[], [2, 0]).cumsum_axis(1).to_vec().is_empty());
}

#[test]
fn parts_of_matrices() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    assert_eq!(x.diagonal().to_vec(), [1.0, 4.0]);
    assert_eq!(tape.backward(x.diagonal().sum()).wrt(x), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(x.diagonal().diagonal_matrix().to_vec(), [1.0, 0.0, 0.0, 4.0]);
    assert_eq!(x.tril().to_vec(), [1.0, 0.0, 3.0, 4.0]);
    let cube = tape.parameter(&[f64::NAN; 12], [2, 2, 3]);
    let zeros = cube.tril().to_vec().iter().filter(|&&y| y == 0.0).count();
    assert_eq!(zeros, 6, "what is above the diagonal does not matter");
    for n in [0, 1] {
        let empty = tape.parameter(&vec![7.0; n], [n, n]);
        assert_eq!(empty.diagonal().diagonal_matrix().tril().to_vec(), vec![7.0; n]);
    }
}

#[test]
fn a_choice_reads_and_differentiates_one_side_alone() {
    let tape = dirty_tape();
    let mask = tape.parameter(&[1.0, 0.0, -1.0, f64::NAN], [4]);
    let a = tape.parameter(&[1.0, f64::NAN, 3.0, 4.0], [4]);
    let b = tape.parameter(&[f64::INFINITY, 6.0, 7.0, 8.0], [4]);
    let y = mask.select(a, b);
    assert_eq!(y.to_vec(), [1.0, 6.0, 7.0, 8.0]);
    let gradients = tape.backward(y.sum());
    assert_eq!(gradients.wrt(mask), [0.0; 4]);
    assert_eq!(gradients.wrt(a), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(gradients.wrt(b), [0.0, 1.0, 1.0, 1.0]);
}

#[test]
fn stacks_are_multiplied_matrix_by_matrix() {
    let tape = dirty_tape();
    let (a, b) = (numbers(1, 24), numbers(2, 36));
    let (a, b) = (tape.parameter(&a, [3, 2, 4]), tape.parameter(&b, [3, 4, 3]));
    let one = |i: usize| a.view(8 * i, [2, 4]).matmul(b.view(12 * i, [4, 3])).reshape([1, 2, 3]);
    let each = Var::concatenate(&[one(0), one(1), one(2)], 0);
    let cotangent = numbers(3, 18);
    let expected = tape.backward_from(&[(each, &cotangent)]);
    for c in [a.matmul(b), a.matmul_t(b.transpose()), a.transpose().t_matmul(b)] {
        assert_eq!(c.shape(), [3, 2, 3].into());
        assert_close(&c.to_vec(), &each.to_vec(), 1e-15);
        let found = tape.backward_from(&[(c, &cotangent)]);
        assert_close(found.wrt(a), expected.wrt(a), 1e-15);
        assert_close(found.wrt(b), expected.wrt(b), 1e-15);
    }
    let empty = |axes| tape.parameter(&[], axes);
    assert_eq!(empty([2, 3, 0]).matmul(empty([2, 0, 2])).to_vec(), [0.0; 12]);
    assert!(empty([0, 3, 2]).matmul(empty([0, 2, 2])).to_vec().is_empty());
    check("attention", &[Sample::any([2, 3, 4]), Sample::any([2, 3, 4])], |_, x| {
        x[0].matmul_t(x[1]).softmax_axis(2).matmul(x[1])
    })
    .unwrap();
}

/// What `f` panics with.
fn misuse(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(f).expect_err("no panic").downcast().expect("a message")
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let x = |axes: &[usize], f: for<'t> fn(Var<'t, f64>) -> Var<'t, f64>| {
        let axes = axes.to_vec();
        misuse(move || {
            let tape = Tape::new();
            f(tape.parameter(&vec![0.0; axes.iter().product()], &axes[..]));
        })
    };
    for (message, expected) in [
        (x(&[2, 3], |x| x.diagonal()), "diagonal: [2, 3]: expected a square matrix, found [2, 3]"),
        (x(&[2, 3], |x| x.diagonal_matrix()), "diagonal_matrix: [2, 3]: expected a vector, found [2, 3]"),
        (x(&[3], |x| x.tril()), "tril: [3]: expected a matrix or a stack of matrices, found [3]"),
        (
            x(&[3], |x| x.select(x, x.sum())),
            "select: [3] x [3] x []: expected equal shapes, found [[3], [3], []]",
        ),
        (x(&[3], |x| x.max_axis(1)), "max: [3]: expected an axis below 1, found 1"),
        (x(&[3], |x| x.cumsum_axis(1)), "cumsum: [3]: expected an axis below 1, found 1"),
        (
            x(&[2, 2, 2], |x| x.matmul(x.view(0, [2, 2]))),
            "matmul: [2, 2, 2] x [2, 2]: expected two matrices or two stacks of them, found ranks 3 and 2",
        ),
        (
            x(&[2, 2, 2], |x| x.matmul(x.view(0, [1, 2, 2]))),
            "matmul: [2, 2, 2] x [1, 2, 2]: expected as many matrices in both stacks, found 2 and 1",
        ),
        (
            x(&[2, 2, 3], |x| x.matmul(x)),
            "matmul: [2, 2, 3] x [2, 2, 3]: expected equal inner sizes, found 3 and 2",
        ),
    ] {
        assert_eq!(message, expected);
    }
}
