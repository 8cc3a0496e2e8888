//! A variational autoencoder of MNIST's handwritten digits, from the four standard files:
//!
//!     cargo run --release -p vae --example mnist -- --data DIR
//!
//! Network and schedule are those of PyTorch's own VAE example unless flags say otherwise: 784-400-20, ReLU, grey pixels
//! as Bernoulli probabilities, Adam with learning rate 1e-3, batches of 128, 10 epochs, all 60,000 training images. Networks
//! may be convolutional instead:
//!
//!     cargo run --release -p vae --example mnist -- --data DIR --conv
//!
//! `--ais T` also computes log p(x) of some test images by annealed importance sampling with T temperatures, and how far that is from
//! log p(x) of images that the model draws:
//!
//!     cargo run --release -p vae --example mnist -- --data DIR --protocol iwae --ais 1000
//!
//! Images of your own, PNG or JPEG files whose grey values are learned as probabilities, too: of every ten images one validates and
//! one tests, which the seed chooses. Drawings and signs suit it, light ones on black or with `--invert` dark ones on white;
//! photographs need more than dense networks. Subfolders are classes, which colour the codes:
//!
//!     cargo run --release -p vae --example mnist -- --images FOLDER --size 28x28
//!
//! Other protocols have their own defaults, and several models can be compared, of which none is recommended nor kept:
//!
//!     cargo run --release -p vae --example mnist -- --data DIR --protocol iwae --k 5
//!     cargo run --release -p vae --example mnist -- --data DIR --protocol lecture
//!     cargo run --release -p vae --example mnist -- --data DIR --latent 2,5,10,20
//!     cargo run --release -p vae --example mnist -- --data DIR --decoder

mod common {
    pub(crate) mod annealed;
    pub(crate) mod bound;
    pub(crate) mod classes;
    pub(crate) mod codes;
    pub(crate) mod convolutional;
    pub(crate) mod decoder;
    pub(crate) mod depths;
    pub(crate) mod evaluate;
    pub(crate) mod explorer;
    pub(crate) mod keep;
    pub(crate) mod manifold;
    pub(crate) mod own;
    pub(crate) mod report;
}
mod protocols {
    pub(crate) mod iwae;
    pub(crate) mod lecture;
    pub(crate) mod sweep;
}

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::ArgPredicate;
use common::annealed::AnnealArgs;
use common::classes::Classes;
use common::convolutional::convolutional;
use common::keep::keep;
use common::report::Trained;
use nn::data::{Binarise, ImageFormat, LabelledImages, Mnist};
use nn::model::{Init, Model, TrainedOn};
use nn::run::{Defaults, ImageArgs, Label, Run, RunArgs, RunError, whole, width};
use nn::train::{End, Trainer};
use vae::{Vae, VaeConfig, VaeError, VaeObjective};

/// Trains a variational autoencoder on MNIST, or on images of your own, and draws what it learned
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    #[command(flatten)]
    #[serde(flatten)]
    own: ImageArgs,
    #[command(flatten)]
    #[serde(flatten)]
    anneal: AnnealArgs,
    /// Follow this protocol, with its network and schedule
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Dimensions of the latent space; beyond two, the pictures show the first two. Several, as in 2,5,10,20: a model of
    /// each, and its samples
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "20", default_value_ifs = [
        ("protocol", ArgPredicate::Equals("iwae".into()), "50"),
        ("protocol", ArgPredicate::Equals("lecture".into()), "2"),
        ("decoder", ArgPredicate::IsPresent, "2"),
    ], value_parser = width)]
    latent: Vec<usize>,
    /// A model with each of these decoders, from linear to deep: their latent spaces and bounds side by side
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',', num_args = 0..=1,
        default_missing_value = "linear,64,64-256,128-256-512", conflicts_with = "protocol")]
    decoder: Option<Vec<String>>,
    /// Width of the hidden layers, without --protocol, --decoder and --conv
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = width,
        conflicts_with_all = ["protocol", "decoder", "conv"])]
    hidden: usize,
    /// Convolutional networks with these channels in the encoder, and in reverse in the decoder; without a value three layers of
    /// eight
    #[arg(long, value_name = "N,…", value_delimiter = ',', num_args = 0..=1, default_missing_value = "8,8,8",
        value_parser = width, conflicts_with_all = ["protocol", "decoder"])]
    conv: Option<Vec<usize>>,
    /// K, the draws of z for each image in the K-sample bound of log p(x) of a single model [default: 100, of the protocol
    /// iwae 5000]
    #[arg(long, value_name = "N", value_parser = whole, conflicts_with = "decoder")]
    importance_samples: Option<usize>,
    /// Samples in the importance-weighted bound of the protocol iwae; with more, fewer epochs are the default
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = whole, requires = "protocol")]
    k: usize,
    /// The doubly reparameterised gradient for the encoder (Tucker et al. 2019), in the protocol iwae with --k 2 or more
    #[arg(long, requires = "protocol")]
    dreg: bool,
    /// The published schedule of the protocol iwae, 3,280 epochs
    #[arg(long, requires = "protocol")]
    full: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum, serde::Serialize)]
