//! Frey's face, frame by frame (lecture 001, "Example of use"), from the IDX file `frey-faces-idx3-ubyte`, plain or gzipped:
//!
//!     cargo run --release -p vae --example faces -- --data DIR
//!
//! Pixels are (x + ½)/256, networks those of Kingma & Welling (2014): one hidden layer of 200 tanh units, normal decoder with
//! a variance of its own for each pixel. The frames are split by time, since neighbours in a video are nearly the same: of nine
//! blocks of 200 frames, one validates (early stopping) and one is the test, `--seed` says which, and the others train.
//! One model has two latent dimensions, for the manifold; the other one, with `--latent` of them, generates faces and fills in
//! the half of each test face that is hidden from it. Beside it do so a VAE that begins at principal components and keeps a linear
//! path beside its hidden layers, the mean face, principal components, and ridge regression
//! of the hidden pixels on the others; the number of components and the penalty are those that fill validation frames best.
//! Writes to `out/vae-faces/`; the model that is kept there is the one with `--latent` dimensions, and `learning.png` is of the model with two dimensions as it learns.

mod common {
    pub(crate) mod bound;
    pub(crate) mod convolutional;
    pub(crate) mod decoder;
    pub(crate) mod evaluate;
    pub(crate) mod explorer;
    pub(crate) mod from_components;
    pub(crate) mod hidden;
    pub(crate) mod keep;
    pub(crate) mod manifold;
    pub(crate) mod placed;
}

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use common::bound;
use common::convolutional::convolutional;
use common::evaluate::k_sample_bound;
use common::explorer::Space;
use common::from_components::FromComponents;
use common::hidden::{Linear, Masked, best};
use common::keep::keep;
use common::manifold::manifold;
use common::placed::beside_manifold;
use nn::data::{Idx, ImageFormat, Matrix};
use nn::model::{Model as _, Nonlinearity, TrainedOn};
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Counter, Defaults, Label, Run, RunArgs, TextTable, result_of, whole, width};
use nn::train::{End, Fit, Observer, Rule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use vae::linear::{FactorModel, NormalModel};
use vae::{Imputation, Likelihood, RowSeed, Vae, VaeConfig, VaeError, VaeObjective, interpolate, traverse};

/// Trains variational autoencoders on Frey's face, generates faces and fills in hidden pixels
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space, at least 2; another model has two
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = width)]
    latent: usize,
    /// Width of the hidden layers
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = width)]
    hidden: usize,
    /// Convolutional networks with these channels in the encoder, and in reverse in the decoder, instead of a hidden layer; without a
    /// value 16,32
    #[arg(long, value_name = "N,…", value_delimiter = ',', num_args = 0..=1, default_missing_value = "16,32",
        value_parser = width, conflicts_with = "hidden")]
    conv: Option<Vec<usize>>,
    /// Stop after so many epochs without a better bound of the validation frames
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole)]
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

/// The grey values of black and white.
const RANGE: [f64; 2] = [0.5 / 256.0, 255.5 / 256.0];

/// Frames of height x width pixels.
struct Frames {
    train: Matrix<f32>,
    validation: Matrix<f32>,
    test: Matrix<f32>,
    height: usize,
    width: usize,
}

impl Frames {
    fn read(args: &Args) -> anyhow::Result<Self> {
        let dir = args.run.data.as_ref();
        let dir = dir.context("expected --data DIR, the folder of frey-faces-idx3-ubyte, gzipped or not")?;
        let names = ["frey-faces-idx3-ubyte", "frey-faces-idx3-ubyte.gz"].map(|name| dir.join(name));
        let file = names.iter().find(|file| file.is_file());
        let file = file.with_context(|| format!("no frey-faces-idx3-ubyte in --data {}", dir.display()))?;
        let images = Idx::read(file)?;
        let &[n, height, width] = &images.shape[..] else {
            let shape = &images.shape;
            anyhow::bail!("{}: expected images (count, height, width), found {shape:?}", file.display())
        };
        anyhow::ensure!(n >= 10, "{}: expected 10 frames or more, found {n}", file.display());
        // Bytes come as x / 255.
        let pixels = images.into_images(&file.display().to_string())?.map(|x| (x * 255.0 + 0.5) / 256.0);
        let [train, validation, test] = by_time(n, args.run.seed).map(|rows| pixels.select(&rows));
        let test = test.split_at_row(args.run.rows(test.rows)).0;
        Ok(Self { train, validation, test, height, width })
    }

