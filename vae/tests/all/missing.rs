//! Missing entries: the likelihood of the others, and what takes their place. A linear model has exact answers.

use std::sync::Arc;

use autograd::Tape;
use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::train::Noise;
use rand::{SeedableRng, rngs::StdRng};
use vae::{Covariance, Imputation, Likelihood, RowSeed, Vae, VaeConfig};

use crate::common::{likelihoods, model_of, theta_of};

const D: usize = 4;
const W: [f64; D] = [1.2, -0.8, 0.6, 1.0];
const B: [f64; D] = [0.3, -0.2, 0.1, 0.5];
const SIGMA: f64 = 0.5;

/// D = 4, L = 2, one hidden layer each.
fn usual() -> VaeConfig {
    VaeConfig::new(4, &[3], 2).with_phi(Nonlinearity::Tanh)
}

/// x = b + w z + noise with an encoder N(Σ aᵢ (xᵢ − bᵢ), e^2s).
fn linear(a: [f64; D], s: f64) -> (Vae, Arc<Vec<f64>>) {
    let likelihood = Likelihood::Normal { sigma: SIGMA };
    let vae = Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(D, &[], 1) }).unwrap();
    let mut theta = vec![0.0; vae.layout().size()];
    for slot in vae.layout().slots() {
        let out = &mut theta[slot.range()];
        match slot.name() {
            "encoder.0.weight" => out.chunks_exact_mut(2).zip(a).for_each(|(row, a)| row[0] = a),
            "encoder.0.bias" => {
                (out[0], out[1]) =
                    (-a.iter().zip(B).map(|(a, b)| a * b).sum::<f64>(), 8.0 * (s / 8.0).atanh());
            }
            "decoder.0.weight" => out.copy_from_slice(&W),
            "decoder.0.bias" => out.copy_from_slice(&B),
            other => panic!("slot {other}"),
        }
    }
    (vae, Arc::new(theta))
}

/// Mean and precision of z given the entries of x that are not NaN.
fn posterior(x: &[f64]) -> (f64, f64) {
    let observed = || (0..D).filter(|&i| !x[i].is_nan());
    let precision = 1.0 + observed().map(|i| W[i] * W[i]).sum::<f64>() / SIGMA.powi(2);
    (observed().map(|i| W[i] * (x[i] - B[i])).sum::<f64>() / SIGMA.powi(2) / precision, precision)
}

/// The encoder that is exact for complete rows.
fn exact() -> (Vae, Arc<Vec<f64>>) {
    let precision = posterior(&[0.0; D]).1;
    linear(W.map(|w| w / SIGMA.powi(2) / precision), -0.5 * precision.ln())
}

/// Rows of the model itself, and the same with about half of their entries missing.
fn rows(n: usize) -> (Matrix<f64>, Matrix<f64>) {
    let mut noise = vec![0.0; n * (D + 1)];
    Noise::new(5, 0).normal(0, D + 1, &mut noise);
    let cell = |i: usize| {
        let (row, j) = (&noise[i / D * (D + 1)..], i % D);
        B[j] + W[j] * row[D] + SIGMA * row[j]
    };
    let complete: Vec<f64> = (0..n * D).map(cell).collect();
    let gap = |(i, x): (usize, &f64)| if (i * i + i / D) % 5 < 2 { f64::NAN } else { *x };
    let holed = complete.iter().enumerate().map(gap).collect();
    (Matrix::new(n, D, complete), Matrix::new(n, D, holed))
}

/// E[x_missing | x_observed] = b + w E[z | x_observed]
fn conditional(holed: &Matrix<f64>) -> Matrix<f64> {
    let cell = |i: usize, j: usize| {
        let x = holed.row(i)[j];
        if x.is_nan() { B[j] + W[j] * posterior(holed.row(i)).0 } else { x }
    };
    Matrix::new(holed.rows, D, (0..holed.rows * D).map(|i| cell(i / D, i % D)).collect())
}

