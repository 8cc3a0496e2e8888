//! Principal components of curves.

use super::{StructureError, symmetric_eigen};
use crate::data::Matrix;

/// A curve as it was observed: values at times of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// When it was observed, in any order
    pub times: Vec<f64>,
    /// What was observed, with noise; as many as times
    pub values: Vec<f64>,
}

/// How [`FunctionalPca::fit`] smooths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// G, the number of equidistant times at which mean and covariance are estimated, at least 2
    pub points: usize,
    /// The standard deviation of the normal kernel of the local linear fits, in units of time
    pub bandwidth: f64,
    /// The most components to keep
    pub components: usize,
}

/// Functional principal components of curves that were observed with noise at few times, each at its own: PACE, principal analysis by
/// conditional expectation (Yao, Müller & Wang 2005).
///
/// y_ij = μ(t_ij) + Σ_k ξ_ik φ_k(t_ij) + ε_ij,   ξ_ik ~ N(0, λ_k), ε_ij ~ N(0, σ²)
///
/// μ and the covariance of two different times are local linear fits to all observations and to all products of two residuals of one
/// curve. φ_k and λ_k are the eigenfunctions and eigenvalues of that covariance. Given these, σ² is the one of the largest likelihood of
/// the curves, and stands for what the components lack, too. (Yao, Müller & Wang take what the variance at a time exceeds the diagonal of
/// the covariance by. Smoothing lowers the diagonal, so that that noise may be many times too large.) Between the points of the grid all
/// functions are interpolated linearly, and beyond its ends they are constant.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionalPca {
    /// The times of the grid, G of them
    pub grid: Vec<f64>,
    /// μ on the grid
    pub mean: Vec<f64>,
    /// φ_k on the grid, (m, G): the integral of φ_k φ_l is 1 for k = l and otherwise 0. Signs are arbitrary
    pub functions: Matrix<f64>,
    /// λ_k, largest first, all positive
    pub variances: Vec<f64>,
    /// σ²
    pub noise: f64,
}

/// What is expected of a curve at some times, given what was observed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePrediction {
    /// E[μ + Σ ξ_k φ_k]
    pub mean: Vec<f64>,
    /// Its variance, without that of the noise
    pub variance: Vec<f64>,
}

/// What is known of the scores of a curve.
struct Posterior {
    /// E[ξ | y]
    scores: Vec<f64>,
    /// S = Cov[ξ | y]
    covariance: Matrix<f64>,
    /// Φᵀ(y − μ)/σ²
    pull: Vec<f64>,
    /// ln det S⁻¹
    log_det: f64,
}

