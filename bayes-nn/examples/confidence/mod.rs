//! How sure a model of classes is, and how often it is right.

use bayes_nn::ConfidenceBin;
use nn::picture::Figure;

/// Accuracy over confidence of models of classes. Where fewer than ten rows are, the share says little.
pub(crate) fn confidences(models: &[(&str, Vec<ConfidenceBin>)]) -> Figure {
    let figure = Figure::new("Calibration: rows taken for the right class")
        .axes("how certain the model was", "share that was right")
        .line("right", [(0.0, 0.0), (1.0, 1.0)]);
    models.iter().fold(figure, |figure, (name, bins)| {
        let known = bins.iter().filter(|bin| bin.rows >= 10);
        figure.line(name, known.map(|bin| (bin.confidence, bin.accuracy)))
    })
}
