//! Digits turned to sixteen angles, one of which no training image has (lecture 003, "Example: Rotated MNIST"):
//!
//!     cargo run --release -p gpvae --example rotated_digits
//!
//! learns from embedded digits, by the model in two ways and by its two baselines, predicts the digits at the angle left
//! out, and draws the lecture's figure 2. The benchmark of Casale et al. 2018, or digits of MNIST:
//!
//!     cargo run --release -p gpvae --example rotated_digits -- --images FILE --split FILE
//!     cargo run --release -p gpvae --example rotated_digits -- --data DIR --digit 3
//!
//! `--tune` chooses λ and the number of features by a view that is held out, `--members N` averages the predictions of N models.
//!
//! The model by joint training, which has the least error, is kept in `model.safetensors`; the example `gp_apply` turns its
//! objects to any angle. Each method has a checkpoint and metrics of its own in the run's folder. Ctrl-C saves; `--resume` goes on with the method
//! that was in progress.

mod rotated;

use std::process::ExitCode;

use gpvae::data::{ObjectFeatures, Samples, Views, principal_features};
use gpvae::{Baseline, GpVae, GpVaeConfig, GpVaeError, GpVaeObjective};
use nn::data::ImageFormat;
use nn::model::TrainedOn;
use nn::run::{Defaults, Run, say};
use nn::stats::Estimate;
use nn::train::{End, Fit, Rule, Schedule, Trainer};
use nn::{errln, outln};
use rand::SeedableRng;
use rand::rngs::StdRng;
use vae::{Vae, VaeObjective};

use rotated::data::load;
use rotated::figure::turned;
use rotated::flags::{Args, Method, Options};
use rotated::report::{Learned, Outcome, report};
use rotated::saved::{Process, RotatedEntry};

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-rotated_digits", epochs: 200, batch_size: 32, lr: 8e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| rotated_digits(&args))?)
}

fn rotated_digits(args: &Args) -> anyhow::Result<()> {
    let views = load(args)?;
    let run = Run::open(&args.run, args)?.documented("gpvae", "Rotated digits, embedded");
    let mut seen = views.angles_of(&views.train);
    seen.sort_by(f64::total_cmp);
    seen.dedup();
    say(&format!(
        "{} images of {} objects under {} views to learn from; {} to predict, under the view that none of them has",
        views.train.len(),
        views.objects,
        seen.len(),
        views.test.len()
    ));
    let options = if args.tune { tuned(args, &run, &views)? } else { Some(args.options.clone()) };
    let Some(options) = options else { return Ok(()) };
    let mut outcomes = Vec::new();
    for method in args.methods() {
        errln!("{}", method.title());
        let (whole, run) = (&run, run.part(method.name())?);
        let outcome = match method {
            Method::Joint | Method::Disjoint | Method::Afterwards | Method::Lecture => {
                gaussian_processes(method, whole, &options, &views)?
            }
            Method::Cvae => baseline(method, Baseline::Conditional, &run, &options, &views)?,
            Method::Livae => baseline(method, Baseline::Interpolation, &run, &options, &views)?,
        };
        let Some(outcome) = outcome else { return Ok(()) }; // stopped, and saved
        outcomes.push(outcome);
    }
    keep(args, &options, &run, &views, &mut outcomes)?;
    report(&run, &views, &outcomes)
}

/// The options with the λ and the number of features with which joint training predicts a held-out view of the images to learn from
/// best: λ first, then the features. The test is not looked at. None if the user stopped it.
fn tuned(args: &Args, run: &Run<'_>, views: &Views) -> anyhow::Result<Option<Options>> {
    let held = views.train.iter().map(|&row| views.view[row]).max().unwrap_or(0);
    let inner = views.holding_out(held)?;
    outln!(
        "choosing by {} images at {:.1}°, which are held out",
        inner.test.len(),
        views.angles[held].to_degrees()
    );
    let mut best = (f64::INFINITY, args.options.clone());
    let mut tried = Vec::new();
    let lambdas = [1.0, 2.0, 4.0].map(|lambda| (Some(lambda), None));
    let features = [16, 24, 32].map(|features| (None, Some(features)));
    for (lambda, features) in lambdas.into_iter().chain(features) {
        let mut options = best.1.clone();
        options.lambda = lambda.unwrap_or(options.lambda);
        options.features = features.unwrap_or(options.features).min(views.objects);
        let name = format!("tune-{}-{}", options.lambda, options.features);
        if tried.contains(&name) {
            continue;
        }
        errln!("{name}");
        let Some(outcome) = gaussian_process(Method::Joint, 0, &run.part(&name)?, &options, &inner)? else {
            return Ok(None);
        };
        let error = outcome.error();
        outln!("λ = {}, {} features: {:.4} ± {:.4}", options.lambda, options.features, error.mean, error.se);
        tried.push(name);
        if error.mean < best.0 {
            best = (error.mean, options);
        }
    }
    let (_, best) = best;
    outln!("chosen: --lambda {} --features {}", best.lambda, best.features);
    Ok(Some(best))
}

/// Keeps the model by joint training, which this example recommends.
fn keep(
    args: &Args,
    options: &Options,
    run: &Run<'_>,
    views: &Views,
    outcomes: &mut [Outcome],
) -> anyhow::Result<()> {
    let joint = outcomes.iter_mut().find(|outcome| outcome.method == Method::Joint);
    let Some(mut file) = joint.and_then(|outcome| outcome.model.take()) else { return Ok(()) };
    file.set(RotatedEntry::ENTRY, &entry(views, options));
    file.set(ImageFormat::ENTRY, &ImageFormat::new(views.height, views.width));
    let data = args.images.as_deref().or(args.run.data.as_deref());
    run.keep_model(file, &TrainedOn::new(data, "the embedded digits, turned", views.train.len()))?;
    if !args.run.dry_run {
        outln!("the model that is recommended and kept: {}", Method::Joint.title());
    }
    Ok(())
}

