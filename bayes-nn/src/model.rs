//! A network whose parameters have a posterior.

use std::ops::Range;

use autograd::{Real, Var};
use nn::model::{Init, Layout, Linear, Mlp, Model, Nonlinearity, Slot};
use nn::train::Noise;

use crate::likelihood::LikelihoodLayer;
use crate::{BayesMlpConfig, BayesMlpError, Sampling};

/// A multilayer perceptron y ≈ f_θ(x), from any number of inputs x to any number of outputs, with an approximate posterior that is
/// mean-field (Graves 2011; Blundell et al. 2015) or, for K > 1, a mixture of K such densities with equal weights:
///
/// q_η(θ) = 1/K Σₖ N(μₖ, diag σₖ²),   σ = softplus(ρ)
///
/// A single normal density stays near one of the many functions that explain the data equally well, and is too certain
/// between the data (Foong et al. 2020). Modes that begin apart find different functions. The divergence of a mixture is at
/// most the average divergence of its components, so the average of their K ELBOs is a lower bound as well.
///
/// The model is a description. Its numbers are in η = (μ₁, ρ₁, μ₂, ρ₂, …): first the slots `mu.*` of an [`Mlp`], which
/// therefore also computes from a sampled θ, with `mu.linear` behind them if f has a linear part, then `rho` in the same order.
/// Further modes have the slots `mode.1.mu.*`,
/// `mode.1.rho`, and so on. The slots of the likelihood come last.
#[derive(Clone, Debug, PartialEq)]
pub struct BayesMlp {
    config: BayesMlpConfig,
    layout: Layout,
    mlp: Mlp,
    /// W of the linear part x W, if there is one.
    linear: Option<Slot>,
    /// The ranges of θ that have a scale of the prior each.
    groups: Vec<Range<usize>>,
    likelihood: LikelihoodLayer,
}

/// q_η(θ) on a tape.
#[derive(Clone, Debug)]
pub struct Posterior<'t, F: Real> {
    eta: Var<'t, F>,
    /// The K modes, (d) each.
    pub modes: Vec<WeightDensity<'t, F>>,
}

/// A mode of q(θ), or a part of its coordinates: N(μ, diag σ²), μ and σ of one shape.
#[derive(Clone, Copy, Debug)]
pub struct WeightDensity<'t, F: Real> {
    /// The means.
    pub mu: Var<'t, F>,
    /// The standard deviations.
    pub sigma: Var<'t, F>,
}

impl<'t, F: Real> WeightDensity<'t, F> {
    /// θ = μ + σ ⊙ ξ with standard normal ξ.
    #[track_caller]
    pub fn sample_with(self, xi: Var<'t, F>) -> Var<'t, F> {
        self.mu + self.sigma * xi
    }

    /// The coordinates in this range.
    #[track_caller]
    fn part(self, range: &Range<usize>) -> Self {
        let [mu, sigma] = [self.mu, self.sigma].map(|x| x.view(range.start, [range.len()]));
        Self { mu, sigma }
    }
}

impl Model for BayesMlp {
    const KIND: &'static str = "bayes_nn.BayesMlp";
    type Config = BayesMlpConfig;
    type Error = BayesMlpError;

    fn from_config(config: &BayesMlpConfig) -> Result<Self, BayesMlpError> {
        Self::new(config)
    }

    fn least_size(config: &BayesMlpConfig) -> Option<usize> {
        if config.validate().is_err() {
            return Some(0);
        }
        Mlp::weights(&config.widths())?.checked_mul(2)?.checked_mul(config.modes)
    }

