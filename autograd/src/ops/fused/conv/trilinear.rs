//! The trilinear form of a convolution, and its three derivatives.

use std::ops::Range;

use crate::Real;
use crate::numerics::im2col::{LANES, Windows, gather, interleave, scatter, separate};
use crate::numerics::{Mat, MatMut};

/// T(W, X, A) = Σ ⟨A, W ∗ X⟩ = Σ ⟨A, W C(X)⟩, linear in each of kernels W (features, channels, kh, kw), images X (batch,
/// channels, h, w) and features A (batch, features, …). C(X) is the matrix whose columns are the windows of X (im2col).
///
/// Each of its three derivatives is the forward pass of a convolution or a part of its backward pass, and each is one product:
///
/// ∂T/∂A = W C(X),   ∂T/∂X = C*(Wᵀ A),   ∂T/∂W = A C(X)ᵀ
///
/// where C*, the adjoint of C, adds each number of a window to the place where C took it from (col2im). C(X) is kh kw / s²
/// times as large as X. It is made piece by piece in the cache, and made again when it is needed again.
pub(super) struct Trilinear {
    pub(super) windows: Windows,
    pub(super) batch: usize,
    pub(super) features: usize,
}

impl Trilinear {
    /// How many numbers of working memory the derivatives need.
    pub(super) fn room(&self) -> usize {
        self.rooms().iter().sum()
    }

    /// A += ∂T/∂A = W C(X)
    pub(super) fn add_features<F: Real>(&self, w: &[F], x: &[F], a: &mut [F], room: &mut [F]) {
        let (windows, w) = (self.windows, Mat::new(w, self.features, self.windows.window()));
        let [images, columns, features] = self.split(room);
        for (lanes, [of_x, of_a]) in self.blocks() {
            images.fill(F::ZERO);
            interleave(windows.planes(), lanes, &x[of_x], images);
            for (first, rows, n) in self.strips(lanes) {
                gather(windows, first, rows, lanes, images, columns);
                let product = MatMut::new(features, w.rows(), n);
                F::gemm(F::ONE, w, Mat::new(columns, w.cols(), n), F::ZERO, product);
                let strip = windows.strip_of(self.features, first, rows);
                separate(strip, lanes, features, &mut a[of_a.clone()]);
            }
        }
    }

    /// X += ∂T/∂X = C*(Wᵀ A)
    pub(super) fn add_images<F: Real>(&self, w: &[F], a: &[F], x: &mut [F], room: &mut [F]) {
        let (windows, w) = (self.windows, Mat::new(w, self.features, self.windows.window()));
        let [images, columns, features] = self.split(room);
        for (lanes, [of_x, of_a]) in self.blocks() {
            images.fill(F::ZERO);
            for (first, rows, n) in self.strips(lanes) {
                let strip = windows.strip_of(self.features, first, rows);
                interleave(strip, lanes, &a[of_a.clone()], features);
                let product = MatMut::new(columns, w.cols(), n);
                F::gemm(F::ONE, w.t(), Mat::new(features, w.rows(), n), F::ZERO, product);
                scatter(windows, first, rows, lanes, columns, images);
            }
            separate(windows.planes(), lanes, images, &mut x[of_x]);
        }
    }

    /// W += ∂T/∂W = A C(X)ᵀ
    pub(super) fn add_kernels<F: Real>(&self, x: &[F], a: &[F], w: &mut [F], room: &mut [F]) {
        let windows = self.windows;
        let [images, columns, features] = self.split(room);
        for (lanes, [of_x, of_a]) in self.blocks() {
            images.fill(F::ZERO);
            interleave(windows.planes(), lanes, &x[of_x], images);
            for (first, rows, n) in self.strips(lanes) {
                gather(windows, first, rows, lanes, images, columns);
                let strip = windows.strip_of(self.features, first, rows);
                interleave(strip, lanes, &a[of_a.clone()], features);
                let (a, c) = (Mat::new(features, self.features, n), Mat::new(columns, windows.window(), n));
                F::gemm(F::ONE, a, c.t(), F::ONE, MatMut::new(w, a.rows(), c.rows()));
            }
        }
    }

    /// How many numbers of working memory the interleaved images, their windows, and the features of these need.
    fn rooms(&self) -> [usize; 3] {
        let (w, lanes) = (self.windows, self.batch.min(LANES));
        let columns = w.strip(lanes) * w.out[1] * lanes;
        [w.interleaved(lanes), w.window() * columns, self.features * columns]
    }

    fn split<'a, F>(&self, room: &'a mut [F]) -> [&'a mut [F]; 3] {
        let [images, columns, features] = self.rooms();
        let (images, rest) = room.split_at_mut(images);
        let (columns, rest) = rest.split_at_mut(columns);
        [images, columns, &mut rest[..features]]
    }

    /// A few images at a time: their number, and which numbers of X and of A are theirs.
    fn blocks(&self) -> impl Iterator<Item = (usize, [Range<usize>; 2])> {
        let ([height, width], [rows, columns]) = (self.windows.size, self.windows.out);
        let sizes = [self.windows.channels * height * width, self.features * rows * columns];
        (0..self.batch).step_by(LANES).map(move |n| {
            let lanes = LANES.min(self.batch - n);
            (lanes, sizes.map(|size| n * size..(n + lanes) * size))
        })
    }

    /// Strips of windows: the first row, the number of rows, and the number of windows in all lanes.
    fn strips(&self, lanes: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let [height, width] = self.windows.out;
        let strip = self.windows.strip(self.batch.min(LANES));
        (0..height).step_by(strip).map(move |first| {
            let rows = strip.min(height - first);
            (first, rows, rows * width * lanes)
        })
    }
}
