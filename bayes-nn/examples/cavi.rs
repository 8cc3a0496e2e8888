//! Coordinate ascent and mean field on posteriors of two numbers, whose exact form is known (lecture 002, "Coordinate Ascent
//! Variational Inference", and "Mean-field: Divide and conquer strategy for high-dimensional posteriors").
//!
//!     cargo run --release -p bayes-nn --example cavi
//!
//! Writes to `out/bayes-nn-cavi/`: the posterior of a mean and a precision with q after the first rounds, the ELBOs of all rounds, and
//! a mean-field q within a correlated normal distribution, with the factor by which it underestimates its variances.

mod landscape;

use std::f64::consts::PI;
use std::ops::Range;
use std::process::ExitCode;

use anyhow::ensure;
use autograd::numerics::HALF_LN_2PI;
use autograd::{Real, Tape};
use bayes_nn::inference::conjugate::{Ascent, Gamma, NormalModel, NormalPosterior};
use bayes_nn::inference::{Descent, Estimator, FreeEnergyObjective, MeanField};
use nn::model::{Init, Layout};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, Run, RunArgs, TextTable, at_most, share};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Normal};

use landscape::{CELLS, cells, contours};

/// Fits mean-field densities to two posteriors that are known
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Observations from a normal distribution of unknown mean and precision
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = at_most::<10_000>)]
    observations: usize,
    /// The correlation of a normal posterior
    #[arg(long, value_name = "RHO", default_value_t = 0.9, value_parser = share)]
    correlation: f64,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-cavi", epochs: 2000, batch_size: 1, lr: 0.02 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| cavi(&args))?)
}

/// The prior: μ ~ N(0, 1/(κ₀ τ)), τ ~ Gamma(1, 1).
const MODEL: NormalModel = NormalModel { mean: 0.0, kappa: 0.1, precision: Gamma { shape: 1.0, rate: 1.0 } };

fn cavi(args: &Args) -> anyhow::Result<()> {
    ensure!(args.run.data.is_none(), "this example draws its data: other observations with --seed");
    ensure!(args.observations > 1, "--observations: expected at least 2, found {}", args.observations);
    args.run.without_checkpoint()?;
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "Coordinate ascent and mean field");

    // A normal distribution of unknown mean and precision, by coordinate ascent.
    let normal = Normal::new(1.0, 0.5).expect("a positive standard deviation");
    let mut rng = StdRng::seed_from_u64(run.args.seed);
    let x: Vec<f64> = normal.sample_iter(&mut rng).take(args.observations).collect();
    let exact = Exact::new(&x);
    let q = MODEL.fit(&x, Ascent::default())?;
    draw_rounds(&run, &x, &exact, &q)?;
    report_rounds(&exact, &q);

    // A correlated normal distribution, by gradients.
    let correlations = [0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, args.correlation];
    let factors = correlations.iter().map(|&rho| Ok((rho, variance_by_gradients(rho, args)?)));
    let factors = factors.collect::<anyhow::Result<Vec<(f64, f64)>>>()?;
    draw_ellipses(&run, args.correlation, &factors)?;
    let by_gradients = factors[factors.len() - 1].1;
    let factor = 1.0 - args.correlation * args.correlation;
    outln!("a normal posterior with correlation {}: the variances of q are", args.correlation);
    outln!("  {by_gradients:.4} times the exact ones by gradients, 1 − ρ² = {factor:.4} by the formula");

    let kl = exact.log_evidence - q.elbo[q.elbo.len() - 1];
    let of_mean = q.variance / exact.variance_of_mean();
    run.found(&format!(
        "Coordinate ascent needs {} rounds, and ends {kl:.3} nats below the log evidence. Its q has {of_mean:.2} times the exact variance of \
         the mean. Where two numbers have the correlation {}, a q in which they are independent has {by_gradients:.2} times their variances.",
        q.elbo.len(),
        args.correlation
    ));
    run.label(&[
        Label::new("rounds", "rounds of coordinate ascent until the bound no longer rises", ""),
        Label::new("elbo", "ELBO, a lower bound of the log evidence", "nats"),
        Label::new("log_evidence", "log evidence, exact", "nats"),
        Label::new("variance_of_mean_ratio", "variance of μ by coordinate ascent over the exact one", ""),
        Label::new(
            "variance_ratio",
            "variance of a coordinate of the correlated normal by mean field over the true one",
            "",
        ),
        Label::new("variance_ratio_exact", "the same by the formula 1 − ρ²", ""),
    ]);
    run.finish(&[
        ("rounds", q.elbo.len() as f64),
        ("elbo", q.elbo[q.elbo.len() - 1]),
        ("log_evidence", exact.log_evidence),
        ("variance_of_mean_ratio", of_mean),
        ("variance_ratio", by_gradients),
        ("variance_ratio_exact", factor),
    ])?;
    Ok(())
}

