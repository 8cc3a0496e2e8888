//! Infers the probability of heads of a coin that showed 10 heads in 14 throws (lecture 004, "Example : coin flip (again)"): the
//! frequentist way, the exact Bayesian way under two priors, and by variational inference.
//!
//!     cargo run --release -p bayes-nn --example coin
//!
//! Writes to `out/bayes-nn-coin/`: the distribution of the number of heads of a fair coin, priors and posteriors with
//! their approximations, and the ELBOs as they rise; Bayes' theorem as a frequency; and where the two ways part as there are more
//! throws, and more coins.

mod beta;
mod frequencies;

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::process::ExitCode;

use anyhow::ensure;
use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use bayes_nn::inference::{
    DivergenceEstimator, Estimator, FreeEnergyObjective, LogDensity, MeanField, Support, Transform,
};
use nn::model::{Init, Layout};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{
    Curves, Defaults, Explorer, Frames, Label, Position, Run, RunArgs, RunError, Scene, Series, at_most,
    whole,
};
use nn::stats::Estimate;
use nn::train::{Batch, End, Epoch, Fit, Objective, Parts, Schedule};

use beta::{Beta, at_least, binomial, bisect, log_choose};
use frequencies::{ManyCoins, TenCoins, TwoSigma, UNFAIR, unfair};

/// Infers the bias of a coin, exactly and by variational inference
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Throws
    #[arg(long, value_name = "N", default_value_t = 14)]
    throws: u32,
    /// Heads among them
    #[arg(long, value_name = "K", default_value_t = 10)]
    heads: u32,
    /// Monte-Carlo samples a step, in antithetic pairs
    #[arg(long, value_name = "M", default_value_t = 64, value_parser = whole)]
    samples: usize,
    /// Throws of ten coins that are simulated, one of which has two tails
    #[arg(long, value_name = "N", default_value_t = 100_000, default_value_if("dry_run", "true", "1000"), value_parser = at_most::<100_000_000>)]
    simulated: usize,
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        let Self { throws: n, heads: k, samples, simulated, .. } = *self;
        ensure!(self.run.data.is_none(), "this example takes no data but --throws and --heads");
        ensure!((1..=1000).contains(&n), "--throws: expected a number from 1 to 1000, found {n}");
        ensure!(k <= n, "--heads: expected a number from 0 to {n}, found {k}");
        ensure!(simulated >= 10, "--simulated: expected at least 10 throws, found {simulated}");
        let pairs = samples > 0 && samples.is_multiple_of(2);
        ensure!(pairs, "--samples: expected an even number greater than 0, found {samples}");
        Ok(())
    }
}

fn main() -> ExitCode {
    nn::run::main(
        Defaults { out: "out/bayes-nn-coin", epochs: 2000, batch_size: 1, lr: 0.02 },
        |args: Args| args.run.in_pool(|| coin(&args))?,
    )
}

/// The priors of p.
const PRIORS: [(&str, Beta); 2] = [("uniform", Beta(1, 1)), ("peaked", Beta(10, 10))];

fn coin(args: &Args) -> anyhow::Result<()> {
    args.check()?;
    let run =
        Run::open(&args.run, args)?.documented("bayes-nn", "A coin, by a normal distribution of the logit");

    // p = σ(ζ) with ζ ~ q = N(μ, σ²)
    let mut transform = Transform::new();
    transform.slot("p", [1], Support::UNIT);
    let mut layout = Layout::new();
    let qs = PRIORS.map(|(name, _)| MeanField::new(&mut layout, name, 1, Init::Constant(0.0), 1.0));
    let mut objective = BothObjective([0, 1].map(|i| free_energy(&qs[i], &transform, args, PRIORS[i].1)));

    let mut trainer = run.trainer(&layout);
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.args.epochs }, ..run.fit() };
    if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
        return Ok(());
    }

    let eta = trainer.theta();
    let estimates = if run.args.dry_run { 10 } else { 2000 };
    let answers = [0, 1].map(|i| {
        let [mu, log_sigma] = [qs[i].mu(), qs[i].log_sigma()].map(|slot| eta[slot.range().start]);
        let elbo = objective.0[i].estimate_elbo(eta, estimates, run.args.seed);
        Answer::new(PRIORS[i], args, LogitNormal { mu, sigma: log_sigma.exp() }, elbo)
    });
    draw(&run, args, &answers, trainer.history())?;
    let parting = Parting {
        ten_coins: TenCoins::throw(args.simulated, run.args.seed),
        by_data: TwoSigma::all(),
        by_model: ManyCoins::all(run.args.seed),
    };
    parting.draw(&run)?;
    report(&run, args, &answers, &parting)?;
    Ok(())
}

