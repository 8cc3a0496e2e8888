//! Matrix products.
#![allow(unsafe_code)]

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::tiles;
use crate::Real;

/// A matrix inside a slice: element (i, j) is `data[i · row_stride + j · col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, F> {
    data: &'a [F],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

/// A matrix that can be written: element (i, j) is `data[i · row_stride + j · col_stride]`, and no two
/// elements share a place.
#[derive(Debug)]
pub struct MatMut<'a, F> {
    data: &'a mut [F],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, F> Mat<'a, F> {
    /// The first `rows · cols` numbers of `data`, row after row.
    ///
    /// # Panics
    /// If `data` is shorter.
    #[track_caller]
    #[inline]
    pub fn new(data: &'a [F], rows: usize, cols: usize) -> Self {
        check_fits(data.len(), rows, cols);
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// A block of a larger matrix whose rows are `stride` apart; `data` starts with the block's first element.
    ///
    /// # Panics
    /// If `data` is shorter, or rows overlap.
    #[track_caller]
    pub fn block(data: &'a [F], rows: usize, cols: usize, stride: usize) -> Self {
        check_block_fits(data.len(), rows, cols, stride);
        Self { data, rows, cols, row_stride: stride, col_stride: 1 }
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If `rows` reaches beyond the last row.
    #[track_caller]
    pub fn row_range(self, rows: Range<usize>) -> Self {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows,
            "row_range: expected a range within 0..{}, found {rows:?}",
            self.rows
        );
        let data = self.data.get(rows.start * self.row_stride..).unwrap_or_default();
        Self { data, rows: rows.len(), ..self }
    }

    /// How many rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The transpose, by exchanging strides.
    #[inline]
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn strided(&self) -> tiles::Strided<F> {
        tiles::Strided { at: self.data.as_ptr(), row: self.row_stride, col: self.col_stride }
    }

    /// The transpose if `yes`.
    #[inline]
    pub fn t_if(self, yes: bool) -> Self {
        if yes { self.t() } else { self }
    }
}

impl<'a, F> MatMut<'a, F> {
    /// The first `rows · cols` numbers of `data`, row after row.
    ///
    /// # Panics
    /// If `data` is shorter.
    #[track_caller]
    #[inline]
    pub fn new(data: &'a mut [F], rows: usize, cols: usize) -> Self {
        check_fits(data.len(), rows, cols);
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// A block of a larger matrix whose rows are `stride` apart; `data` starts with the block's first element.
    ///
    /// # Panics
    /// If `data` is shorter, or rows overlap.
    #[track_caller]
    pub fn block(data: &'a mut [F], rows: usize, cols: usize, stride: usize) -> Self {
        check_block_fits(data.len(), rows, cols, stride);
        Self { data, rows, cols, row_stride: stride, col_stride: 1 }
    }

    /// Whether the elements are the first ones of the slice, row after row.
    #[inline]
    fn is_packed(&self) -> bool {
        self.row_stride == self.cols && self.col_stride == 1
    }
}

#[track_caller]
#[inline]
fn check_fits(len: usize, rows: usize, cols: usize) {
    let fits = rows.checked_mul(cols).is_some_and(|size| size <= len);
    assert!(fits, "matrix: expected room for {rows} x {cols} numbers, found a slice of {len}");
}

#[track_caller]
fn check_block_fits(len: usize, rows: usize, cols: usize, stride: usize) {
    let before = rows.saturating_sub(1).checked_mul(stride);
    let fits = before.and_then(|before| before.checked_add(cols)).is_some_and(|size| size <= len);
    assert!(
        cols <= stride && (fits || rows == 0),
        "block: expected a stride of at least {cols} and room for {rows} x {cols} numbers, found stride {stride} and a slice of {len}"
    );
}

#[track_caller]
#[inline]
fn check_sizes<F>(a: &Mat<'_, F>, b: &Mat<'_, F>, c: &MatMut<'_, F>) {
    assert!(
        a.cols == b.rows && c.rows == a.rows && c.cols == b.cols,
        "product: expected (m, k) times (k, n) into (m, n), found {} x {} times {} x {} into {} x {}",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        c.rows,
        c.cols
    );
}

/// The product of matrices of one type: thin ones by [`thin`], those that are read in place by [`tiles`], all others by the
/// function of the same name in `matrixmultiply`.
///
/// `product!(sgemm, f32);` becomes
///
/// ```text
/// pub(crate) fn sgemm(alpha: f32, a: Mat<'_, f32>, b: Mat<'_, f32>, beta: f32, c: MatMut<'_, f32>) {
///     check_sizes(&a, &b, &c);
///     …
///     matrixmultiply::sgemm(…);
/// }
/// ```
macro_rules! product {
    ($name:ident, $t:ty) => {
        pub(crate) fn $name(alpha: $t, a: Mat<'_, $t>, b: Mat<'_, $t>, beta: $t, c: MatMut<'_, $t>) {
            check_sizes(&a, &b, &c);
            if is_thin(&a, &b) && c.is_packed() {
                return thin(alpha, a, b, beta, c);
            }
            // SAFETY: the constructors checked that every element of `a`, `b` and `c` lies in its slice and that the rows
            // of `c` do not overlap; `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
            unsafe {
                #[cfg(target_arch = "x86_64")]
                if stays_unpacked(&a, &b, &c) {
                    let (m, k, n, c_row) = (a.rows, a.cols, b.cols, c.row_stride);
                    let c = c.data.as_mut_ptr();
                    let product =
                        tiles::Product { m, k, n, alpha, a: a.strided(), b: b.strided(), beta, c, c_row };
                    if product.try_run() {
                        return;
                    }
                }
                matrixmultiply::$name(
                    a.rows,
                    a.cols,
                    b.cols,
                    alpha,
                    a.data.as_ptr(),
                    a.row_stride as isize,
                    a.col_stride as isize,
                    b.data.as_ptr(),
                    b.row_stride as isize,
                    b.col_stride as isize,
                    beta,
                    c.data.as_mut_ptr(),
                    c.row_stride as isize,
                    c.col_stride as isize,
                );
            }
        }
    };
}

product!(sgemm, f32);
product!(dgemm, f64);

/// A number that is two of another type, its value and its tangent, one after the other and nothing else: dual numbers alone.
pub(crate) trait Pair: Real {
    /// The type of both.
    type Part: Real;
    fn value(self) -> Self::Part;
    fn tangent(self) -> Self::Part;
}

/// (C + Ċ ε) ← (α + α̇ ε) (A + Ȧ ε) (B + Ḃ ε) + β (C + Ċ ε), by three products of strided plain matrices, or four:
///
/// Ċ ← α A Ḃ + β Ċ,   Ċ ← Ċ + α Ȧ B + α̇ A B,   C ← α A B + β C
pub(crate) fn pair_gemm<P: Pair>(alpha: P, a: Mat<'_, P>, b: Mat<'_, P>, beta: P, mut c: MatMut<'_, P>) {
    check_sizes(&a, &b, &c);
    assert!(beta.tangent().is_zero(), "a dual product with a β that varies");
    if is_thin(&a, &b) && c.is_packed() {
        return thin(alpha, a, b, beta, c);
    }
    let (a_value, a_tangent) = (part(&a, 0), part(&a, 1));
    let (b_value, b_tangent) = (part(&b, 0), part(&b, 1));
    let (one, gemm) = (P::Part::ONE, P::Part::gemm);
    gemm(alpha.value(), a_value, b_tangent, beta.value(), part_mut(&mut c, 1));
    gemm(alpha.value(), a_tangent, b_value, one, part_mut(&mut c, 1));
    if !alpha.tangent().is_zero() {
        gemm(alpha.tangent(), a_value, b_value, one, part_mut(&mut c, 1));
    }
    gemm(alpha.value(), a_value, b_value, beta.value(), part_mut(&mut c, 0));
}

/// Whether a pair has the size and alignment of two parts.
const fn is_two_parts<P: Pair>() -> bool {
    size_of::<P>() == 2 * size_of::<P::Part>() && align_of::<P>() == align_of::<P::Part>()
}

/// The values (0) or tangents (1) of a matrix.
fn part<'a, P: Pair>(m: &Mat<'a, P>, part: usize) -> Mat<'a, P::Part> {
    const { assert!(is_two_parts::<P>()) };
    // SAFETY: a `Pair` is `repr(C)` and two numbers of type `Part`: n of them are 2 n numbers without gaps.
    let data = unsafe { std::slice::from_raw_parts(m.data.as_ptr().cast(), 2 * m.data.len()) };
    let data = data.get(part..).unwrap_or_default();
    let (row_stride, col_stride) = (2 * m.row_stride, 2 * m.col_stride);
    Mat { data, rows: m.rows, cols: m.cols, row_stride, col_stride }
}

