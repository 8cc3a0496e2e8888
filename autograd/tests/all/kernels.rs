//! The elementary functions are as accurate as they say.

use std::f32::consts::{FRAC_PI_2, LN_2, PI, SQRT_2};

use autograd::kernel;
use autograd::numerics::elementary;

use crate::ulp::{error_f32, error_f64};

/// Every 1009th number, and those next to a point where something changes.
fn arguments_f32() -> impl Iterator<Item = f32> {
    let turns = [0.0, f32::MIN_POSITIVE, 1e-10, 1e-3, 0.25, 0.3465736, 0.5, LN_2, 1.0, 1.0397208, SQRT_2];
    let limits = [0.70710677, 0.41421357, 0.29289323, 0.5493061, FRAC_PI_2, PI, 9.01, 16.635532, 17.32868];
    let ends = [87.33655, 88.72284, 103.27893, 103.97208, 710.0, 134_217_728.0, 2.4061596e38, f32::INFINITY];
    let near = [&turns[..], &limits, &ends].concat();
    let near = near.into_iter().flat_map(|x| (-40..=40).map(move |i| x.to_bits().wrapping_add_signed(i)));
    let near = near.flat_map(|bits| [bits, bits ^ 1 << 31]);
    near.chain((0..=u32::MAX).step_by(1009)).map(f32::from_bits)
}

/// Numbers of all magnitudes that matter, evenly spaced in their bits.
fn arguments_f64() -> impl Iterator<Item = f64> {
    let (tiny, small, large) = (1e-310_f64.to_bits(), 1e-17_f64.to_bits(), 1e9_f64.to_bits());
    let all = (tiny..f64::INFINITY.to_bits()).step_by((1 << 49) + 12_345_677);
    let middle = (small..large).step_by((1 << 41) + 1_234_567);
    all.chain(middle).flat_map(|bits| [f64::from_bits(bits), -f64::from_bits(bits)])
}

/// The values of `reference.txt` for one function.
fn references(function: &str) -> Vec<(f64, f64)> {
    let lines = include_str!("kernels/reference.txt").lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_function = lines.filter(|words| words[0] == function);
    of_function.map(|words| (words[1].parse().unwrap(), words[2].parse().unwrap())).collect()
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p() + if x.is_nan() { x } else { 0.0 }
}

/// The tests that each function has to pass: its bounds in units in the last place are those of its
/// documentation, and `slack` is the error of the function of the standard library that a dense sample is
/// compared with.
macro_rules! elementary_functions {
    ($($name:ident: $bound_f32:literal, $bound_f64:literal, $slack:literal, $f:expr, $g:expr;)*) => {
        $(mod $name {
            use super::*;

            kernel! {
                fn loop_f32(x: &[f32], y: &mut [f32]) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = elementary::f32::$name(x);
                    }
                }
            }

            kernel! {
                fn loop_f64(x: &[f64], y: &mut [f64]) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = elementary::f64::$name(x);
                    }
                }
            }

            #[test]
            fn is_within_its_bound_in_single_precision() {
                let f = $f;
                for x in arguments_f32() {
                    let (y, expected) = (elementary::f32::$name(x), f(f64::from(x)));
                    let error = error_f32(y, expected);
                    assert!(error <= $bound_f32, "{x:e} gives {y:e}, not {expected:e}: {error} ulp");
                }
            }

            #[test]
            fn is_within_its_bound_in_double_precision() {
                let table = references(stringify!($name));
                assert!(table.len() >= 35, "only {} references", table.len());
                for (x, expected) in table {
                    let y = elementary::f64::$name(x);
                    let error = error_f64(y, expected);
                    // Half a unit more, since the reference is rounded.
                    assert!(error <= $bound_f64 + 0.5, "{x:e} gives {y:e}, not {expected:e}: {error} ulp");
                }
            }

            #[test]
            fn agrees_with_the_standard_library_in_double_precision() {
                let f = $g;
                for x in arguments_f64() {
                    let (y, expected) = (elementary::f64::$name(x), f(x));
                    let error = error_f64(y, expected);
                    assert!(error <= $bound_f64 + $slack, "{x:e} gives {y:e}, not {expected:e}: {error} ulp");
                }
            }

            #[test]
            fn has_the_same_bits_in_a_loop_of_every_length() {
                let x: Vec<f32> = arguments_f32().step_by(37).filter(|x| !x.is_nan()).collect();
                let wide_x: Vec<f64> = arguments_f64().step_by(37).collect();
                for len in (0..=70).chain([x.len().min(wide_x.len())]) {
                    let (mut y, mut wide_y) = (vec![0.0; len], vec![0.0; len]);
                    loop_f32(&x[..len], &mut y);
                    loop_f64(&wide_x[..len], &mut wide_y);
                    for i in 0..len {
                        let (x, y, alone) = (x[i], y[i], elementary::f32::$name(x[i]));
                        assert!(y.to_bits() == alone.to_bits() || alone.is_nan() && y.is_nan(), "at {x}");
                        let (x, y, alone) = (wide_x[i], wide_y[i], elementary::f64::$name(wide_x[i]));
                        assert!(y.to_bits() == alone.to_bits() || alone.is_nan() && y.is_nan(), "at {x}");
                    }
                }
            }
        })*
    };
}

