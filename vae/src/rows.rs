//! Rows of data as a model takes them apart.

use autograd::{Real, Var};

use crate::{Likelihood, Observation, Vae};

/// Rows (x, conditions) on a tape.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'t, F: Real> {
    /// x (…, D), with 0 where a number is missing.
    pub(crate) x: Var<'t, F>,
    /// 1 where a number was observed and 0 where it is missing, (…, D); none if all were observed.
    observed: Option<Var<'t, F>>,
    /// (…, C); none if C is 0.
    pub(crate) conditions: Option<Var<'t, F>>,
}

impl<'t, F: Real> Rows<'t, F> {
    /// log p(x|z) of what was observed.
    #[track_caller]
    pub(crate) fn log_prob(self, p: Observation<'t, F>) -> Var<'t, F> {
        let Some(observed) = self.observed else { return p.log_prob(self.x) };
        let terms = p.log_prob_each(self.x) * observed;
        terms.sum_axis(terms.shape().rank() - 1)
    }
}

impl Vae {
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
        let group =
            if let Likelihood::Categorical { classes } = self.config().likelihood { classes } else { 1 };
        for (x, observed) in filled.chunks_exact_mut(group).zip(observed.chunks_exact_mut(group)) {
            if x.iter().any(is_missing) {
                x.fill(F::ZERO);
                observed.fill(F::ZERO);
            }
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