/// The values (0) or tangents (1) of a matrix that is written.
fn part_mut<'a, P: Pair>(m: &'a mut MatMut<'_, P>, part: usize) -> MatMut<'a, P::Part> {
    const { assert!(is_two_parts::<P>()) };
    // SAFETY: a `Pair` is `repr(C)` and two numbers of type `Part`: n of them are 2 n numbers without gaps. The borrow of `m`
    // is handed on.
    let data = unsafe { std::slice::from_raw_parts_mut(m.data.as_mut_ptr().cast(), 2 * m.data.len()) };
    let data = data.get_mut(part..).unwrap_or_default();
    let (row_stride, col_stride) = (2 * m.row_stride, 2 * m.col_stride);
    MatMut { data, rows: m.rows, cols: m.cols, row_stride, col_stride }
}

/// Whether the factors are small enough, or lie well enough, to be read in place.
#[cfg(target_arch = "x86_64")]
#[inline]
fn stays_unpacked<F>(a: &Mat<'_, F>, b: &Mat<'_, F>, c: &MatMut<'_, F>) -> bool {
    // Columns of A that lie far apart are read again for every panel of B.
    a.cols > 0 && c.col_stride == 1 && (a.col_stride == 1 && b.col_stride == 1 || a.cols <= 1024)
}

