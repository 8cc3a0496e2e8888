//! The table as the model sees it, and how well its gaps are filled.

use std::ops::Range;
use std::sync::Arc;

use nn::data::{
    ColumnCode, ColumnKind, Matrix, Preprocessing, ScaleError, Standardizer, Table, Unseen, hide,
};
use nn::errln;
use nn::run::TextTable;
use nn::stats::fill_by_neighbours;
use vae::Vae;
use vae::linear::{Em, NormalModel};

use crate::Args;
use crate::rows::{imputation, restored};
use crate::source::Read;

/// The covariance of more numbers takes more memory and time than the rest.
const MOST_COLUMNS: usize = 1000;
/// The distances of more rows take more time than the rest.
const MOST_ROWS: usize = 5000;
/// Of these numbers of neighbours the one is taken that fills known cells best.
const NEIGHBOURS: [usize; 6] = [1, 2, 5, 10, 20, 50];

/// The table as the model sees it.
pub(crate) struct Cells {
    pub(crate) codes: Vec<ColumnCode>,
    /// All cells as numbers of the table's units, several for a category; NaN where one is missing.
    numbers: Matrix<f64>,
    /// All cells, in the model's units.
    pub(crate) x: Matrix<f32>,
    /// The cells that are hidden from the model, to tell how well gaps are filled.
    pub(crate) hidden: Vec<usize>,
    /// x without the hidden cells.
    pub(crate) holed: Matrix<f32>,
    /// To the model's units, which are the table's but for normal columns, with the ranges of the cells that are not hidden.
    pub(crate) preprocessing: Preprocessing,
    /// The spread of all cells of a column, the unit of errors.
    spread: Vec<f64>,
}

/// The numbers of column `column` among those of a row.
fn places(codes: &[ColumnCode], column: usize) -> Range<usize> {
    let first = ColumnCode::width_of(&codes[..column]);
    first..first + codes[column].width()
}

/// Cells (N, columns) without those of these indices, as numbers.
fn without(codes: &[ColumnCode], cells: &Matrix<f64>, hidden: &[usize]) -> Matrix<f64> {
    let mut seen = cells.values.to_vec();
    hidden.iter().for_each(|&cell| seen[cell] = f64::NAN);
    ColumnCode::expand(codes, &Matrix::new(cells.rows, cells.cols, seen), Unseen::Missing)
}

