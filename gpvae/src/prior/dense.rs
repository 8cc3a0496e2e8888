//! The form that takes any kernel.

use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::LX;
use autograd::{Real, Var};
use nn::model::Layout;

use super::{LatentPrior, ProcessPosterior, check_jitter};
use crate::kernel::{Kernel, Positive};

/// log N(Z; 0, C) with C = K(X, X) + (α + jitter) I, by a Cholesky factor of the N x N covariance C.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense<K> {
    /// k
    pub kernel: K,
    alpha: Option<Positive>,
    jitter: f64,
}

impl<K: Kernel> Dense<K> {
    /// The prior of this kernel without noise: α = 0.
    pub fn new(kernel: K) -> Self {
        Self { kernel, alpha: None, jitter: 0.0 }
    }

    /// The prior with noise, in a slot `log_alpha` for α, which starts at `alpha`.
    ///
    /// # Panics
    /// If `alpha` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn with_noise(self, layout: &mut Layout, alpha: f64) -> Self {
        Self { alpha: Some(Positive::new(layout, "alpha", alpha)), ..self }
    }

    /// The prior with this number added to the diagonal of C, so that C has a Cholesky factor in spite of rounding. None is
    /// needed where α is not much smaller than the kernel.
    ///
    /// # Panics
    /// If `jitter` is negative or not finite.
    #[track_caller]
    pub fn with_jitter(self, jitter: f64) -> Self {
        check_jitter(jitter);
        Self { jitter, ..self }
    }

    /// C, (N, N)
    #[track_caller]
    fn covariance<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        let k = self.kernel.gram(theta, x);
        let jitter = theta.tape().constant(&[F::from_f64(self.jitter)], []);
        let noise = self.alpha.as_ref().map_or(jitter, |alpha| alpha.of(theta) + jitter);
        k + noise.broadcast_to([x.shape()[0]]).diagonal_matrix()
    }
}

impl<K: Kernel> LatentPrior for Dense<K> {
    fn log_prob<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        z.multivariate_normal_log_prob(self.covariance(theta, x))
    }

    /// mean = K⋆ C⁻¹ Z = Aᵀ L⁻¹ Z,   variance = k(x⋆, x⋆) − Σ A²,   A = L⁻¹ K(X, X⋆),   C = L Lᵀ
    /// (Rasmussen & Williams 2006, algorithm 2.1)
    fn posterior<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        z: Var<'t, F>,
        at: Var<'t, F>,
    ) -> Result<ProcessPosterior<'t, F>, NotPositiveDefinite> {
        let l = self.covariance(theta, x).cholesky()?;
        let a = l.solve_triangular(self.kernel.cross(theta, x, at), LX); // (N, n)
        let variance = self.kernel.diagonal(theta, at) - a.square().sum_axis(0);
        Ok(ProcessPosterior { mean: a.t_matmul(l.solve_triangular(z, LX)), variance })
    }

    fn alpha(&self) -> Option<&Positive> {
        self.alpha.as_ref()
    }
}
