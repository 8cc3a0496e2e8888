//! The form for long series: a Markov process in time, at a cost that grows with the number of rows alone.

use std::sync::Arc;

use autograd::{Real, Var};
use nn::model::{Init, Layout, Slot};

use super::Matern;
use super::smoother::Smoother;

/// Matérn processes in time, one for each of L columns, each with a length scale of its own, which θ holds.
///
/// The state of such a process at one time says all of the past that matters for the future. So observations of N rows give the
/// posterior by a Kalman filter and a smoother, in time and memory N L, where the dense form takes N³
/// (Hartikainen & Särkkä 2010; for latents Zhu, Rodas & Li 2023, "Markovian Gaussian process variational autoencoders").
#[derive(Clone, Debug, PartialEq)]
pub struct Markov {
    /// k
    pub kernel: Matern,
    /// ln ℓ, (L)
    log_lengths: Slot,
}

/// The rows of some series in their order: each series from its first row to its last.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// The time since the row before, ∞ for the first row of a series.
    pub(super) gaps: Vec<f64>,
    /// Whether there is an observation of a row.
    pub(super) seen: Vec<bool>,
}

/// q(f | μ) of observed series, (N, L) each.
#[derive(Clone, Copy, Debug)]
pub struct MarkovPosterior<'t, F: Real> {
    /// E f given all observations of the series
    pub mean: Var<'t, F>,
    /// Var f given all observations of the series
    pub variance: Var<'t, F>,
    /// ln N(μ_t; …) given all earlier observations of the series, in nats, 0 where a row is not observed. Over the rows of a series
    /// they add up to ln N(μ; 0, K + diag r).
    pub log_evidence: Var<'t, F>,
    /// E_q[KL(q(s_t | s_t−1) ‖ p(s_t | s_t−1))] of the state s, in nats, not negative; for the first row of a series KL(q(s_t) ‖ p(s_t)).
    /// Over the rows of a series they add up to KL(q ‖ p), without the rounding of a difference of other outputs.
    pub divergence: Var<'t, F>,
}

impl Timeline {
    /// Rows with the time since the row before, and whether there is an observation of each. A gap of ∞ begins a series, and the first
    /// row does in any case.
    ///
    /// # Panics
    /// If a gap is negative or not a number, or there are not as many gaps as rows.
    #[track_caller]
    pub fn new(mut gaps: Vec<f64>, seen: Vec<bool>) -> Self {
        assert!(gaps.len() == seen.len(), "Timeline: {} gaps and {} rows", gaps.len(), seen.len());
        let wrong = gaps.iter().find(|gap| gap.is_nan() || **gap < 0.0);
        assert!(wrong.is_none(), "Timeline: expected gaps from 0 on, found {wrong:?}");
        gaps.iter_mut().take(1).for_each(|first| *first = f64::INFINITY);
        Self { gaps, seen }
    }

    /// N
    pub fn len(&self) -> usize {
        self.gaps.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }
}

impl Markov {
    /// The processes of this kernel, with a slot `log_lengths` of θ, where the length scales begin at these.
    ///
    /// # Panics
    /// If there are none, one is not a positive number, or the slot's name is taken.
    #[track_caller]
    pub fn new(layout: &mut Layout, kernel: Matern, lengths: &[f64]) -> Self {
        let sound = |length: &f64| *length > 0.0 && length.is_finite();
        let all = !lengths.is_empty() && lengths.iter().all(sound);
        assert!(all, "Markov: expected positive length scales, found {lengths:?}");
        let start = Init::Values(lengths.iter().map(|length| length.ln()).collect());
        Self { kernel, log_lengths: layout.slot("log_lengths", [lengths.len()], start) }
    }

    /// ℓ of each column, for a θ that is a plain vector.
    pub fn lengths<F: Real>(&self, theta: &[F]) -> Vec<f64> {
        theta[self.log_lengths.range()].iter().map(|log| log.to_f64().exp()).collect()
    }

    /// The posterior given observations μ (N, L) of f at the rows of a timeline, whose noise has the variances r (N, L). What stands in
    /// rows that are not observed is not read.
    ///
    /// # Panics
    /// If the shapes do not fit, or F has derivatives of its own.
    #[track_caller]
    pub fn observed<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        timeline: Arc<Timeline>,
        mu: Var<'t, F>,
        variance: Var<'t, F>,
    ) -> MarkovPosterior<'t, F> {
        assert!(F::IS_PLAIN, "Markov: expected plain numbers, found dual ones");
        let smoother = Smoother { kernel: self.kernel, timeline };
        let latent = mu.shape().last();
        let of_rows = theta.tape().record(smoother, &[self.log_lengths.of(theta), mu, variance]);
        let [mean, variance, log_evidence, divergence] =
            [0, 1, 2, 3].map(|part| of_rows.columns(part * latent..(part + 1) * latent));
        MarkovPosterior { mean, variance, log_evidence, divergence }
    }
}