impl Cells {
    pub(crate) fn new(args: &Args, Read { coded, codes, .. }: &Read) -> anyhow::Result<Self> {
        let cells = &coded.values;
        let known = cells.values.iter().filter(|x| !x.is_nan()).count();
        let hidden = hide(cells, known.div_ceil(10), 1, args.run.seed);
        anyhow::ensure!(
            !hidden.is_empty(),
            "expected a column with more than one known cell, found none; add rows or fill in cells"
        );
        let all: Vec<usize> = (0..cells.rows).collect();
        let column_of: Vec<usize> =
            (0..codes.len()).flat_map(|column| places(codes, column).map(move |_| column)).collect();
        let refused = |error: ScaleError| coded.locate(&error.in_column(|number| column_of[number]));
        let [numbers, visible] = [&[][..], &hidden[..]].map(|hidden| without(codes, cells, hidden));
        let visible_scaling = Standardizer::fit(&visible, &all).map_err(refused)?;
        for &j in visible_scaling.constant_columns() {
            if codes[column_of[j]].width() == 1 {
                let place = coded.describe(column_of[j]);
                errln!("note: {place}: the same in all rows, which tells a model nothing");
            }
        }
        let scaling = visible_scaling.leaving(|j| codes[column_of[j]].kind != ColumnKind::Normal);
        let mut seen = cells.values.to_vec();
        hidden.iter().for_each(|&cell| seen[cell] = f64::NAN);
        let ranges = (0..codes.len()).map(|column| {
            let known = seen.iter().skip(column).step_by(codes.len()).filter(|x| !x.is_nan());
            known.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)])
        });
        let preprocessing = Preprocessing {
            codes: codes.clone(),
            ranges: ranges.collect(),
            scaling: Some(scaling.clone()),
            ..Preprocessing::new(coded, &all)
        };
        let [x, holed] = [&numbers, &visible].map(|numbers| scaling.narrow(numbers).map_err(refused));
        let spread = Standardizer::fit(&numbers, &all).map_err(refused)?.sd;
        Ok(Self { codes: codes.clone(), numbers, x: x?, hidden, holed: holed?, preprocessing, spread })
    }

    /// What prepares new rows as these were.
    pub(crate) fn preprocessing(&self, table: &Table, colour: Option<&str>) -> Preprocessing {
        Preprocessing {
            colour: colour.map(str::to_owned),
            ranges: Preprocessing::new(table, &(0..table.values.rows).collect::<Vec<_>>()).ranges,
            ..self.preprocessing.clone()
        }
    }

    /// Rows x in the model's units without these cells, which are counted row by row.
    pub(crate) fn without(&self, x: &Matrix<f32>, cells: &[usize]) -> Matrix<f32> {
        let mut holed = x.values.to_vec();
        for &cell in cells {
            let (row, column) = (cell / self.codes.len(), cell % self.codes.len());
            places(&self.codes, column).for_each(|j| holed[row * x.cols + j] = f32::NAN);
        }
        Matrix::new(x.rows, x.cols, holed)
    }

    /// How well hidden cells are filled.
    pub(crate) fn errors(&self, args: &Args, vae: &Vae, theta: &Arc<Vec<f32>>) -> Errors {
        let seen = restored(&self.preprocessing, &self.holed);
        let units = self.units(&seen);
        let filled = vae.impute(theta, &self.holed, imputation(args.samples), args.run.seed);
        let filled = restored(&self.preprocessing, &filled);
        let scaled = units.apply(&seen);
        let by_normal = by_normal(args, &scaled).map(|filled| units.invert(&filled));
        let by_neighbours = self.by_neighbours(args, &seen);
        let mut ways = vec![Way::new(self, "mean", "mean or mode of the column", &means(&seen))];
        ways.extend(
            by_normal
                .map(|filled| Way::new(self, "normal", "one normal distribution of all columns", &filled)),
        );
        ways.extend(by_neighbours.map(|(k, filled)| {
            Way::new(self, "neighbours", &format!("nearest neighbours, {k} of them"), &filled)
        }));
        ways.push(Way::new(self, "hidden", "the model", &filled));
        Errors(ways)
    }

    /// The units in which quantities have mean 0 and deviation 1; classes stay as they are.
    fn units(&self, seen: &Matrix<f64>) -> Standardizer {
        let all: Vec<usize> = (0..seen.rows).collect();
        Standardizer::fit(seen, &all).expect("it was fitted before")
    }

    /// The cells filled by nearest neighbours, of which so many fill other known cells best.
    fn by_neighbours(&self, args: &Args, seen: &Matrix<f64>) -> Option<(usize, Matrix<f64>)> {
        if seen.rows > MOST_ROWS {
            errln!("no comparison with nearest neighbours: it is for up to {MOST_ROWS} rows");
            return None;
        }
        // A category counts for as much as a quantity: two that differ, differ by 2.
        let is_class = |j: usize| {
            let column = (0..self.codes.len()).find(|&column| places(&self.codes, column).contains(&j));
            column.is_some_and(|column| self.codes[column].kind.is_of_classes())
        };
        let units = self.units(seen).leaving(is_class);
        let tried = &NEIGHBOURS[..if args.run.dry_run { 1 } else { NEIGHBOURS.len() }];
        let cells = self.first_numbers(seen);
        let spared = hide(&cells, cells.values.len().div_ceil(10), 1, !args.run.seed);
        let mut fewer = seen.values.to_vec();
        for &cell in &spared {
            let (row, column) = (cell / cells.cols, cell % cells.cols);
            places(&self.codes, column).for_each(|j| fewer[row * seen.cols + j] = f64::NAN);
        }
        let fewer = units.apply(&Matrix::new(seen.rows, seen.cols, fewer));
        let error = |filled: &Matrix<f64>| self.score(&units.invert(filled), seen, &spared);
        let errors: Vec<f64> = fill_by_neighbours(&fewer, tried).iter().map(error).collect();
        let best = (0..tried.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b]))?;
        let filled = fill_by_neighbours(&units.apply(seen), &tried[best..=best]);
        Some((tried[best], units.invert(&filled[0])))
    }

    /// The first number of each cell, which is NaN if the cell is missing.
    pub(crate) fn first_numbers(&self, numbers: &Matrix<f64>) -> Matrix<f64> {
        let firsts: Vec<usize> =
            (0..self.codes.len()).map(|column| places(&self.codes, column).start).collect();
        numbers.columns(&firsts)
    }

    /// How far these cells are from the truth (both in the table's units): the mean over cells of Σ (x − truth)² over the numbers of a
    /// cell, divided by the variance of these numbers. It is 1 where all are filled with the mean of the column.
    pub(crate) fn score(&self, filled: &Matrix<f64>, truth: &Matrix<f64>, cells: &[usize]) -> f64 {
        let mut sum = 0.0;
        for &cell in cells {
            let (row, column) = (cell / self.codes.len(), cell % self.codes.len());
            let places = places(&self.codes, column);
            let square = |j: usize| (filled.row(row)[j] - truth.row(row)[j]).powi(2);
            let variance: f64 = places.clone().map(|j| self.spread[j].powi(2)).sum();
            sum += places.map(square).sum::<f64>() / variance;
        }
        sum / cells.len().max(1) as f64
    }
}

/// A way to fill cells, and how well it filled the hidden ones.
pub(crate) struct Way {
    /// The end of the names of its results.
    key: &'static str,
    name: String,
    /// The root mean square error of quantities, in standard deviations of their columns; NaN without quantities.
    pub(crate) rmse: f64,
    /// The share of classes that are wrong; NaN without classes.
    pub(crate) wrong: f64,
}

