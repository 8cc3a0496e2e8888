//! K = V Vᵀ: the matrix-inversion and determinant lemmas.

use autograd::{NotPositiveDefinite, Real, Var};
use nn::data::Matrix;
use nn::{Init, Layout, Slot};

use super::{LN_2PI, Posterior, Prior, check_jitter};
use crate::kernel::{Kernel, Positive};

/// Rows V with which a kernel is k(a, b) ≈ v(a)·v(b), and what that lacks of its variances.
#[derive(Clone, Copy, Debug)]
pub struct FeatureRows<'t, F: Real> {
    /// V, (n, H)
    pub v: Var<'t, F>,
    /// k(x_n, x_n) − ‖v_n‖², (n): 0 where V is exact
    pub gap: Var<'t, F>,
}

/// A kernel of finite rank, or an approximation by one.
pub trait Features: Sync {
    /// H, the number of columns of V.
    fn rank(&self) -> usize;

    /// V at the rows of x, (n, d) to (n, H) with (n).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if the covariance of the views or of the inducing points has no Cholesky factor.
    #[track_caller]
    fn features<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
    ) -> Result<FeatureRows<'t, F>, NotPositiveDefinite>;
}

/// k((w, x), (w', x')) = k_view(w, w') xᵀx' for Q views and M object features, rows (w | x): H = Q M.
///
/// v = ℓ ⊗ x,   ℓ = k_view(w, W) L⁻ᵀ,   L Lᵀ = k_view(W, W) + jitter I
///
/// At one of the Q views ℓ is a row of L, and K = V Vᵀ is exact (Casale et al. 2018, section 3.3) up to the jitter; a
/// view beside them has a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewObject<K> {
    /// k_view
    pub view: K,
    views: Matrix<f64>,
    features: usize,
    jitter: f64,
}

impl<K: Kernel> ViewObject<K> {
    /// For the distinct `views` W (Q, R) and M object features. The jitter is relative to a view kernel of about one; in f32
    /// smooth kernels want 1e-4, in f64 1e-8 does.
    ///
    /// # Panics
    /// If there are no views, or the jitter is negative or not finite.
    #[track_caller]
    pub fn new(view: K, views: Matrix<f64>, features: usize, jitter: f64) -> Self {
        assert!(views.rows > 0 && views.cols > 0, "ViewObject: views [{}, {}]", views.rows, views.cols);
        check_jitter(jitter);
        Self { view, views, features, jitter }
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
        let views = theta.tape().constant_with([q, r], |out| {
            out.iter_mut().zip(self.views.values.iter()).for_each(|(out, &w)| *out = F::from_f64(w));
        });
        let l = factor(self.view.gram(theta, views), self.jitter)?;
        let l_n = l.solve_triangular_right_t(self.view.cross(theta, w, views)); // (n, Q)
        let v = l_n.reshape([n, q, 1]) * x.reshape([n, 1, m]);
        let gap = self.view.diagonal(theta, w) - l_n.square().sum_axis(1);
        Ok(FeatureRows { v: v.reshape([n, q * m]), gap: gap * x.square().sum_axis(1) })
    }
}

/// Any kernel, seen through its values at H inducing points S (Titsias 2009):
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
    /// With a slot `inducing` (H, d) for the points, which begin at the rows of `points` and can be learned.
    ///
    /// # Panics
    /// If there are no points, or the jitter is negative or not finite.
    #[track_caller]
    pub fn new(layout: &mut Layout, kernel: K, points: &Matrix<f64>, jitter: f64) -> Self {
        assert!(points.rows > 0 && points.cols > 0, "Inducing: points [{}, {}]", points.rows, points.cols);
        check_jitter(jitter);
        let init = Init::Values(points.values.to_vec());
        Self { kernel, points: layout.slot("inducing", [points.rows, points.cols], init), jitter }
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
        let l_mm = factor(self.kernel.gram(theta, points), self.jitter)?;
        let v = l_mm.solve_triangular_right_t(self.kernel.cross(theta, x, points)); // (n, H)
        Ok(FeatureRows { v, gap: self.kernel.diagonal(theta, x) - v.square().sum_axis(1) })
    }
}

