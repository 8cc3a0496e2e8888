//! What a posterior says of new rows.

use autograd::{Real, Tape};
use nn::data::Matrix;
use rayon::prelude::*;

use crate::BayesMlp;

/// Draws of a network's parameters, from q or from any other sampler of the posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws<F> {
    /// θ, a draw a row: (draws, d).
    pub theta: Matrix<F>,
    /// log σ of each draw; empty where it is the network's second output.
    pub log_sigma: Vec<f64>,
}

impl<F: Real> Draws<F> {
    /// The draws with these numbers.
    ///
    /// # Panics
    /// If there is no such draw.
    #[track_caller]
    pub fn select(&self, numbers: &[usize]) -> Self {
        let log_sigma = if self.log_sigma.is_empty() { &[] } else { numbers };
        let log_sigma = log_sigma.iter().map(|&s| self.log_sigma[s]).collect();
        Self { theta: self.theta.select(numbers), log_sigma }
    }
}

/// The posterior predictive distribution of rows: for each an even mixture of one normal for every draw of θ,
///
/// p(y|x, Y) = ∫ ℓ(y|x, θ) p(θ|Y) dθ ≈ 1/S Σₛ N(y; fₛ(x), σₛ²(x))
#[derive(Clone, Debug, PartialEq)]
pub struct Predictive {
    /// fₛ(x), (draws, rows): each row of the matrix is one function drawn from the posterior.
    pub f: Matrix<f64>,
    /// σₛ(x), (draws, rows).
    pub sigma: Matrix<f64>,
}

/// Rows that are computed at a time.
const ROWS: usize = 256;

impl BayesMlp {
    /// The predictive distribution of the rows of x, (rows, inputs).
    ///
    /// # Panics
    /// If there are no draws, or they or the rows are not as long as the model wants them.
    #[track_caller]
    pub fn predict<F: Real>(&self, draws: &Draws<F>, x: &Matrix<F>) -> Predictive {
        let Draws { theta, log_sigma } = draws;
        let (count, rows, outputs) = (theta.rows, x.rows, self.mlp().outputs());
        assert!(count > 0, "predict: there are no draws");
        assert!(theta.cols == self.dim(), "predict: θ has {} numbers, the model {}", theta.cols, self.dim());
        let inputs = self.mlp().inputs();
        assert!(x.cols == inputs, "predict: [{rows}, {}]: rows of {inputs} numbers are wanted", x.cols);
        let (mut f, mut sigma) = (vec![0.0; count * rows], vec![0.0; count * rows]);
        let each = f.par_chunks_mut(rows.max(1)).zip(sigma.par_chunks_mut(rows.max(1))).enumerate();
        each.for_each_init(Tape::new, |tape, (s, (f, sigma))| {
            let parts = f.chunks_mut(ROWS).zip(sigma.chunks_mut(ROWS));
            for ((f, sigma), x) in parts.zip(x.values.chunks(ROWS * inputs)) {
                tape.clear();
                let x = tape.constant(x, [f.len(), inputs]);
                let y = self.mlp().apply(tape.constant(theta.row(s), [self.dim()]), x).to_vec();
                let y: Vec<f64> = y.into_iter().map(Real::to_f64).collect();
                debug_assert_eq!(y.len(), f.len() * outputs);
                self.moments(&y, log_sigma.get(s).copied(), f, sigma);
            }
        });
        Predictive { f: Matrix::new(count, rows, f), sigma: Matrix::new(count, rows, sigma) }
    }
}

impl Predictive {
    /// The same of a·y + b, a > 0: back from standardised to the target's units.
    ///
    /// # Panics
    /// If the scale is not positive.
    #[track_caller]
    pub fn rescaled(&self, a: f64, b: f64) -> Self {
        assert!(a > 0.0, "rescaled: a scale of {a}: a positive number is wanted");
        Self { f: self.f.map(|f| a * f + b), sigma: self.sigma.map(|sigma| a * sigma) }
    }

    /// E[y|x], the mean of the draws' functions, for each row.
    pub fn mean(&self) -> Vec<f64> {
        self.over_draws(|f, _| f)
    }

    /// Var[fₛ(x)], for each row: what is unknown about the function, which more data would reduce.
    pub fn epistemic(&self) -> Vec<f64> {
        let mean = self.mean();
        let squares =
            |i: usize| self.draws_of(i).map(move |(f, _)| f).map(|f| (f - mean[i]).powi(2)).sum::<f64>();
        (0..self.f.cols).map(|i| squares(i) / self.f.rows as f64).collect()
    }

    /// E[σₛ²(x)], for each row: noise, which remains however much is known.
    pub fn aleatoric(&self) -> Vec<f64> {
        self.over_draws(|_, sigma| sigma * sigma)
    }

    /// Var[y|x], the sum of both.
    pub fn variance(&self) -> Vec<f64> {
        self.epistemic()
            .iter()
            .zip(self.aleatoric())
            .map(|(epistemic, aleatoric)| epistemic + aleatoric)
            .collect()
    }

