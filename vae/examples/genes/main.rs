//! Groups of cells in a table of gene expression, and a batch effect that hides them (lecture 003, "What VAE can do? Interpret gene
//! expressions"), on a simulated table, whose equations are at the head of `simulation.rs`:
//!
//!     cargo run --release -p vae --example genes
//!
//! A VAE of counts, negative binomial, sees neither groups nor batches. Its latent space shows what changes the counts most, and that is
//! the batch, of which nobody wants to know. A conditional VAE is told the batch: encoder and decoder have it, and z is left with the
//! rest. Says how far two clusters of the codes of cells that were not seen agree with the groups and with the batches, means over seeds,
//! of which each has a table of its own, and draws the codes of the first seed. Its table is written to `genes.csv`, for the example
//! `table`; there the column `cell` says group and batch. The program compares, and keeps none of its models.

mod simulation;

use std::process::ExitCode;

use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{
    Csv, Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, positive, whole, width,
};
use nn::stats::{adjusted_rand_index, k_means};
use nn::train::{Fit, Schedule};
use simulation::{Cells, Simulation};
use vae::{Likelihood, NetworkConfig, Vae, VaeConfig, VaeObjective};

/// Finds groups of cells in simulated gene expression, with and without being told the batch
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Cells of a table; of five one is not seen in training
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole)]
    cells: usize,
    /// Genes of a table
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = width)]
    genes: usize,
    /// The standard deviation, over genes, of the logarithm of what the group multiplies a gene's mean by; every fifth gene has it
    #[arg(long, value_name = "SD", default_value_t = 1.0, value_parser = positive)]
    group: f64,
    /// The same of the batch, of all genes
    #[arg(long, value_name = "SD", default_value_t = 0.5, value_parser = positive)]
    batch: f64,
    /// Dimensions of the latent space, at least 2; the picture shows the first two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = width)]
    latent: usize,
    /// Width of the hidden layers
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = width)]
    hidden: usize,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
}

/// Batches, which are the conditions.
const BATCHES: usize = 2;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-genes", epochs: 200, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| genes(&args))?)
}

/// A trained model, and what it makes of cells that it has not seen.
struct Trained {
    codes: Matrix<f32>,
    results: Results,
}

/// The models of a seed, without and with the batch, and its table.
struct Pair {
    cells: Cells,
    plain: Trained,
    conditional: Trained,
}

/// Trains on four fifths of the rows, and looks for two clusters of the codes of the others.
fn train(args: &Args, key: &str, rows: &Matrix<f32>, cells: &Cells, seed: u64) -> anyhow::Result<Trained> {
    let usual = VaeConfig::new(args.genes, &[args.hidden], args.latent).with_phi(Nonlinearity::Tanh);
    let [encoder, decoder] =
        [usual.encoder.clone(), usual.decoder.clone()].map(NetworkConfig::with_linear_path);
    let (likelihood, conditions) = (Likelihood::NegativeBinomial, rows.cols - args.genes);
    let vae = Vae::new(&VaeConfig { conditions, encoder, decoder, likelihood, ..usual })?;
    let run = RunArgs { seed, ..args.run.clone() };
    let (learned, unseen) = rows.split_at_row(seen(rows.rows));
    let mut trainer = run.trainer(vae.layout()).clip_norm(100.0);
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
    trainer.fit(&mut VaeObjective::new(&vae, &learned), None, &fit, &mut ())?;
    let elbo = trainer.evaluate(&mut VaeObjective::new(&vae, &unseen))?.part("elbo");
    let codes = vae.encode_rows(trainer.theta(), &unseen).mu;
    let clusters = k_means(&codes, 2, 10, seed);
    let agreement = |of: &[usize]| adjusted_rand_index(&clusters, &of[learned.rows..]);
    let results =
        [("elbo", elbo), ("groups", agreement(&cells.groups)), ("batches", agreement(&cells.batches))];
    let results = results.map(|(of, value)| (format!("{key}_{of}"), value)).into();
    Ok(Trained { codes, results })
}

/// The rows that a model learns from.
fn seen(rows: usize) -> usize {
    rows - rows / 5
}

impl Pair {
    fn train(args: &Args, seed: u64) -> anyhow::Result<Self> {
        let Args { cells, genes, group, batch, .. } = *args;
        let cells = Simulation { cells, genes, group, batch, seed }.run()?;
        let counts = cells.counts.map(|x| x as f32);
        let told = counts.values.chunks_exact(genes).zip(&cells.batches).flat_map(|(row, batch)| {
            row.iter().copied().chain((0..BATCHES).map(move |other| f32::from(u8::from(other == *batch))))
        });
        let told = Matrix::new(counts.rows, genes + BATCHES, told.collect());
        let plain = train(args, "vae", &counts, &cells, seed)?;
        let conditional = train(args, "conditional", &told, &cells, seed)?;
        Ok(Self { cells, plain, conditional })
    }
}

