//! Coordinate-ascent variational inference for conjugate models (lecture 002, "Coordinate Ascent Variational
//! Inference"; Bishop 2006, chapter 10).
//!
//! q is a product of factors. With all others held, the best one is known, log q_j = E_{−j}[log p(Y, θ)] + const, and of
//! the prior's own family: one update after the other, the bound can only rise. That it does is asserted.

mod linear;
mod mixture;
mod normal;

use autograd::{NotPositiveDefinite, Real};

pub use linear::{LinearModel, LinearPosterior};
pub use mixture::{Component, MixtureModel, MixturePosterior};
pub use normal::{NormalModel, NormalPosterior};

/// Why a model could not be fitted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ConjugateError {
    /// Nothing to learn from.
    #[error("there are no data: at least one row is needed")]
    Empty,
    /// A number that is infinite or NaN.
    #[error("row {row}, column {column}: {value}: fill in or leave out what is missing")]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The number.
        value: f64,
    },
    /// Numbers so large or so small that the bound is not finite.
    #[error("the bound is {0}: the data are out of range; standardise them")]
    Overflow(f64),
    /// A precision matrix without a Cholesky factor.
    #[error("the precision of the weights: {0}; standardise the data")]
    Precision(#[from] NotPositiveDefinite),
}

/// When the ascent ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ascent {
    /// After so many rounds at the latest.
    pub rounds: usize,
    /// When a round raises the bound by no more than this, in nats for every row.
    pub tolerance: f64,
}

impl Default for Ascent {
    /// 1000 rounds, 1e-10 nats.
    fn default() -> Self {
        Self { rounds: 1000, tolerance: 1e-10 }
    }
}

impl Ascent {
    /// Repeats a round of updates, which returns the bound; returns the bounds of all rounds.
    fn climb(
        self,
        rows: usize,
        mut round: impl FnMut() -> Result<f64, ConjugateError>,
    ) -> Result<Vec<f64>, ConjugateError> {
        let mut bounds: Vec<f64> = Vec::new();
        while bounds.len() < self.rounds.max(1) {
            let bound = round()?;
            if !bound.is_finite() {
                return Err(ConjugateError::Overflow(bound));
            }
            let last = bounds.last().copied().unwrap_or(f64::NEG_INFINITY);
            bounds.push(bound);
            let rounding = 1e-9 * (bound.abs() + rows as f64);
            assert!(bound >= last - rounding, "coordinate ascent: the bound fell from {last} to {bound}");
            if bound - last <= self.tolerance * rows as f64 {
                break;
            }
        }
        Ok(bounds)
    }
}

/// A Gamma distribution of a precision, by shape a and rate b: p(τ) ∝ τᵃ⁻¹ e^−bτ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gamma {
    /// a
    pub shape: f64,
    /// b
    pub rate: f64,
}

impl Gamma {
    /// E(τ) = a/b
    pub fn mean(self) -> f64 {
        self.shape / self.rate
    }

    /// E[ln τ] = ψ(a) − ln b
    pub fn mean_ln(self) -> f64 {
        self.shape.digamma() - self.rate.ln()
    }

    /// KL(self ‖ p) in nats
    pub fn kl(self, p: Self) -> f64 {
        let (Self { shape: a, rate: b }, Self { shape: a0, rate: b0 }) = (self, p);
        // Where a is large, ln b − ln b₀ alone would lose what (b₀ − b)/b takes away again.
        let change = (b - b0) / b0;
        (a - a0) * a.digamma() - a.lgamma() + a0.lgamma() + a0 * change.ln_1p() - a * (b - b0) / b
    }

    #[track_caller]
    fn check(self, what: &str) {
        let Self { shape, rate } = self;
        let sound = [shape, rate].iter().all(|&x| x > 0.0 && x.is_finite());
        assert!(sound, "{what}: Gamma({shape}, {rate}): shape and rate must be positive");
    }
}

/// ln 2π
const LN_2PI: f64 = 1.837_877_066_409_345_5;

/// Refuses data without rows, and numbers that are not finite.
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
    #[should_panic(expected = "coordinate ascent: the bound fell from -1 to -1.5")]
    fn a_bound_that_falls_is_a_defect() {
        let mut bounds = [-2.0, -1.0, -1.5].into_iter();
        let _ = Ascent::default().climb(1, || Ok(bounds.next().unwrap()));
    }

    #[test]
    fn a_bound_that_is_not_a_number_is_an_error() {
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
