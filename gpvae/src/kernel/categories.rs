//! Covariances of things that have no distance.

use autograd::{Real, Var};
use nn::data::Matrix;
use nn::model::{Init, Layout, Slot};

use super::Kernel;

/// k(a, b) = aᵀ R Rᵀ b of rows a, b of Q numbers, such as indicators of Q categories: R Rᵀ (Q, Q) is a covariance of the categories,
/// any of rank H or less, which is learned (the coregionalisation of Bonilla, Chai & Williams 2008). Of two indicators e_q, e_q' it is
/// (R Rᵀ)_qq'.
///
/// Lecture 003's motor tasks ("My Discussion: neuroimaging") are such views: nobody knows a distance between a hand and the tongue.
#[derive(Clone, Debug, PartialEq)]
pub struct Categories {
    root: Slot,
}

impl Categories {
    /// The kernel with a slot `name` for R (Q, H), which starts at this matrix.
    ///
    /// # Panics
    /// If there are no categories or no columns, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, start: &Matrix<f64>) -> Self {
        let (rows, cols) = (start.rows, start.cols);
        assert!(
            rows > 0 && cols > 0,
            "Categories: expected a matrix that is not empty, found [{rows}, {cols}]"
        );
        Self { root: layout.slot(name, [rows, cols], Init::Values(start.values.to_vec())) }
    }

    /// H, the number of columns of R.
    pub fn rank(&self) -> usize {
        self.root.shape()[1]
    }

    /// The slot of R.
    pub fn slot(&self) -> &Slot {
        &self.root
    }

    /// R (Q, H) for a θ on a tape.
    #[track_caller]
    pub fn root<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        self.root.of(theta)
    }
}

impl Kernel for Categories {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        let root = self.root(theta);
        a.matmul(root).matmul_t(b.matmul(root))
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        a.matmul(self.root(theta)).square().sum_axis(1)
    }
}
