//! Lecture 003, figure 2.

use gpvae::GpVaeError;
use gpvae::data::{Places, Views};
use nn::data::Matrix;
use nn::picture::{Figure, ImageGrid, Panels, PictureError};
use nn::run::{Explorer, Frames, Position, Run, Scene};

use super::flags::Method;
use super::report::Outcome;

/// The number of predicted objects, and of objects whose covariances are shown.
const SHOWN: usize = 10;
const COVARYING: usize = 60;

/// Draws (a) errors, (b) and (c) densities of codes to `codes.png`, (d) predictions to `predictions.png`, (e) and (f)
/// covariances to `covariances.png`, and the bound of every epoch to `learning.png`.
pub(crate) fn draw(run: &Run<'_>, views: &Views, outcomes: &[Outcome]) -> Result<(), PictureError> {
    Panels::new("A digit at an angle that was not seen", 3)
        .figure(errors(outcomes))
        .figure(density("Means of q(z|y)", "μ, all dimensions", outcomes, |outcome| {
            outcome.codes.mu.values.iter().map(|&mu| f64::from(mu)).collect()
        }))
        .figure(density("Log variances of q(z|y)", "ln σ², all dimensions", outcomes, |outcome| {
            outcome.codes.log_sigma.values.iter().map(|&s| 2.0 * f64::from(s)).collect()
        }))
        .save(&run.picture(
            "codes.png",
            "Left: the error at the angle that was not seen, by method; lower is better. Right: means and log \
            variances of the codes, which tell how far each method uses its latent dimensions (lecture 003, \
            \"Example: Rotated MNIST\")",
        ))?;
    predictions(views, outcomes).save(&run.picture(
        "predictions.png",
        "The objects at the angle that no training image has. The shape should be the object's own, and its angle \
        the right one (lecture 003, \"Example: Rotated MNIST\")",
    ))?;
    let learning = Figure::new("Learning").axes("epoch", "bound, nats per image").log_x();
    outcomes
        .iter()
        .fold(learning, |figure, outcome| figure.line(outcome.method.title(), outcome.bound.iter().copied()))
        .save(&run.picture(
            "learning.png",
            "The bound over the epochs; it jumps where a later stage of the schedule has learned the process (lecture 003, \"ELBO and \
            Estimation\")",
        ))?;
    match covariances(outcomes) {
        Some(panels) => panels.save(&run.picture(
            "covariances.png",
            "What the model learned of how alike objects and angles are. Neighbouring angles should be alike, and \
            the last is a neighbour of the first (lecture 003, \"Example: Rotated MNIST\")",
        )),
        None => Ok(()),
    }
}

/// Test objects at all angles of the data and at three between any two of them.
pub(crate) fn turned(
    method: Method,
    views: &Views,
    predict: impl Fn(&Places) -> Result<Matrix<f32>, GpVaeError>,
) -> Result<Explorer, GpVaeError> {
    const STEPS: usize = 4;
    let mut objects: Vec<usize> = views.test.iter().map(|&row| views.object[row]).collect();
    objects.dedup();
    objects.truncate(SHOWN);
    let angles = views.angles.len() * STEPS;
    let turn = |i: usize| std::f64::consts::TAU * i as f64 / angles as f64;
    let at: Vec<f64> = (0..angles).flat_map(|i| objects.iter().map(move |_| turn(i))).collect();
    let places = Places::new(Matrix::new(at.len(), 1, at), objects.repeat(angles))?;
    let predicted = predict(&places)?;
    let unseen = views.test.first().map(|&row| views.view[row]);
    let position = |i: usize| {
        let images: Vec<usize> = (i * objects.len()..(i + 1) * objects.len()).collect();
        let mut images = predicted.select(&images).values.to_vec();
        let mut rows = vec!["predicted".to_owned()];
        let view = Some(i / STEPS).filter(|_| i.is_multiple_of(STEPS));
        let of = |object: &usize| {
            (0..views.images.rows).find(|&row| views.object[row] == *object && Some(views.view[row]) == view)
        };
        if let Some(truth) = objects.iter().map(of).collect::<Option<Vec<_>>>() {
            images.extend_from_slice(&views.images.select(&truth).values);
            rows.push("truth".to_owned());
        }
        let pixels = views.images.cols;
        Position {
            name: format!("{:.1}°", turn(i).to_degrees()),
            marked: view.is_some() && view == unseen,
            text: match view {
                None => "between two angles of the data: no image was ever seen here",
                view if view == unseen => "the angle that no training image has",
                _ => "an angle of the data, at which some objects were seen",
            }
            .to_owned(),
            scene: Scene::Images {
                size: [views.height, views.width],
                rows,
                images: Matrix::new(images.len() / pixels, pixels, images),
            },
        }
    };
    Ok(Explorer::Frames(Frames {
        title: format!("Digits turned through all angles: {}", method.title()),
        slider: "angle".to_owned(),
        positions: (0..angles).map(position).collect(),
        start: unseen.unwrap_or(0) * STEPS,
    }))
}