    /// The first rows of a matrix of frames.
    fn first(x: &Matrix<f32>, n: usize) -> Matrix<f32> {
        x.split_at_row(n.min(x.rows)).0
    }

    fn grid(&self, title: &str) -> ImageGrid {
        ImageGrid::new(title, self.height, self.width)
    }
}

/// Frames to train, to validate and to test on, of n in the order of time. The test is block `seed` of those that there are,
/// validation the one half-way round. Some frames on both sides of a block are left out: they are too much like its own.
fn by_time(n: usize, seed: u64) -> [Vec<usize>; 3] {
    let held = 200.min(n / 5);
    let (blocks, margin) = (n / held, held / 20);
    let test = (seed % blocks as u64) as usize;
    let [validation, test] =
        [(test + blocks / 2) % blocks, test].map(|block| block * held..(block + 1) * held);
    let is_near = |frame: &usize| {
        [&validation, &test]
            .iter()
            .any(|block| (block.start..block.end + 2 * margin).contains(&(frame + margin)))
    };
    [(0..n).filter(|frame| !is_near(frame)).collect(), validation.collect(), test.collect()]
}

fn faces(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.latent > 1, "--latent: expected 2 or more, found {}", args.latent);
    let frames = Frames::read(args)?;
    let linear =
        Linear::fit(&frames.train.map(f64::from)).context("the linear models of the training frames")?;
    let run = Run::open(&args.run, args)?.documented("vae", "Frey's face");

    let (vae, mut trainer) = begin(args, &frames, args.latent)?;
    let mut training = VaeObjective::new(&vae, &frames.train);
    let mut validating = VaeObjective::new(&vae, &frames.validation);
    let fit = Fit { patience: Some(args.patience), ..run.fit() };
    if run.train(&mut trainer, &mut training, Some(&mut validating), &fit)? == End::Stopped {
        return Ok(());
    }
    let format = ImageFormat { range: RANGE, ..ImageFormat::new(frames.height, frames.width) };
    let trained_on = TrainedOn::new(args.run.data.as_deref(), "Frey's face", frames.train.rows);
    keep(&run, vae.to_file(trainer.theta()), &format, &trained_on)?;
    run.draw_loss(&trainer, "−ELBO, nats per frame")?;
    two_dimensions(&run, args, &frames, &fit)?;

    let elbo = trainer.evaluate(&mut VaeObjective::new(&vae, &frames.test))?;
    let samples = if args.run.dry_run { 2 } else { 500 };
    let sampled = k_sample_bound(&run, &vae, trainer.theta(), &frames.test, samples, args.run.seed);
    let [bound, log_likelihood, kl] = ["elbo", "log_likelihood", "kl"].map(|part| elbo.part(part));
    outln!("{} test frames, nats per frame", frames.test.rows);
    outln!("  ELBO {bound:.1} = E_q[log p(x|z)] {log_likelihood:.1} − KL {kl:.1}");
    bound::print(&sampled);

    let model = Model { vae: &vae, theta: trainer.theta(), linear };
    let mut results = fill_in(&run, args, &frames, &model)?;
    draw_samples(&run, &frames, &model)?;
    draw_walks(&run, &frames, &model)?;
    let of = |name: &str| result_of(&results, name);
    let [model, path, ridge, pca] =
        ["refined", "path", "ridge", "pca"].map(|way| of(&format!("{way}_lower_half")));
    run.found(&format!(
        "The lower half of a face that was not seen is filled in from the upper one with an error of {model:.3} (black is 0 and white 1); \
         the one that begins at principal components has {path:.3}, ridge regression {ridge:.3}, principal components {pca:.3}: {} here.",
        if model.min(path) < ridge.min(pca) { "a VAE is the best" } else { "a linear method is the best" }
    ));
    results.push(("test_elbo".to_owned(), bound));
    results.extend(bound::results(&sampled).into_iter().map(|(name, value)| (name.to_owned(), value)));
    run.label(&[
        Label::new(
            "mean_*",
            "root mean square error of hidden pixels (*) filled in by the mean face",
            "black is 0, white 1",
        ),
        Label::new(
            "pca_*",
            "root mean square error of hidden pixels (*) filled in by principal components",
            "black is 0, white 1",
        ),
        Label::new(
            "ridge_*",
            "root mean square error of hidden pixels (*) filled in by ridge regression",
            "black is 0, white 1",
        ),
        Label::new(
            "gibbs_*",
            "root mean square error of hidden pixels (*) filled in by the VAE, pseudo-Gibbs sampling",
            "black is 0, white 1",
        ),
        Label::new(
            "refined_*",
            "root mean square error of hidden pixels (*) filled in by the VAE, refined",
            "black is 0, white 1",
        ),
        Label::new(
            "path_*",
            "root mean square error of hidden pixels (*) filled in by the VAE that begins at principal components",
            "black is 0, white 1",
        ),
        Label::new("test_elbo", "ELBO of test frames", "nats per frame"),
    ]);
    run.label(&bound::labels("nats per frame"));
    run.finish(&results)?;
    Ok(())
}

