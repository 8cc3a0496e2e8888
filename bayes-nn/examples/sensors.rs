//! Infers the rates λ₁ and λ₂ of two sensors that count (lecture 004, "We have two sensors that measure events from different
//! processes (decay rate, etc)"): Poisson counts, two priors, after 1, 5 and 100 observations. Beside each exact posterior
//! stands a variational one.
//!
//!     cargo run --release -p bayes-nn --example sensors
//!
//! The counts are drawn with the rates 3 and 1; `--seed` draws others. Writes to `out/bayes-nn-sensors/`: the landscapes
//! of priors and posteriors, with contours of q, and the same as surfaces.

mod landscape;
mod poisson;

use std::f64::consts::TAU;
use std::ops::Range;
use std::process::ExitCode;

use anyhow::ensure;
use autograd::ops::NotPositiveDefinite;
use autograd::{Tape, Var};
use bayes_nn::inference::{
    DivergenceEstimator, Estimator, Family, FreeEnergyObjective, FullNormal, LogDensity, Support, Transform,
};
use nn::model::{Init, Layout};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{
    Curves, Defaults, Explorer, Frames, Label, Position, Run, RunArgs, RunError, Scene, Series, TextTable,
    say, whole,
};
use nn::stats::Estimate;
use nn::train::{Batch, End, Fit, Objective, Parts, Rule, Schedule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Poisson};

use landscape::{CELLS, cells};
use poisson::{Prior, Sensor, WINDOW};

/// Infers the rates of two Poisson processes, exactly and by variational inference
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Monte-Carlo samples a step
    #[arg(long, value_name = "M", default_value_t = 32, value_parser = whole)]
    samples: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-sensors", epochs: 2000, batch_size: 1, lr: 0.02 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| sensors(&args))?)
}

/// The rates with which counts are drawn.
const TRUTH: [f64; 2] = [3.0, 1.0];
/// Numbers of observations of each sensor.
const COUNTS: [usize; 3] = [1, 5, 100];
const PRIORS: [(&str, Prior); 2] =
    [("uniform", Prior::Uniform), ("exponential", Prior::Exponential([3.0, 10.0]))];

fn sensors(args: &Args) -> anyhow::Result<()> {
    ensure!(args.run.data.is_none(), "this example draws its data: other counts with --seed");
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "Two sensors");

    let mut rng = StdRng::seed_from_u64(run.args.seed);
    let most = COUNTS[COUNTS.len() - 1];
    let counts = TRUTH.map(|rate| -> Vec<f64> {
        Poisson::new(rate).expect("a rate above 0").sample_iter(&mut rng).take(most).collect()
    });

    // λ = T(ζ) with ζ ~ q = N(μ, L Lᵀ), for every prior and number of observations.
    let mut layout = Layout::new();
    let cases = cases(&mut layout, &counts);
    let transforms = PRIORS.map(|(_, prior)| {
        let mut transform = Transform::new();
        transform.slot("lambda", [2], prior.support());
        transform
    });
    let free_energy = |case| free_energy(case, &transforms, args.samples);
    let mut objective = AllObjective { cases: &cases, energies: cases.iter().map(free_energy).collect() };

    let mut trainer = Trainer::new(&layout, layout.init(&mut rng), Rule::ADAM, run.args.seed);
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.args.epochs }, ..run.fit() };
    if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
        return Ok(());
    }

    let estimates = if run.args.dry_run { 10 } else { 2000 };
    let each = cases.iter().zip(&objective.energies);
    let approximations: Vec<Approximation> = each
        .map(|(case, energy)| {
            let elbo = energy.estimate_elbo(trainer.theta(), estimates, run.args.seed);
            Approximation::new(case, trainer.theta(), elbo)
        })
        .collect();
    run.explore(more_and_more_counts(&counts));
    draw(&run, &cases, &approximations)?;
    draw_surfaces(&run, &counts)?;
    report(&run, &cases, &approximations)?;
    Ok(())
}

/// A posterior with its approximation.
struct Case {
    /// The number of the prior.
    prior: usize,
    /// The number of observations of each sensor.
    count: usize,
    sensors: [Sensor; 2],
    q: FullNormal,
}

/// All cases; the mean of q begins at λ = 2.
fn cases(layout: &mut Layout, counts: &[Vec<f64>; 2]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, (name, prior)) in PRIORS.into_iter().enumerate() {
        for count in COUNTS {
            let sensors = [0, 1].map(|i| Sensor::new(&counts[i][..count], prior, i));
            let start = Init::Constant(prior.support().inverse(2.0));
            let q = FullNormal::new(layout, &format!("{name}.{count}"), 2, start, 0.5);
            cases.push(Case { prior: number, count, sensors, q });
        }
    }
    cases
}

