//! Predicted classes and their scores.

use bayes_nn::{ClassPredictive, ClassScores, ConfidenceBin};
use nn::data::Matrix;

/// Two draws, three rows, two classes: the draws agree on the first two rows, where they are unsure and sure, and not on the third.
fn predictive() -> ClassPredictive {
    let logit = |p: f64| [p.ln(), (1.0 - p).ln()];
    let draw = |p: [f64; 3], shift: f64| p.map(logit).concat().into_iter().map(move |l| l + shift);
    let logits = draw([0.5, 0.99, 0.9], 0.0).chain(draw([0.5, 0.99, 0.1], 700.0)).collect();
    ClassPredictive::of_logits(Matrix::new(2, 6, logits), 2)
}

#[test]
fn probabilities_are_averaged_and_entropies_split() {
    let p = predictive();
    let h = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
    for (found, expected) in p.log_probabilities().values.iter().zip([0.5, 0.5, 0.99, 0.01, 0.5, 0.5]) {
        assert!((found.exp() - expected).abs() < 1e-9, "{found}");
    }
    let parts = [p.entropy(), p.aleatoric_entropy(), p.mutual_information()];
    let expected = [[h(0.5), h(0.99), h(0.5)], [h(0.5), h(0.99), h(0.9)], [0.0, 0.0, h(0.5) - h(0.9)]];
    for (found, expected) in parts.iter().zip(expected) {
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} for {b}"));
    }
}

#[test]
fn scores_of_classes_are_their_formulas() {
    let scores = ClassScores::of(&predictive(), &[0, 0, 1]);
    assert!((scores.log_probability - (2.0 * 0.5_f64.ln() + 0.99_f64.ln()) / 3.0).abs() < 1e-9);
    assert!((scores.brier - (0.5 + 0.0002 + 0.5) / 3.0).abs() < 1e-9);
    assert_eq!((&scores.right[..2], scores.confidence.len()), (&[true, true][..], 3));
}

#[test]
fn the_calibration_error_is_the_average_distance_of_accuracy_and_confidence() {
    let scores = ClassScores {
        log_probability: 0.0,
        brier: 0.0,
        confidence: vec![0.62, 0.66, 0.95, 1.0, 0.91],
        right: vec![true, false, true, true, false],
    };
    let bins = scores.calibration(10);
    let expected = [(0.64, 0.5, 2), (2.86 / 3.0, 2.0 / 3.0, 3)];
    assert_eq!(bins.len(), 2);
    for (ConfidenceBin { confidence, accuracy, rows }, expected) in bins.into_iter().zip(expected) {
        assert!((confidence - expected.0).abs() < 1e-12 && (accuracy - expected.1).abs() < 1e-12);
        assert_eq!(rows, expected.2);
    }
    let error = 0.4 * 0.14 + 0.6 * (2.86 / 3.0 - 2.0 / 3.0);
    assert!((scores.calibration_error(10) - error).abs() < 1e-12);
    assert_eq!(scores.accuracy(), 0.6);
}