fn rmse(a: &Matrix<f64>, b: &Matrix<f64>, holed: &Matrix<f64>) -> f64 {
    let cells = a.values.iter().zip(&b.values[..]).zip(&holed.values[..]).filter(|(_, x)| x.is_nan());
    let squares: Vec<f64> = cells.map(|((a, b), _)| (a - b).powi(2)).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

#[test]
fn imputations_agree_with_the_exact_conditional_and_beat_the_mean() {
    let (complete, holed) = rows(60);
    let wanted = conditional(&holed);
    // Pseudo-Gibbs is exact with the exact encoder; importance sampling needs one that is not too narrow.
    let broad = linear(W.map(|w| w / SIGMA.powi(2) / posterior(&[0.0; D]).1), 0.0);
    // Pointing the wrong way, and sure of it: neither of the two comes anywhere with it.
    let wrong = || linear(W.map(|w| -0.3 * w), -2.5);
    let cases = [
        (exact(), Imputation::PseudoGibbs { sweeps: 20_000 }),
        (broad, Imputation::Importance { samples: 20_000 }),
        (wrong(), Imputation::Refined { sweeps: 10, steps: 500, samples: 2_000 }),
    ];
    let means = Matrix::new(holed.rows, D, B.repeat(holed.rows));
    for how in [Imputation::PseudoGibbs { sweeps: 2_000 }, Imputation::Importance { samples: 2_000 }] {
        let (vae, theta) = wrong();
        assert!(rmse(&vae.impute(&theta, &holed, how, 1), &wanted, &holed) > 0.2, "{how:?}");
    }
    for ((vae, theta), how) in cases {
        let imputed = vae.impute(&theta, &holed, how, 1);
        for i in 0..holed.rows * D {
            let (x, found) = (holed.values[i], imputed.values[i]);
            if x.is_nan() {
                let wanted = wanted.values[i];
                assert!((found - wanted).abs() < 0.06, "{how:?} cell {i}: {found}, not {wanted}");
            } else {
                assert_eq!(found, x);
            }
        }
        assert!(rmse(&imputed, &wanted, &holed) < 0.02, "{how:?}");
        assert!(rmse(&imputed, &complete, &holed) < 0.8 * rmse(&means, &complete, &holed), "{how:?}");
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| vae.impute(&theta, &holed, how, 1))
        };
        assert!([1, 2, 16].map(on).iter().all(|on| *on == imputed), "{how:?}: the threads matter");
    }
}

#[test]
fn the_likelihood_of_holed_rows_is_that_of_what_was_observed() {
    // The broad encoder's estimate converges whatever is missing.
    let (vae, theta) = linear([0.0; D], 0.0);
    let (_, holed) = rows(12);
    for (i, row) in vae.k_sample_bound_of_rows(&theta, &holed, 40_000, 3).iter().enumerate() {
        let x = holed.row(i);
        let (mean, precision) = posterior(x);
        // log p(x) = log p(x, z) − log p(z|x) at z = 0
        let ln_2pi = (2.0 * std::f64::consts::PI).ln();
        let observed = (0..D).filter(|&j| !x[j].is_nan());
        let joint: f64 =
            observed.map(|j| -0.5 * ((x[j] - B[j]) / SIGMA).powi(2) - SIGMA.ln() - 0.5 * ln_2pi).sum();
        let exact = joint + 0.5 * (precision * mean * mean) - 0.5 * precision.ln();
        assert!((row.value - exact).abs() < 5.0 * row.se + 1e-3, "row {i}: {row:?}, not {exact}");
    }
}

