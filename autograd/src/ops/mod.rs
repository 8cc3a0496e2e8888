//! The operations, one type each: formula and adjoint stand in its documentation. Each can be read on its own.
//!
//! `primitive/` holds what others are made of, `fused/` what could be composed of them and is one operation for speed and
//! accuracy; each of the latter says of what it is the composition.

use crate::check::Catalogued;
use crate::{Op, Real, Tape, Var};

pub(crate) mod broadcast;
mod parts;
mod fused {
    //! Operations that could be composed of others.

    mod bernoulli;
    mod conv;
    mod dense;
    mod diag_normal;
    mod layer;
    mod multivariate_normal;
    mod normal;
    mod softmax;
    mod upsample;

    pub use bernoulli::*;
    pub use conv::*;
    pub use dense::*;
    pub use diag_normal::*;
    pub use layer::Nonlinearity;
    pub use multivariate_normal::*;
    pub use normal::*;
    pub use softmax::*;
    pub use upsample::*;
}
mod primitive {
    //! Operations that others are made of.

    pub(super) mod binary;
    pub(super) mod elementwise;
    pub(super) mod linalg;
    pub(super) mod matmul;
    pub(super) mod movement;
    pub(super) mod reduce;
}

pub use fused::*;
pub use parts::Part;
pub use primitive::binary::*;
pub use primitive::elementwise::*;
pub use primitive::linalg::*;
pub use primitive::matmul::*;
pub use primitive::movement::*;
pub use primitive::reduce::*;

impl<F: Real> Tape<F> {
    /// Records an operation of this crate: only those whose adjoint is checked by the catalogue have the trait.
    ///
    /// Not inlined, so that [`instances`](crate::check::instances) compiles each operation once, for all crates.
    #[inline(never)]
    #[track_caller]
    pub(crate) fn apply<O: Op<F> + Catalogued<F>>(&self, op: O, inputs: &[Var<'_, F>]) -> Var<'_, F> {
        self.record(op, inputs)
    }
}
