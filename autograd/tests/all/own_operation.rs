//! Operations that are defined outside the crate: recorded, differentiated and checked like its own, and caught when
//! they are wrong.

use std::ops::Range;

use crate::common::assert_close;
use autograd::check::{Case, Checked, Example, Mismatch, Sample, check, check_op, undetected};
use autograd::numerics::{Mat, MatMut};
use autograd::ops::{Binary, Elementwise};
use autograd::ops::{Broadcast, Map};
use autograd::{InputAdjoints, Inputs, Op, Real, Shape, Tape};

/// y = x σ(x),   dy/dx = σ(x) + y (1 − σ(x))
#[derive(Clone)]
struct Swish;

impl<F: Real> Elementwise<F> for Swish {
    const NAME: &'static str = "swish";

    #[inline(always)]
    fn f(&self, x: F) -> F {
        x * x.sigmoid()
    }

    #[inline(always)]
    fn df(&self, x: F, y: F) -> F {
        x.sigmoid() + y * (F::ONE - x.sigmoid())
    }
}

impl Example for Swish {
    const DOMAIN: Range<f64> = -3.0..3.0;

    fn example() -> Self {
        Swish
    }
}

/// z = ln(eˣ + eʸ),   ∂z/∂x = e^(x−z)
#[derive(Clone)]
struct LogAddExp;

impl<F: Real> Binary<F> for LogAddExp {
    const NAME: &'static str = "log_add_exp";

    #[inline(always)]
    fn f(&self, x: F, y: F) -> F {
        x + (y - x).softplus()
    }

    #[inline(always)]
    fn dx(&self, x: F, _: F, z: F) -> F {
        (x - z).exp()
    }

    #[inline(always)]
    fn dy(&self, _: F, y: F, z: F) -> F {
        (y - z).exp()
    }
}

impl Example for LogAddExp {
    const DOMAIN: Range<f64> = 0.5..2.5;

    fn example() -> Self {
        LogAddExp
    }
}

/// The Gram matrix of the rows, G = X Xᵀ.   X̄ += (Ḡ + Ḡᵀ) X
#[derive(Clone)]
struct Gram;

impl<F: Real> Op<F> for Gram {
    fn name(&self) -> &'static str {
        "gram"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err("takes one input".into()) };
        if x.rank() != 2 {
            return Err(format!("rank {}, must be a matrix", x.rank()));
        }
        Ok([x[0], x[0]].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, g: &mut [F], _: &mut [F]) {
        let [n, d] = [x.shape(0)[0], x.shape(0)[1]];
        let matrix = Mat::new(&x[0], n, d);
        F::gemm(F::ONE, matrix, matrix.t(), F::ZERO, MatMut::new(g, n, n));
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dg: &[F], dx: &mut InputAdjoints<'_, F>) {
        let [n, d] = [x.shape(0)[0], x.shape(0)[1]];
        let (matrix, dg) = (Mat::new(x.get(0), n, d), Mat::new(dg, n, n));
        for dg in [dg, dg.t()] {
            dx.add_product(0, F::ONE, dg, matrix);
        }
    }
}

impl<F: Real> Checked<F> for Gram {
    fn cases() -> Vec<Case<Self>> {
        vec![Case::new(Gram, [Sample::any([3, 4])]), Case::new(Gram, [Sample::any([1, 2])])]
    }
}

/// Both coordinates of a point on the circle, as one node: (n) to (2, n), the row of sines, then that of cosines.
#[derive(Clone)]
struct SinCos;

impl<F: Real> Op<F> for SinCos {
    fn name(&self) -> &'static str {
        "sin_cos"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        Ok([2, x[0].size()].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let (sin, cos) = y.split_at_mut(x[0].len());
        for ((&x, sin), cos) in x[0].iter().zip(sin).zip(cos) {
            (*sin, *cos) = (x.sin(), x.cos());
        }
    }

    fn backward(&self, _: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let n = y.len() / 2;
        if let Some(dx) = dx.get(0) {
            dx.iter_mut().enumerate().for_each(|(i, dx)| *dx += y[n + i] * dy[i] - y[i] * dy[n + i]);
        }
    }
}

impl<F: Real> Checked<F> for SinCos {
    fn cases() -> Vec<Case<Self>> {
        vec![Case::new(SinCos, [Sample::any([5])])]
    }
}

/// y = Σ ln cosh xᵢ, keeping tanh xᵢ for the backward pass.   x̄ᵢ += tanh xᵢ ȳ
#[derive(Clone)]
struct LogCosh;

