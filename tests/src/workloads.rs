//! The workloads of the benchmarks: one training step each, on data of the right shape. The codes W1 to W7 are those under which
//! `tests/compare/frameworks.py` measures other frameworks on the same work.

use std::ops::Range;
use std::sync::Arc;

use autograd::ops::{NotPositiveDefinite, TriangularSystem};
use autograd::{Tape, Var};
use bayes_nn::{BayesMlp, BayesMlpConfig, BayesMlpObjective, Likelihood, Sampling};
use nn::data::Matrix;
use nn::model::{Init, Layout, Mlp, Nonlinearity};
use nn::train::{Batch, Noise, Objective, Optimizer, Parts, Rule, Trainer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vae::{NetworkConfig, Vae, VaeConfig, VaeObjective};

/// Training a VAE on binary images of 784 pixels.
pub struct VaeStep {
    vae: Vae,
    data: Matrix<f32>,
    trainer: Trainer<f32>,
    rows: Vec<usize>,
    step: usize,
}

impl VaeStep {
    /// One hidden layer: 784-400-(20, 20), 20-400-784 (W1).
    pub fn one_layer(phi: Nonlinearity, batch: usize) -> Self {
        Self::new(&[400], 20, &[400], phi, batch)
    }

    /// Two hidden layers: 784-512-256-(2, 2), 2-64-256-784, ReLU (W2).
    pub fn two_layers(batch: usize) -> Self {
        Self::new(&[512, 256], 2, &[64, 256], Nonlinearity::Relu, batch)
    }

    fn new(encoder: &[usize], latent: usize, decoder: &[usize], phi: Nonlinearity, batch: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(0);
        let config =
            VaeConfig { decoder: NetworkConfig::mlp(decoder), ..VaeConfig::new(784, encoder, latent) };
        let vae = Vae::with_init(&config.with_phi(phi), framework_init).expect("the configuration is valid");
        let rows = (batch * 8).max(4096);
        let pixels = (0..rows * 784).map(|_| if rng.random_bool(0.3) { 1.0 } else { 0.0 }).collect();
        let theta: Vec<f32> = vae.layout().init(&mut rng);
        let trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, 0);
        Self { vae, data: Matrix::new(rows, 784, pixels), trainer, rows: (0..batch).collect(), step: 0 }
    }

    /// Draws noise, computes loss and gradient, updates by Adam; the loss in nats per image.
    pub fn step(&mut self) -> f64 {
        let (batch, batches) = (self.rows.len(), self.data.rows / self.rows.len());
        let first = self.step % batches * batch;
        self.rows.iter_mut().enumerate().for_each(|(i, row)| *row = first + i);
        self.step += 1;
        let objective = VaeObjective::new(&self.vae, &self.data);
        self.trainer.step(&objective, &self.rows, 1e-3).expect("the loss is finite").total
    }
}

/// Forward and backward of a VAE with the convolutional networks of the rotated-digit benchmark (W7): images of 28 x 28, three
/// convolutions of 8 channels with stride 2, a linear layer to (μ, log σ) of L = 16, and back; ELU, N(d(z), 0.3² I), closed-form
/// KL. Nothing is at random and θ stays as it is, so that another program can compute the same loss: with cᵢ = cos i, where i
/// counts from 0, a slot of θ is cᵢ/5, pixels are (1 + cᵢ)/2, and ε is √2 cᵢ.
pub struct ConvolutionalVaeStep {
    objective: ConvolutionalVae,
    trainer: Trainer<f32>,
    rows: Vec<usize>,
}

struct ConvolutionalVae {
    vae: Vae,
    data: Matrix<f32>,
    noise: Matrix<f32>,
}

impl ConvolutionalVaeStep {
    const SIDE: usize = 28;
    const LATENT: usize = 16;