/// The Cholesky factor of K + jitter I.
#[track_caller]
fn factor<F: Real>(k: Var<'_, F>, jitter: f64) -> Result<Var<'_, F>, NotPositiveDefinite> {
    let n = k.shape()[0];
    let jitter = k.tape().constant_with([n], |diagonal| diagonal.fill(F::from_f64(jitter)));
    (k + jitter.diagonal_matrix()).cholesky()
}

/// The form for kernels of finite rank. With B = I + VᵀV/α = L_B L_Bᵀ (H, H) and c = L_B⁻¹ VᵀZ/α:
///
/// log N(Z; 0, V Vᵀ + αI) = −½ (‖Z‖²/α − ‖c‖²) − L Σ ln L_B,ii − ½ N L ln 2πα
///
/// by the matrix-inversion and determinant lemmas (Casale et al. 2018, section 3.3), minus (L/2α) Σ gap: where V is only an
/// approximation this is a lower bound of the density (Titsias 2009, equation 9).
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank<V> {
    /// The kernel as rows V.
    pub features: V,
    pub(super) alpha: Positive,
}

/// B's factor and c, of which everything else is made.
pub(super) struct Reduced<'t, F: Real> {
    pub(super) l_b: Var<'t, F>,
    pub(super) c: Var<'t, F>,
}

impl<V: Features> LowRank<V> {
    /// With a slot `log_alpha` for α, which begins at `alpha`.
    ///
    /// # Panics
    /// If α is not a positive number: K alone has rank H, so that without noise Z has no density.
    #[track_caller]
    pub fn new(layout: &mut Layout, features: V, alpha: f64) -> Self {
        Self { features, alpha: Positive::new(layout, "alpha", alpha) }
    }

    /// B's factor and c; what z's rows stand for is counted `scale` times.
    #[track_caller]
    pub(super) fn reduce<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        v: Var<'t, F>,
        z: Var<'t, F>,
        scale: f64,
    ) -> Result<Reduced<'t, F>, NotPositiveDefinite> {
        let precision = self.alpha.of(theta).recip() * F::from_f64(scale);
        let one = theta.tape().constant_with([v.shape()[1]], |one| one.fill(F::ONE));
        let l_b = (v.t_matmul(v) * precision + one.diagonal_matrix()).cholesky()?;
        Ok(Reduced { l_b, c: l_b.solve_triangular(v.t_matmul(z) * precision) })
    }
}

impl<V: Features> Prior for LowRank<V> {
    fn log_prob<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let FeatureRows { v, gap } = self.features.features(theta, x)?;
        let Reduced { l_b, c } = self.reduce(theta, v, z, 1.0)?;
        let (alpha, columns) = (self.alpha.of(theta), z.shape()[1] as f64);
        let quadratic = (z.square().sum() + gap.sum() * F::from_f64(columns)) / alpha - c.square().sum();
        let log_det = l_b.log_det_from_factor() * F::from_f64(columns)
            + (alpha.ln() + F::from_f64(LN_2PI)) * F::from_f64(z.size() as f64);
        Ok((quadratic + log_det) * F::from_f64(-0.5))
    }

    /// mean = V⋆ B⁻¹ VᵀZ/α = Aᵀ c,   variance = gap⋆ + Σ A²,   A = L_B⁻¹ V⋆ᵀ
    fn posterior<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        at: Var<'t, F>,
    ) -> Result<Posterior<'t, F>, NotPositiveDefinite> {
        let v = self.features.features(theta, x)?.v;
        let Reduced { l_b, c } = self.reduce(theta, v, z, 1.0)?;
        let FeatureRows { v, gap } = self.features.features(theta, at)?;
        let a = l_b.solve_triangular_right_t(v); // Aᵀ, (n, H)
        Ok(Posterior { mean: a.matmul(c), variance: gap + a.square().sum_axis(1) })
    }

    fn alpha(&self) -> Option<&Positive> {
        Some(&self.alpha)
    }
}
