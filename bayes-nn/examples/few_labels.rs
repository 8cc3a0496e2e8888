//! Tells digits apart after 50 labelled images of each class, and says how certain it is (lecture 001, p(y|x) = Categorical):
//!
//!     cargo run --release -p bayes-nn --example few_labels
//!
//! A Bayesian network learns nine of the ten digits from few images. Beside it stand two point estimates of the same network: the mode
//! of its posterior, and the maximum of the likelihood. How often is each right, how likely does it hold the right class, how well
//! does its certainty agree with its accuracy, and how uncertain is it of the tenth digit, which it has never seen? Draws
//! `calibration.png` and `entropies.png`.

mod confidence;

use std::process::ExitCode;

use anyhow::ensure;
use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use bayes_nn::{
    BayesMlp, BayesMlpConfig, BayesMlpObjective, ClassPredictive, ClassScores, Draws, Likelihood,
};
use nn::data::{self, Matrix, counts, split};
use nn::model::density::{Categorical, one_hot};
use nn::model::{MlpConfig, MlpModel, Model, Nonlinearity};
use nn::outln;
use nn::picture::Figure;
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, at_most, width};
use nn::stats::{Estimate, area_under_roc};
use nn::train::{Batch, End, Fit, Objective, Parts, Schedule};

use confidence::confidences;

/// Tells digits apart after few labels, beside point estimates, and says how certain it is
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Labelled images of each digit
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_most::<150>)]
    labels: usize,
    /// The digit that is never seen
    #[arg(long, value_name = "DIGIT", default_value_t = 9, value_parser = clap::value_parser!(u8).range(0..10))]
    unseen: u8,
    /// Hidden units
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = width)]
    hidden: usize,
    /// Modes of q
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = width)]
    modes: usize,
    /// Draws of θ for predictions
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_most::<10_000>)]
    draws: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-few-labels", epochs: 1000, batch_size: 100, lr: 5e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| few_labels(&args))?)
}

/// Images with their classes, as numbers and as one-hot rows.
struct Images {
    x: Matrix<f32>,
    y: Matrix<f32>,
    classes: Vec<usize>,
}

impl Images {
    fn new(x: Matrix<f32>, classes: Vec<usize>) -> Self {
        let labels: Vec<u8> = classes.iter().map(|&class| class as u8).collect();
        let mut y = vec![0.0; labels.len() * CLASSES];
        one_hot(&labels, CLASSES, &mut y);
        Self { x, y: Matrix::new(labels.len(), CLASSES, y), classes }
    }

    fn select(&self, images: &[usize]) -> Self {
        Self::new(self.x.select(images), images.iter().map(|&i| self.classes[i]).collect())
    }
}

/// The images to learn from, those to test on, and those of the digit that is never seen.
struct Data {
    train: Images,
    test: Images,
    unseen: Matrix<f32>,
}

/// The number of classes.
const CLASSES: usize = 9;

impl Data {
    fn new(args: &Args) -> Self {
        let digits = data::digits();
        let count = digits.labels.len();
        let [order] = split(count, [count], args.run.seed);
        let (mut train, mut test, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
        let mut labelled = [0; 10];
        for image in order {
            let digit = digits.labels[image];
            let seen = &mut labelled[usize::from(digit)];
            *seen += 1;
            if digit == args.unseen {
                unseen.push(image);
            } else if *seen <= args.labels {
                train.push(image);
            } else {
                test.push(image);
            }
        }
        // The digits above the one that is never seen move down by one.
        let class = |&image: &usize| {
            let digit = digits.labels[image];
            usize::from(digit - u8::from(digit > args.unseen))
        };
        let images = |of: &[usize]| Images::new(digits.images.select(of), of.iter().map(class).collect());
        Self { train: images(&train), test: images(&test), unseen: digits.images.select(&unseen) }
    }
}

/// −log p(Y|θ) − λ log π(θ), by which point estimates are found: the mode with λ = 1, and the maximum of the likelihood with λ = 0.
struct PointObjective<'a> {
    model: &'a BayesMlp,
    images: &'a Images,
    lambda: f32,
}

impl Objective<f32> for PointObjective<'_> {
    fn rows(&self) -> usize {
        self.images.x.rows
    }

    /// −Σ log p(y|x, θ) − λ (b/N) log π(θ) of b of N rows, π = N(0, I).
    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let [x, y] = [&self.images.x, &self.images.y].map(|of| batch.gather(theta.tape(), of));
        let log_likelihood = Categorical { logits: self.model.apply(theta, x) }.log_prob(y).sum();
        let share = batch.rows.len() as f32 / self.images.x.rows as f32;
        Ok(theta.square().sum() * (0.5 * share * self.lambda) - log_likelihood)
    }
}

/// What is said of the test images, and of those of the digit that is never seen.
struct Said {
    name: &'static str,
    scores: ClassScores,
    /// The entropy of the prediction of each test image.
    entropy: Vec<f64>,
    unseen: ClassPredictive,
}