/// What the prior is built of.
fn entry(views: &Views, options: &Options) -> RotatedEntry {
    RotatedEntry { angles: views.angles.clone(), features: options.features }
}

/// Trains models from as many starts as --members says, and averages what they predict; none if the user stopped it. The model that is
/// kept, and what is shown of it, is the first.
fn gaussian_processes(
    method: Method,
    run: &Run<'_>,
    options: &Options,
    views: &Views,
) -> anyhow::Result<Option<Outcome>> {
    let mut members = Vec::new();
    for member in 0..options.members {
        let part =
            if member == 0 { method.name().to_owned() } else { format!("{}-{}", method.name(), 1 + member) };
        let Some(outcome) = gaussian_process(method, member, &run.part(&part)?, options, views)? else {
            return Ok(None);
        };
        members.push(outcome);
    }
    let outcome = Outcome::averaged(members, views).map(|mut outcome| {
        outcome.explorer.take().into_iter().for_each(|explorer| run.explore(explorer));
        outcome
    });
    Ok(outcome)
}

/// Trains a model, and predicts the test images; none if the user stopped it.
fn gaussian_process(
    method: Method,
    member: usize,
    run: &Run<'_>,
    options: &Options,
    views: &Views,
) -> anyhow::Result<Option<Outcome>> {
    let samples = views.samples::<f32>(&views.train)?;
    let model = model(options, views, &samples)?;
    // The first member is the model of the run's own seed.
    let seed = run.args.seed.wrapping_add((member as u64) << 32);
    let start = model.layout().init(&mut StdRng::seed_from_u64(seed));
    let mut trainer = Trainer::new(model.layout(), start, Rule::ADAM, seed);
    let phases = options.phases(method, run.args);
    for (stage, phase) in phases.iter().enumerate() {
        let mut objective = GpVaeObjective::new(&model, &samples, phase.part)?.with_lambda(options.lambda);
        let fit = objective.fit(&phase.pace, Fit { stage, ..run.fit() });
        if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
            return Ok(None);
        }
    }

    let (theta, test) = (trainer.theta(), views.places(&views.test)?);
    let codes = model.training_codes(theta, &samples);
    let predicted = model.predict_given(theta, &codes, &test)?;
    let sampled = model.predict_sampled_given(theta, &codes, &test, 1, seed)?.mean;
    let explorer = turned(method, views, |places| model.predict_given(theta, &codes, places))?;
    Ok(Some(Outcome {
        method,
        errors: views.errors(&views.test, &predicted),
        alone: Vec::new(),
        explorer: Some(explorer),
        sampled: Some(Estimate::of(&views.errors(&views.test, &sampled))),
        predicted,
        codes: model.encode_rows(theta, &samples.images),
        learned: Some(Learned::of(&model, theta, views)),
        bound: bounds(&trainer, |epoch| phases[epoch].part.trains_networks()),
        seconds: seconds(&trainer),
        model: Some(model.to_file(theta, &codes)),
    }))
}

/// The model with the features of objects to begin with.
fn model(options: &Options, views: &Views, samples: &Samples<f32>) -> Result<GpVae<Process>, GpVaeError> {
    let features = principal_features(samples, [views.objects, options.features])?;
    let config = GpVaeConfig { objects: ObjectFeatures::Learned(features), ..options.config(views) };
    GpVae::new(&config, |layout| entry(views, options).process(layout, options.nu, options.alpha))
}

/// Trains a VAE with the same networks, and predicts the test images from its codes; none if the user stopped it.
fn baseline(
    method: Method,
    baseline: Baseline,
    run: &Run<'_>,
    options: &Options,
    views: &Views,
) -> anyhow::Result<Option<Outcome>> {
    let model = Vae::new(&baseline.config(&options.config(views)))?;
    let inputs = baseline.inputs(views, &views.train);
    let mut trainer = run.trainer(model.layout());
    let fit = run.fit();
    let fit = Fit { schedule: Schedule::Cosine { epochs: fit.epochs }, ..fit };
    if run.train(&mut trainer, &mut VaeObjective::new(&model, &inputs), None, &fit)? == End::Stopped {
        return Ok(None);
    }

    let theta = trainer.theta();
    let predicted = baseline.predict(&model, theta, views, &views.train, &views.test);
    Ok(Some(Outcome {
        method,
        errors: views.errors(&views.test, &predicted),
        alone: Vec::new(),
        explorer: None,
        sampled: None,
        predicted,
        codes: model.encode_rows(theta, &inputs),
        learned: None,
        bound: bounds(&trainer, |_| true),
        seconds: seconds(&trainer),
        model: None,
    }))
}

/// The bound in nats per image over the epochs of some stages.
fn bounds(trainer: &Trainer<f32>, of_stage: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let epochs = trainer.history().iter().filter(|epoch| of_stage(epoch.stage));
    epochs.enumerate().map(|(i, epoch)| (1.0 + i as f64, -epoch.train.total)).collect()
}

fn seconds(trainer: &Trainer<f32>) -> f64 {
    trainer.history().last().map_or(0.0, |epoch| epoch.seconds)
}
