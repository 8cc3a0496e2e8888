//! A network whose θ has a posterior.

use std::ops::Range;

use autograd::{Nonlinearity, Real, Var};
use nn::data::Matrix;
use nn::noise::Noise;
use nn::{Init, Layout, Linear, Mlp};
use rayon::prelude::*;

use crate::likelihood::{Head, Likelihood};
use crate::predict::Draws;
use crate::{Prior, Sampling};

/// What a [`BayesMlp`] consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpConfig {
    /// The number of inputs.
    pub inputs: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The activation of hidden layers.
    pub phi: Nonlinearity,
    /// π(θ)
    pub prior: Prior,
    /// ℓ(y|f_θ(x))
    pub likelihood: Likelihood,
    /// The deviation of a neuron's sum x W + b, for inputs of size one, with which training begins: θᵢ has this over
    /// √(inputs + 1). At 1 training would begin in noise as loud as the signal, and prune most neurons before they have
    /// learned anything.
    pub initial_sigma: f64,
    /// K, the number of modes of q.
    pub modes: usize,
}

impl MlpConfig {
    /// ReLU, π = N(0, I), one learned noise level, an initial σ of 0.003, and a single mode.
    pub fn new(inputs: usize, hidden: &[usize]) -> Self {
        Self {
            inputs,
            hidden: hidden.to_vec(),
            phi: Nonlinearity::Relu,
            prior: Prior::Normal(vec![1.0]),
            likelihood: Likelihood::NORMAL_LEARNED,
            initial_sigma: 0.003,
            modes: 1,
        }
    }
}

/// A multilayer perceptron y ≈ f_θ(x), x of any number of inputs and y one number, with a mean-field posterior
/// (Graves 2011; Blundell et al. 2015) or, for K > 1, an even mixture of such:
///
/// q_η(θ) = 1/K Σₖ N(μₖ, diag σₖ²),   σ = softplus(ρ)
///
/// One normal stays near one of the many functions that explain the data equally well; between data it is too certain
/// (Foong et al. 2020). Modes that begin apart find different ones. The divergence of a mixture is at most the average
/// of its components', so that the average of K bounds is a bound itself.
///
/// A description, whose numbers are in η = (μ₁, ρ₁, μ₂, ρ₂, …): first the slots `mu.*` of an [`Mlp`], which is thus
/// also what computes from a sampled θ, then `rho` in the same order; `mode.1.mu.*` and `mode.1.rho` for a second mode,
/// and so on; and last what the likelihood has of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct BayesMlp {
    layout: Layout,
    mlp: Mlp,
    phi: Nonlinearity,
    modes: usize,
    prior: Prior,
    /// The runs of θ that have a prior scale each.
    groups: Vec<Range<usize>>,
    head: Head,
}

/// A mode of q(θ), or a run of its elements: μ and σ on the tape, of one shape.
#[derive(Clone, Copy, Debug)]
pub struct WeightDensity<'t, F: Real> {
    /// The means.
    pub mu: Var<'t, F>,
    /// The standard deviations.
    pub sigma: Var<'t, F>,
}

impl<'t, F: Real> WeightDensity<'t, F> {
    /// θ = μ + σ ⊙ ξ, ξ standard normal
    #[track_caller]
    pub fn sample_with(self, xi: Var<'t, F>) -> Var<'t, F> {
        self.mu + self.sigma * xi
    }
}

impl BayesMlp {
    /// The model.
    ///
    /// # Panics
    /// If a width or the number of modes is 0, the prior has neither one scale nor one for each layer, or a scale is not
    /// a positive number.
    #[track_caller]
    pub fn new(config: &MlpConfig) -> Self {
        let MlpConfig { inputs, ref hidden, phi, ref prior, likelihood, initial_sigma, modes } = *config;
        let widths = [&[inputs], &hidden[..], &[likelihood.outputs()]].concat();
        assert!(widths.iter().all(|&width| width > 0), "BayesMlp: widths {widths:?}: none may be 0");
        assert!(
            initial_sigma > 0.0 && initial_sigma.is_finite(),
            "BayesMlp: initial σ = {initial_sigma}: a positive number is wanted"
        );
        prior.check(widths.len() - 1);
        assert!(modes > 0, "BayesMlp: q has no modes");
        let mut layout = Layout::new();
        let mut mode = |k: usize| {
            let prefix = if k == 0 { String::new() } else { format!("mode.{k}.") };
            let (name, start) = (format!("{prefix}mu"), layout.size());
            let mlp = Mlp::new(&mut layout, &name, &widths, phi, Nonlinearity::Identity);
            let rho = widths.windows(2).flat_map(|width| {
                let sigma = initial_sigma / ((width[0] + 1) as f64).sqrt();
                vec![sigma.exp_m1().ln(); (width[0] + 1) * width[1]] // softplus⁻¹(σ)
            });
            layout.slot(format!("{prefix}rho"), [layout.size() - start], Init::Values(rho.collect()));
            mlp
        };
        let mlp = mode(0);
        for k in 1..modes {
            mode(k);
        }
        let group = |layer: &Linear| layer.weight().range().start..layer.bias().range().end;
        let groups = mlp.layers().iter().map(group);
        let groups = match prior.scales() {
            Some(1) => vec![groups.fold(0..0, |all, group| all.start..group.end)],
            _ => groups.collect(),
        };
        let head = Head::new(&mut layout, likelihood);
        Self { layout, mlp, phi, modes, prior: prior.clone(), groups, head }
    }

