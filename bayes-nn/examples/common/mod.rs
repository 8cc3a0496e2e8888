//! What the examples with a network share: rows of data, and a network that was fitted to them.

use anyhow::Context;
use bayes_nn::{
    BayesMlp, BayesMlpConfig, BayesMlpObjective, Draws, Likelihood, LinearBaseline, Predictive, Sampling,
    Scaling, ScalingError, Scores,
};
use nn::data::Matrix;
use nn::picture::Figure;
use nn::run::{Curves, Explorer, RunArgs, Series};
use nn::train::{Fit, Loss, Schedule, Trainer};

/// Inputs (rows, inputs) and target (rows, 1) of a regression, in their own units; or classes as one-hot rows (rows, K).
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) x: Matrix<f64>,
    pub(crate) y: Matrix<f64>,
}

impl Rows {
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self { x: self.x.select(rows), y: self.y.select(rows) }
    }

    /// How these rows, to train on, are scaled for a likelihood.
    pub(crate) fn scaling(&self, likelihood: Likelihood) -> Result<Scaling, ScalingError> {
        match likelihood.is_of_numbers() {
            true => Scaling::fit(&self.x, &self.y),
            false => Scaling::of_inputs(&self.x, self.y.cols),
        }
    }

    pub(crate) fn standardise(&self, scaling: &Scaling) -> Result<Standardised, ScalingError> {
        Ok(Standardised { x: scaling.inputs(&self.x)?, y: scaling.targets(&self.y)? })
    }
}

/// Rows as the network sees them.
pub(crate) struct Standardised {
    pub(crate) x: Matrix<f32>,
    pub(crate) y: Matrix<f32>,
}

impl Standardised {
    pub(crate) fn objective<'a>(&'a self, model: &'a BayesMlp) -> BayesMlpObjective<'a, f32> {
        BayesMlpObjective::new(model, &self.x, &self.y)
    }
}

/// A network that was fitted to standardised rows, as draws from its posterior.
pub(crate) struct Fitted {
    pub(crate) model: BayesMlp,
    pub(crate) draws: Draws<f32>,
    pub(crate) scaling: Scaling,
    /// The ELBO of all rows, in nats and in units of the standardised target.
    pub(crate) bound: f64,
}

impl Fitted {
    pub(crate) fn new(
        run: &RunArgs,
        model: BayesMlp,
        trainer: &mut Trainer<f32>,
        scaling: Scaling,
        rows: &Standardised,
        draws: usize,
    ) -> anyhow::Result<Self> {
        let Loss { total, .. } = trainer.evaluate(&mut rows.objective(&model))?;
        let draws = model.draws(trainer.theta(), draws, run.seed);
        Ok(Self { model, draws, scaling, bound: -total * rows.x.rows as f64 })
    }

    pub(crate) fn predict(&self, x: &Matrix<f64>) -> anyhow::Result<Predictive> {
        self.predict_by(&self.draws, x)
    }

    /// What other draws of θ say.
    pub(crate) fn predict_by(&self, draws: &Draws<f32>, x: &Matrix<f64>) -> anyhow::Result<Predictive> {
        let x = self.scaling.inputs(x).context("the rows to predict")?;
        Ok(self.scaling.restore(&self.model.predict(draws, &x)))
    }
}

/// Trains q on rows, which are standardised first, without a word.
pub(crate) fn fit(
    run: &RunArgs,
    config: &BayesMlpConfig,
    sampling: Sampling,
    rows: &Rows,
    steps: usize,
    draws: usize,
) -> anyhow::Result<Fitted> {
    let scaling = rows.scaling(config.likelihood)?;
    let rows = rows.standardise(&scaling)?;
    let model = BayesMlp::new(config)?;
    let mut objective = BayesMlpObjective { sampling, ..rows.objective(&model) };
    let fit = in_steps(run, steps, &mut objective);
    let mut trainer = run.trainer(model.layout());
    trainer.fit(&mut objective, None, &fit, &mut ())?;
    Fitted::new(run, model, &mut trainer, scaling, &rows, draws)
}

/// What Bayesian linear regression on rows says of others, by draws from its exact posterior.
pub(crate) fn linear(rows: &Rows, x: &Matrix<f64>, draws: usize, seed: u64) -> anyhow::Result<Predictive> {
    let scaling = Scaling::fit(&rows.x, &rows.y)?;
    let [inputs, targets, others] =
        [scaling.inputs(&rows.x)?, scaling.targets(&rows.y)?, scaling.inputs(x)?].map(|of| of.map(f64::from));
    let baseline = LinearBaseline::fit(&inputs, &targets.values).context("linear regression")?;
    Ok(scaling.restore(&baseline.predict(&others, draws, seed)))
}

/// How to train by these flags in so many steps, or in `--epochs`, whichever ends first. The rate falls from epoch to epoch, so
/// that an epoch need not be longer than a hundredth of the steps: the objective gets such a window.
pub(crate) fn in_steps(run: &RunArgs, steps: usize, objective: &mut BayesMlpObjective<'_, f32>) -> Fit {
    let hundredth = steps.div_ceil(100).saturating_mul(run.batch_size);
    objective.window = objective.x.rows.min(hundredth).max(1);
    let per_epoch = objective.window.div_ceil(run.batch_size);
    let epochs = run.epochs.min(steps.div_ceil(per_epoch));
    Fit { epochs, schedule: Schedule::Cosine { epochs }, ..run.fit() }
}

/// Coverage of the predictive intervals as a function of their probability.
pub(crate) fn calibration(scores: &Scores) -> Figure {
    Figure::new("Calibration: observations inside their predictive interval")
        .axes("probability of the interval", "share inside")
        .line("right", [(0.0, 0.0), (1.0, 1.0)])
        .line("found", scores.calibration(20))
}

/// The interval of 90 % of each row and what was observed of it, in the order of the predictions, for a reader of the report to
/// go through. There is no plane to move about in: a row has more inputs than that.
pub(crate) fn intervals(title: &str, observed: &Matrix<f64>, predictive: &Predictive) -> Explorer {
    const MOST: usize = 1000;
    let (mean, low, high) = (predictive.mean(), predictive.quantile(0.05), predictive.quantile(0.95));
    let mut order: Vec<usize> = (0..mean.len()).collect();
    order.sort_by(|&a, &b| mean[a].total_cmp(&mean[b]));
    let step = order.len().div_ceil(MOST);
    let rows = || order.iter().zip(1..).step_by(step).map(|(&row, place)| (row, f64::from(place)));
    Explorer::Curves(Curves {
        title: title.to_owned(),
        labels: ["place of the row in the order of predictions".to_owned(), "target".to_owned()],
        series: vec![
            Series::band("interval of 90 %", rows().map(|(row, place)| (place, low[row], high[row]))),
            Series::line("predicted mean", rows().map(|(row, place)| (place, mean[row]))),
            Series::points("observed", rows().map(|(row, place)| (place, observed.values[row]))),
        ],
    })
}
