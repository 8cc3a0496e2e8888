//! The model and its bound.

use std::ops::Range;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Var};
use nn::model::density::{DiagNormal, Normal};
use nn::model::{Init, Layout, Slot};
use vae::{Covariance, Networks, Sizes};

use crate::data::{ImageRows, ObjectFeatures, Places, Samples, matrix_on};
use crate::prior::{Features, LatentPrior, LowRank};
use crate::{GpVaeConfig, GpVaeError, LN_2PI, PixelNoise};

/// A variational autoencoder whose latents follow a Gaussian process over views and objects (lecture 003, "Casale et al
/// (2018)"). It is a description, whose numbers are in θ.
///
/// y_n = g(z_n) + ε_n,   z_n = f(x_{p_n}, w_{q_n}) + η_n,   ε ~ N(0, σ_y² I), η ~ N(0, α I), f ~ GP(0, k)
///
/// θ = (networks, log σ_y | hyperparameters, X). What pixels teach comes first, then what the prior alone reads, so that
/// training can hold either part.
#[derive(Clone, Debug)]
pub struct GpVae<P> {
    config: GpVaeConfig,
    layout: Layout,
    networks: Networks,
    prior: P,
    /// log σ_y, if it is learned
    log_sigma_y: Option<Slot>,
    /// X, if it is learned
    objects: Option<Slot>,
    /// Where the part of θ begins that the prior alone reads
    split: usize,
}

impl<P: LatentPrior> GpVae<P> {
    /// The model of this configuration and prior, with the slots `encoder.*`, `decoder.*`, `log_sigma_y` if σ_y is learned, those
    /// of the prior, and `objects` if X is learned, in this order.
    ///
    /// # Errors
    /// [`GpVaeError::Networks`] or [`GpVaeError::PixelNoise`] if the configuration makes no sense.
    pub fn new(config: &GpVaeConfig, prior: impl FnOnce(&mut Layout) -> P) -> Result<Self, GpVaeError> {
        config.validate()?;
        let GpVaeConfig { pixels, latent, ref encoder, ref decoder, pixel_noise, ref objects } = *config;
        let mut layout = Layout::new();
        let parameters = Covariance::Diagonal.parameters(latent);
        let sizes = Sizes { inputs: pixels, conditions: 0, parameters, latent, heads: 1 };
        let networks = Networks::new(&mut layout, encoder, decoder, sizes)?;
        let log_sigma_y = match pixel_noise {
            PixelNoise::Fixed { .. } => None,
            PixelNoise::Learned { start } => Some(layout.slot("log_sigma_y", [], Init::Constant(start.ln()))),
        };
        let split = layout.size();
        let prior = prior(&mut layout);
        let objects = match objects {
            ObjectFeatures::None | ObjectFeatures::Given(_) => None,
            ObjectFeatures::Learned(x) => {
                Some(layout.slot("objects", [x.rows, x.cols], Init::Values(x.values.to_vec())))
            }
        };
        Ok(Self { config: config.clone(), layout, networks, prior, log_sigma_y, objects, split })
    }

