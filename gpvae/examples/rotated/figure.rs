//! Lecture 003, figure 2.

use gpvae::Views;
use nn::data::Matrix;
use nn::picture::{Figure, ImageGrid, Panels, PictureError};
use nn::run::RunFolder;

use super::methods::Outcome;

/// Objects that are shown: more would be no more to see.
const SHOWN: usize = 10;
const COVARYING: usize = 60;

/// Draws (a) errors, (b) and (c) densities of codes to `codes.png`, (d) predictions to `predictions.png`, (e) and (f)
/// covariances to `covariances.png`, and the bound of every epoch to `learning.png`.
pub(crate) fn draw(folder: &RunFolder, views: &Views, outcomes: &[Outcome]) -> Result<(), PictureError> {
    let mut errors = Figure::new("Test error").axes("method, as in the legend", "squared error of a pixel");
    for (outcome, x) in outcomes.iter().zip(1..) {
        let (x, error) = (f64::from(x), outcome.error());
        let title = outcome.method.title();
        errors = errors.bars(title, 0.7, [(x, error.mean)]);
        if error.se.is_finite() {
            errors = errors.line(title, [(x, error.mean - error.se), (x, error.mean + error.se)]);
        }
    }
    let mut means = Figure::new("Means of q(z|y)").axes("μ, all dimensions", "density");
    let mut variances = Figure::new("Log variances of q(z|y)").axes("ln σ², all dimensions", "density");
    let mu = |outcome: &Outcome| outcome.mu.values.iter().map(|&mu| f64::from(mu)).collect();
    let log_variance =
        |outcome: &Outcome| outcome.log_sigma.values.iter().map(|&s| 2.0 * f64::from(s)).collect();
    for (outcome, (mu, log_variance)) in outcomes.iter().zip(
        densities(outcomes.iter().map(mu).collect())
            .into_iter()
            .zip(densities(outcomes.iter().map(log_variance).collect())),
    ) {
        means = means.line(outcome.method.title(), mu);
        variances = variances.line(outcome.method.title(), log_variance);
    }
    Panels::new("A digit at an angle that was not seen", 3)
        .figure(errors)
        .figure(means)
        .figure(variances)
        .save(&folder.file("codes.png"))?;

    // Spread over the objects.
    let count = views.test.len().min(SHOWN);
    let shown: Vec<usize> = (0..count).map(|i| i * views.test.len() / count).collect();
    let truth: Vec<usize> = shown.iter().map(|&i| views.test[i]).collect();
    let degrees = views.angles_of(&truth).first().copied().unwrap_or(0.0).to_degrees();
    let mut grid = ImageGrid::new(
        &format!("Predicted at {degrees}°, where nothing was seen"),
        views.height,
        views.width,
    )
    .row("truth", &views.images.select(&truth).values);
    for outcome in outcomes {
        grid = grid.row(outcome.method.title(), &outcome.predicted.select(&shown).values);
    }
    grid.save(&folder.file("predictions.png"))?;

    let mut learning = Figure::new("Learning").axes("epoch", "bound, nats per image").log_x();
    for outcome in outcomes {
        learning = learning.line(outcome.method.title(), outcome.bound.iter().copied());
    }
    learning.save(&folder.file("learning.png"))?;

    let Some((outcome, [objects, angles])) =
        outcomes.iter().find_map(|outcome| Some((outcome, outcome.covariances.as_ref()?)))
    else {
        return Ok(());
    };
    let side = objects.rows.min(COVARYING);
    let some: Vec<usize> = (0..side).collect();
    let objects = objects.select(&some).columns(&some);
    let degrees = 360.0 / angles.rows as f64;
    Panels::new(&format!("Learned covariances: {}", outcome.method.title()), 2)
        .figure(map("Objects", "object", &objects, -0.5, 1.0))
        .figure(map("Views", "view, degrees", angles, -0.5 * degrees, degrees))
        .save(&folder.file("covariances.png"))
}

fn map(title: &str, axis: &str, values: &Matrix<f64>, first: f64, step: f64) -> Figure {
    let range = first..first + step * values.rows as f64;
    Figure::new(title).axes(axis, axis).heat_map(
        "covariance",
        (range.clone(), range),
        values.cols,
        values.values.iter().copied(),
    )
}

/// Histograms of several samples over one range, which leaves out a hundredth of the most remote, as lines.
fn densities(mut samples: Vec<Vec<f64>>) -> Vec<Vec<(f64, f64)>> {
    const BINS: usize = 60;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for sample in &mut samples {
        sample.sort_by(f64::total_cmp);
        let end = sample.len() - 1;
        (low, high) = (low.min(sample[end / 200]), high.max(sample[end - end / 200]));
    }
    let width = ((high - low) / BINS as f64).max(1e-9);
    let density = |sample: Vec<f64>| {
        let mut counts = [0.0; BINS];
        for x in &sample {
            let bin = (x - low) / width;
            if (0.0..BINS as f64).contains(&bin) {
                counts[bin as usize] += 1.0;
            }
        }
        let points = (0..BINS).map(|i| low + (i as f64 + 0.5) * width).zip(counts);
        points.map(|(x, count)| (x, count / (sample.len() as f64 * width))).collect()
    };
    samples.into_iter().map(density).collect()
}
