//! What a check finds: a derivative agrees, disagrees, or cannot be told.

use std::fmt;

use super::difference::Difference;

/// The rounding of an adjoint is far below this part of it, and what is wrong with a formula is far above.
const TOLERANCE: f64 = 1e-8;
/// An error bar of this part of the largest derivative can be had even where rounding is a hundred times as large as usual, as in a
/// large Cholesky factor. With the tolerance it is below 10⁻⁷.
const RESOLVED: f64 = 5e-8;

/// A derivative that differs from the difference quotient, or whose difference quotient is too uncertain to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The operation, or the name given to the check.
    pub name: String,
    /// Which of the inputs.
    pub input: usize,
    /// Which of its elements, or which random direction.
    pub element: usize,
    /// The derivative by the backward pass.
    pub adjoint: f64,
    /// The derivative by differences of the value.
    pub difference: f64,
    /// The error bar of the differences.
    pub error: f64,
    /// Why the differences cannot tell whether the derivative is right; none if it is wrong.
    pub doubt: Option<Doubt>,
}

/// Why differences cannot tell whether a derivative is right: the verdict *unresolved*.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// The value is not a finite number at the input, or next to it.
    NotFinite,
    /// The function has a kink at the input, or next to it, with these one-sided derivatives.
    Kink {
        /// The derivative on the left.
        left: f64,
        /// The derivative on the right.
        right: f64,
    },
    /// The value is so large that its rounding hides the derivative.
    Rounding,
    /// The differences come to no limit: the value is random, or not exact, or turns within the smallest steps.
    Noise,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite => {
                write!(
                    f,
                    "the value is not finite there or next to it: move the input away from the domain's edge"
                )
            }
            Self::Kink { left, right } => write!(
                f,
                "the function has a kink there, with the derivative {left:e} on the left and {right:e} on the right: move the \
                 input away from it"
            ),
            Self::Rounding => {
                write!(
                    f,
                    "the value is so large that its rounding hides the derivative: leave out what is constant"
                )
            }
            Self::Noise => write!(
                f,
                "the differences come to no limit: fix what is random, make exact what is iterated, or move the input away \
                 from kinks"
            ),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, input, element, adjoint, difference, error, doubt } = self;
        let unresolved = if doubt.is_some() { "unresolved: " } else { "" };
        write!(
            f,
            "{name}: input {input}, element {element}: {unresolved}the adjoint is {adjoint:e}, differences say {difference:e} ± \
             {error:.0e}"
        )?;
        doubt.map_or(Ok(()), |doubt| write!(f, "; {doubt}"))
    }
}

impl std::error::Error for Mismatch {}

/// Whether a derivative is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Agree,
    Disagree,
    Unresolved(Doubt),
}

/// A derivative by the backward pass and by differences.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) input: usize,
    pub(super) element: usize,
    pub(super) adjoint: f64,
    pub(super) difference: Difference,
    /// The largest derivative of the same input: the bar of one that is 0 beside it cannot be measured by itself.
    pub(super) scale: f64,
}

impl Comparison {
    /// a = d ± e *agrees* if |a − d| ≤ 10⁻⁸ max(|a|, |d|) + e and e is resolved. It *disagrees* if it lies further off, however large
    /// e is. Otherwise it is *unresolved*.
    ///
    /// e is resolved if it is at most 5 · 10⁻⁸ of the input's largest derivative: then an error of 10⁻⁷ of that derivative is seen, and
    /// a thousandth all the more. An input whose derivatives are all 0 has no such scale: there, a and d must be 0 within e, and e at
    /// most 5 · 10⁻⁸ of the value over the size of the input.
    pub(super) fn verdict(&self) -> Verdict {
        let (adjoint, Difference { value, error, .. }) = (self.adjoint, self.difference);
        if error.is_infinite() {
            return Verdict::Unresolved(Doubt::NotFinite);
        }
        let off = (adjoint - value).abs();
        // NaN is not within.
        let is_within = off <= TOLERANCE * adjoint.abs().max(value.abs()) + error;
        if !is_within {
            return Verdict::Disagree;
        }
        let is_zero = adjoint.abs().max(value.abs()) <= error && error <= RESOLVED * self.difference.slope;
        match is_zero || error <= RESOLVED * self.scale.max(value.abs()) {
            true => Verdict::Agree,
            false => Verdict::Unresolved(self.doubt()),
        }
    }

    fn doubt(&self) -> Doubt {
        let Difference { value, error, rounding, jump, .. } = self.difference;
        if jump.abs() > 0.5 * error {
            Doubt::Kink { left: value - 0.5 * jump, right: value + 0.5 * jump }
        } else if rounding > 0.5 * error {
            Doubt::Rounding
        } else {
            Doubt::Noise
        }
    }

    /// |a − d| and e, as parts of the input's largest derivative.
    pub(super) fn relative(&self) -> [f64; 2] {
        let Difference { value, error, .. } = self.difference;
        let scale = self.scale.max(value.abs());
        [(self.adjoint - value).abs(), error].map(|x| if scale > error { x / scale } else { 0.0 })
    }
}

/// The first derivative that disagrees, otherwise the first that is unresolved.
pub(super) fn judge(name: &str, comparisons: &[Comparison]) -> Result<(), Mismatch> {
    let verdicts = || comparisons.iter().map(|comparison| (comparison, comparison.verdict()));
    let wrong = verdicts().find(|(_, verdict)| *verdict == Verdict::Disagree);
    let Some((comparison, verdict)) =
        wrong.or_else(|| verdicts().find(|(_, verdict)| *verdict != Verdict::Agree))
    else {
        return Ok(());
    };
    Err(Mismatch {
        name: name.to_owned(),
        input: comparison.input,
        element: comparison.element,
        adjoint: comparison.adjoint,
        difference: comparison.difference.value,
        error: comparison.difference.error,
        doubt: match verdict {
            Verdict::Unresolved(doubt) => Some(doubt),
            _ => None,
        },
    })
}
