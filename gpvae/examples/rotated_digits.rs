//! Digits turned to sixteen angles, one of which no training image has (lecture 003, "Example: Rotated MNIST"):
//!
//!     cargo run --release -p gpvae --example rotated_digits
//!
//! learns from embedded digits, by the model in two ways and by its two baselines, predicts the digits at the angle left
//! out, and draws the lecture's figure 2. The benchmark of Casale et al. 2018, or digits of MNIST:
//!
//!     cargo run --release -p gpvae --example rotated_digits -- --images FILE --split FILE
//!     cargo run --release -p gpvae --example rotated_digits -- --data DIR --digit 3

mod rotated;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use gpvae::Views;
use gpvae::data::Rotations;
use nn::Estimate;
use nn::checkpoint::Checkpoint;
use nn::data::{LabelledImages, embedded, mnist};
use nn::run::{Defaults, Interrupt, RunArgs, RunFolder, result_line};

use rotated::figure;
use rotated::log::Log;
use rotated::methods::{Method, Options, Session, run};

/// Predicts digits at an angle that was not seen, by a VAE with a Gaussian-process prior and by its baselines
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// The benchmark's images, an IDX file (objects, views, height, width); with --split
    #[arg(long, value_name = "FILE", requires = "split", conflicts_with = "data")]
    images: Option<PathBuf>,
    /// What the benchmark's images are for, a CSV file
    #[arg(long, value_name = "FILE", requires = "images")]
    split: Option<PathBuf>,
    /// The digit to turn, where images are not turned already
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..10))]
    digit: u8,
    /// How many images to turn, at most
    #[arg(long, value_name = "N", default_value_t = 400)]
    objects: usize,
    /// What to train, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',',
          default_values_t = [Method::Joint, Method::Disjoint, Method::Cvae, Method::Livae])]
    methods: Vec<Method>,
    #[command(flatten)]
    #[serde(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-rotated_digits", epochs: 200, batch_size: 32, lr: 8e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| rotated_digits(&args))?)
}

fn rotated_digits(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(
        args.run.resume.is_none(),
        "this example trains several models one after the other: no --resume"
    );
    args.options.check()?;
    let mut methods = args.methods.clone();
    methods.sort_unstable();
    methods.dedup();
    let mut views = load(args)?;
    if args.run.dry_run {
        let some = args.options.features;
        let Views { train, test, object, .. } = &mut views;
        train.retain(|&row| object[row] < some);
        train.truncate(args.run.batch_size);
        test.retain(|&row| train.iter().any(|&known| object[known] == object[row]));
    }
    anyhow::ensure!(
        args.options.features <= views.objects,
        "--features {}: there are {} objects",
        args.options.features,
        views.objects
    );
    let folder = RunFolder::open(&args.run, args)?;
    let interrupt = Interrupt::install()?;
    println!(
        "{} images of {} objects under {} views to learn from; {} to predict, under the view that none of them has",
        views.train.len(),
        views.objects,
        views.angles.len(),
        views.test.len()
    );

    let mut outcomes = Vec::new();
    let (checkpoint, log) = (Checkpoint::new(), Log::open(&folder)?);
    let mut session = Session {
        views: &views,
        args: &args.run,
        options: &args.options,
        interrupt: &interrupt,
        checkpoint,
        log,
    };
    for method in methods {
        eprintln!("{}", method.title());
        let Some(outcome) = run(method, &mut session)? else {
            eprintln!("stopped; nothing is kept of {}", method.title());
            return Ok(());
        };
        outcomes.push(outcome);
        folder.save(&session.checkpoint)?;
    }

    println!("mean squared error of a pixel, ± standard error over images    sampled z    seconds");
    for outcome in &outcomes {
        let sampled = outcome.sampled.map_or("-".to_owned(), |error| format!("{:.4}", error.mean));
        let (title, error) = (outcome.method.title(), outcome.error());
        println!("  {title:<34} {:.4} ± {:.4} {sampled:>22} {:>10.0}", error.mean, error.se, outcome.seconds);
        if let Some(learned) = &outcome.learned {
            println!("      {learned}");
        }
    }
    let blended = rotated::blend(&views);
    println!("  {:<34} {:.4} ± {:.4}", "the neighbouring views, blended", blended.mean, blended.se);
    if let Some((first, others)) = outcomes.split_first().filter(|(_, others)| !others.is_empty()) {
        println!("larger than with {}, image by image", first.method.title());
        for other in others {
            let Estimate { mean, se } = other.excess(first);
            println!("  {:<34} {mean:.4} ± {se:.4}", other.method.title());
        }
    }

    figure::draw(&folder, &views, &outcomes).context("the pictures could not be drawn")?;
    println!("pictures, metrics and parameters are in {}", args.run.out.display());
    let mut results = Vec::new();
    for outcome in &outcomes {
        let name = outcome.method.name();
        results.push((format!("{name}_mse"), outcome.error().mean));
        results.push((format!("{name}_se"), outcome.error().se));
        results.extend(outcome.sampled.map(|error| (format!("{name}_sampled_mse"), error.mean)));
    }
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    let results: Vec<(&str, f64)> = results.iter().map(|(name, value)| (&name[..], *value)).collect();
    result_line(&results);
    Ok(())
}

/// The benchmark, or ordinary digits, turned; black is put around the small ones, whose corners would be lost.
fn load(args: &Args) -> anyhow::Result<Views> {
    if let (Some(images), Some(split)) = (&args.images, &args.split) {
        return Ok(Views::read(images, split)?);
    }
    let (set, margin): (LabelledImages, usize) = match &args.run.data {
        Some(dir) => {
            let set = mnist(dir).with_context(|| {
                format!("no MNIST in --data {}; without --data the embedded digits are used", dir.display())
            })?;
            (set.train, 0)
        }
        None => (embedded::digits(), 2),
    };
    let rows: Vec<usize> =
        (0..set.len()).filter(|&row| set.labels[row] == args.digit).take(args.objects).collect();
    let rotations =
        Rotations { views: 16, held_out: 7, margin, shown: 0.75, validation: 0, seed: args.run.seed };
    Ok(rotations.of(&set.select(&rows).images, set.height, set.width)?)
}
