//! What holds for a tape: independent backward passes, seeds, reuse, and what it lets go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::numerics::Mat;
use autograd::ops::Nonlinearity;
use autograd::{InputAdjoints, Inputs, Op, Shape, Tape, Var};

/// Something with shared subexpressions, a view, a product and a reduction.
fn expression<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
    let a = x.view(0, [2, 3]).tanh();
    let b = x.view(2, [3, 2]).sigmoid();
    let c = a.matmul(b);
    (c * c + a.matmul_t(a)).logsumexp() + a.mean()
}

#[test]
fn backward_passes_of_one_tape_are_independent() {
    let tape = dirty_tape();
    let x = tape.parameter(&numbers(1, 8), [8]);
    let (f, g) = (expression(x), x.exp().sum());
    let first = tape.backward(f).wrt(x).to_vec();
    let exp: Vec<f64> = x.to_vec().iter().map(|x| x.exp()).collect();
    assert_close(tape.backward(g).wrt(x), &exp, 1e-15);
    assert_eq!(tape.backward(f).wrt(x), first);
}

#[test]
fn two_gradients_can_be_alive_at_once() {
    let tape = dirty_tape();
    let x = tape.parameter(&[2.0, 3.0], [2]);
    let (f, g) = (x.square().sum(), x.sum());
    let (df, dg) = (tape.backward(f), tape.backward(g));
    assert_eq!((df.wrt(x), dg.wrt(x)), (&[4.0, 6.0][..], &[1.0, 1.0][..]));
    drop(df);
    let df = tape.backward(f);
    assert_eq!((df.wrt(x), dg.wrt(x)), (&[4.0, 6.0][..], &[1.0, 1.0][..]));
}

#[test]
fn seeds_on_several_and_on_intermediate_nodes_are_the_explicit_sum() {
    let tape = dirty_tape();
    let x = tape.parameter(&numbers(2, 6), [2, 3]);
    let a = x.exp();
    let b = a.matmul_t(a);
    let c = b.sin().sum_axis(0);
    let (u, v, w) = (numbers(3, 6), numbers(4, 4), numbers(5, 2));
    let seeded = tape.backward_from(&[(b, &v), (a, &u), (c, &w), (a, &u)]);

    let constant = |values: &[f64], like: Var<'_, f64>| tape.constant(values, like.shape());
    let sum = (b * constant(&v, b)).sum() + (a * constant(&u, a) * 2.0).sum() + (c * constant(&w, c)).sum();
    let explicit = tape.backward(sum);
    for var in [x, a, b, c] {
        assert_close(seeded.wrt(var), explicit.wrt(var), 1e-14);
    }
}

#[test]
fn a_seed_on_a_parameter_itself_is_part_of_its_gradient() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    let y = x.square();
    assert_eq!(tape.backward_from(&[(x, &[10.0, 20.0]), (y, &[1.0, 1.0])]).wrt(x), [12.0, 24.0]);
}

#[test]
fn without_seeds_everything_is_zero() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    let y = x.exp();
    let gradients = tape.backward_from(&[]);
    assert_eq!((gradients.wrt(x), gradients.wrt(y)), (&[0.0; 2][..], &[0.0; 2][..]));
}

#[test]
fn a_parameter_that_the_loss_does_not_depend_on_has_gradient_zero() {
    let tape = dirty_tape();
    let (x, unused) = (tape.parameter(&[1.0], []), tape.parameter(&numbers(6, 100), [100]));
    let aside = unused.exp();
    let gradients = tape.backward(x.exp());
    assert_eq!(gradients.wrt(unused), [0.0; 100]);
    assert_eq!(gradients.wrt(aside), [0.0; 100]);
    // A loss that no parameter reaches is a constant.
    assert_eq!(tape.backward(tape.constant(&[3.0], [])).wrt(unused), [0.0; 100]);
}

#[test]
fn a_loss_may_be_a_parameter_or_have_axes_of_size_one() {
    let tape = dirty_tape();
    let x = tape.parameter(&[3.0], [1, 1]);
    assert_eq!(tape.backward(x).wrt(x), [1.0]);
    assert_eq!(tape.backward(x * x).wrt(x), [6.0]);
}

