//! What a trained model was told of its data, so that new data can be prepared in the same way.

use std::collections::HashMap;

use autograd::Real;
use serde::{Deserialize, Serialize};

use super::{Backdrop, ColumnCode, DataError, ImageOptions, Matrix, ScaleError, Standardizer, Table, Unseen};
use crate::model::{ModelFile, ModelFileError};

/// How a table becomes the numbers that a model takes: the entry `preprocessing` of a [`ModelFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// The names of the inputs, in the order in which the model takes them.
    pub inputs: Vec<String>,
    /// Whether the first row of the table named them. Otherwise they are "column 1", "column 2" ….
    pub header: bool,
    /// The texts of a missing value.
    pub missing: Vec<String>,
    /// The largest count, if the inputs are counts.
    pub counts: Option<f64>,
    /// To the units of the model, unless numbers stay as they are.
    pub scaling: Option<Standardizer>,
    /// The smallest and the largest number of each input in the rows to train on.
    pub ranges: Vec<[f64; 2]>,
    /// The column that is predicted, and its scaling.
    pub target: Option<Target>,
    /// A column that the model does not see, and that goes with the rows: it colours a picture.
    pub colour: Option<String>,
    /// What the cells of each input are, and its classes; empty if all are numbers. Ranges are those of
    /// [coded](Table::coded) cells, and scaling is that of the numbers that the model takes, of which a category has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<ColumnCode>,
    /// What the model is given for a class that is not among them.
    #[serde(default)]
    pub unseen: Unseen,
}

/// The column that a model predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// From the units of the model, with a mean and a deviation.
    pub scaling: Standardizer,
}

impl Preprocessing {
    /// The name of the entry in a [`ModelFile`].
    pub const ENTRY: &str = "preprocessing";

    /// That of these inputs, of which these rows train the model. It neither scales nor predicts anything, and takes all for numbers: of
    /// a [coded](Table::coded) table set `codes`, too.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn new(inputs: &Table, train: &[usize]) -> Self {
        let range = |j: usize| {
            let column = train.iter().map(|&i| inputs.values.row(i)[j]);
            let ends = [f64::INFINITY, f64::NEG_INFINITY];
            match column.fold(ends, |[low, high], x| [low.min(x), high.max(x)]) {
                // Where nothing is known, nothing is outside.
                [low, high] if low > high => [f64::MIN, f64::MAX],
                range => range,
            }
        };
        Self {
            inputs: inputs.names.clone(),
            header: inputs.has_header(),
            missing: inputs.marks().to_vec(),
            counts: None,
            scaling: None,
            ranges: (0..inputs.names.len()).map(range).collect(),
            target: None,
            colour: None,
            codes: Vec::new(),
            unseen: Unseen::default(),
        }
    }

    /// The entry of a file, for a model of so many inputs.
    ///
    /// # Errors
    /// [`ModelFileError::Entry`] if it is not there, as in a model of images, or does not fit.
    pub fn of_file(file: &ModelFile, inputs: usize) -> Result<Self, ModelFileError> {
        let entry: Self = file.get(Self::ENTRY)?;
        let fits = |scaling: &Standardizer, columns: usize| {
            let numbers = scaling.mean.iter().chain(&scaling.sd);
            [scaling.mean.len(), scaling.sd.len()] == [columns; 2]
                && numbers.into_iter().all(|x| x.is_finite())
                && scaling.sd.iter().all(|sd| *sd > 0.0)
        };
        let sound = entry.width() == inputs
            && entry.ranges.len() == entry.inputs.len()
            && (entry.codes.is_empty() || entry.codes.len() == entry.inputs.len())
            && entry.scaling.as_ref().is_none_or(|scaling| fits(scaling, inputs))
            && entry.target.as_ref().is_none_or(|target| fits(&target.scaling, 1));
        match sound {
            true => Ok(entry),
            false => {
                Err(file.fault(Self::ENTRY, &format!("expected names, ranges and scales of {inputs} inputs")))
            }
        }
    }

    /// The numbers that the model takes for a row.
    pub fn width(&self) -> usize {
        if self.codes.is_empty() { self.inputs.len() } else { ColumnCode::width_of(&self.codes) }
    }

    /// The names of the inputs that may hold text: those of classes.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.inputs.iter().zip(&self.codes).filter(|(_, code)| code.kind.is_of_classes());
        texts.map(|(name, _)| name.clone()).collect()
    }

    /// The columns of a table that are the inputs, in the model's order, [coded](Table::coded) where they are of classes.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] if one is not there; [`DataError::Cell`] for a cell that cannot be of its kind.
    pub fn inputs_of(&self, table: &Table) -> Result<Table, DataError> {
        let places: HashMap<&String, usize> = table.names.iter().zip(0..).collect();
        let position = |name: &String| places.get(name).map_or_else(|| table.position(name), |&j| Ok(j));
        let positions: Result<Vec<usize>, _> = self.inputs.iter().map(position).collect();
        let inputs = table.columns(&positions?);
        if self.codes.is_empty() { Ok(inputs) } else { inputs.coded(&self.codes) }
    }

    /// The cells of a table of inputs, as [`inputs_of`](Self::inputs_of) makes it, that name no class of the training: row and input, from
    /// 0 on.
    pub fn unseen_in<'a>(&'a self, inputs: &'a Table) -> impl Iterator<Item = (usize, usize)> + 'a {
        let cells = inputs
            .values
            .values
            .iter()
            .enumerate()
            .map(|(at, x)| (at / inputs.values.cols, at % inputs.values.cols, x));
        let is_unseen = |&(_, j, x): &(usize, usize, &f64)| {
            self.codes.get(j).is_some_and(|code| code.kind.is_of_classes() && *x >= code.classes.len() as f64)
        };
        cells.filter(is_unseen).map(|(row, input, _)| (row, input))
    }

    /// The numbers that the model takes, from those of a table of its inputs, as [`inputs_of`](Self::inputs_of) makes it. NaN, which is a
    /// missing value, stays as it is.
    ///
    /// # Errors
    /// [`DataError::Cell`] for a cell that is no count where counts are expected, or too far from the rows to train on.
    pub fn apply<F: Real>(&self, inputs: &Table) -> Result<Matrix<F>, DataError> {
        if let Some(most) = self.counts {
            inputs.check_counts(most, "correct the cell: the model was trained on counts")?;
        }
        let expanded =
            (!self.codes.is_empty()).then(|| ColumnCode::expand(&self.codes, &inputs.values, self.unseen));
        let values = expanded.as_ref().unwrap_or(&inputs.values);
        match &self.scaling {
            Some(scaling) => scaling.narrow(values).map_err(|error| match self.codes[..] {
                [] => inputs.locate(&error),
                _ => inputs.locate(&error.in_column(|number| self.input_of(number))),
            }),
            None => Ok(values.map(F::from_f64)),
        }
    }

    /// The input to which a number of the model belongs.
    fn input_of(&self, number: usize) -> usize {
        let mut end = 0;
        let is_before = |code: &&ColumnCode| {
            end += code.width();
            end <= number
        };
        self.codes.iter().take_while(is_before).count()
    }

    /// The inputs that lie outside the range of the rows to train on, by name: there a model extrapolates. `row` are numbers of
    /// the inputs in the table's units.
    ///
    /// # Panics
    /// If there are not as many numbers as inputs.
    #[track_caller]
    pub fn outside(&self, row: &[f64]) -> Vec<&str> {
        let (expected, found) = (self.inputs.len(), row.len());
        assert!(expected == found, "outside: expected {expected} numbers, found {found}");
        let columns = self.inputs.iter().zip(&self.ranges).zip(row);
        let beyond = columns.filter(|((_, [low, high]), x)| **x < *low || **x > *high);
        beyond.map(|((name, _), _)| name.as_str()).collect()
    }
}

