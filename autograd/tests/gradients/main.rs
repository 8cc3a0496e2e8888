//! The gradient checks of all operations: each agrees with finite differences in double precision, each check notices a wrong
//! derivative, and single precision and dual numbers agree with double precision.
//!
//! A program of its own, so that it can be built and run alone.

#[path = "../all/common.rs"]
mod common;
mod vectors;

use std::collections::BTreeMap;

use autograd::check::{Checks, Operation, Visitor, catalogue};

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
    for (name, checks) in checks {
        match (checks.derivatives)() {
            Ok(found) => assert!(found.cases > 0 && found.derivatives > 0, "{name}: no cases"),
            Err(mismatch) => panic!("{name}: {mismatch}"),
        }
    }
}

#[test]
fn every_case_notices_an_adjoint_that_is_wrong_by_a_thousandth() {
    for (name, checks) in checks() {
        let blind = (checks.undetected)(1.001);
        assert!(
            blind.is_empty(),
            "{name}: the wrong adjoint of these (case, input) went unnoticed: {blind:?}"
        );
    }
}

#[test]
fn every_operation_agrees_in_all_three_scalars() {
    for (name, checks) in checks() {
        (checks.scalars)().unwrap_or_else(|mismatch| panic!("{name}: {mismatch}"));
    }
}
