//! The bound as training objectives: by minibatches, and by the exact gradient.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::model::density::DiagNormal;
use nn::train::{Batch, Fit, Group, Objective, Parts, Prepared};

use crate::data::Samples;
use crate::exact::{ElboGradient, PriorGradient, doubles, noise_on};
use crate::prior::{LatentPrior, RowwisePrior, WeightPosterior, row_terms};
use crate::{Elbo, GpVae, GpVaeError, Pace, Part};

/// The names of the loss's parts: the ELBO and the fields of [`Elbo`], in nats per sample.
const PARTS: &[&str] = &["elbo", "log_likelihood", "log_prior", "entropy"];

/// The negative bound of a phase of training by minibatches, for a prior that is a sum over rows once the posterior q(u) of
/// its weights is known.
///
/// q(u) is computed exactly from all samples before every epoch of [`Part::Networks`] and [`Part::All`], and is held during the
/// epoch ([`WeightPosterior`]). Each step then follows a lower bound of the bound. The first step of an epoch has the bound's own
/// gradient in the means of q(Z|Y); a variance σ_n² costs σ_n²/2α, where the exact price is smaller by ½ σ_n² v_n B⁻¹ v_nᵀ/α².
/// What pulls z_n towards the process, (1/α)(z_n − v_n m), still follows z_n within the epoch, and kernel and X learn in every
/// step. (Casale et al. 2018, section 3.3, expand the prior to first order around all of Z instead. That gradient is exact at
/// one point, but nothing in it holds a latent back that moves on.)
///
/// [`Part::Vae`] is a plain VAE, with the prior N(0, I). [`Part::Kernel`] is −λ log p(Z) at a sample of all of Z; its other
/// parts are 0, and a batch of it must hold all samples.
pub struct GpVaeObjective<'a, F: Real, P> {
    common: Common<'a, F, P>,
    weights: Option<HeldWeights<F>>,
}

/// The negative bound of a phase of training by the exact gradient of all samples, for any prior.
///
/// A step of [`Part::Networks`], [`Part::Kernel`] and [`Part::All`] takes a batch of all samples: see [`GpVae::elbo_and_grad`].
/// [`Part::Vae`] is a plain VAE, which minibatches can train.
pub struct ExactObjective<'a, F: Real, P> {
    common: Common<'a, F, P>,
}

/// What both objectives share.
struct Common<'a, F: Real, P> {
    model: &'a GpVae<P>,
    samples: &'a Samples<F>,
    part: Part,
    lambda: f64,
    /// For what is computed from all latents at once. Its memory is kept from epoch to epoch: it is large, and asking the system
    /// for it each time costs more than a tenth of training.
    tape: Mutex<Tape<f64>>,
}

/// q(u) as numbers, and its divergence from N(0, I).
struct HeldWeights<F> {
    mean: Arc<Vec<F>>,
    factor: Arc<Vec<F>>,
    rank: usize,
    kl: f64,
}

impl<'a, F: Real, P: LatentPrior> Common<'a, F, P> {
    fn new(model: &'a GpVae<P>, samples: &'a Samples<F>, part: Part) -> Result<Self, GpVaeError> {
        model.check(samples)?;
        Ok(Self { model, samples, part, lambda: 1.0, tape: Mutex::default() })
    }

    /// How to train at this pace. `whole` says that a step takes all samples.
    fn fit(&self, pace: &Pace, whole: bool, fit: Fit) -> Fit {
        let Pace { epochs, networks_rate, kernel_rate, ref schedule } = *pace;
        let Self { model, samples, part, .. } = self;
        let held_unless = |trained, rate| if trained { rate } else { 0.0 };
        let groups = vec![
            Group { range: model.networks_range(), rate: held_unless(part.trains_networks(), networks_rate) },
            Group { range: model.kernel_range(), rate: held_unless(part.trains_kernel(), kernel_rate) },
        ];
        let batch_size = if whole { samples.len() } else { fit.batch_size };
        Fit { epochs, batch_size, rate: networks_rate, schedule: schedule.clone(), groups, ..fit }
    }

