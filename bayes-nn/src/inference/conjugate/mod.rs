//! Coordinate-ascent variational inference for conjugate models (lecture 002, "Coordinate Ascent Variational
//! Inference"; Bishop 2006, chapter 10).
//!
//! q is a product of factors q_j. While the others are held, the best q_j is known in closed form,
//!
//! log q_j = E_{−j}[log p(Y, θ)] + const
//!
//! and it belongs to the family of its prior. Each update can only raise the ELBO, and the code asserts that none lowers it.

mod linear;
mod mixture;
mod normal;

use autograd::Real;
use autograd::numerics::HALF_LN_2PI;
use autograd::ops::NotPositiveDefinite;

pub use linear::{LinearModel, LinearPosterior};
pub use mixture::{Component, MixtureModel, MixturePosterior};
pub use normal::{NormalModel, NormalPosterior};

/// Why a model could not be fitted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ConjugateError {
    /// There are no rows.
    #[error("the data: expected at least one row, found none")]
    Empty,
    /// A number is infinite or NaN.
    #[error(
        "row {row}, column {column}: expected a finite number, found {value}; fill it in, or leave the row out"
    )]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The number.
        value: f64,
    },
    /// The ELBO is not finite, since the numbers are too large or too small.
    #[error(
        "the ELBO: expected a finite number, found {0}: the data are too large or too small; standardise them"
    )]
    Overflow(f64),
    /// The precision matrix of the weights has no Cholesky factor.
    #[error("the precision of the weights: {0}; standardise the data")]
    Precision(#[from] NotPositiveDefinite),
}

/// When coordinate ascent ends. A round updates every factor once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ascent {
    /// The largest number of rounds; there is always one.
    pub rounds: usize,
    /// The ascent ends after a round that raises the ELBO by no more than this, in nats per row.
    pub tolerance: f64,
}

impl Default for Ascent {
    /// At most 1,000 rounds, and a tolerance of 1e-10 nats per row.
    fn default() -> Self {
        Self { rounds: 1000, tolerance: 1e-10 }
    }
}

impl Ascent {
    /// Repeats `round`, which updates all factors and returns the ELBO. Returns the ELBO of every round.
    fn climb(
        self,
        rows: usize,
        mut round: impl FnMut() -> Result<f64, ConjugateError>,
    ) -> Result<Vec<f64>, ConjugateError> {
        let mut elbos: Vec<f64> = Vec::new();
        while elbos.len() < self.rounds.max(1) {
            let elbo = round()?;
            if !elbo.is_finite() {
                return Err(ConjugateError::Overflow(elbo));
            }
            let last = elbos.last().copied().unwrap_or(f64::NEG_INFINITY);
            elbos.push(elbo);
            let rounding = 1e-9 * (elbo.abs() + rows as f64);
            assert!(elbo >= last - rounding, "coordinate ascent: the ELBO fell from {last} to {elbo}");
            if elbo - last <= self.tolerance * rows as f64 {
                break;
            }
        }
        Ok(elbos)
    }
}

/// A Gamma distribution of a precision τ with shape a and rate b: p(τ) ∝ τᵃ⁻¹ e^−bτ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma {
    /// a, the shape.
    pub shape: f64,
    /// b, the rate.
    pub rate: f64,
}

impl Gamma {
    /// E(τ) = a/b.
    pub fn mean(self) -> f64 {
        self.shape / self.rate
    }

    /// E[ln τ] = ψ(a) − ln b.
    pub fn mean_ln(self) -> f64 {
        self.shape.digamma() - self.rate.ln()
    }

    /// KL(self ‖ p) in nats.
    pub fn kl(self, p: Self) -> f64 {
        let (Self { shape: a, rate: b }, Self { shape: a0, rate: b0 }) = (self, p);
        // ln_1p: where a is large, ln b − ln b₀ and (b₀ − b)/b nearly cancel, and ln b − ln b₀ alone would lose digits.
        let change = (b - b0) / b0;
        (a - a0) * a.digamma() - a.lgamma() + a0.lgamma() + a0 * change.ln_1p() - a * (b - b0) / b
    }

    #[track_caller]
    fn check(self, what: &str) {
        let Self { shape, rate } = self;
        let sound = [shape, rate].iter().all(|&x| x > 0.0 && x.is_finite());
        assert!(sound, "{what}: expected a positive shape and rate, found Gamma({shape}, {rate})");
    }
}

/// ln 2π
const LN_2PI: f64 = 2.0 * HALF_LN_2PI;

/// Refuses rows of `columns` numbers if there are none, or if a number is not finite.
fn check_rows(values: &[f64], columns: usize) -> Result<(), ConjugateError> {
    if values.is_empty() {
        return Err(ConjugateError::Empty);
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(ConjugateError::NotFinite { row: i / columns, column: i % columns, value: values[i] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "coordinate ascent: the ELBO fell from -1 to -1.5")]
    fn an_elbo_that_falls_is_a_defect() {
        let mut elbos = [-2.0, -1.0, -1.5].into_iter();
        let _ = Ascent::default().climb(1, || Ok(elbos.next().unwrap()));
    }

    #[test]
    fn an_elbo_that_is_not_a_number_is_an_error() {
        let end = Ascent::default().climb(1, || Ok(f64::NAN));
        assert!(matches!(end, Err(ConjugateError::Overflow(_))));
    }

    #[test]
    fn the_ascent_ends_when_nothing_is_gained_or_the_rounds_are_over() {
        let mut n = 0.0;
        let mut halves = || {
            n += 1.0;
            Ok(-(0.5_f64.powf(n)))
        };
        let ascent = Ascent { rounds: 1000, tolerance: 1e-3 };
        assert_eq!(ascent.climb(1, &mut halves).unwrap().len(), 10);
        assert_eq!(Ascent { rounds: 4, tolerance: 0.0 }.climb(1, &mut halves).unwrap().len(), 4);
    }
}
