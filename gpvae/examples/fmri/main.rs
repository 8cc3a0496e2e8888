//! Signals of a brain under motor tasks (lecture 003, "My Discussion: neuroimaging"), simulated by `gpvae::data::MotorStudy`, which has
//! the equations:
//!
//!     cargo run --release -p gpvae --example fmri
//!
//! The objects are the voxels of sixty subjects, the views five motor tasks, the samples signals over time. A tenth of the pairs of
//! voxel and task is hidden. A VAE with a Gaussian-process prior predicts them; its latents are clustered, for groups of subjects that
//! nobody told it of, drawn by t-SNE, and a graphical lasso of their covariances says which regions depend on which. Beside each stands
//! what is usual without a network. Means over seeds, of which each has a study of its own; pictures are of the first.

mod analysis;
mod model;

use std::process::ExitCode;

use gpvae::data::MotorStudy;
use nn::data::Matrix;
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, positive, whole, width};
use nn::stats::{Tsne, adjusted_rand_index, k_means};

use analysis::{COMPONENTS, Graph, Pairs, graph, scores};

/// Predicts simulated signals of a brain, finds groups of subjects, and a graph of regions
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Subjects of a study, in three groups
    #[arg(long, value_name = "N", default_value_t = 60, default_value_if("dry_run", "true", "12"), value_parser = whole)]
    subjects: usize,
    /// How much later the third group responds, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5, value_parser = positive)]
    delay: f64,
    /// How much more the second group's regions of the same side do, where 1 is what a region does for its own task
    #[arg(long, value_name = "SIZE", default_value_t = 0.8, value_parser = positive)]
    recruitment: f64,
    /// The standard deviation of a subject's response in a region and a task
    #[arg(long, value_name = "SD", default_value_t = 0.3, value_parser = positive)]
    spread: f64,
    /// The standard deviation of the noise of a scan, in per cent
    #[arg(long, value_name = "SD", default_value_t = 0.5, value_parser = positive)]
    noise: f64,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = width)]
    latent: usize,
    /// Features of a subject and of a voxel that are learned
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = width)]
    features: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/gpvae-fmri", epochs: 20, batch_size: 64, lr: 4e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| fmri(&args))?)
}

/// What was found in the study of a seed.
struct Study {
    results: Results,
    groups: Vec<usize>,
    /// What subjects are clustered by: the features that the model learned, and responses by regression.
    subjects: [Matrix<f64>; 2],
    graph: Graph,
}

fn study(args: &Args, seed: u64) -> anyhow::Result<Study> {
    let Args { subjects, delay, recruitment, spread, noise, .. } = *args;
    let scans =
        MotorStudy { subjects, delay, recruitment, spread, noise, seed, ..MotorStudy::default() }.scan();
    let pairs = Pairs::new(&scans, seed);
    let mut results = Results::new();
    let fitted = model::fit(args, seed, &scans, &pairs)?;
    let predictions = [vec![("model", fitted.signals.clone())], pairs.baselines(&scans)?].concat();
    for (name, predicted) in &predictions {
        results.push((format!("{name}_error"), pairs.error(&scans, predicted)));
    }

    // Subjects by what the model and what a regression says of their voxels.
    let [filled, slopes] = pairs.responses(&scans);
    let by_latents = scores(&fitted.latents, subjects, COMPONENTS);
    let [by_responses, of_slopes] = [&filled, &slopes].map(|rows| scores(rows, subjects, COMPONENTS));
    let mut found = Vec::new();
    for (name, rows) in [
        ("model", &by_latents),
        ("features", &fitted.subjects),
        ("responses", &by_responses),
        ("slopes", &of_slopes),
    ] {
        let of = k_means(rows, 3, 20, seed);
        results.push((format!("{name}_groups"), adjusted_rand_index(&of, &scans.groups)));
        found.push(of);
    }

    let graph = graph(&scans, &fitted.codes, &filled, [&found[1], &found[2]])?;
    results.extend(graph.results());
    let subjects = [fitted.subjects, by_responses];
    Ok(Study { results, groups: scans.groups, subjects, graph })
}

/// What the rows of the tables are called, and the names of their results.
const METHODS: [(&str, &str); 5] = [
    ("Gaussian-process prior", "model"),
    ("normal distribution with gaps", "normal"),
    ("its voxel and task in other subjects", "others"),
    ("and its difference from them", "additive"),
    ("mean of its other tasks", "tasks"),
];
const CLUSTERS: [(&str, &str); 4] = [
    ("latents of the Gaussian-process prior", "model"),
    ("features of subjects that it learned", "features"),
    ("responses by regression", "responses"),
    ("and their slopes in time", "slopes"),
];
const GRAPHS: [(&str, &str); 3] = [
    ("graphical lasso of latents", "model"),
    ("graphical lasso of responses", "responses"),
    ("the largest correlations of responses", "correlations"),
];

