//! A tape that records a computation and runs the forward-backward algorithm: reverse-mode automatic differentiation.
//!
//! A [`Tape`] writes down each operation as it is computed. A [`Var`] is an array on it, and operations are its methods.
//! [`Tape::backward`] reads the list from its end and gives the gradient of a scalar with respect to everything before it.
//!
//! ```
//! use autograd::Tape;
//!
//! let tape = Tape::new();
//! let x = tape.parameter(&[3.0, 4.0], [2]);
//! let norm = x.square().sum().sqrt();
//! assert_eq!(norm.item(), 5.0);
//! assert_eq!(tape.backward(norm).wrt(x), [0.2 * 3.0, 0.2 * 4.0]); // x / ‖x‖
//! ```
//!
//! | | |
//! | --- | --- |
//! | [`Tape`], [`Var`], [`Gradients`] | recording, and going backwards |
//! | [`Tape::value_and_grad`] | one step of training: the loss of a parameter vector θ and its gradient |
//! | [`ops`] | all operations; [`Op`] is what one of your own implements |
//! | [`forward`] | dual numbers: Jacobian-vector and Hessian-vector products |
//! | [`mod@check`] | is a derivative right? |
//! | [`look`] | what happened on a tape, where does the time go, and where did a number stop being finite? |
//! | [`Real`], [`numerics`] | the numbers and the fast loops below |
//!
//! The chapter `CHAPTER.md` of this crate explains it all, from the chain rule by hand to an operation of your own.

#[cfg(doctest)]
#[doc = include_str!("../CHAPTER.md")]
mod chapter {}

mod tape;
#[macro_use]
pub mod numerics;
pub mod check;
pub mod forward;
pub mod look;
pub mod ops;

pub use numerics::real::Real;
pub use tape::gradients::{Gradient, Gradients};
pub use tape::op::{InputAdjoints, Inputs, Op};
pub use tape::shape::Shape;
pub use tape::tape::Tape;
pub use tape::var::Var;
