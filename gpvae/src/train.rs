//! Training in phases, by minibatches or by the exact gradient.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use autograd::{NotPositiveDefinite, Real, Tape, Var};
use nn::data::Minibatches;
use nn::density::DiagNormal;
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use rayon::prelude::*;

use crate::prior::{ByRows, Prior, Weights, row_terms};
use crate::{Bound, GpVae, GpVaeError, Part, Phase, Samples};

/// Rows of a minibatch that go to one tape.
const SHARD: usize = 32;

/// θ on its way through the phases of training.
///
/// Adam trains the networks' part of θ and the prior's apart, each with its own learning rate. The same seed gives the same
/// bits on any number of threads.
pub struct Training<'a, F: Real, P> {
    model: &'a GpVae<P>,
    samples: &'a Samples<F>,
    /// λ, the weight of the prior and the entropy: 1 is the ELBO.
    pub lambda: f64,
    /// Rows a step of minibatches.
    pub batch_size: usize,
    theta: Arc<Vec<F>>,
    optimizers: [Optimizer<F>; 2],
    seed: u64,
    steps: u64,
    passes: u64,
    tapes: Vec<Tape<F>>,
}

/// An epoch's results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// The phase, counted from 0.
    pub phase: usize,
    /// What it trains.
    pub part: Part,
    /// The epoch in the phase, counted from 1.
    pub epoch: usize,
    /// The bound in nats per sample, while θ moved. The first and last part are 0 where only the kernel is trained.
    pub bound: Bound<f64>,
    /// Seconds since the first phase began.
    pub seconds: f64,
}

/// q(u) as numbers, and its divergence from N(0, I).
struct Held<F> {
    mean: Arc<Vec<F>>,
    factor: Arc<Vec<F>>,
    rank: usize,
    kl: f64,
}

impl<'a, F: Real, P: Prior> Training<'a, F, P> {
    /// Training of the model on the samples from θ on, with λ = 1 and minibatches of 64.
    ///
    /// # Errors
    /// As [`GpVae::check`].
    ///
    /// # Panics
    /// As [`GpVae::check`], or if θ is not as long as the model wants it.
    #[track_caller]
    pub fn new(
        model: &'a GpVae<P>,
        samples: &'a Samples<F>,
        theta: Vec<F>,
        seed: u64,
    ) -> Result<Self, GpVaeError> {
        let (size, len) = (model.layout().size(), theta.len());
        assert!(size == len, "Training: θ has {len} numbers, the model {size}");
        model.check(samples)?;
        let optimizers = model.parts().map(|part| Optimizer::new(Rule::ADAM, part.len()));
        let (theta, tapes) = (Arc::new(theta), Vec::new());
        Ok(Self {
            model,
            samples,
            lambda: 1.0,
            batch_size: 64,
            theta,
            optimizers,
            seed,
            steps: 0,
            passes: 0,
            tapes,
        })
    }

    /// θ, to be read on a tape. Whoever clones the `Arc` must let go of it before the next step.
    pub fn theta(&self) -> &Arc<Vec<F>> {
        &self.theta
    }

    /// Trains through the phases with the exact gradient of all samples, one step an epoch: for any prior. A plain VAE is a
    /// sum over rows, and learns from minibatches here too.
    ///
    /// `observer` sees every epoch, and may stop.
    ///
    /// # Errors
    /// If a covariance has no Cholesky factor, or the bound is not finite.
    pub fn fit_exact(
        &mut self,
        phases: &[Phase],
        observer: impl FnMut(&Self, &Epoch) -> ControlFlow<()>,
    ) -> Result<(), GpVaeError> {
        self.fit_with(phases, observer, |training, phase, rates| match phase.part {
            Part::Vae => training.pass(phase.part, rates, None),
            Part::Kernel => training.kernel_step(rates),
            Part::Networks | Part::All => {
                let (bound, gradient) = training.model.bound_and_grad(
                    &training.theta,
                    training.samples,
                    training.noise(),
                    training.lambda,
                )?;
                training.ascend(phase.part, rates, &[&gradient], bound)
            }
        })
    }

