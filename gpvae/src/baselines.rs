//! What the model is compared with: the same networks under a standard normal prior (lecture 003, "Compared Methods").
//!
//! Conditional VAE (CVAE): both networks are told the view. What is predicted of an object is decoded from the mean of its
//! codes, together with the view wanted. Linear interpolation in a VAE's latent space (LIVAE): the networks are not told the
//! view; a code is interpolated between those of the object's two neighbouring views, around the circle.

use std::sync::Arc;

use autograd::{Real, Var};
use nn::data::Matrix;
use nn::density::Normal;
use nn::train::{Batch, Objective};
use nn::{Init, Layout, Slot, map_rows};

use crate::Networks;
use crate::data::Views;

/// A variational autoencoder of images, p(y|z) = N(g(z), σ²I) and z ~ N(0, I); conditional if its networks are. Its σ is
/// learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoencoder {
    layout: Layout,
    networks: Networks,
    log_sigma: Slot,
}

impl Autoencoder {
    /// From the layout that the networks were built in. A slot `log_sigma` is added to it; σ begins at `sigma`.
    ///
    /// # Panics
    /// If the networks have a condition other than the cosine and sine of a view, or σ is not a positive number.
    #[track_caller]
    pub fn new(mut layout: Layout, networks: Networks, sigma: f64) -> Self {
        let condition = networks.condition();
        assert!(matches!(condition, 0 | 2), "Autoencoder: a condition of {condition}: (cos, sin) is wanted");
        assert!(sigma > 0.0 && sigma.is_finite(), "Autoencoder: σ = {sigma}: a positive number is wanted");
        let log_sigma = layout.slot("log_sigma", [], Init::Constant(sigma.ln()));
        Self { layout, networks, log_sigma }
    }

    /// The slots of θ.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The encoder and the decoder.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Whether the networks are told the view.
    pub fn is_conditional(&self) -> bool {
        self.networks.condition() > 0
    }

    /// ELBO(y) = E_q[log p(y|z, c)] − KL(q(z|y, c) ‖ N(0, I)),   z = μ + σ ⊙ ε
    ///
    /// in its two parts, (B) each, for y (B, K), conditions c (B, 2) or none, and standard normal noise ε (B, L).
    #[track_caller]
    pub fn elbo<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        y: Var<'t, F>,
        c: Option<Var<'t, F>>,
        eps: Var<'t, F>,
    ) -> (Var<'t, F>, Var<'t, F>) {
        let q = self.networks.encode(theta, with(y, c));
        let z = q.sample_with(eps);
        let p = Normal { mu: self.networks.decode(theta, with(z, c)), log_sigma: self.log_sigma.of(theta) };
        (p.log_prob(y), q.kl_to_standard())
    }

    /// Means and log standard deviations of q for these images, (rows, L) each.
    ///
    /// # Panics
    /// If θ or an image has another length, or there is no such row, here and below.
    #[track_caller]
    pub fn codes<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        views: &Views,
        rows: &[usize],
    ) -> (Matrix<F>, Matrix<F>) {
        let images = views.images.select(rows).map(|pixel| F::from_f64(f64::from(pixel)));
        let c = self.is_conditional().then(|| views.conditions(rows));
        let latent = self.networks.latent();
        let packed = map_rows(theta, &beside(&images, c.as_ref()), 2 * latent, |theta, y| {
            self.networks.encode(theta, y).packed
        });
        let (mu, log_sigma): (Vec<_>, Vec<_>) = (0..latent).map(|i| (i, latent + i)).unzip();
        (packed.columns(&mu), packed.columns(&log_sigma))
    }

    /// Predicted images, one for each of `wanted`, from the views of the same object among `known`: CVAE if conditional,
    /// else LIVAE. (wanted, K)
    ///
    /// # Panics
    /// If no image among `known` shows an object that is wanted.
    #[track_caller]
    pub fn predict<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        views: &Views,
        known: &[usize],
        wanted: &[usize],
    ) -> Matrix<F> {
        let (mu, _) = self.codes(theta, views, known);
        let mut z = Vec::with_capacity(wanted.len() * mu.cols);
        for &row in wanted {
            let object = views.object[row];
            let shown = || (0..known.len()).filter(|&i| views.object[known[i]] == object);
            assert!(shown().next().is_some(), "predict: no image that is known shows object {object}");
            let from: Vec<(usize, f64)> = if self.is_conditional() {
                let share = 1.0 / shown().count() as f64;
                shown().map(|i| (i, share)).collect()
            } else {
                let place = |near| known.iter().position(|&row| row == near).expect("one of those known");
                views.neighbours(row, known).into_iter().map(|(near, share)| (place(near), share)).collect()
            };
            z.extend((0..mu.cols).map(|l| {
                from.iter().map(|&(i, share)| mu.row(i)[l] * F::from_f64(share)).fold(F::ZERO, |a, b| a + b)
            }));
        }
        let z = Matrix::new(wanted.len(), mu.cols, z);
        let c = self.is_conditional().then(|| views.conditions(wanted));
        map_rows(theta, &beside(&z, c.as_ref()), views.images.cols, |theta, z| self.networks.decode(theta, z))
    }
}

/// −ELBO of an [`Autoencoder`] for some of the images of a set, one sample of z each.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The model.
    pub model: &'a Autoencoder,
    /// The data.
    pub views: &'a Views,
    /// Which images of it.
    pub rows: &'a [usize],
}

impl Objective<f32> for Bound<'_> {
    const PARTS: &'static [&'static str] = &["elbo", "log_likelihood", "kl"];

    fn loss<'t>(&self, theta: Var<'t, f32>, batch: &Batch<'_>, parts: &mut [f64]) -> Var<'t, f32> {
        let (tape, n) = (theta.tape(), batch.rows.len());
        let rows: Vec<usize> = batch.rows.iter().map(|&i| self.rows[i]).collect();
        let y =
            tape.constant_with([n, self.views.images.cols], |out| self.views.images.gather_into(&rows, out));
        let c = self.model.is_conditional().then(|| {
            let c = self.views.conditions(&rows);
            tape.constant(&c.values, [n, 2])
        });
        let latent = self.model.networks.latent();
        let eps = tape.constant_with([n, latent], |out| batch.noise.normal(0, latent, out));
        let (log_likelihood, kl) = self.model.elbo(theta, y, c, eps);
        let (log_likelihood, kl) = (log_likelihood.sum(), kl.sum());
        parts[1] = f64::from(log_likelihood.item());
        parts[2] = f64::from(kl.item());
        parts[0] = parts[1] - parts[2];
        kl - log_likelihood
    }
}

/// (x | c)
#[track_caller]
fn with<'t, F: Real>(x: Var<'t, F>, c: Option<Var<'t, F>>) -> Var<'t, F> {
    c.map_or(x, |c| Var::concatenate(&[x, c], 1))
}

fn beside<F: Real>(x: &Matrix<F>, c: Option<&Matrix<f32>>) -> Matrix<F> {
    let Some(c) = c else { return x.clone() };
    let row = |i| x.row(i).iter().copied().chain(c.row(i).iter().map(|&c| F::from_f64(f64::from(c))));
    Matrix::new(x.rows, x.cols + c.cols, (0..x.rows).flat_map(row).collect())
}