fn errors(outcomes: &[Outcome]) -> Figure {
    let names = (1..=outcomes.len()).map(|_| "");
    let mut figure =
        Figure::new("Test error, ± standard error").axes("", "squared error of a pixel").names(names);
    for (outcome, x) in outcomes.iter().zip(0..) {
        let (x, error, title) = (f64::from(x), outcome.error(), outcome.method.title());
        figure = figure.bars(title, 0.7, [(x, error.mean)]);
        if error.se.is_finite() {
            figure = figure.errors(title, [(x, error.mean - error.se, error.mean + error.se)]);
        }
    }
    figure
}

/// A line for each method: the density of some numbers of its codes.
fn density(title: &str, axis: &str, outcomes: &[Outcome], of: impl Fn(&Outcome) -> Vec<f64>) -> Figure {
    let lines = outcomes.iter().zip(densities(outcomes.iter().map(of).collect()));
    let figure = Figure::new(title).axes(axis, "density");
    lines.fold(figure, |figure, (outcome, line)| figure.line(outcome.method.title(), line))
}

/// Histograms of several samples, as lines over one range that leaves out the outermost hundredth.
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

/// A row of true images, and one of the predictions of each method, of objects spread over the test.
fn predictions(views: &Views, outcomes: &[Outcome]) -> ImageGrid {
    let count = views.test.len().min(SHOWN);
    let shown: Vec<usize> = (0..count).map(|i| i * views.test.len() / count).collect();
    let truth: Vec<usize> = shown.iter().map(|&i| views.test[i]).collect();
    let degrees = views.angles_of(&truth).first().copied().unwrap_or(0.0).to_degrees();
    let title = format!("Predicted at {degrees}°, where nothing was seen");
    let grid =
        ImageGrid::new(&title, views.height, views.width).row("truth", &views.images.select(&truth).values);
    outcomes.iter().fold(grid, |grid, outcome| {
        grid.row(outcome.method.title(), &outcome.predicted.select(&shown).values)
    })
}

/// The covariances of the first method that learned any.
fn covariances(outcomes: &[Outcome]) -> Option<Panels> {
    let (outcome, learned) =
        outcomes.iter().find_map(|outcome| Some((outcome, outcome.learned.as_ref()?)))?;
    let some: Vec<usize> = (0..learned.objects.rows.min(COVARYING)).collect();
    let objects = learned.objects.select(&some).columns(&some);
    let degrees = 360.0 / learned.views.rows as f64;
    let panels = Panels::new(&format!("Learned covariances: {}", outcome.method.title()), 2)
        .figure(map("Objects", "object", &objects, 1.0))
        .figure(map("Views", "view, degrees", &learned.views, degrees));
    Some(panels)
}

fn map(title: &str, axis: &str, values: &Matrix<f64>, step: f64) -> Figure {
    let names: Vec<String> = (0..values.rows).map(|i| (step * i as f64).to_string()).collect();
    Figure::new(title).axes(axis, axis).matrix("covariance", (&names, &names), values.values.iter().copied())
}
