//! Principal components beside what learns them, and what goes beyond (lecture 000, "PCA versus autoencoder"; lecture 001,
//! "What differences between Oja's rule and VAE"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example pca_vs_autoencoder
//!
//! A linear autoencoder finds the subspace of PCA, with the same loss, in a basis that is not orthonormal; Oja's neurons find
//! an orthonormal one; a linear VAE reaches the likelihood of probabilistic PCA; factor analysis, with a noise for each pixel,
//! goes beyond that likelihood in another subspace; an autoencoder with hidden layers has the least error. Draws
//! reconstructions, the bases, their products WᵀW, and the principal angles to PCA.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use common::sets::{self, squared_distance};
use nn::data::{LabelledImages, Matrix};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, RunArgs, RunFolder, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Fit, Objective, Trainer};
use nn::{Layout, Nonlinearity};
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::{CubatureElbo, Em, FactorModel, Oja, Pca, principal_angles};
use vae::{Autoencoder, AutoencoderConfig, Config, Likelihood, Observation, Reconstruction, Vae};

/// Compares PCA, linear and deep autoencoders, Oja's rule, probabilistic PCA, factor analysis and a linear VAE
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Components, or variables in the middle
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole)]
    latent: usize,
    /// Hidden layers of the deep encoder, and of its decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = whole)]
    hidden: Vec<usize>,
    /// Epochs of the deep autoencoder, which takes 64 images a step
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "1"), value_parser = whole)]
    deep_epochs: usize,
    /// Epochs of Oja's rule
    #[arg(long, value_name = "N", default_value_t = 200,
        default_value_if("dry_run", "true", "1"), value_parser = whole)]
    oja_epochs: usize,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    images: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-pca_vs_autoencoder", epochs: 2000, batch_size: 1500, lr: 2e-2 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// The pixels that are not the same in all training images, and the mean image: PCA is about what differs from it, and factor
/// analysis has no noise for what never does.
struct Pixels {
    varying: Vec<usize>,
    mean: Vec<f64>,
}

impl Pixels {
    fn of(images: &Matrix<f32>) -> Self {
        let column = |j: usize| images.values.iter().skip(j).step_by(images.cols);
        let varying = (0..images.cols).filter(|&j| column(j).any(|x| *x != images.row(0)[j])).collect();
        let mean = |j| column(j).map(|&x| f64::from(x)).sum::<f64>() / images.rows as f64;
        Self { varying, mean: (0..images.cols).map(mean).collect() }
    }

    /// How the pixels that vary differ from their mean.
    fn centred(&self, images: &Matrix<f32>) -> Matrix<f64> {
        let varying = images.columns(&self.varying);
        let means = self.varying.iter().map(|&j| self.mean[j]).cycle();
        let values = varying.values.iter().zip(means).map(|(&x, mean)| f64::from(x) - mean);
        Matrix::new(varying.rows, varying.cols, values.collect())
    }

    /// What differs, added to an image.
    fn added(&self, to: &[f64], x: &Matrix<f64>) -> Matrix<f64> {
        let mut values = to.repeat(x.rows);
        for (image, x) in values.chunks_exact_mut(to.len()).zip(x.values.chunks_exact(x.cols)) {
            self.varying.iter().zip(x).for_each(|(&j, x)| image[j] += x);
        }
        Matrix::new(x.rows, to.len(), values)
    }
}

/// What a method makes of the data.
struct Fitted {
    name: &'static str,
    key: &'static str,
    /// Of training and of test images.
    reconstructions: [Matrix<f64>; 2],
    /// Of a linear method: W (m, D).
    basis: Option<Matrix<f64>>,
    /// log p(x) of training and of test images.
    log_likelihood: Option<[f64; 2]>,
}

fn train<O: Objective<f64>>(
    args: &Args,
    layout: &Layout,
    objective: &O,
    rows: usize,
    (epochs, batch_size, rate): (usize, usize, f64),
) -> anyhow::Result<Trainer<f64>> {
    let theta = layout.init(&mut StdRng::seed_from_u64(args.run.seed));
    let mut trainer = Trainer::new(theta, Optimizer::new(Rule::ADAM, layout.size()), args.run.seed);
    let fit = Fit { epochs, batch_size, rate, schedule: Schedule::Cosine { epochs }, patience: None };
    trainer.fit(objective, rows, None, &fit, &mut ())?;
    Ok(trainer)
}

fn autoencoder(args: &Args, hidden: &[usize], x: &[Matrix<f64>; 2]) -> anyhow::Result<Fitted> {
    let model = Autoencoder::new(&AutoencoderConfig {
        phi: Nonlinearity::Elu,
        ..AutoencoderConfig::new(x[0].cols, hidden, args.latent)
    });
    let objective = Reconstruction { model: &model, data: &x[0], noise: 0.0 };
    let linear = hidden.is_empty();
    let (name, key, how) = if linear {
        ("linear autoencoder", "linear", (args.run.epochs, args.run.batch_size, args.run.lr))
    } else {
        ("deep autoencoder", "deep", (args.deep_epochs, 64, 2e-3))
    };
    let trainer = train(args, model.layout(), &objective, x[0].rows, how)?;
    let reconstructions = x.each_ref().map(|x| model.reconstruct(trainer.theta(), x));
    let basis = linear.then(|| model.decoder_weights(trainer.theta()));
    Ok(Fitted { name, key, reconstructions, basis, log_likelihood: None })
}

