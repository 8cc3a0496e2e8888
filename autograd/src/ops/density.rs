//! Log-densities of Bernoulli and of normal variables, each one operation.
//!
//! An array with fewer leading axes than its partner is repeated along the missing ones: several samples of every row,
//! or one row of parameters for all.

use crate::gradcheck::{Case, Sample};
use crate::{Grads, Inputs, Op, Real, Shape, Var};

/// ½ ln 2π
pub(super) const HALF_LN_2PI: f64 = 0.918_938_533_204_672_7;

/// The row of a repeated array that belongs to row `i` of the whole.
#[inline(always)]
pub(super) fn row<F>(x: &[F], i: usize, n: usize) -> &[F] {
    &x[i * n % x.len().max(1)..][..n]
}

#[inline(always)]
pub(super) fn row_mut<F>(x: &mut [F], i: usize, n: usize) -> &mut [F] {
    let start = i * n % x.len().max(1);
    &mut x[start..][..n]
}

/// The longer of two shapes, if the other one's axes are its last. Their rows are equally long: a scalar is repeated
/// along rows of one number only.
pub(super) fn longer(a: Shape, b: Shape) -> Result<Shape, String> {
    match (a.is_suffix_of(&b), b.is_suffix_of(&a)) {
        _ if a.last() != b.last() => Err(format!("rows of {} and {} numbers", a.last(), b.last())),
        (true, _) => Ok(b),
        (_, true) => Ok(a),
        _ => Err(format!("neither {a} nor {b} ends with the other")),
    }
}

/// The shape without its last axis.
pub(super) fn rows(shape: Shape) -> Shape {
    shape.rank().checked_sub(1).map_or(Shape::SCALAR, |axis| shape.without(axis))
}

/// log p(x | logits) of independent Bernoulli variables, summed over the last axis:
///
/// y = Σᵢ xᵢ lᵢ − softplus(lᵢ),   l̄ᵢ += (xᵢ − σ(lᵢ)) ȳ,   x̄ᵢ += lᵢ ȳ
///
/// Logits (…, n) and x, either with fewer leading axes, to (…). x in [0, 1], grey values included. The residuals
/// x − σ(l) are kept, so that loss and gradient are one pass over the data.
#[derive(Clone, Copy, Debug)]
pub struct BernoulliLogProb;

impl<F: Real> Op<F> for BernoulliLogProb {
    fn name(&self) -> &'static str {
        "bernoulli_log_prob"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [logits, x] = x else { return Err("takes logits and data".into()) };
        longer(*logits, *x).map(rows)
    }

    fn aux(&self, x: &[Shape]) -> usize {
        x[0].size().max(x[1].size())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], residuals: &mut [F]) {
        bernoulli(&x[0], &x[1], x.shape(0).last(), y, residuals);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], residuals: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let n = x.shape(0).last();
        if let Some(dl) = grads.get(0) {
            let fresh = dl.fresh && dl.sum.len() == residuals.len();
            weighted_rows(residuals, n, dy, if fresh { dl.sum } else { dl.sum() }, fresh);
        }
        if let Some(dx) = grads.get(1) {
            weighted_rows(&x[0], n, dy, dx.sum(), false);
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |(logits, x): (&[usize], &[usize])| {
            Case::new(Self, [Sample::uniform(logits, -3.0..3.0), Sample::uniform(x, 0.0..1.0)])
        };
        [(&[3, 5][..], &[3, 5][..]), (&[2, 3, 5], &[3, 5]), (&[17], &[2, 17]), (&[], &[])].map(case).into()
    }
}

kernel! {
    fn bernoulli<F: Real>(logits: &[F], x: &[F], n: usize, y: &mut [F], residuals: &mut [F]) {
        for (i, y) in y.iter_mut().enumerate() {
            let (logits, x, residuals) = (row(logits, i, n), row(x, i, n), row_mut(residuals, i, n));
            *y = lane_sum!(F, [logits, x] mut [residuals] => {
                // softplus and σ share e^−|l|; not by abs(), which at 0 has no slope.
                let (l, e) = (logits, (if logits < F::ZERO { logits } else { -logits }).exp());
                let (numerator, positive) = if l < F::ZERO { (e, F::ZERO) } else { (F::ONE, l) };
                *residuals = x - numerator / (F::ONE + e);
                x * l - positive - e.ln_1p()
            });
        }
    }
}

