//! The model and its bound.

use autograd::{Real, Var};
use nn::model::{Init, Layout, Model, Nonlinearity, Slot};
use nn::train::Group;

use crate::gaps::Expected;
use crate::rows::{Rows, beside};
use crate::{Gaps, Likelihood, Networks, Observation, Posterior, Sizes, VaeConfig, VaeError, mixed};

/// A variational autoencoder: a description, whose numbers are in θ.
///
/// A datum is a row of D numbers; of a conditional model it is a row (x, conditions) of D + C. Numbers of x that are NaN are
/// *missing*: the encoder sees 0 in their place, or what [`Gaps`] says, and the likelihood is that of the other numbers, ∫ p(x_observed|z) p(z) dz
/// (Nazábal et al. 2020).
#[derive(Clone, Debug, PartialEq)]
pub struct Vae {
    config: VaeConfig,
    layout: Layout,
    networks: Networks,
    /// What the likelihood learns besides the decoder: ln σ or ln r.
    scale: Option<Slot>,
    /// Of [`Gaps::Conditional`](crate::Gaps::Conditional).
    expected: Option<Expected>,
}

impl Model for Vae {
    const KIND: &'static str = "vae.Vae";
    type Config = VaeConfig;
    type Error = VaeError;

    fn from_config(config: &VaeConfig) -> Result<Self, VaeError> {
        Self::new(config)
    }

    fn least_size(config: &VaeConfig) -> Option<usize> {
        let VaeConfig { inputs, conditions, latent, ref encoder, ref decoder, .. } = *config;
        if config.validate().is_err() {
            return Some(0);
        }
        Networks::least_size(encoder, decoder, [inputs, conditions, latent])
    }

    fn config(&self) -> &VaeConfig {
        &self.config
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl Vae {
    /// The model with slots `encoder.*` and `decoder.*` ([`Networks::new`]), and one more where the likelihood has parameters
    /// that do not depend on z: `log_sigma`, `log_dispersion` or `log_scale`. With [`Gaps::Conditional`] there are `gaps.mean` and
    /// `gaps.precision`, too, which are not trained: [`held`](Self::held).
    ///
    /// # Errors
    /// [`VaeError`] if there is no such model.
    pub fn new(config: &VaeConfig) -> Result<Self, VaeError> {
        Self::build(config, |layout, sizes| Networks::new(layout, &config.encoder, &config.decoder, sizes))
    }

    /// The model of [`new`](Self::new), with initialisers of weights and biases as [`Networks::with_init`] takes them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_init(
        config: &VaeConfig,
        init: impl Fn([usize; 2], Nonlinearity) -> (Init, Init),
    ) -> Result<Self, VaeError> {
        Self::build(config, |layout, sizes| {
            Networks::with_init(layout, &config.encoder, &config.decoder, sizes, init)
        })
    }

    fn build(
        config: &VaeConfig,
        networks: impl FnOnce(&mut Layout, Sizes) -> Result<Networks, VaeError>,
    ) -> Result<Self, VaeError> {
        config.validate()?;
        let VaeConfig { inputs, conditions, latent, covariance, ref likelihood, .. } = *config;
        let (parameters, heads) = (covariance.parameters(latent), likelihood.heads());
        let mut layout = Layout::new();
        let networks = networks(&mut layout, Sizes { inputs, conditions, parameters, latent, heads })?;
        let scale = likelihood.scale(&mut layout, inputs);
        let expected = (config.gaps == Gaps::Conditional).then(|| Expected::new(&mut layout, inputs));
        Ok(Self { config: config.clone(), layout, networks, scale, expected })
    }

    /// What the model consists of.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Groups of rate 0 for [`Fit::groups`](nn::train::Fit::groups): the slots that training should leave as they are, those of
    /// [`Gaps::Conditional`]. No gradient reaches them, but a rule that shrinks all of θ would.
    pub fn held(&self) -> Vec<Group> {
        let slots = self.expected.iter().flat_map(Expected::slots);
        slots.map(|slot| Group { range: slot.range(), rate: 0.0 }).collect()
    }

    /// The encoder and the decoder.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// D, the number of observed variables.
    pub fn inputs(&self) -> usize {
        self.config.inputs
    }

    /// C, the number of conditions.
    pub fn conditions(&self) -> usize {
        self.config.conditions
    }

    /// L, the dimension of z.
    pub fn latent(&self) -> usize {
        self.config.latent
    }

    /// q(z|x) for every row x (…, D + C): densities over z (…, L).
    ///
    /// # Panics
    /// If the rows have another length, or a condition is missing.
    #[track_caller]
    #[inline(never)]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Posterior<'t, F> {
        self.posterior(theta, self.rows(x))
    }

