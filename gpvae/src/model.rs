//! The model and its bound.

use std::ops::Range;

use autograd::{NotPositiveDefinite, Real, Var};
use nn::density::{DiagNormal, Normal};
use nn::{Init, Layout, Slot};

use crate::prior::{Features, LowRank, Prior};
use crate::{GpVaeError, Networks, Objects, Places, Samples};

/// σ_y, the deviation of a pixel from its decoded mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PixelNoise {
    /// This σ_y.
    Fixed(f64),
    /// Learned from this σ_y on: a slot `log_sigma_y` of θ.
    Learned(f64),
}

/// A variational autoencoder whose latents follow a Gaussian process over views and objects (lecture 003, "Casale et al
/// (2018)"): a description, whose numbers are in θ.
///
/// y_n = g(z_n) + ε_n,   z_n = f(x_{p_n}, w_{q_n}) + η_n,   ε ~ N(0, σ_y² I), η ~ N(0, α I), f ~ GP(0, k)
///
/// θ = (networks, log σ_y | hyperparameters, X): what is learned from pixels comes first, then what only the prior reads,
/// so that either can be held fixed.
#[derive(Clone, Debug)]
pub struct GpVae<P> {
    layout: Layout,
    /// q(z|y) and g(z)
    pub networks: Networks,
    /// p(Z | X, W)
    pub prior: P,
    /// X
    pub objects: Objects,
    noise: (PixelNoise, Option<Slot>),
    /// Where the prior's part of θ begins.
    split: usize,
}

impl<P: Prior> GpVae<P> {
    /// The model of networks, pixel noise, prior and object features, which take their slots in this order.
    ///
    /// # Panics
    /// If σ_y is not a positive number.
    #[track_caller]
    pub fn new(
        networks: impl FnOnce(&mut Layout) -> Networks,
        noise: PixelNoise,
        prior: impl FnOnce(&mut Layout) -> P,
        objects: impl FnOnce(&mut Layout) -> Objects,
    ) -> Self {
        let (PixelNoise::Fixed(sigma) | PixelNoise::Learned(sigma)) = noise;
        assert!(sigma > 0.0 && sigma.is_finite(), "GpVae: σ_y = {sigma}: a positive number is wanted");
        let mut layout = Layout::new();
        let networks = networks(&mut layout);
        let slot = matches!(noise, PixelNoise::Learned(_))
            .then(|| layout.slot("log_sigma_y", [], Init::Constant(sigma.ln())));
        let split = layout.size();
        let (prior, objects) = (prior(&mut layout), objects(&mut layout));
        Self { layout, networks, prior, objects, noise: (noise, slot), split }
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where in θ the networks and σ_y are, and where kernel, α and X.
    pub fn parts(&self) -> [Range<usize>; 2] {
        [0..self.split, self.split..self.layout.size()]
    }

    /// σ_y in a θ that is on no tape.
    pub fn sigma_y<F: Real>(&self, theta: &[F]) -> f64 {
        match (&self.noise.1, self.noise.0) {
            (Some(slot), _) => theta[slot.range().start].to_f64().exp(),
            (None, PixelNoise::Fixed(sigma) | PixelNoise::Learned(sigma)) => sigma,
        }
    }

    /// That the samples can be trained on.
    ///
    /// # Errors
    /// If an object has no features, or two samples must have the same latent since there is no noise α.
    ///
    /// # Panics
    /// If images have another size than the networks take, or objects are named without features (or the other way round).
    #[track_caller]
    pub fn check<F: Real>(&self, samples: &Samples<F>) -> Result<(), GpVaeError> {
        let (pixels, wanted) = (samples.images.cols, self.networks.pixels());
        assert!(pixels == wanted, "GpVae: images of {pixels} pixels, the networks take {wanted}");
        let (named, objects) = (&samples.places.objects, self.objects.len());
        assert!(
            named.is_empty() == (objects == 0),
            "GpVae: {} rows name objects, {objects} are known",
            named.len()
        );
        if let Some((row, &object)) = named.iter().enumerate().find(|(_, object)| **object >= objects) {
            return Err(GpVaeError::UnknownObject { row, object, objects });
        }
        if self.prior.has_noise() { Ok(()) } else { samples.places.distinct() }
    }

    /// log N(y_n; g(z_n), σ_y² I) of every row in nats, over the pixels that were observed: y (n, K) and z (n, L) to (n).
    #[track_caller]
    pub fn log_likelihood<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        seen: Observed<'t, F>,
        z: Var<'t, F>,
    ) -> Var<'t, F> {
        let Observed { y, observed } = seen;
        let mu = self.networks.decode(theta, z);
        let log_sigma = match &self.noise.1 {
            Some(slot) => slot.of(theta),
            None => theta.tape().constant(&[F::from_f64(self.sigma_y::<F>(&[]).ln())], []),
        };
        let Some(observed) = observed else { return Normal { mu, log_sigma }.log_prob(y) };
        let precision = (log_sigma * F::from_f64(-2.0)).exp();
        let squares = ((y - mu) * observed).square().sum_axis(1) * precision;
        let constant =
            (log_sigma * F::from_f64(2.0) + F::from_f64(crate::prior::LN_2PI)) * observed.sum_axis(1);
        (squares + constant) * F::from_f64(-0.5)
    }

    /// The bound of all samples, with noise ε (N, L), on one tape:
    ///
    /// log p(Y | X, W) ≥ E_q[Σ_n log N(y_n; g(z_n), σ_y² I) + log p(Z | X, W)] + H(q),   Z = μ + σ ⊙ ε
    ///
    /// (lecture 003, "ELBO and Estimation"; its z = μ + σ²ε is a slip). For data beyond one tape's memory there is
    /// [`bound_and_grad`](Self::bound_and_grad).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if the prior has no Cholesky factor.
    #[track_caller]
    pub fn bound<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        samples: &Samples<F>,
        eps: Var<'t, F>,
    ) -> Result<Bound<Var<'t, F>>, NotPositiveDefinite> {
        let rows: Vec<usize> = (0..samples.len()).collect();
        let (seen, q) = self.encode_rows(theta, samples, &rows);
        let z = q.sample_with(eps);
        Ok(Bound {
            log_likelihood: self.log_likelihood(theta, seen, z).sum(),
            log_prior: self.prior.log_prob(theta, self.objects.rows(theta, &samples.places), z)?,
            entropy: q.entropy().sum(),
        })
    }

    /// q(z|y) of rows of the samples.
    #[track_caller]
    pub(crate) fn encode_rows<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        samples: &Samples<F>,
        rows: &[usize],
    ) -> (Observed<'t, F>, DiagNormal<'t, F>) {
        let observed = Observed::on(theta, samples, rows);
        (observed, self.networks.encode(theta, observed.y))
    }

    /// The rows (w | x) of these places.
    #[track_caller]
    pub(crate) fn place_rows<'t, F: Real>(&self, theta: Var<'t, F>, places: &Places) -> Var<'t, F> {
        self.objects.rows(theta, places)
    }
}

