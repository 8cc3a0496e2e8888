//! Frey's face, frame by frame (lecture 001, "Example of use"), from the IDX file `frey-faces-idx3-ubyte`, plain or gzipped:
//!
//!     cargo run --release -p vae --example faces -- --data DIR
//!
//! Pixels are (x + ½)/256, networks those of Kingma & Welling (2014): one hidden layer of 200 tanh units, normal decoder with
//! a variance of its own for each pixel; 1,565 frames to train, 200 to validate (early stopping), 200 to test. One model has
//! two latent dimensions, for the manifold; the other one, with `--latent` of them, generates faces and fills in the half of
//! each test face that is hidden from it, beside the mean face and principal components of the same number. Writes to
//! `out/vae-faces/`; `learning.png` is of the model with two dimensions as it learns.

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use autograd::Nonlinearity;
use nn::data::{Matrix, idx, split};
use nn::optim::{Optimizer, Rule};
use nn::picture::ImageGrid;
use nn::run::{Defaults, Run, RunArgs, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{End, Observer, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::FactorModel;
use vae::{Config, Images, Imputation, Likelihood, Vae, interpolate, traverse};

/// Trains variational autoencoders on Frey's face, generates faces and fills in hidden pixels
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space, at least 2; another model has two
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole)]
    latent: usize,
    /// Width of the hidden layers
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = whole)]
    hidden: usize,
    /// Stop after so many epochs without a better bound of the validation frames
    #[arg(long, value_name = "N", default_value_t = 100)]
    patience: usize,
    /// Sweeps of pseudo-Gibbs in imputation
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    sweeps: usize,
    /// Steps of refinement of each frame's posterior after them
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    steps: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-faces", epochs: 1000, batch_size: 100, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| faces(&args))?)
}

/// Frames of height x width pixels.
struct Frames {
    pixels: Matrix<f32>,
    height: usize,
    width: usize,
}

fn read(args: &Args) -> anyhow::Result<Frames> {
    let dir = args.run.data.as_ref();
    let dir = dir.context("--data DIR is wanted, the folder of frey-faces-idx3-ubyte, gzipped or not")?;
    let names = ["frey-faces-idx3-ubyte", "frey-faces-idx3-ubyte.gz"].map(|name| dir.join(name));
    let file = names.iter().find(|file| file.is_file());
    let file = file.with_context(|| format!("no frey-faces-idx3-ubyte in --data {}", dir.display()))?;
    let images = idx::read(file)?;
    let [_, height, width] = images.shape[..] else {
        anyhow::bail!("{}: of shape {:?}, not images (count, height, width)", file.display(), images.shape)
    };
    // Bytes come as x / 255.
    let pixels = images.into_matrix().map(|x| (x * 255.0 + 0.5) / 256.0);
    anyhow::ensure!(pixels.rows >= 10, "{}: {} frames are too few", file.display(), pixels.rows);
    Ok(Frames { pixels, height, width })
}

