//! How good the network is on rows that were held out of a table, beside Bayesian linear regression.

use bayes_nn::{Predictive, Scores};
use nn::data::{counts, split};
use nn::outln;
use nn::run::{Label, Run, TextTable};
use nn::stats::{Estimate, root_mean_square};

use crate::Args;
use crate::common::{self, Rows, calibration};

/// A random split of the rows.
pub(super) struct Split {
    pub(super) train: Rows,
    pub(super) held_out: Rows,
    /// The numbers of the rows to train on.
    pub(super) train_numbers: Vec<usize>,
    /// The numbers of the rows held out.
    pub(super) numbers: Vec<usize>,
    pub(super) seed: u64,
}

/// What was said of the rows held out of a split.
pub(super) struct SplitScores {
    network: Scores,
    /// Of Bayesian linear regression.
    linear: Scores,
    /// The root mean square error of the mean of the rows to train on.
    mean_rmse: f64,
}

impl Split {
    pub(super) fn new(args: &Args, rows: &Rows, number: usize) -> Self {
        let (count, share) = (rows.x.rows, args.validation);
        let seed = args.run.seed.wrapping_add(number as u64);
        let [train_numbers, numbers] = split(count, counts(count, [1.0 - share, share]), seed);
        let (train, held_out) = (rows.select(&train_numbers), rows.select(&numbers));
        Self { train, held_out, train_numbers, numbers, seed }
    }

    pub(super) fn score(&self, args: &Args, network: &Predictive) -> anyhow::Result<SplitScores> {
        let Self { train, held_out: Rows { x, y }, seed, .. } = self;
        let mean = train.y.values.iter().sum::<f64>() / train.y.rows as f64;
        Ok(SplitScores {
            network: Scores::of(network, &y.values),
            linear: Scores::of(&common::linear(train, x, args.draws, *seed)?, &y.values),
            mean_rmse: root_mean_square(y.values.iter().map(|y| y - mean)),
        })
    }
}

/// The scores of one of the two models.
type Of = fn(&SplitScores) -> &Scores;

type Score = fn(&Scores) -> f64;

/// Prints means over the splits, and coverage with the rows of all splits pooled.
pub(super) fn report(
    run: &Run<'_>,
    target: &str,
    train: usize,
    splits: &[SplitScores],
) -> anyhow::Result<()> {
    let (held_out, count) = (splits[0].network.cdf.len(), splits.len());
    let over = |score: &dyn Fn(&SplitScores) -> f64| {
        Estimate::over_splits(&splits.iter().map(score).collect::<Vec<_>>(), train, held_out)
    };
    let pooled = |of: Of| Scores {
        cdf: splits.iter().flat_map(|split| of(split).cdf.iter().copied()).collect(),
        ..of(&splits[0]).clone()
    };
    let (network, linear): (Of, Of) = (|split| &split.network, |split| &split.linear);
    let scores: [(&str, Score); 3] = [
        ("RMSE", |of| of.rmse),
        ("log-likelihood, nats per row", |of| of.log_density),
        ("CRPS", |of| of.crps),
    ];

    outln!("{held_out} rows held out of {}, random splits: {count}, in units of {target}", train + held_out);
    let mut table = TextTable::new().header(["", "network", "linear regression"]);
    for (name, score) in scores {
        let cells = [network, linear].map(|of| cell(over(&|split| score(of(split)))));
        table.row([name.to_owned()].into_iter().chain(cells));
    }
    for level in [0.5, 0.9, 0.95] {
        let inside = [network, linear].map(|of| format!("{:.3}", pooled(of).coverage(level)));
        table.row([format!("inside {:2.0} % intervals", 100.0 * level)].into_iter().chain(inside));
    }
    table.print();
    let gain = |split: &SplitScores| split.network.log_density - split.linear.log_density;
    let wins = splits.iter().filter(|split| gain(split) > 0.0).count();
    outln!("the mean alone has an RMSE of {}", cell(over(&|split| split.mean_rmse)));
    outln!(
        "the network's log-likelihood is the higher one on {wins} of {count}, by {} on average",
        cell(over(&gain))
    );

    calibration(&pooled(network)).save(&run.picture(
        "calibration.png",
        "How often the truth lies in an interval, over how often it should. A curve on the diagonal is calibrated; \
        below it the intervals are too narrow",
    ))?;
    let gained = over(&gain);
    let verdict = match gained.mean {
        mean if count >= 5 && mean > 2.0 * gained.se => "The network predicts better than linear regression.",
        mean if count >= 5 && mean < -2.0 * gained.se => {
            "Linear regression predicts better than the network."
        }
        _ => {
            "As far as these splits can tell, the network predicts as well as linear regression, and no better."
        }
    };
    run.found(&format!(
        "{verdict} By the log-likelihood of rows that were not seen, which also counts how certain a prediction is, the network is \
         ahead on {wins} of {count} splits."
    ));
    let mean = |of: Of, score: usize| over(&|split| scores[score].1(of(split))).mean;
    run.label(&[
        Label::new("rmse", "error of held-out rows, root mean square (RMSE)", "target's unit"),
        Label::new("ll", "log-likelihood of held-out rows, log p(y|x)", "nats per row"),
        Label::new("crps", "error of the whole prediction of held-out rows, CRPS", "target's unit"),
        Label::new("coverage_90", "held-out rows inside their 90 % intervals", "share"),
        Label::new("linear_rmse", "RMSE of Bayesian linear regression", "target's unit"),
        Label::new("linear_ll", "log-likelihood of Bayesian linear regression", "nats per row"),
        Label::new("linear_crps", "CRPS of Bayesian linear regression", "target's unit"),
        Label::new(
            "linear_coverage_90",
            "held-out rows inside the 90 % intervals of Bayesian linear regression",
            "share",
        ),
        Label::new("wins", "splits on which the network has the higher log-likelihood", ""),
    ]);
    run.finish(&[
        ("rmse", mean(network, 0)),
        ("ll", mean(network, 1)),
        ("crps", mean(network, 2)),
        ("coverage_90", pooled(network).coverage(0.9)),
        ("linear_rmse", mean(linear, 0)),
        ("linear_ll", mean(linear, 1)),
        ("linear_crps", mean(linear, 2)),
        ("linear_coverage_90", pooled(linear).coverage(0.9)),
        ("wins", wins as f64),
    ])?;
    Ok(())
}

/// A number in any unit of the target. A single split has no standard error.
fn cell(Estimate { mean, se }: Estimate) -> String {
    let short = |x: f64| {
        if (1e-3..1e9).contains(&x.abs()) { format!("{x:.3}") } else { format!("{x:.3e}") }
    };
    if se.is_nan() { short(mean) } else { format!("{} ± {}", short(mean), short(se)) }
}