/// The exact posterior of μ and τ: μ ~ N(m, 1/(κ τ)) given τ, τ ~ Gamma(a, b) (Bishop 2006, section 2.3.6).
struct Exact {
    mean: f64,
    kappa: f64,
    precision: Gamma,
    log_evidence: f64,
}

impl Exact {
    fn new(x: &[f64]) -> Self {
        let n = x.len() as f64;
        let average = x.iter().sum::<f64>() / n;
        let scatter: f64 = x.iter().map(|x| (x - average).powi(2)).sum();
        let NormalModel { mean: m0, kappa: kappa0, precision: prior } = MODEL;
        let kappa = kappa0 + n;
        let pull = kappa0 * n * (average - m0).powi(2) / kappa;
        let precision = Gamma { shape: prior.shape + n / 2.0, rate: prior.rate + 0.5 * (scatter + pull) };
        // The constants of Gamma and normal densities, before and after the observations.
        let constant = |gamma: Gamma, kappa: f64| {
            gamma.shape.lgamma() - gamma.shape * gamma.rate.ln() - 0.5 * kappa.ln()
        };
        let log_evidence = constant(precision, kappa) - constant(prior, kappa0) - n * HALF_LN_2PI;
        Self { mean: (kappa0 * m0 + n * average) / kappa, kappa, precision, log_evidence }
    }

    fn log_density(&self, [mu, tau]: [f64; 2]) -> f64 {
        log_normal(mu, self.mean, self.kappa * tau) + log_gamma(tau, self.precision)
    }

    /// Var(μ) = E[1/(κ τ)]
    fn variance_of_mean(&self) -> f64 {
        self.precision.rate / (self.kappa * (self.precision.shape - 1.0))
    }

    /// Ranges that hold nearly all of the density.
    fn ranges(&self) -> [Range<f64>; 2] {
        let Gamma { shape, rate } = self.precision;
        let reach = 5.0 * self.variance_of_mean().sqrt();
        [self.mean - reach..self.mean + reach, 1e-9..(shape + 5.0 * shape.sqrt()) / rate]
    }
}

/// log N(x; m, 1/λ)
fn log_normal(x: f64, m: f64, lambda: f64) -> f64 {
    0.5 * lambda.ln() - HALF_LN_2PI - 0.5 * lambda * (x - m).powi(2)
}

/// The logarithm of a Gamma density; it is 0 where τ is not positive.
fn log_gamma(tau: f64, Gamma { shape, rate }: Gamma) -> f64 {
    if tau <= 0.0 {
        return f64::NEG_INFINITY;
    }
    shape * rate.ln() - shape.lgamma() + (shape - 1.0) * tau.ln() - rate * tau
}

fn log_q(q: &NormalPosterior, [mu, tau]: [f64; 2]) -> f64 {
    log_normal(mu, q.mean, 1.0 / q.variance) + log_gamma(tau, q.precision)
}

fn draw_rounds(run: &Run<'_>, x: &[f64], exact: &Exact, last: &NormalPosterior) -> anyhow::Result<()> {
    let ranges = exact.ranges();
    let mut panels = Panels::new("Coordinate ascent: q(μ) q(τ) beside the exact posterior", 3);
    for rounds in [1, 2, last.elbo.len()] {
        let q = MODEL.fit(x, Ascent { rounds, ..Ascent::default() })?;
        let [mu, tau] = ranges.clone();
        let values = cells(&ranges, CELLS).map(|at| exact.log_density(at).exp());
        let mut figure = Figure::new(&format!("after round {rounds}"))
            .axes("μ, the mean", "τ, the precision")
            .heat_map("posterior density", (mu, tau), CELLS, values);
        let by_q = contours(&ranges, |at| log_q(&q, at));
        let of_posterior = contours(&ranges, |at| exact.log_density(at));
        for (label, lines) in [("posterior: 50 and 95 %", of_posterior), ("q: 50 and 95 %", by_q)] {
            figure = lines.into_iter().fold(figure, |figure, line| figure.line(label, line));
        }
        panels = panels.figure(figure);
    }
    panels.save(&run.picture(
        "rounds.png",
        "The posterior of a mean μ and a precision τ, and q after the first round, the second and the last. The posterior is widest in μ \
        where τ is small; a product q(μ) q(τ) has one width for all τ, and ends within it (lecture 002, \"Coordinate Ascent Variational \
        Inference\")",
    ))?;
    let rounds = last.elbo.len() as f64;
    Figure::new("The bound rises in every round")
        .axes("round", "nats")
        .line("ELBO", last.elbo.iter().enumerate().map(|(i, &elbo)| (i as f64 + 1.0, elbo)))
        .line("log evidence", [(1.0, exact.log_evidence), (rounds, exact.log_evidence)])
        .save(&run.picture(
            "bound.png",
            "The ELBO after each round. It cannot fall, since each update is the best one for its factor; what is left below the evidence \
            is the divergence of the best product from the posterior (lecture 002, \"Coordinate Ascent Variational Inference\")",
        ))?;
    Ok(())
}

