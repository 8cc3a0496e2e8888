//! A conditional VAE (Sohn, Lee & Yan 2015), one of the methods that lecture 003, "Compared Methods", compares: encoder and decoder
//! are told the class, so that z has only to say the rest. Beside it a VAE that is not told; on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example conditional
//!
//! Says how much the bound gains, which class the model takes test images for by Bayes' rule, and how many of its images are of
//! the class that was asked for. Draws all classes from the same z, test images written again as the other digits, and both
//! latent spaces.

mod common;

use std::collections::BTreeSet;
use std::iter::repeat_n;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use common::sets::{self, nearest};
use nn::data::{LabelledImages, Matrix};
use nn::noise::Noise;
use nn::picture::{ImageGrid, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use vae::{Config, Images, Vae, adjusted_rand_index, k_means};

/// Compares a conditional VAE, which is told the digit, with one that is not
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space, at least 2; the pictures of it show the first two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = whole)]
    hidden: Vec<usize>,
    /// Draws of z for each test image in log p(x)
    #[arg(long, value_name = "N", default_value_t = 500,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

const CLASSES: usize = 10;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-conditional", epochs: 300, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// Rows with their class behind them: (x | one-hot class) or (z | one-hot class).
fn told(rows: &Matrix<f32>, classes: impl IntoIterator<Item = usize>) -> Matrix<f32> {
    let told = classes.into_iter().zip(rows.values.chunks_exact(rows.cols)).flat_map(|(class, row)| {
        row.iter().copied().chain((0..CLASSES).map(move |other| f32::from(u8::from(other == class))))
    });
    Matrix::new(rows.rows, rows.cols + CLASSES, told.collect())
}

fn classes(set: &LabelledImages) -> Vec<usize> {
    set.labels.iter().map(|&label| label.into()).collect()
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.latent > 1, "--latent {}: at least 2 are wanted", args.latent);
    let sets = sets::digits(&args.run, args.images)?;
    let folder = RunFolder::open(&args.run, args)?;
    let ([train, test], seed) = (&sets, args.run.seed);
    let labels = sets.each_ref().map(classes);
    let known: BTreeSet<usize> = labels.iter().flatten().copied().collect();
    let [plain_x, told_x] = [
        sets.each_ref().map(|set| set.images.clone()),
        [0, 1].map(|i| told(&sets[i].images, labels[i].iter().copied())),
    ];

    println!(
        "nats per test image         ELBO   E_q[log p(x|z)]      KL   log p(x), {} samples",
        args.samples
    );
    let config = Config::new(train.images.cols, &args.hidden, args.latent);
    let mut results = Vec::new();
    let mut panels = Panels::new("Latent spaces: means of q(z|x) of test images", 2);
    let mut models = Vec::new();
    for (name, key, conditions, x) in
        [("VAE", "vae", 0, &plain_x), ("conditional VAE", "conditional", CLASSES, &told_x)]
    {
        let vae = Vae::new(&Config { conditions, ..config.clone() });
        let theta = common::start(&args.run, vae.layout());
        let schedule = Schedule::Cosine { epochs: args.run.epochs };
        let objective = Images::new(&vae, &x[0]);
        let mut trainer = common::train(&args.run, theta, (&objective, train.len()), schedule)?;
        let all: Vec<usize> = (0..test.len()).collect();
        let [elbo, log_likelihood, kl, _] = trainer.evaluate(&Images::new(&vae, &x[1]), &all).parts;
        let theta = trainer.theta().clone();
        let nll = -vae.log_likelihood(&theta, &x[1], args.samples, seed).mean;
        let codes = vae.codes(&theta, &x[1]).0;
        let clusters = k_means(&codes, known.len().min(codes.rows), 10, seed);
        let agreement = adjusted_rand_index(&clusters, &labels[1]);
        println!("{name:20} {elbo:12.2} {log_likelihood:17.2} {kl:7.2} {:10.2} {agreement:21.3}", -nll);
        results.extend(
            [("elbo", elbo), ("kl", kl), ("nll", nll), ("adjusted_rand_index", agreement)]
                .map(|(of, value)| (format!("{key}_{of}"), value)),
        );
        panels = panels.figure(common::codes_figure(name, &codes, &test.labels));
        models.push((vae, theta));
    }
    panels.save(&folder.file("latent.png"))?;
    let (vae, theta) = &models[1];

    // Bayes' rule with equal prior probabilities of K classes: p(y|x) ∝ p(x|y), p(x) = 1/K Σ p(x|y).
    let of_class = |&class: &usize| {
        let as_if = told(&test.images, repeat_n(class, test.len()));
        (class, vae.log_likelihood_of_rows(theta, &as_if, args.samples, seed))
    };
    let of_class: Vec<_> = known.iter().map(of_class).collect();
    let (mut right, mut log_p) = (0.0, 0.0);
    for (row, &label) in labels[1].iter().enumerate() {
        let log_p_x = || of_class.iter().map(|(class, rows)| (*class, rows[row].mean));
        let (class, best) = log_p_x().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are images");
        right += f64::from(u8::from(class == label));
        log_p += best + (log_p_x().map(|(_, l)| (l - best).exp()).sum::<f64>() / known.len() as f64).ln();
    }
    let n = test.len() as f64;
    let (accuracy, log_p) = (right / n, log_p / n);
    println!("without the class, log p(x) = log 1/{} Σ p(x|y)  {log_p:.2}", known.len());
    println!("argmax p(x|y) is the digit of {:.1} % of the test images", 100.0 * accuracy);

    // Whether images are of the class that was asked for: by the nearest training image.
    let asked: Vec<usize> = known.iter().copied().cycle().take(100 * known.len()).collect();
    let mut z = vec![0.0_f32; asked.len() * args.latent];
    Noise::evaluation(seed).normal(0, args.latent, &mut z);
    let z = Matrix::new(asked.len(), args.latent, z);
    let drawn = vae.decode_rows(theta, &told(&z, asked.iter().copied()));
    let agreeing = |images: &Matrix<f32>, classes: &[usize]| {
        let nearest = nearest(images, &train.images).into_iter().map(|(row, _)| labels[0][row]);
        nearest.zip(classes).filter(|(found, class)| found == *class).count() as f64 / classes.len() as f64
    };
    let (samples, data) = (agreeing(&drawn, &asked), agreeing(&test.images, &labels[1]));
    println!("the nearest training image is of the same class:");
    println!("  of {} samples, the class that was asked for, {:.1} %", asked.len(), 100.0 * samples);
    println!("  of the test images {:.1} %", 100.0 * data);
    draw(&folder, (vae, theta), &known, (test, &told_x[1]), seed)?;
    println!("pictures are in {}", args.run.out.display());
    results.extend(
        [("marginal_nll", -log_p), ("accuracy", accuracy), ("nearest_accuracy_samples", samples)]
            .map(|(of, value)| (format!("conditional_{of}"), value)),
    );
    results.push(("nearest_accuracy_test".to_owned(), data));
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}

