//! Why squared error blurs (lecture 003, "VAE Pros": "Blurry result due to minimizing the MSE based reconstruction error"), on the
//! embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example blur
//!
//! A model is given a digit y and asked for x, the digit shifted by a pixel to one of nine places, of which it is not told which. The
//! expected squared error E ‖x − f(y)‖² is least where f(y) = E[x|y], here the average of nine sharp images, which is no digit that there
//! is and is blurred. A conditional VAE minimises ‖x − d(z, y)‖² / 2σ² + KL. With a large σ the error is not worth the nats of a code: z
//! says nothing, and the decoder gives that average. With a small σ z says which place it is, and images are sharp, those from the prior,
//! too. What blurs is not the square but what is averaged over.
//!
//! The average is known exactly, and so is the least error. Draws both models' images of test digits beside it, of the first seed. It
//! compares, and keeps none of its models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, positive, whole, width};
use nn::stats::{Estimate, squared_distances};
use nn::train::{Fit, Noise, Schedule};
use vae::{Likelihood, NetworkConfig, Vae, VaeConfig, VaeObjective};

/// Shows that squared error averages over what a model is not told
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// σ of the model whose codes say nothing
    #[arg(long, value_name = "SIGMA", default_value_t = 3.0, value_parser = positive)]
    large: f64,
    /// σ of the model whose codes say the place
    #[arg(long, value_name = "SIGMA", default_value_t = 0.1, value_parser = positive)]
    small: f64,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = width)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "256,128", value_parser = width)]
    hidden: Vec<usize>,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 3, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = whole)]
    rows: usize,
}

/// The places of a digit: by as many rows and columns as 0, 1 and 2.
const PLACES: usize = 9;
/// Draws of z for each test digit.
const DRAWS: usize = 20;
/// Test digits in the picture.
const SHOWN: usize = 12;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-blur", epochs: 40, batch_size: 64, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// Digits in their places.
struct Places {
    /// The digits y, (n, height · width).
    given: Matrix<f32>,
    /// Each digit in nine places, (9 n, (height + 2) (width + 2)): the places of the first digit, of the second, and so on.
    shifted: Matrix<f32>,
    /// E[x|y], the mean of a digit's nine images, (n, (height + 2) (width + 2)).
    average: Matrix<f32>,
    /// Of x.
    height: usize,
    width: usize,
}

impl Places {
    fn of(set: &LabelledImages) -> Self {
        let (height, width) = (set.height + 2, set.width + 2);
        let mut shifted = Vec::with_capacity(PLACES * set.len() * height * width);
        for (row, place) in (0..set.len()).flat_map(|row| (0..PLACES).map(move |place| (row, place))) {
            let mut image = vec![0.0; height * width];
            for (i, line) in set.images.row(row).chunks_exact(set.width).enumerate() {
                image[(i + place / 3) * width + place % 3..][..set.width].copy_from_slice(line);
            }
            shifted.append(&mut image);
        }
        let average = shifted.chunks_exact(PLACES * height * width).flat_map(|digit| {
            let pixel = |j| digit.iter().skip(j).step_by(height * width).sum::<f32>() / PLACES as f32;
            (0..height * width).map(pixel).collect::<Vec<_>>()
        });
        let average = Matrix::new(set.len(), height * width, average.collect());
        let shifted = Matrix::new(PLACES * set.len(), height * width, shifted);
        Self { given: set.images.clone(), shifted, average, height, width }
    }

    /// Each digit, so many times in succession.
    fn repeated(&self, times: usize) -> Matrix<f32> {
        self.given.select(&(0..self.given.rows * times).map(|row| row / times).collect::<Vec<_>>())
    }

