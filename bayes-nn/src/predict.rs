//! What a posterior says of new rows.

use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::stats::root_mean_square;
use rayon::prelude::*;

use crate::{BayesMlp, Draws, Likelihood};

/// The posterior predictive distribution of rows: for each row a mixture, with equal weights, of one normal distribution for
/// every draw of θ,
///
/// p(y|x, Y) = ∫ ℓ(y|x, θ) p(θ|Y) dθ ≈ 1/S Σₛ N(y; fₛ(x), σₛ²(x))
#[derive(Clone, Debug, PartialEq)]
pub struct Predictive {
    /// fₛ(x), (draws, rows): each row of this matrix is one function drawn from the posterior.
    pub f: Matrix<f64>,
    /// σₛ(x), (draws, rows).
    pub sigma: Matrix<f64>,
}

/// The number of rows that are computed at a time.
const ROWS: usize = 256;

impl BayesMlp {
    /// The predictive distribution of the rows of x, (rows, inputs).
    ///
    /// # Panics
    /// If there are no draws, or the draws or the rows are not as long as the model expects.
    #[track_caller]
    pub fn predict<F: Real>(&self, draws: &Draws<F>, x: &Matrix<F>) -> Predictive {
        let (count, rows, inputs) = (draws.theta.rows, x.rows, self.mlp().inputs());
        self.check_draws(draws);
        assert!(x.cols == inputs, "predict: x: expected rows of {inputs} numbers, found {}", x.cols);
        let (mut f, mut sigma) = (vec![0.0; count * rows], vec![0.0; count * rows]);
        let each = f.par_chunks_mut(rows.max(1)).zip(sigma.par_chunks_mut(rows.max(1))).enumerate();
        each.for_each_init(Tape::new, |tape, (s, (f, sigma))| {
            let parts = f.chunks_mut(ROWS).zip(sigma.chunks_mut(ROWS));
            for ((f, sigma), x) in parts.zip(x.values.chunks(ROWS * inputs)) {
                tape.clear();
                let x = tape.constant(x, [f.len(), inputs]);
                let theta = tape.constant(draws.theta.row(s), [self.dim()]);
                let outputs: Vec<f64> =
                    self.mlp().apply(theta, x).to_vec().into_iter().map(Real::to_f64).collect();
                self.likelihood_layer().moments(&outputs, || draws.log_sigma[s], f, sigma);
            }
        });
        Predictive { f: Matrix::new(count, rows, f), sigma: Matrix::new(count, rows, sigma) }
    }

    #[track_caller]
    fn check_draws<F>(&self, draws: &Draws<F>) {
        let Draws { theta, log_sigma } = draws;
        assert!(theta.rows > 0, "predict: draws: expected at least 1, found 0");
        let (expected, found) = (self.dim(), theta.cols);
        assert!(found == expected, "predict: θ: expected {expected} numbers, found {found}");
        let expected = if self.config().likelihood == Likelihood::NormalHead { 0 } else { theta.rows };
        let found = log_sigma.len();
        assert!(found == expected, "predict: log σ: expected {expected} numbers, found {found}");
    }
}

impl Predictive {
    /// The predictive distribution of scale · y + shift: from standardised units back to those of the target.
    ///
    /// # Panics
    /// If the scale is not greater than 0.
    #[track_caller]
    pub fn rescaled(&self, scale: f64, shift: f64) -> Self {
        assert!(scale > 0.0, "rescaled: scale: expected a number greater than 0, found {scale}");
        Self { f: self.f.map(|f| scale * f + shift), sigma: self.sigma.map(|sigma| scale * sigma) }
    }

    /// E[y|x] of each row, the mean of the drawn functions.
    pub fn mean(&self) -> Vec<f64> {
        self.over_draws(|f, _| f)
    }

    /// Var[fₛ(x)] of each row: what is not known about the function. More data would reduce it.
    pub fn epistemic(&self) -> Vec<f64> {
        let mean = self.mean();
        let squares =
            |i: usize| self.draws_of(i).map(move |(f, _)| f).map(|f| (f - mean[i]).powi(2)).sum::<f64>();
        (0..self.f.cols).map(|i| squares(i) / self.f.rows as f64).collect()
    }

    /// E[σₛ²(x)] of each row: the noise of an observation. It remains, however much data there are.
    pub fn aleatoric(&self) -> Vec<f64> {
        self.over_draws(|_, sigma| sigma * sigma)
    }

