//! The gradient of the bound in two ways (lecture 002, "Sampling to approximate expectations: Beware of the variance!"):
//! by the score function, with and without a control variate, and by reparameterisation:
//!
//!     cargo run --release -p bayes-nn --example gradients
//!
//! All have the same mean; their variances, over the dimension of θ, differ. Writes to `out/bayes-nn-gradients/`:
//! variances over dimensions, and what they mean for learning.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use autograd::{Tape, Var};
use bayes_nn::{Estimator, Family, FreeEnergy, Gradient, MeanField, NormalPrior};
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use nn::picture::Figure;
use nn::run::{Defaults, Run, RunArgs, result_line};
use nn::schedule::Schedule;
use nn::train::{Batch, End, Objective, Trainer};
use nn::{Init, Layout};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

/// Compares estimators of the gradient of the bound
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Gradients that are drawn for each estimator and dimension
    #[arg(long, value_name = "N", default_value_t = 4000, default_value_if("dry_run", "true", "50"))]
    draws: u64,
    /// Monte-Carlo samples of each, at least 2
    #[arg(long, value_name = "M", default_value_t = 8)]
    samples: usize,
    /// The dimension in which learning is shown
    #[arg(long, value_name = "D", default_value_t = 32)]
    dim: usize,
}

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/bayes-nn-gradients", epochs: 2000, batch_size: 1, lr: 0.02 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| gradients(&args))?)
}

const ESTIMATORS: [(&str, Gradient); 3] = [
    ("score function", Gradient::Score { control_variate: false }),
    ("score function, control variate", Gradient::Score { control_variate: true }),
    ("reparameterised", Gradient::Reparameterised),
];

const DIMS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// Where gradients are compared, and learning begins: N(1, 0.8²) for every θᵢ.
const MU: f64 = 1.0;
const SIGMA: f64 = 0.8;

/// The prior of θ ∈ Rᵈ is N(0, I), and yᵢ ~ N(θᵢ, 1) was seen to be 1: the posterior is N(½, ½ I), and the gradient of
/// KL(q ‖ posterior) by each μᵢ is 2 μᵢ − 1, by each log σᵢ it is 2 σᵢ² − 1. KL(q ‖ prior) is taken in closed form, so that
/// what varies is the gradient of E_q[log ℓ].
fn free_energy(
    q: &MeanField,
    samples: usize,
    gradient: Gradient,
) -> FreeEnergy<'_, MeanField, impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync> {
    let estimator = Estimator { samples, gradient, ..Estimator::default() };
    let prior = NormalPrior::new(0.0, 1.0);
    FreeEnergy::with_prior(q, |_: &Tape<f64>, theta| ((theta - 1.0).square() * -0.5).sum(), prior, estimator)
}

/// What many draws of a gradient say.
struct Statistics {
    /// The variance of an element, averaged over all.
    variance: f64,
    /// How many standard errors the means are from the exact gradient, at most and as a root mean square.
    furthest: f64,
    typical: f64,
}

