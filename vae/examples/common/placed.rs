//! A picture of images at their codes.

use std::sync::Arc;

use nn::data::Matrix;
use nn::picture::ImageGrid;
use vae::Vae;

use super::manifold::{SIDE, at, decoded};

/// Rows at their codes (n, 2) beside the manifold in the same window, which holds all codes: on the left, in each cell of the grid, the
/// row whose code is nearest to the cell's middle, if there is one in the cell; on the right what the middle decodes to.
pub(crate) fn beside_manifold(
    title: &str,
    vae: &Vae,
    theta: &Arc<Vec<f32>>,
    (rows, codes): (&Matrix<f32>, &Matrix<f32>),
    [height, width]: [usize; 2],
) -> ImageGrid {
    let reach = codes.values.iter().fold(f32::MIN_POSITIVE, |reach, z| reach.max(z.abs()));
    // Of each cell the nearest row, with its squared distance.
    let mut nearest = [None::<(f32, usize)>; SIDE * SIDE];
    for (row, z) in codes.values.chunks_exact(codes.cols).enumerate() {
        let place = |z: f32| ((z / reach + 1.0) / 2.0 * (SIDE - 1) as f32).round() as usize;
        let (column, line) = (place(z[0]), place(-z[1]));
        let distance = (z[0] - at(column, reach)).powi(2) + (z[1] + at(line, reach)).powi(2);
        let cell = &mut nearest[line * SIDE + column];
        if cell.is_none_or(|(least, _)| distance < least) {
            *cell = Some((distance, row));
        }
    }
    let (decoded, size) = (decoded(vae, theta, reach), height * width);
    let blank = vec![1.0; size];
    let name = |z: f32| format!("{z:.1}");
    let names = || (0..SIDE).map(|i| name(at(i, reach)));
    let mut grid =
        ImageGrid::new(title, height, width).columns(names().chain([String::new()]).chain(names()));
    let lines = nearest.chunks_exact(SIDE).zip(decoded.values.chunks_exact(SIDE * size));
    for (line, (nearest, made)) in lines.enumerate() {
        let image = |cell: &Option<(f32, usize)>| cell.map_or(&blank[..], |(_, row)| rows.row(row));
        let images: Vec<f32> = nearest.iter().flat_map(image).copied().collect();
        grid = grid.row(&name(0.0 - at(line, reach)), &[&images, &blank, made].concat());
    }
    grid
}
