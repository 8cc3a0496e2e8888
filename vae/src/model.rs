//! The model and its bounds.

use autograd::{Real, Var};
use nn::density::{Bernoulli, Categorical, DiagNormal, Normal};
use nn::{Init, Layout, Mlp, Nonlinearity, Slot};

use crate::likelihood::{LOG_RATE_BOUND, Likelihood, Observation, unflat};
use crate::posterior::{Family, LOG_SIGMA_BOUND, Posterior, standard};

/// What a [`Vae`] consists of: independent choices, of which [`Config::new`] makes the usual ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// D, the number of observed variables.
    pub inputs: usize,
    /// C, the number of variables that encoder and decoder are told besides (a conditional VAE), or 0.
    pub conditions: usize,
    /// The widths of the encoder's hidden layers, from the data to the latent space.
    pub encoder: Vec<usize>,
    /// L, the dimension of z.
    pub latent: usize,
    /// The widths of the decoder's hidden layers, from the latent space to the data.
    pub decoder: Vec<usize>,
    /// The activation of hidden layers.
    pub phi: Nonlinearity,
    /// The family of q(z|x)
    pub posterior: Family,
    /// p(x|z)
    pub likelihood: Likelihood,
}

impl Config {
    /// Hidden layers of these widths in the encoder, and the same in reverse in the decoder; ReLU, a diagonal posterior,
    /// Bernoulli variables, no conditions.
    pub fn new(inputs: usize, hidden: &[usize], latent: usize) -> Self {
        Self {
            inputs,
            conditions: 0,
            encoder: hidden.to_vec(),
            latent,
            decoder: hidden.iter().rev().copied().collect(),
            phi: Nonlinearity::Relu,
            posterior: Family::Diagonal,
            likelihood: Likelihood::Bernoulli,
        }
    }
}

/// A variational autoencoder: a description, whose numbers are in θ.
///
/// A datum is a row of D numbers, of a conditional model of D + C. Of the D, those that are NaN are *missing*: the encoder
/// sees 0 in their place, and the likelihood is that of the others, ∫ p(x_observed|z) p(z) dz (Nazábal et al. 2020).
///
/// The encoder is one network, which computes the parameters of q(z|x) as packed rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Vae {
    layout: Layout,
    encoder: Mlp,
    decoder: Mlp,
    inputs: usize,
    latent: usize,
    posterior: Family,
    likelihood: Likelihood,
    /// log σ or ln r of the likelihoods that have one
    scale: Option<Slot>,
}

/// A batch of data: x (B, D) without gaps, what of it was observed (if not all), conditions (B, C).
pub(crate) struct Rows<'t, F: Real> {
    pub(crate) x: Var<'t, F>,
    pub(crate) observed: Option<Var<'t, F>>,
    conditions: Option<Var<'t, F>>,
}

impl<'t, F: Real> Rows<'t, F> {
    /// log p(x|z) of what was observed.
    #[track_caller]
    pub(crate) fn log_prob(&self, p: Observation<'t, F>) -> Var<'t, F> {
        let Some(observed) = self.observed else { return p.log_prob(self.x) };
        let terms = p.log_prob_each(self.x) * observed;
        terms.sum_axis(terms.shape().rank() - 1)
    }
}

impl Vae {
    /// The model with slots `encoder.*`, `decoder.*` and, with [`Likelihood::NormalLearned`],
    /// [`Likelihood::NormalDiagonal`] and [`Likelihood::NegativeBinomial`], `log_sigma` or `log_dispersion`.
    ///
    /// # Panics
    /// If a width is 0, a fixed σ is not a positive number, or D is not a whole number of categorical variables.
    #[track_caller]
    pub fn new(config: &Config) -> Self {
        Self::with_init(config, |_, _, phi| (nn::layers::init_for(phi), Init::Constant(0.0)))
    }

