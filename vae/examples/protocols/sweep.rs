//! `--latent 2,5,10,20` and `--decoder`: several models, side by side.

use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Counter, Label, Run};
use nn::train::Trainer;
use vae::{Vae, VaeConfig, VaeObjective};

use crate::common::depths::{Comparison, Decoder};
use crate::{Args, Data};

/// Trains on grey pixels, as without a protocol.
fn train(
    args: &Args,
    data: &Data,
    config: &VaeConfig,
    epochs: &Counter,
) -> anyhow::Result<(Vae, Trainer<f32>)> {
    let vae = crate::begun_as_pytorch(config)?;
    let mut trainer = args.run.trainer(vae.layout());
    trainer.fit(&mut VaeObjective::new(&vae, &data.train.images), None, &args.run.fit(), &mut { epochs })?;
    Ok((vae, trainer))
}

/// A model of each latent dimension, and 100 samples of each.
pub(crate) fn latents(args: &Args, data: &Data) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?.documented("vae", "MNIST, by the lecture's protocol");
    outln!("dimensions         −ELBO   −E_q[log p(x|z)]     KL   nats per test image");
    let tested = data.test.images.split_at_row(args.run.rows(data.test.len())).0;
    let mut results = Vec::new();
    let epochs = Counter::new("epochs", args.latent.len() * args.run.epochs);
    for &latent in &args.latent {
        let (vae, mut trainer) = train(args, data, &args.config(data, latent), &epochs)?;
        let loss = trainer.evaluate(&mut VaeObjective::new(&vae, &tested))?;
        let reconstruction = -loss.part("log_likelihood");
        outln!("{latent:<14} {:9.2} {reconstruction:18.2} {:6.2}", loss.total, loss.part("kl"));
        let samples = vae.decode_prior_samples(trainer.theta(), 100, args.run.seed);
        let title = format!("Samples from {latent} latent dimensions");
        ImageGrid::new(&title, data.train.height, data.train.width)
            .rows(&samples.values, 10)
            .save(&run.picture(
            &format!("samples-{latent}.png"),
            "Draws from the prior of this many dimensions. With few, samples are blurred; with many they are sharp, \
            and more of them are no digits (lecture 002, \"Fun with MNIST\")",
        ))?;
        results.push((format!("loss_{latent}"), loss.total));
    }
    run.found(&cheapest(&results));
    run.label(&[Label::new("loss_*", "loss of test images, −ELBO, latent dimensions: *", "nats per image")]);
    run.finish(&results)?;
    Ok(())
}

/// A model with each decoder: latent spaces and manifolds side by side, and the bounds.
pub(crate) fn decoders(args: &Args, data: &Data) -> anyhow::Result<()> {
    anyhow::ensure!(args.latent.len() == 1, "--decoder takes a single --latent from 2 on");
    let latent = args.latent[0];
    let decoders = Decoder::parse(args.decoder.as_deref().unwrap_or_default(), latent)?;
    let run = Run::open(&args.run, args)?.documented("vae", "MNIST, by the lecture's protocol");
    let epochs = Counter::new("epochs", decoders.len() * args.run.epochs);
    let usual = VaeConfig::new(data.train.images.cols, &[256, 64], latent);
    let test = data.test.select(&(0..args.run.rows(data.test.len())).collect::<Vec<_>>());
    Comparison { run: &run, decoders: &decoders, usual, test, classes: &data.classes }
        .of_models(|config| train(args, data, config, &epochs))
}

/// Which of several models describes images at the lowest cost.
fn cheapest(results: &[(String, f64)]) -> String {
    let best = results.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(String::new(), |(name, cost)| {
        let dimensions = name.trim_start_matches("loss_");
        format!(
            "With {dimensions} latent dimensions a model describes an image that it has not seen at the lowest cost: {cost:.1} nats (a \
             nat is 1.44 bits)."
        )
    })
}
