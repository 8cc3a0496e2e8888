//! A variational autoencoder of a table of numbers or counts, with gaps or without, such as genes or sensors:
//!
//!     cargo run --release -p vae --example table
//!     cargo run --release -p vae --example table -- --counts --clusters 10
//!     cargo run --release -p vae --example table -- --csv FILE --colour COLUMN
//!
//! Every row gets latent coordinates and an anomaly score, −log p(x); every gap (an empty cell, NA, NaN or ?) its expectation
//! given the rest of the row. A tenth of the known cells is hidden while it learns, to say how well that goes. The score of a
//! row has a term for each of its observed cells: rows are compared by the score per cell. The column that colours the picture,
//! text or numbers, is not shown to the model. Without `--csv` the table is an embedded one: diabetes patients, or of counts the
//! handwritten digits, how many of 16 dots are black in each of 64 blocks. Writes to `out/vae-table/`: `rows.csv` (coordinates,
//! cluster, score, observed cells, colour), `imputed.csv`, and pictures.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use nn::Nonlinearity;
use nn::data::table::{self, TableOptions};
use nn::data::{Matrix, Standardizer, Table, embedded, split};
use nn::optim::{Optimizer, Rule};
use nn::picture::Figure;
use nn::run::{Defaults, Run, RunArgs, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{End, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Config, Images, Imputation, Likelihood, Vae, adjusted_rand_index, k_means};

/// Larger counts are refused: the model's rates end at e¹⁵, about 3 million.
const LARGEST_COUNT: f64 = 1e6;
/// The legend of the picture has room for no more.
const MANY_CLASSES: usize = 20;

/// Fits a variational autoencoder to a table: latent coordinates, filled gaps, anomaly scores
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// The table: cells separated by commas, semicolons, tabs or blanks, with or without a header [default: embedded]
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The column that colours the picture, text or numbers, by name or number; the model does not see it [default: of the
    /// embedded tables progression and digit, else none]
    #[arg(long, value_name = "COLUMN")]
    colour: Option<String>,
    /// The cells are counts, up to a million: a negative binomial likelihood instead of a normal one
    #[arg(long)]
    counts: bool,
    /// Dimensions of the latent space; the picture shows the first two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole)]
    latent: usize,
    /// Width of the hidden layers
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole)]
    hidden: usize,
    /// Clusters to look for in the latent space
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = whole)]
    clusters: usize,
    /// Stop after so many epochs without a better bound of the validation rows
    #[arg(long, value_name = "N", default_value_t = 60)]
    patience: usize,
    /// Draws of z for each row in imputation and score
    #[arg(long, value_name = "N", default_value_t = 1000,
        default_value_if("dry_run", "true", "2"), value_parser = whole)]
    samples: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-table", epochs: 600, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| fit(&args))?)
}

/// The column that colours the picture.
struct Colour {
    name: String,
    position: usize,
    /// As they were read.
    cells: Vec<String>,
    /// NaN where one is missing; none if a cell is text.
    numbers: Option<Vec<f64>>,
}

/// The embedded digits as counts: each pixel is how many dots of a block of 4 x 4 are black.
fn dots() -> Table {
    let digits = embedded::digits();
    let place = |i: usize| format!("row {} column {}", i / digits.width + 1, i % digits.width + 1);
    let names = (0..digits.images.cols).map(place).chain(["digit".to_owned()]);
    let cells = digits.images.values.chunks_exact(digits.images.cols).zip(&digits.labels);
    let counts = cells.flat_map(|(image, &label)| {
        image.iter().map(|grey| (f64::from(*grey) * 16.0).round()).chain([f64::from(label)])
    });
    let (rows, cols) = (digits.len(), digits.images.cols + 1);
    Table { names: names.collect(), values: Matrix::new(rows, cols, counts.collect()) }
}

/// The table without the column of the colour, and that one.
fn read(args: &Args) -> anyhow::Result<(Table, Option<Colour>)> {
    anyhow::ensure!(args.run.data.is_none(), "this example takes --csv FILE, not --data");
    let options = TableOptions { missing: true, ..TableOptions::default() };
    let (table, colour, cells) = match (&args.csv, args.colour.as_deref()) {
        (Some(file), None) => return Ok((table::read(file, &options)?, None)),
        (Some(file), Some(colour)) => {
            let (table, cells) = table::read_with_text(file, colour, &options)?;
            (table, colour, cells)
        }
        (None, colour) => {
            let (table, usual) =
                if args.counts { (dots(), "digit") } else { (embedded::diabetes(), "progression") };
            let colour = colour.unwrap_or(usual);
            let cells = table.column(colour)?.iter().map(f64::to_string).collect();
            (table, colour, cells)
        }
    };
    let position = table.position(colour)?;
    let (rest, column) = table.split_target(colour)?;
    anyhow::ensure!(!rest.names.is_empty(), "--colour {colour}: the table has no other column");
    let is_number = |(cell, x): (&String, &f64)| !x.is_nan() || table::is_missing(cell);
    let numbers = cells.iter().zip(&*column.values).all(is_number).then(|| column.values.to_vec());
    Ok((rest, Some(Colour { name: table.names[position].clone(), position, cells, numbers })))
}

