//! Digits that turn, of whose pixels most are missing, filled in (Healing MNIST: Krishnan et al. 2015; Fortuin et al. 2020):
//!
//!     cargo run --release -p gpvae --example healing
//!     cargo run --release -p gpvae --example healing -- --data DIR
//!
//! A sequence is a digit that turns by random steps. A VAE whose latents follow a process in time, one for each sequence, fills
//! in what is missing, beside a VAE with the same networks for single frames, the mean of what is seen of a pixel in the training
//! sequences, and the pixel's last value that was seen. Each model has a checkpoint of its own; Ctrl-C saves, and `--resume` goes on.

use std::process::ExitCode;
use std::sync::Arc;

use gpvae::data::{Healing, Turning};
use gpvae::kernel::{Combined, Constant, Kernel, SquaredExponential};
use gpvae::prior::Sequences;
use gpvae::{SequenceObjective, SequenceVae};
use nn::data::{LabelledImages, Matrix, Mnist, digits, split};
use nn::model::Nonlinearity::Elu;
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, positive, share, whole, width};
use nn::stats::Estimate;
use nn::train::{End, Fit, Objective, Schedule, Trainer};
use vae::{Imputation, NetworkConfig, Vae, VaeConfig, VaeObjective};

/// Fills in sequences of digits that turn, by a VAE with a Gaussian process in time and by what it is compared with
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Sequences to learn from, at most; those to score by are 1/5 as many
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    sequences: usize,
    /// Frames of a sequence
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole)]
    frames: usize,
    /// The standard deviation of the angle's steps from frame to frame, in degrees
    #[arg(long, value_name = "DEGREES", default_value_t = 15.0, value_parser = positive)]
    step: f64,
    /// The share of pixels that is missing
    #[arg(long, value_name = "SHARE", default_value_t = 0.6, value_parser = share)]
    missing: f64,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = width)]
    latent: usize,
    /// Width of the two hidden layers
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = width)]
    hidden: usize,
    /// Draws of latents that are averaged
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole)]
    draws: usize,
}

/// What is constant in a sequence plus what changes smoothly.
type Process = Combined<Constant, Combined<Constant, SquaredExponential>>;

/// What a method says of the missing pixels of the sequences to score by.
struct Filled {
    name: &'static str,
    title: &'static str,
    /// p(y = 1) of all pixels, or values that are no probabilities
    pixels: Matrix<f32>,
    /// Whether they are probabilities
    probable: bool,
}

/// Scores for each sequence, as the mean over its missing pixels.
struct Scores {
    /// Squared error of the value expected
    error: Estimate,
    /// The share of pixels that are wrong if the value expected is rounded
    wrong: Estimate,
    /// −ln p of the pixel, in nats
    nats: Option<Estimate>,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-healing", epochs: 40, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| healing(&args))?)
}

fn healing(args: &Args) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?.documented("gpvae", "Healing digits");
    let ([train, test], size) = sequences(args)?;
    outln!(
        "{} sequences of {} frames to learn from, {} to score by",
        train.frames.rows / args.frames,
        args.frames,
        test.frames.rows / args.frames
    );
    let network = NetworkConfig { phi: Elu, ..NetworkConfig::mlp(&[args.hidden; 2]) };
    let config = VaeConfig {
        encoder: network.clone(),
        decoder: network,
        ..VaeConfig::new(train.frames.cols, &[], args.latent)
    };
    let mean = mean(&train);
    let Some(process) = by_process(args, &run.part("process")?, &config, &train, &test)? else {
        return Ok(());
    };
    let Some(frames) = by_frame(args, &run.part("frames")?, &config, &train, &test)? else { return Ok(()) };
    let forward = forward(&test, &mean, args.frames);
    let repeated = Matrix::new(test.seen.rows, mean.len(), mean.repeat(test.seen.rows));
    let filled = [
        Filled { name: "process", title: "VAE with a process in time", pixels: process, probable: true },
        Filled { name: "frames", title: "VAE of single frames", pixels: frames, probable: true },
        Filled { name: "mean", title: "mean of the pixel", pixels: repeated, probable: true },
        Filled { name: "forward", title: "last value seen", pixels: forward, probable: false },
    ];
    let scores: Vec<Scores> = filled.iter().map(|filled| score(filled, &test, args.frames)).collect();
    print(&filled, &scores);
    draw(args, &run, &test, &filled, size)?;
    report(&run, &filled, &scores)
}

