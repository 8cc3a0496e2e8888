//! The three methods. What they know of a function is f(θ), ∇f(θ) and ∇²f(θ) v, all exact.

use std::sync::Arc;
use std::time::Instant;

use autograd::forward::hvp;
use autograd::{Real, Tape, Var};
use nn::train::{Optimizer, Rule};

/// A function to be minimised. It is computed with plain numbers for ∇f(θ), with dual numbers for ∇²f(θ) v.
pub(crate) trait Function {
    fn start(&self) -> Vec<f64>;
    fn value<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F>;
}

/// The work of a Hessian-vector product in gradients, at most: a dual number is two numbers, a product of them three products.
const PRODUCT: f64 = 3.0;
/// Where ‖∇f‖ is smaller, the minimum is found.
pub(crate) const FOUND: f64 = 1e-8;

/// Where a descent is.
pub(crate) struct Step {
    /// In gradients.
    pub(crate) work: f64,
    pub(crate) value: f64,
    /// ‖∇f‖
    pub(crate) slope: f64,
    /// The first two elements of θ.
    pub(crate) at: (f64, f64),
}

/// What a method has spent, and where it went.
pub(crate) struct Log {
    pub(crate) gradients: usize,
    pub(crate) products: usize,
    pub(crate) seconds: f64,
    pub(crate) steps: Vec<Step>,
}

/// A function on the way to its minimum.
pub(crate) struct Descent<'f, F> {
    function: &'f F,
    tape: Tape<f64>,
    started: Instant,
    log: Log,
}

impl<'f, F: Function> Descent<'f, F> {
    pub(crate) fn new(function: &'f F) -> Self {
        let log = Log { gradients: 0, products: 0, seconds: 0.0, steps: Vec::new() };
        Self { function, tape: Tape::new(), started: Instant::now(), log }
    }

    fn work(&self) -> f64 {
        self.log.gradients as f64 + PRODUCT * self.log.products as f64
    }

    /// f(θ) and ∇f(θ)
    fn gradient(&mut self, theta: &[f64]) -> (f64, Vec<f64>) {
        self.log.gradients += 1;
        let function = self.function;
        let (value, gradient) =
            self.tape.value_and_grad(&Arc::new(theta.to_vec()), |_, theta| function.value(theta));
        (value, gradient.to_vec())
    }

    /// ∇²f(θ) v
    fn product(&mut self, theta: &[f64], v: &[f64]) -> Vec<f64> {
        self.log.products += 1;
        hvp(theta, v, |_, theta| self.function.value(theta)).product
    }

    /// Notes a step. Returns whether there is something left to do.
    fn goes_on(&mut self, theta: &[f64], value: f64, gradient: &[f64], work: usize) -> bool {
        self.log.seconds = self.started.elapsed().as_secs_f64();
        self.log.steps.push(Step {
            work: self.work(),
            value,
            slope: norm(gradient),
            at: (theta[0], theta[1]),
        });
        norm(gradient) > FOUND && self.work() < work as f64
    }

    /// Newton's method in a region of radius Δ, in which f is trusted to be its second-order model
    /// m(p) = f + ∇fᵀp + ½ pᵀ ∇²f p. With ρ, the decrease of f over that of m, it shrinks or grows.
    pub(crate) fn newton(mut self, work: usize) -> Log {
        let mut theta = self.function.start();
        let (mut value, mut gradient) = self.gradient(&theta);
        let mut radius = 1.0;
        while self.goes_on(&theta, value, &gradient, work) {
            let (p, decrease) = self.newton_step(&theta, &gradient, radius);
            let moved = along(&theta, 1.0, &p);
            let (value_there, gradient_there) = self.gradient(&moved);
            // Where the model promises less than f is rounded by, it is right.
            let rounding = 10.0 * f64::EPSILON * value.abs();
            let rho = (value - value_there + rounding) / (decrease + rounding);
            if rho > 0.1 {
                (theta, value, gradient) = (moved, value_there, gradient_there);
            }
            if rho < 0.25 || rho.is_nan() {
                radius = 0.25 * norm(&p);
            } else if rho > 0.75 && norm(&p) > 0.99 * radius {
                radius *= 2.0;
            }
        }
        self.log
    }

    /// Solves ∇²f p = −∇f by conjugate gradients, roughly where ∇f is large. They stop at the region's edge, and go there along a
    /// direction in which f curves downwards (Steihaug 1983). Returns p, and m(0) − m(p).
    fn newton_step(&mut self, theta: &[f64], gradient: &[f64], radius: f64) -> (Vec<f64>, f64) {
        let enough = norm(gradient) * norm(gradient).sqrt().min(0.5);
        let mut p = vec![0.0; theta.len()];
        let mut residual = gradient.to_vec(); // ∇m(p) = ∇f + ∇²f p
        let mut direction = along(&p, -1.0, gradient);
        for _ in 0..2 * theta.len() {
            let product = self.product(theta, &direction);
            let curvature = dot(&direction, &product);
            let length = dot(&residual, &residual) / curvature;
            let next = along(&p, length, &direction);
            let is_edge = curvature <= 0.0 || norm(&next) >= radius;
            let length = if is_edge { to_edge(&p, &direction, radius) } else { length };
            let before = dot(&residual, &residual);
            p = along(&p, length, &direction);
            residual = along(&residual, length, &product);
            if is_edge || norm(&residual) <= enough {
                break;
            }
            let beta = dot(&residual, &residual) / before;
            direction = along(&along(&vec![0.0; p.len()], -1.0, &residual), beta, &direction);
        }
        // ∇²f p = ∇m(p) − ∇f, so that m(0) − m(p) = −½ (∇f + ∇m(p))ᵀ p.
        let decrease = -0.5 * (dot(gradient, &p) + dot(&residual, &p));
        (p, decrease)
    }

    /// θ ← θ − ρ ∇f, where ρ is halved until f falls by at least ρ ‖∇f‖² / 10⁴ (Armijo 1966), and then doubled for the next step.
    pub(crate) fn gradient_descent(mut self, work: usize) -> Log {
        let mut theta = self.function.start();
        let (mut value, mut gradient) = self.gradient(&theta);
        let mut rate = 1.0;
        while self.goes_on(&theta, value, &gradient, work) {
            let moved = along(&theta, -rate, &gradient);
            let (value_there, gradient_there) = self.gradient(&moved);
            if value_there <= value - 1e-4 * rate * dot(&gradient, &gradient) {
                (theta, value, gradient) = (moved, value_there, gradient_there);
                rate *= 2.0;
            } else {
                rate *= 0.5;
            }
        }
        self.log
    }

    pub(crate) fn adam(mut self, work: usize, rate: f64) -> Log {
        let mut theta = self.function.start();
        let mut adam = Optimizer::new(Rule::ADAM, theta.len());
        let (mut value, mut gradient) = self.gradient(&theta);
        while self.goes_on(&theta, value, &gradient, work) {
            adam.step(rate, &mut theta, &gradient);
            (value, gradient) = self.gradient(&theta);
        }
        self.log
    }
}

/// x + t v
fn along(x: &[f64], t: f64, v: &[f64]) -> Vec<f64> {
    x.iter().zip(v).map(|(x, v)| x + t * v).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

/// The t ≥ 0 with ‖p + t d‖ = Δ: t² dᵀd + 2 t pᵀd + pᵀp − Δ² = 0.
fn to_edge(p: &[f64], d: &[f64], radius: f64) -> f64 {
    let (a, b, c) = (dot(d, d), dot(p, d), dot(p, p) - radius * radius);
    ((b * b - a * c).sqrt() - b) / a
}