impl Said {
    fn new(name: &'static str, model: &BayesMlp, draws: &Draws<f32>, data: &Data) -> Self {
        let of_test = model.predict_classes(draws, &data.test.x);
        Self {
            name,
            scores: ClassScores::of(&of_test, &data.test.classes),
            entropy: of_test.entropy(),
            unseen: model.predict_classes(draws, &data.unseen),
        }
    }

    /// The mean probability of the class for which an image of the unseen digit is taken.
    fn certainty_of_unseen(&self) -> f64 {
        let log_p = self.unseen.log_probabilities();
        let best = |row: &[f64]| row.iter().copied().fold(f64::NEG_INFINITY, f64::max).exp();
        (0..log_p.rows).map(|i| best(log_p.row(i))).sum::<f64>() / log_p.rows as f64
    }
}

fn few_labels(args: &Args) -> anyhow::Result<()> {
    ensure!(args.run.data.is_none(), "this example reads no folder: its digits are part of the program");
    let (draws, modes) = (args.draws, args.modes);
    ensure!(draws >= modes, "--draws: expected at least {modes} as --modes, found {draws}");
    let data = Data::new(args);
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "Classes after few labels");

    let config = BayesMlpConfig {
        outputs: CLASSES,
        likelihood: Likelihood::Categorical,
        modes,
        ..BayesMlpConfig::new(data.train.x.cols, &[args.hidden])
    };
    let model = BayesMlp::new(&config)?;
    let weight = choose_weight(args, &model, &data.train)?;
    let fit = fit_of(args);
    let mut trainer = run.trainer(model.layout());
    let mut objective = weighted(&model, &data.train, weight);
    if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
        return Ok(());
    }
    let bayes = model.draws(trainer.theta(), draws, args.run.seed);

    // A point has the layout of a network without a posterior.
    let widths = vec![data.train.x.cols, args.hidden, CLASSES];
    let network = MlpModel::new(MlpConfig { widths, phi: config.phi, psi: Nonlinearity::Identity })?;
    let point = |lambda| -> anyhow::Result<Draws<f32>> {
        let mut trainer = args.run.trainer(network.layout());
        let mut objective = PointObjective { model: &model, images: &data.train, lambda };
        trainer.fit(&mut objective, None, &fit, &mut ())?;
        let theta = Matrix::new(1, model.dim(), trainer.theta().to_vec());
        Ok(Draws { theta, unknowns: Matrix::new(1, 0, Vec::new()) })
    };
    let said = [("Bayesian", bayes), ("mode", point(1.0)?), ("likelihood", point(0.0)?)]
        .map(|(name, draws)| Said::new(name, &model, &draws, &data));
    outln!("by rows held out of those to learn from: each row counts {weight} times");
    report(args, &run, &data, &said)
}

/// How often a row counts: once, as the ELBO has it, or four or sixteen times. It is what makes a fifth of the images more likely, after
/// training on the others. A mean-field q under N(0, I) is too cautious of a network's weights; where rows count more, the posterior is
/// narrower, a cold posterior (Wenzel et al. 2020, "How good is the Bayes posterior in deep neural networks really?").
fn choose_weight(args: &Args, model: &BayesMlp, train: &Images) -> anyhow::Result<usize> {
    let count = train.classes.len();
    let [rest, held_out] = split(count, counts(count, [0.8, 0.2]), args.run.seed);
    let (rest, held_out) = (train.select(&rest), train.select(&held_out));
    ensure!(!held_out.classes.is_empty(), "--labels: too few to hold any out");
    let mut best = (f64::NEG_INFINITY, 1);
    for weight in [1, 4, 16] {
        let mut trainer = args.run.trainer(model.layout());
        trainer.fit(&mut weighted(model, &rest, weight), None, &fit_of(args), &mut ())?;
        let draws = model.draws(trainer.theta(), args.draws, args.run.seed);
        let said = ClassScores::of(&model.predict_classes(&draws, &held_out.x), &held_out.classes);
        if said.log_probability > best.0 {
            best = (said.log_probability, weight);
        }
    }
    Ok(best.1)
}

fn weighted<'a>(model: &'a BayesMlp, images: &'a Images, weight: usize) -> BayesMlpObjective<'a, f32> {
    let objective = BayesMlpObjective::new(model, &images.x, &images.y);
    BayesMlpObjective { n: weight * objective.n, ..objective }
}

fn fit_of(args: &Args) -> Fit {
    Fit { schedule: Schedule::Cosine { epochs: args.run.epochs }, ..args.run.fit() }
}

