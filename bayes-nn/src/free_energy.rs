//! What variational inference minimises, and its estimators.

use autograd::{Real, Tape, Var};
use nn::Estimate;
use nn::density::Normal;
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use nn::schedule::Schedule;
use nn::train::{Batch, Fit, Objective, TrainError, Trainer};

use crate::Family;

/// How the divergence of q from the prior is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Divergence {
    /// KL(q ‖ π) of a Gaussian prior, or, where the prior is a part of log p(Y, θ), −H(q): exactly.
    #[default]
    ClosedForm,
    /// log q_η(θ) − log π(θ) at the samples (lecture 000, "Monte Carlo approximation").
    MonteCarlo,
    /// The same, differentiated through the sample θ = φ(ξ, η) alone: the η in log q_η is held fixed, whose gradient is 0
    /// on average. The gradient's variance then falls to 0 as q approaches the posterior (Roeder, Wu & Duvenaud 2017).
    Path,
}

/// How the expectation is differentiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gradient {
    /// E_ξ[∇_η f(φ(ξ, η))] (lecture 000, "Monte Carlo approximation"; lecture 004, "The reparametrization trick").
    #[default]
    Reparameterised,
    /// E_q[f(θ) ∇_η log q_η(θ)], which needs no derivative of f (Williams 1992; Ranganath, Gerrish & Blei 2014).
    Score {
        /// Subtracts from each f(θ⁽ᵐ⁾) the mean of the others, which leaves the gradient's mean as it is (Kool, van Hoof &
        /// Welling 2019). Takes two samples at least, or two antithetic pairs.
        control_variate: bool,
    },
}

/// How F is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimator {
    /// M, the number of samples of θ.
    pub samples: usize,
    /// Takes the samples in pairs with noise ξ and −ξ.
    pub antithetic: bool,
    /// The divergence.
    pub divergence: Divergence,
    /// The gradient.
    pub gradient: Gradient,
}

impl Default for Estimator {
    /// One sample, reparameterised, and what is known in closed form.
    fn default() -> Self {
        let (divergence, gradient) = (Divergence::default(), Gradient::default());
        Self { samples: 1, antithetic: false, divergence, gradient }
    }
}

impl Estimator {
    /// Samples that depend on each other: pairs or single ones.
    fn group(self) -> usize {
        if self.antithetic { 2 } else { 1 }
    }

    #[track_caller]
    fn check(self) {
        let Self { samples, antithetic, gradient, .. } = self;
        assert!(samples > 0, "estimator: no samples");
        assert!(!antithetic || samples.is_multiple_of(2), "estimator: {samples} samples are not pairs");
        assert!(
            gradient != Gradient::Score { control_variate: true } || samples >= 2 * self.group(),
            "estimator: {samples} samples: the control variate of each needs another, independent one"
        );
    }
}

/// A Gaussian prior π(θ) = N(m, diag s²), in plain numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalPrior {
    mean: Vec<f64>,
    sigma: Vec<f64>,
}

impl NormalPrior {
    /// N(mean, sigma²) of every θᵢ.
    ///
    /// # Panics
    /// If a standard deviation is not a positive number, or a mean is not finite (so does the one below).
    #[track_caller]
    pub fn new(mean: f64, sigma: f64) -> Self {
        Self::of_each(vec![mean], vec![sigma])
    }

    /// N(meanᵢ, sigmaᵢ²) of θᵢ.
    ///
    /// # Panics
    /// If there are not as many means as standard deviations.
    #[track_caller]
    pub fn of_each(mean: Vec<f64>, sigma: Vec<f64>) -> Self {
        assert!(mean.len() == sigma.len(), "prior: {} means and {} deviations", mean.len(), sigma.len());
        let positive = sigma.iter().all(|&sigma| sigma > 0.0 && sigma.is_finite());
        let sound = positive && mean.iter().all(|mean| mean.is_finite());
        assert!(sound, "prior: N({mean:?}, {sigma:?}²): finite means and positive deviations are wanted");
        Self { mean, sigma }
    }

    /// The density on a tape.
    #[track_caller]
    pub fn on<'t, F: Real>(&self, tape: &'t Tape<F>) -> Normal<'t, F> {
        let constant = |values: Vec<F>| match values[..] {
            [one] => tape.constant(&[one], []),
            _ => tape.constant(&values, [values.len()]),
        };
        Normal {
            mu: constant(self.mean.iter().map(|&mean| F::from_f64(mean)).collect()),
            log_sigma: constant(self.sigma.iter().map(|&sigma| F::from_f64(sigma.ln())).collect()),
        }
    }
}

