//! The catalogue of gradient checks: complete, right, and able to see a wrong derivative.

use autograd::ops::catalogue;

#[test]
fn every_operation_agrees_with_finite_differences() {
    for entry in catalogue() {
        match (entry.check)() {
            Ok(cases) => assert!(cases > 0, "{}: no cases", entry.name),
            Err(mismatch) => panic!("{}: {mismatch}", entry.name),
        }
    }
}

#[test]
fn every_case_notices_an_adjoint_that_is_wrong_by_a_thousandth() {
    for entry in catalogue() {
        let blind = (entry.undetected)(1.001);
        assert!(
            blind.is_empty(),
            "{}: the wrong adjoint of these (case, input) went unnoticed: {blind:?}",
            entry.name
        );
    }
}

#[test]
fn every_operation_agrees_in_all_three_scalars() {
    for entry in catalogue() {
        (entry.scalars)().unwrap_or_else(|mismatch| panic!("{mismatch}"));
    }
}
