//! How well a score tells anomalies from usual data.

/// The area under the ROC curve of a score: the probability that the score of an anomaly is above that of a usual datum.
/// Equal scores count half (Hanley & McNeil 1982).
///
/// ```
/// # use nn::stats::area_under_roc;
/// assert_eq!(area_under_roc(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0]), (2.5 + 4.0) / 8.0);
/// ```
///
/// # Panics
/// If there are no usual data or no anomalies, or a score is NaN.
#[track_caller]
pub fn area_under_roc(usual: &[f64], anomalous: &[f64]) -> f64 {
    let (n, m) = (usual.len(), anomalous.len());
    assert!(n * m > 0, "area_under_roc: expected scores of both kinds, found {n} usual and {m} anomalous");
    let nan = usual.iter().chain(anomalous).any(|score| score.is_nan());
    assert!(!nan, "area_under_roc: a score is NaN");
    let mut usual = usual.to_vec();
    usual.sort_by(f64::total_cmp);
    let above = |score: &f64| {
        let (below, up_to) = (usual.partition_point(|u| u < score), usual.partition_point(|u| u <= score));
        (below + up_to) as f64 / 2.0
    };
    anomalous.iter().map(above).sum::<f64>() / (n * m) as f64
}
