//! Images as a few numbers: compression by an autoencoder beside PCA of the same size (lecture 004, "Autoencoders (AE)": "data-
//! compression"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example compression
//!
//! A code has m numbers in the place of D pixels. Draws the error of test images over m, and over bits: each number of a code is
//! rounded to one of 2ᵇ levels that lie evenly over the range of the training codes in its dimension, b = 4 and 8. For the autoencoder means over
//! seeds; PCA has no seed. It compares, and keeps none of its models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::outln;
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, result_of, whole, width};
use nn::stats::{Estimate, squared_distances};
use nn::train::{Fit, Schedule};
use vae::linear::Pca;
use vae::{Autoencoder, AutoencoderConfig, AutoencoderObjective};

/// Compresses images by an autoencoder and by PCA
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// The numbers m that are kept of an image
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,4,8,16,32",
        default_value_if("dry_run", "true", "1,2"), value_parser = width)]
    latent: Vec<usize>,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    hidden: Vec<usize>,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

/// b, the bits of each number, of several curves.
const BITS: [u32; 2] = [4, 8];
/// Those of the table and of the pictures.
const SHOWN_BITS: u32 = 4;
/// Images in a row of the picture.
const SHOWN: usize = 12;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-compression", epochs: 300, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

type Decoder<'a> = dyn Fn(&Matrix<f32>) -> Matrix<f32> + 'a;

/// Codes, and what leads back from them.
struct Coder<'a> {
    /// Of training and of test images.
    codes: [Matrix<f32>; 2],
    decode: Box<Decoder<'a>>,
}

impl Coder<'_> {
    /// The test codes, each number rounded to one of 2ᵇ levels.
    fn rounded(&self, bits: u32) -> Matrix<f32> {
        let [train, test] = &self.codes;
        let steps = f64::from((1_u32 << bits) - 1);
        let mut values = test.values.to_vec();
        for j in 0..train.cols {
            let column = || train.values.iter().skip(j).step_by(train.cols).map(|&z| f64::from(z));
            let (low, high) =
                (column().fold(f64::INFINITY, f64::min), column().fold(f64::NEG_INFINITY, f64::max));
            let step = ((high - low) / steps).max(f64::MIN_POSITIVE);
            for z in values.iter_mut().skip(j).step_by(train.cols) {
                let level = ((f64::from(*z) - low) / step).round().clamp(0.0, steps);
                *z = (low + step * level) as f32;
            }
        }
        Matrix::new(test.rows, test.cols, values)
    }

    /// What the test images are after they were compressed.
    fn measure(&self, test: &Matrix<f32>) -> Coded {
        let error =
            |images: &Matrix<f32>| Estimate::of(&squared_distances(images, test)).mean / test.cols as f64;
        let decoded = |bits| (self.decode)(&self.rounded(bits));
        let exact = ("exact".to_owned(), error(&(self.decode)(&self.codes[1])));
        let rounded = BITS.map(|bits| (format!("{bits}_bits"), error(&decoded(bits))));
        Coded { results: [exact].into_iter().chain(rounded).collect(), images: decoded(SHOWN_BITS) }
    }
}

/// Test images that were compressed.
struct Coded {
    /// The mean square errors of a pixel, by codes as they are and by rounded ones.
    results: Results,
    /// By codes whose numbers have [`SHOWN_BITS`].
    images: Matrix<f32>,
}

fn autoencoder(
    args: &Args,
    latent: usize,
    seed: u64,
    [train, test]: &[LabelledImages; 2],
) -> anyhow::Result<Coded> {
    let model = Autoencoder::new(&AutoencoderConfig::new(train.images.cols, &args.hidden, latent))?;
    let run = RunArgs { seed, ..args.run.clone() };
    let mut trainer = run.trainer(model.layout());
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
    let mut objective = AutoencoderObjective { model: &model, data: &train.images, noise: 0.0 };
    trainer.fit(&mut objective, None, &fit, &mut ())?;
    let theta = trainer.theta();
    let codes = [train, test].map(|set| model.encode_rows(theta, &set.images));
    let decode = Box::new(|z: &Matrix<f32>| model.decode_rows(theta, z));
    Ok(Coder { codes, decode }.measure(&test.images))
}

fn principal_components(latent: usize, [train, test]: &[LabelledImages; 2]) -> anyhow::Result<Coded> {
    let [x, test] = [train, test].map(|set| set.images.map(f64::from));
    let pca = Pca::fit(&x, latent)?;
    let codes = [&x, &test].map(|x| pca.encode_rows(x).map(|z| z as f32));
    let decode = Box::new(|z: &Matrix<f32>| pca.decode_rows(&z.map(f64::from)).map(|x| x as f32));
    Ok(Coder { codes, decode }.measure(&test.map(|x| x as f32)))
}

/// Both methods with m numbers.
struct Size {
    latent: usize,
    pca: Coded,
    autoencoder: OverSeeds,
    /// By the autoencoder of the first seed.
    images: Matrix<f32>,
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let sets = sets::load(&args.run, args.rows)?;
    let mut latents = args.latent.clone();
    latents.sort_unstable();
    latents.dedup();
    let components = latents.iter().map(|&latent| principal_components(latent, &sets));
    let components = components.collect::<anyhow::Result<Vec<_>>>()?;
    let run = Run::open(&args.run, args)?.documented("vae", "Compression");
    let jobs: Vec<(usize, u64)> = latents
        .iter()
        .flat_map(|&latent| args.run.seeds(args.seeds).into_iter().map(move |seed| (latent, seed)))
        .collect();
    let trained = each("models", &jobs, |&(latent, seed)| autoencoder(args, latent, seed, &sets))?;
    let mut trained = trained.into_iter();
    let size = |(latent, pca)| {
        let seeds: Vec<Coded> = trained.by_ref().take(args.seeds as usize).collect();
        let autoencoder = OverSeeds::of(seeds.iter().map(|coded| &coded.results));
        let images = seeds.into_iter().next().expect("there are seeds").images;
        Size { latent, pca, autoencoder, images }
    };
    let sizes: Vec<Size> = latents.into_iter().zip(components).map(size).collect();