impl Way {
    fn new(cells: &Cells, key: &'static str, name: &str, filled: &Matrix<f64>) -> Self {
        let Cells { codes, numbers, hidden, spread, .. } = cells;
        let (mut squares, mut quantities, mut mistakes, mut classes) = (0.0, 0.0, 0.0, 0.0);
        for cell in hidden {
            let (row, column) = (cell / codes.len(), cell % codes.len());
            let places = places(codes, column);
            let [found, truth] = [filled, numbers].map(|numbers| &numbers.row(row)[places.clone()]);
            match [found, truth].map(|numbers| codes[column].likeliest(numbers)) {
                [Some(found), Some(truth)] => {
                    (mistakes, classes) = (mistakes + f64::from(u8::from(found != truth)), classes + 1.0);
                }
                _ => {
                    let error = (found[0] - truth[0]) / spread[places.start];
                    (squares, quantities) = (squares + error * error, quantities + 1.0);
                }
            }
        }
        let (rmse, wrong) = ((squares / quantities).sqrt(), mistakes / classes);
        Self { key, name: name.to_owned(), rmse, wrong }
    }
}

const SD: &str = "standard deviations of the column";

/// What the results are.
pub(crate) const LABELS: [(&str, &str, &str); 8] = [
    ("rmse_hidden", "error of hidden quantities that the model fills in, root mean square", SD),
    ("rmse_mean", "error of hidden quantities filled in with the mean of the column, root mean square", SD),
    ("rmse_normal", "error of hidden quantities filled in by one normal distribution, root mean square", SD),
    ("rmse_neighbours", "error of hidden quantities filled in by nearest neighbours, root mean square", SD),
    ("wrong_hidden", "hidden classes that the model fills in wrongly", "share"),
    ("wrong_mean", "hidden classes that are not the most frequent one of the column", "share"),
    ("wrong_normal", "hidden classes that one normal distribution fills in wrongly", "share"),
    ("wrong_neighbours", "hidden classes that nearest neighbours fill in wrongly", "share"),
];

/// How well the hidden cells are filled in several ways, of which the last one is the model.
pub(crate) struct Errors(Vec<Way>);

impl Errors {
    pub(crate) fn results(&self) -> Vec<(String, f64)> {
        let of =
            |way: &Way| [(format!("rmse_{}", way.key), way.rmse), (format!("wrong_{}", way.key), way.wrong)];
        self.0.iter().flat_map(of).filter(|(_, value)| value.is_finite()).collect()
    }

    /// What was found, in words.
    pub(crate) fn found(&self) -> String {
        let [model, others] = [&self.0[self.0.len() - 1..], &self.0[..self.0.len() - 1]];
        let say = |of: fn(&Way) -> f64, what: &str, unit: &str| {
            let found = of(&model[0]);
            if found.is_nan() {
                return String::new();
            }
            let others = others.iter().map(|way| format!("{:.2} by {}", of(way), way.name));
            let best = self.0.iter().all(|way| of(way) >= found);
            let which = if best { "best" } else { "not the best" };
            format!(
                "{what} {found:.2}{unit} by the model, {}: the model is {which} here. ",
                others.collect::<Vec<_>>().join(", ")
            )
        };
        say(
            |way| way.rmse,
            "A hidden quantity that is filled in from the rest of its row is missed by",
            " standard deviations of its column (root mean square)",
        ) + &say(|way| way.wrong, "The share of hidden classes that are filled in wrongly is", "")
    }

    pub(crate) fn table(&self) -> TextTable {
        let cell = |x: f64| if x.is_nan() { "-".to_owned() } else { format!("{x:.3}") };
        let mut table = TextTable::new().header(["hidden cells filled by", "quantities", "classes"]);
        for way in &self.0 {
            table.row([way.name.clone(), cell(way.rmse), cell(way.wrong)]);
        }
        table
    }
}

/// The cells filled with the means of their columns; of the indicators of a class these are its shares.
fn means(seen: &Matrix<f64>) -> Matrix<f64> {
    let all: Vec<usize> = (0..seen.rows).collect();
    let mean = Standardizer::fit(seen, &all).expect("it was fitted before").mean;
    let filled = |(at, x): (usize, &f64)| if x.is_nan() { mean[at % seen.cols] } else { *x };
    Matrix::new(seen.rows, seen.cols, seen.values.iter().enumerate().map(filled).collect())
}

/// The cells, those that are missing filled with their conditional mean under one normal distribution.
fn by_normal(args: &Args, seen: &Matrix<f64>) -> Option<Matrix<f64>> {
    if seen.cols > MOST_COLUMNS {
        errln!("no comparison with a normal distribution: it is for up to {MOST_COLUMNS} columns");
        return None;
    }
    normal(args, seen)
        .and_then(|model| model.impute(seen))
        .inspect_err(|error| errln!("no comparison with a normal distribution: {error}"))
        .ok()
}

/// One normal distribution of rows with gaps, by EM.
pub(crate) fn normal(args: &Args, seen: &Matrix<f64>) -> Result<NormalModel, vae::linear::LinearError> {
    let em = Em { rounds: if args.run.dry_run { 2 } else { 1000 }, tolerance: 1e-7 };
    // A prior that counts for one row keeps the covariance positive definite whatever the table.
    Ok(NormalModel::fit(seen, 1.0, em)?.model)
}
