//! Hamiltonian Monte Carlo: draws from a posterior itself, the yardstick for q.

use std::sync::Arc;

use autograd::{Tape, Var};
use nn::data::Matrix;
use nn::noise::Noise;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::Chains;

/// Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011) with a diagonal mass matrix, for any log p(Y, θ) on the tape.
///
/// A draw gets a random momentum p ~ N(0, M), moves along H(θ, p) = −log p(Y, θ) + ½ pᵀ M⁻¹ p by leapfrog steps
///
/// p ← p + ½ε ∇log p(Y, θ),   θ ← θ + ε M⁻¹ p,   p ← p + ½ε ∇log p(Y, θ)
///
/// and is accepted with probability min(1, exp(−ΔH)). In the warm-up, which is not kept, ε is found by dual averaging
/// (Hoffman & Gelman 2014, section 3.2), and M⁻¹ as the variances of the draws in windows of growing length, as in Stan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hmc {
    /// Iterations of each chain that adapt and are not kept.
    pub warmup: usize,
    /// Draws kept of each chain.
    pub draws: usize,
    /// The average acceptance probability that ε aims at.
    pub acceptance: f64,
    /// The average length of a trajectory in time, where a standard deviation is covered in about one unit. Each is drawn
    /// from half to one and a half of it: with a fixed length, a draw can return to where it came from again and again.
    pub path: f64,
    /// The largest number of leapfrog steps of a trajectory.
    pub max_steps: usize,
}

impl Default for Hmc {
    /// 1,000 iterations to warm up and 1,000 draws, acceptance 0.8, trajectories of a quarter of an oscillation, π/2, of at
    /// most 1,000 steps.
    fn default() -> Self {
        let path = std::f64::consts::FRAC_PI_2;
        Self { warmup: 1000, draws: 1000, acceptance: 0.8, path, max_steps: 1000 }
    }
}

/// Why there are no draws.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum HmcError {
    /// The density cannot be started from.
    #[error(
        "chain {chain} begins where log p(Y, θ) is {value} or its gradient is not finite; \
         begin elsewhere, or look at the density"
    )]
    Start {
        /// The chain, from 0.
        chain: usize,
        /// log p(Y, θ) there.
        value: f64,
    },
    /// No step is small enough.
    #[error(
        "chain {chain}: no step size is accepted at the start; the density's gradient does not belong to it"
    )]
    StepSize {
        /// The chain, from 0.
        chain: usize,
    },
}

/// How a chain went.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainReport {
    /// ε
    pub step_size: f64,
    /// The average acceptance probability of the draws kept.
    pub acceptance: f64,
    /// Trajectories of the draws kept whose energy changed by more than 1,000 or was not finite: there the steps are too
    /// long for the density, and the draws may miss a part of it.
    pub divergences: usize,
    /// The diagonal of M⁻¹, about the posterior's variances.
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

impl Hmc {
    /// Draws from the density whose logarithm is `log_joint` up to a constant, (d) to a scalar, in nats; a chain from each
    /// of the `starts`, in parallel. The same seed gives the same draws on any number of threads.
    ///
    /// # Errors
    /// If a chain cannot be started.
    ///
    /// # Panics
    /// If there are no starts or they differ in length, nothing to draw, an acceptance outside (0, 1), a path that is not
    /// positive, or no steps.
    #[track_caller]
    pub fn sample<P>(&self, log_joint: P, starts: &[Vec<f64>], seed: u64) -> Result<HmcRun, HmcError>
    where
        P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync,
    {
        let Self { draws, acceptance, path, max_steps, .. } = *self;
        assert!(
            !starts.is_empty() && starts.iter().all(|s| s.len() == starts[0].len()),
            "hmc: starts of one length"
        );
        assert!(draws > 0 && max_steps > 0, "hmc: {draws} draws by at most {max_steps} steps");
        assert!(acceptance > 0.0 && acceptance < 1.0, "hmc: acceptance {acceptance} is not between 0 and 1");
        assert!(path > 0.0 && path.is_finite(), "hmc: a path of {path}: a positive number is wanted");
        let run = |(chain, start): (usize, &Vec<f64>)| self.chain(&log_joint, start, seed, chain);
        let chains: Result<Vec<_>, _> = starts.par_iter().enumerate().map(run).collect();
        let (draws, reports) = chains?.into_iter().unzip();
        Ok(HmcRun { chains: Chains { draws }, reports })
    }

