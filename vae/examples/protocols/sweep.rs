//! `--latent 2,5,10,20` and `--decoder`: several models, side by side.

use std::time::Instant;

use anyhow::Context;
use nn::data::Mnist;
use nn::picture::{ImageGrid, Panels};
use nn::run::{RunFolder, result_line};
use nn::schedule::Schedule;
use nn::train::{Loss, Trainer};
use vae::{Config, Images, Vae};

use crate::Args;
use crate::common::{self, latent_figure};

/// A trained model and its loss on the test images.
struct Trained {
    vae: Vae,
    trainer: Trainer<f32>,
    test: Loss,
}

/// Trains on grey pixels, as without a protocol.
fn train(args: &Args, data: &Mnist, config: &Config) -> anyhow::Result<Trained> {
    let vae = crate::begun_as_pytorch(config);
    let theta = common::start(&args.run, vae.layout());
    let objective = (&Images::new(&vae, &data.train.images), args.run.rows(data.train.len()));
    let mut trainer = common::train(&args.run, theta, objective, Schedule::Constant)?;
    let tested: Vec<usize> = (0..args.run.rows(data.test.len())).collect();
    let test = trainer.evaluate(&Images::new(&vae, &data.test.images), &tested);
    Ok(Trained { vae, trainer, test })
}

/// A model of each latent dimension, and 100 samples of each.
pub(crate) fn latents(args: &Args, data: &Mnist, started: Instant) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.run, args)?;
    println!("dimensions     −ELBO   −E_q[log p(x|z)]     KL   nats per test image");
    let mut results = Vec::new();
    for &latent in &args.latent {
        let trained = train(args, data, &Config::new(data.train.images.cols, &[args.hidden], latent))?;
        let [_, log_likelihood, kl, _] = trained.test.parts;
        println!("{latent:10} {:9.2} {:18.2} {kl:6.2}", trained.test.total, -log_likelihood);
        let samples = trained.vae.sample(trained.trainer.theta(), 100, args.run.seed);
        ImageGrid::new(
            &format!("Samples from {latent} latent dimensions"),
            data.train.height,
            data.train.width,
        )
        .rows(&samples.values, 10)
        .save(&folder.file(&format!("samples-{latent}.png")))?;
        results.push((format!("loss_{latent}"), trained.test.total));
    }
    finish(args, results, started);
    Ok(())
}

/// A model with each decoder: latent spaces side by side, and the bounds.
pub(crate) fn decoders(args: &Args, data: &Mnist, started: Instant) -> anyhow::Result<()> {
    let latent = args.latent[0];
    anyhow::ensure!(args.latent.len() == 1 && latent > 1, "--decoder takes a single --latent from 2 on");
    let named = args.decoder.as_deref().unwrap_or_default();
    let decoders = named.iter().map(|text| Ok((text.as_str(), widths(text)?)));
    let decoders = decoders.collect::<anyhow::Result<Vec<_>>>()?;
    let folder = RunFolder::open(&args.run, args)?;
    println!("decoder            −ELBO   −E_q[log p(x|z)]     KL   nats per test image");
    let tested: Vec<usize> = (0..args.run.rows(data.test.len())).collect();
    let test = data.test.select(&tested);
    let mut panels = Panels::new("Latent spaces of decoders from linear to deep", decoders.len().min(2));
    let mut results = Vec::new();
    for (name, decoder) in decoders {
        let config = Config { decoder, ..Config::new(data.train.images.cols, &[256, 64], latent) };
        let trained = train(args, data, &config)?;
        let [_, log_likelihood, kl, _] = trained.test.parts;
        println!("{name:14} {:9.2} {:18.2} {kl:6.2}", trained.test.total, -log_likelihood);
        let title = format!("{name}: −ELBO {:.1}", trained.test.total);
        panels = panels.figure(latent_figure(&title, &trained.vae, trained.trainer.theta(), &test));
        results.push((format!("loss_{}", name.replace('-', "_")), trained.test.total));
    }
    panels.save(&folder.file("latent.png"))?;
    finish(args, results, started);
    Ok(())
}

fn finish(args: &Args, mut results: Vec<(String, f64)>, started: Instant) {
    println!("pictures are in {}", args.run.out.display());
    results.push(("seconds".to_owned(), started.elapsed().as_secs_f64()));
    result_line(&results);
}

/// "linear", or widths such as 64-256.
fn widths(text: &str) -> anyhow::Result<Vec<usize>> {
    if text == "linear" {
        return Ok(Vec::new());
    }
    let width = |part: &str| part.parse().ok().filter(|width: &usize| *width > 0);
    let widths = text.split('-').map(width).collect::<Option<_>>();
    widths.with_context(|| format!("--decoder {text}: \"linear\" or widths such as 64-256 are wanted"))
}
