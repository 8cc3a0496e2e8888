//! θ's layout, initialisers, and layers as functions of any θ. Misuse panics at the caller's line.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use autograd::Tape;
use autograd::check::{Sample, check};
use nn::model::{Init, Layout, Linear, Mlp, Nonlinearity, init_for};
use rand::{SeedableRng, rngs::StdRng};

const PHIS: [Nonlinearity; 7] = [
    Nonlinearity::Identity,
    Nonlinearity::Relu,
    Nonlinearity::LeakyRelu(0.1),
    Nonlinearity::Elu,
    Nonlinearity::Tanh,
    Nonlinearity::Sigmoid,
    Nonlinearity::Softplus,
];

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

/// Message, file and line of the panic that `f` ends with.
fn panic_of(f: impl FnOnce()) -> (String, String, u32) {
    thread_local! {
        static LAST: RefCell<Option<(String, String, u32)>> = const { RefCell::new(None) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let (message, place) = (info.payload_as_str().unwrap_or("no text"), info.location().unwrap());
            eprintln!("{place}: {message}");
            LAST.set(Some((message.to_owned(), place.file().to_owned(), place.line())));
        }));
    });
    assert!(panic::catch_unwind(AssertUnwindSafe(f)).is_err(), "no panic");
    LAST.take().unwrap()
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

/// The slots' names and shapes.
fn named(layout: &Layout) -> Vec<(&str, Vec<usize>)> {
    layout.slots().iter().map(|slot| (slot.name(), slot.shape().dims().to_vec())).collect()
}

#[test]
fn slots_lie_one_after_the_other_and_fill_theta() {
    let mut layout = Layout::new();
    assert_eq!(layout.size(), 0);
    let a = layout.slot("a", [2, 3], Init::Constant(1.0));
    let scalar = layout.slot("scalar", [], Init::Constant(2.0));
    let none = layout.slot("none", [0, 4], Init::Constant(3.0));
    let b = layout.slot("b", [4], Init::Constant(4.0));
    assert_eq!([a.range(), scalar.range(), none.range(), b.range()], [0..6, 6..7, 7..7, 7..11]);
    assert_eq!(layout.size(), 11);
    assert_eq!(layout.slots(), [a, scalar, none, b.clone()]);
    assert_eq!(named(&layout), [("a", vec![2, 3]), ("scalar", vec![]), ("none", vec![0, 4]), ("b", vec![4])]);
    let theta = layout.init::<f32>(&mut rng());
    assert_eq!(theta, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]);

    let tape = Tape::new();
    let theta = tape.parameter(&(0..11).map(f64::from).collect::<Vec<_>>(), [11]);
    assert_eq!(b.of(theta).to_vec(), [7.0, 8.0, 9.0, 10.0]);
    let gradients = tape.backward(b.of(theta).sum());
    assert_eq!(gradients.wrt(theta), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn values_from_data_come_back_in_both_precisions() {
    let mut layout = Layout::new();
    layout.slot("mean", [3], Init::Values(vec![0.1, -2.0, 1e10]));
    assert_eq!(layout.init::<f64>(&mut rng()), [0.1, -2.0, 1e10]);
    assert_eq!(layout.init::<f32>(&mut rng()), [0.1, -2.0, 1e10]);
}

#[test]
fn names_and_sizes_that_do_not_fit_panic_at_the_callers_line() {
    let mut layout = Layout::new();
    layout.slot("net.1.weight", [1], Init::Glorot);
    misuse!(layout.slot("net.1.weight", [2], Init::Glorot) => "Layout: slot net.1.weight: another slot has this name");
    let two = Init::Values(vec![1.0, 2.0]);
    misuse!(layout.slot("b", [3], two) => "Layout: slot b [3]: found 2 values");
    let (relu, id) = (Nonlinearity::Relu, Nonlinearity::Identity);
    misuse!(Mlp::new(&mut layout, "net", &[2, 3, 4], relu, id) => "Layout: slot net.1.weight: another slot has this name");
    misuse!(Mlp::new(&mut layout, "m", &[2], relu, id) => "Mlp m: expected at least two widths, found [2]");
}

/// Mean, variance and largest magnitude of a slot (50, 400) drawn by an initialiser.
fn moments(init: Init) -> (f64, f64, f64) {
    let mut layout = Layout::new();
    layout.slot("w", [50, 400], init);
    let w = layout.init::<f64>(&mut rng());
    let n = w.len() as f64;
    let mean = w.iter().sum::<f64>() / n;
    let variance = w.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance, w.iter().fold(0.0, |max, x| x.abs().max(max)))
}

