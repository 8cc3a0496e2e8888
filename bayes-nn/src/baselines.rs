//! What a network must be better than.

use autograd::Tape;
use autograd::numerics::HALF_LN_2PI;
use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::{LX, LtX, XL};
use nn::data::Matrix;
use nn::train::Noise;

use crate::Predictive;
use crate::predict::log_mean_exp;

/// Bayesian linear regression with an unknown noise level, whose posterior is known exactly:
///
/// y ~ N(b + (x − x̄)ᵀ w, σ²),   w ~ N(0, v σ² I),   p(b, ln σ) constant
///
/// where x̄ is the mean of the rows and v the number that makes the targets most likely (MacKay 1992, "Bayesian interpolation"). With
/// d inputs, N rows and targets y − ȳ, the posterior is
///
/// Λ = XᵀX + I/v,   m = Λ⁻¹ Xᵀ y,   S = ‖y‖² − mᵀ Xᵀ y,
/// S/σ² ~ χ²(N − 1),   w ~ N(m, σ² Λ⁻¹),   b ~ N(ȳ, σ²/N)
///
/// and a new y has a Student distribution with N − 1 degrees of freedom (Gelman et al. 2013, section 14.2). Where v is large, these
/// are least squares with its prediction intervals. Inputs should be standardised, since all weights share one v.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearBaseline {
    /// v, the prior variance of a weight in units of σ².
    pub variance: f64,
    /// m, (d).
    pub weights: Vec<f64>,
    /// S, the sum of squares that the weights leave, with what the prior takes.
    pub squares: f64,
    /// log p(y) up to a number that v does not change; [`learned_log_evidence`](Self::learned_log_evidence) has it with proper priors.
    pub log_evidence: f64,
    /// log det(I + v XᵀX)
    log_det: f64,
    x_mean: Vec<f64>,
    y_mean: f64,
    rows: usize,
    /// The lower triangular L with L Lᵀ = Λ, (d, d).
    factor: Matrix<f64>,
}

impl LinearBaseline {
    /// The posterior for inputs (N, d) and targets y (N). v is the best of 10⁻⁶, 10⁻⁵·⁷⁵ … 10⁶.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if the numbers are so large that Λ has no Cholesky factor.
    ///
    /// # Panics
    /// If there are fewer than two rows, or not as many targets.
    #[track_caller]
    pub fn fit(x: &Matrix<f64>, y: &[f64]) -> Result<Self, NotPositiveDefinite> {
        assert!(x.rows > 1, "linear baseline: expected at least 2 rows, found {}", x.rows);
        assert!(x.rows == y.len(), "linear baseline: expected {} targets, found {}", x.rows, y.len());
        let variances = (-24..=24).map(|k| 10_f64.powf(f64::from(k) / 4.0));
        let mut best: Option<Self> = None;
        for variance in variances {
            let found = Self::given(x, y, variance)?;
            if best.as_ref().is_none_or(|best| found.log_evidence > best.log_evidence) {
                best = Some(found);
            }
        }
        Ok(best.expect("there are variances"))
    }

    /// log p(y) in nats of the line, with scales of the prior at their best, to be compared with the bound of a network that learns
    /// the same standardised rows with [`WeightPrior::Learned`](crate::WeightPrior::Learned) and
    /// [`Likelihood::NormalLearned`](crate::Likelihood::NormalLearned): log σ ~ N(`mean`, `sd`²), b ~ N(0, ȳ²), and v is that of
    /// [`fit`](Self::fit). With N rows
    ///
    /// p(y|σ, v) = N(y; 0, σ² (I + v XXᵀ) + ȳ² 11ᵀ),   log det = (N − 1) log σ² + log(σ² + N ȳ²) + log det(I + v XᵀX)
    ///
    /// since the columns of X have the mean 0, so that 1 is an eigenvector. The integral over log σ is a sum over a grid.
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if the numbers are so large that Λ has no Cholesky factor.
    ///
    /// # Panics
    /// If there are fewer than two rows, or not as many targets.
    #[track_caller]
    pub fn learned_log_evidence(
        x: &Matrix<f64>,
        y: &[f64],
        mean: f64,
        sd: f64,
    ) -> Result<f64, NotPositiveDefinite> {
        Ok(Self::fit(x, y)?.integrate_noise(mean, sd))
    }

