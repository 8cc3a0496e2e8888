//! What models consist of.

use nn::model::{Nonlinearity, NonlinearityText};
use serde::{Deserialize, Serialize};

use crate::{Covariance, Likelihood, VaeError};

/// The layers of an encoder or of a decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// Dense hidden layers of these widths, and a linear one behind them.
    Dense(Vec<usize>),
    /// Dense hidden layers of these widths, and behind them a linear one that also takes the inputs: a linear path beside the
    /// hidden layers. Networks of this kind contain the linear ones, and a VAE of them factor analysis.
    WithLinearPath(Vec<usize>),
    /// Convolutions with 3 x 3 kernels, for grey images. An encoder halves the images once in each of its hidden layers, and a
    /// linear layer follows. A decoder begins with the linear layer, and doubles the images as often. Conditions join what the
    /// linear layer takes.
    Convolutional {
        /// The height and width of the images, even numbers. In a file it is one number, `side`, for square images.
        #[serde(rename = "side", with = "size_of_images")]
        size: [usize; 2],
        /// The channels of the hidden images.
        channels: Vec<usize>,
    },
}

/// An encoder or a decoder: its layers, in the order in which they compute, and its activations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The layers.
    pub layers: Layers,
    /// φ, the activation of hidden layers.
    #[serde(with = "NonlinearityText")]
    pub phi: Nonlinearity,
    /// ψ, the activation behind the last layer.
    #[serde(with = "NonlinearityText")]
    pub psi: Nonlinearity,
}

impl NetworkConfig {
    /// A multilayer perceptron with hidden layers of these widths; φ is ReLU, ψ the identity.
    pub fn mlp(hidden: &[usize]) -> Self {
        let (phi, psi) = (Nonlinearity::Relu, Nonlinearity::Identity);
        Self { layers: Layers::Dense(hidden.to_vec()), phi, psi }
    }

    /// This network with a linear path beside its hidden layers, if they are dense.
    pub fn with_linear_path(mut self) -> Self {
        if let Layers::Dense(hidden) = self.layers {
            self.layers = Layers::WithLinearPath(hidden);
        }
        self
    }

    /// Three convolutions with eight channels for images of `side` x `side` pixels; φ is ELU, ψ the identity (Casale et al.
    /// 2018, supplement, figure 4, where ψ of the decoder is ELU, too).
    pub fn convolutional(side: usize) -> Self {
        let (phi, psi) = (Nonlinearity::Elu, Nonlinearity::Identity);
        Self { layers: Layers::Convolutional { size: [side; 2], channels: vec![8; 3] }, phi, psi }
    }

    /// These layers, of which the convolutional ones have other channels and are for images of this height and width.
    pub fn with_channels(mut self, size: [usize; 2], channels: &[usize]) -> Self {
        self.layers = Layers::Convolutional { size, channels: channels.to_vec() };
        self
    }

    /// Whether the network can be built between `inputs` observed variables and a latent space.
    pub(crate) fn validate(&self, network: &'static str, inputs: usize) -> Result<(), VaeError> {
        let hidden = match &self.layers {
            Layers::Dense(widths) | Layers::WithLinearPath(widths) => widths,
            Layers::Convolutional { channels, .. } => channels,
        };
        if hidden.contains(&0) {
            return Err(VaeError::Hidden { network, hidden: hidden.clone() });
        }
        let Layers::Convolutional { size, ref channels } = self.layers else { return Ok(()) };
        if channels.is_empty() {
            return Err(VaeError::Hidden { network, hidden: Vec::new() });
        }
        if size[0].checked_mul(size[1]) != Some(inputs) {
            return Err(VaeError::Pixels { network, size, inputs });
        }
        if size.iter().any(|side| !side.is_multiple_of(2)) {
            return Err(VaeError::OddSide { network, size });
        }
        let [high, wide] = size.map(|side| paddings(side, channels.len()));
        if high == wide { Ok(()) } else { Err(VaeError::Doubled { network, size, channels: channels.len() }) }
    }
}

/// The sides of an encoder's images, from the data on: each is half of the one before it, rounded up.
pub(crate) fn sides(side: usize, convolutions: usize) -> Vec<usize> {
    std::iter::successors(Some(side), |side| Some(side.div_ceil(2))).take(convolutions + 1).collect()
}

/// The padding of the convolutions of a decoder, before each of which the images are doubled, along one axis. Sides are those of the
/// encoder, rounded up to even numbers where the images are doubled again: a convolution without padding takes two off.
pub(crate) fn paddings(side: usize, convolutions: usize) -> Vec<usize> {
    let sides = sides(side, convolutions);
    let mut at = sides[convolutions];
    let padding = |&side: &usize| {
        let (doubled, side) = (2 * at, side.next_multiple_of(2));
        at = side;
        usize::from(doubled == side)
    };
    sides[..convolutions].iter().rev().map(padding).collect()
}

