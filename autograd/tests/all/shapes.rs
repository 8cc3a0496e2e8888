//! Misuse panics at the caller's line, with the operation and the shapes. Each call below stands on one line with its
//! message behind it (or before it), so that the line can be compared.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once};

use autograd::check::Sample;
use autograd::numerics::{Mat, MatMut};
use autograd::ops::{All, Broadcast, Map, Reduce, Square, Sum};
use autograd::ops::{Convolution, Nonlinearity};
use autograd::{Shape, Tape, Var};

thread_local! {
    /// The last panic of this thread: message, file and line.
    static LAST: RefCell<Option<(String, String, u32)>> = const { RefCell::new(None) };
}

/// What `f` panics with, and where.
fn panic_of(f: &mut dyn FnMut()) -> (String, String, u32) {
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
        let (message, file, line) = panic_of(&mut || {
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
    misuse!(a.matmul(b) => "matmul: [128, 784] x [400, 20]: expected equal inner sizes, found 784 and 400");
    misuse!(a.matmul_t(b) => "matmul_t: [128, 784] x [400, 20]: expected equal inner sizes, found 784 and 20");
    misuse!(a.t_matmul(b) => "t_matmul: [128, 784] x [400, 20]: expected equal inner sizes, found 128 and 400");
    misuse!(a.matmul(v) => "matmul: [128, 784] x [5]: expected two matrices or two stacks of them, found ranks 2 and 1");
    misuse!(v.matmul_t(a) => "matmul_t: [5] x [128, 784]: expected two matrices or two stacks of them, found ranks 1 and 2");
}

#[test]
fn layers_name_input_weights_and_biases() {
    let tape = Tape::new();
    let (x, w, b) = (zeros(&tape, [4, 3]), zeros(&tape, [3, 2]), zeros(&tape, [2]));
    let phi = Nonlinearity::Tanh;
    misuse!(x.dense(x, b, phi) => "dense: [4, 3] x [4, 3] x [2]: expected equal inner sizes, found 3 and 4");
    misuse!(x.dense(w, zeros(&tape, [3]), phi) => "dense: [4, 3] x [3, 2] x [3]: expected a bias for each of 2 columns of weights, found 3");
    let text =
        "dense: [4, 3] x [3, 2] x [4, 3]: expected input and weights to be matrices, the biases a vector";
    misuse!(x.dense(w, x, phi) => text);
    let text = "dense: [2] x [3, 2] x [2]: expected input and weights to be matrices, the biases a vector";
    misuse!(b.dense(w, b, phi) => text);
}

#[test]
fn convolutions_name_the_stride_the_kernel_and_the_output_padding() {
    let tape = Tape::new();
    let (x, w, b) = (zeros(&tape, [1, 1, 4, 4]), zeros(&tape, [1, 1, 3, 3]), zeros(&tape, [1]));
    let (none, phi) = (zeros(&tape, [1, 1, 0, 3]), Nonlinearity::Identity);
    let at = |stride| Convolution { stride, padding: 0 };
    let (two, biases) = (zeros(&tape, [1, 2, 4, 4]), zeros(&tape, [2]));
    let text = "conv2d: [1, 2, 4, 4] x [1, 1, 3, 3] x [1]: expected 1 channels and 1 biases for these kernels, found 2 and 1";
    misuse!(two.conv2d(w, b, at(1), phi) => text);
    let text = "conv2d: [1, 1, 4, 4] x [1, 1, 3, 3] x [2]: expected 1 channels and 1 biases for these kernels, found 1 and 2";
    misuse!(x.conv2d(w, biases, at(1), phi) => text);
    let text = "conv_transpose2d: [1, 2, 4, 4] x [1, 1, 3, 3] x [1]: expected 1 channels and 1 biases for these kernels, found 2 and 1";
    misuse!(two.conv_transpose2d(w, b, at(1), 0, phi) => text);
    let text = "conv2d: [1, 1, 4, 4] x [1, 1, 3, 3] x [1]: expected a stride of at least 1, found 0";
    misuse!(x.conv2d(w, b, at(0), phi) => text);
    let text = "conv2d: [1, 1, 4, 4] x [1, 1, 0, 3] x [1]: expected kernels of at least 1 x 1, found 0 x 3";
    misuse!(x.conv2d(none, b, at(1), phi) => text);
    let text =
        "conv_transpose2d: [1, 1, 4, 4] x [1, 1, 3, 3] x [1]: expected a stride of at least 1, found 0";
    misuse!(x.conv_transpose2d(w, b, at(0), 0, phi) => text);
    let text = "conv_transpose2d: [1, 1, 4, 4] x [1, 1, 3, 3] x [1]: expected an output padding below the stride 2, found 2";
    misuse!(x.conv_transpose2d(w, b, at(2), 2, phi) => text);
    misuse!(x.conv2d(w, b, at(1), Nonlinearity::LeakyRelu(-1.0)) => "leaky_relu: expected a finite c ≥ 0, found -1");
}

#[test]
fn broadcasts_name_both_shapes_and_the_sizes_that_clash() {
    let tape = Tape::new();
    let (x, y) = (zeros(&tape, [2, 3]), zeros(&tape, [2]));
    misuse!(x + y => "add: [2, 3] x [2]: expected equal sizes or 1, found 3 and 2");
    misuse!(x - y => "sub: [2, 3] x [2]: expected equal sizes or 1, found 3 and 2");
    misuse!(x * y => "mul: [2, 3] x [2]: expected equal sizes or 1, found 3 and 2");
    misuse!(y / x => "div: [2] x [2, 3]: expected equal sizes or 1, found 2 and 3");
    misuse!(x.maximum(y) => "maximum: [2, 3] x [2]: expected equal sizes or 1, found 3 and 2");
    misuse!(x.minimum(y) => "minimum: [2, 3] x [2]: expected equal sizes or 1, found 3 and 2");
    misuse!(x + zeros(&tape, [0, 1]) => "add: [2, 3] x [0, 1]: expected equal sizes or 1, found 2 and 0");
    misuse!(x.broadcast_to([3, 3]) => "broadcast_to: [2, 3]: expected an array that can be broadcast to [3, 3], found [2, 3]");
    misuse!(x.broadcast_to([3]) => "broadcast_to: [2, 3]: expected an array that can be broadcast to [3], found [2, 3]");
    misuse!(x.broadcast_to([2, 1]) => "broadcast_to: [2, 3]: expected an array that can be broadcast to [2, 1], found [2, 3]");
}

#[test]
fn reductions_name_the_axis_that_is_missing() {
    let tape = Tape::new();
    let (x, s) = (zeros(&tape, [2, 3]), zeros(&tape, []));
    misuse!(x.sum_axis(2) => "sum: [2, 3]: expected an axis below 2, found 2");
    misuse!(x.mean_axis(2) => "mean: [2, 3]: expected an axis below 2, found 2");
    misuse!(s.logsumexp_axis(0) => "logsumexp: []: expected an axis below 0, found 0");
    misuse!(s.softmax_axis(0) => "softmax: []: expected an axis below 0, found 0");
    misuse!(x.log_softmax_axis(7) => "log_softmax: [2, 3]: expected an axis below 2, found 7");
}

#[test]
fn movements_name_what_is_out_of_range() {
    let tape = Tape::new();
    let (x, v, s) = (zeros(&tape, [2, 3]), zeros(&tape, [5]), zeros(&tape, []));
    misuse!(v.transpose() => "transpose: [5]: expected a matrix or a stack of matrices, found [5]");
    misuse!(x.columns(1..4) => "columns: [2, 3]: expected a range within the last axis, found 1..4");
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = 2..1;
    misuse!(x.columns(reversed.clone()) => "columns: [2, 3]: expected a range within the last axis, found 2..1");
    misuse!(s.columns(0..0) => "columns: []: expected a range within the last axis, found 0..0");
    misuse!(x.gather(&[0, 2]) => "gather: [2, 3]: expected rows below 2, found 2");
    misuse!(s.gather(&[0]) => "gather: []: expected at least one axis, found []");
    misuse!(Var::concatenate(&[x, x], 2) => "concatenate: [2, 3] x [2, 3]: expected an axis below 2, found 2");
    misuse!(Var::concatenate(&[x, v], 0) => "concatenate: [2, 3] x [5]: expected equal axes but for axis 0, found [[2, 3], [5]]");
    misuse!(Var::<f64>::concatenate(&[], 0) => "concatenate: expected at least one input, found none");
    misuse!(x.rows(1..3) => "rows: [2, 3]: expected a range within the first axis, found 1..3");
    misuse!(x.rows(reversed.clone()) => "rows: [2, 3]: expected a range within the first axis, found 2..1");
    misuse!(s.rows(0..0) => "rows: []: expected a range within the first axis, found 0..0");
    misuse!(x.view(4, [3]) => "view: [2, 3]: expected at most 6 elements, found 3 from 4 on");
    misuse!(x.view(usize::MAX, [2]) => format!("view: [2, 3]: expected at most 6 elements, found 2 from {} on", usize::MAX));
    misuse!(x.reshape([2, 2]) => "reshape: [2, 3] to [2, 2]: expected equal sizes, found 6 and 4");
}

#[test]
fn densities_name_rows_that_do_not_fit() {
    let tape = Tape::new();
    let (x, v, s) = (zeros(&tape, [2, 3]), zeros(&tape, [4]), zeros(&tape, []));
    misuse!(x.bernoulli_log_prob(v) => "bernoulli_log_prob: [2, 3] x [4]: expected rows of equal length, found 3 and 4");
    let w = zeros(&tape, [3, 3]);
    misuse!(x.bernoulli_log_prob(w) => "bernoulli_log_prob: [2, 3] x [3, 3]: expected equal sizes or 1, found 2 and 3");
    misuse!(x.normal_log_prob(v, s) => "normal_log_prob: [2, 3] x [4] x []: expected rows of equal length, found 3 and 4");
    misuse!(x.normal_log_prob(x, v) => "normal_log_prob: [2, 3] x [2, 3] x [4]: expected rows of equal length, found 3 and 4");
    let odd = "expected packed rows with as many log σ as μ in the last axis, found [2, 3]";
    misuse!(v.diag_normal_log_prob(x) => format!("diag_normal_log_prob: [4] x [2, 3]: {odd}"));
    misuse!(x.diag_normal_log_prob(v) => "diag_normal_log_prob: [2, 3] x [4]: expected rows of equal length, found 3 and 2");
    misuse!(x.diag_normal_sample(v) => format!("diag_normal_sample: [2, 3] x [4]: {odd}"));
    misuse!(v.diag_normal_sample(x) => "diag_normal_sample: [4] x [2, 3]: expected rows of equal length, found 2 and 3");
    misuse!(x.diag_normal_kl(x) => format!("diag_normal_kl: [2, 3] x [2, 3]: {odd}"));
    let q = zeros(&tape, [2]);
    misuse!(v.diag_normal_kl(q) => "diag_normal_kl: [4] x [2]: expected rows of equal length, found 2 and 1");
    misuse!(x.diag_normal_kl_to_standard() => format!("diag_normal_kl_to_standard: [2, 3]: {odd}"));
    misuse!(x.bound_log_sigma(1.0) => format!("bound_log_sigma: [2, 3]: {odd}"));
}

#[test]
fn leaves_are_filled_exactly() {
    let mut tape = Tape::new();
    let shared = Arc::new(vec![0.0; 3]);
    misuse!(tape.constant(&[1.0], [2]) => "shape [2]: expected 2 values, found 1");
    misuse!(tape.parameter(&[1.0, 2.0], []) => "shape []: expected 1 values, found 2");
    misuse!(tape.shared_constant(&shared, [4]) => "shape [4]: expected 4 values, found 3");
    misuse!(tape.shared_parameter(&shared, [2, 1]) => "shape [2, 1]: expected 2 values, found 3");
    let text = "value_and_grad: [3]: expected a scalar loss";
    misuse!(tape.value_and_grad(&shared, |_, theta| theta).0 => text);
}

#[test]
fn ranks_end_at_four() {
    let tape = Tape::new();
    let x = zeros(&tape, [1]);
    let text = "shape [1, 1, 1, 1, 1]: expected at most 4 axes, found 5";
    misuse!(Shape::new(&[1; 5]) => text);
    misuse!(Shape::from([1; 5]) => text);
    misuse!(tape.constant(&[0.0], [1; 5]) => text);
    misuse!(tape.constant_with([1; 5], |_| ()) => text);
    misuse!(x.reshape([1; 5]) => text);
    misuse!(x.view(0, &[1; 5][..]) => text);
    misuse!(x.broadcast_to([1; 5]) => text);
    misuse!(Sample::any([1; 5]) => text);
    misuse!(Shape::from([2, 3]).without(2) => "shape [2, 3]: expected an axis below 2, found 2");
    misuse!(Shape::SCALAR.without(0) => "shape []: expected an axis below 0, found 0");
}

#[test]
fn two_tapes_do_not_mix() {
    let (tape, other) = (Tape::new(), Tape::new());
    let (x, y) = (zeros(&tape, [2]), zeros(&other, [2]));
    misuse!(x + y => "add: expected inputs on this tape, found one of another tape");
    misuse!(x.matmul(y) => "matmul: expected inputs on this tape, found one of another tape");
    misuse!(tape.record(Map(Square), &[y]) => "square: expected inputs on this tape, found one of another tape");
    misuse!(Var::concatenate(&[x, y], 0) => "concatenate: expected inputs on this tape, found one of another tape");
    misuse!(tape.backward(y.sum()) => "backward: expected a variable of this tape, found one of another tape");
    misuse!(tape.backward_from(&[(y, &[1.0, 1.0])]) => "backward: expected a variable of this tape, found one of another tape");
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
    misuse!(tape.backward(x) => "backward: [2, 3]: expected a scalar loss");
    misuse!(tape.backward_from(&[(x, &[1.0])]) => "shape [2, 3]: expected 6 values, found 1");
    misuse!(x.item() => "item: [2, 3]: expected one element, found 6");
    let gradients = tape.backward(x.sum());
    misuse!(gradients.wrt(c) => "gradient: [2]: the variable depends on no parameter");
    misuse!(gradients.wrt(c.exp()) => "gradient: [2]: the variable depends on no parameter");
    misuse!(gradients.wrt(c.view(1, [])) => "gradient: []: the variable depends on no parameter");
    misuse!(gradients.wrt(x.exp()) => "gradient: [2, 3]: the variable was recorded after the backward pass");
    misuse!(gradients.wrt(zeros(&tape, [100_000])) => "gradient: [100000]: the variable was recorded after the backward pass");
}

#[test]
fn operations_count_their_inputs() {
    let tape = Tape::new();
    let x = zeros(&tape, [2]);
    misuse!(tape.record(Map(Square), &[x, x]) => "square: [2] x [2]: expected one input, found 2");
    misuse!(tape.record(Broadcast(autograd::ops::Add), &[x]) => "add: [2]: expected two inputs, found 1");
    misuse!(tape.record(Reduce { reduction: Sum, over: All }, &[]) => "sum: : expected one input, found 0");
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
    misuse!(Mat::new(&[0.0; 5], 2, 3) => "matrix: expected room for 2 x 3 numbers, found a slice of 5");
    misuse!(Mat::block(&[0.0; 6], 2, 3, 4) => "block: expected a stride of at least 3 and room for 2 x 3 numbers, found stride 4 and a slice of 6");
    misuse!(Mat::block(&[0.0; 9], 2, 3, 2) => "block: expected a stride of at least 3 and room for 2 x 3 numbers, found stride 2 and a slice of 9");
    misuse!(Mat::block(&[0.0; 9], 3, 3, usize::MAX) => format!("block: expected a stride of at least 3 and room for 3 x 3 numbers, found stride {} and a slice of 9", usize::MAX));
    misuse!(MatMut::block(&mut [0.0; 6], 2, 3, 4) => "block: expected a stride of at least 3 and room for 2 x 3 numbers, found stride 4 and a slice of 6");
    misuse!(Mat::new(&[0.0; 6], 2, 3).row_range(1..3) => "row_range: expected a range within 0..2, found 1..3");
    let text = "sample: no number of 0.0..0.05 is at least 0.05 away from 0";
    misuse!(Sample::uniform([1], 0.0..0.05) => text);
}

#[test]
fn attributes_that_ask_for_more_elements_than_can_be_counted_are_refused() {
    let tape = Tape::new();
    let (x, w, b) = (zeros(&tape, [1, 1, 3, 3]), zeros(&tape, [1, 1, 2, 2]), zeros(&tape, [1]));
    let (huge, phi) = (usize::MAX, Nonlinearity::Identity);
    let wide = |stride| Convolution { stride, padding: 1 << 40 };
    let far = Convolution { stride: huge, padding: 0 };
    misuse!(x.conv2d(w, b, wide(1), phi) => "conv2d: [1, 1, 3, 3] x [1, 1, 2, 2] x [1]: expected fewer elements, found images of 3 x 3 and a padding of 1099511627776");
    // Windows so far apart that there are few of them.
    misuse!(x.conv2d(w, b, wide(1 << 40), phi) => "conv2d: [1, 1, 3, 3] x [1, 1, 2, 2] x [1]: expected fewer elements, found images of 3 x 3 and a padding of 1099511627776");
    misuse!(x.conv_transpose2d(w, b, far, 0, phi) => "conv_transpose2d: [1, 1, 3, 3] x [1, 1, 2, 2] x [1]: expected fewer elements, found images of 18446744073709551615 x 18446744073709551615 and a padding of 0");
    misuse!(x.conv_transpose2d(w, b, wide(huge), 0, phi) => format!("conv_transpose2d: [1, 1, 3, 3] x [1, 1, 2, 2] x [1]: expected fewer elements, found images of {0} x {0} and a padding of 1099511627776", huge - (2 << 40)));
    misuse!(x.upsample_nearest(1 << 40) => "upsample_nearest: [1, 1, 3, 3]: expected fewer elements, found a factor of 1099511627776");
}
