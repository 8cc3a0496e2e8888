//! Where samples lie.

use std::collections::HashMap;

use autograd::Real;
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
    /// A number of this row that is the same for equal places: the noise of a prediction is a function of it.
    pub(crate) fn key(&self, row: usize) -> u32 {
        // FNV-1a, and 0 for −0.
        let numbers = self.views.row(row).iter().map(|w| (w + 0.0).to_bits());
        let numbers = numbers.chain(self.objects.get(row).map(|&object| object as u64));
        let bytes = numbers.flat_map(u64::to_le_bytes);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash >> 32) as u32
    }

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

    /// The places with views w − w₀, R numbers as w₀, subtracted in double precision. Kernels that depend on differences alone
    /// are the same for them, and single precision keeps the differences of numbers that are far from 0, as epoch seconds are.
    /// All places that one model sees need the same origin w₀.
    ///
    /// # Panics
    /// If the origin has not as many numbers as a view.
    #[track_caller]
    pub fn relative_to(&self, origin: &[f64]) -> Self {
        let (expected, found) = (self.views.cols, origin.len());
        assert!(expected == found, "relative_to: expected an origin of {expected} numbers, found {found}");
        let numbers = self.views.values.chunks_exact(expected.max(1));
        let shifted =
            numbers.flat_map(|view| view.iter().zip(origin).map(|(w, origin)| w - origin)).collect();
        Self { views: Matrix::new(self.len(), expected, shifted), objects: self.objects.clone() }
    }

    /// Checks that the numbers of type `F` tell views apart: in each column, rounding moves neighbours by no more than a hundredth
    /// of the step from one to the other, for half of the steps or more.
    pub(crate) fn check_precision<F: Real>(&self) -> Result<(), GpVaeError> {
        let rounding = |w: f64| (F::from_f64(w).to_f64() - w).abs();
        for column in 0..self.views.cols {
            let mut values: Vec<f64> = self.views.columns(&[column]).values.to_vec();
            values.sort_by(f64::total_cmp);
            values.dedup();
            let pair = |w: &[f64]| (rounding(w[0]).max(rounding(w[1])), w[1] - w[0]);
            let mut pairs: Vec<(f64, f64)> = values.windows(2).map(pair).collect();
            pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
            if let Some(&(rounding, step)) = pairs.get(pairs.len() / 2)
                && rounding > 0.01 * step
            {
                return Err(GpVaeError::Precision { column, step, rounding });
            }
        }
        Ok(())
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