/// Probabilities as frequencies, and where frequentist and Bayesian answers part.
struct Parting {
    ten_coins: TenCoins,
    /// More and more throws of one coin.
    by_data: Vec<TwoSigma>,
    /// More and more coins.
    by_model: Vec<ManyCoins>,
}

impl Parting {
    fn draw(&self, run: &Run<'_>) -> anyhow::Result<()> {
        self.ten_coins.figure().save(&run.picture(
            "frequencies.png",
            "Bayes' theorem as a frequency: of the throws that show tail, the share of the coin with two tails. It comes as near to 2/11 \
            as its standard deviation lets it (lecture 004, \"Mandatory coin-flip example\", and \"Probabilities\")",
        ))?;
        let figures = frequencies::figures(&self.by_data, &self.by_model);
        let panels = figures.into_iter().fold(Panels::new("Where the answers part", 2), Panels::figure);
        panels.save(&run.picture(
            "apart.png",
            "Left: as data grow. Heads are always two standard deviations above one half, which a test finds as strange after a million throws \
            as after sixteen, while the probability that the coin is fair goes to 1. Right: as the model grows. Each of many coins is \
            thrown 14 times; what all of them say together tells how far to trust the share of one (lecture 004, \"Frequentist vs Bayesian \
            approaches\")",
        ))?;
        Ok(())
    }

    fn report(&self) {
        let Self { ten_coins, by_data, by_model } = self;
        let [part, whole] = UNFAIR;
        outln!("one of ten coins has two tails, tail is thrown: P(unfair | tail) = {part}/{whole}");
        outln!(
            "  = {:.6}; by {} simulated throws with tail: {:.4} ± {:.4}",
            unfair(),
            ten_coins.tails,
            ten_coins.share(),
            ten_coins.error()
        );
        outln!("heads two standard deviations above one half: the p-value, P(fair | data)");
        for TwoSigma { throws, p_value, fair } in [&by_data[0], &by_data[by_data.len() - 1]] {
            outln!("  {throws:7} throws: {p_value:.4}, {fair:.4}");
        }
        outln!("14 throws of each of many coins: the rms error of p by shares, uniform prior,");
        outln!("and a prior that is learned from so many coins");
        for ManyCoins { together, shares, uniform, learned } in [&by_model[0], &by_model[by_model.len() - 1]]
        {
            outln!("  {together:7} coins: {shares:.4}, {uniform:.4}, {learned:.4}");
        }
    }
}

/// F for the model log p(k, p) = log P(k|p) + log Beta(p), at p = σ(ζ).
fn free_energy<'a>(
    q: &'a MeanField,
    transform: &'a Transform,
    args: &Args,
    prior: Beta,
) -> FreeEnergyObjective<'a, MeanField, impl LogDensity<f64> + Sync + 'a> {
    let Beta(a, b) = prior.posterior(args.heads, args.throws);
    let (a, b) = (f64::from(a), f64::from(b));
    let constant = log_choose(args.throws, args.heads) - prior.log_norm();
    let divergence = DivergenceEstimator::Path;
    let estimator = Estimator { samples: args.samples, antithetic: true, divergence, ..Estimator::default() };
    FreeEnergyObjective::new(
        q,
        move |_: &Tape<f64>, zeta| {
            transform.log_joint(zeta, |p| (p.ln() * (a - 1.0) + p.neg().ln_1p() * (b - 1.0)).sum() + constant)
        },
        estimator,
    )
}

/// The free energies under both priors, which are minimised side by side. They share nothing but the noise.
struct BothObjective<E>([E; 2]);

