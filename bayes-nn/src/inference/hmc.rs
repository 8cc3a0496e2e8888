//! Hamiltonian Monte Carlo: draws from a posterior itself, with which q is compared.

use nn::data::Matrix;
use nn::train::Noise;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::adaptation::{DualAveraging, Moments, windows};
use super::leapfrog::{State, Target, Trajectory};
use super::log_density::AnyLogDensity;
use super::no_u_turn::NoUTurn;
use super::{Chains, LogDensity};

/// Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011) with a diagonal mass matrix M, for any log p(Y, θ) on the tape.
///
/// Every iteration draws a momentum p ~ N(0, M) and moves along H(θ, p) = −log p(Y, θ) + ½ pᵀ M⁻¹ p by leapfrog steps
///
/// p ← p + ½ε ∇log p(Y, θ),   θ ← θ + ε M⁻¹ p,   p ← p + ½ε ∇log p(Y, θ)
///
/// [`Trajectories`] says how far, and which point becomes the next draw. Draws of the warm-up are not kept. It finds ε by dual
/// averaging (Hoffman & Gelman 2014, section 3.2), and M⁻¹ as the variances of the draws in windows of growing length, as Stan
/// does.
///
/// A trajectory is rejected where it leads to a θ at which log p(Y, θ) is −∞ or NaN: so a density says that θ is impossible.
/// See [`fallible`](super::fallible).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hmc {
    /// The iterations of each chain that adapt ε and M and are not kept.
    pub warmup: usize,
    /// The draws kept of each chain.
    pub draws: usize,
    /// The average acceptance probability that the warm-up aims at, between 0 and 1.
    pub acceptance: f64,
    /// Where a trajectory ends.
    pub trajectories: Trajectories,
    /// The average length of a trajectory that does not look where it goes ([`Trajectories::OfPath`]) in units of time, in one
    /// of which θ moves by about one standard deviation. The length of each trajectory is drawn between half and one and a half
    /// of this: a trajectory of fixed length can return to where it began, again and again.
    pub path: f64,
    /// The largest number of leapfrog steps of a trajectory. Those that would take more are cut, and counted
    /// ([`ChainReport::cut`]).
    pub max_steps: usize,
}

/// Where a trajectory ends, and which of its points is the next draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trajectories {
    /// After a length drawn around [`Hmc::path`]. The end is accepted with probability min(1, exp(−ΔH)).
    OfPath,
    /// Where it would turn back: the No-U-Turn sampler (Hoffman & Gelman 2014), with a draw from all points of the trajectory in
    /// the place of an acceptance, and the criterion of Betancourt (2017, "A conceptual introduction to Hamiltonian Monte
    /// Carlo", appendix A), as in Stan. It needs no `path`: use it where the posterior is far from a normal distribution, or its
    /// parameters depend on one another.
    #[default]
    NoUTurn,
}

impl Default for Hmc {
    /// 1,000 iterations of warm-up, 1,000 draws, an acceptance of 0.8, No-U-Turn trajectories of at most 1,023 steps (ten
    /// doublings). The path, if that is chosen, is a quarter of an oscillation, π/2.
    fn default() -> Self {
        let (path, trajectories) = (std::f64::consts::FRAC_PI_2, Trajectories::default());
        Self { warmup: 1000, draws: 1000, acceptance: 0.8, trajectories, path, max_steps: 1023 }
    }
}

/// Why there are no draws.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum HmcError {
    /// log p(Y, θ) or its gradient is not finite where a chain begins.
    #[error(
        "chain {chain} begins where log p(Y, θ) is {value}: expected a finite value and gradient; \
         begin elsewhere, or correct the density"
    )]
    Start {
        /// The chain, counted from 0.
        chain: usize,
        /// log p(Y, θ) at the start.
        value: f64,
    },
    /// No step is small enough.
    #[error(
        "chain {chain}: expected a step size that is accepted, found none; \
         the gradient of the density does not belong to its value"
    )]
    StepSize {
        /// The chain, counted from 0.
        chain: usize,
    },
}

/// How a chain went.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainReport {
    /// ε, the step size of the draws kept.
    pub step_size: f64,
    /// The average acceptance probability of the draws kept; of No-U-Turn trajectories, over all their points.
    pub acceptance: f64,
    /// The number of kept draws whose trajectory changed its energy by more than 1,000, or to no finite number. There the
    /// steps are too long for the density, and the draws may miss a part of it.
    pub divergent: usize,
    /// How many of the divergent trajectories came to a point at which log p(Y, θ) or its gradient was not finite.
    pub impossible: usize,
    /// The number of kept draws whose trajectory was cut at [`Hmc::max_steps`]: it went less far than it should, and the draws
    /// depend more on each other.
    pub cut: usize,
    /// The average number of leapfrog steps of a kept draw, each of which is a gradient.
    pub steps: f64,
    /// The diagonal of M⁻¹, about the variances of the posterior.
    pub inverse_mass: Vec<f64>,
}

/// What [`Hmc::sample`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct HmcRun {
    /// The draws.
    pub chains: Chains,
    /// A report for each chain.
    pub reports: Vec<ChainReport>,
}

