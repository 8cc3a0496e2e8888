//! A conditional VAE (Sohn, Lee & Yan 2015), one of the methods that lecture 003, "Compared Methods", compares: encoder and decoder
//! are told the class, so that z has only to say the rest. Beside it a VAE that is not told; on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example conditional
//!
//! Says, as means over seeds, how much the bound gains, which class the model takes test images for by Bayes' rule, and how many of its images are of
//! the class that was asked for. Draws, of the first seed, all classes from the same z, test images written again as the other digits, and both
//! latent spaces. The conditional model of the first seed is kept in `model.safetensors`.

mod common {
    pub(crate) mod classes;
    pub(crate) mod codes;
    pub(crate) mod decoder;
    pub(crate) mod explorer;
    pub(crate) mod keep;
    pub(crate) mod recommend;
    pub(crate) mod sets;
}

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use common::classes::Classes;
use common::codes::codes_figure;
use common::explorer::Space;
use common::recommend::recommend;
use common::sets;
use nn::data::{LabelledImages, Matrix};
use nn::model::Model;
use nn::picture::{ImageGrid, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, whole, width};
use nn::stats::{adjusted_rand_index, k_means, nearest_rows};
use nn::train::{Fit, Loss, Noise, Schedule};
use nn::{errln, outln};
use vae::{KSampleBound, Vae, VaeConfig, VaeObjective};

/// Compares a conditional VAE, which is told the digit, with one that is not
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space, at least 2; the pictures of it show the first two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = width)]
    latent: usize,
    /// Hidden layers of the encoder, and of the decoder in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    hidden: Vec<usize>,
    /// K, the draws of z for each test image in the bound of log p(x)
    #[arg(long, value_name = "N", default_value_t = 500,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

const CLASSES: usize = 10;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-conditional", epochs: 300, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// Images to train and to test on, with their classes.
struct Data {
    sets: [LabelledImages; 2],
    labels: [Vec<usize>; 2],
    /// The classes that there are.
    classes: Vec<usize>,
}

impl Data {
    fn load(args: &Args) -> anyhow::Result<Self> {
        let sets = sets::load(&args.run, args.rows)?;
        let labels = |set: &LabelledImages| set.labels.iter().map(|&label| label.into()).collect();
        let labels: [Vec<usize>; 2] = sets.each_ref().map(labels);
        let classes: BTreeSet<usize> = labels.iter().flatten().copied().collect();
        Ok(Self { sets, labels, classes: classes.into_iter().collect() })
    }
}

/// Rows with their class behind them: (x | one-hot class) or (z | one-hot class).
fn told(rows: &Matrix<f32>, classes: &[usize]) -> Matrix<f32> {
    let told = classes.iter().zip(rows.values.chunks_exact(rows.cols)).flat_map(|(class, row)| {
        row.iter().copied().chain((0..CLASSES).map(move |other| f32::from(u8::from(other == *class))))
    });
    Matrix::new(rows.rows, rows.cols + CLASSES, told.collect())
}

/// A trained model, and what it makes of test images.
struct Trained {
    vae: Vae,
    theta: Arc<Vec<f32>>,
    /// The rows that the model takes.
    test: Matrix<f32>,
    loss: Loss,
    bound: KSampleBound,
    /// The means of q(z|x).
    codes: Matrix<f32>,
    /// How far clusters of codes agree with the classes.
    agreement: f64,
}

impl Trained {
    /// Of a model that was trained on some rows, with these test rows.
    fn new(
        args: &Args,
        config: &VaeConfig,
        [train, test]: [Matrix<f32>; 2],
        data: &Data,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let vae = Vae::new(config)?;
        let run = RunArgs { seed, ..args.run.clone() };
        let mut trainer = run.trainer(vae.layout());
        let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
        trainer.fit(&mut VaeObjective::new(&vae, &train), None, &fit, &mut ())?;
        let loss = trainer.evaluate(&mut VaeObjective::new(&vae, &test))?;
        let theta = trainer.theta().clone();
        let bound = vae.k_sample_bound(&theta, &test, args.samples, seed);
        let codes = vae.encode_rows(&theta, &test).mu;
        let clusters = k_means(&codes, data.classes.len().min(codes.rows), 10, seed);
        let agreement = adjusted_rand_index(&clusters, &data.labels[1]);
        Ok(Self { vae, theta, test, loss, bound, codes, agreement })
    }