impl<P: LogDensity<f64> + Sync> Objective<f64> for BothObjective<FreeEnergyObjective<'_, MeanField, P>> {
    fn parts(&self) -> &'static [&'static str] {
        &["elbo_uniform", "elbo_peaked"]
    }

    fn rows(&self) -> usize {
        1
    }

    fn loss<'t>(
        &self,
        eta: Var<'t, f64>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        let elbos = self.0.each_ref().map(|f| f.elbo(eta, f.noise(eta.tape(), batch.noise)).value());
        for (name, elbo) in self.parts().iter().zip(elbos) {
            parts.add(name, elbo.item());
        }
        Ok((elbos[0] + elbos[1]).neg())
    }
}

/// q as a density of p: the logit of p is normal.
struct LogitNormal {
    mu: f64,
    sigma: f64,
}

impl LogitNormal {
    fn density(&self, p: f64) -> f64 {
        let r = (Support::UNIT.inverse(p) - self.mu) / self.sigma;
        (-0.5 * r * r).exp() / (self.sigma * (2.0 * PI).sqrt() * p * (1.0 - p))
    }

    /// E[p]
    fn mean(&self) -> f64 {
        Support::UNIT.mean_of_normal(self.mu, self.sigma)
    }
}

/// What is known of p under a prior.
struct Answer {
    name: &'static str,
    prior: Beta,
    posterior: Beta,
    /// The central interval of probability 95 %.
    interval: [f64; 2],
    log_evidence: f64,
    q: LogitNormal,
    elbo: Estimate,
}

