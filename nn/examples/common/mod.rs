//! What the examples that classify share.

use serde::{Deserialize, Serialize};

/// What makes probabilities of a network's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Psi {
    /// One variable that is one of the classes
    Softmax,
    /// A variable with yes and no for each class
    Sigmoid,
}

/// What the outputs of a network mean: the entry `classes` of its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Classes {
    pub(crate) names: Vec<String>,
    pub(crate) psi: Psi,
}

impl Classes {
    /// The name of the entry in a model's file.
    pub(crate) const ENTRY: &str = "classes";
}

/// The index of the largest number.
pub(crate) fn largest(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}
