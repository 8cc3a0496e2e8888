//! What the two examples share: flags of the network, the learning curve.

use nn::Nonlinearity;
use nn::picture::Figure;
use nn::train::{Epoch, Loss};

/// The activations that flags can name.
pub(crate) const ACTIVATIONS: [&str; 7] =
    ["identity", "relu", "leaky-relu", "elu", "tanh", "sigmoid", "softplus"];

/// An activation by its flag.
pub(crate) fn activation(name: &str) -> anyhow::Result<Nonlinearity> {
    Ok(match name {
        "identity" => Nonlinearity::Identity,
        "relu" => Nonlinearity::Relu,
        "leaky-relu" => Nonlinearity::LeakyRelu(0.01),
        "elu" => Nonlinearity::Elu,
        "tanh" => Nonlinearity::Tanh,
        "sigmoid" => Nonlinearity::Sigmoid,
        "softplus" => Nonlinearity::Softplus,
        _ => anyhow::bail!("{name}: no activation; there are {}", ACTIVATIONS.join(", ")),
    })
}

/// The widths n₀, n₁, …, n_L of a network with these hidden layers.
pub(crate) fn widths(inputs: usize, hidden: &[usize], outputs: usize) -> anyhow::Result<Vec<usize>> {
    anyhow::ensure!(
        hidden.iter().all(|&width| width > 0),
        "--widths {hidden:?}: no layer may have 0 neurons"
    );
    Ok([&[inputs], hidden, &[outputs]].concat())
}

/// The loss over the epochs.
pub(crate) fn loss_figure(history: &[Epoch], unit: &str) -> Figure {
    let curve = |loss: fn(&Epoch) -> Option<&Loss>| {
        let epochs = history.iter().enumerate();
        epochs.filter_map(move |(i, epoch)| Some(((i + 1) as f64, loss(epoch)?.total))).collect::<Vec<_>>()
    };
    Figure::new("Learning")
        .axes("epoch", unit)
        .log_y()
        .line("training", curve(|epoch| Some(&epoch.train)))
        .line("validation", curve(|epoch| epoch.validation.as_ref()))
}
