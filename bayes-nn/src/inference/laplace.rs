//! The Laplace approximation: a normal distribution at a mode of the posterior.

use autograd::forward::{Dual, hessian, hvp, jacobian};
use autograd::look::NonFinite;
use autograd::ops::{NotPositiveDefinite, TriangularSystem};
use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::train::Noise;

use super::LogDensity;
use super::log_density::AnyLogDensity;

/// q = N(θ̂, H⁻¹) at a mode θ̂ of log p(Y, θ), with H = −∇² log p(Y, θ̂) (MacKay 1992, "A practical Bayesian framework for
/// backpropagation networks").
///
/// A network with an unknown log σ may have no mode: if it can meet every observation, log p grows without bound as σ goes to
/// 0.
///
/// The Hessian is exact. It takes d Hessian-vector products on dual numbers, which is feasible for some thousands of
/// parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Laplace {
    /// θ̂, (d).
    pub mode: Vec<f64>,
    /// log p(Y, θ̂) in nats.
    pub log_joint: f64,
    /// The lower triangular L with L Lᵀ = H, (d, d).
    pub factor: Matrix<f64>,
}

/// Why there is no Laplace approximation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LaplaceError {
    /// log p or its gradient is infinite or NaN at the start, and where it stops being finite.
    #[error(
        "expected a finite log p(Y, θ) with a finite gradient at the start: {0}; begin elsewhere, or correct the density"
    )]
    NotFinite(NonFinite),
    /// No mode was reached.
    #[error(
        "no mode was found in {steps} Newton steps: the largest element of the gradient is still {gradient:e}; \
         allow more steps, or begin nearer to a mode"
    )]
    NoMode {
        /// The number of steps taken.
        steps: usize,
        /// The largest element of the gradient.
        gradient: f64,
    },
    /// The gradient is 0, but the point is no maximum.
    #[error("where the gradient is 0, log p(Y, θ) is not curved downwards in every direction: {0}")]
    NotAMaximum(NotPositiveDefinite),
}

/// A point on the way to a mode.
struct Point {
    theta: Vec<f64>,
    log_joint: f64,
    gradient: Vec<f64>,
}

impl Point {
    fn at(theta: Vec<f64>, log_joint: &AnyLogDensity<'_, Dual<f64>>) -> Self {
        let still = vec![0.0; theta.len()];
        let found = hvp(&theta, &still, log_joint);
        Self { theta, log_joint: found.value, gradient: found.gradient }
    }

    fn has_finite_gradient(&self) -> bool {
        self.gradient.iter().all(|g| g.is_finite())
    }

    fn no_mode(&self, steps: usize) -> LaplaceError {
        let gradient = self.gradient.iter().fold(0.0, |largest: f64, g| largest.max(g.abs()));
        LaplaceError::NoMode { steps, gradient }
    }
}

/// Where log p or its gradient, which is not finite at θ, stops being so.
fn first_non_finite(theta: &[f64], log_joint: &AnyLogDensity<'_, Dual<f64>>) -> NonFinite {
    let tape = Tape::new();
    let theta: Vec<_> = theta.iter().map(|&theta| Dual::from_f64(theta)).collect();
    let log_p = log_joint(&tape, tape.parameter(&theta, [theta.len()]));
    let found = tape.first_non_finite().or_else(|| tape.backward(log_p).first_non_finite());
    found.expect("a number that is not finite")
}

/// The Newton step δ = (H + λ I)⁻¹ g.
struct Newton {
    /// The lower triangular L with L Lᵀ = H + λ I.
    factor: Matrix<f64>,
    step: Vec<f64>,
    /// ½ gᵀδ, by which log p rises if it is quadratic.
    gain: f64,
}

impl Newton {
    fn new(curvature: &[f64], damping: f64, gradient: &[f64]) -> Result<Self, NotPositiveDefinite> {
        let (tape, d) = (Tape::new(), gradient.len());
        let mut h: Vec<f64> = curvature.iter().map(|h| -h).collect();
        h.iter_mut().step_by(d + 1).for_each(|h| *h += damping);
        let l = tape.constant(&h, [d, d]).cholesky()?;
        let half = l.solve_triangular(tape.constant(gradient, [d, 1]), TriangularSystem::LX);
        let step = l.solve_triangular(half, TriangularSystem::LtX).to_vec();
        let gain = 0.5 * step.iter().zip(gradient).map(|(s, g)| s * g).sum::<f64>();
        Ok(Self { factor: Matrix::new(d, d, l.to_vec()), step, gain })
    }
}

impl Laplace {
    /// Climbs from `start` to a mode by at most `steps` damped Newton steps, and takes the curvature there.
    ///
    /// A step solves (H + λ I) δ = ∇ log p. λ grows fourfold where H + λ I is not positive definite or log p would fall, and
    /// shrinks fourfold after a step that led up (Levenberg 1944; Marquardt 1963). The mode is reached when a step with λ = 0
    /// would gain less than 10⁻¹⁰ nats.
    ///
    /// # Errors
    /// If log p or its gradient is not finite at the start, no mode is reached, or the point reached is no maximum.
    ///
    /// # Panics
    /// If `log_joint` does not return a scalar.
    #[track_caller]
    pub fn fit<P>(log_joint: P, start: Vec<f64>, steps: usize) -> Result<Self, LaplaceError>
    where
        P: LogDensity<Dual<f64>> + Sync,
    {
        Self::climb(&log_joint, start, steps)
    }

