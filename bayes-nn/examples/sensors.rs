//! Two sensors that count (lecture 004, "We have two sensors that measure events from different processes"): Poisson counts
//! of unknown rates λ₁ and λ₂, under two priors, after 1, 5 and 100 observations; the exact posterior, and a variational
//! one beside it:
//!
//!     cargo run --release -p bayes-nn --example sensors
//!
//! The counts are drawn with the rates 3 and 1; `--seed` draws others. Writes to `out/bayes-nn-sensors/`: the landscapes
//! of priors and posteriors, with contours of q.

use std::f64::consts::PI;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;
use autograd::{Real, Tape, Var};
use bayes_nn::{Divergence, Estimate, Estimator, Family, FreeEnergy, FullNormal, Support, Transform};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Run, RunArgs, result_line, whole};
use nn::schedule::Schedule;
use nn::train::{Batch, End, Objective, Trainer};
use nn::{Init, Layout};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Poisson};

/// Infers the rates of two Poisson processes, exactly and by variational inference
#[derive(clap::Parser, serde::Serialize)]
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

const TRUTH: [f64; 2] = [3.0, 1.0];
const COUNTS: [usize; 3] = [1, 5, 100];
/// What is drawn, and where the uniform prior lies.
const WINDOW: Range<f64> = 0.0..5.0;
const CELLS: usize = 100;

#[derive(Clone, Copy)]
enum Prior {
    Uniform,
    /// With these means.
    Exponential([f64; 2]),
}

const PRIORS: [(&str, Prior); 2] =
    [("uniform", Prior::Uniform), ("exponential", Prior::Exponential([3.0, 10.0]))];

impl Prior {
    fn support(self) -> Support {
        match self {
            Self::Uniform => Support::Interval(WINDOW.start, WINDOW.end),
            Self::Exponential(_) => Support::Positive,
        }
    }

    /// log π(λᵢ) of a rate within the support is this constant minus a slope times λᵢ.
    fn log_density(self, sensor: usize) -> (f64, f64) {
        match self {
            Self::Uniform => (-(WINDOW.end - WINDOW.start).ln(), 0.0),
            Self::Exponential(means) => (-means[sensor].ln(), 1.0 / means[sensor]),
        }
    }
}

/// What is observed of one sensor: p(Y, λ) = e^c λ^s e^−rλ.
#[derive(Clone, Copy)]
struct Sensor {
    /// c = −Σ ln nⱼ! + the prior's constant
    constant: f64,
    /// s = Σ nⱼ
    total: f64,
    /// r = N + the prior's slope
    rate: f64,
    support: Support,
}

impl Sensor {
    fn new(counts: &[f64], prior: Prior, sensor: usize) -> Self {
        let (constant, slope) = prior.log_density(sensor);
        Self {
            constant: constant - counts.iter().map(|n| (n + 1.0).lgamma()).sum::<f64>(),
            total: counts.iter().sum(),
            rate: counts.len() as f64 + slope,
            support: prior.support(),
        }
    }

    fn log_joint(self, lambda: f64) -> f64 {
        let logarithm = if self.total > 0.0 { self.total * Real::ln(lambda) } else { 0.0 };
        self.constant + logarithm - self.rate * lambda
    }

    /// log p(Y) and the mean and standard deviation of λ: by the Gamma function, or where the rate is bounded by
    /// quadrature.
    fn exact(self) -> (f64, f64, f64) {
        let Self { constant, total, rate, support } = self;
        let Support::Interval(low, high) = support else {
            let shape = total + 1.0;
            return (constant + shape.lgamma() - shape * rate.ln(), shape / rate, shape.sqrt() / rate);
        };
        const POINTS: usize = 20_000;
        let step = (high - low) / POINTS as f64;
        let points = || (0..POINTS).map(|i| low + (i as f64 + 0.5) * step);
        let largest = points().map(|l| self.log_joint(l)).fold(f64::NEG_INFINITY, f64::max);
        let moment = |k| points().map(|l| l.powi(k) * (self.log_joint(l) - largest).exp()).sum::<f64>();
        let [total, mean, square] = [0, 1, 2].map(moment);
        let (mean, square) = (mean / total, square / total);
        (largest + (total * step).ln(), mean, (square - mean * mean).sqrt())
    }
}

/// A posterior with its approximation.
struct Case {
    prior: usize,
    count: usize,
    sensors: [Sensor; 2],
    q: FullNormal,
}

