//! Misuse panics at the caller's line, with the operation and the shapes. Each call below stands on one line with its
//! message behind it (or before it), so that the line can be compared.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once};

use autograd::gradcheck::Sample;
use autograd::ops::{All, Broadcast, Map, Square, Sum};
use autograd::{Mat, MatMut, Nonlinearity, Shape, Tape, Var};

thread_local! {
    /// The last panic of this thread: message, file and line.
    static LAST: RefCell<Option<(String, String, u32)>> = const { RefCell::new(None) };
}

/// What `f` panics with, and where.
fn panic_of(f: impl FnOnce()) -> (String, String, u32) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("no text").to_owned();
            let place = info.location().expect("always known");
            eprintln!("{place}: {message}");
            LAST.set(Some((message, place.file().to_owned(), place.line())));
        }));
    });
    assert!(panic::catch_unwind(AssertUnwindSafe(f)).is_err(), "no panic");
    LAST.take().expect("the hook ran")
}

/// `call => message`: the call panics with this message, at its own line.
macro_rules! misuse {
    ($call:expr => $message:expr) => {
        let (message, file, line) = panic_of(|| {
            let _ = $call;
        });
        assert_eq!(message, $message);
        assert_eq!((&file[..], line), (file!(), line!()), "{message}: not the caller's line");
    };
}

fn zeros<'t>(tape: &'t Tape<f64>, shape: impl Into<Shape>) -> Var<'t, f64> {
    let shape = shape.into();
    tape.parameter(&vec![0.0; shape.size()], shape)
}

#[test]
fn products_name_both_shapes_and_the_inner_sizes() {
    let tape = Tape::new();
    let (a, b, v) = (zeros(&tape, [128, 784]), zeros(&tape, [400, 20]), zeros(&tape, [5]));
    misuse!(a.matmul(b) => "matmul: [128, 784] x [400, 20]: inner sizes 784 and 400 differ");
    misuse!(a.matmul_t(b) => "matmul_t: [128, 784] x [400, 20]: inner sizes 784 and 20 differ");
    misuse!(a.t_matmul(b) => "t_matmul: [128, 784] x [400, 20]: inner sizes 128 and 400 differ");
    misuse!(a.matmul(v) => "matmul: [128, 784] x [5]: ranks 2 and 1, both must be matrices or stacks");
    misuse!(v.matmul_t(a) => "matmul_t: [5] x [128, 784]: ranks 1 and 2, both must be matrices or stacks");
}

#[test]
fn layers_name_input_weights_and_biases() {
    let tape = Tape::new();
    let (x, w, b) = (zeros(&tape, [4, 3]), zeros(&tape, [3, 2]), zeros(&tape, [2]));
    let phi = Nonlinearity::Tanh;
    misuse!(x.dense(x, b, phi) => "dense: [4, 3] x [4, 3] x [2]: inner sizes 3 and 4 differ");
    misuse!(x.dense(w, zeros(&tape, [3]), phi) => "dense: [4, 3] x [3, 2] x [3]: 2 columns of weights and 3 biases");
    let text = "dense: [4, 3] x [3, 2] x [4, 3]: input and weights must be matrices, the biases a vector";
    misuse!(x.dense(w, x, phi) => text);
    let text = "dense: [2] x [3, 2] x [2]: input and weights must be matrices, the biases a vector";
    misuse!(b.dense(w, b, phi) => text);
}

