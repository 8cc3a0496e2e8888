//! What programs compute with a trained VAE, compiled here in single and in double precision, and not by each of them.

use std::sync::Arc;

use autograd::{Real, Tape};
use nn::data::Matrix;

use crate::{Annealing, Imputation, Vae};

/// Nobody calls it: see `nn::instances`.
#[doc(hidden)]
#[inline(never)]
pub fn instances(vae: &Vae) {
    compile::<f32>(vae);
    compile::<f64>(vae);
}

fn compile<F: Real>(vae: &Vae) {
    let (theta, x): (Arc<Vec<F>>, _) = (Arc::default(), Matrix::new(0, 0, Vec::new()));
    vae.encode_rows(&theta, &x);
    vae.decode_rows(&theta, &x);
    vae.reconstruct(&theta, &x);
    vae.decode_prior_samples(&theta, 0, 0);
    vae.k_sample_bound_of_rows(&theta, &x, 0, 0);
    vae.annealed_bound_of_rows(&theta, &x, &Annealing::default(), 0);
    vae.simulate(&theta, 0, 0);
    vae.impute(&theta, &x, Imputation::PseudoGibbs { sweeps: 0 }, 0);
    let tape = Tape::new();
    let theta = tape.constant(&theta, [0]);
    vae.elbo(theta, theta, theta);
    vae.elbo_samples(theta, theta, theta);
    vae.doubly_reparameterised(theta, theta, theta, 1.0);
    vae.posterior_parameters(theta, theta);
    vae.encode(theta, theta).log_prob(theta);
    vae.decode(theta, theta).mean();
}
