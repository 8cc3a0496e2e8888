//! A VAE that begins as a linear model.

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::stats::symmetric_eigen;

use super::{Em, FactorModel, LinearError, NormalModel};
use crate::posterior::LOG_SIGMA_BOUND;
use crate::{Covariance, Layers, Likelihood, Vae, Variable, mixed};

/// Where a probability is nearer to 0 or 1, its logarithm is too steep to begin with.
const LEAST_PROBABILITY: f64 = 0.01;

impl Vae {
    /// What the encoder sees of rows x (N, D), without conditions: numbers of the size of 1 for a mixed likelihood. Of what is missing
    /// it is NaN, whatever stands in for it.
    ///
    /// # Panics
    /// If the rows have another length, or the model has conditions.
    #[track_caller]
    pub fn seen_by_encoder<F: Real>(&self, x: &Matrix<F>) -> Matrix<f64> {
        let (tape, conditions) = (Tape::new(), self.conditions());
        assert!(conditions == 0, "seen_by_encoder: expected a model without conditions, found {conditions}");
        let rows = self.rows(tape.shared_constant(&x.values, [x.rows, x.cols]));
        let mut seen: Vec<f64> = self.seen(rows).to_vec().into_iter().map(Real::to_f64).collect();
        if let Some(observed) = rows.observed {
            let hide = |observed: &[F]| {
                seen.iter_mut()
                    .zip(observed)
                    .filter(|(_, o)| **o == F::ZERO)
                    .for_each(|(x, _)| *x = f64::NAN);
            };
            observed.with(hide);
        }
        Matrix::new(x.rows, x.cols, seen)
    }

    /// Sets θ so that the model is a factor analysis f = W z + μ + ε of what its encoder sees, f: the nearest one to a normal distribution
    /// of f ([`FactorModel::nearest_to`]), which may have been fitted to rows with gaps. Hidden layers add nothing yet: training goes on
    /// from there. The likelihood is [`Likelihood::Mixed`]. Factors are turned so that W′Ψ⁻¹W = diag λ, for which the posterior of a row
    /// without gaps has a diagonal covariance; the encoder computes it,
    ///
    /// zᵢ | f ~ N((W′Ψ⁻¹(f − μ))ᵢ / (1 + λᵢ), 1 / (1 + λᵢ))
    ///
    /// Of normal and log-normal variables the decoder and σ are those of the factor analysis: without other variables the ELBO of a row
    /// without gaps is its log p(f) + log |∂f/∂x|. Of a probability, which the factor analysis says to be π + w′z, the decoder begins as
    /// the tangent at z = 0 of its logit or, in a category, of its logarithm. Of a count the logarithm of the mean begins as what the
    /// factor analysis says of ln(1 + x). With [`Gaps::Conditional`](crate::Gaps::Conditional) the distribution also says what the encoder
    /// sees in gaps, and q(z|x) of a row with gaps has the mean that it should have.
    ///
    /// # Errors
    /// [`LinearError`] if there is no factor analysis of the distribution.
    ///
    /// # Panics
    /// If θ or the distribution have another size, the likelihood is not mixed, q has a full covariance, or a network has hidden
    /// layers without a linear path beside them ([`NetworkConfig::with_linear_path`](crate::NetworkConfig::with_linear_path)).
    #[track_caller]
    pub fn start_at<F: Real>(&self, theta: &mut [F], normal: &NormalModel) -> Result<(), LinearError> {
        let (config, l, d) = (self.config(), self.latent(), self.inputs());
        let (expected, found) = (self.layout().size(), theta.len());
        assert!(found == expected, "start_at: expected {expected} numbers, found {found}");
        let found = normal.mean.len();
        assert!(found == d, "start_at: expected a distribution of {d} variables, found one of {found}");
        let Likelihood::Mixed { variables } = &config.likelihood else {
            panic!("start_at: expected a mixed likelihood, found {:?}", config.likelihood)
        };
        assert!(config.covariance == Covariance::Diagonal, "start_at: expected q with a diagonal covariance");

        // More factors than variables, or as many, leave no noise.
        let em = Em { rounds: 2000, tolerance: 1e-8 };
        let factors = FactorModel::nearest_to(normal, l.min(d - 1).max(1), em)?.model;
        let Turned { mut loadings, mut lambda } = Turned::new(&factors);
        loadings.resize(l, vec![0.0; d]);
        lambda.resize(l, 0.0);
        let mut encoder = vec![0.0; (d + self.conditions()) * 2 * l];
        let mut bias = vec![0.0; 2 * l];
        for (k, (w, lambda)) in loadings.iter().zip(&lambda).enumerate() {
            for (j, (w, psi)) in w.iter().zip(&factors.noise).enumerate() {
                let pull = w / psi / (1.0 + lambda);
                encoder[j * 2 * l + k] = pull;
                bias[k] -= pull * factors.mean[j];
            }
            bias[l + k] = unbounded(-0.5 * (1.0 + lambda).ln());
        }
        self.set_last(theta, "encoder", &config.encoder.layers, &encoder, &bias);

        let tangents = tangents(variables, &factors.mean);
        let slopes = tangents.iter().map(|(_, slope)| slope);
        let mut decoder: Vec<f64> =
            loadings.iter().flat_map(|w| w.iter().zip(slopes.clone()).map(|(w, slope)| w * slope)).collect();
        decoder.resize((l + self.conditions()) * d, 0.0);
        let bias: Vec<f64> = tangents.iter().map(|(value, _)| *value).collect();
        self.set_last(theta, "decoder", &config.decoder.layers, &decoder, &bias);

        for (scale, column) in mixed::scale_columns(variables).enumerate() {
            if let Some(column) = column {
                let at = self.layout().range("log_scale").start + scale;
                theta[at] = F::from_f64(unbounded(0.5 * factors.noise[column].ln()));
            }
        }
        if let Some(expected) = self.expected() {
            expected.set(theta, &normal.mean, &normal.precision()?.values);
        }
        Ok(())
    }

