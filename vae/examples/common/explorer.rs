//! The latent space of a model of images, for a reader of the report to move about in.

use std::sync::Arc;

use nn::data::Matrix;
use nn::run::{Decoder, Explorer, Plane};
use vae::Vae;

use super::decoder::{network, points};

/// The most images whose codes are shown.
const IMAGES: usize = 400;

/// A trained model of images, and what its latent space is shown with.
pub(crate) struct Space<'a> {
    pub(crate) vae: &'a Vae,
    pub(crate) theta: &'a Arc<Vec<f32>>,
    /// Rows (x, conditions) that the model has not seen.
    pub(crate) rows: &'a Matrix<f32>,
    /// The height and width of an image.
    pub(crate) size: [usize; 2],
    /// The class of each row; empty if there are none.
    pub(crate) labels: &'a [u8],
    /// The names of classes.
    pub(crate) classes: &'a [String],
}

impl Space<'_> {
    /// The codes of the first rows, and the decoder: computed in the page, or, if its weights are too many or it is no dense
    /// network, as images on a grid over the first two dimensions. None with a single dimension, which is no plane, and
    /// without rows.
    pub(crate) fn explorer(&self) -> Option<Explorer> {
        let Self { vae, theta, size, .. } = *self;
        let (latent, inputs) = (vae.latent(), vae.inputs());
        if latent < 2 || self.rows.rows == 0 {
            return None;
        }
        let decoder = match network(vae, theta) {
            Some(network) => network,
            None if vae.conditions() == 0 => grid(vae, theta),
            None => return None,
        };
        let shown: Vec<usize> = (0..self.rows.rows.min(IMAGES)).collect();
        let rows = self.rows.select(&shown);
        let check_points = match &decoder {
            Decoder::Network { .. } => points(vae),
            Decoder::Grid { .. } => Matrix::new(1, latent, vec![0.0; latent]),
        };
        let class = |i: &usize| self.labels.get(*i).copied().map_or(0, usize::from);
        let conditions = (0..vae.conditions()).map(|class| class.to_string());
        let classes = if self.labels.is_empty() { &[] } else { self.classes };
        Some(Explorer::Plane(Plane {
            title: "The latent space, and what the decoder makes of it".to_owned(),
            size,
            conditions: conditions.collect(),
            classes: classes.to_vec(),
            labels: shown.iter().map(class).collect(),
            images: rows.columns(&(0..inputs).collect::<Vec<_>>()),
            codes: vae.encode_rows(theta, &rows).mu,
            check_images: vae.decode_rows(theta, &check_points),
            check_points,
            decoder,
        }))
    }
}

/// E[x|z] on a grid over the first two dimensions, the others 0.
fn grid(vae: &Vae, theta: &Arc<Vec<f32>>) -> Decoder {
    const SIDE: usize = 31;
    const REACH: f32 = 3.0;
    let at = |i: usize| -REACH + 2.0 * REACH * i as f32 / (SIDE - 1) as f32;
    let mut z = vec![0.0; SIDE * SIDE * vae.latent()];
    for (i, z) in z.chunks_exact_mut(vae.latent()).enumerate() {
        (z[0], z[1]) = (at(i % SIDE), at(i / SIDE));
    }
    let images = vae.decode_rows(theta, &Matrix::new(SIDE * SIDE, vae.latent(), z));
    Decoder::Grid { side: SIDE, reach: REACH, images }
}