    fn chain<P>(
        &self,
        log_joint: &P,
        start: &[f64],
        seed: u64,
        chain: usize,
    ) -> Result<(Matrix<f64>, ChainReport), HmcError>
    where
        P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync,
    {
        let d = start.len();
        let mut target = Target { tape: Tape::new(), log_joint };
        let mut state = State { theta: Arc::new(start.to_vec()), gradient: vec![0.0; d], log_p: 0.0 };
        target.evaluate(&mut state);
        if !state.is_finite() {
            return Err(HmcError::Start { chain, value: state.log_p });
        }
        // Momenta are keyed by (seed, iteration, chain); of the rest of the chance each chain has a generator of its own.
        let mut rng = StdRng::seed_from_u64(seed);
        let mut rng = (0..=chain).map(|_| StdRng::from_seed(rng.random())).last().expect("a generator");
        let momentum = |iteration: usize, inverse_mass: &[f64]| {
            let mut p = vec![0.0; d];
            Noise::new(seed, iteration as u64).normal(chain, d, &mut p);
            p.iter_mut().zip(inverse_mass).for_each(|(p, v)| *p /= v.sqrt());
            p
        };

        let mut inverse_mass = vec![1.0; d];
        let windows = windows(self.warmup);
        let mut moments = Moments::new(d);
        let mut step = target
            .first_step(&state, &momentum(0, &inverse_mass), &inverse_mass, 1.0)
            .ok_or(HmcError::StepSize { chain })?;
        let mut averaging = DualAveraging::new(step);
        let mut kept = Vec::with_capacity(self.draws * d);
        let (mut sum, mut divergences) = (0.0, 0);
        for iteration in 0..self.warmup + self.draws {
            let p = momentum(iteration + 1, &inverse_mass);
            let path = self.path * rng.random_range(0.5..1.5);
            let steps = ((path / step).round() as usize).clamp(1, self.max_steps);
            let (end, change) = target.trajectory(&state, p, &inverse_mass, step, steps);
            let accept = if change.is_finite() { (-change).exp().min(1.0) } else { 0.0 };
            if rng.random::<f64>() < accept {
                state = end;
            }
            if iteration >= self.warmup {
                kept.extend_from_slice(&state.theta);
                sum += accept;
                divergences += usize::from(!change.is_finite() || change > 1000.0);
                continue;
            }
            step = averaging.update(self.acceptance - accept);
            if iteration >= windows[0] {
                moments.add(&state.theta);
            }
            if windows[1..].contains(&(iteration + 1)) {
                inverse_mass = std::mem::replace(&mut moments, Moments::new(d)).variances();
                let p = momentum(iteration + 1, &inverse_mass);
                step =
                    target.first_step(&state, &p, &inverse_mass, step).ok_or(HmcError::StepSize { chain })?;
                averaging = DualAveraging::new(step);
            }
            if iteration + 1 == self.warmup {
                step = averaging.average();
            }
        }
        let acceptance = sum / self.draws as f64;
        let report = ChainReport { step_size: step, acceptance, divergences, inverse_mass };
        Ok((Matrix::new(self.draws, d, kept), report))
    }
}

/// Where windows begin in which variances are estimated, and where the last one ends (Stan Reference Manual, "Automatic
/// parameter tuning"): after a tenth or 75 iterations, each window twice as long as the one before, and at the end 50
/// iterations or a twentieth in which only ε is adapted.
fn windows(warmup: usize) -> Vec<usize> {
    if warmup < 20 {
        return vec![warmup];
    }
    let (first, last) = if warmup < 150 { (15 * warmup / 100, warmup / 10) } else { (75, 50) };
    let (end, mut length, mut at) = (warmup - last, 25.min(warmup - first - last), first);
    let mut starts = vec![at];
    loop {
        // A window that would leave no room for one twice as long takes all that is left.
        if at + length + 2 * length > end {
            starts.push(end);
            return starts;
        }
        at += length;
        length *= 2;
        starts.push(at);
    }
}

