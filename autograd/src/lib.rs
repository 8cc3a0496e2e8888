#![doc = include_str!("guide.md")]

#[macro_use]
pub mod kernels;
mod adjoints;
mod diagnose;
pub mod gradcheck;
mod gradients;
mod list;
mod op;
pub mod ops;
mod real;
mod shape;
mod tape;
mod var;

pub use diagnose::NonFinite;
pub use gradients::Gradients;
pub use kernels::{Mat, MatMut};
pub use op::{Adjoint, Grads, Inputs, Op};
pub use ops::{Activation, Binary, Elementwise, Nonlinearity};
pub use real::Real;
pub use shape::Shape;
pub use tape::Tape;
pub use var::Var;
