//! Regression by a neural network (lecture 000, "Learning f, d and e") beside linear regression by least squares, on the
//! embedded table of diabetes patients:
//!
//!     cargo run --release -p nn --example regress
//!     cargo run --release -p nn --example regress -- --widths 32,16 --phi relu
//!
//! A fifth of the rows is held out to compare the two, and another fifth to stop the training of the network. The example
//! draws the predictions against the true values, and the learning curve. The network is kept in `model.safetensors`, with which
//! `nn_apply` predicts new rows.

use std::process::ExitCode;

use anyhow::Context;
use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::{LX, LtX};
use autograd::{Tape, Var};
use nn::data::{self, Matrix, Preprocessing, Standardizer, Target, counts, split};
use nn::model::density::squared_error;
use nn::model::{MlpConfig, MlpModel, Model, TrainedOn, map_rows};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Activation, Defaults, Label, Run, RunArgs, TextTable, result_of, whole, width};
use nn::train::{Batch, End, Fit, Objective, Parts};

/// Predicts how diabetes goes on, by a network and by least squares
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Neurons of the hidden layers; without any, the model is linear regression by gradient descent
    #[arg(long, value_name = "N,…", value_delimiter = ',', num_args = 0..,
        default_value = "16", value_parser = width)]
    widths: Vec<usize>,
    /// φ, the activation of hidden layers
    #[arg(long, value_name = "PHI", default_value = "tanh")]
    phi: Activation,
    /// ψ, the activation of the output, whose targets have mean 0 and standard deviation 1
    #[arg(long, value_name = "PSI", default_value = "identity")]
    psi: Activation,
    /// Stop after so many epochs without a lower validation loss
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole)]
    patience: usize,
}

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/nn-regress", epochs: 2000, batch_size: 32, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| regress(&args))?
    })
}

/// Inputs x and targets y, standardised.
struct Set {
    x: Matrix<f64>,
    y: Matrix<f64>,
}

/// Σ (y − f_θ(x))²
struct SquaredErrorObjective<'a> {
    network: &'a MlpModel,
    set: &'a Set,
}

impl Objective<f64> for SquaredErrorObjective<'_> {
    fn rows(&self) -> usize {
        self.set.x.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        let [x, y] = [&self.set.x, &self.set.y].map(|data| batch.gather(theta.tape(), data));
        Ok(squared_error(self.network.apply(theta, x), y).sum())
    }
}

fn regress(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(args.run.data.is_none(), "this example has its data embedded: leave --data out");
    let run = Run::open(&args.run, args)?.documented("nn", "Regression");
    let (inputs, target) = data::diabetes().split_target("progression")?;
    let parts = split(target.rows, counts(target.rows, [0.6, 0.2, 0.2]), args.run.seed);
    let to_x = Standardizer::fit(&inputs.values, &parts[0])?;
    let to_y = Target::fit("progression", &target, &parts[0])?;
    let set = |rows: &[usize]| Set {
        x: to_x.apply(&inputs.values.select(rows)),
        y: to_y.scaling.apply(&target.select(rows)),
    };
    let [train, validation, test] = parts.each_ref().map(|rows| set(rows));

    let widths = [&[train.x.cols], &args.widths[..], &[1]].concat();
    let network = MlpModel::new(MlpConfig { widths, phi: args.phi.into(), psi: args.psi.into() })?;

    let objective = |set| SquaredErrorObjective { network: &network, set };
    let mut trainer = run.trainer(network.layout());
    let fit = Fit { patience: Some(args.patience), ..run.fit() };
    let end = run.train(&mut trainer, &mut objective(&train), Some(&mut objective(&validation)), &fit)?;
    if end == End::Stopped {
        return Ok(());
    }
    let mut file = network.to_file(trainer.theta());
    let preprocessing = Preprocessing {
        scaling: Some(to_x.clone()),
        target: Some(to_y.clone()),
        ..Preprocessing::new(&inputs, &parts[0])
    };
    file.set(Preprocessing::ENTRY, &preprocessing);
    run.keep_model(file, &TrainedOn::new(None, "the embedded diabetes table", train.x.rows))?;

    let by_network = map_rows(trainer.theta(), &test.x, 1, |theta, x| network.apply(theta, x));
    let by_line = least_squares(&train, &test.x)?;
    let mean = test.y.map(|_| 0.0);
    let truth = target.select(&parts[2]);
    outln!("{} rows held out of {}, in units of progression", truth.rows, target.rows);
    let predictions = [("network", by_network), ("least squares", by_line), ("the mean alone", mean)]
        .map(|(name, prediction)| (name, to_y.scaling.invert(&prediction)));
    let mut results = compare(&predictions, &truth);

    draw(&run, &predictions[..2], &truth).context("the predictions")?;
    run.draw_loss(&trainer, "mean squared error, standard deviations²")?;
    let of = |name: &str| result_of(&results, name);
    let [network, line] = ["network_r2", "least_squares_r2"].map(|name| 100.0 * of(name));
    run.found(&format!(
        "Of the differences in progression between patients that it has not seen (their variance, R²) the network explains \
         {network:.0} %, linear regression {line:.0} %. With {} patients to test on, a few points more or less are chance.",
        truth.rows
    ));
    results.push(("epochs".to_owned(), trainer.epochs() as f64));
    run.label(&[
        Label::new(
            "*_rmse",
            "error of held-out patients, root mean square (RMSE): *",
            "units of progression",
        ),
        Label::new(
            "*_r2",
            "variance of progression between held-out patients that is explained, R²: *",
            "share",
        ),
        Label::new("epochs", "epochs of training", ""),
    ]);
    Ok(run.finish(&results)?)
}