    /// The rows λ of parameters of q(z|x) that the encoder computes, as [`Covariance::at`](crate::Covariance::at) takes them:
    /// x (…, D + C) to (…, parameters).
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    #[track_caller]
    #[inline(never)]
    pub fn posterior_parameters<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.posterior_parameters_of(theta, self.rows(x))
    }

    /// p(x|z) for every row z (…, L), of a conditional model (z, conditions) (…, L + C): densities over x (…, D).
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    #[inline(never)]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Observation<'t, F> {
        let scale = self.scale.as_ref().map(|slot| slot.of(theta));
        self.config.likelihood.at(self.networks.decoder.apply(theta, z), scale)
    }

    /// ELBO(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)),   z = μ + A ε        lecture 001, "Alternative formulation of ELBO"
    ///
    /// x (B, D + C) and standard normal noise ε (B, L) to (B). With ε (M, B, L), E_q is the mean over M samples of z.
    ///
    /// # Panics
    /// If the rows of x or ε have another length, or a condition is missing.
    #[track_caller]
    #[inline(never)]
    pub fn elbo<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, eps: Var<'t, F>) -> Elbo<'t, F> {
        let x = self.rows(x);
        let q = self.posterior(theta, x);
        let z = q.sample_with(eps);
        let p = self.decode_given(theta, z, x);
        Elbo { log_likelihood: x.log_prob(p), kl: q.kl_to_standard() }.mean_over_samples()
    }

    /// The ELBO at another q(z|x) than the encoder's: x (B, D + C) and ε (B, L) or (M, B, L) to (B).
    ///
    /// # Panics
    /// As [`elbo`](Self::elbo).
    #[track_caller]
    #[inline(never)]
    pub fn elbo_at<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        q: Posterior<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        let x = self.rows(x);
        let z = q.sample_with(eps);
        let p = self.decode_given(theta, z, x);
        Elbo { log_likelihood: x.log_prob(p), kl: q.kl_to_standard() }.mean_over_samples()
    }

    /// What the encoder sees in gaps, if it is not 0.
    pub(crate) fn expected(&self) -> Option<&Expected> {
        self.expected.as_ref()
    }

    /// q(z|x) of these rows.
    #[track_caller]
    pub(crate) fn posterior<'t, F: Real>(&self, theta: Var<'t, F>, x: Rows<'t, F>) -> Posterior<'t, F> {
        self.config.covariance.at(self.latent(), self.posterior_parameters_of(theta, x))
    }

    /// The parameters λ of q(z|x) of these rows.
    #[track_caller]
    pub(crate) fn posterior_parameters_of<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        rows: Rows<'t, F>,
    ) -> Var<'t, F> {
        let x = self.seen(rows);
        let x = match (&self.expected, rows.observed) {
            (Some(expected), Some(observed)) => expected.fill(theta, x, observed),
            _ => x,
        };
        self.networks.encoder.apply(theta, beside(x, rows.conditions))
    }

    /// What the encoder sees of x, with 0 where a number is missing.
    #[track_caller]
    pub(crate) fn seen<'t, F: Real>(&self, rows: Rows<'t, F>) -> Var<'t, F> {
        match &self.config.likelihood {
            Likelihood::Poisson | Likelihood::NegativeBinomial => rows.x.ln_1p(),
            Likelihood::Mixed { variables } => mixed::seen(variables, rows.x),
            _ => rows.x,
        }
    }

    /// p(x|z) under the conditions of these rows, for z (…, B, L).
    #[track_caller]
    pub(crate) fn decode_given<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        z: Var<'t, F>,
        rows: Rows<'t, F>,
    ) -> Observation<'t, F> {
        self.decode(theta, beside(z, rows.conditions))
    }
}

/// The bound of each datum in nats, in its two parts.
#[derive(Clone, Copy, Debug)]
pub struct Elbo<'t, F: Real> {
    /// E_q[log p(x|z)], the reconstruction term, (B).
    pub log_likelihood: Var<'t, F>,
    /// KL(q(z|x) ‖ p(z)), the regularisation, (B). [`Vae::elbo_samples`] has log q(z|x) − log p(z) at each sample in its place:
    /// the mean over samples estimates the divergence, and a single one may be negative.
    pub kl: Var<'t, F>,
}

impl<'t, F: Real> Elbo<'t, F> {
    /// E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)), (B).
    #[track_caller]
    pub fn value(self) -> Var<'t, F> {
        self.log_likelihood - self.kl
    }

    /// The mean over samples, (M, B) to (B), if there are several. The divergence has none.
    #[track_caller]
    fn mean_over_samples(self) -> Self {
        let has_samples = self.log_likelihood.shape().rank() > self.kl.shape().rank();
        let mean = |x: Var<'t, F>| if has_samples { x.mean_axis(0) } else { x };
        Self { log_likelihood: mean(self.log_likelihood), kl: self.kl }
    }

    /// The mean over the first axis, that of samples, of both parts.
    #[track_caller]
    pub(crate) fn mean_of_samples(self) -> Self {
        Self { log_likelihood: self.log_likelihood.mean_axis(0), kl: self.kl.mean_axis(0) }
    }
}