    /// ‖x − f‖² of images f of the digits, as many of each, to the nearest of the digit's nine places.
    fn to_nearest(&self, images: &Matrix<f32>) -> Vec<f64> {
        let times = images.rows / self.given.rows;
        let distance = |row: usize, place: usize| -> f64 {
            let sharp = self.shifted.row(row / times * PLACES + place);
            images.row(row).iter().zip(sharp).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        (0..images.rows)
            .map(|row| (0..PLACES).map(|place| distance(row, place)).fold(f64::INFINITY, f64::min))
            .collect()
    }

    /// How sharp images are: the squared differences of neighbouring pixels, as a share of those of the digits themselves.
    fn sharpness(&self, images: &Matrix<f32>) -> f64 {
        let of = |x: &Matrix<f32>| {
            let square = |a: f32, b: f32| f64::from(a - b).powi(2);
            let image = |x: &[f32]| {
                let across = x.chunks_exact(self.width).flat_map(|line| line.windows(2));
                let down = x.iter().zip(&x[self.width..]).map(|(a, b)| square(*a, *b)).sum::<f64>();
                across.map(|pair| square(pair[0], pair[1])).sum::<f64>() + down
            };
            x.values.chunks_exact(x.cols).map(image).sum::<f64>() / x.rows as f64
        };
        of(images) / of(&self.shifted)
    }
}

/// The numbers of two matrices side by side.
fn beside(a: &Matrix<f32>, b: &Matrix<f32>) -> Matrix<f32> {
    let rows = a.values.chunks_exact(a.cols).zip(b.values.chunks_exact(b.cols));
    Matrix::new(a.rows, a.cols + b.cols, rows.flat_map(|(a, b)| [a, b].concat()).collect())
}

/// What a model makes of the test digits.
struct Trained {
    results: Results,
    /// E[x|z, y] for draws of z from the prior, of each digit in succession.
    drawn: Matrix<f32>,
}

fn train(args: &Args, sigma: f64, seed: u64, data: &Matrix<f32>, test: &Places) -> anyhow::Result<Trained> {
    let (inputs, conditions) = (test.shifted.cols, test.given.cols);
    let usual = VaeConfig::new(inputs, &args.hidden, args.latent);
    let [encoder, decoder] =
        [usual.encoder.clone(), usual.decoder.clone()].map(NetworkConfig::with_linear_path);
    let likelihood = Likelihood::Normal { sigma };
    let vae = Vae::new(&VaeConfig { conditions, encoder, decoder, likelihood, ..usual })?;
    let run = RunArgs { seed, ..args.run.clone() };
    let mut trainer = run.trainer(vae.layout());
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
    trainer.fit(&mut VaeObjective::new(&vae, data), None, &fit, &mut ())?;

    let rows = beside(&test.shifted, &test.repeated(PLACES));
    let kl = trainer.evaluate(&mut VaeObjective::new(&vae, &rows))?.part("kl");
    let theta = trainer.theta();
    let mut z = vec![0.0; DRAWS * test.given.rows * args.latent];
    Noise::evaluation(seed).normal(0, args.latent, &mut z);
    let z = Matrix::new(DRAWS * test.given.rows, args.latent, z);
    let drawn = vae.decode_rows(theta, &beside(&z, &test.repeated(DRAWS)));
    let reconstructed = vae.reconstruct(theta, &rows);
    let averages = test.average.select(&(0..drawn.rows).map(|row| row / DRAWS).collect::<Vec<_>>());
    let mean = |squares: &[f64]| Estimate::of(squares).mean;
    let results = [
        ("kl", kl),
        ("error", mean(&squared_distances(&reconstructed, &test.shifted))),
        ("to_average", mean(&squared_distances(&drawn, &averages))),
        ("to_sharp", mean(&test.to_nearest(&drawn))),
        ("sharpness", test.sharpness(&drawn)),
    ];
    Ok(Trained { results: results.map(|(name, value)| (name.to_owned(), value)).into(), drawn })
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let [train_on, test] = sets::load(&args.run, args.rows)?.each_ref().map(Places::of);
    let run = Run::open(&args.run, args)?.documented("vae", "Why squared error blurs");
    let data = beside(&train_on.shifted, &train_on.repeated(PLACES));
    let jobs: Vec<(f64, u64)> = [args.large, args.small]
        .into_iter()
        .flat_map(|sigma| args.run.seeds(args.seeds).into_iter().map(move |seed| (sigma, seed)))
        .collect();
    let trained = each("models", &jobs, |&(sigma, seed)| train(args, sigma, seed, &data, &test))?;
    let [large, small] = [0, 1].map(|i| {
        let seeds = &trained[i * args.seeds as usize..][..args.seeds as usize];
        OverSeeds::of(seeds.iter().map(|trained| &trained.results))
    });

    // What is known without a model.
    let averages = test.average.select(&(0..test.shifted.rows).map(|row| row / PLACES).collect::<Vec<_>>());
    let least = Estimate::of(&squared_distances(&averages, &test.shifted)).mean;
    let to_sharp = Estimate::of(&test.to_nearest(&test.average)).mean;
    let sharpness = test.sharpness(&test.average);
    outln!("{} test digits in nine places; squares per image", test.given.rows);
    outln!("least squared error without the place, that of the average image: {least:.3}");
    outln!("means over {} seeds ± standard error", args.seeds);
    let [of_large, of_small] = [args.large, args.small].map(|sigma| format!("σ = {sigma}"));
    let mut table = TextTable::new().header(["", "average", &of_large, &of_small]);
    let rows = [
        ("KL, nats", "kl", 3, String::new()),
        ("squared error of reconstructions", "error", 3, format!("{least:.3}")),
        ("drawn with z ~ N(0, I): to average", "to_average", 3, "0".to_owned()),
        ("  to the nearest of the nine", "to_sharp", 3, format!("{to_sharp:.3}")),
        ("  sharpness, that of digits is 1", "sharpness", 3, format!("{sharpness:.3}")),
    ];
    for (name, of, decimals, average) in rows {
        table.row([name, &average, &large.cell(of, decimals), &small.cell(of, decimals)]);
    }
    table.print();
    draw(&run, &test, [(&of_large, &trained[0]), (&of_small, &trained[args.seeds as usize])])?;
    run.found(&format!(
        "Asked for a digit in a place that it is not told, the answer with the least squared error is the average of all places, with \
         {:.0} % of the contrast between neighbouring pixels. With {of_large} codes carry {:.2} nats, and the images that are drawn differ \
         from that average by {:.1} % of the error that is left, with {:.0} % of the contrast; with {of_small} codes carry {:.2} nats, \
         and the images have {:.0} %.",
        100.0 * sharpness,
        large.mean("kl"),
        100.0 * large.mean("to_average") / least,
        100.0 * large.mean("sharpness"),
        small.mean("kl"),
        100.0 * small.mean("sharpness")
    ));
    let named = |key: &'static str, over: &OverSeeds| {
        over.results().into_iter().map(move |(name, value)| (format!("{key}_{name}"), value))
    };
    let known = [("least_error", least), ("average_to_sharp", to_sharp), ("average_sharpness", sharpness)];
    let known = known.map(|(name, value)| (name.to_owned(), value));
    run.label(&[
        Label::new("*_kl", "divergence KL(q ‖ p) of test images, * σ", "nats per image").over("seeds"),
        Label::new(
            "least_error",
            "least squared error of a function of the digit alone",
            "squares per image",
        ),
        Label::new("*_error", "squared error of reconstructions, * σ", "squares per image").over("seeds"),
        Label::new(
            "*_to_average",
            "from images of z ~ N(0, I) to the average of all places, * σ",
            "squares per image",
        )
        .over("seeds"),
        Label::new(
            "average_to_sharp",
            "from the average of all places to the nearest of them",
            "squares per image",
        ),
        Label::new("*_to_sharp", "from images of z ~ N(0, I) to the nearest place, * σ", "squares per image")
            .over("seeds"),
        Label::new(
            "average_sharpness",
            "contrast of neighbouring pixels in the average of all places",
            "that of digits is 1",
        ),
        Label::new(
            "*_sharpness",
            "contrast of neighbouring pixels in images of z ~ N(0, I), * σ",
            "that of digits is 1",
        )
        .over("seeds"),
    ]);
    run.finish(
        &known.into_iter().chain(named("large", &large)).chain(named("small", &small)).collect::<Vec<_>>(),
    )?;
    Ok(())
}

