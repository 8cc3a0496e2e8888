//! Are the derivatives right? Every adjoint is compared with differences of the value.
//!
//! In `f64`, with five-point central differences (error of order h⁴) and a random cotangent: a cotangent of ones would
//! not see that the outputs of a softmax sum to one. An adjoint is taken twice, once into fresh memory and once on top
//! of something else, so that a rule which overwrites instead of adding is caught; all memory is filled with NaN
//! beforehand, so that a rule which forgets an element is caught too.

mod scalars;

use std::fmt;
use std::ops::Range;

pub(crate) use scalars::{Cases, compare as compare_scalars};

use crate::{Op, Real, Shape, Tape, Var};

/// An operation and inputs on which its adjoint is checked.
pub struct Case<O> {
    op: O,
    inputs: Vec<Sample>,
}

impl<O> Case<O> {
    /// `op` applied to inputs of these shapes and ranges.
    pub fn new(op: O, inputs: impl Into<Vec<Sample>>) -> Self {
        Self { op, inputs: inputs.into() }
    }
}

/// Where an input of a check is drawn from.
#[derive(Clone, Debug)]
pub struct Sample {
    shape: Shape,
    range: Range<f64>,
    /// What is added to the diagonal.
    diagonal: f64,
    differentiable: bool,
}

impl Sample {
    /// Uniform in `range`, but at least 0.05 away from 0, where functions have kinks.
    ///
    /// # Panics
    /// If nothing of the range is that far from 0.
    #[track_caller]
    pub fn uniform(shape: impl Into<Shape>, range: Range<f64>) -> Self {
        assert!(
            range.start < range.end && (range.start < -0.05 || range.end > 0.05),
            "sample: no number of {range:?} is at least 0.05 away from 0"
        );
        Self { shape: shape.into(), range, diagonal: 0.0, differentiable: true }
    }

    /// Uniform in −2..2.
    #[track_caller]
    pub fn any(shape: impl Into<Shape>) -> Self {
        Self::uniform(shape, -2.0..2.0)
    }

    /// The same, as a constant: nothing is differentiated with respect to it.
    pub fn constant(self) -> Self {
        Self { differentiable: false, ..self }
    }

    /// The same square matrix with `shift` added to its diagonal: positive definite if that is large enough.
    pub fn plus_diagonal(self, shift: f64) -> Self {
        Self { diagonal: shift, ..self }
    }

    fn draw(&self, random: &mut Random) -> Vec<f64> {
        let Range { start, end } = self.range;
        let mut next = || loop {
            let x = start + (end - start) * random.uniform();
            if x.abs() >= 0.05 {
                return x;
            }
        };
        let mut sample: Vec<f64> = (0..self.shape.size()).map(|_| next()).collect();
        if self.diagonal != 0.0 {
            sample.iter_mut().step_by(self.shape.last() + 1).for_each(|x| *x += self.diagonal);
        }
        sample
    }
}

/// A derivative that differs from the difference quotient.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The operation, or the name given to the check.
    pub name: String,
    /// Which of the inputs.
    pub input: usize,
    /// Which of its elements, or which random direction.
    pub element: usize,
    /// What the backward pass says.
    pub adjoint: f64,
    /// What differences of the value say.
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

/// A gradient that is made wrong on purpose: a check that does not notice checks nothing.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// Which input's adjoint is changed.
    pub input: usize,
    /// What it is multiplied by.
    pub factor: f64,
}

/// Checks a computation on the tape, with respect to every differentiable input.
///
/// ```
/// use autograd::gradcheck::{Sample, check};
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
    compare(name, inputs, f, None)
}

/// Checks an operation on all its cases; returns how many there are.
///
/// # Errors
/// The first derivative that is wrong.
pub fn check_op<O: Op<f64> + Clone>() -> Result<usize, Mismatch> {
    let cases = O::cases();
    for Case { op, inputs } in &cases {
        compare(op.name(), inputs, |tape, x| tape.record(op.clone(), x), None)?;
    }
    Ok(cases.len())
}

/// Runs an operation's checks with a wrong adjoint, one input at a time; returns the cases and inputs in which it was
/// *not* caught, which should be none.
pub fn undetected<O: Op<f64> + Clone>(factor: f64) -> Vec<(usize, usize)> {
    let mut blind = Vec::new();
    for (number, Case { op, inputs }) in O::cases().iter().enumerate() {
        for input in (0..inputs.len()).filter(|&i| inputs[i].differentiable) {
            let mutation = Some(Mutation { input, factor });
            if compare(op.name(), inputs, |tape, x| tape.record(op.clone(), x), mutation).is_ok() {
                blind.push((number, input));
            }
        }
    }
    blind
}

