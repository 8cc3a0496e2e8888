//! What several test programs share.

use std::sync::Arc;

use autograd::Real;
use nn::Init;
use rand::{SeedableRng, rngs::StdRng};
use vae::{Config, Likelihood, Vae};

/// One of each kind.
pub(crate) const fn likelihoods(classes: usize) -> [Likelihood; 8] {
    [
        Likelihood::Bernoulli,
        Likelihood::Normal { sigma: 0.7 },
        Likelihood::NormalLearned,
        Likelihood::NormalDiagonal,
        Likelihood::NormalHead,
        Likelihood::Poisson,
        Likelihood::NegativeBinomial,
        Likelihood::Categorical { classes },
    ]
}

/// A model none of whose numbers is 0.
pub(crate) fn model_of(config: &Config) -> Vae {
    Vae::with_init(config, |_, _, _| (Init::Normal(0.6), Init::Normal(0.3)))
}

/// Where its θ begins.
pub(crate) fn theta_of<F: Real>(vae: &Vae) -> Arc<Vec<F>> {
    Arc::new(vae.layout().init(&mut StdRng::seed_from_u64(2)))
}