type Energy<'a, P> = FreeEnergyObjective<'a, FullNormal, P>;

/// F for the model log p(Y, λ) = Σᵢ cᵢ + sᵢ log λᵢ − rᵢ λᵢ, at λ = T(ζ).
fn free_energy<'a>(
    case: &'a Case,
    transforms: &'a [Transform; 2],
    samples: usize,
) -> Energy<'a, impl LogDensity<f64> + Sync + 'a> {
    let divergence = DivergenceEstimator::Path;
    let estimator = Estimator { samples, divergence, ..Estimator::default() };
    let transform = &transforms[case.prior];
    let [totals, rates] = [case.sensors.map(|s| s.total), case.sensors.map(|s| s.rate)];
    let constant = case.sensors[0].constant + case.sensors[1].constant;
    FreeEnergyObjective::new(
        &case.q,
        move |tape: &Tape<f64>, zeta| {
            let (totals, rates) = (tape.constant(&totals, [2]), tape.constant(&rates, [2]));
            transform.log_joint(zeta, |lambda| (totals * lambda.ln() - rates * lambda).sum() + constant)
        },
        estimator,
    )
}

/// The free energies of all cases, which are minimised side by side. They share nothing but the noise.
struct AllObjective<'a, P> {
    cases: &'a [Case],
    energies: Vec<Energy<'a, P>>,
}

impl<P: LogDensity<f64> + Sync> Objective<f64> for AllObjective<'_, P> {
    fn parts(&self) -> &'static [&'static str] {
        &["elbo_uniform", "elbo_exponential"]
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
        let tape = eta.tape();
        let mut loss = tape.constant(&[0.0], []);
        for (case, energy) in self.cases.iter().zip(&self.energies) {
            let elbo = energy.elbo(eta, energy.noise(tape, batch.noise)).value();
            parts.add(self.parts()[case.prior], elbo.item());
            loss = loss - elbo;
        }
        Ok(loss)
    }
}

/// What q says of a case.
struct Approximation {
    /// E_q[λᵢ]
    means: [f64; 2],
    elbo: Estimate,
    /// What says which rates there are.
    sensor: Sensor,
    support: Support,
    /// μ and L of ζ
    mu: Vec<f64>,
    l: Vec<f64>,
}

impl Approximation {
    fn new(case: &Case, eta: &[f64], elbo: Estimate) -> Self {
        let tape = Tape::new();
        let eta = tape.constant(eta, [eta.len()]);
        let support = PRIORS[case.prior].1.support();
        let (mu, l) = (case.q.mean(eta).to_vec(), case.q.factor(eta).to_vec());
        let sd = case.q.variance(eta).sqrt().to_vec();
        let means = [0, 1].map(|i| support.mean_of_normal(mu[i], sd[i]));
        Self { means, elbo, sensor: case.sensors[0], support, mu, l }
    }

    /// log q(λ) = log N(ζ; μ, L Lᵀ) − Σᵢ log T'(ζᵢ), ζ = T⁻¹(λ)
    fn log_density(&self, lambda: [f64; 2]) -> f64 {
        let Self { support, mu, l, .. } = self;
        if !lambda.iter().all(|&x| self.sensor.allows(x)) {
            return f64::NEG_INFINITY;
        }
        let zeta = lambda.map(|x| support.inverse(x));
        // T' by λ: eᶻ is λ, and (b − a) σ(ζ) (1 − σ(ζ)) is (λ − a) (b − λ) / (b − a).
        let slope = |x: f64| match *support {
            Support::Interval { low, high } => (x - low) * (high - x) / (high - low),
            Support::Positive => x,
            Support::Real => 1.0,
        };
        let log_jacobian = (slope(lambda[0]) * slope(lambda[1])).ln();
        let a = (zeta[0] - mu[0]) / l[0];
        let b = (zeta[1] - mu[1] - l[2] * a) / l[3];
        -0.5 * (a * a + b * b) - (TAU * l[0] * l[3]).ln() - log_jacobian
    }
}

/// The lines that hold 50 and 95 % of a density. Shares are of the whole density, which may reach beyond what is drawn.
fn contours(window: &[Range<f64>; 2], log_density: impl Fn([f64; 2]) -> f64) -> Vec<Vec<(f64, f64)>> {
    let wide = window.each_ref().map(|range| {
        let length = range.end - range.start;
        (range.start - length).max(WINDOW.start)..range.end + length
    });
    landscape::contours(&wide, log_density)
}