    fn config(&self) -> &BayesMlpConfig {
        &self.config
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl BayesMlp {
    /// The model that a configuration describes.
    ///
    /// # Errors
    /// If the configuration is not valid, see [`BayesMlpConfig::validate`].
    pub fn new(config: &BayesMlpConfig) -> Result<Self, BayesMlpError> {
        config.validate()?;
        let mut layout = Layout::new();
        let (mlp, linear) = add_mode(&mut layout, "", config);
        for k in 1..config.modes {
            add_mode(&mut layout, &format!("mode.{k}."), config);
        }
        let parts = mlp.layers().iter().map(parameters).chain(linear.iter().map(Slot::range));
        let groups = match config.prior.is_one_group() {
            true => vec![parts.fold(0..0, |all, part| all.start..part.end)],
            false => parts.collect(),
        };
        let likelihood = LikelihoodLayer::new(&mut layout, config.likelihood, config.outputs);
        Ok(Self { config: config.clone(), layout, mlp, linear, groups, likelihood })
    }

    /// The configuration.
    pub fn config(&self) -> &BayesMlpConfig {
        &self.config
    }

    /// The slots of η.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The network, which computes from any θ of [`dim`](Self::dim) numbers; [`apply`](Self::apply) adds the linear part.
    pub fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    /// f_θ(x), the network with the linear part if there is one: `theta` of [`dim`](Self::dim) numbers and x (B, inputs) to
    /// (B, outputs), or (B, 2 outputs) for [`Likelihood::NormalHead`](crate::Likelihood::NormalHead).
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        let f = self.mlp.apply(theta, x);
        self.linear.iter().fold(f, |f, w| f + x.matmul(w.of(theta)))
    }

    /// d, the length of θ.
    pub fn dim(&self) -> usize {
        let last = self.mlp.layers().last().map_or(0, |layer| parameters(layer).end);
        self.linear.as_ref().map_or(last, |w| w.range().end)
    }

    /// The likelihood with its slots.
    pub(crate) fn likelihood_layer(&self) -> &LikelihoodLayer {
        &self.likelihood
    }

    /// q_η(θ).
    #[track_caller]
    pub fn posterior<'t, F: Real>(&self, eta: Var<'t, F>) -> Posterior<'t, F> {
        let mode = |k| {
            let [mu, rho] = self.mu_and_rho(k).map(|range| eta.view(range.start, [range.len()]));
            WeightDensity { mu, sigma: rho.softplus() }
        };
        Posterior { eta, modes: (0..self.config.modes).map(mode).collect() }
    }

    /// The places of μₖ and ρₖ in η.
    pub(crate) fn mu_and_rho(&self, k: usize) -> [Range<usize>; 2] {
        let dim = self.dim();
        [2 * k * dim..(2 * k + 1) * dim, (2 * k + 1) * dim..(2 * k + 2) * dim]
    }

    /// KL(q_η ‖ π) in nats, averaged over the modes, a scalar. It includes the divergence of what the
    /// likelihood does not know. With
    /// [`WeightPrior::Mixture`](crate::WeightPrior::Mixture) it is an estimate by one draw of θ from each mode.
    #[track_caller]
    pub fn kl<'t, F: Real>(&self, q: &Posterior<'t, F>, noise: Noise) -> Var<'t, F> {
        let groups = self.groups.iter().enumerate().map(|(i, group)| {
            let modes: Vec<_> = q.modes.iter().map(|mode| mode.part(group)).collect();
            self.config.prior.kl(i, &modes, |k, size| {
                let draw = PRIOR_DRAW + k * self.groups.len() + i;
                q.eta.tape().constant_with([size], |xi| noise.of_step().normal(draw, size, xi))
            })
        });
        let of_weights = groups.reduce(|sum, kl| sum + kl).expect("a network has a layer");
        self.likelihood.kl(q.eta).map_or(of_weights, |of_log_sigma| of_weights + of_log_sigma)
    }

    /// Σ over the rows of E_q[log ℓ(y|θ)] in nats, estimated by draws of θ: x (B, inputs) and y (B, outputs) to a scalar.
    ///
    /// # Panics
    /// If `sampling` has no samples.
    #[track_caller]
    pub fn log_likelihood<'t, F: Real>(
        &self,
        q: &Posterior<'t, F>,
        x: Var<'t, F>,
        y: Var<'t, F>,
        sampling: Sampling,
        noise: Noise,
    ) -> Var<'t, F> {
        assert!(sampling.samples() > 0, "log_likelihood: samples: expected at least 1, found 0");
        let draw = |m: usize| {
            let mode = q.modes[m % q.modes.len()];
            let f = match sampling {
                Sampling::Weights { .. } => {
                    let (d, tape) = (self.dim(), x.tape());
                    let xi = tape.constant_with([d], |xi| noise.of_step().normal(WEIGHT_DRAW + m, d, xi));
                    self.apply(mode.sample_with(xi), x)
                }
                Sampling::Local { .. } => self.apply_local(mode, x, noise, m),
            };
            let xi = || {
                let (noise, size) = (noise.of_step(), self.likelihood.unknowns());
                x.tape().constant_with([size], |xi| noise.normal(LIKELIHOOD_DRAW + m, size, xi))
            };
            self.likelihood.expected_log_prob(q.eta, f, y, xi).sum()
        };
        mean((0..sampling.samples() * q.modes.len()).map(draw))
    }

    /// f_θ(x) with another draw of θ for every row and layer, x (B, inputs) to (B, outputs). `m` is the number of the draw.
    ///
    /// The sum a = h W + b of a neuron with independent normal weights is itself normal, so it can be drawn in their place
    /// (Kingma, Salimans & Welling 2015, "Variational dropout and the local reparameterization trick", eq. 6):
    ///
    /// a ~ N(h μ_W + μ_b, h² σ_W² + σ_b²)
    ///
    /// The expectation of each row's log-likelihood stays the same, and the rows do not share their noise.
    #[track_caller]
    fn apply_local<'t, F: Real>(
        &self,
        q: WeightDensity<'t, F>,
        x: Var<'t, F>,
        noise: Noise,
        m: usize,
    ) -> Var<'t, F> {
        let (variance, last) = (q.sigma.square(), self.mlp.layers().len() - 1);
        let mut h = x;
        for (i, layer) in self.mlp.layers().iter().enumerate() {
            let (w, b) = (layer.weight(), layer.bias());
            let mut mean = h.dense(w.of(q.mu), b.of(q.mu), Nonlinearity::Identity);
            let mut var = h.square().dense(w.of(variance), b.of(variance), Nonlinearity::Identity);
            if let (Some(w), true) = (&self.linear, i == last) {
                mean = mean + x.matmul(w.of(q.mu));
                var = var + x.square().matmul(w.of(variance));
            }
            let (shape, width) = (mean.shape(), mean.shape().last());
            let eps = x.tape().constant_with(shape, |out| noise.normal(m * (last + 1) + i, width, out));
            let a = mean + var.sqrt() * eps;
            h = if i == last { a } else { a.activate(self.config.phi) };
        }
        h
    }

    /// The number of parameters of [`log_joint`](Self::log_joint): d, and those of the likelihood that are unknown, in the order of
    /// [`Draws::unknowns`](crate::Draws::unknowns).
    pub fn joint_dim(&self) -> usize {
        self.dim() + self.likelihood.unknowns()
    }

    /// log p(Y, θ) = Σ log ℓ(y|f_θ(x)) + log π(θ) in nats: `theta` of [`joint_dim`](Self::joint_dim) numbers, x (N, inputs) and
    /// y (N, outputs) to a scalar. [`Hmc`](crate::inference::Hmc) and [`Laplace`](crate::inference::Laplace) work with it.
    ///
    /// # Panics
    /// If the prior is [`WeightPrior::Learned`](crate::WeightPrior::Learned), which is no density until a q is given.
    #[track_caller]
    pub fn log_joint<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, y: Var<'t, F>) -> Var<'t, F> {
        let unknowns = || theta.view(self.dim(), [self.likelihood.unknowns()]);
        let log_likelihood = self.likelihood.log_joint(unknowns, self.apply(theta, x), y);
        let groups = self.groups.iter().enumerate();
        let log_prior =
            groups.map(|(i, group)| self.config.prior.log_prob(i, theta.view(group.start, [group.len()])));
        log_likelihood + log_prior.reduce(|sum, term| sum + term).expect("a network has a layer")
    }
}

