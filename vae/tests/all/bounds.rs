//! Covariances of posteriors, bounds and their gradients.

use std::sync::Arc;

use autograd::check::{Sample, check, check_theta};
use autograd::{Tape, Var};
use nn::data::Matrix;
use nn::stats::Estimate;
use nn::train::Noise;
use vae::{Codes, Covariance, Elbo, Likelihood, Vae};

use crate::common::{COVARIANCES, conditional, conditional_data, likelihoods, mild_theta_of, theta_of};

/// Of θ, x and ε.
type Value<'a> = dyn for<'t> Fn(Var<'t, f64>, Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64> + 'a;
type Parts<'a> = dyn for<'t> Fn(Var<'t, f64>, Var<'t, f64>, Var<'t, f64>) -> Elbo<'t, f64> + 'a;

const LIKELIHOODS: [Likelihood; 8] = likelihoods(2);

fn noise(seed: u64, samples: usize, rows: usize) -> Vec<f64> {
    let mut noise = vec![0.0; samples * rows * 3];
    Noise::new(seed, 0).normal(0, 3, &mut noise);
    noise
}

/// Rows λ of a full covariance for L = 3, and their μ and L.
fn full() -> (Vec<f64>, [f64; 3], [[f64; 3]; 3]) {
    let (mu, s, m) = ([0.3, -0.7, 1.1], [0.2_f64, -0.4, 0.1], [0.5, -0.8, 0.6]);
    let lambda = [&mu[..], &s.map(|s| 8.0 * (s / 8.0).atanh()), &m].concat();
    let l = [[s[0].exp(), 0.0, 0.0], [m[0], s[1].exp(), 0.0], [m[1], m[2], s[2].exp()]];
    (lambda, mu, l)
}

/// log N(z; μ, L Lᵀ) by Gaussian elimination of the covariance.
fn direct(z: &[f64], mu: [f64; 3], l: [[f64; 3]; 3]) -> f64 {
    let mut a: [[f64; 4]; 3] = std::array::from_fn(|i| {
        std::array::from_fn(|j| match j {
            3 => z[i] - mu[i],
            _ => (0..3).map(|k| l[i][k] * l[j][k]).sum(),
        })
    });
    let mut determinant = 1.0;
    for i in 0..3 {
        determinant *= a[i][i];
        for row in i + 1..3 {
            let factor = a[row][i] / a[i][i];
            (i..4).for_each(|j| a[row][j] -= factor * a[i][j]);
        }
    }
    let mut solution = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| a[i][j] * solution[j]).sum();
        solution[i] = (a[i][3] - known) / a[i][i];
    }
    let square: f64 = (0..3).map(|i| (z[i] - mu[i]) * solution[i]).sum();
    -0.5 * (square + determinant.ln() + 3.0 * (2.0 * std::f64::consts::PI).ln())
}

#[test]
fn a_full_covariance_has_the_density_and_divergence_of_its_matrix() {
    let (lambda, mu, l) = full();
    assert_eq!((Covariance::Full.parameters(3), Covariance::Diagonal.parameters(3)), (lambda.len(), 6));
    let (tape, draws) = (Tape::new(), 40_000);
    let q = Covariance::Full.at(3, tape.constant(&lambda, [1, 9]));
    let eps = tape.constant(&noise(1, draws, 1), [draws, 1, 3]);
    let z = q.sample_with(eps);
    let (by_noise, by_value) = (q.log_prob_of_noise(eps).to_vec(), q.log_prob(z).to_vec());
    for (i, z) in z.to_vec().chunks_exact(3).enumerate().take(50) {
        let direct = direct(z, mu, l);
        assert!((by_noise[i] - direct).abs() < 1e-11, "{} and {direct}", by_noise[i]);
        assert!((by_value[i] - direct).abs() < 1e-11, "{} and {direct}", by_value[i]);
    }
    // KL = E_q[log q − log p]
    let prior = z.square().sum_axis(2) * -0.5 - 1.5 * (2.0 * std::f64::consts::PI).ln();
    let Estimate { mean, se } = Estimate::of(&(q.log_prob_of_noise(eps) - prior).to_vec());
    let closed = q.kl_to_standard().item();
    assert!((mean - closed).abs() < 5.0 * se && se < 0.02 * closed, "{mean} ± {se}, not {closed}");
    // Without M the covariance is diagonal.
    let diagonal = Covariance::Diagonal.at(3, tape.constant(&lambda[..6], [1, 6]));
    let zeros = Covariance::Full.at(3, tape.constant(&[&lambda[..6], &[0.0; 3]].concat(), [1, 9]));
    assert!((diagonal.kl_to_standard().item() - zeros.kl_to_standard().item()).abs() < 1e-14);
    let difference = diagonal.log_prob_of_noise(eps) - diagonal.log_prob(diagonal.sample_with(eps));
    assert!(difference.to_vec().iter().all(|d| d.abs() < 1e-11));
}

