//! Applies a network that another example has trained. It trains nothing. Of `regress` it predicts new rows of a table:
//!
//!     cargo run --release -p nn --example nn_apply -- --model out/nn-regress --csv NEW
//!
//! Columns are matched by name, in any order; the target need not be there. Of `classify` it tells new images apart:
//!
//!     cargo run --release -p nn --example nn_apply -- --model out/nn-classify --images IMAGES
//!
//! IMAGES is an IDX file, or a folder of PNG and JPEG files or one of these; without it, the embedded digits,
//! if they have the model's size. Where images lie in subfolders with the names of the model's classes it is said how many are right.
//! Writes to `out/nn-apply/` `predictions.csv`: of a row the target as it was read, if it is there, the prediction, and `outside`, the
//! inputs that lie outside the range of the rows to train on; of an image its file and subfolder, if it has them, the class and the
//! probability of every class.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use autograd::Var;
use common::{Classes, Psi, largest};
use nn::data::{self, ImageFormat, Preprocessing, Target, label};
use nn::model::{MlpModel, Model, ModelFile, map_rows};
use nn::run::{
    Application, ApplyArgs, Counter, Csv, ImageStyle, NewImages, Output, Outside, TableArgs, check_row,
    counted,
};
use nn::{errln, outln};
use serde::de::IgnoredAny;

/// Applies a trained network to new rows of a table or to images
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    #[command(flatten)]
    #[serde(flatten)]
    style: ImageStyle,
    /// Predict the rows of this table, by a model of a table
    #[arg(long, value_name = "FILE")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
    /// Classify these images, by a model of images [default: the embedded digits]
    #[arg(long, value_name = "IMAGES")]
    #[serde(serialize_with = "nn::run::path_text")]
    images: Option<PathBuf>,
}

fn main() -> ExitCode {
    nn::run::apply("out/nn-apply", |args: Args| args.apply.in_pool(|| apply(&args))?)
}

fn apply(args: &Args) -> anyhow::Result<()> {
    let file = args.apply.load()?;
    file.check_kind(MlpModel::KIND)?;
    let path = args.apply.model.display();
    if file.get::<IgnoredAny>(Classes::ENTRY).is_ok() {
        ensure!(args.csv.is_none(), "{path}: a model of images: give them by --images, and no --csv");
        args.format.without_table()?;
        return classify(args, &file);
    }
    ensure!(args.images.is_none(), "{path}: a model of a table: give new rows by --csv, and no --images");
    args.style.without_images()?;
    let csv = args
        .csv
        .as_ref()
        .ok_or_else(|| anyhow::anyhow!("{path}: a model of a table: give new rows by --csv"))?;
    predict(args, &file, csv)
}

fn predict(args: &Args, file: &ModelFile, csv: &Path) -> anyhow::Result<()> {
    let (network, theta) = MlpModel::from_file::<f64>(file)?;
    let preprocessing = Preprocessing::of_file(file, network.inputs())?;
    let (Some(_), Some(Target { name, scaling: to_y })) = (&preprocessing.scaling, &preprocessing.target)
    else {
        return Err(file.fault(Preprocessing::ENTRY, "expected scales of inputs and target").into());
    };
    let mut reader = args.format.open(csv, &preprocessing, false, &[name])?;
    let target = reader.names().iter().position(|column| column == name);
    let run = Application::open(&args.apply, args)?;
    let known = target.map(|_| "target");
    let mut table = Csv::new(["row"].into_iter().chain(known).chain(["prediction", "outside"]));
    let (mut output, progress) = (Output::begin(run.file("predictions.csv"))?, Counter::new("rows", 0));
    let (mut rows, mut outside, mut scored, mut error) = (0, Outside::default(), 0, 0.0_f64);
    let mut notes = Vec::new();
    // The network computes 128 rows at a time.
    while let Some(part) = reader.read(if args.apply.dry_run { 16 } else { 4096 })? {
        notes = part.notes();
        let inputs = preprocessing.inputs_of(&part)?;
        let y = map_rows(&theta, &preprocessing.apply(&inputs)?, 1, |theta, x| network.apply(theta, x));
        let y = to_y.invert(&y);
        for i in 0..part.values.rows {
            rows += 1;
            check_row(rows, [y.values[i]])?;
            let beyond = outside.cell(&preprocessing, inputs.values.row(i));
            let row = [rows.to_string()].into_iter().chain(target.map(|j| part.pointed(i, j)));
            table.row(row.chain([y.values[i].to_string(), beyond]));
            if let Some(j) = target {
                let truth = part.values.row(i)[j];
                if !truth.is_nan() {
                    scored += 1;
                    error = error.hypot(truth - y.values[i]);
                } else if !part.is_missing(i, j) {
                    return Err(part.refuse(i, j, "a finite number", "correct it, or leave it empty").into());
                }
            }
        }
        output.write(&table.take())?;
        progress.at(rows, reader.share());
        if args.apply.dry_run {
            break;
        }
    }
    drop(progress);
    notes.iter().for_each(|note| errln!("note: {note}"));
    ensure!(rows > 0, "{}: holds no rows below its header", csv.display());
    output.finish()?;
    outln!("{} predicted, in units of {name}", counted(rows, "row"));
    outside.print();
    let mut results = vec![("rows", rows as f64), ("outside", outside.rows() as f64)];
    if scored > 0 {
        let rmse = error / (scored as f64).sqrt();
        outln!("root mean square error of {}: {rmse:.3}", counted(scored, "row"));
        results.push(("rmse", rmse));
    }
    Ok(run.finish(&results)?)
}

