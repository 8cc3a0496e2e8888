//! Encoders and decoders: shapes, gradients, what the conditions reach, and what is refused.

use std::sync::Arc;

use autograd::forward::jvp;
use autograd::{Real, Tape, Var};
use nn::model::Layout;
use nn::model::Nonlinearity::Elu;
use rand::{SeedableRng, rngs::StdRng};
use vae::{Covariance, NetworkConfig, Networks, Posterior, Sizes};

const L: usize = 3;

/// Networks with a name, for so many conditions.
struct Form {
    name: &'static str,
    networks: Networks,
    layout: Layout,
    sizes: Sizes,
}

impl Form {
    fn new(
        name: &'static str,
        [encoder, decoder]: [NetworkConfig; 2],
        inputs: usize,
        conditions: usize,
    ) -> Self {
        let sizes = Sizes { inputs, conditions, parameters: 2 * L, latent: L, heads: 1 };
        let mut layout = Layout::new();
        let networks = Networks::new(&mut layout, &encoder, &decoder, sizes).unwrap();
        Self { name, networks, layout, sizes }
    }

    fn theta(&self) -> Vec<f64> {
        self.layout.init(&mut StdRng::seed_from_u64(3))
    }

    fn encode<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Posterior<'t, F> {
        Covariance::Diagonal.at(L, self.networks.encoder.apply(theta, x))
    }

    /// ‖g(z)‖² / n for a sample z of q(z|x)
    fn round_trip<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        let (tape, Sizes { inputs, conditions, .. }) = (theta.tape(), self.sizes);
        let q = self.encode(theta, numbers(tape, 2, inputs + conditions));
        let z = q.sample_with(numbers(tape, 2, L));
        let z = if conditions == 0 { z } else { Var::concatenate(&[z, numbers(tape, 2, conditions)], 1) };
        self.networks.decoder.apply(theta, z).square().mean()
    }
}

fn forms(conditions: usize) -> [Form; 3] {
    let mlp = [[5, 4], [4, 5]].map(|hidden| NetworkConfig { phi: Elu, ..NetworkConfig::mlp(&hidden) });
    let encoder = NetworkConfig::convolutional(28);
    let convolutional = [encoder.clone(), NetworkConfig { psi: Elu, ..encoder }];
    let linear_path = mlp.clone().map(NetworkConfig::with_linear_path);
    [
        Form::new("dense", mlp, 6, conditions),
        Form::new("with a linear path", linear_path, 6, conditions),
        Form::new("convolutional", convolutional, 784, conditions),
    ]
}

fn numbers<F: Real>(tape: &Tape<F>, rows: usize, cols: usize) -> Var<'_, F> {
    let number = |i: usize| F::from_f64(0.4 + 0.6 * ((i * i) as f64 * 0.37).sin());
    tape.constant(&(0..rows * cols).map(number).collect::<Vec<_>>(), [rows, cols])
}

#[test]
fn codes_and_images_have_their_shapes() {
    for conditions in [0, 2] {
        for form in forms(conditions) {
            let tape = Tape::new();
            let theta = tape.parameter(&form.theta(), [form.layout.size()]);
            let (Form { name, networks, .. }, inputs) = (&form, form.sizes.inputs);
            let q = form.encode(theta, numbers(&tape, 2, inputs + conditions)).diagonal;
            assert_eq!((q.mu().shape(), q.log_sigma().shape()), ([2, L].into(), [2, L].into()));
            let image = networks.decoder.apply(theta, numbers(&tape, 2, L + conditions));
            assert_eq!(image.shape(), [2, inputs].into(), "{name}");
            assert_eq!((networks.encoder.inputs(), networks.encoder.outputs()), (inputs + conditions, 2 * L));
            assert_eq!((networks.decoder.inputs(), networks.decoder.outputs()), (L + conditions, inputs));
        }
    }
}

#[test]
fn rows_may_have_any_leading_axes() {
    for form in forms(1) {
        let tape = Tape::new();
        let theta = tape.parameter(&form.theta(), [form.layout.size()]);
        for network in [&form.networks.encoder, &form.networks.decoder] {
            let rows = numbers(&tape, 6, network.inputs());
            let together = network.apply(theta, rows.reshape([3, 2, network.inputs()]));
            assert_eq!(together.shape(), [3, 2, network.outputs()].into(), "{}", form.name);
            assert_eq!(together.to_vec(), network.apply(theta, rows).to_vec(), "{}", form.name);
            let one = network.apply(theta, rows.rows(4..5).reshape([network.inputs()]));
            assert_eq!(one.shape(), [network.outputs()].into(), "{}", form.name);
        }
    }
}

#[test]
fn convolutions_take_images_of_even_sides_and_decode_as_many_heads() {
    for (size, channels) in [
        ([2, 2], vec![3]),
        ([6, 6], vec![2, 3]),
        ([10, 10], vec![2, 2, 2, 2]),
        ([12, 12], vec![4, 2, 3]),
        ([14, 10], vec![2, 3]),
        ([28, 20], vec![2, 3, 2]),
    ] {
        for heads in [1, 2] {
            let config = NetworkConfig::convolutional(0).with_channels(size, &channels);
            let inputs = size[0] * size[1];
            let sizes = Sizes { inputs, conditions: 0, parameters: 2 * L, latent: L, heads };
            let mut layout = Layout::new();
            let networks = Networks::new(&mut layout, &config, &config, sizes).unwrap();
            let tape = Tape::new();
            let theta = tape.parameter(&layout.init::<f64>(&mut StdRng::seed_from_u64(3)), [layout.size()]);
            let lambda = networks.encoder.apply(theta, numbers(&tape, 2, inputs));
            assert_eq!(lambda.shape(), [2, 2 * L].into());
            let image = networks.decoder.apply(theta, lambda.columns(0..L));
            assert_eq!(image.shape(), [2, heads * inputs].into());
            let reached = tape.backward(image.square().sum());
            assert!(reached.wrt(theta).iter().any(|g| *g != 0.0));
            assert_eq!(networks.decoder.last_bias().shape().size(), heads);
        }
    }
}

