//! Regression by a neural network (lecture 000, "Learning f, d and e") beside linear regression by least squares, on the
//! embedded table of diabetes patients:
//!
//!     cargo run --release -p nn --example regress
//!     cargo run --release -p nn --example regress -- --widths 32,16 --phi relu
//!
//! A fifth of the rows is held out to compare the two, and another fifth to stop the network's training. Draws what is
//! predicted against what is true, and the learning curve.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use autograd::{NotPositiveDefinite, Tape, Var};
use nn::data::{Matrix, Standardizer, counts, embedded, split};
use nn::density::squared_error;
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Run, RunArgs, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Batch, End, Objective, Trainer};
use nn::{Layout, Mlp, map_rows};
use rand::{SeedableRng, rngs::StdRng};

/// Predicts how diabetes goes on, by a network and by least squares
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Neurons of the hidden layers; none of them: linear regression by gradient descent
    #[arg(long, value_name = "N,…", value_delimiter = ',', num_args = 0..,
        default_value = "16", value_parser = whole)]
    widths: Vec<usize>,
    /// φ, the activation of hidden layers
    #[arg(long, value_name = "PHI", default_value = "tanh", value_parser = common::ACTIVATIONS)]
    phi: String,
    /// ψ, the activation of the output, whose targets have mean 0 and standard deviation 1
    #[arg(long, value_name = "PSI", default_value = "identity", value_parser = common::ACTIVATIONS)]
    psi: String,
    /// Stop after so many epochs without a lower validation loss
    #[arg(long, value_name = "N", default_value_t = 50)]
    patience: usize,
}

fn main() -> ExitCode {
    nn::run::main(Defaults { out: "out/nn-regress", epochs: 2000, batch_size: 32, lr: 1e-3 }, |args: Args| {
        args.run.in_pool(|| regress(&args))?
    })
}

/// (Y − f_θ(X))²
struct SquaredError<'a> {
    network: &'a Mlp,
    x: &'a Matrix<f64>,
    y: &'a Matrix<f64>,
}

impl Objective<f64> for SquaredError<'_> {
    const PARTS: &'static [&'static str] = &[];

    fn loss<'t>(&self, theta: Var<'t, f64>, batch: &Batch<'_>, _parts: &mut [f64]) -> Var<'t, f64> {
        let (tape, rows) = (theta.tape(), batch.rows);
        let x = tape.constant_with([rows.len(), self.x.cols], |out| self.x.gather_into(rows, out));
        let y = tape.constant_with([rows.len(), 1], |out| self.y.gather_into(rows, out));
        squared_error(self.network.apply(theta, x), y).sum()
    }
}

/// The β that minimises ‖y − X β‖², for columns X of mean 0: X′X β = X′y.
fn least_squares(x: &Matrix<f64>, y: &Matrix<f64>) -> Result<Vec<f64>, NotPositiveDefinite> {
    let tape = Tape::new();
    let x = tape.shared_constant(&x.values, [x.rows, x.cols]);
    let y = tape.shared_constant(&y.values, [y.rows, 1]);
    let l = x.t_matmul(x).cholesky()?;
    Ok(l.solve_triangular_t(l.solve_triangular(x.t_matmul(y))).to_vec())
}

/// Root mean square error, and R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)², which is 0 for the mean of these rows.
fn scores(predicted: &[f64], y: &[f64]) -> (f64, f64) {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let errors: f64 = predicted.iter().zip(y).map(|(p, y)| (p - y).powi(2)).sum();
    ((errors / n).sqrt(), 1.0 - errors / y.iter().map(|y| (y - mean).powi(2)).sum::<f64>())
}

fn regress(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    anyhow::ensure!(args.run.data.is_none(), "this example has its data embedded");
    let (phi, psi) = (common::activation(&args.phi)?, common::activation(&args.psi)?);
    let table = embedded::diabetes();
    let (inputs, target) = table.split_target("progression")?;
    let parts = split(target.rows, counts(target.rows, [0.6, 0.2, 0.2]), args.run.seed);
    let (to_x, to_y) = (Standardizer::fit(&inputs.values, &parts[0]), Standardizer::fit(&target, &parts[0]));
    let [x, x_validation, x_test] = parts.each_ref().map(|rows| to_x.apply(&inputs.values.select(rows)));
    let [y, y_validation, _] = parts.each_ref().map(|rows| to_y.apply(&target.select(rows)));
    let truth = target.select(&parts[2]);

    let mut layout = Layout::new();
    let network = Mlp::new(&mut layout, "network", &common::widths(x.cols, &args.widths, 1)?, phi, psi);
    let run = Run::open(&args.run, args)?;
    let theta = layout.init(&mut StdRng::seed_from_u64(args.run.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, args.run.seed);
    let objective = SquaredError { network: &network, x: &x, y: &y };
    let validation = SquaredError { network: &network, x: &x_validation, y: &y_validation };
    let end = run
        .train(
            &layout,
            &mut trainer,
            (&objective, args.run.rows(x.rows)),
            Some((&validation, x_validation.rows)),
            (Schedule::Constant, Some(args.patience)),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }

    let restore =
        |standardised: Vec<f64>| to_y.invert(&Matrix::new(standardised.len(), 1, standardised)).values;
    let by_network = restore(predict(&network, trainer.theta(), &x_test));
    let beta = least_squares(&x, &y)?;
    let dot = |row: &[f64]| row.iter().zip(&beta).map(|(x, b)| x * b).sum::<f64>();
    let by_line = restore(x_test.values.chunks_exact(x.cols).map(dot).collect());
    let mean_alone = vec![to_y.mean[0]; truth.rows];

    println!("{} rows held out of {}, in units of progression", truth.rows, target.rows);
    println!("                        RMSE       R²");
    let mut results = Vec::new();
    for (name, says, predicted) in [
        ("network", "network", &*by_network),
        ("least_squares", "least squares", &*by_line),
        ("mean", "the mean alone", &mean_alone),
    ] {
        let (rmse, r2) = scores(predicted, &truth.values);
        println!("  {says:16} {rmse:9.2} {r2:8.3}");
        results.push((format!("{name}_rmse"), rmse));
        results.push((format!("{name}_r2"), r2));
    }
    Panels::new("Rows held out: what came, and what was predicted", 2)
        .figure(against("Network", &by_network, &truth.values))
        .figure(against("Least squares", &by_line, &truth.values))
        .save(&run.folder.file("predictions.png"))?;
    let unit = "mean squared error, standard deviations²";
    common::loss_figure(trainer.history(), unit).save(&run.folder.file("loss.png"))?;
    println!("pictures, metrics and checkpoint are in {}", run.folder.path().display());
    results.push(("epochs".to_owned(), trainer.epochs() as f64));
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
    Ok(())
}

fn predict(network: &Mlp, theta: &Arc<Vec<f64>>, x: &Matrix<f64>) -> Vec<f64> {
    map_rows(theta, x, 1, |theta, x| network.apply(theta, x)).values.to_vec()
}

fn against(title: &str, predicted: &[f64], truth: &[f64]) -> Figure {
    let ends = truth.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |a, &y| (a.0.min(y), a.1.max(y)));
    Figure::new(title)
        .axes("predicted progression", "progression")
        .line("equal", [(ends.0, ends.0), (ends.1, ends.1)])
        .classes(["patients"], predicted.iter().zip(truth).map(|(&p, &y)| ((p, y), 0)))
}