impl FunctionalPca {
    /// Mean, covariance and noise of these curves. Fewer components than asked for are kept where fewer eigenvalues are positive.
    ///
    /// # Errors
    /// [`StructureError::FewCurves`] if no curve has two observations, or the kernel is so narrow that a fit has nothing near it.
    ///
    /// # Panics
    /// If a curve has not as many values as times, a number of it is not finite, G is below 2, or the bandwidth is not positive.
    #[track_caller]
    pub fn fit(curves: &[Curve], smoothing: &Smoothing) -> Result<Self, StructureError> {
        let Smoothing { points, bandwidth, components } = *smoothing;
        assert!(
            points > 1 && bandwidth > 0.0,
            "FunctionalPca: expected two points or more and a positive bandwidth, found {smoothing:?}"
        );
        for (i, Curve { times, values }) in curves.iter().enumerate() {
            let sound = times.len() == values.len() && times.iter().chain(values).all(|x| x.is_finite());
            assert!(
                sound,
                "FunctionalPca: expected as many finite values as times, found curve {i} otherwise"
            );
        }
        let few = || {
            let pairs = curves.iter().filter(|curve| curve.times.len() > 1).count();
            StructureError::FewCurves { curves: curves.len(), pairs }
        };
        let all = || curves.iter().flat_map(|curve| curve.times.iter().copied());
        let (first, last) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        if first >= last {
            return Err(few());
        }
        let step = (last - first) / (points - 1) as f64;
        let grid: Vec<f64> = (0..points).map(|g| first + step * g as f64).collect();
        let along = |data: &[([f64; 2], f64)]| {
            let fits = grid.iter().map(|&t| local_linear(data, [t, 0.0], bandwidth));
            fits.collect::<Option<Vec<f64>>>().ok_or_else(few)
        };

        let observed = curves.iter().flat_map(|curve| curve.times.iter().zip(&curve.values));
        let mean = along(&observed.map(|(&t, &y)| ([t, 0.0], y)).collect::<Vec<_>>())?;
        let mut products = Vec::new();
        for Curve { times, values } in curves {
            let rest: Vec<f64> =
                times.iter().zip(values).map(|(&t, y)| y - interpolate(&grid, &mean, t)).collect();
            for (j, &t) in times.iter().enumerate() {
                let others = (0..times.len()).filter(|&l| l != j);
                products.extend(others.map(|l| ([t, times[l]], rest[j] * rest[l])));
            }
        }
        let mut covariance = vec![0.0; points * points];
        for g in 0..points {
            for h in 0..=g {
                let fit = local_linear(&products, [grid[g], grid[h]], bandwidth).ok_or_else(few)?;
                (covariance[g * points + h], covariance[h * points + g]) = (fit, fit);
            }
        }
        let eigen = symmetric_eigen(&Matrix::new(points, points, covariance));
        let most = eigen.values[0].max(0.0);
        let kept = eigen.values.iter().take(components).take_while(|value| **value > 1e-10 * most).count();
        let first_rows: Vec<usize> = (0..kept).collect();
        let fitted = Self {
            mean,
            functions: eigen.vectors.select(&first_rows).map(|x| x / step.sqrt()),
            variances: eigen.values[..kept].iter().map(|value| value * step).collect(),
            noise: 1.0,
            grid,
        };
        Ok(fitted.with_likely_noise(curves))
    }

    /// The same components with the σ² of the largest likelihood, by golden sections of ln σ².
    fn with_likely_noise(self, curves: &[Curve]) -> Self {
        let rest = |curve: &Curve| {
            let rest = curve.times.iter().zip(&curve.values);
            rest.map(|(&t, y)| (y - interpolate(&self.grid, &self.mean, t)).powi(2)).sum::<f64>()
        };
        let count: usize = curves.iter().map(|curve| curve.times.len()).sum();
        let variance = curves.iter().map(rest).sum::<f64>() / count as f64;
        let with = |log_noise: f64| Self { noise: log_noise.exp(), ..self.clone() };
        let value = |log_noise: f64| {
            let fitted = with(log_noise);
            curves.iter().map(|curve| fitted.log_likelihood(curve)).sum::<f64>()
        };
        let high = variance.max(f64::MIN_POSITIVE).ln();
        let (mut low, mut high) = (high - 12.0, high);
        let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
        while high - low > 1e-3 {
            let (a, b) = (high - golden * (high - low), low + golden * (high - low));
            if value(a) > value(b) { high = b } else { low = a }
        }
        with(0.5 * (low + high))
    }

    /// log N(y; μ, Φ Λ Φᵀ + σ² I) of what was observed of a curve, in nats.
    pub fn log_likelihood(&self, curve: &Curve) -> f64 {
        let n = curve.times.len() as f64;
        let Posterior { scores, pull, log_det, .. } = self.posterior(curve);
        let rest = curve.times.iter().zip(&curve.values);
        let squares: f64 = rest.map(|(&t, y)| (y - interpolate(&self.grid, &self.mean, t)).powi(2)).sum();
        let explained: f64 = scores.iter().zip(&pull).map(|(s, p)| s * p).sum();
        let log_prior: f64 = self.variances.iter().map(|x| x.ln()).sum();
        let log_det = n * self.noise.ln() + log_prior + log_det;
        -0.5 * (squares / self.noise - explained + log_det + n * 2.0 * autograd::numerics::HALF_LN_2PI)
    }

