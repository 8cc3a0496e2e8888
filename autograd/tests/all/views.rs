//! Views: a range of another array, the same memory for value and adjoint alike.

use std::sync::Arc;

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::check::{Sample, check};
use autograd::{Tape, Var};

/// The address of a value.
fn address(x: Var<'_, f64>) -> usize {
    x.with(|values| values.as_ptr().addr())
}

#[test]
fn a_view_shares_the_value() {
    let tape = Tape::new();
    let x = tape.parameter(&numbers(1, 24), [2, 3, 4]);
    let step = size_of::<f64>();
    assert_eq!(address(x.reshape([6, 4])), address(x));
    assert_eq!(address(x.rows(1..2)), address(x) + 12 * step);
    assert_eq!(address(x.view(5, [7])), address(x) + 5 * step);
    assert_eq!(address(x.view(5, [7]).view(2, []).reshape([1, 1])), address(x) + 7 * step);

    let theta = Arc::new(numbers(2, 10));
    let slot = tape.shared_parameter(&theta, [10]).view(4, [2, 3]);
    assert_eq!(address(slot), theta.as_ptr().addr() + 4 * step);
    assert_eq!(slot.to_vec(), theta[4..]);
}

#[test]
fn a_view_of_a_view_is_the_view_of_the_sum_of_the_offsets() {
    let tape = Tape::new();
    let x = tape.parameter(&numbers(3, 24), [4, 3, 2]);
    let inner = x.rows(1..4).rows(1..3).view(2, [2, 2]).rows(1..2);
    assert_eq!(inner.to_vec(), x.to_vec()[16..18]);
    let gradients = tape.backward((inner * inner).sum());
    for (i, (dx, x)) in gradients.wrt(x).iter().zip(x.to_vec()).enumerate() {
        assert_eq!(*dx, if (16..18).contains(&i) { 2.0 * x } else { 0.0 });
    }
    assert_eq!(gradients.wrt(inner), &gradients.wrt(x)[16..18]);
}

#[test]
fn gradients_through_overlapping_views_add_as_through_gathered_copies() {
    let values = numbers(4, 12);
    fn f<'t>(a: Var<'t, f64>, b: Var<'t, f64>, c: Var<'t, f64>) -> Var<'t, f64> {
        (a.exp() * b.sin()).sum() + (c.tanh() * b.rows(0..1)).sum() + a.square().mean()
    }
    let mut tape = dirty_tape();
    let x = tape.parameter(&values, [6, 2]);
    let loss = f(x.rows(0..3), x.rows(2..5), x.rows(1..2));
    let (value, viewed) = (loss.item(), tape.backward(loss).wrt(x).to_vec());

    tape.clear();
    let x = tape.parameter(&values, [6, 2]);
    let loss = f(x.gather(&[0, 1, 2]), x.gather(&[2, 3, 4]), x.gather(&[1]));
    assert_eq!(loss.item(), value);
    assert_close(tape.backward(loss).wrt(x), &viewed, 1e-15);
}

#[test]
fn what_no_view_reaches_has_adjoint_zero() {
    let tape = dirty_tape();
    let theta = tape.parameter(&numbers(5, 9), [9]);
    // Written from the right, from the left and in the middle, with gaps.
    let loss = theta.view(7, [1]).sum() + theta.view(1, [2]).square().sum() + theta.view(4, []).exp();
    let gradient = tape.backward(loss).wrt(theta).to_vec();
    for i in [0, 3, 5, 6, 8] {
        assert_eq!(gradient[i], 0.0, "element {i}");
    }
    let x = theta.to_vec();
    assert_eq!([1, 2, 4, 7].map(|i| gradient[i]), [2.0 * x[1], 2.0 * x[2], x[4].exp(), 1.0]);
}

#[test]
fn the_same_slot_taken_twice_gives_the_sum_of_both_gradients() {
    let tape = dirty_tape();
    let theta = tape.parameter(&numbers(6, 6), [6]);
    let (a, b) = (theta.view(1, [2, 2]), theta.view(1, [2, 2]));
    let twice = tape.backward(a.matmul(b).sum()).wrt(theta).to_vec();
    let once = tape.backward(a.matmul(a).sum()).wrt(theta).to_vec();
    assert_eq!(twice, once);
}

#[test]
fn a_view_and_its_source_may_both_be_inputs() {
    let inputs = [Sample::any([3, 2])];
    check("x + view of x", &inputs, |_, x| x[0] * x[0].rows(1..2) + x[0].view(3, [2]).exp()).unwrap();
    check("product with a view", &inputs, |_, x| x[0].matmul(x[0].view(1, [2, 2])).tanh()).unwrap();
    check("dense of views", &inputs, |_, x| {
        let (w, b) = (x[0].view(0, [2, 2]), x[0].view(2, [2]));
        x[0].dense(w, b, autograd::ops::Nonlinearity::Tanh)
    })
    .unwrap();
}

#[test]
fn views_of_results_pass_adjoints_on() {
    let inputs = [Sample::any([4, 3])];
    check("views of a result", &inputs, |_, x| {
        let y = x[0].exp();
        y.rows(0..2) * y.rows(2..4) + y.view(3, [2, 3]) / y.reshape([3, 4]).view(2, [3])
    })
    .unwrap();
}

#[test]
fn seeds_on_views_are_seeds_on_the_range() {
    let tape = dirty_tape();
    let x = tape.parameter(&numbers(7, 6), [3, 2]);
    let y = x.square();
    let gradients =
        tape.backward_from(&[(y.rows(1..3), &[1.0, 2.0, 3.0, 4.0]), (y.view(1, [2]), &[10.0, 20.0])]);
    assert_eq!(gradients.wrt(y), [0.0, 10.0, 21.0, 2.0, 3.0, 4.0]);
    let expected: Vec<f64> = x.to_vec().iter().zip(gradients.wrt(y)).map(|(x, dy)| 2.0 * x * dy).collect();
    assert_eq!(gradients.wrt(x), expected);
}

#[test]
fn empty_views_are_harmless() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    let loss = x.view(2, [0]).sum() + x.rows(1..1).square().sum() + x.sum();
    assert_eq!(loss.item(), 3.0);
    let gradients = tape.backward(loss);
    assert_eq!(gradients.wrt(x), [1.0, 1.0]);
    assert_eq!(gradients.wrt(x.view(1, [0])), []);
}

#[test]
fn views_of_constants_have_no_adjoint() {
    let tape = Tape::new();
    let x = tape.constant(&[1.0, 2.0, 3.0], [3]);
    let y = x.view(1, [2]) * tape.parameter(&[2.0], []);
    assert_eq!(y.to_vec(), [4.0, 6.0]);
    assert!(!tape.to_dot().contains("view\\n[2]\\n+ gradient"));
}
