//! The latent space of a model of images, for a reader of the report to move about in.

use std::sync::Arc;

use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::run::{Decoder, Dense, Explorer, Plane};
use nn::train::Noise;
use vae::{Layers, Likelihood, Vae};

/// The most images whose codes are shown.
const IMAGES: usize = 400;
/// The most bytes of weights, as text, that a page holds.
const WEIGHTS: usize = 4_000_000;

/// A trained model of images, and what its latent space is shown with.
pub(crate) struct Space<'a> {
    pub(crate) vae: &'a Vae,
    pub(crate) theta: &'a Arc<Vec<f32>>,
    /// Rows (x, conditions) that the model has not seen.
    pub(crate) rows: &'a Matrix<f32>,
    /// The height and width of an image.
    pub(crate) size: [usize; 2],
    /// The class of each row; empty if there are none.
    pub(crate) labels: &'a [u8],
    /// The names of classes.
    pub(crate) classes: &'a [String],
}

impl Space<'_> {
    /// The codes of the first rows, and the decoder: computed in the page, or, if its weights are too many or it is no dense
    /// network, as images on a grid over the first two dimensions. None with a single dimension, which is no plane, and
    /// without rows.
    pub(crate) fn explorer(&self) -> Option<Explorer> {
        let Self { vae, theta, size, .. } = *self;
        let (latent, inputs) = (vae.latent(), vae.inputs());
        if latent < 2 || self.rows.rows == 0 {
            return None;
        }
        let decoder = match network(vae, theta) {
            Some(network) => network,
            None if vae.conditions() == 0 => grid(vae, theta),
            None => return None,
        };
        let shown: Vec<usize> = (0..self.rows.rows.min(IMAGES)).collect();
        let rows = self.rows.select(&shown);
        let check_points = match &decoder {
            Decoder::Network { .. } => points(vae),
            Decoder::Grid { .. } => Matrix::new(1, latent, vec![0.0; latent]),
        };
        let class = |i: &usize| self.labels.get(*i).copied().map_or(0, usize::from);
        let conditions = (0..vae.conditions()).map(|class| class.to_string());
        let classes = if self.labels.is_empty() { &[] } else { self.classes };
        Some(Explorer::Plane(Plane {
            title: "The latent space, and what the decoder makes of it".to_owned(),
            size,
            conditions: conditions.collect(),
            classes: classes.to_vec(),
            labels: shown.iter().map(class).collect(),
            images: rows.columns(&(0..inputs).collect::<Vec<_>>()),
            codes: vae.encode_rows(theta, &rows).mu,
            check_images: vae.decode_rows(theta, &check_points),
            check_points,
            decoder,
        }))
    }
}

/// The decoder's layers and weights, if the page can compute them.
fn network(vae: &Vae, theta: &[f32]) -> Option<Decoder> {
    let (config, layout) = (vae.config(), vae.layout());
    let (hidden, with_linear_path) = match &config.decoder.layers {
        Layers::Dense(hidden) => (hidden, false),
        Layers::WithLinearPath(hidden) => (hidden, !hidden.is_empty()),
        Layers::Convolutional { .. } => return None,
    };
    let mean = match (config.likelihood, config.decoder.psi) {
        (Likelihood::Bernoulli, Nonlinearity::Identity) => "sigmoid",
        (Likelihood::Bernoulli, _) => return None,
        (Likelihood::Normal { .. } | Likelihood::NormalLearned { .. } | Likelihood::NormalHead, psi) => {
            name(psi)?
        }
        _ => return None,
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

/// E[x|z] on a grid over the first two dimensions, the others 0.
fn grid(vae: &Vae, theta: &Arc<Vec<f32>>) -> Decoder {
    const SIDE: usize = 31;
    const REACH: f32 = 3.0;
    let at = |i: usize| -REACH + 2.0 * REACH * i as f32 / (SIDE - 1) as f32;
    let mut z = vec![0.0; SIDE * SIDE * vae.latent()];
    for (i, z) in z.chunks_exact_mut(vae.latent()).enumerate() {
        (z[0], z[1]) = (at(i % SIDE), at(i / SIDE));
    }
    let images = vae.decode_rows(theta, &Matrix::new(SIDE * SIDE, vae.latent(), z));
    Decoder::Grid { side: SIDE, reach: REACH, images }
}

/// Ten points (z, conditions), at which the page is checked.
fn points(vae: &Vae) -> Matrix<f32> {
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
