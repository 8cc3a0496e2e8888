//! Convolutions of images (batch, channels, height, width), as matrix products of their windows.

mod trilinear;

use super::layer::{self, Layer, slope};
use crate::check::{Case, Checked, Example, Sample};
use crate::numerics::im2col::{LANES, Windows};
use crate::numerics::sum_of;
use crate::ops::{Activation, Nonlinearity};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};
use trilinear::Trilinear;

/// How the windows of a convolution lie in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// s, the distance between neighbouring windows.
    pub stride: usize,
    /// p, the number of rows and columns of zeros that are added on each side of an image.
    pub padding: usize,
}

/// A convolutional layer with activation φ (LeCun et al. 1998, sec. II.A). As everywhere in the field it is a
/// cross-correlation:
///
/// `Y[n,o,i,j] = φ(b[o] + Σ_{c,k,l} W[o,c,k,l] X[n, c, i s + k − p, j s + l − p])`,   X = 0 outside the image
///
/// X (batch, in, h, w), W (out, in, kh, kw), b (out), stride s, padding p; Y (batch, out, ⌊(h + 2p − kh) / s⌋ + 1, …).
///
/// Let T(W, X, A) = Σ ⟨A, W ∗ X⟩, which is linear in kernels, images and features each. Then
///
/// Y = φ(∂T/∂A + b),   and with Ā = Ȳ ⊙ φ'(A), φ' taken from Y:   W̄ += ∂T/∂W,   X̄ += ∂T/∂X at A = Ā,   b̄ += Σ Ā
///
/// It is the composition of `gather` (the windows of X), `matmul`, `add` and φ.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d<A> {
    /// φ
    pub phi: A,
    /// Where the windows lie.
    pub convolution: Convolution,
}

/// The adjoint of a convolution with respect to its images, as a layer with activation φ (Dumoulin & Visin 2016, ch. 4):
///
/// `Y[n, c, i s + k − p, j s + l − p]` is `φ(b[c] + the sum of W[o,c,k,l] X[n,o,i,j] over all o, i, j, k, l that lead there)`
///
/// X (batch, in, h, w), W (in, out, kh, kw), b (out); Y (batch, out, (h − 1) s − 2p + kh + q, …). A convolution takes images
/// of s different sizes to the same size; the output padding q < s chooses between them.
///
/// Let T(W, images, features) = Σ ⟨features, W ∗ images⟩, as for [`Conv2d`]. X are the features and Y the images:
///
/// Y = φ(∂T/∂images + b),   and with Ā = Ȳ ⊙ φ'(A):   W̄ += ∂T/∂W,   X̄ += ∂T/∂features at images = Ā,   b̄ += Σ Ā
///
/// It is the composition of `matmul`, `gather`'s adjoint (col2im), `add` and φ. The adjoint of `gather` is taken by a product
/// with the matrix of that map.
#[derive(Clone, Copy, Debug)]
pub struct ConvTranspose2d<A> {
    /// φ
    pub phi: A,
    /// Where the windows lie.
    pub convolution: Convolution,
    /// q < s: how many rows and columns are added to Y at its end, so that each of the s possible sizes can be had.
    pub output_padding: usize,
}

impl<A> Conv2d<A> {
    fn trilinear(&self, x: &[Shape]) -> Result<Trilinear, String> {
        let Parts { batch, size, channels: [features, channels], kernel, biases } = Parts::of(x)?;
        check_channels(x[0][1], biases, channels, features)?;
        let Convolution { stride, padding } = self.convolution;
        check_stride(self.convolution, kernel, 0)?;
        check_padded(channels, size, padding)?;
        let out = |i: usize| Some((size[i] + 2 * padding).checked_sub(kernel[i])? / stride + 1);
        let (Some(rows), Some(columns)) = (out(0), out(1)) else {
            return Err(too_small(size, kernel, padding));
        };
        let windows = Windows { channels, size, kernel, out: [rows, columns], stride, padding };
        Ok(Trilinear { windows, batch, features })
    }
}

impl<A> ConvTranspose2d<A> {
    fn trilinear(&self, x: &[Shape]) -> Result<Trilinear, String> {
        let Parts { batch, size: out, channels: [features, channels], kernel, biases } = Parts::of(x)?;
        check_channels(x[0][1], biases, features, channels)?;
        let Convolution { stride, padding } = self.convolution;
        check_stride(self.convolution, kernel, self.output_padding)?;
        let size = |i: usize| {
            // What overflows here is too large for `check_padded`.
            let windows = out[i].checked_sub(1)?.saturating_mul(stride);
            let full = windows.saturating_add(kernel[i]).saturating_add(self.output_padding);
            full.checked_sub(padding.saturating_mul(2)).filter(|&size| size > 0)
        };
        let (Some(rows), Some(columns)) = (size(0), size(1)) else {
            return Err(too_small(out, kernel, padding));
        };
        check_padded(channels, [rows, columns], padding)?;
        let windows = Windows { channels, size: [rows, columns], kernel, out, stride, padding };
        Ok(Trilinear { windows, batch, features })
    }
}

