//! Anomaly detection (lecture 004, "Autoencoders (AE)"): a model cannot reconstruct what it has not learned. Each digit in turn
//! is left out of the training images, and scores tell its images from those of the others; on the embedded digits or, by
//! `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example anomalies
//!
//! Five scores: the distance to the nearest training image; the reconstruction errors ‖x − x̂‖² of PCA, of an autoencoder and
//! of a VAE with a normal decoder; and minus the VAE's K-sample bound of log p(x). Each is judged by the probability that it
//! ranks an image of the unknown digit above a test image of a known one (the area under the ROC curve: a half for a coin, 1
//! without mistakes), models that are trained by its mean over seeds. Writes these to `out/vae-anomalies/` as a picture, with
//! the scores and reconstructions of the digits that are told most and least easily. Where every digit is left out in turn, none of
//! the models is recommended nor kept; where `--unknown` names one, the VAE of the first seed is kept in `model.safetensors`, and −log
//! p(x) of a new image is its score.
//!
//! Of images of your own, in a subfolder for each class, every class in turn is left out, or the one that `--unknown` names. A fifth
//! of the images tests, which --seed chooses. Dense networks compare pixels in their places: it suits images of things that lie in the
//! same place, such as parts under a camera or signs.
//!
//!     cargo run --release -p vae --example anomalies -- --images FOLDER --size 28x28
//!     cargo run --release -p vae --example anomalies -- --images FOLDER --size 28x28 --unknown CLASS

mod common {
    pub(crate) mod classes;
    pub(crate) mod keep;
    pub(crate) mod own;
    pub(crate) mod sets;
}

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use common::classes::Classes;
use common::keep::keep;
use common::sets;
use nn::data::{ImageFormat, LabelledImages, Matrix};
use nn::model::{Model, ModelFile, TrainedOn};
use nn::picture::{Figure, ImageGrid, Panels};
use nn::run::{Counter, Defaults, ImageArgs, Label, Run, RunArgs, TextTable, result_of, say, whole, width};
use nn::stats::{Estimate, area_under_roc, nearest_rows, squared_distances};
use nn::train::{Fit, Schedule};
use nn::{errln, outln};
use rayon::prelude::*;
use vae::linear::Pca;
use vae::{
    Autoencoder, AutoencoderConfig, AutoencoderObjective, KSampleBound, Likelihood, Vae, VaeConfig,
    VaeObjective,
};

/// Finds images of a digit, or of a class of your own images, that was not learned
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    own: ImageArgs,
    /// Leave out this class alone, by its name [default: each in turn]
    #[arg(long, value_name = "CLASS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    /// Principal components and dimensions of the latent spaces
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = width)]
    latent: usize,
    /// Hidden layers of the encoders, and of the decoders in reverse
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    hidden: Vec<usize>,
    /// K, the draws of z for each image in the bound of log p(x)
    #[arg(long, value_name = "N", default_value_t = 100,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// At most so many training images, of MNIST the first
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

const METHODS: [(&str, &str); 5] = [
    ("nearest image", "nearest"),
    ("PCA, error", "pca"),
    ("autoencoder, error", "autoencoder"),
    ("VAE, error", "vae_error"),
    ("VAE, −log p(x)", "vae"),
];
/// The places among them of the method with which all are compared, and of −log p(x).
const REFERENCE: usize = 0;
const SURPRISE: usize = 4;

/// Where the σ of the VAE's pixels begins: from 1 the codes would first become the prior's, and some of them stay so.
const START: f64 = 0.1;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-anomalies", epochs: 100, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| detect(&args))?)
}

/// Images to train and to test on.
struct Data {
    sets: [LabelledImages; 2],
    classes: Classes,
    format: ImageFormat,
}

