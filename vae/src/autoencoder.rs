//! Autoencoders without probabilities.

use std::sync::Arc;

use autograd::{Nonlinearity, Real, Var};
use nn::data::Matrix;
use nn::density::squared_error;
use nn::train::{Batch, Objective};
use nn::{Layout, Mlp, map_rows};

/// What an [`Autoencoder`] consists of; [`AutoencoderConfig::new`] makes the usual choices.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoencoderConfig {
    /// D, the number of observed variables.
    pub inputs: usize,
    /// The widths of the encoder's hidden layers; none makes it linear.
    pub encoder: Vec<usize>,
    /// m, the number of variables in the middle.
    pub latent: usize,
    /// The widths of the decoder's hidden layers; none makes it linear, behind which comes ψ.
    pub decoder: Vec<usize>,
    /// φ, the activation of hidden layers.
    pub phi: Nonlinearity,
    /// ψ, the activation of the decoder's output: the identity, or the sigmoid for data in \[0, 1\].
    pub psi: Nonlinearity,
}

impl AutoencoderConfig {
    /// Hidden layers of these widths in the encoder, and the same in reverse in the decoder; ReLU, ψ the identity.
    pub fn new(inputs: usize, hidden: &[usize], latent: usize) -> Self {
        Self {
            inputs,
            encoder: hidden.to_vec(),
            latent,
            decoder: hidden.iter().rev().copied().collect(),
            phi: Nonlinearity::Relu,
            psi: Nonlinearity::Identity,
        }
    }
}

/// Two networks e: Rᴰ → Rᵐ and d: Rᵐ → Rᴰ with x ≈ d(e(x)) (lecture 000, "Reduction of dimension").
///
/// Without hidden layers and with ψ the identity it finds the subspace of [`Pca`](crate::linear::Pca), in a basis that is
/// not orthonormal.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoencoder {
    layout: Layout,
    encoder: Mlp,
    decoder: Mlp,
}

impl Autoencoder {
    /// The model with slots `encoder.*` and `decoder.*`.
    ///
    /// # Panics
    /// If a width is 0.
    #[track_caller]
    pub fn new(config: &AutoencoderConfig) -> Self {
        let AutoencoderConfig { inputs, ref encoder, latent, ref decoder, phi, psi } = *config;
        let down = [&[inputs], &encoder[..], &[latent]].concat();
        let up = [&[latent], &decoder[..], &[inputs]].concat();
        let sound = down.iter().chain(&up).all(|&width| width > 0);
        assert!(sound, "Autoencoder: widths {down:?} and {up:?}: none may be 0");
        let mut layout = Layout::new();
        let encoder = Mlp::new(&mut layout, "encoder", &down, phi, Nonlinearity::Identity);
        let decoder = Mlp::new(&mut layout, "decoder", &up, phi, psi);
        Self { layout, encoder, decoder }
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// D
    pub fn inputs(&self) -> usize {
        self.encoder.inputs()
    }

    /// m
    pub fn latent(&self) -> usize {
        self.encoder.outputs()
    }

    /// The decoder's last weights, W (…, D); those of a linear autoencoder are (m, D), a row the image of a code's
    /// coordinate.
    pub fn decoder_weights<F: Real>(&self, theta: &[F]) -> Matrix<F> {
        let layers = self.decoder.layers();
        let slot = layers[layers.len() - 1].weight();
        Matrix::new(slot.shape().dims()[0], self.inputs(), theta[slot.range()].to_vec())
    }

    /// e(x), (…, D) to (…, m).
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.encoder.apply(theta, x)
    }

    /// d(z), (…, m) to (…, D).
    #[track_caller]
    pub fn decode<'t, F: Real>(&self, theta: Var<'t, F>, z: Var<'t, F>) -> Var<'t, F> {
        self.decoder.apply(theta, z)
    }

    /// d(e(x)), (…, D) to (…, D).
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>) -> Var<'t, F> {
        self.decode(theta, self.encode(theta, x))
    }

    /// The codes e(x) of rows, (N, D) to (N, m).
    ///
    /// # Panics
    /// If θ or the rows are not as long as the model wants them, here and below.
    #[track_caller]
    pub fn codes<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Matrix<F> {
        self.check("codes", theta, x, self.inputs());
        map_rows(theta, x, self.latent(), |theta, x| self.encode(theta, x))
    }

    /// d(z) of rows, (N, m) to (N, D).
    #[track_caller]
    pub fn decode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, z: &Matrix<F>) -> Matrix<F> {
        self.check("decode_rows", theta, z, self.latent());
        map_rows(theta, z, self.inputs(), |theta, z| self.decode(theta, z))
    }

    /// d(e(x)) of rows, (N, D) to (N, D).
    #[track_caller]
    pub fn reconstruct<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Matrix<F> {
        self.check("reconstruct", theta, x, self.inputs());
        map_rows(theta, x, self.inputs(), |theta, x| self.apply(theta, x))
    }

    /// Misuse is to show at the caller's line, not in a worker thread.
    #[track_caller]
    fn check<F: Real>(&self, what: &str, theta: &[F], x: &Matrix<F>, cols: usize) {
        let (size, len) = (self.layout.size(), theta.len());
        assert!(size == len, "{what}: θ has {len} numbers, the model {size}");
        assert!(x.cols == cols, "{what}: [{}, {}]: rows of {cols} numbers are wanted", x.rows, x.cols);
    }
}

/// Σᵢ ‖xᵢ − d(e(xᵢ + σ εᵢ))‖², ε ~ N(0, I) (lecture 000, "Learning f, d and e").
///
/// With σ > 0 this is the denoising autoencoder (Vincent et al. 2010): it learns to undo noise that is drawn anew in every
/// step, and can have more latent variables than there are observed ones without becoming the identity.
#[derive(Clone, Copy, Debug)]
pub struct Reconstruction<'a, F> {
    /// The model.
    pub model: &'a Autoencoder,
    /// The data, a row a datum.
    pub data: &'a Matrix<F>,
    /// σ, 0 for the plain autoencoder.
    pub noise: f64,
}

impl<F: Real> Objective<F> for Reconstruction<'_, F> {
    const PARTS: &'static [&'static str] = &[];

    fn loss<'t>(&self, theta: Var<'t, F>, batch: &Batch<'_>, _parts: &mut [f64]) -> Var<'t, F> {
        let (tape, shape) = (theta.tape(), [batch.rows.len(), self.data.cols]);
        let x = tape.constant_with(shape, |out| self.data.gather_into(batch.rows, out));
        let seen = if self.noise == 0.0 {
            x
        } else {
            x + tape.constant_with(shape, |out| batch.noise.normal(0, shape[1], out))
                * F::from_f64(self.noise)
        };
        squared_error(self.model.apply(theta, seen), x).sum()
    }
}
