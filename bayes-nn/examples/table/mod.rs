//! A table: a network learns one column from the others, and says how certain it is of rows that were held out.

pub(crate) mod classes;
mod inputs;
mod scores;

use anyhow::{Context, ensure};
use bayes_nn::{BayesMlpConfig, ClassPredictive, Likelihood, Predictive, Sampling, WeightPrior};
use nn::data::{Matrix, Standardizer, Table, counts};
use nn::errln;
use nn::picture::Figure;
use nn::run::{Csv, Run, RunArgs, counted, single};
use rayon::prelude::*;

use crate::common::{self, Fitted, Rows};
use crate::{Args, Named, gaps};
use inputs::Inputs;
use scores::Split;

/// Learns a number or a count.
pub(crate) fn learn(args: &Args, table: &Table, target: &str) -> anyhow::Result<()> {
    let column = table.position(target)?;
    let target = &*table.names[column];
    let y = table.values.columns(&[column]);
    if let Some(row) = y.values.iter().position(|y| y.is_nan()) {
        let advice = match table.is_missing(row, column) {
            true => gaps::ADVICE,
            false => "the target is a number unless --likelihood says categorical",
        };
        return Err(table.refuse(row, column, "a finite number", advice).into());
    }
    if args.likelihood.likelihood().is_of_counts() {
        let advice = "correct the cell, or choose a --likelihood of numbers";
        table.columns(&[column]).check_counts(MOST, advice)?;
    }
    let inputs = Inputs::new(args, table, column)?;
    let first = first_split(args, &inputs, &y)?;
    // Says where a cell is that cannot be scaled.
    for part in [&first.inputs.table, &table.columns(&[column])] {
        let all = &part.values;
        let scaled =
            Standardizer::fit(all, &first.train_numbers).and_then(|scaling| scaling.narrow::<f32>(all));
        scaled.map_err(|error| part.locate(&error))?;
    }
    say_inputs(args, &first)?;

    let run = Run::open(&args.run, args)?.documented("bayes-nn", "A curve with a gap in the data");
    let config = config(args, &first.train, choose(args, &first));
    let names = Named {
        inputs: first.inputs.preprocessing.clone(),
        target: target.to_owned(),
        classes: Vec::new(),
        embedded: "the embedded diabetes table",
    };
    let Some(fitted) = crate::fit(&run, args, &config, &first.train, Some(&first.held_out), names)? else {
        return Ok(());
    };
    let predictive = fitted.predict(&first.held_out.x)?;
    write_predictions(&run, &fitted, table, column, &first)
        .context("the predictions could not be written")?;
    observed_against_predicted(target, &first.held_out.y, &predictive).save(&run.picture(
        "predictions.png",
        "Rows that were held out: what was observed over what was predicted. The band is where an observation should lie with 90 % \
        probability: nine of ten points should be in it (lecture 000, \"More details for the regression case\")",
    ))?;

    let title = format!("Held-out rows: what was predicted of {target}, and what was observed");
    run.explore(common::intervals(&title, &first.held_out.y, &predictive));

    let further = (1..args.splits).into_par_iter().map(|number| {
        let split = Split::new(args, &inputs, &y, number)?;
        let fitted = fit(args, &split.train, choose(args, &split), split.seed)?;
        split.score(args, &fitted)
    });
    let further: anyhow::Result<Vec<_>> = further.collect();
    let mut splits = vec![first.score(args, &fitted)?];
    splits.extend(further.context("a further split; --splits 1 leaves them out")?);
    scores::report(&run, args.likelihood.likelihood(), target, first.train.x.rows, &splits)
}

/// The largest count, as of a column of counts: the model's rates end at e¹⁵, about 3 million.
const MOST: f64 = 1e6;

/// The first split, if there are inputs and rows to hold out.
fn first_split(args: &Args, inputs: &Inputs, y: &Matrix<f64>) -> anyhow::Result<Split> {
    let first = Split::new(args, inputs, y, 0)?;
    ensure!(!first.inputs.table.names.is_empty(), "the table has no column but the target");
    ensure!(
        !first.numbers.is_empty(),
        "the table has {}: too few to hold any out; give more, or --validation",
        counted(y.rows, "row")
    );
    Ok(first)
}

/// Says what a user should know of the inputs of the first split.
fn say_inputs(args: &Args, first: &Split) -> anyhow::Result<()> {
    first.inputs.say_kinds();
    let names = first.inputs.names();
    for &j in first.train.scaling(args.likelihood.likelihood())?.constant_inputs() {
        errln!("note: {} does not vary over the rows to train on and tells nothing", names[j]);
    }
    first.inputs.note_of_unseen().iter().for_each(|note| errln!("note: {note}"));
    Ok(())
}

/// What is fitted to a table.
#[derive(Clone, Copy)]
enum Shape {
    /// Without hidden units, θ ~ N(0, I).
    Line,
    /// A line and a network of so many hidden units, with scales of the prior that are learned: the bound can switch the network off.
    LineAndNetwork(usize),
    /// A network of so many hidden units, θ ~ N(0, I).
    Network(usize),
}