impl Data {
    fn read(args: &Args) -> anyhow::Result<Self> {
        let Some(folder) = args.own.read()? else {
            let sets = sets::load(&args.run, args.rows)?;
            let format = ImageFormat::new(sets[0].height, sets[0].width);
            return Ok(Self { sets, classes: Classes::digits(), format });
        };
        folder.check_classes()?;
        let [train, test] = folder.split([0.8, 0.2], args.run.seed)?;
        let sets = [sets::first(&train, args.rows), test];
        let sets =
            if args.run.dry_run { sets.map(|set| sets::first(&set, args.run.batch_size)) } else { sets };
        Ok(Self { sets, classes: Classes::of(&folder), format: folder.format })
    }

    /// The classes to leave out, one after the other.
    fn unknown(&self, args: &Args) -> anyhow::Result<Vec<u8>> {
        let Self { sets: [train, test], classes: Classes { kind, names }, .. } = self;
        let distinct = |sets: &[&LabelledImages]| -> BTreeSet<u8> {
            sets.iter().flat_map(|set| set.labels.clone()).collect()
        };
        let kinds = plural(kind);
        anyhow::ensure!(
            distinct(&[test]).len() > 1,
            "expected test images of two {kinds} or more, found one; give more images"
        );
        let Some(name) = &args.unknown else { return Ok(distinct(&[train, test]).into_iter().collect()) };
        let found = names.iter().position(|class| class == name);
        let found = found.with_context(|| {
            let known: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
            format!("--unknown {name}: there is no such {kind}; expected one of {}", known.join(", "))
        })?;
        Ok(vec![found as u8])
    }
}

/// Several digits or classes.
fn plural(kind: &str) -> &'static str {
    if kind == "digit" { "digits" } else { "classes" }
}

/// What methods that have not seen a class make of it.
struct Unknown {
    class: u8,
    name: String,
    /// Each method's areas under the ROC curve: one, or one for each seed.
    areas: Vec<Vec<f64>>,
    /// Of the first seed.
    first: Learned,
    /// Some images of the unknown class, and each model's reconstructions.
    shown: [Matrix<f32>; 4],
}

impl Unknown {
    /// A method's area, the mean over seeds.
    fn area(&self, method: usize) -> f64 {
        Estimate::of(&self.areas[method]).mean
    }
}

/// A method's scores of test images of known classes, and of all images of the unknown one.
type Scores = [Vec<f64>; 2];

/// What two models that were trained with a seed make of an unknown class.
struct Learned {
    /// Of the methods behind PCA.
    scores: [Scores; 3],
    /// Of all these images.
    bound: KSampleBound,
    /// The reconstructions of some images of the unknown class.
    shown: [Matrix<f32>; 2],
    /// The VAE.
    file: ModelFile,
    /// The number of images that it was trained on.
    images: usize,
}

/// Images of classes that the models know, and of the one that they do not.
struct Parts {
    known: Matrix<f32>,
    /// Test images of known classes.
    usual: Matrix<f32>,
    unknown: Matrix<f32>,
}

impl Parts {
    fn new([train, test]: &[LabelledImages; 2], class: u8) -> Self {
        let rows = |set: &LabelledImages, of_class: bool| -> Matrix<f32> {
            let rows = (0..set.len()).filter(|&row| (set.labels[row] == class) == of_class);
            set.images.select(&rows.collect::<Vec<_>>())
        };
        let unknown = [rows(test, true), rows(train, true)];
        let values = unknown.iter().flat_map(|part| part.values.iter().copied()).collect();
        let unknown = Matrix::new(unknown.iter().map(|part| part.rows).sum(), train.images.cols, values);
        Self { known: rows(train, false), usual: rows(test, false), unknown }
    }
}