type Energy<'a, P> = FreeEnergy<'a, FullNormal, P>;

fn free_energy<'a>(
    case: &'a Case,
    transform: &'a Transform,
    samples: usize,
) -> Energy<'a, impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync + 'a> {
    let estimator = Estimator { samples, divergence: Divergence::Path, ..Estimator::default() };
    let [totals, rates] = [case.sensors.map(|s| s.total), case.sensors.map(|s| s.rate)];
    let constant = case.sensors[0].constant + case.sensors[1].constant;
    FreeEnergy::new(
        &case.q,
        move |tape: &Tape<f64>, zeta| {
            let (totals, rates) = (tape.constant(&totals, [2]), tape.constant(&rates, [2]));
            transform.log_joint(zeta, |lambda| (totals * lambda.ln() - rates * lambda).sum() + constant)
        },
        estimator,
    )
}

/// All posteriors, learned side by side.
struct All<'a, P>(&'a [Case], Vec<Energy<'a, P>>);

impl<P> Objective<f64> for All<'_, P>
where
    P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync,
{
    const PARTS: &'static [&'static str] = &["elbo_uniform", "elbo_exponential"];

    fn loss<'t>(&self, eta: Var<'t, f64>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f64> {
        let tape = eta.tape();
        let mut loss = tape.constant(&[0.0], []);
        for (case, energy) in self.0.iter().zip(&self.1) {
            let bound = energy.bound(eta, energy.noise(tape, batch.noise)).value();
            parts[case.prior] += bound.item();
            loss = loss - bound;
        }
        loss
    }
}

/// What q says of a case.
struct Approximation {
    /// E_q(λᵢ)
    means: [f64; 2],
    elbo: Estimate,
    /// Where the density of ζ is that of one and of two standard deviations.
    contours: [Vec<(f64, f64)>; 2],
}

impl Approximation {
    fn new(case: &Case, eta: &[f64], elbo: Estimate) -> Self {
        let tape = Tape::new();
        let eta = tape.constant(eta, [eta.len()]);
        let support = case.sensors[0].support;
        let (mu, l) = (case.q.mean(eta).to_vec(), case.q.factor(eta).to_vec());
        let variances = case.q.variance(eta).to_vec();
        let mean = |i: usize| {
            // E[T(ζᵢ)], by quadrature over ±8 σ.
            let term = |xi: f64| (-0.5 * xi * xi).exp() * support.value(mu[i] + variances[i].sqrt() * xi);
            (-800..=800).map(|k| term(f64::from(k) * 0.01)).sum::<f64>() * 0.01 / (2.0 * PI).sqrt()
        };
        let contour = |radius: f64| {
            let place = |k: i32| {
                let (sin, cos) = (f64::from(k) * PI / 100.0).sin_cos();
                let (a, b) = (radius * cos, radius * sin);
                (support.value(mu[0] + l[0] * a), support.value(mu[1] + l[2] * a + l[3] * b))
            };
            (0..=200).map(place).collect()
        };
        Self { means: [mean(0), mean(1)], elbo, contours: [contour(1.0), contour(2.0)] }
    }
}

fn sensors(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let Args { ref run, samples } = *args;
    ensure!(run.data.is_none(), "this example draws its data: other counts with --seed");
    let run = Run::open(run, args)?;

    let mut rng = StdRng::seed_from_u64(run.args.seed);
    let most = COUNTS[COUNTS.len() - 1];
    let counts: Vec<Vec<f64>> = TRUTH
        .iter()
        .map(|&rate| Ok(Poisson::new(rate)?.sample_iter(&mut rng).take(most).collect()))
        .collect::<anyhow::Result<_>>()?;

    let mut layout = Layout::new();
    let mut cases = Vec::new();
    for (number, (name, prior)) in PRIORS.into_iter().enumerate() {
        for count in COUNTS {
            let sensors = [0, 1].map(|i| Sensor::new(&counts[i][..count], prior, i));
            let start = Init::Constant(prior.support().inverse(2.0));
            let q = FullNormal::new(&mut layout, &format!("{name}.{count}"), 2, start, 0.5);
            cases.push(Case { prior: number, count, sensors, q });
        }
    }
    let transforms = PRIORS.map(|(_, prior)| {
        let mut transform = Transform::new();
        transform.slot("lambda", [2], prior.support());
        transform
    });
    let energies = cases.iter().map(|case| free_energy(case, &transforms[case.prior], samples)).collect();
    let all = All(&cases, energies);
    let eta = layout.init(&mut rng);
    let mut trainer = Trainer::new(eta, Optimizer::new(Rule::ADAM, layout.size()), run.args.seed);
    let schedule = (Schedule::Cosine { epochs: run.args.epochs }, None);
    let end =
        run.train(&layout, &mut trainer, (&all, 1), None, schedule).map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }

    let batches = if run.args.dry_run { 10 } else { 2000 };
    let approximations: Vec<Approximation> = all
        .0
        .iter()
        .zip(&all.1)
        .map(|(case, energy)| {
            let elbo = energy.elbo(trainer.theta(), batches, run.args.seed);
            Approximation::new(case, trainer.theta(), elbo)
        })
        .collect();
    draw(&run, &cases, &approximations)?;
    report(&run, &cases, &approximations, started);
    Ok(())
}

