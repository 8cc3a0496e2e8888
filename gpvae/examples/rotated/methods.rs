//! The methods that are compared: how each is trained, and what it predicts.

use std::f64::consts::TAU;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use gpvae::baselines::{Autoencoder, Bound};
use gpvae::kernel::{Kernel, Periodic};
use gpvae::prior::{LowRank, ViewObject};
use gpvae::{
    GpVae, Networks, Objects, Part, Phase, PixelNoise, Training, Views, principal_features, schedule,
};
use nn::checkpoint::Checkpoint;
use nn::data::{Matrix, Minibatches};
use nn::optim::{Optimizer, Rule};
use nn::run::{Interrupt, Progress, RunArgs, positive, whole};
use nn::schedule::Schedule;
use nn::train::{End, Observer, Trainer};
use nn::{Estimate, Layout};
use rand::{SeedableRng, rngs::StdRng};

use super::log::Log;

/// A method of lecture 003, "Compared Methods", and a VAE to whose codes a Gaussian process is fitted in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
pub(crate) enum Method {
    Joint,
    Disjoint,
    Cvae,
    Livae,
    Afterwards,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Joint => "joint",
            Self::Disjoint => "disjoint",
            Self::Cvae => "cvae",
            Self::Livae => "livae",
            Self::Afterwards => "afterwards",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Joint => "GP prior, joint",
            Self::Disjoint => "GP prior, disjoint",
            Self::Cvae => "conditional VAE",
            Self::Livae => "interpolation in a VAE",
            Self::Afterwards => "GP fitted to a VAE's codes",
        }
    }
}

/// What can be chosen of the models and their training.
#[derive(clap::Args, serde::Serialize)]
pub(crate) struct Options {
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = whole)]
    pub(crate) latent: usize,
    /// Features of an object; the lecture has 8
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = whole)]
    pub(crate) features: usize,
    /// Cycles of the schedules joint and disjoint; --epochs are shared out among them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole)]
    pub(crate) cycles: usize,
    /// The share of a joint cycle's epochs in which the networks alone are trained
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub(crate) alone: f64,
    /// Steps of the kernel alone, in every cycle
    #[arg(long, value_name = "N", default_value_t = 100,
        default_value_if("dry_run", "true", "1"), value_parser = whole)]
    pub(crate) kernel_steps: usize,
    /// Learning rate of kernel, α and object features
    #[arg(long, value_name = "RATE", default_value_t = 5e-3, value_parser = positive)]
    pub(crate) kernel_lr: f64,
    /// Weight of the Gaussian process in the bound
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0, value_parser = positive)]
    pub(crate) lambda: f64,
    /// Standard deviation of a pixel from its mean; learned unless given
    #[arg(long, value_name = "SIGMA", value_parser = positive)]
    pub(crate) sigma: Option<f64>,
    /// The lengthscale that the view kernel begins with
    #[arg(long, value_name = "NU", default_value_t = 1.0, value_parser = positive)]
    pub(crate) nu: f64,
    /// The noise on latents that training begins with
    #[arg(long, value_name = "ALPHA", default_value_t = 0.1, value_parser = positive)]
    pub(crate) alpha: f64,
    /// Width of the hidden layer where images are not those of MNIST, for which networks are convolutional
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = whole)]
    pub(crate) hidden: usize,
}

impl Options {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (0.0..1.0).contains(&self.alone),
            "--alone {}: a share below 1 is wanted",
            self.alone
        );
        Ok(())
    }

    fn networks(&self, layout: &mut Layout, views: &Views, condition: usize) -> Networks {
        match (views.height, views.width) {
            (28, 28) => Networks::convolutional(layout, self.latent, condition),
            (height, width) => Networks::mlp(layout, height * width, &[self.hidden], self.latent, condition),
        }
    }
}

/// What a method came to.
pub(crate) struct Outcome {
    pub(crate) method: Method,
    /// Of every test image.
    pub(crate) errors: Vec<f64>,
    /// With a draw of z⋆ instead of its mean.
    pub(crate) sampled: Option<Estimate>,
    /// (test, K)
    pub(crate) predicted: Matrix<f32>,
    /// Of q(z|y), training images.
    pub(crate) mu: Matrix<f32>,
    pub(crate) log_sigma: Matrix<f32>,
    /// What the prior learned, in words.
    pub(crate) learned: Option<String>,
    /// X Xᵀ (P, P) and the view kernel (Q, Q).
    pub(crate) covariances: Option<[Matrix<f64>; 2]>,
    /// (epoch, nats per image)
    pub(crate) bound: Vec<(f64, f64)>,
    pub(crate) seconds: f64,
}

