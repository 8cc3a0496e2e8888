//! Covariance functions: what two values of a Gaussian process have in common, as a function of where they lie.
//!
//! A kernel is a description: its hyperparameters are slots of θ, stored as logarithms and so positive whatever an
//! optimiser does to them. Where the process is observed are rows of numbers (n, d) on the tape, so that the places
//! themselves, object features or inducing points, can be learned. Kernels of amplitude one are multiplied by a
//! [`Constant`]; a kernel that reads some of the columns is [`on`](Kernel::on) them. That of lecture 003, "Example:
//! Rotated MNIST", for rows (angle | 8 object features), with the period written out:
//!
//! ```
//! use std::f64::consts::TAU;
//!
//! use gpvae::kernel::{Constant, Kernel, Linear, Periodic};
//! use nn::Layout;
//!
//! let mut layout = Layout::new();
//! let beta = Constant::new(&mut layout, "beta", 1.0);
//! let rotation = Periodic::new(&mut layout, "nu", TAU, 1.0);
//! let kernel = beta.times(rotation.on(0..1)).times(Linear.on(1..9));
//! # let theta = layout.init::<f64>(&mut rand::rng());
//! # let tape = autograd::Tape::new();
//! # let theta = tape.constant(&theta, [theta.len()]);
//! # let x = tape.constant(&[0.5; 18], [2, 9]);
//! # assert!((kernel.gram(theta, x).to_vec()[1] - 2.0).abs() < 1e-12);
//! ```

use std::ops::Range;

use autograd::{Real, Var};
use nn::{Init, Layout, Slot};

/// A covariance function k(a, b).
pub trait Kernel: Sync {
    /// K(A, B), the covariances of values at the rows of A (n, d) with others at the rows of B (m, d), to (n, m).
    #[track_caller]
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F>;

    /// K(A, A), (n, d) to (n, n): as [`cross`](Self::cross), and what a value shares with itself alone.
    #[track_caller]
    fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.cross(theta, a, a)
    }

    /// The variances, the diagonal of K(A, A), (n, d) to (n).
    #[track_caller]
    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F>;

    /// k, a scalar, if it is the same for all pairs: then a sum or product need not write out a matrix of it.
    #[track_caller]
    fn everywhere<'t, F: Real>(&self, _theta: Var<'t, F>) -> Option<Var<'t, F>> {
        None
    }

    /// k + k'
    fn plus<K: Kernel>(self, other: K) -> Sum<Self, K>
    where
        Self: Sized,
    {
        Sum(self, other)
    }

    /// k k'
    fn times<K: Kernel>(self, other: K) -> Product<Self, K>
    where
        Self: Sized,
    {
        Product(self, other)
    }

    /// k of these columns of the rows.
    fn on(self, columns: Range<usize>) -> On<Self>
    where
        Self: Sized,
    {
        On { kernel: self, columns }
    }
}

/// A positive number of θ, stored as its logarithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Positive {
    log: Slot,
}

impl Positive {
    /// A number with the slot `log_name` that begins at `value`.
    ///
    /// # Panics
    /// If the value is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, value: f64) -> Self {
        assert!(value > 0.0 && value.is_finite(), "{name} = {value}: a positive number is wanted");
        Self { log: layout.slot(format!("log_{name}"), [], Init::Constant(value.ln())) }
    }

    /// The number, a scalar.
    #[track_caller]
    pub fn of<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        self.log.of(theta).exp()
    }

    /// Its value in a θ that is on no tape.
    pub fn value<F: Real>(&self, theta: &[F]) -> f64 {
        theta[self.log.range().start].to_f64().exp()
    }

    /// The slot of its logarithm.
    pub fn slot(&self) -> &Slot {
        &self.log
    }
}