/// Sequences to learn from and to score by, of different images, and the size of an image.
fn sequences(args: &Args) -> anyhow::Result<([Turning; 2], [usize; 2])> {
    let count = if args.run.dry_run { args.run.batch_size } else { args.sequences };
    let sets: [LabelledImages; 2] = match &args.run.data {
        Some(dir) => {
            let set = Mnist::read(dir)?;
            let first =
                |set: LabelledImages, n: usize| set.select(&(0..n.min(set.len())).collect::<Vec<_>>());
            [first(set.train, count), first(set.test, count.div_ceil(5))]
        }
        None => {
            let set = digits();
            let n = count.min(set.len() * 5 / 6);
            let [train, test] = split(set.len(), [n, n.div_ceil(5)], args.run.seed);
            [set.select(&train), set.select(&test)]
        }
    };
    let size = [sets[0].height, sets[0].width];
    let of = |set: &LabelledImages, seed| {
        let step = args.step.to_radians();
        Healing { frames: args.frames, step, missing: args.missing, seed }.sequences(&set.images, size)
    };
    let seed = args.run.seed.wrapping_mul(2);
    Ok(([of(&sets[0], seed), of(&sets[1], seed.wrapping_add(1))], size))
}

/// A VAE whose latents follow a process in time; none if the user stopped it.
fn by_process(
    args: &Args,
    run: &Run<'_>,
    config: &VaeConfig,
    train: &Turning,
    test: &Turning,
) -> anyhow::Result<Option<Matrix<f32>>> {
    let model = SequenceVae::new(config, |layout| {
        let kernels = (0..config.latent).map(|l| {
            let part = |name| format!("{name}_{l}");
            let still = Constant::new(layout, &part("still"), 0.5);
            let moving = Constant::new(layout, &part("moving"), 0.5);
            still.plus(moving.times(SquaredExponential::new(layout, &part("length"), 3.0)))
        });
        let kernels: Vec<Process> = kernels.collect();
        Sequences::new(kernels, Matrix::new(args.frames, 1, (0..args.frames).map(|t| t as f64).collect()))
            .with_jitter(1e-3)
    })?;
    let mut trainer = run.trainer(model.layout());
    let fit = falling(run.fit());
    let Some(theta) = trained(run, &mut trainer, &mut SequenceObjective::new(&model, &train.seen), &fit)?
    else {
        return Ok(None);
    };
    Ok(Some(model.fill(&theta, &test.seen, args.draws, args.run.seed)?))
}

/// A VAE of single frames with the same networks; none if the user stopped it.
fn by_frame(
    args: &Args,
    run: &Run<'_>,
    config: &VaeConfig,
    train: &Turning,
    test: &Turning,
) -> anyhow::Result<Option<Matrix<f32>>> {
    let model = Vae::new(config)?;
    let mut trainer = run.trainer(model.layout());
    // As many frames a step.
    let fit = run.fit();
    let fit = falling(Fit { batch_size: fit.batch_size * args.frames, ..fit });
    let Some(theta) = trained(run, &mut trainer, &mut VaeObjective::new(&model, &train.seen), &fit)? else {
        return Ok(None);
    };
    let how = Imputation::Importance { samples: args.draws };
    Ok(Some(model.impute(&theta, &test.seen, how, args.run.seed)))
}

fn falling(fit: Fit) -> Fit {
    Fit { schedule: Schedule::Cosine { epochs: fit.epochs }, ..fit }
}

/// θ after training; none if the user stopped it.
fn trained(
    run: &Run<'_>,
    trainer: &mut Trainer<f32>,
    objective: &mut impl Objective<f32>,
    fit: &Fit,
) -> anyhow::Result<Option<Arc<Vec<f32>>>> {
    let end = run.train(trainer, objective, None, fit)?;
    Ok((end != End::Stopped).then(|| trainer.theta().clone()))
}

/// The mean of what is seen of each pixel of the training frames.
fn mean(train: &Turning) -> Vec<f32> {
    let pixels = train.seen.cols;
    let mut sums = vec![[0.0; 2]; pixels];
    for row in train.seen.values.chunks_exact(pixels) {
        for (sum, &y) in sums.iter_mut().zip(row).filter(|(_, y)| !y.is_nan()) {
            *sum = [sum[0] + f64::from(y), sum[1] + 1.0];
        }
    }
    // As if one white and one black pixel had been seen besides: no pixel is certain.
    sums.into_iter().map(|[sum, count]| ((sum + 1.0) / (count + 2.0)) as f32).collect()
}

