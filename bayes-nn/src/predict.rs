//! What a posterior says of new rows.

use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::stats::root_mean_square;
use rayon::prelude::*;

use crate::components::normal_cdf;
use crate::{BayesMlp, BayesMlpConfig, ClassPredictive, Components, Draws, Likelihood};

/// The posterior predictive distribution of rows: for each row a mixture, with equal weights, of one distribution for every draw
/// of θ,
///
/// p(y|x, Y) = ∫ ℓ(y|x, θ) p(θ|Y) dθ ≈ 1/S Σₛ ℓ(y|x, θₛ)
///
/// Every ℓ(y|x, θₛ) has the mean fₛ(x) and the standard deviation σₛ(x); where these are normal distributions, they say all.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictive {
    /// fₛ(x), (draws, rows): each row of this matrix is one function drawn from the posterior.
    pub f: Matrix<f64>,
    /// σₛ(x), (draws, rows).
    pub sigma: Matrix<f64>,
    /// What ℓ(y|x, θₛ) is.
    pub components: Components,
}

/// The number of rows that are computed at a time.
const ROWS: usize = 256;
/// The number of places at which a score without a closed form looks at a distribution.
const PLACES: f64 = 512.0;

impl BayesMlp {
    /// The predictive distribution of the rows of x, (rows, inputs), for a model of one number.
    ///
    /// # Panics
    /// If the model has several outputs or is one of classes, there are no draws, or the draws or the rows are not as long as the
    /// model expects.
    #[track_caller]
    pub fn predict<F: Real>(&self, draws: &Draws<F>, x: &Matrix<F>) -> Predictive {
        let outputs = self.config().outputs;
        assert!(
            outputs == 1,
            "predict: expected a model of one number, found {outputs}: see predict_outputs, predict_classes"
        );
        let mut all = self.predict_outputs(draws, x);
        all.pop().expect("there is one")
    }

    /// The predictive distributions of the rows of x, (rows, inputs), one for each output of a model of numbers or counts. What the
    /// outputs have in common through θ, these do not say.
    ///
    /// # Panics
    /// If the model is one of classes, there are no draws, or the draws or the rows are not as long as the model expects.
    #[track_caller]
    pub fn predict_outputs<F: Real>(&self, draws: &Draws<F>, x: &Matrix<F>) -> Vec<Predictive> {
        let BayesMlpConfig { outputs, likelihood, .. } = *self.config();
        let of_classes = likelihood == Likelihood::Categorical;
        assert!(
            !of_classes,
            "predict: expected a model of numbers, found one of classes: see predict_classes"
        );
        let raw = self.outputs_of(draws, x);
        let (count, rows, layer) = (draws.theta.rows, x.rows, self.likelihood_layer());
        let width = outputs * likelihood.heads();
        let output = |d: usize| {
            let (mut f, mut sigma) = (vec![0.0; count * rows], vec![0.0; count * rows]);
            let each = f.par_chunks_mut(rows.max(1)).zip(sigma.par_chunks_mut(rows.max(1))).enumerate();
            each.for_each(|(s, (f, sigma))| {
                let outputs = raw.row(s).chunks_exact(width);
                for ((f, sigma), outputs) in f.iter_mut().zip(sigma).zip(outputs) {
                    (*f, *sigma) = layer.moments(outputs, draws.unknowns.row(s), d);
                }
            });
            let [f, sigma] = [f, sigma].map(|values| Matrix::new(count, rows, values));
            Predictive { f, sigma, components: layer.components(&draws.unknowns.values, outputs, d) }
        };
        (0..outputs).map(output).collect()
    }

    /// The predictive distribution of the rows of x, (rows, inputs), for a model of classes.
    ///
    /// # Panics
    /// If the model is not one of classes, there are no draws, or the draws or the rows are not as long as the model expects.
    #[track_caller]
    pub fn predict_classes<F: Real>(&self, draws: &Draws<F>, x: &Matrix<F>) -> ClassPredictive {
        let BayesMlpConfig { outputs, likelihood, .. } = *self.config();
        let of_classes = likelihood == Likelihood::Categorical;
        assert!(of_classes, "predict_classes: expected a model of classes, found {likelihood:?}");
        ClassPredictive::of_logits(self.outputs_of(draws, x), outputs)
    }