fn draw(
    folder: &RunFolder,
    (vae, theta): (&Vae, &Arc<Vec<f32>>),
    known: &BTreeSet<usize>,
    (test, told_test): (&LabelledImages, &Matrix<f32>),
    seed: u64,
) -> anyhow::Result<()> {
    const ROWS: usize = 10;
    let (height, width, latent) = (test.height, test.width, vae.latent());
    // Every z, or code of an image, with every class.
    let all_classes = |z: &[f32]| {
        let z = Matrix::new(known.len(), latent, z.repeat(known.len()));
        vae.decode_rows(theta, &told(&z, known.iter().copied())).values
    };
    let mut z = vec![0.0_f32; ROWS * latent];
    Noise::evaluation(seed).normal(0, latent, &mut z);
    let digits = || known.iter().map(usize::to_string);
    let styles = ImageGrid::new("E[x|z, y]: a row is one z ~ N(0, I)", height, width).columns(digits());
    z.chunks_exact(latent)
        .fold(styles, |grid, z| grid.row("", &all_classes(z)))
        .save(&folder.file("styles.png"))?;

    let shown = told_test.select(&(0..ROWS.min(test.len())).collect::<Vec<_>>());
    let codes = vae.codes(theta, &shown).0;
    let blank = vec![1.0; height * width];
    let title = "Test images, and E[x|z, y] at their code z with every digit y";
    let mut again = ImageGrid::new(title, height, width)
        .columns(["data".to_owned(), String::new()].into_iter().chain(digits()));
    for row in 0..shown.rows {
        let image = test.images.row(row);
        again = again.row("", &[image, &blank, &all_classes(codes.row(row))].concat());
    }
    again.save(&folder.file("rewritten.png"))?;
    Ok(())
}
