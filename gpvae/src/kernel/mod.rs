//! Covariance functions: k(a, b) is the covariance of a Gaussian process's values at two places a and b.
//!
//! A kernel is a description. Its hyperparameters are slots of θ, which hold logarithms: see [`Positive`]. Places are rows
//! of numbers (n, d) on the tape, so that they can be learned too, as object features and inducing points are. Stationary
//! kernels have amplitude one; a product with a [`Constant`] gives them another. [`Kernel::on`] makes a kernel read some of
//! the columns. The kernel of lecture 003, "Example: Rotated MNIST", for rows (angle | 8 object features):
//!
//! ```
//! use gpvae::kernel::{Constant, Kernel, Linear, Periodic};
//! use nn::model::Layout;
//!
//! let mut layout = Layout::new();
//! let beta = Constant::new(&mut layout, "beta", 1.0);
//! let rotation = Periodic::new(&mut layout, "nu", 1.0);
//! let kernel = beta.times(rotation.on(0..1)).times(Linear.on(1..9));
//! # use rand::SeedableRng;
//! # let theta = layout.init::<f64>(&mut rand::rngs::StdRng::seed_from_u64(0));
//! # let tape = autograd::Tape::new();
//! # let theta = tape.constant(&theta, [theta.len()]);
//! # let x = tape.constant(&[0.5; 18], [2, 9]);
//! # assert!((kernel.gram(theta, x).to_vec()[1] - 2.0).abs() < 1e-12);
//! ```

mod categories;
mod combine;
mod positive;
mod simple;
mod stationary;

use std::ops::Range;

use autograd::{Real, Var};

use combine::Rule;

pub use categories::Categories;
pub use combine::{Combined, OnColumns};
pub use positive::Positive;
pub use simple::{Constant, Linear, White};
pub use stationary::{Matern32, Matern52, Periodic, SquaredExponential};

/// A covariance function k(a, b).
pub trait Kernel: Sync {
    /// K(A, B): the covariances of the values at the rows of A (n, d) with those at the rows of B (m, d), to (n, m).
    #[track_caller]
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F>;

    /// K(A, A): the covariances of the values at the rows of A (n, d) with each other, to (n, n). It differs from
    /// [`cross`](Self::cross) where a kernel has noise that a value shares with itself alone.
    #[track_caller]
    fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.cross(theta, a, a)
    }

    /// The diagonal of K(A, A): the variances of the values at the rows of A, (n, d) to (n).
    #[track_caller]
    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F>;

    /// k as a scalar, if it is the same for all pairs of rows: sums and products then need no matrix of it.
    #[track_caller]
    fn as_constant<'t, F: Real>(&self, _theta: Var<'t, F>) -> Option<Var<'t, F>> {
        None
    }

    /// k + k'
    fn plus<K: Kernel>(self, other: K) -> Combined<Self, K>
    where
        Self: Sized,
    {
        Combined { first: self, second: other, rule: Rule::Sum }
    }

    /// k k'
    fn times<K: Kernel>(self, other: K) -> Combined<Self, K>
    where
        Self: Sized,
    {
        Combined { first: self, second: other, rule: Rule::Product }
    }

    /// k of these columns of the rows.
    fn on(self, columns: Range<usize>) -> OnColumns<Self>
    where
        Self: Sized,
    {
        OnColumns { kernel: self, columns }
    }
}