    /// f of each draw of θ, (draws, rows · outputs of the network).
    #[track_caller]
    fn outputs_of<F: Real>(&self, draws: &Draws<F>, x: &Matrix<F>) -> Matrix<f64> {
        let (count, rows, inputs) = (draws.theta.rows, x.rows, self.mlp().inputs());
        self.check_draws(draws);
        assert!(x.cols == inputs, "predict: x: expected rows of {inputs} numbers, found {}", x.cols);
        let width = self.config().outputs * self.config().likelihood.heads();
        let mut f = vec![0.0; count * rows * width];
        let each = f.par_chunks_mut((rows * width).max(1)).enumerate();
        each.for_each_init(Tape::new, |tape, (s, f)| {
            for (f, x) in f.chunks_mut(ROWS * width).zip(x.values.chunks(ROWS * inputs)) {
                tape.clear();
                let x = tape.constant(x, [x.len() / inputs, inputs]);
                let theta = tape.constant(draws.theta.row(s), [self.dim()]);
                self.apply(theta, x).with(|outputs| {
                    f.iter_mut().zip(outputs).for_each(|(f, &output)| *f = output.to_f64());
                });
            }
        });
        Matrix::new(count, rows * width, f)
    }

    #[track_caller]
    fn check_draws<F>(&self, draws: &Draws<F>) {
        let Draws { theta, unknowns } = draws;
        assert!(theta.rows > 0, "predict: draws: expected at least 1, found 0");
        let (expected, found) = (self.dim(), theta.cols);
        assert!(found == expected, "predict: θ: expected {expected} numbers, found {found}");
        let (expected, found) =
            ([theta.rows, self.likelihood_layer().unknowns()], [unknowns.rows, unknowns.cols]);
        assert!(found == expected, "predict: unknowns: expected {expected:?} numbers, found {found:?}");
    }
}

impl Predictive {
    /// A mixture of normal distributions N(fₛ, σₛ²), from matrices (draws, rows).
    ///
    /// # Panics
    /// If the two differ in size.
    #[track_caller]
    pub fn normal(f: Matrix<f64>, sigma: Matrix<f64>) -> Self {
        let (expected, found) = ([f.rows, f.cols], [sigma.rows, sigma.cols]);
        assert!(found == expected, "Predictive: σ: expected {expected:?}, found {found:?}");
        Self { f, sigma, components: Components::Normal }
    }