    /// The same, with initialisers of weights and biases as a function of a layer's inputs, outputs and activation.
    #[track_caller]
    pub fn with_init(config: &Config, init: impl Fn(usize, usize, Nonlinearity) -> (Init, Init)) -> Self {
        let Config { inputs, conditions, ref encoder, latent, ref decoder, phi, posterior, likelihood } =
            *config;
        let heads = if likelihood == Likelihood::NormalHead { 2 } else { 1 };
        let down = [&[inputs + conditions], &encoder[..], &[posterior.parameters(latent)]].concat();
        let up = [&[latent + conditions], &decoder[..], &[heads * inputs]].concat();
        assert!(
            inputs > 0 && latent > 0 && down.iter().chain(&up).all(|&width| width > 0),
            "Vae: widths {down:?} and {up:?}: none may be 0"
        );
        match likelihood {
            Likelihood::Normal { sigma } => {
                assert!(sigma > 0.0 && sigma.is_finite(), "Vae: σ = {sigma}: a positive number is wanted");
            }
            Likelihood::Categorical { classes } => assert!(
                classes > 0 && inputs.is_multiple_of(classes),
                "Vae: {inputs} inputs are no whole number of variables with {classes} classes"
            ),
            _ => {}
        }
        let mut layout = Layout::new();
        let encoder = Mlp::with_init(&mut layout, "encoder", &down, phi, Nonlinearity::Identity, &init);
        let decoder = Mlp::with_init(&mut layout, "decoder", &up, phi, Nonlinearity::Identity, &init);
        let zero = Init::Constant(0.0);
        let scale = match likelihood {
            Likelihood::NormalLearned => Some(layout.slot("log_sigma", [], zero)),
            Likelihood::NormalDiagonal => Some(layout.slot("log_sigma", [inputs], zero)),
            Likelihood::NegativeBinomial => Some(layout.slot("log_dispersion", [inputs], zero)),
            _ => None,
        };
        Self { layout, encoder, decoder, inputs, latent, posterior, likelihood, scale }
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// D, the number of observed variables.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// C, the number of conditions.
    pub fn conditions(&self) -> usize {
        self.encoder.inputs() - self.inputs
    }

    /// L, the dimension of z.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// The family of q(z|x).
    pub fn family(&self) -> Family {
        self.posterior
    }

    /// p(x|z)
    pub fn likelihood(&self) -> Likelihood {
        self.likelihood
    }

    /// The rows λ that are the parameters of q(z|x), x (B, D + C) to (B, [`Family::parameters`]).
    #[track_caller]
    pub fn parameters<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.parameters_of(theta, &self.rows(x))
    }

    /// q(z|x), x (B, D + C) to densities over (B, L).
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Posterior<'t, F> {
        self.posterior_of(theta, &self.rows(x))
    }

