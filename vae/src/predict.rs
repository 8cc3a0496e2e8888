//! What a trained model says of rows of data: codes, reconstructions, samples.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::model::map_rows;
use nn::train::Noise;
use rand::{SeedableRng, rngs::StdRng};

use crate::Vae;

/// The points in latent space that stand for rows of data, as densities of each zᵢ by itself under q(z|x).
#[derive(Clone, Debug, PartialEq)]
pub struct Codes<F> {
    /// The means, (N, L).
    pub mu: Matrix<F>,
    /// The logarithms of the standard deviations, (N, L).
    pub log_sigma: Matrix<F>,
}

/// Rows that a model made up ([`Vae::simulate`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation<F> {
    /// The latents, (N, L).
    pub z: Matrix<F>,
    /// The data, (N, D).
    pub x: Matrix<F>,
}

impl<F: Copy> Codes<F> {
    /// The codes of the rows `indices`, in that order.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, indices: &[usize]) -> Self {
        Self { mu: self.mu.select(indices), log_sigma: self.log_sigma.select(indices) }
    }
}

impl Vae {
    /// The means and log standard deviations of each zᵢ under q(z|x), for rows x (N, D + C).
    ///
    /// # Panics
    /// If θ or the rows have another length than the model's, or a condition is missing.
    #[track_caller]
    #[inline(never)]
    pub fn encode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Codes<F> {
        self.check("encode_rows", theta, x, self.inputs() + self.conditions());
        let latent = self.latent();
        let packed = map_rows(theta, x, 2 * latent, |theta, x| self.encode(theta, x).marginals().packed);
        let (mu, log_sigma): (Vec<_>, Vec<_>) = (0..latent).map(|i| (i, latent + i)).unzip();
        Codes { mu: packed.columns(&mu), log_sigma: packed.columns(&log_sigma) }
    }

    /// E[x|z] for rows z (N, L), of a conditional model (z, conditions) (N, L + C): (N, D).
    ///
    /// # Panics
    /// If θ or the rows have another length than the model's.
    #[track_caller]
    #[inline(never)]
    pub fn decode_rows<F: Real>(&self, theta: &Arc<Vec<F>>, z: &Matrix<F>) -> Matrix<F> {
        self.check("decode_rows", theta, z, self.latent() + self.conditions());
        map_rows(theta, z, self.inputs(), |theta, z| self.decode(theta, z).mean())
    }

    /// E[x|z = E_q(z|x)] for rows x (N, D + C): (N, D) (lecture 002, "Trying to reconstruct").
    ///
    /// # Panics
    /// As [`encode_rows`](Self::encode_rows).
    #[track_caller]
    #[inline(never)]
    pub fn reconstruct<F: Real>(&self, theta: &Arc<Vec<F>>, x: &Matrix<F>) -> Matrix<F> {
        let z = self.encode_rows(theta, x).mu;
        self.decode_rows(theta, &self.with_conditions_of(&z, x))
    }

    /// E[x|z] for `n` draws z ~ N(0, I), the prior, of a model without conditions: (n, D). x itself is not drawn.
    ///
    /// # Panics
    /// If θ has another length than the model's, or the model has conditions.
    #[track_caller]
    #[inline(never)]
    pub fn decode_prior_samples<F: Real>(&self, theta: &Arc<Vec<F>>, n: usize, seed: u64) -> Matrix<F> {
        let mut z = vec![F::ZERO; n * self.latent()];
        Noise::evaluation(seed).normal(0, self.latent(), &mut z);
        self.decode_rows(theta, &Matrix::new(n, self.latent(), z))
    }

    /// `n` draws from the model, z ~ N(0, I) and x ~ p(x|z), of a model without conditions. They are also draws of x from the
    /// model's p(x), each with a draw of z from its posterior p(z|x).
    ///
    /// # Panics
    /// As [`decode_prior_samples`](Self::decode_prior_samples).
    #[track_caller]
    #[inline(never)]
    pub fn simulate<F: Real>(&self, theta: &Arc<Vec<F>>, n: usize, seed: u64) -> Simulation<F> {
        let latent = self.latent();
        let mut values = vec![F::ZERO; n * latent];
        Noise::evaluation(seed).normal(0, latent, &mut values);
        let z = Matrix::new(n, latent, values);
        self.check("simulate", theta, &z, latent + self.conditions());
        let (mut rng, mut tape, mut x) = (StdRng::seed_from_u64(seed), Tape::new(), Vec::new());
        for z in z.values.chunks(128 * latent) {
            tape.clear();
            let theta = tape.shared_constant(theta, [theta.len()]);
            x.extend(self.decode(theta, tape.constant(z, [z.len() / latent, latent])).draw(&mut rng));
            tape.clear();
        }
        Simulation { x: Matrix::new(n, self.inputs(), x), z }
    }

    /// Rows (z, conditions) as [`decode_rows`](Self::decode_rows) takes them, from rows z (N, L) and the conditions in rows
    /// (x, conditions) (N, D + C).
    ///
    /// # Panics
    /// If there are not as many rows of z as of x.
    #[track_caller]
    pub fn with_conditions_of<F: Real>(&self, z: &Matrix<F>, x: &Matrix<F>) -> Matrix<F> {
        let (rows, inputs, width) = (z.rows, self.inputs(), self.latent() + self.conditions());
        assert!(rows == x.rows, "with_conditions_of: expected {rows} rows of x as of z, found {}", x.rows);
        let row = |i: usize| z.row(i).iter().chain(&x.row(i)[inputs..]).copied();
        Matrix::new(rows, width, (0..rows).flat_map(row).collect())
    }

    /// Misuse is reported at the caller's line instead of in a worker thread.
    #[track_caller]
    pub(crate) fn check<F: Real>(&self, what: &str, theta: &[F], x: &Matrix<F>, cols: usize) {
        let (size, len) = (self.layout().size(), theta.len());
        assert!(size == len, "{what}: expected θ of {size} numbers, found {len}");
        assert!(x.cols == cols, "{what}: expected rows of {cols} numbers, found [{}, {}]", x.rows, x.cols);
    }
}
