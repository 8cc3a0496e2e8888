//! Convolutional layers of images (batch, channels, height, width): descriptions that hold slots of θ.

use autograd::ops::Convolution;
use autograd::{Real, Var};

use super::{Init, Layout, Nonlinearity, Slot};

/// The window of a convolution and how it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The height and width of a kernel.
    pub kernel: [usize; 2],
    /// The distance between neighbouring windows.
    pub stride: usize,
    /// The number of rows and columns of zeros that are added on each side of an image.
    pub padding: usize,
}

impl Window {
    fn convolution(self) -> Convolution {
        Convolution { stride: self.stride, padding: self.padding }
    }

    /// A window with a square kernel of this side, with stride 1 and no padding. Other windows are
    /// `Window { stride: 2, padding: 1, ..Window::square(3) }`.
    pub fn square(side: usize) -> Self {
        Self { kernel: [side; 2], stride: 1, padding: 0 }
    }
}

/// A convolutional layer φ(W ∗ x + b): see [`autograd::ops::Conv2d`].
///
/// An encoder that halves images three times, and a decoder that doubles them:
///
/// ```
/// use autograd::Tape;
/// use nn::model::{Conv2d, Init::Constant, Layout, Linear, Nonlinearity::{Elu, Identity}, Window, init_for};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let mut layout = Layout::new();
/// let mut conv = |name, channels, stride| {
///     let window = Window { stride, padding: 1, ..Window::square(3) };
///     Conv2d::new(&mut layout, name, channels, window, init_for(Elu), Constant(0.0))
/// };
/// let down = [conv("down.0", [1, 8], 2), conv("down.1", [8, 8], 2), conv("down.2", [8, 8], 2)];
/// let up = [conv("up.0", [8, 8], 1), conv("up.1", [8, 1], 1)];
/// let mut linear = |name, from, to| Linear::new(&mut layout, name, [from, to], init_for(Identity), Constant(0.0));
/// let (narrow, wide) = (linear("narrow", 8 * 4 * 4, 2), linear("wide", 2, 8 * 7 * 7));
///
/// let tape = Tape::<f32>::new();
/// let theta = tape.parameter(&layout.init::<f32>(&mut StdRng::seed_from_u64(0)), [layout.size()]);
/// let x = tape.constant(&[0.5; 3 * 28 * 28], [3, 1, 28, 28]);
///
/// let h = down.iter().fold(x, |h, conv| conv.apply(theta, h, Elu)); // 28, 14, 7, 4 pixels wide
/// let z = narrow.apply(theta, h.reshape([3, 8 * 4 * 4]), Identity);
/// let h = wide.apply(theta, z, Elu).reshape([3, 8, 7, 7]);
/// let h = up[0].apply(theta, h.upsample_nearest(2), Elu);
/// let y = up[1].apply(theta, h.upsample_nearest(2), Identity);
/// assert_eq!(y.shape(), x.shape());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    w: Slot,
    b: Slot,
    window: Window,
}

impl Conv2d {
    /// A layer from images of `from` channels to images of `to` channels, with slots `name.weight` (to, from, height, width)
    /// and `name.bias` (to). A neuron has `from` · height · width inputs.
    ///
    /// # Panics
    /// If another slot has one of the names.
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        [from, to]: [usize; 2],
        window: Window,
        weight: Init,
        bias: Init,
    ) -> Self {
        let [height, width] = window.kernel;
        let fan = |channels| (channels * height * width) as f64;
        let weight = weight.with_fan(fan(from), fan(to));
        let w = layout.slot(format!("{name}.weight"), [to, from, height, width], weight);
        let b = layout.slot(format!("{name}.bias"), [to], bias);
        Self { w, b, window }
    }

    /// The slot of the kernels.
    pub fn weight(&self) -> &Slot {
        &self.w
    }

    /// The slot of the biases.
    pub fn bias(&self) -> &Slot {
        &self.b
    }

    /// φ(W ∗ x + b), x (batch, from, h, w) to (batch, to, h', w') with h' = ⌊(h + 2 padding − height) / stride⌋ + 1.
    ///
    /// # Panics
    /// If `x` has another number of channels, or is smaller than the kernel.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, phi: Nonlinearity) -> Var<'t, F> {
        x.conv2d(self.w.of(theta), self.b.of(theta), self.window.convolution(), phi)
    }
}

/// A transposed convolutional layer: see [`autograd::ops::ConvTranspose2d`].
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    w: Slot,
    b: Slot,
    window: Window,
    output_padding: usize,
}

impl ConvTranspose2d {
    /// A layer from images of `from` channels to images of `to` channels, with slots `name.weight` (from, to, height, width)
    /// and `name.bias` (to). A neuron has `from` · height · width / stride² inputs on average.
    ///
    /// # Panics
    /// If another slot has one of the names.
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        [from, to]: [usize; 2],
        window: Window,
        weight: Init,
        bias: Init,
    ) -> Self {
        let [height, width] = window.kernel;
        let fan = |channels| (channels * height * width) as f64;
        let weight = weight.with_fan(fan(from) / (window.stride * window.stride) as f64, fan(to));
        let w = layout.slot(format!("{name}.weight"), [from, to, height, width], weight);
        let b = layout.slot(format!("{name}.bias"), [to], bias);
        Self { w, b, window, output_padding: 0 }
    }

    /// Makes the resulting images so many rows and columns larger, fewer than the stride. Images of several sizes have the same
    /// size after a convolution with a stride; this number chooses one of them.
    pub fn output_padding(self, output_padding: usize) -> Self {
        Self { output_padding, ..self }
    }

    /// The slot of the kernels.
    pub fn weight(&self) -> &Slot {
        &self.w
    }

    /// The slot of the biases.
    pub fn bias(&self) -> &Slot {
        &self.b
    }

    /// The layer of x (batch, from, h, w), (batch, to, h', w') with h' = (h − 1) stride − 2 padding + height + output padding.
    ///
    /// # Panics
    /// If `x` has another number of channels, or the padding leaves nothing of it.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, phi: Nonlinearity) -> Var<'t, F> {
        let (w, b) = (self.w.of(theta), self.b.of(theta));
        x.conv_transpose2d(w, b, self.window.convolution(), self.output_padding, phi)
    }
}