    /// Var[y|x] of each row, the sum of [`epistemic`](Self::epistemic) and [`aleatoric`](Self::aleatoric).
    pub fn variance(&self) -> Vec<f64> {
        self.epistemic()
            .iter()
            .zip(self.aleatoric())
            .map(|(epistemic, aleatoric)| epistemic + aleatoric)
            .collect()
    }

    /// The root of [`epistemic`](Self::epistemic), for targets of any magnitude: where a square is too large or too small for
    /// double precision, its root is not.
    pub fn epistemic_sd(&self) -> Vec<f64> {
        let mean = self.mean();
        let sd = |i: usize| root_mean_square(self.draws_of(i).map(|(f, _)| f - mean[i]));
        (0..self.f.cols).map(sd).collect()
    }

    /// The root of [`aleatoric`](Self::aleatoric), for targets of any magnitude.
    pub fn aleatoric_sd(&self) -> Vec<f64> {
        (0..self.f.cols).map(|i| root_mean_square(self.draws_of(i).map(|(_, sigma)| sigma))).collect()
    }

    /// The root of [`variance`](Self::variance), for targets of any magnitude.
    pub fn sd(&self) -> Vec<f64> {
        let (epistemic, aleatoric) = (self.epistemic_sd(), self.aleatoric_sd());
        epistemic
            .into_iter()
            .zip(aleatoric)
            .map(|(epistemic, aleatoric)| epistemic.hypot(aleatoric))
            .collect()
    }

    /// log p(y|x) = log 1/S Σₛ N(y; fₛ, σₛ²) in nats, of one observation for each row.
    ///
    /// # Panics
    /// If there are not as many observations as rows.
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

    /// P(y' ≤ y|x) of one observation y for each row. If the predictive distribution is right, these numbers are uniform in
    /// \[0, 1\].
    ///
    /// # Panics
    /// If there are not as many observations as rows.
    #[track_caller]
    pub fn cdf(&self, y: &[f64]) -> Vec<f64> {
        self.check("cdf", y);
        y.iter().enumerate().map(|(i, &y)| self.cdf_of(i, y)).collect()
    }

    /// For each row the value below which y lies with probability p. It is exact to 1e-9 of the distribution's width, or to the
    /// spacing of floating-point numbers of its size.
    ///
    /// # Panics
    /// If p does not lie between 0 and 1.
    #[track_caller]
    pub fn quantile(&self, p: f64) -> Vec<f64> {
        assert!(p > 0.0 && p < 1.0, "quantile: p: expected a number between 0 and 1, found {p}");
        (0..self.f.cols).into_par_iter().map(|i| self.quantile_of(i, p)).collect()
    }

    /// The quantile of row i, by bisection between places below and above the quantiles of all components: |Φ⁻¹(p)| is at most
    /// 40.
    fn quantile_of(&self, i: usize, p: f64) -> f64 {
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
    }

    /// The continuous ranked probability score ∫ (P(y' ≤ t|x) − 1[y ≤ t])² dt of one observation for each row, in units of y.
    /// Smaller is better; for a prediction f that is certain it is |y − f|. For a mixture of normal distributions it has a
    /// closed form (Grimit et al. 2006, eq. 5):
    ///
    /// 1/S Σₛ A(y − fₛ, σₛ²) − 1/(2S²) Σₛₜ A(fₛ − fₜ, σₛ² + σₜ²),   A(d, v) = E|d + √v ε|
    ///
    /// # Panics
    /// If there are not as many observations as rows.
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

    /// (fₛ, σₛ) of row i, for every draw s.
    fn draws_of(&self, i: usize) -> impl Iterator<Item = (f64, f64)> + Clone {
        (0..self.f.rows).map(move |s| (self.f.row(s)[i], self.sigma.row(s)[i]))
    }

    /// The mean of g(fₛ, σₛ) over the draws, for each row.
    fn over_draws(&self, g: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mean = |i| self.draws_of(i).map(|(f, sigma)| g(f, sigma)).sum::<f64>() / self.f.rows as f64;
        (0..self.f.cols).map(mean).collect()
    }

    fn cdf_of(&self, i: usize, y: f64) -> f64 {
        self.draws_of(i).map(|(f, sigma)| normal_cdf((y - f) / sigma)).sum::<f64>() / self.f.rows as f64
    }

    #[track_caller]
    fn check(&self, what: &str, y: &[f64]) {
        let (expected, found) = (self.f.cols, y.len());
        assert!(found == expected, "{what}: y: expected {expected} observations, found {found}");
    }
}

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