fn report(run: &Run<'_>, cases: &[Case], approximations: &[Approximation], started: Instant) {
    println!("two Poisson processes of rates {} and {}", TRUTH[0], TRUTH[1]);
    println!("prior          N  E(λ₁)   by q  E(λ₂)   by q  log evidence      ELBO");
    let (mut gap, mut error, mut results) = (f64::NEG_INFINITY, 0.0_f64, Vec::new());
    for (case, q) in cases.iter().zip(approximations) {
        let [one, two] = case.sensors.map(Sensor::exact);
        let evidence = one.0 + two.0;
        println!(
            "{:11}  {:3}  {:5.3}  {:5.3}  {:5.3}  {:5.3}  {evidence:12.4}  {:8.4} ± {:.4}",
            PRIORS[case.prior].0, case.count, one.1, q.means[0], two.1, q.means[1], q.elbo.mean, q.elbo.se
        );
        gap = gap.max(evidence - q.elbo.mean);
        error = error.max(((q.means[0] - one.1) / one.2).abs()).max(((q.means[1] - two.1) / two.2).abs());
        if case.count == COUNTS[COUNTS.len() - 1] {
            let names = [["uniform_1", "uniform_2"], ["exponential_1", "exponential_2"]][case.prior];
            results.extend(names.into_iter().zip([one.1, two.1]));
            let names =
                [["uniform_1_vi", "uniform_2_vi"], ["exponential_1_vi", "exponential_2_vi"]][case.prior];
            results.extend(names.into_iter().zip(q.means));
        }
    }
    println!("means differ by {error:.3} posterior standard deviations at most, bounds by {gap:.3} nats");
    println!("pictures, metrics and checkpoint are in {}", run.args.out.display());
    results.extend([("gap_max", gap), ("mean_error_max_sd", error)]);
    results.push(("seconds", started.elapsed().as_secs_f64()));
    result_line(&results);
}

fn draw(run: &Run<'_>, cases: &[Case], approximations: &[Approximation]) -> anyhow::Result<()> {
    let mut panels = Panels::new("Prior and posterior of two rates", 1 + COUNTS.len());
    for (number, (name, prior)) in PRIORS.into_iter().enumerate() {
        panels =
            panels.figure(landscape(&format!("{name} prior"), [0, 1].map(|i| Sensor::new(&[], prior, i))));
        for (case, q) in cases.iter().zip(approximations).filter(|(case, _)| case.prior == number) {
            let figure = landscape(&format!("{name}, N = {}", case.count), case.sensors);
            let [inner, outer] = q.contours.clone();
            panels = panels.figure(figure.line("q: 1 and 2 σ", inner).line("q: 1 and 2 σ", outer));
        }
    }
    panels.save(&run.folder.file("landscapes.png"))?;
    Ok(())
}

/// The exact density.
fn landscape(title: &str, sensors: [Sensor; 2]) -> Figure {
    let step = (WINDOW.end - WINDOW.start) / CELLS as f64;
    let density = sensors.map(|sensor| {
        let log_evidence = sensor.exact().0;
        let at = |i: usize| (sensor.log_joint(WINDOW.start + (i as f64 + 0.5) * step) - log_evidence).exp();
        (0..CELLS).map(at).collect::<Vec<f64>>()
    });
    let values = density[1].iter().flat_map(|b| density[0].iter().map(move |a| a * b));
    Figure::new(title)
        .axes("λ₁", "λ₂")
        .heat_map("density", (WINDOW, WINDOW), CELLS, values)
        .classes(["truth"], [((TRUTH[0], TRUTH[1]), 0)])
}