/// A model that begins at the mean face, a convolutional one at the mean pixel, and at a spread of 0.1.
fn begin(args: &Args, frames: &Frames, latent: usize) -> Result<(Vae, Trainer<f32>), VaeError> {
    let train = &frames.train;
    let usual = match &args.conv {
        Some(channels) => convolutional([frames.height, frames.width], channels, latent),
        None => VaeConfig::new(train.cols, &[args.hidden], latent).with_phi(Nonlinearity::Tanh),
    };
    let vae = Vae::new(&VaeConfig { likelihood: Likelihood::NormalHead, ..usual })?;
    let mut theta: Vec<f32> = vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let bias = &mut theta[vae.networks().decoder.last_bias().range()];
    // Convolutions have one bias for all pixels.
    let (mu, log_sigma) = bias.split_at_mut(bias.len() / 2);
    let mean = mean_row(train);
    match mu {
        [mu] => *mu = mean.iter().sum::<f32>() / mean.len() as f32,
        _ => mu.copy_from_slice(&mean),
    }
    log_sigma.fill(0.1_f32.ln());
    let trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, args.run.seed);
    Ok((vae, trainer))
}

fn mean_row(x: &Matrix<f32>) -> Vec<f32> {
    let mean = |j: usize| (0..x.rows).map(|i| f64::from(x.row(i)[j])).sum::<f64>() / x.rows as f64;
    (0..x.cols).map(|j| mean(j) as f32).collect()
}

/// Trains the model of two dimensions, and draws its manifold and what it makes of test frames as it learns.
fn two_dimensions(run: &Run<'_>, args: &Args, frames: &Frames, fit: &Fit) -> anyhow::Result<()> {
    let (vae, mut trainer) = begin(args, frames, 2)?;
    let mut training = VaeObjective::new(&vae, &frames.train);
    let mut validating = VaeObjective::new(&vae, &frames.validation);
    let shown = Frames::first(&frames.test, 10);
    let mut stages = Stages { vae: &vae, shown: &shown, rows: Vec::new() };
    trainer.fit(&mut training, Some(&mut validating), fit, &mut stages)?;
    let learning =
        frames.grid("Learning: test frames by two latent dimensions").row("the frame", &shown.values);
    stages
        .rows
        .iter()
        .fold(learning, |grid, (name, images)| grid.row(name, &images.values))
        .row("the best", &vae.reconstruct(trainer.theta(), &shown).values)
        .save(&run.picture(
            "learning.png",
            "Test frames by the model with two dimensions, as it learns. At first all look like the mean face; \
            expressions come last (lecture 001, \"Example of use\")",
        ))?;
    let title = "Manifold of two dimensions: E[x|z], z₁ to the right, z₂ upwards";
    manifold(title, &vae, trainer.theta(), [frames.height, frames.width]).save(&run.picture(
        "manifold.png",
        "What the decoder of the model with two dimensions makes of a grid. Look for the two things that change \
        most, such as the turn of the head and the smile (lecture 001, \"Example of use\")",
    ))?;
    let size = [frames.height, frames.width];
    let codes = vae.encode_rows(trainer.theta(), &frames.train).mu;
    let title = "Frames at their codes, and the manifold in the same window: z₁ to the right, z₂ upwards";
    beside_manifold(title, &vae, trainer.theta(), (&frames.train, &codes), size).save(&run.picture(
        "codes.png",
        "On the left training frames where the encoder of the model with two dimensions puts them, of each cell the one nearest to its \
        middle; on the right what the decoder makes of the middles. Where a cell is empty no frame led the decoder. Neighbours should \
        be alike, and both sides agree (lecture 001, \"Data representation in latent space\")",
    ))?;
    let space =
        Space { vae: &vae, theta: trainer.theta(), rows: &frames.test, size, labels: &[], classes: &[] };
    space.explorer().into_iter().for_each(|explorer| run.explore(explorer));
    Ok(())
}

