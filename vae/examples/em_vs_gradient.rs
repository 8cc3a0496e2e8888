//! Steps of the gradient beside iterations of EM (lecture 001, "What is a VAE ?": "Each step of the gradient ascent augment the ELBO
//! as an EM iteration"), on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example em_vs_gradient
//!
//! The model is probabilistic PCA, x = W z + ε with ε ~ N(0, σ² I). Its posterior, its log-likelihood and the maximum of that are known
//! in closed form, so that every step is judged by log p(x) itself. From one W and σ four ways go up:
//!
//! - EM: q(z|x) becomes the posterior, then W and σ² the maximum of the ELBO at this q;
//! - a step of plain gradient ascent on the ELBO at this q instead (generalised EM);
//! - a step of Adam there;
//! - a VAE: q(z|x) is a linear encoder, and Adam steps on the ELBO of a minibatch with one sample of z.
//!
//! Draws how far each is below the maximum, over passes through the data and over seconds, and counts the steps that do not lower log p(x).
//! It compares, and keeps none of its models.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use autograd::ops::TriangularSystem::{LX, LtX};
use autograd::{Tape, Var};
use common::sets;
use nn::data::{Matrix, Minibatches};
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Counter, Defaults, Label, Run, RunArgs, TextTable, positive, whole, width};
use nn::train::{Optimizer, Rule};
use vae::linear::FactorModel;
use vae::{Likelihood, Vae, VaeConfig, VaeObjective};

/// Compares EM with steps of the gradient, on a model whose likelihood is known
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = width)]
    latent: usize,
    /// ρ of plain gradient ascent; --lr is that of Adam
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = positive)]
    rate: f64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

/// σ at the beginning.
const START: f64 = 1.0;
/// So many nats below the maximum a method counts as arrived.
const CLOSE: f64 = 0.01;
/// What log p(x) may fall by at the maximum, where only rounding moves it.
const ROUNDING: f64 = 1e-9;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-em_vs_gradient", epochs: 500, batch_size: 64, lr: 1e-2 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let [train, _] = sets::load(&args.run, args.rows)?;
    let x = centred(&train.images);
    let best = FactorModel::probabilistic_pca(&x, args.latent)?.log_likelihood(&x)?;
    let run = Run::open(&args.run, args)?.documented("vae", "EM and gradient steps");

    let likelihood = Likelihood::NormalLearned { start: START };
    let vae = Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(x.cols, &[], args.latent) })?;
    let mut trainer = args.run.trainer(vae.layout());
    let start = decoder(&vae, trainer.theta());

    let climbs = Climbs { args, x: &x, start: &start, progress: Counter::new("passes", 4 * args.run.epochs) };
    let ascent = |rule, rate| climbs.by_gradient(rule, rate);
    // Models of networks are trained in single precision.
    let narrow = x.map(|x| x as f32);
    let objective = VaeObjective::new(&vae, &narrow);
    let mut minibatches = Minibatches::new(x.rows, args.run.batch_size, args.run.seed);
    let ways = [
        ("EM", "em", climbs.of_passes(|model| em(model, &x))?),
        ("gradient, exact q", "gradient", ascent(Rule::Sgd, args.rate)?),
        ("Adam, exact q", "adam", ascent(Rule::ADAM, args.run.lr)?),
        (
            "VAE, Adam, minibatches",
            "vae",
            climbs.of_steps(|pass, climb| {
                for rows in minibatches.epoch(pass) {
                    climb.timed(|| {
                        trainer.step(&objective, rows, args.run.lr)?;
                        Ok(decoder(&vae, trainer.theta()))
                    })?;
                }
                Ok(())
            })?,
        ),
    ];
    drop(climbs);

    outln!("{} images; the maximum of log p(x) is {best:.4} nats per image", x.rows);
    outln!("nats below it after {} passes; passes and seconds until {CLOSE} nats below", args.run.epochs);
    let mut table = TextTable::new().header(["", "below", "passes", "seconds", "steps that do not fall"]);
    let mut results = vec![("maximum".to_owned(), best)];
    for (name, key, climb) in &ways {
        let below = best - climb.passes[climb.passes.len() - 1].1;
        let arrived = climb.passes.iter().position(|(_, log_p)| best - log_p < CLOSE);
        let passes = arrived.map_or("not".to_owned(), |pass| pass.to_string());
        let seconds = arrived.map_or(String::new(), |pass| {
            format!("{:.3}", climb.passes[pass].0 as f64 * climb.seconds_of_step())
        });
        let rising = climb.share_rising();
        table.row([
            name,
            &*format!("{below:.1e}"),
            &*passes,
            &*seconds,
            &*format!("{:.1} %", 100.0 * rising),
        ]);
        results.push((format!("{key}_below"), below));
        results.extend(arrived.map(|pass| (format!("{key}_passes"), pass as f64)));
        results.push((format!("{key}_rising"), rising));
    }
    table.print();
    draw(best, &ways).save(&run.picture(
        "climb.png",
        "How far log p(x) is below its maximum. Look at how far an iteration of EM goes in one step, and a step of the gradient with \
        exact q. The VAE makes many steps in one pass; where its curve levels off, the noise of minibatches is as large as what is left \
        to be gained (lecture 001, \"What is a VAE ?\")",
    ))?;
    let kept = |i: usize| ways[i].2.kept();
    run.found(&format!(
        "The log-likelihood rose or stayed in {} iterations of EM, in {} steps along its gradient, in {} such steps of Adam, and in {} \
         steps of the VAE, whose gradients are noisy. That each step augments the bound is proved for EM, and for exact gradients if steps are \
         small enough; nothing is proved for minibatches.",
        kept(0),
        kept(1),
        kept(2),
        kept(3)
    ));
    run.label(&[
        Label::new("maximum", "maximum of log p(x), in closed form", "nats per image"),
        Label::new("*_below", "log p(x) below its maximum after all passes: *", "nats per image"),
        Label::new("*_passes", "passes through the data until log p(x) is nearly at its maximum: *", ""),
        Label::new("*_rising", "steps after which log p(x) has not fallen: *", "share"),
    ]);
    run.finish(&results)?;
    Ok(())
}

