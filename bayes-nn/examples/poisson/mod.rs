//! Poisson counts of an unknown rate: the priors of the rate, and its exact posterior.

use std::ops::Range;

use autograd::Real;
use bayes_nn::inference::Support;

/// The range of the rates: where the uniform prior lies, and what is drawn.
pub(crate) const WINDOW: Range<f64> = 0.0..5.0;

/// The prior of both rates.
#[derive(Clone, Copy)]
pub(crate) enum Prior {
    /// Uniform within the window.
    Uniform,
    /// Exponential with these means.
    Exponential([f64; 2]),
}

impl Prior {
    pub(crate) fn support(self) -> Support {
        match self {
            Self::Uniform => Support::Interval { low: WINDOW.start, high: WINDOW.end },
            Self::Exponential(_) => Support::Positive,
        }
    }

    /// (c, r) with log π(λᵢ) = c − r λᵢ within the support.
    fn log_density(self, sensor: usize) -> (f64, f64) {
        match self {
            Self::Uniform => (-(WINDOW.end - WINDOW.start).ln(), 0.0),
            Self::Exponential(means) => (-means[sensor].ln(), 1.0 / means[sensor]),
        }
    }
}

/// What is observed of one sensor: p(Y, λ) = e^c λ^s e^−rλ.
#[derive(Clone, Copy)]
pub(crate) struct Sensor {
    /// c = −Σ ln nⱼ! + the constant of the prior
    pub(crate) constant: f64,
    /// s = Σ nⱼ
    pub(crate) total: f64,
    /// r = N + the rate of the prior
    pub(crate) rate: f64,
    support: Support,
}

/// The exact posterior of λ.
pub(crate) struct Exact {
    /// log p(Y)
    pub(crate) log_evidence: f64,
    pub(crate) mean: f64,
    pub(crate) sd: f64,
}

impl Sensor {
    pub(crate) fn new(counts: &[f64], prior: Prior, sensor: usize) -> Self {
        let (constant, rate) = prior.log_density(sensor);
        Self {
            constant: constant - counts.iter().map(|n| (n + 1.0).lgamma()).sum::<f64>(),
            total: counts.iter().sum(),
            rate: counts.len() as f64 + rate,
            support: prior.support(),
        }
    }

    /// Whether the prior allows this rate.
    pub(crate) fn allows(self, lambda: f64) -> bool {
        match self.support {
            Support::Interval { low, high } => low < lambda && lambda < high,
            _ => lambda > 0.0,
        }
    }

    pub(crate) fn log_joint(self, lambda: f64) -> f64 {
        let logarithm = if self.total > 0.0 { self.total * Real::ln(lambda) } else { 0.0 };
        self.constant + logarithm - self.rate * lambda
    }

    /// A Gamma distribution, or its part within the window, by quadrature.
    pub(crate) fn exact(self) -> Exact {
        let Self { constant, total, rate, support } = self;
        let Support::Interval { low, high } = support else {
            let shape = total + 1.0;
            let log_evidence = constant + shape.lgamma() - shape * rate.ln();
            return Exact { log_evidence, mean: shape / rate, sd: shape.sqrt() / rate };
        };
        const POINTS: usize = 20_000;
        let step = (high - low) / POINTS as f64;
        let points = || (0..POINTS).map(|i| low + (i as f64 + 0.5) * step);
        let largest = points().map(|l| self.log_joint(l)).fold(f64::NEG_INFINITY, f64::max);
        let moment = |k| points().map(|l| l.powi(k) * (self.log_joint(l) - largest).exp()).sum::<f64>();
        let [total, mean, square] = [0, 1, 2].map(moment);
        let (mean, square) = (mean / total, square / total);
        Exact { log_evidence: largest + (total * step).ln(), mean, sd: (square - mean * mean).sqrt() }
    }
}
