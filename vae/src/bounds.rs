//! The bound at samples of z: other ways to estimate it, or its gradient, than [`Vae::elbo`].

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use autograd::{InputAdjoints, Inputs, Op, Real, Shape, Tape, Var};
use nn::model::density::Normal;
use nn::train::Noise;

use crate::{Elbo, Vae};

impl Vae {
    /// The terms of the bound at each sample z = μ + A ε, with the divergence as log q(z|x) − log p(z): their mean over samples
    /// estimates the ELBO (lecture 001, "ELBO").
    ///
    /// x (B, D + C) and standard normal noise ε (…, B, L) to (…, B).
    ///
    /// # Panics
    /// If the rows of x or ε have another length, or a condition is missing.
    #[track_caller]
    #[inline(never)]
    pub fn elbo_samples<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        let x = self.rows(x);
        let q = self.posterior(theta, x);
        let z = q.sample_with(eps);
        let log_likelihood = x.log_prob(self.decode_given(theta, z, x));
        Elbo { log_likelihood, kl: q.log_prob_of_noise(eps) - prior(theta.tape()).log_prob(z) }
    }

    /// log p(x, z) − log q(z|x) at z = μ + A ε: the logarithm of an importance weight. The mean of the weights over q is p(x).
    ///
    /// x (B, D + C) and standard normal noise ε (…, B, L) to (…, B).
    ///
    /// # Panics
    /// As [`elbo_samples`](Self::elbo_samples).
    #[track_caller]
    #[inline(never)]
    pub fn log_weight<'t, F: Real>(&self, theta: Var<'t, F>, x: Var<'t, F>, eps: Var<'t, F>) -> Var<'t, F> {
        self.elbo_samples(theta, x, eps).value()
    }

    /// An estimate of the ELBO whose gradient needs no ∂z/∂φ (lecture 001, "Encoder Gradient"). For each of the parts
    /// f(z) = log p(x|z) and f(z) = log q(z|x) − log p(z),
    ///
    /// ∇_φ E_q[f(z)] = E_q[(f(z) − b) ∇_φ log q(z|x)]
    ///
    /// The baseline b is the mean of f at the other samples, which does not change the expectation (Kool, van Hoof & Welling
    /// 2019), or 0 where there is a single sample. The derivative of f itself by φ contributes E_q[∇_φ log q(z|x)] = 0 and is
    /// left out. Each part has its own gradient, so that β may weigh them.
    ///
    /// x (B, D + C) and standard normal noise ε (M, B, L) to the means of f over the samples, (B).
    ///
    /// # Panics
    /// As [`elbo_samples`](Self::elbo_samples).
    #[track_caller]
    pub fn score_function<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
    ) -> Elbo<'t, F> {
        let x = self.rows(x);
        let q = self.posterior(theta, x);
        let z = q.sample_with(eps).stop_gradient();
        let log_q = q.log_prob(z);
        let log_likelihood = x.log_prob(self.decode_given(theta, z, x));
        let kl = log_q.stop_gradient() - prior(theta.tape()).log_prob(z);
        // The value is 0, the gradient is the score ∇_φ log q(z|x).
        let score = log_q - log_q.stop_gradient();
        let samples = F::from_f64(eps.shape()[0] as f64);
        let mean = |f: Var<'t, F>| {
            let value = f.stop_gradient();
            let weight = match eps.shape()[0] {
                1 => value,
                // f − (Σ f − f) / (M − 1)
                _ => (value - value.mean_axis(0)) * (samples / (samples - F::ONE)),
            };
            (f + weight * score).mean_axis(0)
        };
        Elbo { log_likelihood: mean(log_likelihood), kl: mean(kl) }
    }

    /// The terms of [`elbo_samples`](Self::elbo_samples), such that the importance-weighted bound of them
    /// ([`Elbo::importance_weighted`]) has the doubly reparameterised gradient for the encoder (Tucker, Lawson, Gu & Maddison 2019,
    /// eq. 8):
    ///
    /// E[Σₖ w̃ₖ² (∂ log wₖ / ∂zₖ) (∂zₖ / ∂φ)],   w̃ₖ = wₖ / Σⱼ wⱼ,   wₖ = p(x, zₖ) / q(zₖ|x)
    ///
    /// Its mean is that of the usual gradient Σₖ w̃ₖ d log wₖ / dφ, in which log q(zₖ|x) also depends on φ directly. That part
    /// is noise where the bound is tight, and drowns the rest of the gradient as K grows (Rainforth et al. 2018); here it is
    /// reparameterised a second time. The values, and the gradient for the decoder, are the usual ones.
    ///
    /// β is the weight of the terms `kl` in what is maximised, log 1/K Σₖ exp(log p(x|zₖ) − β klₖ), 1 for the bound itself. With
    /// another one w̃ₖ² is w̃ₖ (1 − β + β w̃ₖ), by the same derivation, and w̃ₖ are its weights.
    ///
    /// x (B, D + C) and standard normal noise ε (K, B, L) to (K, B).
    ///
    /// # Panics
    /// As [`elbo_samples`](Self::elbo_samples).
    #[track_caller]
    #[inline(never)]
    pub fn doubly_reparameterised<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        x: Var<'t, F>,
        eps: Var<'t, F>,
        beta: f64,
    ) -> Elbo<'t, F> {
        let (x, tape) = (self.rows(x), theta.tape());
        let (q, beta) = (self.posterior(theta, x), F::from_f64(beta));
        let factors = Arc::default();
        let z = tape.record(WeightedAdjoint(Arc::clone(&factors)), &[q.sample_with(eps)]);
        let log_likelihood = x.log_prob(self.decode_given(theta, z, x));
        let kl = q.stop_gradient().log_prob(z) - prior(tape).log_prob(z);
        // The adjoint that comes back to z is w̃ₖ times that of log wₖ. It goes on to φ times w̃ₖ once more.
        let log_weight = log_likelihood.stop_gradient() - kl.stop_gradient() * beta;
        let normalised = (log_weight - log_weight.logsumexp_axis(0)).exp();
        factors.set((normalised * beta + (F::ONE - beta)).to_vec()).expect("these are the only ones");
        Elbo { log_likelihood, kl }
    }
}

