//! Amortised inference (lecture 002, "Amortized inference"): an encoder, against variational parameters of their own for
//! every datum, and against an encoder whose result is refined; on the embedded digits or MNIST's:
//!
//!     cargo run --release -p vae --example amortisation
//!
//! Writes to `out/vae-amortisation/` one picture: the bound of the training images while the three learn, and that of test
//! images as their posteriors are refined.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use nn::data::{Matrix, Minibatches};
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use nn::train::Objective;
use vae::{Config, Images, Local, SemiAmortised, Vae};

use common::sets;

/// Compares amortised, semi-amortised and not amortised inference
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = whole)]
    latent: usize,
    /// At most so many training images; of MNIST, with --data, the first ones and a fifth as many test images
    #[arg(long, value_name = "N", default_value_t = 1497)]
    images: usize,
    /// Steps of refinement in semi-amortised training
    #[arg(long, value_name = "N", default_value_t = 5)]
    steps: usize,
}

/// Steps of refinement of test images, by Adam at this rate.
const REFINED: usize = 1000;
const REFINING: f64 = 0.03;
/// Draws of z for each image in the bounds that are reported.
const SAMPLES: usize = 64;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-amortisation", epochs: 150, batch_size: 32, lr: 2e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// What a way of inference learned: the bound of the training images by epoch, θ.
struct Learned {
    name: &'static str,
    curve: Vec<(f64, f64)>,
    theta: Arc<Vec<f32>>,
    seconds: f64,
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    let [train, test] = sets::digits(&args.run, args.images)?.map(|set| set.images);
    let (train, _) = train.split_at_row(args.images.min(train.rows));
    let folder = RunFolder::open(&args.run, args)?;
    let vae = Vae::new(&Config::new(train.cols, &[64, 64], args.latent));

    let images = Images::new(&vae, &train);
    let learned = [
        amortised("amortised", args, &vae, &images, train.rows)?,
        amortised(
            "semi-amortised",
            args,
            &vae,
            &SemiAmortised { images, steps: args.steps, rate: 0.02 },
            train.rows,
        )?,
        not_amortised(args, &vae, &train),
    ];

    // Test images have no parameters of their own: they are fitted, from the encoder's or from the prior's.
    let refined = learned.each_ref().map(|learned| {
        let start = match learned.name {
            "not amortised" => {
                Matrix::new(test.rows, 2 * args.latent, vec![0.0; 2 * args.latent * test.rows])
            }
            _ => nn::map_rows(&learned.theta, &test, 2 * args.latent, |theta, x| vae.parameters(theta, x)),
        };
        let steps = if args.run.dry_run { 2 } else { REFINED };
        refine(&vae, &learned.theta, &test, start, steps, args.run.seed)
    });

    let encoder: usize = vae
        .layout()
        .slots()
        .iter()
        .filter(|slot| slot.name().starts_with("encoder"))
        .map(|slot| slot.shape().size())
        .sum();
    let own = 2 * args.latent * train.rows;
    println!("variational parameters: {encoder} in the encoder, {own} of {} images' own", train.rows);
    println!("                 training ELBO   test ELBO   refined   seconds of training");
    let mut results: Vec<(String, f64)> = Vec::new();
    for (learned, refined) in learned.iter().zip(&refined) {
        let (trained, first, last) = (learned.curve.last(), refined.first(), refined.last());
        let [trained, first, last] = [trained, first, last].map(|point| point.map_or(f64::NAN, |p| p.1));
        println!("{:14} {trained:15.2} {first:11.2} {last:9.2} {:10.1}", learned.name, learned.seconds);
        let key = learned.name.replace([' ', '-'], "_");
        results.push((format!("{key}_train"), trained));
        results.push((format!("{key}_test"), first));
        results.push((format!("{key}_test_refined"), last));
    }
    let lines = |figure: Figure, curves: [&[(f64, f64)]; 3]| {
        let named = learned.iter().zip(curves);
        named.fold(figure, |figure, (learned, curve)| figure.line(learned.name, curve.iter().copied()))
    };
    // The prior as a start would hide all else.
    let from = refined[2].iter().position(|(step, _)| *step >= 10.0).unwrap_or(0);
    Panels::new("Amortised inference, and not", 2)
        .figure(lines(
            Figure::new("Learning").axes("epoch", "ELBO of training images, nats").log_x(),
            learned.each_ref().map(|learned| &learned.curve[..]),
        ))
        .figure(lines(
            Figure::new("Refining the posteriors of test images").axes("step", "ELBO of test images, nats"),
            [&refined[0], &refined[1], &refined[2][from..]],
        ))
        .save(&folder.file("amortisation.png"))?;
    println!("the picture is in {}", args.run.out.display());
    results.push(("encoder_parameters".to_owned(), encoder as f64));
    results.push(("own_parameters".to_owned(), own as f64));
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}

