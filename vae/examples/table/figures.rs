//! The pictures of a table.

use nn::data::{Matrix, ScaleError, Standardizer};
use nn::picture::Figure;

use crate::colour::Classes;

/// The two dimensions in which the codes vary most.
pub(crate) fn widest(codes: &Matrix<f32>) -> Result<[usize; 2], ScaleError> {
    let spread = Standardizer::fit(&codes.map(f64::from), &(0..codes.rows).collect::<Vec<_>>())?.sd;
    let mut widest: Vec<usize> = (0..codes.cols).collect();
    widest.sort_by(|&a, &b| spread[b].total_cmp(&spread[a]));
    Ok([widest[0].min(widest[1]), widest[0].max(widest[1])])
}

/// The codes in two of their dimensions.
pub(crate) fn latent_figure(
    codes: &Matrix<f32>,
    [x, y]: [usize; 2],
    classes: &Classes,
    heading: &str,
) -> Figure {
    let points = (0..codes.rows).map(|i| (f64::from(codes.row(i)[x]), f64::from(codes.row(i)[y])));
    let title = match codes.cols {
        2 => "Latent space: means of q(z|x) of the rows".to_owned(),
        more => format!("Means of q(z|x) of the rows, two of {more} dimensions"),
    };
    let figure = Figure::new(&title).axes(&subscript('z', x + 1), &subscript('z', y + 1)).legend(heading);
    let (names, points) = (classes.names.iter(), points.zip(classes.of_rows.iter().copied()));
    if classes.ordered { figure.ordered_classes(names, points) } else { figure.classes(names, points) }
}

/// A letter with a number below it.
fn subscript(letter: char, number: usize) -> String {
    let below = |digit: char| char::from_u32(0x2080 + digit.to_digit(10)?);
    std::iter::once(letter).chain(number.to_string().chars().filter_map(below)).collect()
}

pub(crate) fn histogram(scores: impl Iterator<Item = f64> + Clone) -> Figure {
    const BINS: usize = 40;
    let (low, high) = scores
        .clone()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (score.min(low), score.max(high)));
    let width = ((high - low) / BINS as f64).max(1e-9);
    let mut counts = [0.0; BINS];
    scores.for_each(|score| counts[(((score - low) / width) as usize).min(BINS - 1)] += 1.0);
    Figure::new("Anomaly scores").axes("−log p(x) per observed cell, nats", "rows").bars(
        "rows",
        width,
        counts.iter().enumerate().map(|(i, count)| (low + (i as f64 + 0.5) * width, *count)),
    )
}
