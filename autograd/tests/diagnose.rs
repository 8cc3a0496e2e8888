//! Where numbers stop being finite, and what the drawing of a tape shows.

mod common;

use std::sync::Arc;

use autograd::{NonFinite, Nonlinearity, Tape};
use common::dirty_tape;

#[test]
fn a_tape_of_finite_numbers_is_fine() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    let loss = x.exp().sum();
    assert_eq!(tape.trap_non_finite(), Ok(()));
    assert_eq!(tape.backward(loss).trap_non_finite(), Ok(()));
}

#[test]
fn the_first_operation_whose_value_is_not_finite_is_named() {
    let tape = dirty_tape();
    let x = tape.parameter(&[4.0, -9.0, 1.0], [3]);
    let _ = (x.sqrt() * 2.0).sum();
    let found = tape.trap_non_finite().unwrap_err();
    let NonFinite { what, operation, shape, node, index, number } = found;
    assert_eq!((what, operation, shape.dims(), node, index), ("value", "sqrt", &[3][..], 1, 1));
    assert!(number.is_nan());
}

#[test]
fn infinities_and_parameters_are_named_too() {
    let mut tape = dirty_tape();
    let _ = tape.parameter(&[[1.0, f64::INFINITY]].concat(), [2]).exp();
    assert_eq!(
        tape.trap_non_finite().unwrap_err().to_string(),
        "value of parameter [2] (node 0) is inf at element 1; \
         check the inputs of that operation, its domain, and the learning rate"
    );
    tape.clear();
    // 0 · ∞
    let big = tape.parameter(&[1000.0], []).exp();
    assert_eq!(tape.trap_non_finite().unwrap_err().operation, "exp");
    let _ = big * 0.0;
    assert_eq!(tape.trap_non_finite().unwrap_err().operation, "exp");
    tape.clear();
    let infinite = tape.constant(&[f64::INFINITY], []);
    let _ = infinite * tape.parameter(&[0.0], []);
    assert_eq!(tape.trap_non_finite().unwrap_err().operation, "constant");
}

#[test]
fn an_adjoint_that_overflows_is_named_where_the_values_are_finite() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 1e-200], [2]);
    let y = x.ln();
    let loss = y.scale(1e200).sum();
    assert_eq!(tape.trap_non_finite(), Ok(()));
    let found = tape.backward(loss).trap_non_finite().unwrap_err();
    assert_eq!((found.what, found.operation, found.node, found.index), ("adjoint", "parameter", 0, 1));
    assert_eq!(found.number, f64::INFINITY);
}

#[test]
fn the_first_adjoint_is_the_one_nearest_to_the_loss() {
    let tape = dirty_tape();
    let x = tape.parameter(&[2.0, 0.0f64], [2]);
    let loss = x.square().ln().columns(0..1).sum();
    assert!(loss.item().is_finite());
    let found = tape.backward(loss).trap_non_finite().unwrap_err();
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
    assert_eq!(gradients.trap_non_finite(), Ok(()));
}

#[test]
fn after_value_and_grad_both_values_and_adjoints_are_looked_at() {
    let mut tape = dirty_tape();
    let theta = Arc::new(vec![1.0, -1.0, 0.0f64]);
    tape.value_and_grad(&theta, |_, theta| theta.exp().sum());
    assert_eq!(tape.trap_non_finite(), Ok(()));

    let (loss, _): (f64, _) = tape.value_and_grad(&theta, |_, theta| theta.view(0, [2]).ln().sum());
    assert!(loss.is_nan());
    let found = tape.trap_non_finite().unwrap_err();
    assert_eq!((found.what, found.operation, found.index), ("value", "ln", 1));

    let (loss, gradient): (f64, &[f64]) =
        tape.value_and_grad(&theta, |_, theta| theta.view(2, []).powi(-1).recip());
    assert!(loss == 0.0 && gradient[2].is_nan());
    let found = tape.trap_non_finite().unwrap_err();
    assert_eq!((found.what, found.operation), ("value", "powi"));

    let (loss, _): (f64, _) =
        tape.value_and_grad(&theta, |_, theta| (theta.view(1, [2]).square() * 0.0 + 1e-310).ln().sum());
    assert!(loss.is_finite());
    let found = tape.trap_non_finite().unwrap_err();
    assert_eq!((found.what, found.operation, found.index), ("adjoint", "shift", 0));
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

#[test]
fn a_tape_can_still_be_drawn_after_value_and_grad() {
    let mut tape = Tape::new();
    tape.value_and_grad(&Arc::new(vec![1.0]), |_, theta| theta.sum());
    assert!(tape.to_dot().contains("n1 [label=\"sum\\n[]\\n+ gradient\" style=filled];"));
}
