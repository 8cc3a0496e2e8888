//! Kernels made of other kernels: sums, products, and kernels of some columns.

use std::ops::Range;

use autograd::{Real, Var};

use super::Kernel;

/// k + k' or k k' of two kernels, as [`Kernel::plus`] and [`Kernel::times`] return it.
///
/// A sum is the covariance of two independent processes added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combined<A, B> {
    /// k
    pub first: A,
    /// k'
    pub second: B,
    pub(super) rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Sum,
    Product,
}

impl Rule {
    #[track_caller]
    fn of<'t, F: Real>(self, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        match self {
            Self::Sum => a + b,
            Self::Product => a * b,
        }
    }
}

impl<A: Kernel, B: Kernel> Kernel for Combined<A, B> {
    fn as_constant<'t, F: Real>(&self, theta: Var<'t, F>) -> Option<Var<'t, F>> {
        Some(self.rule.of(self.first.as_constant(theta)?, self.second.as_constant(theta)?))
    }

    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        let Self { first, second, rule } = self;
        match (first.as_constant(theta), second.as_constant(theta)) {
            (Some(c), None) => rule.of(second.cross(theta, a, b), c),
            (None, Some(c)) => rule.of(first.cross(theta, a, b), c),
            _ => rule.of(first.cross(theta, a, b), second.cross(theta, a, b)),
        }
    }

    fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        let Self { first, second, rule } = self;
        match (first.as_constant(theta), second.as_constant(theta)) {
            (Some(c), None) => rule.of(second.gram(theta, a), c),
            (None, Some(c)) => rule.of(first.gram(theta, a), c),
            _ => rule.of(first.gram(theta, a), second.gram(theta, a)),
        }
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.rule.of(self.first.diagonal(theta, a), self.second.diagonal(theta, a))
    }
}

/// A kernel that reads some columns of the rows, such as those of the view, of the object's features or of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnColumns<K> {
    /// The kernel of these columns.
    pub kernel: K,
    /// The columns that it reads.
    pub columns: Range<usize>,
}

impl<K> OnColumns<K> {
    #[track_caller]
    fn of<'t, F: Real>(&self, rows: Var<'t, F>) -> Var<'t, F> {
        rows.columns(self.columns.clone())
    }
}

impl<K: Kernel> Kernel for OnColumns<K> {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        self.kernel.cross(theta, self.of(a), self.of(b))
    }

    fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.kernel.gram(theta, self.of(a))
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.kernel.diagonal(theta, self.of(a))
    }
}
