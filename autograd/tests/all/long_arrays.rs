//! Adjoints of arrays that are added to part by part are those of short arrays.

use autograd::{Tape, Var};

use crate::common::numbers;
use crate::dirty::dirty_tape;

/// The gradient of `f` in x and y, computed at once and from pieces of 100 elements.
fn compare(f: impl for<'t> Fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>) {
    const N: usize = 10_000;
    let (x, y) = (numbers(1, N), numbers(2, N));
    let gradient = |tape: &Tape<f64>, x: &[f64], y: &[f64]| {
        let (x, y) = (tape.parameter(x, [x.len()]), tape.parameter(y, [y.len()]));
        let gradients = tape.backward(f(x, y));
        [gradients.wrt(x).to_vec(), gradients.wrt(y).to_vec()]
    };
    let whole = gradient(&dirty_tape(), &x, &y);
    let mut pieces = [vec![], vec![]];
    for (x, y) in x.chunks(100).zip(y.chunks(100)) {
        let [dx, dy] = gradient(&Tape::new(), x, y);
        pieces[0].extend(dx);
        pieces[1].extend(dy);
    }
    assert_eq!(whole, pieces);
}

#[test]
fn a_long_adjoint_that_is_added_to_once() {
    compare(|x, y| (x.exp() * y).sum());
}

#[test]
fn a_long_adjoint_that_is_added_to_several_times() {
    compare(|x, y| (x * x + y.square() * x + x / (y * y + 1.0)).sum());
}

#[test]
fn a_long_array_with_one_number_of_which_only_one_has_an_adjoint() {
    let n = 5_000;
    let tape = dirty_tape();
    let (x, c) = (tape.parameter(&numbers(1, n), [n]), tape.parameter(&[0.5], []));
    let gradients = tape.backward((x * c).sum());
    assert_eq!(gradients.wrt(x), vec![0.5; n]);
    let sum: f64 = numbers(1, n).iter().sum();
    assert!((gradients.wrt(c)[0] - sum).abs() < 1e-10);

    let constant = tape.constant(&numbers(1, n), [n]);
    assert!((tape.backward((constant * c).sum()).wrt(c)[0] - sum).abs() < 1e-10);
    let c = tape.constant(&[0.5], []);
    assert_eq!(tape.backward((c - x).sum()).wrt(x), vec![-1.0; n]);
}

#[test]
fn sums_over_rows_of_every_length_are_those_in_order() {
    for n in (1..70).chain([128, 200]) {
        let tape = dirty_tape();
        let (rows, theta) = (numbers(n as u64, 7 * n), tape.parameter(&vec![0.25; n], [n]));
        let zeros = tape.constant(&[0.0; 7], [7, 1]);
        let layer = zeros.dense(tape.constant(&vec![0.0; n], [1, n]), theta, Default::default());
        let found = tape.backward((layer * tape.constant(&rows, [7, n])).sum()).wrt(theta).to_vec();
        let expected: Vec<f64> =
            (0..n).map(|j| rows.iter().skip(j).step_by(n).fold(0.0, |s, x| s + x)).collect();
        assert_eq!(found, expected, "{n} columns");
    }
}
