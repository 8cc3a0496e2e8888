//! Classification by a neural network (lecture 000, "About neural networks"), of the embedded digits:
//!
//!     cargo run --release -p nn --example classify
//!     cargo run --release -p nn --example classify -- --widths 128,64 --phi relu --psi sigmoid
//!
//! or of MNIST's four files by `--data DIR`, or of images of your own, in a subfolder for each class. The seed chooses which of them
//! validate and test, one of ten each:
//!
//!     cargo run --release -p nn --example classify -- --images FOLDER --size 28x28
//!
//! A dense network compares pixels in their places: it suits characters, signs, or parts under a camera, not photographs. φ, ψ and the widths are the lecture's "Model choice". Training stops when the
//! loss on validation images no longer falls. The example draws the confusion matrix, the images that are taken for
//! another digit, and the learning curve. The network is kept in `model.safetensors`, with which `nn_apply` tells new images apart.

mod common;

use std::process::ExitCode;

use anyhow::Context;
use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use common::{Classes, Psi, largest};
use nn::data::{self, ImageFormat, LabelledImages, Mnist, split};
use nn::model::density::{Bernoulli, Categorical, one_hot};
use nn::model::{MlpConfig, MlpModel, Model, Nonlinearity, TrainedOn, map_rows};
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Activation, Defaults, ImageArgs, Label, Run, RunArgs, TextTable, whole, width};
use nn::train::{Batch, End, Fit, Loss, Objective, Parts};

/// Tells handwritten digits, or images of your own, apart and shows which it confuses
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    own: ImageArgs,
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

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/nn-classify", epochs: 500, batch_size: 32, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| classify(&args))?
    })
}

/// The cross-entropy −log p(label|x) of images, and the share of them that is labelled rightly.
struct CrossEntropyObjective<'a> {
    network: &'a MlpModel,
    psi: Psi,
    set: &'a LabelledImages,
    classes: usize,
}

impl Objective<f32> for CrossEntropyObjective<'_> {
    fn parts(&self) -> &'static [&'static str] {
        &["accuracy"]
    }

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
        let classes = self.classes;
        let labels: Vec<u8> = batch.rows.iter().map(|&row| self.set.labels[row]).collect();
        let x = batch.gather(tape, images);
        let y = tape.constant_with([rows, classes], |out| one_hot(&labels, classes, out));
        let logits = self.network.apply(theta, x);
        let log_prob = match self.psi {
            Psi::Softmax => Categorical { logits }.log_prob(y),
            Psi::Sigmoid => Bernoulli { logits }.log_prob(y),
        };
        let right = |logits: &[f32]| {
            let pairs = labels.iter().zip(logits.chunks_exact(classes));
            pairs.filter(|&(&label, logits)| largest(logits) == usize::from(label)).count()
        };
        parts.add("accuracy", logits.with(right) as f64);
        Ok(log_prob.sum().neg())
    }
}

/// Images to train, to validate and to test on, and their classes.
struct Data {
    train: LabelledImages,
    validation: LabelledImages,
    test: LabelledImages,
    /// What the classes are: digits, or classes.
    kind: &'static str,
    names: Vec<String>,
    format: ImageFormat,
}

fn classify(args: &Args) -> anyhow::Result<()> {
    let data = Data::read(args)?;
    let Data { train, validation, test, names, .. } = &data;
    let classes = names.len();
    let run = Run::open(&args.run, args)?.documented("nn", "Classification");

    let widths = [&[train.images.cols], &args.widths[..], &[classes]].concat();
    let network = MlpModel::new(MlpConfig { widths, phi: args.phi.into(), psi: Nonlinearity::Identity })?;

    let objective = |set| CrossEntropyObjective { network: &network, psi: args.psi, set, classes };
    let mut trainer = run.trainer(network.layout());
    let fit = Fit { patience: Some(args.patience), ..run.fit() };
    let end = run.train(&mut trainer, &mut objective(train), Some(&mut objective(validation)), &fit)?;
    if end == End::Stopped {
        return Ok(());
    }
    let mut file = network.to_file(trainer.theta());
    file.set(ImageFormat::ENTRY, &data.format);
    file.set(Classes::ENTRY, &Classes { names: names.clone(), psi: args.psi });
    let path = args.own.images.as_deref().or(args.run.data.as_deref());
    run.keep_model(file, &TrainedOn::new(path, "the embedded digits", train.len()))?;

    let loss: Loss = trainer.evaluate(&mut objective(test))?;
    let accuracy = loss.part("accuracy");
    let se = (accuracy * (1.0 - accuracy) / test.len() as f64).sqrt();
    let mut table = TextTable::new();
    table.row(["accuracy", &format!("{:.2} ± {:.2} %", 100.0 * accuracy, 100.0 * se)]);
    table.row(["cross-entropy", &format!("{:.3} nats per image", loss.total)]);
    outln!("{} images not seen in training, a network of {} numbers", test.len(), network.layout().size());
    table.print();

    let logits = map_rows(trainer.theta(), &test.images, classes, |theta, x| network.apply(theta, x));
    let taken_for: Vec<usize> = (0..test.len()).map(|i| largest(logits.row(i))).collect();
    if args.own.images.is_some() {
        print_classes(&data, &taken_for);
    }
    draw_confusion(&run, &data, &taken_for)?;
    draw_errors(&run, &data, &taken_for)?;
    run.draw_loss(&trainer, "cross-entropy, nats per image")?;
    let mut mistakes = vec![0; classes * classes];
    for (&label, &class) in
        test.labels.iter().zip(&taken_for).filter(|&(&label, &class)| usize::from(label) != class)
    {
        mistakes[usize::from(label) * classes + class] += 1;
    }
    let (most, times) = mistakes.iter().enumerate().max_by_key(|(_, times)| **times).unwrap_or((0, &0));
    let most_often = match times {
        0 => "It made no mistake.".to_owned(),
        1 => "No mistake was made twice.".to_owned(),
        times => format!(
            "Its most frequent mistake: {} taken for {}, {times} times.",
            names[most / classes],
            names[most % classes]
        ),
    };
    run.found(&format!(
        "Of 100 images that it has not seen the network recognises {:.1}, give or take {:.1}. {most_often}",
        100.0 * accuracy,
        100.0 * se
    ));
    run.label(&[
        Label::new("accuracy", "test images that are recognised", "share").over("test images"),
        Label::new(
            "cross_entropy",
            "cost of the right class of a test image, −log p: cross-entropy",
            "nats per image",
        ),
        Label::new("epochs", "epochs of training", ""),
    ]);
    run.finish(&[
        ("accuracy", accuracy),
        ("accuracy_se", se),
        ("cross_entropy", loss.total),
        ("epochs", trainer.epochs() as f64),
    ])?;
    Ok(())
}