/// Σ_d f(a_d − b_d) for all pairs of rows, (n, d) and (m, d) to (n, m).
///
/// From the differences themselves: ‖a‖² + ‖b‖² − 2 a·b would lose near neighbours to rounding.
#[track_caller]
fn over_differences<'t, F: Real>(
    a: Var<'t, F>,
    b: Var<'t, F>,
    f: impl Fn(Var<'t, F>) -> Var<'t, F>,
) -> Var<'t, F> {
    let (d, m) = (a.shape().last(), b.shape()[0]);
    assert!(
        d > 0 && d == b.shape().last(),
        "kernel: {} x {}: rows equally long are wanted",
        a.shape(),
        b.shape()
    );
    let term = |i| f(a.columns(i..i + 1) - b.columns(i..i + 1).reshape([1, m]));
    (1..d).fold(term(0), |sum, i| sum + term(i))
}

/// The variance one of every row.
#[track_caller]
fn ones<'t, F: Real>(theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
    theta.tape().constant_with([a.shape()[0]], |one| one.fill(F::ONE))
}

/// √(c ‖a − b‖²) / ℓ
#[track_caller]
fn scaled_distance<'t, F: Real>(c: f64, length: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
    over_differences(a, b, Var::square).sqrt() * (length.recip() * F::from_f64(c.sqrt()))
}

/// Stationary kernels with one hyperparameter: name and initial value, k(a, a) = 1.
macro_rules! stationary {
    ($($(#[$meta:meta])* $name:ident $field:ident $(($attr:ident: $type:ty))?, |$this:ident, $p:ident, $a:ident, $b:ident| $k:expr;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name {
                $field: Positive,
                $($attr: $type,)?
            }

            impl $name {
                /// The kernel with a slot `log_name` for its hyperparameter, which begins at `value`.
                ///
                /// # Panics
                /// If the value is not a positive number, or the slot's name is taken.
                #[track_caller]
                pub fn new(layout: &mut Layout, name: &str, $($attr: $type,)? value: f64) -> Self {
                    $(assert!($attr > 0.0 && $attr.is_finite(), "{name}: period {}: a positive number is wanted", $attr);)?
                    Self { $field: Positive::new(layout, name, value), $($attr,)? }
                }

                /// The hyperparameter.
                pub fn $field(&self) -> &Positive {
                    &self.$field
                }
            }

            impl Kernel for $name {
                fn cross<'t, F: Real>(&self, theta: Var<'t, F>, $a: Var<'t, F>, $b: Var<'t, F>) -> Var<'t, F> {
                    let ($this, $p) = (self, self.$field.of(theta));
                    let _ = $this;
                    $k
                }

                fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
                    ones(theta, a)
                }
            }
        )*
    };
}

stationary! {
    /// k(a, b) = exp(−‖a − b‖² / 2ℓ²): smooth functions (Rasmussen & Williams 2006, equation 4.9). The product of several,
    /// each [`on`](Kernel::on) a column, has a length scale ℓ for every one of them.
    SquaredExponential length, |this, l, a, b| {
        (over_differences(a, b, Var::square) * (l.square().recip() * F::from_f64(-0.5))).exp()
    };

    /// k(a, b) = (1 + s) e⁻ˢ,   s = √3 ‖a − b‖ / ℓ: functions with one derivative (ibid., equation 4.17)
    Matern32 length, |this, l, a, b| {
        let s = scaled_distance(3.0, l, a, b);
        (s + F::ONE) * s.neg().exp()
    };

    /// k(a, b) = (1 + s + s²/3) e⁻ˢ,   s = √5 ‖a − b‖ / ℓ: functions with two derivatives (ibid., equation 4.17)
    Matern52 length, |this, l, a, b| {
        let s = scaled_distance(5.0, l, a, b);
        (s + s.square() / F::from_f64(3.0) + F::ONE) * s.neg().exp()
    };

    /// k(a, b) = exp(−2 Σ_d sin²(π (a_d − b_d) / p) / ν²): functions of period p (ibid., equation 4.31).
    ///
    /// Lecture 003, "Example: Rotated MNIST", writes sin²|w − w'|, whose period is π: it takes an image and the same image
    /// upside down for the same view. For angles in radians p = 2π, which is the half angle, sin²(½ |w − w'|).
    Periodic nu (period: f64), |this, nu, a, b| {
        // 2 sin²(½ δ) = 1 − cos δ, and cos δ is the product of two points of the unit circle: one sine a row, none a pair.
        let frequency = F::from_f64(std::f64::consts::TAU / this.period);
        let circle = |x: Var<'t, F>| {
            let turn = x * frequency;
            Var::concatenate(&[turn.cos(), turn.sin()], 1) / nu
        };
        let d = F::from_f64(a.shape().last() as f64);
        let same_row_length = a.shape().last() == b.shape().last();
        assert!(same_row_length, "kernel: {} x {}: rows equally long are wanted", a.shape(), b.shape());
        (circle(a).matmul_t(circle(b)) - nu.square().recip() * d).exp()
    };
}