    /// −(E_q[log p(Y|Z)] + λ (log p(Z) + H(q))) of these rows, with the terms of log p(Z) that `prior` computes for q, (b).
    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
        prior: impl FnOnce(DiagNormal<'t, F>) -> Result<Var<'t, F>, NotPositiveDefinite>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let &Self { model, samples, lambda, .. } = self;
        let images = samples.rows_on(theta.tape(), batch.rows);
        let q = model.encode(theta, images.y);
        let eps = noise_on(theta.tape(), batch.noise, [batch.rows.len(), model.latent()]);
        let elbo = Elbo {
            log_likelihood: model.log_likelihood(theta, images, q.sample_with(eps)).sum(),
            log_prior: prior(q)?.sum(),
            entropy: q.entropy().sum(),
        };
        add_parts(parts, elbo.items());
        Ok(elbo.value(lambda).neg())
    }

    /// The loss of a plain VAE: E_q[log p(z)] = −KL(q ‖ N(0, I)) − H(q).
    fn standard_normal_loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        self.loss(theta, batch, parts, |q| Ok(q.kl_to_standard().neg() - q.entropy()))
    }

    /// −λ log p(Z) at a sample of all of Z, and its gradient in f64.
    fn kernel_step(
        &self,
        theta: &Arc<Vec<F>>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<(f64, Vec<F>), NotPositiveDefinite> {
        self.expect_all(batch);
        let &Self { model, samples, lambda, .. } = self;
        let z = model.sample_latents(theta, samples, batch.noise);
        let PriorGradient { log_prior, theta_bar, .. } =
            model.prior_and_grad(&mut self.tape(), theta, samples, &z)?;
        add_parts(parts, Elbo { log_prior, ..Elbo::default() });
        Ok((-lambda * log_prior, theta_bar.into_iter().map(|bar| F::from_f64(-lambda * bar)).collect()))
    }

    fn tape(&self) -> MutexGuard<'_, Tape<f64>> {
        // Whoever takes the tape clears it first, also after a panic of the one before.
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn expect_all(&self, batch: &Batch<'_>) {
        let (n, found) = (self.samples.len(), batch.rows.len());
        let part = self.part;
        assert!(
            n == found,
            "{part:?}: expected a batch of all {n} samples, found {found}: set Fit::batch_size"
        );
    }
}

fn add_parts(parts: &mut Parts<'_>, elbo: Elbo<f64>) {
    parts.add("elbo", elbo.value(1.0));
    parts.add("log_likelihood", elbo.log_likelihood);
    parts.add("log_prior", elbo.log_prior);
    parts.add("entropy", elbo.entropy);
}

impl<'a, F: Real, P: RowwisePrior> GpVaeObjective<'a, F, P> {
    /// The objective of a phase that trains this part, with λ = 1.
    ///
    /// # Errors
    /// Those of [`GpVae::check`].
    pub fn new(model: &'a GpVae<P>, samples: &'a Samples<F>, part: Part) -> Result<Self, GpVaeError> {
        Ok(Self { common: Common::new(model, samples, part)?, weights: None })
    }

    /// The objective with this λ, the weight of the prior and the entropy. λ = 1 is the ELBO.
    pub fn with_lambda(mut self, lambda: f64) -> Self {
        self.common.lambda = lambda;
        self
    }

    /// How a trainer goes through a phase at this pace: it sets the epochs, the learning rates and what is held, and the batch
    /// size of [`Part::Kernel`]. Everything else is as in `fit`.
    pub fn fit(&self, pace: &Pace, fit: Fit) -> Fit {
        self.common.fit(pace, self.common.part == Part::Kernel, fit)
    }

    /// q(u) given the means of q(Z|Y), in f64. It is the best q(u) for all of q(Z|Y): its mean depends on the mean of Z alone,
    /// and its covariance does not depend on Z.
    fn hold_weights(&self, theta: &Arc<Vec<F>>) -> Result<HeldWeights<F>, NotPositiveDefinite> {
        let &Common { model, samples, .. } = &self.common;
        let mu = model.latent_means(theta, samples);
        let mut tape = self.common.tape();
        tape.clear();
        let theta = tape.constant(&doubles(theta), [theta.len()]);
        let z = tape.constant(&doubles(&mu), [samples.len(), model.latent()]);
        let x = model.place_rows(theta, &samples.places);
        let weights = model.prior().weights(theta, x, z, samples.len())?;
        let numbers =
            |x: Var<'_, f64>| Arc::new(x.with(|x| x.iter().map(|&x| F::from_f64(x)).collect::<Vec<_>>()));
        Ok(HeldWeights {
            mean: numbers(weights.mean),
            factor: numbers(weights.factor),
            rank: weights.mean.shape()[0],
            kl: weights.kl().item(),
        })
    }
}

