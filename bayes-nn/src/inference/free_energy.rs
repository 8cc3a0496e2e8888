//! The free energy: what variational inference minimises.

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::model::Layout;
use nn::stats::Estimate;
use nn::train::{Batch, Fit, Noise, Objective, Parts, Rule, Schedule, TrainError, Trainer};

use super::{DivergenceEstimator, Estimator, Family, GradientEstimator, LogDensity, NormalPrior};

/// F(η) = −E_q[log ℓ(Y|θ)π(θ)] + E_q[log q_η(θ)]       lecture 000, "The Magik trick"
///      = KL(q_η ‖ π) − E_q[log ℓ(Y|θ)] = −ELBO(η)
///
/// for a density ℓ(Y|θ)π(θ) that is any function on the tape. F is an [`Objective`] whose data is a single row, so that a
/// [`Trainer`] minimises it over η: an epoch is one step.
#[derive(Clone, Debug)]
pub struct FreeEnergyObjective<'a, Q, P> {
    q: &'a Q,
    log_density: P,
    prior: Option<NormalPrior>,
    estimator: Estimator,
}

/// An estimate of ELBO = −F as its two terms, a scalar each, in nats.
#[derive(Clone, Copy, Debug)]
pub struct Elbo<'t, F: Real> {
    /// E_q[log p(Y, θ)], or E_q[log ℓ(Y|θ)] where the free energy has a prior of its own.
    pub log_density: Var<'t, F>,
    /// −H(q), or KL(q ‖ π) where the free energy has a prior of its own.
    pub divergence: Var<'t, F>,
}

impl<'t, F: Real> Elbo<'t, F> {
    /// ELBO = log_density − divergence.
    #[track_caller]
    pub fn value(self) -> Var<'t, F> {
        self.log_density - self.divergence
    }
}

/// How [`FreeEnergyObjective::minimise`] goes down: steps of Adam, with a learning rate that falls to 0 along a half cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// The number of steps.
    pub steps: usize,
    /// The learning rate of the first step.
    pub rate: f64,
    /// The seed of the noise.
    pub seed: u64,
}

impl<'a, Q: Family, P> FreeEnergyObjective<'a, Q, P> {
    /// The free energy of q for a log joint density log p(Y, θ) = log ℓ(Y|θ) + log π(θ), (d) to a scalar, in nats. The
    /// density need not be normalised.
    ///
    /// # Panics
    /// If the estimator has no samples, an odd number of them for antithetic pairs, or too few for its control variate.
    #[track_caller]
    pub fn new<F: Real>(q: &'a Q, log_joint: P, estimator: Estimator) -> Self
    where
        P: LogDensity<F>,
    {
        estimator.check();
        Self { q, log_density: log_joint, prior: None, estimator }
    }

    /// The free energy of q for a log-likelihood log ℓ(Y|θ), (d) to a scalar, in nats, and a normal prior π(θ).
    ///
    /// # Panics
    /// If the prior has neither one mean nor d of them. If the estimator has no samples, an odd number of them for
    /// antithetic pairs, or too few for its control variate.
    #[track_caller]
    pub fn with_prior<F: Real>(q: &'a Q, log_likelihood: P, prior: NormalPrior, estimator: Estimator) -> Self
    where
        P: LogDensity<F>,
    {
        let (means, dim) = (prior.dim(), q.dim());
        assert!(
            means == 1 || means == dim,
            "free energy: prior: expected 1 mean or one for each of {dim} parameters, found {means}"
        );
        Self { prior: Some(prior), ..Self::new(q, log_likelihood, estimator) }
    }

    /// An estimate of ELBO(η) with noise ξ (M, [`noise_dim`](Family::noise_dim)). Its gradient is the estimator's: with
    /// [`GradientEstimator::Score`] it is not the gradient of the value.
    ///
    /// # Panics
    /// If the log-density is not a scalar, or M is a number of samples that the estimator cannot use.
    #[track_caller]
    pub fn elbo<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Elbo<'t, F>
    where
        P: LogDensity<F>,
    {
        let Estimator { divergence, gradient, .. } = self.estimator;
        Estimator { samples: xi.shape()[0], ..self.estimator }.check();
        let score = gradient != GradientEstimator::Reparameterised;
        let theta = self.q.sample_with(eta, xi);
        let theta = if score { theta.stop_gradient() } else { theta };
        let log_density = self.log_densities(theta);
        let prior = self.prior.as_ref().map(|prior| prior.on(eta.tape()));

        // log q_η(θ) − log π(θ) of each sample
        let sampled = || {
            let through_eta = divergence == DivergenceEstimator::MonteCarlo && !score;
            let log_q = self.q.log_prob(if through_eta { eta } else { eta.stop_gradient() }, theta);
            prior.map_or(log_q, |prior| log_q - prior.log_prob(theta))
        };
        let divergences = (divergence != DivergenceEstimator::ClosedForm).then(sampled);
        let elbo = Elbo {
            log_density: log_density.mean(),
            divergence: match (divergences, prior) {
                (Some(divergences), _) => divergences.mean(),
                (None, Some(prior)) => self.q.kl(eta, prior),
                (None, None) => self.q.entropy(eta).neg(),
            },
        };
        let GradientEstimator::Score { control_variate } = gradient else { return elbo };
        let f = divergences.map_or(log_density.neg(), |divergences| divergences - log_density);
        Elbo { log_density: elbo.log_density - self.score(eta, theta, f, control_variate), ..elbo }
    }

    /// An expression with the value 0 and the gradient of E_q[f] by the score function:
    ///
    /// 1/M Σₘ (f(θ⁽ᵐ⁾) − bₘ) ∇_η log q_η(θ⁽ᵐ⁾)
    #[track_caller]
    fn score<'t, F: Real>(
        &self,
        eta: Var<'t, F>,
        theta: Var<'t, F>,
        f: Var<'t, F>,
        control_variate: bool,
    ) -> Var<'t, F> {
        let f = f.to_vec();
        let weights = if control_variate { self.centred(&f) } else { f };
        let log_q = self.q.log_prob(eta, theta);
        ((log_q - log_q.stop_gradient()) * eta.tape().constant(&weights, [weights.len()])).mean()
    }