#[test]
fn broadcasts_name_both_shapes_and_the_sizes_that_clash() {
    let tape = Tape::new();
    let (x, y) = (zeros(&tape, [2, 3]), zeros(&tape, [2]));
    misuse!(x + y => "add: [2, 3] x [2]: sizes 3 and 2 cannot be broadcast");
    misuse!(x - y => "sub: [2, 3] x [2]: sizes 3 and 2 cannot be broadcast");
    misuse!(x * y => "mul: [2, 3] x [2]: sizes 3 and 2 cannot be broadcast");
    misuse!(y / x => "div: [2] x [2, 3]: sizes 2 and 3 cannot be broadcast");
    misuse!(x.max(y) => "max: [2, 3] x [2]: sizes 3 and 2 cannot be broadcast");
    misuse!(x.min(y) => "min: [2, 3] x [2]: sizes 3 and 2 cannot be broadcast");
    misuse!(x + zeros(&tape, [0, 1]) => "add: [2, 3] x [0, 1]: sizes 2 and 0 cannot be broadcast");
    misuse!(x.broadcast_to([3, 3]) => "broadcast_to: [2, 3]: cannot be broadcast to [3, 3]");
    misuse!(x.broadcast_to([3]) => "broadcast_to: [2, 3]: cannot be broadcast to [3]");
    misuse!(x.broadcast_to([2, 1]) => "broadcast_to: [2, 3]: cannot be broadcast to [2, 1]");
}

#[test]
fn reductions_name_the_axis_that_is_missing() {
    let tape = Tape::new();
    let (x, s) = (zeros(&tape, [2, 3]), zeros(&tape, []));
    misuse!(x.sum_axis(2) => "sum: [2, 3]: there is no axis 2");
    misuse!(x.mean_axis(2) => "mean: [2, 3]: there is no axis 2");
    misuse!(s.log_sum_exp_axis(0) => "log_sum_exp: []: there is no axis 0");
    misuse!(s.softmax_axis(0) => "softmax: []: there is no axis 0");
    misuse!(x.log_softmax_axis(7) => "log_softmax: [2, 3]: there is no axis 7");
}

#[test]
fn movements_name_what_is_out_of_range() {
    let tape = Tape::new();
    let (x, v, s) = (zeros(&tape, [2, 3]), zeros(&tape, [5]), zeros(&tape, []));
    misuse!(v.transpose() => "transpose: [5]: takes a matrix, or a stack of them");
    misuse!(x.columns(1..4) => "columns: [2, 3]: there are no columns 1..4");
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = 2..1;
    misuse!(x.columns(reversed.clone()) => "columns: [2, 3]: there are no columns 2..1");
    misuse!(s.columns(0..0) => "columns: []: there are no columns 0..0");
    misuse!(x.gather(&[0, 2]) => "gather: [2, 3]: there is no row 2");
    misuse!(s.gather(&[0]) => "gather: []: a scalar has no rows");
    misuse!(Var::concatenate(&[x, x], 2) => "concatenate: [2, 3] x [2, 3]: there is no axis 2");
    misuse!(Var::concatenate(&[x, v], 0) => "concatenate: [2, 3] x [5]: the axes other than 0 differ");
    misuse!(Var::<f64>::concatenate(&[], 0) => "concatenate: takes at least one input");
    misuse!(x.rows(1..3) => "rows: [2, 3]: no rows 1..3");
    misuse!(x.rows(reversed.clone()) => "rows: [2, 3]: no rows 2..1");
    misuse!(s.rows(0..0) => "rows: []: no rows 0..0");
    misuse!(x.view(4, [3]) => "view: [2, 3]: 3 elements from 4 on, of 6");
    misuse!(x.view(usize::MAX, [2]) => format!("view: [2, 3]: 2 elements from {} on, of 6", usize::MAX));
    misuse!(x.reshape([2, 2]) => "reshape: [2, 3] to [2, 2]: sizes 6 and 4 differ");
}

