//! Products of covariances of categories as inner products of rows.

use std::ops::Range;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Var};

use super::{FeatureRows, Features};
use crate::kernel::Categories;

/// The product of covariances of categories, each of some columns of the rows: with rows that indicate a task w, a subject s and a
/// voxel v
///
/// k = (R_W R_Wᵀ)_ww' (R_S R_Sᵀ)_ss' (R_V R_Vᵀ)_vv'
///
/// It has the rank H = Π H_i, the product of those of its factors: v = r_w ⊗ r_s ⊗ r_v, exactly. Every pair of a subject and a voxel is
/// an object whose features r_s ⊗ r_v are learned from all samples of the subject and from all of the voxel, not from its own few alone.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryProduct {
    factors: Vec<(Categories, Range<usize>)>,
}

impl CategoryProduct {
    /// The product of these factors, each with the columns that it reads.
    ///
    /// # Panics
    /// If there are no factors.
    #[track_caller]
    pub fn new(factors: Vec<(Categories, Range<usize>)>) -> Self {
        assert!(!factors.is_empty(), "CategoryProduct: expected one factor or more, found none");
        Self { factors }
    }

    /// The factors with the columns that they read.
    pub fn factors(&self) -> &[(Categories, Range<usize>)] {
        &self.factors
    }
}

impl Features for CategoryProduct {
    fn rank(&self) -> usize {
        self.factors.iter().map(|(factor, _)| factor.rank()).product()
    }

    fn features<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
    ) -> Result<FeatureRows<'t, F>, NotPositiveDefinite> {
        let n = x.shape()[0];
        let of = |(factor, columns): &(Categories, Range<usize>)| {
            x.columns(columns.clone()).matmul(factor.root(theta)) // (n, H_i)
        };
        let product = |v: Var<'t, F>, r: Var<'t, F>| {
            let (a, b) = (v.shape().last(), r.shape().last());
            (v.reshape([n, a, 1]) * r.reshape([n, 1, b])).reshape([n, a * b])
        };
        let v = self.factors[1..].iter().map(of).fold(of(&self.factors[0]), product);
        Ok(FeatureRows { v, gap: theta.tape().constant_with([n], |gap| gap.fill(F::ZERO)) })
    }
}