#[test]
fn the_terms_of_a_likelihood_sum_to_it_and_masked_ones_do_where_nothing_is_missing() {
    for likelihood in likelihoods(2) {
        let vae = model_of(&VaeConfig { likelihood: likelihood.clone(), ..usual() });
        let theta = theta_of::<f64>(&vae);
        let tape = Tape::new();
        let theta = tape.shared_constant(&theta, [theta.len()]);
        let x = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];
        let eps = tape.constant(&[0.3, -0.8, 1.1, 0.2], [2, 2]);
        let p = vae.decode(theta, eps);
        let data = tape.constant(&x, [2, 4]);
        let terms = p.log_prob_each(data);
        assert_eq!(terms.shape().dims(), [2, 4], "{likelihood:?}");
        let whole = p.log_prob(data).to_vec();
        let sums = terms.sum_axis(1).to_vec();
        whole.iter().zip(&sums).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{likelihood:?}"));
        // The second row is complete: a gap in the first does not change it. The first loses its term.
        let mut gap = x;
        gap[2] = f64::NAN;
        let bound =
            |x: &[f64]| vae.elbo_samples(theta, tape.constant(x, [2, 4]), eps).log_likelihood.to_vec();
        let (complete, holed) = (bound(&x), bound(&gap));
        assert!((complete[1] - holed[1]).abs() < 1e-12, "{likelihood:?}");
        // The encoder sees 0 there; of a categorical variable in all its classes.
        let lost = if matches!(likelihood, Likelihood::Categorical { .. }) { 2..4 } else { 2..3 };
        let mut seen = x;
        seen[lost.clone()].fill(0.0);
        let z = vae.encode(theta, tape.constant(&seen, [2, 4])).sample_with(eps);
        let terms = vae.decode(theta, z).log_prob_each(data).to_vec();
        let wanted: f64 = (0..4).filter(|i| !lost.contains(i)).map(|i| terms[i]).sum();
        assert!((holed[0] - wanted).abs() < 1e-12, "{likelihood:?}");
    }
}

#[test]
fn probabilities_of_discrete_variables_sum_to_one_and_draws_have_their_moments() {
    for likelihood in likelihoods(2) {
        let vae = model_of(&VaeConfig { likelihood: likelihood.clone(), ..usual() });
        let theta = theta_of::<f64>(&vae);
        let tape = Tape::new();
        let theta = tape.shared_constant(&theta, [theta.len()]);
        let p = vae.decode(theta, tape.constant(&[0.7, -1.2], [1, 2]));
        let values: Vec<f64> = match likelihood {
            Likelihood::Bernoulli => vec![0.0, 1.0],
            Likelihood::Poisson | Likelihood::NegativeBinomial => (0..400).map(f64::from).collect(),
            _ => vec![],
        };
        let mut total = [0.0; 4];
        for &value in &values {
            let terms = p.log_prob_each(tape.constant(&[value; 4], [1, 4])).to_vec();
            total.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term.exp());
        }
        assert!(
            values.is_empty() || total.iter().all(|sum| (sum - 1.0).abs() < 1e-6),
            "{likelihood:?}: {total:?}"
        );

        let (n, mean) = (20_000, p.mean().to_vec());
        let mut rng = StdRng::seed_from_u64(4);
        let draws: Vec<Vec<f64>> = (0..n).map(|_| p.draw(&mut rng)).collect();
        // E[log p] over draws is −entropy: for a wrong variance it would be another.
        for j in 0..4 {
            let average = draws.iter().map(|x| x[j]).sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|x| (x[j] - average).powi(2)).sum::<f64>() / f64::from(n);
            let se = (variance / f64::from(n)).sqrt();
            assert!((average - mean[j]).abs() < 5.0 * se + 1e-9, "{likelihood:?}: {average} and {mean:?}");
            let wanted = match likelihood {
                Likelihood::Poisson => mean[j],
                Likelihood::NegativeBinomial => mean[j] + mean[j] * mean[j],
                Likelihood::Bernoulli | Likelihood::Categorical { .. } => mean[j] * (1.0 - mean[j]),
                Likelihood::Normal { sigma } => sigma * sigma,
                Likelihood::NormalLearned { start } | Likelihood::NormalDiagonal { start } => start * start,
                Likelihood::Mixed { .. } => unreachable!("it has tests of its own"),
                Likelihood::NormalHead => match p {
                    vae::Observation::DiagNormal(p) => (2.0 * p.log_sigma().to_vec()[j]).exp(),
                    _ => unreachable!(),
                },
            };
            assert!((variance / wanted - 1.0).abs() < 0.15, "{likelihood:?}: {variance}, not {wanted}");
        }
    }
}

