//! How good the network is on rows that were held out of a table, beside a straight line.

use anyhow::Context;
use bayes_nn::{Likelihood, LinearBaseline, Scores};
use nn::data::{DataError, Matrix, counts, split};
use nn::run::{Label, Run, TextTable, counted};
use nn::stats::{Estimate, root_mean_square};
use nn::{errln, outln};

use super::inputs::{Coded, Inputs};
use crate::Args;
use crate::common::{self, Fitted, Rows, calibration};

/// A random split of the rows.
pub(super) struct Split {
    pub(super) inputs: Coded,
    /// The inputs of all rows as numbers.
    pub(super) x: Matrix<f64>,
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
    /// Of the line.
    linear: Scores,
    evidence: Evidence,
    /// The root mean square error of the mean of the rows to train on.
    mean_rmse: f64,
}

/// How likely the rows to train on are under both models, in nats.
#[derive(Clone, Copy)]
pub(super) struct Evidence {
    /// The bound of the network's log evidence.
    pub(super) network: f64,
    /// The log evidence of the line, or its bound.
    pub(super) line: f64,
}

impl Split {
    pub(super) fn new(
        args: &Args,
        inputs: &Inputs,
        y: &Matrix<f64>,
        number: usize,
    ) -> Result<Self, DataError> {
        let (count, share) = (y.rows, args.validation);
        let seed = args.run.seed.wrapping_add(number as u64);
        let [train_numbers, numbers] = split(count, counts(count, [1.0 - share, share]), seed);
        let inputs = inputs.coded(&train_numbers)?;
        let x = inputs.numbers()?;
        let [train, held_out] =
            [&train_numbers, &numbers].map(|of| Rows { x: x.select(of), y: y.select(of) });
        Ok(Self { inputs, x, train, held_out, train_numbers, numbers, seed })
    }

    /// To which part each row belongs.
    pub(super) fn parts(&self) -> Vec<&'static str> {
        let mut parts = vec!["train"; self.x.rows];
        self.numbers.iter().for_each(|&row| parts[row] = "validation");
        parts
    }

    pub(super) fn score(&self, args: &Args, network: &Fitted) -> anyhow::Result<SplitScores> {
        let Self { train, held_out: Rows { x, y }, seed, .. } = self;
        let mean = train.y.values.iter().sum::<f64>() / train.y.rows as f64;
        let (line, of_line) = match args.likelihood.likelihood() {
            Likelihood::NormalLearned { mean, sd } => {
                let rows = train.standardise(&network.scaling)?;
                let [x, y] = [rows.x, rows.y].map(|of| of.map(f64::from));
                let exact = LinearBaseline::learned_log_evidence(&x, &y.values, mean, sd);
                (
                    common::linear(train, &self.held_out.x, args.draws, *seed)?,
                    exact.context("linear regression")?,
                )
            }
            // Of others there is no exact posterior.
            _ => {
                let line = super::fit(args, train, super::Shape::Line, *seed).context("the straight line")?;
                (line.predict(x)?, line.bound)
            }
        };
        Ok(SplitScores {
            network: Scores::of(&network.predict(x)?, &y.values),
            linear: Scores::of(&line, &y.values),
            evidence: Evidence { network: network.bound, line: of_line },
            mean_rmse: root_mean_square(y.values.iter().map(|y| y - mean)),
        })
    }
}

/// What the straight line of this likelihood is called.
pub(super) fn name_of_line(likelihood: Likelihood) -> &'static str {
    if evidence_is_exact(likelihood) { "linear regression" } else { "a straight line" }
}

/// Whether the network is worth its trouble, in a sentence, which is printed as a warning where it is not. `gain` is by how much the
/// network's log-likelihood of held-out rows is the higher one, over so many splits, and `evidence` the means over them.
pub(super) fn verdict(
    likelihood: Likelihood,
    splits: usize,
    Estimate { mean, se }: Estimate,
    evidence: Evidence,
) -> String {
    let (line, Evidence { network, line: of_line }) = (name_of_line(likelihood), evidence);
    let known = if evidence_is_exact(likelihood) { "log evidence" } else { "bound of the log evidence" };
    let (than, for_line) = if of_line > network { ("above", true) } else { ("below", false) };
    let by_evidence =
        format!("the {known} of the line, {of_line:.1} nats, is {than} the network's bound, {network:.1}");
    // Few splits say little.
    let sure = splits >= 5 && mean.abs() > 2.0 * se;
    let serves = match (sure, mean > 0.0) {
        (true, true) => return format!("The network predicts better than {line}; {by_evidence}."),
        (true, false) => format!("{line} predicts these data better than the network"),
        (false, up) if for_line && !(splits < 5 && up) => {
            format!("{line} serves these data as well: held-out rows do not tell it from the network")
        }
        _ => {
            return format!(
                "As far as these splits can tell, the network predicts as well as {line}, and no better; {by_evidence}."
            );
        }
    };
    errln!("warning: {serves}, and {by_evidence}; take the line, which is simpler");
    format!("{}{}, and {by_evidence}.", serves[..1].to_uppercase(), &serves[1..])
}

