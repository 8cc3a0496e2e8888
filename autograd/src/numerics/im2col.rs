//! Images and their windows as matrices, so that a convolution is a matrix product.
//!
//! A few images at a time are interleaved, (channel, row, column, image), with their zero margins around them. Copying a
//! number of a window is then copying one of each image: contiguous, whatever the stride and however short the rows.

use crate::Real;

/// How many images are interleaved: a vector of `f32` in AVX-512.
pub(crate) const LANES: usize = 16;

/// How many numbers of windows are gathered at a time, about: they should stay in the second-level cache.
const COLUMNS: usize = 1 << 15;

/// Where the windows of a convolution lie: `out` of them, down and across, in images of `channels` planes of `size`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) out: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Windows {
    /// The height and width of a plane with its margins.
    fn padded(&self) -> [usize; 2] {
        self.size.map(|size| size + 2 * self.padding)
    }

    /// How many numbers a window has.
    pub(crate) fn window(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// How many numbers `lanes` interleaved images have.
    pub(crate) fn interleaved(&self, lanes: usize) -> usize {
        self.channels * self.padded()[0] * self.padded()[1] * lanes
    }

    /// How many rows of windows are gathered at a time.
    pub(crate) fn strip(&self, lanes: usize) -> usize {
        (COLUMNS / (self.window() * self.out[1] * lanes).max(1)).clamp(1, self.out[0].max(1))
    }

    /// All planes of the images.
    pub(crate) fn planes(&self) -> Planes {
        let [rows, width] = self.size;
        Planes { count: self.channels, size: rows * width, start: 0, rows, width, margin: self.padding }
    }

    /// The numbers that belong to `rows` rows of windows from `first` on, one a window, in images of `count` planes.
    pub(crate) fn strip_of(&self, count: usize, first: usize, rows: usize) -> Planes {
        let [height, width] = self.out;
        let (start, width) = (first * width, rows * width);
        Planes { count, size: height * self.out[1], start, rows: 1, width, margin: 0 }
    }
}

/// A part of `count` planes of `size` numbers: `rows` rows of `width` numbers behind `start`, and a margin for around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    count: usize,
    size: usize,
    start: usize,
    rows: usize,
    width: usize,
    margin: usize,
}

impl Planes {
    /// For every row of the part: where it begins in an image, and where in the interleaved ones.
    #[inline(always)]
    fn rows(self, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
        let Self { count, size, start, rows, width, margin } = self;
        let (height, stride) = (rows + 2 * margin, width + 2 * margin);
        (0..count * rows).map(move |row| {
            let (plane, row) = (row / rows, row % rows);
            let place = (plane * height + row + margin) * stride + margin;
            (plane * size + start + row * width, place * lanes)
        })
    }
}

kernel! {
    /// Interleaves `lanes` images; the margins must be 0.
    pub(crate) fn interleave<F: Real>(planes: Planes, lanes: usize, images: &[F], interleaved: &mut [F]) {
        let image = planes.count * planes.size;
        for (from, to) in planes.rows(lanes) {
            let row = &mut interleaved[to..][..planes.width * lanes];
            for lane in 0..lanes {
                let images = &images[lane * image + from..][..planes.width];
                for (y, &x) in row[lane..].iter_mut().step_by(lanes).zip(images) {
                    *y = x;
                }
            }
        }
    }
}

kernel! {
    /// Adds interleaved images, without their margins, to `images`.
    pub(crate) fn separate<F: Real>(planes: Planes, lanes: usize, interleaved: &[F], images: &mut [F]) {
        let image = planes.count * planes.size;
        for (to, from) in planes.rows(lanes) {
            let row = &interleaved[from..][..planes.width * lanes];
            for lane in 0..lanes {
                let images = &mut images[lane * image + to..][..planes.width];
                for (y, &x) in images.iter_mut().zip(row[lane..].iter().step_by(lanes)) {
                    *y += x;
                }
            }
        }
    }
}

/// For every run of numbers that are neighbours both in the windows of rows `first..first + rows` and in the interleaved
/// images: where it begins in the one, and in the other.
#[inline(always)]
fn runs(w: Windows, first: usize, rows: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    let ([height, width], [kh, kw]) = (w.padded(), w.kernel);
    (0..w.window() * rows).map(move |at| {
        let (k, row) = (at / rows, at % rows);
        let (c, i, j) = (k / (kh * kw), k / kw % kh, k % kw);
        let place = (c * height + (first + row) * w.stride + i) * width + j;
        (at * w.out[1] * lanes, place * lanes)
    })
}

kernel! {
    /// im2col: row (c, i, j) of the matrix is the number at (i, j) in channel c of every window of a strip.
    pub(crate) fn gather<F: Real>(
        w: Windows, first: usize, rows: usize, lanes: usize, interleaved: &[F], columns: &mut [F],
    ) {
        let (width, step) = (w.out[1] * lanes, w.stride * lanes);
        for (to, from) in runs(w, first, rows, lanes) {
            let columns = &mut columns[to..][..width];
            if w.stride == 1 {
                columns.copy_from_slice(&interleaved[from..][..width]);
            } else if lanes == LANES {
                for (y, x) in columns.chunks_exact_mut(LANES).zip(interleaved[from..].chunks(step)) {
                    y.copy_from_slice(&x[..LANES]);
                }
            } else {
                for (y, x) in columns.chunks_exact_mut(lanes).zip(interleaved[from..].chunks(step)) {
                    y.iter_mut().zip(x).for_each(|(y, &x)| *y = x);
                }
            }
        }
    }
}

kernel! {
    /// col2im, the adjoint of [`gather`]: every number of a window is added to where it was taken from.
    pub(crate) fn scatter<F: Real>(
        w: Windows, first: usize, rows: usize, lanes: usize, columns: &[F], interleaved: &mut [F],
    ) {
        let (width, step) = (w.out[1] * lanes, w.stride * lanes);
        for (from, to) in runs(w, first, rows, lanes) {
            let columns = &columns[from..][..width];
            if w.stride == 1 {
                for (y, &x) in interleaved[to..][..width].iter_mut().zip(columns) {
                    *y += x;
                }
            } else if lanes == LANES {
                for (y, x) in interleaved[to..].chunks_mut(step).zip(columns.chunks_exact(LANES)) {
                    for (y, &x) in y[..LANES].iter_mut().zip(&x[..LANES]) {
                        *y += x;
                    }
                }
            } else {
                for (y, x) in interleaved[to..].chunks_mut(step).zip(columns.chunks_exact(lanes)) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y += x;
                    }
                }
            }
        }
    }
}
