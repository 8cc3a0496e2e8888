//! A multilayer perceptron as a model of its own.

use autograd::{Real, Var};
use serde::{Deserialize, Serialize};

use super::{Layout, Mlp, Model, Nonlinearity, NonlinearityText};

/// What an [`MlpModel`] consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlpConfig {
    /// n₀, n₁, …, n_L: n₀ inputs and n_L outputs.
    pub widths: Vec<usize>,
    /// φ, the activation of the hidden layers.
    #[serde(with = "NonlinearityText")]
    pub phi: Nonlinearity,
    /// ψ, the activation of the last layer.
    #[serde(with = "NonlinearityText")]
    pub psi: Nonlinearity,
}

/// Why there is no network of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MlpError {
    /// There are fewer than two widths, or one is 0.
    #[error("widths of the layers: expected two or more positive numbers, found {widths:?}")]
    Widths {
        /// The widths.
        widths: Vec<usize>,
    },
}

/// An [`Mlp`] that owns its layout, so that it can be kept in a [`ModelFile`](super::ModelFile). The slots are `network.0.weight`,
/// `network.0.bias`, `network.1.weight`, ….
#[derive(Clone, Debug, PartialEq)]
pub struct MlpModel {
    config: MlpConfig,
    layout: Layout,
    network: Mlp,
}

impl MlpModel {
    /// The network of this configuration.
    ///
    /// # Errors
    /// [`MlpError`] if there is no such network.
    pub fn new(config: MlpConfig) -> Result<Self, MlpError> {
        let MlpConfig { widths, phi, psi } = &config;
        if widths.len() < 2 || widths.contains(&0) {
            return Err(MlpError::Widths { widths: widths.clone() });
        }
        let mut layout = Layout::new();
        let network = Mlp::new(&mut layout, "network", widths, *phi, *psi);
        Ok(Self { config, layout, network })
    }

    /// n₀, the number of inputs.
    pub fn inputs(&self) -> usize {
        self.network.inputs()
    }

    /// n_L, the number of outputs.
    pub fn outputs(&self) -> usize {
        self.network.outputs()
    }

    /// f_θ(x), x (…, n₀) to (…, n_L).
    ///
    /// # Panics
    /// If the last axis of `x` has not n₀ elements.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.network.apply(theta, x)
    }
}

impl Model for MlpModel {
    const KIND: &'static str = "nn.Mlp";
    type Config = MlpConfig;
    type Error = MlpError;

    fn from_config(config: &MlpConfig) -> Result<Self, MlpError> {
        Self::new(config.clone())
    }

    fn least_size(config: &MlpConfig) -> Option<usize> {
        Mlp::weights(&config.widths)
    }

    fn config(&self) -> &MlpConfig {
        &self.config
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }
}
