//! What a posterior says of the class of new rows.

use nn::data::Matrix;

use crate::predict::log_mean_exp;

/// The posterior predictive distribution of the classes of rows: for each row the average of the class probabilities of all draws
/// of θ,
///
/// p(c|x, Y) = ∫ softmax(f_θ(x))_c p(θ|Y) dθ ≈ 1/S Σₛ softmax(fₛ(x))_c
///
/// The average is what should be reported and scored. Classes of a row that all draws are sure of, but not of the same one, have
/// probabilities in the middle: that is the uncertainty that a point estimate does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassPredictive {
    /// log softmax(fₛ(x)), (draws, rows · K): row by row the K classes.
    pub log_p: Matrix<f64>,
    /// K
    pub classes: usize,
}

impl ClassPredictive {
    /// From the logits fₛ(x), (draws, rows · K): row by row the K classes.
    ///
    /// # Panics
    /// If there are no draws, or the columns are no multiple of K.
    #[track_caller]
    pub fn of_logits(logits: Matrix<f64>, classes: usize) -> Self {
        let (draws, cols) = (logits.rows, logits.cols);
        assert!(draws > 0, "ClassPredictive: draws: expected at least 1, found 0");
        let fits = classes > 0 && cols.is_multiple_of(classes);
        assert!(fits, "ClassPredictive: expected rows of {classes} logits, found {cols} numbers");
        let log_softmax = |row: &[f64]| {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = largest + row.iter().map(|f| (f - largest).exp()).sum::<f64>().ln();
            row.iter().map(|f| f - log_sum).collect::<Vec<_>>()
        };
        let log_p = logits.values.chunks_exact(classes).flat_map(log_softmax).collect();
        Self { log_p: Matrix::new(draws, cols, log_p), classes }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.log_p.cols / self.classes
    }

    /// What is said of these rows, by number.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        let k = self.classes;
        let columns: Vec<usize> = rows.iter().flat_map(|row| row * k..(row + 1) * k).collect();
        Self { log_p: self.log_p.columns(&columns), classes: k }
    }

    /// log p(c|x, Y) in nats of every class, (rows, K), by the average of probabilities.
    pub fn log_probabilities(&self) -> Matrix<f64> {
        let draws = self.log_p.rows;
        let each = |i: usize| log_mean_exp(&(0..draws).map(|s| self.log_p.row(s)[i]).collect::<Vec<_>>());
        Matrix::new(self.rows(), self.classes, (0..self.log_p.cols).map(each).collect())
    }

    /// The class of each row that has the largest probability.
    pub fn most_probable(&self) -> Vec<usize> {
        let log_p = self.log_probabilities();
        let best = |row: &[f64]| (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best });
        (0..self.rows()).map(|i| best(log_p.row(i))).collect()
    }

    /// The entropy −Σ p log p of each row's averaged probabilities in nats: from 0, one class is certain, to ln K, nothing is known.
    pub fn entropy(&self) -> Vec<f64> {
        let log_p = self.log_probabilities();
        (0..self.rows()).map(|i| entropy(log_p.row(i))).collect()
    }

    /// The average over the draws of the entropy of each row's probabilities, in nats: what remains of [`entropy`](Self::entropy)
    /// when θ is known, the aleatoric part.
    pub fn aleatoric_entropy(&self) -> Vec<f64> {
        let (draws, k) = (self.log_p.rows, self.classes);
        let of = |i: usize| (0..draws).map(|s| entropy(&self.log_p.row(s)[i * k..(i + 1) * k])).sum::<f64>();
        (0..self.rows()).map(|i| of(i) / draws as f64).collect()
    }

    /// The mutual information of a row's class and θ, in nats: what is not known since θ is not, the epistemic part. It is the
    /// difference of [`entropy`](Self::entropy) and [`aleatoric_entropy`](Self::aleatoric_entropy), and 0 where all draws agree
    /// (Houlsby et al. 2011, "Bayesian active learning for classification and preference learning", eq. 2).
    pub fn mutual_information(&self) -> Vec<f64> {
        let (all, given) = (self.entropy(), self.aleatoric_entropy());
        all.iter().zip(given).map(|(all, given)| (all - given).max(0.0)).collect()
    }
}

/// −Σ p log p
fn entropy(log_p: &[f64]) -> f64 {
    let term = |log_p: f64| if log_p == f64::NEG_INFINITY { 0.0 } else { -log_p.exp() * log_p };
    log_p.iter().map(|&log_p| term(log_p)).sum()
}
