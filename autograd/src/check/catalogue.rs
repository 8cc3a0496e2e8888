//! All operations of this crate.

use super::Checked;
use crate::ops::*;
use crate::{Real, Tape, Var};

/// Operations on `F` that are in the [`catalogue`]. The methods of [`Var`](crate::Var) record no others, so that an operation
/// which is missing there does not compile.
pub(crate) trait Catalogued<F> {}

/// An operation, whatever the scalar.
pub trait Operation {
    /// The operation on the scalar `F`.
    type On<F: Real>: Checked<F>;
}

/// What is done with every operation of the [`catalogue`].
pub trait Visitor {
    /// Visits one operation.
    fn visit<O: Operation>(&mut self);
}

/// One entry an operation: it makes the operation known to the methods of [`Var`], leads visitors to it, and compiles it.
///
/// `catalogue! { Map<Exp>, … }` becomes
///
/// ```text
/// impl<F: Real> Catalogued<F> for Map<Exp> {}
/// …
///
/// pub fn catalogue(visitor: &mut impl Visitor) {
///     struct Entry;
///     impl Operation for Entry {
///         type On<F: Real> = Map<Exp>;
///     }
///     visitor.visit::<Entry>();
///     …
/// }
///
/// fn compile_all<F: Real>(tape: &Tape<F>, inputs: &[Var<'_, F>]) {
///     let op: fn() -> Map<Exp> = || unreachable!("nobody calls it");
///     tape.apply(op(), inputs);
///     …
/// }
/// ```
macro_rules! catalogue {
    ($($op:ty),* $(,)?) => {
        $(impl<F: Real> Catalogued<F> for $op {})*

        /// Leads a visitor through all operations of this crate.
        ///
        /// It is generic, so that the checks of all operations are compiled in the program that visits them and in no other.
        pub fn catalogue(visitor: &mut impl Visitor) {
            $({
                struct Entry;
                impl Operation for Entry {
                    type On<F: Real> = $op;
                }
                visitor.visit::<Entry>();
            })*
        }

        /// Compiles all operations for one scalar. Nobody calls it: a generic function that is not inlined, such as
        /// [`Tape::apply`], is compiled once by the crate that uses it first, and every crate above uses that code.
        fn compile_all<F: Real>(tape: &Tape<F>, inputs: &[Var<'_, F>]) {
            $({
                let op: fn() -> $op = || unreachable!("nobody calls it");
                tape.apply(op(), inputs);
            })*
        }
    };
}

/// The code of all operations in single and in double precision, so that no other crate compiles it again: it halves the time
/// that a build of the workspace takes.
#[doc(hidden)]
#[inline(never)]
pub fn instances() {
    compile_all::<f32>(&Tape::new(), &[]);
    compile_all::<f64>(&Tape::new(), &[]);
}

catalogue! {
    Map<Identity>, Map<Neg>, Map<Recip>, Map<Square>, Map<Sqrt>, Map<Abs>, Map<Powi>, Map<Scale<F>>, Map<Shift<F>>,
    Map<Exp>, Map<ExpM1>, Map<Ln>, Map<Ln1p>, Map<Sin>, Map<Cos>,
    Map<Tanh>, Map<Sigmoid>, Map<LogSigmoid>, Map<Softplus>, Map<Relu>, Map<LeakyRelu<F>>, Map<Elu>,
    Map<Gelu>, Map<Silu>, Map<Clamp<F>>, Map<Powf<F>>, Map<Erf>, Map<Lgamma>, Map<Digamma>,
    Broadcast<Add>, Broadcast<Sub>, Broadcast<Mul>, Broadcast<Div>, Broadcast<Maximum>, Broadcast<Minimum>, Broadcast<Pow>,
    Reduce<Sum, All>, Reduce<Mean, All>, Reduce<Max, All>, Reduce<Min, All>, Reduce<CumSum, All>,
    Reduce<Sum, usize>, Reduce<Mean, usize>, Reduce<Max, usize>, Reduce<Min, usize>, Reduce<CumSum, usize>,
    Reduce<LogSumExp, All>, Reduce<Softmax, All>, Reduce<LogSoftmax, All>,
    Reduce<LogSumExp, usize>, Reduce<Softmax, usize>, Reduce<LogSoftmax, usize>,
    MatMul<AB>, MatMul<ABt>, MatMul<AtB>, Cholesky, SolveTriangular, BroadcastTo,
    Move<Transpose>, Move<Columns>, Move<Concatenate>, Move<Gather>, Move<Diagonal>, Move<DiagonalMatrix>, Move<LowerTriangle>,
    Move<Select>,
    Dense<Identity>, Dense<Relu>, Dense<LeakyRelu<F>>, Dense<Elu>, Dense<Tanh>, Dense<Sigmoid>, Dense<Softplus>,
    Conv2d<Identity>, Conv2d<Relu>, Conv2d<LeakyRelu<F>>, Conv2d<Elu>, Conv2d<Tanh>, Conv2d<Sigmoid>, Conv2d<Softplus>,
    ConvTranspose2d<Identity>, ConvTranspose2d<Relu>, ConvTranspose2d<LeakyRelu<F>>, ConvTranspose2d<Elu>,
    ConvTranspose2d<Tanh>, ConvTranspose2d<Sigmoid>, ConvTranspose2d<Softplus>, UpsampleNearest,
    BernoulliLogProb, NormalLogProb, DiagNormalLogProb, DiagNormalSample, DiagNormalKl, DiagNormalKlToStandard,
    BoundLogSigma<F>, MultivariateNormalLogProb,
}