/// Watches a model learn: what it makes of some frames after 1, 10 and 100 epochs.
struct Stages<'a> {
    vae: &'a Vae,
    shown: &'a Matrix<f32>,
    rows: Vec<(&'static str, Matrix<f32>)>,
}

impl Observer<f32> for Stages<'_> {
    type Error = Infallible;

    fn epoch(&mut self, trainer: &Trainer<f32>) -> Result<(), Infallible> {
        let stages = [(1, "epoch 1"), (10, "10 epochs"), (100, "100 epochs")];
        if let Some((_, name)) = stages.into_iter().find(|(epochs, _)| *epochs == trainer.epochs()) {
            self.rows.push((name, self.vae.reconstruct(trainer.theta(), self.shown)));
        }
        Ok(())
    }
}

/// What fills in and draws: a trained VAE, and what it is compared with.
struct Model<'a> {
    vae: &'a Vae,
    theta: &'a Arc<Vec<f32>>,
    linear: Linear,
}

impl Model<'_> {
    /// The frames without gaps, with progress.
    fn fill_in(&self, holed: &Matrix<f32>, how: Imputation, seed: u64, what: &str) -> Matrix<f32> {
        // So many are computed together.
        const ROWS: usize = 16;
        let progress = Counter::new(what, holed.rows);
        let starts: Vec<usize> = (0..holed.rows).step_by(ROWS).collect();
        let parts = starts.into_par_iter().map(|first| {
            let rows: Vec<usize> = (first..holed.rows.min(first + ROWS)).collect();
            let filled = self.vae.impute(self.theta, &holed.select(&rows), how, RowSeed { seed, first });
            rows.iter().for_each(|_| progress.count());
            filled.values.to_vec()
        });
        let parts: Vec<_> = parts.collect();
        Matrix::new(holed.rows, self.vae.inputs(), parts.concat())
    }
}

/// Hides a half of each test frame, fills it in, and returns the errors by name.
fn fill_in(
    run: &Run<'_>,
    args: &Args,
    frames: &Frames,
    model: &Model<'_>,
) -> anyhow::Result<Vec<(String, f64)>> {
    let (Frames { test, height, width, .. }, mean) = (frames, mean_row(&frames.train));
    // From the middle row on, and every other block of a chessboard.
    let below: Vec<bool> = (0..height * width).map(|i| i / width >= height / 2).collect();
    let blocks: Vec<bool> = (0..height * width).map(|i| (i / width / 4 + i % width / 4) % 2 == 0).collect();
    let masks = [below, blocks];
    let sets = [&frames.train, &frames.validation];
    let from_components = FromComponents::train(&args.run, args.hidden, sets, &model.linear, &masks)?;
    let mut results = Vec::new();
    for (name, hidden) in ["lower half", "blocks"].into_iter().zip(masks) {
        let [validation, masked] = [&frames.validation, test].map(|frames| Masked::new(frames, &hidden));
        let (sweeps, steps) = (args.sweeps, args.steps);
        let ways = [Imputation::PseudoGibbs { sweeps }, Imputation::Refined { sweeps, steps, samples: 200 }];
        let [by_gibbs, by_vae] = ways.map(|how| {
            model.fill_in(&masked.holed, how, args.run.seed, &format!("frames filled in, {name}"))
        });
        let holed = masked.holed.map(f64::from);
        let (components, pca) =
            best(&model.linear.components, std::slice::from_ref(&validation), FactorModel::impute)?;
        let (penalty, ridge) =
            best(&model.linear.ridges, std::slice::from_ref(&validation), NormalModel::impute)?;
        let [by_pca, by_ridge] = [pca.impute(&holed)?, ridge.impute(&holed)?].map(|x| x.map(|x| x as f32));
        let by_path = from_components.fill_in(&masked, &mean, &args.run);
        let filled = masked.holed.values.iter().zip(mean.iter().cycle());
        let filled = filled.map(|(x, mean)| if x.is_nan() { *mean } else { *x }).collect();
        let by_mean = Matrix::new(test.rows, test.cols, filled);

        let key = name.replace(' ', "_");
        let ways = [
            ("mean face", "mean", &by_mean),
            (components, "pca", &by_pca),
            (penalty, "ridge", &by_ridge),
            ("VAE, pseudo-Gibbs", "gibbs", &by_gibbs),
            ("VAE, refined", "refined", &by_vae),
            ("VAE from components", "path", &by_path),
        ];
        outln!("root mean square error of hidden pixels: {name}");
        let mut table = TextTable::new();
        for (way, of, filled) in ways {
            let error = masked.rmse(filled);
            table.row([way, &format!("{error:.4}")]);
            results.push((format!("{of}_{key}"), error));
        }
        table.print();
        let first = |x: &Matrix<f32>| Frames::first(x, 10).values;
        let grid = frames
            .grid(&format!("Hidden pixels ({name}) of test frames, filled in"))
            .row("seen", &first(&masked.holed.map(|x| if x.is_nan() { 0.0 } else { x })));
        let shown = ways.into_iter().filter(|(_, of, _)| *of != "gibbs");
        shown
            .fold(grid, |grid, (way, _, filled)| grid.row(way, &first(filled)))
            .row("the frame", &first(test))
            .save(&run.picture(
                &format!("imputed-{key}.png"),
                "Half of each test frame is hidden and filled in. Linear methods blur; the VAE should meet the \
                expression that the seen half tells (lecture 001, \"Missing data imputation after learning\")",
            ))?;
    }
    Ok(results)
}