    /// With this many images a step.
    pub fn new(batch: usize) -> Self {
        let (pixels, latent) = (Self::SIDE * Self::SIDE, Self::LATENT);
        let config = VaeConfig::convolutional(Self::SIDE, latent);
        let decoder = NetworkConfig { psi: Nonlinearity::Elu, ..config.decoder.clone() };
        let likelihood = vae::Likelihood::Normal { sigma: 0.3 };
        let vae = Vae::new(&VaeConfig { decoder, likelihood, ..config }).expect("the configuration is valid");
        let cosines = |scale: f64, shift: f64| move |i: usize| (scale * (i as f64).cos() + shift) as f32;
        let sizes = vae.layout().slots().iter().map(|slot| slot.range().len());
        let theta = sizes.flat_map(|size| (0..size).map(cosines(0.2, 0.0))).collect();
        let matrix = |cols: usize, scale, shift| {
            Matrix::new(batch, cols, (0..batch * cols).map(cosines(scale, shift)).collect())
        };
        let (data, noise) = (matrix(pixels, 0.5, 0.5), matrix(latent, std::f64::consts::SQRT_2, 0.0));
        let trainer = Trainer::new(vae.layout(), theta, Rule::Sgd, 0);
        Self { objective: ConvolutionalVae { vae, data, noise }, trainer, rows: (0..batch).collect() }
    }

    /// Computes loss and gradient; the loss in nats per image.
    pub fn forward_backward(&mut self) -> f64 {
        self.trainer.step(&self.objective, &self.rows, 0.0).expect("the loss is finite").total
    }
}

impl Objective<f32> for ConvolutionalVae {
    fn rows(&self) -> usize {
        self.data.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let [x, noise] = [&self.data, &self.noise].map(|of| batch.gather(theta.tape(), of));
        Ok(self.vae.elbo(theta, x, noise).value().sum().neg())
    }
}

/// Bayes by backprop (W3): 13-50-1, ReLU, mean-field q over all 751 weights, σ = softplus(ρ), one draw a step, closed-form
/// KL to N(0, I) scaled by B/455, Gaussian likelihood with σ = 0.1.
pub struct BayesStep {
    tape: Tape<f32>,
    network: Mlp,
    eta: Arc<Vec<f32>>,
    optimizer: Optimizer<f32>,
    data: Matrix<f32>,
    batch: usize,
    step: usize,
}

impl BayesStep {
    const ROWS: usize = 455;

    /// With this many rows a step.
    pub fn new(batch: usize) -> Self {
        let mut layout = Layout::new();
        let network =
            Mlp::new(&mut layout, "theta", &[13, 50, 1], Nonlinearity::Relu, Nonlinearity::Identity);
        let d = layout.size();
        let mut eta = vec![-3.0; 2 * d];
        let noise = Noise::new(0, 0);
        noise.normal(0, d, &mut eta[..d]);
        eta[..d].iter_mut().for_each(|mu| *mu *= 0.1);
        let mut rows = vec![0.0; Self::ROWS * 14];
        noise.normal(1, 14, &mut rows);
        let optimizer = Optimizer::new(Rule::ADAM, eta.len());
        let data = Matrix::new(Self::ROWS, 14, rows);
        Self { tape: Tape::new(), network, eta: Arc::new(eta), optimizer, data, batch, step: 0 }
    }

    /// Draws noise, computes bound and gradient, updates by Adam; the loss.
    pub fn step(&mut self) -> f64 {
        let Self { tape, network, eta, optimizer, data, batch, step } = self;
        let (batch, d) = (*batch, eta.len() / 2);
        let first = *step % (Self::ROWS / batch) * batch;
        let noise = Noise::new(0, *step as u64);
        let (loss, gradient) = tape.value_and_grad(eta, |tape, eta| {
            let columns = |columns: Range<usize>, to: &mut [f32]| {
                for (to, row) in to.chunks_exact_mut(columns.len()).zip(first..) {
                    to.copy_from_slice(&data.row(row)[columns.clone()]);
                }
            };
            let x = tape.constant_with([batch, 13], |to| columns(0..13, to));
            let y = tape.constant_with([batch, 1], |to| columns(13..14, to));
            let (mu, sigma) = (eta.view(0, [d]), eta.view(d, [d]).softplus());
            let xi = tape.constant_with([d], |xi| noise.normal(0, d, xi));
            let error = network.apply(mu + sigma * xi, x) - y;
            let kl = (mu.square() + sigma.square()).sum() * 0.5 - sigma.ln().sum() - 0.5 * d as f32;
            kl * (batch as f32 / Self::ROWS as f32) + error.square().sum() * (0.5 / 0.01)
        });
        optimizer.step(1e-3, Arc::get_mut(eta).expect("η is not shared between steps"), &gradient);
        *step += 1;
        f64::from(loss)
    }
}

