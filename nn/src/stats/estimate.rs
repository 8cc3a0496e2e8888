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
}
