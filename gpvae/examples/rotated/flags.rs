//! The flags, and what they choose of models and training.

use std::path::PathBuf;

use gpvae::data::Views;
use gpvae::{GpVaeConfig, Pace, Part, Phase, PixelNoise, Plan};
use nn::run::{RunArgs, at_most, positive, whole, width};
use nn::train::Schedule;

/// Predicts digits at an angle that was not seen, by a VAE with a Gaussian-process prior and by its baselines
#[derive(clap::Parser, serde::Serialize)]
pub(crate) struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) run: RunArgs,
    /// The benchmark's images, an IDX file (objects, views, height, width); with --split
    #[arg(long, value_name = "FILE", requires = "split", conflicts_with = "data")]
    #[serde(serialize_with = "nn::run::path_text")]
    pub(crate) images: Option<PathBuf>,
    /// What the benchmark's images are for, a CSV file
    #[arg(long, value_name = "FILE", requires = "images")]
    #[serde(serialize_with = "nn::run::path_text")]
    pub(crate) split: Option<PathBuf>,
    /// The digit to turn, where images are not turned already
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..10))]
    pub(crate) digit: u8,
    /// How many images to turn, at most
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = whole)]
    pub(crate) objects: usize,
    /// Predict the images to learn from at this view, counted from 0, and not the test; nobody learns from them
    #[arg(long, value_name = "VIEW")]
    pub(crate) hold_out: Option<usize>,
    /// Choose --lambda and --features by a view that is held out of training, before training on everything
    #[arg(long)]
    pub(crate) tune: bool,
    /// What to train, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',',
          default_values_t = [Method::Joint, Method::Disjoint, Method::Cvae, Method::Livae])]
    methods: Vec<Method>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) options: Options,
}

impl Args {
    /// The methods to train, in their order, each once.
    pub(crate) fn methods(&self) -> Vec<Method> {
        let mut methods = self.methods.clone();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

/// A method of lecture 003, "Compared Methods"; a VAE to whose codes a Gaussian process is fitted at the end; or the lecture's joint
/// schedule to the letter, with a single epoch of everything in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
pub(crate) enum Method {
    Joint,
    Disjoint,
    Cvae,
    Livae,
    Afterwards,
    Lecture,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Joint => "joint",
            Self::Disjoint => "disjoint",
            Self::Cvae => "cvae",
            Self::Livae => "livae",
            Self::Afterwards => "afterwards",
            Self::Lecture => "lecture",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Joint => "GP prior, joint",
            Self::Disjoint => "GP prior, disjoint",
            Self::Cvae => "conditional VAE",
            Self::Livae => "interpolation in a VAE",
            Self::Afterwards => "GP fitted to a VAE's codes",
            Self::Lecture => "GP prior, joint to the letter",
        }
    }
}

/// What can be chosen of the models and their training.
#[derive(Clone, clap::Args, serde::Serialize)]
pub(crate) struct Options {
    /// Models of each Gaussian-process method, from starts of their own, whose predicted images are averaged
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_most::<100>)]
    pub(crate) members: usize,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = width)]
    latent: usize,
    /// Features of an object; the lecture has 8
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = width)]
    pub(crate) features: usize,
    /// Cycles of the schedules joint and disjoint; --epochs are shared out among them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole)]
    cycles: usize,
    /// Rounds of the method lecture; --epochs are shared out among them, and the last epoch of a round trains everything
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole)]
    rounds: usize,
    /// The share of a joint cycle's epochs in which the networks alone are trained
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share_or_none)]
    alone: f64,
    /// Steps of the kernel alone, in every cycle
    #[arg(long, value_name = "N", default_value_t = 100,
        default_value_if("dry_run", "true", "1"), value_parser = whole)]
    kernel_steps: usize,
    /// Learning rate of kernel, α and object features
    #[arg(long, value_name = "RATE", default_value_t = 5e-3, value_parser = positive)]
    kernel_lr: f64,
    /// Weight of the Gaussian process in the bound
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0, value_parser = positive)]
    pub(crate) lambda: f64,
    /// Standard deviation of a pixel from its mean; learned unless given
    #[arg(long, value_name = "SIGMA", value_parser = positive)]
    sigma: Option<f64>,
    /// The lengthscale that the view kernel begins with
    #[arg(long, value_name = "NU", default_value_t = 1.0, value_parser = positive)]
    pub(crate) nu: f64,
    /// The noise on latents that training begins with
    #[arg(long, value_name = "ALPHA", default_value_t = 0.1, value_parser = positive)]
    pub(crate) alpha: f64,
    /// Width of the hidden layer where images are not those of MNIST, for which networks are convolutional
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = width)]
    hidden: usize,
}

impl Options {
    /// The networks and the pixel noise of all methods.
    pub(crate) fn config(&self, views: &Views) -> GpVaeConfig {
        let config = match (views.height, views.width) {
            (28, 28) => GpVaeConfig::convolutional(28, self.latent),
            (height, width) => GpVaeConfig::new(height * width, &[self.hidden], self.latent),
        };
        let learned = PixelNoise::Learned { start: 0.3 };
        GpVaeConfig { pixel_noise: self.sigma.map_or(learned, |sigma| PixelNoise::Fixed { sigma }), ..config }
    }

    /// How a Gaussian-process method is trained, with --epochs passes of the networks in all.
    pub(crate) fn phases(&self, method: Method, run: &RunArgs) -> Vec<Phase> {
        let mut phases = self.plan(method, run).phases();
        if method == Method::Lecture {
            // Rates that fall from round to round as those of the other schedules do from epoch to epoch.
            let fall = Schedule::Cosine { epochs: phases.len() / 3 };
            for (i, phase) in phases.iter_mut().enumerate().filter(|(_, phase)| phase.part != Part::Kernel) {
                phase.pace.networks_rate *= fall.factor(i / 3);
                phase.pace.kernel_rate *= fall.factor(i / 3);
            }
        }
        phases
    }

    fn plan(&self, method: Method, run: &RunArgs) -> Plan {
        let pace =
            |epochs| Pace { epochs, networks_rate: run.lr, kernel_rate: self.kernel_lr, ..Pace::default() };
        let kernel = pace(self.kernel_steps);
        let cycles = if method == Method::Lecture { self.rounds.min(run.epochs.max(1)) } else { self.cycles };
        let per_cycle = run.epochs.div_ceil(cycles);
        let alone = (self.alone * per_cycle as f64).round() as usize;
        match method {
            Method::Joint => {
                let all = pace(per_cycle - alone).falling();
                Plan::Joint { cycles, networks: pace(alone), kernel, all }
            }
            Method::Lecture => {
                Plan::Joint { cycles, networks: pace(per_cycle.saturating_sub(1)), kernel, all: pace(1) }
            }
            Method::Disjoint => Plan::Disjoint { cycles, networks: pace(per_cycle).falling(), kernel },
            _ => Plan::Afterwards { networks: pace(run.epochs).falling(), kernel },
        }
    }
}

/// Parses a number from 0 on and less than 1.
fn share_or_none(text: &str) -> Result<f64, String> {
    let share = |x: &f64| (0.0..1.0).contains(x);
    text.parse().ok().filter(share).ok_or_else(|| "expected a number from 0 on and less than 1".to_owned())
}
