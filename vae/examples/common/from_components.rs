//! A VAE that begins at principal components, and fills in hidden pixels.

use std::sync::Arc;

use nn::data::Matrix;
use nn::model::{Nonlinearity, map_rows};
use nn::run::RunArgs;
use nn::train::{Fit, Noise, Rule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::FactorModel;
use vae::{Likelihood, LocalBound, LocalPosteriors, Vae, VaeConfig, VaeObjective};

use super::hidden::{Linear, Masked, best};

/// Epochs at most, learning rate, and epochs without a better bound of the validation frames after which training stops.
const EPOCHS: usize = 300;
const RATE: f64 = 3e-4;
const PATIENCE: usize = 15;

/// Steps, their learning rate at first, and samples of z in the refinement of a posterior.
const STEPS: usize = 300;
const REFINEMENT: f64 = 0.03;
const SAMPLES: usize = 2;

/// A trained model whose networks have a linear path beside their hidden layers.
pub(crate) struct FromComponents {
    vae: Vae,
    theta: Arc<Vec<f32>>,
}

impl FromComponents {
    /// A model that begins at probabilistic PCA with as many components as fill the validation frames best, over all masks, and is
    /// trained until their bound rises no more.
    pub(crate) fn train(
        run: &RunArgs,
        hidden: usize,
        [train, validation]: [&Matrix<f32>; 2],
        linear: &Linear,
        masks: &[Vec<bool>],
    ) -> anyhow::Result<Self> {
        let masked: Vec<Masked<'_>> = masks.iter().map(|mask| Masked::new(validation, mask)).collect();
        let (_, start) = best(&linear.components, &masked, FactorModel::impute)?;

        let usual = VaeConfig::new(train.cols, &[hidden], start.loadings.rows).with_phi(Nonlinearity::Tanh);
        let [encoder, decoder] =
            [&usual.encoder, &usual.decoder].map(|network| network.clone().with_linear_path());
        let likelihood = Likelihood::NormalHead;
        let vae = Vae::new(&VaeConfig { likelihood, encoder, decoder, ..usual })?;
        let mut theta: Vec<f32> = vae.layout().init(&mut StdRng::seed_from_u64(run.seed));
        start.begin(&vae, &mut theta)?;
        let mut trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, run.seed);
        let epochs = if run.dry_run { run.epochs } else { EPOCHS };
        let fit = Fit { epochs, rate: RATE, patience: Some(PATIENCE), ..run.fit() };
        let mut validating = VaeObjective::new(&vae, validation);
        trainer.fit(&mut VaeObjective::new(&vae, train), Some(&mut validating), &fit, &mut ())?;
        let theta = trainer.theta().clone();
        Ok(Self { vae, theta })
    }

    /// E[x|z] at the mean of a q(z) of each frame's own, which follows the gradient of the bound of the pixels that are seen, from where
    /// the encoder puts the frame with the mean face in its gaps.
    pub(crate) fn fill_in(&self, masked: &Masked<'_>, mean: &[f32], run: &RunArgs) -> Matrix<f32> {
        let Self { vae, theta } = self;
        let (holed, latent) = (&masked.holed, vae.latent());
        let filled = holed.values.iter().zip(mean.iter().cycle());
        let filled = filled.map(|(x, mean)| if x.is_nan() { *mean } else { *x }).collect();
        let filled = Matrix::new(holed.rows, holed.cols, filled);
        let lambda =
            map_rows(theta, &filled, 2 * latent, |theta, rows| vae.posterior_parameters(theta, rows));
        let mut posteriors = LocalPosteriors::new(lambda, Rule::ADAM);
        let bound = LocalBound { vae, theta, data: holed, samples: SAMPLES };
        let rows: Vec<usize> = (0..holed.rows).collect();
        let steps = if run.dry_run { 2 } else { STEPS };
        for step in 0..steps {
            let rate = REFINEMENT * (1.0 - step as f64 / steps as f64);
            posteriors.refine(&bound, &rows, Noise::new(!run.seed, step as u64), rate);
        }
        let refined = posteriors.parameters();
        let means: Vec<usize> = (0..latent).collect();
        vae.decode_rows(theta, &refined.columns(&means))
    }
}