#[test]
fn densities_name_rows_that_do_not_fit() {
    let tape = Tape::new();
    let (x, v, s) = (zeros(&tape, [2, 3]), zeros(&tape, [4]), zeros(&tape, []));
    misuse!(x.bernoulli_log_prob(v) => "bernoulli_log_prob: [2, 3] x [4]: rows of 3 and 4 numbers");
    misuse!(s.bernoulli_log_prob(v) => "bernoulli_log_prob: [] x [4]: rows of 1 and 4 numbers");
    let w = zeros(&tape, [3, 3]);
    misuse!(x.bernoulli_log_prob(w) => "bernoulli_log_prob: [2, 3] x [3, 3]: neither [2, 3] nor [3, 3] ends with the other");
    misuse!(x.normal_log_prob(v, s) => "normal_log_prob: [2, 3] x [4] x []: rows of 3 and 4 numbers");
    misuse!(x.normal_log_prob(s, s) => "normal_log_prob: [2, 3] x [] x []: rows of 3 and 1 numbers");
    misuse!(x.normal_log_prob(x, v) => "normal_log_prob: [2, 3] x [2, 3] x [4]: log σ must be a single number");
    let odd = "[2, 3] are no packed rows: the last axis must hold as many log σ as μ";
    misuse!(v.diag_normal_log_prob(x) => format!("diag_normal_log_prob: [4] x [2, 3]: {odd}"));
    misuse!(x.diag_normal_log_prob(v) => "diag_normal_log_prob: [2, 3] x [4]: rows of 3 and 2 numbers");
    misuse!(x.diag_normal_sample(v) => format!("diag_normal_sample: [2, 3] x [4]: {odd}"));
    misuse!(v.diag_normal_sample(x) => "diag_normal_sample: [4] x [2, 3]: rows of 2 and 3 numbers");
    misuse!(x.diag_normal_kl(x) => format!("diag_normal_kl: [2, 3] x [2, 3]: {odd}"));
    let q = zeros(&tape, [2]);
    misuse!(v.diag_normal_kl(q) => "diag_normal_kl: [4] x [2]: rows of 2 and 1 numbers");
    misuse!(x.diag_normal_kl_to_standard() => format!("diag_normal_kl_to_standard: [2, 3]: {odd}"));
    misuse!(x.bound_log_sigma(1.0) => format!("bound_log_sigma: [2, 3]: {odd}"));
}

#[test]
fn leaves_are_filled_exactly() {
    let mut tape = Tape::new();
    let shared = Arc::new(vec![0.0; 3]);
    misuse!(tape.constant(&[1.0], [2]) => "1 values do not fill an array of shape [2]");
    misuse!(tape.parameter(&[1.0, 2.0], []) => "2 values do not fill an array of shape []");
    misuse!(tape.shared_constant(&shared, [4]) => "3 values do not fill an array of shape [4]");
    misuse!(tape.shared_parameter(&shared, [2, 1]) => "3 values do not fill an array of shape [2, 1]");
    let text = "value_and_grad: [3]: the loss must be a scalar";
    misuse!(tape.value_and_grad(&shared, |_, theta| theta).0 => text);
}

#[test]
fn ranks_end_at_four() {
    let tape = Tape::new();
    let x = zeros(&tape, [1]);
    let text = "shape [1, 1, 1, 1, 1]: rank 5 is above 4";
    misuse!(Shape::new(&[1; 5]) => text);
    misuse!(Shape::from([1; 5]) => text);
    misuse!(tape.constant(&[0.0], [1; 5]) => text);
    misuse!(tape.constant_with([1; 5], |_| ()) => text);
    misuse!(x.reshape([1; 5]) => text);
    misuse!(x.view(0, &[1; 5][..]) => text);
    misuse!(x.broadcast_to([1; 5]) => text);
    misuse!(Sample::any([1; 5]) => text);
    misuse!(Shape::from([2, 3]).without(2) => "shape [2, 3]: there is no axis 2");
    misuse!(Shape::SCALAR.without(0) => "shape []: there is no axis 0");
}

