//! Derivatives by differences: their error bars, and the three verdicts of a check.

use std::cell::Cell;
use std::ops::Range;

use autograd::Real;
use autograd::check::{Difference, Doubt, Example, Mismatch, check_op, check_theta, difference, undetected};
use autograd::forward::Dual;
use autograd::ops::{Elementwise, Map};

use crate::common::numbers;

/// One of six smooth functions.
fn smooth<F: Real>(which: usize, x: F) -> F {
    match which {
        0 => x.sin(),
        1 => x.exp(),
        2 => x.tanh(),
        3 => F::ONE / (F::ONE + x * x),
        4 => (x * x).ln_1p(),
        _ => (F::ONE + x * x).sqrt(),
    }
}

/// a g(2b f(3c x + d) + e) + h k(2i x + j f(…)) f(…), where f, g, k are some of the six functions.
fn composed<F: Real>(number: usize, x: F) -> F {
    let c: Vec<F> = numbers(number as u64 + 1, 9).into_iter().map(F::from_f64).collect();
    let (two, three) = (F::from_f64(2.0), F::from_f64(3.0));
    let f = smooth(number % 6, three * c[0] * x + c[1]);
    let g = smooth(number / 6 % 6, two * c[2] * f + c[3]);
    let k = smooth(number / 36 % 6, two * c[4] * x + c[5] * f);
    c[6] * g + c[7] * k * f
}

#[test]
fn the_error_bar_holds_the_true_error_of_random_smooth_functions() {
    let (mut held, mut sharp) = (0, 0);
    for (number, x) in numbers(7, 21_600).into_iter().enumerate() {
        let x = 2.0 * x;
        let truth = composed(number, Dual::new(x, 1.0)).tangent;
        let Difference { value, error, .. } = difference(x, |x| composed(number, x));
        held += usize::from((value - truth).abs() <= error);
        sharp += usize::from(error <= 1e-8 * truth.abs());
    }
    // 21,552 and 21,595 where this was written.
    assert!(held >= 21_500, "{held} of 21,600");
    assert!(sharp >= 21_500, "{sharp} of 21,600");
}

#[test]
fn what_is_linear_or_constant_is_exact_to_rounding() {
    for (slope, x) in [(2.0, 3.0), (-1e-6, 1.0), (0.0, 1.0), (1e9, -0.3), (1.0, 1e9)] {
        let Difference { value, error, jump, .. } = difference(x, |x| slope * x + 5.0);
        assert!((value - slope).abs() <= error, "{value} ± {error}, expected {slope}");
        assert!(error <= 1e-11 * (slope.abs() + 5.0 / x.abs()), "{value} ± {error}");
        assert_eq!(jump, 0.0);
    }
}

#[test]
fn few_evaluations_suffice() {
    let count = |f: fn(f64) -> f64| {
        let calls = Cell::new(0);
        difference(0.7, |x| {
            calls.set(calls.get() + 1);
            f(x)
        });
        calls.get()
    };
    assert_eq!(count(|x| 3.0 * x), 7);
    assert_eq!(count(f64::exp), 7);
    assert!(count(|x| (x - 0.7).abs()) <= 33);
}

#[test]
fn kinks_and_edges_of_a_domain_are_passed_by_smaller_steps() {
    for distance in [1e-3, 1e-4, 1e-5] {
        let relu = difference(1.0, |x| (x - 1.0 + distance).max(0.0));
        assert!((relu.value - 1.0).abs() <= relu.error && relu.error < 1e-8, "{distance}: {relu:?}");
        let ln = difference(distance, f64::ln);
        assert!(
            (ln.value - 1.0 / distance).abs() <= ln.error && ln.error < 1e-8 / distance,
            "{distance}: {ln:?}"
        );
    }
}

/// Checks a function of one number that has this adjoint, along a direction.
fn verdict(at: f64, adjoint: f64, f: impl Fn(f64) -> f64) -> Result<(), Mismatch> {
    check_theta("it", &[at], 1, |tape, theta| {
        let x = theta.item();
        (theta - tape.constant(&[x], [1])).sum() * adjoint + tape.constant(&[f(x)], []).sum()
    })
}

fn doubt(at: f64, slope: f64, f: impl Fn(f64) -> f64) -> Option<Doubt> {
    verdict(at, slope, f).expect_err("expected a mismatch").doubt
}

#[test]
fn a_kink_is_unresolved_whatever_the_adjoint_between_both_sides() {
    for adjoint in [-1.0, 0.0, 0.5, 1.0] {
        // Nearer to the kink than the smallest step.
        for at in [0.0, 1e-12, -1e-10] {
            let found = doubt(at, adjoint, f64::abs);
            assert!(matches!(found, Some(Doubt::Kink { .. })), "{adjoint} at {at}: {found:?}");
        }
    }
    assert_eq!(doubt(0.0, 3.0, f64::abs), None, "no derivative on either side");
}