/// Checks ∇f(θ) along random directions v: ⟨∇f(θ), v⟩ against d f(θ + t v)/dt. For a whole model's θ, of any size.
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
        let difference = five_points(1e-4, |t| {
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
    f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
    mutation: Option<Mutation>,
) -> Result<(), Mismatch> {
    let mut random = Random(1);
    let mut tape = Tape::new();
    let mut x: Vec<Vec<f64>> = inputs.iter().map(|input| input.draw(&mut random)).collect();
    let size = output(&mut tape, inputs, &x, &f).len();
    let cotangent = draw_cotangent(size, &mut random);

    let fresh = adjoints(&mut tape, inputs, &x, &cotangent, 0.0, &f);
    let added = adjoints(&mut tape, inputs, &x, &cotangent, 1.0, &f);
    for (input, sample) in inputs.iter().enumerate().filter(|(_, sample)| sample.differentiable) {
        let factor = mutation.filter(|m| m.input == input).map_or(1.0, |m| m.factor);
        for element in 0..sample.shape.size() {
            let at = x[input][element];
            let difference = five_points(1e-3 * at.abs().max(0.1), |t| {
                x[input][element] = at + t;
                let y = output(&mut tape, inputs, &x, &f);
                y.iter().zip(&cotangent).map(|(y, c)| y * c).sum()
            });
            x[input][element] = at;
            agree(name, input, element, factor * fresh[input][element], difference)?;
            agree(name, input, element, factor * (added[input][element] - 1.0), difference)?;
        }
    }
    Ok(())
}

/// Random numbers whose signs alternate irregularly, so that they are not orthogonal to what an operation conserves.
fn draw_cotangent(size: usize, random: &mut Random) -> Vec<f64> {
    (0..size).map(|i| if i % 3 == 1 { -0.5 - random.uniform() } else { 0.5 + random.uniform() }).collect()
}

fn output(
    tape: &mut Tape<f64>,
    inputs: &[Sample],
    x: &[Vec<f64>],
    f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
) -> Vec<f64> {
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
    f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>,
) -> Vec<Vec<f64>> {
    tape.clear();
    let poison = vec![f64::NAN; 1 << 12];
    let poisoned = tape.parameter(&poison, [poison.len()]);
    drop(tape.backward_from(&[(poisoned, &poison)]));
    tape.clear();

    let vars = record(tape, inputs, x);
    let y = f(tape, &vars);
    let starts: Vec<Vec<f64>> = x.iter().map(|x| vec![start; x.len()]).collect();
    let mut seeds = vec![(y, cotangent)];
    if start != 0.0 {
        seeds.extend(vars.iter().zip(&starts).map(|(&var, start)| (var, &start[..])));
    }
    let gradients = tape.backward_from(&seeds);
    let wrt = |(&var, input): (&Var<'_, f64>, &Sample)| match input.differentiable {
        true => gradients.wrt(var).to_vec(),
        false => Vec::new(),
    };
    vars.iter().zip(inputs).map(wrt).collect()
}

fn record<'t>(tape: &'t Tape<f64>, inputs: &[Sample], x: &[Vec<f64>]) -> Vec<Var<'t, f64>> {
    let leaf = |(input, x): (&Sample, &Vec<f64>)| match input.differentiable {
        true => tape.parameter(x, input.shape),
        false => tape.constant(x, input.shape),
    };
    inputs.iter().zip(x).map(leaf).collect()
}

/// f'(0) ≈ (f(−2h) − 8 f(−h) + 8 f(h) − f(2h)) / 12h
fn five_points(h: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    (f(-2.0 * h) - 8.0 * f(-h) + 8.0 * f(h) - f(2.0 * h)) / (12.0 * h)
}

fn agree(name: &str, input: usize, element: usize, adjoint: f64, difference: f64) -> Result<(), Mismatch> {
    // Written so that NaN fails.
    if (adjoint - difference).abs() <= 1e-8 * (1.0 + adjoint.abs().max(difference.abs())) {
        return Ok(());
    }
    Err(Mismatch { name: name.to_owned(), input, element, adjoint, difference })
}

/// SplitMix64 (Steele, Lea & Flood 2014): checks draw the same numbers everywhere.
struct Random(u64);

impl Random {
    /// Uniform in 0..1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from_f64(((z ^ (z >> 31)) >> 11) as f64) * (0.5f64).powi(53)
    }
}

/// The checks of one operation, in the catalogue.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The operation's type.
    pub name: &'static str,
    /// [`check_op`]
    pub check: fn() -> Result<usize, Mismatch>,
    /// [`undetected`]
    pub undetected: fn(f64) -> Vec<(usize, usize)>,
    /// Compares its cases in single precision, and the tangents of dual numbers, with double precision.
    pub scalars: fn() -> Result<(), Mismatch>,
}