enum Protocol {
    /// 784-256-64-2 and 2-64-256-784, binary pixels, 500 epochs (lecture 002, "Fun with MNIST")
    Lecture,
    /// 784-200-200-50, importance-weighted bound, binary pixels (Burda et al. 2016)
    Iwae,
}

const DEFAULTS: Defaults = Defaults { out: "out/vae-mnist", epochs: 10, batch_size: 128, lr: 1e-3 };

impl Args {
    fn defaults(&self) -> Defaults {
        match self.protocol {
            Some(Protocol::Iwae) if self.full => {
                let epochs = protocols::iwae::PUBLISHED;
                Defaults { out: "out/vae-mnist-iwae", epochs, batch_size: 20, lr: 1e-3 }
            }
            Some(Protocol::Iwae) => {
                // The time of an epoch grows with k, the time of the whole does not.
                let epochs = (3000 / (self.k + 1)).max(1);
                Defaults { out: "out/vae-mnist-iwae", epochs, batch_size: 100, lr: 3e-3 }
            }
            Some(Protocol::Lecture) => {
                Defaults { out: "out/vae-mnist-lecture", epochs: 500, batch_size: 128, lr: 1e-4 }
            }
            // Own images are fewer than MNIST's.
            None if self.own.images.is_some() => {
                Defaults { out: "out/vae-mnist-images", epochs: 100, batch_size: 32, ..DEFAULTS }
            }
            None if self.decoder.is_some() => Defaults { out: "out/vae-mnist-decoder", ..DEFAULTS },
            None if self.latent.len() > 1 => Defaults { out: "out/vae-mnist-latent", ..DEFAULTS },
            None if self.conv.is_some() => Defaults { out: "out/vae-mnist-conv", ..DEFAULTS },
            None => DEFAULTS,
        }
    }

    /// K, the draws of z for each image in the K-sample bound.
    fn draws(&self) -> usize {
        let default = if self.protocol == Some(Protocol::Iwae) { 5000 } else { 100 };
        self.importance_samples.unwrap_or(default)
    }

    /// Whether flags that clap cannot compare fit together.
    fn check(&self) -> anyhow::Result<()> {
        let several = self.latent.len() > 1;
        anyhow::ensure!(!several || self.protocol.is_none(), "a protocol takes a single --latent");
        anyhow::ensure!(
            !several || self.importance_samples.is_none(),
            "--importance-samples is for a single --latent"
        );
        if several || self.decoder.is_some() {
            self.run.without_checkpoint()?;
            anyhow::ensure!(!self.anneal.is_some(), "--ais is for a single model");
        }
        let weighted = self.k > 1 || self.full || self.dreg;
        let is_iwae = self.protocol == Some(Protocol::Iwae);
        anyhow::ensure!(is_iwae || !weighted, "--k, --dreg and --full are for --protocol iwae");
        anyhow::ensure!(self.k > 1 || !self.dreg, "--dreg is for --k 2 or more, found {}", self.k);
        Ok(())
    }

    /// A model with so many latent dimensions, without protocol.
    fn config(&self, data: &Data, latent: usize) -> VaeConfig {
        let inputs = data.train.images.cols;
        match &self.conv {
            Some(channels) => convolutional([data.train.height, data.train.width], channels, latent),
            None => VaeConfig::new(inputs, &[self.hidden], latent),
        }
    }
}