#[test]
fn noise_is_unresolved() {
    for size in [1e-10, 1e-8, 1e-4] {
        let draws = Cell::new(0);
        let noisy = |x: f64| {
            draws.set(draws.get() + 1);
            x.exp() + size * numbers(draws.get(), 1)[0]
        };
        assert_eq!(doubt(0.5, 0.5f64.exp(), noisy), Some(Doubt::Noise), "{size}");
    }
}

#[test]
fn a_value_that_is_large_beside_its_derivative_is_unresolved() {
    assert_eq!(doubt(1.0, 1.0, |x| x + 1e9), Some(Doubt::Rounding));
    assert_eq!(verdict(1.0, 1.0, |x| x + 1e3), Ok(()));
}

#[test]
fn what_is_not_finite_is_unresolved() {
    assert_eq!(doubt(0.0, 1.0, f64::ln), Some(Doubt::NotFinite));
    assert_eq!(doubt(0.0, 1.0, f64::sqrt), Some(Doubt::NotFinite));
    assert_eq!(doubt(1.0, 1.0, |_| f64::NAN), Some(Doubt::NotFinite));
}

#[test]
fn a_wrong_derivative_disagrees_a_right_one_agrees() {
    for error in [1e-7, -1e-7, 1e-3, 1.0] {
        let mismatch = verdict(0.5, (1.0 + error) * 0.5f64.exp(), f64::exp).unwrap_err();
        assert_eq!(mismatch.doubt, None, "{mismatch}");
    }
    assert_eq!(verdict(0.5, 0.5f64.exp(), f64::exp), Ok(()));
    assert_eq!(verdict(0.0, 0.0, f64::cos), Ok(()));
    assert_eq!(verdict(0.3, 0.0, |_| 4.0), Ok(()));
    // Not only for derivatives of order 1.
    let tiny = |x: f64| 1e-9 * x.exp();
    assert_eq!(verdict(0.5, tiny(0.5), tiny), Ok(()));
    assert_eq!(verdict(0.5, 1.001 * tiny(0.5), tiny).unwrap_err().doubt, None);
    assert_eq!(verdict(0.5, 0.0, tiny).unwrap_err().doubt, None);
}

#[test]
fn what_is_unresolved_says_why_and_what_to_do() {
    let said = |at, slope, f: fn(f64) -> f64| verdict(at, slope, f).unwrap_err().to_string();
    assert!(said(0.0, 0.0, f64::ln).ends_with(
        "; the value is not finite there or next to it: move the input away from the domain's edge"
    ));
    let kink = said(0.0, 0.25, f64::abs);
    assert!(kink.starts_with("it: input 0, element 0: unresolved: the adjoint is "), "{kink}");
    assert!(kink.ends_with(" on the right: move the input away from it"), "{kink}");
    assert!(said(1.0, 1.0, |x| x + 1e9).ends_with(
        "; the value is so large that its rounding hides the derivative: leave out what is constant"
    ));
}

/// A sine whose derivative is wrong by 10⁻ⁿ of itself, or with noise of 10⁻ⁿ.
#[derive(Clone)]
struct Sine<const N: i32, const NOISY: bool>;

impl<const N: i32, const NOISY: bool> Elementwise<f64> for Sine<N, NOISY> {
    const NAME: &'static str = "sine";

    fn f(&self, x: f64) -> f64 {
        let noise = if NOISY { 10f64.powi(-N) * numbers(x.to_bits(), 1)[0] } else { 0.0 };
        x.sin() + noise
    }

    fn df(&self, x: f64, _: f64) -> f64 {
        let wrong = if NOISY { 0.0 } else { 10f64.powi(-N) };
        x.cos() * (1.0 + wrong)
    }
}

impl<const N: i32, const NOISY: bool> Example for Sine<N, NOISY> {
    const DOMAIN: Range<f64> = -1.0..1.0;

    fn example() -> Self {
        Self
    }
}

#[test]
fn an_operation_that_is_wrong_by_little_disagrees() {
    assert_eq!(check_op::<Map<Sine<3, false>>>().unwrap_err().doubt, None);
    assert_eq!(check_op::<Map<Sine<7, false>>>().unwrap_err().doubt, None);
    let right = check_op::<Map<Sine<300, false>>>().unwrap();
    assert_eq!((right.cases, right.inputs, right.derivatives), (1, 1, 36));
    assert!(right.distance <= right.error && right.error < 1e-9, "{right:?}");
}

#[test]
fn what_is_unresolved_has_not_been_noticed() {
    assert_eq!(check_op::<Map<Sine<4, true>>>().unwrap_err().doubt, Some(Doubt::Noise));
    assert_eq!(undetected::<Map<Sine<4, true>>>(1.001), [(0, 0)]);
    // Half as much again stands out of the noise.
    assert_eq!(undetected::<Map<Sine<4, true>>>(100.0), []);
}
