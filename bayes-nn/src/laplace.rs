//! The Laplace approximation.

use autograd::{Dual, NotPositiveDefinite, Tape, Var, hessian, hvp, jacobian};
use nn::data::Matrix;
use nn::noise::Noise;

/// q = N(θ̂, H⁻¹) at a mode θ̂ of log p(Y, θ), with H = −∇² log p(Y, θ̂) (MacKay 1992, "A practical Bayesian framework for
/// backpropagation networks").
///
/// A network with an unknown log σ may have no such mode: where it can meet every observation, log p grows without bound as σ
/// goes to 0.
///
/// The Hessian is exact, by Hessian-vector products on dual numbers: d of them, so it is for some thousands of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Laplace {
    /// θ̂
    pub mode: Vec<f64>,
    /// log p(Y, θ̂)
    pub log_joint: f64,
    /// The lower factor L of H = L Lᵀ, (d, d).
    pub factor: Matrix<f64>,
}

/// Why there is no Laplace approximation.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LaplaceError {
    /// log p or a derivative is infinite or NaN.
    #[error(
        "log p(Y, θ) or its gradient is not finite at the start; begin elsewhere, or look at the density"
    )]
    NotFinite,
    /// No mode was reached.
    #[error(
        "no mode was found in {steps} Newton steps: the gradient is still {gradient:e} in its largest element; \
         allow more, or begin nearer"
    )]
    NoMode {
        /// How many steps were taken.
        steps: usize,
        /// The gradient's largest element.
        gradient: f64,
    },
    /// The point is no maximum.
    #[error("where the gradient is 0, log p(Y, θ) is not curved downwards in every direction: {0}")]
    NotAMaximum(NotPositiveDefinite),
}

impl Laplace {
    /// Climbs from `start` to a mode, by at most `steps` damped Newton steps, and takes the curvature there.
    ///
    /// A step solves (H + λ I) δ = ∇ log p; λ grows fourfold where H + λ I is not positive definite or log p would fall, and
    /// shrinks by as much where it rises (Levenberg 1944; Marquardt 1963). It has arrived when a full Newton step would gain
    /// less than 10⁻¹⁰ nats.
    ///
    /// # Errors
    /// If log p is not finite at the start, no mode was reached, or the point reached is none.
    ///
    /// # Panics
    /// If `log_joint` does not return a scalar.
    #[track_caller]
    pub fn fit<P>(log_joint: P, start: Vec<f64>, steps: usize) -> Result<Self, LaplaceError>
    where
        P: for<'t> Fn(&'t Tape<Dual<f64>>, Var<'t, Dual<f64>>) -> Var<'t, Dual<f64>> + Sync,
    {
        let d = start.len();
        let still = vec![0.0; d];
        let (mut theta, mut damping) = (start, 0.0);
        let mut here = hvp(&theta, &still, &log_joint);
        if !here.value.is_finite() || here.gradient.iter().any(|g| !g.is_finite()) {
            return Err(LaplaceError::NotFinite);
        }
        for taken in 0..steps {
            let curvature = hessian(&theta, &log_joint);
            // The damping is measured by the curvature's size, which depends on the units of θ.
            let size = curvature.iter().step_by(d + 1).map(|h| h.abs()).fold(0.0, f64::max).max(1e-12);
            loop {
                if let Ok(factor) = factor(&curvature, damping * size, d) {
                    let (step, gain) = newton_step(&factor, &here.gradient);
                    if damping == 0.0 && gain < 1e-10 {
                        return Ok(Self { mode: theta, log_joint: here.value, factor });
                    }
                    let next: Vec<f64> = theta.iter().zip(&step).map(|(theta, step)| theta + step).collect();
                    let there = hvp(&next, &still, &log_joint);
                    if there.value > here.value && there.gradient.iter().all(|g| g.is_finite()) {
                        (theta, here) = (next, there);
                        damping = if damping > 1e-6 { damping / 4.0 } else { 0.0 };
                        break;
                    }
                }
                if damping > 1e12 {
                    // Not even the smallest step leads up: a saddle, a kink, or the end of the numbers' precision.
                    let factor = factor(&curvature, 0.0, d).map_err(LaplaceError::NotAMaximum)?;
                    let (_, gain) = newton_step(&factor, &here.gradient);
                    if gain > 1e-8 * (1.0 + here.value.abs()) {
                        return Err(no_mode(taken, &here.gradient));
                    }
                    return Ok(Self { mode: theta, log_joint: here.value, factor });
                }
                damping = if damping == 0.0 { 1e-6 } else { damping * 4.0 };
            }
        }
        Err(no_mode(steps, &here.gradient))
    }

