//! Are the derivatives right? Every adjoint is compared with differences of the value.
//!
//! The comparison is made in `f64`, with five-point central differences (error of order h⁴) and a random cotangent: a
//! cotangent of ones would not see that the outputs of a softmax sum to one. An adjoint is taken twice, once into fresh
//! memory and once on top of something else, so that a rule which overwrites instead of adding is caught. All memory is
//! filled with NaN beforehand, so that a rule which forgets an element is caught too.
//!
//! [`check`] compares any computation on the tape, [`check_theta`] the gradient of a whole model, [`check_op`] an operation
//! on its [cases](Checked). [`undetected`] checks the check: it makes each adjoint wrong on purpose. [`catalogue()`] leads
//! through all operations of this crate.

mod case;
mod catalogue;
mod scalars;

use std::fmt;

pub use case::{Case, Checked, Example, Sample};
pub(crate) use catalogue::Catalogued;
pub use catalogue::{Operation, Visitor, catalogue, instances};
pub use scalars::compare_scalars;

use crate::{Real, Tape, Var};
use case::{Erased, Random, Record, cotangent, erased};

/// A derivative that differs from the difference quotient.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The operation, or the name given to the check.
    pub name: String,
    /// Which of the inputs.
    pub input: usize,
    /// Which of its elements, or which random direction.
    pub element: usize,
    /// The derivative by the backward pass.
    pub adjoint: f64,
    /// The derivative by differences of the value.
    pub difference: f64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, input, element, adjoint, difference } = self;
        write!(
            f,
            "{name}: input {input}, element {element}: the adjoint is {adjoint:e}, differences say {difference:e}"
        )
    }
}

impl std::error::Error for Mismatch {}

/// An adjoint that is made wrong on purpose: a check that does not notice checks nothing.
#[derive(Clone, Copy)]
struct Mutation {
    /// Which input's adjoint is changed.
    input: usize,
    /// What it is multiplied by.
    factor: f64,
}

/// Checks a computation on the tape, with respect to every input that is not constant.
///
/// ```
/// use autograd::check::{Sample, check};
///
/// let inputs = [Sample::any([4, 3]), Sample::any([3, 2])];
/// check("tanh of a product", &inputs, |_, x| x[0].matmul(x[1]).tanh()).unwrap();
/// ```
///
/// # Errors
/// The first derivative that is wrong.
pub fn check(
    name: &str,
    inputs: &[Sample],
    f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
) -> Result<(), Mismatch> {
    compare(name, inputs, &f, None)
}

/// Checks an operation on all its cases and returns how many there are.
///
/// # Errors
/// The first derivative that is wrong.
pub fn check_op<O: Checked<f64>>() -> Result<usize, Mismatch> {
    let cases = erased::<f64, O>();
    for Erased { name, record, inputs } in &cases {
        compare(name, inputs, record, None)?;
    }
    Ok(cases.len())
}

/// Runs an operation's checks with an adjoint that is wrong by `factor`, one input at a time. Returns the pairs (case, input)
/// in which that was *not* noticed; there should be none.
pub fn undetected<O: Checked<f64>>(factor: f64) -> Vec<(usize, usize)> {
    let mut blind = Vec::new();
    for (number, Erased { name, record, inputs }) in erased::<f64, O>().iter().enumerate() {
        for input in (0..inputs.len()).filter(|&i| inputs[i].differentiable) {
            if compare(name, inputs, record, Some(Mutation { input, factor })).is_ok() {
                blind.push((number, input));
            }
        }
    }
    blind
}

/// Checks ∇f(θ) along random directions v: ⟨∇f(θ), v⟩ against d f(θ + t v)/dt. For the θ of a whole model, of any size.
///
/// # Errors
/// The first direction along which the gradient is wrong.
pub fn check_theta(
    name: &str,
    theta: &[f64],
    directions: usize,
    f: impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64>,
) -> Result<(), Mismatch> {
    let mut random = Random(theta.len() as u64);
    let mut tape = Tape::new();
    let gradient = tape.value_and_grad(&theta.to_vec().into(), &f).1.to_vec();
    for element in 0..directions {
        let v: Vec<f64> = theta.iter().map(|_| 2.0 * random.uniform() - 1.0).collect();
        let adjoint = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
        let difference = five_points(1e-4, &mut |t| {
            tape.clear();
            let moved: Vec<f64> = theta.iter().zip(&v).map(|(theta, v)| theta + t * v).collect();
            f(&tape, tape.parameter(&moved, [moved.len()])).item()
        });
        agree(name, 0, element, adjoint, difference)?;
    }
    Ok(())
}