impl HmcRun {
    /// The average acceptance probability of all chains.
    pub fn acceptance(&self) -> f64 {
        self.reports.iter().map(|report| report.acceptance).sum::<f64>() / self.reports.len() as f64
    }

    /// The number of divergent trajectories of all chains ([`ChainReport::divergent`]).
    pub fn divergent(&self) -> usize {
        self.reports.iter().map(|report| report.divergent).sum()
    }

    /// The number of trajectories of all chains that came to an impossible θ ([`ChainReport::impossible`]).
    pub fn impossible(&self) -> usize {
        self.reports.iter().map(|report| report.impossible).sum()
    }

    /// The number of trajectories of all chains that were cut ([`ChainReport::cut`]).
    pub fn cut(&self) -> usize {
        self.reports.iter().map(|report| report.cut).sum()
    }
}

impl Hmc {
    /// Draws from the density whose logarithm is `log_joint`, (d) to a scalar, in nats; it need not be normalised. Each of the
    /// `starts` begins a chain, and the chains run in parallel. The same seed gives the same draws on any number of threads.
    ///
    /// # Errors
    /// If log p or its gradient is not finite at a start, or no step size is accepted.
    ///
    /// # Panics
    /// If there are no starts, or they differ in length. If `draws` or `max_steps` is 0, `acceptance` does not lie between 0
    /// and 1, or `path` is not a finite number greater than 0.
    #[track_caller]
    pub fn sample<P>(&self, log_joint: P, starts: &[Vec<f64>], seed: u64) -> Result<HmcRun, HmcError>
    where
        P: LogDensity<f64> + Sync,
    {
        self.sample_observed(log_joint, starts, seed, || {})
    }

    /// As [`sample`](Self::sample); calls `each` after each iteration of each chain, to show progress. There are
    /// `starts.len() * (warmup + draws)` of them.
    ///
    /// # Errors
    /// Those of [`sample`](Self::sample).
    ///
    /// # Panics
    /// As [`sample`](Self::sample).
    #[track_caller]
    pub fn sample_observed<P>(
        &self,
        log_joint: P,
        starts: &[Vec<f64>],
        seed: u64,
        each: impl Fn() + Sync,
    ) -> Result<HmcRun, HmcError>
    where
        P: LogDensity<f64> + Sync,
    {
        self.run(&log_joint, starts, seed, &each)
    }

    #[track_caller]
    fn run(
        &self,
        log_joint: &AnyLogDensity<'_, f64>,
        starts: &[Vec<f64>],
        seed: u64,
        each: &(dyn Fn() + Sync),
    ) -> Result<HmcRun, HmcError> {
        self.check();
        let equal = !starts.is_empty() && starts.iter().all(|start| start.len() == starts[0].len());
        assert!(equal, "hmc: starts: expected at least one, all of one length");
        let run = |(number, start): (usize, &Vec<f64>)| {
            let mut chain = Chain::begin(self, log_joint, start, seed, number, each)?;
            chain.warm_up()?;
            Ok(chain.draw())
        };
        let chains: Result<Vec<_>, _> = starts.par_iter().enumerate().map(run).collect();
        let (draws, reports) = chains?.into_iter().unzip();
        Ok(HmcRun { chains: Chains { draws }, reports })
    }

    #[track_caller]
    fn check(&self) {
        let Self { draws, acceptance, path, max_steps, .. } = *self;
        assert!(draws > 0, "hmc: draws: expected at least 1, found 0");
        assert!(max_steps > 0, "hmc: max_steps: expected at least 1, found 0");
        let inside = acceptance > 0.0 && acceptance < 1.0;
        assert!(inside, "hmc: acceptance: expected a number between 0 and 1, found {acceptance}");
        let positive = path > 0.0 && path.is_finite();
        assert!(positive, "hmc: path: expected a finite number greater than 0, found {path}");
    }
}

/// A Markov chain with its step size and mass matrix.
struct Chain<'a> {
    hmc: &'a Hmc,
    target: Target<'a>,
    state: State,
    step: f64,
    inverse_mass: Vec<f64>,
    seed: u64,
    number: usize,
    /// Draws lengths of trajectories and whether their ends are accepted. Momenta are keyed by (seed, iteration, chain).
    rng: StdRng,
    /// Called after each iteration.
    each: &'a (dyn Fn() + Sync),
}

/// What an iteration tells the adaptation and the report.
#[derive(Clone, Copy, Default)]
pub(super) struct Iteration {
    pub(super) acceptance: f64,
    pub(super) divergent: bool,
    pub(super) impossible: bool,
    pub(super) cut: bool,
    pub(super) steps: usize,
}

impl Iteration {
    /// Adds the acceptance probability of a point with the energy H₀ + `change`, which is NaN where log p is not finite.
    pub(super) fn add(&mut self, change: f64) {
        self.impossible |= !change.is_finite();
        self.divergent |= !change.is_finite() || change > 1000.0;
        self.acceptance += if change.is_finite() { (-change).exp().min(1.0) } else { 0.0 };
    }
}

