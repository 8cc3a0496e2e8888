//! A picture of codes by class.

use nn::data::Matrix;
use nn::picture::Figure;

use super::classes::Classes;

/// The first two dimensions of the codes of images, by class. The title says so if there are more.
pub(crate) fn codes_figure(title: &str, codes: &Matrix<f32>, labels: &[u8], classes: &Classes) -> Figure {
    let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[0]), f64::from(codes.row(i)[1])));
    let labels = labels.iter().map(|&label| usize::from(label));
    let title = match codes.cols {
        2 => title.to_owned(),
        more => format!("{title}, two of {more} dimensions"),
    };
    Figure::new(&title)
        .axes("z₁", "z₂")
        .legend(classes.kind)
        .classes(classes.names.clone(), points.zip(labels))
}
