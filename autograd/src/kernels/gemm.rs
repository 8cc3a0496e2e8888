//! Matrix products.
#![allow(unsafe_code)]

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

/// A matrix that can be written, in row-major order.
#[derive(Debug)]
pub struct MatMut<'a, F> {
    data: &'a mut [F],
    rows: usize,
    cols: usize,
}

impl<'a, F> Mat<'a, F> {
    /// The first `rows · cols` numbers of `data`, row after row.
    ///
    /// # Panics
    /// If `data` is shorter.
    #[track_caller]
    pub fn new(data: &'a [F], rows: usize, cols: usize) -> Self {
        check_fits(data.len(), rows, cols);
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The transpose, by exchanging strides.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// The transpose if `yes`.
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
    pub fn new(data: &'a mut [F], rows: usize, cols: usize) -> Self {
        check_fits(data.len(), rows, cols);
        Self { data, rows, cols }
    }
}

#[track_caller]
fn check_fits(len: usize, rows: usize, cols: usize) {
    let fits = rows.checked_mul(cols).is_some_and(|size| size <= len);
    assert!(fits, "a {rows} x {cols} matrix in a slice of {len}");
}

macro_rules! product {
    ($name:ident, $t:ty) => {
        pub(crate) fn $name(alpha: $t, a: Mat<'_, $t>, b: Mat<'_, $t>, beta: $t, c: MatMut<'_, $t>) {
            assert!(
                a.cols == b.rows && c.rows == a.rows && c.cols == b.cols,
                "product of {} x {} and {} x {} into {} x {}",
                a.rows,
                a.cols,
                b.rows,
                b.cols,
                c.rows,
                c.cols
            );
            if a.rows == 1 || b.cols == 1 || a.cols == 1 {
                return thin(alpha, a, b, beta, c);
            }
            // SAFETY: the constructors checked that every element of `a`, `b` and `c` lies in its slice, and `c` is
            // borrowed mutably, so it overlaps neither `a` nor `b`.
            unsafe {
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
                    c.cols as isize,
                    1,
                );
            }
        }
    };
}

product!(sgemm, f32);
product!(dgemm, f64);

kernel! {
    /// Products with a side of 1, which packing would only slow down.
    fn thin<F: Real>(alpha: F, a: Mat<'_, F>, b: Mat<'_, F>, beta: F, c: MatMut<'_, F>) {
        let (rows, cols, c) = (c.rows, c.cols, &mut c.data[..c.rows * c.cols]);
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
