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
    /// Convolutions with 3 x 3 kernels, for grey images of `side` x `side` pixels. An encoder halves the images once in each
    /// of its hidden layers, and a linear layer follows. A decoder begins with the linear layer, and doubles the images as
    /// often. Conditions join what the linear layer takes.
    Convolutional {
        /// The height and width of the images, an even number.
        side: usize,
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
        Self { layers: Layers::Convolutional { side, channels: vec![8; 3] }, phi, psi }
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
        match self.layers {
            Layers::Dense(_) | Layers::WithLinearPath(_) => Ok(()),
            Layers::Convolutional { .. } if hidden.is_empty() => {
                Err(VaeError::Hidden { network, hidden: Vec::new() })
            }
            Layers::Convolutional { side, .. } if side.checked_mul(side) != Some(inputs) => {
                Err(VaeError::Pixels { network, side, inputs })
            }
            Layers::Convolutional { side, .. } if !side.is_multiple_of(2) => {
                Err(VaeError::OddSide { network, side })
            }
            Layers::Convolutional { .. } => Ok(()),
        }
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