    let pixels = sets[0].images.cols;
    outln!("{} test images of {pixels} pixels; mean square error of a pixel", sets[1].len());
    outln!("autoencoder: means over {} seeds ± standard error", args.seeds);
    let rounded = format!("{SHOWN_BITS} bits each");
    let header = ["numbers", "rate", "bits", "PCA", &rounded, "autoencoder", &rounded];
    let mut table = TextTable::new().header(header);
    let (mut results, at) = (Results::new(), format!("{SHOWN_BITS}_bits"));
    for Size { latent, pca, autoencoder, .. } in &sizes {
        let of_pca = |name: &str| result_of(&pca.results, name);
        table.row([
            latent.to_string(),
            format!("1/{:.0}", pixels as f64 / *latent as f64),
            (latent * SHOWN_BITS as usize).to_string(),
            format!("{:.4}", of_pca("exact")),
            format!("{:.4}", of_pca(&at)),
            autoencoder.cell("exact", 4),
            autoencoder.cell(&at, 4),
        ]);
        let named = |key: &str, of: Results| {
            of.into_iter().map(|(name, value)| (format!("{key}_{latent}_{name}"), value)).collect::<Results>()
        };
        results.extend(named("pca", pca.results.clone()));
        results.extend(named("autoencoder", autoencoder.results()));
    }
    table.print();
    draw_curves(&sizes).save(&run.picture(
        "rate.png",
        "The error of compressed test images over how much is kept of them. With few numbers the autoencoder should be far below PCA; \
        with as many as there are pixels PCA has no error at all, and the autoencoder is left with its own (lecture 004, \"Autoencoders \
        (AE)\")",
    ))?;
    draw_images(&sets[1], &sizes).save(&run.picture(
        "compressed.png",
        "Test images that went through so many numbers, each rounded to a few bits. Look from which size on a digit can be read \
        (lecture 004, \"Autoencoders (AE)\")",
    ))?;
    let share = |size: &Size| 100.0 * size.autoencoder.mean("exact") / result_of(&size.pca.results, "exact");
    let [middle, last] = [sizes.len() / 2, sizes.len() - 1].map(|i| &sizes[i]);
    run.found(&format!(
        "An image of {pixels} pixels that is kept as {} numbers by an autoencoder comes back with {:.0} % of the squared error that it has \
         by principal components; kept as {} numbers, with {:.0} %.",
        middle.latent,
        share(middle),
        last.latent,
        share(last)
    ));
    run.label(&[
        Label::new("*_exact", "mean square error of test images; method and numbers kept: *", "per pixel")
            .over("seeds"),
        Label::new(
            "*_bits",
            "mean square error of test images; method, numbers kept, bits of each: *",
            "per pixel",
        )
        .over("seeds"),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// The errors over numbers and over bits.
fn draw_curves(sizes: &[Size]) -> Panels {
    let figure = |title: &str, label: &str| {
        Figure::new(title).axes(label, "mean square error of a pixel").log_x().log_y()
    };
    let of_pca = |size: &Size, name: &str| result_of(&size.pca.results, name);
    let numbers = figure("Numbers as they are", "numbers kept of an image")
        .line("PCA", sizes.iter().map(|size| (size.latent as f64, of_pca(size, "exact"))))
        .line("autoencoder", sizes.iter().map(|size| (size.latent as f64, size.autoencoder.mean("exact"))));
    // Lines without points, so that each name has a colour of its own in both figures.
    let named = ["PCA", "autoencoder"];
    let empty = named
        .iter()
        .fold(figure("Rounded numbers", "bits kept of an image"), |figure, name| figure.line(name, []));
    let bits = BITS.into_iter().fold(empty, |figure, bits| {
        let (at, kept) = (format!("{bits}_bits"), |size: &Size| (size.latent * bits as usize) as f64);
        figure
            .line(&format!("PCA, {bits} bits each"), sizes.iter().map(|size| (kept(size), of_pca(size, &at))))
            .line(
                &format!("autoencoder, {bits} bits each"),
                sizes.iter().map(|size| (kept(size), size.autoencoder.mean(&at))),
            )
    });
    Panels::new("Compression of test images", 2).figure(numbers).figure(bits).shared_heights()
}

fn draw_images(test: &LabelledImages, sizes: &[Size]) -> ImageGrid {
    let shown = SHOWN.min(test.len()) * test.images.cols;
    let title = format!("Test images kept as m numbers of {SHOWN_BITS} bits");
    let grid = ImageGrid::new(&title, test.height, test.width).row("data", &test.images.values[..shown]);
    sizes.iter().fold(grid, |grid, Size { latent, pca, images, .. }| {
        grid.row(&format!("PCA, m = {latent}"), &pca.images.values[..shown])
            .row(&format!("autoencoder, m = {latent}"), &images.values[..shown])
    })
}
