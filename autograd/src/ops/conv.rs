//! Convolutions of images (batch, channels, height, width), as matrix products of their windows.

use crate::gradcheck::{Case, Sample};
use crate::kernels::im2col::{LANES, Windows, gather, interleave, scatter, separate};
use crate::ops::{Elu, Identity, LeakyRelu, Relu, Sigmoid, Softplus, Tanh};
use crate::{Activation, Grads, Inputs, Mat, MatMut, Nonlinearity, Op, Real, Shape, Var};

/// A convolutional layer with activation φ (LeCun et al. 1998, sec. II.A; a cross-correlation, as everywhere in the field):
///
/// `Y[n,o,i,j] = φ(b[o] + Σ_{c,k,l} W[o,c,k,l] X[n, c, i s + k − p, j s + l − p])`,   X = 0 outside the image
///
/// X (batch, in, h, w), W (out, in, kh, kw), b (out), stride s, padding p; Y (batch, out, ⌊(h + 2p − kh) / s⌋ + 1, …).
///
/// With C the matrix whose columns are the windows of X (im2col),   Y = φ(W C + b).   With Ā = Ȳ ⊙ φ'(A), φ' taken from Y:
/// W̄ += Ā Cᵀ,   b̄ += Σ Ā,   C̄ = Wᵀ Ā, each number of which is added to where it was taken from in X̄ (col2im)
///
/// C is kh kw / s² times as large as X: it is made piece by piece in the cache, and made again in the backward pass.
pub type Conv2d<A> = Convolution<A, false>;

/// The adjoint of a convolution with respect to its input, as a layer with activation φ (Dumoulin & Visin 2016, ch. 4):
///
/// `Y[n, c, i s + k − p, j s + l − p]` is `φ(b[c] + the sum of W[o,c,k,l] X[n,o,i,j] over all o, i, j, k, l that lead there)`
///
/// X (batch, in, h, w), W (in, out, kh, kw), b (out); Y (batch, out, (h − 1) s − 2p + kh + q, …): the output padding q < s
/// chooses between the sizes that a convolution takes to the same one.
///
/// What [`Conv2d`] does backward is done forward and the reverse:   Y = φ(col2im(Wᵀ X) + b).   With C the windows of
/// Ā = Ȳ ⊙ φ'(A):   X̄ += W C,   W̄ += X Cᵀ,   b̄ += Σ Ā
pub type ConvTranspose2d<A> = Convolution<A, true>;

/// [`Conv2d`] or, transposed, [`ConvTranspose2d`].
#[derive(Clone, Copy, Debug)]
pub struct Convolution<A, const TRANSPOSED: bool> {
    /// φ
    pub phi: A,
    /// s, how far a window is from its neighbour
    pub stride: usize,
    /// p, how many rows and columns of zeros are thought around an image
    pub padding: usize,
    /// q, how many rows and columns a transposed one has at the end that no window reaches
    pub output_padding: usize,
}

impl<A, const TRANSPOSED: bool> Convolution<A, TRANSPOSED> {
    fn form(&self, x: &[Shape]) -> Result<Form, String> {
        let Self { stride, padding, output_padding: more, .. } = *self;
        let [x, w, b] = x else { return Err("takes images, kernels and biases".into()) };
        let (&[batch, c, h, width], &[features, channels, kh, kw], &[biases]) =
            (x.dims(), w.dims(), b.dims())
        else {
            return Err("images and kernels must have four axes, the biases one".into());
        };
        let (into, out) = if TRANSPOSED { (features, channels) } else { (channels, features) };
        if c != into || biases != out {
            return Err(format!("{c} channels and {biases} biases for kernels from {into} to {out}"));
        }
        if stride == 0 || kh * kw == 0 || more >= stride {
            return Err(format!(
                "a stride of {stride}, output padding {more}: 0 < kernel and output padding < stride"
            ));
        }
        let size = |n: usize, k: usize| match TRANSPOSED {
            true => (n.checked_sub(1)? * stride + k + more).checked_sub(2 * padding + 1).map(|last| last + 1),
            false => Some((n + 2 * padding).checked_sub(k)? / stride + 1),
        };
        let (Some(rows), Some(columns)) = (size(h, kh), size(width, kw)) else {
            return Err(format!(
                "{h} x {width} is too small for kernels of {kh} x {kw} and a padding of {padding}"
            ));
        };
        let (size, out) =
            if TRANSPOSED { ([rows, columns], [h, width]) } else { ([h, width], [rows, columns]) };
        Ok(Form {
            windows: Windows { channels, size, kernel: [kh, kw], out, stride, padding },
            batch,
            features,
        })
    }

    fn form_of<F: Real>(&self, x: &Inputs<'_, F>) -> Form {
        self.form(&[x.shape(0), x.shape(1), x.shape(2)]).expect("the shape rule was asked")
    }
}

