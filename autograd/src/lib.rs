#![doc = include_str!("guide.md")]

#[macro_use]
pub mod kernels;
mod adjoints;
mod diagnose;
mod dual;
pub mod gradcheck;
mod gradients;
mod list;
mod op;
pub mod ops;
mod profile;
mod real;
mod second;
mod shape;
mod tape;
mod var;

pub use diagnose::NonFinite;
pub use dual::Dual;
pub use gradients::Gradients;
pub use kernels::{Mat, MatMut};
pub use op::{Adjoint, Grads, Inputs, Op};
pub use ops::{Activation, Binary, Elementwise, Nonlinearity, NotPositiveDefinite};
pub use profile::{Profile, ProfileRow};
pub use real::Real;
pub use second::{Hvp, hessian, hvp, jacobian, jvp};
pub use shape::Shape;
pub use tape::Tape;
pub use var::Var;