impl<V: Features> GpVae<LowRank<V>> {
    /// The bound of Jazbec et al. 2021 (equation 11) for all samples, estimated from these rows with noise ε (b, L):
    ///
    /// (N/b) Σ_n E_q[log N(y_n; g(f_n), σ_y² I)] − KL(q(u) ‖ N(0, I))
    ///
    /// in which the encoder's means and variances are observations of the process, and what is decoded is the process given
    /// all of them ([`LowRank::amortised`]). The second part of the result is −KL, there is no third.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`], as [`bound`](Self::bound).
    #[track_caller]
    pub fn amortised_bound<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        samples: &Samples<F>,
        rows: &[usize],
        eps: Var<'t, F>,
    ) -> Result<Bound<Var<'t, F>>, NotPositiveDefinite> {
        let (seen, q) = self.encode_rows(theta, samples, rows);
        let x = self.place_rows(theta, &samples.places.select(rows));
        let f = self.prior.amortised(theta, x, q, samples.len())?;
        let log_likelihood = self.log_likelihood(theta, seen, f.mean + f.variance.sqrt() * eps).sum();
        let entropy = theta.tape().constant(&[F::ZERO], []);
        let scale = F::from_f64(samples.len() as f64 / rows.len() as f64);
        Ok(Bound { log_likelihood: log_likelihood * scale, log_prior: f.kl.neg(), entropy })
    }
}

/// Rows of the samples on a tape.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'t, F: Real> {
    /// Images, (n, K)
    pub y: Var<'t, F>,
    /// 1 where a pixel was observed, 0 where it is missing, (n, K); none if all were
    pub observed: Option<Var<'t, F>>,
}

impl<'t, F: Real> Observed<'t, F> {
    /// These rows.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn on(theta: Var<'t, F>, samples: &Samples<F>, rows: &[usize]) -> Self {
        let shape = [rows.len(), samples.images.cols];
        let gather = |matrix: &nn::data::Matrix<F>| {
            theta.tape().constant_with(shape, |out| matrix.gather_into(rows, out))
        };
        Self { y: gather(&samples.images), observed: samples.observed.as_ref().map(gather) }
    }
}

/// The parts of the bound in nats: variables on a tape, or numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bound<T> {
    /// E_q[log p(Y|Z)], the reconstruction term
    pub log_likelihood: T,
    /// E_q[log p(Z|X, W)], the latent-space GP model
    pub log_prior: T,
    /// H(q), the regularisation
    pub entropy: T,
}

impl<'t, F: Real> Bound<Var<'t, F>> {
    /// E_q[log p(Y|Z)] + λ (E_q[log p(Z)] + H(q)): the ELBO if λ = 1.
    #[track_caller]
    pub fn value(self, lambda: f64) -> Var<'t, F> {
        self.log_likelihood + (self.log_prior + self.entropy) * F::from_f64(lambda)
    }
}

impl Bound<f64> {
    /// E_q[log p(Y|Z)] + λ (E_q[log p(Z)] + H(q)): the ELBO if λ = 1.
    pub fn value(self, lambda: f64) -> f64 {
        self.log_likelihood + lambda * (self.log_prior + self.entropy)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.log_likelihood += other.log_likelihood;
        self.log_prior += other.log_prior;
        self.entropy += other.entropy;
    }
}