/// k(a, b) = aᵀb: linear functions (ibid., section 4.2.2).
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

/// k(a, b) = β: one unknown number, or the amplitude of a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    beta: Positive,
}

impl Constant {
    /// The kernel with a slot `log_name` for β, which begins at `value`.
    ///
    /// # Panics
    /// If the value is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, value: f64) -> Self {
        Self { beta: Positive::new(layout, name, value) }
    }

    /// β
    pub fn beta(&self) -> &Positive {
        &self.beta
    }
}

impl Kernel for Constant {
    fn everywhere<'t, F: Real>(&self, theta: Var<'t, F>) -> Option<Var<'t, F>> {
        Some(self.beta.of(theta))
    }

    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        self.beta.of(theta).broadcast_to([a.shape()[0], b.shape()[0]])
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.beta.of(theta).broadcast_to([a.shape()[0]])
    }
}

/// k = β for a value with itself, 0 for two values, even at the same place: noise of every value's own.
#[derive(Clone, Debug, PartialEq)]
pub struct White {
    beta: Positive,
}

impl White {
    /// The kernel with a slot `log_name` for β, which begins at `value`.
    ///
    /// # Panics
    /// If the value is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, name: &str, value: f64) -> Self {
        Self { beta: Positive::new(layout, name, value) }
    }

    /// β
    pub fn beta(&self) -> &Positive {
        &self.beta
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

/// Two kernels as one: each of the three functions of both, joined.
macro_rules! joined {
    ($($(#[$meta:meta])* $name:ident $op:tt;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name<A, B>(pub A, pub B);

            impl<A: Kernel, B: Kernel> Kernel for $name<A, B> {
                fn everywhere<'t, F: Real>(&self, theta: Var<'t, F>) -> Option<Var<'t, F>> {
                    Some(self.0.everywhere(theta)? $op self.1.everywhere(theta)?)
                }

                fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
                    match (self.0.everywhere(theta), self.1.everywhere(theta)) {
                        (Some(c), None) => self.1.cross(theta, a, b) $op c,
                        (None, Some(c)) => self.0.cross(theta, a, b) $op c,
                        _ => self.0.cross(theta, a, b) $op self.1.cross(theta, a, b),
                    }
                }

                fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
                    match (self.0.everywhere(theta), self.1.everywhere(theta)) {
                        (Some(c), None) => self.1.gram(theta, a) $op c,
                        (None, Some(c)) => self.0.gram(theta, a) $op c,
                        _ => self.0.gram(theta, a) $op self.1.gram(theta, a),
                    }
                }

                fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
                    self.0.diagonal(theta, a) $op self.1.diagonal(theta, a)
                }
            }
        )*
    };
}

joined! {
    /// k + k', of two independent processes added.
    Sum +;
    /// k k'
    Product *;
}

/// A kernel of some columns of the rows: of the view, of the object's features, of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct On<K> {
    kernel: K,
    columns: Range<usize>,
}

impl<K: Kernel> Kernel for On<K> {
    fn cross<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>, b: Var<'t, F>) -> Var<'t, F> {
        self.kernel.cross(theta, a.columns(self.columns.clone()), b.columns(self.columns.clone()))
    }

    fn gram<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.kernel.gram(theta, a.columns(self.columns.clone()))
    }

    fn diagonal<'t, F: Real>(&self, theta: Var<'t, F>, a: Var<'t, F>) -> Var<'t, F> {
        self.kernel.diagonal(theta, a.columns(self.columns.clone()))
    }
}
