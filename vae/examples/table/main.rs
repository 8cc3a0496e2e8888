//! A variational autoencoder of a table with columns of different kinds, with gaps or without, such as patients, genes or sensors. Each
//! column has its own likelihood: normal, log-normal, yes or no, category, count. It fills numbers no worse than one normal distribution of
//! all columns, and better where columns depend on each other in a non-linear way; classes of a nearly linear table it fills a little worse:
//!
//!     cargo run --release -p vae --example table
//!     cargo run --release -p vae --example table -- --table mixed
//!     cargo run --release -p vae --example table -- --table digits --clusters 10
//!     cargo run --release -p vae --example table -- --csv FILE --colour COLUMN --kind COLUMN=category
//!
//! What the columns are is guessed from their cells and said in a line; `--kind` decides where that is wrong, and `--counts` says that all
//! are counts. Columns of text are categories. Every row gets latent coordinates and an anomaly score, −log p(x) by the K-sample bound;
//! every gap (an empty cell, NA, NaN or ?) its expectation given the rest of the row, or its most probable category. A tenth of the known
//! cells is hidden while it learns, to say how well that goes, beside the mean or mode of the column, the conditional mean of one normal
//! distribution of all columns (a category being as many columns of 0 and 1), and the mean or the vote of the nearest rows. Training
//! begins as the factor analysis that is nearest to that normal distribution. Of several latent
//! dimensions the one is taken that fills cells of validation rows best. The score of a row has a term for each of its
//! observed cells: rows are compared by the score per cell. The column that colours the picture, text or numbers, is not shown
//! to the model. How the table is written is guessed and said in a line; flags decide where that is wrong, and `imputed.csv`
//! is written in the same way, with every known cell as it was read. Writes to
//! `out/vae-table/`: `rows.csv` (coordinates, cluster, score, observed cells, colour, and `outside`, which is empty here and marks new
//! rows with which the model extrapolates), `imputed.csv`, pictures, and the model in
//! `model.safetensors`, with which the example `vae_apply` does the same for new rows.

#[path = "../common/bound.rs"]
mod bound;
mod cells;
mod colour;
#[path = "../common/decoder.rs"]
mod decoder;
mod explorer;
mod figures;
mod learn;
#[path = "../common/rows.rs"]
mod rows;
mod simulation;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;

use cells::Cells;
use colour::{Classes, Colour};
use explorer::Space;
use figures::{histogram, latent_figure, widest};
use nn::data::{Matrix, Preprocessing};
use nn::model::{Model, TrainedOn};
use nn::outln;
use nn::run::{Defaults, KindArgs, Label, Run, RunArgs, TableArgs, counted, say, whole, width};
use nn::stats::{adjusted_rand_index, k_means};
use rows::{CENTRES, Rows, gaps, imputation};
use source::{Embedded, Read};
use vae::KSampleBound;

/// Fits a variational autoencoder to a table: latent coordinates, filled gaps, anomaly scores
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    #[command(flatten)]
    #[serde(flatten)]
    kinds: KindArgs,
    /// A table that is part of the program [default: diabetes, with --counts digits]
    #[arg(long, value_name = "NAME", value_enum, conflicts_with = "csv")]
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Embedded>,
    /// The table: cells separated by commas, semicolons, tabs, bars or blanks, with or without a header [default: embedded]
    #[arg(long, value_name = "FILE")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
    /// The column that colours the picture, text or numbers, by name or by number from 1; the model does not see it [default: of the
    /// embedded tables progression and digit, else none]
    #[arg(long, value_name = "COLUMN")]
    colour: Option<String>,
    /// All cells are counts, up to a million
    #[arg(long, conflicts_with = "kind")]
    counts: bool,
    /// Dimensions of the latent space; of several the one is taken that fills cells of validation rows best. The picture shows
    /// the two in which codes vary most
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "2,4,8,16,32",
        default_value_if("dry_run", "true", "2,3"), value_parser = width)]
    latent: Vec<usize>,
    /// Width of the hidden layers
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = width)]
    hidden: usize,
    /// Clusters to look for in the latent space
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = width)]
    clusters: usize,
    /// Stop after so many epochs without a better bound of the validation rows
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = whole)]
    patience: usize,
    /// K, the draws of z for each row in imputation and score
    #[arg(long, value_name = "N", default_value_t = 1000,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-table", epochs: 600, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| fit(&args))?)
}

impl Args {
    /// The embedded table, if there is no other.
    fn embedded(&self) -> Embedded {
        self.table.unwrap_or(if self.counts { Embedded::Digits } else { Embedded::Diabetes })
    }
}