    /// The slots of η.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The network, to be fed with any θ of [`dim`](Self::dim) numbers.
    pub fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    /// d, the length of θ.
    pub fn dim(&self) -> usize {
        self.mlp.layers().last().map_or(0, |layer| layer.bias().range().end)
    }

    /// K, the number of modes of q.
    pub fn modes(&self) -> usize {
        self.modes
    }

    /// ℓ(y|f_θ(x))
    pub fn likelihood(&self) -> Likelihood {
        self.head.likelihood()
    }

    /// Means and deviations of observations from the network's outputs for one θ.
    pub(crate) fn moments(&self, f: &[f64], log_sigma: Option<f64>, mean: &mut [f64], sigma: &mut [f64]) {
        self.head.moments(f, log_sigma, mean, sigma);
    }

    /// The modes of q_η(θ), (d) each.
    #[track_caller]
    pub fn posterior<'t, F: Real>(&self, eta: Var<'t, F>) -> Vec<WeightDensity<'t, F>> {
        let mode = |k| {
            let [mu, rho] = self.places(k).map(|range| eta.view(range.start, [range.len()]));
            WeightDensity { mu, sigma: rho.softplus() }
        };
        (0..self.modes).map(mode).collect()
    }

    /// Where μ and ρ of a mode are in η.
    fn places(&self, k: usize) -> [Range<usize>; 2] {
        let dim = self.dim();
        [2 * k * dim..(2 * k + 1) * dim, (2 * k + 1) * dim..(2 * k + 2) * dim]
    }

    /// KL(q_η ‖ π) in nats, averaged over the modes, a scalar; with [`Prior::Mixture`] an estimate by one draw of θ from
    /// each. The parameters of the likelihood are included.
    #[track_caller]
    pub fn kl<'t, F: Real>(&self, eta: Var<'t, F>, q: &[WeightDensity<'t, F>], noise: Noise) -> Var<'t, F> {
        let groups = self.groups.iter().map(|group| {
            let part = |x: Var<'t, F>| x.view(group.start, [group.len()]);
            q.iter().map(|q| WeightDensity { mu: part(q.mu), sigma: part(q.sigma) }).collect()
        });
        let of_weights = self.prior.kl(groups, |k, group, size| {
            let number = PRIOR_DRAW + k * self.groups.len() + group;
            eta.tape().constant_with([size], |xi| noise.of_step().normal(number, size, xi))
        });
        self.head.kl(eta).map_or(of_weights, |of_noise| of_weights + of_noise)
    }

    /// Σ over the rows of E_q[log ℓ(y|θ)], estimated by M draws of θ from each mode: x (B, inputs) and y (B, 1) to a
    /// scalar.
    #[track_caller]
    pub fn log_likelihood<'t, F: Real>(
        &self,
        eta: Var<'t, F>,
        q: &[WeightDensity<'t, F>],
        (x, y): (Var<'t, F>, Var<'t, F>),
        (sampling, samples): (Sampling, usize),
        noise: Noise,
    ) -> Var<'t, F> {
        let draw = |m: usize| {
            let q = q[m % q.len()];
            let f = match sampling {
                Sampling::Weights => self.mlp.apply(q.sample_with(self.xi(eta, noise, m)), x),
                Sampling::Local => self.apply_local(q, x, noise, m),
            };
            self.head.log_prob(eta, f, y).sum()
        };
        mean((0..samples * q.len()).map(draw))
    }

    /// How many numbers [`log_joint`](Self::log_joint) takes: those of θ, and log σ where that is learned.
    pub fn joint_dim(&self) -> usize {
        self.dim() + usize::from(matches!(self.likelihood(), Likelihood::NormalLearned { .. }))
    }

    /// log p(Y, θ) = Σ log ℓ(y|f_θ(x)) + log π(θ) in nats, for `theta` of [`joint_dim`](Self::joint_dim) numbers, x (N,
    /// inputs) and y (N, 1) to a scalar: what [`Hmc`](crate::Hmc) and [`Laplace`](crate::Laplace) work with.
    ///
    /// # Panics
    /// If the prior's scales are learned by the bound: without a q that is no density.
    #[track_caller]
    pub fn log_joint<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, y: Var<'t, F>) -> Var<'t, F> {
        let log_sigma = (self.joint_dim() > self.dim()).then(|| theta.view(self.dim(), [1]));
        let log_likelihood = self.head.log_prob_of(log_sigma, self.mlp.apply(theta, x), y).sum();
        let log_prior =
            self.prior.log_prob(self.groups.iter().map(|group| theta.view(group.start, [group.len()])));
        let log_joint = log_likelihood + log_prior;
        log_sigma.map_or(log_joint, |log_sigma| log_joint + self.head.log_prior(log_sigma))
    }

    /// Draws for [`predict`](Self::predict) from rows of [`joint_dim`](Self::joint_dim) numbers, as other samplers of the
    /// posterior make them.
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    pub fn draws_from<F: Real>(&self, rows: &Matrix<f64>) -> Draws<F> {
        let (dim, joint) = (self.dim(), self.joint_dim());
        assert!(rows.cols == joint, "draws_from: rows of {} numbers, the model has {joint}", rows.cols);
        let each = || (0..rows.rows).map(|s| rows.row(s));
        let theta = each().flat_map(|row| &row[..dim]).map(|&theta| F::from_f64(theta)).collect();
        let log_sigma = match self.likelihood() {
            Likelihood::Normal { sigma } => vec![sigma.ln(); rows.rows],
            Likelihood::NormalLearned { .. } => each().map(|row| row[dim]).collect(),
            Likelihood::NormalHead => Vec::new(),
        };
        Draws { theta: Matrix::new(rows.rows, dim, theta), log_sigma }
    }

    /// The noise of draw m of θ: the same for all rows of a step.
    fn xi<'t, F: Real>(&self, eta: Var<'t, F>, noise: Noise, m: usize) -> Var<'t, F> {
        eta.tape().constant_with([self.dim()], |xi| noise.of_step().normal(WEIGHT_DRAW + m, self.dim(), xi))
    }

    /// f_θ(x) with a θ of its own for every row and layer, x (B, inputs) to (B, outputs).
    ///
    /// A neuron's sum a = h W + b of independent normal weights is normal itself, so that it can be drawn in their place
    /// (Kingma, Salimans & Welling 2015, "Variational dropout and the local reparameterization trick", eq. 6):
    ///
    /// a ~ N(h μ_W + μ_b, h² σ_W² + σ_b²)
    ///
    /// The expectation of a row's log-likelihood stays the same, and rows no longer share their noise.
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
            let mean = h.dense(w.of(q.mu), b.of(q.mu), Nonlinearity::Identity);
            let var = h.square().dense(w.of(variance), b.of(variance), Nonlinearity::Identity);
            let (shape, width) = (mean.shape(), mean.shape().last());
            let eps = x.tape().constant_with(shape, |out| noise.normal(m * (last + 1) + i, width, out));
            let a = mean + var.sqrt() * eps;
            h = if i == last { a } else { apply(self.phi, a) };
        }
        h
    }

    /// `count` draws of θ, and of what the likelihood has of its own, from q_η, the modes taking turns; the same for the
    /// same seed.
    ///
    /// # Panics
    /// If η is not as long as the layout, or there are more than 2²² draws.
    #[track_caller]
    pub fn draws<F: Real>(&self, eta: &[F], count: usize, seed: u64) -> Draws<F> {
        let (dim, len, size) = (self.dim(), eta.len(), self.layout.size());
        assert!(len == size, "draws: η has {len} numbers, the model {size}");
        assert!(count <= WEIGHT_DRAW, "draws: {count} are more than there is noise for");
        let noise = Noise::evaluation(seed);
        let mut theta = vec![F::ZERO; count * dim];
        theta.par_chunks_mut(dim).enumerate().for_each(|(m, theta)| {
            noise.normal(WEIGHT_DRAW + m, dim, theta);
            let [mu, rho] = self.places(m % self.modes).map(|range| &eta[range]);
            for ((theta, &mu), &rho) in theta.iter_mut().zip(mu).zip(rho) {
                *theta = mu + rho.softplus() * *theta;
            }
        });
        let log_sigma = self.head.draws(eta, count, noise);
        Draws { theta: Matrix::new(count, dim, theta), log_sigma }
    }
}

#[track_caller]
pub(crate) fn mean<'t, F: Real>(terms: impl ExactSizeIterator<Item = Var<'t, F>>) -> Var<'t, F> {
    let count = terms.len();
    let sum = terms.reduce(|sum, term| sum + term).expect("at least one term");
    if count == 1 { sum } else { sum / F::from_f64(count as f64) }
}

/// The numbers of the noise of draws of θ, behind those of rows: 2²² of them, then those for the prior's.
const WEIGHT_DRAW: usize = 1 << 22;
const PRIOR_DRAW: usize = 1 << 23;

/// φ(a)
fn apply<F: Real>(phi: Nonlinearity, a: Var<'_, F>) -> Var<'_, F> {
    match phi {
        Nonlinearity::Identity => a,
        Nonlinearity::Relu => a.relu(),
        Nonlinearity::LeakyRelu(slope) => a.leaky_relu(F::from_f64(slope)),
        Nonlinearity::Elu => a.elu(),
        Nonlinearity::Tanh => a.tanh(),
        Nonlinearity::Sigmoid => a.sigmoid(),
        Nonlinearity::Softplus => a.softplus(),
    }
}
