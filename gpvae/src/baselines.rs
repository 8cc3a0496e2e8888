//! What the model is compared with: the same networks in a VAE, whose latents are independent.

use std::sync::Arc;

use autograd::Real;
use nn::data::Matrix;
use vae::{Likelihood, Vae, VaeConfig};

use crate::GpVaeConfig;
use crate::data::{Neighbour, Views};

/// A VAE with the prior N(0, I), and how it predicts an object under a view that it was not seen under (lecture 003, "Compared
/// Methods").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Conditional VAE (CVAE). Both networks are told the view, as its cosine and sine. The mean of an object's codes is decoded
    /// under the new view.
    Conditional,
    /// Linear interpolation in a VAE's latent space (LIVAE). The networks are not told the view. A code between those of the
    /// object's two neighbouring views, around the circle, is decoded.
    Interpolation,
}

impl Baseline {
    /// The VAE with the networks of this configuration. Its likelihood is N(g(z), σ² I) with a σ that is learned and starts at the
    /// configuration's σ_y.
    pub fn config(self, config: &GpVaeConfig) -> VaeConfig {
        let GpVaeConfig { pixels, latent, encoder, decoder, pixel_noise, .. } = config;
        VaeConfig {
            conditions: match self {
                Self::Conditional => 2,
                Self::Interpolation => 0,
            },
            encoder: encoder.clone(),
            decoder: decoder.clone(),
            likelihood: Likelihood::NormalLearned { start: pixel_noise.sigma() },
            ..VaeConfig::new(*pixels, &[], *latent)
        }
    }

    /// The rows that the VAE reads for these images: (y | cos w, sin w), or y if the networks are not told the view.
    #[track_caller]
    pub fn inputs<F: Real>(self, views: &Views, rows: &[usize]) -> Matrix<F> {
        self.with_view(&to(views.images.select(rows)), views, rows)
    }

    /// Predictions of the images `wanted`, each from the views of its object among the images `known`, to (wanted, K).
    ///
    /// # Panics
    /// If no image among `known` shows an object that is wanted.
    #[track_caller]
    pub fn predict<F: Real>(
        self,
        vae: &Vae,
        theta: &Arc<Vec<F>>,
        views: &Views,
        known: &[usize],
        wanted: &[usize],
    ) -> Matrix<F> {
        let mu = vae.encode_rows(theta, &self.inputs(views, known)).mu;
        let mut z = Vec::with_capacity(wanted.len() * mu.cols);
        for &row in wanted {
            let sources = self.sources(views, known, row);
            let object = views.object[row];
            assert!(!sources.is_empty(), "predict: expected an image of object {object} among those known");
            z.extend((0..mu.cols).map(|l| {
                let terms = sources.iter().map(|source| mu.row(source.row)[l] * F::from_f64(source.weight));
                terms.fold(F::ZERO, |sum, term| sum + term)
            }));
        }
        let z = Matrix::new(wanted.len(), mu.cols, z);
        vae.decode_rows(theta, &self.with_view(&z, views, wanted))
    }

    /// The images whose codes are averaged to the code of image `row`, by their places in `known`, with their weights.
    fn sources(self, views: &Views, known: &[usize], row: usize) -> Vec<Neighbour> {
        let place = |near: Neighbour| {
            let row =
                known.iter().position(|&row| row == near.row).expect("a neighbour is one of those known");
            Neighbour { row, ..near }
        };
        match self {
            Self::Interpolation => views.neighbours(row, known).into_iter().map(place).collect(),
            Self::Conditional => {
                let same = |&i: &usize| views.object[known[i]] == views.object[row];
                let same: Vec<usize> = (0..known.len()).filter(same).collect();
                let weight = 1.0 / same.len() as f64;
                same.into_iter().map(|row| Neighbour { row, weight }).collect()
            }
        }
    }

    /// (x | cos w, sin w) for a row of x for each image, or x if the networks are not told the view.
    fn with_view<F: Real>(self, x: &Matrix<F>, views: &Views, rows: &[usize]) -> Matrix<F> {
        if self == Self::Interpolation {
            return x.clone();
        }
        let c: Matrix<F> = to(views.conditions(rows));
        let row = |i| x.row(i).iter().chain(c.row(i)).copied();
        Matrix::new(x.rows, x.cols + c.cols, (0..x.rows).flat_map(row).collect())
    }
}

/// The numbers of a matrix in the precision F.
fn to<F: Real>(x: Matrix<f32>) -> Matrix<F> {
    x.map(|x| F::from_f64(f64::from(x)))
}
