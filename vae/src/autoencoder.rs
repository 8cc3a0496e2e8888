//! Autoencoders without probabilities.

use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Var};
use nn::data::Matrix;
use nn::model::density::squared_error;
use nn::model::{Layout, Model, map_rows};
use nn::train::{Batch, Objective, Parts};

use crate::{AutoencoderConfig, Networks, Sizes, VaeError};

/// Two networks e: Rᴰ → Rᵐ and d: Rᵐ → Rᴰ with x ≈ d(e(x)) (lecture 000, "Reduction of dimension").
///
/// Without hidden layers, and if ψ is the identity, it finds the subspace of [`Pca`](crate::linear::Pca), in a basis that is
/// not orthonormal.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoencoder {
    config: AutoencoderConfig,
    layout: Layout,
    networks: Networks,
}

impl Model for Autoencoder {
    const KIND: &'static str = "vae.Autoencoder";
    type Config = AutoencoderConfig;
    type Error = VaeError;

    fn from_config(config: &AutoencoderConfig) -> Result<Self, VaeError> {
        Self::new(config)
    }

    fn least_size(config: &AutoencoderConfig) -> Option<usize> {
        let AutoencoderConfig { inputs, latent, ref encoder, ref decoder } = *config;
        if config.validate().is_err() {
            return Some(0);
        }
        Networks::least_size(encoder, decoder, [inputs, 0, latent])
    }

    fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl Autoencoder {
    /// The model with slots `encoder.*` and `decoder.*` ([`Networks::new`]).
    ///
    /// # Errors
    /// [`VaeError`] if there is no such model.
    pub fn new(config: &AutoencoderConfig) -> Result<Self, VaeError> {
        config.validate()?;
        let AutoencoderConfig { inputs, latent, ref encoder, ref decoder } = *config;
        let sizes = Sizes { inputs, conditions: 0, parameters: latent, latent, heads: 1 };
        let mut layout = Layout::new();
        let networks = Networks::new(&mut layout, encoder, decoder, sizes)?;
        Ok(Self { config: config.clone(), layout, networks })
    }

    /// What the model consists of.
    pub fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The encoder and the decoder.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// D, the number of observed variables.
    pub fn inputs(&self) -> usize {
        self.config.inputs
    }

    /// m, the number of variables in the middle.
    pub fn latent(&self) -> usize {
        self.config.latent
    }

    /// e(x), (…, D) to (…, m).
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.networks.encoder.apply(theta, x)
    }

    /// d(z), (…, m) to (…, D).
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Var<'t, F> {
        self.networks.decoder.apply(theta, z)
    }

    /// d(e(x)), (…, D) to (…, D).
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.decode(theta, self.encode(theta, x))
    }

    /// The codes e(x) of rows, (N, D) to (N, m).
    ///
    /// # Panics
    /// If θ or the rows have another length than the model's.
    #[track_caller]
    pub fn encode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Matrix<F> {
        self.check("encode_rows", theta, x, self.inputs());
        map_rows(theta, x, self.latent(), |theta, x| self.encode(theta, x))
    }

    /// d(z) of rows, (N, m) to (N, D).
    ///
    /// # Panics
    /// If θ or the rows have another length than the model's.
    #[track_caller]
    pub fn decode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, z: &Matrix<F>) -> Matrix<F> {
        self.check("decode_rows", theta, z, self.latent());
        map_rows(theta, z, self.inputs(), |theta, z| self.decode(theta, z))
    }

    /// d(e(x)) of rows, (N, D) to (N, D).
    ///
    /// # Panics
    /// If θ or the rows have another length than the model's.
    #[track_caller]
    pub fn reconstruct<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Matrix<F> {
        self.check("reconstruct", theta, x, self.inputs());
        map_rows(theta, x, self.inputs(), |theta, x| self.apply(theta, x))
    }

    /// Misuse is reported at the caller's line instead of in a worker thread.
    #[track_caller]
    fn check<F: Real>(&self, what: &str, theta: &[F], x: &Matrix<F>, cols: usize) {
        let (size, len) = (self.layout.size(), theta.len());
        assert!(size == len, "{what}: expected θ of {size} numbers, found {len}");
        assert!(x.cols == cols, "{what}: expected rows of {cols} numbers, found [{}, {}]", x.rows, x.cols);
    }
}

/// The squared error of reconstructions (lecture 000, "Learning f, d and e"):
///
/// loss = Σᵢ ‖xᵢ − d(e(xᵢ + σ εᵢ))‖²,   ε ~ N(0, I)
///
/// With σ > 0 this is the denoising autoencoder (Vincent et al. 2010). It learns to remove noise that is drawn anew in every
/// step, and may have more latent than observed variables without becoming the identity.
#[derive(Clone, Copy, Debug)]
pub struct AutoencoderObjective<'a, F> {
    /// The model.
    pub model: &'a Autoencoder,
    /// The data, (N, D).
    pub data: &'a Matrix<F>,
    /// σ, 0 for the plain autoencoder.
    pub noise: f64,
}

impl<F: Real> Objective<F> for AutoencoderObjective<'_, F> {
    fn rows(&self) -> usize {
        self.data.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let (tape, shape) = (theta.tape(), [batch.rows.len(), self.data.cols]);
        let x = batch.gather(tape, self.data);
        let seen = if self.noise == 0.0 {
            x
        } else {
            let eps = tape.constant_with(shape, |out| batch.noise.normal(0, shape[1], out));
            x + eps * F::from_f64(self.noise)
        };
        Ok(squared_error(self.model.apply(theta, seen), x).sum())
    }
}
