//! Predicts new rows with a Bayesian neural network that the example `regression` has trained:
//!
//!     cargo run --release -p bayes-nn --example bayes_apply -- --model out/bayes-nn-regression --csv NEW
//!
//! It trains nothing. Columns are matched by name, in any order; the target need not be there. Writes to `out/bayes-nn-apply/`
//! `predictions.csv` with a row for each row of the table: the target as it was read, if it is there, the mean, the standard
//! deviation `sd`, its parts `epistemic_sd` (what is not known of the function) and `aleatoric_sd` (noise), the ends of the interval,
//! and `outside`, the inputs that lie outside the range of the rows to train on: there the network extrapolates. A class of an input that
//! is not among those of the training counts as none of them, and is said. Rows with the target are scored. Of a class it writes the one that is most probable, the entropy of the prediction in nats with the part that comes from
//! not knowing the network's parameters, and the probability of every class. With the draws and the seed of the training, which are the defaults, the numbers are those that `regression` writes.

mod cells;
mod gaps;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use bayes_nn::{BayesMlp, ClassPredictive, ClassScores, Draws, Likelihood, Predictive, Scaling, Scores};
use nn::data::{Preprocessing, Table, Target};
use nn::model::Model;
use nn::run::{
    Application, ApplyArgs, Counter, Csv, Output, Outside, TableArgs, TextTable, Unknown, at_most, check_row,
    counted, level, single, trained_with,
};
use nn::{errln, outln};

/// Predicts new rows with a trained Bayesian neural network
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    /// The table of new rows
    #[arg(long, value_name = "FILE")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: PathBuf,
    /// The probability of the interval
    #[arg(long, value_name = "P", default_value_t = 0.9, value_parser = level)]
    level: f64,
    /// Draws of θ [default: as in the training]
    #[arg(long, value_name = "N", value_parser = at_most::<10_000>)]
    draws: Option<usize>,
}

fn main() -> ExitCode {
    nn::run::apply("out/bayes-nn-apply", |args: Args| args.apply.in_pool(|| apply(&args))?)
}

/// A network, and how it sees a table.
struct Network {
    model: BayesMlp,
    draws: Draws<f32>,
    scaling: Scaling,
    preprocessing: Preprocessing,
    target: String,
    /// The names of the classes, if the target is one.
    classes: Vec<String>,
}

/// What is predicted of rows.
enum Said {
    Number(Predictive),
    Class(ClassPredictive),
}

impl Network {
    fn load(args: &Args) -> anyhow::Result<Self> {
        let file = args.apply.load()?;
        let (model, eta) = BayesMlp::from_file::<f32>(&file)?;
        let preprocessing = Preprocessing::of_file(&file, model.config().inputs)?;
        let (Some(inputs), Some(Target { name, scaling })) = (&preprocessing.scaling, &preprocessing.target)
        else {
            return Err(file.fault(Preprocessing::ENTRY, "expected scales of inputs and target").into());
        };
        let outputs = model.config().outputs;
        let classes: Vec<String> = match model.config().likelihood {
            Likelihood::Categorical => file.get("classes")?,
            _ => Vec::new(),
        };
        let fits = if classes.is_empty() { outputs == 1 } else { outputs == classes.len() };
        ensure!(fits, "the model has {outputs} outputs: expected one, or as many as it has classes");
        let of_training = |flag, usual| trained_with(&file, flag).unwrap_or(usual);
        let seed = args.apply.seed.unwrap_or_else(|| of_training("seed", 0));
        let draws = args.draws.unwrap_or_else(|| of_training("draws", 400).clamp(1, 10_000) as usize);
        let modes = model.config().modes;
        ensure!(draws >= modes, "--draws: expected at least {modes}, the modes of the model, found {draws}");
        let (scaling, target) = (Scaling::of(inputs.clone(), scaling.clone()), name.clone());
        Ok(Self { draws: model.draws(&eta, draws, seed), model, scaling, preprocessing, target, classes })
    }

    fn predict(&self, inputs: &Table) -> anyhow::Result<Said> {
        let x = self.preprocessing.apply(inputs)?;
        Ok(match self.classes.is_empty() {
            true => Said::Number(self.scaling.restore(&self.model.predict(&self.draws, &x))),
            false => Said::Class(self.model.predict_classes(&self.draws, &x)),
        })
    }

