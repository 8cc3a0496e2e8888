//! The learning rate, and rules that do without the right one (lecture 000, "Tuning the algorithm"), on an autoencoder of the
//! embedded digits or, by `--data DIR`, of MNIST:
//!
//!     cargo run --release -p vae --example learning_rate
//!
//! All begin at the same θ and see the same minibatches. Draws the loss on all training images over the epochs: of plain
//! gradient descent with ρ too small, too large, right, and decreasing; and of momentum, Nesterov's gradient, and Adam. Rules are what
//! it compares, and it keeps none of the models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use common::sets;
use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::outln;
use nn::picture::Figure;
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, positive, whole};
use nn::train::{Fit, Rule, Schedule, StepError, TrainError, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use vae::{Autoencoder, AutoencoderConfig, AutoencoderObjective};

/// Compares learning rates and rules of descent
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// ρ too small is --lr divided by this
    #[arg(long, value_name = "FACTOR", default_value_t = 30.0, value_parser = positive)]
    small: f64,
    /// ρ too large is --lr times this
    #[arg(long, value_name = "FACTOR", default_value_t = 2.5, value_parser = positive)]
    large: f64,
    /// ρ of Adam; momentum and Nesterov, whose steps add up to ten times ρ, have a tenth of --lr
    #[arg(long, value_name = "RATE", default_value_t = 3e-3, value_parser = positive)]
    adam: f64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-learning_rate", epochs: 60, batch_size: 32, lr: 0.3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// A way of descending.
struct Descent {
    name: String,
    key: &'static str,
    rule: Rule,
    rate: f64,
    schedule: Schedule,
}

/// Those that are compared.
fn descents(args: &Args) -> [Descent; 7] {
    let rate = args.run.lr;
    let sgd = |key, says: &str, rate: f64, schedule| {
        let name = format!("{says} {}", short(rate));
        Descent { name, key, rule: Rule::Sgd, rate, schedule }
    };
    let other = |key, name: &str, rule, rate: f64| {
        let name = format!("{name}, ρ {}", short(rate));
        Descent { name, key, rule, rate, schedule: Schedule::Constant }
    };
    // To a quarter in the end.
    let decay = 3.0 / args.run.epochs as f64;
    [
        sgd("small", "ρ too small,", rate / args.small, Schedule::Constant),
        sgd("large", "ρ too large,", rate * args.large, Schedule::Constant),
        sgd("right", "ρ right,", rate, Schedule::Constant),
        sgd("decreasing", "ρ decreasing from", rate, Schedule::InverseTime { decay }),
        other("momentum", "momentum 0.9", Rule::Momentum { momentum: 0.9 }, rate / 10.0),
        other("nesterov", "Nesterov 0.9", Rule::Nesterov { momentum: 0.9 }, rate / 10.0),
        other("adam", "Adam", Rule::ADAM, args.adam),
    ]
}

/// The loss on all training images after each epoch, until it is not finite.
fn descend(args: &Args, x: &Matrix<f32>, descent: &Descent) -> anyhow::Result<Vec<f64>> {
    let mut config = AutoencoderConfig::new(x.cols, &[64], 8).with_phi(Nonlinearity::Tanh);
    config.decoder.psi = Nonlinearity::Sigmoid;
    let model = Autoencoder::new(&config)?;
    let mut objective = AutoencoderObjective { model: &model, data: x, noise: 0.0 };
    let mut of_all = objective;
    let theta = model.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let mut trainer = Trainer::new(model.layout(), theta, descent.rule, args.run.seed);
    let first = trainer.evaluate(&mut of_all)?.total;
    let fit = Fit { rate: descent.rate, schedule: descent.schedule.clone(), ..args.run.fit() };
    match trainer.fit(&mut objective, Some(&mut of_all), &fit, &mut ()) {
        // A descent that ends in infinity has a curve, too.
        Ok(_) | Err(TrainError::Step { source: StepError::NonFinite(_), .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let after = trainer.history().iter().filter_map(|epoch| Some(epoch.validation.as_ref()?.total));
    Ok([first].into_iter().chain(after).collect())
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let [train, _] = sets::load(&args.run, args.rows)?;
    let run = Run::open(&args.run, args)?.documented("vae", "The learning rate");
    let descents = descents(args);
    let curves = descents.par_iter().map(|descent| descend(args, &train.images, descent));
    let curves = curves.collect::<anyhow::Result<Vec<_>>>()?;

    outln!("‖x − d(e(x))‖² per image after {} epochs of {} images", args.run.epochs, train.len());
    let mut results = Vec::new();
    let mut table = TextTable::new();
    let mut figure = Figure::new("An autoencoder learns: the loss on all training images")
        .axes("epoch", "‖x − d(e(x))‖² per image")
        .log_y();
    for (Descent { name, key, .. }, curve) in descents.iter().zip(&curves) {
        let last = curve[curve.len() - 1];
        let ended = if curve.len() <= args.run.epochs { "then infinite" } else { "" };
        table.row([name, &format!("{last:.4}"), ended]);
        results.push((*key, last));
        figure = figure.line(name, curve.iter().enumerate().map(|(epoch, &loss)| (epoch as f64, loss)));
    }
    table.print();
    figure.save(&run.picture(
        "descent.png",
        "The loss of the same network from the same θ by several rules and rates. Look for a rate that is too small \
        to arrive, for one that is too large to settle, and for rules that do without the right one (lecture 000, \
        \"Tuning the algorithm\")",
    ))?;
    let lowest =
        curves.iter().zip(&descents).min_by(|a, b| a.0[a.0.len() - 1].total_cmp(&b.0[b.0.len() - 1]));
    if let Some((curve, descent)) = lowest {
        run.found(&format!(
            "After {} epochs the loss is lowest by this rule: {} ({:.2} per image; ρ is the learning rate).",
            args.run.epochs,
            descent.name,
            curve[curve.len() - 1]
        ));
    }
    run.label(&[
        Label::new("small", "loss, ρ too small", "‖x − d(e(x))‖² per image"),
        Label::new("large", "loss, ρ too large", "‖x − d(e(x))‖² per image"),
        Label::new("right", "loss, ρ right", "‖x − d(e(x))‖² per image"),
        Label::new("decreasing", "loss, ρ decreasing", "‖x − d(e(x))‖² per image"),
        Label::new("momentum", "loss, momentum", "‖x − d(e(x))‖² per image"),
        Label::new("nesterov", "loss, Nesterov's gradient", "‖x − d(e(x))‖² per image"),
        Label::new("adam", "loss, Adam", "‖x − d(e(x))‖² per image"),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// Two digits.
fn short(x: f64) -> String {
    let digits = (1.0 - x.log10().floor()).max(0.0) as usize;
    let text = format!("{x:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
