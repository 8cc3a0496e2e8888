//! A network whose θ has a posterior.

use autograd::{Nonlinearity, Real, Var};
use nn::data::Matrix;
use nn::noise::Noise;
use nn::{Init, Layout, Mlp, Slot};
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
}

impl MlpConfig {
    /// ReLU, a prior whose scales are learned, one learned noise level, and an initial σ of 0.05.
    pub fn new(inputs: usize, hidden: &[usize]) -> Self {
        Self {
            inputs,
            hidden: hidden.to_vec(),
            phi: Nonlinearity::Relu,
            prior: Prior::Learned,
            likelihood: Likelihood::NORMAL_LEARNED,
            initial_sigma: 0.05,
        }
    }
}

/// A multilayer perceptron y ≈ f_θ(x), x of any number of inputs and y one number, with a mean-field posterior
/// (Graves 2011; Blundell et al. 2015):
///
/// q_η(θ) = N(μ, diag σ²),   σ = softplus(ρ)
///
/// A description, whose numbers are in η = (μ, ρ, …): first the slots `mu.*` of an [`Mlp`], which is thus also what
/// computes from a sampled θ, then `rho` in the same order, then what the likelihood has of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct BayesMlp {
    layout: Layout,
    mlp: Mlp,
    phi: Nonlinearity,
    rho: Slot,
    prior: Prior,
    head: Head,
}

/// q(θ), or a run of its elements: μ and σ on the tape, of one shape.
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
    /// If a width is 0, the prior has neither one scale nor one for each layer, or a scale is not a positive number.
    #[track_caller]
    pub fn new(config: &MlpConfig) -> Self {
        let MlpConfig { inputs, ref hidden, phi, ref prior, likelihood, initial_sigma } = *config;
        let widths = [&[inputs], &hidden[..], &[likelihood.outputs()]].concat();
        assert!(widths.iter().all(|&width| width > 0), "BayesMlp: widths {widths:?}: none may be 0");
        assert!(
            initial_sigma > 0.0 && initial_sigma.is_finite(),
            "BayesMlp: initial σ = {initial_sigma}: a positive number is wanted"
        );
        prior.check(widths.len() - 1);
        let mut layout = Layout::new();
        let mlp = Mlp::new(&mut layout, "mu", &widths, phi, Nonlinearity::Identity);
        let rho = mlp.layers().iter().flat_map(|layer| {
            let [inputs, outputs] = [layer.weight().shape()[0], layer.weight().shape()[1]];
            let sigma = initial_sigma / ((inputs + 1) as f64).sqrt();
            vec![sigma.exp_m1().ln(); (inputs + 1) * outputs] // softplus⁻¹(σ)
        });
        let rho = layout.slot("rho", [layout.size()], Init::Values(rho.collect()));
        let head = Head::new(&mut layout, likelihood);
        Self { layout, mlp, phi, rho, prior: prior.clone(), head }
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
        self.rho.shape().size()
    }

    /// ℓ(y|f_θ(x))
    pub fn likelihood(&self) -> Likelihood {
        self.head.likelihood()
    }

    /// Means and deviations of observations from the network's outputs for one θ.
    pub(crate) fn moments(&self, f: &[f64], log_sigma: Option<f64>, mean: &mut [f64], sigma: &mut [f64]) {
        self.head.moments(f, log_sigma, mean, sigma);
    }

    /// q_η(θ), (d).
    #[track_caller]
    pub fn posterior<'t, F: Real>(&self, eta: Var<'t, F>) -> WeightDensity<'t, F> {
        WeightDensity { mu: eta.view(0, [self.dim()]), sigma: self.rho.of(eta).softplus() }
    }

    /// KL(q_η ‖ π) in nats, a scalar; with [`Prior::Mixture`] an estimate by one draw of θ. The parameters of the
    /// likelihood are included.
    #[track_caller]
    pub fn kl<'t, F: Real>(&self, eta: Var<'t, F>, q: WeightDensity<'t, F>, noise: Noise) -> Var<'t, F> {
        let layers = self.mlp.layers().iter().map(|layer| {
            let (start, end) = (layer.weight().range().start, layer.bias().range().end);
            let part = |x: Var<'t, F>| x.view(start, [end - start]);
            WeightDensity { mu: part(q.mu), sigma: part(q.sigma) }
        });
        let of_weights = self.prior.kl(layers, |number, size| {
            eta.tape().constant_with([size], |xi| noise.of_step().normal(PRIOR_DRAW + number, size, xi))
        });
        self.head.kl(eta).into_iter().fold(of_weights, |sum, kl| sum + kl)
    }

    /// Σ over the rows of E_q[log ℓ(y|θ)], estimated by M draws of θ: x (B, inputs) and y (B, 1) to a scalar.
    #[track_caller]
    pub fn log_likelihood<'t, F: Real>(
        &self,
        eta: Var<'t, F>,
        q: WeightDensity<'t, F>,
        (x, y): (Var<'t, F>, Var<'t, F>),
        (sampling, samples): (Sampling, usize),
        noise: Noise,
    ) -> Var<'t, F> {
        let draw = |m| {
            let f = match sampling {
                Sampling::Weights => self.mlp.apply(q.sample_with(self.xi(eta, noise, m)), x),
                Sampling::Local => self.apply_local(q, x, noise, m),
            };
            self.head.log_prob(eta, f, y).sum()
        };
        let sum = (1..samples).fold(draw(0), |sum, m| sum + draw(m));
        if samples == 1 { sum } else { sum / F::from_f64(samples as f64) }
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

    /// `count` draws of θ, and of what the likelihood has of its own, from q_η; the same for the same seed.
    ///
    /// # Panics
    /// If η is not as long as the layout, or there are more than 2²² draws.
    #[track_caller]
    pub fn draws<F: Real>(&self, eta: &[F], count: usize, seed: u64) -> Draws<F> {
        let (dim, len, size) = (self.dim(), eta.len(), self.layout.size());
        assert!(len == size, "draws: η has {len} numbers, the model {size}");
        assert!(count <= WEIGHT_DRAW, "draws: {count} are more than there is noise for");
        let (mu, rho) = (&eta[..dim], &eta[self.rho.range()]);
        let sigma: Vec<F> = rho.iter().map(|rho| rho.softplus()).collect();
        let noise = Noise::evaluation(seed);
        let mut theta = vec![F::ZERO; count * dim];
        theta.par_chunks_mut(dim).enumerate().for_each(|(m, theta)| {
            noise.normal(WEIGHT_DRAW + m, dim, theta);
            for ((theta, &mu), &sigma) in theta.iter_mut().zip(mu).zip(&sigma) {
                *theta = mu + sigma * *theta;
            }
        });
        let log_sigma = self.head.draws(eta, count, noise);
        Draws { theta: Matrix::new(count, dim, theta), log_sigma }
    }
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