impl<'a> Chain<'a> {
    fn begin(
        hmc: &'a Hmc,
        log_joint: &'a AnyLogDensity<'a, f64>,
        start: &[f64],
        seed: u64,
        number: usize,
        each: &'a (dyn Fn() + Sync),
    ) -> Result<Self, HmcError> {
        let mut target = Target::new(log_joint);
        let state = target.at(start);
        if !state.is_finite() {
            return Err(HmcError::Start { chain: number, value: state.log_p });
        }
        // Every chain has a generator of its own: the n-th that a generator with this seed makes.
        let mut rng = StdRng::seed_from_u64(seed);
        let rng = (0..=number).map(|_| StdRng::from_seed(rng.random())).last().expect("a generator");
        let inverse_mass = vec![1.0; start.len()];
        let mut chain = Self { hmc, target, state, step: 1.0, inverse_mass, seed, number, rng, each };
        chain.find_step(0)?;
        Ok(chain)
    }

    /// p ~ N(0, M).
    fn momentum(&self, iteration: usize) -> Vec<f64> {
        let d = self.inverse_mass.len();
        let mut p = vec![0.0; d];
        Noise::new(self.seed, iteration as u64).normal(self.number, d, &mut p);
        p.iter_mut().zip(&self.inverse_mass).for_each(|(p, v)| *p /= v.sqrt());
        p
    }

    /// Doubles or halves ε until a single step is accepted about every second time.
    fn find_step(&mut self, iteration: usize) -> Result<(), HmcError> {
        let p = self.momentum(iteration);
        let found = self.target.first_step(&self.state, &p, &self.inverse_mass, self.step);
        self.step = found.ok_or(HmcError::StepSize { chain: self.number })?;
        Ok(())
    }

    /// Moves along one trajectory to the next draw.
    fn iterate(&mut self, iteration: usize) -> Iteration {
        let p = self.momentum(iteration + 1);
        let report = match self.hmc.trajectories {
            Trajectories::OfPath => self.follow(p),
            Trajectories::NoUTurn => {
                let Self { target, rng, inverse_mass, step, hmc, .. } = self;
                let walk = NoUTurn { target, rng, inverse_mass, step: *step, max_steps: hmc.max_steps };
                let (draw, report) = walk.walk(&self.state, p);
                self.state = draw;
                report
            }
        };
        (self.each)();
        report
    }

    /// Moves to the end of a trajectory of random length, or stays if the end is not accepted.
    fn follow(&mut self, p: Vec<f64>) -> Iteration {
        let path = self.hmc.path * self.rng.random_range(0.5..1.5);
        let wanted = ((path / self.step).round() as usize).max(1);
        let steps = wanted.min(self.hmc.max_steps);
        let Trajectory { end, energy_change, steps } =
            self.target.trajectory(&self.state, p, &self.inverse_mass, self.step, steps);
        let mut report = Iteration { cut: wanted > self.hmc.max_steps, steps, ..Iteration::default() };
        report.add(energy_change);
        if self.rng.random::<f64>() < report.acceptance {
            self.state = end;
        }
        report
    }

    /// Finds ε and M.
    fn warm_up(&mut self) -> Result<(), HmcError> {
        let windows = windows(self.hmc.warmup);
        let mut moments = Moments::new(self.inverse_mass.len());
        let mut averaging = DualAveraging::new(self.step);
        for iteration in 0..self.hmc.warmup {
            let Iteration { acceptance, .. } = self.iterate(iteration);
            self.step = averaging.update(self.hmc.acceptance - acceptance);
            if iteration >= windows[0] {
                moments.add(&self.state.theta);
            }
            if windows[1..].contains(&(iteration + 1)) {
                self.inverse_mass = moments.take_variances();
                self.find_step(iteration + 1)?;
                averaging = DualAveraging::new(self.step);
            }
        }
        if self.hmc.warmup > 0 {
            self.step = averaging.average();
        }
        Ok(())
    }

    /// The draws that are kept, (draws, d), and the report.
    fn draw(mut self) -> (Matrix<f64>, ChainReport) {
        let Hmc { warmup, draws, .. } = *self.hmc;
        let d = self.inverse_mass.len();
        let mut kept = Vec::with_capacity(draws * d);
        let mut all = Vec::with_capacity(draws);
        for iteration in warmup..warmup + draws {
            all.push(self.iterate(iteration));
            kept.extend_from_slice(&self.state.theta);
        }
        let count = |of: fn(&Iteration) -> bool| all.iter().filter(|one| of(one)).count();
        let report = ChainReport {
            step_size: self.step,
            acceptance: all.iter().map(|one| one.acceptance).sum::<f64>() / draws as f64,
            divergent: count(|one| one.divergent),
            impossible: count(|one| one.impossible),
            cut: count(|one| one.cut),
            steps: all.iter().map(|one| one.steps as f64).sum::<f64>() / draws as f64,
            inverse_mass: self.inverse_mass,
        };
        (Matrix::new(draws, d, kept), report)
    }
}
