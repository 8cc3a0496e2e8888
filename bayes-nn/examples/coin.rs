//! A coin that showed 10 heads in 14 throws (lecture 004, "Example: coin flip"), the frequentist way, the exact Bayesian
//! way under two priors, and by variational inference:
//!
//!     cargo run --release -p bayes-nn --example coin
//!
//! Writes to `out/bayes-nn-coin/`: the distribution of the number of heads of a fair coin, priors and posteriors with
//! their approximations, and the rising bounds.

use std::f64::consts::FRAC_1_SQRT_2;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;
use autograd::{Real, Tape, Var};
use bayes_nn::{Divergence, Estimate, Estimator, FreeEnergy, MeanField, Support, Transform};
use nn::optim::{Optimizer, Rule};
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Run, RunArgs, result_line};
use nn::schedule::Schedule;
use nn::train::{Batch, End, Epoch, Objective, Trainer};
use nn::{Init, Layout};
use rand::{SeedableRng, rngs::StdRng};

/// Infers the bias of a coin, exactly and by variational inference
#[derive(clap::Parser, serde::Serialize)]
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
    #[arg(long, value_name = "M", default_value_t = 64)]
    samples: usize,
}

fn main() -> ExitCode {
    nn::run::main(
        Defaults { out: "out/bayes-nn-coin", epochs: 2000, batch_size: 1, lr: 0.02 },
        |args: Args| args.run.in_pool(|| coin(&args))?,
    )
}

/// Beta(a, b) with whole parameters.
#[derive(Clone, Copy)]
struct Beta(u32, u32);

impl Beta {
    /// ln B(a, b)
    fn log_norm(self) -> f64 {
        let [a, b] = [self.0, self.1].map(f64::from);
        a.lgamma() + b.lgamma() - (a + b).lgamma()
    }

    fn density(self, p: f64) -> f64 {
        let [a, b] = [self.0, self.1].map(f64::from);
        (Real::ln(p) * (a - 1.0) + (-p).ln_1p() * (b - 1.0) - self.log_norm()).exp()
    }

    /// P(p ≤ x), the probability that of a + b − 1 throws with this chance at least a are heads.
    fn cdf(self, x: f64) -> f64 {
        at_least(self.0, self.0 + self.1 - 1, x)
    }

    fn quantile(self, probability: f64) -> f64 {
        bisect(0.0, 1.0, |x| self.cdf(x) < probability)
    }

    fn mean(self) -> f64 {
        f64::from(self.0) / f64::from(self.0 + self.1)
    }

    /// After k heads in n throws.
    fn posterior(self, k: u32, n: u32) -> Self {
        Self(self.0 + k, self.1 + n - k)
    }

    /// log P(k heads in n throws)
    fn log_evidence(self, k: u32, n: u32) -> f64 {
        log_choose(n, k) + self.posterior(k, n).log_norm() - self.log_norm()
    }
}

fn log_choose(n: u32, k: u32) -> f64 {
    let log_factorial = |n: u32| f64::from(n + 1).lgamma();
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

fn binomial(k: u32, n: u32, p: f64) -> f64 {
    log_choose(n, k).exp() * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
}

fn at_least(k: u32, n: u32, p: f64) -> f64 {
    (k..=n).map(|k| binomial(k, n, p)).sum::<f64>().min(1.0)
}

/// Where a condition that holds at first stops holding.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if holds(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The model: log P(k|p) + log Beta(p), at p = σ(ζ).
fn free_energy<'a>(
    q: &'a MeanField,
    transform: &'a Transform,
    args: &Args,
    prior: Beta,
) -> FreeEnergy<'a, MeanField, impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync + 'a> {
    let after = prior.posterior(args.heads, args.throws);
    let [a, b] = [after.0, after.1].map(f64::from);
    let constant = log_choose(args.throws, args.heads) - prior.log_norm();
    let divergence = Divergence::Path;
    let estimator = Estimator { samples: args.samples, antithetic: true, divergence, ..Estimator::default() };
    FreeEnergy::new(
        q,
        move |_: &Tape<f64>, zeta| {
            transform.log_joint(zeta, |p| (p.ln() * (a - 1.0) + p.neg().ln_1p() * (b - 1.0)).sum() + constant)
        },
        estimator,
    )
}

/// Two posteriors that are learned side by side; nothing is shared but the noise.
struct Both<E>([E; 2]);