/// F(q) = −E_q[log ℓ(Y|θ)π(θ)] + E_q[log q(θ)]       lecture 000, "The Magik trick"
///      = KL(q ‖ π) − E_q[log ℓ(Y|θ)]
///
/// which is −ELBO, for a density ℓ(Y|θ)π(θ) that is any function on the tape. It is an [`Objective`] whose data is a
/// single row, so that a [`Trainer`] minimises it over η: an epoch is a step.
#[derive(Clone, Debug)]
pub struct FreeEnergy<'a, Q, P> {
    q: &'a Q,
    log_density: P,
    prior: Option<NormalPrior>,
    estimator: Estimator,
}

/// The terms of −F, a scalar each, in nats.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'t, F: Real> {
    /// E_q[log p(Y, θ)]; with a prior of its own E_q[log ℓ(Y|θ)].
    pub log_density: Var<'t, F>,
    /// −H(q); with a prior of its own KL(q ‖ π).
    pub divergence: Var<'t, F>,
}

impl<'t, F: Real> Bound<'t, F> {
    /// ELBO = −F
    #[track_caller]
    pub fn value(self) -> Var<'t, F> {
        self.log_density - self.divergence
    }
}

impl<'a, Q: Family, P> FreeEnergy<'a, Q, P> {
    /// The objective of q and a log joint density log p(Y, θ) = log ℓ(Y|θ) + log π(θ), (d) to a scalar, in nats; it
    /// need not be normalised.
    ///
    /// # Panics
    /// If the estimator has no samples, no pairs, or too few for its control variate (so does the one below).
    #[track_caller]
    pub fn new<F: Real>(q: &'a Q, log_joint: P, estimator: Estimator) -> Self
    where
        P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F>,
    {
        estimator.check();
        Self { q, log_density: log_joint, prior: None, estimator }
    }

    /// The objective of q, a log-likelihood log ℓ(Y|θ) and a Gaussian prior.
    ///
    /// # Panics
    /// If the prior has neither one nor d means.
    #[track_caller]
    pub fn with_prior<F: Real>(q: &'a Q, log_likelihood: P, prior: NormalPrior, estimator: Estimator) -> Self
    where
        P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F>,
    {
        let (means, dim) = (prior.mean.len(), q.dim());
        assert!(means == 1 || means == dim, "free energy: a prior of {means} means for {dim} parameters");
        Self { prior: Some(prior), ..Self::new(q, log_likelihood, estimator) }
    }

    /// F̂(η) with noise ξ (M, [`noise_dim`](Family::noise_dim)), in its terms. Its gradient is the estimator's: with
    /// [`Gradient::Score`] it is not that of the value.
    ///
    /// # Panics
    /// If the density is not a scalar, or M samples are no pairs or too few for the control variate.
    #[track_caller]
    pub fn bound<'t, F: Real>(&self, eta: Var<'t, F>, xi: Var<'t, F>) -> Bound<'t, F>
    where
        P: for<'s> Fn(&'s Tape<F>, Var<'s, F>) -> Var<'s, F>,
    {
        let (q, Estimator { divergence, gradient, .. }) = (self.q, self.estimator);
        Estimator { samples: xi.shape()[0], ..self.estimator }.check();
        let score = gradient != Gradient::Reparameterised;
        let theta = q.sample_with(eta, xi);
        let theta = if score { held(theta) } else { theta };
        let log_density = self.log_densities(theta);
        let prior = self.prior.as_ref().map(|prior| prior.on(eta.tape()));

        let sampled = || {
            let through_eta = divergence == Divergence::MonteCarlo && !score;
            let log_q = q.log_prob(if through_eta { eta } else { held(eta) }, theta);
            prior.map_or(log_q, |prior| log_q - prior.log_prob(theta))
        };
        let divergences = (divergence != Divergence::ClosedForm).then(sampled);
        let bound = Bound {
            log_density: log_density.mean(),
            divergence: match (divergences, prior) {
                (Some(divergences), _) => divergences.mean(),
                (None, Some(prior)) => q.kl(eta, prior),
                (None, None) => q.entropy(eta).neg(),
            },
        };
        let Gradient::Score { control_variate } = gradient else { return bound };

        // (f(θ⁽ᵐ⁾) − bₘ) log q_η(θ⁽ᵐ⁾): its gradient, but not its value, belongs to the estimate of E_q[f].
        let f = divergences.map_or(log_density.neg(), |divergences| divergences - log_density).to_vec();
        let weights = self.weights(&f, control_variate);
        let log_q = q.log_prob(eta, theta);
        let score = ((log_q - held(log_q)) * eta.tape().constant(&weights, [weights.len()])).mean();
        Bound { log_density: bound.log_density - score, ..bound }
    }

    /// log p at every row of θ, (M, d) to (M).
    #[track_caller]
    fn log_densities<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F>
    where
        P: for<'s> Fn(&'s Tape<F>, Var<'s, F>) -> Var<'s, F>,
    {
        let dim = self.q.dim();
        let row = |m: usize| {
            let log_p = (self.log_density)(theta.tape(), theta.view(m * dim, [dim]));
            assert!(log_p.size() == 1, "free energy: {}: the log-density must be a scalar", log_p.shape());
            log_p.reshape([1])
        };
        Var::concatenate(&(0..theta.shape()[0]).map(row).collect::<Vec<_>>(), 0)
    }

    /// f(θ⁽ᵐ⁾) − bₘ, bₘ the mean over the samples that are independent of the m-th.
    fn weights<F: Real>(&self, f: &[F], control_variate: bool) -> Vec<F> {
        if !control_variate {
            return f.to_vec();
        }
        let (half, group) = (f.len() / 2, self.estimator.group());
        let sum: F = f.iter().copied().sum();
        let others = F::from_f64((f.len() - group) as f64);
        let own = |m: usize| if group == 2 { f[m] + f[(m + half) % f.len()] } else { f[m] };
        (0..f.len()).map(|m| f[m] - (sum - own(m)) / others).collect()
    }

    /// ξ for M samples, (M, noise): with antithetic pairs, the second half is the first with its sign changed.
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

    /// ELBO(η) by `batches` estimates with the estimator's samples each, and the standard error of their mean (NaN for a
    /// single one).
    ///
    /// # Panics
    /// If there are no batches, or η is too short.
    #[track_caller]
    pub fn elbo<F: Real>(&self, eta: &[F], batches: usize, seed: u64) -> Estimate
    where
        P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F>,
    {
        assert!(batches > 0, "elbo: no batches");
        let mut tape = Tape::new();
        let estimates: Vec<f64> = (0..batches)
            .map(|batch| {
                tape.clear();
                let noise = Noise::evaluation(seed).skip(batch * self.estimator.samples);
                let bound = self.bound(tape.constant(eta, [eta.len()]), self.noise(&tape, noise));
                bound.value().item().to_f64()
            })
            .collect();
        Estimate::of(&estimates)
    }

    /// argmin F from η on, by Adam: `steps` of them, with rate ρ that falls to 0 along a half cosine.
    ///
    /// # Errors
    /// If the bound stops being finite, with the first operation that was not.
    ///
    /// # Panics
    /// If η is too short.
    pub fn minimise<F: Real>(
        &self,
        eta: Vec<F>,
        steps: usize,
        rate: f64,
        seed: u64,
    ) -> Result<Vec<F>, TrainError>
    where
        P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F> + Sync,
    {
        let optimizer = Optimizer::new(Rule::ADAM, eta.len());
        let mut trainer = Trainer::new(eta, optimizer, seed);
        let schedule = Schedule::Cosine { epochs: steps };
        let fit = Fit { epochs: steps, batch_size: 1, rate, schedule, patience: None };
        trainer.fit(self, 1, None, &fit, &mut ())?;
        Ok(trainer.theta().to_vec())
    }
}

impl<F, Q, P> Objective<F> for FreeEnergy<'_, Q, P>
where
    F: Real,
    Q: Family,
    P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F> + Sync,
{
    const PARTS: &'static [&'static str] = &["log_density", "divergence"];

    fn loss<'t>(&self, eta: Var<'t, F>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, F> {
        let bound = self.bound(eta, self.noise(eta.tape(), batch.noise));
        for (part, var) in parts.iter_mut().zip([bound.log_density, bound.divergence]) {
            *part = var.item().to_f64();
        }
        bound.value().neg()
    }

    fn samples(&self) -> usize {
        self.estimator.samples
    }
}

/// The same numbers as a constant: ∇ = 0.
fn held<F: Real>(x: Var<'_, F>) -> Var<'_, F> {
    x.tape().constant(&x.to_vec(), x.shape())
}