#[test]
fn samples_and_densities_of_both_covariances_have_the_right_gradients() {
    for covariance in COVARIANCES {
        let inputs = [Sample::uniform([2, covariance.parameters(3)], -0.8..0.8), Sample::any([4, 2, 3])];
        check("sample", &inputs, |_, v| covariance.at(3, v[0]).sample_with(v[1])).unwrap();
        check("jacobian", &inputs, |_, v| covariance.at(3, v[0]).log_prob_of_noise(v[1])).unwrap();
        check("density", &inputs, |_, v| covariance.at(3, v[0]).log_prob(v[1])).unwrap();
        check("divergence", &inputs[..1], |_, v| covariance.at(3, v[0]).kl_to_standard()).unwrap();
    }
}

#[test]
fn every_bound_has_the_right_gradient_for_every_covariance_and_likelihood() {
    for covariance in COVARIANCES {
        for likelihood in LIKELIHOODS {
            let vae = conditional(covariance, likelihood.clone());
            let (theta, complete, eps) =
                (theta_of(&vae), conditional_data(likelihood.clone(), 3), noise(4, 4, 3));
            let mut gaps = complete.values.to_vec();
            (gaps[1], gaps[2], gaps[10]) = (f64::NAN, f64::NAN, f64::NAN);
            for x in [complete.values.to_vec(), gaps] {
                let check = |name: &str, f: &Value<'_>| {
                    check_theta(
                        &format!("{name} {covariance:?} {likelihood:?}"),
                        &theta,
                        3,
                        |tape, theta| {
                            f(theta, tape.constant(&x, [3, 5]), tape.constant(&eps, [4, 3, 3])).sum()
                        },
                    )
                    .unwrap();
                };
                check("closed form", &|theta, x, eps| vae.elbo(theta, x, eps).value());
                check("at the samples", &|theta, x, eps| vae.elbo_samples(theta, x, eps).value());
                check("importance weighted", &|theta, x, eps| {
                    vae.elbo_samples(theta, x, eps).importance_weighted()
                });
            }
        }
    }
}

/// d/dt of a bound along a direction of θ.
fn slope(vae: &Vae, theta: &Arc<Vec<f64>>, bound: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>) -> f64 {
    let mut tape = Tape::new();
    let (_, gradient) = tape.value_and_grad(theta, |_, theta| bound(theta));
    let direction = (0..vae.layout().size()).map(|i| (1.0 + i as f64).sin());
    gradient.iter().zip(direction).map(|(g, d)| g * d).sum()
}

