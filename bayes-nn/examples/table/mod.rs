//! A table: a network learns one column from the others, and says how certain it is of rows that were held out.

use anyhow::{Context, ensure};
use bayes_nn::{BayesMlpConfig, Likelihood, Predictive, Scaling, Scores};
use nn::data::{Matrix, Standardizer, Table, counts, split};
use nn::picture::Figure;
use nn::run::{Csv, Run, TextTable};
use nn::stats::root_mean_square;
use nn::{errln, outln};

use crate::Args;
use crate::common::{Fitted, Rows, calibration};

pub(crate) fn learn(args: &Args, table: &Table, target: &str) -> anyhow::Result<()> {
    let (inputs, y) = table.split_target(target)?;
    let (names, rows) = (&inputs.names, Rows { x: inputs.values.clone(), y });
    ensure!(!names.is_empty(), "the table has no column but the target");
    let (count, share) = (rows.x.rows, args.validation);
    let [train, validation] = split(count, counts(count, [1.0 - share, share]), args.run.seed);
    ensure!(
        !validation.is_empty(),
        "the table has {count} rows: too few to hold any out; give more, or --validation"
    );
    let (training_rows, held_out) = (rows.select(&train), rows.select(&validation));
    let (all, column) = (&table.values, table.position(target)?);
    let scaled = Standardizer::fit(all, &train).and_then(|scaling| scaling.narrow(all));
    scaled.map_err(|error| table.locate(&error))?;
    for &j in Scaling::fit(&training_rows.x, &training_rows.y)?.constant_inputs() {
        errln!("note: {} does not vary over the rows to train on and tells nothing", names[j]);
    }

    let likelihood = if args.heteroscedastic { Likelihood::NormalHead } else { Likelihood::NORMAL_LEARNED };
    let config =
        BayesMlpConfig { likelihood, modes: args.modes, ..BayesMlpConfig::new(rows.x.cols, &[args.hidden]) };
    let run = Run::open(&args.run, args)?;
    let Some(fitted) = crate::fit(&run, args, &config, &training_rows, Some(&held_out))? else {
        return Ok(());
    };

    let predictive = fitted.predict(&held_out.x)?;
    let scores = Scores::of(&predictive, &held_out.y.values);
    outln!("{} rows held out of {count}, in units of {target}", validation.len());
    report(&scores, &training_rows.y, &held_out.y);
    write_predictions(&run, &fitted, table, column, &rows, &validation)
        .context("the predictions could not be written")?;
    calibration(&scores).save(&run.file("calibration.png"))?;
    observed_against_predicted(target, &held_out.y, &predictive).save(&run.file("predictions.png"))?;
    run.finish(&[
        ("rmse", scores.rmse),
        ("ll", scores.log_density),
        ("crps", scores.crps),
        ("coverage_90", scores.coverage(0.9)),
    ])?;
    Ok(())
}

fn report(scores: &Scores, train: &Matrix<f64>, held_out: &Matrix<f64>) {
    let mut table = TextTable::new();
    for (name, value) in [
        ("RMSE", scores.rmse),
        ("RMSE of the mean alone", spread(train, held_out)),
        ("log-likelihood, nats per row", scores.log_density),
        ("CRPS", scores.crps),
    ] {
        // In any unit of the target.
        let short = (1e-3..1e9).contains(&value.abs());
        table.row([name.to_owned(), if short { format!("{value:.3}") } else { format!("{value:.3e}") }]);
    }
    for level in [0.5, 0.9, 0.95] {
        let inside = format!("inside {:2.0} % intervals", 100.0 * level);
        table.row([inside, format!("{:.3}", scores.coverage(level))]);
    }
    table.print();
}

/// The error of predicting the mean of the training rows.
fn spread(train: &Matrix<f64>, held_out: &Matrix<f64>) -> f64 {
    let mean = train.values.iter().sum::<f64>() / train.rows as f64;
    root_mean_square(held_out.values.iter().map(|y| y - mean))
}

fn observed_against_predicted(target: &str, observed: &Matrix<f64>, predictive: &Predictive) -> Figure {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = observed.values.iter().fold(ends, |a, &y| (a.0.min(y), a.1.max(y)));
    let points = predictive.mean().into_iter().zip(observed.values.iter());
    Figure::new("Rows held out: observed against predicted")
        .axes(&format!("predicted {target}"), &format!("observed {target}"))
        .line("equal", [(low, low), (high, high)])
        .classes(["rows"], points.map(|(mean, &y)| ((mean, y), 0)))
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
            let cells = columns.iter().map(|column| column[i].to_string());
            let row = [(row + 1).to_string(), part[row].to_owned(), table.pointed(row, target)];
            csv.row(row.into_iter().chain(cells));
        }
    }
    csv.save(&run.file("predictions.csv"))?;
    Ok(())
}
