//! Principal components beside what learns them, and what goes beyond (lecture 000, "PCA versus autoencoder"; lecture 001,
//! "What differences between Oja's rule and VAE"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example pca_vs_autoencoder
//!
//! A linear autoencoder finds the subspace of PCA, with the same loss, in a basis that is not orthonormal; Oja's neurons find
//! an orthonormal one; a linear VAE reaches the likelihood of probabilistic PCA; factor analysis, with a noise for each pixel,
//! goes beyond that likelihood in another subspace; an autoencoder with hidden layers has the least error. Draws
//! reconstructions, the bases, their products WᵀW, and the principal angles to PCA. It compares, and keeps none of its models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use autograd::Tape;
use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::model::{Layout, Nonlinearity};
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Counter, Defaults, Label, Run, RunArgs, TextTable, result_of, say, whole, width};
use nn::stats::{Estimate, squared_distances};
use nn::train::{Fit, Objective, Schedule, Trainer};
use vae::linear::{CubatureObjective, Em, FactorModel, Oja, Pca, principal_angles};
use vae::{Autoencoder, AutoencoderConfig, AutoencoderObjective, Likelihood, Observation, Vae, VaeConfig};

/// Compares PCA, linear and deep autoencoders, Oja's rule, probabilistic PCA, factor analysis and a linear VAE
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Components, or variables in the middle
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = width)]
    latent: usize,
    /// Hidden layers of the deep encoder, and of its decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
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
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-pca_vs_autoencoder", epochs: 2000, batch_size: 1500, lr: 2e-2 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// The pixels that are not the same in all training images, and the mean image. PCA is about differences from the mean, and
/// factor analysis has no noise for a pixel that never differs.
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

    /// Images: differences of the pixels that vary, added to an image.
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

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let sets = sets::load(&args.run, args.rows)?;
    let pixels = Pixels::of(&sets[0].images);
    let x = sets.each_ref().map(|set| pixels.centred(&set.images));
    let (used, all) = (x[0].cols, sets[0].images.cols);
    let pca = Pca::fit(&x[0], args.latent)?;
    let done = Counter::new("methods", 7);
    let analysis = done.counted(factor_analysis(args, &x)?);
    let probabilistic = done.counted(probabilistic_pca(args, &x)?);
    let run = Run::open(&args.run, args)?.documented("vae", "Autoencoders beside PCA");
    let (vae, bound) = done.counted(linear_vae(args, &x)?);
    let fitted = [
        done.counted(principal_components(&pca, &x)),
        done.counted(autoencoder(args, Depth::Linear, &x)?),
        done.counted(oja(args, &pca, &x)?),
        probabilistic,
        vae,
        analysis,
        done.counted(autoencoder(args, Depth::Deep, &x)?),
    ];
    drop(done);

    outln!("{} images to train on, {} to test, {} components", x[0].rows, x[1].rows, args.latent);
    outln!("of {used} pixels; the other {} are the same in all training images", all - used);
    let angles = angles(&fitted, &pca)?;
    let mut results = print(&fitted, &angles, &x);
    outln!("the bound of the linear VAE on the training images is {bound:.4} nats");
    draw_images(&run, &sets[1], &pixels, &fitted)?;
    draw_angles(&fitted, &angles).save(&run.picture(
        "angles.png",
        "The angles between the subspace of PCA and that of what learns it. The linear autoencoder's and Oja's \
        should be near 0, on a logarithmic scale; factor analysis finds another subspace (lecture 000, \"PCA versus \
        autoencoder\")",
    ))?;
    let of = |name: &str| result_of(&results, name);
    run.found(&format!(
        "A linear autoencoder learns the space of principal components: the largest angle between the two is {:.0e}. A deep one \
         reconstructs images that it has not seen with {:.0} % of the squared error of principal components.",
        of("linear_angle"),
        100.0 * of("deep_test_loss") / of("pca_test_loss")
    ));
    results.push(("vae_elbo".into(), bound));
    run.label(&[
        Label::new("*_test_loss", "squared error of test images; method (ppca is probabilistic PCA, fa factor analysis): *", "per image"),
        Label::new("*_test_log_likelihood", "log p(x) of test images; method (ppca is probabilistic PCA, fa factor analysis): *", "nats per image"),
        Label::new("*_loss", "squared error of training images; method (ppca is probabilistic PCA, fa factor analysis): *", "per image"),
        Label::new("*_log_likelihood", "log p(x) of training images; method (ppca is probabilistic PCA, fa factor analysis): *", "nats per image"),
        Label::new("*_angle", "largest angle between its subspace and that of PCA; method (ppca is probabilistic PCA, fa factor analysis): *", "radians"),
        Label::new(
            "*_off_identity",
            "how far its basis is from an orthonormal one, largest |WᵀW − I|; method (ppca is probabilistic PCA, fa factor analysis): *",
            "",
        ),
        Label::new("vae_elbo", "ELBO of training images by the linear VAE", "nats per image"),
    ]);
    run.finish(&results)?;
    Ok(())
}