impl<P> Objective<f64> for Both<FreeEnergy<'_, MeanField, P>>
where
    P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync,
{
    const PARTS: &'static [&'static str] = &["elbo_uniform", "elbo_peaked"];

    fn loss<'t>(&self, eta: Var<'t, f64>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f64> {
        let bounds = self.0.each_ref().map(|f| f.bound(eta, f.noise(eta.tape(), batch.noise)).value());
        for (part, bound) in parts.iter_mut().zip(bounds) {
            *part = bound.item();
        }
        (bounds[0] + bounds[1]).neg()
    }
}

/// q in p: a normal distribution of the logit.
struct LogitNormal {
    mu: f64,
    sigma: f64,
}

impl LogitNormal {
    fn density(&self, p: f64) -> f64 {
        let r = (Support::UNIT.inverse(p) - self.mu) / self.sigma;
        (-0.5 * r * r).exp() / (self.sigma * (2.0 * std::f64::consts::PI).sqrt() * p * (1.0 - p))
    }

    /// E[p], by quadrature over ±8 σ.
    fn mean(&self) -> f64 {
        let h = 0.01;
        let term = |i: i32| {
            let xi = f64::from(i) * h;
            (-0.5 * xi * xi).exp() * Support::UNIT.value(self.mu + self.sigma * xi)
        };
        (-800..=800).map(term).sum::<f64>() * h / (2.0 * std::f64::consts::PI).sqrt()
    }
}

/// What is known of p under a prior.
struct Answer {
    name: &'static str,
    prior: Beta,
    posterior: Beta,
    /// 95 %, equal tails
    interval: [f64; 2],
    log_evidence: f64,
    q: LogitNormal,
    elbo: Estimate,
}

const PRIORS: [(&str, Beta); 2] = [("uniform", Beta(1, 1)), ("peaked", Beta(10, 10))];

fn coin(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let Args { ref run, throws: n, heads: k, samples } = *args;
    ensure!(run.data.is_none(), "this example takes no data but --throws and --heads");
    ensure!((1..=1000).contains(&n) && k <= n, "--heads {k} of --throws {n}: 0 to N of 1 to 1000 throws");
    ensure!(samples > 0 && samples.is_multiple_of(2), "--samples {samples}: pairs are wanted");
    let run = Run::open(run, args)?;

    let mut transform = Transform::new();
    transform.slot("p", [1], Support::UNIT);
    let mut layout = Layout::new();
    let qs = PRIORS.map(|(name, _)| MeanField::new(&mut layout, name, 1, Init::Constant(0.0), 1.0));
    let models = Both([0, 1].map(|i| free_energy(&qs[i], &transform, args, PRIORS[i].1)));
    let eta = layout.init(&mut StdRng::seed_from_u64(run.args.seed));
    let mut trainer = Trainer::new(eta, Optimizer::new(Rule::ADAM, layout.size()), run.args.seed);
    let schedule = (Schedule::Cosine { epochs: run.args.epochs }, None);
    let end =
        run.train(&layout, &mut trainer, (&models, 1), None, schedule).map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }

    let answers = [0, 1].map(|i| {
        let (name, prior) = PRIORS[i];
        let (eta, posterior) = (trainer.theta(), prior.posterior(k, n));
        let [mu, log_sigma] = [qs[i].mu(), qs[i].log_sigma()].map(|slot| eta[slot.range().start]);
        Answer {
            name,
            prior,
            posterior,
            interval: [0.025, 0.975].map(|probability| posterior.quantile(probability)),
            log_evidence: prior.log_evidence(k, n),
            q: LogitNormal { mu, sigma: log_sigma.exp() },
            elbo: models.0[i].elbo(eta, if run.args.dry_run { 10 } else { 2000 }, run.args.seed),
        }
    });
    draw(&run, (n, k), &answers, trainer.history())?;
    report(&run, (n, k), &answers, started);
    Ok(())
}

