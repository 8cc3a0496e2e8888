//! Trajectories that end where they would turn back.

use rand::RngExt;
use rand::rngs::StdRng;

use super::hmc::Iteration;
use super::leapfrog::{State, Target};

/// A place on a trajectory: θ, its momentum p, and its velocity M⁻¹ p.
#[derive(Clone)]
struct Place {
    state: State,
    p: Vec<f64>,
    velocity: Vec<f64>,
}

/// A stretch of a trajectory, from the earliest place on it to the latest.
struct Stretch {
    earliest: Place,
    latest: Place,
    /// ρ = Σ p over all places.
    rho: Vec<f64>,
    /// One of the places, drawn with probabilities proportional to exp(−H).
    sample: State,
    /// log Σ exp(H₀ − H) over all places, with the energy H₀ at the start.
    log_weight: f64,
}

impl Stretch {
    fn of(place: Place, log_weight: f64) -> Self {
        let (rho, sample) = (place.p.clone(), place.state.clone());
        Self { earliest: place.clone(), latest: place, rho, sample, log_weight }
    }

    /// Whether a trajectory that consists of these two stretches turns back: from its one end to the other, or from the end of
    /// either stretch to the first place of the other one.
    ///
    /// The two places a, b turn back if pₐᵀ M⁻¹ ρ ≤ 0 or p_bᵀ M⁻¹ ρ ≤ 0 with the sum ρ of all momenta from a to b (Betancourt 2017,
    /// appendix A.4.2). Without the second kind, two halves that are each a whole period would pass.
    fn turn_back(earlier: &Self, later: &Self) -> bool {
        let turns = |a: &Place, b: &Place, rho: &[f64]| {
            let along = |place: &Place| place.velocity.iter().zip(rho).map(|(v, r)| v * r).sum::<f64>();
            along(a) <= 0.0 || along(b) <= 0.0
        };
        turns(&earlier.earliest, &later.latest, &sum(&earlier.rho, &later.rho))
            || turns(&earlier.earliest, &later.earliest, &sum(&earlier.rho, &later.earliest.p))
            || turns(&earlier.latest, &later.latest, &sum(&later.rho, &earlier.latest.p))
    }
}

/// A trajectory that is being grown.
pub(super) struct NoUTurn<'c, 'a> {
    pub(super) target: &'c mut Target<'a>,
    pub(super) rng: &'c mut StdRng,
    pub(super) inverse_mass: &'c [f64],
    pub(super) step: f64,
    pub(super) max_steps: usize,
}

impl NoUTurn<'_, '_> {
    /// Doubles a trajectory from (θ, p), forwards or backwards in time at random, until it turns back, diverges, or would take
    /// more than `max_steps` steps. Returns a draw from its places, and how it went.
    ///
    /// The draw moves to a new half with probability min(1, weight of the new half / weight of the old one), which prefers places
    /// far from the start (Betancourt 2017, appendix A.3.2).
    pub(super) fn walk(mut self, from: &State, p: Vec<f64>) -> (State, Iteration) {
        let energy = from.energy(&p, self.inverse_mass);
        let mut whole = Stretch::of(self.place(from.clone(), p), 0.0);
        let mut report = Iteration::default();
        for depth in 0.. {
            if 2_usize.saturating_pow(depth + 1) - 1 > self.max_steps {
                report.cut = true;
                break;
            }
            let forwards = self.rng.random::<bool>();
            let end = if forwards { &whole.latest } else { &whole.earliest };
            let Some(new) = self.grow(&end.clone(), forwards, depth, energy, &mut report) else { break };
            let moves = self.rng.random::<f64>().ln() < new.log_weight - whole.log_weight;
            let sample = if moves { new.sample.clone() } else { whole.sample.clone() };
            let turned;
            (whole, turned) = join(whole, new, forwards, sample);
            if turned {
                break;
            }
        }
        report.acceptance /= report.steps.max(1) as f64;
        (whole.sample, report)
    }

    /// The next 2^depth places behind `from`; none if they turn back or diverge.
    fn grow(
        &mut self,
        from: &Place,
        forwards: bool,
        depth: u32,
        energy: f64,
        report: &mut Iteration,
    ) -> Option<Stretch> {
        if depth == 0 {
            return self.leap(from, forwards, energy, report);
        }
        let near = self.grow(from, forwards, depth - 1, energy, report)?;
        let end = if forwards { &near.latest } else { &near.earliest };
        let far = self.grow(&end.clone(), forwards, depth - 1, energy, report)?;
        let moves = self.rng.random::<f64>().ln() < far.log_weight - log_sum(near.log_weight, far.log_weight);
        let sample = if moves { far.sample.clone() } else { near.sample.clone() };
        let (stretch, turned) = join(near, far, forwards, sample);
        (!turned).then_some(stretch)
    }

    /// The next place behind `from`; none if the trajectory diverges there.
    fn leap(&mut self, from: &Place, forwards: bool, energy: f64, report: &mut Iteration) -> Option<Stretch> {
        let step = if forwards { self.step } else { -self.step };
        let (mut state, mut p) = (from.state.clone(), from.p.clone());
        let finite = self.target.leap(&mut state, &mut p, self.inverse_mass, step);
        let change = if finite { state.energy(&p, self.inverse_mass) - energy } else { f64::NAN };
        report.add(change);
        report.steps += 1;
        (!report.divergent).then(|| Stretch::of(self.place(state, p), -change))
    }

    fn place(&self, state: State, p: Vec<f64>) -> Place {
        let velocity = p.iter().zip(self.inverse_mass).map(|(p, v)| v * p).collect();
        Place { state, p, velocity }
    }
}

/// The stretch of an old and a new one, which follows it forwards or backwards in time, and whether it turns back.
fn join(old: Stretch, new: Stretch, forwards: bool, sample: State) -> (Stretch, bool) {
    let (earlier, later) = if forwards { (old, new) } else { (new, old) };
    let turned = Stretch::turn_back(&earlier, &later);
    let rho = sum(&earlier.rho, &later.rho);
    let log_weight = log_sum(earlier.log_weight, later.log_weight);
    (Stretch { earliest: earlier.earliest, latest: later.latest, rho, sample, log_weight }, turned)
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// log (eᵃ + eᵇ)
fn log_sum(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}
