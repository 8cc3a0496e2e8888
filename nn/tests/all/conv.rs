//! Convolutional layers as functions of θ.

use autograd::Tape;
use autograd::check::{Sample, check};
use nn::model::{Conv2d, ConvTranspose2d, Init, Layout, Linear, Nonlinearity, Slot, Window};
use rand::{SeedableRng, rngs::StdRng};

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

#[test]
fn the_gradient_of_a_network_of_convolutions_is_right_in_every_input() {
    let (mut layout, init, phi) = (Layout::new(), Init::Glorot, Nonlinearity::Softplus);
    let down = Conv2d::new(
        &mut layout,
        "down",
        [1, 2],
        Window { stride: 2, padding: 1, ..Window::square(3) },
        init.clone(),
        init.clone(),
    );
    let up = Window { stride: 2, padding: 1, ..Window::square(3) };
    let up =
        ConvTranspose2d::new(&mut layout, "up", [2, 2], up, init.clone(), init.clone()).output_padding(1);
    let last = Window { kernel: [1, 3], stride: 1, padding: 0 };
    let last = Conv2d::new(&mut layout, "last", [2, 1], last, init.clone(), init);
    let inputs = [Sample::uniform([layout.size()], -0.7..0.7), Sample::any([2, 1, 6, 4])];
    check("convolutions", &inputs, |_, x| {
        let h = up.apply(x[0], down.apply(x[0], x[1], phi), phi);
        assert_eq!(h.shape().dims(), [2, 2, 6, 4]);
        last.apply(x[0], h.upsample_nearest(2), Nonlinearity::Tanh)
    })
    .unwrap();
}

#[test]
fn slots_are_named_and_shaped_as_in_the_field() {
    let (mut layout, window) = (Layout::new(), Window { kernel: [2, 5], stride: 3, padding: 1 });
    let a = Conv2d::new(&mut layout, "a", [3, 4], window, Init::He, Init::Constant(0.5));
    let b = ConvTranspose2d::new(&mut layout, "b", [4, 3], window, Init::He, Init::Constant(0.5))
        .output_padding(2);
    let named: Vec<_> =
        layout.slots().iter().map(|slot| (slot.name(), slot.shape().dims().to_vec())).collect();
    let expected = [
        ("a.weight", vec![4, 3, 2, 5]),
        ("a.bias", vec![4]),
        ("b.weight", vec![4, 3, 2, 5]),
        ("b.bias", vec![3]),
    ];
    assert_eq!(named, expected);
    assert_eq!((a.weight().range(), a.bias().range()), (0..120, 120..124));
    assert_eq!((b.weight().range(), b.bias().range()), (124..244, 244..247));

    let tape = Tape::new();
    let theta = tape.constant(&layout.init::<f64>(&mut rng()), [247]);
    let x = tape.constant(&vec![1.0; 2 * 3 * 9 * 11], [2, 3, 9, 11]);
    let y = a.apply(theta, x, Nonlinearity::Identity);
    assert_eq!(y.shape().dims(), [2, 4, 4, 3]);
    assert_eq!(b.apply(theta, y, Nonlinearity::Identity).shape().dims(), [2, 3, 11, 11]);
}

#[test]
fn a_kernel_as_large_as_the_image_is_a_layer_of_neurons() {
    let (mut layout, phi) = (Layout::new(), Nonlinearity::Softplus);
    let window = Window { kernel: [4, 3], stride: 1, padding: 0 };
    let conv = Conv2d::new(&mut layout, "conv", [2, 5], window, Init::LeCun, Init::Normal(1.0));
    let linear = Linear::new(&mut layout, "linear", [24, 5], Init::LeCun, Init::Normal(1.0));
    let mut theta = layout.init::<f64>(&mut rng());
    for neuron in 0..5 {
        for input in 0..24 {
            theta[linear.weight().range().start + input * 5 + neuron] = theta[neuron * 24 + input];
        }
    }
    theta.copy_within(conv.bias().range(), linear.bias().range().start);

    let tape = Tape::new();
    let theta = tape.constant(&theta, [theta.len()]);
    let x = tape.constant(&(0..72).map(|i| f64::from(i % 11) / 5.0 - 1.0).collect::<Vec<_>>(), [3, 2, 4, 3]);
    let (a, b) = (conv.apply(theta, x, phi), linear.apply(theta, x.reshape([3, 24]), phi));
    assert_eq!((a.shape().dims(), b.shape().dims()), (&[3, 5, 1, 1][..], &[3, 5][..]));
    for (a, b) in a.to_vec().iter().zip(b.to_vec()) {
        assert!((a - b).abs() < 1e-13, "{a} and {b}");
    }
}

/// Mean square of a slot's numbers, times `fan`.
fn spread(theta: &[f64], slot: &Slot, fan: f64) -> f64 {
    let theta = &theta[slot.range()];
    fan * theta.iter().map(|x| x * x).sum::<f64>() / theta.len() as f64
}

#[test]
fn initialisers_count_the_numbers_of_a_window() {
    let (mut layout, bias) = (Layout::new(), Init::Constant(0.0));
    let window = Window { kernel: [3, 5], stride: 2, padding: 0 };
    let mut conv = |name, init| Conv2d::new(&mut layout, name, [30, 50], window, init, bias.clone());
    let (he, lecun, glorot) =
        (conv("he", Init::He), conv("lecun", Init::LeCun), conv("glorot", Init::Glorot));
    let transposed = ConvTranspose2d::new(&mut layout, "t", [30, 50], window, Init::LeCun, bias.clone());
    let theta = layout.init::<f64>(&mut rng());
    // The standard error of the mean square of 22,500 numbers is 1 % of it, for uniform ones less.
    for (slot, fan, expected) in [
        (he.weight(), 30.0 * 15.0, 2.0),
        (lecun.weight(), 30.0 * 15.0, 1.0),
        (glorot.weight(), (30.0 + 50.0) * 15.0, 2.0),
        (transposed.weight(), 30.0 * 15.0 / 4.0, 1.0),
    ] {
        let found = spread(&theta, slot, fan);
        assert!((found / expected - 1.0).abs() < 0.05, "{}: {found} instead of {expected}", slot.name());
    }
    assert!(theta[he.bias().range()].iter().all(|&b| b == 0.0));
}

#[test]
fn a_transposed_layer_keeps_the_variance_of_its_input() {
    let mut layout = Layout::new();
    let up = Window { stride: 2, padding: 1, ..Window::square(4) };
    let up = ConvTranspose2d::new(&mut layout, "up", [16, 16], up, Init::LeCun, Init::Constant(0.0));
    let tape = Tape::new();
    let theta = tape.constant(&layout.init::<f64>(&mut rng()), [layout.size()]);
    let mut noise = Layout::new();
    noise.slot("x", [8, 16, 16, 16], Init::Normal(1.0));
    let x = tape.constant(&noise.init::<f64>(&mut rng()), [8, 16, 16, 16]);
    let variance = up.apply(theta, x, Nonlinearity::Identity).square().mean().item();
    // Less at the margin: a row and a column of 32 at each end have half as many terms. (1 − 1/32)² = 0.94; 4,096 weights
    // have a mean square known to 2 %.
    assert!((variance / 0.94 - 1.0).abs() < 0.1, "{variance}");
}
