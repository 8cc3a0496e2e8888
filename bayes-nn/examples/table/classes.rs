//! A table whose target is one of several classes.

use anyhow::{Context, anyhow, ensure};
use bayes_nn::ClassScores;
use nn::data::{ColumnKind, DataError, KindOf, Matrix, Table};
use nn::outln;
use nn::picture::Figure;
use nn::run::{Csv, Label, Run, TextTable, counted};
use nn::stats::Estimate;
use rayon::prelude::*;

use super::Shape;
use super::inputs::Inputs;
use super::scores::{Evidence, Split, name_of_line, verdict};
use crate::cells::{cells, names};
use crate::common::Fitted;
use crate::confidence::confidences;
use crate::{Args, Named};

/// The classes of a column, in the order of their names, and the class of each row.
struct Classes {
    names: Vec<String>,
    of_rows: Vec<usize>,
}

impl Classes {
    fn new(table: &Table, column: usize) -> anyhow::Result<Self> {
        let rows = 0..table.values.rows;
        if let Some(row) = rows.clone().find(|&row| table.text(row, column).trim().is_empty()) {
            return Err(table.refuse(row, column, "a class", "name it, or leave the row out").into());
        }
        let (table, all) = (table.columns(&[column]), rows.clone().collect::<Vec<_>>());
        let target = &table.names[0];
        let many = |classes: usize| {
            anyhow!(
                "{target} has {classes} values in {} rows: expected classes with some rows each; for a number or a count choose \
                 another --likelihood",
                all.len()
            )
        };
        let codes = match table.codes(&[KindOf { kind: ColumnKind::Category, given: true }], &all) {
            Err(DataError::Classes { classes, .. }) => return Err(many(classes)),
            codes => codes?,
        };
        let of_rows: Vec<usize> =
            table.coded(&codes)?.values.values.iter().map(|&class| class as usize).collect();
        let classes = codes[0].classes.len();
        // A file may write the same number in several ways.
        let first = |class| of_rows.iter().position(|&of_row| of_row == class).expect("it has a row");
        let names: Vec<String> = (0..classes).map(|class| name_of(&table, first(class), 0)).collect();
        ensure!(classes > 1, "{target} is {} in all rows: expected at least 2 classes", names[0]);
        ensure!(2 * classes <= all.len(), many(classes));
        Ok(Self { names, of_rows })
    }

    fn of(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|&row| self.of_rows[row]).collect()
    }

    /// The share of these rows that the most frequent class has.
    fn largest_share(&self, rows: &[usize]) -> f64 {
        let mut count = vec![0; self.names.len()];
        self.of(rows).into_iter().for_each(|class| count[class] += 1);
        f64::from(count.into_iter().max().unwrap_or(0)) / rows.len() as f64
    }
}

/// The name of a row's class: a number without what only its writing has, or the text.
fn name_of(table: &Table, row: usize, column: usize) -> String {
    let text = table.pointed(row, column);
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => number.to_string(),
        _ => text.trim().to_owned(),
    }
}

/// What was said of the rows held out of a split.
struct SplitScores {
    network: ClassScores,
    line: ClassScores,
    evidence: Evidence,
    /// The share of the most frequent class.
    largest: f64,
}

pub(crate) fn learn(args: &Args, table: &Table, target: &str) -> anyhow::Result<()> {
    let column = table.position(target)?;
    let inputs = Inputs::new(args, table, column)?;
    let classes = Classes::new(table, column)?;
    let k = classes.names.len();
    let one_hot =
        classes.of_rows.iter().flat_map(|&class| (0..k).map(move |c| f64::from(u8::from(c == class))));
    let y = Matrix::new(classes.of_rows.len(), k, one_hot.collect());
    let first = super::first_split(args, &inputs, &y)?;
    super::say_inputs(args, &first)?;

    let run = Run::open(&args.run, args)?.documented("bayes-nn", "Classes, counts and wild rows");
    let config = super::config(args, &first.train, super::choose(args, &first));
    let names = Named {
        inputs: first.inputs.preprocessing.clone(),
        target: table.names[column].clone(),
        classes: classes.names.clone(),
        embedded: "the embedded diabetes table",
    };
    let Some(fitted) = crate::fit(&run, args, &config, &first.train, Some(&first.held_out), names)? else {
        return Ok(());
    };
    write_predictions(&run, &fitted, table, column, &classes.names, &first)
        .context("the predictions could not be written")?;

    let score = |split: &Split, fitted: &Fitted| -> anyhow::Result<SplitScores> {
        let line = super::fit(args, &split.train, Shape::Line, split.seed).context("the straight line")?;
        let (x, right) = (&split.held_out.x, classes.of(&split.numbers));
        Ok(SplitScores {
            network: ClassScores::of(&super::predict_classes(fitted, x)?, &right),
            line: ClassScores::of(&super::predict_classes(&line, x)?, &right),
            evidence: Evidence { network: fitted.bound, line: line.bound },
            largest: classes.largest_share(&split.numbers),
        })
    };
    let further = (1..args.splits).into_par_iter().map(|number| {
        let split = Split::new(args, &inputs, &y, number)?;
        score(&split, &super::fit(args, &split.train, super::choose(args, &split), split.seed)?)
    });
    let further: anyhow::Result<Vec<_>> = further.collect();
    let mut splits = vec![score(&first, &fitted)?];
    splits.extend(further.context("a further split; --splits 1 leaves them out")?);
    report(&run, args, &table.names[column], [first.train.x.rows, first.numbers.len()], &splits)
}

