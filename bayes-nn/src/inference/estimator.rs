//! How the free energy and its gradient are computed from samples of q.

/// How the divergence of q from the prior is computed: KL(q ‖ π), or −H(q) where the prior is a part of the log-density.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DivergenceEstimator {
    /// Exactly, by the family's formula for KL(q ‖ π) or H(q).
    #[default]
    ClosedForm,
    /// As the mean of log q_η(θ) − log π(θ) over the samples (lecture 000, "Monte Carlo approximation").
    MonteCarlo,
    /// As the mean of log q_η(θ) − log π(θ) over the samples, differentiated through the sample θ = T(ξ, η) alone: the η in
    /// log q_η is held fixed. The part of the gradient that this leaves out has mean 0. What remains has a variance that
    /// falls to 0 as q approaches the posterior (Roeder, Wu & Duvenaud 2017).
    Path,
}

/// How the expectation over q is differentiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GradientEstimator {
    /// E_ξ[∇_η f(T(ξ, η))] (lecture 000, "Monte Carlo approximation"; lecture 004, "The reparametrization trick").
    #[default]
    Reparameterised,
    /// E_q[f(θ) ∇_η log q_η(θ)], which needs no derivative of f (Williams 1992; Ranganath, Gerrish & Blei 2014).
    Score {
        /// Subtracts from each f(θ⁽ᵐ⁾) the mean of f over the samples that are independent of it. The mean of the gradient
        /// stays, its variance falls (Kool, van Hoof & Welling 2019). Needs at least two samples, or two antithetic pairs.
        control_variate: bool,
    },
}

/// How the free energy F is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimator {
    /// M, the number of samples of θ.
    pub samples: usize,
    /// Whether the samples come in pairs with noise ξ and −ξ.
    pub antithetic: bool,
    /// How the divergence of q from the prior is computed.
    pub divergence: DivergenceEstimator,
    /// How the expectation over q is differentiated.
    pub gradient: GradientEstimator,
}

impl Default for Estimator {
    /// One sample, the divergence in closed form, the gradient by reparameterisation.
    fn default() -> Self {
        Self {
            samples: 1,
            antithetic: false,
            divergence: DivergenceEstimator::default(),
            gradient: GradientEstimator::default(),
        }
    }
}

impl Estimator {
    /// The number of samples that share their noise: 2 for antithetic pairs, otherwise 1.
    pub(super) fn group(self) -> usize {
        if self.antithetic { 2 } else { 1 }
    }

    /// Refuses a number of samples that this estimator cannot use.
    #[track_caller]
    pub(super) fn check(self) {
        let Self { samples, antithetic, gradient, .. } = self;
        assert!(samples > 0, "estimator: samples: expected at least 1, found 0");
        assert!(
            !antithetic || samples.is_multiple_of(2),
            "estimator: samples: expected an even number for antithetic pairs, found {samples}"
        );
        let (controlled, least) =
            (gradient == GradientEstimator::Score { control_variate: true }, 2 * self.group());
        assert!(
            !controlled || samples >= least,
            "estimator: samples: expected at least {least} for a control variate, found {samples}"
        );
    }
}