fn fit(args: &Args) -> anyhow::Result<()> {
    let table = source::read(args)?;
    let cells = Cells::new(args, &table)?;
    let run = Run::open(&args.run, args)?.documented("vae", "A table");
    let Some((vae, trainer)) = learn::train(&run, args, &cells)? else { return Ok(()) };
    let (theta, Read { whole, coded, colour, .. }) = (trainer.theta(), &table);

    let errors = cells.errors(args, &vae, theta);
    let [n, d, hidden] = [cells.x.rows, cells.codes.len(), cells.hidden.len()];
    let [rows, columns, cells_hidden] =
        [(n, "row"), (d, "column"), (hidden, "cell")].map(|(n, of)| counted(n, of));
    say(&format!(
        "{rows}, {columns}, {cells_hidden} hidden for a test: of quantities the root mean square error in standard \
         deviations of their columns, of classes the share of wrong ones"
    ));
    errors.table().print();

    let preprocessing = cells.preprocessing(coded, colour.as_ref().map(|colour| &*colour.name));
    let filled = vae.impute(theta, &cells.x, imputation(args.samples), args.run.seed);
    let rows = Rows::new(&vae, theta, &cells.x, &preprocessing, args.samples, args.run.seed.into());
    let (bound, clusters) =
        (KSampleBound::of_rows(&rows.bounds), k_means(&rows.codes, args.clusters, 10, args.run.seed));
    let mut csv = Rows::csv(vae.latent(), colour.as_ref().map(|colour| &*colour.name));
    let inside = |_| String::new();
    rows.write(
        &mut csv,
        0,
        &clusters,
        inside,
        colour.as_ref().map(|colour| |row: usize| &*colour.cells[row]),
    );
    csv.save(&run.file("rows.csv"))?;
    let imputed = whole.write_header() + &whole.write_cells(&gaps(whole, &preprocessing, &filled));
    run.write("imputed.csv", &imputed)?;

    let mut file = vae.to_file(theta);
    file.set(Preprocessing::ENTRY, &preprocessing);
    let centres = centres(&rows.codes, &clusters, args.clusters);
    file.insert(CENTRES, &[centres.rows, centres.cols], centres.values.to_vec());
    run.keep_model(file, &TrainedOn::new(args.csv.as_deref(), args.embedded().describe(), n))?;

    let of_ways = errors.results();
    let mut results: Vec<(&str, f64)> = of_ways.iter().map(|(name, value)| (&**name, *value)).collect();
    results.extend([
        ("latent", vae.latent() as f64),
        ("gaps", coded.values.values.iter().filter(|x| x.is_nan()).count() as f64),
    ]);
    results.extend(bound::results(&bound));
    let classes = match &colour {
        Some(colour) => Classes::new(colour),
        None => Classes::of_clusters(&clusters, args.clusters),
    };
    if let Some(Colour { name, .. }) = &colour {
        let agreement = adjusted_rand_index(&clusters, &classes.of_rows);
        outln!("{} clusters agree with {name} by an adjusted Rand index of {agreement:.3}", args.clusters);
        results.push(("adjusted_rand_index", agreement));
    }
    let strange = strangest(&rows);
    let first = strange.iter().take(5).map(|(row, score)| format!("{} ({score:.2})", row + 1));
    let first = first.collect::<Vec<_>>().join(", ");
    outln!("all rows, nats per row");
    bound::print(&bound);
    say(&format!("the strangest rows, with −log p(x) per observed cell in nats: {first}"));
    if vae.latent() > 1 {
        let axes = widest(&rows.codes)?;
        let (preprocessing, x, filled, rows, classes) = (&preprocessing, &cells.x, &filled, &rows, &classes);
        let space = Space { vae: &vae, theta, preprocessing, x, filled, rows, classes, axes };
        space.explorer().into_iter().for_each(|explorer| run.explore(explorer));
        let heading = colour.as_ref().map_or("", |colour| &colour.name);
        latent_figure(&rows.codes, axes, classes, heading).save(&run.picture(
            "latent.png",
            "The rows in the two latent dimensions in which codes vary most. Rows that are alike lie together; where colours separate, \
            what colours has to do with the columns that the model saw (lecture 000, \"Reduction of dimension\")",
        ))?;
    }
    histogram(strange.iter().map(|(_, score)| *score)).save(&run.picture(
        "scores.png",
        "The rows by how strange the model finds them, −log p(x) for each observed cell. Look at the few on the \
        right: they are the rows with the largest score per observed cell in rows.csv (lecture 004, \"Autoencoders (AE)\")",
    ))?;
    run.draw_loss(&trainer, "−ELBO, nats per row")?;
    run.found(&errors.found());
    run.label(&cells::LABELS.map(|(name, text, unit)| Label::new(name, text, unit)));
    run.label(&[
        Label::new("latent", "latent dimensions", ""),
        Label::new("gaps", "cells that are missing", ""),
        Label::new(
            "adjusted_rand_index",
            "agreement of clusters of codes with the column that colours, adjusted Rand index",
            "",
        ),
    ]);
    run.label(&bound::labels("nats per row"));
    run.finish(&results)?;
    Ok(())
}

/// The mean of the codes of each cluster; NaN where it has none.
fn centres(codes: &Matrix<f32>, clusters: &[usize], count: usize) -> Matrix<f64> {
    let (mut sums, mut sizes) = (vec![0.0; count * codes.cols], vec![0.0; count]);
    for (i, &cluster) in clusters.iter().enumerate() {
        sizes[cluster] += 1.0;
        let sum = &mut sums[cluster * codes.cols..][..codes.cols];
        sum.iter_mut().zip(codes.row(i)).for_each(|(sum, z)| *sum += f64::from(*z));
    }
    let mean = |(i, sum)| sum / sizes[i / codes.cols];
    Matrix::new(count, codes.cols, sums.into_iter().enumerate().map(mean).collect())
}

/// Rows with their score per observed cell, the highest first.
fn strangest(rows: &Rows) -> Vec<(usize, f64)> {
    let mut scored: Vec<_> =
        (0..rows.codes.rows).filter_map(|row| Some((row, rows.per_cell(row)?))).collect();
    scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    scored
}