/// Images minus their mean, which is then the maximum-likelihood estimate of μ: 0.
fn centred(images: &Matrix<f32>) -> Matrix<f64> {
    let x = images.map(f64::from);
    let mean = |j: usize| x.values.iter().skip(j).step_by(x.cols).sum::<f64>() / x.rows as f64;
    let means: Vec<f64> = (0..x.cols).map(mean).collect();
    let values = x.values.iter().zip(means.iter().cycle()).map(|(x, mean)| x - mean).collect();
    Matrix::new(x.rows, x.cols, values)
}

/// Probabilistic PCA with these numbers.
fn model(mean: Vec<f64>, loadings: Matrix<f64>, sigma: f64) -> FactorModel {
    let noise = vec![sigma * sigma; loadings.cols];
    FactorModel { mean, loadings, noise }
}

/// The decoder of a linear VAE.
fn decoder(vae: &Vae, theta: &[f32]) -> FactorModel {
    let theta: Vec<f64> = theta.iter().map(|&theta| theta.into()).collect();
    let (decoder, layout) = (&vae.networks().decoder, vae.layout());
    let w = theta[decoder.last_weight().range()].to_vec();
    let log_sigma = theta[layout.range("log_sigma")][0];
    let loadings = Matrix::new(vae.latent(), vae.inputs(), w);
    model(theta[decoder.last_bias().range()].to_vec(), loadings, log_sigma.exp())
}

/// An iteration of EM. With the posterior's means m (N, L) and covariance V,
///
/// W ← Xᵀm (mᵀm + N V)⁻¹,   σ² ← (‖X‖² − tr WᵀXᵀm) / N D
fn em(now: &FactorModel, x: &Matrix<f64>) -> anyhow::Result<FactorModel> {
    let (tape, latent) = (Tape::new(), now.loadings.rows);
    let q = now.posterior(x)?;
    let data = tape.shared_constant(&x.values, [x.rows, x.cols]);
    let m = tape.shared_constant(&q.means.values, [x.rows, latent]);
    let v = tape.shared_constant(&q.covariance.values, [latent, latent]);
    let products = m.t_matmul(data); // (L, D)
    let l = (m.t_matmul(m) + v * x.rows as f64).cholesky()?;
    let w = l.solve_triangular(l.solve_triangular(products, LX), LtX);
    let left = data.square().sum() - (w * products).sum();
    let sigma = (left.item() / x.values.len() as f64).sqrt();
    Ok(model(now.mean.clone(), Matrix::new(latent, x.cols, w.to_vec()), sigma))
}

/// −E_q[log p(x|z)] per row at θ = (W, log σ), for q(z|x) = N(m, V): that part of the ELBO in which θ is.
///
/// D (log σ + ½ ln 2π) + (‖X − m W‖² / N + tr W′VW) / 2σ²
fn minus_elbo<'t>(theta: Var<'t, f64>, x: Var<'t, f64>, m: Var<'t, f64>, v: Var<'t, f64>) -> Var<'t, f64> {
    let (rows, d, latent) = (x.shape().dims()[0] as f64, x.shape().last(), m.shape().last());
    let (w, log_sigma) = (theta.view(0, [latent, d]), theta.view(latent * d, []));
    let square = (x - m.matmul(w)).square().sum() / rows + (w * v.matmul(w)).sum();
    let half_ln_2pi = 0.5 * std::f64::consts::TAU.ln();
    (log_sigma + half_ln_2pi) * d as f64 + square * (log_sigma * -2.0).exp() * 0.5
}