/// Whether a side of the product is 1.
#[inline]
fn is_thin<F>(a: &Mat<'_, F>, b: &Mat<'_, F>) -> bool {
    a.rows == 1 || b.cols == 1 || a.cols == 1
}

kernel! {
    /// Products with a side of 1, which packing would only slow down.
    fn thin<F: Real>(alpha: F, a: Mat<'_, F>, b: Mat<'_, F>, beta: F, c: MatMut<'_, F>) {
        let (rows, cols, c) = (c.rows, c.cols, &mut c.data[..c.rows * c.cols]);
        if c.is_empty() {
            return;
        }
        if beta == F::ZERO && a.cols == 1 && b.col_stride == 1 {
            let row = &b.data[..cols];
            for (i, c) in c.chunks_mut(cols.max(1)).enumerate() {
                let scale = alpha * a.data[i * a.row_stride];
                c.iter_mut().zip(row).for_each(|(c, &b)| *c = scale * b);
            }
            return;
        }
        if beta == F::ZERO {
            c.fill(F::ZERO);
        } else if beta != F::ONE {
            c.iter_mut().for_each(|c| *c *= beta);
        }
        if cols == 1 {
            // cᵀ = bᵀ Aᵀ
            vector_matrix(alpha, b.t(), a.t(), c);
        } else if rows == 1 {
            vector_matrix(alpha, a, b, c);
        } else {
            for (i, c) in c.chunks_exact_mut(cols.max(1)).enumerate() {
                let scale = alpha * a.data[i * a.row_stride];
                add_row(scale, b, 0, c);
            }
        }
    }
}

/// y += α v M, v a row
#[inline(always)]
fn vector_matrix<F: Real>(alpha: F, v: Mat<'_, F>, m: Mat<'_, F>, y: &mut [F]) {
    if m.row_stride == 1 && v.col_stride == 1 {
        let v = &v.data[..m.rows];
        for (j, y) in y.iter_mut().enumerate() {
            let column = &m.data[j * m.col_stride..][..v.len()];
            *y += alpha * lane_sum!(F, [v, column] => v * column);
        }
    } else {
        for i in 0..m.rows {
            add_row(alpha * v.data[i * v.col_stride], m, i, y);
        }
    }
}

/// y += α mᵢ
#[inline(always)]
fn add_row<F: Real>(alpha: F, m: Mat<'_, F>, i: usize, y: &mut [F]) {
    let row = &m.data[i * m.row_stride..];
    if m.col_stride == 1 {
        for (y, &m) in y.iter_mut().zip(row) {
            *y += alpha * m;
        }
    } else {
        for (y, &m) in y.iter_mut().zip(row.iter().step_by(m.col_stride)) {
            *y += alpha * m;
        }
    }
}
