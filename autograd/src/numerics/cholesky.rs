//! Triangular matrices: Cholesky factors, solves, and sums of which only a triangle is computed.
//!
//! Recursions that halve the matrix down to blocks of 32 rows, so that nearly all of the arithmetic is in products. What
//! lies left and right of each other is copied into a scratch first. Large products and solves are shared among threads in
//! blocks of rows, whose size does not depend on how many threads there are: nor do the bits of the result.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use super::{Mat, MatMut};
use crate::Real;

/// Rows of a block that is not halved any more: a tile of as many columns stays in the first cache.
const LEAF: usize = 32;
/// Rows of a block that one thread computes, and columns of one in [`factor`] and [`add_lower`]: whole tiles of products. (With 96,
/// two threads take some hundredths longer, as their last blocks end at different times.)
const BLOCK: usize = 48;
/// The inner size of a product that is computed at a time.
const DEPTH: usize = 192;
/// Multiplications from which on sharing pays: some tenths of a millisecond.
const LARGE: usize = 1 << 22;
/// Side of a square of numbers that are transposed together: a line of the cache.
const TILE: usize = 8;

/// Where to halve: the first part is whole leaves.
fn half(n: usize) -> usize {
    (n / 2).next_multiple_of(LEAF)
}

/// The lower triangle of a square block of a row-major matrix; what is above is not read.
#[derive(Clone, Copy)]
pub(crate) struct Lower<'a, F> {
    data: &'a [F],
    n: usize,
    stride: usize,
}

impl<'a, F: Real> Lower<'a, F> {
    /// The lower triangle of an n x n matrix.
    pub(crate) fn new(data: &'a [F], n: usize) -> Self {
        Self { data, n, stride: n }
    }

    /// The rows and columns from `start` on.
    pub(crate) fn trailing(self, start: usize) -> Self {
        Self { data: &self.data[start * (self.stride + 1)..], n: self.n - start, ..self }
    }

    /// X ← L⁻¹ X, or L⁻ᵀ X if `transposed`, for an (n, count) matrix:
    ///
    /// X₁ ← L₁₁⁻¹ X₁,   X₂ ← X₂ − L₂₁ X₁,   X₂ ← L₂₂⁻¹ X₂
    pub(crate) fn solve(self, transposed: bool, x: &mut [F], count: usize) {
        let Self { data, n, stride } = self;
        if n <= LEAF {
            return solve_leaf(data, n, stride, transposed, x, count);
        }
        let h = half(n);
        let (first, second) = (Self { n: h, ..self }, self.trailing(h));
        let l21 = Mat::block(&data[h * stride..], n - h, h, stride);
        let (x1, x2) = x.split_at_mut(h * count);
        if transposed {
            second.solve(true, x2, count);
            subtract_product(l21.t(), Mat::new(x2, n - h, count), x1);
            first.solve(true, x1, count);
        } else {
            first.solve(false, x1, count);
            subtract_product(l21, Mat::new(x1, h, count), x2);
            second.solve(false, x2, count);
        }
    }

    /// X ← X L⁻¹, or X L⁻ᵀ if `transposed`, for a (count, n) matrix: the same for Xᵀ.
    pub(crate) fn solve_right(self, transposed: bool, x: &mut [F], count: usize) {
        let n = self.n;
        row_blocks(x, n, count * n * n / 2, |_, x| {
            let (count, mut xt) = (x.len() / n, vec![F::ZERO; x.len()]);
            transpose(x, count, n, n, &mut xt, count);
            self.solve(!transposed, &mut xt, count);
            transpose(&xt, n, count, count, x, n);
        });
    }
}

/// `f(start, rows)` for one block of rows, from row `start` on, after the other; side by side if that is much work.
fn row_blocks<F: Real>(x: &mut [F], stride: usize, work: usize, f: impl Fn(usize, &mut [F]) + Sync) {
    let size = BLOCK * stride.max(1);
    if work < LARGE {
        x.chunks_mut(size).enumerate().for_each(|(i, x)| f(i * BLOCK, x));
    } else {
        x.par_chunks_mut(size).enumerate().with_max_len(1).for_each(|(i, x)| f(i * BLOCK, x));
    }
}

/// C ← C − A B
fn subtract_product<F: Real>(a: Mat<'_, F>, b: Mat<'_, F>, c: &mut [F]) {
    row_blocks(c, b.cols(), a.rows() * a.cols() * b.cols(), |start, c| {
        let a = a.row_range(start..a.rows().min(start + BLOCK));
        subtract_in_depths(a, b, c, b.cols());
    });
}