    /// The configuration.
    pub fn config(&self) -> &GpVaeConfig {
        &self.config
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// p(Z | X, W)
    pub fn prior(&self) -> &P {
        &self.prior
    }

    /// K, the number of pixels.
    pub fn pixels(&self) -> usize {
        self.config.pixels
    }

    /// L, the dimension of z.
    pub fn latent(&self) -> usize {
        self.config.latent
    }

    /// The part of θ that pixels teach: the networks and log σ_y.
    pub fn networks_range(&self) -> Range<usize> {
        0..self.split
    }

    /// The part of θ that the prior alone reads: the kernel's hyperparameters, α and X.
    pub fn kernel_range(&self) -> Range<usize> {
        self.split..self.layout.size()
    }

    /// σ_y for a θ that is a plain vector.
    pub fn sigma_y<F: Real>(&self, theta: &[F]) -> f64 {
        match &self.log_sigma_y {
            Some(slot) => theta[slot.range().start].to_f64().exp(),
            None => self.config.pixel_noise.sigma(),
        }
    }

    /// X (P, M), or none without objects.
    #[track_caller]
    pub fn object_features<'t, F: Real>(&self, theta: Var<'t, F>) -> Option<Var<'t, F>> {
        match &self.config.objects {
            ObjectFeatures::None => None,
            ObjectFeatures::Given(x) => Some(matrix_on(theta.tape(), x)),
            ObjectFeatures::Learned(_) => self.objects.as_ref().map(|slot| slot.of(theta)),
        }
    }

    /// The rows (w_n | x_{p_n}) of these places, as a kernel reads them, (N, R + M).
    ///
    /// # Panics
    /// If an object has no features, or there are features and the places name no objects.
    #[track_caller]
    pub fn place_rows<'t, F: Real>(&self, theta: Var<'t, F>, places: &Places) -> Var<'t, F> {
        let w = matrix_on(theta.tape(), &places.views);
        match self.object_features(theta) {
            Some(x) => Var::concatenate(&[w, x.gather(&places.objects)], 1),
            None => w,
        }
    }

    /// Checks that the model can be trained on these samples.
    ///
    /// # Errors
    /// [`GpVaeError::Pixels`] if images have another size, [`GpVaeError::Objects`] if objects are named and have no features, or
    /// the other way round, [`GpVaeError::UnknownObject`] if one of them has none, [`GpVaeError::Duplicate`] if two samples must
    /// have the same latent because the prior has no noise α.
    pub fn check<F: Real>(&self, samples: &Samples<F>) -> Result<(), GpVaeError> {
        let (expected, found) = (self.pixels(), samples.images.cols);
        if expected != found {
            return Err(GpVaeError::Pixels { expected, found });
        }
        let (named, objects) = (&samples.places.objects, self.config.objects.objects());
        if named.is_empty() != (objects == 0) {
            return Err(GpVaeError::Objects { known: objects, named: named.len() });
        }
        if let Some((row, &object)) = named.iter().enumerate().find(|(_, object)| **object >= objects) {
            return Err(GpVaeError::UnknownObject { row, object, objects });
        }
        if self.prior.alpha().is_some() { Ok(()) } else { samples.places.check_distinct() }
    }

    /// q(z|y) = N(μ(y), diag σ²(y)) (lecture 003, "Encoder"): y (B, K) to densities over (B, L).
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, y: Var<'t, F>) -> DiagNormal<'t, F> {
        Covariance::Diagonal.at(self.latent(), self.networks.encoder.apply(theta, y)).diagonal
    }

    /// g(z), the mean image (lecture 003, "Casale et al (2018)"): z (B, L) to (B, K).
    #[track_caller]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Var<'t, F> {
        self.networks.decoder.apply(theta, z)
    }

    /// log N(y_n; g(z_n), σ_y² I) of each row in nats, over the pixels that were observed: images (n, K) and z (n, L) to (n).
    #[track_caller]
    pub fn log_likelihood<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        images: ImageRows<'t, F>,
        z: Var<'t, F>,
    ) -> Var<'t, F> {
        let ImageRows { y, observed } = images;
        let mu = self.decode(theta, z);
        let log_sigma = match &self.log_sigma_y {
            Some(slot) => slot.of(theta),
            None => theta.tape().constant(&[F::from_f64(self.config.pixel_noise.sigma().ln())], []),
        };
        let Some(observed) = observed else { return Normal { mu, log_sigma }.log_prob(y) };
        let root = (log_sigma * F::from_f64(-0.5)).exp();
        let squares = ((y - mu) * observed * root * root).square().sum_axis(1);
        let constant = (log_sigma * F::from_f64(2.0) + F::from_f64(LN_2PI)) * observed.sum_axis(1);
        (squares + constant) * F::from_f64(-0.5)
    }

    /// The bound of all samples on one tape, with noise ε (N, L):
    ///
    /// log p(Y | X, W) ≥ E_q[Σ_n log N(y_n; g(z_n), σ_y² I) + log p(Z | X, W)] + H(q),   Z = μ + σ ⊙ ε
    ///
    /// (lecture 003, "ELBO and Estimation"; its z = μ + σ²ε is a slip). For more data than fits on a tape there is
    /// [`elbo_and_grad`](Self::elbo_and_grad).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance of the prior has no Cholesky factor.
    #[track_caller]
    pub fn elbo<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        samples: &Samples<F>,
        eps: Var<'t, F>,
    ) -> Result<Elbo<Var<'t, F>>, NotPositiveDefinite> {
        let rows: Vec<usize> = (0..samples.len()).collect();
        let images = samples.rows_on(theta.tape(), &rows);
        let q = self.encode(theta, images.y);
        let z = q.sample_with(eps);
        Ok(Elbo {
            log_likelihood: self.log_likelihood(theta, images, z).sum(),
            log_prior: self.prior.log_prob(theta, self.place_rows(theta, &samples.places), z)?,
            entropy: q.entropy().sum(),
        })
    }
}

