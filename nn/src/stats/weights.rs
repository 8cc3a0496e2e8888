//! Importance weights, and whether their mean can be trusted.

use super::Estimate;

/// Importance weights w₁ … w_K, which are added by their logarithms: their mean, and how far it can be trusted.
///
/// A mean of weights is always an unbiased estimate. But where a few weights dominate, nearly all samples of size K lack the
/// weights that matter: the mean is then too low nearly always, and its standard error, too. [`pareto_k`](Self::pareto_k) tells
/// this from the largest weights. Memory grows with √K.
///
/// ```
/// # use nn::stats::ImportanceWeights;
/// let mut weights = ImportanceWeights::new(3);
/// [1.0_f64, 2.0, 3.0].iter().for_each(|w| weights.add(w.ln()));
/// let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
/// assert!(close(weights.log_mean().mean, 2.0_f64.ln()) && close(weights.effective_size(), 36.0 / 14.0));
/// ```
#[derive(Clone, Debug)]
pub struct ImportanceWeights {
    draws: usize,
    /// The logarithm of the largest weight; sums are in units of this weight.
    max: f64,
    sum: f64,
    squares: f64,
    /// The logarithms of the largest weights: more than those of the tail, not in order.
    largest: Vec<f64>,
}

impl ImportanceWeights {
    /// No weights yet of K = `draws`.
    ///
    /// # Panics
    /// If there are to be none.
    #[track_caller]
    pub fn new(draws: usize) -> Self {
        assert!(draws > 0, "ImportanceWeights: expected one or more draws, found 0");
        Self { draws, max: f64::NEG_INFINITY, sum: 0.0, squares: 0.0, largest: Vec::new() }
    }

    /// Adds a weight by its logarithm; −∞ is a weight of 0.
    pub fn add(&mut self, log_weight: f64) {
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        if log_weight > self.max {
            let shrink = (self.max - log_weight).exp();
            (self.sum, self.squares) = (self.sum * shrink, self.squares * shrink * shrink);
            self.max = log_weight;
        }
        let weight = (log_weight - self.max).exp();
        self.sum += weight;
        self.squares += weight * weight;
        let kept = self.tail() + 1;
        self.largest.push(log_weight);
        if self.largest.len() == 2 * kept {
            self.largest.select_nth_unstable_by(kept - 1, |a, b| b.total_cmp(a));
            self.largest.truncate(kept);
        }
    }

    /// The number of weights that make the tail, ⌈min(K / 5, 3 √K)⌉ (Vehtari et al. 2024, appendix H).
    fn tail(&self) -> usize {
        let k = self.draws as f64;
        (k / 5.0).min(3.0 * k.sqrt()).ceil() as usize
    }

    /// log w̄ of the mean weight w̄, with its standard error √(Var(w) / K) / w̄ (delta method), which is NaN for K = 1.
    pub fn log_mean(&self) -> Estimate {
        let k = self.draws as f64;
        let mean = self.sum / k;
        let variance = (self.squares / k - mean * mean).max(0.0) / (k - 1.0);
        Estimate { mean: self.max + mean.ln(), se: variance.sqrt() / mean }
    }

    /// (Σ w)² / Σ w², between 1 and K: as many equal weights would have a mean of the same relative variance (Kong, Liu & Wong
    /// 1994). It is too large where a few weights dominate and have not been drawn.
    pub fn effective_size(&self) -> f64 {
        self.sum * self.sum / self.squares
    }

    /// k̂, the shape of the generalised Pareto distribution of the largest weights, by [`pareto_shape`], drawn towards ½ as
    /// by ten further weights (Vehtari et al. 2024). The distribution of the weights has 1/k moments: from ½ on their variance is
    /// infinite. The mean is reliable up to [`largest_reliable_k`]. k̂ is −∞ where all weights of the tail are equal to 1e-6 of
    /// their size, and ∞ where the tail has fewer than five weights (K < 21).
    pub fn pareto_k(&self) -> f64 {
        let tail = self.tail();
        let mut largest = self.largest.clone();
        largest.sort_by(|a, b| b.total_cmp(a));
        largest.truncate(tail + 1);
        // Below the tail there are weights of 0 if the others are too few.
        let below = if largest.len() > tail { largest.pop() } else { None };
        let threshold = below.map_or(0.0, |log_weight| (log_weight - self.max).exp());
        if tail >= 5 && threshold > 1.0 - 1e-6 {
            return f64::NEG_INFINITY;
        }
        let above = largest.iter().rev().map(|log_weight| (log_weight - self.max).exp() - threshold);
        let above: Vec<f64> = above.filter(|excess| *excess > 0.0).collect();
        if above.len() < 5 {
            return f64::INFINITY;
        }
        let (n, k) = (above.len() as f64, pareto_shape(&above));
        (n * k + 10.0 * 0.5) / (n + 10.0)
    }
}

/// The largest k̂ at which a mean of K = `draws` weights is reliable, min(1 − 1 / log₁₀ K, 0.7) (Vehtari et al. 2024, equation
/// 13): 0.5 for 100 draws, 0.67 for 1,000. Above, the number of draws that would be needed grows beyond all bounds.
pub fn largest_reliable_k(draws: usize) -> f64 {
    (1.0 - 1.0 / (draws as f64).log10()).min(0.7)
}

/// The shape k of a generalised Pareto distribution, p(x) ∝ (1 + k x/σ)^(−1/k − 1) for x > 0, from a sample in ascending order
/// (Zhang & Stephens 2009): the mean over a weakly informative prior of b = −k/σ of the profile likelihood's k(b).
///
/// ```
/// # use nn::stats::pareto_shape;
/// // The quantiles of an exponential distribution, whose k is 0.
/// let sample: Vec<f64> = (0..1000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 1000.0).ln()).collect();
/// assert!(pareto_shape(&sample).abs() < 0.02);
/// ```
///
/// # Panics
/// If the sample has fewer than two numbers, one is not positive, or they are not in order.
#[track_caller]
pub fn pareto_shape(sample: &[f64]) -> f64 {
    let n = sample.len();
    assert!(n > 1, "pareto_shape: expected two or more numbers, found {n}");
    let is_ascending = sample[0] > 0.0 && sample.is_sorted();
    assert!(is_ascending, "pareto_shape: expected positive numbers in ascending order");
    let (quartile, largest) = (sample[((n + 2) / 4).max(1) - 1], sample[n - 1]);
    let mean_log = |b: f64| sample.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / n as f64;
    let grid = 30 + n.isqrt();
    let points: Vec<[f64; 2]> = (1..=grid)
        .map(|j| {
            let b = 1.0 / largest + (1.0 - (grid as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile);
            let k = mean_log(b);
            [b, n as f64 * ((-b / k).ln() - k - 1.0)]
        })
        .filter(|[_, log_likelihood]| log_likelihood.is_finite())
        .collect();
    let most = points.iter().map(|[_, l]| *l).fold(f64::NEG_INFINITY, f64::max);
    let sums = points.iter().map(|[b, l]| (b * (l - most).exp(), (l - most).exp()));
    let (weighted, total) = sums.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    mean_log(weighted / total)
}
