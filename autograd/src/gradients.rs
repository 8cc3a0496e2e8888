//! The result of a backward pass.

use crate::adjoints::Adjoints;
use crate::{Real, Tape, Var};

/// The adjoints of one backward pass. Several can be alive at once; they give their buffer back when they are dropped.
pub struct Gradients<'t, F: Real> {
    pub(crate) tape: &'t Tape<F>,
    pub(crate) adjoints: Adjoints<F>,
}

impl<F: Real> Gradients<'_, F> {
    /// ∂loss/∂var, in the shape of `var`; zeros if the loss does not depend on it.
    ///
    /// # Panics
    /// If no parameter reaches `var` (a constant has no adjoint), or it was recorded after the backward pass.
    #[track_caller]
    pub fn wrt(&self, var: Var<'_, F>) -> &[F] {
        assert!(std::ptr::eq(self.tape, var.tape()), "gradient: the variable lies on another tape");
        let list = self.tape.list.borrow();
        let node = &list.nodes[var.index()];
        let Some(start) = node.adjoint else {
            panic!("gradient: {}: no parameter reaches this variable", node.shape);
        };
        match self.adjoints.get(start..start + node.shape.size()) {
            Some(adjoint) => adjoint,
            None => panic!("gradient: {}: recorded after the backward pass", node.shape),
        }
    }
}

impl<F: Real> Drop for Gradients<'_, F> {
    fn drop(&mut self) {
        self.tape.spare.borrow_mut().push(std::mem::take(&mut self.adjoints));
    }
}
