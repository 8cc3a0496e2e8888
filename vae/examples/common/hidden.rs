//! Hidden pixels, and linear models that fill them in.

use anyhow::Context;
use nn::data::Matrix;
use vae::linear::{Em, FactorModel, LinearError, NormalModel, Pca};

/// Numbers of principal components to choose from.
const COMPONENTS: [usize; 6] = [10, 20, 40, 80, 160, 320];
/// Penalties of ridge regression to choose from, in frames that the variances of the pixels count for.
const PENALTIES: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// Linear models of several sizes.
pub(crate) struct Linear {
    /// Probabilistic PCA, by the number of components.
    pub(crate) components: Vec<(String, FactorModel)>,
    /// Normal distributions whose conditional means are ridge regressions, by the penalty.
    pub(crate) ridges: Vec<(String, NormalModel)>,
}

impl Linear {
    pub(crate) fn fit(train: &Matrix<f64>) -> Result<Self, LinearError> {
        let sizes: Vec<usize> = COMPONENTS.into_iter().filter(|&m| m < train.rows.min(train.cols)).collect();
        let pca = Pca::fit(train, sizes.iter().copied().max().unwrap_or(1))?;
        let components = |&m: &usize| Ok((format!("{m} components"), FactorModel::of_components(&pca, m)?));
        let ridge = |kappa: f64| {
            let fit = NormalModel::fit(train, kappa, Em { rounds: 1, tolerance: 0.0 })?;
            Ok((format!("ridge, κ = {kappa}"), fit.model))
        };
        Ok(Self {
            components: sizes.iter().map(components).collect::<Result<_, LinearError>>()?,
            ridges: PENALTIES.into_iter().map(ridge).collect::<Result<_, LinearError>>()?,
        })
    }
}

/// The model that fills validation frames, hidden in one or several ways, with the smallest sum of errors, with its name.
pub(crate) fn best<'a, M>(
    models: &'a [(String, M)],
    validation: &[Masked<'_>],
    fill: impl Fn(&M, &Matrix<f64>) -> Result<Matrix<f64>, LinearError>,
) -> anyhow::Result<&'a (String, M)> {
    let error = |model: &M| {
        let of = |masked: &Masked<'_>| {
            Ok(masked.rmse(&fill(model, &masked.holed.map(f64::from))?.map(|x| x as f32)))
        };
        validation.iter().map(of).sum::<Result<f64, LinearError>>()
    };
    let errors = models.iter().map(|(_, model)| error(model)).collect::<Result<Vec<_>, _>>()?;
    let pairs = models.iter().zip(errors).min_by(|a, b| a.1.total_cmp(&b.1));
    Ok(pairs.context("there are too few frames for linear models")?.0)
}

/// Frames of which some pixels are hidden.
pub(crate) struct Masked<'a> {
    truth: &'a Matrix<f32>,
    hidden: &'a [bool],
    pub(crate) holed: Matrix<f32>,
}

impl<'a> Masked<'a> {
    pub(crate) fn new(truth: &'a Matrix<f32>, hidden: &'a [bool]) -> Self {
        let hide = |(i, x): (usize, &f32)| if hidden[i % hidden.len()] { f32::NAN } else { *x };
        let holed = truth.values.iter().enumerate().map(hide).collect();
        Self { truth, hidden, holed: Matrix::new(truth.rows, truth.cols, holed) }
    }

    /// The root mean square error of the hidden pixels.
    pub(crate) fn rmse(&self, filled: &Matrix<f32>) -> f64 {
        let cells = filled.values.iter().zip(&self.truth.values[..]).zip(self.hidden.iter().cycle());
        let squares = cells.filter(|(_, hidden)| **hidden).map(|((a, b), _)| f64::from(a - b).powi(2));
        let (count, sum) = squares.fold((0.0, 0.0), |(n, sum), square| (n + 1.0, sum + square));
        (sum / count).sqrt()
    }
}
