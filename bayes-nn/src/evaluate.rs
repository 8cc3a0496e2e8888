//! How good predictions are.

use nn::stats::root_mean_square;

use crate::{ClassPredictive, Predictive};

/// Scores of a predictive distribution on observations, in the units of y.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The root mean square error √ mean (y − E[y|x])².
    pub rmse: f64,
    /// The mean of log p(y|x), in nats per row: what benchmarks call the test log-likelihood.
    pub log_density: f64,
    /// The mean continuous ranked probability score.
    pub crps: f64,
    /// P(y' ≤ y|x) of each row; of counts P(y' < y|x) + ½ P(y' = y|x).
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
            cdf: predictive.mid_cdf(y),
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

/// Scores of predicted class probabilities on rows of known class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScores {
    /// The mean of log p(class|x), in nats per row.
    pub log_probability: f64,
    /// The mean of Σ_c (p(c|x) − 1[c is the class])², from 0 to 2: the score of Brier (1950).
    pub brier: f64,
    /// The probability of the class that each row is taken for, the most probable one.
    pub confidence: Vec<f64>,
    /// Whether it is the right one.
    pub right: Vec<bool>,
}

/// Rows whose confidence lies in the same interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceBin {
    /// The mean confidence.
    pub confidence: f64,
    /// The share that is taken for the right class.
    pub accuracy: f64,
    /// The number of rows.
    pub rows: usize,
}

impl ClassScores {
    /// The scores of rows of these classes, counted from 0.
    ///
    /// # Panics
    /// If there are no rows, not as many classes as rows, or a class is not below K.
    #[track_caller]
    pub fn of(predictive: &ClassPredictive, classes: &[usize]) -> Self {
        let (k, expected, found) = (predictive.classes, predictive.rows(), classes.len());
        assert!(expected > 0 && found == expected, "scores: classes: expected {expected}, found {found}");
        let wrong = classes.iter().find(|&&class| class >= k);
        assert!(wrong.is_none(), "scores: classes: expected numbers below {k}, found {wrong:?}");
        let (log_p, taken_for) = (predictive.log_probabilities(), predictive.most_probable());
        let rows = || (0..expected).map(|i| log_p.row(i)).zip(classes);
        let brier = |row: &[f64], class: usize| {
            let term = |(c, log_p): (usize, &f64)| (log_p.exp() - f64::from(u8::from(c == class))).powi(2);
            row.iter().enumerate().map(term).sum()
        };
        Self {
            log_probability: mean(rows().map(|(row, &class)| row[class]).collect()),
            brier: mean(rows().map(|(row, &class)| brier(row, class)).collect()),
            confidence: rows().zip(&taken_for).map(|((row, _), &class)| row[class].exp()).collect(),
            right: classes.iter().zip(&taken_for).map(|(class, taken_for)| class == taken_for).collect(),
        }
    }

    /// The share of rows that are taken for the right class.
    pub fn accuracy(&self) -> f64 {
        self.right.iter().filter(|right| **right).count() as f64 / self.right.len() as f64
    }

    /// The rows by their confidence in `bins` intervals of equal width from 0 to 1, without those that are empty: if predictions are
    /// calibrated, accuracy and confidence of each agree.
    ///
    /// # Panics
    /// If `bins` is 0.
    #[track_caller]
    pub fn calibration(&self, bins: usize) -> Vec<ConfidenceBin> {
        assert!(bins > 0, "calibration: bins: expected at least 1, found 0");
        let bin = |confidence: f64| ((confidence * bins as f64) as usize).min(bins - 1);
        let of = |b: usize| {
            let inside: Vec<usize> =
                (0..self.right.len()).filter(|&i| bin(self.confidence[i]) == b).collect();
            let right = inside.iter().filter(|&&i| self.right[i]).count();
            let confidence = inside.iter().map(|&i| self.confidence[i]).sum::<f64>();
            let n = inside.len() as f64;
            ConfidenceBin { confidence: confidence / n, accuracy: right as f64 / n, rows: inside.len() }
        };
        (0..bins).map(of).filter(|bin| bin.rows > 0).collect()
    }

    /// The expected calibration error Σ_b n_b/n |accuracy_b − confidence_b| over the intervals of [`calibration`](Self::calibration)
    /// (Guo et al. 2017, "On calibration of modern neural networks", eq. 3). Rows that are few make it larger than 0 even where
    /// predictions are calibrated.
    ///
    /// # Panics
    /// If `bins` is 0.
    #[track_caller]
    pub fn calibration_error(&self, bins: usize) -> f64 {
        let n = self.right.len() as f64;
        let term = |bin: &ConfidenceBin| bin.rows as f64 / n * (bin.accuracy - bin.confidence).abs();
        self.calibration(bins).iter().map(term).sum()
    }
}

fn mean(values: Vec<f64>) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