/// The same workload as `bayes-nn` trains it (W3m): [`BayesMlp`], its objective and the trainer.
pub struct BayesMlpStep {
    model: BayesMlp,
    x: Matrix<f32>,
    y: Matrix<f32>,
    trainer: Trainer<f32>,
    rows: Vec<usize>,
    step: usize,
}

impl BayesMlpStep {
    /// With this many rows a step.
    pub fn new(batch: usize) -> Self {
        let likelihood = Likelihood::Normal { sigma: 0.1 };
        let config = BayesMlpConfig { likelihood, ..BayesMlpConfig::new(13, &[50]) };
        let model = BayesMlp::new(&config).expect("the configuration is valid");
        let eta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(0));
        let (rows, noise) = (BayesStep::ROWS, Noise::new(0, 0));
        let (mut x, mut y) = (vec![0.0; rows * 13], vec![0.0; rows]);
        noise.normal(0, 13, &mut x);
        noise.normal(1, 1, &mut y);
        let (x, y) = (Matrix::new(rows, 13, x), Matrix::new(rows, 1, y));
        let trainer = Trainer::new(model.layout(), eta, Rule::ADAM, 0);
        Self { model, x, y, trainer, rows: vec![0; batch], step: 0 }
    }

    /// Draws noise, computes bound and gradient, updates by Adam; the loss.
    pub fn step(&mut self) -> f64 {
        let batch = self.rows.len();
        let first = self.step % (self.x.rows / batch) * batch;
        self.rows.iter_mut().enumerate().for_each(|(i, row)| *row = first + i);
        self.step += 1;
        let new = BayesMlpObjective::new(&self.model, &self.x, &self.y);
        let objective = BayesMlpObjective { sampling: Sampling::Weights { samples: 1 }, ..new };
        self.trainer.step(&objective, &self.rows, 1e-3).expect("the loss is finite").total
    }
}

/// The negative log-density of L = 16 latent columns Z under a Gaussian process over views w and objects x, in f64, and
/// its gradient in Z, X, log β, log ν and log α:
///
/// −log p(Z | X, w),   K = β exp(−2 sin²(w − w')/ν²) ⊙ X Xᵀ + α I
pub struct GaussianProcessStep {
    tape: Tape<f64>,
    /// Z, X, log β, log ν, log α
    theta: Arc<Vec<f64>>,
    /// sin²(w − w')
    squares: Arc<Vec<f64>>,
    optimizer: Optimizer<f64>,
    rows: usize,
    fused: bool,
}

impl GaussianProcessStep {
    const LATENTS: usize = 16;
    const FEATURES: usize = 8;

    /// Through a Cholesky factor and a triangular solve (W4).
    pub fn by_factor(rows: usize) -> Self {
        Self::new(rows, false)
    }

    /// The log-density as one operation (W4h).
    pub fn fused(rows: usize) -> Self {
        Self::new(rows, true)
    }

    fn new(rows: usize, fused: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(0);
        let (z, x) = (rows * Self::LATENTS, rows * Self::FEATURES);
        let mut theta = vec![0.0; z + x + 3];
        Noise::new(0, 0).normal(0, z + x, &mut theta[..z + x]);
        theta[z..z + x].iter_mut().for_each(|x| *x *= 0.35);
        theta[z + x + 2] = -0.7;
        let views: Vec<f64> = (0..rows).map(|_| rng.random_range(0.0..std::f64::consts::PI)).collect();
        let square = |w: f64, v: f64| (w - v).sin().powi(2);
        let squares = views.iter().flat_map(|&w| views.iter().map(move |&v| square(w, v))).collect();
        let optimizer = Optimizer::new(Rule::ADAM, theta.len());
        Self { tape: Tape::new(), theta: Arc::new(theta), squares: Arc::new(squares), optimizer, rows, fused }
    }