/// The linear VAE, and its bound on the training images.
fn linear_vae(args: &Args, x: &[Matrix<f64>; 2]) -> anyhow::Result<(Fitted, f64)> {
    let config = Config { likelihood: Likelihood::NormalLearned, ..Config::new(x[0].cols, &[], args.latent) };
    let vae = Vae::new(&config);
    let objective = CubatureElbo { vae: &vae, data: &x[0] };
    let how = (args.run.epochs, args.run.batch_size, args.run.lr);
    let mut trainer = train(args, vae.layout(), &objective, x[0].rows, how)?;
    let bound = trainer.evaluate(&objective, &(0..x[0].rows).collect::<Vec<_>>()).parts[0];
    // A linear decoder is a factor model, whose likelihood is known.
    let theta = trainer.theta();
    let decoder = FactorModel {
        mean: numbers(vae.layout(), theta, "decoder.0.bias"),
        loadings: Matrix::new(args.latent, x[0].cols, numbers(vae.layout(), theta, "decoder.0.weight")),
        noise: vec![(2.0 * log_sigma(&vae, theta)).exp(); x[0].cols],
    };
    let log_likelihood = Some([decoder.log_likelihood(&x[0])?, decoder.log_likelihood(&x[1])?]);
    let reconstructions = x.each_ref().map(|x| vae.reconstruct(theta, x));
    let basis = Some(decoder.loadings);
    Ok((Fitted { name: "linear VAE", key: "vae", reconstructions, basis, log_likelihood }, bound))
}

/// A linear model of Gaussian factors, whose reconstructions are E[x|z = E(z|x)].
fn factors(
    name: &'static str,
    key: &'static str,
    model: FactorModel,
    x: &[Matrix<f64>; 2],
) -> anyhow::Result<Fitted> {
    let decoded = |x| Ok::<_, anyhow::Error>(model.decode(&model.posterior(x)?.0));
    Ok(Fitted {
        name,
        key,
        reconstructions: [decoded(&x[0])?, decoded(&x[1])?],
        log_likelihood: Some([model.log_likelihood(&x[0])?, model.log_likelihood(&x[1])?]),
        basis: Some(model.loadings),
    })
}

fn numbers(layout: &Layout, theta: &[f64], name: &str) -> Vec<f64> {
    let slot = layout.slots().iter().find(|slot| slot.name() == name).expect("a slot of the model");
    theta[slot.range()].to_vec()
}

fn log_sigma(vae: &Vae, theta: &Arc<Vec<f64>>) -> f64 {
    let tape = autograd::Tape::new();
    let z = tape.constant(&vec![0.0; vae.latent()], [1, vae.latent()]);
    let Observation::Normal(p) = vae.decode(tape.shared_constant(theta, [theta.len()]), z) else {
        unreachable!("the decoder is normal with one σ")
    };
    p.log_sigma.item()
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    args.run.without_checkpoint()?;
    let sets = sets::digits(&args.run, args.images)?;
    let pixels = Pixels::of(&sets[0].images);
    let x = sets.each_ref().map(|set| pixels.centred(&set.images));
    let pca = Pca::fit(&x[0], args.latent)?;
    let probabilistic = FactorModel::probabilistic_pca(&x[0], args.latent)?;
    let em = Em { rounds: if args.run.dry_run { 20 } else { 10_000 }, tolerance: 1e-8 };
    let (analysis, _) = FactorModel::factor_analysis(&x[0], args.latent, em)?;
    let folder = RunFolder::open(&args.run, args)?;

    let mut oja = Oja::new(args.latent, x[0].cols, args.run.seed);
    oja.fit(&x[0], args.oja_epochs, 0.5, args.run.seed)?;
    // Oja's neurons are an orthonormal basis, nearly: x ↦ μ + Wᵀ W (x − μ).
    let neurons = Pca { components: oja.weights.clone(), ..pca.clone() };
    let (vae, bound) = linear_vae(args, &x)?;
    let fitted = [
        Fitted {
            name: "PCA",
            key: "pca",
            reconstructions: x.each_ref().map(|x| pca.reconstruct(x)),
            basis: Some(pca.components.clone()),
            log_likelihood: None,
        },
        autoencoder(args, &[], &x)?,
        Fitted {
            name: "Oja's rule",
            key: "oja",
            reconstructions: x.each_ref().map(|x| neurons.reconstruct(x)),
            basis: Some(oja.weights),
            log_likelihood: None,
        },
        factors("probabilistic PCA", "ppca", probabilistic, &x)?,
        vae,
        factors("factor analysis", "fa", analysis, &x)?,
        autoencoder(args, &args.hidden, &x)?,
    ];

    let (used, all) = (x[0].cols, sets[0].images.cols);
    println!("{} images to train on, {} to test, {} components", x[0].rows, x[1].rows, args.latent);
    println!("of {used} pixels; the other {} are the same in all training images", all - used);
    println!("                     squared error, image     largest angle   WᵀW: largest   log p(x), nats");
    println!("                      training      test      to PCA, rad    of |WᵀW − I|   training     test");
    let mut results = Vec::new();
    let mut angles = Vec::new();
    for Fitted { name, key, reconstructions, basis, log_likelihood } in &fitted {
        let [train, test] = [0, 1].map(|i| squared_distance(&reconstructions[i], &x[i]));
        print!("  {name:18} {train:10.5} {test:10.5}");
        results.extend([(format!("{key}_loss"), train), (format!("{key}_test_loss"), test)]);
        if let Some(basis) = basis {
            let between = principal_angles(basis, &pca.components)?;
            let (largest, off) = (between[between.len() - 1], off_identity(&gram(basis)));
            print!("   {largest:12.2e}    {off:12.2e}");
            results.extend([(format!("{key}_angle"), largest), (format!("{key}_off_identity"), off)]);
            angles.push((*name, between));
        }
        if let Some([train, test]) = log_likelihood {
            print!(" {train:12.4} {test:8.4}");
            results.extend([
                (format!("{key}_log_likelihood"), *train),
                (format!("{key}_test_log_likelihood"), *test),
            ]);
        }
        println!();
    }
    println!("the bound of the linear VAE on the training images is {bound:.4} nats");
    draw(&folder, (&sets[1], &pixels), &fitted, &angles)?;
    println!("pictures are in {}", args.run.out.display());
    results.extend([("vae_elbo".into(), bound), ("seconds".into(), started.elapsed().as_secs_f64())]);
    result_line(&results);
    Ok(())
}