fn config(args: &Args, train: &Rows, shape: Shape) -> BayesMlpConfig {
    let (hidden, prior, modes) = match shape {
        Shape::Line => (vec![], WeightPrior::Normal { sigma: vec![1.0] }, 1),
        Shape::LineAndNetwork(hidden) => (vec![hidden], WeightPrior::Learned, args.modes),
        Shape::Network(hidden) => (vec![hidden], WeightPrior::Normal { sigma: vec![1.0] }, args.modes),
    };
    BayesMlpConfig {
        likelihood: args.likelihood.likelihood(),
        outputs: train.y.cols,
        linear: matches!(shape, Shape::LineAndNetwork(_)),
        prior,
        modes,
        ..BayesMlpConfig::new(train.x.cols, &hidden)
    }
}

fn fit(args: &Args, train: &Rows, shape: Shape, seed: u64) -> anyhow::Result<Fitted> {
    let run = RunArgs { seed, ..args.run.clone() };
    common::fit(&run, &config(args, train, shape), Sampling::default(), train, args.steps, args.draws)
}

fn predict_classes(fitted: &Fitted, x: &Matrix<f64>) -> anyhow::Result<ClassPredictive> {
    let x = fitted.scaling.inputs(x).context("the rows to predict")?;
    Ok(fitted.model.predict_classes(&fitted.draws, &x))
}

/// Σ log p(y|x) of rows that were not seen.
fn log_likelihood(fitted: &Fitted, rows: &Rows) -> anyhow::Result<f64> {
    let y = &rows.y.values;
    Ok(match fitted.model.config().likelihood {
        Likelihood::Categorical => {
            let log_p = predict_classes(fitted, &rows.x)?.log_probabilities();
            log_p.values.iter().zip(y.iter()).map(|(log_p, y)| log_p * y).sum()
        }
        _ => fitted.predict(&rows.x)?.log_density(y).iter().sum(),
    })
}

/// The shape that makes a fifth of the rows to train on more likely, after training on the others: a line and a small network, or a
/// large one.
fn choose(args: &Args, split: &Split) -> Shape {
    let (train, seed) = (&split.train, split.seed);
    let [rest, held_out] = nn::data::split(train.x.rows, counts(train.x.rows, [0.8, 0.2]), seed);
    let (rest, held_out) = (train.select(&rest), train.select(&held_out));
    let likely = |shape| log_likelihood(&fit(args, &rest, shape, seed)?, &held_out);
    let hidden = |usual| args.hidden.unwrap_or(usual);
    let [simple, rich] = [Shape::LineAndNetwork(hidden(10)), Shape::Network(hidden(50))];
    match [simple, rich].map(likely) {
        [Ok(of_simple), Ok(of_rich)] if of_rich > of_simple => rich,
        // Rows that are too few to hold any out, or all alike, need no more.
        _ => simple,
    }
}

fn observed_against_predicted(target: &str, observed: &Matrix<f64>, predictive: &Predictive) -> Figure {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = observed.values.iter().fold(ends, |a, &y| (a.0.min(y), a.1.max(y)));
    let means = predictive.mean();
    let ends = predictive.quantile(0.05).into_iter().zip(predictive.quantile(0.95));
    let mut intervals: Vec<_> =
        means.iter().zip(ends).map(|(&mean, (low, high))| (mean, low, high)).collect();
    intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
    Figure::new("Rows held out: observed against predicted")
        .axes(&format!("predicted {target}"), &format!("observed {target}"))
        .band("90 % intervals", intervals)
        .line("equal", [(low, low), (high, high)])
        .classes(["rows"], means.iter().zip(observed.values.iter()).map(|(&mean, &y)| ((mean, y), 0)))
}

/// Writes a row for each row of the table: its number, counted from 1, its part, the target as it was read, and what is
/// predicted of it.
fn write_predictions(
    run: &Run<'_>,
    fitted: &Fitted,
    table: &Table,
    target: usize,
    split: &Split,
) -> anyhow::Result<()> {
    let header = ["row", "part", "target", "mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q95"];
    let mut csv = Csv::new(header);
    let (count, part) = (table.values.rows, split.parts());
    // Some rows at a time: a prediction holds every draw of every row.
    for first in (0..count).step_by(4096) {
        let numbers: Vec<usize> = (first..count.min(first + 4096)).collect();
        let p = fitted.predict(&split.x.select(&numbers))?;
        let columns =
            [p.mean(), p.sd(), p.epistemic_sd(), p.aleatoric_sd(), p.quantile(0.05), p.quantile(0.95)];
        for (i, row) in numbers.into_iter().enumerate() {
            let cells = columns.iter().map(|column| single(column[i]).to_string());
            let row = [(row + 1).to_string(), part[row].to_owned(), table.pointed(row, target)];
            csv.row(row.into_iter().chain(cells));
        }
    }
    csv.save(&run.file("predictions.csv"))?;
    Ok(())
}