/// Compared with the tangents of dual numbers, which the forward pass alone computes. Differences of the value would not be
/// exact enough: the second derivative of an ELU jumps at 0, and there are thousands of them.
#[test]
fn the_gradient_is_right_along_random_directions_of_theta() {
    for conditions in [0, 2] {
        for form in forms(conditions) {
            let theta = Arc::new(form.theta());
            let direction: Vec<f64> = (0..theta.len()).map(|i| ((i * i) as f64 * 0.11).cos()).collect();
            let mut tape = Tape::new();
            let (_, gradient) = tape.value_and_grad(&theta, |_, theta| form.round_trip(theta));
            let adjoint: f64 = gradient.iter().zip(&direction).map(|(g, v)| g * v).sum();
            let tangent = jvp(&theta, &direction, |_, theta| form.round_trip(theta)).1[0];
            assert!((adjoint - tangent).abs() < 1e-11 * tangent.abs(), "{}: {adjoint} {tangent}", form.name);
        }
    }
}

#[test]
fn every_number_of_theta_and_of_the_conditions_has_an_effect() {
    for form in forms(2) {
        let tape = Tape::new();
        let theta = tape.parameter(&form.theta(), [form.layout.size()]);
        let c = tape.parameter(&[0.3, -0.8], [1, 2]);
        let x = Var::concatenate(&[numbers(&tape, 1, form.sizes.inputs), c], 1);
        let q = form.encode(theta, x);
        let of_codes = tape.backward(q.diagonal.packed.square().sum()).wrt(c).to_vec();
        let z = Var::concatenate(&[q.sample_with(numbers(&tape, 1, L)), c], 1);
        let image = form.networks.decoder.apply(theta, z).square().sum();
        let gradients = tape.backward(image);
        let of_image = gradients.wrt(c);
        let all = of_codes.iter().chain(of_image).all(|g| *g != 0.0);
        assert!(all, "{}: {of_codes:?} {of_image:?}", form.name);
        let silent = gradients.wrt(theta).iter().filter(|g| **g == 0.0).count();
        assert_eq!(silent, 0, "{}", form.name);
    }
}

#[test]
#[should_panic(expected = "Network: expected rows of 8 numbers, found [2, 7]")]
fn rows_without_their_conditions_are_refused() {
    let [form, ..] = forms(2);
    let tape = Tape::new();
    let theta = tape.parameter(&form.theta(), [form.layout.size()]);
    form.networks.encoder.apply(theta, numbers(&tape, 2, 7));
}

#[test]
fn a_linear_path_adds_a_linear_function_and_contains_the_linear_networks() {
    let config = NetworkConfig::mlp(&[5, 4]);
    let sizes = Sizes { inputs: 6, conditions: 1, parameters: 2 * L, latent: L, heads: 1 };
    let build = |config: &NetworkConfig| {
        let mut layout = Layout::new();
        let networks = Networks::new(&mut layout, config, config, sizes).unwrap();
        (networks.encoder, layout)
    };
    let ((plain, plain_layout), (with_path, layout)) =
        (build(&config), build(&config.clone().with_linear_path()));
    let weight = with_path.last_weight();
    assert_eq!((weight.shape(), with_path.last_bias().shape()), ([4 + 7, 2 * L].into(), [2 * L].into()));
    // The rows of the last weights that belong to the hidden layer, and to the inputs.
    let theta = layout.init::<f64>(&mut StdRng::seed_from_u64(1));
    let mut without = plain_layout.init::<f64>(&mut StdRng::seed_from_u64(1));
    for slot in layout.slots() {
        let to = plain_layout.slots().iter().find(|to| to.name() == slot.name()).unwrap();
        let size = to.range().len();
        without[to.range()].copy_from_slice(&theta[slot.range()][..size]);
    }
    let tape = Tape::new();
    let x = numbers(&tape, 3, 7);
    let on_tape = tape.constant(&theta, [theta.len()]);
    let hidden = plain.apply(tape.constant(&without, [without.len()]), x);
    let linear = x.matmul(tape.constant(&theta[weight.range()][4 * 2 * L..], [7, 2 * L]));
    let difference = with_path.apply(on_tape, x) - hidden - linear;
    assert!(difference.to_vec().iter().all(|d| d.abs() < 1e-12), "{:?}", difference.to_vec());
    assert!(linear.to_vec().iter().all(|x| x.abs() > 1e-6));
    // Without hidden layers there is but the linear one.
    let (only, layout) = build(&NetworkConfig::mlp(&[]).with_linear_path());
    assert_eq!(
        (only.last_weight().shape(), layout.size()),
        ([7, 2 * L].into(), (7 + 1) * 2 * L + (L + 1 + 1) * 6)
    );
}