    /// Sets the weights of a network's inputs in its last layer, and its biases. What hidden layers compute has no weight there.
    #[track_caller]
    fn set_last<F: Real>(&self, theta: &mut [F], name: &str, layers: &Layers, inputs: &[f64], bias: &[f64]) {
        let hidden = match layers {
            Layers::WithLinearPath(hidden) => hidden.len(),
            Layers::Dense(hidden) if hidden.is_empty() => 0,
            _ => panic!("start_at: {name}: expected a linear path beside hidden layers, found {layers:?}"),
        };
        let [weights, biases] =
            ["weight", "bias"].map(|of| self.layout().range(&format!("{name}.{hidden}.{of}")));
        let of_hidden = weights.len() - inputs.len();
        let (of_hidden, of_inputs) = theta[weights].split_at_mut(of_hidden);
        of_hidden.fill(F::ZERO);
        of_inputs.iter_mut().zip(inputs).for_each(|(out, x)| *out = F::from_f64(*x));
        theta[biases].iter_mut().zip(bias).for_each(|(out, x)| *out = F::from_f64(*x));
    }
}

/// Factors for which W′Ψ⁻¹W is diagonal.
struct Turned {
    /// The rows of W′.
    loadings: Vec<Vec<f64>>,
    /// The diagonal of W′Ψ⁻¹W.
    lambda: Vec<f64>,
}

impl Turned {
    /// With W′Ψ⁻¹W = U′ diag(λ) U, the loadings U W′.
    fn new(factors: &FactorModel) -> Self {
        let (l, w) = (factors.loadings.rows, |i: usize| factors.loadings.row(i));
        let product = |i: usize, k: usize| {
            w(i).iter().zip(w(k)).zip(&factors.noise).map(|((a, b), psi)| a * b / psi).sum()
        };
        let within: Vec<f64> = (0..l * l).map(|at| product(at / l, at % l)).collect();
        let eigen = symmetric_eigen(&Matrix::new(l, l, within));
        let turned = |k: usize| {
            let mut row = vec![0.0; factors.loadings.cols];
            for (i, u) in eigen.vectors.row(k).iter().enumerate() {
                row.iter_mut().zip(w(i)).for_each(|(sum, w)| *sum += u * w);
            }
            row
        };
        Self {
            loadings: (0..l).map(turned).collect(),
            lambda: eigen.values.iter().map(|lambda| lambda.max(0.0)).collect(),
        }
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

/// What is ln σ behind its bound.
fn unbounded(log_sigma: f64) -> f64 {
    LOG_SIGMA_BOUND * (log_sigma / LOG_SIGMA_BOUND).atanh()
}