impl<V: Features> GpVae<LowRank<V>> {
    /// The bound of Jazbec et al. 2021 (equation 11) for all N samples, estimated from these b rows with noise ε (b, L):
    ///
    /// (N/b) Σ_n E_q[log N(y_n; g(f_n), σ_y² I)] − KL(q(u) ‖ N(0, I))
    ///
    /// The encoder's means and variances are noisy observations of the process, and the process given all of them is decoded
    /// ([`LowRank::amortised`]). The result has −KL as `log_prior`, and an entropy of 0.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance of the prior has no Cholesky factor.
    #[track_caller]
    pub fn amortised_elbo<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        samples: &Samples<F>,
        rows: &[usize],
        eps: Var<'t, F>,
    ) -> Result<Elbo<Var<'t, F>>, NotPositiveDefinite> {
        let images = samples.rows_on(theta.tape(), rows);
        let q = self.encode(theta, images.y);
        let x = self.place_rows(theta, &samples.places.select(rows));
        let f = self.prior.amortised(theta, x, q, samples.len())?;
        let log_likelihood = self.log_likelihood(theta, images, f.mean + f.variance.sqrt() * eps).sum();
        let scale = F::from_f64(samples.len() as f64 / rows.len() as f64);
        let entropy = theta.tape().constant(&[F::ZERO], []);
        Ok(Elbo { log_likelihood: log_likelihood * scale, log_prior: f.kl.neg(), entropy })
    }
}

/// The parts of the bound in nats: variables on a tape, or numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Elbo<T> {
    /// E_q[log p(Y|Z)], the reconstruction term
    pub log_likelihood: T,
    /// E_q[log p(Z|X, W)], the latent-space GP model
    pub log_prior: T,
    /// H(q), the regularisation
    pub entropy: T,
}

impl<'t, F: Real> Elbo<Var<'t, F>> {
    /// E_q[log p(Y|Z)] + λ (E_q[log p(Z)] + H(q)). It is the ELBO for λ = 1.
    #[track_caller]
    pub fn value(self, lambda: f64) -> Var<'t, F> {
        self.log_likelihood + (self.log_prior + self.entropy) * F::from_f64(lambda)
    }

    /// The parts as numbers.
    pub fn items(self) -> Elbo<f64> {
        Elbo {
            log_likelihood: self.log_likelihood.item().to_f64(),
            log_prior: self.log_prior.item().to_f64(),
            entropy: self.entropy.item().to_f64(),
        }
    }
}

impl Elbo<f64> {
    /// E_q[log p(Y|Z)] + λ (E_q[log p(Z)] + H(q)). It is the ELBO for λ = 1.
    pub fn value(self, lambda: f64) -> f64 {
        self.log_likelihood + lambda * (self.log_prior + self.entropy)
    }
}

impl std::ops::AddAssign for Elbo<f64> {
    fn add_assign(&mut self, other: Self) {
        self.log_likelihood += other.log_likelihood;
        self.log_prior += other.log_prior;
        self.entropy += other.entropy;
    }
}