    /// f(θ⁽ᵐ⁾) − bₘ, where bₘ is the mean of f over the samples that are independent of the m-th.
    fn centred<F: Real>(&self, f: &[F]) -> Vec<F> {
        let (half, group) = (f.len() / 2, self.estimator.group());
        let sum: F = f.iter().copied().sum();
        let others = F::from_f64((f.len() - group) as f64);
        let own = |m: usize| if group == 2 { f[m] + f[(m + half) % f.len()] } else { f[m] };
        (0..f.len()).map(|m| f[m] - (sum - own(m)) / others).collect()
    }

    /// The log-density of every row of θ, (M, d) to (M).
    #[track_caller]
    fn log_densities<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F>
    where
        P: LogDensity<F>,
    {
        let dim = self.q.dim();
        let row = |m: usize| {
            let log_p = (self.log_density)(theta.tape(), theta.view(m * dim, [dim]));
            assert!(
                log_p.size() == 1,
                "free energy: log-density: expected a scalar, found an array of shape {}",
                log_p.shape()
            );
            log_p.reshape([1])
        };
        Var::concatenate(&(0..theta.shape()[0]).map(row).collect::<Vec<_>>(), 0)
    }

    /// ξ for the estimator's M samples, (M, [`noise_dim`](Family::noise_dim)). With antithetic pairs, the second half is the
    /// first with the opposite sign.
    #[track_caller]
    pub fn noise<'t, F: Real>(&self, tape: &'t Tape<F>, noise: Noise) -> Var<'t, F> {
        let Estimator { samples, antithetic, .. } = self.estimator;
        let width = self.q.noise_dim();
        tape.constant_with([samples, width], |out| {
            let (drawn, mirrored) = out.split_at_mut(samples / self.estimator.group() * width);
            noise.normal(0, width, drawn);
            if antithetic {
                mirrored.iter_mut().zip(drawn).for_each(|(mirrored, drawn)| *mirrored = -*drawn);
            }
        })
    }

    /// ELBO(η) as the mean of `estimates` independent estimates, each with the estimator's number of samples, with its
    /// standard error: NaN for a single estimate.
    ///
    /// # Panics
    /// If `estimates` is 0, or η is too short for the family.
    #[track_caller]
    pub fn estimate_elbo<F: Real>(&self, eta: &[F], estimates: usize, seed: u64) -> Estimate
    where
        P: LogDensity<F>,
    {
        assert!(estimates > 0, "estimate_elbo: estimates: expected at least 1, found 0");
        let mut tape = Tape::new();
        let values: Vec<f64> = (0..estimates)
            .map(|i| {
                tape.clear();
                let noise = Noise::evaluation(seed).skip(i * self.estimator.samples);
                let elbo = self.elbo(tape.constant(eta, [eta.len()]), self.noise(&tape, noise));
                elbo.value().item().to_f64()
            })
            .collect();
        Estimate::of(&values)
    }

    /// The η that minimises F, found from `eta` on. `layout` has the slots of η.
    ///
    /// # Errors
    /// If F stops being finite, with the first operation whose result was not finite, or if F does not depend on a slot of η.
    ///
    /// # Panics
    /// If η is not as long as the layout.
    #[track_caller]
    pub fn minimise<F: Real>(
        &self,
        layout: &Layout,
        eta: Vec<F>,
        descent: Descent,
    ) -> Result<Vec<F>, TrainError>
    where
        P: LogDensity<F> + Sync,
    {
        let Descent { steps: epochs, rate, seed } = descent;
        let mut trainer = Trainer::new(layout, eta, Rule::ADAM, seed);
        let mut objective = FreeEnergyObjective {
            q: self.q,
            log_density: &self.log_density,
            prior: self.prior.clone(),
            estimator: self.estimator,
        };
        let fit =
            Fit { epochs, batch_size: 1, rate, schedule: Schedule::Cosine { epochs }, ..Fit::default() };
        trainer.fit(&mut objective, None, &fit, &mut ())?;
        Ok(trainer.theta().to_vec())
    }
}

impl<F: Real, Q: Family, P: LogDensity<F> + Sync> Objective<F> for FreeEnergyObjective<'_, Q, P> {
    fn parts(&self) -> &'static [&'static str] {
        &["elbo", "log_density", "divergence"]
    }

    /// One: the data as a whole.
    fn rows(&self) -> usize {
        1
    }

    /// F(η) = divergence − log_density
    fn loss<'t>(
        &self,
        eta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let elbo = self.elbo(eta, self.noise(eta.tape(), batch.noise));
        let (log_density, divergence) = (elbo.log_density.item().to_f64(), elbo.divergence.item().to_f64());
        parts.add("elbo", log_density - divergence);
        parts.add("log_density", log_density);
        parts.add("divergence", divergence);
        Ok(elbo.value().neg())
    }

    fn samples(&self) -> usize {
        self.estimator.samples
    }
}