/// With an encoder, whose result the objective may refine.
fn amortised(
    name: &'static str,
    args: &Args,
    vae: &Vae,
    objective: &impl Objective<f32>,
    rows: usize,
) -> anyhow::Result<Learned> {
    let (started, theta) = (Instant::now(), common::start(&args.run, vae.layout()));
    let schedule = Schedule::Cosine { epochs: args.run.epochs };
    let trainer = common::train(&args.run, theta, (objective, rows), schedule)?;
    let epochs = trainer.history().iter().enumerate();
    let curve = epochs.map(|(i, epoch)| ((i + 1) as f64, epoch.train.parts[0])).collect();
    let theta = trainer.theta().clone();
    Ok(Learned { name, curve, theta, seconds: started.elapsed().as_secs_f64() })
}

/// Without: the same steps of θ, and steps of the λ of the minibatch's images.
fn not_amortised(args: &Args, vae: &Vae, train: &Matrix<f32>) -> Learned {
    let (started, mut theta) = (Instant::now(), Arc::new(common::start(&args.run, vae.layout())));
    let mut optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let zeros = Matrix::new(train.rows, 2 * args.latent, vec![0.0; 2 * args.latent * train.rows]);
    let mut local = Local::new(zeros, Rule::ADAM);
    let mut minibatches = Minibatches::new(train.rows, args.run.batch_size, args.run.seed);
    let schedule = Schedule::Cosine { epochs: args.run.epochs };
    let mut curve = Vec::new();
    for epoch in 0..args.run.epochs {
        let (factor, mut sum) = (schedule.factor(epoch), 0.0);
        for rows in minibatches.epoch(epoch as u64) {
            let noise = Noise::new(args.run.seed, optimizer.steps());
            // Each λ moves once an epoch, θ in every step: it needs a larger rate.
            let (elbo, slopes) =
                local.step(vae, &theta, train, rows, (1, noise), 30.0 * factor * args.run.lr);
            sum += elbo * rows.len() as f64;
            let theta = Arc::get_mut(&mut theta).expect("nobody else holds θ");
            optimizer.step_sum(factor * args.run.lr, theta, &[slopes], 1.0 / rows.len() as f64);
        }
        curve.push(((epoch + 1) as f64, sum / train.rows as f64));
    }
    Learned { name: "not amortised", curve, theta, seconds: started.elapsed().as_secs_f64() }
}

/// The bound of test images after steps of their λ.
fn refine(
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    test: &Matrix<f32>,
    start: Matrix<f32>,
    steps: usize,
    seed: u64,
) -> Vec<(f64, f64)> {
    let mut local = Local::new(start, Rule::ADAM);
    let rows: Vec<usize> = (0..test.rows).collect();
    let mut curve = vec![(0.0, local.elbo(vae, theta, test, (SAMPLES, Noise::evaluation(seed))))];
    for step in 1..=steps {
        // The rate falls, so that the noise of the gradient does not stay in the result.
        let rate = REFINING * (1.0 - step as f64 / (steps + 1) as f64);
        local.refine(vae, theta, test, &rows, (4, Noise::new(seed, step as u64)), rate);
        if step % 5 == 0 || step == steps {
            curve.push((step as f64, local.elbo(vae, theta, test, (SAMPLES, Noise::evaluation(seed)))));
        }
    }
    curve
}