#[test]
fn initialisers_have_the_moments_of_their_papers() {
    // Standard errors of mean and variance of 20,000 draws are below 0.8 % of σ and 1 % of σ²: five of each.
    let normal = [(Init::He, 2.0_f64 / 50.0), (Init::LeCun, 1.0 / 50.0), (Init::Normal(0.3), 0.09)];
    for (init, expected) in normal {
        let (mean, variance, max) = moments(init.clone());
        assert!(mean.abs() < 0.036 * expected.sqrt(), "{init:?}: mean {mean}");
        assert!((variance / expected - 1.0).abs() < 0.05, "{init:?}: variance {variance}, not {expected}");
        assert!(max > 3.0 * expected.sqrt(), "{init:?}: no tails");
    }
    for (init, bound) in [(Init::Glorot, (6.0_f64 / 450.0).sqrt()), (Init::Uniform(0.2), 0.2)] {
        let (mean, variance, max) = moments(init.clone());
        let expected = bound * bound / 3.0;
        assert!(mean.abs() < 0.036 * expected.sqrt(), "{init:?}: mean {mean}");
        assert!((variance / expected - 1.0).abs() < 0.032, "{init:?}: variance {variance}, not {expected}");
        assert!(max <= bound && max > 0.999 * bound, "{init:?}: reaches {max} of {bound}");
    }
    assert_eq!(moments(Init::Uniform(0.0)), (0.0, 0.0, 0.0));
}

#[test]
fn a_vector_is_a_neuron_with_one_input_for_its_initialiser() {
    let mut layout = Layout::new();
    layout.slot("b", [20_000], Init::LeCun);
    let b = layout.init::<f64>(&mut rng());
    let variance = b.iter().map(|x| x * x).sum::<f64>() / b.len() as f64;
    assert!((variance - 1.0).abs() < 0.05, "{variance}");
}

#[test]
fn every_activation_has_the_initialiser_that_keeps_variances() {
    let expected = [Init::LeCun, Init::He, Init::He, Init::He, Init::Glorot, Init::Glorot, Init::LeCun];
    assert_eq!(PHIS.map(init_for), expected);
    let mut layout = Layout::new();
    let mut asked = Vec::new();
    let ask = std::cell::RefCell::new(&mut asked);
    Mlp::with_init(&mut layout, "m", &[5, 3, 2], Nonlinearity::Relu, Nonlinearity::Tanh, |sizes, phi| {
        ask.borrow_mut().push((sizes, phi));
        (Init::Constant(1.0), Init::Constant(2.0))
    });
    assert_eq!(asked, [([5, 3], Nonlinearity::Relu), ([3, 2], Nonlinearity::Tanh)]);
    let theta = layout.init::<f32>(&mut rng());
    assert_eq!((theta[0], theta[15], theta[18], theta[24]), (1.0, 2.0, 1.0, 2.0));
}

fn activation(phi: Nonlinearity, a: f64) -> f64 {
    match phi {
        Nonlinearity::Identity => a,
        Nonlinearity::Relu => a.max(0.0),
        Nonlinearity::LeakyRelu(slope) => {
            if a > 0.0 {
                a
            } else {
                slope * a
            }
        }
        Nonlinearity::Elu => {
            if a > 0.0 {
                a
            } else {
                a.exp_m1()
            }
        }
        Nonlinearity::Tanh => a.tanh(),
        Nonlinearity::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        Nonlinearity::Softplus => a.exp().ln_1p(),
    }
}

/// f_θ of one row, by the recurrence of lecture 000.
fn by_loops(mlp: &Mlp, theta: &[f64], x: &[f64], phi: Nonlinearity, psi: Nonlinearity) -> Vec<f64> {
    let last = mlp.layers().len() - 1;
    mlp.layers().iter().enumerate().fold(x.to_vec(), |h, (i, layer)| {
        let (w, b) = (&theta[layer.weight().range()], &theta[layer.bias().range()]);
        let phi = if i == last { psi } else { phi };
        let neuron = |j: usize| b[j] + h.iter().enumerate().map(|(i, h)| h * w[i * b.len() + j]).sum::<f64>();
        (0..b.len()).map(|j| activation(phi, neuron(j))).collect()
    })
}