    #[track_caller]
    fn climb(
        log_joint: &AnyLogDensity<'_, Dual<f64>>,
        start: Vec<f64>,
        steps: usize,
    ) -> Result<Self, LaplaceError> {
        let d = start.len();
        let mut here = Point::at(start, log_joint);
        if !here.log_joint.is_finite() || !here.has_finite_gradient() {
            return Err(LaplaceError::NotFinite(first_non_finite(&here.theta, log_joint)));
        }
        let mut damping = 0.0;
        for taken in 0..steps {
            let curvature = hessian(&here.theta, log_joint);
            // λ is measured by the size of the curvature, which depends on the units of θ.
            let size = curvature.iter().step_by(d + 1).map(|h| h.abs()).fold(0.0, f64::max).max(1e-12);
            loop {
                if let Ok(newton) = Newton::new(&curvature, damping * size, &here.gradient) {
                    if damping == 0.0 && newton.gain < 1e-10 {
                        return Ok(Self::at(here, newton.factor));
                    }
                    let next = here.theta.iter().zip(&newton.step).map(|(theta, step)| theta + step);
                    let next = Point::at(next.collect(), log_joint);
                    if next.log_joint > here.log_joint && next.has_finite_gradient() {
                        here = next;
                        damping = if damping > 1e-6 { damping / 4.0 } else { 0.0 };
                        break;
                    }
                }
                if damping > 1e12 {
                    return Self::at_the_top(here, &curvature, taken);
                }
                damping = if damping == 0.0 { 1e-6 } else { damping * 4.0 };
            }
        }
        Err(here.no_mode(steps))
    }

    /// The approximation at a point from which not even the smallest step leads up: a mode to the precision of the numbers, or
    /// else a saddle or a kink.
    fn at_the_top(here: Point, curvature: &[f64], taken: usize) -> Result<Self, LaplaceError> {
        let newton = Newton::new(curvature, 0.0, &here.gradient).map_err(LaplaceError::NotAMaximum)?;
        match newton.gain > 1e-8 * (1.0 + here.log_joint.abs()) {
            true => Err(here.no_mode(taken)),
            false => Ok(Self::at(here, newton.factor)),
        }
    }

    fn at(mode: Point, factor: Matrix<f64>) -> Self {
        Self { mode: mode.theta, log_joint: mode.log_joint, factor }
    }

    /// log p(Y) ≈ log p(Y, θ̂) + d/2 ln 2π − ½ ln det H in nats, if log p(Y, θ) is normalised.
    pub fn log_evidence(&self) -> f64 {
        let d = self.mode.len();
        let half_log_det: f64 = (0..d).map(|i| self.factor.row(i)[i].ln()).sum();
        self.log_joint + 0.5 * d as f64 * std::f64::consts::TAU.ln() - half_log_det
    }

    /// The covariance H⁻¹, (d, d).
    pub fn covariance(&self) -> Matrix<f64> {
        let d = self.mode.len();
        let tape = Tape::new();
        let identity = tape.constant(&vec![1.0; d], [d]).diagonal_matrix();
        let l = tape.constant(&self.factor.values, [d, d]);
        let inverse = l.solve_triangular(identity, TriangularSystem::LX);
        Matrix::new(d, d, inverse.t_matmul(inverse).to_vec())
    }

    /// `count` draws θ = θ̂ + L⁻ᵀ ξ, (count, d). The same seed gives the same draws.
    pub fn draws(&self, count: usize, seed: u64) -> Matrix<f64> {
        let d = self.mode.len();
        let mut xi = vec![0.0; count * d];
        Noise::evaluation(seed).normal(0, d, &mut xi);
        let tape = Tape::new();
        // In rows: (L⁻ᵀ ξ)ᵀ = ξᵀ L⁻¹.
        let l = tape.constant(&self.factor.values, [d, d]);
        let moved = l.solve_triangular(tape.constant(&xi, [count, d]), TriangularSystem::XL);
        Matrix::new(count, d, (moved + tape.constant(&self.mode, [d])).to_vec())
    }

    /// `count` draws of f(θ̂) + J (θ − θ̂), (count, outputs), where J is the Jacobian of f at the mode.
    ///
    /// Use it where f bends within the width of q, as a network does. The draws of θ themselves then leave the region in which
    /// the posterior looks normal (Immer, Korzepa & Bauer 2021, "Improving predictions of Bayesian neural nets via local
    /// linearization").
    #[track_caller]
    pub fn linearised<P>(&self, f: P, count: usize, seed: u64) -> Matrix<f64>
    where
        P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64>,
    {
        let d = self.mode.len();
        let tape = Tape::new();
        let at_mode = f(&tape, tape.constant(&self.mode, [d])).to_vec();
        let outputs = at_mode.len();
        let slopes = jacobian(&self.mode, |tape, theta| f(tape, theta));
        let moved =
            tape.constant(&self.draws(count, seed).values, [count, d]) - tape.constant(&self.mode, [d]);
        let values =
            moved.matmul_t(tape.constant(&slopes, [outputs, d])) + tape.constant(&at_mode, [outputs]);
        Matrix::new(count, outputs, values.to_vec())
    }
}
