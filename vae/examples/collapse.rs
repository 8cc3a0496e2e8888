//! Posterior collapse, and a cure: latent dimensions that say nothing, by the weight β of the divergence and by the epochs in which
//! it grows to β, on the embedded digits or, by `--data DIR`, on MNIST:
//!
//!     cargo run --release -p vae --example collapse
//!
//! A decoder of several layers learns slowly what a code is good for, and until then a code only costs. Without warm-up the encoder
//! gives it up at β = 1, the ELBO itself, though models with codes have a better one. Draws active units (Burda et al. 2016) and the
//! ELBO of test images over β and over the length of the warm-up, means over seeds. Writes to `out/vae-collapse/`. It compares
//! models, and keeps none of them.

mod common {
    pub(crate) mod sets;
}

use std::process::ExitCode;

use common::sets;
use nn::data::Matrix;
use nn::outln;
use nn::picture::{Figure, Panels};
use nn::run::{Defaults, Label, OverSeeds, Results, Run, RunArgs, TextTable, each, positive, whole, width};
use nn::stats::Estimate;
use nn::train::{Fit, Schedule};
use vae::{NetworkConfig, Vae, VaeConfig, VaeObjective, active_units};

/// Shows when the codes of a VAE say nothing
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
    /// Weights β of the divergence besides 1
    #[arg(long, value_name = "BETA,…", value_delimiter = ',', default_value = "0.125,0.25,0.5,2,4",
        default_value_if("dry_run", "true", "2"), value_parser = positive)]
    betas: Vec<f64>,
    /// Epochs in which the divergence grows to its weight; the last of them is the one that is tried at all weights
    #[arg(long, value_name = "EPOCHS,…", value_delimiter = ',', default_value = "5,10,20,50",
        default_value_if("dry_run", "true", "1"), value_parser = whole)]
    warm_ups: Vec<usize>,
    /// Dimensions of the latent space
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = width)]
    latent: usize,
    /// Hidden layers of the encoder
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128,64", value_parser = width)]
    encoder: Vec<usize>,
    /// Hidden layers of the decoder
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "64,128,128,128,128", value_parser = width)]
    decoder: Vec<usize>,
    /// How many seeds, from --seed on
    #[arg(long, value_name = "N", default_value_t = 5, default_value_if("dry_run", "true", "2"), value_parser = clap::value_parser!(u64).range(2..=1000))]
    seeds: u64,
    /// Use this many of MNIST's training images
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole)]
    rows: usize,
}

/// Samples of z for each test image in the ELBO.
const SAMPLES: usize = 20;

fn main() -> ExitCode {
    let defaults = Defaults { out: "out/vae-collapse", epochs: 100, batch_size: 32, lr: 1e-3 };
    nn::run::main(defaults, |args: Args| args.run.in_pool(|| compare(&args))?)
}

/// A way to train: β, and the epochs in which the divergence grows to this weight.
#[derive(Clone, Copy, PartialEq)]
struct Way {
    beta: f64,
    warm_up: usize,
}

fn compare(args: &Args) -> anyhow::Result<()> {
    args.run.without_checkpoint()?;
    let [train, test] = sets::load(&args.run, args.rows)?.map(|set| set.images);
    let run = Run::open(&args.run, args)?.documented("vae", "Posterior collapse");
    let mut betas = [&args.betas[..], &[1.0]].concat();
    betas.sort_by(f64::total_cmp);
    betas.dedup();
    let longest = args.warm_ups[args.warm_ups.len() - 1];
    let over_beta = |warm_up| betas.iter().map(move |&beta| Way { beta, warm_up });
    let mut ways: Vec<Way> = over_beta(0).chain(over_beta(longest)).collect();
    let others = args.warm_ups.iter().map(|&warm_up| Way { beta: 1.0, warm_up });
    ways.extend(others.filter(|way| way.warm_up != longest));

    let seeds = args.run.seeds(args.seeds);
    let jobs: Vec<(Way, u64)> =
        ways.iter().flat_map(|&way| seeds.iter().map(move |&seed| (way, seed))).collect();
    let learned = each("models", &jobs, |&(way, seed)| learn(args, way, seed, [&train, &test]))?;
    let by_way: Vec<(Way, &[Results])> =
        ways.iter().copied().zip(learned.chunks_exact(args.seeds as usize)).collect();
    let comparison = Comparison { args, betas, longest, by_way };
    comparison.print(test.rows);
    comparison.draw().save(&run.picture(
        "collapse.png",
        "Above: how many latent dimensions are used, and the ELBO of test images, by the weight of the divergence in training. \
         Without warm-up the codes are given up at a weight at which models that keep them are better. Below: how long the warm-up \
         has to be, and what codes cost in the course of training: what has collapsed early does not come back (lecture 001, \
         \"ELBO\")",
    ))?;
    comparison.finish(&run)
}

