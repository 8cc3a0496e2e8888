//! A VAE that begins as factor analysis.

use std::ops::Range;

use autograd::Real;
use nn::data::Matrix;
use nn::model::Nonlinearity;

use super::{FactorModel, LinearError};
use crate::posterior::LOG_SIGMA_BOUND;
use crate::{Layers, Likelihood, Vae, Variable, mixed};

/// Where a probability is nearer to 0 or 1, its logarithm is too steep to begin with.
const LEAST_PROBABILITY: f64 = 0.01;

impl FactorModel {
    /// Sets θ such that a VAE with linear paths in both networks ([`Layers::WithLinearPath`](crate::Layers::WithLinearPath), or no
    /// hidden layers) is this model of what its encoder sees: d(z) = W z + μ with the variances Ψ, and q(z|x) = p(z|x), but for the
    /// covariances that a diagonal q leaves out; those of probabilistic PCA are 0. The weights behind the hidden layers become 0, and learn
    /// from there. So the bound begins at the log-likelihood of this model, and training can only leave it for a better one.
    ///
    /// The likelihood is [`NormalHead`](Likelihood::NormalHead), whose variances do not depend on z at first,
    /// [`NormalDiagonal`](Likelihood::NormalDiagonal) or [`Mixed`](Likelihood::Mixed). In the last, normal and log-normal variables
    /// have the decoder and the σ of this model. Of a probability, which this model says to be π + w′z, the decoder begins as the
    /// tangent at z = 0 of its logit or, in a category, of its logarithm. Of a count the logarithm of the mean begins as what this
    /// model says of ln(1 + x). A VAE holds log σ within ±8: smaller and larger σ become the nearest.
    ///
    /// # Errors
    /// Those of [`posterior`](Self::posterior).
    ///
    /// # Panics
    /// If θ has another length than the model's, or the VAE has other sizes, another likelihood, or networks without a linear path.
    #[track_caller]
    pub fn begin<F: Real>(&self, vae: &Vae, theta: &mut [F]) -> Result<(), LinearError> {
        let (d, latent, conditions) = (self.mean.len(), self.loadings.rows, vae.conditions());
        let found = (vae.inputs(), vae.latent());
        assert!(
            found == (d, latent),
            "begin: expected a VAE of {d} variables, {latent} latents, found {found:?}"
        );
        let (expected, found) = (vae.layout().size(), theta.len());
        assert!(found == expected, "begin: expected a θ of {expected} numbers, found {found}");
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
        let log_sigma = |variance: &f64| unbounded(0.5 * variance.ln());
        let log_sigmas = self.noise.iter().map(log_sigma);
        let (bias, slopes): (Vec<f64>, Vec<f64>) = match &vae.config().likelihood {
            Likelihood::NormalHead => (self.mean.iter().copied().chain(log_sigmas).collect(), vec![1.0; d]),
            Likelihood::NormalDiagonal { .. } => {
                let slot = &mut theta[vae.layout().range("log_sigma")];
                slot.iter_mut().zip(log_sigmas).for_each(|(to, x)| *to = F::from_f64(x));
                (self.mean.clone(), vec![1.0; d])
            }
            Likelihood::Mixed { variables } => {
                for (scale, column) in mixed::scale_columns(variables).enumerate() {
                    if let Some(column) = column {
                        let at = vae.layout().range("log_scale").start + scale;
                        theta[at] = F::from_f64(log_sigma(&self.noise[column]));
                    }
                }
                tangents(variables, &self.mean).into_iter().unzip()
            }
            other => {
                panic!("begin: expected the likelihood NormalHead, NormalDiagonal or Mixed, found {other:?}")
            }
        };
        let loadings =
            |j: usize| self.loadings.row(j).iter().zip(&slopes).map(|(w, slope)| w * slope).collect();
        let (weight, biases) = (networks.decoder.last_weight().range(), networks.decoder.last_bias().range());
        fill(theta, weight, biases, (latent, conditions), loadings, &bias);

        // The posterior mean is linear in x: at 0 it is the bias, and at the unit vectors the rows of its weights more.
        let mut rows = vec![0.0; (d + 1) * d];
        (0..d).for_each(|i| rows[(i + 1) * d + i] = 1.0);
        let posterior = self.posterior(&Matrix::new(d + 1, d, rows))?;
        let at_zero = posterior.means.row(0);
        let spread = (0..latent).map(|j| log_sigma(&posterior.covariance.row(j)[j]));
        let parameters = vae.config().covariance.parameters(latent);
        let mut bias: Vec<f64> = at_zero.iter().copied().chain(spread).collect();
        bias.resize(parameters, 0.0);
        let slopes = |i: usize| posterior.means.row(i + 1).iter().zip(at_zero).map(|(a, b)| a - b).collect();
        let (weight, biases) = (networks.encoder.last_weight().range(), networks.encoder.last_bias().range());
        fill(theta, weight, biases, (d, conditions), slopes, &bias);
        Ok(())
    }
}

/// Fills a last layer: 0 behind hidden layers, the rows of the linear path, 0 for conditions, and biases.
fn fill<F: Real>(
    theta: &mut [F],
    weight: Range<usize>,
    bias: Range<usize>,
    (inputs, conditions): (usize, usize),
    row: impl Fn(usize) -> Vec<f64>,
    biases: &[f64],
) {
    let outputs = bias.len();
    theta[bias].iter_mut().zip(biases).for_each(|(to, &x)| *to = F::from_f64(x));
    let weight = &mut theta[weight];
    weight.fill(F::ZERO);
    let behind_hidden = weight.len() - (inputs + conditions) * outputs;
    for (i, to) in weight[behind_hidden..].chunks_exact_mut(outputs).enumerate().take(inputs) {
        to.iter_mut().zip(row(i)).for_each(|(to, x)| *to = F::from_f64(x));
    }
}

/// For each number that the decoder computes its value at z = 0 and its derivative by what the factor analysis says of the encoder's
/// number, which has this mean.
fn tangents(variables: &[Variable], mean: &[f64]) -> Vec<(f64, f64)> {
    let kinds = variables.iter().flat_map(|variable| std::iter::repeat_n(*variable, variable.width()));
    let probability = |p: f64| p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
    let tangent = |(kind, &mean): (Variable, &f64)| match kind {
        Variable::Normal | Variable::LogNormal { .. } | Variable::Count { .. } => (mean, 1.0),
        // f = 2 x − 1
        Variable::YesNo => {
            let p = probability(0.5 * (mean + 1.0));
            ((p / (1.0 - p)).ln(), 0.5 / (p * (1.0 - p)))
        }
        Variable::Category { .. } => {
            let p = probability(mean);
            (p.ln(), 1.0 / p)
        }
    };
    kinds.zip(mean).map(tangent).collect()
}

/// log σ before it is bounded. Of one near the bound or beyond it, the nearest from where it still is learned.
fn unbounded(log_sigma: f64) -> f64 {
    const MOST: f64 = LOG_SIGMA_BOUND - 0.1;
    LOG_SIGMA_BOUND * (log_sigma.clamp(-MOST, MOST) / LOG_SIGMA_BOUND).atanh()
}
