//! A picture of what the latent space decodes to.

use std::sync::Arc;

use nn::data::Matrix;
use nn::picture::ImageGrid;
use vae::Vae;

/// Places in a row of the grid.
pub(crate) const SIDE: usize = 15;

/// Place i of a row of the grid, from −reach to reach.
pub(crate) fn at(i: usize, reach: f32) -> f32 {
    -reach + 2.0 * reach * i as f32 / (SIDE - 1) as f32
}

/// E[x|z] on a grid over the first two dimensions of z, from −reach to reach, the others 0: row after row from the largest z₂ on, as in a
/// scatter plot.
pub(crate) fn decoded(vae: &Vae, theta: &Arc<Vec<f32>>, reach: f32) -> Matrix<f32> {
    let mut z = vec![0.0; SIDE * SIDE * vae.latent()];
    for (i, z) in z.chunks_exact_mut(vae.latent()).enumerate() {
        (z[0], z[1]) = (at(i % SIDE, reach), -at(i / SIDE, reach));
    }
    vae.decode_rows(theta, &Matrix::new(SIDE * SIDE, vae.latent(), z))
}

/// E[x|z] as images of `[height, width]` on a grid over the first two dimensions of z, the others 0.
pub(crate) fn manifold(
    title: &str,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    [height, width]: [usize; 2],
) -> ImageGrid {
    const REACH: f32 = 2.5;
    let name = |z: f32| format!("{z:.1}");
    let grid = ImageGrid::new(title, height, width).columns((0..SIDE).map(|i| name(at(i, REACH))));
    let decoded = decoded(vae, theta, REACH);
    let rows = decoded.values.chunks_exact(SIDE * height * width).enumerate();
    rows.fold(grid, |grid, (i, row)| grid.row(&name(0.0 - at(i, REACH)), row))
}