fn report_rounds(exact: &Exact, q: &NormalPosterior) {
    outln!("a normal distribution of unknown mean and precision, by coordinate ascent");
    let mut table = TextTable::new().header(["round", "ELBO", "below the log evidence"]);
    for (i, elbo) in q.elbo.iter().enumerate() {
        let kl = exact.log_evidence - elbo;
        table.row([(i + 1).to_string(), format!("{elbo:.6}"), format!("{kl:.6}")]);
    }
    table.print();
    outln!("        exact posterior     q");
    outln!("E(μ)    {:15.4}     {:.4}", exact.mean, q.mean);
    outln!("Var(μ)  {:15.4}     {:.4}", exact.variance_of_mean(), q.variance);
    outln!("E(τ)    {:15.4}     {:.4}", exact.precision.mean(), q.precision.mean());
}

/// The variance of each coordinate of the mean-field q that is nearest to N(0, Σ), Σ₁₁ = Σ₂₂ = 1 and Σ₁₂ = ρ, found by gradients.
fn variance_by_gradients(rho: f64, args: &Args) -> anyhow::Result<f64> {
    let precision = [1.0, -rho, -rho, 1.0].map(|x| x / (1.0 - rho * rho));
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", 2, Init::Constant(0.0), 1.0);
    let free_energy = FreeEnergyObjective::new(
        &q,
        |tape: &Tape<f64>, theta| {
            let theta = theta.reshape([2, 1]);
            theta.t_matmul(tape.constant(&precision, [2, 2]).matmul(theta)).sum() * -0.5
        },
        Estimator { samples: 16, antithetic: true, ..Estimator::default() },
    );
    let eta = layout.init(&mut StdRng::seed_from_u64(args.run.seed));
    let descent = Descent { steps: args.run.epochs, rate: args.run.lr, seed: args.run.seed };
    let eta = free_energy.minimise(&layout, eta, descent)?;
    let variances = eta[q.log_sigma().range()].iter().map(|log_sigma| (2.0 * log_sigma).exp());
    Ok(variances.sum::<f64>() / 2.0)
}

/// Ellipse in ellipse, and the factor for all correlations.
fn draw_ellipses(run: &Run<'_>, rho: f64, factors: &[(f64, f64)]) -> anyhow::Result<()> {
    // L ξ with L Lᵀ = Σ has the radius √(−2 ln (1 − share)) in ξ.
    let ellipse = |l: [f64; 3], share: f64| {
        let radius = (-2.0 * (1.0 - share).ln()).sqrt();
        (0..=200).map(move |k| {
            let (sin, cos) = (f64::from(k) * PI / 100.0).sin_cos();
            (radius * l[0] * cos, radius * (l[1] * cos + l[2] * sin))
        })
    };
    let sd = (1.0 - rho * rho).sqrt();
    // From its start each coordinate in turn goes to its best place: E(θ₁) = ρ E(θ₂), then E(θ₂) = ρ E(θ₁).
    let mut steps = vec![(-2.0, 2.0)];
    for _ in 0..30 {
        let (_, second) = steps[steps.len() - 1];
        steps.extend([(rho * second, second), (rho * second, rho * rho * second)]);
    }
    let mut ellipses =
        Figure::new(&format!("A correlation of {rho}")).axes("θ₁", "θ₂").legend("left").equal_axes();
    for share in landscape::SHARES {
        ellipses = ellipses
            .line("posterior: 50 and 95 %", ellipse([1.0, rho, sd], share))
            .line("mean field: 50 and 95 %", ellipse([sd, 0.0, sd], share));
    }
    let all = (0..100).map(|i| f64::from(i) / 100.0);
    let curve = Figure::new("The variance of q, the exact one being 1")
        .axes("correlation ρ", "variance of each θ under q")
        .legend("right")
        .line("1 − ρ²", all.map(|rho| (rho, 1.0 - rho * rho)))
        .points("by gradients", factors.iter().copied());
    Panels::new("Mean field within a correlated posterior", 2)
        .figure(ellipses.line("coordinate ascent of the means", steps))
        .figure(curve)
        .save(&run.picture(
            "ellipses.png",
            "Left: a correlated normal posterior and the nearest normal distribution without correlation. It has the right mean and is as wide \
            as the posterior is along one coordinate while the other is held. Right: its variances for all correlations (lecture 002, \
            \"Main caveat: q(θ | λ) underestimates the uncertainty of p(θ | D)\")",
        ))?;
    Ok(())
}
