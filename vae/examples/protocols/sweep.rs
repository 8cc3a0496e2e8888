//! `--latent 2,5,10,20` and `--decoder`: several models, side by side.

use anyhow::Context;
use nn::outln;
use nn::picture::{ImageGrid, Panels};
use nn::run::{Counter, Label, Run};
use nn::train::{Loss, Trainer};
use vae::{NetworkConfig, Vae, VaeConfig, VaeObjective};

use crate::common::codes::codes_figure;
use crate::{Args, Data};

/// A trained model and its loss on the test images.
struct Trained {
    vae: Vae,
    trainer: Trainer<f32>,
    test: Loss,
}

/// Trains on grey pixels, as without a protocol.
fn train(args: &Args, data: &Data, config: &VaeConfig, epochs: &Counter) -> anyhow::Result<Trained> {
    let vae = crate::begun_as_pytorch(config)?;
    let mut trainer = args.run.trainer(vae.layout());
    trainer.fit(&mut VaeObjective::new(&vae, &data.train.images), None, &args.run.fit(), &mut { epochs })?;
    let tested = data.test.images.split_at_row(args.run.rows(data.test.len())).0;
    let test = trainer.evaluate(&mut VaeObjective::new(&vae, &tested))?;
    Ok(Trained { vae, trainer, test })
}

/// A line of the table, printed as soon as its model is trained.
fn print(name: &str, loss: &Loss) {
    let reconstruction = -loss.part("log_likelihood");
    outln!("{name:14} {:9.2} {reconstruction:18.2} {:6.2}", loss.total, loss.part("kl"));
}

fn header(name: &str) {
    outln!("{name:18} −ELBO   −E_q[log p(x|z)]     KL   nats per test image");
}

/// A model of each latent dimension, and 100 samples of each.
pub(crate) fn latents(args: &Args, data: &Data) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?.documented("vae", "MNIST, by the lecture's protocol");
    header("dimensions");
    let mut results = Vec::new();
    let epochs = Counter::new("epochs", args.latent.len() * args.run.epochs);
    for &latent in &args.latent {
        let trained = train(args, data, &args.config(data, latent), &epochs)?;
        print(&latent.to_string(), &trained.test);
        let samples = trained.vae.decode_prior_samples(trained.trainer.theta(), 100, args.run.seed);
        let title = format!("Samples from {latent} latent dimensions");
        ImageGrid::new(&title, data.train.height, data.train.width)
            .rows(&samples.values, 10)
            .save(&run.picture(
            &format!("samples-{latent}.png"),
            "Draws from the prior of this many dimensions. With few, samples are blurred; with many they are sharp, \
            and more of them are no digits (lecture 002, \"Fun with MNIST\")",
        ))?;
        results.push((format!("loss_{latent}"), trained.test.total));
    }
    run.found(&cheapest(&results, "With", "latent dimensions"));
    run.label(&[Label::new("loss_*", "loss of test images, −ELBO, latent dimensions: *", "nats per image")]);
    run.finish(&results)?;
    Ok(())
}

/// A model with each decoder: latent spaces side by side, and the bounds.
pub(crate) fn decoders(args: &Args, data: &Data) -> anyhow::Result<()> {
    let latent = args.latent[0];
    anyhow::ensure!(args.latent.len() == 1 && latent > 1, "--decoder takes a single --latent from 2 on");
    let named = args.decoder.as_deref().unwrap_or_default();
    let decoders = named.iter().map(|text| Ok((text.as_str(), widths(text)?)));
    let decoders = decoders.collect::<anyhow::Result<Vec<_>>>()?;
    let run = Run::open(&args.run, args)?.documented("vae", "MNIST, by the lecture's protocol");
    header("decoder");
    let test = data.test.select(&(0..args.run.rows(data.test.len())).collect::<Vec<_>>());
    let mut panels = Panels::new("Latent spaces of decoders from linear to deep", decoders.len().min(2));
    let mut results = Vec::new();
    let epochs = Counter::new("epochs", decoders.len() * args.run.epochs);
    for (name, decoder) in decoders {
        let usual = VaeConfig::new(data.train.images.cols, &[256, 64], latent);
        let trained =
            train(args, data, &VaeConfig { decoder: NetworkConfig::mlp(&decoder), ..usual }, &epochs)?;
        print(name, &trained.test);
        let title = format!("{name}: −ELBO {:.1}", trained.test.total);
        let codes = trained.vae.encode_rows(trained.trainer.theta(), &test.images).mu;
        panels = panels.figure(codes_figure(&title, &codes, &test.labels, &data.classes));
        results.push((format!("loss_{}", name.replace('-', "_")), trained.test.total));
    }
    panels.save(&run.picture(
        "latent.png",
        "Where the encoders of models with decoders from linear to deep put test images. A linear decoder cannot \
        fold the plane, and the classes overlap; a deep one pulls them apart (lecture 002, \"Fun with MNIST\")",
    ))?;
    run.found(&cheapest(&results, "With the decoder", ""));
    run.label(&[Label::new(
        "loss_*",
        "loss of test images, −ELBO, widths of the decoder: *",
        "nats per image",
    )]);
    run.finish(&results)?;
    Ok(())
}

/// "linear", or widths such as 64-256.
fn widths(text: &str) -> anyhow::Result<Vec<usize>> {
    if text == "linear" {
        return Ok(Vec::new());
    }
    let width = |part: &str| part.parse().ok().filter(|width: &usize| *width > 0);
    let widths = text.split('-').map(width).collect::<Option<_>>();
    widths.with_context(|| format!("--decoder {text}: expected \"linear\" or widths such as 64-256"))
}

/// Which of several models describes images at the lowest cost.
fn cheapest(results: &[(String, f64)], with: &str, what: &str) -> String {
    let best = results.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(String::new(), |(name, cost)| {
        let name = name.trim_start_matches("loss_").replace('_', "-");
        format!(
            "{with} {name} {what} a model describes an image that it has not seen at the lowest cost: {cost:.1} nats (a nat is 1.44 \
             bits)."
        )
    })
}