    fn results(&self, key: &str) -> Results {
        let [elbo, log_likelihood, kl] = ["elbo", "log_likelihood", "kl"].map(|part| self.loss.part(part));
        let named = [
            ("elbo", elbo),
            ("log_likelihood", log_likelihood),
            ("kl", kl),
            ("k_sample_bound", self.bound.mean),
            ("adjusted_rand_index", self.agreement),
        ];
        named.map(|(of, value)| (format!("{key}_{of}"), value)).into()
    }
}

/// The two models of a seed, and their results.
struct Pair {
    plain: Trained,
    conditional: Trained,
    results: Results,
}

impl Pair {
    fn train(args: &Args, data: &Data, seed: u64) -> anyhow::Result<Self> {
        let usual = VaeConfig::new(data.sets[0].images.cols, &args.hidden, args.latent);
        let images = data.sets.each_ref().map(|set| set.images.clone());
        let plain = Trained::new(args, &usual, images, data, seed)?;
        let with_class = VaeConfig { conditions: CLASSES, ..usual };
        let told = [0, 1].map(|i| told(&data.sets[i].images, &data.labels[i]));
        let conditional = Trained::new(args, &with_class, told, data, seed)?;
        let mut results = [plain.results("vae"), conditional.results("conditional")].concat();
        by_bayes(args, data, &conditional, seed, &mut results);
        classes_of_samples(args, data, &conditional, seed, &mut results);
        let worth = conditional.bound.mean - plain.bound.mean;
        results.push(("worth_of_the_class".into(), worth));
        Ok(Self { plain, conditional, results })
    }
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.latent > 1, "--latent: expected 2 or more, found {}", args.latent);
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let data = Data::load(args)?;
    let run = Run::open(&args.run, args)?.documented("vae", "A VAE that is told the digit");
    let pairs = each("pairs of models", &args.run.seeds(args.seeds), |&seed| Pair::train(args, &data, seed))?;
    let over = OverSeeds::of(pairs.iter().map(|pair| &pair.results));
    print(args, &data, &over);
    for (name, trained) in
        pairs.iter().flat_map(|pair| [("VAE", &pair.plain), ("conditional", &pair.conditional)])
    {
        if let Some(warning) = trained.bound.warning() {
            errln!("{name}: {warning}");
        }
    }
    let Trained { vae, theta, .. } = &pairs[0].conditional;
    let mut file = vae.to_file(theta);
    // Encoder and decoder are told the class behind the image and behind z: 1 in its place among these, 0 in the others.
    file.set("conditions", &Classes::digits().names);
    recommend(&run, "the conditional VAE of the first seed", file, &data.sets[0])?;
    draw(&run, &data, &pairs[0])?;
    run.found(&format!(
        "A model that is told the digit needs {:.1} nats less for an image (a nat is 1.44 bits). What its codes still say is style: \
         their clusters agree with the digits by a Rand index of {:.2}, where 1 is full agreement and 0 chance; without being told it \
         is {:.2}.",
        over.mean("worth_of_the_class"),
        over.mean("conditional_adjusted_rand_index"),
        over.mean("vae_adjusted_rand_index")
    ));
    run.label(&[
        Label::new("*_elbo", "ELBO of test images: *", "nats per image").over("seeds"),
        Label::new(
            "*_log_likelihood",
            "reconstruction, E_q[log p(x|z)], of test images: *",
            "nats per image",
        )
        .over("seeds"),
        Label::new("*_kl", "what the codes cost, KL(q(z|x) ‖ p(z)), of test images: *", "nats per image")
            .over("seeds"),
        Label::new(
            "*_k_sample_bound",
            "K-sample bound of log p(x), conditional: of log p(x|y): *",
            "nats per image",
        )
        .over("seeds"),
        Label::new(
            "*_adjusted_rand_index",
            "agreement of clusters of codes with the digits, adjusted Rand index: *",
            "",
        )
        .over("seeds"),
        Label::new(
            "conditional_marginal_bound",
            "bound of log p(x) by the conditional VAE, the digit averaged out",
            "nats per image",
        )
        .over("seeds"),
        Label::new(
            "conditional_accuracy",
            "test images whose digit is the one with the largest p(x|y)",
            "share",
        )
        .over("seeds"),
        Label::new(
            "conditional_nearest_accuracy_samples",
            "samples whose nearest training image is the digit asked for",
            "share",
        )
        .over("seeds"),
        Label::new(
            "nearest_accuracy_test",
            "test images whose nearest training image is the same digit",
            "share",
        )
        .over("seeds"),
        Label::new("worth_of_the_class", "what it is worth to be told the digit", "nats per image")
            .over("seeds"),
    ]);
    run.finish(&over.results())?;
    Ok(())
}

