//! What the methods came to: a table, the lecture's figure, and the result line.

use std::sync::Arc;

use anyhow::Context;
use autograd::Tape;
use gpvae::GpVae;
use gpvae::data::Views;
use gpvae::kernel::{Kernel, Periodic};
use gpvae::prior::{LatentPrior, LowRank, ViewObject};
use nn::data::Matrix;
use nn::model::ModelFile;
use nn::outln;
use nn::run::{Explorer, Label, Run, TextTable};
use nn::stats::Estimate;
use vae::Codes;

use super::figure;
use super::flags::Method;

/// What a method came to.
pub(crate) struct Outcome {
    pub(crate) method: Method,
    /// Squared error of a pixel, for every test image
    pub(crate) errors: Vec<f64>,
    /// The objects at all angles, for the report
    pub(crate) explorer: Option<Explorer>,
    /// If several models are averaged, the mean of the errors of each alone
    pub(crate) alone: Vec<f64>,
    /// The same as `errors`, of the first model, with a draw of z⋆ instead of its mean
    pub(crate) sampled: Option<Estimate>,
    /// (test images, K)
    pub(crate) predicted: Matrix<f32>,
    /// q(z|y) of the training images
    pub(crate) codes: Codes<f32>,
    pub(crate) learned: Option<Learned>,
    /// (epoch, nats per image)
    pub(crate) bound: Vec<(f64, f64)>,
    /// Of training
    pub(crate) seconds: f64,
    /// The trained Gaussian process
    pub(crate) model: Option<ModelFile>,
}

impl Outcome {
    /// The first of these models with predicted images that are the average over all of them; none if there are none.
    pub(crate) fn averaged(mut members: Vec<Self>, views: &Views) -> Option<Self> {
        if members.len() < 2 {
            return members.pop();
        }
        let alone = members.iter().map(|member| member.error().mean).collect();
        let seconds = members.iter().map(|member| member.seconds).sum();
        let count = members.len() as f32;
        let mut sum = vec![0.0; members[0].predicted.values.len()];
        for member in &members {
            sum.iter_mut().zip(member.predicted.values.iter()).for_each(|(sum, y)| *sum += y / count);
        }
        let first = members.swap_remove(0);
        let predicted = Matrix::new(first.predicted.rows, first.predicted.cols, sum);
        Some(Self { errors: views.errors(&views.test, &predicted), alone, predicted, seconds, ..first })
    }

    pub(crate) fn error(&self) -> Estimate {
        Estimate::of(&self.errors)
    }

    /// How much larger this method's error is than another's, image by image.
    fn excess(&self, over: &Self) -> Estimate {
        let differences = self.errors.iter().zip(&over.errors).map(|(a, b)| a - b);
        Estimate::of(&differences.collect::<Vec<_>>())
    }
}

/// What the prior learned.
pub(crate) struct Learned {
    text: String,
    /// X Xᵀ, (P, P)
    pub(crate) objects: Matrix<f64>,
    /// The view kernel, (Q, Q)
    pub(crate) views: Matrix<f64>,
}

impl Learned {
    pub(crate) fn of(
        model: &GpVae<LowRank<ViewObject<Periodic>>>,
        theta: &Arc<Vec<f32>>,
        views: &Views,
    ) -> Self {
        let view = &model.prior().features.view;
        let alpha = model.prior().alpha().map_or(0.0, |alpha| alpha.value(theta));
        let text =
            format!("σ_y = {:.3}, α = {alpha:.2e}, ν = {:.3}", model.sigma_y(theta), view.nu.value(theta));
        let tape = Tape::<f64>::new();
        let theta: Vec<f64> = theta.iter().map(|&x| f64::from(x)).collect();
        let theta = tape.constant(&theta, [theta.len()]);
        let x = model.object_features(theta).expect("there are objects");
        let w = tape.constant(&views.angles, [views.angles.len(), 1]);
        let square = |k: autograd::Var<'_, f64>| Matrix::new(k.shape()[0], k.shape()[1], k.to_vec());
        Self { text, objects: square(x.matmul_t(x)), views: square(view.gram(theta, w)) }
    }
}

