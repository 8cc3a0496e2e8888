//! Are the derivatives right? Every adjoint is compared with differences of the value.
//!
//! The comparison is made in `f64`, with [differences](difference()) that know their error, and a random cotangent: a
//! cotangent of ones would not see that the outputs of a softmax sum to one. An adjoint is taken twice, once into fresh
//! memory and once on top of something else, so that a rule which overwrites instead of adding is caught. All memory is
//! filled with NaN beforehand, so that a rule which forgets an element is caught too.
//!
//! A derivative agrees, disagrees, or is unresolved: differences are blind at a kink, at the edge of a domain, and where the value
//! is noisy or far larger than its changes. What is unresolved fails, too, and says why ([`Doubt`]).
//!
//! [`check`] compares any computation on the tape, [`check_theta`] the gradient of a whole model, [`check_op`] an operation
//! on its [cases](Checked). [`undetected`] checks the check: it makes each adjoint wrong on purpose. [`catalogue()`] leads
//! through all operations of this crate.

use std::any::type_name;

mod case;
mod catalogue;
mod difference;
mod scalars;
mod verdict;

pub use case::{Case, Checked, Example, Sample};
pub(crate) use catalogue::Catalogued;
pub use catalogue::{Operation, Visitor, catalogue, instances};
pub use difference::{Difference, difference};
pub use scalars::{ScalarErrors, compare_scalars};
pub use verdict::{Doubt, Mismatch};

use crate::{Real, Tape, Var};
use case::{Erased, Random, Record, cotangent, draw, erased};
use difference::{differences, size};
use verdict::{Comparison, Verdict, judge};

/// How well the adjoints of an operation agree with differences, over all its cases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// The number of cases.
    pub cases: usize,
    /// The number of inputs that something is differentiated with respect to, over all cases.
    pub inputs: usize,
    /// The number of derivatives.
    pub derivatives: usize,
    /// The largest distance between an adjoint and the difference, as a part of the largest derivative of the same input.
    pub distance: f64,
    /// The largest error bar of a difference, as a part of the largest derivative of the same input.
    pub error: f64,
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
/// The first derivative that is wrong, or if there is none, the first that is unresolved.
pub fn check(
    name: &str,
    inputs: &[Sample],
    f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
) -> Result<(), Mismatch> {
    judge(name, &compare(inputs, &f))
}

/// Checks an operation on all its cases.
///
/// # Errors
/// The first derivative that is wrong, or if there is none in its case, the first that is unresolved.
pub fn check_op<O: Checked<f64>>() -> Result<Agreement, Mismatch> {
    check_cases(&erased::<f64, O>())
}

fn check_cases(cases: &[Erased<f64>]) -> Result<Agreement, Mismatch> {
    let mut found = Agreement::default();
    for Erased { name, record, inputs } in cases {
        let comparisons = compare(inputs, record);
        judge(name, &comparisons)?;
        found.cases += 1;
        found.inputs += inputs.iter().filter(|input| input.differentiable).count();
        found.derivatives += comparisons.len();
        for [distance, error] in comparisons.iter().map(Comparison::relative) {
            found.distance = found.distance.max(distance);
            found.error = found.error.max(error);
        }
    }
    Ok(found)
}

/// Runs an operation's checks with an adjoint that is wrong by `factor`, one input at a time. Returns the pairs (case, input)
/// in which no element was found to disagree; there should be none. One that is unresolved notices nothing.
pub fn undetected<O: Checked<f64>>(factor: f64) -> Vec<(usize, usize)> {
    undetected_cases(&erased::<f64, O>(), factor)
}

/// The checks of an operation, whose type is forgotten: what is done with their results is then compiled once.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// The type of the operation, with the names of its modules.
    pub name: &'static str,
    /// [`check_op`]
    pub derivatives: fn() -> Result<Agreement, Mismatch>,
    /// [`undetected`]
    pub undetected: fn(f64) -> Vec<(usize, usize)>,
    /// [`compare_scalars`]
    pub scalars: fn() -> Result<ScalarErrors, Mismatch>,
    /// Records the operation once for each of its cases, on the inputs of its check, and returns the values.
    pub record: for<'t> fn(&'t Tape<f64>) -> Vec<Var<'t, f64>>,
}

impl Checks {
    /// Those of this operation.
    pub fn of<O: Operation>() -> Self {
        Self {
            name: type_name::<O::On<f64>>(),
            derivatives: check_op::<O::On<f64>>,
            undetected: undetected::<O::On<f64>>,
            scalars: compare_scalars::<O>,
            record: |tape| record_cases(tape, &erased::<f64, O::On<f64>>()),
        }
    }
}