/// Test digits in some places, their average, and what the models make of them.
fn draw(run: &Run<'_>, test: &Places, models: [(&String, &Trained); 2]) -> anyhow::Result<()> {
    let shown = SHOWN.min(test.given.rows);
    let of_each = |x: &Matrix<f32>, times: usize, number: usize| {
        x.select(&(0..shown).map(|row| row * times + number).collect::<Vec<_>>()).values
    };
    let mut grid = ImageGrid::new("A digit in a place that is not told", test.height, test.width);
    for (label, place) in [("x in the middle", 4), ("up, left", 0), ("down, right", 8)] {
        grid = grid.row(label, &of_each(&test.shifted, PLACES, place));
    }
    grid = grid.row("E[x|y]", &of_each(&test.average, 1, 0));
    for (name, Trained { drawn, .. }) in models {
        for number in 0..3 {
            let label = if number == 0 { format!("{name}, z ~ N(0, I)") } else { String::new() };
            grid = grid.row(&label, &of_each(drawn, DRAWS, number));
        }
    }
    grid.save(&run.picture(
        "blur.png",
        "Test digits in three of nine places, the average of all nine, and images by two models that are given the digit. With a large \
        σ all draws should be the blurred average, the answer with the least squared error; with a small one z should say the place, and \
        each draw be sharp (lecture 003, \"VAE Pros\")",
    ))?;
    Ok(())
}