#[test]
fn of_a_categorical_variable_all_classes_are_missing_or_none() {
    let likelihood = Likelihood::Categorical { classes: 2 };
    let vae = model_of(&VaeConfig { likelihood: likelihood.clone(), ..usual() });
    let theta = theta_of::<f64>(&vae);
    let of = |x: [f64; 4]| vae.k_sample_bound_of_rows(&theta, &Matrix::new(1, 4, x.to_vec()), 10, 1);
    let whole = of([f64::NAN, f64::NAN, 1.0, 0.0]);
    for part in [[f64::NAN, 0.0, 1.0, 0.0], [1.0, f64::NAN, 1.0, 0.0]] {
        assert_eq!(of(part), whole);
        let imputed =
            vae.impute(&theta, &Matrix::new(1, 4, part.to_vec()), Imputation::Importance { samples: 10 }, 1);
        assert!(imputed.values.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn gaps_are_filled_under_conditions_by_any_likelihood_and_covariance() {
    for likelihood in likelihoods(2) {
        for covariance in [Covariance::Diagonal, Covariance::Full] {
            let vae =
                model_of(&VaeConfig { likelihood: likelihood.clone(), covariance, conditions: 1, ..usual() });
            let theta = theta_of::<f64>(&vae);
            // One row complete, one with a gap, one of nothing but its condition.
            let nan = f64::NAN;
            let x = [[1.0, 0.0, 0.0, 1.0, 0.3], [nan, nan, 1.0, 0.0, 0.3], [nan, nan, nan, nan, -0.4]];
            let x = Matrix::new(3, 5, x.concat());
            for how in [
                Imputation::PseudoGibbs { sweeps: 10 },
                Imputation::Importance { samples: 10 },
                Imputation::Refined { sweeps: 5, steps: 5, samples: 10 },
            ] {
                let imputed = vae.impute(&theta, &x, how, 1);
                assert_eq!((imputed.rows, imputed.cols), (3, 4));
                assert!(
                    imputed.values.iter().all(|x| x.is_finite()),
                    "{likelihood:?} {covariance:?} {how:?}"
                );
                assert_eq!(imputed.row(0), [1.0, 0.0, 0.0, 1.0]);
                assert_eq!(imputed.row(1)[2..], [1.0, 0.0]);
            }
        }
    }
}

#[test]
#[should_panic(expected = "expected all conditions, found NaN")]
fn a_condition_must_not_be_missing() {
    let vae = model_of(&VaeConfig { conditions: 1, ..VaeConfig::new(4, &[3], 2) });
    let x = Matrix::new(1, 5, vec![1.0, 0.0, 1.0, 0.0, f64::NAN]);
    vae.reconstruct(&theta_of::<f64>(&vae), &x);
}

#[test]
#[should_panic(
    expected = "impute: expected numbers of 1 or more, found Refined { sweeps: 1, steps: 0, samples: 1 }"
)]
fn a_refinement_of_no_steps_panics() {
    let (vae, theta) = exact();
    vae.impute(&theta, &rows(1).1, Imputation::Refined { sweeps: 1, steps: 0, samples: 1 }, 0);
}

#[test]
fn rows_that_are_some_of_many_get_the_noise_that_they_have_among_all() {
    let vae = Vae::new(&VaeConfig::new(3, &[4], 2)).unwrap();
    let theta = theta_of(&vae);
    let cell = |i: usize| if i % 5 == 2 { f32::NAN } else { (i as f32).sin() };
    let x = Matrix::new(48, 3, (0..144).map(cell).collect());
    let (before, after) = x.split_at_row(32);
    let seeds = [RowSeed { seed: 9, first: 0 }, RowSeed { seed: 9, first: 32 }];
    for how in [Imputation::Importance { samples: 5 }, Imputation::PseudoGibbs { sweeps: 6 }] {
        let whole = vae.impute(&theta, &x, how, 9);
        let parts = [vae.impute(&theta, &before, how, seeds[0]), vae.impute(&theta, &after, how, seeds[1])];
        assert_eq!(parts.map(|part| part.values.to_vec()).concat(), whole.values.to_vec(), "{how:?}");
    }
    let whole = vae.k_sample_bound_of_rows(&theta, &x, 7, 9);
    let parts = [&before, &after].into_iter().zip(seeds);
    let parts: Vec<_> = parts.flat_map(|(x, seed)| vae.k_sample_bound_of_rows(&theta, x, 7, seed)).collect();
    assert_eq!(
        parts.iter().map(|row| row.value).collect::<Vec<_>>(),
        whole.iter().map(|row| row.value).collect::<Vec<_>>()
    );
    assert_ne!(whole[0].value, vae.k_sample_bound_of_rows(&theta, &x, 7, seeds[1])[0].value);
}
