//! Layers: descriptions that hold slots of θ.

use autograd::{Real, Var};

use super::{Init, Layout, Nonlinearity, Slot};

/// A layer of neurons φ(x W + b) (lecture 000, "About neural networks").
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    w: Slot,
    b: Slot,
}

impl Linear {
    /// A layer between so many inputs and outputs, with slots `name.weight` (inputs, outputs) and `name.bias` (outputs).
    ///
    /// # Panics
    /// If another slot has one of the names.
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        [inputs, outputs]: [usize; 2],
        weight: Init,
        bias: Init,
    ) -> Self {
        let w = layout.slot(format!("{name}.weight"), [inputs, outputs], weight);
        let b = layout.slot(format!("{name}.bias"), [outputs], bias);
        Self { w, b }
    }

    /// The slot of the weights.
    pub fn weight(&self) -> &Slot {
        &self.w
    }

    /// The slot of the biases.
    pub fn bias(&self) -> &Slot {
        &self.b
    }

    /// φ(x W + b), x (…, inputs) to (…, outputs).
    ///
    /// # Panics
    /// If the last axis of `x` has not as many elements as the layer has inputs.
    #[track_caller]
    #[inline(never)]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, phi: Nonlinearity) -> Var<'t, F> {
        let shape = x.shape();
        let rows =
            if shape.rank() == 2 { x } else { x.reshape([shape.size() / shape.last().max(1), shape.last()]) };
        let y = rows.dense(self.w.of(theta), self.b.of(theta), phi);
        if shape.rank() == 2 { y } else { y.reshape(shape.with_last(self.b.shape().size())) }
    }
}

/// The initialiser of weights that keeps variances through a layer with this activation.
pub fn init_for(phi: Nonlinearity) -> Init {
    match phi {
        Nonlinearity::Relu | Nonlinearity::LeakyRelu(_) | Nonlinearity::Elu => Init::He,
        Nonlinearity::Identity | Nonlinearity::Softplus => Init::LeCun,
        Nonlinearity::Tanh | Nonlinearity::Sigmoid => Init::Glorot,
    }
}

/// A multilayer perceptron: layers with activation φ, the last one with ψ (lecture 000, "Model choice").
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    layers: Vec<Linear>,
    phi: Nonlinearity,
    psi: Nonlinearity,
}

impl Mlp {
    /// The number of weights, without biases, of a network with these widths; none if it is beyond all numbers.
    pub fn weights(widths: &[usize]) -> Option<usize> {
        widths.windows(2).try_fold(0_usize, |sum, pair| sum.checked_add(pair[0].checked_mul(pair[1])?))
    }

    /// A network with `widths` n₀, n₁, …, n_L: n₀ inputs and n_L outputs. Weights are drawn by [`init_for`] the
    /// activation of their layer, and biases are 0. The slots are `name.0.weight`, `name.0.bias`, `name.1.weight`, ….
    ///
    /// # Panics
    /// If there are fewer than two widths, or another slot has one of the names.
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        widths: &[usize],
        phi: Nonlinearity,
        psi: Nonlinearity,
    ) -> Self {
        Self::with_init(layout, name, widths, phi, psi, |_, phi| (init_for(phi), Init::Constant(0.0)))
    }

    /// A network as by [`new`](Self::new), with initialisers of weights and biases as a function of the inputs, outputs and
    /// activation of a layer.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn with_init(
        layout: &mut Layout,
        name: &str,
        widths: &[usize],
        phi: Nonlinearity,
        psi: Nonlinearity,
        init: impl Fn([usize; 2], Nonlinearity) -> (Init, Init),
    ) -> Self {
        assert!(widths.len() >= 2, "Mlp {name}: expected at least two widths, found {widths:?}");
        let last = widths.len() - 2;
        let mut layers = Vec::with_capacity(last + 1);
        // A closure instead of this loop would hide the caller's line.
        for (i, width) in widths.windows(2).enumerate() {
            let sizes = [width[0], width[1]];
            let (weight, bias) = init(sizes, if i == last { psi } else { phi });
            layers.push(Linear::new(layout, &format!("{name}.{i}"), sizes, weight, bias));
        }
        Self { layers, phi, psi }
    }

    /// The layers in order.
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// n₀, the number of inputs.
    pub fn inputs(&self) -> usize {
        self.layers[0].w.shape()[0]
    }

    /// n_L, the number of outputs.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].b.shape()[0]
    }

    /// f_θ(x), x (…, n₀) to (…, n_L).
    ///
    /// # Panics
    /// If the last axis of `x` has not n₀ elements.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        let last = self.layers.len() - 1;
        let mut h = x;
        for (i, layer) in self.layers.iter().enumerate() {
            h = layer.apply(theta, h, if i == last { self.psi } else { self.phi });
        }
        h
    }
}