/// The last value of each pixel that was seen in the sequence, or its mean if none was.
fn forward(test: &Turning, mean: &[f32], frames: usize) -> Matrix<f32> {
    let mut values = test.seen.values.to_vec();
    for sequence in values.chunks_exact_mut(mean.len() * frames) {
        let mut last = mean.to_vec();
        for frame in sequence.chunks_exact_mut(mean.len()) {
            for (y, last) in frame.iter_mut().zip(&mut last) {
                if y.is_nan() { *y = *last } else { *last = *y }
            }
        }
    }
    Matrix::new(test.seen.rows, mean.len(), values)
}

fn score(filled: &Filled, test: &Turning, frames: usize) -> Scores {
    let width = test.frames.cols * frames;
    let of = |f: &dyn Fn(f64, f64) -> f64| {
        let sequences = (0..test.frames.rows / frames).map(|s| {
            let at = s * width..(s + 1) * width;
            let missing = at.filter(|&i| test.seen.values[i].is_nan());
            let terms =
                missing.map(|i| f(f64::from(filled.pixels.values[i]), f64::from(test.frames.values[i])));
            let (sum, count) = terms.fold((0.0, 0.0), |(sum, count), term| (sum + term, count + 1.0));
            sum / count
        });
        Estimate::of(&sequences.collect::<Vec<_>>())
    };
    Scores {
        error: of(&|p, y| (p - y).powi(2)),
        wrong: of(&|p, y| (p.round() - y).powi(2)),
        nats: filled.probable.then(|| of(&|p, y| -if y == 1.0 { p } else { 1.0 - p }.max(1e-7).ln())),
    }
}

fn print(filled: &[Filled], scores: &[Scores]) {
    outln!("missing pixels, ± standard error over sequences");
    let mut table = TextTable::new().header(["", "squared error", "rounded", "-ln p"]);
    let digits = |x: Estimate| format!("{:.4} ± {:.4}", x.mean, x.se);
    for (filled, Scores { error, wrong, nats }) in filled.iter().zip(scores) {
        let nats = nats.map_or("-".to_owned(), digits);
        table.row([filled.title.to_owned(), digits(*error), digits(*wrong), nats]);
    }
    table.print();
}

/// The first sequences to score by: what is true, what was seen, and what each method makes of it.
fn draw(
    args: &Args,
    run: &Run<'_>,
    test: &Turning,
    filled: &[Filled],
    [height, width]: [usize; 2],
) -> anyhow::Result<()> {
    let mut grid = ImageGrid::new("A digit that turns", height, width).zoom(if width < 16 { 4 } else { 2 });
    for sequence in 0..(test.frames.rows / args.frames).min(2) {
        let rows: Vec<usize> = (sequence * args.frames..(sequence + 1) * args.frames).collect();
        let grey = |y: &f32| if y.is_nan() { 0.5 } else { *y };
        let of = |pixels: &Matrix<f32>| pixels.select(&rows).values.iter().map(grey).collect::<Vec<_>>();
        grid = grid.row("truth", &of(&test.frames)).row("seen", &of(&test.seen));
        for Filled { title, pixels, .. } in filled {
            grid = grid.row(title, &of(pixels));
        }
    }
    grid.save(&run.picture(
        "healing.png",
        "Two sequences: the digit, what was seen of it (grey is missing), and what each method expects of every pixel. The \
        process should keep the digit's shape from frame to frame (lecture 003, \"Predictive posterior sampling\")",
    ))?;
    Ok(())
}

fn report(run: &Run<'_>, filled: &[Filled], scores: &[Scores]) -> anyhow::Result<()> {
    run.found(&format!(
        "Missing pixels of digits that turn are filled in with a mean squared error of {:.4} where frames are described together by a \
         process in time, and {:.4} where each frame is described by itself.",
        scores[0].error.mean, scores[1].error.mean
    ));
    let mut results = Vec::new();
    for (Filled { name, .. }, Scores { error, wrong, nats }) in filled.iter().zip(scores) {
        results.extend([(format!("{name}_mse"), error.mean), (format!("{name}_mse_se"), error.se)]);
        results.extend([(format!("{name}_wrong"), wrong.mean), (format!("{name}_wrong_se"), wrong.se)]);
        results.extend(
            nats.iter()
                .flat_map(|nats| [(format!("{name}_nll"), nats.mean), (format!("{name}_nll_se"), nats.se)]),
        );
    }
    run.label(&[
        Label::new("*_mse", "squared error of a missing pixel, filled in by: *", "black is 0, white 1")
            .over("sequences"),
        Label::new("*_wrong", "missing pixels that are wrong once rounded, filled in by: *", "share")
            .over("sequences"),
        Label::new("*_nll", "minus the log-probability of a missing pixel, filled in by: *", "nats")
            .over("sequences"),
    ]);
    run.finish(&results)?;
    Ok(())
}