    /// log ∫ p(y|σ, v) N(log σ; mean, sd²) d log σ
    fn integrate_noise(&self, mean: f64, sd: f64) -> f64 {
        let n = self.rows as f64;
        let log_joint = |u: f64| {
            let (noise, level) = ((2.0 * u).exp(), n * self.y_mean.powi(2));
            let squares = self.squares / noise + level / (noise + level);
            let log_det = (n - 1.0) * 2.0 * u + (noise + level).ln() + self.log_det;
            let prior = -0.5 * ((u - mean) / sd).powi(2) - sd.ln() - HALF_LN_2PI;
            -0.5 * (log_det + squares) - n * HALF_LN_2PI + prior
        };
        // Newton's method for the maximum, without the terms of b: −(N − 1) u − ½ S e^(−2u) − ½ (u − mean)²/sd² is concave.
        let (mut u, mut curvature) = (0.5 * (self.squares / (n - 1.0)).ln(), 0.0);
        for _ in 0..50 {
            let ratio = self.squares * (-2.0 * u).exp();
            curvature = 2.0 * ratio + 1.0 / (sd * sd);
            u += (ratio - (n - 1.0) - (u - mean) / (sd * sd)) / curvature;
        }
        let step = 0.05 / curvature.sqrt();
        let grid: Vec<f64> = (-400..=400).map(|i| log_joint(u + step * f64::from(i))).collect();
        log_mean_exp(&grid) + (step * grid.len() as f64).ln()
    }

    /// The posterior for this v. log p(y) = −½ log det(I + v XᵀX) − ½ (N − 1) log S + const
    fn given(x: &Matrix<f64>, y: &[f64], variance: f64) -> Result<Self, NotPositiveDefinite> {
        let (tape, [n, d]) = (Tape::new(), [x.rows, x.cols]);
        let (x, y) = (tape.shared_constant(&x.values, [n, d]), tape.constant(y, [n, 1]));
        let (x_mean, y_mean) = (x.mean_axis(0), y.mean());
        let (x, y) = (x - x_mean, y - y_mean);
        let identity = tape.constant(&vec![1.0; d], [d]).diagonal_matrix();
        let l = (x.t_matmul(x) + identity / variance).cholesky()?;
        let moment = x.t_matmul(y);
        let weights = l.solve_triangular(l.solve_triangular(moment, LX), LtX);
        let total = y.square().sum().item();
        // Rounding leaves a little where the line meets every target.
        let squares = (total - (weights * moment).sum().item()).max(1e-12 * total).max(f64::MIN_POSITIVE);
        let log_det = l.log_det_from_factor().item() + d as f64 * variance.ln();
        Ok(Self {
            variance,
            weights: weights.to_vec(),
            squares,
            log_evidence: -0.5 * (log_det + (n - 1) as f64 * squares.ln()),
            log_det,
            x_mean: x_mean.to_vec(),
            y_mean: y_mean.item(),
            rows: n,
            factor: Matrix::new(d, d, l.to_vec()),
        })
    }

    /// The predictive distribution of the rows of x, by `count` draws of (b, w, σ) from the posterior.
    ///
    /// # Panics
    /// If `count` is 0, or the rows have another length than those that were fitted.
    #[track_caller]
    pub fn predict(&self, x: &Matrix<f64>, count: usize, seed: u64) -> Predictive {
        let (rows, d) = (x.rows, self.weights.len());
        assert!(count > 0, "linear baseline: draws: expected at least 1, found 0");
        assert!(x.cols == d, "linear baseline: expected rows of {d} numbers, found {}", x.cols);
        let noise = Noise::evaluation(seed);
        // S/σ² is a sum of squares of N − 1 standard normal numbers.
        let sigma = (0..count).map(|s| {
            let mut xi = vec![0.0; self.rows - 1];
            noise.skip(s).normal(1, self.rows - 1, &mut xi);
            (self.squares / xi.iter().map(|xi: &f64| xi * xi).sum::<f64>()).sqrt()
        });
        let sigma: Vec<f64> = sigma.collect();
        let mut xi = vec![0.0; count * (d + 1)];
        noise.normal(0, d + 1, &mut xi);

        let tape = Tape::new();
        let xi = tape.constant(&xi, [count, d + 1]);
        let scale = tape.constant(&sigma, [count, 1]);
        let (of_weights, of_constant) = (xi.columns(0..d), xi.columns(d..d + 1));
        // In rows: (L⁻ᵀ ξ)ᵀ = ξᵀ L⁻¹.
        let l = tape.constant(&self.factor.values, [d, d]);
        let weights = l.solve_triangular(of_weights, XL) * scale + tape.constant(&self.weights, [d]);
        let constant = of_constant * scale / (self.rows as f64).sqrt() + self.y_mean;
        let x = tape.shared_constant(&x.values, [rows, d]) - tape.constant(&self.x_mean, [d]);
        let f = weights.matmul_t(x) + constant;
        let sigma = sigma.iter().flat_map(|&sigma| vec![sigma; rows]).collect();
        Predictive::normal(Matrix::new(count, rows, f.to_vec()), Matrix::new(count, rows, sigma))
    }
}