impl<F: Real, A: Activation<F>, const TRANSPOSED: bool> Op<F> for Convolution<A, TRANSPOSED> {
    fn name(&self) -> &'static str {
        if TRANSPOSED { "conv_transpose2d" } else { "conv2d" }
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let Form { windows: Windows { channels, size, out, .. }, batch, features } = self.form(x)?;
        let (channels, [h, w]) = if TRANSPOSED { (channels, size) } else { (features, out) };
        Ok([batch, channels, h, w].into())
    }

    /// Room to work in; the backward pass has its own.
    fn aux(&self, x: &[Shape]) -> usize {
        self.form(x).map_or(0, |form| form.room().iter().sum())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], room: &mut [F]) {
        let form = self.form_of(x);
        if TRANSPOSED {
            form.images(&x[1], &x[0], y, false, room);
        } else {
            form.features(&x[1], &x[0], y, false, room);
        }
        let plane = y.len() / (form.batch * x[2].len()).max(1);
        activate(&self.phi, &x[2], plane, y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let form = self.form_of(x);
        let mut buffer = grads.take_buffer(y.len() + form.room().iter().sum::<usize>());
        let (da, room) = buffer.split_at_mut(y.len());
        slope(&self.phi, y, dy, da);
        if let Some(db) = grads.get(2) {
            plane_sums(da, y.len() / (form.batch * x[2].len()).max(1), db.sum());
        }
        if let Some(dw) = grads.get(1) {
            let (images, features) = if TRANSPOSED { (&*da, &x[0]) } else { (&x[0], &*da) };
            form.kernels(images, features, dw.sum(), room);
        }
        if let Some(dx) = grads.get(0) {
            if TRANSPOSED {
                form.features(&x[1], da, dx.sum, !dx.fresh, room);
            } else {
                form.images(&x[1], da, dx.sum, !dx.fresh, room);
            }
        }
        grads.put_buffer(buffer);
    }

    /// 2 · windows · their size · features, and one for each element of Y for the biases' adjoint
    fn flops(&self, x: &[Shape], to: Option<usize>) -> f64 {
        let Ok(Form { windows: Windows { out, .. }, batch, .. }) = self.form(x) else { return 0.0 };
        let products = 2 * batch * out[0] * out[1] * x[1].size();
        let results = Op::<F>::shape(self, x).map_or(0, |y| y.size());
        (if to == Some(2) { results } else { products }) as f64
    }

    fn cases() -> Vec<Case<Self>> {
        // Images, kernels (the first two axes exchanged if transposed), stride, padding, output padding.
        let cases = [
            ([2, 2, 4, 5], [3, 2, 3, 3], 1, 1, 0),
            ([2, 3, 5, 4], [2, 3, 3, 3], 2, 1, 1),
            ([1, 2, 4, 3], [2, 2, 2, 3], 1, 0, 0),
            ([3, 1, 5, 6], [2, 1, 2, 3], 2, 1, 0),
            ([25, 1, 3, 2], [1, 1, 3, 2], 2, 1, 0),
            ([2, 3, 3, 2], [1, 3, 1, 1], 1, 0, 0),
            ([3, 1, 3, 3], [4, 1, 3, 3], 1, 0, 0),
        ];
        let case = |(x, [o, i, kh, kw], stride, padding, more): ([usize; 4], [usize; 4], _, _, _)| {
            let w = if TRANSPOSED { [i, o, kh, kw] } else { [o, i, kh, kw] };
            let output_padding = if TRANSPOSED { more } else { 0 };
            let op = Self { phi: A::example(), stride, padding, output_padding };
            Case::new(op, [Sample::any(x), Sample::any(w), Sample::any([o])])
        };
        cases.map(case).into()
    }
}

/// The form Σ ⟨Y, W C(X)⟩ in images X (batch, channels, …), kernels W (features, channels, …) and features Y (batch,
/// features, …): each of its three derivatives is the forward pass or a part of the backward pass of a convolution.
struct Form {
    windows: Windows,
    batch: usize,
    features: usize,
}

impl Form {
    /// How many numbers of working memory are wanted for interleaved images, windows, and features of windows.
    fn room(&self) -> [usize; 3] {
        let (w, lanes) = (self.windows, self.batch.min(LANES));
        let columns = w.strip(lanes) * w.out[1] * lanes;
        [w.interleaved(lanes), w.window() * columns, self.features * columns]
    }

    /// Images and features of a few images at a time (their number, and which numbers), and their strips of windows.
    fn blocks(&self) -> impl Iterator<Item = (usize, [std::ops::Range<usize>; 2])> {
        let ([height, width], [rows, columns]) = (self.windows.size, self.windows.out);
        let sizes = [self.windows.channels * height * width, self.features * rows * columns];
        (0..self.batch).step_by(LANES).map(move |n| {
            let lanes = LANES.min(self.batch - n);
            (lanes, sizes.map(|size| n * size..(n + lanes) * size))
        })
    }