/// What all ways up have in common.
struct Climbs<'a> {
    args: &'a Args,
    x: &'a Matrix<f64>,
    start: &'a FactorModel,
    progress: Counter,
}

impl<'a> Climbs<'a> {
    /// Calls `pass` for every pass through the data; it makes the steps.
    fn of_steps(
        &self,
        mut pass: impl FnMut(u64, &mut Climb<'a>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Climb<'a>> {
        let log_p = self.start.log_likelihood(self.x)?;
        let (passes, times) = (vec![(0, log_p)], Vec::new());
        let mut climb = Climb { x: self.x, log_p, times, rising: 0, passes };
        for number in 0..self.args.run.epochs as u64 {
            pass(number, &mut climb)?;
            climb.passes.push((climb.times.len(), climb.log_p));
            self.progress.counted(());
        }
        Ok(climb)
    }

    /// A step is a pass.
    fn of_passes(
        &self,
        mut step: impl FnMut(&FactorModel) -> anyhow::Result<FactorModel>,
    ) -> anyhow::Result<Climb<'a>> {
        let mut now = self.start.clone();
        self.of_steps(|_, climb| {
            now = climb.timed(|| step(&now))?;
            Ok(())
        })
    }

    /// A pass is a step of a rule along the gradient of the ELBO in W and log σ, with q(z|x) held at the posterior.
    fn by_gradient(&self, rule: Rule, rate: f64) -> anyhow::Result<Climb<'a>> {
        let (x, mut tape) = (self.x, Tape::new());
        let mut optimizer = Optimizer::new(rule, self.start.loadings.values.len() + 1);
        self.of_passes(|now| {
            let q = now.posterior(x)?;
            let latent = now.loadings.rows;
            let mut theta = [&now.loadings.values[..], &[0.5 * now.noise[0].ln()]].concat();
            let (_, gradient) = tape.value_and_grad(&theta.clone().into(), |tape, theta| {
                let data = tape.shared_constant(&x.values, [x.rows, x.cols]);
                let m = tape.shared_constant(&q.means.values, [x.rows, latent]);
                let v = tape.shared_constant(&q.covariance.values, [latent, latent]);
                minus_elbo(theta, data, m, v)
            });
            optimizer.step(rate, &mut theta, &gradient);
            let sigma = theta[theta.len() - 1].exp();
            theta.pop();
            Ok(model(now.mean.clone(), Matrix::new(latent, x.cols, theta), sigma))
        })
    }
}

/// A way up.
struct Climb<'a> {
    x: &'a Matrix<f64>,
    log_p: f64,
    /// The time of each step, without the evaluation of log p(x).
    times: Vec<Duration>,
    /// Steps after which log p(x) was not lower.
    rising: usize,
    /// Steps and log p(x) after each pass.
    passes: Vec<(usize, f64)>,
}

impl Climb<'_> {
    /// The share of steps after which log p(x) was not lower.
    fn share_rising(&self) -> f64 {
        self.rising as f64 / self.times.len() as f64
    }

    /// The same for a sentence.
    fn kept(&self) -> String {
        format!("{} of {}", self.rising, self.times.len())
    }

    /// Seconds that a step takes, the median: machines do other things, too.
    fn seconds_of_step(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    }

    /// Makes a step, which is timed, and looks whether it went up.
    fn timed(&mut self, step: impl FnOnce() -> anyhow::Result<FactorModel>) -> anyhow::Result<FactorModel> {
        let began = Instant::now();
        let model = step()?;
        self.times.push(began.elapsed());
        let log_p = model.log_likelihood(self.x)?;
        self.rising += usize::from(log_p > self.log_p - ROUNDING);
        self.log_p = log_p;
        Ok(model)
    }
}

/// The distance to the maximum, over passes and over seconds.
fn draw(best: f64, ways: &[(&str, &str, Climb<'_>)]) -> Panels {
    let figure = |title: &str, label: &str| {
        Figure::new(title).axes(label, "nats below the maximum of log p(x)").log_x().log_y()
    };
    let mut passes = figure("By passes through the data", "passes");
    let mut times = figure("By time", "milliseconds");
    for (name, _, climb) in ways {
        // Logarithmic axes have no place for the start, and none for what rounding puts above the maximum.
        let after = || climb.passes.iter().enumerate().skip(1).filter(|(_, (_, p))| best - p > ROUNDING);
        passes = passes.line(name, after().map(|(pass, (_, p))| (pass as f64, best - p)));
        let each = 1e3 * climb.seconds_of_step();
        times = times.line(name, after().map(|(_, (steps, p))| (*steps as f64 * each, best - p)));
    }
    Panels::new("EM and gradient steps on probabilistic PCA", 2).figure(passes).figure(times).shared_heights()
}
