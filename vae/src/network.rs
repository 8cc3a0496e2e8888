//! Encoders and decoders: networks between the data and the latent space.

use autograd::{Real, Var};
use nn::model::Nonlinearity::Identity;
use nn::model::{Conv2d, Init, Layout, Linear, Mlp, Nonlinearity, Slot, Window};

use crate::config::{paddings, sides, sizes_exist};
use crate::rows::beside;
use crate::{Layers, NetworkConfig, VaeError};

/// How many numbers the two networks of an autoencoder take and compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// D, the numbers of a datum.
    pub inputs: usize,
    /// C, the numbers of its conditions; 0 for none.
    pub conditions: usize,
    /// The numbers that the encoder computes for a datum: the parameters of q(z|x), or a code.
    pub parameters: usize,
    /// L, the dimension of z.
    pub latent: usize,
    /// The numbers that the decoder computes for each of the D: 1, or 2 for a mean and a variance.
    pub heads: usize,
}

/// An encoder and a decoder: descriptions, whose numbers are in θ.
#[derive(Clone, Debug, PartialEq)]
pub struct Networks {
    /// From rows (x, conditions), (…, D + C), to (…, parameters).
    pub encoder: Network,
    /// From rows (z, conditions), (…, L + C), to (…, heads · D), the first head's D numbers first.
    pub decoder: Network,
}

impl Networks {
    /// The networks with slots `encoder.0.weight`, `encoder.0.bias`, `encoder.1.weight`, … and `decoder.0.weight`, …; in θ
    /// those of convolutions come first. Weights begin as [`init_for`](nn::model::init_for) their activation, biases at 0.
    ///
    /// # Errors
    /// [`VaeError`] if D, L, the parameters, the heads or a hidden layer are 0, or if convolutions do not fit the images.
    pub fn new(
        layout: &mut Layout,
        encoder: &NetworkConfig,
        decoder: &NetworkConfig,
        sizes: Sizes,
    ) -> Result<Self, VaeError> {
        let init = |_: [usize; 2], phi| (nn::model::init_for(phi), Init::Constant(0.0));
        Self::with_init(layout, encoder, decoder, sizes, init)
    }

    /// The networks of [`new`](Self::new), with initialisers of a layer's weights and biases as a function of the number of
    /// inputs of a neuron, the number of neurons that share an input, and the activation.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_init(
        layout: &mut Layout,
        encoder: &NetworkConfig,
        decoder: &NetworkConfig,
        sizes: Sizes,
        init: impl Fn([usize; 2], Nonlinearity) -> (Init, Init),
    ) -> Result<Self, VaeError> {
        let Sizes { inputs, conditions, parameters, latent, heads } = sizes;
        sizes_exist(inputs, latent)?;
        for (network, outputs) in [("encoder", parameters), ("decoder", heads)] {
            if outputs == 0 {
                return Err(VaeError::NoOutputs { network });
            }
        }
        encoder.validate("encoder", inputs)?;
        decoder.validate("decoder", inputs)?;
        let mut builder = Builder { layout, init };
        let halving = builder.halving(encoder);
        let doubling = builder.doubling(decoder, heads);
        Ok(Self {
            encoder: builder.encoder(encoder, halving, inputs + conditions, parameters),
            decoder: builder.decoder(decoder, doubling, latent + conditions, heads * inputs),
        })
    }
}

impl Networks {
    /// A number that the parameters of networks between `inputs` observed variables, with `conditions`, and `latent` ones are not
    /// below; none if it is beyond all numbers. See [`nn::model::Model::least_size`].
    pub fn least_size(
        encoder: &NetworkConfig,
        decoder: &NetworkConfig,
        [inputs, conditions, latent]: [usize; 3],
    ) -> Option<usize> {
        let of = |config: &NetworkConfig, from: usize, to: usize| match &config.layers {
            Layers::Dense(hidden) | Layers::WithLinearPath(hidden) => {
                Mlp::weights(&[&[from.checked_add(conditions)?], &hidden[..], &[to]].concat())
            }
            Layers::Convolutional { size, channels } => {
                // Kernels do not grow with the images; the linear layer is at one end or the other.
                let ends = [channels.first(), channels.last()].map(|end| end.copied().unwrap_or(0));
                let linear = ends[0].min(ends[1]).checked_mul(latent)?.checked_add(conditions)?;
                Mlp::weights(channels)?
                    .checked_add(linear)
                    .filter(|_| size.iter().all(|side| *side <= LARGEST_SIDE))
            }
        };
        of(encoder, inputs, latent)?.checked_add(of(decoder, latent, inputs)?)
    }
}

