//! Amortised inference (lecture 002, "Amortized inference"): an encoder, against variational parameters of their own for
//! every datum, and against an encoder whose result is refined; on the embedded digits or MNIST's:
//!
//!     cargo run --release -p vae --example amortisation
//!
//! Writes to `out/vae-amortisation/` one picture: the bound of the training images while the three learn, and that of test
//! images as their posteriors are refined. The model of amortised inference, which needs no steps for new images, is kept in
//! `model.safetensors`.

mod common {
    pub(crate) mod keep;
    pub(crate) mod recommend;
    pub(crate) mod sets;
}

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use common::recommend::recommend;
use common::sets;
use nn::data::{Matrix, Minibatches};
use nn::model::{Model, map_rows};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Counter, Defaults, Label, Run, RunArgs, TextTable, result_of, whole, width};
use nn::train::{Fit, Noise, Objective, Optimizer, Rule, Schedule};
use rand::{SeedableRng, rngs::StdRng};
use vae::{LocalBound, LocalPosteriors, SemiAmortisedObjective, Vae, VaeConfig, VaeObjective};

/// Compares amortised, semi-amortised and not amortised inference
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = width)]
    latent: usize,
    /// At most so many training images; of MNIST, with --data, the first ones and a fifth as many test images
    #[arg(long, value_name = "N", default_value_t = 1497, value_parser = whole)]
    rows: usize,
    /// Steps of refinement in semi-amortised training
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole)]
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
    args.run.without_checkpoint()?;
    let sets = sets::load(&args.run, args.rows)?;
    let known = sets::first(&sets[0], args.rows);
    let (train, test) = (&known.images, &sets[1].images);
    let run = Run::open(&args.run, args)?
        .documented("vae", "What amortisation costs, what a full covariance brings");
    let vae = Vae::new(&VaeConfig::new(train.cols, &[64, 64], args.latent))?;

    let mut bound = VaeObjective::new(&vae, train);
    let mut refining = SemiAmortisedObjective { bound, steps: args.steps, rate: 0.02 };
    let done = Counter::new("trainings and refinements", 6);
    let learned = [
        done.counted(amortised("amortised", args, &vae, &mut bound)?),
        done.counted(amortised("semi-amortised", args, &vae, &mut refining)?),
        done.counted(not_amortised(args, &vae, train)),
    ];
    // Test images have no parameters of their own. They are fitted, beginning with the encoder's or with the prior's.
    let encoded = |of: &Learned| {
        map_rows(&of.theta, test, 2 * args.latent, |theta, x| vae.posterior_parameters(theta, x))
    };
    let zeros = Matrix::new(test.rows, 2 * args.latent, vec![0.0; 2 * args.latent * test.rows]);
    let starts = [encoded(&learned[0]), encoded(&learned[1]), zeros];
    let refined: Vec<Vec<(f64, f64)>> = learned
        .iter()
        .zip(starts)
        .map(|(of, start)| {
            let bound = LocalBound { vae: &vae, theta: &of.theta, data: test, samples: 4 };
            done.counted(refine(args, &bound, start))
        })
        .collect();
    drop(done);

    let own = 2 * args.latent * train.rows;
    let encoder = vae.layout().range("encoder").len();
    outln!("variational parameters: {encoder} in the encoder, {own} of {} images' own", train.rows);
    let mut results = print(&learned, &refined);
    // Its encoder has an answer for every new image, without further steps.
    recommend(&run, "amortised inference", vae.to_file(&learned[0].theta), &known)?;
    draw(&learned, &refined).save(&run.picture(
        "amortisation.png",
        "The bound of test images by several ways to find q(z|x). Refinement closes the gap that an encoder leaves; \
        without an encoder, every image needs parameters and steps of its own (lecture 002, \"Amortized inference\")",
    ))?;
    let of = |name: &str| result_of(&results, name);
    run.found(&format!(
        "To share one encoder among all images (amortisation) loses {:.2} nats an image: so much the bound rises when the posterior of \
         each test image is fitted by itself.",
        of("amortised_test_refined") - of("amortised_test")
    ));
    results.push(("encoder_parameters".to_owned(), encoder as f64));
    results.push(("own_parameters".to_owned(), own as f64));
    run.label(&[
        Label::new("*_train", "ELBO of training images: *", "nats per image"),
        Label::new("*_test", "ELBO of test images: *", "nats per image"),
        Label::new(
            "*_test_refined",
            "ELBO of test images, the posterior of each refined: *",
            "nats per image",
        ),
        Label::new("encoder_parameters", "numbers in the encoder", ""),
        Label::new(
            "own_parameters",
            "numbers of the training images' own posteriors, without an encoder",
            "",
        ),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// With an encoder, whose result the objective may refine.
fn amortised<O: Objective<f32>>(
    name: &'static str,
    args: &Args,
    vae: &Vae,
    objective: &mut O,
) -> anyhow::Result<Learned> {
    let started = Instant::now();
    let mut trainer = args.run.trainer(vae.layout());
    let fit = Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..args.run.fit() };
    trainer.fit(objective, None, &fit, &mut ())?;
    let epochs = trainer.history().iter().zip(1..);
    let curve = epochs.map(|(epoch, i)| (f64::from(i), epoch.train.part("elbo"))).collect();
    let theta = trainer.theta().clone();
    Ok(Learned { name, curve, theta, seconds: started.elapsed().as_secs_f64() })
}

/// Without an encoder: the same steps of θ, and steps of the λ of the minibatch's images.
fn not_amortised(args: &Args, vae: &Vae, train: &Matrix<f32>) -> Learned {
    let started = Instant::now();
    let mut theta: Arc<Vec<f32>> = Arc::new(vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed)));
    let mut optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let zeros = Matrix::new(train.rows, 2 * args.latent, vec![0.0; 2 * args.latent * train.rows]);
    let mut posteriors = LocalPosteriors::new(zeros, Rule::ADAM);
    let mut minibatches = Minibatches::new(train.rows, args.run.batch_size, args.run.seed);
    let schedule = Schedule::Cosine { epochs: args.run.epochs };
    let mut curve = Vec::new();
    for epoch in 0..args.run.epochs {
        let (rate, mut sum) = (schedule.factor(epoch) * args.run.lr, 0.0);
        for rows in minibatches.epoch(epoch as u64) {
            let noise = Noise::new(args.run.seed, optimizer.steps());
            let bound = LocalBound { vae, theta: &theta, data: train, samples: 1 };
            // Each λ moves once an epoch, θ in every step: λ needs a larger rate.
            let step = posteriors.step(&bound, rows, noise, 30.0 * rate);
            sum += step.elbo * rows.len() as f64;
            let theta: &mut Vec<f32> = Arc::make_mut(&mut theta);
            optimizer.step(rate, theta, step.gradient);
        }
        curve.push(((epoch + 1) as f64, sum / train.rows as f64));
    }
    Learned { name: "not amortised", curve, theta, seconds: started.elapsed().as_secs_f64() }
}