fn leave_out(args: &Args, data: &Data, class: u8, trained: &Counter) -> anyhow::Result<Unknown> {
    let parts = Parts::new(&data.sets, class);
    let name = data.classes.names[usize::from(class)].clone();
    let Parts { known, usual, unknown } = &parts;
    let both = [usual, unknown];
    let pca = Pca::fit(&known.map(f64::from), args.latent)
        .with_context(|| format!("principal components of the training images without {name}"))?;
    let by_pca = |x: &Matrix<f32>| pca.reconstruct(&x.map(f64::from)).map(|x| x as f32);
    let distances = |x| nearest_rows(x, known).into_iter().map(|near| near.distance).collect();
    let [near, by_components] = [both.map(distances), both.map(|x| squared_distances(x, &by_pca(x)))];

    let some = unknown.select(&(0..unknown.rows.min(10)).collect::<Vec<_>>());
    let learned = args
        .run
        .seeds(args.seeds)
        .into_par_iter()
        .map(|seed| trained.counted(learn(args, &parts, &some, seed)));
    let learned = learned.collect::<anyhow::Result<Vec<_>>>()?;
    let finite = learned.iter().flat_map(|of| &of.scores).flatten().flatten().all(|score| score.is_finite());
    anyhow::ensure!(finite, "without {name}: a score is not finite; a smaller --lr may help");
    let area = |[usual, unknown]: &Scores| area_under_roc(usual, unknown);
    let over_seeds = |method: usize| learned.iter().map(|of| area(&of.scores[method])).collect();
    let areas = [vec![area(&near)], vec![area(&by_components)]].into_iter().chain((0..3).map(over_seeds));
    let areas = areas.collect();
    let first = learned.into_iter().next().context("--seeds: expected 2 or more")?;
    let [of_autoencoder, of_vae] = first.shown.clone();
    Ok(Unknown { class, name, areas, shown: [some.clone(), by_pca(&some), of_autoencoder, of_vae], first })
}

/// Trains an autoencoder and a VAE on the known classes.
fn learn(args: &Args, parts: &Parts, some: &Matrix<f32>, seed: u64) -> anyhow::Result<Learned> {
    let Parts { known, usual, unknown } = parts;
    let run = RunArgs { seed, ..args.run.clone() };
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };

    let model = Autoencoder::new(&AutoencoderConfig::new(known.cols, &args.hidden, args.latent))?;
    let mut trainer = run.trainer(model.layout());
    let mut objective = AutoencoderObjective { model: &model, data: known, noise: 0.0 };
    trainer.fit(&mut objective, None, &fit, &mut ())?;
    let by_autoencoder = |x: &Matrix<f32>| model.reconstruct(trainer.theta(), x);

    let likelihood = Likelihood::NormalLearned { start: START };
    let usual_config = VaeConfig::new(known.cols, &args.hidden, args.latent);
    let vae = Vae::new(&VaeConfig { likelihood, ..usual_config })?;
    let mut vae_trainer = run.trainer(vae.layout());
    vae_trainer.fit(&mut VaeObjective::new(&vae, known), None, &fit, &mut ())?;
    let by_vae = |x: &Matrix<f32>| vae.reconstruct(vae_trainer.theta(), x);

    let both = [usual, unknown];
    let bounds = both.map(|x| vae.k_sample_bound_of_rows(vae_trainer.theta(), x, args.samples, seed));
    let scores = [
        both.map(|x| squared_distances(x, &by_autoencoder(x))),
        both.map(|x| squared_distances(x, &by_vae(x))),
        bounds.each_ref().map(|rows| rows.iter().map(|row| -row.value).collect()),
    ];
    let bound = KSampleBound::of_rows(&bounds.concat());
    let shown = [by_autoencoder(some), by_vae(some)];
    Ok(Learned { scores, bound, shown, file: vae.to_file(vae_trainer.theta()), images: known.rows })
}