fn principal_components(pca: &Pca, x: &[Matrix<f64>; 2]) -> Fitted {
    let reconstructions = x.each_ref().map(|x| pca.reconstruct(x));
    let basis = Some(pca.components.clone());
    Fitted { name: "PCA", key: "pca", reconstructions, basis, log_likelihood: None }
}

fn oja(args: &Args, pca: &Pca, x: &[Matrix<f64>; 2]) -> anyhow::Result<Fitted> {
    let mut oja = Oja::new(args.latent, x[0].cols, args.run.seed);
    oja.fit(&x[0], args.oja_epochs, 0.5, args.run.seed)?;
    // Oja's neurons are an orthonormal basis, nearly: x ↦ μ + Wᵀ W (x − μ).
    let neurons = Pca { components: oja.weights.clone(), ..pca.clone() };
    let reconstructions = x.each_ref().map(|x| neurons.reconstruct(x));
    Ok(Fitted {
        name: "Oja's rule",
        key: "oja",
        reconstructions,
        basis: Some(oja.weights),
        log_likelihood: None,
    })
}

fn probabilistic_pca(args: &Args, x: &[Matrix<f64>; 2]) -> anyhow::Result<Fitted> {
    factors("probabilistic PCA", "ppca", FactorModel::probabilistic_pca(&x[0], args.latent)?, x)
}

fn factor_analysis(args: &Args, x: &[Matrix<f64>; 2]) -> anyhow::Result<Fitted> {
    let em = Em { rounds: if args.run.dry_run { 20 } else { 10_000 }, tolerance: 1e-8 };
    factors("factor analysis", "fa", FactorModel::factor_analysis(&x[0], args.latent, em)?.model, x)
}

/// A linear model of Gaussian factors, whose reconstructions are E[x|z = E(z|x)].
fn factors(
    name: &'static str,
    key: &'static str,
    model: FactorModel,
    x: &[Matrix<f64>; 2],
) -> anyhow::Result<Fitted> {
    let decoded = |x| Ok::<_, anyhow::Error>(model.decode_rows(&model.posterior(x)?.means));
    let reconstructions = [decoded(&x[0])?, decoded(&x[1])?];
    let log_likelihood = Some([model.log_likelihood(&x[0])?, model.log_likelihood(&x[1])?]);
    Ok(Fitted { name, key, reconstructions, log_likelihood, basis: Some(model.loadings) })
}

enum Depth {
    Linear,
    Deep,
}

fn autoencoder(args: &Args, depth: Depth, x: &[Matrix<f64>; 2]) -> anyhow::Result<Fitted> {
    let usual = args.run.fit();
    let (name, key, hidden, fit) = match depth {
        Depth::Linear => ("linear autoencoder", "linear", &[][..], usual),
        Depth::Deep => {
            let fit = Fit { epochs: args.deep_epochs, batch_size: 64, rate: 2e-3, ..usual };
            ("deep autoencoder", "deep", &args.hidden[..], fit)
        }
    };
    let config = AutoencoderConfig::new(x[0].cols, hidden, args.latent).with_phi(Nonlinearity::Elu);
    let model = Autoencoder::new(&config)?;
    let mut objective = AutoencoderObjective { model: &model, data: &x[0], noise: 0.0 };
    let trainer = train(args, model.layout(), &mut objective, fit)?;
    let reconstructions = x.each_ref().map(|x| model.reconstruct(trainer.theta(), x));
    let basis = match depth {
        Depth::Linear => {
            let weights = trainer.theta()[model.networks().decoder.last_weight().range()].to_vec();
            Some(Matrix::new(args.latent, x[0].cols, weights))
        }
        Depth::Deep => None,
    };
    Ok(Fitted { name, key, reconstructions, basis, log_likelihood: None })
}