/// A point with log p(Y, θ) and its gradient.
#[derive(Clone)]
struct State {
    theta: Arc<Vec<f64>>,
    gradient: Vec<f64>,
    log_p: f64,
}

impl State {
    fn is_finite(&self) -> bool {
        self.log_p.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

/// The density, with a tape to compute it on.
struct Target<'a, P> {
    tape: Tape<f64>,
    log_joint: &'a P,
}

impl<P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64>> Target<'_, P> {
    fn evaluate(&mut self, state: &mut State) {
        let (log_p, gradient) = self.tape.value_and_grad(&state.theta, self.log_joint);
        state.gradient.copy_from_slice(gradient);
        state.log_p = log_p;
    }

    /// `steps` leapfrog steps of size ε from (θ, p), and the change of H; it ends early where H is no number.
    fn trajectory(
        &mut self,
        from: &State,
        mut p: Vec<f64>,
        inverse_mass: &[f64],
        step: f64,
        steps: usize,
    ) -> (State, f64) {
        let kinetic = |p: &[f64]| 0.5 * p.iter().zip(inverse_mass).map(|(p, v)| v * p * p).sum::<f64>();
        let before = kinetic(&p) - from.log_p;
        let mut state = State { theta: Arc::new(from.theta.to_vec()), ..from.clone() };
        for _ in 0..steps {
            p.iter_mut().zip(&state.gradient).for_each(|(p, g)| *p += 0.5 * step * g);
            let theta = Arc::get_mut(&mut state.theta).expect("the tape has let go of θ");
            for ((theta, p), v) in theta.iter_mut().zip(&p).zip(inverse_mass) {
                *theta += step * v * p;
            }
            self.evaluate(&mut state);
            if !state.is_finite() {
                return (state, f64::NAN);
            }
            p.iter_mut().zip(&state.gradient).for_each(|(p, g)| *p += 0.5 * step * g);
        }
        let change = kinetic(&p) - state.log_p - before;
        (state, change)
    }

    /// A power of two times `step` at which a single step is accepted with a probability of about ½ (Hoffman & Gelman
    /// 2014, algorithm 4).
    fn first_step(&mut self, from: &State, p: &[f64], inverse_mass: &[f64], mut step: f64) -> Option<f64> {
        let mut likely =
            |step| self.trajectory(from, p.to_vec(), inverse_mass, step, 1).1 < std::f64::consts::LN_2;
        let (grow, mut tries) = (likely(step), 0);
        while likely(step) == grow {
            step *= if grow { 2.0 } else { 0.5 };
            tries += 1;
            if tries == 100 {
                // A flat density takes any step; one that takes none is no density.
                return grow.then_some(step);
            }
        }
        Some(step)
    }
}

/// log ε moves against the average excess of the acceptance over its aim (Hoffman & Gelman 2014, equation 6).
struct DualAveraging {
    mu: f64,
    excess: f64,
    log_step: f64,
    log_average: f64,
    count: f64,
}

impl DualAveraging {
    fn new(step: f64) -> Self {
        Self { mu: (10.0 * step).ln(), excess: 0.0, log_step: step.ln(), log_average: step.ln(), count: 0.0 }
    }

    /// Takes aim − acceptance and returns the next ε.
    fn update(&mut self, missing: f64) -> f64 {
        const GAMMA: f64 = 0.05;
        const T0: f64 = 10.0;
        const KAPPA: f64 = 0.75;
        self.count += 1.0;
        let weight = 1.0 / (self.count + T0);
        self.excess = (1.0 - weight) * self.excess + weight * missing;
        self.log_step = self.mu - self.count.sqrt() / GAMMA * self.excess;
        let weight = self.count.powf(-KAPPA);
        self.log_average = weight * self.log_step + (1.0 - weight) * self.log_average;
        self.log_step.exp()
    }

    fn average(&self) -> f64 {
        self.log_average.exp()
    }
}