#[test]
fn two_tapes_do_not_mix() {
    let (tape, other) = (Tape::new(), Tape::new());
    let (x, y) = (zeros(&tape, [2]), zeros(&other, [2]));
    misuse!(x + y => "add: the inputs lie on two tapes");
    misuse!(x.matmul(y) => "matmul: the inputs lie on two tapes");
    misuse!(tape.record(Map(Square), &[y]) => "square: the inputs lie on two tapes");
    misuse!(Var::concatenate(&[x, y], 0) => "concatenate: the inputs lie on two tapes");
    misuse!(tape.backward(y.sum()) => "backward: a seed lies on another tape");
    misuse!(tape.backward_from(&[(y, &[1.0, 1.0])]) => "backward: a seed lies on another tape");
    let gradients = tape.backward(x.sum());
    misuse!(gradients.wrt(y) => "gradient: the variable lies on another tape");
    // Also where the other tape is longer, and where it is a constant there.
    let far = zeros(&other, []).exp().exp().exp();
    misuse!(gradients.wrt(far) => "gradient: the variable lies on another tape");
    misuse!(gradients.wrt(other.constant(&[1.0], [])) => "gradient: the variable lies on another tape");
}

#[test]
fn only_scalars_are_differentiated_and_only_parameters_have_gradients() {
    let tape = Tape::new();
    let (x, c) = (zeros(&tape, [2, 3]), tape.constant(&[1.0, 2.0], [2]));
    misuse!(tape.backward(x) => "backward: [2, 3]: the loss must be a scalar");
    misuse!(tape.backward_from(&[(x, &[1.0])]) => "1 values do not fill an array of shape [2, 3]");
    misuse!(x.item() => "item: [2, 3]: not a single number");
    let gradients = tape.backward(x.sum());
    misuse!(gradients.wrt(c) => "gradient: [2]: no parameter reaches this variable");
    misuse!(gradients.wrt(c.exp()) => "gradient: [2]: no parameter reaches this variable");
    misuse!(gradients.wrt(c.view(1, [])) => "gradient: []: no parameter reaches this variable");
    misuse!(gradients.wrt(x.exp()) => "gradient: [2, 3]: recorded after the backward pass");
    misuse!(gradients.wrt(zeros(&tape, [100_000])) => "gradient: [100000]: recorded after the backward pass");
}

#[test]
fn operations_count_their_inputs() {
    let tape = Tape::new();
    let x = zeros(&tape, [2]);
    misuse!(tape.record(Map(Square), &[x, x]) => "square: [2] x [2]: takes one input");
    misuse!(tape.record(Broadcast(autograd::ops::Add), &[x]) => "add: [2]: takes two inputs");
    misuse!(tape.record(Sum { over: All }, &[]) => "sum: : takes one input");
}

#[test]
fn a_tape_is_not_written_while_it_is_read() {
    let tape = Tape::new();
    let x = zeros(&tape, [2]);
    misuse!(x.with(|_| x.exp().size()) => "RefCell already borrowed");
    misuse!(tape.constant_with([1], |y| y[0] = x.item()) => "RefCell already mutably borrowed");
    assert_eq!(x.exp().to_vec(), [1.0, 1.0]);
}

#[test]
fn kernels_and_checks_refuse_what_they_cannot_do() {
    misuse!(Mat::new(&[0.0; 5], 2, 3) => "a 2 x 3 matrix in a slice of 5");
    misuse!(Mat::block(&[0.0; 6], 2, 3, 4) => "a 2 x 3 block, stride 4, in a slice of 6");
    misuse!(Mat::block(&[0.0; 9], 2, 3, 2) => "a 2 x 3 block, stride 2, in a slice of 9");
    misuse!(Mat::block(&[0.0; 9], 3, 3, usize::MAX) => format!("a 3 x 3 block, stride {}, in a slice of 9", usize::MAX));
    misuse!(MatMut::block(&mut [0.0; 6], 2, 3, 4) => "a 2 x 3 block, stride 4, in a slice of 6");
    misuse!(Mat::new(&[0.0; 6], 2, 3).row_range(1..3) => "rows 1..3 of 2");
    let text = "sample: no number of 0.0..0.05 is at least 0.05 away from 0";
    misuse!(Sample::uniform([1], 0.0..0.05) => text);
}