fn report(args: &Args, run: &Run<'_>, data: &Data, said: &[Said; 3]) -> anyhow::Result<()> {
    outln!(
        "{} images of {CLASSES} digits to learn from, {} to test on, {} of the unseen {}",
        data.train.classes.len(),
        data.test.classes.len(),
        data.unseen.rows,
        args.unseen
    );
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let accuracy = |of: &Said| {
        Estimate::of(&of.scores.right.iter().map(|&right| f64::from(u8::from(right))).collect::<Vec<_>>())
    };
    let found = |of: &dyn Fn(&Said) -> f64| [of(&said[0]), of(&said[1]), of(&said[2])];
    let rows = [
        ("accuracy", found(&|of| accuracy(of).mean)),
        ("log-likelihood, nats per image", found(&|of| of.scores.log_probability)),
        ("Brier score", found(&|of| of.scores.brier)),
        ("calibration error", found(&|of| of.scores.calibration_error(10))),
        ("certainty of test images", found(&|of| mean(&of.scores.confidence))),
        ("certainty of the unseen digit", found(&Said::certainty_of_unseen)),
        ("entropy of test images, nats", found(&|of| mean(&of.entropy))),
        ("entropy of the unseen digit, nats", found(&|of| mean(&of.unseen.entropy()))),
        ("unseen told by its entropy, AUROC", found(&|of| area_under_roc(&of.entropy, &of.unseen.entropy()))),
    ];
    let mut table = TextTable::new().header(["", said[0].name, said[1].name, said[2].name]);
    for (name, values) in rows {
        table.row([name.to_owned()].into_iter().chain(values.map(|value| format!("{value:.3}"))));
    }
    table.print();

    let curves: Vec<_> = said.iter().map(|of| (of.name, of.scores.calibration(10))).collect();
    confidences(&curves).save(&run.picture(
        "calibration.png",
        "How often images are taken for the right digit, over how certain the model was. On the diagonal both agree; below it the model \
         is too certain, above it too cautious. Certainties that fewer than ten images have are left out",
    ))?;
    entropies(args, said).save(&run.picture(
        "entropies.png",
        "How uncertain the predictions of test images are, and those of a digit that was never seen: each curve rises where its images \
         are. The farther apart the two curves of a model, the better it tells what it does not know (lecture 001, \"Parameterization \
         of conditional distributions with Neural Networks\")",
    ))?;
    let [bayes, mode, likelihood] = said;
    run.found(&format!(
        "After {} labels a digit the Bayesian network is right on {:.1} % of the test images, the mode of its posterior on {:.1} %, and \
         the maximum of the likelihood on {:.1} %. A digit that they have never seen they take for another one, and are sure of it with \
         {:.2}, {:.2} and {:.2} on average.",
        args.labels,
        100.0 * accuracy(bayes).mean,
        100.0 * accuracy(mode).mean,
        100.0 * accuracy(likelihood).mean,
        bayes.certainty_of_unseen(),
        mode.certainty_of_unseen(),
        likelihood.certainty_of_unseen()
    ));
    const NAMES: [&str; 9] = [
        "accuracy",
        "ll",
        "brier",
        "calibration_error",
        "certainty",
        "unseen_certainty",
        "entropy",
        "unseen_entropy",
        "auroc",
    ];
    let mut results: Vec<(String, f64)> = Vec::new();
    for (model, prefix) in ["", "mode_", "likelihood_"].into_iter().enumerate() {
        let of_model = NAMES.iter().zip(rows);
        results.extend(of_model.map(|(name, (_, values))| (format!("{prefix}{name}"), values[model])));
    }
    results.insert(1, ("accuracy_se".to_owned(), accuracy(bayes).se));
    run.label(&[
        Label::new("accuracy", "test images that are recognised", "share").over("images"),
        Label::new("ll", "log-likelihood of test images, log p(digit|x)", "nats per image"),
        Label::new("brier", "Brier score of test images, from 0 to 2", ""),
        Label::new(
            "calibration_error",
            "distance of certainty and accuracy, expected calibration error",
            "share",
        ),
        Label::new("certainty", "probability of the digit that a test image is taken for", "share"),
        Label::new("unseen_certainty", "probability of the digit that an unseen one is taken for", "share"),
        Label::new("entropy", "entropy of the prediction of test images", "nats"),
        Label::new("unseen_entropy", "entropy of the prediction of the unseen digit", "nats"),
        Label::new("auroc", "pairs in which the unseen digit has the larger entropy (AUROC)", "share"),
        Label::new("mode_*", "the mode of the posterior: *", ""),
        Label::new("likelihood_*", "the maximum of the likelihood: *", ""),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// The entropies of test images and of the unseen digit.
fn entropies(args: &Args, said: &[Said; 3]) -> Figure {
    // The share of images up to an entropy.
    let shares = |mut entropies: Vec<f64>| {
        entropies.sort_by(f64::total_cmp);
        let count = entropies.len() as f64;
        entropies.into_iter().zip(1..).map(move |(h, n)| (h, f64::from(n) / count))
    };
    let figure = Figure::new("Entropies of predictions")
        .axes("entropy in nats", "share of images with at most this entropy");
    [&said[0], &said[2]].into_iter().fold(figure, |figure, of| {
        figure
            .line(&format!("{}, test images", of.name), shares(of.entropy.clone()))
            .line(&format!("{}, unseen {}", of.name, args.unseen), shares(of.unseen.entropy()))
    })
}
