//! Computes the gradient of the ELBO by the score function, with and without a control variate, and by reparameterisation
//! (lecture 002, "Sampling to approximate expectations: Beware of the variance!").
//!
//!     cargo run --release -p bayes-nn --example gradients
//!
//! All three have the same mean. Their variances differ, and more so the more dimensions θ has. Writes to
//! `out/bayes-nn-gradients/`: the variances over the dimension, and what they mean for learning.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use autograd::ops::NotPositiveDefinite;
use autograd::{Tape, Var};
use bayes_nn::inference::{
    Estimator, Family, FreeEnergyObjective, GradientEstimator, LogDensity, MeanField, NormalPrior,
};
use nn::model::{Init, Layout};
use nn::outln;
use nn::picture::Figure;
use nn::run::{Defaults, Label, Run, RunArgs, RunError, TextTable, whole, width};
use nn::train::{Batch, End, Epoch, Fit, Noise, Objective, Parts, Schedule};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

/// Compares estimators of the gradient of the ELBO
#[derive(clap::Parser, serde::Serialize)]
#[command(mut_arg("data", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Gradients that are drawn for each estimator and dimension
    #[arg(long, value_name = "N", default_value_t = 4000, default_value_if("dry_run", "true", "50"), value_parser = clap::value_parser!(u64).range(1..=1000000))]
    draws: u64,
    /// Monte-Carlo samples of each, at least 2
    #[arg(long, value_name = "M", default_value_t = 8, value_parser = whole)]
    samples: usize,
    /// The dimension in which learning is shown
    #[arg(long, value_name = "D", default_value_t = 32, value_parser = width)]
    dim: usize,
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        let Self { draws, samples, dim, .. } = *self;
        ensure!(self.run.data.is_none(), "this example takes no data");
        ensure!(draws > 1, "--draws: expected at least 2, found {draws}");
        ensure!(samples > 1, "--samples: expected at least 2, found {samples}");
        ensure!((1..=10_000).contains(&dim), "--dim: expected a number from 1 to 10000, found {dim}");
        Ok(())
    }
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-gradients", epochs: 2000, batch_size: 1, lr: 0.02 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| gradients(&args))?)
}

const ESTIMATORS: [(&str, GradientEstimator); 3] = [
    ("score function", GradientEstimator::Score { control_variate: false }),
    ("score function, control variate", GradientEstimator::Score { control_variate: true }),
    ("reparameterised", GradientEstimator::Reparameterised),
];

const DIMS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// Gradients are compared, and learning begins, at q = N(1, 0.8²) for every θᵢ.
const MU: f64 = 1.0;
const SIGMA: f64 = 0.8;

fn gradients(args: &Args) -> anyhow::Result<()> {
    args.check()?;
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "Gradients");

    // The variance of each estimator in each dimension.
    let all: Vec<(usize, GradientEstimator)> =
        DIMS.iter().flat_map(|&dim| ESTIMATORS.map(|(_, gradient)| (dim, gradient))).collect();
    let statistics: Vec<Statistics> =
        all.par_iter().map(|&(dim, gradient)| compare(dim, gradient, args)).collect();

    // Three q that learn side by side, each by another gradient.
    let mut layout = Layout::new();
    let qs =
        ESTIMATORS.map(|(name, _)| MeanField::new(&mut layout, name, args.dim, Init::Constant(MU), SIGMA));
    let learner = |i: usize| Learner { q: &qs[i], free_energy: free_energy(&qs[i], args, ESTIMATORS[i].1) };
    let mut objective = LearnersObjective([0, 1, 2].map(learner));
    let mut trainer = run.trainer(&layout);
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.args.epochs }, ..run.fit() };
    if run.train(&mut trainer, &mut objective, None, &fit)? == End::Stopped {
        return Ok(());
    }

    draw(&run, args, &statistics, trainer.history())?;
    report(&run, args, &statistics, trainer.history().last())?;
    Ok(())
}

