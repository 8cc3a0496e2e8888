//! Looking at a tape: where numbers stopped being finite, and a drawing.

use crate::adjoints::Adjoints;
use crate::list::{Kind, Node, Place};
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
    /// The operation, or "parameter" or "constant".
    pub operation: &'static str,
    /// The shape of its result.
    pub shape: Shape,
    /// Its place in the list.
    pub node: usize,
    /// Which element.
    pub index: usize,
    /// The number: NaN, inf or -inf.
    pub number: f64,
}

impl<F: Real> Node<F> {
    fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Constant => "constant",
            Kind::Parameter => "parameter",
            Kind::View => "view",
            Kind::Op(op) => op.name(),
        }
    }

    fn check(&self, node: usize, what: &'static str, numbers: &[F]) -> Result<(), NonFinite> {
        let Some(index) = numbers.iter().position(|x| !x.is_finite()) else { return Ok(()) };
        let (operation, number) = (self.name(), numbers[index].to_f64());
        Err(NonFinite { what, operation, shape: self.shape, node, index, number })
    }
}

impl<F: Real> Tape<F> {
    /// Names the first operation, in the order of computation, whose value is not finite; then, if the tape was last
    /// used by [`value_and_grad`](Self::value_and_grad), the first in the order of the backward pass whose adjoint is not.
    ///
    /// # Errors
    /// [`NonFinite`], the place.
    pub fn trap_non_finite(&self) -> Result<(), NonFinite> {
        let list = self.list.borrow();
        for (index, node) in list.nodes.iter().enumerate() {
            // What was shared is gone after `value_and_grad`.
            if !matches!(node.value, Place::Shared(vector, _) if list.shared[vector].is_none()) {
                node.check(index, "value", list.value(node))?;
            }
        }
        self.kept.as_ref().map_or(Ok(()), |adjoints| trap(&list.nodes, adjoints))
    }

    /// The tape as a drawing for Graphviz (`dot -Tsvg`): operations with their shapes; what a gradient reaches is a
    /// filled box, constants are plain, views dashed.
    pub fn to_dot(&self) -> String {
        let list = self.list.borrow();
        let mut dot = String::from("digraph tape {\n    node [shape=box fontname=\"sans-serif\"];\n");
        for (index, node) in list.nodes.iter().enumerate() {
            let style = match (&node.kind, node.adjoint) {
                (Kind::View, _) => "dashed",
                (_, Some(_)) => "filled",
                (_, None) => "solid",
            };
            let gradient = if node.adjoint.is_some() { "\\n+ gradient" } else { "" };
            let (name, shape) = (node.name(), node.shape);
            dot += &format!("    n{index} [label=\"{name}\\n{shape}{gradient}\" style={style}];\n");
            for input in &list.edges[node.inputs.clone()] {
                dot += &format!("    n{input} -> n{index};\n");
            }
        }
        dot + "}\n"
    }
}

impl<F: Real> Gradients<'_, F> {
    /// Names the first operation, in the order of the backward pass, whose adjoint is not finite.
    ///
    /// # Errors
    /// [`NonFinite`], the place.
    pub fn trap_non_finite(&self) -> Result<(), NonFinite> {
        trap(&self.tape.list.borrow().nodes, &self.adjoints)
    }
}

fn trap<F: Real>(nodes: &[Node<F>], adjoints: &Adjoints<F>) -> Result<(), NonFinite> {
    for (index, node) in nodes.iter().enumerate().rev() {
        let Some(start) = node.adjoint else { continue };
        // Nodes that were recorded after the backward pass are none of its business.
        if let Some(adjoint) = adjoints.get(start..start + node.shape.size()) {
            node.check(index, "adjoint", adjoint)?;
        }
    }
    Ok(())
}