impl<F: Real, P: RowwisePrior> Objective<F> for GpVaeObjective<'_, F, P> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.common.samples.len()
    }

    fn prepare(&mut self, theta: &Arc<Vec<F>>, _: Option<u64>) -> Result<Prepared, NotPositiveDefinite> {
        match self.common.part {
            Part::Vae | Part::Kernel => Ok(Prepared::Nothing),
            Part::Networks | Part::All => {
                self.weights = Some(self.hold_weights(theta)?);
                Ok(Prepared::ForEpoch)
            }
        }
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let &Common { model, samples, part, .. } = &self.common;
        if part == Part::Vae {
            return self.common.standard_normal_loss(theta, batch, parts);
        }
        let HeldWeights { mean, factor, rank, kl } =
            self.weights.as_ref().expect("GpVaeObjective: expected a call of prepare before the first step");
        let weights = WeightPosterior {
            mean: theta.tape().shared_constant(mean, [*rank, model.latent()]),
            factor: theta.tape().shared_constant(factor, [*rank, *rank]),
        };
        // KL(q(u) ‖ N(0, I)) belongs to all N rows together. Each row takes an equal share, a constant.
        let share = F::from_f64(kl / samples.len() as f64);
        self.common.loss(theta, batch, parts, |q| {
            let x = model.place_rows(theta, &samples.places.select(batch.rows));
            let f = model.prior().given(theta, x, weights)?;
            Ok(row_terms(q, f, model.prior().noise(theta)) - share)
        })
    }

    fn whole(
        &self,
        theta: &Arc<Vec<F>>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Option<Result<(f64, Vec<F>), NotPositiveDefinite>> {
        (self.common.part == Part::Kernel).then(|| self.common.kernel_step(theta, batch, parts))
    }
}

impl<'a, F: Real, P: LatentPrior> ExactObjective<'a, F, P> {
    /// The objective of a phase that trains this part, with λ = 1.
    ///
    /// # Errors
    /// Those of [`GpVae::check`].
    pub fn new(model: &'a GpVae<P>, samples: &'a Samples<F>, part: Part) -> Result<Self, GpVaeError> {
        Ok(Self { common: Common::new(model, samples, part)? })
    }

    /// The objective with this λ, the weight of the prior and the entropy. λ = 1 is the ELBO.
    pub fn with_lambda(mut self, lambda: f64) -> Self {
        self.common.lambda = lambda;
        self
    }

    /// How a trainer goes through a phase at this pace: it sets the epochs, the learning rates and what is held, and a batch of
    /// all samples unless the part is [`Part::Vae`]. Everything else is as in `fit`.
    pub fn fit(&self, pace: &Pace, fit: Fit) -> Fit {
        self.common.fit(pace, self.common.part != Part::Vae, fit)
    }
}

impl<F: Real, P: LatentPrior> Objective<F> for ExactObjective<'_, F, P> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.common.samples.len()
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        self.common.standard_normal_loss(theta, batch, parts)
    }

    fn whole(
        &self,
        theta: &Arc<Vec<F>>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Option<Result<(f64, Vec<F>), NotPositiveDefinite>> {
        let &Common { model, samples, part, lambda, .. } = &self.common;
        match part {
            Part::Vae => None,
            Part::Kernel => Some(self.common.kernel_step(theta, batch, parts)),
            Part::Networks | Part::All => {
                self.common.expect_all(batch);
                let found =
                    model.elbo_and_grad_on(&mut self.common.tape(), theta, samples, batch.noise, lambda);
                Some(found.map(|ElboGradient { elbo, mut gradient }| {
                    add_parts(parts, elbo);
                    gradient.iter_mut().for_each(|g| *g = -*g);
                    (-elbo.value(lambda), gradient)
                }))
            }
        }
    }
}
