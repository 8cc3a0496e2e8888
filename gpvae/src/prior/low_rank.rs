//! The form for kernels of finite rank: the matrix-inversion and determinant lemmas.

use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::{LX, XLt};
use autograd::{Real, Var};
use nn::model::Layout;

use super::{FeatureRows, Features, LatentPrior, ProcessPosterior, scaled_identity};
use crate::LN_2PI;
use crate::kernel::Positive;

/// The prior of a kernel K = V Vᵀ. With B = I + VᵀV/α = L_B L_Bᵀ (H, H) and c = L_B⁻¹ VᵀZ/α:
///
/// log N(Z; 0, V Vᵀ + αI) = −½ (‖Z‖²/α − ‖c‖²) − L Σ ln L_B,ii − ½ N L ln 2πα
///
/// by the matrix-inversion and determinant lemmas (Casale et al. 2018, section 3.3). Where V is an approximation, (L/2α) Σ gap
/// is subtracted: what remains is a lower bound of the density (Titsias 2009, equation 9).
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank<V> {
    /// The kernel as rows V.
    pub features: V,
    alpha: Positive,
}

/// The factor of B, and c.
pub(super) struct Reduced<'t, F: Real> {
    pub(super) l_b: Var<'t, F>,
    pub(super) c: Var<'t, F>,
}

impl<V: Features> LowRank<V> {
    /// The prior with a slot `log_alpha` for α, which starts at `alpha`.
    ///
    /// # Panics
    /// If `alpha` is not a positive number, or the slot's name is taken. K alone has rank H, so that without noise Z has no
    /// density.
    #[track_caller]
    pub fn new(layout: &mut Layout, features: V, alpha: f64) -> Self {
        Self { features, alpha: Positive::new(layout, "alpha", alpha) }
    }

    /// The factor of B, and c, where each row of z counts `scale` times.
    #[track_caller]
    pub(super) fn reduce<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        v: Var<'t, F>,
        z: Var<'t, F>,
        scale: f64,
    ) -> Result<Reduced<'t, F>, NotPositiveDefinite> {
        let precision = self.alpha.of(theta).recip() * F::from_f64(scale);
        let b = v.t_matmul(v) * precision + scaled_identity(theta, v.shape()[1], 1.0);
        let l_b = b.cholesky()?;
        Ok(Reduced { l_b, c: l_b.solve_triangular(v.t_matmul(z) * precision, LX) })
    }
}

impl<V: Features> LatentPrior for LowRank<V> {
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
    ) -> Result<ProcessPosterior<'t, F>, NotPositiveDefinite> {
        let v = self.features.features(theta, x)?.v;
        let Reduced { l_b, c } = self.reduce(theta, v, z, 1.0)?;
        let FeatureRows { v, gap } = self.features.features(theta, at)?;
        let a = l_b.solve_triangular(v, XLt); // Aᵀ, (n, H)
        Ok(ProcessPosterior { mean: a.matmul(c), variance: gap + a.square().sum_axis(1) })
    }

    fn alpha(&self) -> Option<&Positive> {
        Some(&self.alpha)
    }
}