impl Target {
    /// The column `name` with these numbers, of which these rows train the model.
    ///
    /// # Errors
    /// As [`Standardizer::fit`].
    ///
    /// # Panics
    /// As [`Standardizer::fit`].
    #[track_caller]
    pub fn fit(name: &str, column: &Matrix<f64>, train: &[usize]) -> Result<Self, ScaleError> {
        Ok(Self { name: name.to_owned(), scaling: Standardizer::fit(column, train)? })
    }
}

/// What the pixels of a model of images are: the entry `images` of a [`ModelFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageFormat {
    /// The number of rows of pixels in an image.
    pub height: usize,
    /// The number of columns of pixels in an image.
    pub width: usize,
    /// The grey values of black and white.
    pub range: [f64; 2],
    /// Whether light and dark were exchanged.
    #[serde(default)]
    pub invert: bool,
    /// What transparent pixels lay over.
    #[serde(default)]
    pub backdrop: Backdrop,
}

impl ImageFormat {
    /// The name of the entry in a [`ModelFile`].
    pub const ENTRY: &str = "images";

    /// Images of this size, with grey values from 0, black, to 1, white.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, range: [0.0, 1.0], invert: false, backdrop: Backdrop::default() }
    }

    /// How to read files as images of this format.
    pub fn options(&self) -> ImageOptions {
        let Self { height, width, invert, backdrop, .. } = *self;
        ImageOptions { size: Some([height, width]), invert, backdrop, skip_damaged: false }
    }

    /// The entry of a file, for a model of so many pixels.
    ///
    /// # Errors
    /// [`ModelFileError::Entry`] if it is not there, as in a model of a table, or does not fit.
    pub fn of_file(file: &ModelFile, pixels: usize) -> Result<Self, ModelFileError> {
        let entry: Self = file.get(Self::ENTRY)?;
        if entry.height.checked_mul(entry.width) != Some(pixels) {
            return Err(file.fault(Self::ENTRY, &format!("expected images of {pixels} pixels")));
        }
        let [black, white] = entry.range;
        if !(0.0 <= black && black < white && white <= 1.0) {
            let reason = format!("expected grey values from 0 to 1, found the range {:?}", entry.range);
            return Err(file.fault(Self::ENTRY, &reason));
        }
        Ok(entry)
    }

    /// Images with black at 0 and white at 1, as readers give them, in the grey values of the model.
    pub fn apply(&self, images: Matrix<f32>) -> Matrix<f32> {
        let [black, white] = self.range;
        match self.range == [0.0, 1.0] {
            true => images,
            false => images.map(|grey| (black + (white - black) * f64::from(grey)) as f32),
        }
    }
}