fn print(args: &Args, data: &Data, over: &OverSeeds) {
    outln!("{} test images, means over {} seeds ± standard error", data.sets[1].len(), args.seeds);
    let header = ["nats per image", "VAE", "conditional VAE"];
    let mut table = TextTable::new().header(header);
    let bound = format!("bound of K = {} draws", args.samples);
    let rows = [
        ("ELBO", "elbo", 2),
        ("  E_q[log p(x|z)]", "log_likelihood", 2),
        ("  KL", "kl", 2),
        (&bound, "k_sample_bound", 2),
        ("Rand index of clusters", "adjusted_rand_index", 3),
    ];
    for (name, of, decimals) in rows {
        let cells = ["vae", "conditional"].map(|key| over.cell(&format!("{key}_{of}"), decimals));
        table.row([name, &*cells[0], &cells[1]]);
    }
    table.print();
    let percent = |name: &str| 100.0 * over.mean(name);
    outln!("to be told the class is worth {} nats", over.cell("worth_of_the_class", 2));
    outln!(
        "without it, log 1/{} Σ p(x|y)  {}",
        data.classes.len(),
        over.cell("conditional_marginal_bound", 2)
    );
    outln!("argmax p(x|y) is the digit of {:.1} % of the images", percent("conditional_accuracy"));
    outln!("the nearest training image is of the same class:");
    outln!(
        "  of samples, the class that was asked for, {:.1} %",
        percent("conditional_nearest_accuracy_samples")
    );
    outln!("  of the test images {:.1} %", percent("nearest_accuracy_test"));
}

/// Bayes' rule with equal prior probabilities of K classes: p(y|x) ∝ p(x|y), p(x) = 1/K Σ p(x|y).
fn by_bayes(args: &Args, data: &Data, model: &Trained, seed: u64, results: &mut Results) {
    let test = &data.sets[1];
    let of_class = |&class: &usize| {
        let as_if = told(&test.images, &vec![class; test.len()]);
        model.vae.k_sample_bound_of_rows(&model.theta, &as_if, args.samples, seed)
    };
    let of_class: Vec<_> = data.classes.iter().map(of_class).collect();
    let (mut right, mut log_p) = (0.0, 0.0);
    for (row, &label) in data.labels[1].iter().enumerate() {
        let log_p_x = || data.classes.iter().zip(&of_class).map(|(class, rows)| (*class, rows[row].value));
        let (class, best) = log_p_x().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are classes");
        right += f64::from(u8::from(class == label));
        log_p += best + (log_p_x().map(|(_, l)| (l - best).exp()).sum::<f64>() / of_class.len() as f64).ln();
    }
    let n = test.len() as f64;
    results.push(("conditional_marginal_bound".into(), log_p / n));
    results.push(("conditional_accuracy".into(), right / n));
}