impl<F: Real> Op<F> for LogCosh {
    fn name(&self) -> &'static str {
        "log_cosh"
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok(Shape::SCALAR)
    }

    fn aux(&self, x: &[Shape]) -> usize {
        x[0].size()
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], tanh: &mut [F]) {
        let ln_2 = F::from_f64(std::f64::consts::LN_2);
        y[0] = x[0].iter().map(|&x| x.abs() + (F::from_f64(-2.0) * x.abs()).exp().ln_1p() - ln_2).sum();
        x[0].iter().zip(tanh).for_each(|(x, tanh)| *tanh = x.tanh());
    }

    fn backward(&self, _: &Inputs<'_, F>, _: &[F], tanh: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        if let Some(dx) = dx.get(0) {
            dx.iter_mut().zip(tanh).for_each(|(dx, &tanh)| *dx += tanh * dy[0]);
        }
    }
}

impl<F: Real> Checked<F> for LogCosh {
    fn cases() -> Vec<Case<Self>> {
        vec![Case::new(LogCosh, [Sample::any([2, 3])])]
    }
}

fn right<O: Checked<f64>>() {
    assert!(check_op::<O>().unwrap().cases > 0);
    assert_eq!(undetected::<O>(1.001), []);
}

#[test]
fn operations_of_ones_own_pass_the_checks_of_the_catalogue() {
    right::<Map<Swish>>();
    right::<Broadcast<LogAddExp>>();
    right::<Gram>();
    right::<SinCos>();
    right::<LogCosh>();
}

#[test]
fn they_mix_with_the_operations_of_the_crate() {
    let inputs = [Sample::any([3, 4]), Sample::any([3, 1])];
    check("own operations", &inputs, |tape, x| {
        let gram = tape.record(Gram, &[tape.record(Map(Swish), &[x[0]])]);
        tape.record(Broadcast(LogAddExp), &[gram, x[1]]).tanh() + tape.record(LogCosh, &[gram * x[1]])
    })
    .unwrap();
}

#[test]
fn they_work_in_single_precision() {
    let tape = Tape::<f32>::new();
    let x = tape.parameter(&[1.0, -2.0], [1, 2]);
    let y = tape.record(Gram, &[tape.record(Map(Swish), &[x])]);
    assert!((y.item() - (0.731_058_6f32.powi(2) + 0.238_405_84f32.powi(2))).abs() < 1e-6);
    assert!(tape.backward(y).wrt(x).iter().all(|dx| dx.is_finite()));
}

#[test]
fn several_outputs_are_one_node_and_views_of_it() {
    let tape = Tape::new();
    let angle = tape.parameter(&[0.3, -1.2], [2]);
    let both = tape.record(SinCos, &[angle]);
    let (sin, cos) = (both.rows(0..1).reshape([2]), both.rows(1..2).reshape([2]));
    let f = (sin * cos.square()).sum();
    let slope = |x: f64| x.cos().powi(3) - 2.0 * x.sin().powi(2) * x.cos();
    assert_close(tape.backward(f).wrt(angle), &[slope(0.3), slope(-1.2)], 1e-14);
    // An output that is not used counts as zero.
    assert_close(tape.backward(cos.sum()).wrt(angle), &[-0.3f64.sin(), 1.2f64.sin()], 1e-14);
}

/// yᵢ = xᵢ², with a fault.
#[derive(Clone)]
struct Faulty<const FAULT: u8>;

const WRONG: u8 = 0;
const OVERWRITES: u8 = 1;
const FORGETS_A_VALUE: u8 = 2;
const FORGETS_AN_ADJOINT: u8 = 3;
const ADDS_NOTHING: u8 = 4;
const FORGETS_WHAT_IT_KEEPS: u8 = 5;
const MAKES_NAN: u8 = 6;
const COUNTS_ON_A_CLEAN_BUFFER: u8 = 7;

