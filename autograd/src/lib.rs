#![doc = include_str!("guide.md")]

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
