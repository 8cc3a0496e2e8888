//! What is observed: images of objects under views.

use autograd::Real;
use nn::data::Matrix;

use crate::GpVaeError;

/// Where samples lie: row n is object p_n under view w_n. Without objects, views alone: points in time, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// w_n, (N, R)
    pub views: Matrix<f64>,
    /// p_n, N of them; none if samples differ by their views alone.
    pub objects: Vec<usize>,
}

impl Places {
    /// Places, row by row.
    ///
    /// # Errors
    /// If views and objects are not equally many, or a view is not finite.
    pub fn new(views: Matrix<f64>, objects: Vec<usize>) -> Result<Self, GpVaeError> {
        if !objects.is_empty() && objects.len() != views.rows {
            let (views, objects) = (views.rows, objects.len());
            return Err(GpVaeError::Sizes { images: views, views, objects });
        }
        if let Some(at) = views.values.iter().position(|w| !w.is_finite()) {
            return Err(GpVaeError::View { row: at / views.cols.max(1), value: views.values[at] });
        }
        Ok(Self { views, objects })
    }

    /// N
    pub fn len(&self) -> usize {
        self.views.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The places of these rows.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        let objects =
            if self.objects.is_empty() { vec![] } else { rows.iter().map(|&n| self.objects[n]).collect() };
        Self { views: self.views.select(rows), objects }
    }

    /// That every object here is one of those that were `seen`: nothing else tells what it looks like.
    ///
    /// # Errors
    /// [`GpVaeError::UnseenObject`], the first that is not.
    pub fn seen_in(&self, seen: &Self) -> Result<(), GpVaeError> {
        let unseen = self.objects.iter().enumerate().find(|(_, object)| !seen.objects.contains(object));
        unseen.map_or(Ok(()), |(row, &object)| Err(GpVaeError::UnseenObject { row, object }))
    }

    /// That no two rows are of one object under one view.
    ///
    /// # Errors
    /// [`GpVaeError::Duplicate`], the first two that are.
    pub fn distinct(&self) -> Result<(), GpVaeError> {
        // −0 is 0.
        let bits = |w: &f64| (w + 0.0).to_bits();
        let mut seen = std::collections::HashMap::new();
        for row in 0..self.len() {
            let place = (self.objects.get(row), self.views.row(row).iter().map(bits).collect::<Vec<_>>());
            if let Some(first) = seen.insert(place, row) {
                return Err(GpVaeError::Duplicate { first, second: row });
            }
        }
        Ok(())
    }
}

/// Images y_n (or any rows of numbers) and where they lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<F> {
    /// Y, (N, K); 0 where a number is missing
    pub images: Matrix<F>,
    /// 1 where a number was observed and 0 where it is missing, (N, K); nothing is missing if there is no such matrix
    pub observed: Option<Matrix<F>>,
    /// Where they lie.
    pub places: Places,
}

impl<F: Real> Samples<F> {
    /// Images without gaps.
    ///
    /// # Errors
    /// If there are none, their number is not that of the places, or a pixel is not finite.
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
        Ok(Self { images, observed: None, places })
    }

    /// Images in which a number that is NaN is missing. The encoder sees 0 in its place, the bound does not see it.
    ///
    /// # Errors
    /// As [`new`](Self::new); infinite pixels are still errors.
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

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
