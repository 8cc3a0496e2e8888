//! Triangular matrices: Cholesky factors, solves, and sums of which only a triangle is computed.
//!
//! Recursions that halve the matrix down to blocks of 32 rows, so that nearly all of the arithmetic is in products. A
//! matrix is split between two rows; what lies left and right of each other is copied into a scratch first. The products
//! of [`subtract_gram`] and the blocks of [`add_lower`] do not depend on each other: that is where threads would go.

use std::ops::Range;

use crate::{Mat, MatMut, Real};

/// Rows of a block that is not halved any more: a tile of as many columns stays in the first cache.
const LEAF: usize = 32;
/// Below this size a Gram matrix is computed with both of its triangles.
const GRAM: usize = 64;
/// Columns of a block in [`add_lower`].
const BLOCK: usize = 64;
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
            F::gemm(-F::ONE, l21.t(), Mat::new(x2, n - h, count), F::ONE, MatMut::new(x1, h, count));
            first.solve(true, x1, count);
        } else {
            first.solve(false, x1, count);
            F::gemm(-F::ONE, l21, Mat::new(x1, h, count), F::ONE, MatMut::new(x2, n - h, count));
            second.solve(false, x2, count);
        }
    }

    /// X ← X L⁻¹, or X L⁻ᵀ if `transposed`, for a (count, n) matrix: the same for Xᵀ.
    pub(crate) fn solve_right(self, transposed: bool, x: &mut [F], count: usize) {
        let mut xt = vec![F::ZERO; x.len()];
        transpose(x, count, self.n, self.n, &mut xt, count);
        self.solve(!transposed, &mut xt, count);
        transpose(&xt, self.n, count, count, x, self.n);
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

/// The lower triangle of A becomes L; what is above is lost:
///
/// L₁₁ L₁₁ᵀ = A₁₁,   L₂₁ = A₂₁ L₁₁⁻ᵀ,   L₂₂ L₂₂ᵀ = A₂₂ − L₂₁ L₂₁ᵀ
fn factor<F: Real>(a: &mut [F], n: usize, stride: usize, scratch: &mut [F]) -> Result<(), (usize, F)> {
    if n <= LEAF {
        return factor_leaf(a, n, stride);
    }
    let h = half(n);
    let (top, bottom) = a.split_at_mut(h * stride);
    factor(top, h, stride, scratch)?;
    let l21_t = &mut scratch[..h * (n - h)];
    transpose(bottom, n - h, h, stride, l21_t, n - h);
    Lower { data: top, n: h, stride }.solve(false, l21_t, n - h);
    transpose(l21_t, h, n - h, n - h, bottom, stride);
    subtract_gram(l21_t, h, n - h, n - h, &mut bottom[h..], stride);
    factor(&mut bottom[h..], n - h, stride, scratch).map_err(|(pivot, value)| (h + pivot, value))
}

/// C ← C − Sᵀ S, its lower triangle, for a (k, n) matrix S.
fn subtract_gram<F: Real>(s: &[F], k: usize, n: usize, s_stride: usize, c: &mut [F], stride: usize) {
    let columns = |range: Range<usize>| Mat::block(&s[range.start..], k, range.len(), s_stride);
    if n <= GRAM {
        let s = columns(0..n);
        return F::gemm(-F::ONE, s.t(), s, F::ONE, MatMut::block(c, n, n, stride));
    }
    let h = half(n);
    let (top, bottom) = c.split_at_mut(h * stride);
    subtract_gram(s, k, h, s_stride, top, stride);
    F::gemm(-F::ONE, columns(h..n).t(), columns(0..h), F::ONE, MatMut::block(bottom, n - h, h, stride));
    subtract_gram(&s[h..], k, n - h, s_stride, &mut bottom[h..], stride);
}

/// Adds the lower triangle of an n x n matrix X to `sum`, and what is below the diagonal also above if `mirrored`.
/// `fill(columns, x)` writes a block of columns of X, in the rows from the diagonal down.
pub(crate) fn add_lower<F: Real>(
    n: usize,
    mirrored: bool,
    sum: &mut [F],
    mut fill: impl FnMut(Range<usize>, &mut [F]),
) {
    let mut scratch = vec![F::ZERO; n * n.min(BLOCK)];
    for start in (0..n).step_by(BLOCK) {
        let columns = start..n.min(start + BLOCK);
        let x = &mut scratch[..(n - start) * columns.len()];
        fill(columns.clone(), x);
        add_block(x, columns.len(), mirrored, n, &mut sum[start * (n + 1)..]);
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

kernel! {
    /// The lower triangle of ½ (A + Aᵀ)
    fn symmetric_part<F: Real>(a: &[F], n: usize, l: &mut [F]) {
        let half = F::from_f64(0.5);
        for row in (0..n).step_by(TILE) {
            for column in (0..=row).step_by(TILE) {
                for i in row..n.min(row + TILE) {
                    for j in column..(i + 1).min(column + TILE) {
                        l[i * n + j] = half * (a[i * n + j] + a[j * n + i]);
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
        for i in 0..n {
            for j in 0..=i {
                tile[j][i] = a[i * stride + j];
            }
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