/// The sizes of images, kernels and biases.
struct Parts {
    batch: usize,
    size: [usize; 2],
    /// The first two axes of the kernels.
    channels: [usize; 2],
    kernel: [usize; 2],
    biases: usize,
}

impl Parts {
    fn of(x: &[Shape]) -> Result<Self, String> {
        let [x, w, b] = x else {
            return Err(format!("expected images, kernels and biases, found {} inputs", x.len()));
        };
        match (x.dims(), w.dims(), b.dims()) {
            (&[batch, _, h, width], &[first, second, kh, kw], &[biases]) => {
                Ok(Self { batch, size: [h, width], channels: [first, second], kernel: [kh, kw], biases })
            }
            _ => Err("expected four axes of images and kernels, one of biases".into()),
        }
    }
}

fn check_channels(found: usize, biases: usize, into: usize, out: usize) -> Result<(), String> {
    if (found, biases) == (into, out) {
        return Ok(());
    }
    Err(format!("expected {into} channels and {out} biases for these kernels, found {found} and {biases}"))
}

fn check_stride(convolution: Convolution, kernel: [usize; 2], output_padding: usize) -> Result<(), String> {
    let stride = convolution.stride;
    let [kh, kw] = kernel;
    if stride == 0 {
        return Err("expected a stride of at least 1, found 0".into());
    }
    if kh == 0 || kw == 0 {
        return Err(format!("expected kernels of at least 1 x 1, found {kh} x {kw}"));
    }
    if output_padding >= stride {
        return Err(format!("expected an output padding below the stride {stride}, found {output_padding}"));
    }
    Ok(())
}

/// Images are computed with their margins: these elements must be countable, too.
fn check_padded(channels: usize, [h, w]: [usize; 2], padding: usize) -> Result<(), String> {
    let side = |size: usize| padding.checked_mul(2)?.checked_add(size);
    let count = || side(h)?.checked_mul(side(w)?)?.checked_mul(channels.max(1))?.checked_mul(LANES);
    let why = || format!("expected fewer elements, found images of {h} x {w} and a padding of {padding}");
    count().map(|_| ()).ok_or_else(why)
}

fn too_small([h, w]: [usize; 2], [kh, kw]: [usize; 2], padding: usize) -> String {
    format!("{h} x {w} is too small for kernels of {kh} x {kw} and a padding of {padding}")
}

/// The shapes of images, kernels and biases.
fn shapes<F: Real>(x: &Inputs<'_, F>) -> [Shape; 3] {
    [x.shape(0), x.shape(1), x.shape(2)]
}

/// The number of elements of Y that have one bias.
fn plane<F>(y: &[F], batch: usize, biases: &[F]) -> usize {
    y.len() / (batch * biases.len()).max(1)
}

/// Ā ← Ȳ ⊙ φ'(A),   b̄ += Σ Ā
fn before_activation<F: Real, A: Activation<F>>(
    phi: &A,
    batch: usize,
    y: &[F],
    dy: &[F],
    da: &mut [F],
    dx: &mut InputAdjoints<'_, F>,
) {
    slope(phi, y, dy, da);
    if let Some(db) = dx.get(2) {
        plane_sums(da, plane(y, batch, db), db);
    }
}

const CHECKED: &str = "the shape rule accepted the inputs";

