//! Layers: descriptions that hold slots of θ.

use autograd::{Nonlinearity, Real, Var};

use crate::layout::{Init, Layout, Slot};

/// A layer of neurons φ(x W + b) (lecture 000, "About neural networks").
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    w: Slot,
    b: Slot,
}

impl Linear {
    /// A layer from `inputs` to `outputs` numbers with slots `name.weight` (inputs, outputs) and `name.bias` (outputs).
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        inputs: usize,
        outputs: usize,
        weight: Init,
        bias: Init,
    ) -> Self {
        let w = layout.slot(format!("{name}.weight"), [inputs, outputs], weight);
        let b = layout.slot(format!("{name}.bias"), [outputs], bias);
        Self { w, b }
    }

    /// The weights' slot.
    pub fn weight(&self) -> &Slot {
        &self.w
    }

    /// The biases' slot.
    pub fn bias(&self) -> &Slot {
        &self.b
    }

    /// φ(x W + b), x (…, inputs) to (…, outputs).
    ///
    /// # Panics
    /// If the last axis of `x` is not as long as the layer is wide.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, phi: Nonlinearity) -> Var<'t, F> {
        let shape = x.shape();
        let rows =
            if shape.rank() == 2 { x } else { x.reshape([shape.size() / shape.last().max(1), shape.last()]) };
        let y = rows.dense(self.w.of(theta), self.b.of(theta), phi);
        if shape.rank() == 2 { y } else { y.reshape(shape.with_last(self.b.shape().size())) }
    }
}

/// The initialiser that keeps variances through a layer with this activation.
pub fn init_for(phi: Nonlinearity) -> Init {
    match phi {
        Nonlinearity::Relu | Nonlinearity::LeakyRelu(_) | Nonlinearity::Elu => Init::He,
        Nonlinearity::Identity | Nonlinearity::Softplus => Init::LeCun,
        Nonlinearity::Tanh | Nonlinearity::Sigmoid => Init::Glorot,
    }
}

/// A multilayer perceptron: layers with activation φ, and ψ behind the last (lecture 000, "Model choice").
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    layers: Vec<Linear>,
    phi: Nonlinearity,
    psi: Nonlinearity,
}

impl Mlp {
    /// A network with `widths` n₀, n₁, …, n_L: n₀ inputs and n_L outputs. Weights begin as [`init_for`] the layer's
    /// activation, biases at 0. The slots are `name.0.weight`, `name.0.bias`, `name.1.weight`, ….
    ///
    /// # Panics
    /// If there are fewer than two widths.
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        widths: &[usize],
        phi: Nonlinearity,
        psi: Nonlinearity,
    ) -> Self {
        Self::with_init(layout, name, widths, phi, psi, |_, _, phi| (init_for(phi), Init::Constant(0.0)))
    }

    /// The same, with initialisers of weights and biases as a function of a layer's inputs, outputs and activation.
    #[track_caller]
    pub fn with_init(
        layout: &mut Layout,
        name: &str,
        widths: &[usize],
        phi: Nonlinearity,
        psi: Nonlinearity,
        init: impl Fn(usize, usize, Nonlinearity) -> (Init, Init),
    ) -> Self {
        assert!(widths.len() >= 2, "Mlp {name}: widths {widths:?}: at least inputs and outputs are needed");
        let last = widths.len() - 2;
        let mut layers = Vec::with_capacity(last + 1);
        // Closures instead of loops, here and below, would hide the caller's line.
        for (i, width) in widths.windows(2).enumerate() {
            let (weight, bias) = init(width[0], width[1], if i == last { psi } else { phi });
            layers.push(Linear::new(layout, &format!("{name}.{i}"), width[0], width[1], weight, bias));
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
    /// If the last axis of `x` is not n₀ long.
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