    /// log p(Y) ≈ log p(Y, θ̂) + d/2 ln 2π − ½ ln det H, in nats, if log p(Y, θ) was normalised.
    pub fn log_evidence(&self) -> f64 {
        let d = self.mode.len();
        let half_log_det: f64 = (0..d).map(|i| self.factor.row(i)[i].ln()).sum();
        self.log_joint + 0.5 * d as f64 * std::f64::consts::TAU.ln() - half_log_det
    }

    /// The covariance H⁻¹, (d, d).
    pub fn covariance(&self) -> Matrix<f64> {
        let d = self.mode.len();
        let tape = Tape::new();
        let identity: Vec<f64> = (0..d * d).map(|k| f64::from(k / d == k % d)).collect();
        let inverse =
            tape.constant(&self.factor.values, [d, d]).solve_triangular(tape.constant(&identity, [d, d]));
        Matrix::new(d, d, inverse.t_matmul(inverse).to_vec())
    }

    /// `count` draws θ = θ̂ + L⁻ᵀ ξ, (count, d); the same for the same seed.
    pub fn draws(&self, count: usize, seed: u64) -> Matrix<f64> {
        let d = self.mode.len();
        let mut xi = vec![0.0; count * d];
        Noise::evaluation(seed).normal(0, d, &mut xi);
        let tape = Tape::new();
        // Rows (L⁻ᵀ ξ)ᵀ = ξᵀ L⁻¹
        let moved =
            tape.constant(&self.factor.values, [d, d]).solve_triangular_right(tape.constant(&xi, [count, d]));
        Matrix::new(count, d, (moved + tape.constant(&self.mode, [d])).to_vec())
    }

    /// `count` draws of f(θ) for an f that is taken as linear around the mode, f(θ̂) + J (θ − θ̂), (count, outputs): what the
    /// approximation is good for where f bends within the width of q, as a network does. Its own draws of θ then leave the
    /// region in which the posterior looks normal (Immer, Korzepa & Bauer 2021, "Improving predictions of Bayesian neural
    /// nets via local linearization").
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

fn no_mode(steps: usize, gradient: &[f64]) -> LaplaceError {
    LaplaceError::NoMode { steps, gradient: gradient.iter().fold(0.0, |largest, g| largest.max(g.abs())) }
}

/// The lower factor of −curvature + λ I.
fn factor(curvature: &[f64], lambda: f64, d: usize) -> Result<Matrix<f64>, NotPositiveDefinite> {
    let tape = Tape::new();
    let mut h: Vec<f64> = curvature.iter().map(|h| -h).collect();
    h.iter_mut().step_by(d + 1).for_each(|h| *h += lambda);
    tape.constant(&h, [d, d]).cholesky().map(|l| Matrix::new(d, d, l.to_vec()))
}

/// The step δ = (L Lᵀ)⁻¹ g, and what it gains where the quadratic model holds, ½ gᵀδ.
fn newton_step(factor: &Matrix<f64>, gradient: &[f64]) -> (Vec<f64>, f64) {
    let (tape, d) = (Tape::new(), gradient.len());
    let l = tape.constant(&factor.values, [d, d]);
    let step = l.solve_triangular_t(l.solve_triangular(tape.constant(gradient, [d, 1]))).to_vec();
    let gain = 0.5 * step.iter().zip(gradient).map(|(s, g)| s * g).sum::<f64>();
    (step, gain)
}
