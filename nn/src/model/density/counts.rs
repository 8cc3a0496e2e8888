//! Counts. Their log-densities are computed without the terms that grow as x ln x and cancel: in single precision their rounding
//! would be 0.5 nats at x = 10⁶.

use autograd::numerics::HALF_LN_2PI;
use autograd::ops::{Binary, Broadcast};
use autograd::{Real, Var};

use super::over_last;

/// From here on Stirling's series is exact to 10⁻¹⁶ with the terms of [`stirling`].
const LARGE: f64 = 16.0;

/// ln Γ(x) − ((x − ½) ln x − x + ½ ln 2π), for a large x (Abramowitz & Stegun 1964, 6.1.41).
#[inline(always)]
fn stirling<F: Real>(x: F) -> F {
    const TERMS: [f64; 5] = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0];
    let (inverse, mut sum) = (F::ONE / x, F::ZERO);
    for term in TERMS.into_iter().rev() {
        sum = sum * inverse * inverse + F::from_f64(term);
    }
    sum * inverse
}

/// log p(x) of a Poisson variable x with log rate l:
///
/// z = x l − eˡ − ln x!,   ∂z/∂x = l − ψ(x + 1),   ∂z/∂l = x − eˡ
///
/// For a large x it is computed as x (d − (eᵈ − 1)) − ½ ln 2πx − 1/12x + …, with d = l − ln x.
#[derive(Clone, Copy, Debug)]
struct PoissonLogProb;

impl<F: Real> Binary<F> for PoissonLogProb {
    const NAME: &'static str = "poisson_log_prob";

    #[inline(always)]
    fn f(&self, x: F, log_rate: F) -> F {
        if x < F::from_f64(LARGE) {
            return x * log_rate - log_rate.exp() - (x + F::ONE).lgamma();
        }
        let d = log_rate - x.ln();
        x * (d - d.exp_m1()) - F::from_f64(0.5) * x.ln() - F::from_f64(HALF_LN_2PI) - stirling(x)
    }

    #[inline(always)]
    fn dx(&self, x: F, log_rate: F, _: F) -> F {
        log_rate - (x + F::ONE).digamma()
    }

    #[inline(always)]
    fn dy(&self, x: F, log_rate: F, _: F) -> F {
        x - log_rate.exp()
    }
}

/// The logarithm of the number of orders in which a negative binomial variable with dispersion r comes to x:
///
/// z = ln Γ(x + r) − ln Γ(r) − ln x!,   ∂z/∂x = ψ(x + r) − ψ(x + 1),   ∂z/∂r = ψ(x + r) − ψ(r)
///
/// With a = x + 1 it is ln Γ(a + r − 1) − ln Γ(a) − ln Γ(r), in which a and r may change places. The difference that has the
/// larger of them is computed by Stirling's formula, if it is large.
#[derive(Clone, Copy, Debug)]
struct LogOrders;

impl<F: Real> Binary<F> for LogOrders {
    const NAME: &'static str = "log_orders";

    #[inline(always)]
    fn f(&self, x: F, r: F) -> F {
        let a = x + F::ONE;
        let (large, small) = if a > r { (a, r) } else { (r, a) };
        let (step, sum) = (small - F::ONE, large + (small - F::ONE));
        if large < F::from_f64(LARGE) || sum < F::from_f64(LARGE) {
            return sum.lgamma() - large.lgamma() - small.lgamma();
        }
        let ratio = (large - F::from_f64(0.5)) * (step / large).ln_1p();
        ratio + step * (sum.ln() - F::ONE) + (stirling(sum) - stirling(large)) - small.lgamma()
    }

    #[inline(always)]
    fn dx(&self, x: F, r: F, _: F) -> F {
        (x + r).digamma() - (x + F::ONE).digamma()
    }

    #[inline(always)]
    fn dy(&self, x: F, r: F, _: F) -> F {
        (x + r).digamma() - r.digamma()
    }
}

/// ln Γ(x + r) − ln Γ(r) − ln Γ(x + 1), element by element.
#[track_caller]
pub(super) fn log_orders<'t, F: Real>(x: Var<'t, F>, r: Var<'t, F>) -> Var<'t, F> {
    x.tape().record(Broadcast(LogOrders), &[x, r])
}

/// Independent counts with P(x) = λˣ e^(−λ) / x!, of mean and variance λ.
#[derive(Clone, Copy, Debug)]
pub struct Poisson<'t, F: Real> {
    /// ln λ
    pub log_rate: Var<'t, F>,
}

impl<'t, F: Real> Poisson<'t, F> {
    /// ln P(x) = Σ x ln λ − λ − ln x!
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        over_last(self.log_prob_each(x))
    }

    /// x ln λ − λ − ln x!, element by element.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob_each(self, x: Var<'t, F>) -> Var<'t, F> {
        x.tape().record(Broadcast(PoissonLogProb), &[x, self.log_rate])
    }
}

/// Independent counts of mean m and variance m + m²/r: Poisson counts whose rates have a Gamma density of mean m and shape r. For
/// r → ∞ it is the Poisson distribution.
#[derive(Clone, Copy, Debug)]
pub struct NegativeBinomial<'t, F: Real> {
    /// ln m
    pub log_mean: Var<'t, F>,
    /// ln r
    pub log_dispersion: Var<'t, F>,
}

impl<'t, F: Real> NegativeBinomial<'t, F> {
    /// ln P(x) = Σ ln Γ(x + r) − ln Γ(r) − ln x! + r ln r/(r + m) + x ln m/(r + m)
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        over_last(self.log_prob_each(x))
    }

    /// ln Γ(x + r) − ln Γ(r) − ln x! + r ln r/(r + m) + x ln m/(r + m), element by element.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob_each(self, x: Var<'t, F>) -> Var<'t, F> {
        let (r, odds) = (self.log_dispersion.exp(), self.log_mean - self.log_dispersion);
        log_orders(x, r) + r * odds.neg().log_sigmoid() + x * odds.log_sigmoid()
    }
}