#[test]
fn an_mlp_is_its_recurrence_for_any_hidden_and_output_activation() {
    for phi in PHIS {
        for psi in PHIS {
            let mut layout = Layout::new();
            layout.slot("before", [3], Init::Constant(9.0));
            let init = |_, _| (Init::Normal(0.7), Init::Normal(0.5));
            let mlp = Mlp::with_init(&mut layout, "net", &[3, 5, 1, 4], phi, psi, init);
            assert_eq!((mlp.inputs(), mlp.outputs()), (3, 4));
            let theta = layout.init::<f64>(&mut rng());
            let x = [0.3, -1.2, 0.8, 2.0, 0.1, -0.4];
            let tape = Tape::new();
            let y = mlp.apply(tape.constant(&theta, [theta.len()]), tape.constant(&x, [2, 3])).to_vec();
            let expected: Vec<f64> = x.chunks(3).flat_map(|x| by_loops(&mlp, &theta, x, phi, psi)).collect();
            for (y, expected) in y.iter().zip(&expected) {
                assert!((y - expected).abs() < 1e-12, "{phi:?} {psi:?}: {y} instead of {expected}");
            }
        }
    }
}

#[test]
fn slots_are_named_by_layer() {
    let mut layout = Layout::new();
    Mlp::new(&mut layout, "encoder", &[3, 2, 1], Nonlinearity::Relu, Nonlinearity::Identity);
    let expected = [
        ("encoder.0.weight", vec![3, 2]),
        ("encoder.0.bias", vec![2]),
        ("encoder.1.weight", vec![2, 1]),
        ("encoder.1.bias", vec![1]),
    ];
    assert_eq!(named(&layout), expected);
}

#[test]
fn a_range_covers_the_slots_of_a_name() {
    let mut layout = Layout::new();
    for name in ["net.0.weight", "net.0.bias", "net.1.weight", "network", "net.2"] {
        layout.slot(name, [2], Init::Constant(0.0));
    }
    assert_eq!(layout.range("net.0"), 0..4);
    assert_eq!(layout.range("net.1"), 4..6);
    assert_eq!(layout.range("network"), 6..8);
    assert_eq!(layout.range("net.2"), 8..10);
    misuse!(layout.range("net") => "Layout::range: other slots lie between those of net and net.2");
    misuse!(layout.range("ne") => concat!(
        "Layout::range: expected a slot ne, found ",
        r#"["net.0.weight", "net.0.bias", "net.1.weight", "network", "net.2"]"#
    ));
}

#[test]
fn leading_axes_are_rows() {
    let mut layout = Layout::new();
    let layer = Linear::new(&mut layout, "l", [2, 3], Init::Normal(1.0), Init::Normal(1.0));
    let theta = layout.init::<f64>(&mut rng());
    let tape = Tape::new();
    let theta = tape.constant(&theta, [theta.len()]);
    let x = tape.constant(&(0..24).map(|i| f64::from(i) / 9.0 - 1.0).collect::<Vec<_>>(), [12, 2]);
    let y = layer.apply(theta, x, Nonlinearity::Tanh);
    assert_eq!(y.shape().dims(), [12, 3]);
    for axes in [&[4, 3][..], &[2, 3, 2], &[12]] {
        let again = layer.apply(theta, x.reshape(&[axes, &[2]].concat()[..]), Nonlinearity::Tanh);
        assert_eq!(again.shape().dims(), [axes, &[3]].concat());
        assert_eq!(again.to_vec(), y.to_vec());
    }
    let first = layer.apply(theta, x.rows(0..1).reshape([2]), Nonlinearity::Tanh);
    assert_eq!(first.shape().dims(), [3]);
    for (a, b) in first.to_vec().iter().zip(y.to_vec()) {
        assert!((a - b).abs() < 1e-15);
    }
}

#[test]
fn layers_that_do_not_fit_panic_at_the_callers_line_with_all_shapes() {
    let mut layout = Layout::new();
    let net = Mlp::new(&mut layout, "net", &[4, 3, 2], Nonlinearity::Tanh, Nonlinearity::Identity);
    let tape = Tape::<f32>::new();
    let theta = tape.parameter(&vec![0.0; layout.size()], [layout.size()]);
    let x = tape.constant(&[0.0; 10], [2, 5]);
    misuse!(net.apply(theta, x) => "dense: [2, 5] x [4, 3] x [3]: expected equal inner sizes, found 5 and 4");
    let x = tape.constant(&[0.0; 8], [2, 4]);
    misuse!(net.apply(theta.view(0, [20]), x) => "view: [20]: expected at most 20 elements, found 6 from 15 on");
}

#[test]
fn the_gradient_of_a_network_is_right_in_every_input() {
    let mut layout = Layout::new();
    let net = Mlp::new(&mut layout, "net", &[3, 4, 2], Nonlinearity::Softplus, Nonlinearity::Tanh);
    let inputs = [Sample::any([layout.size()]), Sample::any([2, 2, 3])];
    check("mlp", &inputs, |_, x| net.apply(x[0], x[1])).unwrap();
}
