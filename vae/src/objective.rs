//! The bounds as training objectives.

use autograd::{Tape, Var};
use nn::data::{Binarise, Matrix};
use nn::train::{Batch, Objective};

use crate::model::{Elbo, Vae, held};

/// Which bound is maximised, and how its gradient is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// The ELBO with the divergence in closed form, reparameterised.
    #[default]
    ClosedForm,
    /// The ELBO with the divergence at the samples too, reparameterised: see [`Vae::elbo_samples`].
    MonteCarlo,
    /// The importance-weighted bound of all samples, reparameterised: see [`Elbo::importance_weighted`].
    ImportanceWeighted,
    /// The ELBO, with the score function's gradient: see [`Vae::score_function`].
    ScoreFunction,
}

/// The negative bound of images, or of any rows of numbers, estimated from M samples of z.
///
/// Its parts are those of the ELBO at these samples, whatever the bound and β.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// The model.
    pub vae: &'a Vae,
    /// The data, a row a datum.
    pub data: &'a Matrix<f32>,
    /// Whether pixels are made binary, and when.
    pub binarise: Binarise,
    /// M, the number of samples of z for each datum.
    pub samples: usize,
    /// The bound.
    pub bound: Bound,
    /// β, the factor of the divergence (Higgins et al. 2017): at 1 the bound is one.
    pub beta: f64,
    /// The number of epochs in which β grows from 0, evenly (Bowman et al. 2016): 0 for none.
    pub warm_up: usize,
}

impl<'a> Images<'a> {
    /// The ELBO with the divergence in closed form, one sample, β = 1, numbers as they are.
    pub fn new(vae: &'a Vae, data: &'a Matrix<f32>) -> Self {
        let (binarise, bound) = (Binarise::Grey, Bound::ClosedForm);
        Self { vae, data, binarise, samples: 1, bound, beta: 1.0, warm_up: 0 }
    }

    /// β in this epoch, counted from 0.
    pub fn beta_in(&self, epoch: u64) -> f64 {
        self.beta * ((epoch + 1) as f64 / (self.warm_up + 1) as f64).min(1.0)
    }

    /// A θ is evaluated with the whole of it, whatever the epoch: bounds of different epochs are to be compared.
    fn beta_of(&self, batch: &Batch<'_>) -> f64 {
        batch.epoch.map_or(self.beta, |epoch| self.beta_in(epoch))
    }

    /// The rows of a minibatch, and noise (samples, B, L).
    fn batch<'t>(
        &self,
        tape: &'t Tape<f32>,
        batch: &Batch<'_>,
        samples: usize,
    ) -> (Var<'t, f32>, Var<'t, f32>) {
        let (rows, width, latent) = (batch.rows.len(), self.data.cols, self.vae.latent());
        let x = tape.constant_with([rows, width], |out| {
            self.data.gather_into(batch.rows, out);
            for (&row, out) in batch.rows.iter().zip(out.chunks_exact_mut(width)) {
                self.binarise.apply(row, batch.epoch.unwrap_or(0), &mut out[..self.vae.inputs()]);
            }
        });
        let eps = tape.constant_with([samples, rows, latent], |out| {
            for (sample, out) in out.chunks_exact_mut(rows * latent).enumerate() {
                batch.noise.normal(sample, latent, out);
            }
        });
        (x, eps)
    }
}

