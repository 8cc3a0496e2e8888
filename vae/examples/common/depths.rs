//! Models whose decoders go from linear to deep, side by side: the exercise of lecture 002, "Code Task: VAEs in Pyro".

use anyhow::Context;
use nn::data::LabelledImages;
use nn::outln;
use nn::picture::Panels;
use nn::run::{Label, Run, TextTable};
use nn::stats::{adjusted_rand_index, k_means};
use nn::train::Trainer;
use vae::{NetworkConfig, Vae, VaeConfig, VaeObjective};

use super::classes::Classes;
use super::codes::codes_figure;
use super::manifold::manifold;

/// A decoder as a flag names it: `linear`, or the widths of hidden layers such as `64-256`.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    name: String,
    hidden: Vec<usize>,
}

impl Decoder {
    /// The decoders that these texts name, of models with so many latent dimensions.
    pub(crate) fn parse(texts: &[String], latent: usize) -> anyhow::Result<Vec<Self>> {
        anyhow::ensure!(latent > 1, "--decoder takes a single --latent from 2 on");
        let twice = texts.iter().zip(1..).find(|(text, next)| texts[*next..].contains(text));
        if let Some((text, _)) = twice {
            anyhow::bail!("--decoder: expected each decoder once, found {text} twice");
        }
        texts.iter().map(|text| Ok(Self { name: text.clone(), hidden: widths(text)? })).collect()
    }
}

/// The widths of the hidden layers: "linear" has none.
fn widths(text: &str) -> anyhow::Result<Vec<usize>> {
    if text == "linear" {
        return Ok(Vec::new());
    }
    let widths = text.split('-').map(|part| nn::run::width(part).ok()).collect::<Option<_>>();
    widths.with_context(|| format!("--decoder {text}: expected \"linear\" or widths such as 64-256"))
}

/// What all the models have in common.
pub(crate) struct Comparison<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) decoders: &'a [Decoder],
    /// The model; its decoder is replaced.
    pub(crate) usual: VaeConfig,
    /// Images that the models have not seen.
    pub(crate) test: LabelledImages,
    pub(crate) classes: &'a Classes,
}

impl Comparison<'_> {
    /// Trains a model with each decoder, prints their bounds, and draws codes and manifold of each.
    pub(crate) fn of_models(
        self,
        mut train: impl FnMut(&VaeConfig) -> anyhow::Result<(Vae, Trainer<f32>)>,
    ) -> anyhow::Result<()> {
        let Self { run, decoders, usual, test, classes } = self;
        let (clusters, size) = (classes.names.len().min(test.len()), [test.height, test.width]);
        let labels: Vec<usize> = test.labels.iter().map(|&label| label.into()).collect();
        let mut table = TextTable::new().header(["decoder", "−ELBO", "−E_q[log p(x|z)]", "KL", "Rand index"]);
        let mut panels = Panels::new("Latent spaces of decoders from linear to deep", decoders.len().min(2));
        let mut results = Vec::new();
        let mut best: Option<(&str, f64)> = None;
        for Decoder { name, hidden } in decoders {
            let (vae, mut trainer) =
                train(&VaeConfig { decoder: NetworkConfig::mlp(hidden), ..usual.clone() })?;
            let loss = trainer.evaluate(&mut VaeObjective::new(&vae, &test.images))?;
            let theta = trainer.theta();
            let codes = vae.encode_rows(theta, &test.images).mu;
            let agreement = adjusted_rand_index(&k_means(&codes, clusters, 10, run.args.seed), &labels);
            let [log_likelihood, kl] = ["log_likelihood", "kl"].map(|part| loss.part(part));
            let cells = [loss.total, -log_likelihood, kl].map(|nats| format!("{nats:.2}"));
            table.row([&[name.clone()][..], &cells, &[format!("{agreement:.3}")]].concat());
            let title = format!("{name}: −ELBO {:.1}", loss.total);
            panels = panels.figure(codes_figure(&title, &codes, &test.labels, classes));
            let title = format!("Manifold, decoder {name}: E[x|z], z₁ to the right, z₂ upwards");
            manifold(&title, &vae, theta, size)
                .save(&run.picture(
                &format!("manifold-{name}.png"),
                "What this decoder makes of a grid over the plane. A linear one can only add multiples of two images to a \
                third, before the sigmoid: look for mixtures of digits. With hidden layers each digit should have a \
                region of its own (lecture 002, \"Code Task: VAEs in Pyro\")",
            ))?;
            let key = name.replace('-', "_");
            results.push((format!("loss_{key}"), loss.total));
            results.push((format!("kl_{key}"), kl));
            results.push((format!("adjusted_rand_index_{key}"), agreement));
            if best.is_none_or(|(_, least)| loss.total < least) {
                best = Some((name, loss.total));
            }
        }
        outln!("nats per test image; how far clusters of the codes agree with the classes");
        table.print();
        panels.save(&run.picture(
            "latent.png",
            "Where the encoders of models with decoders from linear to deep put test images. A linear decoder cannot \
            fold the plane; look at how much classes overlap, and whether deeper ones pull them apart (lecture 002, \"Code Task: VAEs in \
            Pyro\")",
        ))?;
        if let Some((name, cost)) = best {
            run.found(&format!(
                "With the decoder {name} a model describes an image that it has not seen at the lowest cost: {cost:.1} nats (a nat is \
                 1.44 bits)."
            ));
        }
        run.label(&[
            Label::new("loss_*", "loss of test images, −ELBO, widths of the decoder: *", "nats per image"),
            Label::new(
                "kl_*",
                "divergence KL(q ‖ p) of test images, widths of the decoder: *",
                "nats per image",
            ),
            Label::new(
                "adjusted_rand_index_*",
                "agreement of clusters of the codes with the classes, widths of the decoder: *",
                "",
            ),
        ]);
        run.finish(&results)?;
        Ok(())
    }
}
