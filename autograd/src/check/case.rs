//! On which inputs an operation is checked.

use std::ops::Range;

use crate::{Op, Real, Shape, Tape, Var};

/// An operation whose adjoint can be checked: it says on which inputs.
pub trait Checked<F: Real>: Op<F> + Clone {
    /// The operation with its attributes, and inputs, on which [`check`](super) compares `backward` with differences of
    /// `forward`.
    fn cases() -> Vec<Case<Self>>;
}

/// A function of one number or of two, as it is checked.
pub trait Example: Sized {
    /// Where its arguments lie.
    const DOMAIN: Range<f64>;

    /// The function, with its attributes if it has any.
    fn example() -> Self;
}

/// An operation and inputs on which its adjoint is checked.
#[derive(Clone, Debug)]
pub struct Case<O> {
    /// The operation.
    pub op: O,
    /// Where its inputs are drawn from.
    pub inputs: Vec<Sample>,
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
    pub(super) shape: Shape,
    range: Range<f64>,
    /// What is added to the diagonal.
    diagonal: f64,
    pub(super) differentiable: bool,
}

impl Sample {
    /// Uniform in `range`, but at least 0.05 away from 0, where functions have kinks.
    ///
    /// # Panics
    /// If nothing of the range is that far from 0, or `shape` is given by more than four axes.
    #[track_caller]
    pub fn uniform(shape: impl Into<Shape>, range: Range<f64>) -> Self {
        assert!(
            range.start < range.end && (range.start < -0.05 || range.end > 0.05),
            "sample: no number of {range:?} is at least 0.05 away from 0"
        );
        Self { shape: shape.into(), range, diagonal: 0.0, differentiable: true }
    }

    /// Uniform in −2..2, but at least 0.05 away from 0.
    ///
    /// # Panics
    /// If `shape` is given by more than four axes.
    #[track_caller]
    pub fn any(shape: impl Into<Shape>) -> Self {
        Self::uniform(shape, -2.0..2.0)
    }

    /// The sample as a constant: nothing is differentiated with respect to it.
    pub fn constant(self) -> Self {
        Self { differentiable: false, ..self }
    }

    /// The square matrix with `shift` added to its diagonal: positive definite if that is large enough.
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

/// Something that records a computation on a tape. Operations are checked through it, with their types forgotten, so that
/// the checks are compiled once and not once for each operation.
pub(super) type Record<'f, F> = dyn for<'t> Fn(&'t Tape<F>, &[Var<'t, F>]) -> Var<'t, F> + 'f;

/// A case with its operation's type forgotten.
pub(super) struct Erased<F: Real> {
    pub(super) name: &'static str,
    pub(super) record: Box<Record<'static, F>>,
    pub(super) inputs: Vec<Sample>,
}

/// The cases of an operation.
#[inline(never)]
pub(super) fn erased<F: Real, O: Checked<F>>() -> Vec<Erased<F>> {
    // A loop: iterators would be compiled again for each operation.
    let mut erased = Vec::new();
    for Case { op, inputs } in O::cases() {
        let name = op.name();
        erased.push(Erased { name, record: Box::new(move |tape, x| tape.record(op.clone(), x)), inputs });
    }
    erased
}

/// The inputs of a case.
pub(super) fn draw(inputs: &[Sample], random: &mut Random) -> Vec<Vec<f64>> {
    inputs.iter().map(|input| input.draw(random)).collect()
}

/// Random numbers whose signs alternate irregularly, so that they are not orthogonal to what an operation conserves.
pub(super) fn cotangent(size: usize, random: &mut Random) -> Vec<f64> {
    (0..size).map(|i| if i % 3 == 1 { -0.5 - random.uniform() } else { 0.5 + random.uniform() }).collect()
}

/// SplitMix64 (Steele, Lea & Flood 2014): checks draw the same numbers everywhere.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Uniform in 0..1.
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * (0.5f64).powi(53)
    }
}
