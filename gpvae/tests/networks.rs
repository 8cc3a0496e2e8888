//! The networks: shapes, gradients, what the condition reaches, and what is refused.

use std::sync::Arc;

use autograd::{Real, Tape, Var, jvp};
use gpvae::Networks;
use nn::Layout;
use rand::{SeedableRng, rngs::StdRng};

const L: usize = 3;

fn forms(condition: usize) -> [(&'static str, Networks, Layout); 2] {
    let (mut dense, mut conv) = (Layout::new(), Layout::new());
    let mlp = Networks::mlp(&mut dense, 6, &[5, 4], L, condition);
    let convolutional = Networks::convolutional(&mut conv, L, condition);
    [("dense", mlp, dense), ("convolutional", convolutional, conv)]
}

fn theta(layout: &Layout) -> Vec<f64> {
    layout.init(&mut StdRng::seed_from_u64(3))
}

fn numbers<F: Real>(tape: &Tape<F>, rows: usize, cols: usize) -> Var<'_, F> {
    let number = |i: usize| F::from_f64(0.4 + 0.6 * ((i * i) as f64 * 0.37).sin());
    tape.constant(&(0..rows * cols).map(number).collect::<Vec<_>>(), [rows, cols])
}

/// ‖g(z)‖² / n for a sample z of q(z|y)
fn round_trip<'t, F: Real>(networks: &Networks, theta: Var<'t, F>) -> Var<'t, F> {
    let (tape, condition) = (theta.tape(), networks.condition());
    let q = networks.encode(theta, numbers(tape, 2, networks.pixels() + condition));
    let z = q.sample_with(numbers(tape, 2, L));
    let z = if condition == 0 { z } else { Var::concatenate(&[z, numbers(tape, 2, condition)], 1) };
    networks.decode(theta, z).square().mean()
}

#[test]
fn codes_and_images_have_their_shapes() {
    for condition in [0, 2] {
        for (name, networks, layout) in forms(condition) {
            let tape = Tape::new();
            let theta = tape.parameter(&theta(&layout), [layout.size()]);
            let pixels = networks.pixels();
            assert_eq!(pixels, if name == "dense" { 6 } else { 784 });
            let q = networks.encode(theta, numbers(&tape, 2, pixels + condition));
            assert_eq!((q.mu().shape(), q.log_sigma().shape()), ([2, L].into(), [2, L].into()));
            let image = networks.decode(theta, numbers(&tape, 2, L + condition));
            assert_eq!(image.shape(), [2, pixels].into(), "{name}");
            assert_eq!((networks.latent(), networks.condition()), (L, condition));
        }
    }
}

/// Against the tangents of dual numbers, which the forward pass alone computes: differences would stumble over the
/// second derivative of some of these thousands of ELUs.
#[test]
fn the_gradient_is_right_along_random_directions_of_theta() {
    for condition in [0, 2] {
        for (name, networks, layout) in forms(condition) {
            let theta = Arc::new(theta(&layout));
            let direction: Vec<f64> = (0..theta.len()).map(|i| ((i * i) as f64 * 0.11).cos()).collect();
            let mut tape = Tape::new();
            let (_, gradient) = tape.value_and_grad(&theta, |_, theta| round_trip(&networks, theta));
            let adjoint: f64 = gradient.iter().zip(&direction).map(|(g, v)| g * v).sum();
            let tangent = jvp(&theta, &direction, |_, theta| round_trip(&networks, theta)).1[0];
            assert!((adjoint - tangent).abs() < 1e-11 * tangent.abs(), "{name}: {adjoint} {tangent}");
        }
    }
}

#[test]
fn every_number_of_theta_and_of_the_condition_has_an_effect() {
    for (name, networks, layout) in forms(2) {
        let tape = Tape::new();
        let theta = tape.parameter(&theta(&layout), [layout.size()]);
        let c = tape.parameter(&[0.3, -0.8], [1, 2]);
        let y = Var::concatenate(&[numbers(&tape, 1, networks.pixels()), c], 1);
        let q = networks.encode(theta, y);
        let of_codes = tape.backward(q.packed.square().sum()).wrt(c).to_vec();
        let z = Var::concatenate(&[q.sample_with(numbers(&tape, 1, L)), c], 1);
        let image = networks.decode(theta, z).square().sum();
        let gradients = tape.backward(image);
        let of_image = gradients.wrt(c);
        assert!(of_codes.iter().chain(of_image).all(|g| *g != 0.0), "{name}: {of_codes:?} {of_image:?}");
        let silent = gradients.wrt(theta).iter().filter(|g| **g == 0.0).count();
        assert_eq!(silent, 0, "{name}");
    }
}

#[test]
#[should_panic(expected = "encode: [2, 7]: rows of 8 numbers are wanted")]
fn rows_without_their_condition_are_refused() {
    let [(_, networks, layout), _] = forms(2);
    let tape = Tape::new();
    let theta = tape.parameter(&theta(&layout), [layout.size()]);
    networks.encode(theta, numbers(&tape, 2, 7));
}
