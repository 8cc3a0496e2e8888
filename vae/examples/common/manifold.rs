//! A picture of what the latent space decodes to.

use std::sync::Arc;

use nn::data::Matrix;
use nn::picture::ImageGrid;
use vae::Vae;

/// E[x|z] as images of `[height, width]` on a grid over the first two dimensions of z, the others 0.
pub(crate) fn manifold(
    title: &str,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    [height, width]: [usize; 2],
) -> ImageGrid {
    const SIDE: usize = 15;
    let at = |i: usize| -2.5 + 5.0 * i as f32 / (SIDE - 1) as f32;
    let mut z = vec![0.0; SIDE * SIDE * vae.latent()];
    for (i, z) in z.chunks_exact_mut(vae.latent()).enumerate() {
        // The first row is that of the largest z₂, as in a scatter plot.
        (z[0], z[1]) = (at(i % SIDE), -at(i / SIDE));
    }
    let decoded = vae.decode_rows(theta, &Matrix::new(SIDE * SIDE, vae.latent(), z));
    let grid = ImageGrid::new(title, height, width).columns((0..SIDE).map(|i| format!("{:.1}", at(i))));
    let rows = decoded.values.chunks_exact(SIDE * height * width).enumerate();
    rows.fold(grid, |grid, (i, row)| grid.row(&format!("{:.1}", 0.0 - at(i)), row))
}