/// The linear VAE, and its bound on the training images. A linear decoder is a factor model, whose likelihood is known.
fn linear_vae(args: &Args, x: &[Matrix<f64>; 2]) -> anyhow::Result<(Fitted, f64)> {
    let likelihood = Likelihood::NormalLearned { start: 1.0 };
    let vae = Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(x[0].cols, &[], args.latent) })?;
    let mut objective = CubatureObjective { vae: &vae, data: &x[0] };
    let mut trainer = train(args, vae.layout(), &mut objective, args.run.fit())?;
    let bound = trainer.evaluate(&mut objective)?.part("elbo");
    let (theta, decoder) = (trainer.theta(), &vae.networks().decoder);
    let decoder = FactorModel {
        mean: theta[decoder.last_bias().range()].to_vec(),
        loadings: Matrix::new(args.latent, x[0].cols, theta[decoder.last_weight().range()].to_vec()),
        noise: vec![(2.0 * log_sigma(&vae, theta)).exp(); x[0].cols],
    };
    let log_likelihood = Some([decoder.log_likelihood(&x[0])?, decoder.log_likelihood(&x[1])?]);
    let reconstructions = x.each_ref().map(|x| vae.reconstruct(theta, x));
    let basis = Some(decoder.loadings);
    Ok((Fitted { name: "linear VAE", key: "vae", reconstructions, basis, log_likelihood }, bound))
}

fn train<O: Objective<f64>>(
    args: &Args,
    layout: &Layout,
    objective: &mut O,
    fit: Fit,
) -> anyhow::Result<Trainer<f64>> {
    let mut trainer = args.run.trainer(layout);
    let fit = Fit { schedule: Schedule::Cosine { epochs: fit.epochs }, ..fit };
    trainer.fit(objective, None, &fit, &mut ())?;
    Ok(trainer)
}

/// log σ of the decoder, which does not depend on z.
fn log_sigma(vae: &Vae, theta: &[f64]) -> f64 {
    let tape = Tape::new();
    let z = tape.constant(&vec![0.0; vae.latent()], [1, vae.latent()]);
    match vae.decode(tape.constant(theta, [theta.len()]), z) {
        Observation::Normal(p) => p.log_sigma.item(),
        other => unreachable!("the decoder is normal with one σ, not {other:?}"),
    }
}

/// Of every linear method the angles between its subspace and that of PCA.
fn angles(fitted: &[Fitted], pca: &Pca) -> anyhow::Result<Vec<Option<Vec<f64>>>> {
    let of = |fitted: &Fitted| fitted.basis.as_ref().map(|basis| principal_angles(basis, &pca.components));
    Ok(fitted.iter().map(|fitted| of(fitted).transpose()).collect::<Result<_, _>>()?)
}

/// Prints errors, angles and likelihoods, and returns them by name.
fn print(fitted: &[Fitted], angles: &[Option<Vec<f64>>], x: &[Matrix<f64>; 2]) -> Vec<(String, f64)> {
    say(
        "squared error of a training and of a test image, largest angle to PCA in radians, largest number of \
         |WᵀW − I|, log p(x) of training and of test images in nats",
    );
    let mut table =
        TextTable::new().header(["", "training", "test", "angle", "|WᵀW − I|", "log p(x)", "test"]);
    let mut results = Vec::new();
    for (Fitted { name, key, reconstructions, basis, log_likelihood }, angles) in fitted.iter().zip(angles) {
        let mut named = Vec::new();
        let mut cells = vec![(*name).to_owned()];
        for (i, of) in ["loss", "test_loss"].into_iter().enumerate() {
            let error = Estimate::of(&squared_distances(&reconstructions[i], &x[i])).mean;
            cells.push(format!("{error:.5}"));
            named.push((of, error));
        }
        if let (Some(basis), Some(angles)) = (basis, angles) {
            let (largest, off) = (angles[angles.len() - 1], off_identity(&gram(basis)));
            cells.extend([largest, off].map(|x| format!("{x:.2e}")));
            named.extend([("angle", largest), ("off_identity", off)]);
        }
        if let Some([train, test]) = *log_likelihood {
            cells.extend([train, test].map(|x| format!("{x:.4}")));
            named.extend([("log_likelihood", train), ("test_log_likelihood", test)]);
        }
        table.row(cells);
        results.extend(named.into_iter().map(|(of, value)| (format!("{key}_{of}"), value)));
    }
    table.print();
    results
}