/// Adds the slots of a mode of q behind the others: the network's and that of the linear part, whose numbers are the means, and
/// `rho`.
fn add_mode(layout: &mut Layout, prefix: &str, config: &BayesMlpConfig) -> (Mlp, Option<Slot>) {
    let (start, widths) = (layout.size(), config.widths());
    let mlp = Mlp::new(layout, &format!("{prefix}mu"), &widths, config.phi, Nonlinearity::Identity);
    let ends = [widths[0], widths[widths.len() - 1]];
    let linear = config.linear.then(|| layout.slot(format!("{prefix}mu.linear"), ends, Init::Constant(0.0)));
    let rho = |inputs: usize, count: usize| {
        let sigma = config.initial_sigma / ((inputs + 1) as f64).sqrt();
        vec![sigma.exp_m1().ln(); count]
    };
    let mut rhos: Vec<f64> =
        widths.windows(2).flat_map(|width| rho(width[0], (width[0] + 1) * width[1])).collect();
    rhos.extend(linear.iter().flat_map(|w| rho(ends[0], w.range().len())));
    layout.slot(format!("{prefix}rho"), [layout.size() - start], Init::Values(rhos));
    (mlp, linear)
}

/// The place of a layer's weights and biases in θ.
fn parameters(layer: &Linear) -> Range<usize> {
    layer.weight().range().start..layer.bias().range().end
}

/// The mean of scalars; there is at least one.
#[track_caller]
pub(crate) fn mean<'t, F: Real>(terms: impl ExactSizeIterator<Item = Var<'t, F>>) -> Var<'t, F> {
    let count = terms.len();
    let sum = terms.reduce(|sum, term| sum + term).expect("at least one term");
    if count == 1 { sum } else { sum / F::from_f64(count as f64) }
}

/// The numbers of the arrays of noise of a step: those below are for draws of the neurons' sums, from here on for draws of θ.
pub(crate) const WEIGHT_DRAW: usize = 1 << 22;
/// From here on for the draws at which the prior is computed.
const PRIOR_DRAW: usize = 1 << 23;
/// From here on for draws of what the likelihood does not know.
const LIKELIHOOD_DRAW: usize = 3 << 22;