fn classify(args: &Args, file: &ModelFile) -> anyhow::Result<()> {
    let (network, theta): (MlpModel, Arc<Vec<f32>>) = MlpModel::from_file(file)?;
    let format = ImageFormat::of_file(file, network.inputs())?;
    let Classes { names, psi } = file.get(Classes::ENTRY)?;
    if names.len() != network.outputs() {
        let reason = format!("expected {} names, found {}", network.outputs(), names.len());
        return Err(file.fault(Classes::ENTRY, &reason).into());
    }
    let NewImages { mut images, files, classes } = read(args, &format)?;
    if args.apply.dry_run {
        images = images.select(&(0..images.rows.min(16)).collect::<Vec<_>>());
    }
    let run = Application::open(&args.apply, args)?;
    let probabilities = map_rows(&theta, &images, names.len(), |theta, x| {
        let logits: Var<'_, f32> = network.apply(theta, x);
        match psi {
            Psi::Softmax => logits.softmax_axis(1),
            Psi::Sigmoid => logits.sigmoid(),
        }
    });
    let known = [("file", !files.is_empty()), ("target", !classes.is_empty())];
    let known = known.into_iter().filter(|(_, known)| *known).map(|(name, _)| name.to_owned());
    let columns = names.iter().map(|name| format!("p({name})"));
    let mut csv =
        Csv::new(["row".to_owned()].into_iter().chain(known).chain(["class".to_owned()]).chain(columns));
    let (mut counts, mut scored, mut right) = (vec![0; names.len()], 0, 0);
    for i in 0..images.rows {
        let p = probabilities.row(i);
        check_row(i + 1, p.iter().copied())?;
        counts[largest(p)] += 1;
        let row =
            [(i + 1).to_string()].into_iter().chain(files.get(i).map(|file| file.display().to_string()));
        let target = classes.get(i);
        if target.is_some_and(|target| names.contains(target)) {
            scored += 1;
            right += usize::from(target == Some(&names[largest(p)]));
        }
        let row = row.chain(target.cloned());
        csv.row(row.chain([names[largest(p)].clone()]).chain(p.iter().map(f32::to_string)));
    }
    csv.save(&run.file("predictions.csv"))?;
    let counts = names.iter().zip(&counts).filter(|(_, count)| **count > 0);
    let counts = counts.map(|(name, count)| format!("{name} ({count})")).collect::<Vec<_>>().join(", ");
    outln!("{}: {counts}", counted(images.rows, "image"));
    let unknown: BTreeSet<&String> = classes.iter().filter(|class| !names.contains(class)).collect();
    if !unknown.is_empty() {
        let unknown = unknown.into_iter().map(|name| label(name)).collect::<Vec<_>>().join(", ");
        let known = names.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ");
        errln!("note: subfolders that are no classes of the model: {unknown}; it has {known}");
    }
    let mut results = vec![("images", images.rows as f64)];
    if scored > 0 {
        let accuracy = right as f64 / scored as f64;
        let se = (accuracy * (1.0 - accuracy) / scored as f64).sqrt();
        outln!(
            "{right} of {} in a subfolder of the model's classes are right: {:.1} ± {:.1} %",
            counted(scored, "image"),
            100.0 * accuracy,
            100.0 * se
        );
        results.extend([("scored", scored as f64), ("accuracy", accuracy), ("accuracy_se", se)]);
    }
    Ok(run.finish(&results)?)
}

/// Images of the model's size: those of a file or folder, or the embedded ones.
fn read(args: &Args, format: &ImageFormat) -> anyhow::Result<NewImages> {
    if let Some(path) = &args.images {
        return Ok(args.style.read_for(path, format)?);
    }
    args.style.without_images()?;
    let digits = data::digits();
    let [height, width] = [format.height, format.width];
    let fits = [digits.height, digits.width] == [height, width];
    ensure!(fits, "expected images of {height}x{width} pixels: name their file or folder by --images");
    Ok(NewImages { images: format.apply(digits.images), files: Vec::new(), classes: Vec::new() })
}
