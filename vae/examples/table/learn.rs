//! Training: which latent dimension, from where, and how long.

use std::sync::Arc;

use nn::data::{ColumnKind, Matrix, split};
use nn::model::Nonlinearity;
use nn::run::{Run, say};
use nn::train::{End, Fit, Rule, Schedule, Trainer};
use nn::{errln, outln};
use vae::{Gaps, Likelihood, NetworkConfig, Vae, VaeConfig, VaeObjective, Variable};

use crate::Args;
use crate::cells::{Cells, normal};
use crate::rows::{imputation, restored};

/// The normal distribution of more numbers takes too long for every gap: then encoders see 0 in gaps, and models begin at random.
const MOST_COLUMNS: usize = 300;

/// A model with the latent dimension that fills cells of validation rows best; none if the user stopped training.
pub(crate) fn train(
    run: &Run<'_>,
    args: &Args,
    cells: &Cells,
) -> anyhow::Result<Option<(Vae, Trainer<f32>)>> {
    let (rows, cols) = (cells.holed.rows, cells.holed.cols);
    let validated = rows.div_ceil(10);
    let parts = split(rows, [rows - validated, validated], args.run.seed);
    let [learned, validated] = parts.map(|rows| cells.holed.select(&rows));
    // More dimensions than columns say nothing more.
    let most = cols.max(args.latent.iter().copied().min().unwrap_or(1));
    let sizes: Vec<usize> = args.latent.iter().copied().filter(|latent| *latent <= most).collect();
    let variables = variables(cells);
    let mut best: Option<(f64, Vae, Trainer<f32>)> = None;
    say("error of cells, filled from the rest of their row, in units of that of the column's mean");
    for &latent in &sizes {
        let part = (sizes.len() > 1).then(|| run.part(&format!("latent-{latent}"))).transpose()?;
        let run = part.as_ref().unwrap_or(run);
        let vae = model(args, &variables, cols, latent)?;
        let mut trainer = start(run, args, &vae, &learned).clip_norm(100.0);
        let objective = |data| VaeObjective { samples: 4, ..VaeObjective::new(&vae, data) };
        let (mut training, mut validating) = (objective(&learned), objective(&validated));
        let schedule = Schedule::Cosine { epochs: args.run.epochs };
        let fit = Fit { schedule, patience: Some(args.patience), groups: vae.held(), ..run.fit() };
        if run.train(&mut trainer, &mut training, Some(&mut validating), &fit)? == End::Stopped {
            return Ok(None);
        }
        let error = validation_error(args, cells, &vae, trainer.theta(), &validated);
        outln!("{latent:3} latent dimensions, cells of validation rows: {error:.3}");
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, vae, trainer));
        }
    }
    if let Some((_, vae, _)) = best.as_ref().filter(|_| sizes.len() > 1) {
        say(&format!(
            "{} latent dimensions are taken; more than {cols}, the number of columns, are not tried",
            vae.latent()
        ));
    }
    Ok(best.map(|(_, vae, trainer)| (vae, trainer)))
}

/// The variables of the table's columns, with center and spread of what the model sees of them.
fn variables(cells: &Cells) -> Vec<Variable> {
    let firsts = cells.first_numbers(&cells.holed.map(f64::from));
    let moments = |column: usize, of: fn(f64) -> f64| {
        let seen = || (0..firsts.rows).map(|i| firsts.row(i)[column]).filter(|x| !x.is_nan()).map(of);
        let n = seen().count() as f64;
        let center = seen().sum::<f64>() / n;
        let spread = (seen().map(|x| (x - center).powi(2)).sum::<f64>() / n).sqrt();
        // A column that is constant has none.
        (center, if spread > 1e-6 { spread } else { 1.0 })
    };
    let variable = |(column, code): (usize, &nn::data::ColumnCode)| match code.kind {
        ColumnKind::Normal => Variable::Normal,
        ColumnKind::LogNormal => {
            let (center, spread) = moments(column, f64::ln);
            Variable::LogNormal { center, spread }
        }
        ColumnKind::YesNo => Variable::YesNo,
        // One number tells two classes apart.
        ColumnKind::Category if code.width() == 1 && code.classes.len() == 2 => Variable::YesNo,
        ColumnKind::Category => Variable::Category { classes: code.classes.len() },
        ColumnKind::Count => {
            let (center, spread) = moments(column, f64::ln_1p);
            Variable::Count { center, spread }
        }
    };
    cells.codes.iter().enumerate().map(variable).collect()
}

/// Networks with a linear path beside the hidden layer, so that the model contains factor analysis.
fn model(args: &Args, variables: &[Variable], cols: usize, latent: usize) -> anyhow::Result<Vae> {
    let likelihood = Likelihood::Mixed { variables: variables.to_vec() };
    let gaps = if cols > MOST_COLUMNS { Gaps::Zero } else { Gaps::Conditional };
    let usual = VaeConfig::new(cols, &[args.hidden], latent).with_phi(Nonlinearity::Tanh);
    let [encoder, decoder] =
        [usual.encoder.clone(), usual.decoder.clone()].map(NetworkConfig::with_linear_path);
    Ok(Vae::new(&VaeConfig { encoder, decoder, likelihood, gaps, ..usual })?)
}

/// A trainer that begins as the factor analysis of the rows to learn from, or of a wide table at random.
fn start(run: &Run<'_>, args: &Args, vae: &Vae, learned: &Matrix<f32>) -> Trainer<f32> {
    let random: Trainer<f32> = run.trainer(vae.layout());
    if vae.config().gaps == Gaps::Zero {
        return random;
    }
    let mut theta = random.theta().to_vec();
    let started =
        normal(args, &vae.seen_by_encoder(learned)).and_then(|normal| vae.start_at(&mut theta, &normal));
    match started {
        Ok(()) => Trainer::new(vae.layout(), theta, Rule::ADAM, args.run.seed),
        Err(error) => {
            errln!("note: training begins at random weights, and not as a factor analysis: {error}");
            random
        }
    }
}

/// How well the cells of these rows are filled, each from nine tenths of its row: the root of [`Cells::score`].
fn validation_error(args: &Args, cells: &Cells, vae: &Vae, theta: &Arc<Vec<f32>>, x: &Matrix<f32>) -> f64 {
    const FOLDS: usize = 10;
    let truth = restored(&cells.preprocessing, x);
    let columns = cells.codes.len();
    let count = x.rows * columns;
    let [order] = split(count, [count], args.run.seed);
    let firsts = cells.first_numbers(&truth);
    let (mut sum, mut scored) = (0.0, 0.0);
    for fold in order.chunks(count.div_ceil(FOLDS)) {
        let known: Vec<usize> = fold.iter().copied().filter(|&cell| !firsts.values[cell].is_nan()).collect();
        let holed = cells.without(x, &known);
        let filled = vae.impute(theta, &holed, imputation(args.samples), args.run.seed);
        let filled = restored(&cells.preprocessing, &filled);
        sum += known.len() as f64 * cells.score(&filled, &truth, &known);
        scored += known.len() as f64;
    }
    (sum / scored).sqrt()
}