/// An encoder or a decoder: a function of rows of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layers: Built,
    phi: Nonlinearity,
    psi: Nonlinearity,
    inputs: usize,
    outputs: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Built {
    Dense(Mlp),
    /// Hidden layers, and a linear layer of what they compute and of the inputs.
    WithLinearPath {
        hidden: Mlp,
        linear: Linear,
    },
    /// Convolutions, and a linear layer of their features and of the conditions.
    Halving {
        size: [usize; 2],
        convolutions: Vec<Conv2d>,
        linear: Linear,
    },
    /// A linear layer to small images of this size, and convolutions.
    Doubling {
        small: [usize; 2],
        linear: Linear,
        convolutions: Vec<Conv2d>,
    },
}

impl Network {
    /// The numbers of a row that the network takes, conditions included.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The numbers that it computes for a row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weights of the last layer: (inputs, outputs), or of a convolutional decoder the kernels.
    pub fn last_weight(&self) -> &Slot {
        match &self.layers {
            Built::Dense(mlp) => mlp.layers()[mlp.layers().len() - 1].weight(),
            Built::WithLinearPath { linear, .. } | Built::Halving { linear, .. } => linear.weight(),
            Built::Doubling { convolutions, .. } => convolutions[convolutions.len() - 1].weight(),
        }
    }

    /// The biases of the last layer: one for each output, or of a convolutional decoder one for each head.
    pub fn last_bias(&self) -> &Slot {
        match &self.layers {
            Built::Dense(mlp) => mlp.layers()[mlp.layers().len() - 1].bias(),
            Built::WithLinearPath { linear, .. } | Built::Halving { linear, .. } => linear.bias(),
            Built::Doubling { convolutions, .. } => convolutions[convolutions.len() - 1].bias(),
        }
    }

    /// f_θ(x) of every row, (…, inputs) to (…, outputs).
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    #[inline(never)]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        let (shape, &Self { phi, psi, inputs, outputs, .. }) = (x.shape(), self);
        assert!(shape.last() == inputs, "Network: expected rows of {inputs} numbers, found {shape}");
        let rows = shape.size() / inputs;
        match &self.layers {
            Built::Dense(mlp) => mlp.apply(theta, x),
            Built::WithLinearPath { hidden, linear } => {
                linear.apply(theta, beside(hidden.apply(theta, x), Some(x)), psi)
            }
            &Built::Halving { size, ref convolutions, ref linear } => {
                let (x, [height, width]) = (x.reshape([rows, inputs]), size);
                let pixels = height * width;
                let (image, conditions) = match inputs - pixels {
                    0 => (x, None),
                    _ => (x.columns(0..pixels), Some(x.columns(pixels..inputs))),
                };
                let mut h = image.reshape([rows, 1, height, width]);
                for convolution in convolutions {
                    h = convolution.apply(theta, h, phi);
                }
                let features = h.shape().dims()[1..].iter().product();
                let features = beside(h.reshape([rows, features]), conditions);
                linear.apply(theta, features, psi).reshape(shape.with_last(outputs))
            }
            &Built::Doubling { small: [height, width], ref linear, ref convolutions } => {
                let features = linear.apply(theta, x.reshape([rows, inputs]), Identity);
                let channels = features.shape()[1] / (height * width);
                let mut h = features.reshape([rows, channels, height, width]);
                for (i, convolution) in convolutions.iter().enumerate() {
                    let is_last = i + 1 == convolutions.len();
                    h = convolution.apply(theta, h.upsample_nearest(2), if is_last { psi } else { phi });
                }
                h.reshape(shape.with_last(outputs))
            }
        }
    }
}

/// The largest height and width of the images of a model in a file.
const LARGEST_SIDE: usize = 1 << 13;

/// Takes slots from a layout, layer by layer.
struct Builder<'a, I> {
    layout: &'a mut Layout,
    init: I,
}