/// C ← C − A B, rows of C `stride` apart, for so many columns of A at a time that they and those rows of B stay near
fn subtract_in_depths<F: Real>(a: Mat<'_, F>, b: Mat<'_, F>, c: &mut [F], stride: usize) {
    for start in (0..a.cols()).step_by(DEPTH) {
        let depth = start..a.cols().min(start + DEPTH);
        let c = MatMut::block(c, a.rows(), b.cols(), stride);
        F::gemm(-F::ONE, a.t().row_range(depth.clone()).t(), b.row_range(depth), F::ONE, c);
    }
}

/// L ← the lower factor of ½ (A + Aᵀ) = L Lᵀ, zeros above; or the number and value of the first pivot that is not
/// positive and finite.
pub(crate) fn cholesky<F: Real>(a: &[F], n: usize, l: &mut [F]) -> Result<(), (usize, F)> {
    symmetric_part(a, n, l);
    factor(l, n, n, &mut vec![F::ZERO; n * n / 4])?;
    for i in 0..n {
        l[i * n + i + 1..(i + 1) * n].fill(F::ZERO);
    }
    Ok(())
}

/// From the upper triangle of A, which is lost, to L in the lower one. What lies above L₂₁ is solved for column by column,
/// and each block of columns is contiguous:
///
/// L₁₁ L₁₁ᵀ = A₁₁,   L₂₁ᵀ = L₁₁⁻¹ A₁₂,   L₂₂ L₂₂ᵀ = A₂₂ − L₂₁ L₂₁ᵀ
fn factor<F: Real>(a: &mut [F], n: usize, stride: usize, scratch: &mut [F]) -> Result<(), (usize, F)> {
    if n <= LEAF {
        return factor_leaf(a, n, stride);
    }
    let h = half(n);
    let (top, bottom) = a.split_at_mut(h * stride);
    factor(top, h, stride, scratch)?;
    let u12 = &mut scratch[..h * (n - h)];
    // L₂₁ᵀ: what is a block of rows there is here one of columns.
    row_blocks(u12, h, h * h * (n - h) / 2, |start, block| {
        let width = block.len() / h;
        for (to, from) in block.chunks_exact_mut(width).zip(top.chunks(stride)) {
            to.copy_from_slice(&from[h + start..][..width]);
        }
        Lower { data: top, n: h, stride }.solve(false, block, width);
    });
    let block = |start: usize| {
        let width = BLOCK.min(n - h - start);
        Mat::new(&u12[start * h..], h, width)
    };
    row_blocks(bottom, stride, (n - h) * (n - h) * h / 2, |start, rows| {
        let u = block(start);
        transpose(&u12[start * h..], h, u.cols(), u.cols(), rows, stride);
        for column in (start..n - h).step_by(BLOCK) {
            subtract_in_depths(u.t(), block(column), &mut rows[h + column..], stride);
        }
    });
    factor(&mut bottom[h..], n - h, stride, scratch).map_err(|(pivot, value)| (h + pivot, value))
}

/// The adjoint of [`factor`]: L̄, the lower triangle of W, becomes the symmetric Σ = ∂loss/∂A. Its steps are those of
/// the factor from the last to the first, with the sizes and hence nearly the cost of products (Murray 2016, section 3.2):
///
/// L̄₂₂ to Σ₂₂,   L̄₂₁ ← (L̄₂₁ − 2 Σ₂₂ L₂₁) L₁₁⁻¹,   L̄₁₁ ← L̄₁₁ − L̄₂₁ᵀ L₂₁,   L̄₁₁ to Σ₁₁,   Σ₂₁ = Σ₁₂ᵀ = ½ L̄₂₁
pub(crate) fn factor_backward<F: Real>(l: Lower<'_, F>, w: &mut [F], stride: usize, scratch: &mut [F]) {
    let n = l.n;
    if n <= LEAF {
        return factor_backward_leaf(l, w, stride);
    }
    let h = half(n);
    let (l11, l21) = (Lower { n: h, ..l }, Mat::block(&l.data[h * l.stride..], n - h, h, l.stride));
    let (top, bottom) = w.split_at_mut(h * stride);
    factor_backward(l.trailing(h), &mut bottom[h..], stride, scratch);
    {
        let w21 = &mut scratch[..h * (n - h)];
        for (w21, from) in w21.chunks_exact_mut(h).zip(bottom.chunks(stride)) {
            w21.iter_mut().zip(from).for_each(|(w, &from)| *w = F::from_f64(0.5) * from);
        }
        subtract_product(Mat::block(&bottom[h..], n - h, n - h, stride), l21, w21);
        l11.solve_right(false, w21, n - h);
        let g = Mat::new(w21, n - h, h).t();
        row_blocks(top, stride, h * h * (n - h) / 2, |start, top| {
            let rows = start..h.min(start + BLOCK);
            let c = MatMut::block(top, rows.len(), rows.end, stride);
            F::gemm(
                F::from_f64(-2.0),
                g.row_range(rows.clone()),
                l21.t().row_range(0..rows.end).t(),
                F::ONE,
                c,
            );
        });
        for (w21, to) in w21.chunks_exact(h).zip(bottom.chunks_mut(stride)) {
            to[..h].copy_from_slice(w21);
        }
    }
    factor_backward(l11, top, stride, scratch);
    transpose(bottom, n - h, h, stride, &mut top[h..], stride);
}