kernel! {
    /// Adds each row of `terms`, times its ȳ, to the row that it belongs to; writes where `fresh`.
    fn weighted_rows<F: Real>(terms: &[F], n: usize, dy: &[F], sums: &mut [F], fresh: bool) {
        for (i, &dy) in dy.iter().enumerate() {
            for (sum, &term) in row_mut(sums, i, n).iter_mut().zip(row(terms, i, n)) {
                *sum = if fresh { term * dy } else { *sum + term * dy };
            }
        }
    }
}

/// log N(x; μ, σ²I) with one log σ for all, summed over the last axis:
///
/// y = −½ Σᵢ (xᵢ − μᵢ)²/σ² − n (log σ + ½ ln 2π)
///
/// μ̄ᵢ += (xᵢ − μᵢ)/σ² ȳ,   x̄ᵢ −= the same,   log σ̄ += (Σᵢ (xᵢ − μᵢ)²/σ² − n) ȳ
///
/// x and μ (…, n), either with fewer leading axes, and a single log σ, to (…).
#[derive(Clone, Copy, Debug)]
pub struct NormalLogProb;

impl<F: Real> Op<F> for NormalLogProb {
    fn name(&self) -> &'static str {
        "normal_log_prob"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x, mu, log_sigma] = x else { return Err("takes x, μ and log σ".into()) };
        if log_sigma.size() != 1 {
            return Err("log σ must be a single number".into());
        }
        longer(*x, *mu).map(rows)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        normal(&x[0], &x[1], x[2][0], x.shape(0).last(), y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let (n, log_sigma) = (x.shape(0).last(), x[2][0]);
        let precision = (log_sigma * F::from_f64(-2.0)).exp();
        if let Some(dx) = grads.get(0) {
            differences(&x[1], &x[0], precision, n, dy, dx.sum());
        }
        if let Some(dmu) = grads.get(1) {
            differences(&x[0], &x[1], precision, n, dy, dmu.sum());
        }
        if let Some(d) = grads.get(2) {
            // The squares are in y already.
            let size = F::from_f64(n as f64);
            let constant = size * (log_sigma + F::from_f64(HALF_LN_2PI));
            let term = |(&y, &dy): (&F, &F)| (F::from_f64(-2.0) * (y + constant) - size) * dy;
            d.add([y.iter().zip(dy).map(term).sum()]);
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |(x, mu): (&[usize], &[usize])| {
            Case::new(Self, [Sample::any(x), Sample::any(mu), Sample::uniform([], -0.5..1.0)])
        };
        [(&[3, 5][..], &[3, 5][..]), (&[2, 3, 5], &[3, 5]), (&[17], &[2, 17]), (&[], &[])].map(case).into()
    }
}

kernel! {
    fn normal<F: Real>(x: &[F], mu: &[F], log_sigma: F, n: usize, y: &mut [F]) {
        let scale = F::from_f64(-0.5) * (log_sigma * F::from_f64(-2.0)).exp();
        let constant = F::from_f64(n as f64) * (log_sigma + F::from_f64(HALF_LN_2PI));
        for (i, y) in y.iter_mut().enumerate() {
            let (x, mu) = (row(x, i, n), row(mu, i, n));
            *y = scale * lane_sum!(F, [x, mu] => (x - mu) * (x - mu)) - constant;
        }
    }
}

kernel! {
    /// b̄ += scale (a − b) ȳ
    fn differences<F: Real>(a: &[F], b: &[F], scale: F, n: usize, dy: &[F], db: &mut [F]) {
        for (i, &dy) in dy.iter().enumerate() {
            for ((db, &a), &b) in row_mut(db, i, n).iter_mut().zip(row(a, i, n)).zip(row(b, i, n)) {
                *db += scale * (a - b) * dy;
            }
        }
    }
}

impl<F: Real> Var<'_, F> {
    /// log p(x | logits = self), summed over the last axis: see [`BernoulliLogProb`].
    #[track_caller]
    pub fn bernoulli_log_prob(self, x: Self) -> Self {
        self.tape().apply(BernoulliLogProb, &[self, x])
    }

    /// log N(self; μ, σ²I) with one log σ, summed over the last axis: see [`NormalLogProb`].
    #[track_caller]
    pub fn normal_log_prob(self, mu: Self, log_sigma: Self) -> Self {
        self.tape().apply(NormalLogProb, &[self, mu, log_sigma])
    }
}
