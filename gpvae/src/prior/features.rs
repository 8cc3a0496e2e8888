//! Kernels as inner products of rows: K = V Vᵀ with V (N, H).

use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::XLt;
use autograd::{Real, Var};
use nn::data::Matrix;
use nn::model::{Init, Layout, Slot};

use super::{check_jitter, scaled_identity};
use crate::data::matrix_on;
use crate::kernel::Kernel;

/// A kernel of finite rank H, or an approximation of a kernel by one: k(a, b) ≈ v(a)·v(b).
pub trait Features: Sync {
    /// H, the number of columns of V.
    fn rank(&self) -> usize;

    /// V and its gap at the rows of x (n, d).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if the covariance of the views, or of the inducing points, has no Cholesky factor.
    #[track_caller]
    fn features<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
    ) -> Result<FeatureRows<'t, F>, NotPositiveDefinite>;
}

/// What [`Features`] compute for n rows.
#[derive(Clone, Copy, Debug)]
pub struct FeatureRows<'t, F: Real> {
    /// V, (n, H)
    pub v: Var<'t, F>,
    /// k(x_n, x_n) − ‖v_n‖², the part of a variance that V lacks, (n): 0 where V is exact
    pub gap: Var<'t, F>,
}

/// k((w, x), (w', x')) = k_view(w, w') xᵀx' of Q views and M object features, for rows (w | x), with H = Q M:
///
/// v = ℓ ⊗ x,   ℓ = k_view(w, W) L⁻ᵀ,   L Lᵀ = k_view(W, W) + jitter I
///
/// At each of the Q views ℓ is a row of L, and K = V Vᵀ is exact up to the jitter (Casale et al. 2018, section 3.3). A view
/// that is none of the Q has a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewObject<K> {
    /// k_view
    pub view: K,
    views: Matrix<f64>,
    features: usize,
    jitter: f64,
}

impl<K: Kernel> ViewObject<K> {
    /// Features for the distinct `views` W (Q, R) and M object features, without jitter.
    ///
    /// # Panics
    /// If there are no views.
    #[track_caller]
    pub fn new(view: K, views: Matrix<f64>, features: usize) -> Self {
        let (rows, cols) = (views.rows, views.cols);
        assert!(rows > 0 && cols > 0, "ViewObject: expected at least one view, found [{rows}, {cols}]");
        Self { view, views, features, jitter: 0.0 }
    }

    /// The features with this jitter, which is relative to a view kernel of about one. Smooth kernels need about 1e-4 in
    /// `f32` and 1e-8 in `f64`.
    ///
    /// # Panics
    /// If `jitter` is negative or not finite.
    #[track_caller]
    pub fn with_jitter(self, jitter: f64) -> Self {
        check_jitter(jitter);
        Self { jitter, ..self }
    }

    /// W, (Q, R)
    pub fn views(&self) -> &Matrix<f64> {
        &self.views
    }
}

impl<K: Kernel> Features for ViewObject<K> {
    fn rank(&self) -> usize {
        self.views.rows * self.features
    }

    fn features<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        rows: Var<'t, F>,
    ) -> Result<FeatureRows<'t, F>, NotPositiveDefinite> {
        let (n, q, r, m) = (rows.shape()[0], self.views.rows, self.views.cols, self.features);
        let (w, x) = (rows.columns(0..r), rows.columns(r..r + m));
        let views = matrix_on(theta.tape(), &self.views);
        let l = factor(self.view.gram(theta, views), self.jitter)?;
        let l_n = l.solve_triangular(self.view.cross(theta, w, views), XLt); // (n, Q)
        let v = l_n.reshape([n, q, 1]) * x.reshape([n, 1, m]);
        let gap = self.view.diagonal(theta, w) - l_n.square().sum_axis(1);
        Ok(FeatureRows { v: v.reshape([n, q * m]), gap: gap * x.square().sum_axis(1) })
    }
}

/// Any kernel, approximated through its values at H inducing points S (Titsias 2009):
///
/// V = K(X, S) L⁻ᵀ,   L Lᵀ = K(S, S) + jitter I
#[derive(Clone, Debug, PartialEq)]
pub struct Inducing<K> {
    /// k
    pub kernel: K,
    points: Slot,
    jitter: f64,
}

impl<K: Kernel> Inducing<K> {
    /// Features with a slot `inducing` (H, d) of θ for the points, which start at the rows of `points` and are learned with
    /// the rest of θ, without jitter.
    ///
    /// # Panics
    /// If there are no points, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, kernel: K, points: &Matrix<f64>) -> Self {
        let (rows, cols) = (points.rows, points.cols);
        assert!(rows > 0 && cols > 0, "Inducing: expected at least one point, found [{rows}, {cols}]");
        let init = Init::Values(points.values.to_vec());
        Self { kernel, points: layout.slot("inducing", [rows, cols], init), jitter: 0.0 }
    }

    /// The features with this jitter, which is relative to the kernel's amplitude. Smooth kernels need about 1e-4 in `f32`
    /// and 1e-8 in `f64`.
    ///
    /// # Panics
    /// If `jitter` is negative or not finite.
    #[track_caller]
    pub fn with_jitter(self, jitter: f64) -> Self {
        check_jitter(jitter);
        Self { jitter, ..self }
    }
}

impl<K: Kernel> Features for Inducing<K> {
    fn rank(&self) -> usize {
        self.points.shape()[0]
    }

    fn features<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
    ) -> Result<FeatureRows<'t, F>, NotPositiveDefinite> {
        let points = self.points.of(theta);
        let l = factor(self.kernel.gram(theta, points), self.jitter)?;
        let v = l.solve_triangular(self.kernel.cross(theta, x, points), XLt); // (n, H)
        Ok(FeatureRows { v, gap: self.kernel.diagonal(theta, x) - v.square().sum_axis(1) })
    }
}

/// The Cholesky factor of K + jitter I.
#[track_caller]
fn factor<F: Real>(k: Var<'_, F>, jitter: f64) -> Result<Var<'_, F>, NotPositiveDefinite> {
    (k + scaled_identity(k, k.shape()[0], jitter)).cholesky()
}
