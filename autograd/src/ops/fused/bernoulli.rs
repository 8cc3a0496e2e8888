//! The log-probability of Bernoulli variables as one operation.

use crate::check::{Case, Checked, Sample};
use crate::numerics::add_rows;
use crate::ops::broadcast::{Rows, equal_rows, rows};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// log p(x | logits) of independent Bernoulli variables, summed over the last axis:
///
/// y = Σᵢ xᵢ lᵢ − softplus(lᵢ),   l̄ᵢ += (xᵢ − σ(lᵢ)) ȳ,   x̄ᵢ += lᵢ ȳ
///
/// It is computed as −|l| (1 − x) − ln(1 + e^−|l|) for l ≥ 0, with x instead of 1 − x for l < 0: a logit of ±∞ gives 0 for the x
/// that is certain, and −∞ for any other.
///
/// x and logits l, each (…, n) with leading axes that are broadcast, to (…). x lies in [0, 1], grey values included. It is
/// the composition of `mul`, `softplus`, `sub` and `sum_axis`. The residuals x − σ(l) are kept, so that value and gradient are
/// one pass over the data.
#[derive(Clone, Copy, Debug)]
pub struct BernoulliLogProb;

impl<F: Real> Op<F> for BernoulliLogProb {
    fn name(&self) -> &'static str {
        "bernoulli_log_prob"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        if x.len() == 2 {
            rows(x)
        } else {
            Err(format!("expected data and logits, found {} inputs", x.len()))
        }
    }

    fn aux(&self, x: &[Shape]) -> usize {
        rows(x).map_or(0, |rows| rows.size()) * x[0].last()
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], residuals: &mut [F]) {
        let rows = Rows::new([x.shape(0), x.shape(1)]);
        bernoulli(rows, x.shape(0).last(), &x[0], &x[1], y, residuals);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], residuals: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (rows, n) = (Rows::new([x.shape(0), x.shape(1)]), x.shape(0).last());
        if let Some(dx) = dx.get(0) {
            add_weighted_rows(rows, 0, n, &x[1], Some(1), dy, dx);
        }
        if let Some(dl) = dx.get(1) {
            add_weighted_rows(rows, 1, n, residuals, None, dy, dl);
        }
    }
}

impl<F: Real> Checked<F> for BernoulliLogProb {
    fn cases() -> Vec<Case<Self>> {
        let case = |(x, logits): (&[usize], &[usize])| {
            Case::new(Self, [Sample::uniform(x, 0.0..1.0), Sample::uniform(logits, -3.0..3.0)])
        };
        let shapes: [(&[usize], &[usize]); 5] =
            [(&[3, 5], &[3, 5]), (&[3, 5], &[2, 3, 5]), (&[2, 17], &[17]), (&[2, 1, 5], &[3, 5]), (&[], &[])];
        shapes.map(case).into()
    }
}

kernel! {
    fn bernoulli<F: Real>(rows: Rows<2>, n: usize, x: &[F], logits: &[F], y: &mut [F], residuals: &mut [F]) {
        for (i, y) in y.iter_mut().enumerate() {
            let x = &x[rows.of(0, i) * n..][..n];
            let (logits, residuals) = (&logits[rows.of(1, i) * n..][..n], &mut residuals[i * n..][..n]);
            // softplus and σ share e^−|l|. It has a loop of its own: all in one, a chain of operations so long leaves the processor
            // waiting and takes a third longer.
            for (e, &l) in residuals.iter_mut().zip(logits) {
                *e = (if l < F::ZERO { l } else { -l }).exp();
            }
            *y = lane_sum!(F, [logits, x] mut [residuals] => {
                // −|l|, not by abs(), which at 0 has no slope.
                let (minus_abs, wrong) = if logits < F::ZERO { (logits, x) } else { (-logits, F::ONE - x) };
                let e = *residuals;
                let numerator = if logits < F::ZERO { e } else { F::ONE };
                *residuals = x - numerator / (F::ONE + e);
                // 0 · ∞ is 0 here.
                let certain = wrong == F::ZERO && minus_abs == F::from_f64(f64::NEG_INFINITY);
                (if certain { F::ZERO } else { wrong * minus_abs }) - e.ln_1p()
            });
        }
    }
}

kernel! {
    /// Adds rows of `terms`, times ȳ, to those of an array's adjoint. There is a row of terms for each row of the array `of`, or, if
    /// there is none, of the result.
    fn add_weighted_rows<F: Real>(
        rows: Rows<2>, array: usize, n: usize, terms: &[F], of: Option<usize>, dy: &[F], sums: &mut [F],
    ) {
        for (row, sums) in sums.chunks_exact_mut(n.max(1)).enumerate() {
            add_rows(rows.shares(array), [sums], |share, start, [sums]| {
                let i = rows.shared(array, row, share);
                let (from, weight) = (of.map_or(i, |array| rows.of(array, i)) * n + start, dy[i]);
                let terms = &terms[from..][..sums.len()];
                sums.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term * weight);
            });
        }
    }
}

impl<F: Real> Var<'_, F> {
    /// log p(x = `self` | logits) of independent Bernoulli variables, summed over the last axis, in nats; all axes are
    /// broadcast: see [`BernoulliLogProb`].
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn bernoulli_log_prob(self, logits: Self) -> Self {
        self.tape().apply(BernoulliLogProb, &equal_rows([self, logits]))
    }
}