/// Whether images are of the class that was asked for, by the nearest training image.
fn classes_of_samples(args: &Args, data: &Data, model: &Trained, seed: u64, results: &mut Results) {
    let asked: Vec<usize> = data.classes.repeat(100);
    let z = noise(asked.len(), args.latent, seed);
    let drawn = model.vae.decode_rows(&model.theta, &told(&z, &asked));
    let agreeing = |images: &Matrix<f32>, classes: &[usize]| {
        let nearest = nearest_rows(images, &data.sets[0].images);
        let found = nearest.into_iter().map(|near| data.labels[0][near.row]);
        found.zip(classes).filter(|(found, class)| found == *class).count() as f64 / classes.len() as f64
    };
    let (samples, test) = (agreeing(&drawn, &asked), agreeing(&data.sets[1].images, &data.labels[1]));
    results.push(("conditional_nearest_accuracy_samples".into(), samples));
    results.push(("nearest_accuracy_test".into(), test));
}

/// z ~ N(0, I)
fn noise(rows: usize, latent: usize, seed: u64) -> Matrix<f32> {
    let mut z = vec![0.0; rows * latent];
    Noise::evaluation(seed).normal(0, latent, &mut z);
    Matrix::new(rows, latent, z)
}

/// Draws both latent spaces, and every z and every code of an image with every class.
fn draw(run: &Run<'_>, data: &Data, pair: &Pair) -> anyhow::Result<()> {
    const ROWS: usize = 10;
    let mut panels = Panels::new("Latent spaces: means of q(z|x) of test images", 2);
    for (name, model) in [("VAE", &pair.plain), ("conditional VAE", &pair.conditional)] {
        panels = panels.figure(codes_figure(name, &model.codes, &data.sets[1].labels, &Classes::digits()));
    }
    panels.save(&run.picture(
        "latent.png",
        "Where a VAE that is not told the digit puts test images, and one that is told. The first needs its plane \
        for the digits; in the second they should overlap, since z says only the style (lecture 003, \"Compared \
        Methods\")",
    ))?;
    let Trained { vae, theta, test: told_test, .. } = &pair.conditional;
    let test = &data.sets[1];
    let (height, width, latent, count) = (test.height, test.width, vae.latent(), data.classes.len());
    let all_classes = |z: &[f32]| {
        let z = Matrix::new(count, latent, z.repeat(count));
        vae.decode_rows(theta, &told(&z, &data.classes)).values
    };
    let z = noise(ROWS, latent, run.args.seed);
    let classes = Classes::digits();
    let size = [height, width];
    let space = Space { vae, theta, rows: told_test, size, labels: &test.labels, classes: &classes.names };
    space.explorer().into_iter().for_each(|explorer| run.explore(explorer));
    let digits = || data.classes.iter().map(usize::to_string);
    let styles = ImageGrid::new("E[x|z, y]: a row is one z ~ N(0, I)", height, width).columns(digits());
    z.values.chunks_exact(latent).fold(styles, |grid, z| grid.row("", &all_classes(z))).save(
        &run.picture(
            "styles.png",
            "Every row is one z, with each digit in turn. A row should have one hand: one slant, one weight of the \
            pen (lecture 003, \"Compared Methods\")",
        ),
    )?;

    let shown = told_test.select(&(0..ROWS.min(test.len())).collect::<Vec<_>>());
    let codes = vae.encode_rows(theta, &shown).mu;
    let blank = vec![1.0; height * width];
    let title = "Test images, and E[x|z, y] at their code z with every digit y";
    let mut again = ImageGrid::new(title, height, width)
        .columns(["data".to_owned(), String::new()].into_iter().chain(digits()));
    for row in 0..shown.rows {
        again = again.row("", &[test.images.row(row), &blank, &all_classes(codes.row(row))].concat());
    }
    again.save(&run.picture(
        "rewritten.png",
        "A test image on the left, and its code with every digit. Where the digit is its own it is the \
        reconstruction; the others should be in the same hand (lecture 003, \"Compared Methods\")",
    ))?;
    Ok(())
}
