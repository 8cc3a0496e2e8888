//! What a model computes of every row of data, without gradients.

use std::ops::Range;
use std::sync::Arc;

use autograd::{Real, Tape, Var};
use rayon::prelude::*;

use crate::data::Matrix;

/// The number of rows that are on a tape at a time, so that memory does not grow with the data.
const ROWS: usize = 128;

/// f(θ, x) for all rows of x, (N, D) to (N, `width`). It is computed chunk by chunk, in parallel.
///
/// ```
/// # use std::sync::Arc;
/// # use nn::{data::Matrix, model::map_rows};
/// let theta = Arc::new(vec![1.0, 10.0]);
/// let x = Matrix::new(3, 2, vec![1.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
/// let y = map_rows(&theta, &x, 1, |theta, x| x.matmul(theta.view(0, [2, 1])));
/// assert_eq!(y, Matrix::new(3, 1, vec![1.0, 10.0, 32.0]));
/// ```
///
/// # Panics
/// If `f` does not return `width` numbers for each of the rows that it is given.
pub fn map_rows<F: Real>(
    theta: &Arc<Vec<F>>,
    x: &Matrix<F>,
    width: usize,
    f: impl for<'t> Fn(Var<'t, F>, Var<'t, F>) -> Var<'t, F> + Sync,
) -> Matrix<F> {
    map_row_numbers(theta, x.rows, width, |theta, rows| {
        let values = &x.values[rows.start * x.cols..rows.end * x.cols];
        f(theta, theta.tape().constant(values, [rows.len(), x.cols]))
    })
}

/// f(θ, rows) for the rows 0 to N − 1, (N, `width`), where f takes the numbers of the rows of a chunk. It is computed chunk
/// by chunk, in parallel.
///
/// # Panics
/// As [`map_rows`].
pub fn map_row_numbers<F: Real>(
    theta: &Arc<Vec<F>>,
    rows: usize,
    width: usize,
    f: impl for<'t> Fn(Var<'t, F>, Range<usize>) -> Var<'t, F> + Sync,
) -> Matrix<F> {
    map_chunks(theta, rows, width, &f)
}

type OfRows<'f, F> = dyn for<'t> Fn(Var<'t, F>, Range<usize>) -> Var<'t, F> + Sync + 'f;

/// [`map_row_numbers`], compiled once and not for each function.
#[inline(never)]
pub(crate) fn map_chunks<F: Real>(
    theta: &Arc<Vec<F>>,
    rows: usize,
    width: usize,
    f: &OfRows<'_, F>,
) -> Matrix<F> {
    let mut values = vec![F::ZERO; rows * width];
    let chunks = values.par_chunks_mut((ROWS * width).max(1)).enumerate();
    chunks.for_each_init(Tape::new, |tape, (chunk, out)| {
        tape.clear();
        let first = chunk * ROWS;
        let y = f(tape.shared_constant(theta, [theta.len()]), first..rows.min(first + ROWS));
        y.with(|y| out.copy_from_slice(y));
        // The tape must not hold on to θ, which training changes in place.
        tape.clear();
    });
    Matrix::new(rows, width, values)
}
