//! Classification by a neural network (lecture 000, "About neural networks"), of the embedded digits:
//!
//!     cargo run --release -p nn --example classify
//!     cargo run --release -p nn --example classify -- --widths 128,64 --phi relu --psi sigmoid
//!
//! or of MNIST's four files by `--data DIR`. φ, ψ and the widths are the lecture's "Model choice". Training stops when the
//! loss on validation images no longer falls. The example draws the confusion matrix, the images that are taken for
//! another digit, and the learning curve.

use std::process::ExitCode;

use anyhow::Context;
use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use nn::data::{self, LabelledImages, Mnist, split};
use nn::model::density::{Bernoulli, Categorical, one_hot};
use nn::model::{Layout, Mlp, Nonlinearity, map_rows};
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Activation, Defaults, Run, RunArgs, TextTable, whole, width};
use nn::train::{Batch, End, Fit, Loss, Objective, Parts};

/// Tells handwritten digits apart and shows which it confuses
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Neurons of the hidden layers; without any, the model is logistic regression
    #[arg(long, value_name = "N,…", value_delimiter = ',', num_args = 0..,
        default_value = "64", value_parser = width)]
    widths: Vec<usize>,
    /// φ, the activation of hidden layers
    #[arg(long, value_name = "PHI", default_value = "relu")]
    phi: Activation,
    /// ψ, which makes probabilities of the outputs
    #[arg(long, value_name = "PSI", default_value = "softmax")]
    psi: Psi,
    /// Stop after so many epochs without a lower validation loss
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole)]
    patience: usize,
}

#[derive(Clone, Copy, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Psi {
    /// One variable with ten classes
    Softmax,
    /// Ten variables with yes and no
    Sigmoid,
}

const CLASSES: usize = 10;

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/nn-classify", epochs: 500, batch_size: 32, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| classify(&args))?
    })
}

/// The cross-entropy −log p(label|x) of images, and the share of them that is labelled rightly.
struct CrossEntropyObjective<'a> {
    network: &'a Mlp,
    psi: Psi,
    set: &'a LabelledImages,
}

impl Objective<f32> for CrossEntropyObjective<'_> {
    const PARTS: &'static [&'static str] = &["accuracy"];

    fn rows(&self) -> usize {
        self.set.len()
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let (tape, images, rows) = (theta.tape(), &self.set.images, batch.rows.len());
        let labels: Vec<u8> = batch.rows.iter().map(|&row| self.set.labels[row]).collect();
        let x = tape.constant_with([rows, images.cols], |out| images.gather_into(batch.rows, out));
        let y = tape.constant_with([rows, CLASSES], |out| one_hot(&labels, CLASSES, out));
        let logits = self.network.apply(theta, x);
        let log_prob = match self.psi {
            Psi::Softmax => Categorical { logits }.log_prob(y),
            Psi::Sigmoid => Bernoulli { logits }.log_prob(y),
        };
        let right = |logits: &[f32]| {
            let pairs = labels.iter().zip(logits.chunks_exact(CLASSES));
            pairs.filter(|&(&label, logits)| largest(logits) == usize::from(label)).count()
        };
        parts.add("accuracy", logits.with(right) as f64);
        Ok(log_prob.sum().neg())
    }
}