    /// The names of the cells that are written of each row.
    fn names(&self, ends: [f64; 2]) -> Vec<String> {
        if !self.classes.is_empty() {
            return cells::names(&self.classes).collect();
        }
        let names = ["mean", "sd", "epistemic_sd", "aleatoric_sd"].map(String::from);
        names.into_iter().chain(ends.map(quantile_name)).collect()
    }

    /// These cells. `first` is the number of the first row.
    fn cells(&self, said: &Said, ends: [f64; 2], first: usize) -> anyhow::Result<Vec<Vec<String>>> {
        let p = match said {
            Said::Class(p) => return Ok(cells::cells(p, &self.classes)),
            Said::Number(p) => p,
        };
        let columns =
            [p.mean(), p.sd(), p.epistemic_sd(), p.aleatoric_sd(), p.quantile(ends[0]), p.quantile(ends[1])];
        let row = |i: usize| {
            check_row(first + i, columns.iter().map(|column| column[i]))?;
            Ok(columns.iter().map(|column| single(column[i]).to_string()).collect())
        };
        (0..columns[0].len()).map(row).collect()
    }
}

fn apply(args: &Args) -> anyhow::Result<()> {
    let network = Network::load(args)?;
    let mut reader = args.format.open(&args.csv, &network.preprocessing, false, &[&network.target])?;
    let target = reader.names().iter().position(|name| *name == network.target);
    let run = Application::open(&args.apply, args)?;

    let tail = ((1.0 - args.level) / 2.0 * 1e12).round() / 1e12;
    let ends = [tail, 1.0 - tail];
    let names = network.names(ends).into_iter().chain(["outside".to_owned()]);
    let known = target.map(|_| "target".to_owned());
    let mut csv = Csv::new(["row".to_owned()].into_iter().chain(known).chain(names));
    let mut output = Output::begin(run.file("predictions.csv"))?;
    let (mut total, progress) = (Total::default(), Counter::new("rows", 0));
    let mut notes = Vec::new();
    // A prediction holds every draw of every row. The network computes 256 rows at a time.
    let most = if args.apply.dry_run { 16 } else { 256 * (16_384 / network.draws.theta.rows).clamp(1, 16) };
    while let Some(table) = reader.read(most)? {
        notes = table.notes();
        let inputs = network.preprocessing.inputs_of(&table)?;
        let codes = &network.preprocessing.codes;
        gaps::refuse(&inputs, |input| codes.get(input).is_some_and(|code| code.kind.is_of_classes()))?;
        total.unknown.add(&network.preprocessing, &inputs);
        let said = network.predict(&inputs)?;
        for (i, cells) in network.cells(&said, ends, total.rows + 1)?.into_iter().enumerate() {
            let outside = total.outside.cell(&network.preprocessing, inputs.values.row(i));
            let row =
                [(total.rows + i + 1).to_string()].into_iter().chain(target.map(|j| table.pointed(i, j)));
            csv.row(row.chain(cells).chain([outside]));
        }
        output.write(&csv.take())?;
        match (&said, target) {
            (Said::Number(p), Some(column)) => total.score(&table, column, p, args.level)?,
            (Said::Class(p), Some(column)) => total.score_classes(&table, column, p, &network.classes)?,
            (_, None) => {}
        }
        total.rows += table.values.rows;
        progress.at(total.rows, reader.share());
        if args.apply.dry_run {
            break;
        }
    }
    drop(progress);
    notes.extend(total.unknown.note(&args.csv));
    notes.iter().for_each(|note| errln!("note: {note}"));
    ensure!(total.rows > 0, "{}: holds no rows below its header", args.csv.display());
    output.finish()?;
    total.report(args, &network);
    Ok(run.finish(&total.results(&network))?)
}

/// The name of the column of a quantile, such as q05 or q97.5.
fn quantile_name(p: f64) -> String {
    let percent = (p * 1e8).round() / 1e6;
    if percent.fract() == 0.0 { format!("q{percent:02}") } else { format!("q{percent}") }
}

