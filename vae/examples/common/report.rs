//! What a model of images has learned: numbers on images that it has not seen, and pictures.

use anyhow::Context;
use nn::data::LabelledImages;
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::Run;
use nn::train::Trainer;
use vae::{Vae, VaeObjective};

use super::bound;
use super::classes::Classes;
use super::codes::codes_figure;
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
        let bound = vae.k_sample_bound(trainer.theta(), &test.images, samples, run.args.seed);
        outln!("{} images not seen in training, nats per image", test.len());
        outln!("  ELBO                       {:9.2}", loss.part("elbo"));
        outln!("    E_q[log p(x|z)]          {:9.2}", loss.part("log_likelihood"));
        outln!("    KL(q(z|x) ‖ p(z))        {:9.2}", loss.part("kl"));
        bound::print(&bound);
        draw(&Trained { run, vae, trainer, test, classes }).context("the pictures could not be drawn")?;
        let results = [
            ("test_elbo", loss.part("elbo")),
            ("log_likelihood", loss.part("log_likelihood")),
            ("kl", loss.part("kl")),
            ("test_loss", loss.total),
        ];
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
        .save(&run.file("reconstructions.png"))?;
    ImageGrid::new("Samples: E[x|z] for z ~ N(0, I)", height, width)
        .rows(&vae.decode_prior_samples(theta, 100, run.args.seed).values, 10)
        .save(&run.file("samples.png"))?;
    run.draw_loss(trainer, "−ELBO, nats per image")?;
    if vae.latent() > 1 {
        let codes = vae.encode_rows(theta, &test.images).mu;
        codes_figure("Latent space: means of q(z|x) of test images", &codes, &test.labels, classes)
            .save(&run.file("latent.png"))?;
        let others = if vae.latent() > 2 { ", the other dimensions 0" } else { "" };
        manifold(
            &format!("Manifold: E[x|z], z₁ to the right, z₂ upwards{others}"),
            vae,
            theta,
            [height, width],
        )
        .save(&run.file("manifold.png"))?;
    }
    Ok(())
}