fn report(run: &Run<'_>, cases: &[Case], approximations: &[Approximation]) -> Result<(), RunError> {
    outln!("two Poisson processes of rates {} and {}", TRUTH[0], TRUTH[1]);
    let header = ["prior", "N", "E[λ₁]", "by q", "E[λ₂]", "by q", "log evidence", "ELBO"];
    let mut table = TextTable::new().header(header);
    let (mut gap, mut error, mut results) = (f64::NEG_INFINITY, 0.0_f64, Vec::new());
    for (case, q) in cases.iter().zip(approximations) {
        let name = PRIORS[case.prior].0;
        let exact = case.sensors.map(Sensor::exact);
        let log_evidence = exact[0].log_evidence + exact[1].log_evidence;
        gap = gap.max(log_evidence - q.elbo.mean);
        let mut row = vec![name.to_owned(), case.count.to_string()];
        for (exact, mean) in exact.iter().zip(q.means) {
            error = error.max(((mean - exact.mean) / exact.sd).abs());
            row.extend([exact.mean, mean].map(|mean| format!("{mean:.3}")));
        }
        row.push(format!("{log_evidence:.4}"));
        row.push(format!("{:.4} ± {:.4}", q.elbo.mean, q.elbo.se));
        table.row(row);
        if case.count == COUNTS[COUNTS.len() - 1] {
            results.extend((1..).zip(&exact).map(|(i, exact)| (format!("{name}_{i}"), exact.mean)));
            results.extend((1..).zip(q.means).map(|(i, mean)| (format!("{name}_{i}_vi"), mean)));
        }
    }
    table.print();
    say(&format!("means differ by {error:.3} posterior standard deviations at most, ELBOs by {gap:.3} nats"));
    results.extend([("gap_max".to_owned(), gap), ("mean_error_max_sd".to_owned(), error)]);
    let last = cases.iter().filter(|case| case.count == COUNTS[COUNTS.len() - 1]);
    let means: Vec<f64> = last.map(|case| case.sensors[0].exact().mean).collect();
    run.found(&format!(
        "After {} observations the two priors lead to nearly the same rate of the first sensor, {:.2} and {:.2} (the truth is {}): data \
         outweigh the prior. The approximation q has the exact means up to {error:.2} posterior standard deviations.",
        COUNTS[COUNTS.len() - 1],
        means[0],
        means[1],
        TRUTH[0]
    ));
    run.label(&[
        Label::new("gap_max", "largest distance of an ELBO from its log evidence", "nats"),
        Label::new(
            "mean_error_max_sd",
            "largest distance of a mean of q from the exact one",
            "posterior standard deviations",
        ),
        Label::new("*_vi", "mean rate by q after all observations; prior and sensor: *", "events"),
        Label::new("uniform_*", "exact mean rate after all observations, uniform prior, sensor *", "events"),
        Label::new(
            "exponential_*",
            "exact mean rate after all observations, exponential prior, sensor *",
            "events",
        ),
    ]);
    run.finish(&results)
}

fn draw(run: &Run<'_>, cases: &[Case], approximations: &[Approximation]) -> anyhow::Result<()> {
    let mut panels =
        Panels::new("Prior and posterior of two rates, many observations enlarged", 1 + COUNTS.len());
    for (number, (name, prior)) in PRIORS.into_iter().enumerate() {
        let nothing_seen = [0, 1].map(|i| Sensor::new(&[], prior, i));
        panels = panels.figure(heat_map(&format!("{name} prior"), &[WINDOW, WINDOW], nothing_seen));
        for (case, q) in cases.iter().zip(approximations).filter(|(case, _)| case.prior == number) {
            let window = window(case);
            let exact = contours(&window, |at| log_joint(&case.sensors, at));
            let by_q = contours(&window, |at| q.log_density(at));
            let mut figure = heat_map(&format!("{name}, N = {}", case.count), &window, case.sensors);
            for (label, lines) in [("posterior: 50 and 95 %", exact), ("q: 50 and 95 %", by_q)] {
                figure = lines.into_iter().fold(figure, |figure, line| figure.line(label, line));
            }
            panels = panels.figure(figure);
        }
    }
    panels.save(&run.picture(
        "landscapes.png",
        "What is known of both rates before and after 1, 5 and 100 observations: the density, and the lines that hold 50 and 95 % \
        of the posterior and of q. With more observations the hill gets narrower as 1/√N and forgets the prior, and q fits better (lecture 004, \"We have two sensors that \
        measure events from different processes (decay rate, etc)\")",
    ))?;
    Ok(())
}

