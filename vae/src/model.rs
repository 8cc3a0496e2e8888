//! The model and its bound.

use autograd::{Real, Var};
use nn::density::{Bernoulli, DiagNormal, Normal};
use nn::{Init, Layout, Mlp, Nonlinearity, Slot};

/// log σ of every normal that a network computes is bounded smoothly to ±this: a σ between 3e-4 and 3000.
const LOG_SIGMA_BOUND: f64 = 8.0;

/// The decoder's distribution p(x|z).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likelihood {
    /// Independent Bernoulli variables; the decoder computes logits (lecture 002, "The Variational Auto Encoder (VAE)").
    Bernoulli,
    /// N(d(z), σ²I) with this σ (lecture 000, "Probabilistic version of the autoencoder").
    Normal {
        /// σ
        sigma: f64,
    },
    /// N(d(z), σ²I) with one σ that is learned, beginning at 1; the slot `log_sigma` is log σ before its bound.
    NormalLearned,
    /// N(μ(z), diag σ²(z)), both computed by the decoder (lecture 001, "Multivariate Gaussian decoder with a diagonal
    /// covariance structure").
    NormalHead,
}

/// What a [`Vae`] consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// D, the number of observed variables.
    pub inputs: usize,
    /// The widths of the encoder's hidden layers, from the data to the latent space.
    pub encoder: Vec<usize>,
    /// L, the dimension of z.
    pub latent: usize,
    /// The widths of the decoder's hidden layers, from the latent space to the data.
    pub decoder: Vec<usize>,
    /// The activation of hidden layers.
    pub phi: Nonlinearity,
    /// p(x|z)
    pub likelihood: Likelihood,
}

/// A variational autoencoder: a description, whose numbers are in θ.
///
/// The encoder is one network with two heads, which one product computes as packed rows (μ | log σ).
#[derive(Clone, Debug, PartialEq)]
pub struct Vae {
    layout: Layout,
    encoder: Mlp,
    decoder: Mlp,
    latent: usize,
    likelihood: Likelihood,
    log_sigma: Option<Slot>,
}

impl Vae {
    /// The model with slots `encoder.*`, `decoder.*` and, with [`Likelihood::NormalLearned`], `log_sigma`.
    ///
    /// # Panics
    /// If a width is 0, or a fixed σ is not a positive number.
    #[track_caller]
    pub fn new(config: &Config) -> Self {
        Self::with_init(config, |_, _, phi| (nn::layers::init_for(phi), Init::Constant(0.0)))
    }