/// Sums over the rows so far.
#[derive(Default)]
struct Total {
    rows: usize,
    outside: Outside,
    unknown: Unknown,
    /// Rows with the target.
    scored: usize,
    /// The norm of the errors.
    error: f64,
    log_density: f64,
    crps: f64,
    inside: f64,
    right: f64,
}

impl Total {
    /// Adds the scores of the rows with the target.
    fn score(&mut self, table: &Table, column: usize, p: &Predictive, level: f64) -> anyhow::Result<()> {
        let y = |row: usize| table.values.row(row)[column];
        let (known, gaps): (Vec<usize>, Vec<usize>) =
            (0..table.values.rows).partition(|&row| !y(row).is_nan());
        if let Some(&row) = gaps.iter().find(|&&row| !table.is_missing(row, column)) {
            return Err(table.refuse(row, column, "a finite number", "correct it, or leave it empty").into());
        }
        if known.is_empty() {
            return Ok(());
        }
        if p.components.is_of_counts() {
            table.columns(&[column]).check_counts(f64::INFINITY, "correct the cell, or leave it empty")?;
        }
        let p = p.select(&known);
        let scores = Scores::of(&p, &known.iter().map(|&row| y(row)).collect::<Vec<_>>());
        let n = known.len() as f64;
        self.scored += known.len();
        self.error = self.error.hypot(n.sqrt() * scores.rmse);
        self.log_density += n * scores.log_density;
        self.crps += n * scores.crps;
        self.inside += n * scores.coverage(level);
        Ok(())
    }

    /// Adds the scores of the rows with a class.
    fn score_classes(
        &mut self,
        table: &Table,
        column: usize,
        p: &ClassPredictive,
        names: &[String],
    ) -> anyhow::Result<()> {
        for row in 0..table.values.rows {
            let text = table.pointed(row, column);
            if text.trim().is_empty() {
                continue;
            }
            // Numbers may be written in several ways.
            let same = |name: &String| match (name.parse::<f64>(), text.trim().parse::<f64>()) {
                (Ok(a), Ok(b)) => a == b,
                _ => name == text.trim(),
            };
            let Some(class) = names.iter().position(same) else {
                let classes = format!("one of the classes {}", names.join(", "));
                return Err(table.refuse(row, column, classes, "correct it, or leave it empty").into());
            };
            let scores = ClassScores::of(&p.select(&[row]), &[class]);
            self.scored += 1;
            self.log_density += scores.log_probability;
            self.right += scores.accuracy();
        }
        Ok(())
    }

    fn scores(&self, network: &Network) -> Vec<(&'static str, f64)> {
        let mean = |sum: f64| sum / self.scored as f64;
        if !network.classes.is_empty() {
            return vec![("accuracy", mean(self.right)), ("ll", mean(self.log_density))];
        }
        vec![
            ("rmse", self.error / (self.scored as f64).sqrt()),
            ("ll", mean(self.log_density)),
            ("crps", mean(self.crps)),
            ("coverage", mean(self.inside)),
        ]
    }

    fn report(&self, args: &Args, network: &Network) {
        let (Self { rows, outside, scored, .. }, target) = (self, &network.target);
        let of = if network.classes.is_empty() { "in units" } else { "classes" };
        outln!("{} predicted, {of} of {target}", counted(*rows, "row"));
        outside.print();
        if *scored == 0 {
            return;
        }
        let level = format!("inside {} % intervals", 100.0 * args.level);
        let name = |score| match score {
            "accuracy" => "taken for the right class",
            "rmse" => "RMSE",
            "ll" => "log-likelihood, nats per row",
            "crps" => "CRPS",
            _ => &level,
        };
        outln!("{} with {target}", counted(*scored, "row"));
        let mut table = TextTable::new();
        for (of, score) in self.scores(network) {
            table.row([name(of).to_owned(), format!("{score:.3}")]);
        }
        table.print();
    }

    fn results(&self, network: &Network) -> Vec<(&'static str, f64)> {
        let counts = [
            ("rows", self.rows as f64),
            ("outside", self.outside.rows() as f64),
            ("scored", self.scored as f64),
        ];
        let scores = self.scores(network).into_iter().filter(|_| self.scored > 0);
        counts.into_iter().chain(scores).collect()
    }
}
