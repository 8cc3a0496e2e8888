//! Derivatives beyond the gradient.

use std::sync::Arc;

use rayon::prelude::*;

use super::Dual;
use crate::{Real, Tape, Var};

/// f(θ), ∇f(θ) and the product H v of its Hessian with a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Hvp<F> {
    /// f(θ)
    pub value: F,
    /// ∇f(θ)
    pub gradient: Vec<F>,
    /// ∇²f(θ) v
    pub product: Vec<F>,
}

/// The Hessian-vector product ∇²f(θ) v, exact and at the price of a few gradients (Pearlmutter 1994): the gradient of
/// f at θ + v ε, whose tangent is the derivative of ∇f along v.
///
/// ```
/// use autograd::forward::hvp;
///
/// // f(x, y) = x² y: the Hessian is (2y 2x; 2x 0).
/// let hvp = hvp(&[3.0, 5.0], &[1.0, 0.0], |_, theta| theta.view(0, []).square() * theta.view(1, []));
/// assert_eq!(hvp.value, 45.0);
/// assert_eq!(hvp.gradient, [30.0, 9.0]);
/// assert_eq!(hvp.product, [10.0, 6.0]);
/// ```
///
/// # Panics
/// If `v` is not as long as θ, or `f` does not return a scalar.
#[track_caller]
pub fn hvp<F: Real>(
    theta: &[F],
    v: &[F],
    f: impl for<'t> FnOnce(&'t Tape<Dual<F>>, Var<'t, Dual<F>>) -> Var<'t, Dual<F>>,
) -> Hvp<F> {
    let mut tape = Tape::new();
    let (Dual { value, .. }, gradient) = tape.value_and_grad(&Arc::new(lift(theta, v)), f);
    let (gradient, product) = gradient.iter().map(|dual| (dual.value, dual.tangent)).unzip();
    Hvp { value, gradient, product }
}

/// The Hessian ∇²f(θ), row after row, by d Hessian-vector products, in parallel: for small d.
///
/// # Panics
/// If `f` does not return a scalar.
#[track_caller]
pub fn hessian<F: Real>(
    theta: &[F],
    f: impl for<'t> Fn(&'t Tape<Dual<F>>, Var<'t, Dual<F>>) -> Var<'t, Dual<F>> + Sync,
) -> Vec<F> {
    // Here, and not in a worker thread.
    assert!(jvp(theta, theta, &f).0.len() == 1, "hessian: expected a scalar value");
    let mut rows = vec![F::ZERO; theta.len() * theta.len()];
    let each = rows.par_chunks_mut(theta.len().max(1)).enumerate();
    each.for_each_init(Tape::new, |tape, (i, row)| {
        let mut unit = vec![F::ZERO; theta.len()];
        unit[i] = F::ONE;
        let (_, gradient) = tape.value_and_grad(&Arc::new(lift(theta, &unit)), &f);
        row.iter_mut().zip(&*gradient).for_each(|(row, dual)| *row = dual.tangent);
    });
    rows
}

/// f(x) and the Jacobian-vector product J v, by forward mode: no backward pass.
///
/// # Panics
/// If `v` is not as long as `x`.
#[track_caller]
pub fn jvp<F: Real>(
    x: &[F],
    v: &[F],
    f: impl for<'t> FnOnce(&'t Tape<Dual<F>>, Var<'t, Dual<F>>) -> Var<'t, Dual<F>>,
) -> (Vec<F>, Vec<F>) {
    let tape = Tape::new();
    let y = f(&tape, tape.constant(&lift(x, v), [x.len()]));
    y.with(|y| y.iter().map(|dual| (dual.value, dual.tangent)).unzip())
}

/// The Jacobian ∂yᵢ/∂xⱼ, row after row, by a backward pass for each yᵢ of one recording.
///
/// # Panics
/// If `f` returns a variable of another tape than the one it is given.
#[track_caller]
pub fn jacobian<F: Real>(x: &[F], f: impl for<'t> FnOnce(&'t Tape<F>, Var<'t, F>) -> Var<'t, F>) -> Vec<F> {
    let tape = Tape::new();
    let x = tape.parameter(x, [x.len()]);
    let y = f(&tape, x);
    let mut unit = vec![F::ZERO; y.size()];
    let mut rows = Vec::with_capacity(unit.len() * x.size());
    for i in 0..unit.len() {
        unit[i] = F::ONE;
        rows.extend_from_slice(tape.backward_from(&[(y, &unit)]).wrt(x));
        unit[i] = F::ZERO;
    }
    rows
}

/// x + v ε
#[track_caller]
fn lift<F: Real>(x: &[F], v: &[F]) -> Vec<Dual<F>> {
    assert!(x.len() == v.len(), "expected a direction of {} numbers, found {}", x.len(), v.len());
    x.iter().zip(v).map(|(&x, &v)| Dual::new(x, v)).collect()
}