/// Running means and squares (Welford 1962).
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(d: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; d], squares: vec![0.0; d] }
    }

    fn add(&mut self, x: &[f64]) {
        self.count += 1.0;
        for ((mean, squares), x) in self.mean.iter_mut().zip(&mut self.squares).zip(x) {
            let change = x - *mean;
            *mean += change / self.count;
            *squares += change * (x - *mean);
        }
    }

    /// Variances, drawn a little towards 10⁻³ as in Stan: there are few draws.
    fn variances(self) -> Vec<f64> {
        let n = self.count;
        let variance = |squares: &f64| n / (n + 5.0) * squares / (n - 1.0).max(1.0) + 1e-3 * 5.0 / (n + 5.0);
        self.squares.iter().map(variance).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// log N(θ; 0, diag(1, 4)) + a term of fourth order
    fn log_joint<'t>(_: &'t Tape<f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
        let scaled = theta * theta.tape().constant(&[1.0, 0.5], [2]);
        scaled.square().sum() * -0.5 - scaled.powi(4).sum() * 0.1
    }

    type Density = for<'t> fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64>;

    fn state(target: &mut Target<'_, Density>, theta: [f64; 2]) -> State {
        let mut state = State { theta: Arc::new(theta.to_vec()), gradient: vec![0.0; 2], log_p: 0.0 };
        target.evaluate(&mut state);
        state
    }

    /// (θ, p) after `steps` leapfrog steps.
    fn flow(from: [f64; 4], step: f64, steps: usize) -> ([f64; 4], f64) {
        let density: Density = log_joint;
        let mut target = Target { tape: Tape::new(), log_joint: &density };
        let start = state(&mut target, [from[0], from[1]]);
        // The trajectory keeps its momentum to itself: it is what leads from one step to the next.
        let mass = [0.7, 2.0];
        let (end, change) = target.trajectory(&start, vec![from[2], from[3]], &mass, step, steps);
        let (next, _) = target.trajectory(&start, vec![from[2], from[3]], &mass, step, steps + 1);
        let p = |i: usize| (next.theta[i] - end.theta[i]) / (step * mass[i]) - 0.5 * step * end.gradient[i];
        ([end.theta[0], end.theta[1], p(0), p(1)], change)
    }

    const FROM: [f64; 4] = [0.8, -1.5, 0.3, 0.6];

    #[test]
    fn a_trajectory_can_be_gone_back() {
        let ([a, b, p, q], _) = flow(FROM, 0.1, 20);
        let ([a, b, p, q], _) = flow([a, b, -p, -q], 0.1, 20);
        for (found, from) in [a, b, -p, -q].into_iter().zip(FROM) {
            assert!((found - from).abs() < 1e-9, "{found} instead of {from}");
        }
    }

    #[test]
    fn a_trajectory_preserves_volume() {
        let h = 1e-5;
        let mut jacobian = [[0.0; 4]; 4];
        for j in 0..4 {
            let moved = |by: f64| {
                let mut from = FROM;
                from[j] += by;
                flow(from, 0.2, 7).0
            };
            let (up, down) = (moved(h), moved(-h));
            (0..4).for_each(|i| jacobian[i][j] = (up[i] - down[i]) / (2.0 * h));
        }
        let mut determinant = 1.0;
        for i in 0..4 {
            determinant *= jacobian[i][i];
            for j in i + 1..4 {
                let factor = jacobian[j][i] / jacobian[i][i];
                let row = jacobian[i];
                jacobian[j].iter_mut().zip(row).for_each(|(a, b)| *a -= factor * b);
            }
        }
        assert!((determinant - 1.0).abs() < 1e-6, "{determinant}");
    }

    #[test]
    fn the_error_of_the_energy_is_of_second_order() {
        let error = |steps: usize| flow(FROM, 1.0 / steps as f64, steps).1.abs();
        let slope = (error(20) / error(80)).log2() / 2.0;
        assert!((slope - 2.0).abs() < 0.1, "{slope}");
    }

    #[test]
    fn windows_grow_and_end_before_the_last_iterations() {
        let ends = |warmup| windows(warmup);
        assert_eq!(ends(1000), [75, 100, 150, 250, 450, 950]);
        assert_eq!(ends(10), [10]);
        for warmup in 20..400 {
            let windows = ends(warmup);
            assert!(windows.is_sorted_by(|a, b| a < b) && windows[windows.len() - 1] < warmup, "{warmup}");
        }
    }
}
