//! Functions that inference works with.

use autograd::{Real, Tape, Var};

/// The logarithm of a density of θ as a function on the tape: θ (d) to a scalar, in nats.
///
/// Every closure or function `|tape, theta| …` of the right types is one. The density need not be normalised.
pub trait LogDensity<F: Real>: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F> {}

impl<F: Real, P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F>> LogDensity<F> for P {}
