//! Classification by a neural network (lecture 000, "About neural networks"), of the embedded digits:
//!
//!     cargo run --release -p nn --example classify
//!     cargo run --release -p nn --example classify -- --widths 128,64 --phi relu --psi sigmoid
//!
//! or of MNIST's four files by `--data DIR`. φ, ψ and the widths are the lecture's "Model choice"; the loss on images held out
//! for validation says when to stop. Draws the confusion matrix, the images that are taken for another digit, and the
//! learning curve.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use autograd::Var;
use nn::data::{LabelledImages, embedded, mnist, split};
use nn::density::{Bernoulli, Categorical};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, Run, RunArgs, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Batch, End, Loss, Objective, Trainer};
use nn::{Layout, Mlp, Nonlinearity, map_rows};
use rand::{SeedableRng, rngs::StdRng};

/// Tells handwritten digits apart and shows which it confuses
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Neurons of the hidden layers; none of them: logistic regression
    #[arg(long, value_name = "N,…", value_delimiter = ',', num_args = 0..,
        default_value = "64", value_parser = whole)]
    widths: Vec<usize>,
    /// φ, the activation of hidden layers
    #[arg(long, value_name = "PHI", default_value = "relu", value_parser = common::ACTIVATIONS)]
    phi: String,
    /// ψ, what makes probabilities of the last layer: one variable with ten classes, or ten with yes and no
    #[arg(long, value_name = "PSI", default_value = "softmax", value_parser = ["softmax", "sigmoid"])]
    psi: String,
    /// Stop after so many epochs without a lower validation loss
    #[arg(long, value_name = "N", default_value_t = 20)]
    patience: usize,
}

const CLASSES: usize = 10;

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/nn-classify", epochs: 500, batch_size: 32, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| classify(&args))?
    })
}

/// Which probabilities the outputs are.
#[derive(Clone, Copy)]
enum Psi {
    Softmax,
    Sigmoid,
}

/// The cross-entropy −log p(label|x) of images, and how many are labelled rightly.
struct CrossEntropy<'a> {
    network: &'a Mlp,
    psi: Psi,
    set: &'a LabelledImages,
}

impl Objective<f32> for CrossEntropy<'_> {
    const PARTS: &'static [&'static str] = &["accuracy"];

    fn loss<'t>(&self, theta: Var<'t, f32>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f32> {
        let (tape, rows) = (theta.tape(), batch.rows);
        let images = &self.set.images;
        let x = tape.constant_with([rows.len(), images.cols], |out| images.gather_into(rows, out));
        let y = tape.constant_with([rows.len(), CLASSES], |out| {
            out.fill(0.0);
            for (&row, out) in rows.iter().zip(out.chunks_exact_mut(CLASSES)) {
                out[usize::from(self.set.labels[row])] = 1.0;
            }
        });
        let logits = self.network.apply(theta, x);
        let right = |logits: &[f32]| {
            let pairs = rows.iter().zip(logits.chunks_exact(CLASSES));
            pairs.filter(|&(&row, logits)| largest(logits) == usize::from(self.set.labels[row])).count()
        };
        parts[0] = logits.with(right) as f64;
        let log_prob = match self.psi {
            Psi::Softmax => Categorical { logits }.log_prob(y),
            Psi::Sigmoid => Bernoulli { logits }.log_prob(y),
        };
        log_prob.sum().neg()
    }
}