fn faces(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(args.latent > 1, "--latent must be at least 2");
    let Frames { pixels, height, width } = read(args)?;
    let (n, held) = (pixels.rows, 200.min(pixels.rows / 5));
    let parts = split(n, [n - 2 * held, held, held], args.run.seed).map(|rows| pixels.select(&rows));
    let [train, validation, test] = parts;
    let mean = mean_row(&train);
    let pca = FactorModel::probabilistic_pca(&train.map(f64::from), args.latent)
        .with_context(|| format!("{} training frames, --latent {}", train.rows, args.latent))?;

    let run = Run::open(&args.run, args)?;
    let trained = |latent| begin(args, &train, &mean, latent);
    let (vae, mut trainer) = trained(args.latent);
    let objective = |vae, data| Images::new(vae, data);
    let patience = Some(args.patience);
    let end = run
        .train(
            vae.layout(),
            &mut trainer,
            (&objective(&vae, &train), args.run.rows(train.rows)),
            Some((&objective(&vae, &validation), args.run.rows(validation.rows))),
            (Schedule::Constant, patience),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }
    let (flat, mut flat_trainer) = trained(2);
    let fit = args.run.fit(Schedule::Constant, patience);
    let (objective_2, validation_2) = (objective(&flat, &train), objective(&flat, &validation));
    let shown = test.select(&(0..test.rows.min(10)).collect::<Vec<_>>());
    let mut stages = Stages { vae: &flat, shown: &shown, rows: Vec::new() };
    let rows = args.run.rows(train.rows);
    flat_trainer.fit(&objective_2, rows, Some((&validation_2, held)), &fit, &mut stages)?;
    let learning = ImageGrid::new("Learning: test frames by two latent dimensions", height, width)
        .row("the frame", &shown.values);
    stages
        .rows
        .iter()
        .fold(learning, |grid, (name, images)| grid.row(name, images))
        .row("the best", &flat.reconstruct(flat_trainer.theta(), &shown).values)
        .save(&run.folder.file("learning.png"))?;

    let theta = trainer.theta().clone();
    let rows: Vec<usize> = (0..args.run.rows(test.rows)).collect();
    let test = test.select(&rows);
    let elbo = trainer.evaluate(&Images::new(&vae, &test), &rows).parts;
    let samples = if args.run.dry_run { 2 } else { 500 };
    let estimate = vae.log_likelihood(&theta, &test, samples, args.run.seed);
    println!("{} test frames, nats per frame", test.rows);
    println!("  ELBO {:.1} = E_q[log p(x|z)] {:.1} − KL {:.1}", elbo[0], elbo[1], elbo[2]);
    println!("  log p(x), {samples} samples {:.1} ± {:.1}", estimate.mean, estimate.se);

    // The two ways to hide a half: from the middle row on, and every other pixel of a chessboard of blocks.
    let below: Vec<bool> = (0..height * width).map(|i| i / width >= height / 2).collect();
    let blocks: Vec<bool> = (0..height * width).map(|i| (i / width / 4 + i % width / 4) % 2 == 0).collect();
    println!("                                                                     VAE:");
    println!(
        "root mean square error of hidden pixels   mean face   {} components   pseudo-Gibbs   refined",
        args.latent
    );
    let mut results = Vec::new();
    for (name, hidden) in [("lower half", below), ("blocks", blocks)] {
        let hide = |(i, x): (usize, &f32)| if hidden[i % hidden.len()] { f32::NAN } else { *x };
        let holed = Matrix::new(test.rows, test.cols, test.values.iter().enumerate().map(hide).collect());
        let (sweeps, steps) = (args.sweeps, args.steps);
        let [by_gibbs, by_vae] =
            [Imputation::PseudoGibbs { sweeps }, Imputation::Refined { sweeps, steps, samples: 200 }]
                .map(|how| vae.impute(&theta, &holed, how, args.run.seed));
        let by_pca = pca.impute(&holed.map(f64::from))?.map(|x| x as f32);
        let by_mean = Matrix::new(test.rows, test.cols, mean.repeat(test.rows));
        let errors = [&by_mean, &by_pca, &by_gibbs, &by_vae].map(|filled| rmse(filled, &test, &hidden));
        let [mean_face, components, gibbs, refined] = errors;
        println!("  {name:35} {mean_face:12.4} {components:15.4} {gibbs:14.4} {refined:9.4}");
        let key = name.replace(' ', "_");
        results.extend(
            ["mean", "pca", "gibbs", "refined"].iter().zip(errors).map(|(of, e)| (format!("{of}_{key}"), e)),
        );
        let shown = 10.min(test.rows) * test.cols;
        let seen: Vec<f32> =
            holed.values[..shown].iter().map(|x| if x.is_nan() { 0.0 } else { *x }).collect();
        let with_mean: Vec<f32> = holed.values[..shown]
            .iter()
            .zip(&by_mean.values[..])
            .map(|(x, m)| if x.is_nan() { *m } else { *x })
            .collect();
        ImageGrid::new(&format!("Hidden pixels ({name}) of test frames, filled in"), height, width)
            .row("seen", &seen)
            .row("mean face", &with_mean)
            .row(&format!("{} components", args.latent), &by_pca.values[..shown])
            .row("VAE, refined", &by_vae.values[..shown])
            .row("the frame", &test.values[..shown])
            .save(&run.folder.file(&format!("imputed-{key}.png")))?;
    }
    draw(&run, &vae, &theta, &train, &test, (height, width))?;
    common::manifold(
        "Manifold of two dimensions: E[x|z], z₁ to the right, z₂ upwards",
        &flat,
        flat_trainer.theta(),
        (height, width),
    )
    .save(&run.folder.file("manifold.png"))?;
    common::loss_figure(&trainer).save(&run.folder.file("loss.png"))?;
    println!("pictures, metrics and checkpoint are in {}", args.run.out.display());

    results
        .extend([("test_elbo", elbo[0]), ("log_likelihood", estimate.mean)].map(|(k, v)| (k.to_owned(), v)));
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}