elementary_functions! {
    exp: 0.94, 0.94, 1.0, f64::exp, f64::exp;
    exp_m1: 1.4, 1.4, 1.0, f64::exp_m1, f64::exp_m1;
    ln: 0.88, 0.88, 1.0, f64::ln, f64::ln;
    ln_1p: 1.5, 1.5, 1.0, f64::ln_1p, f64::ln_1p;
    sin: 1.6, 1.6, 1.0, f64::sin, f64::sin;
    cos: 1.6, 1.6, 1.0, f64::cos, f64::cos;
    tanh: 2.0, 2.0, 2.5, f64::tanh, f64::tanh;
    sigmoid: 1.9, 1.9, 2.5, sigmoid, sigmoid;
    softplus: 1.7, 1.7, 2.5, softplus, softplus;
}

/// NaN equals NaN, and 0 is not −0.
macro_rules! assert_values {
    ($t:ident: $($($f:ident)* ($x:expr) = $y:expr;)*) => {
        $($(
            let (y, expected): ($t, $t) = (elementary::$t::$f($x), $y);
            let same = y.to_bits() == expected.to_bits() || y.is_nan() && expected.is_nan();
            assert!(same, "{}({:e}) is {y:e}, not {expected:e}", stringify!($f), $x);
        )*)*
    };
}

macro_rules! special_values {
    ($name:ident, $t:ident) => {
        #[test]
        fn $name() {
            use std::$t::consts::LN_2;
            const INF: $t = $t::INFINITY;
            const NAN: $t = $t::NAN;
            const TINY: $t = $t::from_bits(1);
            const MAX: $t = $t::MAX;
            assert_values! { $t:
                exp exp_m1 ln ln_1p sin cos tanh sigmoid softplus (NAN) = NAN;
                exp exp_m1 ln ln_1p sin cos tanh sigmoid softplus (-NAN) = NAN;
                exp exp_m1 ln ln_1p softplus (INF) = INF;
                tanh sigmoid (INF) = 1.0;
                sin cos (INF) = NAN;
                exp sigmoid softplus (-INF) = 0.0;
                exp_m1 tanh (-INF) = -1.0;
                ln ln_1p sin cos (-INF) = NAN;
                exp exp_m1 (MAX) = INF;
                softplus (MAX) = MAX;
                tanh sigmoid (MAX) = 1.0;
                exp sigmoid softplus (-MAX) = 0.0;
                exp_m1 tanh (-MAX) = -1.0;
                ln ln_1p (-MAX) = NAN;
                exp_m1 ln_1p sin tanh (0.0) = 0.0;
                exp_m1 ln_1p sin tanh (-0.0) = -0.0;
                exp_m1 ln_1p sin tanh (TINY) = TINY;
                exp_m1 ln_1p sin tanh (-TINY) = -TINY;
                exp cos (0.0) = 1.0;
                exp cos (-0.0) = 1.0;
                exp cos (TINY) = 1.0;
                exp cos (-TINY) = 1.0;
                sigmoid (0.0) = 0.5;
                sigmoid (-0.0) = 0.5;
                softplus (0.0) = LN_2;
                softplus (-0.0) = LN_2;
                ln (0.0) = -INF;
                ln (-0.0) = -INF;
                ln (TINY) = TINY.ln();
                ln (-TINY) = NAN;
                ln (1.0) = 0.0;
                ln_1p (-1.0) = -INF;
                ln_1p (-1.0 - $t::EPSILON) = NAN;
            }
            use elementary::$t::{cos, sigmoid, sin, tanh};
            for x in (1..2000).map(|i| i as $t / 64.0) {
                assert!(
                    sin(-x) == -sin(x) && tanh(-x) == -tanh(x) && cos(-x) == cos(x),
                    "odd and even at {x}"
                );
                assert!(
                    tanh(x) <= 1.0 && sigmoid(x) <= 1.0 && sigmoid(-x) >= 0.0,
                    "within the bounds at {x}"
                );
            }
        }
    };
}

special_values!(special_values_in_single_precision, f32);
special_values!(special_values_in_double_precision, f64);