/// Training frames on the left, and generated ones on the right.
fn draw_samples(run: &Run<'_>, frames: &Frames, model: &Model<'_>) -> anyhow::Result<()> {
    let (size, train) = (frames.height * frames.width, &frames.train);
    let (shown, generated) =
        (6.min(train.rows / 6), model.vae.decode_prior_samples(model.theta, 36, run.args.seed));
    let between = vec![1.0; size];
    let mut grid = frames.grid("Training frames, and E[x|z] for z ~ N(0, I)");
    for (real, made) in train.values.chunks_exact(shown * size).zip(generated.values.chunks_exact(6 * size)) {
        grid = grid.row("", &[real, &between, made].concat());
    }
    grid.save(&run.picture(
        "batch.png",
        "Training frames on the left, draws from the prior on the right. At best one cannot tell the sides apart \
        (lecture 001, \"Example of use\")",
    ))?;
    Ok(())
}

/// Walks through latent space: between test frames, and along the dimensions that the data use most.
fn draw_walks(run: &Run<'_>, frames: &Frames, model: &Model<'_>) -> anyhow::Result<()> {
    let codes = model.vae.encode_rows(model.theta, &frames.test).mu;
    let mut between = frames.grid("Between two test frames: straight lines in latent space");
    for pair in 0..4.min(codes.rows / 2) {
        let line = interpolate(codes.row(2 * pair), codes.row(2 * pair + 1), 10);
        between = between.row("", &model.vae.decode_rows(model.theta, &line).values);
    }
    between.save(&run.picture(
        "interpolation.png",
        "From one test frame to another on a straight line of the latent space. In between there should be faces, \
        not two faces that shine through each other (lecture 001, \"Example of use\")",
    ))?;

    let spread = |j: &usize| {
        let column = || (0..codes.rows).map(|i| f64::from(codes.row(i)[*j]));
        let mean = column().sum::<f64>() / codes.rows as f64;
        column().map(|z| (z - mean).powi(2)).sum::<f64>()
    };
    let mut dimensions: Vec<usize> = (0..codes.cols).collect();
    dimensions.sort_by(|a, b| spread(b).total_cmp(&spread(a)));
    const STEPS: usize = 9;
    let walks = model.vae.decode_rows(model.theta, &traverse(codes.row(0), 3.0, STEPS));
    let mut traversal = frames
        .grid("A test frame, one latent dimension changed at a time")
        .columns((0..STEPS).map(|i| format!("{:.1}", -3.0 + 6.0 * i as f64 / (STEPS - 1) as f64)));
    for &j in dimensions.iter().take(8) {
        let row = walks.select(&(j * STEPS..(j + 1) * STEPS).collect::<Vec<_>>());
        traversal = traversal.row(&format!("dimension {}", j + 1), &row.values);
    }
    traversal.save(&run.picture(
        "traversal.png",
        "A test frame, of which one latent dimension changes at a time. Look for what each dimension stands for \
        (lecture 001, \"Example of use\")",
    ))?;
    Ok(())
}