/// Prints means over the splits.
fn report(
    run: &Run<'_>,
    args: &Args,
    target: &str,
    [train, held_out]: [usize; 2],
    splits: &[SplitScores],
) -> anyhow::Result<()> {
    let over = |score: &dyn Fn(&SplitScores) -> f64| {
        Estimate::over_splits(&splits.iter().map(score).collect::<Vec<_>>(), train, held_out)
    };
    let line = name_of_line(args.likelihood.likelihood());
    let [of_network, of_line] = [true, false].map(|network| {
        let scores =
            move |split: &SplitScores| if network { split.network.clone() } else { split.line.clone() };
        [
            over(&|split| scores(split).accuracy()),
            over(&|split| scores(split).log_probability),
            over(&|split| scores(split).brier),
            over(&|split| scores(split).calibration_error(10)),
        ]
    });
    outln!(
        "{} held out of {}, random splits: {}, classes of {target}",
        counted(held_out, "row"),
        train + held_out,
        splits.len()
    );
    let mut table = TextTable::new().header(["", "network", line.trim_start_matches("a ")]);
    let names = ["accuracy", "log-likelihood, nats per row", "Brier score", "calibration error"];
    for ((name, network), line) in names.into_iter().zip(of_network).zip(of_line) {
        table.row([name.to_owned()].into_iter().chain([network, line].map(cell)));
    }
    let evidence = Evidence {
        network: over(&|split| split.evidence.network).mean,
        line: over(&|split| split.evidence.line).mean,
    };
    let bounds = [evidence.network, evidence.line].map(|nats| format!("≥ {nats:.1}"));
    table.row(["log evidence of rows to train on, nats".to_owned()].into_iter().chain(bounds));
    table.print();
    let largest = over(&|split| split.largest);
    outln!("the most frequent class alone would be right with {}", cell(largest));

    let bins = |of: &dyn Fn(&SplitScores) -> &ClassScores| {
        let all = ClassScores {
            confidence: splits.iter().flat_map(|split| of(split).confidence.clone()).collect(),
            right: splits.iter().flat_map(|split| of(split).right.clone()).collect(),
            ..of(&splits[0]).clone()
        };
        all.calibration(10)
    };
    let figure: Figure =
        confidences(&[("network", bins(&|split| &split.network)), (line, bins(&|split| &split.line))]);
    figure.save(&run.picture(
        "calibration.png",
        "How often a row is taken for its right class, over how certain the model was of it. On the diagonal a certainty of 0.8 is right \
         in 8 of 10 cases; below it the model is too certain",
    ))?;
    let gain = over(&|split| split.network.log_probability - split.line.log_probability);
    run.found(&format!(
        "{} The network takes {:.1} % of the rows that it has not seen for their right class.",
        verdict(args.likelihood.likelihood(), splits.len(), gain, evidence),
        100.0 * of_network[0].mean
    ));
    run.label(&[
        Label::new("accuracy", "held-out rows that are taken for their right class", "share"),
        Label::new("ll", "log-likelihood of held-out rows, log p(class|x)", "nats per row"),
        Label::new("brier", "Brier score of held-out rows, from 0 to 2", ""),
        Label::new(
            "calibration_error",
            "distance of certainty and accuracy, expected calibration error",
            "share",
        ),
        Label::new("linear_accuracy", "accuracy of the straight line", "share"),
        Label::new("linear_ll", "log-likelihood of the straight line", "nats per row"),
        Label::new("largest", "held-out rows of the most frequent class", "share"),
        Label::new("bound", "log evidence of the rows to train on, the network's lower bound", "nats"),
        Label::new(
            "linear_evidence",
            "log evidence of the rows to train on, the straight line's lower bound",
            "nats",
        ),
    ]);
    run.finish(&[
        ("accuracy", of_network[0].mean),
        ("ll", of_network[1].mean),
        ("brier", of_network[2].mean),
        ("calibration_error", of_network[3].mean),
        ("linear_accuracy", of_line[0].mean),
        ("linear_ll", of_line[1].mean),
        ("largest", largest.mean),
        ("bound", evidence.network),
        ("linear_evidence", evidence.line),
    ])?;
    Ok(())
}

/// A single split has no standard error.
fn cell(Estimate { mean, se }: Estimate) -> String {
    if se.is_nan() { format!("{mean:.3}") } else { format!("{mean:.3} ± {se:.3}") }
}

/// Writes a row for each row of the table: its number, counted from 1, its part, its class as it was read, and what is predicted of
/// it.
fn write_predictions(
    run: &Run<'_>,
    fitted: &Fitted,
    table: &Table,
    target: usize,
    classes: &[String],
    split: &Split,
) -> anyhow::Result<()> {
    let mut csv = Csv::new(["row", "part", "target"].map(String::from).into_iter().chain(names(classes)));
    let (count, part) = (table.values.rows, split.parts());
    for first in (0..count).step_by(4096) {
        let numbers: Vec<usize> = (first..count.min(first + 4096)).collect();
        let p = super::predict_classes(fitted, &split.x.select(&numbers))?;
        for (row, cells) in numbers.into_iter().zip(cells(&p, classes)) {
            let row = [(row + 1).to_string(), part[row].to_owned(), table.pointed(row, target)];
            csv.row(row.into_iter().chain(cells));
        }
    }
    csv.save(&run.file("predictions.csv"))?;
    Ok(())
}