impl<F: Real, A: Activation<F>> Op<F> for Conv2d<A> {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let Trilinear { windows: Windows { out: [h, w], .. }, batch, features } = self.trilinear(x)?;
        Ok([batch, features, h, w].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let t = self.trilinear(&shapes(x)).expect(CHECKED);
        y.fill(F::ZERO);
        x.with_scratch(t.room(), |room| t.add_features(&x[1], &x[0], y, room));
        activate(&self.phi, &x[2], plane(y, t.batch, &x[2]), y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let t = self.trilinear(&shapes(x)).expect(CHECKED);
        x.with_scratch(y.len() + t.room(), |buffer| {
            let (da, room) = buffer.split_at_mut(y.len());
            before_activation(&self.phi, t.batch, y, dy, da, dx);
            if let Some(dw) = dx.get(1) {
                t.add_kernels(&x[0], da, dw, room);
            }
            if let Some(dx) = dx.get(0) {
                t.add_images(&x[1], da, dx, room);
            }
        });
    }
}

impl<F: Real, A: Activation<F>> Op<F> for ConvTranspose2d<A> {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let Trilinear { windows: Windows { channels, size: [h, w], .. }, batch, .. } = self.trilinear(x)?;
        Ok([batch, channels, h, w].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let t = self.trilinear(&shapes(x)).expect(CHECKED);
        y.fill(F::ZERO);
        x.with_scratch(t.room(), |room| t.add_images(&x[1], &x[0], y, room));
        activate(&self.phi, &x[2], plane(y, t.batch, &x[2]), y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let t = self.trilinear(&shapes(x)).expect(CHECKED);
        x.with_scratch(y.len() + t.room(), |buffer| {
            let (da, room) = buffer.split_at_mut(y.len());
            before_activation(&self.phi, t.batch, y, dy, da, dx);
            if let Some(dw) = dx.get(1) {
                t.add_kernels(da, &x[0], dw, room);
            }
            if let Some(dx) = dx.get(0) {
                t.add_features(&x[1], da, dx, room);
            }
        });
    }
}

/// Images, kernels (features, channels, …), stride, padding, and the output padding of a transposed convolution.
type Geometry = ([usize; 4], [usize; 4], usize, usize, usize);

const CASES: [Geometry; 7] = [
    ([2, 2, 4, 5], [3, 2, 3, 3], 1, 1, 0),
    ([2, 3, 5, 4], [2, 3, 3, 3], 2, 1, 1),
    ([1, 2, 4, 3], [2, 2, 2, 3], 1, 0, 0),
    ([3, 1, 5, 6], [2, 1, 2, 3], 2, 1, 0),
    ([25, 1, 3, 2], [1, 1, 3, 2], 2, 1, 0),
    ([2, 3, 3, 2], [1, 3, 1, 1], 1, 0, 0),
    ([3, 1, 3, 3], [4, 1, 3, 3], 1, 0, 0),
];

impl<F: Real, A: Activation<F> + Example> Checked<F> for Conv2d<A> {
    fn cases() -> Vec<Case<Self>> {
        let case = |(x, w, stride, padding, _): Geometry| {
            let op = Self { phi: A::example(), convolution: Convolution { stride, padding } };
            Case::new(op, [Sample::any(x), Sample::any(w), Sample::any([w[0]])])
        };
        CASES.map(case).into()
    }
}

impl<F: Real, A: Activation<F> + Example> Checked<F> for ConvTranspose2d<A> {
    fn cases() -> Vec<Case<Self>> {
        let case = |(x, [o, i, kh, kw], stride, padding, output_padding): Geometry| {
            let op = Self { phi: A::example(), convolution: Convolution { stride, padding }, output_padding };
            Case::new(op, [Sample::any(x), Sample::any([i, o, kh, kw]), Sample::any([o])])
        };
        CASES.map(case).into()
    }
}

kernel! {
    /// Y ← φ(Y + b), with a bias for each plane of so many numbers
    fn activate<F: Real, A: Activation<F>>(phi: &A, b: &[F], plane: usize, y: &mut [F]) {
        for (y, &b) in y.chunks_exact_mut(plane.max(1)).zip(b.iter().cycle()) {
            for y in y {
                *y = phi.f(*y + b);
            }
        }
    }
}

kernel! {
    /// sums += Σ Ā, for each plane's place in an image
    fn plane_sums<F: Real>(da: &[F], plane: usize, sums: &mut [F]) {
        let size = (plane * sums.len()).max(1);
        for (i, sum) in sums.iter_mut().enumerate() {
            let of_image = |image: &[F]| {
                let da = &image[i * plane..][..plane];
                lane_sum!(F, [da] => da)
            };
            *sum += sum_of(da.chunks_exact(size).map(of_image));
        }
    }
}

/// A convolutional layer whose activation is yet to be chosen.
struct ConvLayer(Convolution);

impl Layer for ConvLayer {
    type With<A> = Conv2d<A>;

    fn with<A>(self, phi: A) -> Conv2d<A> {
        Conv2d { phi, convolution: self.0 }
    }
}

/// A transposed convolutional layer whose activation is yet to be chosen.
struct ConvTransposeLayer {
    convolution: Convolution,
    output_padding: usize,
}

impl Layer for ConvTransposeLayer {
    type With<A> = ConvTranspose2d<A>;

    fn with<A>(self, phi: A) -> ConvTranspose2d<A> {
        let Self { convolution, output_padding } = self;
        ConvTranspose2d { phi, convolution, output_padding }
    }
}

impl<F: Real> Var<'_, F> {
    /// A convolutional layer of `self` (batch, in, h, w) with kernels `w` (out, in, kh, kw) and biases `b` (out), as one
    /// operation: see [`Conv2d`].
    ///
    /// # Panics
    /// If channels or biases do not fit, the stride is 0, the kernel is empty or larger than the image with its padding, or φ is a
    /// leaky ReLU with a negative slope.
    #[track_caller]
    pub fn conv2d(self, w: Self, b: Self, convolution: Convolution, phi: Nonlinearity) -> Self {
        layer::record(ConvLayer(convolution), phi, &[self, w, b])
    }

    /// A transposed convolution of `self` (batch, in, h, w) with kernels `w` (in, out, kh, kw) and biases `b` (out), as one
    /// operation: see [`ConvTranspose2d`].
    ///
    /// # Panics
    /// If channels or biases do not fit, the stride is 0, the kernel is empty, the output padding is not below the stride, the
    /// padding takes everything away, or φ is a leaky ReLU with a negative slope.
    #[track_caller]
    pub fn conv_transpose2d(
        self,
        w: Self,
        b: Self,
        convolution: Convolution,
        output_padding: usize,
        phi: Nonlinearity,
    ) -> Self {
        layer::record(ConvTransposeLayer { convolution, output_padding }, phi, &[self, w, b])
    }
}