/// Whether a model can be fitted to the table.
fn check(args: &Args, table: &Table) -> anyhow::Result<()> {
    let (values, names) = (&table.values, &table.names);
    anyhow::ensure!(
        values.rows >= 10,
        "{} rows are too few to learn from; at least 10 are wanted",
        values.rows
    );
    for (j, name) in names.iter().enumerate() {
        let mut column = (0..values.rows).map(|i| values.row(i)[j]).filter(|x| !x.is_nan()).peekable();
        anyhow::ensure!(column.peek().is_some(), "column {name}: all of it is missing; leave it out");
        for x in column.filter(|_| args.counts) {
            anyhow::ensure!(
                x >= 0.0 && x.fract() == 0.0,
                "column {name}: {x}: not a count; leave out --counts"
            );
            anyhow::ensure!(
                x <= LARGEST_COUNT,
                "column {name}: {x}: counts above {LARGEST_COUNT} are out of the model's reach; divide the column by a \
                 power of ten and round, or leave out --counts"
            );
        }
    }
    anyhow::ensure!(args.clusters <= values.rows, "--clusters {}: more than rows", args.clusters);
    Ok(())
}

fn fit(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let (table, colour) = read(args)?;
    check(args, &table)?;
    let hidden = hide(&table.values, args.run.seed);
    anyhow::ensure!(
        !hidden.is_empty(),
        "no column has more than one known cell: nothing is left to learn from; add rows or fill in cells"
    );
    let run = Run::open(&args.run, args)?;
    // The unit of errors is the spread of all cells; what the model sees is scaled by that of the visible ones. Counts stay
    // as they are.
    let all: Vec<usize> = (0..table.values.rows).collect();
    let spread = Standardizer::fit(&table.values, &all);
    let mut visible = table.values.values.to_vec();
    hidden.iter().for_each(|&cell| visible[cell] = f64::NAN);
    let visible = Standardizer::fit(&Matrix::new(table.values.rows, table.values.cols, visible), &all);
    let standardizer = (!args.counts).then_some(&visible);
    for &j in standardizer.map_or(&[][..], Standardizer::constant_columns) {
        eprintln!("column {}: the same number everywhere, which tells a model nothing", table.names[j]);
    }
    let scaled = standardizer.map_or_else(|| table.values.clone(), |s| s.apply(&table.values));
    let x = scaled.map(|x| x as f32);

    let mut holed = x.values.to_vec();
    hidden.iter().for_each(|&cell| holed[cell] = f32::NAN);
    let holed = Matrix::new(x.rows, x.cols, holed);

    let validated = x.rows.div_ceil(10);
    let parts = split(x.rows, [x.rows - validated, validated], args.run.seed).map(|rows| holed.select(&rows));
    let likelihood = if args.counts { Likelihood::NegativeBinomial } else { Likelihood::NormalLearned };
    let phi = Nonlinearity::Tanh;
    let vae = Vae::new(&Config { phi, likelihood, ..Config::new(x.cols, &[args.hidden], args.latent) });
    let theta = vae.layout().init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len()).clip_norm(100.0);
    let mut trainer = Trainer::new(theta, optimizer, args.run.seed);
    let objective = |data, samples| Images { samples, ..Images::new(&vae, data) };
    let end = run
        .train(
            vae.layout(),
            &mut trainer,
            (&objective(&parts[0], 4), args.run.rows(parts[0].rows)),
            Some((&objective(&parts[1], 4), args.run.rows(parts[1].rows))),
            (Schedule::Cosine { epochs: args.run.epochs }, Some(args.patience)),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }
    let theta = trainer.theta().clone();

    // How well hidden cells are filled, in units of a column's spread.
    let how = Imputation::Importance { samples: args.samples };
    let guessed = vae.impute(&theta, &holed, how, args.run.seed);
    let means = column_means(&holed);
    let rmse = |guess: &dyn Fn(usize) -> f32| {
        let unit = |cell: usize| standardizer.map_or(1.0, |standardizer| standardizer.sd[cell % x.cols]);
        let scale = |cell: usize| spread.sd[cell % x.cols] / unit(cell);
        let square = |&cell: &usize| (f64::from(guess(cell) - x.values[cell]) / scale(cell)).powi(2);
        (hidden.iter().map(square).sum::<f64>() / hidden.len() as f64).sqrt()
    };
    let (rmse, rmse_mean) = (rmse(&|cell| guessed.values[cell]), rmse(&|cell| means[cell % x.cols]));
    println!("{} rows, {} columns, {} cells hidden for a test", x.rows, x.cols, hidden.len());
    println!("root mean square error of hidden cells, in standard deviations of their columns");
    println!("  filled with the column's mean {rmse_mean:.3}, by the model {rmse:.3}");

    let filled = vae.impute(&theta, &x, how, args.run.seed).map(f64::from);
    let filled = standardizer.map_or_else(|| filled.clone(), |s| s.invert(&filled));
    let scores: Vec<f64> = vae
        .log_likelihood_of_rows(&theta, &x, args.samples, args.run.seed)
        .iter()
        .map(|row| -row.mean)
        .collect();
    let codes = vae.codes(&theta, &x).0;
    let clusters = k_means(&codes, args.clusters, 10, args.run.seed);
    let observed: Vec<usize> = (0..x.rows).map(|i| x.row(i).iter().filter(|x| !x.is_nan()).count()).collect();
    write_rows(&run.folder.file("rows.csv"), &codes, &clusters, (&scores, &observed), colour.as_ref())
        .context("rows.csv")?;
    write_table(&run.folder.file("imputed.csv"), &table, &filled, colour.as_ref()).context("imputed.csv")?;

    let mut results = vec![
        ("rmse_hidden", rmse),
        ("rmse_mean", rmse_mean),
        ("nll", scores.iter().sum::<f64>() / scores.len() as f64),
        ("gaps", x.values.iter().filter(|x| x.is_nan()).count() as f64),
    ];
    let (classes, names) = match &colour {
        Some(colour) => classes(colour),
        None => (clusters.clone(), (1..=args.clusters).map(|cluster| format!("cluster {cluster}")).collect()),
    };
    if let Some(Colour { name, .. }) = &colour {
        let agreement = adjusted_rand_index(&clusters, &classes);
        println!("{} clusters agree with {name} by an adjusted Rand index of {agreement:.3}", args.clusters);
        results.push(("adjusted_rand_index", agreement));
    }
    // A score has a term for each observed cell: as it is, it does not compare rows with gaps to those without.
    let mut strange: Vec<(usize, f64)> = (0..x.rows)
        .filter(|&row| observed[row] > 0)
        .map(|row| (row, scores[row] / observed[row] as f64))
        .collect();
    strange.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let strangest: Vec<String> =
        strange.iter().take(5).map(|(row, score)| format!("{} ({score:.2})", row + 1)).collect();
    println!("the strangest rows, with −log p(x) per observed cell in nats: {}", strangest.join(", "));

    if args.latent > 1 {
        let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
        Figure::new("Latent space: means of q(z|x) of the rows")
            .axes("z₁", "z₂")
            .legend(colour.as_ref().map_or("", |colour| &colour.name))
            .classes(names, points.zip(classes))
            .save(&run.folder.file("latent.png"))?;
    }
    histogram(strange.iter().map(|(_, score)| *score)).save(&run.folder.file("scores.png"))?;
    common::loss_figure(&trainer).save(&run.folder.file("loss.png"))?;
    println!("rows.csv, imputed.csv, pictures and checkpoint are in {}", args.run.out.display());
    results.push(("seconds", started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}

/// The cells that are hidden from the model, to tell how well gaps are filled: a tenth of the known ones at random, but one
/// of each column stays.
fn hide(values: &Matrix<f64>, seed: u64) -> Vec<usize> {
    let cells = values.values.len();
    let is_known = |cell: &usize| !values.values[*cell].is_nan();
    let mut left = vec![0; values.cols];
    (0..cells).filter(is_known).for_each(|cell| left[cell % values.cols] += 1);
    let tenth = left.iter().sum::<usize>().div_ceil(10);
    let [order] = split(cells, [cells], seed);
    let is_spare = |cell: &usize| {
        left[cell % values.cols] -= 1;
        left[cell % values.cols] > 0
    };
    order.into_iter().filter(is_known).filter(is_spare).take(tenth).collect()
}

/// Of what is not missing.
fn column_means(x: &Matrix<f32>) -> Vec<f32> {
    let mean = |j: usize| {
        let known: Vec<f32> = (0..x.rows).map(|i| x.row(i)[j]).filter(|x| !x.is_nan()).collect();
        known.iter().sum::<f32>() / known.len().max(1) as f32
    };
    (0..x.cols).map(mean).collect()
}

/// A class for each row: the column's texts, or its numbers if they are few, otherwise their quarters.
fn classes(Colour { name, cells, numbers, .. }: &Colour) -> (Vec<usize>, Vec<String>) {
    let (classes, mut names) = match numbers {
        Some(numbers) => classes_of_numbers(numbers),
        None => {
            let known: BTreeSet<&String> = cells.iter().filter(|cell| !table::is_missing(cell)).collect();
            let distinct: Vec<&String> = known.into_iter().collect();
            if distinct.len() > MANY_CLASSES {
                let is_text = |cell: &&&String| !cell.parse().is_ok_and(f64::is_finite);
                let (texts, first) = (distinct.len(), distinct.iter().find(is_text).map(|text| short(text)));
                eprintln!(
                    "column {name}: {texts} different texts are more than the legend has room for; if they should be \
                     numbers, correct {:?}",
                    first.unwrap_or_default()
                );
            }
            let class = |cell| distinct.binary_search(&cell).unwrap_or(distinct.len());
            (cells.iter().map(class).collect(), distinct.iter().map(|text| short(text)).collect())
        }
    };
    if classes.contains(&names.len()) {
        names.push("missing".to_owned());
    }
    (classes, names)
}

/// The beginning of a text: a long one would leave the picture no room beside its legend.
fn short(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What is missing has the class behind the last name.
fn classes_of_numbers(column: &[f64]) -> (Vec<usize>, Vec<String>) {
    let mut sorted: Vec<f64> = column.iter().copied().filter(|x| !x.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= 10 {
        let class = |x: &f64| distinct.iter().position(|d| d == x).unwrap_or(distinct.len());
        return (column.iter().map(class).collect(), distinct.iter().map(f64::to_string).collect());
    }
    let cuts: Vec<f64> = (1..4).map(|i| sorted[i * sorted.len() / 4]).collect();
    let class = |x: &f64| if x.is_nan() { 4 } else { cuts.iter().filter(|cut| x >= *cut).count() };
    let ends = [&[sorted[0]], &cuts[..], &[sorted[sorted.len() - 1]]].concat();
    let names = ends.windows(2).map(|e| format!("{} to {}", e[0], e[1])).collect();
    (column.iter().map(class).collect(), names)
}

fn histogram(scores: impl Iterator<Item = f64> + Clone) -> Figure {
    const BINS: usize = 40;
    let (low, high) = scores
        .clone()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (score.min(low), score.max(high)));
    let width = ((high - low) / BINS as f64).max(1e-9);
    let mut counts = [0.0; BINS];
    scores.for_each(|score| counts[(((score - low) / width) as usize).min(BINS - 1)] += 1.0);
    Figure::new("Anomaly scores").axes("−log p(x) per observed cell, nats", "rows").bars(
        "rows",
        width,
        counts.iter().enumerate().map(|(i, count)| (low + (i as f64 + 0.5) * width, *count)),
    )
}

fn write_rows(
    file: &Path,
    codes: &Matrix<f32>,
    clusters: &[usize],
    (scores, observed): (&[f64], &[usize]),
    colour: Option<&Colour>,
) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    let names: Vec<String> = (1..=codes.cols).map(|j| format!("z{j}")).collect();
    let last = colour.map_or(String::new(), |colour| format!(",{}", quoted(&colour.name)));
    writeln!(out, "row,{},cluster,score,observed{last}", names.join(","))?;
    for i in 0..codes.rows {
        let z: Vec<String> = codes.row(i).iter().map(f32::to_string).collect();
        let last = colour.map_or(String::new(), |colour| format!(",{}", quoted(&colour.cells[i])));
        writeln!(out, "{},{},{},{},{}{last}", i + 1, z.join(","), clusters[i] + 1, scores[i], observed[i])?;
    }
    out.flush()
}

/// The table as it was read, its gaps filled, but for those of the colour.
fn write_table(
    file: &Path,
    table: &Table,
    filled: &Matrix<f64>,
    colour: Option<&Colour>,
) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    let mut write = |mut cells: Vec<String>, text: &dyn Fn(&Colour) -> &String| {
        if let Some(colour) = colour {
            cells.insert(colour.position, text(colour).clone());
        }
        writeln!(out, "{}", cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","))
    };
    write(table.names.clone(), &|colour| &colour.name)?;
    for i in 0..filled.rows {
        let cells = table.values.row(i).iter().zip(filled.row(i));
        let cells = cells.map(|(x, f)| if x.is_nan() { *f } else { *x }.to_string()).collect();
        write(cells, &|colour| &colour.cells[i])?;
    }
    out.flush()
}

fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}