/// [`factor_backward`] for at most [`LEAF`] rows: Σ = ½ L⁻ᵀ P L⁻¹, P = Pᵀ the matrix whose lower triangle is that of Lᵀ L̄
/// (ibid., equation 10)
fn factor_backward_leaf<F: Real>(l: Lower<'_, F>, w: &mut [F], stride: usize) {
    let n = l.n;
    let mut p = [F::ZERO; LEAF * LEAF];
    for i in 0..n {
        for j in 0..=i {
            let sum =
                (i..n).map(|k| l.data[k * l.stride + i] * w[k * stride + j]).sum::<F>() * F::from_f64(0.5);
            (p[i * n + j], p[j * n + i]) = (sum, sum);
        }
    }
    l.solve(true, &mut p[..n * n], n);
    let mut sigma = [F::ZERO; LEAF * LEAF];
    transpose(&p, n, n, n, &mut sigma, n);
    l.solve(true, &mut sigma[..n * n], n);
    for i in 0..n {
        for j in 0..=i {
            (w[i * stride + j], w[j * stride + i]) = (sigma[i * n + j], sigma[i * n + j]);
        }
    }
}

/// Adds the lower triangle of an n x n matrix X to `sum`, and what is below the diagonal also above if `mirrored`.
/// `fill(columns, x)` writes a block of columns of X, in the rows from the diagonal down; all blocks take `work`
/// multiplications.
pub(crate) fn add_lower<F: Real>(
    n: usize,
    work: usize,
    mirrored: bool,
    sum: &mut [F],
    fill: impl Fn(Range<usize>, &mut [F]) + Sync,
) {
    // No two blocks add to the same element: their order does not matter.
    let sum = Mutex::new(sum);
    let add = |block: usize| {
        let columns = block * BLOCK..n.min((block + 1) * BLOCK);
        let mut x = vec![F::ZERO; (n - columns.start) * columns.len()];
        fill(columns.clone(), &mut x);
        let mut sum = sum.lock().expect("adding does not panic");
        add_block(&x, columns.len(), mirrored, n, &mut sum[columns.start * (n + 1)..]);
    };
    let blocks = 0..n.div_ceil(BLOCK);
    if work < LARGE {
        blocks.for_each(add);
    } else {
        blocks.into_par_iter().with_max_len(1).for_each(add);
    }
}

kernel! {
    fn add_block<F: Real>(x: &[F], width: usize, mirrored: bool, stride: usize, sum: &mut [F]) {
        for (i, x) in x.chunks_exact(width).enumerate() {
            let len = width.min(i + 1);
            for (sum, &x) in sum[i * stride..][..len].iter_mut().zip(&x[..len]) {
                *sum += x;
            }
        }
        if mirrored {
            let rows = x.len() / width;
            for start in (0..rows).step_by(TILE) {
                for j in 0..width {
                    for i in start.max(j + 1)..rows.min(start + TILE) {
                        sum[j * stride + i] += x[i * width + j];
                    }
                }
            }
        }
    }
}

/// The transpose of the square at the beginning of a matrix.
#[inline(always)]
fn transposed_tile<F: Real>(a: &[F], stride: usize) -> [[F; TILE]; TILE] {
    let mut tile = [[F::ZERO; TILE]; TILE];
    for i in 0..TILE {
        let row = &a[i * stride..i * stride + TILE];
        for j in 0..TILE {
            tile[j][i] = row[j];
        }
    }
    tile
}