fn fmri(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example simulates its data, and takes no --data");
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    anyhow::ensure!(
        (9..=300).contains(&args.subjects),
        "--subjects: expected 9 to 300, found {}",
        args.subjects
    );
    anyhow::ensure!(args.features <= 9, "--features: expected 9 or fewer, found {}", args.features);
    let run = Run::open(&args.run, args)?.documented("gpvae", "Signals of a brain, simulated");
    let studies = each("studies", &args.run.seeds(args.seeds), |&seed| study(args, seed))?;
    let over = OverSeeds::of(studies.iter().map(|study| &study.results));

    outln!("means over {} studies ± standard error", args.seeds);
    let mut table = TextTable::new().header(["hidden signals", "squared error of a scan"]);
    METHODS.iter().for_each(|(title, of)| table.row([title, &*over.cell(&format!("{of}_error"), 4)]));
    table.print();
    let mut table = TextTable::new().header(["clusters of subjects by", "Rand index with the groups"]);
    CLUSTERS.iter().for_each(|(title, of)| table.row([title, &*over.cell(&format!("{of}_groups"), 3)]));
    table.print();
    let mut table = TextTable::new().header(["edges between regions by", "precision", "recall"]);
    for (title, of) in GRAPHS {
        let [precision, recall] = ["precision", "recall"].map(|part| over.cell(&format!("{of}_{part}"), 3));
        table.row([title, &*precision, &*recall]);
    }
    table.print();

    draw(args, &run, &studies[0])?;
    run.found(&format!(
        "Signals of hidden pairs of voxel and task are predicted with a squared error of {:.3} by the Gaussian-process prior, and of \
         {:.3} by a normal distribution with gaps. Clusters of subjects agree with the groups by a Rand index of {:.2} by its features, and of \
         {:.2} by responses from a regression.",
        over.mean("model_error"),
        over.mean("normal_error"),
        over.mean("features_groups"),
        over.mean("responses_groups") + 0.0,
    ));
    run.label(&[
        Label::new("*_error", "squared error of a hidden signal, predicted by: *", "squared per cent")
            .over("studies"),
        Label::new(
            "*_groups",
            "agreement of clusters of subjects with the groups, clustered by: *",
            "Rand index",
        )
        .over("studies"),
        Label::new("*_precision", "share of the edges found that are true, by: *", "share").over("studies"),
        Label::new("*_recall", "share of the true edges that are found, by: *", "share").over("studies"),
    ]);
    run.finish(&over.results())?;
    Ok(())
}

/// Maps of subjects and of voxels, and the graphs.
fn draw(args: &Args, run: &Run<'_>, study: &Study) -> anyhow::Result<()> {
    let seed = args.run.seed;
    let perplexity = (study.groups.len() as f64 / 4.0).min(8.0);
    let map = |rows: &Matrix<f64>| {
        let map = Tsne { perplexity, seed, ..Tsne::default() }.map(rows);
        (0..map.rows).map(|i| (map.row(i)[0], map.row(i)[1])).collect::<Vec<_>>()
    };
    let groups = ["usual", "same side", "late"];
    let [features, responses] = &study.subjects;
    let by_group = |title: &str, rows: &Matrix<f64>| {
        Figure::new(title)
            .axes("t-SNE 1", "t-SNE 2")
            .classes(groups, map(rows).into_iter().zip(study.groups.iter().copied()))
    };
    Panels::new("Subjects on maps by t-SNE", 2)
        .figure(by_group("By learned features", features))
        .figure(by_group("By responses", responses))
        .save(&run.picture(
            "subjects.png",
            "Maps of the subjects by t-SNE. Left: by the features that the model learned of them; colours, which it was not told, should \
            form groups. Right: by responses from a regression (lecture 003, \"My Discussion: neuroimaging\")",
        ))?;
    let numbers: Vec<String> = (1..=MotorStudy::REGIONS.len()).map(|number| number.to_string()).collect();
    let names: Vec<String> =
        numbers.iter().zip(MotorStudy::REGIONS).map(|(number, name)| format!("{name} {number}")).collect();
    let matrix = |title: &str, values: &[f64]| {
        let off =
            values.iter().enumerate().map(|(i, x)| if i % (names.len() + 1) == 0 { f64::NAN } else { *x });
        Figure::new(title).axes("", "").matrix("correlation", (&names, &numbers), off)
    };
    let Graph { truth, correlations, precision, .. } = &study.graph;
    Panels::new("Which regions depend on which", 3)
        .figure(matrix("True partial correlations", truth))
        .figure(matrix("Graphical lasso of latents", &precision[0].partial_correlations().values))
        .figure(matrix("Correlations of responses", correlations))
        .shared_colours()
        .save(&run.picture(
            "graph.png",
            "Left: the graph of the simulation. Middle: the partial correlations by a graphical lasso of the latents, which should be 0 \
            (white) where those on the left are. Right: plain correlations of responses, which also link what is linked through others \
            (lecture 003, \"My Discussion: neuroimaging\")",
        ))?;
    Ok(())
}