fn report(run: &Run<'_>, (n, k): (u32, u32), answers: &[Answer; 2], started: Instant) {
    // Ten coins, one of which has two tails: P(unfair) P(tail | unfair) / P(tail).
    let posterior_unfair = 0.1 * 1.0 / (0.1 * 1.0 + 0.9 * 0.5);
    println!("one of ten coins has two tails, tail is thrown: P(unfair | tail) = {posterior_unfair:.6}");
    let estimate = f64::from(k) / f64::from(n);
    let error = (estimate * (1.0 - estimate) / f64::from(n)).sqrt();
    let p_value = at_least(k, n, 0.5);
    let sigmas = bisect(-40.0, 40.0, |z| 0.5 * (1.0 - Real::erf(z * FRAC_1_SQRT_2)) > p_value);
    println!("{k} heads in {n} throws");
    println!(
        "  p = {estimate:.2} ± {error:.2}; at least as many with a fair coin: {p_value:.4}, {sigmas:.1} σ"
    );
    for Answer { name, prior, posterior, interval: [low, high], log_evidence, q, elbo } in answers {
        println!("  {name} prior, Beta({}, {})", prior.0, prior.1);
        println!(
            "    Beta({}, {}): mean {:.4}, 95 % in ({low:.2}, {high:.2}), log evidence {log_evidence:.4}",
            posterior.0,
            posterior.1,
            posterior.mean()
        );
        println!("    ADVI:        mean {:.4}, ELBO {:.4} ± {:.4}", q.mean(), elbo.mean, elbo.se);
    }
    let [uniform, peaked] = answers;
    let bayes_factor = (peaked.log_evidence - uniform.log_evidence).exp();
    let by_bounds = (peaked.elbo.mean - uniform.elbo.mean).exp();
    println!("  Bayes factor of the peaked prior: {bayes_factor:.2}; by the bounds {by_bounds:.2}");
    println!("pictures, metrics and checkpoint are in {}", run.args.out.display());
    result_line(&[
        ("posterior_unfair", posterior_unfair),
        ("p_value", p_value),
        ("bayes_factor", bayes_factor),
        ("lo_uniform", uniform.interval[0]),
        ("hi_uniform", uniform.interval[1]),
        ("lo_peaked", peaked.interval[0]),
        ("hi_peaked", peaked.interval[1]),
        ("advi_mean", uniform.q.mean()),
        ("elbo_uniform", uniform.elbo.mean),
        ("elbo_peaked", peaked.elbo.mean),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
}

fn draw(run: &Run<'_>, (n, k): (u32, u32), answers: &[Answer; 2], history: &[Epoch]) -> anyhow::Result<()> {
    let bars = |from, to| (from..to).map(move |heads| (f64::from(heads), binomial(heads, n, 0.5)));
    Figure::new("Is the coin fair?")
        .axes(&format!("heads in {n} throws of a fair coin"), "probability")
        .bars(&format!("fewer than {k}"), 0.8, bars(0, k))
        .bars(&format!("{k} or more: p = {:.3}", at_least(k, n, 0.5)), 0.8, bars(k, n + 1))
        .save(&run.folder.file("fair.png"))?;

    let places = || (1..400).map(|i| f64::from(i) / 400.0);
    let mut panels = Panels::new(&format!("{k} heads in {n} throws: what is known of p"), 2);
    for Answer { name, prior, posterior, interval: [low, high], q, .. } in answers {
        let inside = places().filter(|p| (low..=high).contains(&p));
        let middle = [*low].into_iter().chain(inside).chain([*high]);
        panels = panels.figure(
            Figure::new(&format!("{name} prior, Beta({}, {})", prior.0, prior.1))
                .axes("p, the probability of heads", "density")
                .band("posterior and its 95 %", middle.map(|p| (p, 0.0, posterior.density(p))))
                .line("posterior and its 95 %", places().map(|p| (p, posterior.density(p))))
                .line("ADVI", places().map(|p| (p, q.density(p))))
                .line("prior", places().map(|p| (p, prior.density(p)))),
        );
    }
    panels.save(&run.folder.file("posteriors.png"))?;

    let steps = history.len() as f64;
    let mut bounds = Figure::new("The bounds below the evidences").axes("step", "nats");
    for (i, answer) in answers.iter().enumerate() {
        let level = [(1.0, answer.log_evidence), (steps, answer.log_evidence)];
        let curve = history.iter().enumerate().map(|(step, epoch)| ((step + 1) as f64, epoch.train.parts[i]));
        bounds = bounds.line(&format!("{}: ELBO", answer.name), curve);
        bounds = bounds.line(&format!("{}: log evidence", answer.name), level);
    }
    bounds.log_x().save(&run.folder.file("bounds.png"))?;
    Ok(())
}
