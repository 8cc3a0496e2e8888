//! The VAE of sequences: every sequence has a process of its own in time.

use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::model::density::Bernoulli;
use nn::model::{Init, Layout, Slot, map_row_numbers};
use nn::train::{Batch, Noise, Objective, Parts};
use vae::{Networks, Sizes, VaeConfig, VaeError};

use crate::LN_2PI;
use crate::exact::noise_on;
use crate::kernel::Kernel;
use crate::prior::{SequencePosterior, Sequences};

/// A VAE of sequences of T frames of black and white pixels, some of which are missing (Fortuin et al. 2020, "GP-VAE: deep
/// probabilistic time series imputation", with another posterior):
///
/// y_t ~ Bernoulli(σ(g(z_t))),   z^l ~ GP(0, k_l) over the times of a sequence, independent for each sequence and column l
///
/// The encoder computes a noisy observation μ_t of z_t from what is seen of frame t, with 0 where a pixel is missing; its noise has a
/// variance s_l² for each column. The posterior is that of the process given these observations, as for a Gaussian likelihood:
///
/// q(z | y_seen) ∝ Π_l N(z^l; 0, K_l) Π_t N(μ_tl; z_tl, s_l²)
///
/// So a frame is described by what is seen in all frames. Without the process, K = I, it is a VAE for single frames.
#[derive(Clone, Debug)]
pub struct SequenceVae<K> {
    layout: Layout,
    networks: Networks,
    prior: Sequences<K>,
    /// ln s_l², (L)
    log_noise: Slot,
    pixels: usize,
}

/// The negative bound of [`SequenceVae::elbo`] by minibatches of whole sequences: a row of the data is a sequence.
pub struct SequenceObjective<'a, K> {
    model: &'a SequenceVae<K>,
    seen: &'a Matrix<f32>,
}

/// The names of the loss's parts, in nats per sequence.
const PARTS: &[&str] = &["elbo", "log_likelihood", "kl"];

impl<K: Kernel> SequenceVae<K> {
    /// The model with the networks of this configuration and this prior of the latents, with the slots `encoder.*`, `decoder.*`,
    /// those of the prior, and `log_noise`, where s² begins at ½. Of the configuration inputs, latent dimensions, encoder and
    /// decoder are read.
    ///
    /// # Errors
    /// [`VaeError`] if the configuration makes no sense.
    pub fn new(
        config: &VaeConfig,
        prior: impl FnOnce(&mut Layout) -> Sequences<K>,
    ) -> Result<Self, VaeError> {
        config.validate()?;
        let &VaeConfig { inputs: pixels, latent, ref encoder, ref decoder, .. } = config;
        let mut layout = Layout::new();
        let sizes = Sizes { inputs: pixels, conditions: 0, parameters: latent, latent, heads: 1 };
        let networks = Networks::new(&mut layout, encoder, decoder, sizes)?;
        let prior = prior(&mut layout);
        let log_noise = layout.slot("log_noise", [latent], Init::Constant(0.5_f64.ln()));
        Ok(Self { layout, networks, prior, log_noise, pixels })
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// p(z)
    pub fn prior(&self) -> &Sequences<K> {
        &self.prior
    }

    /// q(z | y_seen) of whole sequences, frames (S T, D) with 0 where a pixel is missing, and μ (S T, L).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    #[track_caller]
    pub fn posterior<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        filled: Var<'t, F>,
    ) -> Result<(SequencePosterior<'t, F>, Var<'t, F>), NotPositiveDefinite> {
        let mu = self.networks.encoder.apply(theta, filled);
        Ok((self.prior.observed(theta, mu, self.log_noise.of(theta).exp())?, mu))
    }

