//! The linear kernel, the constant kernel and white noise.

use autograd::{Real, Var};
use nn::model::Layout;

use super::{Kernel, Positive};

/// k(a, b) = aᵀb, for linear functions (Rasmussen & Williams 2006, section 4.2.2). It has no hyperparameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear;

impl Kernel for Linear {
    fn cross<'t, F: Real>(&self, _: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        a.matmul_t(b)
    }

    fn diagonal<'t, F: Real>(&self, _: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        a.square().sum_axis(1)
    }
}

/// k(a, b) = β, for a function that is one unknown number. As a factor of a product, β is the product's amplitude.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// β
    pub beta: Positive,
}

impl Constant {
    /// The kernel with a slot `log_{name}` for β, which starts at `beta`.
    ///
    /// # Panics
    /// If `beta` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, beta: f64) -> Self {
        Self { beta: Positive::new(layout, name, beta) }
    }
}

impl Kernel for Constant {
    fn as_constant<'t, F: Real>(&self, theta: Var<'t, F>) -> Option<Var<'t, F>> {
        Some(self.beta.of(theta))
    }

    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        self.beta.of(theta).broadcast_to([a.shape()[0], b.shape()[0]])
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.beta.of(theta).broadcast_to([a.shape()[0]])
    }
}

/// k = β for a value with itself and 0 for two different values, even at the same place: independent noise of variance β on
/// each value.
#[derive(Clone, Debug, PartialEq)]
pub struct White {
    /// β, the variance of the noise
    pub beta: Positive,
}

impl White {
    /// The kernel with a slot `log_{name}` for β, which starts at `beta`.
    ///
    /// # Panics
    /// If `beta` is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, beta: f64) -> Self {
        Self { beta: Positive::new(layout, name, beta) }
    }
}

impl Kernel for White {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        theta.tape().constant_with([a.shape()[0], b.shape()[0]], |zero| zero.fill(F::ZERO))
    }

    fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.diagonal(theta, a).diagonal_matrix()
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.beta.of(theta).broadcast_to([a.shape()[0]])
    }
}