/// What a model that is trained this way says of test images, and its divergence in each epoch.
fn learn(
    args: &Args,
    Way { beta, warm_up }: Way,
    seed: u64,
    [train, test]: [&Matrix<f32>; 2],
) -> anyhow::Result<Results> {
    let usual = VaeConfig::new(train.cols, &args.encoder, args.latent);
    let vae = Vae::new(&VaeConfig { decoder: NetworkConfig::mlp(&args.decoder), ..usual })?;
    let run = RunArgs { seed, ..args.run.clone() };
    let mut trainer = run.trainer(vae.layout());
    let fit = Fit { schedule: Schedule::Cosine { epochs: run.epochs }, ..run.fit() };
    trainer.fit(
        &mut VaeObjective { beta, warm_up, ..VaeObjective::new(&vae, train) },
        None,
        &fit,
        &mut (),
    )?;
    let loss = trainer.evaluate(&mut VaeObjective { samples: SAMPLES, ..VaeObjective::new(&vae, test) })?;
    let active = active_units(&vae.encode_rows(trainer.theta(), test).mu);
    let tested = [("active", active as f64), ("elbo", loss.part("elbo")), ("kl", loss.part("kl"))];
    let tested = tested.map(|(name, value)| (name.to_owned(), value));
    let epochs = trainer.history().iter().zip(1..);
    Ok(tested
        .into_iter()
        .chain(epochs.map(|(epoch, i)| (format!("kl_{i}"), epoch.train.part("kl"))))
        .collect())
}

/// The results of all seeds by the way in which models are trained.
struct Comparison<'a> {
    args: &'a Args,
    betas: Vec<f64>,
    /// The warm-up that is tried at all weights.
    longest: usize,
    by_way: Vec<(Way, &'a [Results])>,
}