/// X⋆ β with the β that minimises ‖y − X β‖², for columns of mean 0: X′X β = X′y.
fn least_squares(train: &Set, test: &Matrix<f64>) -> Result<Matrix<f64>, NotPositiveDefinite> {
    let tape = Tape::new();
    let on_tape = |matrix: &Matrix<f64>| tape.shared_constant(&matrix.values, [matrix.rows, matrix.cols]);
    let (x, y) = (on_tape(&train.x), on_tape(&train.y));
    let l = x.t_matmul(x).cholesky()?;
    let beta = l.solve_triangular(l.solve_triangular(x.t_matmul(y), LX), LtX);
    Ok(Matrix::new(test.rows, 1, on_tape(test).matmul(beta).to_vec()))
}

/// Prints the root mean square error of each prediction ŷ, and R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)², which is 0 for the mean
/// of these rows. Returns them for the result line.
fn compare(predictions: &[(&str, Matrix<f64>)], truth: &Matrix<f64>) -> Vec<(String, f64)> {
    let (y, n) = (&truth.values, truth.rows as f64);
    let y_mean = y.iter().sum::<f64>() / n;
    let variation: f64 = y.iter().map(|y| (y - y_mean).powi(2)).sum();
    let mut table = TextTable::new().header(["", "RMSE", "R²"]);
    let mut results = Vec::new();
    for (name, prediction) in predictions {
        let errors: f64 = prediction.values.iter().zip(&**y).map(|(p, y)| (p - y).powi(2)).sum();
        let (rmse, r2) = ((errors / n).sqrt(), 1.0 - errors / variation);
        table.row([name.to_string(), format!("{rmse:.2}"), format!("{r2:.3}")]);
        let key = name.trim_start_matches("the ").trim_end_matches(" alone").replace(' ', "_");
        results.extend([(format!("{key}_rmse"), rmse), (format!("{key}_r2"), r2)]);
    }
    table.print();
    results
}

/// Draws the true values over the predicted ones.
fn draw(run: &Run<'_>, predictions: &[(&str, Matrix<f64>)], truth: &Matrix<f64>) -> anyhow::Result<()> {
    let ends = truth.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |a, &y| (a.0.min(y), a.1.max(y)));
    let panels = Panels::new("Rows held out: true and predicted values", 2);
    let panels = predictions.iter().fold(panels, |panels, (name, prediction)| {
        let points = prediction.values.iter().zip(&*truth.values).map(|(&p, &y)| ((p, y), 0));
        panels.figure(
            Figure::new(name)
                .axes("predicted progression", "progression")
                .line("equal", [(ends.0, ends.0), (ends.1, ends.1)])
                .classes(["patients"], points),
        )
    });
    Ok(panels.save(&run.picture(
        "predictions.png",
        "Patients that were held out: what happened over what was predicted. Points should lie along the line; as \
        far as they spread at one prediction, nobody knows (lecture 000, \"More details for the regression case\")",
    ))?)
}
