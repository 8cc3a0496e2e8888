//! Forward mode: dual numbers, and the derivatives that they give beyond the gradient.

mod derivatives;
mod dual;

pub use derivatives::{Hvp, hessian, hvp, jacobian, jvp};
pub use dual::Dual;