impl Data {
    fn read(args: &Args) -> anyhow::Result<Self> {
        let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
        let mut format = None;
        let ([train, validation, test], kind, names) = match (args.own.read()?, &args.run.data) {
            (Some(folder), _) => {
                folder.check_classes()?;
                let parts = folder.split([0.8, 0.1, 0.1], args.run.seed)?;
                format = Some(folder.format);
                (parts, "class", folder.classes)
            }
            (None, None) => {
                let data = data::digits();
                let parts = split(data.len(), [1297, 200, 300], args.run.seed);
                (parts.map(|rows| data.select(&rows)), "digit", digits)
            }
            (None, Some(dir)) => {
                let data = Mnist::read(dir)?;
                let n = data.train.len();
                let held_out = n / 12;
                let parts = split(n, [n - held_out, held_out], args.run.seed);
                let [train, validation] = parts.map(|rows| data.train.select(&rows));
                anyhow::ensure!(held_out > 0, "{}: too few images to hold any out", dir.display());
                ([train, validation, data.test], "digit", digits)
            }
        };
        let test = test.select(&(0..args.run.rows(test.len())).collect::<Vec<_>>());
        let format = format.unwrap_or_else(|| ImageFormat::new(train.height, train.width));
        Ok(Self { train, validation, test, kind, names, format })
    }
}

/// Prints how many test images of each class are recognised; the numbers are those of the confusion matrix.
fn print_classes(data: &Data, taken_for: &[usize]) {
    let mut table = TextTable::new().header(["class", "number", "test images", "recognised"]);
    for (class, name) in data.names.iter().enumerate() {
        let of_class = |&&i: &&usize| usize::from(data.test.labels[i]) == class;
        let rows: Vec<usize> = (0..data.test.len()).collect();
        let images: Vec<usize> = rows.iter().filter(of_class).copied().collect();
        let recognised = images.iter().filter(|&&i| taken_for[i] == class).count();
        table.row([name.clone(), class.to_string(), images.len().to_string(), recognised.to_string()]);
    }
    table.print();
}

/// Draws which classes are taken for which.
fn draw_confusion(run: &Run<'_>, data: &Data, taken_for: &[usize]) -> anyhow::Result<()> {
    let (kind, classes) = (data.kind, data.names.len());
    let mut counts = vec![0.0; classes * classes];
    for (&label, &class) in data.test.labels.iter().zip(taken_for) {
        counts[usize::from(label) * classes + class] += 1.0;
    }
    let matrix = |title: &str, label: &str, cell: &dyn Fn(usize, usize) -> f64| {
        let cells = (0..classes * classes).map(|i| cell(i / classes, i % classes));
        Figure::new(title).axes("taken for", kind).matrix(label, (&data.names, &data.names), cells)
    };
    let row = |i: usize| &counts[i * classes..(i + 1) * classes];
    // A class without test images has no shares.
    let share = |i: usize, j: usize| row(i)[j] / row(i).iter().sum::<f64>().max(1.0);
    let errors = |i: usize, j: usize| if i == j { 0.0 } else { row(i)[j] };
    // The diagonal outshines the rest: errors have a panel of their own.
    let plural = if kind == "class" { "classes" } else { "digits" };
    Panels::new(&format!("Which {plural} are taken for which"), 2)
        .figure(matrix("All test images", &format!("share of the {kind}'s images"), &share))
        .figure(matrix("Errors alone", "images", &errors))
        .save(&run.picture(
            "confusion.png",
            "Which classes are taken for which: a row is a class, a column what it was taken for. The left diagonal \
            should be dark; on the right, look for pairs that are mistaken for each other (lecture 000, \"About \
            neural networks\")",
        ))
        .context("the confusion matrix")
}

/// Draws some images that are taken for another class.
fn draw_errors(run: &Run<'_>, data: &Data, taken_for: &[usize]) -> anyhow::Result<()> {
    let Data { test, kind, .. } = data;
    let wrong = (0..test.len()).filter(|&i| taken_for[i] != usize::from(test.labels[i]));
    let wrong: Vec<usize> = wrong.take(12).collect();
    ImageGrid::new(&format!("Test images that are taken for another {kind}"), test.height, test.width)
        .columns(wrong.iter().map(|&i| format!("{} → {}", test.labels[i], taken_for[i])))
        .row("", &test.images.select(&wrong).values)
        .save(&run.picture(
            "errors.png",
            "Test images that are taken for another class. Many are hard for a reader, too; those that are not show \
            what the network has not learned (lecture 000, \"About neural networks\")",
        ))
        .context("the images that are taken for another class")
}
