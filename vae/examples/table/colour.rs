//! The column that colours the picture.

use std::collections::BTreeSet;

use nn::data::Table;
use nn::errln;

/// The legend of the picture has no room for more classes.
const MANY_CLASSES: usize = 20;

/// The column that colours the picture.
pub(crate) struct Colour {
    pub(crate) name: String,
    /// The cells as they were read.
    pub(crate) cells: Vec<String>,
    /// Whether cells are missing.
    missing: Vec<bool>,
    /// The cells as numbers, NaN where one is missing; none if a cell is text.
    pub(crate) numbers: Option<Vec<f64>>,
}

impl Colour {
    /// The column at this place, whose cells have these numbers.
    pub(crate) fn new(table: &Table, position: usize, column: &[f64]) -> Self {
        let rows = 0..column.len();
        let missing: Vec<bool> = rows.clone().map(|row| table.is_missing(row, position)).collect();
        let numbers = column.iter().zip(&missing).all(|(x, &missing)| !x.is_nan() || missing);
        Self {
            name: table.names[position].clone(),
            cells: rows.map(|row| table.text(row, position).to_owned()).collect(),
            missing,
            numbers: numbers.then(|| column.to_vec()),
        }
    }
}

/// A class for each row, and the names of classes.
pub(crate) struct Classes {
    pub(crate) of_rows: Vec<usize>,
    pub(crate) names: Vec<String>,
    /// Whether they have an order, as the quarters of numbers have.
    pub(crate) ordered: bool,
}

impl Classes {
    /// The column's texts, or its numbers if they are few, otherwise their quarters.
    pub(crate) fn new(colour: &Colour) -> Self {
        let mut classes = match &colour.numbers {
            Some(numbers) => Self::of_numbers(numbers),
            None => Self::of_texts(colour),
        };
        if classes.of_rows.contains(&classes.names.len()) {
            classes.names.push("missing".to_owned());
            classes.ordered = false;
        }
        classes
    }

    /// A class for each cluster, which are counted from 0.
    pub(crate) fn of_clusters(of_rows: &[usize], clusters: usize) -> Self {
        let names = (1..=clusters).map(|cluster| format!("cluster {cluster}")).collect();
        Self { of_rows: of_rows.to_vec(), names, ordered: false }
    }

    /// What is missing has the class behind the last name.
    fn of_texts(Colour { name, cells, missing, .. }: &Colour) -> Self {
        let known: BTreeSet<&String> =
            cells.iter().zip(missing).filter_map(|(cell, missing)| (!missing).then_some(cell)).collect();
        let distinct: Vec<&String> = known.into_iter().collect();
        if distinct.len() > MANY_CLASSES {
            let is_text = |cell: &&&String| !cell.parse().is_ok_and(f64::is_finite);
            let first = distinct.iter().find(is_text).map(|text| short(text)).unwrap_or_default();
            errln!(
                "column {name}: {} different texts are more than the legend has room for; if they should be numbers, \
                 correct {first:?}",
                distinct.len()
            );
        }
        let class = |cell| distinct.binary_search(&cell).unwrap_or(distinct.len());
        let names = distinct.iter().map(|text| short(text)).collect();
        Self { of_rows: cells.iter().map(class).collect(), names, ordered: false }
    }

    /// What is missing has the class behind the last name.
    fn of_numbers(column: &[f64]) -> Self {
        let mut sorted: Vec<f64> = column.iter().copied().filter(|x| !x.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let mut distinct = sorted.clone();
        distinct.dedup();
        if distinct.len() <= 10 {
            let class = |x: &f64| distinct.iter().position(|d| d == x).unwrap_or(distinct.len());
            let names = distinct.iter().map(f64::to_string).collect();
            return Self { of_rows: column.iter().map(class).collect(), names, ordered: false };
        }
        let cuts: Vec<f64> = (1..4).map(|i| sorted[i * sorted.len() / 4]).collect();
        let class = |x: &f64| if x.is_nan() { 4 } else { cuts.iter().filter(|cut| x >= *cut).count() };
        let ends = [&[sorted[0]], &cuts[..], &[sorted[sorted.len() - 1]]].concat();
        let names = ends.windows(2).map(|e| format!("{} to {}", e[0], e[1])).collect();
        Self { of_rows: column.iter().map(class).collect(), names, ordered: true }
    }
}

/// The beginning of a text: a long one would leave the picture no room beside its legend.
fn short(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