    /// p(x|z), z (…, L), or of a conditional model (z | conditions) (…, L + C), to densities over (…, D).
    #[track_caller]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Observation<'t, F> {
        let y = self.decoder.apply(theta, z);
        let bounded = |x: Var<'t, F>, bound: f64| {
            let bound = F::from_f64(bound);
            (x / bound).tanh() * bound
        };
        let scale = || bounded(self.scale.as_ref().expect("a slot").of(theta), LOG_SIGMA_BOUND);
        match self.likelihood {
            Likelihood::Bernoulli => Observation::Bernoulli(Bernoulli { logits: y }),
            Likelihood::Normal { sigma } => {
                let log_sigma = theta.tape().constant(&[F::from_f64(sigma.ln())], []);
                Observation::Normal(Normal { mu: y, log_sigma })
            }
            Likelihood::NormalLearned | Likelihood::NormalDiagonal => {
                Observation::Normal(Normal { mu: y, log_sigma: scale() })
            }
            Likelihood::NormalHead => Observation::DiagNormal(DiagNormal {
                packed: y.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)),
            }),
            Likelihood::Categorical { classes } => {
                Observation::Categorical(Categorical { logits: unflat(y, classes) })
            }
            Likelihood::Poisson => Observation::Poisson { log_rate: bounded(y, LOG_RATE_BOUND) },
            Likelihood::NegativeBinomial => Observation::NegativeBinomial {
                log_mean: bounded(y, LOG_RATE_BOUND),
                log_dispersion: scale(),
            },
        }
    }

    /// ELBO(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)),   z = μ + L ε        lecture 001, "Alternative formulation of ELBO"
    ///
    /// x (B, D + C) and standard normal noise ε (B, L), or (M, B, L) for the mean over M samples, to (B).
    #[track_caller]
    pub fn elbo<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, eps: Var<'t, F>) -> Elbo<'t, F> {
        let rows = self.rows(x);
        let q = self.posterior_of(theta, &rows);
        self.closed_form(theta, q, &rows, eps)
    }

    /// The same bound at another q than the encoder's.
    #[track_caller]
    pub fn elbo_at<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        q: Posterior<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        self.closed_form(theta, q, &self.rows(x), eps)
    }

    /// The terms of the bound at each sample z = μ + L ε, the divergence as log q(z|x) − log p(z) there: its mean over
    /// samples is an estimate of the closed form (lecture 001, "ELBO").
    ///
    /// x (B, D + C) and standard normal noise ε (…, B, L) to (…, B).
    #[track_caller]
    pub fn elbo_samples<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        let rows = self.rows(x);
        let q = self.posterior_of(theta, &rows);
        let z = q.sample_with(eps);
        let log_likelihood = self.log_likelihood_at(theta, z, &rows);
        let prior = standard(theta.tape());
        Elbo { log_likelihood, kl: q.log_prob_of_noise(eps) - prior.log_prob(z) }
    }

    /// log p(x, z) − log q(z|x) at z = μ + L ε: the logarithm of an importance weight, whose mean over q is p(x).
    ///
    /// x (B, D + C) and standard normal noise ε (…, B, L) to (…, B).
    #[track_caller]
    pub fn log_weight<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, eps: Var<'t, F>) -> Var<'t, F> {
        self.elbo_samples(theta, x, eps).value()
    }

    /// The gradient of the ELBO that needs no ∂z/∂φ, as a bound to be differentiated. For each of its parts, f(z) =
    /// log p(x|z) and f(z) = log q(z|x) − log p(z),
    ///
    /// ∇_φ E_q[f(z)] = E_q[(f(z) − b) ∇_φ log q(z|x)]
    ///
    /// with b the mean of the other samples' f, which leaves the expectation as it is (Kool, van Hoof & Welling 2019), or 0
    /// of a single one; what f itself has of φ contributes E_q[∇_φ log q(z|x)] = 0 and is left out. The values, (B), are
    /// the means of f over the samples. Since each part has its own slope, β may weigh them.
    ///
    /// x (B, D + C) and standard normal noise ε (M, B, L).
    #[track_caller]
    pub fn score_function<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        let rows = self.rows(x);
        let q = self.posterior_of(theta, &rows);
        let z = held(q.sample_with(eps));
        let log_q = q.log_prob(z);
        let log_likelihood = self.log_likelihood_at(theta, z, &rows);
        let kl = held(log_q) - standard(theta.tape()).log_prob(z);
        // Of value 0; its slope is the score.
        let score = log_q - held(log_q);
        let samples = F::from_f64(eps.shape()[0] as f64);
        let mean = |f: Var<'t, F>| {
            let value = held(f);
            let weight = match eps.shape()[0] {
                1 => value,
                // f − (Σ f − f) / (M − 1)
                _ => (value - value.mean_axis(0)) * (samples / (samples - F::ONE)),
            };
            (f + weight * score).mean_axis(0)
        };
        Elbo { log_likelihood: mean(log_likelihood), kl: mean(kl) }
    }

    #[track_caller]
    fn closed_form<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        q: Posterior<'t, F>,
        rows: &Rows<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        let log_likelihood = self.log_likelihood_at(theta, q.sample_with(eps), rows);
        let kl = q.kl_to_standard();
        let sampled = log_likelihood.shape().rank() > kl.shape().rank();
        Elbo { log_likelihood: if sampled { log_likelihood.mean_axis(0) } else { log_likelihood }, kl }
    }

    /// log p(x|z) of what was observed, z (…, B, L) to (…, B).
    #[track_caller]
    fn log_likelihood_at<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        z: Var<'t, F>,
        rows: &Rows<'t, F>,
    ) -> Var<'t, F> {
        rows.log_prob(self.decode_under(theta, z, rows))
    }

    /// p(x|z) under the conditions of these rows.
    #[track_caller]
    pub(crate) fn decode_under<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        z: Var<'t, F>,
        rows: &Rows<'t, F>,
    ) -> Observation<'t, F> {
        let Some(conditions) = rows.conditions else { return self.decode(theta, z) };
        let shape = z.shape();
        let repeated = conditions.broadcast_to(shape.with_last(self.conditions()));
        self.decode(theta, Var::concatenate(&[z, repeated], shape.rank() - 1))
    }

    /// q(z|x) of these rows.
    #[track_caller]
    pub(crate) fn posterior_of<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        rows: &Rows<'t, F>,
    ) -> Posterior<'t, F> {
        self.posterior.at(self.latent, self.parameters_of(theta, rows))
    }

    #[track_caller]
    fn parameters_of<'t, F: Real>(&self, theta: Var<'t, F>, rows: &Rows<'t, F>) -> Var<'t, F> {
        let x = if self.likelihood.is_of_counts() { rows.x.ln_1p() } else { rows.x };
        let seen = match rows.conditions {
            Some(conditions) => Var::concatenate(&[x, conditions], x.shape().rank() - 1),
            None => x,
        };
        self.encoder.apply(theta, seen)
    }

    /// Takes rows (x | conditions) apart, and looks for missing numbers.
    #[track_caller]
    pub(crate) fn rows<'t, F: Real>(&self, x: Var<'t, F>) -> Rows<'t, F> {
        let (shape, width) = (x.shape(), self.encoder.inputs());
        assert!(shape.last() == width, "Vae: {shape}: rows of {width} numbers are wanted");
        let (x, conditions) = match self.conditions() {
            0 => (x, None),
            _ => (x.columns(0..self.inputs), Some(x.columns(self.inputs..width))),
        };
        // Chunks without an exit in them become vector code.
        let gaps = |x: &[F]| x.chunks(256).any(|x| x.iter().fold(false, |any, x| any | is_missing(x)));
        let told = conditions.is_none_or(|conditions| !conditions.with(gaps));
        assert!(told, "Vae: {shape}: a condition is missing; only the data may have gaps");
        if !x.with(gaps) {
            return Rows { x, observed: None, conditions };
        }
        let (mut filled, tape) = (x.to_vec(), x.tape());
        let mut observed = vec![F::ONE; filled.len()];
        // Of a categorical variable all classes are missing or none.
        let group = if let Likelihood::Categorical { classes } = self.likelihood { classes } else { 1 };
        for (x, observed) in filled.chunks_exact_mut(group).zip(observed.chunks_exact_mut(group)) {
            if x.iter().any(is_missing) {
                x.fill(F::ZERO);
                observed.fill(F::ZERO);
            }
        }
        let shape = x.shape();
        let (x, observed) = (tape.constant(&filled, shape), tape.constant(&observed, shape));
        Rows { x, observed: Some(observed), conditions }
    }
}

#[inline(always)]
pub(crate) fn is_missing<F: Real>(x: &F) -> bool {
    x.to_f64().is_nan()
}

/// The value without its history: a constant.
pub(crate) fn held<F: Real>(x: Var<'_, F>) -> Var<'_, F> {
    x.tape().constant(&x.to_vec(), x.shape())
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

    /// The importance-weighted bound of terms (K, B), to (B) (Burda, Grosse & Salakhutdinov 2016, eq. 8):
    ///
    /// log 1/K Σₖ p(x, zₖ) / q(zₖ|x) ≤ log p(x),   zₖ ~ q(z|x)
    ///
    /// For K = 1 it is the ELBO; in expectation it grows with K.
    #[track_caller]
    pub fn importance_weighted(self) -> Var<'t, F> {
        let log_weight = self.value();
        let samples = log_weight.shape()[0] as f64;
        log_weight.log_sum_exp_axis(0) - F::from_f64(samples.ln())
    }
}
