//! A variational autoencoder of a table of numbers or counts, with gaps or without, such as genes or sensors:
//!
//!     cargo run --release -p vae --example table
//!     cargo run --release -p vae --example table -- --counts --clusters 10
//!     cargo run --release -p vae --example table -- --csv FILE --colour COLUMN
//!
//! Every row gets latent coordinates and an anomaly score, −log p(x) by the K-sample bound; every gap (an empty cell, NA, NaN or
//! ?) its expectation given the rest of the row. A tenth of the known cells is hidden while it learns, to say how well that
//! goes, beside the mean of the column and the conditional mean of one normal distribution of all columns. Of several latent
//! dimensions the one is taken that fills cells of validation rows best. The score of a row has a term for each of its
//! observed cells: rows are compared by the score per cell. The column that colours the picture, text or numbers, is not shown
//! to the model. How the table is written is guessed and said in a line; flags decide where that is wrong, and `imputed.csv`
//! is written in the same way, with every known cell as it was read. Without `--csv` the table is an embedded one: diabetes
//! patients, or of counts the handwritten digits, how many of 16 dots are black in each of 64 blocks. Writes to
//! `out/vae-table/`: `rows.csv` (coordinates, cluster, score, observed cells, colour, and `outside`, which is empty here and marks new
//! rows with which the model extrapolates), `imputed.csv`, pictures, and the model in
//! `model.safetensors`, with which the example `vae_apply` does the same for new rows.

#[path = "../common/bound.rs"]
mod bound;
mod colour;
#[path = "../common/decoder.rs"]
mod decoder;
mod explorer;
mod figures;
#[path = "../common/rows.rs"]
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use colour::{Classes, Colour};
use explorer::Space;
use figures::{histogram, latent_figure, widest};
use nn::data::{
    DataError, Matrix, Preprocessing, ScaleError, Standardizer, Table, diabetes, digits, hide, split,
};
use nn::model::{Model, Nonlinearity, TrainedOn};
use nn::run::{Defaults, Label, Run, RunArgs, TableArgs, TextTable, whole, width};
use nn::stats::{adjusted_rand_index, k_means};
use nn::train::{End, Fit, Schedule, Trainer};
use nn::{errln, outln};
use rows::{CENTRES, Rows, gaps, imputation};
use vae::linear::{Em, NormalModel};
use vae::{KSampleBound, Likelihood, NetworkConfig, Vae, VaeConfig, VaeObjective};

/// Larger counts are refused: the model's rates end at e¹⁵, about 3 million.
const LARGEST_COUNT: f64 = 1e6;

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
    /// The table: cells separated by commas, semicolons, tabs, bars or blanks, with or without a header [default: embedded]
    #[arg(long, value_name = "FILE")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
    /// The column that colours the picture, text or numbers, by name or by number from 1; the model does not see it [default: of the
    /// embedded tables progression and digit, else none]
    #[arg(long, value_name = "COLUMN")]
    colour: Option<String>,
    /// The cells are counts, up to a million: a negative binomial likelihood instead of a normal one
    #[arg(long)]
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