fn record_cases<'t>(tape: &'t Tape<f64>, cases: &[Erased<f64>]) -> Vec<Var<'t, f64>> {
    let one = |Erased { record: op, inputs, .. }: &Erased<f64>| {
        // As `compare` begins.
        let x = draw(inputs, &mut Random(1));
        op(tape, &record(tape, inputs, &x))
    };
    cases.iter().map(one).collect()
}

fn undetected_cases(cases: &[Erased<f64>], factor: f64) -> Vec<(usize, usize)> {
    let mut blind = Vec::new();
    for (number, Erased { record, inputs, .. }) in cases.iter().enumerate() {
        let comparisons = compare(inputs, record);
        for input in (0..inputs.len()).filter(|&i| inputs[i].differentiable) {
            let wrong =
                |comparison: &Comparison| Comparison { adjoint: factor * comparison.adjoint, ..*comparison };
            let mut elements = comparisons.iter().filter(|comparison| comparison.input == input).map(wrong);
            if !elements.any(|comparison| comparison.verdict() == Verdict::Disagree) {
                blind.push((number, input));
            }
        }
    }
    blind
}

/// Checks ∇f(θ) along random directions v: ⟨∇f(θ), v⟩ against d f(θ + t v)/dt. For the θ of a whole model, of any size.
///
/// # Errors
/// The first direction along which the gradient is wrong, or if there is none, the first that is unresolved.
pub fn check_theta(
    name: &str,
    theta: &[f64],
    directions: usize,
    f: impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64>,
) -> Result<(), Mismatch> {
    check_along(name, theta, directions, &f)
}

type Function<'f> = dyn for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + 'f;

fn check_along(name: &str, theta: &[f64], directions: usize, f: &Function<'_>) -> Result<(), Mismatch> {
    let mut random = Random(theta.len() as u64);
    let mut tape = Tape::new();
    let gradient = tape.value_and_grad(&theta.to_vec().into(), f).1.to_vec();
    let along = |element| {
        let v: Vec<f64> = theta.iter().map(|_| 2.0 * random.uniform() - 1.0).collect();
        let adjoint: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
        // θ is of order 1.
        let difference = differences(0.0, 1.0, &[adjoint.abs()], &mut |t| {
            tape.clear();
            let moved: Vec<f64> = theta.iter().zip(&v).map(|(theta, v)| theta + t * v).collect();
            vec![f(&tape, tape.parameter(&moved, [moved.len()])).item()]
        })[0];
        Comparison { input: 0, element, adjoint, difference, scale: 0.0 }
    };
    judge(name, &(0..directions).map(along).collect::<Vec<_>>())
}

/// Compares the adjoints of all elements of all inputs that are not constant.
fn compare(inputs: &[Sample], f: &Record<'_, f64>) -> Vec<Comparison> {
    let mut random = Random(1);
    let mut tape = Tape::new();
    let mut x = draw(inputs, &mut random);
    let outputs = output(&mut tape, inputs, &x, f).len();
    let cotangent = cotangent(outputs, &mut random);

    let fresh = adjoints(&mut tape, inputs, &x, &cotangent, 0.0, f);
    let added = adjoints(&mut tape, inputs, &x, &cotangent, 1.0, f);
    let mut comparisons = Vec::new();
    for (input, sample) in inputs.iter().enumerate().filter(|(_, sample)| sample.differentiable) {
        let finite = fresh[input].iter().filter(|adjoint| adjoint.is_finite());
        let scale = finite.fold(0.0, |most: f64, adjoint| most.max(adjoint.abs()));
        for element in 0..sample.shape.size() {
            let at = x[input][element];
            let weighted = &mut |moved| {
                x[input][element] = moved;
                let y = output(&mut tape, inputs, &x, f);
                vec![y.iter().zip(&cotangent).map(|(y, c)| y * c).sum()]
            };
            let difference = differences(at, size(at), &[scale], weighted)[0];
            x[input][element] = at;
            // Whichever is further off; NaN is furthest.
            let adjoint = [fresh[input][element], added[input][element] - 1.0];
            let [fresh, added] = adjoint.map(|adjoint| (adjoint - difference.value).abs());
            let adjoint = if fresh >= added || adjoint[0].is_nan() { adjoint[0] } else { adjoint[1] };
            comparisons.push(Comparison { input, element, adjoint, difference, scale });
        }
    }
    comparisons
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