fn detect(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    let data = Data::read(args)?;
    let unknown = data.unknown(args)?;
    let run = Run::open(&args.run, args)?.documented("vae", "Anomalies");
    let trained = Counter::new("pairs of models", unknown.len() * args.seeds as usize);
    let unknowns = unknown.par_iter().map(|&class| leave_out(args, &data, class, &trained));
    let unknowns = unknowns.collect::<anyhow::Result<Vec<_>>>()?;
    drop(trained);

    if let [alone] = &unknowns[..] {
        let folder = args.own.images.as_ref().or(args.run.data.as_ref());
        let trained_on =
            TrainedOn::new(folder.map(PathBuf::as_path), "the embedded digits", alone.first.images);
        keep(&run, alone.first.file.clone(), &data.format, &trained_on)?;
        if !args.run.dry_run {
            outln!(
                "the model that is recommended and kept: the VAE of the first seed, which does not know {}",
                alone.name
            );
        }
    }
    let results = print(&unknowns, data.classes.kind);
    if unknowns.len() > 1 {
        areas_figure(&unknowns, data.classes.kind).save(&run.picture(
            "areas.png",
            "How well each score tells a class that was not learned from the others: 1 is without mistakes, a half is a \
             coin. Look for classes that are hard for all scores, and for scores that fail where the others do not \
             (lecture 004, \"Autoencoders (AE)\")",
        ))?;
    }
    draw(&run, &data, &unknowns)?;
    let areas = METHODS.iter().map(|(name, key)| (*name, result_of(&results, &format!("{key}_area"))));
    if let Some((name, area)) = areas.max_by(|a, b| a.1.total_cmp(&b.1)) {
        run.found(&format!(
            "What was not learned is told best by this score: {name}. Of an image of a {} that was not learned and one that was, it finds \
             the first in {:.0} of 100 pairs (the area under the ROC curve).",
            data.classes.kind,
            100.0 * area
        ));
    }
    run.label(&[
        Label::new("nearest_area", "area under the ROC curve (1 without mistakes, a half as a coin), score: distance to the nearest image", "").over("seeds"),
        Label::new("pca_area", "area under the ROC curve, score: squared error of PCA", "").over("seeds"),
        Label::new("autoencoder_area", "area under the ROC curve, score: squared error of an autoencoder", "").over("seeds"),
        Label::new("vae_error_area", "area under the ROC curve, score: squared error of a VAE", "").over("seeds"),
        Label::new("vae_area", "area under the ROC curve, score: −log p(x) of a VAE", "").over("seeds"),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// Prints the areas, and returns their means by name.
fn print(unknowns: &[Unknown], kind: &str) -> Vec<(String, f64)> {
    let kinds = plural(kind);
    say(&format!("area under the ROC curve of an unknown {kind}; of trained models the mean over seeds"));
    let methods = METHODS.map(|(name, _)| name.replace(',', ""));
    let mut table = TextTable::new().header([kind.to_owned()].into_iter().chain(methods));
    for unknown in unknowns {
        let areas = (0..METHODS.len()).map(|method| format!("{:.3}", unknown.area(method)));
        table.row([unknown.name.clone()].into_iter().chain(areas));
    }
    table.print();
    match unknowns.len() {
        1 => outln!("± standard error over seeds"),
        _ => say(&format!(
            "mean over the {kinds} ± standard error over seeds, and paired differences ± over the {kinds}"
        )),
    }
    let mut table = TextTable::new().header(["", "area", &format!("below {}", METHODS[REFERENCE].0)]);
    let mut results = Vec::new();
    for (method, (name, key)) in METHODS.iter().enumerate() {
        let seeds = unknowns[0].areas[method].len();
        let of_seed = |seed: usize| unknowns.iter().map(|of| of.areas[method][seed]).sum::<f64>();
        let of_seeds: Vec<f64> = (0..seeds).map(|seed| of_seed(seed) / unknowns.len() as f64).collect();
        let Estimate { mean, se } = Estimate::of(&of_seeds);
        let below: Vec<f64> = unknowns.iter().map(|of| of.area(REFERENCE) - of.area(method)).collect();
        let below = Estimate::of(&below);
        let area = if seeds > 1 { format!("{mean:.3} ± {se:.3}") } else { format!("{mean:.3}") };
        let below = match method {
            REFERENCE => String::new(),
            _ if unknowns.len() == 1 => format!("{:.3}", below.mean),
            _ => format!("{:.3} ± {:.3}", below.mean, below.se),
        };
        table.row([name, &*area, &below]);
        results.push((format!("{key}_area"), mean));
        if seeds > 1 {
            results.push((format!("{key}_area_se"), se));
        }
    }
    table.print();
    let share = |of: &Unknown| f64::from(u8::from(!of.first.bound.is_converged()));
    let bounds = unknowns.iter().map(share).sum::<f64>() / unknowns.len() as f64;
    if bounds > 0.0 {
        let Learned { bound, .. } = &unknowns[0].first;
        errln!(
            "the bound of K = {} draws has not converged in {:.0} % of the models: −log p(x) is too high, most of \
            all for strange images",
            bound.samples,
            100.0 * bounds
        );
    }
    results
}

fn areas_figure(unknowns: &[Unknown], kind: &str) -> Figure {
    let figure = Figure::new(&format!("How well an unknown {kind} is told from the others"))
        .axes(&format!("the {kind} that was not learned, by number"), "area under the ROC curve");
    METHODS.iter().enumerate().fold(figure, |figure, (method, (name, _))| {
        figure.points(name, unknowns.iter().map(|of| (f64::from(of.class), of.area(method))))
    })
}

/// Draws scores and reconstructions of the classes that are told most and least easily by −log p(x).
fn draw(run: &Run<'_>, data: &Data, unknowns: &[Unknown]) -> anyhow::Result<()> {
    let by_vae = |a: &&Unknown, b: &&Unknown| a.area(SURPRISE).total_cmp(&b.area(SURPRISE));
    let extremes = [unknowns.iter().max_by(by_vae), unknowns.iter().min_by(by_vae)];
    let (images, kind) = (&data.sets[0], data.classes.kind);
    let kinds = plural(kind);
    let several = unknowns.len() > 1;
    let eases = if several { ["most easily", "least easily"] } else { ["unknown", ""] };
    let extremes = extremes.into_iter().flatten().zip(eases).take(unknowns.len());
    let of =
        if several { format!(" of the {kinds} that they tell most and least easily") } else { String::new() };
    let title = format!("Scores −log p(x){of}");
    let mut panels = Panels::new(&title, unknowns.len().min(2));
    for (unknown, ease) in extremes {
        let Unknown { name, first, shown, .. } = unknown;
        panels = panels.figure(histograms(kind, name, &first.scores[SURPRISE - 2]));
        let told = if several { format!(", {ease} told by −log p(x)") } else { String::new() };
        let title = format!("{kind} {name}{told}, and what models without it make of it");
        let labels = ["data", "PCA", "autoencoder", "VAE"];
        let grid = ImageGrid::new(&title, images.height, images.width);
        let rows = labels.into_iter().zip(shown);
        rows.fold(grid, |grid, (label, images)| grid.row(label, &images.values)).save(&run.picture(
            &format!("{}.png", ease.replace(' ', "-")),
            "Images of a class that no model has seen, and what models make of them. A reconstruction that is \
            another one gives the stranger away; one that is right does not (lecture 004, \"Autoencoders (AE)\")",
        ))?;
    }
    panels.save(&run.picture(
        "scores.png",
        "The distribution of a score over known and unknown images, for the class that is told best and, of several, for the one \
        that is told worst. The less they overlap, the better (lecture 004, \"Autoencoders (AE)\")",
    ))?;
    Ok(())
}

/// The shares of known and unknown images in bins of the score.
fn histograms(kind: &str, name: &str, scores: &[Vec<f64>; 2]) -> Figure {
    let kinds = plural(kind);
    const BINS: usize = 30;
    let all = || scores.iter().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let mut figure = Figure::new(&format!("{kind} {name} is unknown")).axes("−log p(x), nats", "share, %");
    for (name, scores) in [format!("known {kinds}"), format!("the unknown {kind}")].iter().zip(scores) {
        let mut shares = [0.0; BINS];
        for score in scores {
            shares[(((score - low) / width) as usize).min(BINS - 1)] += 100.0 / scores.len() as f64;
        }
        // The outline of the bars: one distribution does not hide the other.
        let edges =
            (0..BINS).flat_map(|bin| [bin, bin + 1].map(|edge| (low + edge as f64 * width, shares[bin])));
        figure = figure.line(name, edges);
    }
    figure
}
