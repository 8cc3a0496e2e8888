//! What a Bayesian neural network consists of.

use nn::model::{Nonlinearity, NonlinearityText};
use serde::{Deserialize, Serialize};

use crate::error::positive;
use crate::{BayesMlpError, Likelihood, WeightPrior};

/// The configuration of a [`BayesMlp`](crate::BayesMlp): network, prior, likelihood, and where q begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BayesMlpConfig {
    /// The number of inputs.
    pub inputs: usize,
    /// The number of targets, or of classes.
    #[serde(default = "one")]
    pub outputs: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Whether f has a linear part x W besides the network, with a scale of the prior of its own: the last one of
    /// [`WeightPrior::Normal`]. With [`WeightPrior::Learned`] the ELBO can switch the network off, and leave a straight line.
    #[serde(default)]
    pub linear: bool,
    /// The activation of the hidden layers.
    #[serde(with = "NonlinearityText")]
    pub phi: Nonlinearity,
    /// π(θ), the prior of weights and biases.
    pub prior: WeightPrior,
    /// ℓ(y|f_θ(x)), the distribution of an observation around the outputs of the network.
    pub likelihood: Likelihood,
    /// The standard deviation of a neuron's sum x W + b with which training begins, for inputs of size one: each θᵢ begins
    /// with this divided by √(inputs + 1). At 1 the noise of the sums would be as large as the sums, and most neurons would be
    /// pruned before they have learned anything.
    pub initial_sigma: f64,
    /// K, the number of modes of q.
    pub modes: usize,
}

impl BayesMlpConfig {
    /// A configuration with these numbers of inputs and hidden units, and otherwise the defaults: one output without a linear part,
    /// ReLU, π = N(0, I), one noise level that is learned, an initial σ of 0.003, and a single mode.
    pub fn new(inputs: usize, hidden: &[usize]) -> Self {
        Self {
            inputs,
            outputs: 1,
            hidden: hidden.to_vec(),
            linear: false,
            phi: Nonlinearity::Relu,
            prior: WeightPrior::Normal { sigma: vec![1.0] },
            likelihood: Likelihood::NORMAL_LEARNED,
            initial_sigma: 0.003,
            modes: 1,
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// If a width, the number of outputs or of modes is 0, there is a single class, or a parameter of the prior or the likelihood is out of range.
    pub fn validate(&self) -> Result<(), BayesMlpError> {
        let widths = [&[self.inputs], &self.hidden[..]].concat();
        if widths.contains(&0) {
            return Err(BayesMlpError::Width { widths });
        }
        if self.outputs == 0 {
            return Err(BayesMlpError::NoOutputs);
        }
        if self.modes == 0 {
            return Err(BayesMlpError::NoModes);
        }
        positive("initial σ", self.initial_sigma)?;
        self.prior.validate(widths.len() + usize::from(self.linear))?;
        self.likelihood.validate(self.outputs)
    }

    /// The widths of all layers: inputs, hidden units, outputs.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let outputs = self.likelihood.heads().saturating_mul(self.outputs);
        [&[self.inputs], &self.hidden[..], &[outputs]].concat()
    }
}

/// The number of outputs where a file says none.
fn one() -> usize {
    1
}