#[test]
fn the_score_function_estimates_the_gradient_of_the_bound() {
    for covariance in COVARIANCES {
        let likelihood = Likelihood::Bernoulli;
        let vae = conditional(covariance, likelihood.clone());
        let (theta, x) = (mild_theta_of(&vae), conditional_data(likelihood, 2));
        for (samples, beta) in [(1, 1.0), (5, 1.0), (5, 0.2)] {
            let repeats = 20_000 / samples as u64;
            let slopes = |f: &Parts<'_>| {
                let each = |seed: u64| {
                    slope(&vae, &theta, |theta| {
                        let tape = theta.tape();
                        let eps = tape.constant(&noise(seed, samples, 2), [samples, 2, 3]);
                        let elbo = f(theta, tape.constant(&x.values, [2, 5]), eps);
                        (elbo.log_likelihood - elbo.kl * beta).sum()
                    })
                };
                Estimate::of(&(0..repeats).map(each).collect::<Vec<_>>())
            };
            let score = slopes(&|theta, x, eps| vae.score_function(theta, x, eps));
            let path = slopes(&|theta, x, eps| vae.elbo(theta, x, eps));
            let se = score.se.hypot(path.se);
            assert!(
                (score.mean - path.mean).abs() < 5.0 * se,
                "{covariance:?} {samples} {beta}: {score:?} and {path:?}"
            );
            assert!(
                se < 0.1 * path.mean.abs(),
                "{covariance:?} {samples} {beta}: ± {se} cannot tell {path:?} from 0"
            );
            assert!(path.se < score.se, "{covariance:?} {samples} {beta}: {path:?} and {score:?}");
        }
    }
}

#[test]
fn the_score_function_s_value_is_the_bound_at_its_samples() {
    let vae = conditional(Covariance::Full, Likelihood::Poisson);
    let (theta, x) = (theta_of(&vae), conditional_data(Likelihood::Poisson, 3));
    let tape = Tape::new();
    let (theta, x) = (tape.shared_parameter(&theta, [theta.len()]), tape.constant(&x.values, [3, 5]));
    let eps = tape.constant(&noise(3, 6, 3), [6, 3, 3]);
    let samples = vae.elbo_samples(theta, x, eps);
    let score = vae.score_function(theta, x, eps);
    for (direct, score) in [(samples.kl, score.kl), (samples.log_likelihood, score.log_likelihood)] {
        let pairs = direct.mean_axis(0).to_vec().into_iter().zip(score.to_vec());
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-10, "{a} and {b}"));
    }
}

#[test]
fn the_doubly_reparameterised_gradient_has_the_mean_of_the_usual_one_and_less_noise() {
    for covariance in COVARIANCES {
        let vae = conditional(covariance, Likelihood::Bernoulli);
        let (theta, x) = (mild_theta_of(&vae), conditional_data(Likelihood::Bernoulli, 2));
        for (samples, beta) in [(4, 1.0), (4, 0.4)] {
            // ∂/∂φ along a direction, without the decoder's part of θ.
            let slopes = |f: &Parts<'_>| {
                let each = |seed: u64| {
                    slope(&vae, &theta, |theta| {
                        let eps = theta.tape().constant(&noise(seed, samples, 2), [samples, 2, 3]);
                        let elbo = f(theta, theta.tape().constant(&x.values, [2, 5]), eps);
                        Elbo { kl: elbo.kl * beta, ..elbo }.importance_weighted().sum()
                    })
                };
                (0..2500).map(each).collect::<Vec<_>>()
            };
            let usual = slopes(&|theta, x, eps| vae.elbo_samples(theta, x, eps));
            let double = slopes(&|theta, x, eps| vae.doubly_reparameterised(theta, x, eps, beta));
            let paired = Estimate::of(&usual.iter().zip(&double).map(|(a, b)| a - b).collect::<Vec<_>>());
            let name = format!("{covariance:?} {samples} {beta}");
            assert!(paired.mean.abs() < 4.0 * paired.se, "{name}: {paired:?}");
            let [usual, double] = [usual, double].map(|slopes| Estimate::of(&slopes));
            assert!(paired.se < 0.1 * double.mean.abs(), "{name}: {paired:?} cannot tell {double:?} from 0");
            assert!(double.se < usual.se, "{name}: {double:?} and {usual:?}");
        }
    }
}