/// Priors and exact posteriors over all rates, as hills: a picture for each number of observations.
fn draw_surfaces(run: &Run<'_>, counts: &[Vec<f64>; 2]) -> anyhow::Result<()> {
    for count in [0].into_iter().chain(COUNTS) {
        let mut panels = Panels::new(&format!("What is known of both rates after {count} observations"), 2);
        for (name, prior) in PRIORS {
            let sensors = [0, 1].map(|i| Sensor::new(&counts[i][..count], prior, i));
            panels = panels.figure(surface(&format!("{name} prior"), sensors));
        }
        panels.save(&run.picture(
            &format!("surface_{count}.png"),
            "The density of both rates as a hill over all of them, under both priors. With more observations the hill gets narrower and higher, and \
            the two become one (lecture 004, \"Uniform prior landscape; alternate view\", and the slides after it)",
        ))?;
    }
    Ok(())
}

/// The part of the landscape where the posterior lies, as wide as it is high.
fn window(case: &Case) -> [Range<f64>; 2] {
    let exact = case.sensors.map(Sensor::exact);
    let reach = (5.0 * exact[0].sd.max(exact[1].sd)).min((WINDOW.end - WINDOW.start) / 2.0);
    exact.map(|exact| {
        let centre = exact.mean.clamp(WINDOW.start + reach, WINDOW.end - reach);
        centre - reach..centre + reach
    })
}

fn log_joint(sensors: &[Sensor; 2], [a, b]: [f64; 2]) -> f64 {
    let allowed = sensors[0].allows(a) && sensors[1].allows(b);
    if allowed { sensors[0].log_joint(a) + sensors[1].log_joint(b) } else { f64::NEG_INFINITY }
}

/// The exact posteriors of both rates after more and more observations.
fn more_and_more_counts(counts: &[Vec<f64>; 2]) -> Explorer {
    const SEEN: [usize; 11] = [0, 1, 2, 3, 5, 8, 12, 20, 35, 60, 100];
    const POINTS: usize = 400;
    let step = (WINDOW.end - WINDOW.start) / POINTS as f64;
    let position = |&seen: &usize| {
        let mut series = Vec::new();
        for (prior, (name, of)) in PRIORS.into_iter().enumerate() {
            for (i, counts) in counts.iter().enumerate() {
                let sensor = Sensor::new(&counts[..seen], of, i);
                let log_evidence = sensor.exact().log_evidence;
                let density = |point: usize| {
                    let lambda = WINDOW.start + (point as f64 + 0.5) * step;
                    (lambda, (sensor.log_joint(lambda) - log_evidence).exp())
                };
                let name = format!("λ{}, {name} prior", ["₁", "₂"][i]);
                let points = (0..POINTS).map(density);
                series.push(match prior {
                    0 => Series::band(&name, points.map(|(lambda, density)| (lambda, 0.0, density))),
                    _ => Series::line(&name, points),
                });
            }
        }
        series.push(Series::points("truth", TRUTH.map(|rate| (rate, 0.0))));
        let counted = counts.each_ref().map(|counts| counts[..seen].iter().sum::<f64>());
        Position {
            name: seen.to_string(),
            marked: false,
            text: format!(
                "Events counted: {} and {}. The priors differ at first, and matter less with every observation.",
                counted[0], counted[1]
            ),
            scene: Scene::Curves(Curves {
                title: "what is known of the rates".to_owned(),
                labels: ["λ".to_owned(), "density".to_owned()],
                series,
            }),
        }
    };
    Explorer::Frames(Frames {
        title: "What is known of both rates as the sensors count".to_owned(),
        slider: "observations".to_owned(),
        positions: SEEN.iter().map(position).collect(),
        start: 4,
    })
}

/// The cells of a surface in either direction.
const SIDE: usize = 40;

/// The exact density of both rates, from the side.
fn surface(title: &str, sensors: [Sensor; 2]) -> Figure {
    let window = [WINDOW, WINDOW];
    let log_evidence: f64 = sensors.iter().map(|sensor| sensor.exact().log_evidence).sum();
    let values = cells(&window, SIDE).map(|at| (log_joint(&sensors, at) - log_evidence).exp());
    Figure::new(title).axes("λ₁", "λ₂").surface("density", (WINDOW, WINDOW), SIDE, values)
}

/// The exact density of both rates.
fn heat_map(title: &str, window: &[Range<f64>; 2], sensors: [Sensor; 2]) -> Figure {
    let log_evidence: f64 = sensors.iter().map(|sensor| sensor.exact().log_evidence).sum();
    let values = cells(window, CELLS).map(|at| (log_joint(&sensors, at) - log_evidence).exp());
    let [x, y] = window.clone();
    Figure::new(title)
        .axes("λ₁", "λ₂")
        .heat_map("density", (x, y), CELLS, values)
        .classes(["truth"], [((TRUTH[0], TRUTH[1]), 0)])
}
