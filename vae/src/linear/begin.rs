//! A VAE that begins as factor analysis.

use std::ops::Range;

use autograd::Real;
use nn::data::Matrix;
use nn::model::Nonlinearity;

use super::{FactorModel, LinearError};
use crate::posterior::LOG_SIGMA_BOUND;
use crate::{Layers, Likelihood, Vae};

impl FactorModel {
    /// Sets θ such that a VAE with linear paths in both networks ([`Layers::WithLinearPath`](crate::Layers::WithLinearPath), or no
    /// hidden layers) is this model: d(z) = W z + μ with the variances Ψ, and q(z|x) = p(z|x), but for the covariances that a diagonal q
    /// leaves out; those of probabilistic PCA are 0. The weights behind the hidden layers become 0, and learn from there. So the bound
    /// begins at the log-likelihood of this model, and training can only leave it for a better one.
    ///
    /// The likelihood is normal: [`NormalHead`](Likelihood::NormalHead), whose variances do not depend on z at first, or
    /// [`NormalDiagonal`](Likelihood::NormalDiagonal).
    ///
    /// # Errors
    /// Those of [`posterior`](Self::posterior).
    ///
    /// # Panics
    /// If θ has another length than the model's, the VAE has conditions, other sizes, another likelihood, or networks without a linear
    /// path.
    #[track_caller]
    pub fn begin<F: Real>(&self, vae: &Vae, theta: &mut [F]) -> Result<(), LinearError> {
        let (d, latent) = (self.mean.len(), self.loadings.rows);
        let found = (vae.inputs(), vae.latent(), vae.conditions());
        assert!(
            found == (d, latent, 0),
            "begin: expected a VAE of {d} variables, {latent} latents, found {found:?}"
        );
        for config in [&vae.config().encoder, &vae.config().decoder] {
            let is_linear = match &config.layers {
                Layers::Dense(hidden) => hidden.is_empty(),
                Layers::WithLinearPath(_) => true,
                Layers::Convolutional { .. } => false,
            };
            assert!(
                is_linear && config.psi == Nonlinearity::Identity,
                "begin: expected networks with a linear path, found {config:?}"
            );
        }
        let networks = vae.networks();
        let log_sigma = self.noise.iter().map(|variance| unbounded(0.5 * variance.ln()));
        let bias: Vec<f64> = match vae.config().likelihood {
            Likelihood::NormalHead => self.mean.iter().copied().chain(log_sigma).collect(),
            Likelihood::NormalDiagonal { .. } => {
                let slot = &mut theta[vae.layout().range("log_sigma")];
                slot.iter_mut().zip(log_sigma).for_each(|(to, x)| *to = F::from_f64(x));
                self.mean.clone()
            }
            other => panic!("begin: expected the likelihood NormalHead or NormalDiagonal, found {other:?}"),
        };
        let loadings = |j: usize| self.loadings.row(j).to_vec();
        fill(
            theta,
            networks.decoder.last_weight().range(),
            networks.decoder.last_bias().range(),
            latent,
            loadings,
            &bias,
        );

        // The posterior mean is linear in x: at 0 it is the bias, and at the unit vectors the rows of its weights more.
        let mut rows = vec![0.0; (d + 1) * d];
        (0..d).for_each(|i| rows[(i + 1) * d + i] = 1.0);
        let posterior = self.posterior(&Matrix::new(d + 1, d, rows))?;
        let at_zero = posterior.means.row(0);
        let spread = (0..latent).map(|j| unbounded(0.5 * posterior.covariance.row(j)[j].ln()));
        let parameters = vae.config().covariance.parameters(latent);
        let mut bias: Vec<f64> = at_zero.iter().copied().chain(spread).collect();
        bias.resize(parameters, 0.0);
        let slopes = |i: usize| posterior.means.row(i + 1).iter().zip(at_zero).map(|(a, b)| a - b).collect();
        fill(
            theta,
            networks.encoder.last_weight().range(),
            networks.encoder.last_bias().range(),
            d,
            slopes,
            &bias,
        );
        Ok(())
    }
}

/// Fills a last layer: 0 behind hidden layers, the rows of the linear path, and biases.
fn fill<F: Real>(
    theta: &mut [F],
    weight: Range<usize>,
    bias: Range<usize>,
    inputs: usize,
    row: impl Fn(usize) -> Vec<f64>,
    biases: &[f64],
) {
    let outputs = bias.len();
    theta[bias].iter_mut().zip(biases).for_each(|(to, &x)| *to = F::from_f64(x));
    let weight = &mut theta[weight];
    weight.fill(F::ZERO);
    let behind_hidden = weight.len() - inputs * outputs;
    for (i, to) in weight[behind_hidden..].chunks_exact_mut(outputs).enumerate() {
        to.iter_mut().zip(row(i)).for_each(|(to, x)| *to = F::from_f64(x));
    }
}

/// log σ before it is bounded.
fn unbounded(log_sigma: f64) -> f64 {
    LOG_SIGMA_BOUND * (log_sigma / LOG_SIGMA_BOUND).atanh()
}