fn compare(dim: usize, gradient: Gradient, args: &Args) -> Statistics {
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", dim, Init::Constant(MU), SIGMA);
    let free_energy = free_energy(&q, args.samples, gradient);
    let eta = Arc::new(layout.init(&mut StdRng::seed_from_u64(0)));
    let exact = |i: usize| if i < dim { 2.0 * MU - 1.0 } else { 2.0 * SIGMA * SIGMA - 1.0 };
    let (mut tape, mut sums) = (Tape::new(), vec![(0.0, 0.0); 2 * dim]);
    for draw in 0..args.draws {
        let noise = Noise::new(args.run.seed, draw);
        let (_, gradient) = tape.value_and_grad(&eta, |tape, eta| {
            free_energy.bound(eta, free_energy.noise(tape, noise)).value().neg()
        });
        for (i, (sum, g)) in sums.iter_mut().zip(gradient).enumerate() {
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

/// Three q that learn side by side, each by another gradient.
struct Learners<E>([E; 3]);

impl<P> Objective<f64> for Learners<(&MeanField, FreeEnergy<'_, MeanField, P>)>
where
    P: for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64> + Sync,
{
    const PARTS: &'static [&'static str] = &["kl_score", "kl_control_variate", "kl_reparameterised"];

    fn loss<'t>(&self, eta: Var<'t, f64>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f64> {
        let tape = eta.tape();
        let posterior = NormalPrior::new(0.5, 0.5_f64.sqrt()).on(tape);
        let losses = self.0.each_ref().map(|(q, free_energy)| {
            // What is to be shown is exact; what is learned from is not.
            let kl = q.kl(eta, posterior).item();
            (kl, free_energy.bound(eta, free_energy.noise(tape, batch.noise)).value().neg())
        });
        parts.iter_mut().zip(losses).for_each(|(part, (kl, _))| *part = kl);
        losses[0].1 + losses[1].1 + losses[2].1
    }
}

fn gradients(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let Args { ref run, draws, samples, dim } = *args;
    ensure!(run.data.is_none(), "this example takes no data");
    ensure!(draws > 1 && samples > 1, "--draws {draws}, --samples {samples}: at least 2 are needed");
    ensure!((1..=10_000).contains(&dim), "--dim {dim}: 1 to 10000 dimensions");
    let run = Run::open(run, args)?;

    let all: Vec<(usize, Gradient)> =
        DIMS.iter().flat_map(|&dim| ESTIMATORS.map(|(_, gradient)| (dim, gradient))).collect();
    let statistics: Vec<Statistics> =
        all.par_iter().map(|&(dim, gradient)| compare(dim, gradient, args)).collect();
    let by_dim: Vec<&[Statistics]> = statistics.chunks_exact(ESTIMATORS.len()).collect();

    let mut layout = Layout::new();
    let qs = ESTIMATORS.map(|(name, _)| MeanField::new(&mut layout, name, dim, Init::Constant(MU), SIGMA));
    let learners = Learners([0, 1, 2].map(|i| (&qs[i], free_energy(&qs[i], samples, ESTIMATORS[i].1))));
    let eta = layout.init(&mut StdRng::seed_from_u64(run.args.seed));
    let mut trainer = Trainer::new(eta, Optimizer::new(Rule::ADAM, layout.size()), run.args.seed);
    let schedule = (Schedule::Cosine { epochs: run.args.epochs }, None);
    let end = run
        .train(&layout, &mut trainer, (&learners, 1), None, schedule)
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }

    let (mut variances, mut learning) = (
        Figure::new(&format!("Variance of the gradient, {samples} samples"))
            .axes("dimension of θ", "variance of an element")
            .log_x()
            .log_y(),
        Figure::new(&format!("Learning in {dim} dimensions"))
            .axes("step", "KL(q ‖ posterior), nats")
            .log_x()
            .log_y(),
    );
    for (i, (name, _)) in ESTIMATORS.into_iter().enumerate() {
        let points = DIMS.iter().zip(&by_dim).map(|(&dim, all)| (dim as f64, all[i].variance));
        variances = variances.line(name, points);
        let history = trainer.history().iter().enumerate();
        learning =
            learning.line(name, history.map(|(step, epoch)| ((step + 1) as f64, epoch.train.parts[i])));
    }
    variances.save(&run.folder.file("variances.png"))?;
    learning.save(&run.folder.file("learning.png"))?;

    println!("variance of an element of the gradient, {samples} samples, {draws} draws");
    println!("dimension  score function  with control variate  reparameterised");
    for (dim, all) in DIMS.iter().zip(&by_dim) {
        println!("{dim:9}  {:14.4}  {:20.4}  {:15.4}", all[0].variance, all[1].variance, all[2].variance);
    }
    let furthest = statistics.iter().map(|s| s.furthest).fold(0.0, f64::max);
    let typical = (statistics.iter().map(|s| s.typical.powi(2)).sum::<f64>() / all.len() as f64).sqrt();
    println!(
        "means from the exact gradient, in standard errors: {typical:.2} typically, at most {furthest:.2}"
    );
    println!("pictures, metrics and checkpoint are in {}", run.args.out.display());
    let (last, largest) = (trainer.history().last().map(|epoch| epoch.train.parts), by_dim[DIMS.len() - 1]);
    let kl = last.unwrap_or_default();
    result_line(&[
        ("dim", DIMS[DIMS.len() - 1] as f64),
        ("variance_score", largest[0].variance),
        ("variance_control_variate", largest[1].variance),
        ("variance_reparameterised", largest[2].variance),
        ("mean_error_rms_se", typical),
        ("mean_error_max_se", furthest),
        ("kl_score", kl[0]),
        ("kl_control_variate", kl[1]),
        ("kl_reparameterised", kl[2]),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}
