//! Beta and binomial distributions: what is known of a coin in closed form.

use autograd::Real;

/// Beta(a, b) with whole parameters.
#[derive(Clone, Copy)]
pub(crate) struct Beta(pub(crate) u32, pub(crate) u32);

impl Beta {
    /// ln B(a, b)
    pub(crate) fn log_norm(self) -> f64 {
        let [a, b] = [self.0, self.1].map(f64::from);
        a.lgamma() + b.lgamma() - (a + b).lgamma()
    }

    pub(crate) fn density(self, p: f64) -> f64 {
        let [a, b] = [self.0, self.1].map(f64::from);
        (Real::ln(p) * (a - 1.0) + (-p).ln_1p() * (b - 1.0) - self.log_norm()).exp()
    }

    /// P(p ≤ x): the probability of at least a heads in a + b − 1 throws of a coin with p = x.
    fn cdf(self, x: f64) -> f64 {
        at_least(self.0, self.0 + self.1 - 1, x)
    }

    pub(crate) fn quantile(self, probability: f64) -> f64 {
        bisect(0.0, 1.0, |x| self.cdf(x) < probability)
    }

    pub(crate) fn mean(self) -> f64 {
        f64::from(self.0) / f64::from(self.0 + self.1)
    }

    /// The posterior after k heads in n throws.
    pub(crate) fn posterior(self, k: u32, n: u32) -> Self {
        Self(self.0 + k, self.1 + n - k)
    }

    /// log P(k heads in n throws)
    pub(crate) fn log_evidence(self, k: u32, n: u32) -> f64 {
        log_choose(n, k) + self.posterior(k, n).log_norm() - self.log_norm()
    }
}

/// ln (n choose k)
pub(crate) fn log_choose(n: u32, k: u32) -> f64 {
    let log_factorial = |n: u32| f64::from(n + 1).lgamma();
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// The probability of k heads in n throws.
pub(crate) fn binomial(k: u32, n: u32, p: f64) -> f64 {
    log_choose(n, k).exp() * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
}

/// The probability of at least k heads in n throws.
pub(crate) fn at_least(k: u32, n: u32, p: f64) -> f64 {
    (k..=n).map(|k| binomial(k, n, p)).sum::<f64>().min(1.0)
}

/// The place at which a condition that holds at `low` stops holding.
pub(crate) fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if holds(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