impl Comparison<'_> {
    fn seeds(&self, beta: f64, warm_up: usize) -> &[Results] {
        let way = Way { beta, warm_up };
        self.by_way.iter().find(|(of, _)| *of == way).expect("models were trained in this way").1
    }

    fn over(&self, beta: f64, warm_up: usize) -> OverSeeds {
        OverSeeds::of(self.seeds(beta, warm_up))
    }

    /// 0 and all lengths of the warm-up, in order.
    fn warm_ups(&self) -> Vec<usize> {
        let mut warm_ups = [&[0], &self.args.warm_ups[..]].concat();
        warm_ups.sort_unstable();
        warm_ups.dedup();
        warm_ups
    }

    /// β and the warm-up of every row of the table.
    fn in_order(&self) -> Vec<(f64, usize)> {
        let of = |beta: f64| if beta == 1.0 { self.warm_ups() } else { vec![0, self.longest] };
        let rows = self.betas.iter().map(|&beta| of(beta).into_iter().map(move |warm_up| (beta, warm_up)));
        rows.flatten().collect()
    }

    /// How far the warm-up raises the ELBO at β = 1, seed by seed.
    fn gain(&self) -> Estimate {
        let elbo = |warm_up| self.seeds(1.0, warm_up).iter().map(|results| results[1].1);
        Estimate::of(&elbo(self.longest).zip(elbo(0)).map(|(warm, cold)| warm - cold).collect::<Vec<_>>())
    }

    fn print(&self, rows: usize) {
        let Self { args, .. } = self;
        outln!(
            "{rows} test images, {} latent dimensions, means over {} seeds ± standard error",
            args.latent,
            args.seeds
        );
        let mut table = TextTable::new().header(["β", "warm-up", "active units", "KL", "ELBO, nats"]);
        for (beta, warm_up) in self.in_order() {
            let over = self.over(beta, warm_up);
            let [active, kl, elbo] = [("active", 1), ("kl", 2), ("elbo", 2)].map(|(of, n)| over.cell(of, n));
            table.row([format!("{beta}"), format!("{warm_up} epochs"), active, kl, elbo]);
        }
        table.print();
    }

    fn draw(&self) -> Panels {
        let names =
            [(0, "no warm-up".to_owned()), (self.longest, format!("warm-up of {} epochs", self.longest))];
        let over_beta = |title: &str, label: &str, of: &str| {
            names.iter().fold(
                Figure::new(title).axes("β in training", label).log_x(),
                |figure, (warm_up, name)| {
                    let at = |&beta: &f64| (beta, self.over(beta, *warm_up).mean(of));
                    figure.line(name, self.betas.iter().map(at))
                },
            )
        };
        let lengths = self.warm_ups().into_iter();
        let lengths = lengths.map(|warm_up| (warm_up as f64, self.over(1.0, warm_up).mean("active")));
        let course = names.iter().fold(
            Figure::new("In the course of training, β = 1").axes("epoch", "KL of training images, nats"),
            |figure, (warm_up, name)| {
                let over = self.over(1.0, *warm_up);
                let epochs = 1..=self.args.run.epochs;
                figure.line(name, epochs.map(|i| (i as f64, over.mean(&format!("kl_{i}")))))
            },
        );
        Panels::new("Codes that say nothing", 2)
            .figure(over_beta("Latent dimensions in use", "active units", "active"))
            .figure(over_beta("Bound of test images", "ELBO, nats", "elbo"))
            .figure(
                Figure::new("Latent dimensions in use, β = 1")
                    .axes("epochs of warm-up", "active units")
                    .line("β = 1", lengths),
            )
            .figure(course)
    }

    fn finish(&self, run: &Run<'_>) -> anyhow::Result<()> {
        let gain = self.gain();
        let [cold, warm] = [0, self.longest].map(|warm_up| self.over(1.0, warm_up));
        run.found(&format!(
            "Trained by the bound from the first step on, the model uses {:.1} of its {} latent dimensions; if the cost of the codes grows \
             to its weight over {} epochs, {:.1}, and the bound of images that were not seen is {:.2} nats better.",
            cold.mean("active"),
            self.args.latent,
            self.longest,
            warm.mean("active"),
            gain.mean
        ));
        let mut results = vec![("gain".to_owned(), gain.mean), ("gain_se".to_owned(), gain.se)];
        for (prefix, way) in [("cold", 0), ("warm", self.longest)] {
            for &beta in &self.betas {
                let tested = self.over(beta, way).results().into_iter();
                let tested = tested.filter(|(name, _)| !name.starts_with("kl"));
                let beta = beta.to_string().replace('.', "_");
                results.extend(tested.map(|(name, value)| match name.strip_suffix("_se") {
                    Some(name) => (format!("{prefix}_{name}_{beta}_se"), value),
                    None => (format!("{prefix}_{name}_{beta}"), value),
                }));
            }
        }
        run.label(&[
            Label::new("gain", "ELBO of test images at β = 1 that the warm-up gains", "nats per image")
                .over("seeds"),
            Label::new("cold_active_*", "active units without warm-up, β: *", "").over("seeds"),
            Label::new("cold_elbo_*", "ELBO of test images without warm-up, β: *", "nats per image")
                .over("seeds"),
            Label::new("warm_active_*", "active units with warm-up, β: *", "").over("seeds"),
            Label::new("warm_elbo_*", "ELBO of test images with warm-up, β: *", "nats per image")
                .over("seeds"),
        ]);
        run.finish(&results)?;
        Ok(())
    }
}
