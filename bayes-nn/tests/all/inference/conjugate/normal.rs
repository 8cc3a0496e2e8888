//! A normal distribution with unknown mean and precision.

use approx::assert_relative_eq;
use autograd::Real;
use bayes_nn::inference::conjugate::{Ascent, ConjugateError, Gamma, NormalModel, NormalPosterior};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::Distribution;

use super::{LN_2PI, normal_gamma_evidence, rises, wave};

const MODEL: NormalModel = NormalModel { mean: 0.5, kappa: 0.7, precision: Gamma { shape: 1.5, rate: 0.8 } };

fn data(n: usize) -> Vec<f64> {
    wave(n, 1.7).into_iter().map(|x| 2.0 + 0.6 * x).collect()
}

/// log p(x, μ, τ) − log q(μ) q(τ)
fn log_weight(x: &[f64], q: &NormalPosterior, mu: f64, tau: f64) -> f64 {
    let normal = |x: f64, m: f64, tau: f64| 0.5 * (tau.ln() - LN_2PI - tau * (x - m).powi(2));
    let gamma =
        |g: Gamma| g.shape * g.rate.ln() - g.shape.lgamma() + (g.shape - 1.0) * tau.ln() - g.rate * tau;
    x.iter().map(|&x| normal(x, mu, tau)).sum::<f64>()
        + normal(mu, MODEL.mean, MODEL.kappa * tau)
        + gamma(MODEL.precision)
        - normal(mu, q.mean, 1.0 / q.variance)
        - gamma(q.precision)
}

#[test]
fn the_elbo_is_its_expectation_and_at_its_maximum() {
    let x = data(12);
    let q = MODEL.fit(&x, Ascent::default()).unwrap();
    rises(&q.elbo);
    let estimate = |q: &NormalPosterior| {
        let mut rng = StdRng::seed_from_u64(3);
        let mu = rand_distr::Normal::new(q.mean, q.variance.sqrt()).unwrap();
        let tau = rand_distr::Gamma::new(q.precision.shape, 1.0 / q.precision.rate).unwrap();
        let n = 400_000;
        let weights: Vec<f64> =
            (0..n).map(|_| log_weight(&x, q, mu.sample(&mut rng), tau.sample(&mut rng))).collect();
        let mean = weights.iter().sum::<f64>() / n as f64;
        let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n as f64;
        (mean, (variance / n as f64).sqrt())
    };
    let elbo = q.elbo[q.elbo.len() - 1];
    let (mean, se) = estimate(&q);
    assert!((mean - elbo).abs() < 4.0 * se, "{mean} ± {se} against {elbo}");
    let Gamma { shape, rate } = q.precision;
    for other in [
        NormalPosterior { mean: q.mean + q.variance.sqrt(), ..q.clone() },
        NormalPosterior { variance: 2.0 * q.variance, ..q.clone() },
        NormalPosterior { precision: Gamma { shape: 1.5 * shape, rate: 1.5 * rate }, ..q.clone() },
        NormalPosterior { precision: Gamma { shape, rate: 1.3 * rate }, ..q.clone() },
    ] {
        let (mean, se) = estimate(&other);
        assert!(mean + 4.0 * se < elbo, "{other:?}: {mean} ± {se} above {elbo}");
    }
}

#[test]
fn it_approaches_the_exact_posterior_and_stays_below_its_evidence() {
    for n in [1, 5, 50, 500] {
        let x = data(n);
        let q = MODEL.fit(&x, Ascent::default()).unwrap();
        let evidence = normal_gamma_evidence(&x, MODEL.mean, MODEL.kappa, MODEL.precision);
        let gap = evidence - q.elbo[q.elbo.len() - 1];
        assert!(gap > 0.0 && gap < 1.0 / (1.0 + n as f64), "{n} observations: a gap of {gap}");
        // The exact posterior mean of μ, and of τ up to 1/n.
        let (average, kappa) = (x.iter().sum::<f64>() / n as f64, MODEL.kappa + n as f64);
        assert_relative_eq!(
            q.mean,
            (MODEL.kappa * MODEL.mean + n as f64 * average) / kappa,
            max_relative = 1e-12
        );
        assert_relative_eq!(1.0 / q.variance, kappa * q.precision.mean(), max_relative = 1e-4);
    }
}

#[test]
fn equal_and_single_observations_have_a_posterior() {
    for x in [&[2.0][..], &[3.0; 40]] {
        let q = MODEL.fit(x, Ascent::default()).unwrap();
        assert!(q.variance > 0.0 && q.precision.mean() > 0.0, "{q:?}");
    }
}

#[test]
fn missing_data_are_named() {
    assert_eq!(MODEL.fit(&[], Ascent::default()), Err(ConjugateError::Empty));
    let error = MODEL.fit(&[1.0, f64::NAN], Ascent::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1, column 0: expected a finite number, found NaN; fill it in, or leave the row out"
    );
    let error = MODEL.fit(&[1e200, -1e200], Ascent::default()).unwrap_err();
    assert!(matches!(error, ConjugateError::Overflow(_)), "{error}");
}

#[test]
#[should_panic(expected = "normal model: expected a positive shape and rate, found Gamma(0, 1)")]
fn a_prior_with_shape_0_is_refused() {
    let model = NormalModel { precision: Gamma { shape: 0.0, rate: 1.0 }, ..MODEL };
    let _ = model.fit(&[1.0], Ascent::default());
}
