//! The latent space of a table, for a reader of the report to move about in.

use std::sync::Arc;

use nn::data::{ColumnCode, ColumnKind, Matrix, Preprocessing};
use nn::run::{Explorer, TableColumn, TablePlane};
use vae::Vae;

use crate::colour::Classes;
use crate::decoder::{network, points};
use crate::rows::{Rows, restored};

/// The most rows that are shown, and numbers in a row.
const ROWS: usize = 1000;
const NUMBERS: usize = 200;

/// A table, and what a model makes of it.
pub(crate) struct Space<'a> {
    pub(crate) vae: &'a Vae,
    pub(crate) theta: &'a Arc<Vec<f32>>,
    /// The columns, and the way to the model's units.
    pub(crate) preprocessing: &'a Preprocessing,
    /// The cells in the model's units; NaN where one is missing.
    pub(crate) x: &'a Matrix<f32>,
    pub(crate) filled: &'a Matrix<f32>,
    pub(crate) rows: &'a Rows,
    pub(crate) classes: &'a Classes,
    /// The two dimensions of the first look.
    pub(crate) axes: [usize; 2],
}

impl Space<'_> {
    /// The codes of the first rows, and the decoder. None of a single dimension, which is no plane, and of a table that is too
    /// broad for a page.
    pub(crate) fn explorer(&self) -> Option<Explorer> {
        let Self { vae, theta, preprocessing, x, filled, rows, classes, axes } = *self;
        if vae.latent() < 2 || x.cols > NUMBERS {
            return None;
        }
        let shown: Vec<usize> = (0..x.rows.min(ROWS)).collect();
        let check_points = points(vae);
        let scaling = preprocessing.scaling.as_ref()?;
        let filled = scaling.apply(&restored(preprocessing, &filled.select(&shown)));
        Some(Explorer::Table(TablePlane {
            title: format!("The latent space of {} rows, and what the decoder makes of it", shown.len()),
            decoder: network(vae, theta)?,
            axes,
            classes: classes.names.clone(),
            ordered: classes.ordered,
            labels: classes.of_rows[..shown.len()].to_vec(),
            columns: preprocessing.inputs.iter().zip(&preprocessing.codes).map(column).collect(),
            shift: scaling.mean.clone(),
            scale: scaling.sd.clone(),
            observed: x.select(&shown),
            filled: filled.map(|x| x as f32),
            scores: shown.iter().map(|&row| rows.per_cell(row)).collect(),
            codes: rows.codes.select(&shown),
            check_rows: vae.decode_rows(theta, &check_points),
            check_points,
        }))
    }
}

fn column((name, code): (&String, &ColumnCode)) -> TableColumn {
    let (name, classes) = (name.clone(), code.classes.clone());
    TableColumn { name, classes, is_answer: code.kind == ColumnKind::YesNo, numbers: code.width() }
}
