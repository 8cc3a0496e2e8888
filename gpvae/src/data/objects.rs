//! Object features X: what an object looks like, whatever the view.

use autograd::{Real, Tape};
use nn::data::Matrix;
use nn::stats::leading_eigen;

use super::Samples;
use crate::GpVaeError;

/// The features of P objects, which the kernel reads behind the numbers of the view.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ObjectFeatures {
    /// There are no objects: samples differ by their views alone.
    #[default]
    None,
    /// X (P, M), which is known.
    Given(Matrix<f64>),
    /// X (P, M), which is learned and starts at this matrix. The model has a slot `objects` of θ for it.
    Learned(Matrix<f64>),
}

impl ObjectFeatures {
    /// X as it is given or starts, (P, M), if there are objects.
    pub fn matrix(&self) -> Option<&Matrix<f64>> {
        match self {
            Self::None => None,
            Self::Given(x) | Self::Learned(x) => Some(x),
        }
    }

    /// P, the number of objects.
    pub fn objects(&self) -> usize {
        self.matrix().map_or(0, |x| x.rows)
    }
}

/// Features for objects to start at, of shape [P, M]: the M principal directions, over objects, of the objects' mean images.
///
/// The mean images are not centred. The first feature then stands for what all objects have in common, which a linear kernel
/// cannot express otherwise. Features have mean square 1/M, so that ‖x‖² is about one. An object without images has the mean
/// of the other objects' features.
///
/// # Errors
/// [`GpVaeError::Features`] if the directions cannot be computed, for instance since all images are 0.
///
/// # Panics
/// If M is 0 or larger than P, or a sample is of an object that is not below P.
#[track_caller]
pub fn principal_features<F: Real>(
    samples: &Samples<F>,
    shape: [usize; 2],
) -> Result<Matrix<f64>, GpVaeError> {
    let [p, m] = shape;
    assert!((1..=p).contains(&m), "principal_features: expected 1 to {p} features of {p} objects, found {m}");
    let MeanImages { images, counts } = MeanImages::of(samples, p);
    let tape = Tape::new();
    let y = tape.shared_constant(&images.values, [p, images.cols]);
    let directions = leading_eigen(&Matrix::new(p, p, y.matmul_t(y).to_vec()), m)?.vectors; // (M, P)

    let scale = (p as f64 / m as f64).sqrt();
    let seen: Vec<usize> = (0..p).filter(|&i| counts[i] > 0).collect();
    let mut x = vec![0.0; p * m];
    for j in 0..m {
        let direction = directions.row(j);
        let mean = seen.iter().map(|&i| direction[i]).sum::<f64>() / seen.len().max(1) as f64;
        for i in 0..p {
            x[i * m + j] = scale * if counts[i] > 0 { direction[i] } else { mean };
        }
    }
    Ok(Matrix::new(p, m, x))
}

/// The mean image of each object, and the number of its images.
struct MeanImages {
    images: Matrix<f64>,
    counts: Vec<usize>,
}

impl MeanImages {
    #[track_caller]
    fn of<F: Real>(samples: &Samples<F>, objects: usize) -> Self {
        let k = samples.images.cols;
        let (mut sums, mut counts) = (vec![0.0; objects * k], vec![0; objects]);
        for (row, &object) in samples.places.objects.iter().enumerate() {
            assert!(
                object < objects,
                "principal_features: expected objects below {objects}, found {object} in row {row}"
            );
            counts[object] += 1;
            let sum = &mut sums[object * k..][..k];
            sum.iter_mut().zip(samples.images.row(row)).for_each(|(sum, y)| *sum += y.to_f64());
        }
        for (image, &count) in sums.chunks_exact_mut(k).zip(&counts) {
            image.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
        }
        Self { images: Matrix::new(objects, k, sums), counts }
    }
}