/// Prints the errors, draws the figures, and ends the run.
pub(crate) fn report(run: &Run<'_>, views: &Views, outcomes: &[Outcome]) -> anyhow::Result<()> {
    print_errors(views, outcomes);
    if let Some((first, others)) = outcomes.split_first().filter(|(_, others)| !others.is_empty()) {
        outln!("larger than with {}, image by image", first.method.title());
        let mut table = TextTable::new();
        for other in others {
            table.row([other.method.title().to_owned(), in_digits(other.excess(first))]);
        }
        table.print();
    }
    figure::draw(run, views, outcomes).context("the pictures could not be drawn")?;
    let mut results = Vec::new();
    for outcome in outcomes {
        let name = outcome.method.name();
        results.push((format!("{name}_mse"), outcome.error().mean));
        results.push((format!("{name}_mse_se"), outcome.error().se));
        results.extend(outcome.sampled.map(|error| (format!("{name}_sampled_mse"), error.mean)));
    }
    let errors = outcomes.iter().map(|outcome| (outcome.method.title(), outcome.error().mean));
    let errors = errors.chain([("no model, the neighbouring views blended", blended(views).mean)]);
    if let Some((title, error)) = errors.min_by(|a, b| a.1.total_cmp(&b.1)) {
        run.found(&format!(
            "Objects under a view that was not seen are predicted best by this method: {title} (mean squared error of a pixel \
             {error:.4}, where black is 0 and white 1)."
        ));
    }
    run.label(&[
        Label::new(
            "*_sampled_mse",
            "squared error of a pixel at an angle that was not seen, z sampled: GP prior, *",
            "black is 0, white 1",
        ),
        Label::new(
            "cvae_mse",
            "squared error of a pixel at an angle that was not seen: conditional VAE",
            "black is 0, white 1",
        )
        .over("images"),
        Label::new(
            "livae_mse",
            "squared error of a pixel at an angle that was not seen: interpolation in a VAE",
            "black is 0, white 1",
        )
        .over("images"),
        Label::new(
            "*_mse",
            "squared error of a pixel at an angle that was not seen: GP prior, *",
            "black is 0, white 1",
        )
        .over("images"),
    ]);
    run.finish(&results)?;
    Ok(())
}

fn print_errors(views: &Views, outcomes: &[Outcome]) {
    outln!("mean squared error of a pixel, ± standard error over images");
    let mut table = TextTable::new().header(["", "error", "sampled z", "seconds"]);
    for outcome in outcomes {
        let sampled = outcome.sampled.map_or("-".to_owned(), |error| format!("{:.4}", error.mean));
        let (title, seconds) = (outcome.method.title().to_owned(), format!("{:.0}", outcome.seconds));
        table.row([title, in_digits(outcome.error()), sampled, seconds]);
    }
    table.row(["the neighbouring views, blended".to_owned(), in_digits(blended(views))]);
    table.print();
    for outcome in outcomes.iter().filter(|outcome| !outcome.alone.is_empty()) {
        let alone: Vec<String> = outcome.alone.iter().map(|error| format!("{error:.4}")).collect();
        outln!("{}: {} models, each alone {}", outcome.method.title(), alone.len(), alone.join(", "));
    }
    for outcome in outcomes {
        if let Some(learned) = &outcome.learned {
            outln!("{}: {}", outcome.method.title(), learned.text);
        }
    }
}

fn in_digits(estimate: Estimate) -> String {
    format!("{:.4} ± {:.4}", estimate.mean, estimate.se)
}

/// The error of a prediction without a model: the two views next to the one to predict, blended pixel by pixel.
fn blended(views: &Views) -> Estimate {
    let pixels = views.images.cols;
    let mut blended = vec![0.0; views.test.len() * pixels];
    for (&row, out) in views.test.iter().zip(blended.chunks_exact_mut(pixels)) {
        for near in views.neighbours(row, &views.train) {
            let image = views.images.row(near.row);
            out.iter_mut().zip(image).for_each(|(out, &y)| *out += near.weight * f64::from(y));
        }
    }
    Estimate::of(&views.errors(&views.test, &Matrix::new(views.test.len(), pixels, blended)))
}
