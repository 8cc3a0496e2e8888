//! Rows of numbers.

use std::sync::Arc;

/// A matrix (rows, cols), row-major. Its values are shared: a clone, and a tape that reads them, copy nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    /// Number of rows: data points.
    pub rows: usize,
    /// Number of columns: pixels or features.
    pub cols: usize,
    /// `rows * cols` values, row by row.
    pub values: Arc<Vec<T>>,
}

impl<T: Copy> Matrix<T> {
    /// # Panics
    /// If there are not `rows * cols` values.
    #[track_caller]
    pub fn new(rows: usize, cols: usize, values: Vec<T>) -> Self {
        let n = values.len();
        assert!(rows.checked_mul(cols) == Some(n), "Matrix: [{rows}, {cols}] cannot be made of {n} values");
        Self { rows, cols, values: Arc::new(values) }
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn row(&self, i: usize) -> &[T] {
        assert!(i < self.rows, "Matrix: no row {i} in [{}, {}]", self.rows, self.cols);
        &self.values[i * self.cols..][..self.cols]
    }

    /// Copies the rows `indices`, in that order, to `out`: (indices, cols), row-major.
    ///
    /// # Panics
    /// If there is no such row, or if `out` has another size.
    #[track_caller]
    pub fn gather_into(&self, indices: &[usize], out: &mut [T]) {
        let (n, cols, size) = (indices.len(), self.cols, out.len());
        assert!(size == n * cols, "Matrix: {n} rows of {cols} cannot be gathered into {size} values");
        // There are no chunks of 0; a closure instead of the loop would hide the caller's line.
        for (&i, out) in indices.iter().zip(out.chunks_exact_mut(cols.max(1))) {
            out.copy_from_slice(self.row(i));
        }
    }

    /// The rows `indices`, in that order: (indices, cols).
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut values = Vec::with_capacity(indices.len() * self.cols);
        for &i in indices {
            values.extend_from_slice(self.row(i));
        }
        Self::new(indices.len(), self.cols, values)
    }

    /// The columns `indices`, in that order: (rows, indices).
    ///
    /// # Panics
    /// If there is no such column.
    #[track_caller]
    pub fn columns(&self, indices: &[usize]) -> Self {
        if let Some(j) = indices.iter().find(|&&j| j >= self.cols) {
            panic!("Matrix: no column {j} in [{}, {}]", self.rows, self.cols);
        }
        let cell = |i: usize, &j: &usize| self.values[i * self.cols + j];
        let values = (0..self.rows).flat_map(|i| indices.iter().map(move |j| cell(i, j))).collect();
        Self::new(self.rows, indices.len(), values)
    }

    /// The rows before row `i`, and the rest: (i, cols) and (rows − i, cols).
    ///
    /// # Panics
    /// If there are fewer than `i` rows.
    #[track_caller]
    pub fn split_at_row(&self, i: usize) -> (Self, Self) {
        assert!(i <= self.rows, "Matrix: cannot split [{}, {}] at row {i}", self.rows, self.cols);
        let (before, rest) = self.values.split_at(i * self.cols);
        (Self::new(i, self.cols, before.to_vec()), Self::new(self.rows - i, self.cols, rest.to_vec()))
    }

    /// `f` of every value: same shape.
    pub fn map<U: Copy>(&self, f: impl FnMut(T) -> U) -> Matrix<U> {
        Matrix::new(self.rows, self.cols, self.values.iter().copied().map(f).collect())
    }
}