/// σ begins here unless it is given.
const SIGMA: f64 = 0.3;

/// Trains a method and lets it predict; none if the user stopped it.
pub(crate) fn run(method: Method, session: &mut Session<'_>) -> anyhow::Result<Option<Outcome>> {
    match method {
        Method::Cvae | Method::Livae => baseline(method, session),
        _ => gaussian_process(method, session),
    }
}

/// What all methods share, and where they leave what they learned.
pub(crate) struct Session<'a> {
    pub(crate) views: &'a Views,
    pub(crate) args: &'a RunArgs,
    pub(crate) options: &'a Options,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) log: Log,
}

struct Watch<'a> {
    progress: Progress,
    interrupt: &'a Interrupt,
    method: Method,
    log: &'a mut Log,
}

impl Observer<f32> for Watch<'_> {
    fn step(&mut self, loss: f64) -> ControlFlow<()> {
        self.progress.step(loss);
        if self.interrupt.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, trainer: &Trainer<f32>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (epoch, history) = (trainer.epochs(), trainer.history());
        let [bound, log_likelihood, kl] = std::array::from_fn(|i| history[epoch - 1].train.parts[i]);
        self.progress.epoch(epoch, &format!("bound {bound:.2} nats per image"));
        Ok(self.log.row(self.method, "networks", epoch, bound, Some([log_likelihood, kl]))?)
    }
}

fn baseline(method: Method, session: &mut Session<'_>) -> anyhow::Result<Option<Outcome>> {
    let Session { views, args, options, interrupt, checkpoint, log } = session;
    let started = Instant::now();
    let mut layout = Layout::new();
    let networks = options.networks(&mut layout, views, if method == Method::Cvae { 2 } else { 0 });
    let model = Autoencoder::new(layout, networks, options.sigma.unwrap_or(SIGMA));
    let theta = model.layout().init(&mut StdRng::seed_from_u64(args.seed));
    let optimizer = Optimizer::new(Rule::ADAM, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, args.seed);
    let bound = Bound { model: &model, views, rows: &views.train };
    let fit = args.fit(Schedule::Cosine { epochs: args.epochs }, None);
    let steps = Minibatches::new(views.train.len(), args.batch_size, 0).per_epoch();
    let mut watch = Watch { progress: Progress::new(0..args.epochs, steps), interrupt, method, log };
    if trainer.fit(&bound, views.train.len(), None, &fit, &mut watch)? == End::Stopped {
        return Ok(None);
    }
    drop(watch);
    let theta = trainer.theta();
    checkpoint.insert_vector(method.name(), model.layout().named(), theta);
    let predicted = model.predict(theta, views, &views.train, &views.test);
    let (mu, log_sigma) = model.codes(theta, views, &views.train);
    let epochs = trainer.history().iter().enumerate();
    Ok(Some(Outcome {
        method,
        errors: views.errors(&views.test, &predicted),
        sampled: None,
        predicted,
        mu,
        log_sigma,
        learned: None,
        covariances: None,
        bound: epochs.map(|(i, epoch)| (1.0 + i as f64, epoch.train.parts[0])).collect(),
        seconds: started.elapsed().as_secs_f64(),
    }))
}

impl Outcome {
    pub(crate) fn error(&self) -> Estimate {
        Estimate::of(&self.errors)
    }

    /// How much larger this method's error is than another's, image by image.
    pub(crate) fn excess(&self, over: &Self) -> Estimate {
        let differences = self.errors.iter().zip(&over.errors).map(|(a, b)| a - b);
        Estimate::of(&differences.collect::<Vec<_>>())
    }
}

/// The phases of a method's training: --epochs passes of the networks in all.
fn phases(method: Method, args: &RunArgs, options: &Options) -> Vec<Phase> {
    let per_cycle = args.epochs.div_ceil(options.cycles);
    let alone = (options.alone * per_cycle as f64).round() as usize;
    let phase = |part, epochs| Phase::new(part, epochs).rates(args.lr, options.kernel_lr);
    let kernel = phase(Part::Kernel, options.kernel_steps);
    match method {
        Method::Joint => schedule::joint(
            options.cycles,
            &phase(Part::Networks, alone),
            &kernel,
            &phase(Part::All, per_cycle - alone).falling(),
        ),
        Method::Disjoint => {
            schedule::disjoint(options.cycles, &phase(Part::Networks, per_cycle).falling(), &kernel)
        }
        _ => schedule::fitted_afterwards(&phase(Part::Vae, args.epochs).falling(), &kernel),
    }
}