/// The size of images in a file: one number for square ones.
mod size_of_images {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(&[height, width]: &[usize; 2], to: S) -> Result<S::Ok, S::Error> {
        if height == width { height.serialize(to) } else { [height, width].serialize(to) }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Square(usize),
        Both([usize; 2]),
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<[usize; 2], D::Error> {
        Ok(match Size::deserialize(from)? {
            Size::Square(side) => [side; 2],
            Size::Both(size) => size,
        })
    }
}

/// What a [`Vae`](crate::Vae) consists of: independent choices, of which [`VaeConfig::new`] makes the usual ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaeConfig {
    /// D, the number of observed variables.
    pub inputs: usize,
    /// C, the number of conditions: variables that encoder and decoder are told besides (a conditional VAE); 0 for none.
    pub conditions: usize,
    /// L, the dimension of z.
    pub latent: usize,
    /// The encoder, from the data to the latent space.
    pub encoder: NetworkConfig,
    /// The decoder, from the latent space to the data.
    pub decoder: NetworkConfig,
    /// The covariance of q(z|x).
    pub covariance: Covariance,
    /// p(x|z)
    pub likelihood: Likelihood,
    /// What the encoder sees in the place of missing numbers.
    #[serde(default)]
    pub gaps: Gaps,
}

/// What the encoder of a [`Vae`](crate::Vae) sees in the place of missing numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    /// 0.
    #[default]
    Zero,
    /// What one normal distribution of all that the encoder sees, f ~ N(m, Λ⁻¹), expects of them given the others:
    ///
    /// E[f_missing | f_observed] = m_m − Λ_mm⁻¹ Λ_mo (f_o − m_o)
    ///
    /// If encoder and posterior are linear, it is what makes the mean of q(z|x_observed) exact. The slots `gaps.mean` (D) and
    /// `gaps.precision` (D, D), Λ − I, are not trained ([`Vae::held`](crate::Vae::held)); [`Vae::start_at`](crate::Vae::start_at) sets them, and before that they are 0 and so
    /// is the expectation. A row with m gaps takes m³ / 6 products.
    Conditional,
}

impl VaeConfig {
    /// Multilayer perceptrons with hidden layers of these widths in the encoder, and in reverse in the decoder; ReLU, a
    /// diagonal covariance, Bernoulli variables, no conditions.
    pub fn new(inputs: usize, hidden: &[usize], latent: usize) -> Self {
        Self {
            inputs,
            conditions: 0,
            latent,
            encoder: NetworkConfig::mlp(hidden),
            decoder: NetworkConfig::mlp(&reversed(hidden)),
            covariance: Covariance::Diagonal,
            likelihood: Likelihood::Bernoulli,
            gaps: Gaps::Zero,
        }
    }

    /// Convolutional networks for images of `side` x `side` pixels ([`NetworkConfig::convolutional`]); a diagonal covariance,
    /// Bernoulli variables, no conditions.
    pub fn convolutional(side: usize, latent: usize) -> Self {
        let network = NetworkConfig::convolutional(side);
        Self { encoder: network.clone(), decoder: network, ..Self::new(side * side, &[], latent) }
    }

    /// This configuration with φ as the activation of hidden layers in both networks.
    pub fn with_phi(mut self, phi: Nonlinearity) -> Self {
        (self.encoder.phi, self.decoder.phi) = (phi, phi);
        self
    }

    /// Whether there is such a model; [`Vae::new`](crate::Vae::new) asks.
    ///
    /// # Errors
    /// [`VaeError`] for the first choice that is not possible.
    pub fn validate(&self) -> Result<(), VaeError> {
        sizes_exist(self.inputs, self.latent)?;
        self.encoder.validate("encoder", self.inputs)?;
        self.decoder.validate("decoder", self.inputs)?;
        self.likelihood.validate(self.inputs)
    }
}

/// What an [`Autoencoder`](crate::Autoencoder) consists of; [`AutoencoderConfig::new`] makes the usual choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderConfig {
    /// D, the number of observed variables.
    pub inputs: usize,
    /// m, the number of variables in the middle.
    pub latent: usize,
    /// The encoder; without hidden layers it is linear.
    pub encoder: NetworkConfig,
    /// The decoder; without hidden layers it is linear, with ψ behind it: the identity, or the sigmoid for data in \[0, 1\].
    pub decoder: NetworkConfig,
}

impl AutoencoderConfig {
    /// Multilayer perceptrons with hidden layers of these widths in the encoder, and in reverse in the decoder; ReLU, ψ the
    /// identity.
    pub fn new(inputs: usize, hidden: &[usize], latent: usize) -> Self {
        let decoder = NetworkConfig::mlp(&reversed(hidden));
        Self { inputs, latent, encoder: NetworkConfig::mlp(hidden), decoder }
    }

    /// This configuration with φ as the activation of hidden layers in both networks.
    pub fn with_phi(mut self, phi: Nonlinearity) -> Self {
        (self.encoder.phi, self.decoder.phi) = (phi, phi);
        self
    }

    /// Whether there is such a model; [`Autoencoder::new`](crate::Autoencoder::new) asks.
    ///
    /// # Errors
    /// [`VaeError`] for the first choice that is not possible.
    pub fn validate(&self) -> Result<(), VaeError> {
        sizes_exist(self.inputs, self.latent)?;
        self.encoder.validate("encoder", self.inputs)?;
        self.decoder.validate("decoder", self.inputs)
    }
}

/// Whether there are variables to observe and a latent space.
pub(crate) fn sizes_exist(inputs: usize, latent: usize) -> Result<(), VaeError> {
    match (inputs, latent) {
        (0, _) => Err(VaeError::NoInputs),
        (_, 0) => Err(VaeError::NoLatent),
        _ => Ok(()),
    }
}

fn reversed(hidden: &[usize]) -> Vec<usize> {
    hidden.iter().rev().copied().collect()
}