    /// log p(y|x) of an observation for each row, in nats: log 1/S Σₛ N(y; fₛ, σₛ²), from the largest term on.
    ///
    /// # Panics
    /// If there are not as many y as rows, here and below.
    #[track_caller]
    pub fn log_density(&self, y: &[f64]) -> Vec<f64> {
        self.check("log_density", y);
        let row = |(i, &y): (usize, &f64)| {
            let logs = self.draws_of(i).map(|(f, sigma)| -0.5 * ((y - f) / sigma).powi(2) - sigma.ln());
            let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logs.map(|log| (log - largest).exp()).sum();
            largest + (sum / self.f.rows as f64).ln() - HALF_LN_2PI
        };
        y.iter().enumerate().map(row).collect()
    }

    /// P(y' ≤ y|x) for each row: uniform in \[0, 1\] if the predictive distribution is right.
    #[track_caller]
    pub fn cdf(&self, y: &[f64]) -> Vec<f64> {
        self.check("cdf", y);
        y.iter().enumerate().map(|(i, &y)| self.cdf_of(i, y)).collect()
    }

    /// The value below which y lies with probability p, for each row, to 1e-9 of the distribution's width, or as
    /// closely as numbers of its size lie.
    ///
    /// # Panics
    /// If p is not between 0 and 1.
    #[track_caller]
    pub fn quantile(&self, p: f64) -> Vec<f64> {
        assert!(p > 0.0 && p < 1.0, "quantile: p = {p}: it must lie between 0 and 1");
        // Below and above the quantiles of all components: found by bisection, since Φ⁻¹(p) is at most 40 in size.
        let row = |i: usize| {
            let ends = self.draws_of(i).map(|(f, sigma)| (f - 40.0 * sigma, f + 40.0 * sigma));
            let (mut low, mut high) =
                ends.fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            let width = high - low;
            while high - low > 1e-9 * width {
                let middle = 0.5 * (low + high);
                if middle <= low || middle >= high {
                    break;
                }
                *(if self.cdf_of(i, middle) < p { &mut low } else { &mut high }) = middle;
            }
            0.5 * (low + high)
        };
        (0..self.f.cols).into_par_iter().map(row).collect()
    }

    /// The continuous ranked probability score ∫ (P(y' ≤ t|x) − 1[y ≤ t])² dt for each row, in units of y: the smaller
    /// the better, |y − f| for a certain f. For a mixture of normals in closed form (Grimit et al. 2006, eq. 5):
    ///
    /// 1/S Σₛ A(y − fₛ, σₛ²) − 1/(2S²) Σₛₜ A(fₛ − fₜ, σₛ² + σₜ²),   A(d, v) = E|d + √v ε|
    #[track_caller]
    pub fn crps(&self, y: &[f64]) -> Vec<f64> {
        self.check("crps", y);
        let count = self.f.rows as f64;
        let row = |i: usize| {
            let draws: Vec<_> = self.draws_of(i).collect();
            let to_y: f64 = draws.iter().map(|&(f, sigma)| mean_abs(y[i] - f, sigma)).sum();
            let pair = |(s, &(f, sigma)): (usize, &(f64, f64))| {
                let earlier = draws[..s].iter().map(|&(g, tau)| mean_abs(f - g, sigma.hypot(tau)));
                earlier.sum::<f64>() + 0.5 * mean_abs(0.0, sigma * std::f64::consts::SQRT_2)
            };
            to_y / count - draws.iter().enumerate().map(pair).sum::<f64>() / (count * count)
        };
        (0..self.f.cols).into_par_iter().map(row).collect()
    }

    fn draws_of(&self, i: usize) -> impl Iterator<Item = (f64, f64)> + Clone {
        (0..self.f.rows).map(move |s| (self.f.row(s)[i], self.sigma.row(s)[i]))
    }

    fn over_draws(&self, g: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mean = |i| self.draws_of(i).map(|(f, sigma)| g(f, sigma)).sum::<f64>() / self.f.rows as f64;
        (0..self.f.cols).map(mean).collect()
    }

    fn cdf_of(&self, i: usize, y: f64) -> f64 {
        self.draws_of(i).map(|(f, sigma)| normal_cdf((y - f) / sigma)).sum::<f64>() / self.f.rows as f64
    }

    #[track_caller]
    fn check(&self, what: &str, y: &[f64]) {
        assert!(y.len() == self.f.cols, "{what}: {} observations of {} rows", y.len(), self.f.cols);
    }
}

const HALF_LN_2PI: f64 = 0.918_938_533_204_672_7;

/// Φ(x) = P(N(0, 1) ≤ x)
fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + Real::erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

/// φ(x), the density of N(0, 1)
fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x - HALF_LN_2PI).exp()
}

/// E|d + σ ε| = 2σ φ(d/σ) + d (2Φ(d/σ) − 1)
fn mean_abs(d: f64, sigma: f64) -> f64 {
    2.0 * sigma * normal_density(d / sigma) + d * (2.0 * normal_cdf(d / sigma) - 1.0)
}