    /// The strips of windows: first row, number of rows, number of windows in all lanes.
    fn strips(&self, lanes: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let [height, width] = self.windows.out;
        let strip = self.windows.strip(self.batch.min(LANES));
        (0..height).step_by(strip).map(move |first| {
            let rows = strip.min(height - first);
            (first, rows, rows * width * lanes)
        })
    }

    /// Y = W C(X), or added to Y.
    fn features<F: Real>(&self, w: &[F], x: &[F], y: &mut [F], add: bool, room: &mut [F]) {
        let (windows, w) = (self.windows, Mat::new(w, self.features, self.windows.window()));
        let [images, columns, features] = self.split(room);
        for (lanes, [of_x, of_y]) in self.blocks() {
            images.fill(F::ZERO);
            interleave(windows.planes(), lanes, &x[of_x], images);
            for (first, rows, n) in self.strips(lanes) {
                gather(windows, first, rows, lanes, images, columns);
                let product = MatMut::new(features, w.rows(), n);
                F::gemm(F::ONE, w, Mat::new(columns, w.cols(), n), F::ZERO, product);
                let strip = windows.strip_of(self.features, first, rows);
                separate(strip, lanes, features, &mut y[of_y.clone()], add);
            }
        }
    }

    /// X = C*(Wᵀ Y), or added to X; C* is the adjoint of taking windows.
    fn images<F: Real>(&self, w: &[F], y: &[F], x: &mut [F], add: bool, room: &mut [F]) {
        let (windows, w) = (self.windows, Mat::new(w, self.features, self.windows.window()));
        let [images, columns, features] = self.split(room);
        for (lanes, [of_x, of_y]) in self.blocks() {
            images.fill(F::ZERO);
            for (first, rows, n) in self.strips(lanes) {
                let strip = windows.strip_of(self.features, first, rows);
                interleave(strip, lanes, &y[of_y.clone()], features);
                let product = MatMut::new(columns, w.cols(), n);
                F::gemm(F::ONE, w.t(), Mat::new(features, w.rows(), n), F::ZERO, product);
                scatter(windows, first, rows, lanes, columns, images);
            }
            separate(windows.planes(), lanes, images, &mut x[of_x], add);
        }
    }

    /// W += Y C(X)ᵀ
    fn kernels<F: Real>(&self, x: &[F], y: &[F], w: &mut [F], room: &mut [F]) {
        let windows = self.windows;
        let [images, columns, features] = self.split(room);
        for (lanes, [of_x, of_y]) in self.blocks() {
            images.fill(F::ZERO);
            interleave(windows.planes(), lanes, &x[of_x], images);
            for (first, rows, n) in self.strips(lanes) {
                gather(windows, first, rows, lanes, images, columns);
                let strip = windows.strip_of(self.features, first, rows);
                interleave(strip, lanes, &y[of_y.clone()], features);
                let (y, c) = (Mat::new(features, self.features, n), Mat::new(columns, windows.window(), n));
                F::gemm(F::ONE, y, c.t(), F::ONE, MatMut::new(w, y.rows(), c.rows()));
            }
        }
    }

    fn split<'a, F>(&self, room: &'a mut [F]) -> [&'a mut [F]; 3] {
        let [images, columns, features] = self.room();
        let (images, rest) = room.split_at_mut(images);
        let (columns, rest) = rest.split_at_mut(columns);
        [images, columns, &mut rest[..features]]
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
    /// Ā ← Ȳ ⊙ φ'(A)
    fn slope<F: Real, A: Activation<F>>(phi: &A, y: &[F], dy: &[F], da: &mut [F]) {
        for ((da, &y), &dy) in da.iter_mut().zip(y).zip(dy) {
            *da = phi.slope(y) * dy;
        }
    }
}

kernel! {
    /// sums += Σ Ā, for each plane's place in an image
    fn plane_sums<F: Real>(da: &[F], plane: usize, sums: &mut [F]) {
        for image in da.chunks_exact((plane * sums.len()).max(1)) {
            for (sum, da) in sums.iter_mut().zip(image.chunks_exact(plane.max(1))) {
                *sum += lane_sum!(F, [da] => da);
            }
        }
    }
}

/// Every number repeated as a square of n times n: the image enlarged.
///
/// Y[…, i, j] = X[…, ⌊i/n⌋, ⌊j/n⌋],   X̄ += the sum of Ȳ over each square
#[derive(Clone, Copy, Debug)]
pub struct UpsampleNearest {
    /// n
    pub factor: usize,
}

