//! Hamiltonian dynamics, one trajectory at a time.

use std::sync::Arc;

use autograd::Tape;

use super::log_density::AnyLogDensity;

/// A point θ with log p(Y, θ) and its gradient.
#[derive(Clone)]
pub(super) struct State {
    pub(super) theta: Arc<Vec<f64>>,
    pub(super) gradient: Vec<f64>,
    pub(super) log_p: f64,
}

impl State {
    pub(super) fn is_finite(&self) -> bool {
        self.log_p.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }

    /// H(θ, p) = −log p(Y, θ) + ½ pᵀ M⁻¹ p
    pub(super) fn energy(&self, p: &[f64], inverse_mass: &[f64]) -> f64 {
        0.5 * p.iter().zip(inverse_mass).map(|(p, v)| v * p * p).sum::<f64>() - self.log_p
    }
}

/// Where a trajectory ended.
pub(super) struct Trajectory {
    pub(super) end: State,
    /// ΔH, the energy at the end minus the energy at the start; NaN where the density was not finite on the way.
    pub(super) energy_change: f64,
    /// The number of leapfrog steps taken.
    pub(super) steps: usize,
}

/// A density to move on, with the tape on which it is computed.
pub(super) struct Target<'a> {
    tape: Tape<f64>,
    log_joint: &'a AnyLogDensity<'a, f64>,
}

impl<'a> Target<'a> {
    pub(super) fn new(log_joint: &'a AnyLogDensity<'a, f64>) -> Self {
        Self { tape: Tape::new(), log_joint }
    }

    /// log p(Y, θ) and its gradient at θ.
    pub(super) fn at(&mut self, theta: &[f64]) -> State {
        let theta = Arc::new(theta.to_vec());
        let mut state = State { gradient: vec![0.0; theta.len()], theta, log_p: 0.0 };
        self.evaluate(&mut state);
        state
    }

    fn evaluate(&mut self, state: &mut State) {
        let (log_p, gradient) = self.tape.value_and_grad(&state.theta, self.log_joint);
        state.gradient.copy_from_slice(&gradient);
        state.log_p = log_p;
    }

    /// A leapfrog step of size ε = `step`, which goes back in time if it is negative. False where it leads to a point at which
    /// log p or its gradient is not finite; p is then half a step behind.
    pub(super) fn leap(&mut self, state: &mut State, p: &mut [f64], inverse_mass: &[f64], step: f64) -> bool {
        p.iter_mut().zip(&state.gradient).for_each(|(p, g)| *p += 0.5 * step * g);
        let theta = Arc::make_mut(&mut state.theta);
        for ((theta, p), v) in theta.iter_mut().zip(&*p).zip(inverse_mass) {
            *theta += step * v * p;
        }
        self.evaluate(state);
        p.iter_mut().zip(&state.gradient).for_each(|(p, g)| *p += 0.5 * step * g);
        state.is_finite()
    }

    /// `steps` leapfrog steps of size ε = `step` from (θ, p). The trajectory ends early where log p or its gradient is not
    /// finite.
    pub(super) fn trajectory(
        &mut self,
        from: &State,
        mut p: Vec<f64>,
        inverse_mass: &[f64],
        step: f64,
        steps: usize,
    ) -> Trajectory {
        let before = from.energy(&p, inverse_mass);
        let mut state = from.clone();
        for taken in 1..=steps {
            if !self.leap(&mut state, &mut p, inverse_mass, step) {
                return Trajectory { end: state, energy_change: f64::NAN, steps: taken };
            }
        }
        let energy_change = state.energy(&p, inverse_mass) - before;
        Trajectory { end: state, energy_change, steps }
    }

    /// A power of two times `step` at which a single leapfrog step is accepted with a probability of about ½ (Hoffman &
    /// Gelman 2014, algorithm 4); none if no step is small enough.
    pub(super) fn first_step(
        &mut self,
        from: &State,
        p: &[f64],
        inverse_mass: &[f64],
        mut step: f64,
    ) -> Option<f64> {
        let mut likely = |step| {
            let one = self.trajectory(from, p.to_vec(), inverse_mass, step, 1);
            one.energy_change < std::f64::consts::LN_2
        };
        let (grow, mut tries) = (likely(step), 0);
        while likely(step) == grow {
            step *= if grow { 2.0 } else { 0.5 };
            tries += 1;
            if tries == 100 {
                // A flat density takes any step. A density that takes none has a gradient that does not belong to it.
                return grow.then_some(step);
            }
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use autograd::Var;

    use super::*;

    /// log N(θ; 0, diag(1, 4)) and a term of fourth order.
    fn log_joint<'t>(_: &'t Tape<f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
        let scaled = theta * theta.tape().constant(&[1.0, 0.5], [2]);
        scaled.square().sum() * -0.5 - scaled.powi(4).sum() * 0.1
    }

    const INVERSE_MASS: [f64; 2] = [0.7, 2.0];
    const FROM: [f64; 4] = [0.8, -1.5, 0.3, 0.6];

    /// (θ, p) after `steps` leapfrog steps, and ΔH.
    fn flow(from: [f64; 4], step: f64, steps: usize) -> ([f64; 4], f64) {
        let mut target = Target::new(&log_joint);
        let start = target.at(&from[..2]);
        let mut after = |steps| target.trajectory(&start, from[2..].to_vec(), &INVERSE_MASS, step, steps);
        // A trajectory does not return its momentum, but the momentum is what leads from its end to the next place.
        let Trajectory { end, energy_change, .. } = after(steps);
        let next = after(steps + 1).end;
        let p = |i: usize| {
            (next.theta[i] - end.theta[i]) / (step * INVERSE_MASS[i]) - 0.5 * step * end.gradient[i]
        };
        ([end.theta[0], end.theta[1], p(0), p(1)], energy_change)
    }

    #[test]
    fn a_trajectory_with_the_opposite_momentum_goes_back() {
        let ([a, b, p, q], _) = flow(FROM, 0.1, 20);
        let ([a, b, p, q], _) = flow([a, b, -p, -q], 0.1, 20);
        for (found, expected) in [a, b, -p, -q].into_iter().zip(FROM) {
            assert!((found - expected).abs() < 1e-9, "expected {expected}, found {found}");
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
}