/// W Wᵀ of rows: the products of all pairs of basis vectors, in the lectures' notation, where these are columns, WᵀW.
fn gram(w: &Matrix<f64>) -> Vec<f64> {
    let product = |i: usize, j: usize| w.row(i).iter().zip(w.row(j)).map(|(a, b)| a * b).sum();
    (0..w.rows * w.rows).map(|cell| product(cell / w.rows, cell % w.rows)).collect()
}

fn off_identity(gram: &[f64]) -> f64 {
    let m = gram.len().isqrt();
    let off = gram.iter().enumerate().map(|(i, g)| (g - f64::from(u8::from(i % (m + 1) == 0))).abs());
    off.fold(0.0, f64::max)
}

fn draw(
    folder: &RunFolder,
    (test, pixels): (&LabelledImages, &Pixels),
    fitted: &[Fitted],
    angles: &[(&str, Vec<f64>)],
) -> anyhow::Result<()> {
    let (height, width) = (test.height, test.width);
    let shown = test.len().min(12);
    let whole = |x: &Matrix<f64>| {
        let images = pixels.added(&pixels.mean, &x.split_at_row(shown).0);
        images.values.iter().map(|&x| x as f32).collect::<Vec<_>>()
    };
    let mut images = ImageGrid::new("Test images and their reconstructions", height, width)
        .row("data", &test.images.values[..shown * test.images.cols]);
    let mut bases =
        ImageGrid::new("Bases, each vector between its smallest and largest number", height, width);
    let mut grams = Panels::new("WᵀW", 3);
    for Fitted { name, reconstructions, basis, .. } in fitted {
        images = images.row(name, &whole(&reconstructions[1]));
        let Some(basis) = basis else { continue };
        bases = bases.row(name, &stretched(&pixels.added(&vec![0.0; height * width], basis)));
        let ends = || 0.5..basis.rows as f64 + 0.5;
        let heat = Figure::new(name).heat_map("", (ends(), ends()), basis.rows, gram(basis));
        grams = grams.figure(heat);
    }
    images.save(&folder.file("reconstructions.png"))?;
    bases.save(&folder.file("bases.png"))?;
    grams.save(&folder.file("gram.png"))?;
    let figure = Figure::new("Principal angles to the subspace of PCA")
        .axes("angle, smallest first", "radians")
        .log_y();
    let lines = angles.iter().filter(|(name, _)| !name.contains("PCA"));
    lines
        .fold(figure, |figure, (name, angles)| {
            figure.line(name, angles.iter().enumerate().map(|(i, &angle)| (i as f64 + 1.0, angle)))
        })
        .save(&folder.file("angles.png"))?;
    Ok(())
}

/// Every row on the scale from 0 to 1.
fn stretched(rows: &Matrix<f64>) -> Vec<f32> {
    let stretch = |row: &[f64]| {
        let low = row.iter().copied().fold(f64::INFINITY, f64::min);
        let high = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter().map(|x| ((x - low) / (high - low)) as f32).collect::<Vec<_>>()
    };
    rows.values.chunks_exact(rows.cols).flat_map(stretch).collect()
}
