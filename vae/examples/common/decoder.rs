//! A decoder as the page of a report computes it.

use autograd::Tape;
use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::model::density::Normal;
use nn::run::{Decoder, Dense, Outputs};
use nn::train::Noise;
use vae::{Layers, Likelihood, Observation, Vae, Variable};

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
    let all = |phi| vec![Mean { count: vae.inputs(), phi, shift: 0.0, scale: 1.0 }];
    let means = match (&config.likelihood, config.decoder.psi) {
        (Likelihood::Bernoulli, Nonlinearity::Identity) => all("sigmoid"),
        (Likelihood::Poisson | Likelihood::NegativeBinomial, Nonlinearity::Identity) => all("bounded_exp"),
        (Likelihood::Mixed { variables }, Nonlinearity::Identity) => means(vae, theta, variables),
        (Likelihood::Bernoulli | Likelihood::Poisson | Likelihood::NegativeBinomial, _) => return None,
        (Likelihood::Categorical { .. } | Likelihood::Mixed { .. }, _) => return None,
        (_, psi) => all(name(psi)?),
    };
    let (shifts, scales): (Vec<f32>, Vec<f32>) =
        means.iter().flat_map(|mean| vec![(mean.shift as f32, mean.scale as f32); mean.count]).unzip();
    let (mut layers, mut weights) = (Vec::new(), Vec::new());
    for i in 0..=hidden.len() {
        let is_last = i == hidden.len();
        let [weight, bias] = ["weight", "bias"].map(|of| layout.range(&format!("decoder.{i}.{of}")));
        let (all, inputs, takes_point) = (bias.len(), weight.len() / bias.len(), with_linear_path && is_last);
        let rows = theta[weight].chunks_exact(all).chain([&theta[bias]]);
        if is_last {
            let outputs = means.iter().map(|mean| Outputs { count: mean.count, phi: mean.phi }).collect();
            layers.push(Dense { inputs, outputs, takes_point });
            // The layer may compute more than means, which come first.
            weights
                .extend(rows.flat_map(|row| row.iter().zip(&scales).map(|(weight, scale)| weight * scale)));
            let biases = weights.len() - scales.len();
            weights[biases..].iter_mut().zip(&shifts).for_each(|(bias, shift)| *bias += shift);
        } else {
            let outputs = vec![Outputs { count: all, phi: name(config.decoder.phi)? }];
            layers.push(Dense { inputs, outputs, takes_point });
            weights.extend(rows.flatten());
        }
    }
    (4 * weights.len().div_ceil(3) * 4 <= WEIGHTS).then_some(Decoder::Network { layers, weights })
}

/// The mean of neighbouring numbers of a row, φ(shift + scale · y) of what the decoder computes for them.
struct Mean {
    count: usize,
    phi: &'static str,
    shift: f64,
    scale: f64,
}

/// E[x|z] of each variable.
fn means(vae: &Vae, theta: &[f32], variables: &[Variable]) -> Vec<Mean> {
    // The mean of a log-normal number is e^(μ + σ²/2), and σ is the same at every z.
    let mut half_variances = vec![0.0; vae.inputs()];
    let tape = Tape::new();
    let width = vae.latent() + vae.conditions();
    let z = tape.constant(&vec![0.0; width], [1, width]);
    if let Observation::Mixed(parts) = vae.decode(tape.constant(theta, [theta.len()]), z) {
        for (columns, p) in parts {
            if let Observation::LogNormal(Normal { log_sigma, .. }) = p {
                let log_sigmas = log_sigma.to_vec().into_iter().map(f64::from);
                let of_columns = half_variances[columns].iter_mut().zip(log_sigmas);
                of_columns.for_each(|(half, log_sigma)| *half = (2.0 * log_sigma).exp() / 2.0);
            }
        }
    }
    let mut first = 0;
    let mean = |variable: &Variable| {
        let half_variance = half_variances[first];
        let (phi, shift, scale) = match *variable {
            Variable::Normal => ("identity", 0.0, 1.0),
            Variable::LogNormal { center, spread } => ("exp", center + half_variance, spread),
            Variable::YesNo => ("sigmoid", 0.0, 1.0),
            Variable::Category { .. } => ("softmax", 0.0, 1.0),
            Variable::Count { center, spread } => ("bounded_exp", center, spread),
        };
        first += variable.width();
        Mean { count: variable.width(), phi, shift, scale }
    };
    variables.iter().map(mean).collect()
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