    /// The same, with initialisers of weights and biases as a function of a layer's inputs, outputs and activation.
    #[track_caller]
    pub fn with_init(config: &Config, init: impl Fn(usize, usize, Nonlinearity) -> (Init, Init)) -> Self {
        let Config { inputs, ref encoder, latent, ref decoder, phi, likelihood } = *config;
        let heads = if likelihood == Likelihood::NormalHead { 2 } else { 1 };
        let down = [&[inputs], &encoder[..], &[2 * latent]].concat();
        let up = [&[latent], &decoder[..], &[heads * inputs]].concat();
        assert!(
            down.iter().chain(&up).all(|&width| width > 0),
            "Vae: widths {down:?} and {up:?}: none may be 0"
        );
        if let Likelihood::Normal { sigma } = likelihood {
            assert!(sigma > 0.0 && sigma.is_finite(), "Vae: σ = {sigma}: a positive number is wanted");
        }
        let mut layout = Layout::new();
        let encoder = Mlp::with_init(&mut layout, "encoder", &down, phi, Nonlinearity::Identity, &init);
        let decoder = Mlp::with_init(&mut layout, "decoder", &up, phi, Nonlinearity::Identity, &init);
        let log_sigma = (likelihood == Likelihood::NormalLearned)
            .then(|| layout.slot("log_sigma", [], Init::Constant(0.0)));
        Self { layout, encoder, decoder, latent, likelihood, log_sigma }
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// D, the number of observed variables.
    pub fn inputs(&self) -> usize {
        self.encoder.inputs()
    }

    /// L, the dimension of z.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// q(z|x) = N(μ(x), diag σ²(x)), x (B, D) to densities over (B, L).
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> DiagNormal<'t, F> {
        let packed = self.encoder.apply(theta, x);
        DiagNormal { packed: packed.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)) }
    }

    /// p(x|z), z (…, L) to densities over (…, D).
    #[track_caller]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Observation<'t, F> {
        let y = self.decoder.apply(theta, z);
        let normal = |log_sigma| Observation::Normal(Normal { mu: y, log_sigma });
        match (self.likelihood, &self.log_sigma) {
            (Likelihood::NormalLearned, Some(slot)) => {
                let bound = F::from_f64(LOG_SIGMA_BOUND);
                normal((slot.of(theta) / bound).tanh() * bound)
            }
            (Likelihood::Normal { sigma }, _) => {
                normal(theta.tape().constant(&[F::from_f64(sigma.ln())], []))
            }
            (Likelihood::NormalHead, _) => Observation::DiagNormal(DiagNormal {
                packed: y.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)),
            }),
            _ => Observation::Bernoulli(Bernoulli { logits: y }),
        }
    }

    /// ELBO(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)),   z = μ + σ ⊙ ε        lecture 001, "Alternative formulation of ELBO"
    ///
    /// x (B, D) and standard normal noise ε (B, L), or (M, B, L) for the mean over M samples, to (B).
    #[track_caller]
    pub fn elbo<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, eps: Var<'t, F>) -> Elbo<'t, F> {
        let q = self.encode(theta, x);
        let z = q.sample_with(eps);
        let log_likelihood = self.decode(theta, z).log_prob(x);
        let kl = q.kl_to_standard();
        let sampled = log_likelihood.shape().rank() > kl.shape().rank();
        Elbo { log_likelihood: if sampled { log_likelihood.mean_axis(0) } else { log_likelihood }, kl }
    }

    /// log p(x, z) − log q(z|x) at z = μ + σ ⊙ ε: the logarithm of an importance weight, whose mean over q is p(x).
    ///
    /// x (B, D) and standard normal noise ε (…, B, L) to (…, B).
    #[track_caller]
    pub fn log_weight<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, eps: Var<'t, F>) -> Var<'t, F> {
        let q = self.encode(theta, x);
        let z = q.sample_with(eps);
        let zero = theta.tape().constant(&[F::ZERO], []);
        let prior = Normal { mu: zero, log_sigma: zero };
        self.decode(theta, z).log_prob(x) + prior.log_prob(z) - q.log_prob(z)
    }
}

/// The bound of each datum in nats, in its two parts.
#[derive(Clone, Copy, Debug)]
pub struct Elbo<'t, F: Real> {
    /// E_q[log p(x|z)], the reconstruction term, (B)
    pub log_likelihood: Var<'t, F>,
    /// KL(q(z|x) ‖ p(z)), the regularisation, (B)
    pub kl: Var<'t, F>,
}

impl<'t, F: Real> Elbo<'t, F> {
    /// E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)), (B)
    #[track_caller]
    pub fn value(self) -> Var<'t, F> {
        self.log_likelihood - self.kl
    }
}

/// p(x|z) for given z.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'t, F: Real> {
    /// [`Likelihood::Bernoulli`]
    Bernoulli(Bernoulli<'t, F>),
    /// [`Likelihood::Normal`] and [`Likelihood::NormalLearned`]
    Normal(Normal<'t, F>),
    /// [`Likelihood::NormalHead`]
    DiagNormal(DiagNormal<'t, F>),
}

impl<'t, F: Real> Observation<'t, F> {
    /// log p(x|z), summed over the observed variables.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        match self {
            Self::Bernoulli(p) => p.log_prob(x),
            Self::Normal(p) => p.log_prob(x),
            Self::DiagNormal(p) => p.log_prob(x),
        }
    }

    /// E[x|z]
    #[track_caller]
    pub fn mean(self) -> Var<'t, F> {
        match self {
            Self::Bernoulli(p) => p.mean(),
            Self::Normal(p) => p.mu,
            Self::DiagNormal(p) => p.mu(),
        }
    }
}