    /// What is said of these rows, by number.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        let (f, sigma) = (self.f.columns(rows), self.sigma.columns(rows));
        Self { f, sigma, components: self.components.clone() }
    }

    /// The predictive distribution of scale · y + shift: from standardised units back to those of the target.
    ///
    /// # Panics
    /// If the scale is not greater than 0, or counts would become others.
    #[track_caller]
    pub fn rescaled(&self, scale: f64, shift: f64) -> Self {
        assert!(scale > 0.0, "rescaled: scale: expected a number greater than 0, found {scale}");
        let may_be = !self.components.is_of_counts() || (scale, shift) == (1.0, 0.0);
        assert!(may_be, "rescaled: expected counts as they are, found scale {scale} and shift {shift}");
        let (f, sigma) = (self.f.map(|f| scale * f + shift), self.sigma.map(|sigma| scale * sigma));
        Self { f, sigma, components: self.components.clone() }
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

    /// log p(y|x) = log 1/S Σₛ ℓ(y|x, θₛ) in nats, of one observation for each row; of counts it is a probability.
    ///
    /// # Panics
    /// If there are not as many observations as rows.
    #[track_caller]
    pub fn log_density(&self, y: &[f64]) -> Vec<f64> {
        self.check("log_density", y);
        let row = |(i, &y): (usize, &f64)| {
            let logs: Vec<f64> =
                self.numbered(i).map(|(s, moments)| self.components.log_density(s, moments, y)).collect();
            log_mean_exp(&logs) + self.components.constant()
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

    /// P(y' < y|x) + ½ P(y' = y|x) of one observation y for each row: the probability of [`cdf`](Self::cdf), but for counts, whose
    /// steps it halves. If the predictive distribution is right, its mean over rows is ½, and counts that are not small make it
    /// nearly uniform (Czado, Gneiting & Held 2009, "Predictive model assessment for count data").
    ///
    /// # Panics
    /// If there are not as many observations as rows.
    #[track_caller]
    pub fn mid_cdf(&self, y: &[f64]) -> Vec<f64> {
        self.check("cdf", y);
        let step = if self.components.is_of_counts() { 1.0 } else { 0.0 };
        let of = |(i, &y): (usize, &f64)| 0.5 * (self.cdf_of(i, y) + self.cdf_of(i, y - step));
        y.iter().enumerate().map(of).collect()
    }

    /// For each row the value below which y lies with probability p. It is exact to 1e-9 of the distribution's width, or to the
    /// spacing of floating-point numbers of its size. Of counts it is the least one up to which there is at least the probability p.
    ///
    /// # Panics
    /// If p does not lie between 0 and 1.
    #[track_caller]
    pub fn quantile(&self, p: f64) -> Vec<f64> {
        assert!(p > 0.0 && p < 1.0, "quantile: p: expected a number between 0 and 1, found {p}");
        (0..self.f.cols).into_par_iter().map(|i| self.quantile_of(i, p)).collect()
    }

    /// The quantile of row i, by bisection between places below and above it.
    fn quantile_of(&self, i: usize, p: f64) -> f64 {
        // For normal distributions |Φ⁻¹(p)| is at most 40.
        let ends = self.draws_of(i).map(|(f, sigma)| (f - 40.0 * sigma, f + 40.0 * sigma));
        let (mut low, mut high) =
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
        let (width, counts) = (high - low, self.components.is_of_counts());
        if counts {
            (low, high) = (-1.0, high.max(1.0).ceil());
        }
        while self.components != Components::Normal && self.cdf_of(i, low) > p && high - low < 1e9 * width {
            low -= high - low;
        }
        while self.components != Components::Normal && self.cdf_of(i, high) < p && high - low < 1e9 * width {
            high += high - low;
        }
        while high - low > if counts { 1.0 } else { 1e-9 * width } {
            let middle = 0.5 * (low + high);
            let middle = if counts { middle.floor() } else { middle };
            if middle <= low || middle >= high {
                break;
            }
            *(if self.cdf_of(i, middle) < p { &mut low } else { &mut high }) = middle;
        }
        if counts { high } else { 0.5 * (low + high) }
    }

    /// The continuous ranked probability score ∫ (P(y' ≤ t|x) − 1[y ≤ t])² dt of one observation for each row, in units of y.
    /// Smaller is better; for a prediction f that is certain it is |y − f|. For a mixture of normal distributions it has a
    /// closed form (Grimit et al. 2006, eq. 5):
    ///
    /// 1/S Σₛ A(y − fₛ, σₛ²) − 1/(2S²) Σₛₜ A(fₛ − fₜ, σₛ² + σₜ²),   A(d, v) = E|d + √v ε|
    ///
    /// For counts the integral is a sum: over all counts that matter, or over some hundred places where these are more. For Student's
    /// distribution it is computed to five digits.
    ///
    /// # Panics
    /// If there are not as many observations as rows.
    #[track_caller]
    pub fn crps(&self, y: &[f64]) -> Vec<f64> {
        self.check("crps", y);
        let count = self.f.rows as f64;
        let closed = |i: usize| {
            let draws: Vec<_> = self.draws_of(i).collect();
            let to_y: f64 = draws.iter().map(|&(f, sigma)| mean_abs(y[i] - f, sigma)).sum();
            let pair = |(s, &(f, sigma)): (usize, &(f64, f64))| {
                let earlier = draws[..s].iter().map(|&(g, tau)| mean_abs(f - g, sigma.hypot(tau)));
                earlier.sum::<f64>() + 0.5 * mean_abs(0.0, sigma * std::f64::consts::SQRT_2)
            };
            to_y / count - draws.iter().enumerate().map(pair).sum::<f64>() / (count * count)
        };
        let row = |i: usize| match self.components {
            Components::Normal => closed(i),
            Components::Student { .. } => self.crps_by_integral(i, y[i]),
            _ => self.crps_of_counts(i, y[i]),
        };
        (0..self.f.cols).into_par_iter().map(row).collect()
    }

    /// Σₖ (P(y' ≤ k) − 1[y ≤ k])², over all k or over every so manieth.
    fn crps_of_counts(&self, i: usize, y: f64) -> f64 {
        let (low, high) = (self.quantile_of(i, 1e-6).min(y), self.quantile_of(i, 1.0 - 1e-6).max(y));
        let side = |from: f64, to: f64, score: &dyn Fn(f64) -> f64| {
            let step = ((to - from) / PLACES).ceil().max(1.0);
            let places = (0..).map(|n| from + step * f64::from(n)).take_while(|&k| k < to);
            // The last step may be shorter.
            places
                .map(|k| step.min(to - k) * score(self.cdf_of(i, k + (step.min(to - k) / 2.0).floor())))
                .sum()
        };
        let below: f64 = side(low, y, &|cdf| cdf * cdf);
        let above: f64 = side(y, high + 1.0, &|cdf| (1.0 - cdf).powi(2));
        below + above
    }

    /// The integrals of P(y' ≤ t)² below y and of P(y' > t)² above it, out to where these are 10⁻¹².
    fn crps_by_integral(&self, i: usize, y: f64) -> f64 {
        let (low, high) = (self.quantile_of(i, 1e-6).min(y), self.quantile_of(i, 1.0 - 1e-6).max(y));
        let exact =
            1e-5 * self.draws_of(i).map(|(f, sigma)| (y - f).abs() + sigma).sum::<f64>() / self.f.rows as f64;
        let below = integral(&|t| self.cdf_of(i, t).powi(2), [low, y], exact);
        below + integral(&|t| (1.0 - self.cdf_of(i, t)).powi(2), [y, high], exact)
    }

    /// (fₛ, σₛ) of row i, for every draw s.
    fn draws_of(&self, i: usize) -> impl Iterator<Item = (f64, f64)> + Clone {
        (0..self.f.rows).map(move |s| (self.f.row(s)[i], self.sigma.row(s)[i]))
    }

    /// (s, (fₛ, σₛ)) of row i, for every draw s.
    fn numbered(&self, i: usize) -> impl Iterator<Item = (usize, (f64, f64))> + Clone {
        self.draws_of(i).enumerate()
    }

    /// The mean of g(fₛ, σₛ) over the draws, for each row.
    fn over_draws(&self, g: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mean = |i| self.draws_of(i).map(|(f, sigma)| g(f, sigma)).sum::<f64>() / self.f.rows as f64;
        (0..self.f.cols).map(mean).collect()
    }

    fn cdf_of(&self, i: usize, y: f64) -> f64 {
        self.numbered(i).map(|(s, moments)| self.components.cdf(s, moments, y)).sum::<f64>()
            / self.f.rows as f64
    }

    #[track_caller]
    fn check(&self, what: &str, y: &[f64]) {
        let (expected, found) = (self.f.cols, y.len());
        assert!(found == expected, "{what}: y: expected {expected} observations, found {found}");
    }
}

/// ∫ g of a monotone function, by Simpson's rule on parts that are halved until both halves together say the same.
fn integral(g: &dyn Fn(f64) -> f64, [from, to]: [f64; 2], exact: f64) -> f64 {
    const PARTS: i32 = 16;
    let simpson =
        |[a, b]: [f64; 2], [left, middle, right]: [f64; 3]| (b - a) / 6.0 * (left + 4.0 * middle + right);
    let end = |part: i32| from + (to - from) * f64::from(part) / f64::from(PARTS);
    let sample = |[a, b]: [f64; 2], left: f64, right: f64| ([a, b], [left, g(0.5 * (a + b)), right], 0);
    let mut parts: Vec<_> = (0..PARTS)
        .map(|part| [end(part), end(part + 1)])
        .map(|ends| sample(ends, g(ends[0]), g(ends[1])))
        .collect();
    let mut sum = 0.0;
    while let Some(([a, b], [left, middle, right], depth)) = parts.pop() {
        let (centre, whole) = (0.5 * (a + b), simpson([a, b], [left, middle, right]));
        let halves = [sample([a, centre], left, middle), sample([centre, b], middle, right)];
        let both = halves.iter().map(|&(ends, values, _)| simpson(ends, values)).sum::<f64>();
        // Of a part that is 2^depth times smaller as much less is asked.
        if depth == 30 || (both - whole).abs() < 15.0 * exact / f64::from(PARTS << depth.min(20)) {
            sum += both + (both - whole) / 15.0;
        } else {
            parts.extend(halves.map(|(ends, values, _)| (ends, values, depth + 1)));
        }
    }
    sum
}

/// log 1/S Σₛ e^aₛ
pub(crate) fn log_mean_exp(a: &[f64]) -> f64 {
    let largest = a.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let sum: f64 = a.iter().map(|a| (a - largest).exp()).sum();
    largest + (sum / a.len() as f64).ln()
}

/// φ(x), the density of N(0, 1)
fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x - HALF_LN_2PI).exp()
}

/// E|d + σ ε| = 2σ φ(d/σ) + d (2Φ(d/σ) − 1)
fn mean_abs(d: f64, sigma: f64) -> f64 {
    2.0 * sigma * normal_density(d / sigma) + d * (2.0 * normal_cdf(d / sigma) - 1.0)
}
