//! Rows of data as a model takes them apart.

use std::borrow::Borrow;

use autograd::{Real, Tape, Var};
use nn::data::Matrix;

use crate::{Likelihood, Observation, Vae, mixed};

/// Rows (x, conditions) on a tape.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'t, F: Real> {
    /// x (…, D). Where a number is missing, there is one that the encoder sees as 0.
    pub(crate) x: Var<'t, F>,
    /// 1 where a number was observed and 0 where it is missing, (…, D); none if all were observed.
    pub(crate) observed: Option<Var<'t, F>>,
    /// (…, C); none if C is 0.
    pub(crate) conditions: Option<Var<'t, F>>,
}

impl<'t, F: Real> Rows<'t, F> {
    /// log p(x|z) of what was observed.
    #[track_caller]
    pub(crate) fn log_prob(self, p: impl Borrow<Observation<'t, F>>) -> Var<'t, F> {
        let p = p.borrow();
        let Some(observed) = self.observed else { return p.log_prob(self.x) };
        let terms = p.log_prob_each(self.x) * observed;
        terms.sum_axis(terms.shape().rank() - 1)
    }
}

impl Vae {
    /// What the encoder sees of rows x (N, D), without conditions: numbers of the size of 1 for a mixed likelihood. Of what is missing
    /// it is NaN, whatever stands in for it.
    ///
    /// # Panics
    /// If the rows have another length, or the model has conditions.
    #[track_caller]
    pub fn seen_by_encoder<F: Real>(&self, x: &Matrix<F>) -> Matrix<f64> {
        let (tape, conditions) = (Tape::new(), self.conditions());
        assert!(conditions == 0, "seen_by_encoder: expected a model without conditions, found {conditions}");
        let rows = self.rows(tape.shared_constant(&x.values, [x.rows, x.cols]));
        let mut seen: Vec<f64> = self.seen(rows).to_vec().into_iter().map(Real::to_f64).collect();
        if let Some(observed) = rows.observed {
            let hide = |observed: &[F]| {
                seen.iter_mut()
                    .zip(observed)
                    .filter(|(_, o)| **o == F::ZERO)
                    .for_each(|(x, _)| *x = f64::NAN);
            };
            observed.with(hide);
        }
        Matrix::new(x.rows, x.cols, seen)
    }

    /// Takes rows (x, conditions) apart, and looks for missing numbers.
    #[track_caller]
    #[inline(never)]
    pub(crate) fn rows<'t, F: Real>(&self, x: Var<'t, F>) -> Rows<'t, F> {
        let (shape, inputs, width) = (x.shape(), self.inputs(), self.inputs() + self.conditions());
        assert!(shape.last() == width, "Vae: expected rows of {width} numbers, found {shape}");
        let (x, conditions) = match self.conditions() {
            0 => (x, None),
            _ => (x.columns(0..inputs), Some(x.columns(inputs..width))),
        };
        // Chunks without an exit in them become vector code.
        let gaps = |x: &[F]| x.chunks(256).any(|x| x.iter().fold(false, |any, x| any | is_missing(x)));
        let complete = conditions.is_none_or(|conditions| !conditions.with(gaps));
        assert!(complete, "Vae: {shape}: expected all conditions, found NaN; only the data may have gaps");
        if !x.with(gaps) {
            return Rows { x, observed: None, conditions };
        }
        let (mut filled, tape) = (x.to_vec(), x.tape());
        let mut observed = vec![F::ONE; filled.len()];
        // If one class of a categorical variable is missing, the variable is.
        let groups: Vec<(usize, F)> = match &self.config().likelihood {
            Likelihood::Categorical { classes } => vec![(*classes, F::ZERO)],
            Likelihood::Mixed { variables } => mixed::groups(variables).collect(),
            _ => vec![(1, F::ZERO)],
        };
        let mut at = 0;
        for (width, neutral) in groups.into_iter().cycle() {
            if at == filled.len() {
                break;
            }
            let numbers = at..at + width;
            if filled[numbers.clone()].iter().any(is_missing) {
                filled[numbers.clone()].fill(neutral);
                observed[numbers].fill(F::ZERO);
            }
            at += width;
        }
        let shape = x.shape();
        let (x, observed) = (tape.constant(&filled, shape), tape.constant(&observed, shape));
        Rows { x, observed: Some(observed), conditions }
    }
}

/// Whether a number is missing: NaN.
#[inline(always)]
pub(crate) fn is_missing<F: Real>(x: &F) -> bool {
    x.to_f64().is_nan()
}

/// (x, conditions) along the last axis.
#[track_caller]
pub(crate) fn beside<'t, F: Real>(x: Var<'t, F>, conditions: Option<Var<'t, F>>) -> Var<'t, F> {
    let Some(conditions) = conditions else { return x };
    let shape = x.shape();
    let repeated = conditions.broadcast_to(shape.with_last(conditions.shape().last()));
    Var::concatenate(&[x, repeated], shape.rank() - 1)
}