const ALTERNATIVE: &str = "the embedded digits need no files: cargo run --release -p vae --example digits";

fn main() -> ExitCode {
    // The protocol decides about the defaults of the other flags.
    let args = nn::run::parse::<Args>(DEFAULTS, std::env::args_os());
    let defaults = args.map_or(DEFAULTS, |args| args.defaults());
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| run(&args))?)
}

/// Images to train and to test on.
struct Data {
    train: LabelledImages,
    /// Of one's own images. MNIST's protocols have their own.
    validation: Option<LabelledImages>,
    test: LabelledImages,
    classes: Classes,
    format: ImageFormat,
}

impl Data {
    fn read(args: &Args) -> anyhow::Result<Self> {
        if let Some(folder) = args.own.read()? {
            let [train, validation, test] = folder.split([0.8, 0.1, 0.1], args.run.seed)?;
            let classes = Classes::of(&folder);
            return Ok(Self { train, validation: Some(validation), test, classes, format: folder.format });
        }
        let dir = args.run.data.as_ref().with_context(|| {
            format!(
                "expected --data DIR, the folder of MNIST's four IDX files, gzipped or not, or --images FOLDER with PNG or JPEG \
                 files; {ALTERNATIVE}"
            )
        })?;
        let no_mnist = || format!("no MNIST in --data {}; {ALTERNATIVE}", dir.display());
        let Mnist { train, test } = Mnist::read(dir).with_context(no_mnist)?;
        for set in [&train, &test] {
            Binarise::check(&set.images)?;
        }
        let format = ImageFormat::new(train.height, train.width);
        Ok(Self { train, validation: None, test, classes: Classes::digits(), format })
    }

    /// Keeps a model that was trained on so many of these images.
    fn keep(
        &self,
        run: &Run<'_>,
        vae: &Vae,
        trainer: &Trainer<f32>,
        args: &Args,
        images: usize,
    ) -> Result<(), RunError> {
        let folder = args.own.images.as_ref().or(args.run.data.as_ref());
        let trained_on = TrainedOn::new(folder.map(PathBuf::as_path), "MNIST", images);
        keep(run, vae.to_file(trainer.theta()), &self.format, &trained_on)
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    args.check()?;
    let data = Data::read(args)?;
    match args.protocol {
        Some(Protocol::Iwae) => protocols::iwae::run(args, &data),
        Some(Protocol::Lecture) => protocols::lecture::run(args, &data),
        None if args.decoder.is_some() => protocols::sweep::decoders(args, &data),
        None if args.latent.len() > 1 => protocols::sweep::latents(args, &data),
        None => as_pytorch(args, &data),
    }
}

/// A model whose layers begin as PyTorch's do.
fn begun_as_pytorch(config: &VaeConfig) -> Result<Vae, VaeError> {
    Vae::with_init(config, |[inputs, _], _| {
        let bound = (inputs as f64).sqrt().recip();
        (Init::Uniform(bound), Init::Uniform(bound))
    })
}

fn as_pytorch(args: &Args, data: &Data) -> anyhow::Result<()> {
    let vae = begun_as_pytorch(&args.config(data, args.latent[0]))?;
    let run = Run::open(&args.run, args)?
        .documented("vae", "MNIST, by the network and schedule of PyTorch's example");
    let mut trainer = run.trainer(vae.layout());
    let mut objective = VaeObjective::new(&vae, &data.train.images);
    let mut validating = data.validation.as_ref().map(|set| VaeObjective::new(&vae, &set.images));
    if run.train(&mut trainer, &mut objective, validating.as_mut(), &run.fit())? == End::Stopped {
        return Ok(());
    }
    data.keep(&run, &vae, &trainer, args, data.train.len())?;
    let trained = [("train_seconds", run.seconds())];
    run.label(&[Label::new("train_seconds", "time of training", "s")]);
    let annealed = args.anneal.evaluate(&run, &vae, trainer.theta(), &data.test.images, args.draws());
    Trained { run: &run, vae: &vae, trainer: &mut trainer, test: &data.test, classes: &data.classes }
        .report(args.draws(), &[&trained[..], &annealed].concat())
}