impl Answer {
    fn new((name, prior): (&'static str, Beta), args: &Args, q: LogitNormal, elbo: Estimate) -> Self {
        let posterior = prior.posterior(args.heads, args.throws);
        let interval = [0.025, 0.975].map(|probability| posterior.quantile(probability));
        let log_evidence = prior.log_evidence(args.heads, args.throws);
        Self { name, prior, posterior, interval, log_evidence, q, elbo }
    }
}

fn report(run: &Run<'_>, args: &Args, answers: &[Answer; 2], parting: &Parting) -> Result<(), RunError> {
    parting.report();
    let p_value = report_frequencies(args);
    for Answer { name, prior, posterior, interval: [low, high], log_evidence, q, elbo } in answers {
        outln!("  {name} prior, Beta({}, {})", prior.0, prior.1);
        outln!(
            "    Beta({}, {}): mean {:.4}, 95 % in ({low:.2}, {high:.2}), log evidence {log_evidence:.4}",
            posterior.0,
            posterior.1,
            posterior.mean()
        );
        outln!("    ADVI:        mean {:.4}, ELBO {:.4} ± {:.4}", q.mean(), elbo.mean, elbo.se);
    }
    let [uniform, peaked] = answers;
    let bayes_factor = (peaked.log_evidence - uniform.log_evidence).exp();
    let by_elbos = (peaked.elbo.mean - uniform.elbo.mean).exp();
    outln!("  Bayes factor of the peaked prior: {bayes_factor:.2}; by the ELBOs {by_elbos:.2}");
    let (heads, throws) = (args.heads, args.throws);
    let at_most = 1.0 - at_least(heads + 1, throws, 0.5);
    let (tail, share) = if at_most < p_value { ("fewer", at_most) } else { ("more", p_value) };
    run.found(&format!(
        "{heads} heads or {tail} in {throws} throws come with a fair coin in {:.1} of 100 series. Somebody who knew nothing of the coin \
         expects heads in {:.0} % of further throws, and believes with 95 % certainty that it is between {:.0} and {:.0} %.",
        100.0 * share,
        100.0 * uniform.posterior.mean(),
        100.0 * uniform.interval[0],
        100.0 * uniform.interval[1]
    ));
    run.label(&[
        Label::new(
            "posterior_unfair",
            "one of ten coins has two tails, tail is thrown: P(unfair | tail)",
            "probability",
        ),
        Label::new("unfair_by_frequency", "the same as a share of many throws that showed tail", "share"),
        Label::new(
            "fair_at_two_sigma",
            "P(fair) after the most throws, with a p-value that stays at 2 σ",
            "probability",
        ),
        Label::new(
            "rmse_of_shares",
            "error of each coin's share of heads, most coins",
            "probability of heads",
        ),
        Label::new(
            "rmse_by_learned_prior",
            "error with a prior learned from all coins, most coins",
            "probability of heads",
        ),
        Label::new("p_value", "as many heads or more with a fair coin (p-value)", "probability"),
        Label::new(
            "bayes_factor",
            "how much better the peaked prior foresaw the throws than the uniform one (Bayes factor)",
            "",
        ),
        Label::new("lo_*", "lower end of the 95 % interval of p, prior: *", "probability of heads"),
        Label::new("hi_*", "upper end of the 95 % interval of p, prior: *", "probability of heads"),
        Label::new("advi_mean", "mean of p by ADVI, uniform prior", "probability of heads"),
        Label::new("elbo_*", "ELBO, a lower bound of the log evidence, prior: *", "nats"),
    ]);
    run.finish(&[
        ("posterior_unfair", unfair()),
        ("unfair_by_frequency", parting.ten_coins.share()),
        ("fair_at_two_sigma", parting.by_data.last().map_or(0.0, |of| of.fair)),
        ("rmse_of_shares", parting.by_model.last().map_or(0.0, |of| of.shares)),
        ("rmse_by_learned_prior", parting.by_model.last().map_or(0.0, |of| of.learned)),
        ("p_value", p_value),
        ("bayes_factor", bayes_factor),
        ("lo_uniform", uniform.interval[0]),
        ("hi_uniform", uniform.interval[1]),
        ("lo_peaked", peaked.interval[0]),
        ("hi_peaked", peaked.interval[1]),
        ("advi_mean", uniform.q.mean()),
        ("elbo_uniform", uniform.elbo.mean),
        ("elbo_peaked", peaked.elbo.mean),
    ])
}

/// The estimate of p with its error, and the one-sided p-value of a fair coin, which is returned.
fn report_frequencies(args: &Args) -> f64 {
    let (n, k) = (args.throws, args.heads);
    let estimate = f64::from(k) / f64::from(n);
    let error = (estimate * (1.0 - estimate) / f64::from(n)).sqrt();
    let p_value = at_least(k, n, 0.5);
    let sigmas = bisect(-40.0, 40.0, |z| 0.5 * (1.0 - Real::erf(z * FRAC_1_SQRT_2)) > p_value);
    outln!("{k} heads in {n} throws");
    outln!(
        "  p = {estimate:.2} ± {error:.2}; at least as many with a fair coin: {p_value:.4}, {sigmas:.1} σ"
    );
    p_value
}

fn draw(run: &Run<'_>, args: &Args, answers: &[Answer; 2], history: &[Epoch]) -> anyhow::Result<()> {
    let (n, k) = (args.throws, args.heads);
    fair_coin(n, k).save(&run.picture(
        "fair.png",
        "How often a fair coin shows each number of heads. The coloured part is the p-value: at least as many as \
        were thrown. It is not the probability that the coin is fair (lecture 004, \"Example : coin flip (again)\")",
    ))?;
    let mut panels = Panels::new(&format!("{k} heads in {n} throws: what is known of p"), 2);
    for answer in answers {
        panels = panels.figure(densities(answer));
    }
    panels.save(&run.picture(
        "posteriors.png",
        "What is known of p before and after the throws, under two priors, with the interval of 95 %. The peaked \
        prior pulls towards a half; the normal distribution found by ADVI should lie on the exact posterior \
        (lecture 004, \"Example : coin flip (again)\")",
    ))?;
    run.explore(more_and_more_throws(n, k));
    elbos(answers, history).save(&run.picture(
        "bounds.png",
        "The bounds as they rise to the evidences. Estimated by few samples they lie above them now and then, but not on average; \
        what is left is the divergence of q from the posterior (lecture 004, \"Maximizing the ELBO\")",
    ))?;
    Ok(())
}

/// The posteriors after fewer and more throws of the same share of heads.
fn more_and_more_throws(n: u32, k: u32) -> Explorer {
    let shares = (0..=10).map(|tenth| f64::from(tenth) / 10.0).chain([2.0, 5.0, 10.0]);
    let mut counts: Vec<u32> = shares.map(|share| (share * f64::from(n)).round() as u32).collect();
    counts.dedup();
    let start = counts.iter().position(|&count| count == n).unwrap_or(0);
    let position = |throws: u32| {
        let heads = (f64::from(throws) * f64::from(k) / f64::from(n)).round() as u32;
        let places = || (1..400).map(|i| f64::from(i) / 400.0);
        let posteriors = PRIORS.map(|(name, prior)| (name, prior.posterior(heads, throws)));
        let band = |(name, posterior): (&str, Beta)| {
            let points = places().map(move |p| (p, 0.0, posterior.density(p)));
            Series::band(&format!("{name} prior"), points)
        };
        let [uniform, peaked] = posteriors.map(|(_, posterior)| posterior.mean());
        Position {
            name: throws.to_string(),
            marked: false,
            text: format!(
                "If the share of heads stays {k} of {n}, {heads} heads in {throws} throws: E[p] is {uniform:.3} under the uniform prior, \
                 {peaked:.3} under the peaked one. The more throws, the nearer they come."
            ),
            scene: Scene::Curves(Curves {
                title: "what is known of p".to_owned(),
                labels: ["p, the probability of heads".to_owned(), "density".to_owned()],
                series: posteriors.map(band).into(),
            }),
        }
    };
    Explorer::Frames(Frames {
        title: "What is known of p as the coin is thrown".to_owned(),
        slider: "throws".to_owned(),
        positions: counts.into_iter().map(position).collect(),
        start,
    })
}

/// The number of heads of a fair coin.
fn fair_coin(n: u32, k: u32) -> Figure {
    let bars = |from, to| (from..to).map(move |heads| (f64::from(heads), binomial(heads, n, 0.5)));
    Figure::new("Is the coin fair?")
        .axes(&format!("heads in {n} throws of a fair coin"), "probability")
        .bars(&format!("fewer than {k}"), 0.8, bars(0, k))
        .bars(&format!("{k} or more: p = {:.3}", at_least(k, n, 0.5)), 0.8, bars(k, n + 1))
}

/// Prior, posterior and q.
fn densities(answer: &Answer) -> Figure {
    let Answer { name, prior, posterior, interval: [low, high], q, .. } = answer;
    let places = || (1..400).map(|i| f64::from(i) / 400.0);
    let inside = places().filter(|p| (low..=high).contains(&p));
    let middle = [*low].into_iter().chain(inside).chain([*high]);
    Figure::new(&format!("{name} prior, Beta({}, {})", prior.0, prior.1))
        .axes("p, the probability of heads", "density")
        .band("posterior and its 95 %", middle.map(|p| (p, 0.0, posterior.density(p))))
        .line("posterior and its 95 %", places().map(|p| (p, posterior.density(p))))
        .line("ADVI", places().map(|p| (p, q.density(p))))
        .line("prior", places().map(|p| (p, prior.density(p))))
}

/// The ELBOs as they rise to the log evidences. Each point is the mean of the estimates from one step to a tenth more steps: a
/// single estimate is as often above its bound as below.
fn elbos(answers: &[Answer; 2], history: &[Epoch]) -> Figure {
    let steps = history.len() as f64;
    let ends = std::iter::successors(Some(0), |end| (*end < history.len()).then_some(end + 1 + end / 10));
    let ends: Vec<usize> = ends.map(|end| end.min(history.len())).collect();
    let mut figure = Figure::new("The bounds rise to the evidences").axes("step", "nats");
    for Answer { name, log_evidence, .. } in answers {
        let part = format!("elbo_{name}");
        let curve = ends.windows(2).map(|ends| {
            let some = &history[ends[0]..ends[1]];
            let mean = some.iter().map(|epoch| epoch.train.part(&part)).sum::<f64>() / some.len() as f64;
            ((ends[0] + ends[1] + 1) as f64 / 2.0, mean)
        });
        figure = figure.line(&format!("{name}: ELBO"), curve);
        figure =
            figure.line(&format!("{name}: log evidence"), [(1.0, *log_evidence), (steps, *log_evidence)]);
    }
    figure.log_x()
}