#[test]
fn repeated_inputs_add() {
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    assert_eq!(tape.backward((x * x).sum()).wrt(x), [2.0, 4.0, 6.0, 8.0]);
    assert_eq!(tape.backward((x - x).sum()).wrt(x), [0.0; 4]);
    assert_eq!(tape.backward((x / x).sum()).wrt(x), [0.0; 4]);
    assert_eq!(tape.backward(x.maximum(x).sum()).wrt(x), [1.0; 4]);
    // Σ (XX)ᵢⱼ:   X̄ = 1 1ᵀ Xᵀ + Xᵀ 1 1ᵀ
    assert_eq!(tape.backward(x.matmul(x).sum()).wrt(x), [7.0, 11.0, 9.0, 13.0]);
    assert_eq!(tape.backward(Var::concatenate(&[x, x, x], 0).sum()).wrt(x), [3.0; 4]);
    assert_eq!(tape.backward(x.gather(&[1, 1]).sum()).wrt(x), [0.0, 0.0, 2.0, 2.0]);
}

#[test]
fn a_cleared_tape_gives_the_same_bits_whatever_its_memory_held() {
    let values = numbers(7, 8);
    let mut tape = Tape::new();
    let run = |tape: &mut Tape<f64>| {
        tape.clear();
        let x = tape.parameter(&values, [8]);
        let f = expression(x);
        (f.item().to_bits(), tape.backward(f).wrt(x).iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    let first = run(&mut tape);
    assert_eq!(run(&mut tape), first);
    assert_eq!(run(&mut dirty_tape()), first);
}

#[test]
fn values_can_be_read_after_further_operations_and_while_others_are_read() {
    let tape = Tape::new();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    let y = x * 2.0;
    let before = y.to_vec();
    for i in 0..100 {
        let _ = tape.constant(&vec![i as f64; 1000], [1000]).sin();
    }
    assert_eq!(y.to_vec(), before);
    assert_eq!(x.with(|x| y.with(|y| x[1] * y[1])), 8.0);
    assert_eq!(format!("{y:?}"), "Var([2] [2.0, 4.0])");
}

#[test]
fn a_constant_can_be_written_in_place() {
    let tape = dirty_tape();
    let x = tape.constant_with([2, 2], |x| x.copy_from_slice(&[1.0, 2.0, 3.0, 4.0]));
    assert_eq!(x.to_vec(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn value_and_grad_equals_backward() {
    let theta = Arc::new(numbers(8, 8));
    let mut tape = dirty_tape();
    let (value, gradient) = tape.value_and_grad(&theta, |_, theta| expression(theta));
    let (value, gradient) = (value, { gradient }.to_vec());
    let x = tape.parameter(&theta, [8]);
    let f = expression(x);
    assert_eq!((f.item(), tape.backward(f).wrt(x)), (value, &gradient[..]));
}

#[test]
fn theta_can_be_taken_mutably_while_its_gradient_is_borrowed() {
    let mut theta = Arc::new(numbers(9, 8));
    let data = Arc::new(numbers(10, 8));
    let mut tape = Tape::new();
    let mut last = f64::INFINITY;
    for _ in 0..20 {
        let (value, gradient) = tape
            .value_and_grad(&theta, |tape, theta| (theta - tape.shared_constant(&data, [8])).square().sum());
        let theta = Arc::get_mut(&mut theta).expect("the tape has let go of θ");
        theta.iter_mut().zip(&*gradient).for_each(|(theta, g)| *theta -= 0.1 * g);
        assert!(value < last);
        last = value;
    }
    assert_eq!(Arc::strong_count(&data), 1);
}

#[test]
fn clearing_lets_go_of_what_was_shared() {
    let data = Arc::new(numbers(11, 4));
    let mut tape = Tape::new();
    let _ = tape.shared_constant(&data, [4]).exp();
    assert_eq!(Arc::strong_count(&data), 2);
    tape.clear();
    assert_eq!(Arc::strong_count(&data), 1);
}

#[test]
fn a_gradient_is_shown_as_its_numbers() {
    let mut tape = Tape::<f64>::new();
    let (_, gradient) = tape.value_and_grad(&Arc::new(vec![1.0, -2.0]), |_, theta| theta.square().sum());
    assert_eq!(format!("{gradient:?}"), "[2.0, -4.0]");
}

#[test]
fn a_tape_can_go_on_after_value_and_grad() {
    let mut tape = Tape::new();
    let theta = Arc::new(vec![1.0, 2.0, 3.0]);
    let gradient = tape.value_and_grad(&theta, |_, theta| theta.square().sum()).1.to_vec();
    assert_eq!(gradient, [2.0, 4.0, 6.0]);
    let x = tape.shared_parameter(&Arc::new(vec![5.0]), [1]);
    let y = (x * x).sum();
    assert_eq!(tape.backward(y).wrt(x), [10.0]);
    assert_eq!(tape.first_non_finite(), None);
}

#[test]
fn ten_thousand_steps_use_the_memory_of_the_first() {
    let (mut tape, theta) = (Tape::new(), Arc::new(numbers(12, 40)));
    let x = numbers(13, 12);
    let mut places = None;
    for step in 0..10_000 {
        let mut value = 0;
        let (_, gradient) = tape.value_and_grad(&theta, |tape, theta| {
            let x = tape.constant(&x, [4, 3]);
            let h = x.dense(theta.view(0, [3, 5]), theta.view(15, [5]), Nonlinearity::Tanh);
            value = h.with(|h| h.as_ptr().addr());
            h.matmul(theta.view(20, [5, 4])).log_softmax_axis(1).mean()
        });
        let here = (value, gradient.as_ptr().addr());
        // The first step lets the buffers grow.
        if step > 0 {
            assert_eq!(*places.get_or_insert(here), here, "step {step}");
        }
    }
}

/// Refuses its inputs in every way that an operation can.
struct Stumbles(&'static str);

impl Op<f64> for Stumbles {
    fn name(&self) -> &'static str {
        "stumbles"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        if self.0 == "shape" { Err("always".into()) } else { Ok(x[0]) }
    }

    fn forward(&self, x: &Inputs<'_, f64>, y: &mut [f64], _: &mut [f64]) {
        assert!(self.0 != "forward");
        y.copy_from_slice(&x[0]);
    }

    fn backward(&self, _: &Inputs<'_, f64>, _: &[f64], _: &[f64], _: &[f64], _: &mut InputAdjoints<'_, f64>) {
        panic!("in the backward pass");
    }
}

#[test]
fn a_panic_inside_an_operation_leaves_the_tape_usable() {
    let mut tape = dirty_tape();
    let x = tape.parameter(&numbers(14, 8), [8]);
    let f = expression(x);
    let gradient = tape.backward(f).wrt(x).to_vec();
    for place in ["shape", "forward", "backward"] {
        let stumble = || tape.backward(tape.record(Stumbles(place), &[x]).sum()).wrt(x).to_vec();
        assert!(catch_unwind(AssertUnwindSafe(stumble)).is_err());
        assert_eq!(tape.backward(f).wrt(x), gradient);
        assert_eq!(tape.backward(expression(x)).wrt(x), gradient);
    }
    let theta = Arc::new(numbers(14, 8));
    let stumble = |tape: &mut Tape<f64>| tape.value_and_grad(&theta, |_, _| panic!("in the loss")).0;
    assert!(catch_unwind(AssertUnwindSafe(|| stumble(&mut tape))).is_err());
    assert_eq!(*tape.value_and_grad(&theta, |_, theta| expression(theta)).1, gradient);
}

#[test]
fn a_tape_and_a_gradient_can_be_sent_to_another_thread() {
    let mut tape = Tape::new();
    let theta = Arc::new(numbers(15, 8));
    let here = tape.value_and_grad(&theta, |_, theta| expression(theta)).1.to_vec();
    std::thread::scope(|scope| {
        let (_, gradient) = tape.value_and_grad(&theta, |_, theta| expression(theta));
        let there = scope.spawn(move || gradient.to_vec());
        assert_eq!(there.join().unwrap(), here);
    });
    let there =
        std::thread::spawn(move || tape.value_and_grad(&theta, |_, theta| expression(theta)).1.to_vec());
    assert_eq!(there.join().unwrap(), here);
}

#[test]
fn a_gradient_knows_what_the_loss_depends_on() {
    let tape = dirty_tape();
    let (x, unused) = (tape.parameter(&numbers(16, 6), [6]), tape.parameter(&[1.0], []));
    let (slot, beside) = (x.view(1, [2]), x.view(4, [2]));
    let aside = unused.exp();
    // Zeros count: the sum depends on what it multiplies by 0.
    let gradients = tape.backward((slot * 0.0).sum());
    assert!(gradients.reaches(x) && gradients.reaches(slot));
    assert!(!gradients.reaches(beside) && !gradients.reaches(unused) && !gradients.reaches(aside));
    assert_eq!(gradients.wrt(x), [0.0; 6]);

    let mut tape = dirty_tape();
    let (_, gradient) =
        tape.value_and_grad(&Arc::new(numbers(16, 6)), |_, x| x.view(1, [2]).sum() + x.view(5, []));
    let reached: Vec<bool> = (0..6).map(|i| gradient.reaches(i..i + 1)).collect();
    assert_eq!(reached, [false, true, true, false, false, true]);
    assert!(gradient.reaches(0..2) && !gradient.reaches(3..5) && !gradient.reaches(2..2));
}

#[test]
fn an_error_of_the_loss_leaves_an_empty_tape() {
    let (mut tape, theta) = (dirty_tape(), Arc::new(numbers(17, 4)));
    let fails = tape.try_value_and_grad(&theta, |_, theta| theta.reshape([2, 2]).neg().cholesky()).is_err();
    assert!(fails);
    assert_eq!(Arc::strong_count(&theta), 1);
    let sum = tape.try_value_and_grad(&theta, |_, theta| Ok::<_, ()>(theta.sum())).unwrap();
    assert_eq!(*sum.1, [1.0; 4]);
}

#[test]
fn nothing_is_differentiated_through_a_stopped_gradient() {
    let tape = dirty_tape();
    let x = tape.parameter(&[2.0, 3.0], [2]);
    let y = x.square();
    // ∂ (y · stop(y)) = stop(y) ∂y
    let gradients = tape.backward((y * y.stop_gradient()).sum());
    assert_eq!(gradients.wrt(x), [4.0 * 4.0, 9.0 * 6.0]);
    assert_eq!(y.stop_gradient().to_vec(), y.to_vec());
}

#[test]
#[should_panic(expected = "add_products: expected 4 numbers, found 1 x 2")]
fn a_product_of_another_size_than_the_input_is_refused() {
    struct TooSmall;
    impl Op<f64> for TooSmall {
        fn name(&self) -> &'static str {
            "too_small"
        }

        fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
            Ok(x[0])
        }

        fn forward(&self, x: &Inputs<'_, f64>, y: &mut [f64], _: &mut [f64]) {
            y.copy_from_slice(&x[0]);
        }

        fn backward(
            &self,
            _: &Inputs<'_, f64>,
            _: &[f64],
            _: &[f64],
            dy: &[f64],
            dx: &mut InputAdjoints<'_, f64>,
        ) {
            dx.add_product(0, 1.0, Mat::new(dy, 1, 1), Mat::new(dy, 1, 2));
        }
    }
    let tape = dirty_tape();
    let x = tape.parameter(&[1.0; 4], [2, 2]);
    tape.backward(tape.record(TooSmall, &[x]).sum());
}

#[test]
fn a_mask_is_not_reached() {
    let tape = dirty_tape();
    let (mask, a) = (tape.parameter(&[1.0, -1.0], [2]), tape.parameter(&[2.0, 3.0], [2]));
    let gradients = tape.backward(mask.select(a, a.exp()).sum());
    assert!(gradients.reaches(a) && !gradients.reaches(mask));
    assert_eq!(gradients.wrt(mask), [0.0; 2]);
}