/// Watches a model learn: what it makes of some frames after 1, 10 and 100 epochs.
struct Stages<'a> {
    vae: &'a Vae,
    shown: &'a Matrix<f32>,
    rows: Vec<(String, Vec<f32>)>,
}

impl Observer<f32> for Stages<'_> {
    fn epoch(&mut self, trainer: &Trainer<f32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let epochs = trainer.epochs();
        if [1, 10, 100].contains(&epochs) {
            let images = self.vae.reconstruct(trainer.theta(), self.shown).values.to_vec();
            self.rows.push((common::after(epochs), images));
        }
        Ok(())
    }
}

fn mean_row(x: &Matrix<f32>) -> Vec<f32> {
    let mean = |j: usize| (0..x.rows).map(|i| f64::from(x.row(i)[j])).sum::<f64>() / x.rows as f64;
    (0..x.cols).map(|j| mean(j) as f32).collect()
}

/// A model that begins at the mean face and at a spread of 0.1.
fn begin(args: &Args, train: &Matrix<f32>, mean: &[f32], latent: usize) -> (Vae, Trainer<f32>) {
    let (phi, likelihood) = (Nonlinearity::Tanh, Likelihood::NormalHead);
    let config = Config { phi, likelihood, ..Config::new(train.cols, &[args.hidden], latent) };
    let vae = Vae::new(&config);
    let mut theta: Vec<f32> = vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let bias = vae.layout().slots().last().expect("the decoder's last bias").range();
    let (mu, log_sigma) = theta[bias].split_at_mut(mean.len());
    mu.copy_from_slice(mean);
    log_sigma.fill(0.1_f32.ln());
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    (vae, Trainer::new(theta, optimizer, args.run.seed))
}

fn rmse(filled: &Matrix<f32>, truth: &Matrix<f32>, hidden: &[bool]) -> f64 {
    let cells = filled.values.iter().zip(&truth.values[..]).zip(hidden.iter().cycle());
    let squares = cells.filter(|(_, hidden)| **hidden).map(|((a, b), _)| f64::from(a - b).powi(2));
    let (count, sum) = squares.fold((0.0, 0.0), |(n, sum), square| (n + 1.0, sum + square));
    (sum / count).sqrt()
}

fn draw(
    run: &Run<'_>,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    train: &Matrix<f32>,
    test: &Matrix<f32>,
    (height, width): (usize, usize),
) -> anyhow::Result<()> {
    // Left the data, right what was generated, and white between.
    let size = height * width;
    let (shown, generated) = (6.min(train.rows / 6), vae.sample(theta, 36, run.args.seed));
    let mut batch = ImageGrid::new("Training frames, and E[x|z] for z ~ N(0, I)", height, width);
    for (real, made) in train.values.chunks_exact(shown * size).zip(generated.values.chunks_exact(6 * size)) {
        batch = batch.row("", &[real, &vec![1.0; size], made].concat());
    }
    batch.save(&run.folder.file("batch.png"))?;

    let codes = vae.codes(theta, test).0;
    let mut between =
        ImageGrid::new("Between two test frames: straight lines in latent space", height, width);
    for pair in 0..4.min(test.rows / 2) {
        let (from, to) = (codes.row(2 * pair), codes.row(2 * pair + 1));
        let decoded = vae.decode_rows(theta, &interpolate(from, to, 10));
        between = between.row("", &decoded.values);
    }
    between.save(&run.folder.file("interpolation.png"))?;

    // The dimensions that the data use most, one at a time.
    let spread = |j: &usize| {
        let column = || (0..codes.rows).map(|i| f64::from(codes.row(i)[*j]));
        let mean = column().sum::<f64>() / codes.rows as f64;
        column().map(|z| (z - mean).powi(2)).sum::<f64>()
    };
    let mut dimensions: Vec<usize> = (0..vae.latent()).collect();
    dimensions.sort_by(|a, b| spread(b).total_cmp(&spread(a)));
    const STEPS: usize = 9;
    let walks = vae.decode_rows(theta, &traverse(codes.row(0), 3.0, STEPS));
    let mut traversal = ImageGrid::new("A test frame, one latent dimension changed at a time", height, width)
        .columns((0..STEPS).map(|i| format!("{:.1}", -3.0 + 6.0 * i as f64 / (STEPS - 1) as f64)));
    for &j in dimensions.iter().take(8) {
        let row = &walks.values[j * STEPS * size..(j + 1) * STEPS * size];
        traversal = traversal.row(&format!("dimension {}", j + 1), row);
    }
    traversal.save(&run.folder.file("traversal.png"))?;
    Ok(())
}