fn gaussian_process(method: Method, session: &mut Session<'_>) -> anyhow::Result<Option<Outcome>> {
    let Session { views, args, options, interrupt, checkpoint, log } = session;
    let started = Instant::now();
    let samples = views.samples::<f32>(&views.train)?;
    let features = principal_features(&samples, views.objects, options.features);
    let angles = Matrix::new(views.angles.len(), 1, views.angles.clone());
    let model = GpVae::new(
        |layout| options.networks(layout, views, 0),
        options.sigma.map_or(PixelNoise::Learned(SIGMA), PixelNoise::Fixed),
        |layout| {
            let turn = Periodic::new(layout, "nu", TAU, options.nu);
            let covariance = ViewObject::new(turn, angles.clone(), options.features, 1e-4);
            LowRank::new(layout, covariance, options.alpha)
        },
        |layout| Objects::learned(layout, &features),
    );
    let theta = model.layout().init::<f32>(&mut StdRng::seed_from_u64(args.seed));
    let mut training = Training::new(&model, &samples, theta, args.seed)?;
    (training.lambda, training.batch_size) = (options.lambda, args.batch_size);
    let phases = phases(method, args, options);
    let progress = Progress::new(0..phases.iter().map(|phase| phase.epochs).sum(), 1);
    let (mut passed, mut bound, mut stopped, mut logged) = (0, Vec::new(), false, Ok(()));
    training.fit(&phases, |_, epoch| {
        passed += 1;
        let (value, part) = (epoch.bound.value(options.lambda), part_name(epoch.part));
        progress.step(-value);
        progress.epoch(passed, &format!("{part}: bound {value:.2} nats per image"));
        let mut parts = None;
        if epoch.part != Part::Kernel {
            bound.push((1.0 + bound.len() as f64, value));
            parts = Some([epoch.bound.log_likelihood, -epoch.bound.log_prior - epoch.bound.entropy]);
        }
        logged = log.row(method, part, passed, value, parts);
        stopped = interrupt.requested();
        if stopped || logged.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    drop(progress);
    logged.context("metrics.csv cannot be written")?;
    if stopped {
        return Ok(None);
    }

    let theta = training.theta();
    checkpoint.insert_vector(method.name(), model.layout().named(), theta);
    let test = views.places(&views.test)?;
    let predicted = model.predict(theta, &samples, &test)?;
    let sampled = model.predict_sampled(theta, &samples, &test, 1, args.seed)?.mean;
    let [mu, log_sigma] = model.codes(theta, &samples);
    let learned = format!(
        "σ_y = {:.3}, α = {:.2e}, ν = {:.3}",
        model.sigma_y(theta),
        gpvae::prior::Prior::alpha(&model.prior).map_or(0.0, |alpha| alpha.value(theta)),
        model.prior.features.view.nu().value(theta),
    );
    Ok(Some(Outcome {
        method,
        errors: views.errors(&views.test, &predicted),
        sampled: Some(Estimate::of(&views.errors(&views.test, &sampled))),
        predicted,
        mu,
        log_sigma,
        learned: Some(learned),
        covariances: Some(covariances(&model, theta, &angles)),
        bound,
        seconds: started.elapsed().as_secs_f64(),
    }))
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Vae => "vae",
        Part::Networks => "networks",
        Part::Kernel => "kernel",
        Part::All => "all",
    }
}

fn covariances(
    model: &GpVae<LowRank<ViewObject<Periodic>>>,
    theta: &Arc<Vec<f32>>,
    angles: &Matrix<f64>,
) -> [Matrix<f64>; 2] {
    let tape = autograd::Tape::<f64>::new();
    let doubles: Vec<f64> = theta.iter().map(|&x| f64::from(x)).collect();
    let theta = tape.constant(&doubles, [doubles.len()]);
    let objects = match &model.objects {
        Objects::Learned(slot) => {
            let x = slot.of(theta);
            x.matmul_t(x).to_vec()
        }
        _ => Vec::new(),
    };
    let views = model.prior.features.view.gram(theta, tape.constant(&angles.values, [angles.rows, 1]));
    let square = |values: Vec<f64>| {
        let side = values.len().isqrt();
        Matrix::new(side, side, values)
    };
    [square(objects), square(views.to_vec())]
}
