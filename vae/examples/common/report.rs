//! What a model of images has learned: numbers on images that it has not seen, and pictures.

use anyhow::Context;
use nn::data::LabelledImages;
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Label, Run};
use nn::train::Trainer;
use vae::{Vae, VaeObjective};

use super::bound;
use super::classes::Classes;
use super::codes::codes_figure;
use super::evaluate::k_sample_bound;
use super::explorer::Space;
use super::manifold::manifold;

/// A trained model of images.
pub(crate) struct Trained<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) vae: &'a Vae,
    pub(crate) trainer: &'a mut Trainer<f32>,
    /// Images that the model has not seen.
    pub(crate) test: &'a LabelledImages,
    pub(crate) classes: &'a Classes,
}

impl Trained<'_> {
    /// Evaluates the model by `samples` draws of z for each image, draws what it learned, and prints a result line that ends
    /// with `more` numbers.
    pub(crate) fn report(self, samples: usize, more: &[(&str, f64)]) -> anyhow::Result<()> {
        let Self { run, vae, trainer, test, classes } = self;
        let test = &test.select(&(0..run.args.rows(test.len())).collect::<Vec<_>>());
        let loss = trainer.evaluate(&mut VaeObjective::new(vae, &test.images))?;
        let bound = k_sample_bound(run, vae, trainer.theta(), &test.images, samples, run.args.seed);
        outln!("{} images not seen in training, nats per image", test.len());
        outln!("  ELBO                       {:9.2}", loss.part("elbo"));
        outln!("    E_q[log p(x|z)]          {:9.2}", loss.part("log_likelihood"));
        outln!("    KL(q(z|x) ‖ p(z))        {:9.2}", loss.part("kl"));
        bound::print(&bound);
        draw(&Trained { run, vae, trainer, test, classes }).context("the pictures could not be drawn")?;
        let [cost, kl] = [-loss.part("elbo"), loss.part("kl")];
        run.found(&format!(
            "To describe an image that it has not seen costs the model {cost:.1} nats (a nat is 1.44 bits; fewer are better): \
             {kl:.1} to say where the image lies in {} latent dimensions, and {:.1} for its pixels, given that place; grey ones cost something even if they are reproduced exactly.",
            vae.latent(),
            cost - kl
        ));
        let results = [
            ("test_elbo", loss.part("elbo")),
            ("log_likelihood", loss.part("log_likelihood")),
            ("kl", loss.part("kl")),
            ("test_loss", loss.total),
        ];
        run.label(&[
            Label::new("test_elbo", "ELBO of test images", "nats per image"),
            Label::new("log_likelihood", "reconstruction, E_q[log p(x|z)], of test images", "nats per image"),
            Label::new("kl", "what the codes cost, KL(q(z|x) ‖ p(z)), of test images", "nats per image"),
            Label::new("test_loss", "loss of test images, −ELBO", "nats per image"),
            Label::new(
                "adjusted_rand_index",
                "agreement of clusters of codes with the classes, adjusted Rand index",
                "",
            ),
        ]);
        run.label(&bound::labels("nats per image"));
        run.finish(&[&results[..], &bound::results(&bound), more].concat())?;
        Ok(())
    }
}

/// Draws reconstructions, samples, the loss curve, and the first two dimensions of the latent space.
pub(crate) fn draw(trained: &Trained<'_>) -> anyhow::Result<()> {
    let Trained { run, vae, trainer, test, classes } = trained;
    let (theta, height, width) = (trainer.theta(), test.height, test.width);
    let shown = test.images.select(&(0..test.len().min(10)).collect::<Vec<_>>());
    ImageGrid::new("Test images and their reconstructions", height, width)
        .row("data", &shown.values)
        .row("reconstruction", &vae.reconstruct(theta, &shown).values)
        .save(&run.picture(
            "reconstructions.png",
            "Images that the model has not seen, and E[x|z] at their codes. What is lost is what the latent \
            dimensions have no room for; a digit that turns into another one lies where two classes meet (lecture \
            002, \"Trying to reconstruct\")",
        ))?;
    ImageGrid::new("Samples: E[x|z] for z ~ N(0, I)", height, width)
        .rows(&vae.decode_prior_samples(theta, 100, run.args.seed).values, 10)
        .save(&run.picture(
            "samples.png",
            "What the decoder makes of draws from the prior. Where they look like data, the codes fill the prior; \
            what is blurred or no digit comes from holes between the classes (lecture 002, \"Fun with MNIST\")",
        ))?;
    run.draw_loss(trainer, "−ELBO, nats per image")?;
    if vae.latent() > 1 {
        let codes = vae.encode_rows(theta, &test.images).mu;
        let figure =
            codes_figure("Latent space: means of q(z|x) of test images", &codes, &test.labels, classes);
        figure.save(&run.picture(
            "latent.png",
            "Where the encoder puts images that it has not seen, by class. It was not told the classes: that they \
            lie apart was found in the images; all together they should fill the standard normal distribution \
            (lecture 002, \"Averaged distribution over Z\")",
        ))?;
        let others = if vae.latent() > 2 { ", the other dimensions 0" } else { "" };
        let title = format!("Manifold: E[x|z], z₁ to the right, z₂ upwards{others}");
        manifold(&title, vae, theta, [height, width])
            .save(&run.picture(
                "manifold.png",
                "What the decoder makes of a grid over the same plane. Neighbours should be alike, and a walk from \
                one class to another should pass through images that make sense (lecture 002, \"Fun with MNIST\")",
            ))?;
        let size = [height, width];
        let (labels, classes) = (&test.labels[..], &classes.names[..]);
        let space = Space { vae, theta, rows: &test.images, size, labels, classes };
        space.explorer().into_iter().for_each(|explorer| run.explore(explorer));
    }
    Ok(())
}
