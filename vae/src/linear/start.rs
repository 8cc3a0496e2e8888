//! A VAE that begins as a linear model.

use autograd::Real;
use nn::data::Matrix;
use nn::stats::symmetric_eigen;

use super::{Em, FactorModel, LinearError, NormalModel};
use crate::{Covariance, Vae};

impl Vae {
    /// Sets θ so that the model is a factor analysis f = W z + μ + ε of what its encoder sees, f: the nearest one to a normal distribution
    /// of f ([`FactorModel::nearest_to`]), which may have been fitted to rows with gaps. Hidden layers add nothing yet: training goes on
    /// from there. Factors are turned so that W′Ψ⁻¹W = diag λ, for which the posterior of a row without gaps has a diagonal covariance,
    ///
    /// zᵢ | f ~ N((W′Ψ⁻¹(f − μ))ᵢ / (1 + λᵢ), 1 / (1 + λᵢ))
    ///
    /// [`FactorModel::begin`] says for which likelihoods, and how. If all variables are normal or log-normal, the ELBO of a row without
    /// gaps is its log p(f) + log |∂f/∂x|. With [`Gaps::Conditional`](crate::Gaps::Conditional) the distribution also says what the
    /// encoder sees in gaps, and q(z|x) of a row with gaps has the mean that it should have.
    ///
    /// # Errors
    /// [`LinearError`] if there is no factor analysis of the distribution.
    ///
    /// # Panics
    /// If the distribution has another size, q has a full covariance, or for a reason of [`FactorModel::begin`].
    #[track_caller]
    pub fn start_at<F: Real>(&self, theta: &mut [F], normal: &NormalModel) -> Result<(), LinearError> {
        let (l, d) = (self.latent(), self.inputs());
        let found = normal.mean.len();
        assert!(found == d, "start_at: expected a distribution of {d} variables, found one of {found}");
        let covariance = self.config().covariance;
        assert!(covariance == Covariance::Diagonal, "start_at: expected q with a diagonal covariance");

        // More factors than variables, or as many, leave no noise.
        let em = Em { rounds: 2000, tolerance: 1e-8 };
        let factors = FactorModel::nearest_to(normal, l.min(d - 1).max(1), em)?.model;
        turned(factors, l).begin(self, theta)?;
        if let Some(expected) = self.expected() {
            expected.set(theta, &normal.mean, &normal.precision()?.values);
        }
        Ok(())
    }
}

/// The same model, its factors turned so that W′Ψ⁻¹W is diagonal: with W′Ψ⁻¹W = U′ diag(λ) U, the loadings U W′. Further latents
/// have no loadings.
fn turned(factors: FactorModel, latents: usize) -> FactorModel {
    let (l, d, w) = (factors.loadings.rows, factors.loadings.cols, |i: usize| factors.loadings.row(i));
    let product =
        |i: usize, k: usize| w(i).iter().zip(w(k)).zip(&factors.noise).map(|((a, b), psi)| a * b / psi).sum();
    let within: Vec<f64> = (0..l * l).map(|at| product(at / l, at % l)).collect();
    let eigen = symmetric_eigen(&Matrix::new(l, l, within));
    let mut loadings = vec![0.0; latents * d];
    for (k, row) in loadings.chunks_exact_mut(d).enumerate().take(l) {
        for (i, u) in eigen.vectors.row(k).iter().enumerate() {
            row.iter_mut().zip(w(i)).for_each(|(sum, w)| *sum += u * w);
        }
    }
    FactorModel { loadings: Matrix::new(latents, d, loadings), ..factors }
}