fn fit(args: &Args) -> anyhow::Result<()> {
    let (whole, table, colour) = read(args)?;
    check(args, &table)?;
    let cells = Cells::new(args, &table)?;
    let run = Run::open(&args.run, args)?.documented("vae", "A table");
    let Some((vae, trainer)) = train(&run, args, &cells)? else { return Ok(()) };
    let theta = trainer.theta();

    let errors = cells.errors(args, &vae, theta);
    let [n, d, hidden] = [cells.x.rows, cells.x.cols, cells.hidden.len()];
    outln!("{n} rows, {d} columns, {hidden} cells hidden for a test");
    outln!("root mean square error of hidden cells, in standard deviations of their columns");
    errors.table().print();

    let filled = vae.impute(theta, &cells.x, imputation(args.samples), args.run.seed);
    let rows = Rows::new(&vae, theta, &cells.x, args.samples, args.run.seed.into());
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
    let preprocessing = cells.preprocessing(args, &table, colour.as_ref());
    run.write("imputed.csv", &whole.write(gaps(&whole, &preprocessing, &filled)))?;

    let mut file = vae.to_file(theta);
    file.set(Preprocessing::ENTRY, &preprocessing);
    let centres = centres(&rows.codes, &clusters, args.clusters);
    file.insert(CENTRES, &[centres.rows, centres.cols], centres.values.to_vec());
    let embedded = if args.counts { "the embedded digits as counts" } else { "the embedded diabetes table" };
    run.keep_model(file, &TrainedOn::new(args.csv.as_deref(), embedded, n))?;

    let mut results = vec![
        ("rmse_hidden", errors.model),
        ("rmse_mean", errors.means),
        ("latent", vae.latent() as f64),
        ("gaps", cells.x.values.iter().filter(|x| x.is_nan()).count() as f64),
    ];
    results.extend(errors.normal.map(|normal| ("rmse_normal", normal)));
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
    outln!("the strangest rows, with −log p(x) per observed cell in nats: {first}");
    if vae.latent() > 1 {
        let axes = widest(&rows.codes)?;
        let (x, scaling) = (&cells.x, cells.standardizer.as_ref());
        let (names, filled, rows, classes) = (&table.names, &filled, &rows, &classes);
        let space = Space { vae: &vae, theta, names, x, filled, scaling, rows, classes, axes };
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
    let beside = |normal: f64| {
        let which = if errors.model < normal { "better" } else { "worse" };
        format!(", and by {normal:.2} by one normal distribution of all columns: the model is {which} here")
    };
    run.found(&format!(
        "A hidden cell that is filled in from the rest of its row is missed by {:.2} standard deviations of its column (root mean \
         square), by {:.2} if it is filled with the column's mean{}.",
        errors.model,
        errors.means,
        errors.normal.map_or(String::new(), beside)
    ));
    run.label(&[
        Label::new(
            "rmse_hidden",
            "error of hidden cells that the model fills in, root mean square",
            "standard deviations of the column",
        ),
        Label::new(
            "rmse_mean",
            "error of hidden cells filled in with the mean of the column, root mean square",
            "standard deviations of the column",
        ),
        Label::new(
            "rmse_normal",
            "error of hidden cells filled in by one normal distribution of all columns, root mean square",
            "standard deviations of the column",
        ),
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

/// The embedded digits as counts: each pixel is how many dots of a block of 4 x 4 are black.
fn dots() -> Table {
    let digits = digits();
    let place = |i: usize| format!("row {} column {}", i / digits.width + 1, i % digits.width + 1);
    let names = (0..digits.images.cols).map(place).chain(["digit".to_owned()]);
    let cells = digits.images.values.chunks_exact(digits.images.cols).zip(&digits.labels);
    let counts = cells.flat_map(|(image, &label)| {
        image.iter().map(|grey| (f64::from(*grey) * 16.0).round()).chain([f64::from(label)])
    });
    let (rows, cols) = (digits.len(), digits.images.cols + 1);
    Table::new(names.collect(), Matrix::new(rows, cols, counts.collect()))
}

/// The whole table, the table without the column of the colour, and that column.
fn read(args: &Args) -> anyhow::Result<(Table, Table, Option<Colour>)> {
    anyhow::ensure!(args.run.data.is_none(), "this example takes --csv FILE, not --data");
    let (whole, colour) = match (&args.csv, args.colour.as_deref()) {
        (Some(file), None) => (args.format.read(file, true).map_err(or_colour)?, None),
        (Some(file), Some(colour)) => (args.format.read_with_text(file, colour)?, Some(colour)),
        (None, colour) => {
            args.format.without_table()?;
            let (table, usual) = if args.counts { (dots(), "digit") } else { (diabetes(), "progression") };
            (table, Some(colour.unwrap_or(usual)))
        }
    };
    let Some(colour) = colour else { return Ok((whole.clone(), whole, None)) };
    let position = whole.position(colour)?;
    let (rest, column) = whole.split_target(colour)?;
    anyhow::ensure!(!rest.names.is_empty(), "--colour {colour}: the table has no other column");
    let colour = Colour::new(&whole, position, &column.values);
    Ok((whole, rest, Some(colour)))
}

/// What else one may do with a column of text.
fn or_colour(error: DataError) -> anyhow::Error {
    match &error {
        DataError::Cell { advice, column, .. } if advice.contains("--ignore") => {
            anyhow::anyhow!("{error}; or let the column colour the picture by --colour {column}")
        }
        _ => error.into(),
    }
}

/// Whether a model can be fitted to the table.
fn check(args: &Args, table: &Table) -> anyhow::Result<()> {
    let values = &table.values;
    anyhow::ensure!(values.rows >= 10, "expected at least 10 rows to learn from, found {}", values.rows);
    for j in 0..values.cols {
        anyhow::ensure!(
            (0..values.rows).any(|i| !values.row(i)[j].is_nan()),
            "{}: expected known cells, found none; leave it out by --ignore",
            table.describe(j)
        );
    }
    if args.counts {
        table.check_counts(LARGEST_COUNT, "leave out --counts")?;
    }
    let (clusters, rows) = (args.clusters, values.rows);
    anyhow::ensure!(
        clusters <= rows,
        "--clusters: expected at most {rows}, the number of rows, found {clusters}"
    );
    Ok(())
}

/// The table as the model sees it.
struct Cells {
    /// All cells, in the model's units; NaN where one is missing.
    x: Matrix<f32>,
    /// The cells that are hidden from the model, to tell how well gaps are filled.
    hidden: Vec<usize>,
    /// x without the hidden cells.
    holed: Matrix<f32>,
    /// To the model's units; counts stay as they are.
    standardizer: Option<Standardizer>,
    /// The spread of all cells of a column, the unit of errors.
    spread: Standardizer,
}

impl Cells {
    fn new(args: &Args, table: &Table) -> anyhow::Result<Self> {
        let values = &table.values;
        let known = values.values.iter().filter(|x| !x.is_nan()).count();
        let hidden = hide(values, known.div_ceil(10), 1, args.run.seed);
        anyhow::ensure!(
            !hidden.is_empty(),
            "expected a column with more than one known cell, found none; add rows or fill in cells"
        );
        let all: Vec<usize> = (0..values.rows).collect();
        let mut visible = values.values.to_vec();
        hidden.iter().for_each(|&cell| visible[cell] = f64::NAN);
        let refused = |error| table.locate(&error);
        let visible =
            Standardizer::fit(&Matrix::new(values.rows, values.cols, visible), &all).map_err(refused)?;
        let standardizer = (!args.counts).then_some(visible);
        for &j in standardizer.as_ref().map_or(&[][..], Standardizer::constant_columns) {
            errln!("note: {}: the same number everywhere, which tells a model nothing", table.describe(j));
        }
        let x = match &standardizer {
            Some(standardizer) => standardizer.narrow(values).map_err(refused)?,
            None => values.map(|x| x as f32),
        };
        let mut holed = x.values.to_vec();
        hidden.iter().for_each(|&cell| holed[cell] = f32::NAN);
        let holed = Matrix::new(x.rows, x.cols, holed);
        let spread = Standardizer::fit(values, &all).map_err(refused)?;
        Ok(Self { x, hidden, holed, standardizer, spread })
    }

    /// What prepares new rows as these were.
    fn preprocessing(&self, args: &Args, table: &Table, colour: Option<&Colour>) -> Preprocessing {
        Preprocessing {
            counts: args.counts.then_some(LARGEST_COUNT),
            scaling: self.standardizer.clone(),
            colour: colour.map(|colour| colour.name.clone()),
            ..Preprocessing::new(table, &(0..table.values.rows).collect::<Vec<_>>())
        }
    }

    /// How well hidden cells are filled.
    fn errors(&self, args: &Args, vae: &Vae, theta: &Arc<Vec<f32>>) -> Errors {
        let Self { x, hidden, holed, standardizer, spread } = self;
        let filled = vae.impute(theta, holed, imputation(args.samples), args.run.seed);
        let means = column_means(holed);
        let normal = self.by_normal(args);
        let rmse = |guess: &dyn Fn(usize) -> f32| {
            let unit = |cell: usize| standardizer.as_ref().map_or(1.0, |s| s.sd[cell % x.cols]);
            let scale = |cell: usize| spread.sd[cell % x.cols] / unit(cell);
            let square = |&cell: &usize| (f64::from(guess(cell) - x.values[cell]) / scale(cell)).powi(2);
            (hidden.iter().map(square).sum::<f64>() / hidden.len() as f64).sqrt()
        };
        Errors {
            means: rmse(&|cell| means[cell % x.cols]),
            normal: normal.map(|normal| rmse(&|cell| normal.values[cell])),
            model: rmse(&|cell| filled.values[cell]),
        }
    }

    /// The cells, those that are missing filled with their conditional mean under one normal distribution.
    fn by_normal(&self, args: &Args) -> Option<Matrix<f32>> {
        // The covariance of more columns takes more memory and time than the rest.
        const MOST_COLUMNS: usize = 1000;
        if self.x.cols > MOST_COLUMNS {
            errln!("no comparison with a normal distribution: it is for up to {MOST_COLUMNS} columns");
            return None;
        }
        let em = Em { rounds: if args.run.dry_run { 2 } else { 1000 }, tolerance: 1e-7 };
        let holed = self.holed.map(f64::from);
        // A prior that counts for one row keeps the covariance positive definite whatever the table.
        let filled = NormalModel::fit(&holed, 1.0, em).and_then(|fit| fit.model.impute(&holed));
        filled
            .inspect_err(|error| errln!("no comparison with a normal distribution: {error}"))
            .map(|filled| filled.map(|x| x as f32))
            .ok()
    }
}

/// Root mean square errors of filled cells, in standard deviations of their columns.
struct Errors {
    /// Of the means of the columns.
    means: f64,
    /// Of the conditional means of one normal distribution.
    normal: Option<f64>,
    model: f64,
}

impl Errors {
    fn table(&self) -> TextTable {
        let mut table = TextTable::new();
        let normal = self.normal.map(|error| ("conditional mean of one normal distribution", error));
        let rows = [("mean of the column", self.means)].into_iter().chain(normal);
        for (name, error) in rows.chain([("the model", self.model)]) {
            table.row([name, &format!("{error:.3}")]);
        }
        table
    }
}

/// The means of what is not missing.
fn column_means(x: &Matrix<f32>) -> Vec<f32> {
    let mean = |j: usize| {
        let known: Vec<f32> = (0..x.rows).map(|i| x.row(i)[j]).filter(|x| !x.is_nan()).collect();
        known.iter().sum::<f32>() / known.len().max(1) as f32
    };
    (0..x.cols).map(mean).collect()
}

/// A model with the latent dimension that fills cells of validation rows best; none if the user stopped training.
fn train(run: &Run<'_>, args: &Args, cells: &Cells) -> anyhow::Result<Option<(Vae, Trainer<f32>)>> {
    let (rows, cols) = (cells.holed.rows, cells.holed.cols);
    let validated = rows.div_ceil(10);
    let parts = split(rows, [rows - validated, validated], args.run.seed);
    let [learned, validated] = parts.map(|rows| cells.holed.select(&rows));
    // More dimensions than columns say nothing more.
    let most = cols.max(args.latent.iter().copied().min().unwrap_or(1));
    let sizes: Vec<usize> = args.latent.iter().copied().filter(|latent| *latent <= most).collect();
    let mut best: Option<(f64, Vae, Trainer<f32>)> = None;
    outln!("root mean square error of cells, filled from the rest of their row, in standard deviations");
    for &latent in &sizes {
        let part = (sizes.len() > 1).then(|| run.part(&format!("latent-{latent}"))).transpose()?;
        let run = part.as_ref().unwrap_or(run);
        let vae = model(args, cols, latent)?;
        let mut trainer = run.trainer(vae.layout()).clip_norm(100.0);
        let objective = |data| VaeObjective { samples: 4, ..VaeObjective::new(&vae, data) };
        let (mut training, mut validating) = (objective(&learned), objective(&validated));
        let schedule = Schedule::Cosine { epochs: args.run.epochs };
        let fit = Fit { schedule, patience: Some(args.patience), ..run.fit() };
        if run.train(&mut trainer, &mut training, Some(&mut validating), &fit)? == End::Stopped {
            return Ok(None);
        }
        let error = validation_error(args, &vae, trainer.theta(), &validated)?;
        outln!("{latent:3} latent dimensions, cells of validation rows: {error:.3}");
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, vae, trainer));
        }
    }
    if let Some((_, vae, _)) = best.as_ref().filter(|_| sizes.len() > 1) {
        outln!(
            "{} latent dimensions are taken; more than {cols}, the number of columns, are not tried",
            vae.latent()
        );
    }
    Ok(best.map(|(_, vae, trainer)| (vae, trainer)))
}

/// The root mean square error of the cells of these rows, each filled from nine tenths of its row, in standard deviations of
/// their columns.
fn validation_error(
    args: &Args,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    x: &Matrix<f32>,
) -> Result<f64, ScaleError> {
    const FOLDS: usize = 10;
    let spread = Standardizer::fit(&x.map(f64::from), &(0..x.rows).collect::<Vec<_>>())?.sd;
    let [order] = split(x.values.len(), [x.values.len()], args.run.seed);
    let (mut sum, mut count) = (0.0, 0.0);
    for fold in order.chunks(x.values.len().div_ceil(FOLDS)) {
        let mut holed = x.values.to_vec();
        fold.iter().for_each(|&cell| holed[cell] = f32::NAN);
        let filled =
            vae.impute(theta, &Matrix::new(x.rows, x.cols, holed), imputation(args.samples), args.run.seed);
        for &cell in fold.iter().filter(|cell| !x.values[**cell].is_nan()) {
            sum += (f64::from(filled.values[cell] - x.values[cell]) / spread[cell % x.cols]).powi(2);
            count += 1.0;
        }
    }
    Ok((sum / count).sqrt())
}

/// Networks with a linear path beside the hidden layer, so that the model contains factor analysis.
fn model(args: &Args, cols: usize, latent: usize) -> anyhow::Result<Vae> {
    let likelihood = match args.counts {
        true => Likelihood::NegativeBinomial,
        false => Likelihood::NormalDiagonal { start: 1.0 },
    };
    let usual = VaeConfig::new(cols, &[args.hidden], latent).with_phi(Nonlinearity::Tanh);
    let [encoder, decoder] =
        [usual.encoder.clone(), usual.decoder.clone()].map(NetworkConfig::with_linear_path);
    Ok(Vae::new(&VaeConfig { encoder, decoder, likelihood, ..usual })?)
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