impl<F: Real> Op<F> for UpsampleNearest {
    fn name(&self) -> &'static str {
        "upsample_nearest"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        match x {
            [_] if self.factor == 0 => Err("the factor is 0".into()),
            [x] if x.rank() >= 2 => {
                let (row, column) = (x.rank() - 2, x.rank() - 1);
                Ok(x.with_axis(row, self.factor * x[row]).with_axis(column, self.factor * x[column]))
            }
            _ => Err("takes an image, or a stack of them".into()),
        }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        repeat(&x[0], x.shape(0).last(), self.factor, y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        if let Some(dx) = grads.get(0) {
            sum_squares(dy, x.shape(0).last(), self.factor, dx.sum());
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |(factor, shape): (usize, &[usize])| Case::new(Self { factor }, [Sample::any(shape)]);
        [(2, &[2, 3, 2, 3][..]), (3, &[1, 2, 1]), (1, &[2, 3])].map(case).into()
    }
}

kernel! {
    fn repeat<F: Real>(x: &[F], width: usize, n: usize, y: &mut [F]) {
        let wide = width * n;
        for (x, y) in x.chunks_exact(width.max(1)).zip(y.chunks_exact_mut((wide * n).max(1))) {
            for (&x, y) in x.iter().zip(y.chunks_exact_mut(n)) {
                y.fill(x);
            }
            for copy in 1..n {
                y.copy_within(..wide, copy * wide);
            }
        }
    }
}

kernel! {
    fn sum_squares<F: Real>(dy: &[F], width: usize, n: usize, dx: &mut [F]) {
        for (dx, dy) in dx.chunks_exact_mut(width.max(1)).zip(dy.chunks_exact((width * n * n).max(1))) {
            for dy in dy.chunks_exact(width * n) {
                for (dx, dy) in dx.iter_mut().zip(dy.chunks_exact(n)) {
                    for &dy in dy {
                        *dx += dy;
                    }
                }
            }
        }
    }
}

/// Records a convolution with the activation that a [`Nonlinearity`] names.
macro_rules! convolution {
    ($transposed:literal, [$x:ident, $w:ident, $b:ident], [$stride:expr, $padding:expr, $more:expr], $phi:expr) => {{
        let record = ($x.tape(), &[$x, $w, $b], [$stride, $padding, $more]);
        match $phi {
            Nonlinearity::Identity => convolution!(@record $transposed, record, Identity),
            Nonlinearity::Relu => convolution!(@record $transposed, record, Relu),
            Nonlinearity::LeakyRelu(c) => {
                assert!(c >= 0.0, "convolution: leaky_relu: c >= 0 is needed");
                convolution!(@record $transposed, record, LeakyRelu(F::from_f64(c)))
            }
            Nonlinearity::Elu => convolution!(@record $transposed, record, Elu),
            Nonlinearity::Tanh => convolution!(@record $transposed, record, Tanh),
            Nonlinearity::Sigmoid => convolution!(@record $transposed, record, Sigmoid),
            Nonlinearity::Softplus => convolution!(@record $transposed, record, Softplus),
        }
    }};
    (@record $transposed:literal, $record:ident, $phi:expr) => {{
        let (tape, x, [stride, padding, output_padding]) = $record;
        tape.apply(Convolution::<_, $transposed> { phi: $phi, stride, padding, output_padding }, x)
    }};
}

impl<F: Real> Var<'_, F> {
    /// A convolutional layer of `self` (batch, in, h, w) with kernels `w` (out, in, kh, kw) and biases `b` (out), as one
    /// operation: see [`Conv2d`].
    ///
    /// # Panics
    /// If channels or biases do not fit, or the kernel is larger than the image with its padding.
    #[track_caller]
    pub fn conv2d(self, w: Self, b: Self, stride: usize, padding: usize, phi: Nonlinearity) -> Self {
        convolution!(false, [self, w, b], [stride, padding, 0], phi)
    }

    /// A transposed convolution of `self` (batch, in, h, w) with kernels `w` (in, out, kh, kw) and biases `b` (out), as one
    /// operation: see [`ConvTranspose2d`].
    ///
    /// # Panics
    /// If channels or biases do not fit, the output padding is not below the stride, or the padding takes everything away.
    #[track_caller]
    pub fn conv_transpose2d(
        self,
        w: Self,
        b: Self,
        stride: usize,
        padding: usize,
        output_padding: usize,
        phi: Nonlinearity,
    ) -> Self {
        convolution!(true, [self, w, b], [stride, padding, output_padding], phi)
    }

    /// Every number of the last two axes repeated as a square of `factor` times `factor`: see [`UpsampleNearest`].
    ///
    /// # Panics
    /// If there are not two axes, or the factor is 0.
    #[track_caller]
    pub fn upsample_nearest(self, factor: usize) -> Self {
        self.tape().apply(UpsampleNearest { factor }, &[self])
    }
}