/// The index of the largest number.
fn largest(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

fn classify(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let phi = common::activation(&args.phi)?;
    let psi = if args.psi == "softmax" { Psi::Softmax } else { Psi::Sigmoid };
    let [train, validation, test] = match &args.run.data {
        None => {
            let data = embedded::digits();
            split(data.len(), [1297, 200, 300], args.run.seed).map(|rows| data.select(&rows))
        }
        Some(dir) => {
            let data = mnist(dir)?;
            let held_out = data.train.len() / 12;
            let [validation, train] =
                split(data.train.len(), [held_out, data.train.len() - held_out], args.run.seed);
            anyhow::ensure!(held_out > 0, "{}: too few images to hold any out", dir.display());
            [data.train.select(&train), data.train.select(&validation), data.test]
        }
    };
    let mut layout = Layout::new();
    let widths = common::widths(train.images.cols, &args.widths, CLASSES)?;
    let network = Mlp::new(&mut layout, "network", &widths, phi, Nonlinearity::Identity);
    let run = Run::open(&args.run, args)?;

    let theta = layout.init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, args.run.seed);
    let of = |set| CrossEntropy { network: &network, psi, set };
    let end = run
        .train(
            &layout,
            &mut trainer,
            (&of(&train), args.run.rows(train.len())),
            Some((&of(&validation), validation.len())),
            (Schedule::Constant, Some(args.patience)),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }

    let rows: Vec<usize> = (0..args.run.rows(test.len())).collect();
    let test = test.select(&rows);
    let Loss { total: cross_entropy, parts } = trainer.evaluate(&of(&test), &rows);
    let accuracy = parts[0];
    let predicted = predict(&network, trainer.theta(), &test);
    draw(&run, &trainer, &test, &predicted)?;
    let se = (accuracy * (1.0 - accuracy) / test.len() as f64).sqrt();
    println!("{} images not seen in training, a network of {} numbers", test.len(), layout.size());
    println!("  accuracy        {:8.2} ± {:.2} %", 100.0 * accuracy, 100.0 * se);
    println!("  cross-entropy   {cross_entropy:8.3} nats per image");
    println!("pictures, metrics and checkpoint are in {}", run.folder.path().display());
    result_line(&[
        ("accuracy", accuracy),
        ("accuracy_se", se),
        ("cross_entropy", cross_entropy),
        ("epochs", trainer.epochs() as f64),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// The class of each image.
fn predict(network: &Mlp, theta: &Arc<Vec<f32>>, set: &LabelledImages) -> Vec<usize> {
    let logits = map_rows(theta, &set.images, CLASSES, |theta, x| network.apply(theta, x));
    (0..set.len()).map(|i| largest(logits.row(i))).collect()
}

fn draw(
    run: &Run<'_>,
    trainer: &Trainer<f32>,
    test: &LabelledImages,
    predicted: &[usize],
) -> anyhow::Result<()> {
    let mut counts = [[0.0; CLASSES]; CLASSES];
    for (&label, &class) in test.labels.iter().zip(predicted) {
        counts[usize::from(label)][class] += 1.0;
    }
    // The diagonal outshines all else: what is confused has a panel of its own.
    let matrix = |title: &str, label: &str, cell: &dyn Fn(usize, usize) -> f64| {
        let ends = || -0.5..CLASSES as f64 - 0.5;
        let cells = (0..CLASSES * CLASSES).map(|i| cell(i / CLASSES, i % CLASSES));
        Figure::new(title).axes("taken for", "digit").heat_map(label, (ends(), ends()), CLASSES, cells)
    };
    let share = |i: usize, j: usize| counts[i][j] / counts[i].iter().sum::<f64>();
    let errors = |i: usize, j: usize| if i == j { 0.0 } else { counts[i][j] };
    Panels::new("Which digits are taken for which", 2)
        .figure(matrix("All test images", "share of the digit's images", &share))
        .figure(matrix("Errors alone", "images", &errors))
        .save(&run.folder.file("confusion.png"))?;

    let wrong: Vec<usize> =
        (0..test.len()).filter(|&i| predicted[i] != usize::from(test.labels[i])).take(12).collect();
    ImageGrid::new("Test images that are taken for another digit", test.height, test.width)
        .columns(wrong.iter().map(|&i| format!("{} → {}", test.labels[i], predicted[i])))
        .row("", &test.images.select(&wrong).values)
        .save(&run.folder.file("errors.png"))?;
    common::loss_figure(trainer.history(), "cross-entropy, nats per image")
        .save(&run.folder.file("loss.png"))?;
    Ok(())
}