/// F for the model θ ~ N(0, I) and yᵢ ~ N(θᵢ, 1), of which yᵢ = 1 was observed. The posterior is N(½, ½ I). The derivative of
/// KL(q ‖ posterior) by each μᵢ is 2 μᵢ − 1, and by each log σᵢ it is 2 σᵢ² − 1. KL(q ‖ prior) is taken in closed form, so that
/// only the gradient of E_q[log ℓ] varies.
fn free_energy<'a>(
    q: &'a MeanField,
    args: &Args,
    gradient: GradientEstimator,
) -> FreeEnergyObjective<'a, MeanField, impl LogDensity<f64> + Sync + use<>> {
    let estimator = Estimator { samples: args.samples, gradient, ..Estimator::default() };
    let prior = NormalPrior::new(0.0, 1.0);
    FreeEnergyObjective::with_prior(
        q,
        |_: &Tape<f64>, theta| ((theta - 1.0).square() * -0.5).sum(),
        prior,
        estimator,
    )
}

/// What many draws of a gradient say.
struct Statistics {
    /// The variance of an element, averaged over all elements.
    variance: f64,
    /// The largest distance of a mean from the exact gradient, in standard errors.
    furthest: f64,
    /// The root mean square of these distances.
    typical: f64,
}

fn compare(dim: usize, gradient: GradientEstimator, args: &Args) -> Statistics {
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", dim, Init::Constant(MU), SIGMA);
    let free_energy = free_energy(&q, args, gradient);
    let eta = Arc::new(layout.init(&mut StdRng::seed_from_u64(0)));
    let exact = |i: usize| if i < dim { 2.0 * MU - 1.0 } else { 2.0 * SIGMA * SIGMA - 1.0 };
    let (mut tape, mut sums) = (Tape::new(), vec![(0.0, 0.0); 2 * dim]);
    for draw in 0..args.draws {
        let noise = Noise::new(args.run.seed, draw);
        let (_, gradient) = tape.value_and_grad(&eta, |tape, eta| {
            free_energy.elbo(eta, free_energy.noise(tape, noise)).value().neg()
        });
        for (i, (sum, g)) in sums.iter_mut().zip(&*gradient).enumerate() {
            let error = g - exact(i);
            *sum = (sum.0 + error, sum.1 + error * error);
        }
    }
    let n = args.draws as f64;
    let variances = || sums.iter().map(|(sum, squares)| (squares - sum * sum / n) / (n - 1.0));
    let distances = || sums.iter().zip(variances()).map(|((sum, _), v)| (sum / n).abs() / (v / n).sqrt());
    Statistics {
        variance: variances().sum::<f64>() / sums.len() as f64,
        furthest: distances().fold(0.0, f64::max),
        typical: (distances().map(|d| d * d).sum::<f64>() / sums.len() as f64).sqrt(),
    }
}

/// The exact KL(q ‖ posterior) of the learners.
const PARTS: [&str; 3] = ["kl_score", "kl_control_variate", "kl_reparameterised"];

/// A q with its free energy.
struct Learner<'a, P> {
    q: &'a MeanField,
    free_energy: FreeEnergyObjective<'a, MeanField, P>,
}

/// The sum of the learners' free energies. Its parts are the exact divergences from the posterior.
struct LearnersObjective<L>([L; 3]);

impl<P: LogDensity<f64> + Sync> Objective<f64> for LearnersObjective<Learner<'_, P>> {
    fn parts(&self) -> &'static [&'static str] {
        &PARTS
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
        let posterior = NormalPrior::new(0.5, 0.5_f64.sqrt()).on(tape);
        let losses = self.0.each_ref().map(|Learner { q, free_energy }| {
            let kl = q.kl(eta, posterior).item();
            (kl, free_energy.elbo(eta, free_energy.noise(tape, batch.noise)).value().neg())
        });
        PARTS.iter().zip(losses).for_each(|(name, (kl, _))| parts.add(name, kl));
        Ok(losses[0].1 + losses[1].1 + losses[2].1)
    }
}