impl<I: Fn([usize; 2], Nonlinearity) -> (Init, Init)> Builder<'_, I> {
    /// The convolutions of an encoder, each of which halves the images.
    fn halving(&mut self, config: &NetworkConfig) -> Vec<Conv2d> {
        let Layers::Convolutional { channels, .. } = &config.layers else { return Vec::new() };
        let from = [1].into_iter().chain(channels.iter().copied());
        let layers = from.zip(channels).enumerate();
        let window = Window { stride: 2, padding: 1, ..Window::square(3) };
        let layer =
            |(i, (from, &to))| self.convolution(&format!("encoder.{i}"), [from, to], window, config.phi);
        layers.map(layer).collect()
    }

    /// The convolutions of a decoder, before each of which the images are doubled.
    fn doubling(&mut self, config: &NetworkConfig, heads: usize) -> Vec<Conv2d> {
        let Layers::Convolutional { size, channels } = &config.layers else { return Vec::new() };
        // Both axes have the same paddings, or the configuration is refused.
        let layers = channels.iter().zip(paddings(size[0], channels.len())).enumerate();
        let layer = |(i, (&from, padding))| {
            let to = channels.get(i + 1).copied();
            let window = Window { padding, ..Window::square(3) };
            let phi = if to.is_some() { config.phi } else { config.psi };
            self.convolution(&format!("decoder.{}", i + 1), [from, to.unwrap_or(heads)], window, phi)
        };
        layers.map(layer).collect()
    }

    fn encoder(
        &mut self,
        config: &NetworkConfig,
        convolutions: Vec<Conv2d>,
        inputs: usize,
        outputs: usize,
    ) -> Network {
        let layers = match &config.layers {
            Layers::Dense(hidden) => Built::Dense(self.mlp("encoder", config, inputs, hidden, outputs)),
            Layers::WithLinearPath(hidden) => {
                self.with_linear_path("encoder", config, inputs, hidden, outputs)
            }
            &Layers::Convolutional { size, ref channels } => {
                let [height, width] = smallest(size, channels);
                let features = height * width * channels[channels.len() - 1];
                let name = format!("encoder.{}", channels.len());
                let linear = self.linear(&name, inputs - size[0] * size[1] + features, outputs, config.psi);
                Built::Halving { size, convolutions, linear }
            }
        };
        Network { layers, phi: config.phi, psi: config.psi, inputs, outputs }
    }

    fn decoder(
        &mut self,
        config: &NetworkConfig,
        convolutions: Vec<Conv2d>,
        inputs: usize,
        outputs: usize,
    ) -> Network {
        let layers = match &config.layers {
            Layers::Dense(hidden) => Built::Dense(self.mlp("decoder", config, inputs, hidden, outputs)),
            Layers::WithLinearPath(hidden) => {
                self.with_linear_path("decoder", config, inputs, hidden, outputs)
            }
            &Layers::Convolutional { size, ref channels } => {
                let small = smallest(size, channels);
                let linear = self.linear("decoder.0", inputs, small[0] * small[1] * channels[0], Identity);
                Built::Doubling { small, linear, convolutions }
            }
        };
        Network { layers, phi: config.phi, psi: config.psi, inputs, outputs }
    }

    fn mlp(
        &mut self,
        name: &str,
        config: &NetworkConfig,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
    ) -> Mlp {
        let widths = [&[inputs], hidden, &[outputs]].concat();
        Mlp::with_init(self.layout, name, &widths, config.phi, config.psi, &self.init)
    }

    fn with_linear_path(
        &mut self,
        name: &str,
        config: &NetworkConfig,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
    ) -> Built {
        let Some(&width) = hidden.last() else {
            return Built::Dense(self.mlp(name, config, inputs, hidden, outputs));
        };
        let widths = [&[inputs], hidden].concat();
        let layers = Mlp::with_init(self.layout, name, &widths, config.phi, config.phi, &self.init);
        let linear = self.linear(&format!("{name}.{}", hidden.len()), width + inputs, outputs, config.psi);
        Built::WithLinearPath { hidden: layers, linear }
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize, phi: Nonlinearity) -> Linear {
        let (weight, bias) = (self.init)([inputs, outputs], phi);
        Linear::new(self.layout, name, [inputs, outputs], weight, bias)
    }

    fn convolution(&mut self, name: &str, channels: [usize; 2], window: Window, phi: Nonlinearity) -> Conv2d {
        let fan = channels.map(|channels| channels * window.kernel[0] * window.kernel[1]);
        let (weight, bias) = (self.init)(fan, phi);
        Conv2d::new(self.layout, name, channels, window, weight, bias)
    }
}

/// The size of an encoder's smallest images, behind as many convolutions as there are channels.
fn smallest(size: [usize; 2], channels: &[usize]) -> [usize; 2] {
    size.map(|side| sides(side, channels.len())[channels.len()])
}
