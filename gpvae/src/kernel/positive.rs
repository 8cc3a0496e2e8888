//! Hyperparameters that must stay positive.

use autograd::{Real, Var};
use nn::model::{Init, Layout, Slot};

/// A positive number of θ. θ holds its logarithm, so that the number is positive whatever an optimiser does to θ.
#[derive(Clone, Debug, PartialEq)]
pub struct Positive {
    log: Slot,
}

impl Positive {
    /// A number with a slot `log_{name}` of θ, which starts at the logarithm of `start`.
    ///
    /// # Panics
    /// If `start` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, start: f64) -> Self {
        assert!(start > 0.0 && start.is_finite(), "{name}: expected a positive number, found {start}");
        Self { log: layout.slot(format!("log_{name}"), [], Init::Constant(start.ln())) }
    }

    /// The number for a θ on a tape, a scalar.
    #[track_caller]
    pub fn of<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        self.log.of(theta).exp()
    }

    /// The number for a θ that is a plain vector.
    pub fn value<F: Real>(&self, theta: &[F]) -> f64 {
        theta[self.log.range().start].to_f64().exp()
    }

    /// The slot of its logarithm.
    pub fn slot(&self) -> &Slot {
        &self.log
    }
}