fn genes(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example simulates its data, and takes no --data");
    args.run.without_checkpoint()?;
    anyhow::ensure!(args.latent > 1, "--latent: expected 2 or more, found {}", args.latent);
    anyhow::ensure!(args.seeds > 1, "--seeds: expected 2 or more, found {}", args.seeds);
    anyhow::ensure!(args.cells >= 10, "--cells: expected 10 or more, found {}", args.cells);
    let run = Run::open(&args.run, args)?.documented("vae", "Gene expression, simulated");
    let pairs = each("pairs of models", &args.run.seeds(args.seeds), |&seed| Pair::train(args, seed))?;
    let results = pairs.iter().map(|pair| [&pair.plain.results[..], &pair.conditional.results].concat());
    let over = OverSeeds::of(&results.collect::<Vec<_>>());

    let unseen = args.cells - seen(args.cells);
    outln!("{unseen} cells that were not seen; means over {} seeds ± standard error", args.seeds);
    let mut table = TextTable::new().header(["", "VAE", "told the batch"]);
    for (name, of, decimals) in [
        ("ELBO, nats per cell", "elbo", 1),
        ("Rand index of clusters and groups", "groups", 3),
        ("of clusters and batches", "batches", 3),
    ] {
        let [plain, conditional] =
            ["vae", "conditional"].map(|key| over.cell(&format!("{key}_{of}"), decimals));
        table.row([name, &*plain, &conditional]);
    }
    table.print();

    let first = &pairs[0];
    draw(first).save(&run.picture(
        "codes.png",
        "The same codes of cells that were not seen, by group on the left and by batch on the right. Above, of a model that is not told \
        the batch, colours should separate by batch; below, of one that is told, by group (lecture 003, \"What VAE can do? Interpret \
        gene expressions\")",
    ))?;
    write(&first.cells).save(&run.file("genes.csv"))?;
    // Without the sign of what rounds to 0.
    let index = |name: &str| (100.0 * over.mean(name)).round() / 100.0 + 0.0;
    run.found(&format!(
        "If the model is not told the batch, two clusters of its codes agree with the groups by a Rand index of {:.2}, where 1 is full \
         agreement and 0 chance, and with the batches by {:.2}. If it is told the batch, they agree with the groups by {:.2} and with \
         the batches by {:.2}.",
        index("vae_groups"),
        index("vae_batches"),
        index("conditional_groups"),
        index("conditional_batches")
    ));
    run.label(&[
        Label::new("vae_elbo", "ELBO of cells that were not seen", "nats per cell").over("seeds"),
        Label::new("vae_groups", "agreement of clusters of the codes with the groups", "Rand index")
            .over("seeds"),
        Label::new("vae_batches", "agreement of clusters of the codes with the batches", "Rand index")
            .over("seeds"),
        Label::new("conditional_elbo", "ELBO, told the batch", "nats per cell").over("seeds"),
        Label::new(
            "conditional_groups",
            "agreement of clusters with the groups, told the batch",
            "Rand index",
        )
        .over("seeds"),
        Label::new(
            "conditional_batches",
            "agreement of clusters with the batches, told the batch",
            "Rand index",
        )
        .over("seeds"),
    ]);
    run.finish(&over.results())?;
    Ok(())
}

/// The codes of both models, by group and by batch.
fn draw(pair: &Pair) -> Panels {
    let first = pair.cells.groups.len() - pair.plain.codes.rows;
    let by = |title: &str, codes: &Matrix<f32>, of: &[usize], what: &str| {
        let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
        let names = [1, 2].map(|number| format!("{what} {number}"));
        Figure::new(title).axes("z₁", "z₂").classes(names, points.zip(of[first..].iter().copied()))
    };
    [("VAE", &pair.plain), ("told the batch", &pair.conditional)].into_iter().fold(
        Panels::new("Codes of cells that were not seen", 2),
        |panels, (name, Trained { codes, .. })| {
            panels.figure(by(&format!("{name}: groups"), codes, &pair.cells.groups, "group")).figure(by(
                &format!("{name}: batches"),
                codes,
                &pair.cells.batches,
                "batch",
            ))
        },
    )
}

/// The counts, and a column that says group and batch.
fn write(cells: &Cells) -> Csv {
    let names = (1..=cells.counts.cols).map(|j| format!("gene {j}")).chain(["cell".to_owned()]);
    let mut csv = Csv::new(names);
    for (i, row) in cells.counts.values.chunks_exact(cells.counts.cols).enumerate() {
        let cell = format!("group {} batch {}", cells.groups[i] + 1, cells.batches[i] + 1);
        csv.row(row.iter().map(f64::to_string).chain([cell]));
    }
    csv
}
