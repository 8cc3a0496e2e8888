//! The gradient checks of all operations: each agrees with finite differences in double precision, each check notices a wrong
//! derivative, and single precision and dual numbers agree with double precision.
//!
//!     cargo test --release -p autograd --test gradients
//!     cargo test --release -p autograd --test gradients -- --nocapture
//!
//! The second prints the table of them. A program of its own, since no other has to compile the checks of all operations.

#[path = "../all/common.rs"]
mod common;
mod table;
mod vectors;

use std::collections::BTreeMap;

use autograd::Tape;
use autograd::check::{Checks, Operation, Visitor, catalogue};

use table::Table;

/// The checks of all operations, by the operation's type.
fn checks() -> BTreeMap<&'static str, Checks> {
    struct Collect(BTreeMap<&'static str, Checks>);
    impl Visitor for Collect {
        fn visit<O: Operation>(&mut self) {
            let checks = Checks::of::<O>();
            assert!(self.0.insert(checks.name, checks).is_none(), "an operation twice");
        }
    }
    let mut collected = Collect(BTreeMap::new());
    catalogue(&mut collected);
    collected.0
}

#[test]
fn every_operation_agrees_with_finite_differences() {
    let checks = checks();
    assert!(checks.len() > 80, "only {} operations", checks.len());
    let mut table = Table::begin();
    checks.values().for_each(|checks| table.add(checks));
    table.finish();
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
}

#[test]
fn every_operation_has_a_formula_with_a_rule_for_every_input() {
    for (name, checks) in checks() {
        let tape = Tape::new();
        for y in (checks.record)(&tape) {
            let trace = tape.trace(y.square().sum());
            let at = trace.nodes.iter().position(|node| std::ptr::eq(node, trace.node(y))).unwrap();
            let (node, formula) = (&trace.nodes[at], trace.formula(at));
            let inputs: Vec<&str> = node.inputs.iter().map(|&input| &*trace.nodes[input].name).collect();
            let fallback = format!("{}({}", node.operation, inputs.join(", "));
            let is_filled = !formula.contains('{') && !formula.starts_with(&fallback);
            assert!(is_filled, "{name} has no formula, or an attribute that it does not have: {formula}");
            let step = trace.backward.iter().find(|step| step.node == at).unwrap();
            for sent in &step.contributions {
                let rule = trace.rule(step, sent);
                assert!(!rule.contains(['{', '∂']), "{name} has no rule for input {}: {rule}", sent.input);
            }
        }
    }
}
