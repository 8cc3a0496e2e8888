//! Where samples lie.

use std::collections::HashMap;

use nn::data::Matrix;

use crate::GpVaeError;

/// Where N samples lie: row n is object p_n under view w_n. Without objects, samples differ by their views alone, as points
/// in time do.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// w_n, (N, R)
    pub views: Matrix<f64>,
    /// p_n, counted from 0: N of them, or none if there are no objects
    pub objects: Vec<usize>,
}

impl Places {
    /// Objects under views, row by row.
    ///
    /// # Errors
    /// [`GpVaeError::Sizes`] if views and objects are not equally many, [`GpVaeError::View`] if a view is not finite.
    pub fn new(views: Matrix<f64>, objects: Vec<usize>) -> Result<Self, GpVaeError> {
        if objects.len() != views.rows {
            let (views, objects) = (views.rows, objects.len());
            return Err(GpVaeError::Sizes { images: views, views, objects });
        }
        Ok(Self { objects, ..Self::of_views(views)? })
    }

    /// Views without objects, row by row.
    ///
    /// # Errors
    /// [`GpVaeError::View`] if a view is not finite.
    pub fn of_views(views: Matrix<f64>) -> Result<Self, GpVaeError> {
        match views.values.iter().position(|w| !w.is_finite()) {
            Some(at) => Err(GpVaeError::View { row: at / views.cols.max(1), value: views.values[at] }),
            None => Ok(Self { views, objects: Vec::new() }),
        }
    }

    /// N
    pub fn len(&self) -> usize {
        self.views.rows
    }

    /// Whether there are no places.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The places of these rows, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        let objects =
            if self.objects.is_empty() { vec![] } else { rows.iter().map(|&n| self.objects[n]).collect() };
        Self { views: self.views.select(rows), objects }
    }

    /// Checks that every object here is among the objects of `seen`. Nothing else tells what an object looks like.
    ///
    /// # Errors
    /// [`GpVaeError::UnseenObject`] for the first one that is not.
    pub fn check_seen_in(&self, seen: &Self) -> Result<(), GpVaeError> {
        let unseen = self.objects.iter().enumerate().find(|(_, object)| !seen.objects.contains(object));
        unseen.map_or(Ok(()), |(row, &object)| Err(GpVaeError::UnseenObject { row, object }))
    }

    /// Checks that no two rows are of one object under one view.
    ///
    /// # Errors
    /// [`GpVaeError::Duplicate`] for the first two rows that are.
    pub fn check_distinct(&self) -> Result<(), GpVaeError> {
        // −0 + 0 is +0: both zeros have the same bits then.
        let bits = |w: &f64| (w + 0.0).to_bits();
        let mut seen = HashMap::new();
        for row in 0..self.len() {
            let place = (self.objects.get(row), self.views.row(row).iter().map(bits).collect::<Vec<_>>());
            if let Some(first) = seen.insert(place, row) {
                return Err(GpVaeError::Duplicate { first, second: row });
            }
        }
        Ok(())
    }
}