impl Objective<f32> for Images<'_> {
    const PARTS: &'static [&'static str] = &["elbo", "log_likelihood", "kl"];

    fn loss<'t>(&self, theta: Var<'t, f32>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f32> {
        let (x, eps) = self.batch(theta.tape(), batch, self.samples);
        let (rows, latent) = (batch.rows.len(), self.vae.latent());
        let beta = self.beta_of(batch);
        let elbo = match self.bound {
            Bound::ClosedForm if self.samples == 1 => self.vae.elbo(theta, x, eps.reshape([rows, latent])),
            Bound::ClosedForm => self.vae.elbo(theta, x, eps),
            Bound::ScoreFunction => self.vae.score_function(theta, x, eps),
            Bound::MonteCarlo | Bound::ImportanceWeighted => self.vae.elbo_samples(theta, x, eps),
        };
        let mean = 1.0 / (elbo.log_likelihood.size() / rows) as f32;
        let (log_likelihood, kl) = (times(elbo.log_likelihood.sum(), mean), times(elbo.kl.sum(), mean));
        for (part, var) in parts[1..].iter_mut().zip([log_likelihood, kl]) {
            *part = f64::from(var.item());
        }
        parts[0] = parts[1] - parts[2];
        if self.bound == Bound::ImportanceWeighted {
            return Elbo { kl: elbo.kl * beta as f32, ..elbo }.importance_weighted().sum().neg();
        }
        times(kl, beta as f32) - log_likelihood
    }

    fn samples(&self) -> usize {
        self.samples
    }
}

/// c x; with the usual factors there is nothing to compute.
fn times(x: Var<'_, f32>, c: f32) -> Var<'_, f32> {
    if c == 1.0 { x } else { x * c }
}

/// Semi-amortised inference (Kim et al. 2018; Krishnan, Liang & Hoffman 2018): the decoder is trained at posteriors that
/// start as the encoder's and are then refined, λ ← λ + ρ ∇_λ ELBO, a few times; the encoder is trained as always. What
/// the refinement has of the encoder is not differentiated.
///
/// Loss and parts are those at the refined posteriors.
#[derive(Clone, Copy, Debug)]
pub struct SemiAmortised<'a> {
    /// Data, samples and β; its bound must be [`Bound::ClosedForm`], or the loss panics.
    pub images: Images<'a>,
    /// How often λ is refined.
    pub steps: usize,
    /// ρ
    pub rate: f64,
}

impl Objective<f32> for SemiAmortised<'_> {
    const PARTS: &'static [&'static str] = Images::PARTS;

    fn loss<'t>(&self, theta: Var<'t, f32>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f32> {
        let bound = self.images.bound;
        assert!(
            bound == Bound::ClosedForm,
            "SemiAmortised: {bound:?}: the divergence must be in closed form"
        );
        let (tape, vae, beta) = (theta.tape(), self.images.vae, self.images.beta_of(batch) as f32);
        // Noise of its own for every step: λ could undo what it has seen of it.
        let samples = self.images.samples;
        let (x, noise) = self.images.batch(tape, batch, samples * (1 + self.steps));
        let loss = |theta, q, step: usize| {
            let elbo = vae.elbo_at(theta, q, x, noise.rows(step * samples..(step + 1) * samples));
            (elbo, (elbo.kl * beta - elbo.log_likelihood).sum())
        };
        let (family, latent) = (vae.family(), vae.latent());
        let (fixed, start) = (held(theta), vae.parameters(theta, x));
        let (_, amortised) = loss(fixed, family.at(latent, start), 0);

        let mut lambda = start.to_vec();
        for step in 0..self.steps {
            let on_tape = tape.parameter(&lambda, start.shape());
            let gradients = tape.backward(loss(fixed, family.at(latent, on_tape), 1 + step).1);
            let slopes = lambda.iter_mut().zip(gradients.wrt(on_tape));
            slopes.for_each(|(lambda, slope)| *lambda -= self.rate as f32 * slope);
        }
        let refined = family.at(latent, tape.constant(&lambda, start.shape()));
        let (elbo, refined) = loss(theta, refined, 0);
        for (part, var) in parts[1..].iter_mut().zip([elbo.log_likelihood, elbo.kl]) {
            *part = f64::from(var.sum().item());
        }
        parts[0] = parts[1] - parts[2];
        // Of the encoder's own bound only the slope counts.
        refined + (amortised - held(amortised))
    }

    fn samples(&self) -> usize {
        self.images.samples * (1 + self.steps)
    }
}