/// W Wᵀ of rows: the products of all pairs of basis vectors. In the lectures' notation, where these are columns, it is WᵀW.
fn gram(w: &Matrix<f64>) -> Vec<f64> {
    let product = |i: usize, j: usize| w.row(i).iter().zip(w.row(j)).map(|(a, b)| a * b).sum();
    (0..w.rows * w.rows).map(|cell| product(cell / w.rows, cell % w.rows)).collect()
}

fn off_identity(gram: &[f64]) -> f64 {
    let m = gram.len().isqrt();
    let off = gram.iter().enumerate().map(|(i, g)| (g - f64::from(u8::from(i % (m + 1) == 0))).abs());
    off.fold(0.0, f64::max)
}

/// Draws reconstructions, bases and their products.
fn draw_images(
    run: &Run<'_>,
    test: &LabelledImages,
    pixels: &Pixels,
    fitted: &[Fitted],
) -> anyhow::Result<()> {
    let (height, width) = (test.height, test.width);
    let shown = test.len().min(12);
    let whole = |x: &Matrix<f64>| {
        let images = pixels.added(&pixels.mean, &x.split_at_row(shown).0);
        images.values.iter().map(|&x| x as f32).collect::<Vec<_>>()
    };
    let mut images = ImageGrid::new("Test images and their reconstructions", height, width)
        .row("data", &test.images.values[..shown * test.images.cols]);
    let title = "Bases: 0 is grey, each vector's largest number black or white";
    let mut bases = ImageGrid::new(title, height, width);
    let mut grams = Panels::new("WᵀW", 3);
    for Fitted { name, reconstructions, basis, .. } in fitted {
        images = images.row(name, &whole(&reconstructions[1]));
        let Some(basis) = basis else { continue };
        bases = bases.row(name, &stretched(&pixels.added(&vec![0.0; height * width], basis)));
        let names: Vec<String> = (1..=basis.rows).map(|i| i.to_string()).collect();
        grams = grams.figure(Figure::new(name).matrix("", (&names, &names), gram(basis)));
    }
    grams = grams.shared_colours();
    images.save(&run.picture(
        "reconstructions.png",
        "Test images from the same number of components. All linear methods look alike; the deep autoencoder keeps \
        more (lecture 000, \"PCA versus autoencoder\")",
    ))?;
    bases.save(&run.picture(
        "bases.png",
        "The vectors that span each subspace. They differ although the subspaces are the same: only PCA orders \
        them, and only its and Oja's are orthonormal (lecture 001, \"What differences between Oja's rule and VAE\")",
    ))?;
    grams.save(&run.picture(
        "gram.png",
        "The products of all pairs of basis vectors. The identity says that a basis is orthonormal (lecture 001, \
        \"What differences between Oja's rule and VAE\")",
    ))?;
    Ok(())
}

fn draw_angles(fitted: &[Fitted], angles: &[Option<Vec<f64>>]) -> Figure {
    let figure = Figure::new("Principal angles to the subspace of PCA")
        .axes("angle, smallest first", "radians")
        .log_y();
    let lines = fitted.iter().zip(angles).filter(|(fitted, _)| !fitted.name.contains("PCA"));
    lines.fold(figure, |figure, (fitted, angles)| {
        let Some(angles) = angles else { return figure };
        figure.line(fitted.name, angles.iter().enumerate().map(|(i, &angle)| (i as f64 + 1.0, angle)))
    })
}

/// Every row on the scale from 0 to 1, with 0 in its middle.
fn stretched(rows: &Matrix<f64>) -> Vec<f32> {
    let stretch = |row: &[f64]| {
        let size = row.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
        row.iter().map(|x| (0.5 + 0.5 * x / size) as f32).collect::<Vec<_>>()
    };
    rows.values.chunks_exact(rows.cols).flat_map(stretch).collect()
}