    /// E[ξ | y] of a curve (m), and Cov[ξ | y] (m, m), with S = (diag(1/λ) + ΦᵀΦ/σ²)⁻¹: S Φᵀ(y − μ)/σ², and S.
    fn posterior(&self, curve: &Curve) -> Posterior {
        let m = self.variances.len();
        let mut precision = vec![0.0; m * m];
        let mut pull = vec![0.0; m];
        (0..m).for_each(|k| precision[k * m + k] = 1.0 / self.variances[k]);
        for (&t, y) in curve.times.iter().zip(&curve.values) {
            let phi = self.functions_at(t);
            let rest = y - interpolate(&self.grid, &self.mean, t);
            for k in 0..m {
                pull[k] += phi[k] * rest / self.noise;
                (0..m).for_each(|l| precision[k * m + l] += phi[k] * phi[l] / self.noise);
            }
        }
        let eigen = symmetric_eigen(&Matrix::new(m, m, precision));
        let entry = |k: usize, l: usize| {
            (0..m).map(|e| eigen.vectors.row(e)[k] * eigen.vectors.row(e)[l] / eigen.values[e]).sum()
        };
        let covariance =
            Matrix::new(m, m, (0..m * m).map(|kl| entry(kl / m.max(1), kl % m.max(1))).collect());
        let scores = (0..m).map(|k| covariance.row(k).iter().zip(&pull).map(|(s, p)| s * p).sum()).collect();
        let log_det = eigen.values.iter().map(|x| x.ln()).sum();
        Posterior { scores, covariance, pull, log_det }
    }

    /// The scores ξ of a curve, E[ξ | y] (m). Without observations they are 0.
    pub fn scores(&self, curve: &Curve) -> Vec<f64> {
        self.posterior(curve).scores
    }

    /// What a curve is at these times, given its observations.
    pub fn predict(&self, curve: &Curve, at: &[f64]) -> CurvePrediction {
        let Posterior { scores, covariance, .. } = self.posterior(curve);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mean = |&t: &f64| interpolate(&self.grid, &self.mean, t) + dot(&self.functions_at(t), &scores);
        let variance = |&t: &f64| {
            let phi = self.functions_at(t);
            (0..phi.len()).map(|k| phi[k] * dot(covariance.row(k), &phi)).sum()
        };
        CurvePrediction { mean: at.iter().map(mean).collect(), variance: at.iter().map(variance).collect() }
    }

    /// φ_1(t) … φ_m(t)
    fn functions_at(&self, t: f64) -> Vec<f64> {
        (0..self.functions.rows).map(|k| interpolate(&self.grid, self.functions.row(k), t)).collect()
    }
}

/// The function of these values on an equidistant grid at t.
fn interpolate(grid: &[f64], values: &[f64], t: f64) -> f64 {
    let last = grid.len() - 1;
    let place = ((t - grid[0]) / (grid[last] - grid[0]) * last as f64).clamp(0.0, last as f64);
    let left = (place as usize).min(last - 1);
    let share = place - left as f64;
    values[left] * (1.0 - share) + values[left + 1] * share
}

/// The value at a place of the plane that is fitted best by weights of a normal kernel there; none if nothing is near. A small ridge on
/// the slopes makes it the weighted mean where data lie on a line or a point.
fn local_linear(data: &[([f64; 2], f64)], at: [f64; 2], bandwidth: f64) -> Option<f64> {
    let [mut s0, mut s1, mut s2, mut s11, mut s12, mut s22] = [0.0; 6];
    let [mut t0, mut t1, mut t2] = [0.0; 3];
    for &([x1, x2], y) in data {
        let (a, b) = ((x1 - at[0]) / bandwidth, (x2 - at[1]) / bandwidth);
        let w = (-0.5 * (a * a + b * b)).exp();
        (s0, s1, s2) = (s0 + w, s1 + w * a, s2 + w * b);
        (s11, s12, s22) = (s11 + w * a * a, s12 + w * a * b, s22 + w * b * b);
        (t0, t1, t2) = (t0 + w * y, t1 + w * a * y, t2 + w * b * y);
    }
    if s0 < 1e-100 {
        return None;
    }
    let ridge = 1e-6 * s0;
    let (s11, s22) = (s11 + ridge, s22 + ridge);
    let det = s11 * s22 - s12 * s12;
    let (c1, c2) = ((s22 * s1 - s12 * s2) / det, (s11 * s2 - s12 * s1) / det);
    Some((t0 - c1 * t1 - c2 * t2) / (s0 - c1 * s1 - c2 * s2))
}
