//! How good predictions are.

use crate::Predictive;

/// Scores of a predictive distribution on observations, in the units of y.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// √ mean (y − E[y|x])²
    pub rmse: f64,
    /// mean log p(y|x), in nats per row
    pub log_likelihood: f64,
    /// The mean continuous ranked probability score
    pub crps: f64,
    /// P(y' ≤ y|x) of each row
    pub cdf: Vec<f64>,
}

impl Scores {
    /// Scores of these observations.
    ///
    /// # Panics
    /// If there are none, or not as many as rows were predicted.
    #[track_caller]
    pub fn of(predictive: &Predictive, y: &[f64]) -> Self {
        assert!(!y.is_empty(), "scores: there are no observations");
        let squares = predictive.mean().iter().zip(y).map(|(f, y)| (y - f).powi(2)).collect();
        Self {
            rmse: mean(squares).sqrt(),
            log_likelihood: mean(predictive.log_density(y)),
            crps: mean(predictive.crps(y)),
            cdf: predictive.cdf(y),
        }
    }

    /// The share of observations in their central interval of probability `level` (PICP): if the predictions are
    /// calibrated, close to `level`.
    ///
    /// # Panics
    /// If the level is not in 0 to 1.
    #[track_caller]
    pub fn coverage(&self, level: f64) -> f64 {
        assert!((0.0..=1.0).contains(&level), "coverage: a level of {level}: it must be in 0 to 1");
        let inside = self.cdf.iter().filter(|&&cdf| (2.0 * cdf - 1.0).abs() <= level).count();
        inside as f64 / self.cdf.len() as f64
    }

    /// Coverage as a function of the level: (level, coverage) at `steps` + 1 even levels from 0 to 1.
    ///
    /// # Panics
    /// If there are no steps.
    #[track_caller]
    pub fn calibration(&self, steps: usize) -> Vec<(f64, f64)> {
        assert!(steps > 0, "calibration: there are no steps");
        let level = |i| i as f64 / steps as f64;
        (0..=steps).map(level).map(|level| (level, self.coverage(level))).collect()
    }
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