/// The identity of an array (…, L). Its adjoint is multiplied by factors, one for each row of L numbers, which the forward pass
/// knows only after it has gone on: they are set before the backward pass.
struct WeightedAdjoint<F>(Arc<OnceLock<Vec<F>>>);

impl<F: Real> Op<F> for WeightedAdjoint<F> {
    fn name(&self) -> &'static str {
        "weighted_adjoint"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        Ok(x[0])
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        y.copy_from_slice(&x[0]);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (Some(dx), width) = (dx.get(0), x.shape(0).last()) else { return };
        let factors = self.0.get().expect("the factors are set with the forward pass");
        for ((dx, dy), &factor) in dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(factors) {
            dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += factor * dy);
        }
    }
}

impl<'t, F: Real> Elbo<'t, F> {
    /// The importance-weighted bound of the terms of [`Vae::elbo_samples`], (K, B) to (B) (Burda, Grosse & Salakhutdinov 2016,
    /// eq. 8):
    ///
    /// log 1/K Σₖ p(x, zₖ) / q(zₖ|x) ≤ log p(x),   zₖ ~ q(z|x)
    ///
    /// It is the ELBO for K = 1, and grows with K in expectation.
    #[track_caller]
    pub fn importance_weighted(self) -> Var<'t, F> {
        let log_weight = self.value();
        let samples = log_weight.shape()[0] as f64;
        log_weight.logsumexp_axis(0) - F::from_f64(samples.ln())
    }
}

/// p(z) = N(0, I)
pub(crate) fn prior<F: Real>(tape: &Tape<F>) -> Normal<'_, F> {
    let zero = tape.constant(&[F::ZERO], []);
    Normal { mu: zero, log_sigma: zero }
}

/// Standard normal noise for these samples of z for every row: (samples, rows, L).
#[track_caller]
pub(crate) fn noise_on<F: Real>(
    tape: &Tape<F>,
    noise: Noise,
    samples: Range<usize>,
    [rows, latent]: [usize; 2],
) -> Var<'_, F> {
    tape.constant_with([samples.len(), rows, latent], |out| {
        for (sample, out) in samples.zip(out.chunks_exact_mut(rows * latent)) {
            noise.normal(sample, latent, out);
        }
    })
}
