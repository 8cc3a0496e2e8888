//! A decoder as the page of a report computes it.

use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::run::{Decoder, Dense};
use nn::train::Noise;
use vae::{Layers, Likelihood, Vae};

/// The most bytes of weights, as text, that a page holds.
const WEIGHTS: usize = 4_000_000;

/// The decoder's layers and weights, if the page can compute them.
pub(crate) fn network(vae: &Vae, theta: &[f32]) -> Option<Decoder> {
    let (config, layout) = (vae.config(), vae.layout());
    let (hidden, with_linear_path) = match &config.decoder.layers {
        Layers::Dense(hidden) => (hidden, false),
        Layers::WithLinearPath(hidden) => (hidden, !hidden.is_empty()),
        Layers::Convolutional { .. } => return None,
    };
    let mean = match (config.likelihood.clone(), config.decoder.psi) {
        (Likelihood::Bernoulli, Nonlinearity::Identity) => "sigmoid",
        (Likelihood::Bernoulli, _) => return None,
        (Likelihood::Poisson | Likelihood::NegativeBinomial, Nonlinearity::Identity) => "bounded_exp",
        (Likelihood::Poisson | Likelihood::NegativeBinomial, _) => return None,
        (Likelihood::Categorical { .. } | Likelihood::Mixed { .. }, _) => return None,
        (_, psi) => name(psi)?,
    };
    let (mut layers, mut weights) = (Vec::new(), Vec::new());
    for i in 0..=hidden.len() {
        let is_last = i == hidden.len();
        let [weight, bias] = ["weight", "bias"].map(|of| layout.range(&format!("decoder.{i}.{of}")));
        let phi = if is_last { mean } else { name(config.decoder.phi)? };
        let takes_point = with_linear_path && is_last;
        // The last layer may compute more than means, which come first.
        let (all, outputs) = (bias.len(), if is_last { vae.inputs() } else { bias.len() });
        layers.push(Dense { inputs: weight.len() / all, outputs, phi, takes_point });
        let rows = theta[weight].chunks_exact(all).chain([&theta[bias]]);
        weights.extend(rows.flat_map(|row| &row[..outputs]));
    }
    (4 * weights.len().div_ceil(3) * 4 <= WEIGHTS).then_some(Decoder::Network { layers, weights })
}

/// The names by which the page knows activations.
fn name(phi: Nonlinearity) -> Option<&'static str> {
    Some(match phi {
        Nonlinearity::Identity => "identity",
        Nonlinearity::Relu => "relu",
        Nonlinearity::Elu => "elu",
        Nonlinearity::Tanh => "tanh",
        Nonlinearity::Sigmoid => "sigmoid",
        Nonlinearity::Softplus => "softplus",
        _ => return None,
    })
}

/// Ten points (z, conditions), at which the page is checked.
pub(crate) fn points(vae: &Vae) -> Matrix<f32> {
    const POINTS: usize = 10;
    let (latent, conditions) = (vae.latent(), vae.conditions());
    let mut z = vec![0.0; POINTS * latent];
    Noise::evaluation(0).normal(0, latent, &mut z);
    let told = |(i, z): (usize, &[f32])| {
        let one_hot = (0..conditions).map(move |class| if class == i % conditions { 1.0 } else { 0.0 });
        z.iter().copied().chain(one_hot).collect::<Vec<f32>>()
    };
    Matrix::new(POINTS, latent + conditions, z.chunks_exact(latent).enumerate().flat_map(told).collect())
}
