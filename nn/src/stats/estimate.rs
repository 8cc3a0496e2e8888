//! Numbers that are known up to noise.

/// An estimate with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub mean: f64,
    /// Its standard error.
    pub se: f64,
}

impl Estimate {
    /// The mean of n independent values. The standard error is s / √n with their standard deviation s, and NaN for a
    /// single value.
    ///
    /// The differences of two methods on the same cases make a paired comparison: what makes a case difficult for both
    /// methods cancels.
    ///
    /// ```
    /// # use nn::stats::Estimate;
    /// assert_eq!(Estimate::of(&[0.0, 1.0]), Estimate { mean: 0.5, se: 0.5 });
    /// assert!(Estimate::of(&[0.25]).se.is_nan());
    /// ```
    ///
    /// # Panics
    /// If there are no values.
    #[track_caller]
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "Estimate::of: expected at least one value");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { mean, se: (variance / n).sqrt() }
    }

    /// The mean of the scores of n random splits of the same rows into `train` rows to train on and `test` rows to test on.
    ///
    /// The splits share most of their rows, so that their scores depend on each other, and s / √n is too small: as n grows it
    /// goes to 0, while what one set of rows can tell does not. The standard error is √(1/n + test/train) s with the scores'
    /// standard deviation s (Nadeau & Bengio 2003, "Inference for the generalization error", section 3), and NaN for a single
    /// split.
    ///
    /// ```
    /// # use nn::stats::Estimate;
    /// let scores = [1.0, 2.0, 3.0, 4.0];
    /// let [plain, corrected] = [Estimate::of(&scores), Estimate::over_splits(&scores, 90, 10)];
    /// assert_eq!(corrected.mean, plain.mean);
    /// assert!((corrected.se / plain.se - (1.0_f64 + 4.0 * 10.0 / 90.0).sqrt()).abs() < 1e-12);
    /// ```
    ///
    /// # Panics
    /// If there are no scores, or no rows to train on.
    #[track_caller]
    pub fn over_splits(scores: &[f64], train: usize, test: usize) -> Self {
        assert!(train > 0, "Estimate::over_splits: expected at least one row to train on");
        let Self { mean, se } = Self::of(scores);
        Self { mean, se: se * (1.0 + scores.len() as f64 * test as f64 / train as f64).sqrt() }
    }
}

/// √(Σ x² / n) of n values. Squares neither overflow nor vanish: values near 1e200 and near 1e-200 keep all their digits. NaN
/// without values.
///
/// ```
/// # use nn::stats::root_mean_square;
/// assert_eq!(root_mean_square([3e200, 4e200]), 12.5f64.sqrt() * 1e200);
/// ```
pub fn root_mean_square(values: impl IntoIterator<Item = f64, IntoIter: Clone>) -> f64 {
    let values = values.into_iter();
    let largest = values.clone().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    // A power of two, by which division rounds nothing.
    let exponent = largest.log2().floor().clamp(-1021.0, 1021.0);
    let scale = if largest > 0.0 && largest.is_finite() { 2f64.powi(exponent as i32) } else { 1.0 };
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + (x / scale).powi(2), n + 1.0));
    scale * (sum / n).sqrt()
}
