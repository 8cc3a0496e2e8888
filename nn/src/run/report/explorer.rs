//! Parts of a report that can be moved. The page computes what they show from the numbers here; `plane.js` and `chart.js` are the
//! other half.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::data::Matrix;

/// A part of the report that can be moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Explorer {
    /// A latent space, and what a decoder makes of its points.
    Plane(Plane),
    /// A latent space of a table's rows, and what a decoder makes of its points.
    Table(TablePlane),
    /// One thing after another, chosen by a slider.
    Frames(Frames),
    /// A chart whose parts are switched on and off, and which zooms.
    Curves(Curves),
}

/// A latent space with the codes of images, and a decoder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plane {
    /// What it shows.
    pub title: String,
    /// The height and width of an image, in pixels.
    pub size: [usize; 2],
    /// From a point to an image.
    pub decoder: Decoder,
    /// The names of what the decoder is told besides the point, one of them at a time; empty if nothing.
    pub conditions: Vec<String>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The class of each image.
    pub labels: Vec<usize>,
    /// The images with grey values from 0 to 1, one a row.
    #[serde(serialize_with = "grey")]
    pub images: Matrix<f32>,
    /// The codes of the images, (N, L).
    #[serde(serialize_with = "numbers")]
    pub codes: Matrix<f32>,
    /// Points as the decoder takes them, with their conditions: what the page is checked at.
    #[serde(serialize_with = "numbers")]
    pub check_points: Matrix<f32>,
    /// The images that the model itself makes of these points.
    #[serde(rename = "check_decoded", serialize_with = "numbers")]
    pub check_images: Matrix<f32>,
}

/// A latent space with the codes of a table's rows, and a decoder. Rows are in the model's units, in which the decoder computes:
/// in those of its column a number x is `shift + scale · x`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TablePlane {
    /// What it shows.
    pub title: String,
    /// From a point to a row: [`Decoder::Network`].
    pub decoder: Decoder,
    /// The two dimensions of the first look, counted from 0.
    pub axes: [usize; 2],
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Whether the classes have an order.
    pub ordered: bool,
    /// The class of each row.
    pub labels: Vec<usize>,
    /// The columns, whose numbers lie side by side in a row.
    pub columns: Vec<TableColumn>,
    /// Of each number of a row.
    pub shift: Vec<f64>,
    /// Of each number of a row.
    pub scale: Vec<f64>,
    /// The rows, NaN where a cell is missing.
    #[serde(serialize_with = "numbers")]
    pub observed: Matrix<f32>,
    /// The rows with their gaps filled in.
    #[serde(serialize_with = "numbers")]
    pub filled: Matrix<f32>,
    /// How strange each row is: −log p(x) per observed cell, in nats; none of a row without any.
    pub scores: Vec<Option<f64>>,
    /// The codes of the rows, (N, L).
    #[serde(serialize_with = "numbers")]
    pub codes: Matrix<f32>,
    /// Points at which the page is checked.
    #[serde(serialize_with = "numbers")]
    pub check_points: Matrix<f32>,
    /// The rows that the model itself makes of these points.
    #[serde(rename = "check_decoded", serialize_with = "numbers")]
    pub check_rows: Matrix<f32>,
}

/// A column of a table, and how the page writes its cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// The classes, of an answer no and yes: the page tells the most probable one. None of a quantity, which is told as a number.
    pub classes: Vec<String>,
    /// Whether the page tells the probability of the last of two classes, whichever is the most probable.
    pub is_answer: bool,
    /// How many numbers of a row it takes: the probabilities of its classes, or 1, which is a quantity or the probability of the last of
    /// two classes.
    pub numbers: usize,
}

/// From a point of a latent space to an image, or to a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Decoder {
    /// Dense layers, which the page computes.
    Network {
        /// The layers.
        layers: Vec<Dense>,
        /// Of each layer the weights (inputs, outputs), row after row, and the biases.
        #[serde(serialize_with = "floats")]
        weights: Vec<f32>,
    },
    /// Images that were computed beforehand, at the nodes of a square grid over the first two dimensions.
    Grid {
        /// The number of nodes along a side.
        side: usize,
        /// The grid goes from −reach to reach.
        reach: f32,
        /// The images, z₁ first.
        #[serde(serialize_with = "grey")]
        images: Matrix<f32>,
    },
}

