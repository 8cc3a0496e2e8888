//! Images with their places.

use autograd::{Real, Tape, Var};
use nn::data::Matrix;

use super::Places;
use crate::GpVaeError;

/// N images y_n of K pixels, or rows of any other numbers, and where they lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<F> {
    /// Y, (N, K), with 0 where a number is missing
    pub images: Matrix<F>,
    /// 1 where a number was observed and 0 where it is missing, (N, K); `None` if nothing is missing
    pub observed: Option<Matrix<F>>,
    /// Where the images lie, N places
    pub places: Places,
}

/// Some images on a tape.
#[derive(Clone, Copy, Debug)]
pub struct ImageRows<'t, F: Real> {
    /// y, (n, K)
    pub y: Var<'t, F>,
    /// 1 where a pixel was observed and 0 where it is missing, (n, K); `None` if nothing is missing
    pub observed: Option<Var<'t, F>>,
}

impl<F: Real> Samples<F> {
    /// Images without gaps.
    ///
    /// # Errors
    /// [`GpVaeError::Sizes`] if there are more or fewer images than places, [`GpVaeError::Empty`] if there are no images,
    /// [`GpVaeError::Pixel`] if a pixel is not finite, [`GpVaeError::Precision`] if views are so far from 0 that `F` does not
    /// tell them apart.
    pub fn new(images: Matrix<F>, places: Places) -> Result<Self, GpVaeError> {
        if images.rows != places.len() {
            let objects = if places.objects.is_empty() { places.len() } else { places.objects.len() };
            return Err(GpVaeError::Sizes { images: images.rows, views: places.len(), objects });
        }
        if images.values.is_empty() {
            return Err(GpVaeError::Empty);
        }
        if let Some(at) = images.values.iter().position(|y| !y.is_finite()) {
            let (row, column) = (at / images.cols, at % images.cols);
            return Err(GpVaeError::Pixel { row, column, value: images.values[at].to_f64() });
        }
        places.check_precision::<F>()?;
        Ok(Self { images, observed: None, places })
    }

    /// Images in which NaN marks a missing number. The encoder reads 0 in its place, and the likelihood leaves it out.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), of which [`GpVaeError::Pixel`] is for infinite pixels alone.
    pub fn with_gaps(images: Matrix<F>, places: Places) -> Result<Self, GpVaeError> {
        let missing = |y: F| y.to_f64().is_nan();
        let observed = images.map(|y| if missing(y) { F::ZERO } else { F::ONE });
        let filled = images.map(|y| if missing(y) { F::ZERO } else { y });
        Ok(Self { observed: Some(observed), ..Self::new(filled, places)? })
    }

    /// N
    pub fn len(&self) -> usize {
        self.images.rows
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images of these rows on a tape.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn rows_on<'t>(&self, tape: &'t Tape<F>, rows: &[usize]) -> ImageRows<'t, F> {
        let shape = [rows.len(), self.images.cols];
        let gather = |matrix: &Matrix<F>| tape.constant_with(shape, |out| matrix.gather_into(rows, out));
        ImageRows { y: gather(&self.images), observed: self.observed.as_ref().map(gather) }
    }
}
