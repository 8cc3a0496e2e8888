//! A drawing of a tape.

use crate::tape::nodes::Kind;
use crate::{Real, Tape};

impl<F: Real> Tape<F> {
    /// The tape as a drawing for Graphviz (`dot -Tsvg`): a box for each operation, with its shape. Boxes of values that have
    /// an adjoint are filled, those of constants are plain, those of views dashed.
    pub fn to_dot(&self) -> String {
        let nodes = self.nodes.borrow();
        let mut dot = String::from("digraph tape {\n    node [shape=box fontname=\"sans-serif\"];\n");
        for (index, node) in nodes.list.iter().enumerate() {
            let style = match (&node.kind, node.adjoint) {
                (Kind::View, _) => "dashed",
                (_, Some(_)) => "filled",
                (_, None) => "solid",
            };
            let gradient = if node.adjoint.is_some() { "\\n+ gradient" } else { "" };
            let (name, shape) = (node.name(), node.shape);
            dot += &format!("    n{index} [label=\"{name}\\n{shape}{gradient}\" style={style}];\n");
            for input in &nodes.edges[node.inputs.clone()] {
                dot += &format!("    n{input} -> n{index};\n");
            }
        }
        dot + "}\n"
    }
}