/// The index of the largest number.
fn largest(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

fn classify(args: &Args) -> anyhow::Result<()> {
    let [train, validation, test] = read(args)?;
    let run = Run::open(&args.run, args)?;

    let mut layout = Layout::new();
    let widths = [&[train.images.cols], &args.widths[..], &[CLASSES]].concat();
    let network = Mlp::new(&mut layout, "network", &widths, args.phi.into(), Nonlinearity::Identity);

    let objective = |set| CrossEntropyObjective { network: &network, psi: args.psi, set };
    let mut trainer = run.trainer(&layout);
    let fit = Fit { patience: Some(args.patience), ..run.fit() };
    let end = run.train(&mut trainer, &mut objective(&train), Some(&mut objective(&validation)), &fit)?;
    if end == End::Stopped {
        return Ok(());
    }

    let loss: Loss = trainer.evaluate(&mut objective(&test))?;
    let accuracy = loss.part("accuracy");
    let se = (accuracy * (1.0 - accuracy) / test.len() as f64).sqrt();
    let mut table = TextTable::new();
    table.row(["accuracy", &format!("{:.2} ± {:.2} %", 100.0 * accuracy, 100.0 * se)]);
    table.row(["cross-entropy", &format!("{:.3} nats per image", loss.total)]);
    outln!("{} images not seen in training, a network of {} numbers", test.len(), layout.size());
    table.print();

    let logits = map_rows(trainer.theta(), &test.images, CLASSES, |theta, x| network.apply(theta, x));
    let classes: Vec<usize> = (0..test.len()).map(|i| largest(logits.row(i))).collect();
    draw_confusion(&run, &test, &classes)?;
    draw_errors(&run, &test, &classes)?;
    run.draw_loss(&trainer, "cross-entropy, nats per image")?;
    run.finish(&[
        ("accuracy", accuracy),
        ("accuracy_se", se),
        ("cross_entropy", loss.total),
        ("epochs", trainer.epochs() as f64),
    ])?;
    Ok(())
}

/// Images to train, to validate and to test on.
fn read(args: &Args) -> anyhow::Result<[LabelledImages; 3]> {
    let [train, validation, test] = match &args.run.data {
        None => {
            let data = data::digits();
            split(data.len(), [1297, 200, 300], args.run.seed).map(|rows| data.select(&rows))
        }
        Some(dir) => {
            let data = Mnist::read(dir)?;
            let n = data.train.len();
            let held_out = n / 12;
            let parts = split(n, [n - held_out, held_out], args.run.seed);
            let [train, validation] = parts.map(|rows| data.train.select(&rows));
            anyhow::ensure!(held_out > 0, "{}: too few images to hold any out", dir.display());
            [train, validation, data.test]
        }
    };
    let test = test.select(&(0..args.run.rows(test.len())).collect::<Vec<_>>());
    Ok([train, validation, test])
}

/// Draws which digits are taken for which.
fn draw_confusion(run: &Run<'_>, test: &LabelledImages, classes: &[usize]) -> anyhow::Result<()> {
    let mut counts = [[0.0; CLASSES]; CLASSES];
    for (&label, &class) in test.labels.iter().zip(classes) {
        counts[usize::from(label)][class] += 1.0;
    }
    let names: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
    let matrix = |title: &str, label: &str, cell: &dyn Fn(usize, usize) -> f64| {
        let cells = (0..CLASSES * CLASSES).map(|i| cell(i / CLASSES, i % CLASSES));
        Figure::new(title).axes("taken for", "digit").matrix(label, (&names, &names), cells)
    };
    let share = |i: usize, j: usize| counts[i][j] / counts[i].iter().sum::<f64>();
    let errors = |i: usize, j: usize| if i == j { 0.0 } else { counts[i][j] };
    // The diagonal outshines the rest: errors have a panel of their own.
    Panels::new("Which digits are taken for which", 2)
        .figure(matrix("All test images", "share of the digit's images", &share))
        .figure(matrix("Errors alone", "images", &errors))
        .save(&run.file("confusion.png"))
        .context("the confusion matrix")
}

/// Draws some images that are taken for another digit.
fn draw_errors(run: &Run<'_>, test: &LabelledImages, classes: &[usize]) -> anyhow::Result<()> {
    let wrong = (0..test.len()).filter(|&i| classes[i] != usize::from(test.labels[i]));
    let wrong: Vec<usize> = wrong.take(12).collect();
    ImageGrid::new("Test images that are taken for another digit", test.height, test.width)
        .columns(wrong.iter().map(|&i| format!("{} → {}", test.labels[i], classes[i])))
        .row("", &test.images.select(&wrong).values)
        .save(&run.file("errors.png"))
        .context("the images that are taken for another digit")
}