    /// Runs `epoch` with its learning rates as often as the phases say. It returns the bound of all samples.
    fn fit_with(
        &mut self,
        phases: &[Phase],
        mut observer: impl FnMut(&Self, &Epoch) -> ControlFlow<()>,
        mut epoch: impl FnMut(&mut Self, &Phase, [f64; 2]) -> Result<Bound<f64>, Failure>,
    ) -> Result<(), GpVaeError> {
        let started = Instant::now();
        for (number, phase) in phases.iter().enumerate() {
            for passed in 0..phase.epochs {
                let factor = phase.decay.factor(passed);
                let rates = [phase.networks_rate, phase.kernel_rate].map(|rate| rate * factor);
                let sum = epoch(self, phase, rates).map_err(|failure| match failure {
                    Failure::Factor(error) => GpVaeError::Factor(error),
                    Failure::NotFinite => GpVaeError::NonFinite { phase: number, epoch: passed + 1 },
                })?;
                let Bound { log_likelihood, log_prior, entropy } = sum;
                let n = self.samples.len() as f64;
                let bound = Bound {
                    log_likelihood: log_likelihood / n,
                    log_prior: log_prior / n,
                    entropy: entropy / n,
                };
                let seconds = started.elapsed().as_secs_f64();
                let epoch = Epoch { phase: number, part: phase.part, epoch: passed + 1, bound, seconds };
                if observer(self, &epoch).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn noise(&self) -> Noise {
        Noise::new(self.seed, self.steps)
    }

    /// One step of kernel, α and X on log p(Z) at a sample of all of Z.
    fn kernel_step(&mut self, rates: [f64; 2]) -> Result<Bound<f64>, Failure> {
        let z = self.model.encode_all(&self.theta, self.samples, Some(self.noise()));
        let (log_prior, [gradient, _]) = self.model.prior_and_grad(&self.theta, self.samples, &z)?;
        let gradient: Vec<F> = gradient.into_iter().map(|g| F::from_f64(self.lambda * g)).collect();
        self.ascend(Part::Kernel, rates, &[&gradient], Bound { log_prior, ..Bound::default() })
    }

    /// A step along the sum of gradients of `bound`.
    fn ascend(
        &mut self,
        part: Part,
        rates: [f64; 2],
        gradients: &[&[F]],
        bound: Bound<f64>,
    ) -> Result<Bound<f64>, Failure> {
        if !bound.value(self.lambda).is_finite() {
            return Err(Failure::NotFinite);
        }
        ascend(
            self.model.parts(),
            part,
            rates,
            &mut self.theta,
            &mut self.optimizers,
            gradients,
            self.samples.len(),
        );
        self.steps += 1;
        Ok(bound)
    }

    /// A pass through the samples in minibatches, with the weights held; without weights the prior is N(0, I).
    fn pass(
        &mut self,
        part: Part,
        rates: [f64; 2],
        prior: Option<&RowTerms<'_, F>>,
    ) -> Result<Bound<f64>, Failure> {
        let Self { model, samples, lambda, batch_size, .. } = *self;
        let mut total = Bound::default();
        let mut minibatches = Minibatches::new(samples.len(), batch_size, self.seed);
        self.passes += 1;
        for rows in minibatches.epoch(self.passes - 1) {
            let (noise, count) = (self.noise(), rows.len().div_ceil(SHARD));
            if self.tapes.len() < count {
                self.tapes.resize_with(count, Tape::default);
            }
            let (theta, tapes) = (&self.theta, &mut self.tapes[..count]);
            let shards = tapes.par_iter_mut().zip(rows.par_chunks(SHARD)).enumerate();
            let bounds: Vec<_> = shards
                .map(|(shard, (tape, rows))| {
                    let mut parts = Ok(Bound::default());
                    tape.value_and_grad(theta, |tape, theta| {
                        let bound = model.row_bound(theta, samples, rows, noise.skip(shard * SHARD), prior);
                        parts = bound.map(|Bound { log_likelihood, log_prior, entropy }| {
                            let [log_likelihood, log_prior, entropy] =
                                [log_likelihood, log_prior, entropy].map(|part| part.item().to_f64());
                            Bound { log_likelihood, log_prior, entropy }
                        });
                        bound.map_or(tape.constant(&[F::ZERO], []), |bound| bound.value(lambda))
                    });
                    parts
                })
                .collect();
            let mut sum = Bound::default();
            for bound in bounds {
                sum.add(bound?);
            }
            if !sum.value(lambda).is_finite() {
                return Err(Failure::NotFinite);
            }
            let gradients: Vec<&[F]> = self.tapes[..count].iter().map(Tape::gradient).collect();
            ascend(model.parts(), part, rates, &mut self.theta, &mut self.optimizers, &gradients, rows.len());
            self.steps += 1;
            total.add(sum);
        }
        Ok(total)
    }
}

/// Why an epoch could not be completed.
enum Failure {
    Factor(NotPositiveDefinite),
    NotFinite,
}

impl From<NotPositiveDefinite> for Failure {
    fn from(error: NotPositiveDefinite) -> Self {
        Self::Factor(error)
    }
}

/// A step of the parts of θ that are trained, along the gradients' sum over the number of rows.
fn ascend<F: Real>(
    ranges: [std::ops::Range<usize>; 2],
    part: Part,
    rates: [f64; 2],
    theta: &mut Arc<Vec<F>>,
    optimizers: &mut [Optimizer<F>; 2],
    gradients: &[&[F]],
    rows: usize,
) {
    let theta = Arc::get_mut(theta).expect("fit: a clone of Training::theta is still held");
    let trained = [part != Part::Kernel, matches!(part, Part::Kernel | Part::All)];
    for (((range, rate), optimizer), trained) in ranges.into_iter().zip(rates).zip(optimizers).zip(trained) {
        if trained && !range.is_empty() {
            let gradients: Vec<&[F]> = gradients.iter().map(|gradient| &gradient[range.clone()]).collect();
            // Optimisers go down, the bound is to go up.
            optimizer.step_sum(rate, &mut theta[range], &gradients, -1.0 / rows as f64);
        }
    }
}

/// The rows' terms of the prior on a shard's tape, given q(z|y) of these rows.
type RowTerms<'a, F> = dyn for<'t> Fn(Var<'t, F>, &[usize], DiagNormal<'t, F>) -> Result<Var<'t, F>, NotPositiveDefinite>
    + Sync
    + 'a;

impl<P: Prior> GpVae<P> {
    /// The bound's parts of these rows, summed. Without terms of the prior that is N(0, I).
    fn row_bound<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        samples: &Samples<F>,
        rows: &[usize],
        noise: Noise,
        prior: Option<&RowTerms<'_, F>>,
    ) -> Result<Bound<Var<'t, F>>, NotPositiveDefinite> {
        let latent = self.networks.latent();
        let (seen, q) = self.encode_rows(theta, samples, rows);
        let eps = theta.tape().constant_with([rows.len(), latent], |out| noise.normal(0, latent, out));
        let log_likelihood = self.log_likelihood(theta, seen, q.sample_with(eps)).sum();
        let entropy = q.entropy().sum();
        let log_prior = match prior {
            Some(terms) => terms(theta, rows, q)?.sum(),
            None => q.kl_to_standard().sum().neg() - entropy,
        };
        Ok(Bound { log_likelihood, log_prior, entropy })
    }
}

impl<F: Real, P: ByRows> Training<'_, F, P> {
    /// Trains through the phases by minibatches, for a prior that is a sum over rows once its weights are known.
    ///
    /// The weights' posterior q(u) is computed exactly from all samples before every epoch, and held for its duration
    /// ([`ByRows`]): each step follows a lower bound of the bound, and the first of an epoch its exact gradient.
    /// Held is not frozen: what pulls z_n towards the process, (1/α)(z_n − v_n m), follows z_n, and kernel and X too
    /// learn in every step. (Casale et al. 2018, section 3.3, expand the prior to first order around all of Z instead: that
    /// gradient is exact at one point as well, but nothing holds z_n back if it moves on.)
    ///
    /// `observer` sees every epoch, and may stop.
    ///
    /// # Errors
    /// If a covariance has no Cholesky factor, or the bound is not finite.
    pub fn fit(
        &mut self,
        phases: &[Phase],
        observer: impl FnMut(&Self, &Epoch) -> ControlFlow<()>,
    ) -> Result<(), GpVaeError> {
        self.fit_with(phases, observer, |training, phase, rates| match phase.part {
            Part::Vae => training.pass(phase.part, rates, None),
            Part::Kernel => training.kernel_step(rates),
            Part::Networks | Part::All => {
                let (model, samples) = (training.model, training.samples);
                let Held { mean, factor, rank, kl } = training.weights()?;
                let bound = training.pass(
                    phase.part,
                    rates,
                    Some(&|theta, rows, q| {
                        let weights = Weights {
                            mean: theta.tape().shared_constant(&mean, [rank, q.dim()]),
                            factor: theta.tape().shared_constant(&factor, [rank, rank]),
                        };
                        let x = model.place_rows(theta, &samples.places.select(rows));
                        let f = model.prior.given(theta, x, weights)?;
                        Ok(row_terms(q, f, model.prior.noise(theta)))
                    }),
                )?;
                Ok(Bound { log_prior: bound.log_prior - kl, ..bound })
            }
        })
    }

    /// q(u) given the means of q(Z|Y), in f64. It is the one that is optimal for all of q(Z|Y): its mean depends on that of Z
    /// alone, and its covariance not on Z at all.
    fn weights(&self) -> Result<Held<F>, NotPositiveDefinite> {
        let Self { model, samples, theta, .. } = self;
        let mu = model.encode_all(theta, samples, None);
        let doubles = |x: &[F]| x.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let tape = Tape::new();
        let theta = tape.constant(&doubles(theta), [theta.len()]);
        let z = tape.constant(&doubles(&mu), [samples.len(), model.networks.latent()]);
        let weights =
            model.prior.weights(theta, model.place_rows(theta, &samples.places), z, samples.len())?;
        let numbers =
            |x: Var<'_, f64>| Arc::new(x.with(|x| x.iter().map(|&x| F::from_f64(x)).collect::<Vec<_>>()));
        Ok(Held {
            mean: numbers(weights.mean),
            factor: numbers(weights.factor),
            rank: weights.mean.shape()[0],
            kl: weights.kl().item(),
        })
    }
}