fn draw(run: &Run<'_>, args: &Args, statistics: &[Statistics], history: &[Epoch]) -> anyhow::Result<()> {
    let Args { samples, dim, .. } = args;
    let mut variances = Figure::new(&format!("Variance of the gradient, {samples} samples"))
        .axes("dimension of θ", "variance of an element")
        .log_x()
        .log_y();
    let mut learning = Figure::new(&format!("Learning in {dim} dimensions"))
        .axes("step", "KL(q ‖ posterior), nats")
        .log_x()
        .log_y();
    for (i, (name, _)) in ESTIMATORS.into_iter().enumerate() {
        let of_estimator = statistics.iter().skip(i).step_by(ESTIMATORS.len());
        let points = DIMS.iter().zip(of_estimator).map(|(&dim, found)| (dim as f64, found.variance));
        variances = variances.line(name, points);
        let steps = history.iter().enumerate();
        let curve = steps.map(|(step, epoch)| ((step + 1) as f64, epoch.train.part(PARTS[i])));
        learning = learning.line(name, curve);
    }
    variances.save(&run.picture(
        "variances.png",
        "The variance of three estimators of one gradient, by the dimension of θ. That of the score function grows \
        fastest; a control variate helps, reparameterisation more (lecture 002, \"Sampling to approximate \
        expectations: Beware of the variance!\")",
    ))?;
    learning.save(&run.picture(
        "learning.png",
        "What these variances do to learning: the distance to the posterior, step by step. The noisier the \
        gradient, the higher the curve ends (lecture 002, \"Sampling to approximate expectations: Beware of the \
        variance!\")",
    ))?;
    Ok(())
}

fn report(
    run: &Run<'_>,
    args: &Args,
    statistics: &[Statistics],
    last: Option<&Epoch>,
) -> Result<(), RunError> {
    outln!("variance of an element of the gradient, {} samples, {} draws", args.samples, args.draws);
    let header = ["dimension", "score function", "with control variate", "reparameterised"];
    let mut table = TextTable::new().header(header);
    for (dim, found) in DIMS.iter().zip(statistics.chunks_exact(ESTIMATORS.len())) {
        let variances = found.iter().map(|found| format!("{:.4}", found.variance));
        table.row([dim.to_string()].into_iter().chain(variances));
    }
    table.print();
    let furthest = statistics.iter().map(|s| s.furthest).fold(0.0, f64::max);
    let typical =
        (statistics.iter().map(|s| s.typical.powi(2)).sum::<f64>() / statistics.len() as f64).sqrt();
    outln!(
        "means from the exact gradient, in standard errors: {typical:.2} typically, at most {furthest:.2}"
    );
    let largest = &statistics[statistics.len() - ESTIMATORS.len()..];
    let kl = PARTS.map(|name| (name, last.map_or(0.0, |epoch| epoch.train.part(name))));
    let mut results = vec![
        ("dim", DIMS[DIMS.len() - 1] as f64),
        ("variance_score", largest[0].variance),
        ("variance_control_variate", largest[1].variance),
        ("variance_reparameterised", largest[2].variance),
        ("mean_error_rms_se", typical),
        ("mean_error_max_se", furthest),
    ];
    results.extend(kl);
    run.found(&format!(
        "In {} dimensions the gradient by the score function varies {:.0} times as much as that by reparameterisation, with a control \
         variate {:.0} times.",
        DIMS[DIMS.len() - 1],
        largest[0].variance / largest[2].variance,
        largest[1].variance / largest[2].variance
    ));
    run.label(&[
        Label::new("dim", "dimensions of θ for which the variances are given", ""),
        Label::new("variance_score", "variance of an element of the gradient by the score function", ""),
        Label::new(
            "variance_control_variate",
            "variance of an element of the gradient by the score function with a control variate",
            "",
        ),
        Label::new(
            "variance_reparameterised",
            "variance of an element of the gradient by reparameterisation",
            "",
        ),
        Label::new(
            "mean_error_rms_se",
            "distance of mean gradients from the exact one, root mean square",
            "standard errors over draws",
        ),
        Label::new(
            "mean_error_max_se",
            "distance of mean gradients from the exact one, the largest",
            "standard errors over draws",
        ),
        Label::new("kl_*", "KL(q ‖ posterior) at the end of learning, estimator of the gradient: *", "nats"),
    ]);
    run.finish(&results)
}