    /// The bound of S sequences (S T, D), NaN where a pixel is missing, with noise ε (S T, L): (S) terms each of
    ///
    /// E_q[Σ_t log p(y_t,seen | z_t)]   and   KL(q ‖ p) = E_q[Σ_t log N(μ_t; z_t, s²)] − log N(μ; 0, K + s² I)
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    #[track_caller]
    pub fn elbo<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        seen: &[F],
        eps: Var<'t, F>,
    ) -> Result<SequenceElbo<'t, F>, NotPositiveDefinite> {
        let (tape, length) = (theta.tape(), self.prior.len());
        let shape = [seen.len() / self.pixels, self.pixels];
        let sequences = shape[0] / length;
        let mask = |y: &F| if y.to_f64().is_nan() { F::ZERO } else { F::ONE };
        let of = |f: &dyn Fn(&F) -> F| {
            tape.constant_with(shape, |out| out.iter_mut().zip(seen).for_each(|(out, y)| *out = f(y)))
        };
        let (y, observed) = (of(&|y| if y.to_f64().is_nan() { F::ZERO } else { *y }), of(&mask));
        let (q, mu) = self.posterior(theta, y)?;
        let latent = mu.shape()[1];
        let of_sequences = |x: Var<'t, F>| x.reshape([sequences, x.size() / sequences]);
        let variance = at_all_sequences(q.variance, sequences);
        let z = q.mean + variance.sqrt() * eps;
        // Where a pixel is missing, a term of 0 in the place of y and of the logit adds ln 2, a constant.
        let logits = self.networks.decoder.apply(theta, z) * observed;
        let terms = of_sequences(Bernoulli { logits }.log_prob(y)).sum_axis(1);
        let missing = of_sequences(observed).sum_axis(1) - F::from_f64((length * self.pixels) as f64);
        let log_likelihood = terms - missing * F::from_f64(std::f64::consts::LN_2);
        let log_noise = self.log_noise.of(theta);
        let squares = ((mu - q.mean).square() + variance) / log_noise.exp() + log_noise;
        let constant = F::from_f64(LN_2PI * (length * latent) as f64);
        let expected = (of_sequences(squares).sum_axis(1) + constant) * F::from_f64(-0.5);
        Ok(SequenceElbo { log_likelihood, kl: expected - q.log_evidence })
    }

    /// p(y_t = 1 | y_seen) of all pixels, as the mean of σ(g(z_t)) over draws of z_t ~ q: sequences (S T, D) with NaN where a
    /// pixel is missing to (S T, D).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    ///
    /// # Panics
    /// If there are no draws, or the rows are not whole sequences.
    #[track_caller]
    pub fn fill<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        seen: &Matrix<F>,
        draws: usize,
        seed: u64,
    ) -> Result<Matrix<F>, NotPositiveDefinite> {
        assert!(draws > 0, "fill: expected at least one draw");
        let width = self.prior.len() * self.pixels;
        let sequences = seen.values.len() / width;
        assert!(
            seen.values.len() == sequences * width,
            "fill: expected whole sequences, found {} rows",
            seen.rows
        );
        // Whether the covariances have factors depends on θ alone.
        {
            let tape = Tape::new();
            let theta = tape.constant(theta, [theta.len()]);
            self.posterior(theta, tape.constant(&vec![F::ZERO; width], [self.prior.len(), self.pixels]))?;
        }
        let filled = map_row_numbers(theta, sequences, width, |theta, at| {
            let (tape, first) = (theta.tape(), at.start * self.prior.len());
            let zero = |y: &F| if y.to_f64().is_nan() { F::ZERO } else { *y };
            let values: Vec<F> = seen.values[at.start * width..at.end * width].iter().map(zero).collect();
            let rows = values.len() / self.pixels;
            let y = tape.constant(&values, [rows, self.pixels]);
            let (q, mu) = self.posterior(theta, y).expect("these factors were computed before");
            let sd = at_all_sequences(q.variance, at.len()).sqrt();
            let mean = (0..draws).map(|draw| {
                let noise = Noise::new(seed, draw as u64).skip(first);
                let z = q.mean + sd * noise_on(tape, noise, [rows, mu.shape()[1]]);
                self.networks.decoder.apply(theta, z).sigmoid()
            });
            let sum = mean.reduce(|sum, p| sum + p).expect("at least one draw");
            (sum * F::from_f64(1.0 / draws as f64)).reshape([at.len(), width])
        });
        Ok(Matrix::new(seen.rows, self.pixels, filled.values.to_vec()))
    }
}

/// The parts of the bound of [`SequenceVae::elbo`], in nats for each sequence, (S).
#[derive(Clone, Copy, Debug)]
pub struct SequenceElbo<'t, F: Real> {
    /// E_q[log p(y_seen | z)]
    pub log_likelihood: Var<'t, F>,
    /// KL(q ‖ p)
    pub kl: Var<'t, F>,
}

/// The rows of times, repeated for each sequence, (T, L) to (S T, L).
fn at_all_sequences<F: Real>(times: Var<'_, F>, sequences: usize) -> Var<'_, F> {
    let (length, columns) = (times.shape()[0], times.shape()[1]);
    times.broadcast_to([sequences, length, columns]).reshape([sequences * length, columns])
}

impl<'a, K: Kernel> SequenceObjective<'a, K> {
    /// The objective for these sequences (S T, D), NaN where a pixel is missing.
    ///
    /// # Panics
    /// If they have another number of pixels than the model, or are no whole sequences.
    #[track_caller]
    pub fn new(model: &'a SequenceVae<K>, seen: &'a Matrix<f32>) -> Self {
        let (expected, found, length) = (model.pixels, seen.cols, model.prior.len());
        assert!(expected == found, "SequenceObjective: expected frames of {expected} pixels, found {found}");
        let rows = seen.rows;
        assert!(
            rows.is_multiple_of(length),
            "SequenceObjective: expected sequences of {length} frames, found {rows} frames"
        );
        Self { model, seen }
    }
}

impl<K: Kernel> Objective<f32> for SequenceObjective<'_, K> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.seen.rows / self.model.prior.len()
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let (length, latent) = (self.model.prior.len(), self.model.prior.kernels.len());
        let width = length * self.seen.cols;
        let rows = batch.rows.iter().flat_map(|&s| &self.seen.values[s * width..(s + 1) * width]);
        let seen: Vec<f32> = rows.copied().collect();
        let eps = noise_on(theta.tape(), batch.noise, [batch.rows.len(), length * latent]);
        let eps = eps.reshape([batch.rows.len() * length, latent]);
        let SequenceElbo { log_likelihood, kl } = self.model.elbo(theta, &seen, eps)?;
        let (log_likelihood, kl) = (log_likelihood.sum(), kl.sum());
        let elbo = log_likelihood - kl;
        for (name, part) in PARTS.iter().zip([elbo, log_likelihood, kl]) {
            parts.add(name, f64::from(part.item()));
        }
        Ok(elbo.neg())
    }
}