impl<const FAULT: u8> Op<f64> for Faulty<FAULT> {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        Ok(x[0])
    }

    fn aux(&self, x: &[Shape]) -> usize {
        x[0].size()
    }

    fn forward(&self, x: &Inputs<'_, f64>, y: &mut [f64], slope: &mut [f64]) {
        for i in 0..y.len() {
            if !(FAULT == FORGETS_A_VALUE && i == 2) {
                y[i] = x[0][i] * x[0][i];
            }
            if !(FAULT == FORGETS_WHAT_IT_KEEPS && i == 2) {
                slope[i] = 2.0 * x[0][i];
            }
        }
    }

    fn backward(
        &self,
        x: &Inputs<'_, f64>,
        _: &[f64],
        slope: &[f64],
        dy: &[f64],
        dx: &mut InputAdjoints<'_, f64>,
    ) {
        x.with_scratch(dy.len(), |terms| {
            if FAULT != COUNTS_ON_A_CLEAN_BUFFER {
                terms.fill(0.0);
            }
            for i in 0..dy.len() {
                terms[i] += slope[i] * dy[i];
            }
            let Some(dx) = dx.get(0).filter(|_| FAULT != ADDS_NOTHING) else { return };
            if FAULT == OVERWRITES {
                return dx.copy_from_slice(terms);
            }
            for (i, (dx, term)) in dx.iter_mut().zip(terms).enumerate() {
                *dx += match (FAULT, i) {
                    (WRONG, 2) => 1.05 * *term,
                    (FORGETS_AN_ADJOINT, 2) => continue,
                    (MAKES_NAN, 2) => *term * f64::NAN,
                    _ => *term,
                };
            }
        });
    }
}

impl<const FAULT: u8> Checked<f64> for Faulty<FAULT> {
    fn cases() -> Vec<Case<Self>> {
        vec![Case::new(Self, [Sample::any([4])])]
    }
}

fn caught<const FAULT: u8>() -> Mismatch {
    let mismatch = check_op::<Faulty<FAULT>>().unwrap_err();
    assert_eq!((&mismatch.name[..], mismatch.input), ("faulty", 0));
    mismatch
}

#[test]
fn a_wrong_adjoint_is_reported_with_operation_input_element_and_both_numbers() {
    let mismatch = caught::<WRONG>();
    let Mismatch { element, adjoint, difference, error, doubt, .. } = mismatch;
    assert_eq!((element, doubt), (2, None));
    assert_close(&[adjoint], &[1.05 * difference], 1e-9);
    assert_eq!(
        mismatch.to_string(),
        format!(
            "faulty: input 0, element 2: the adjoint is {adjoint:e}, differences say {difference:e} ± {error:.0e}"
        )
    );
}

#[test]
fn a_rule_that_overwrites_instead_of_adding_is_caught() {
    let Mismatch { element, adjoint, difference, .. } = caught::<OVERWRITES>();
    assert_eq!(element, 0);
    // What stood there before was 1.
    assert_close(&[adjoint], &[difference - 1.0], 1e-9);
}

#[test]
fn an_element_that_is_left_unwritten_is_caught() {
    let value = caught::<FORGETS_A_VALUE>();
    assert!(value.difference.is_nan() || value.difference == 0.0, "{value}");
    let kept = caught::<FORGETS_WHAT_IT_KEEPS>();
    assert!(kept.element == 2 && kept.adjoint.is_nan(), "{kept}");
    let adjoint = caught::<FORGETS_AN_ADJOINT>();
    assert!(adjoint.element == 2 && adjoint.adjoint == 0.0 && adjoint.difference != 0.0, "{adjoint}");
    let all = caught::<ADDS_NOTHING>();
    assert!(all.element == 0 && all.adjoint == 0.0 && all.difference != 0.0, "{all}");
}

#[test]
fn a_rule_that_counts_on_a_clean_buffer_is_caught() {
    assert_eq!(caught::<COUNTS_ON_A_CLEAN_BUFFER>().element, 0);
}

#[test]
fn not_a_number_never_passes() {
    let mismatch = caught::<MAKES_NAN>();
    assert!(mismatch.element == 2 && mismatch.adjoint.is_nan());
    assert!(mismatch.to_string().contains("the adjoint is NaN"));
}

/// Right, but its case cannot tell: every input lies where the slope is 0.
#[derive(Clone)]
struct Blind;

impl Elementwise<f64> for Blind {
    const NAME: &'static str = "blind";

    fn f(&self, x: f64) -> f64 {
        x.max(0.0)
    }

    fn df(&self, x: f64, _: f64) -> f64 {
        if x > 0.0 { 1.0 } else { 0.0 }
    }
}

impl Example for Blind {
    const DOMAIN: Range<f64> = -2.0..-1.0;

    fn example() -> Self {
        Blind
    }
}

#[test]
fn a_case_that_cannot_fail_is_found() {
    assert_eq!(check_op::<Map<Blind>>().unwrap().cases, 1);
    assert_eq!(undetected::<Map<Blind>>(1.001), [(0, 0)]);
}
