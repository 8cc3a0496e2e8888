//! How good predictions are.

use nn::stats::root_mean_square;

use crate::Predictive;

/// Scores of a predictive distribution on observations, in the units of y.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The root mean square error √ mean (y − E[y|x])².
    pub rmse: f64,
    /// The mean of log p(y|x), in nats per row: what benchmarks call the test log-likelihood.
    pub log_density: f64,
    /// The mean continuous ranked probability score.
    pub crps: f64,
    /// P(y' ≤ y|x) of each row.
    pub cdf: Vec<f64>,
}

impl Scores {
    /// The scores of one observation for each row.
    ///
    /// # Panics
    /// If there are no observations, or not as many as rows were predicted.
    #[track_caller]
    pub fn of(predictive: &Predictive, y: &[f64]) -> Self {
        assert!(!y.is_empty(), "scores: y: expected at least one observation, found none");
        let mean_of_draws = predictive.mean();
        Self {
            rmse: root_mean_square(mean_of_draws.iter().zip(y).map(|(f, y)| y - f)),
            log_density: mean(predictive.log_density(y)),
            crps: mean(predictive.crps(y)),
            cdf: predictive.cdf(y),
        }
    }

    /// The share of observations that lie in their central interval of probability `level` (PICP). If the predictions are
    /// calibrated, it is close to `level`.
    ///
    /// # Panics
    /// If the level is not in \[0, 1\].
    #[track_caller]
    pub fn coverage(&self, level: f64) -> f64 {
        let inside = (0.0..=1.0).contains(&level);
        assert!(inside, "coverage: level: expected a number from 0 to 1, found {level}");
        let count = self.cdf.iter().filter(|&&cdf| (2.0 * cdf - 1.0).abs() <= level).count();
        count as f64 / self.cdf.len() as f64
    }

    /// The coverage as a function of the level: (level, coverage) at `steps` + 1 equidistant levels from 0 to 1.
    ///
    /// # Panics
    /// If `steps` is 0.
    #[track_caller]
    pub fn calibration(&self, steps: usize) -> Vec<(f64, f64)> {
        assert!(steps > 0, "calibration: steps: expected at least 1, found 0");
        let level = |i| i as f64 / steps as f64;
        (0..=steps).map(level).map(|level| (level, self.coverage(level))).collect()
    }
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