#[test]
fn the_doubly_reparameterised_gradient_is_its_formula() {
    let (vae, samples) = (conditional(Covariance::Full, Likelihood::NormalHead), 3);
    let (theta, x) = (mild_theta_of(&vae), conditional_data(Likelihood::NormalHead, 2));
    let gradient = |f: &Value<'_>| {
        let mut tape = Tape::new();
        let (value, gradient) = tape.value_and_grad(&theta, |tape, theta| {
            f(theta, tape.constant(&x.values, [2, 5]), tape.constant(&noise(5, samples, 2), [samples, 2, 3]))
                .sum()
        });
        (value, gradient.to_vec())
    };
    let (value, double) =
        gradient(&|theta, x, eps| vae.doubly_reparameterised(theta, x, eps, 1.0).importance_weighted());
    let (usual_value, usual) =
        gradient(&|theta, x, eps| vae.elbo_samples(theta, x, eps).importance_weighted());
    assert!((value - usual_value).abs() < 1e-10, "{value} and {usual_value}");
    // Σₖ w̃ₖ² log wₖ with constant weights and a constant decoder, and log q a function of z alone.
    let (_, by_hand) = gradient(&|theta, x, eps| {
        let (rows, conditions) = (x.columns(0..4), x.columns(4..5).stop_gradient());
        let log_weight = vae.log_weight(theta, x, eps).stop_gradient();
        let weights = (log_weight - log_weight.logsumexp_axis(0)).exp();
        let z = vae.encode(theta, x).sample_with(eps);
        let tiled = conditions.broadcast_to([samples, 2, 1]);
        let given = Var::concatenate(&[z, tiled], 2);
        let log_likelihood = vae.decode(theta.stop_gradient(), given).log_prob(rows);
        let log_q = vae.encode(theta.stop_gradient(), x).log_prob(z);
        let log_prior = z.square().sum_axis(2) * -0.5;
        (weights.square() * (log_likelihood + log_prior - log_q)).sum_axis(0)
    });
    let encoder = vae.layout().range("encoder");
    for i in 0..double.len() {
        let wanted = if encoder.contains(&i) { by_hand[i] } else { usual[i] };
        assert!((double[i] - wanted).abs() < 1e-9, "{i}: {} and {wanted}", double[i]);
    }
}

#[test]
fn the_importance_weighted_bound_grows_with_the_samples_and_begins_at_the_elbo() {
    let (vae, k) = (conditional(Covariance::Diagonal, Likelihood::Bernoulli), 12);
    let (theta, x) = (mild_theta_of(&vae), conditional_data(Likelihood::Bernoulli, 4));
    let tape = Tape::new();
    let on_tape = tape.shared_constant(&theta, [theta.len()]);
    let data = tape.constant(&x.values, [4, 5]);
    let eps = noise(7, k, 4);
    let bound = |chosen: &[usize]| {
        let eps: Vec<f64> = chosen.iter().flat_map(|&i| &eps[i * 12..(i + 1) * 12]).copied().collect();
        let eps = tape.constant(&eps, [chosen.len(), 4, 3]);
        vae.elbo_samples(on_tape, data, eps).importance_weighted().to_vec()
    };
    let mean_over = |sets: Vec<Vec<usize>>| {
        let n = sets.len() as f64;
        sets.iter()
            .fold(vec![0.0; 4], |sum, set| sum.iter().zip(bound(set)).map(|(a, b)| a + b / n).collect())
    };
    // Jensen for the very samples (Burda et al. 2016, appendix A): the mean over all subsets of one sample fewer is lower.
    let all: Vec<usize> = (0..k).collect();
    let mut last = mean_over(vec![all.clone()]);
    for size in (1..k).rev() {
        let first = &all[..size + 1];
        let subsets = |set: &[usize]| -> Vec<Vec<usize>> {
            set.iter().map(|&out| set.iter().copied().filter(|&i| i != out).collect()).collect()
        };
        let (whole, fewer) = (bound(first), mean_over(subsets(first)));
        for (whole, fewer) in whole.iter().zip(&fewer) {
            assert!(fewer <= whole && whole - fewer > 1e-9, "{size}: {fewer} and {whole}");
        }
        last = fewer;
    }
    let elbo = vae.elbo_samples(on_tape, data, tape.constant(&eps[..24], [2, 4, 3])).value().mean_axis(0);
    elbo.to_vec().iter().zip(&last).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} and {b}"));

    // In expectation, over many draws, towards log p(x).
    let limit = vae.k_sample_bound(&theta, &x, 100_000, 1).mean;
    let expected = |k: usize| {
        let eps = tape.constant(&noise(8, k * 3000, 4), [k, 3000 * 4, 3]);
        let data = tape.constant(&x.values.repeat(3000), [12_000, 5]);
        Estimate::of(&vae.elbo_samples(on_tape, data, eps).importance_weighted().to_vec()).mean
    };
    let bounds = [1, 2, 5, 20].map(expected);
    assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
    assert!(bounds[3] < limit && limit - bounds[3] < 0.2 * (limit - bounds[0]), "{bounds:?} and {limit}");
}

