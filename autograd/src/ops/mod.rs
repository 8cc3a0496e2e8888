//! The operations, one type each.

mod broadcast;
mod conv;
mod dense;
mod density;
mod diag_normal;
mod elementwise;
mod linalg;
mod matmul;
mod movement;
mod reduce;

pub use broadcast::*;
pub use conv::*;
pub use dense::*;
pub use density::*;
pub use diag_normal::*;
pub use elementwise::*;
pub use linalg::*;
pub use matmul::*;
pub use movement::*;
pub use reduce::*;

use crate::Dual;
use crate::gradcheck::{Cases, Entry, check_op, compare_scalars, undetected};

/// Operations on `F` whose adjoint is in the [`catalogue`]. The methods of [`Var`](crate::Var) record no others, so
/// that one which is missing there does not compile.
pub trait Catalogued<F> {}

macro_rules! catalogue {
    ($($op:ty),* $(,)?) => {
        $(impl<F: crate::Real> Catalogued<F> for $op {})*

        /// All operations of the crate, with the checks of their adjoints.
        pub fn catalogue() -> Vec<Entry> {
            vec![$({
                type F = f64;
                Entry {
                    name: std::any::type_name::<$op>(),
                    check: check_op::<$op>,
                    undetected: undetected::<$op>,
                    scalars: || compare_scalars(
                        std::any::type_name::<$op>(),
                        &Cases::<F>::of::<$op>(),
                        &{ type F = f32; Cases::<F>::of::<$op>() },
                        &{ type F = Dual<f64>; Cases::<F>::of::<$op>() },
                    ),
                }
            }),*]
        }
    };
}

catalogue! {
    Map<Identity>, Map<Neg>, Map<Recip>, Map<Square>, Map<Sqrt>, Map<Abs>, Map<Powi>, Map<Scale<F>>, Map<Shift<F>>,
    Map<Exp>, Map<ExpM1>, Map<Ln>, Map<Ln1p>, Map<Sin>, Map<Cos>,
    Map<Tanh>, Map<Sigmoid>, Map<LogSigmoid>, Map<Softplus>, Map<Relu>, Map<LeakyRelu<F>>, Map<Elu>,
    Map<Gelu>, Map<Silu>, Map<Clamp<F>>, Map<Powf<F>>, Map<Erf>, Map<Lgamma>, Map<Digamma>,
    Broadcast<Add>, Broadcast<Sub>, Broadcast<Mul>, Broadcast<Div>, Broadcast<Max>, Broadcast<Min>, Broadcast<Pow>,
    Sum<All>, Mean<All>, LogSumExp<All>, Softmax<All>, LogSoftmax<All>, Maximum<All>, CumulativeSum<All>,
    Sum<usize>, Mean<usize>, LogSumExp<usize>, Softmax<usize>, LogSoftmax<usize>, Maximum<usize>, CumulativeSum<usize>,
    MatMul<false, false>, MatMul<false, true>, MatMul<true, false>, MatMul<true, true>,
    Dense<Identity>, Dense<Relu>, Dense<LeakyRelu<F>>, Dense<Elu>, Dense<Tanh>, Dense<Sigmoid>, Dense<Softplus>,
    Cholesky, MultivariateNormalLogProb,
    SolveTriangular<false, false>, SolveTriangular<false, true>,
    SolveTriangular<true, false>, SolveTriangular<true, true>,
    Conv2d<Identity>, Conv2d<Relu>, Conv2d<LeakyRelu<F>>, Conv2d<Elu>, Conv2d<Tanh>, Conv2d<Sigmoid>, Conv2d<Softplus>,
    ConvTranspose2d<Identity>, ConvTranspose2d<Relu>, ConvTranspose2d<LeakyRelu<F>>, ConvTranspose2d<Elu>,
    ConvTranspose2d<Tanh>, ConvTranspose2d<Sigmoid>, ConvTranspose2d<Softplus>, UpsampleNearest,
    Move<Transpose>, Move<Columns>, Move<Concatenate>, Move<Gather>, Move<BroadcastTo>,
    Move<Diagonal>, Move<DiagonalMatrix>, Move<LowerTriangle>, Move<Select>,
    BernoulliLogProb, NormalLogProb, DiagNormalLogProb, DiagNormalSample, DiagNormalKl, DiagNormalKlToStandard,
    BoundLogSigma<F>,
}