fn compare(
    name: &str,
    inputs: &[Sample],
    f: &Record<'_, f64>,
    mutation: Option<Mutation>,
) -> Result<(), Mismatch> {
    let mut random = Random(1);
    let mut tape = Tape::new();
    let mut x: Vec<Vec<f64>> = inputs.iter().map(|input| input.draw(&mut random)).collect();
    let size = output(&mut tape, inputs, &x, f).len();
    let cotangent = cotangent(size, &mut random);

    let fresh = adjoints(&mut tape, inputs, &x, &cotangent, 0.0, f);
    let added = adjoints(&mut tape, inputs, &x, &cotangent, 1.0, f);
    for (input, sample) in inputs.iter().enumerate().filter(|(_, sample)| sample.differentiable) {
        let factor = mutation.filter(|m| m.input == input).map_or(1.0, |m| m.factor);
        for element in 0..sample.shape.size() {
            let at = x[input][element];
            let difference = five_points(1e-3 * at.abs().max(0.1), &mut |t| {
                x[input][element] = at + t;
                let y = output(&mut tape, inputs, &x, f);
                y.iter().zip(&cotangent).map(|(y, c)| y * c).sum()
            });
            x[input][element] = at;
            agree(name, input, element, factor * fresh[input][element], difference)?;
            agree(name, input, element, factor * (added[input][element] - 1.0), difference)?;
        }
    }
    Ok(())
}

fn output(tape: &mut Tape<f64>, inputs: &[Sample], x: &[Vec<f64>], f: &Record<'_, f64>) -> Vec<f64> {
    tape.clear();
    f(tape, &record(tape, inputs, x)).to_vec()
}

/// The adjoints of all inputs, each begun at `start`, in memory that was full of NaN.
fn adjoints(
    tape: &mut Tape<f64>,
    inputs: &[Sample],
    x: &[Vec<f64>],
    cotangent: &[f64],
    start: f64,
    f: &Record<'_, f64>,
) -> Vec<Vec<f64>> {
    tape.clear();
    let poison = vec![f64::NAN; 1 << 12];
    let poisoned = tape.parameter(&poison, [poison.len()]);
    drop(tape.backward_from(&[(poisoned, &poison)]));
    tape.clear();
    tape.nodes.borrow().scratch.replace(poison);

    let vars = record(tape, inputs, x);
    let y = f(tape, &vars);
    let starts: Vec<Vec<f64>> = x.iter().map(|x| vec![start; x.len()]).collect();
    let mut cotangents = vec![(y, cotangent)];
    if start != 0.0 {
        cotangents.extend(vars.iter().zip(&starts).map(|(&var, start)| (var, &start[..])));
    }
    let gradients = tape.backward_from(&cotangents);
    let wrt = |(&var, input): (&Var<'_, f64>, &Sample)| match input.differentiable {
        true => gradients.wrt(var).to_vec(),
        false => Vec::new(),
    };
    vars.iter().zip(inputs).map(wrt).collect()
}

/// The inputs on the tape, as parameters or constants.
fn record<'t, F: Real>(tape: &'t Tape<F>, inputs: &[Sample], x: &[Vec<F>]) -> Vec<Var<'t, F>> {
    let leaf = |(input, x): (&Sample, &Vec<F>)| match input.differentiable {
        true => tape.parameter(x, input.shape),
        false => tape.constant(x, input.shape),
    };
    inputs.iter().zip(x).map(leaf).collect()
}

/// f'(0) ≈ (f(−2h) − 8 f(−h) + 8 f(h) − f(2h)) / 12h
fn five_points(h: f64, f: &mut dyn FnMut(f64) -> f64) -> f64 {
    (f(-2.0 * h) - 8.0 * f(-h) + 8.0 * f(h) - f(2.0 * h)) / (12.0 * h)
}

fn agree(name: &str, input: usize, element: usize, adjoint: f64, difference: f64) -> Result<(), Mismatch> {
    // Written so that NaN fails.
    if (adjoint - difference).abs() <= 1e-8 * (1.0 + adjoint.abs().max(difference.abs())) {
        return Ok(());
    }
    Err(Mismatch { name: name.to_owned(), input, element, adjoint, difference })
}