/// A dense layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dense {
    /// The numbers that it takes.
    pub inputs: usize,
    /// The numbers that it computes, side by side.
    pub outputs: Vec<Outputs>,
    /// Whether it also takes, behind what the layer before it computes, what the first layer takes.
    pub takes_point: bool,
}

/// Neighbouring numbers that a layer computes, with an activation of their own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outputs {
    /// How many there are.
    pub count: usize,
    /// Their activation: `identity`, `relu`, `leaky_relu`, `elu`, `tanh`, `sigmoid`, `softplus`, `exp`, `bounded_exp`, which is
    /// exp(15 tanh(x / 15)), or `softmax` over them.
    pub phi: &'static str,
}

/// Scenes, of which a slider chooses one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frames {
    /// What they show.
    pub title: String,
    /// What the slider changes.
    pub slider: String,
    /// The scenes from the slider's left to its right.
    pub positions: Vec<Position>,
    /// The position of the first look.
    pub start: usize,
}

/// A position of a slider.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Position {
    /// Its value, as text.
    pub name: String,
    /// Whether it is marked, as what the model has not seen.
    pub marked: bool,
    /// What is said of it.
    pub text: String,
    /// What is shown.
    pub scene: Scene,
}

/// What a position of a slider shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// Rows of images.
    Images {
        /// The height and width of an image, in pixels.
        size: [usize; 2],
        /// The names of the rows.
        rows: Vec<String>,
        /// The images, row after row.
        #[serde(serialize_with = "grey")]
        images: Matrix<f32>,
    },
    /// A chart.
    Curves(Curves),
}

/// A chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// What it shows.
    pub title: String,
    /// The labels of the axes.
    pub labels: [String; 2],
    /// What is drawn, later ones on top.
    pub series: Vec<Series>,
}

/// A part of a chart. Numbers that are not finite are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    name: String,
    shape: Shape,
}

/// What is drawn over these x.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Line { x: Vec<f64>, y: Vec<f64> },
    Points { x: Vec<f64>, y: Vec<f64> },
    Band { x: Vec<f64>, low: Vec<f64>, high: Vec<f64> },
    Draws { x: Vec<f64>, draws: Vec<Vec<f64>> },
}

impl Series {
    /// A line through these points.
    pub fn line(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (x, y) = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).unzip();
        Self { name: name.to_owned(), shape: Shape::Line { x, y } }
    }

    /// Points.
    pub fn points(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (x, y) = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).unzip();
        Self { name: name.to_owned(), shape: Shape::Points { x, y } }
    }

    /// The area between two lines, through points (x, low, high).
    pub fn band(name: &str, points: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let (mut xs, mut lows, mut highs) = (Vec::new(), Vec::new(), Vec::new());
        for (x, low, high) in points {
            if [x, low, high].iter().all(|value| value.is_finite()) {
                xs.push(x);
                lows.push(low);
                highs.push(high);
            }
        }
        Self { name: name.to_owned(), shape: Shape::Band { x: xs, low: lows, high: highs } }
    }

    /// Lines over the same x, which the reader switches on one by one. Those that are not finite everywhere are left out.
    ///
    /// # Panics
    /// If a line has not as many numbers as x.
    #[track_caller]
    pub fn draws<'a>(name: &str, x: &[f64], draws: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let draws = draws.into_iter().inspect(|draw| {
            let (expected, found) = (x.len(), draw.len());
            assert!(expected == found, "Series::draws: expected {expected} numbers, found {found}");
        });
        let draws = draws.filter(|draw| draw.iter().all(|y| y.is_finite())).map(<[f64]>::to_vec).collect();
        Self { name: name.to_owned(), shape: Shape::Draws { x: x.to_vec(), draws } }
    }
}

impl Explorer {
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Plane(Plane { title, .. })
            | Self::Table(TablePlane { title, .. })
            | Self::Frames(Frames { title, .. })
            | Self::Curves(Curves { title, .. }) => title,
        }
    }
}

/// 32-bit numbers, the lowest byte first, in base64.
fn floats<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn numbers<S: Serializer>(matrix: &Matrix<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    floats(&matrix.values, serializer)
}

/// A byte for each grey value, in base64.
fn grey<S: Serializer>(images: &Matrix<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = images.values.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    serializer.serialize_str(&STANDARD.encode(bytes))
}
