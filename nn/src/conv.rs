//! Convolutional layers: descriptions that hold slots of θ.
//!
//! Images are (batch, channels, height, width). An encoder halves them, a decoder doubles them:
//!
//! ```
//! use autograd::Tape;
//! use nn::{Conv2d, Layout, Linear, Nonlinearity::{Elu, Identity}, Window, layers::init_for};
//! use nn::Init::Constant;
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let mut layout = Layout::new();
//! let mut conv = |name, channels, stride| {
//!     Conv2d::new(&mut layout, name, channels, Window::square(3, stride, 1), init_for(Elu), Constant(0.0))
//! };
//! let down = [conv("down.0", [1, 8], 2), conv("down.1", [8, 8], 2), conv("down.2", [8, 8], 2)];
//! let up = [conv("up.0", [8, 8], 1), conv("up.1", [8, 1], 1)];
//! let mut linear = |name, from, to| Linear::new(&mut layout, name, from, to, init_for(Identity), Constant(0.0));
//! let (narrow, wide) = (linear("narrow", 8 * 4 * 4, 2), linear("wide", 2, 8 * 7 * 7));
//!
//! let tape = Tape::<f32>::new();
//! let theta = tape.parameter(&layout.init::<f32>(&mut StdRng::seed_from_u64(0)), [layout.size()]);
//! let x = tape.constant(&[0.5; 3 * 28 * 28], [3, 1, 28, 28]);
//!
//! let h = down.iter().fold(x, |h, conv| conv.apply(theta, h, Elu)); // 28, 14, 7, 4 pixels wide
//! let z = narrow.apply(theta, h.reshape([3, 8 * 4 * 4]), Identity);
//! let h = wide.apply(theta, z, Elu).reshape([3, 8, 7, 7]);
//! let h = up[0].apply(theta, h.upsample_nearest(2), Elu);
//! let y = up[1].apply(theta, h.upsample_nearest(2), Identity);
//! assert_eq!(y.shape(), x.shape());
//! ```

use autograd::{Nonlinearity, Real, Var};

use crate::layout::{Init, Layout, Slot};

/// The window of a convolution and how it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of a kernel.
    pub kernel: [usize; 2],
    /// How far a window is from its neighbour.
    pub stride: usize,
    /// How many rows and columns of zeros are thought around an image.
    pub padding: usize,
}

impl Window {
    /// A window as high as it is wide.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride, padding }
    }
}

/// A convolutional layer φ(W ∗ x + b): see [`autograd::ops::Conv2d`].
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    w: Slot,
    b: Slot,
    window: Window,
}

impl Conv2d {
    /// A layer between images of `from` and of `to` channels with slots `name.weight` (to, from, height, width) and
    /// `name.bias` (to). A neuron has `from` · height · width inputs.
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

    /// The kernels' slot.
    pub fn weight(&self) -> &Slot {
        &self.w
    }

    /// The biases' slot.
    pub fn bias(&self) -> &Slot {
        &self.b
    }

    /// φ(W ∗ x + b), x (batch, from, h, w) to (batch, to, ⌊(h + 2 padding − height) / stride⌋ + 1, …).
    ///
    /// # Panics
    /// If `x` has other channels, or is smaller than the kernel.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, phi: Nonlinearity) -> Var<'t, F> {
        let Window { stride, padding, .. } = self.window;
        x.conv2d(self.w.of(theta), self.b.of(theta), stride, padding, phi)
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
    /// A layer between images of `from` and of `to` channels with slots `name.weight` (from, to, height, width) and
    /// `name.bias` (to). A neuron has `from` · height · width / stride² inputs on average.
    #[track_caller]
    pub fn new(
        layout: &mut Layout,
        name: &str,
        [from, to]: [usize; 2],
        (window, output_padding): (Window, usize),
        weight: Init,
        bias: Init,
    ) -> Self {
        let [height, width] = window.kernel;
        let fan = |channels| (channels * height * width) as f64;
        let weight = weight.with_fan(fan(from) / (window.stride * window.stride) as f64, fan(to));
        let w = layout.slot(format!("{name}.weight"), [from, to, height, width], weight);
        let b = layout.slot(format!("{name}.bias"), [to], bias);
        Self { w, b, window, output_padding }
    }

    /// The kernels' slot.
    pub fn weight(&self) -> &Slot {
        &self.w
    }

    /// The biases' slot.
    pub fn bias(&self) -> &Slot {
        &self.b
    }

    /// x (batch, from, h, w) to (batch, to, (h − 1) stride − 2 padding + height + output padding, …).
    ///
    /// # Panics
    /// If `x` has other channels, or the padding leaves nothing of it.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, phi: Nonlinearity) -> Var<'t, F> {
        let Window { stride, padding, .. } = self.window;
        x.conv_transpose2d(self.w.of(theta), self.b.of(theta), stride, padding, self.output_padding, phi)
    }
}
