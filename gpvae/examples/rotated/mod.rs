//! The parts of the example: how each method is trained, and the lecture's figure.

pub(crate) mod figure;
pub(crate) mod log;
pub(crate) mod methods;

use gpvae::Views;
use nn::Estimate;
use nn::data::Matrix;

/// The error of what needs no model: the two views next to the one wanted, blended pixel by pixel.
pub(crate) fn blend(views: &Views) -> Estimate {
    let pixels = views.images.cols;
    let mut blended = vec![0.0; views.test.len() * pixels];
    for (&row, out) in views.test.iter().zip(blended.chunks_exact_mut(pixels)) {
        for (near, share) in views.neighbours(row, &views.train) {
            out.iter_mut().zip(views.images.row(near)).for_each(|(out, &y)| *out += share * f64::from(y));
        }
    }
    Estimate::of(&views.errors(&views.test, &Matrix::new(views.test.len(), pixels, blended)))
}