/// The bound of test images after steps of their λ.
fn refine(args: &Args, bound: &LocalBound<'_, f32>, start: Matrix<f32>) -> Vec<(f64, f64)> {
    let (steps, seed) = (if args.run.dry_run { 2 } else { REFINED }, args.run.seed);
    let reported = LocalBound { samples: SAMPLES, ..*bound };
    let mut posteriors = LocalPosteriors::new(start, Rule::ADAM);
    let rows: Vec<usize> = (0..bound.data.rows).collect();
    let mut curve = vec![(0.0, posteriors.elbo(&reported, Noise::evaluation(seed)))];
    for step in 1..=steps {
        // The rate falls, so that the noise of the gradient does not stay in the result.
        let rate = REFINING * (1.0 - step as f64 / (steps + 1) as f64);
        posteriors.refine(bound, &rows, Noise::new(seed, step as u64), rate);
        if step % 5 == 0 || step == steps {
            curve.push((step as f64, posteriors.elbo(&reported, Noise::evaluation(seed))));
        }
    }
    curve
}

/// Prints the bounds, and returns them by name.
fn print(learned: &[Learned; 3], refined: &[Vec<(f64, f64)>]) -> Vec<(String, f64)> {
    let header = ["", "training ELBO", "test ELBO", "refined", "seconds of training"];
    let mut table = TextTable::new().header(header);
    let mut results = Vec::new();
    for (learned, refined) in learned.iter().zip(refined) {
        let points = [learned.curve.last(), refined.first(), refined.last()];
        let bounds = points.map(|point| point.map_or(f64::NAN, |point| point.1));
        let [trained, first, last] = bounds.map(|bound| format!("{bound:.2}"));
        table.row([learned.name, &trained, &first, &last, &format!("{:.1}", learned.seconds)]);
        let key = learned.name.replace([' ', '-'], "_");
        let named = ["train", "test", "test_refined"].map(|what| format!("{key}_{what}"));
        results.extend(named.into_iter().zip(bounds));
    }
    table.print();
    results
}

fn draw(learned: &[Learned; 3], refined: &[Vec<(f64, f64)>]) -> Panels {
    let lines = |figure: Figure, curves: [&[(f64, f64)]; 3]| {
        let named = learned.iter().zip(curves);
        named.fold(figure, |figure, (learned, curve)| figure.line(learned.name, curve.iter().copied()))
    };
    let learning = Figure::new("Learning").axes("epoch", "ELBO of training images, nats").log_x();
    let refining =
        Figure::new("Refining the posteriors of test images").axes("step", "ELBO of test images, nats");
    // The bound at the prior, where the last begins, would flatten the other curves.
    let from = refined[2].iter().position(|(step, _)| *step >= 10.0).unwrap_or(0);
    Panels::new("Amortised inference, and not", 2)
        .figure(lines(learning, learned.each_ref().map(|learned| &learned.curve[..])))
        .figure(lines(refining, [&refined[0], &refined[1], &refined[2][from..]]))
}
