//! A table: a network learns one column from the others, and says how certain it is of rows that were held out.

mod scores;

use anyhow::{Context, ensure};
use bayes_nn::{BayesMlpConfig, Likelihood, Predictive, Sampling, Scaling};
use nn::data::{Matrix, Preprocessing, Standardizer, Table, counts};
use nn::errln;
use nn::picture::Figure;
use nn::run::{Csv, Run, RunArgs, single};
use rayon::prelude::*;

use crate::common::{self, Fitted, Rows};
use crate::{Args, Named};
use scores::Split;

pub(crate) fn learn(args: &Args, table: &Table, target: &str) -> anyhow::Result<()> {
    let (inputs, y) = table.split_target(target)?;
    let (names, rows) = (&inputs.names, Rows { x: inputs.values.clone(), y });
    ensure!(!names.is_empty(), "the table has no column but the target");
    let first = Split::new(args, &rows, 0);
    ensure!(
        !first.numbers.is_empty(),
        "the table has {} rows: too few to hold any out; give more, or --validation",
        rows.x.rows
    );
    let (all, column) = (&table.values, table.position(target)?);
    let scaled = Standardizer::fit(all, &first.train_numbers).and_then(|scaling| scaling.narrow::<f32>(all));
    scaled.map_err(|error| table.locate(&error))?;
    for &j in Scaling::fit(&first.train.x, &first.train.y)?.constant_inputs() {
        errln!("note: {} does not vary over the rows to train on and tells nothing", names[j]);
    }

    let run = Run::open(&args.run, args)?.documented("bayes-nn", "A curve with a gap in the data");
    let config = config(args, &first.train, choose_hidden(args, &first));
    let names = Named {
        inputs: Preprocessing::new(&inputs, &first.train_numbers),
        target: table.names[column].clone(),
        embedded: "the embedded diabetes table",
    };
    let Some(fitted) = crate::fit(&run, args, &config, &first.train, Some(&first.held_out), names)? else {
        return Ok(());
    };
    let predictive = fitted.predict(&first.held_out.x)?;
    write_predictions(&run, &fitted, table, column, &rows, &first.numbers)
        .context("the predictions could not be written")?;
    observed_against_predicted(target, &first.held_out.y, &predictive).save(&run.picture(
        "predictions.png",
        "Rows that were held out: what was observed over what was predicted. The band is where an observation should lie with 90 % \
        probability: nine of ten points should be in it (lecture 000, \"More details for the regression case\")",
    ))?;

    let title = format!("Held-out rows: what was predicted of {target}, and what was observed");
    run.explore(common::intervals(&title, &first.held_out.y, &predictive));

    let further = (1..args.splits).into_par_iter().map(|number| {
        let split = Split::new(args, &rows, number);
        let fitted = fit(args, &split.train, choose_hidden(args, &split), split.seed)?;
        split.score(args, &fitted.predict(&split.held_out.x)?)
    });
    let further: anyhow::Result<Vec<_>> = further.collect();
    let mut splits = vec![first.score(args, &predictive)?];
    splits.extend(further.context("a further split; --splits 1 leaves them out")?);
    scores::report(&run, target, first.train.x.rows, &splits)
}

fn config(args: &Args, train: &Rows, hidden: usize) -> BayesMlpConfig {
    let likelihood = if args.heteroscedastic { Likelihood::NormalHead } else { Likelihood::NORMAL_LEARNED };
    BayesMlpConfig { likelihood, modes: args.modes, ..BayesMlpConfig::new(train.x.cols, &[hidden]) }
}

fn fit(args: &Args, train: &Rows, hidden: usize, seed: u64) -> anyhow::Result<Fitted> {
    let run = RunArgs { seed, ..args.run.clone() };
    common::fit(&run, &config(args, train, hidden), Sampling::default(), train, args.steps, args.draws)
}

/// `--hidden`, or else the one of 10 and 50 that makes a fifth of the rows to train on more likely, after training on the others.
fn choose_hidden(args: &Args, split: &Split) -> usize {
    let (train, seed) = (&split.train, split.seed);
    let [rest, held_out] = nn::data::split(train.x.rows, counts(train.x.rows, [0.8, 0.2]), seed);
    let (rest, held_out) = (train.select(&rest), train.select(&held_out));
    let likely = |hidden| -> anyhow::Result<f64> {
        let fitted = fit(args, &rest, hidden, seed)?;
        Ok(fitted.predict(&held_out.x)?.log_density(&held_out.y.values).iter().sum())
    };
    let by_validation = || match [10, 50].map(likely) {
        [Ok(few), Ok(many)] if many > few => 50,
        // Rows that are too few to hold any out, or all alike, need no more units.
        _ => 10,
    };
    args.hidden.unwrap_or_else(by_validation)
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
    rows: &Rows,
    validation: &[usize],
) -> anyhow::Result<()> {
    let header = ["row", "part", "target", "mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q95"];
    let mut csv = Csv::new(header);
    let count = rows.x.rows;
    let mut part = vec!["train"; count];
    validation.iter().for_each(|&row| part[row] = "validation");
    // Some rows at a time: a prediction holds every draw of every row.
    for first in (0..count).step_by(4096) {
        let numbers: Vec<usize> = (first..count.min(first + 4096)).collect();
        let some = rows.select(&numbers);
        let p = fitted.predict(&some.x)?;
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
