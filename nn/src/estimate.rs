//! Numbers that are known up to the noise of draws.

/// An estimate with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub mean: f64,
    /// Its standard error.
    pub se: f64,
}

impl Estimate {
    /// The mean of independent values, and s / √n with the values' standard deviation s, NaN for a single one. Of the
    /// differences of two methods on the same cases this is the paired comparison: what makes a case difficult for both
    /// is not in them.
    ///
    /// ```
    /// # use nn::Estimate;
    /// assert_eq!(Estimate::of(&[0.0, 1.0]), Estimate { mean: 0.5, se: 0.5 });
    /// assert!(Estimate::of(&[0.25]).se.is_nan());
    /// ```
    ///
    /// # Panics
    /// If there are no values.
    #[track_caller]
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "Estimate::of: no values");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { mean, se: (variance / n).sqrt() }
    }
}
