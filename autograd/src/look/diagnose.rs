//! Where numbers stopped being finite.

use crate::tape::nodes::{Kind, Node};
use crate::{Gradients, Real, Shape, Tape};

/// The first number on a tape that is infinite or NaN.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{what} of {operation} {shape} (node {node}) is {number} at element {index}; \
     check the inputs of that operation, its domain, and the learning rate"
)]
pub struct NonFinite {
    /// "value" or "adjoint"
    pub what: &'static str,
    /// The operation's name, or "parameter" or "constant".
    pub operation: &'static str,
    /// The shape of its result.
    pub shape: Shape,
    /// Its place in the list of nodes.
    pub node: usize,
    /// Which element.
    pub index: usize,
    /// The number: NaN, inf or -inf.
    pub number: f64,
}

impl<F: Real> Node<F> {
    /// The operation's name, or what else the node is.
    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Constant => "constant",
            Kind::Parameter => "parameter",
            Kind::View => "view",
            Kind::Op(op) => op.name(),
        }
    }

    pub(super) fn first_non_finite(
        &self,
        node: usize,
        what: &'static str,
        numbers: &[F],
    ) -> Option<NonFinite> {
        let index = numbers.iter().position(|x| !x.is_finite())?;
        let (operation, number) = (self.name(), numbers[index].to_f64());
        Some(NonFinite { what, operation, shape: self.shape, node, index, number })
    }
}

impl<F: Real> Tape<F> {
    /// The first value, in the order of computation, that is not finite; `None` if all are.
    pub fn first_non_finite(&self) -> Option<NonFinite> {
        let nodes = self.nodes.borrow();
        let mut list = nodes.list.iter().enumerate();
        list.find_map(|(index, node)| node.first_non_finite(index, "value", nodes.value(node)))
    }
}

impl<F: Real> Gradients<'_, F> {
    /// The first adjoint, in the order of the backward pass, that is not finite; `None` if all are.
    pub fn first_non_finite(&self) -> Option<NonFinite> {
        let nodes = self.tape.nodes.borrow();
        nodes.list.iter().enumerate().rev().find_map(|(index, node)| {
            // A node that was recorded after the backward pass has no adjoint here.
            let adjoint = self.adjoints.get(node.adjoint_range()?)?;
            node.first_non_finite(index, "adjoint", adjoint)
        })
    }
}