kernel! {
    /// The upper triangle of ½ (A + Aᵀ)
    fn symmetric_part<F: Real>(a: &[F], n: usize, u: &mut [F]) {
        let half = F::from_f64(0.5);
        for row in (0..n).step_by(TILE) {
            for column in (row..n).step_by(TILE) {
                if column > row && column + TILE <= n {
                    let below = transposed_tile(&a[column * n + row..], n);
                    for (i, below) in (row..row + TILE).zip(&below) {
                        let at = i * n + column..i * n + column + TILE;
                        for ((u, &a), &below) in u[at.clone()].iter_mut().zip(&a[at]).zip(below) {
                            *u = half * (a + below);
                        }
                    }
                    continue;
                }
                for i in row..n.min(row + TILE) {
                    for j in i.max(column)..n.min(column + TILE) {
                        u[i * n + j] = half * (a[i * n + j] + a[j * n + i]);
                    }
                }
            }
        }
    }
}

kernel! {
    /// B ← Aᵀ for an (m, n) matrix A, both with rows that are strides apart
    pub(crate) fn transpose<F: Real>(a: &[F], m: usize, n: usize, a_stride: usize, b: &mut [F], b_stride: usize) {
        for row in (0..m).step_by(TILE) {
            for column in (0..n).step_by(TILE) {
                if row + TILE <= m && column + TILE <= n {
                    let tile = transposed_tile(&a[row * a_stride + column..], a_stride);
                    for (j, tile) in (column..column + TILE).zip(&tile) {
                        b[j * b_stride + row..][..TILE].copy_from_slice(tile);
                    }
                    continue;
                }
                for j in column..n.min(column + TILE) {
                    for i in row..m.min(row + TILE) {
                        b[j * b_stride + i] = a[i * a_stride + j];
                    }
                }
            }
        }
    }
}

kernel! {
    /// [`factor`] for at most [`LEAF`] rows, with Lᵀ in a tile
    fn factor_leaf<F: Real>(a: &mut [F], n: usize, stride: usize) -> Result<(), (usize, F)> {
        let mut tile = [[F::ZERO; LEAF]; LEAF];
        for j in 0..n {
            tile[j][j..n].copy_from_slice(&a[j * stride..][j..n]);
        }
        for j in 0..n {
            let mut row = tile[j];
            for known in &tile[..j] {
                let factor = known[j];
                for (x, &known) in row.iter_mut().zip(known) {
                    *x -= factor * known;
                }
            }
            let pivot = row[j];
            // Written so that NaN fails.
            if !(pivot > F::ZERO && pivot.to_f64() < f64::INFINITY) {
                return Err((j, pivot));
            }
            let scale = F::ONE / pivot.sqrt();
            row.iter_mut().for_each(|x| *x *= scale);
            tile[j] = row;
        }
        for i in 0..n {
            for j in 0..=i {
                a[i * stride + j] = tile[j][i];
            }
        }
        Ok(())
    }
}

kernel! {
    /// [`Lower::solve`] for at most [`LEAF`] rows, tile after tile of columns
    fn solve_leaf<F: Real>(l: &[F], n: usize, stride: usize, transposed: bool, x: &mut [F], count: usize) {
        let mut tile = [[F::ZERO; LEAF]; LEAF];
        for start in (0..count).step_by(LEAF) {
            let columns = start..count.min(start + LEAF);
            for (tile, x) in tile[..n].iter_mut().zip(x.chunks_exact(count)) {
                tile[..columns.len()].copy_from_slice(&x[columns.clone()]);
            }
            for step in 0..n {
                let i = if transposed { n - 1 - step } else { step };
                let known = if transposed { i + 1..n } else { 0..i };
                let mut row = tile[i];
                for k in known {
                    let factor = if transposed { l[k * stride + i] } else { l[i * stride + k] };
                    for (x, &known) in row.iter_mut().zip(&tile[k]) {
                        *x -= factor * known;
                    }
                }
                let scale = F::ONE / l[i * stride + i];
                row.iter_mut().for_each(|x| *x *= scale);
                tile[i] = row;
            }
            for (tile, x) in tile[..n].iter().zip(x.chunks_exact_mut(count)) {
                x[columns.clone()].copy_from_slice(&tile[..columns.len()]);
            }
        }
    }
}
