//! A K-sample bound as programs print it.

use nn::run::Label;
use nn::{errln, outln};
use vae::KSampleBound;

/// Prints a bound with what tells how far below log p(x) it is, and a warning if it has not converged.
pub(crate) fn print(bound: &KSampleBound) {
    let KSampleBound { samples, rise, effective_samples, unreliable, .. } = bound;
    outln!("  K-sample bound, K = {samples:<6} {:9.2} ± {:.3}", bound.mean, bound.se);
    outln!("    above that of K/2 draws  {rise:9.2}");
    outln!("    effective draws, median  {effective_samples:9.1}");
    outln!("    k̂ too large, of the rows {:8.0} %", 100.0 * unreliable);
    if let Some(warning) = bound.warning() {
        errln!("{warning}");
    }
}

/// The bound and its diagnostics by name. A single draw has no error and no half.
pub(crate) fn results(bound: &KSampleBound) -> Vec<(&'static str, f64)> {
    let all = [
        ("draws", bound.samples as f64),
        ("k_sample_bound", bound.mean),
        ("k_sample_bound_se", bound.se),
        ("k_sample_rise", bound.rise),
        ("effective_draws", bound.effective_samples),
        ("k_hat_too_large", bound.unreliable),
    ];
    all.into_iter().filter(|(_, value)| value.is_finite()).collect()
}

/// What these results are; the unit is nats per row, image or frame.
pub(crate) fn labels(unit: &'static str) -> [Label; 5] {
    [
        Label::new("draws", "K, draws of z in the K-sample bound", ""),
        Label::new("k_sample_bound", "K-sample bound of log p(x)", unit).over("draws of z"),
        Label::new("k_sample_rise", "how far twice the draws raise it, from K/2 to K", unit),
        Label::new("effective_draws", "equal draws that the K are worth, median", ""),
        Label::new("k_hat_too_large", "rows whose bound a few draws decide (k̂ too large)", "share"),
    ]
}