#[test]
fn codes_are_the_marginals_of_the_posterior() {
    let vae = conditional(Covariance::Full, Likelihood::Bernoulli);
    let (theta, x) = (theta_of::<f64>(&vae), conditional_data(Likelihood::Bernoulli, 2));
    let Codes { mu: means, log_sigma: log_sigmas } = vae.encode_rows(&theta, &x);
    let (tape, n) = (Tape::new(), 100_000);
    let q = vae.encode(tape.shared_constant(&theta, [theta.len()]), tape.constant(&x.values, [2, 5]));
    let z = q.sample_with(tape.constant(&noise(9, n, 2), [n, 2, 3])).to_vec();
    for at in 0..6 {
        let draws: Vec<f64> = z.iter().skip(at).step_by(6).copied().collect();
        let Estimate { mean, se } = Estimate::of(&draws);
        assert!((mean - means.values[at]).abs() < 5.0 * se, "{at}: {mean} ± {se}, not {}", means.values[at]);
        let (sigma, wanted) = (se * (n as f64).sqrt(), log_sigmas.values[at].exp());
        assert!((sigma / wanted - 1.0).abs() < 0.012, "{at}: {sigma}, not {wanted}");
    }
}

#[test]
fn a_condition_is_told_to_encoder_and_decoder() {
    let vae = conditional(Covariance::Diagonal, Likelihood::Bernoulli);
    let (theta, x) = (mild_theta_of(&vae), conditional_data(Likelihood::Bernoulli, 1));
    assert_eq!((vae.inputs(), vae.conditions(), vae.latent()), (4, 1, 3));
    let with = |condition: f64| {
        let mut row = x.values.to_vec();
        row[4] = condition;
        Matrix::new(1, 5, row)
    };
    let (one, other) = (with(0.0), with(1.0));
    let codes = vae.encode_rows(&theta, &one).mu;
    assert_ne!(codes, vae.encode_rows(&theta, &other).mu);
    assert_ne!(
        vae.decode_rows(&theta, &vae.with_conditions_of(&codes, &one)),
        vae.decode_rows(&theta, &vae.with_conditions_of(&codes, &other))
    );
    let estimate = |x: &Matrix<f64>| vae.k_sample_bound(&theta, x, 5000, 0).mean;
    assert!((estimate(&one) - estimate(&other)).abs() > 0.05);
}

#[test]
fn probabilities_by_importance_sampling_sum_to_one_under_every_condition() {
    for (covariance, condition) in
        COVARIANCES.into_iter().flat_map(|covariance| [(covariance, 0.0), (covariance, 1.0)])
    {
        let vae = conditional(covariance, Likelihood::Bernoulli);
        let all =
            (0..16).flat_map(|bits: usize| (0..4).map(move |i| (bits >> i & 1) as f64).chain([condition]));
        let x = Matrix::new(16, 5, all.collect());
        let rows = vae.k_sample_bound_of_rows(&mild_theta_of(&vae), &x, 20_000, 0);
        let total: f64 = rows.iter().map(|row| row.value.exp()).sum();
        assert!((total - 1.0).abs() < 0.02, "{covariance:?}: {total}");
    }
}
