//! What a model says of the rows of a table, as `rows.csv` and `imputed.csv` have it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use nn::data::{ColumnCode, ColumnKind, Matrix, NewCell, Preprocessing, Table};
use nn::run::{Csv, single};
use vae::{Imputation, RowBound, RowSeed, Vae};

/// What a model says of rows of a table.
pub(crate) struct Rows {
    pub(crate) codes: Matrix<f32>,
    pub(crate) bounds: Vec<RowBound>,
    /// The number of observed cells.
    pub(crate) observed: Vec<usize>,
}

impl Rows {
    /// Of rows x in the model's units, by so many draws of z for each.
    pub(crate) fn new(
        vae: &Vae,
        theta: &Arc<Vec<f32>>,
        x: &Matrix<f32>,
        preprocessing: &Preprocessing,
        samples: usize,
        seed: RowSeed,
    ) -> Self {
        let firsts: Vec<usize> = places(preprocessing).map(|places| places.start).collect();
        Self {
            codes: vae.encode_rows(theta, x).mu,
            bounds: vae.k_sample_bound_of_rows(theta, x, samples, seed),
            observed: (0..x.rows)
                .map(|i| firsts.iter().filter(|&&first| !x.row(i)[first].is_nan()).count())
                .collect(),
        }
    }

    /// −log p(x) of a row, from the K-sample bound.
    pub(crate) fn score(&self, row: usize) -> f64 {
        -self.bounds[row].value
    }

    /// The score per observed cell; none of a row without any. A score has a term for each observed cell: as it is, it does not
    /// compare rows with gaps to rows without.
    pub(crate) fn per_cell(&self, row: usize) -> Option<f64> {
        let observed = self.observed[row];
        (observed > 0).then(|| self.score(row) / observed as f64)
    }

    /// `rows.csv`, without rows.
    pub(crate) fn csv(latent: usize, colour: Option<&str>) -> Csv {
        let names = (1..=latent).map(|j| format!("z{j}"));
        let names = ["row".to_owned()].into_iter().chain(names);
        let names = names.chain(["cluster", "score", "observed", "outside"].map(str::to_owned));
        Csv::new(names.chain(colour.map(str::to_owned)))
    }

    /// Adds these rows, of which the first has this number from 0 on. `outside` says which inputs lie outside the range of the rows to
    /// train on.
    pub(crate) fn write<'c>(
        &self,
        csv: &mut Csv,
        first: usize,
        clusters: &[usize],
        mut outside: impl FnMut(usize) -> String,
        colour: Option<impl Fn(usize) -> &'c str>,
    ) {
        for (i, &cluster) in clusters.iter().enumerate() {
            let row = [(first + i + 1).to_string()];
            let cells = row.into_iter().chain(self.codes.row(i).iter().map(f32::to_string));
            let cells = cells.chain([(cluster + 1).to_string(), single(self.score(i)).to_string()]);
            let cells = cells.chain([self.observed[i].to_string(), outside(i)]);
            csv.row(cells.chain(colour.as_ref().map(|colour| colour(i).to_owned())));
        }
    }
}

/// The numbers of the model that stand for each input.
fn places(preprocessing: &Preprocessing) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    (0..preprocessing.inputs.len()).map(move |input| {
        let first = end;
        end += preprocessing.codes.get(input).map_or(1, ColumnCode::width);
        first..end
    })
}

/// Filled rows in the table's units. Positive numbers and counts are not above the largest one to train on: their means are exponential
/// functions, which a row far from all others may take anywhere.
pub(crate) fn restored(preprocessing: &Preprocessing, filled: &Matrix<f32>) -> Matrix<f64> {
    let filled = filled.map(f64::from);
    let filled =
        preprocessing.scaling.as_ref().map_or_else(|| filled.clone(), |scaling| scaling.invert(&filled));
    let mut largest = vec![f64::INFINITY; filled.cols];
    for ((code, places), range) in
        preprocessing.codes.iter().zip(places(preprocessing)).zip(&preprocessing.ranges)
    {
        if matches!(code.kind, ColumnKind::LogNormal | ColumnKind::Count) {
            largest[places.start] = range[1];
        }
    }
    let cells = filled.values.iter().zip(largest.iter().cycle());
    Matrix::new(filled.rows, filled.cols, cells.map(|(x, most)| if x > most { *most } else { *x }).collect())
}

/// What the gaps of a table that has the inputs of a model among its columns are filled with, numbers and the names of classes: see
/// [`Table::write_cells`]. `filled` are its rows in the model's units.
pub(crate) fn gaps<'a>(
    table: &'a Table,
    preprocessing: &'a Preprocessing,
    filled: &Matrix<f32>,
) -> impl Fn(usize, usize) -> Option<NewCell<'a>> {
    let filled = restored(preprocessing, filled);
    let inputs: HashMap<&String, (usize, Range<usize>)> =
        preprocessing.inputs.iter().zip(places(preprocessing).enumerate()).collect();
    let seen: Vec<Option<(usize, Range<usize>)>> =
        table.names.iter().map(|name| inputs.get(name).cloned()).collect();
    move |row, column| {
        let (input, places) = seen[column].clone().filter(|_| table.is_missing(row, column))?;
        let numbers = &filled.row(row)[places];
        let class =
            preprocessing.codes.get(input).and_then(|code| Some(&code.classes[code.likeliest(numbers)?]));
        Some(class.map_or_else(|| NewCell::Number(single(numbers[0])), |class| NewCell::Text(class)))
    }
}

/// How gaps are filled, and rows scored: by so many draws of z.
pub(crate) fn imputation(samples: usize) -> Imputation {
    Imputation::Importance { samples }
}

/// The tensor with the mean of the codes of each cluster in the file of a model, (clusters, latent).
pub(crate) const CENTRES: &str = "clusters";
