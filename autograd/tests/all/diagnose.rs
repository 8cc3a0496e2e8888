//! Where numbers stop being finite, and what the drawing of a tape shows.

use crate::dirty::dirty_tape;
use autograd::look::NonFinite;
use autograd::ops::Nonlinearity;
use autograd::{Tape, Var};

#[test]
fn a_tape_of_finite_numbers_is_fine() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    let loss = x.exp().sum();
    assert_eq!(tape.first_non_finite(), None);
    assert_eq!(tape.backward(loss).first_non_finite(), None);
}

#[test]
fn the_first_operation_whose_value_is_not_finite_is_named() {
    let tape = dirty_tape();
    let x = tape.parameter(&[4.0, -9.0, 1.0], [3]);
    let _ = (x.sqrt() * 2.0).sum();
    let found = tape.first_non_finite().unwrap();
    let NonFinite { what, operation, shape, node, index, number } = found;
    assert_eq!((what, operation, shape.dims(), node, index), ("value", "sqrt", &[3][..], 1, 1));
    assert!(number.is_nan());
}

#[test]
fn infinities_and_parameters_are_named_too() {
    let mut tape = dirty_tape();
    let _ = tape.parameter(&[[1.0, f64::INFINITY]].concat(), [2]).exp();
    assert_eq!(
        tape.first_non_finite().unwrap().to_string(),
        "value of parameter [2] (node 0) is inf at element 1; \
         check the inputs of that operation, its domain, and the learning rate"
    );
    tape.clear();
    // 0 · ∞
    let big = tape.parameter(&[1000.0], []).exp();
    assert_eq!(tape.first_non_finite().unwrap().operation, "exp");
    let _ = big * 0.0;
    assert_eq!(tape.first_non_finite().unwrap().operation, "exp");
    tape.clear();
    let infinite = tape.constant(&[f64::INFINITY], []);
    let _ = infinite * tape.parameter(&[0.0], []);
    assert_eq!(tape.first_non_finite().unwrap().operation, "constant");
}

#[test]
fn an_adjoint_that_overflows_is_named_where_the_values_are_finite() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 1e-200], [2]);
    let y = x.ln();
    let loss = y.scale(1e200).sum();
    assert_eq!(tape.first_non_finite(), None);
    let found = tape.backward(loss).first_non_finite().unwrap();
    assert_eq!((found.what, found.operation, found.node, found.index), ("adjoint", "parameter", 0, 1));
    assert_eq!(found.number, f64::INFINITY);
}

#[test]
fn the_first_adjoint_is_the_one_nearest_to_the_loss() {
    let tape = dirty_tape();
    let x = tape.parameter(&[2.0, 0.0f64], [2]);
    let loss = x.square().ln().columns(0..1).sum();
    assert!(loss.item().is_finite());
    let found = tape.backward(loss).first_non_finite().unwrap();
    // The rule of ln makes 0 · ∞ of the element that was cut off; x only inherits it.
    assert_eq!((found.what, found.operation, found.index), ("adjoint", "square", 1));
    assert!(found.number.is_nan());
}

#[test]
fn nodes_recorded_after_the_backward_pass_are_none_of_its_business() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0], []);
    let gradients = tape.backward(x.exp());
    let _ = tape.parameter(&vec![1.0; 100_000], [100_000]);
    assert_eq!(gradients.first_non_finite(), None);
}

#[test]
fn both_values_and_adjoints_are_looked_at() {
    let place = |f: &dyn for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>| {
        let tape = dirty_tape();
        let loss = f(tape.parameter(&[1.0, -1.0, 0.0], [3]));
        let found = tape.first_non_finite().or_else(|| tape.backward(loss).first_non_finite());
        found.map(|found| (found.what, found.operation, found.index))
    };
    assert_eq!(place(&|theta| theta.exp().sum()), None);
    assert_eq!(place(&|theta| theta.view(0, [2]).ln().sum()), Some(("value", "ln", 1)));
    // 1/(1/0) is finite, and yet its gradient is not.
    assert_eq!(place(&|theta| theta.view(2, []).powi(-1).recip()), Some(("value", "powi", 0)));
    let slope_overflows = place(&|theta| (theta.view(1, [2]).square() * 0.0 + 1e-310).ln().sum());
    assert_eq!(slope_overflows, Some(("adjoint", "shift", 0)));
}

#[test]
fn the_drawing_shows_operations_shapes_edges_and_who_holds_a_gradient() {
    let tape = Tape::new();
    let x = tape.constant(&[1.0, 2.0], [1, 2]);
    let theta = tape.parameter(&[0.0; 9], [9]);
    let h = x.dense(theta.view(0, [2, 3]), theta.view(6, [3]), Nonlinearity::Tanh);
    let _ = (h.sum() + x.mean()).square();
    let expected = r#"digraph tape {
    node [shape=box fontname="sans-serif"];
    n0 [label="constant\n[1, 2]" style=solid];
    n1 [label="parameter\n[9]\n+ gradient" style=filled];
    n2 [label="view\n[2, 3]\n+ gradient" style=dashed];
    n1 -> n2;
    n3 [label="view\n[3]\n+ gradient" style=dashed];
    n1 -> n3;
    n4 [label="dense\n[1, 3]\n+ gradient" style=filled];
    n0 -> n4;
    n2 -> n4;
    n3 -> n4;
    n5 [label="sum\n[]\n+ gradient" style=filled];
    n4 -> n5;
    n6 [label="mean\n[]" style=solid];
    n0 -> n6;
    n7 [label="add\n[]\n+ gradient" style=filled];
    n5 -> n7;
    n6 -> n7;
    n8 [label="square\n[]\n+ gradient" style=filled];
    n7 -> n8;
}
"#;
    assert_eq!(tape.to_dot(), expected);
}
