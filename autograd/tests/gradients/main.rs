//! The gradient checks of all operations: each agrees with finite differences in double precision, each check notices a wrong
//! derivative, and single precision and dual numbers agree with double precision. Beside them: that each operation has a formula to
//! be read, and that narrower vectors pass the same checks.
//!
//!     cargo test --release -p autograd --test gradients
//!     cargo test --release -p autograd --test gradients every_operation_passes -- --nocapture
//!
//! The second prints the table of them. A program of its own, since no other has to compile the checks of all operations.

#[path = "../all/common.rs"]
mod common;
mod table;
mod vectors;

use autograd::Tape;
use autograd::check::{Checks, Operation, Visitor, catalogue};

use table::Table;

/// The checks of all operations, in the order of the catalogue.
fn checks() -> Vec<Checks> {
    struct Collect(Vec<Checks>);
    impl Visitor for Collect {
        fn visit<O: Operation>(&mut self) {
            let checks = Checks::of::<O>();
            assert!(self.0.iter().all(|before| before.name != checks.name), "{} twice", checks.name);
            self.0.push(checks);
        }
    }
    let mut collected = Collect(Vec::new());
    catalogue(&mut collected);
    collected.0
}

#[test]
fn every_operation_passes_its_checks() {
    let checks = checks();
    assert!(checks.len() > 80, "only {} operations", checks.len());
    let mut table = Table::begin();
    checks.iter().for_each(|checks| table.add(checks));
    table.finish();
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
}

#[test]
fn every_operation_has_a_formula_with_a_rule_for_every_input() {
    for Checks { name, record, .. } in checks() {
        let tape = Tape::new();
        let cases = record(&tape);
        assert!(!cases.is_empty(), "{name} has no cases");
        for y in cases {
            let trace = tape.trace(y.square().sum());
            let (node, formula) = (trace.node(y), trace.formula(trace.place(y)));
            let inputs: Vec<&str> = node.inputs.iter().map(|&input| &*trace.nodes[input].name).collect();
            // What an operation is called that has none, or one with a name that it does not know.
            let fallback = format!("{}({}", node.operation, inputs.join(", "));
            assert!(!formula.starts_with(&fallback), "{name} has no formula: {formula}");
            let step = trace.backward.iter().find(|step| step.node == trace.place(y)).unwrap();
            assert!(!step.contributions.is_empty(), "{name} sends nothing back");
            for sent in &step.contributions {
                let rule = trace.rule(step, sent);
                assert!(!rule.contains('∂'), "{name} has no rule for input {}: {rule}", sent.input);
            }
        }
    }
}