/// Whether the log evidence of the line is known exactly, and not by a bound.
pub(super) fn evidence_is_exact(likelihood: Likelihood) -> bool {
    matches!(likelihood, Likelihood::NormalLearned { .. })
}

/// The scores of one of the two models.
type Of = fn(&SplitScores) -> &Scores;

type Score = fn(&Scores) -> f64;

/// Prints means over the splits, and coverage with the rows of all splits pooled.
pub(super) fn report(
    run: &Run<'_>,
    likelihood: Likelihood,
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

    let (rows, all) = (counted(held_out, "row"), train + held_out);
    outln!("{rows} held out of {all}, random splits: {count}, in units of {target}");
    let line = name_of_line(likelihood);
    let mut table = TextTable::new().header(["", "network", line.trim_start_matches("a ")]);
    for (name, score) in scores {
        let cells = [network, linear].map(|of| cell(over(&|split| score(of(split)))));
        table.row([name.to_owned()].into_iter().chain(cells));
    }
    for level in [0.5, 0.9, 0.95] {
        let inside = [network, linear].map(|of| format!("{:.3}", pooled(of).coverage(level)));
        table.row([format!("inside {:2.0} % intervals", 100.0 * level)].into_iter().chain(inside));
    }
    let evidence = Evidence {
        network: over(&|split| split.evidence.network).mean,
        line: over(&|split| split.evidence.line).mean,
    };
    let [network_evidence, line_evidence] =
        [evidence.network, evidence.line].map(|nats| format!("{nats:.1}"));
    let least = if evidence_is_exact(likelihood) { "" } else { "≥ " };
    table.row([
        "log evidence of rows to train on, nats".to_owned(),
        format!("≥ {network_evidence}"),
        format!("{least}{line_evidence}"),
    ]);
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
    let verdict = verdict(likelihood, count, over(&gain), evidence);
    run.found(&format!(
        "{verdict} By the log-likelihood of rows that were not seen, which also counts how certain a prediction is, the network is \
         ahead on {wins} of {count} splits."
    ));
    run.label(&[
        Label::new("rmse", "error of held-out rows, root mean square (RMSE)", "target's unit"),
        Label::new("ll", "log-likelihood of held-out rows, log p(y|x)", "nats per row"),
        Label::new("crps", "error of the whole prediction of held-out rows, CRPS", "target's unit"),
        Label::new("coverage_90", "held-out rows inside their 90 % intervals", "share"),
        Label::new("linear_rmse", "RMSE of the straight line", "target's unit"),
        Label::new("linear_ll", "log-likelihood of the straight line", "nats per row"),
        Label::new("linear_crps", "CRPS of the straight line", "target's unit"),
        Label::new(
            "linear_coverage_90",
            "held-out rows inside the 90 % intervals of the straight line",
            "share",
        ),
        Label::new("bound", "log evidence of the rows to train on, the network's lower bound", "nats"),
        Label::new("linear_evidence", "log evidence of the rows to train on under the straight line", "nats"),
        Label::new("wins", "splits on which the network has the higher log-likelihood", ""),
    ]);
    let mean = |of: Of, score: usize| over(&|split| scores[score].1(of(split))).mean;
    run.finish(&[
        ("rmse", mean(network, 0)),
        ("ll", mean(network, 1)),
        ("crps", mean(network, 2)),
        ("coverage_90", pooled(network).coverage(0.9)),
        ("linear_rmse", mean(linear, 0)),
        ("linear_ll", mean(linear, 1)),
        ("linear_crps", mean(linear, 2)),
        ("linear_coverage_90", pooled(linear).coverage(0.9)),
        ("bound", evidence.network),
        ("linear_evidence", evidence.line),
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
