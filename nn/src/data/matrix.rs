//! Rows of numbers.

use std::sync::Arc;

/// A matrix (rows, cols), row by row. Its values are shared: neither a clone nor a tape that reads them copies them.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    /// The number of rows, the data points.
    pub rows: usize,
    /// The number of columns, such as pixels or features.
    pub cols: usize,
    /// The `rows` · `cols` values, row by row.
    pub values: Arc<Vec<T>>,
}

impl<T: Copy> Matrix<T> {
    /// The matrix of these values, row by row.
    ///
    /// # Panics
    /// If there are not `rows` · `cols` values.
    #[track_caller]
    pub fn new(rows: usize, cols: usize, values: Vec<T>) -> Self {
        let n = values.len();
        assert!(
            rows.checked_mul(cols) == Some(n),
            "Matrix: [{rows}, {cols}]: expected as many values, found {n}"
        );
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

    /// Copies the rows of these indices, in this order, to `out`: (indices, cols), row by row.
    ///
    /// # Panics
    /// If there is no such row, or if `out` has another size.
    #[track_caller]
    pub fn gather_into(&self, indices: &[usize], out: &mut [T]) {
        let (n, cols, size) = (indices.len(), self.cols, out.len());
        assert!(size == n * cols, "Matrix: expected room for {n} rows of {cols}, found {size} values");
        // Chunks of 0 are not allowed. A closure instead of the loop would hide the caller's line.
        for (&i, out) in indices.iter().zip(out.chunks_exact_mut(cols.max(1))) {
            out.copy_from_slice(self.row(i));
        }
    }

    /// The rows of these indices, in this order: (indices, cols).
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

    /// The columns of these indices, in this order: (rows, indices).
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

    /// The rows before row `i`, (i, cols), and the others, (rows − i, cols).
    ///
    /// # Panics
    /// If there are fewer than `i` rows.
    #[track_caller]
    pub fn split_at_row(&self, i: usize) -> (Self, Self) {
        assert!(i <= self.rows, "Matrix: cannot split [{}, {}] at row {i}", self.rows, self.cols);
        let (before, rest) = self.values.split_at(i * self.cols);
        (Self::new(i, self.cols, before.to_vec()), Self::new(self.rows - i, self.cols, rest.to_vec()))
    }

    /// `f` of every value, in the same shape.
    pub fn map<U: Copy>(&self, f: impl FnMut(T) -> U) -> Matrix<U> {
        Matrix::new(self.rows, self.cols, self.values.iter().copied().map(f).collect())
    }
}