    /// The loss and its gradient, and an update by Adam; the loss.
    pub fn step(&mut self) -> f64 {
        let Self { tape, theta, squares, optimizer, rows: n, fused } = self;
        let (n, z_size, x_size) = (*n, *n * Self::LATENTS, *n * Self::FEATURES);
        let (loss, gradient) = tape.value_and_grad(theta, |tape, theta| {
            let z = theta.view(0, [n, Self::LATENTS]);
            let x = theta.view(z_size, [n, Self::FEATURES]);
            let scalar = |i: usize| theta.view(z_size + x_size + i, [1]);
            let (log_beta, log_nu, log_alpha) = (scalar(0), scalar(1), scalar(2));
            let views = (tape.shared_constant(squares, [n, n]) * ((log_nu * -2.0).exp() * -2.0)).exp();
            let x = x * (log_beta * 0.5).exp();
            let k = views * x.matmul_t(x) + log_alpha.exp().broadcast_to([n]).diagonal_matrix();
            const DEFINITE: &str = "K is positive definite: α > 0";
            if *fused {
                return -z.multivariate_normal_log_prob(k).expect(DEFINITE).sum();
            }
            let l = k.cholesky().expect(DEFINITE);
            let whitened = l.solve_triangular(z, TriangularSystem::LX);
            let constant = 0.5 * (2.0 * std::f64::consts::PI).ln() * z_size as f64;
            whitened.square().sum() * 0.5 + l.log_det_from_factor() * (0.5 * Self::LATENTS as f64) + constant
        });
        let theta = Arc::get_mut(theta).expect("θ is not shared between steps");
        optimizer.step(1e-3, theta, &gradient);
        loss
    }
}

/// The price of an operation: 2-16-16-1, tanh, batch 1, in separate operations (3 products, 3 sums, 2 tanh, difference,
/// product, sum: 11 forward).
pub struct TinyStep {
    tape: Tape<f32>,
    network: Mlp,
    theta: Arc<Vec<f32>>,
    optimizer: Optimizer<f32>,
}

impl TinyStep {
    /// The operations recorded forward.
    pub const OPERATIONS: usize = 11;

    /// The workload with θ at random.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut layout = Layout::new();
        let (phi, psi) = (Nonlinearity::Tanh, Nonlinearity::Identity);
        let network = Mlp::with_init(&mut layout, "f", &[2, 16, 16, 1], phi, psi, framework_init);
        let theta: Vec<f32> = layout.init(&mut StdRng::seed_from_u64(0));
        let optimizer = Optimizer::new(Rule::ADAM, theta.len());
        Self { tape: Tape::new(), network, theta: Arc::new(theta), optimizer }
    }

    /// Forward and backward (W6fb); the loss.
    pub fn forward_backward(&mut self) -> f64 {
        let Self { tape, network, theta, .. } = self;
        f64::from(tape.value_and_grad(theta, |tape, theta| tiny_loss(tape, network, theta)).0)
    }

    /// Forward, backward and update (W6); the loss.
    pub fn step(&mut self) -> f64 {
        let Self { tape, network, theta, optimizer } = self;
        let (loss, gradient) = tape.value_and_grad(theta, |tape, theta| tiny_loss(tape, network, theta));
        optimizer.step(1e-3, Arc::get_mut(theta).expect("θ is not shared between steps"), &gradient);
        f64::from(loss)
    }
}

fn tiny_loss<'t>(tape: &'t Tape<f32>, network: &Mlp, theta: Var<'t, f32>) -> Var<'t, f32> {
    let mut h = tape.constant(&[0.3, -0.8], [1, 2]);
    let y = tape.constant(&[0.5], [1, 1]);
    let last = network.layers().len() - 1;
    for (i, layer) in network.layers().iter().enumerate() {
        let a = h.matmul(layer.weight().of(theta)) + layer.bias().of(theta);
        h = if i == last { a } else { a.tanh() };
    }
    let d = h - y;
    (d * d).sum()
}

/// Weights and biases uniform in ±1/√inputs, as the frameworks begin.
fn framework_init([inputs, _]: [usize; 2], _: Nonlinearity) -> (Init, Init) {
    let bound = (inputs as f64).sqrt().recip();
    (Init::Uniform(bound), Init::Uniform(bound))
}
