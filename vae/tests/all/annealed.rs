//! Annealed importance sampling against exact likelihoods: of linear decoders, and of two latent dimensions on a grid.

use std::sync::Arc;

use autograd::Tape;
use nn::data::Matrix;
use nn::stats::Estimate;
use vae::{
    AnnealedBound, Annealing, AnnealingStart, Covariance, Likelihood, RowSeed, Simulation, Vae, VaeConfig,
};

use crate::common::{COVARIANCES, conditional, conditional_data, mild_theta_of, model_of};
use crate::likelihood::{D, L, SIGMA, data, exact, linear, rough_encoder, theta};

const STARTS: [AnnealingStart; 2] = [AnnealingStart::Prior, AnnealingStart::Encoder];

/// A short schedule.
fn short(start: AnnealingStart, temperatures: usize) -> Annealing {
    Annealing { temperatures, chains: 4, leapfrog: 3, start, ..Annealing::default() }
}

/// Whether the mean of e^(estimate − log p) is 1 up to its noise.
#[track_caller]
fn is_unbiased(what: &str, differences: &[f64]) -> Estimate {
    let ratios: Vec<f64> = differences.iter().map(|d| d.exp()).collect();
    let ratio = Estimate::of(&ratios);
    assert!((ratio.mean - 1.0).abs() < 4.0 * ratio.se, "{what}: {ratio:?}");
    ratio
}

#[test]
fn weights_average_to_the_likelihood_of_a_linear_decoder_at_few_temperatures() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let ((a, s), x) = (rough_encoder(), data(1500));
    let theta = theta(&vae, a, s);
    for start in STARTS {
        let bounds = vae.annealed_bound_of_rows(&theta, &x, &short(start, 6), 1);
        let differences: Vec<f64> = (0..x.rows).map(|i| bounds[i].value - exact(x.row(i))).collect();
        let ratio = is_unbiased("lower", &differences);
        assert!(ratio.se < 0.02, "{start:?}: {ratio:?}");
    }
}

#[test]
fn many_temperatures_reach_the_likelihood_of_a_linear_decoder() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let ((a, s), x) = (rough_encoder(), data(20));
    let theta = theta(&vae, a, s);
    let truth = (0..x.rows).map(|i| exact(x.row(i))).sum::<f64>() / x.rows as f64;
    for start in STARTS {
        let at = |temperatures| {
            let annealing = Annealing { chains: 8, ..short(start, temperatures) };
            AnnealedBound::of_rows(&vae.annealed_bound_of_rows(&theta, &x, &annealing, 2))
        };
        let [few, many] = [1, 200].map(at);
        assert!((many.value - truth).abs() < 4.0 * many.se + 1e-3, "{start:?}: {many:?}, not {truth}");
        assert!(many.se < 0.5 * few.se && many.effective_chains > 7.0, "{start:?}: {few:?}, {many:?}");
        assert!((many.acceptance - 0.65).abs() < 0.15, "{start:?}: {many:?}");
    }
}

/// log p(x) of a model of two latent dimensions by the trapezoid rule, which is exact to rounding for smooth densities.
fn on_a_grid(vae: &Vae, theta: &Arc<Vec<f64>>, x: &Matrix<f64>) -> Vec<f64> {
    let (steps, reach) = (161_usize, 8.0);
    let width = 2.0 * reach / (steps - 1) as f64;
    let at = |i: usize| -reach + width * i as f64;
    let points: Vec<f64> = (0..steps * steps).flat_map(|i| [at(i / steps), at(i % steps)]).collect();
    let tape = Tape::new();
    let z = tape.constant(&points, [steps * steps, 1, 2]);
    let x = tape.constant(&x.values, [x.rows, x.cols]);
    let p = vae.decode(tape.shared_constant(theta, [theta.len()]), z);
    let log_prior = z.square().sum_axis(2) * -0.5 - (2.0 * std::f64::consts::PI).ln();
    let log_joint = p.log_prob(x.reshape([1, x.shape()[0], x.shape()[1]])) + log_prior;
    (log_joint.logsumexp_axis(0) + 2.0 * width.ln()).to_vec()
}

#[test]
fn lower_and_upper_bounds_of_simulated_rows_are_unbiased_and_enclose_the_likelihood() {
    for (covariance, likelihood) in
        [(Covariance::Full, Likelihood::Bernoulli), (Covariance::Diagonal, Likelihood::Normal { sigma: 0.7 })]
    {
        let vae =
            model_of(&VaeConfig { covariance, likelihood: likelihood.clone(), ..VaeConfig::new(5, &[6], 2) });
        let theta = mild_theta_of(&vae);
        let simulation = vae.simulate(&theta, 200, 3);
        let truth = on_a_grid(&vae, &theta, &simulation.x);
        for start in STARTS {
            // At few temperatures 1/w is close to 1/v, whose variance is infinite.
            let annealing = Annealing { leapfrog: 5, ..short(start, 30) };
            let lower = vae.annealed_bound_of_rows(&theta, &simulation.x, &annealing, 4);
            let upper = vae.annealed_upper_bound_of_rows(&theta, &simulation, &annealing, 4);
            let off = |bounds: &[AnnealedBound], sign: f64| -> Vec<f64> {
                bounds.iter().zip(&truth).map(|(bound, truth)| sign * (bound.value - truth)).collect()
            };
            let [below, above] = [off(&lower, 1.0), off(&upper, -1.0)];
            is_unbiased(&format!("lower {likelihood:?} {start:?}"), &below);
            is_unbiased(&format!("upper {likelihood:?} {start:?}"), &above);
            // By Jensen the logarithms are below 0 on average; they are near it.
            for off in [Estimate::of(&below), Estimate::of(&above)] {
                assert!(off.mean < 2.0 * off.se && off.mean > -0.2, "{likelihood:?} {start:?}: {off:?}");
            }
        }
    }
}

#[test]
fn one_temperature_from_the_encoder_is_importance_sampling() {
    for covariance in COVARIANCES {
        let vae = conditional(covariance, Likelihood::NormalLearned { start: 1.0 });
        let theta = mild_theta_of(&vae);
        let mut values = conditional_data(vae.config().likelihood.clone(), 3).values.to_vec();
        values[1] = f64::NAN;
        let x = Matrix::new(3, 5, values);
        let annealing = Annealing { chains: 40_000, ..short(AnnealingStart::Encoder, 1) };
        let annealed = vae.annealed_bound_of_rows(&theta, &x, &annealing, 5);
        for (annealed, sampled) in annealed.iter().zip(vae.k_sample_bound_of_rows(&theta, &x, 40_000, 6)) {
            let se = annealed.se.hypot(sampled.se);
            assert!(
                (annealed.value - sampled.value).abs() < 4.0 * se && se < 0.05,
                "{annealed:?} {sampled:?}"
            );
            assert!(annealed.acceptance.is_nan());
        }
    }
}

#[test]
fn noise_leads_to_z_and_back() {
    for covariance in COVARIANCES {
        let tape = Tape::new();
        let count = covariance.parameters(3);
        let lambda: Vec<f64> = (0..2 * count).map(|i| (i as f64).sin()).collect();
        let q = covariance.at(3, tape.constant(&lambda, [2, count]));
        let eps = [0.3, -1.0, 2.0, 0.7, 0.1, -0.4];
        let back = q.noise_of(q.sample_with(tape.constant(&eps, [2, 3]))).to_vec();
        assert!(back.iter().zip(eps).all(|(a, b)| (a - b).abs() < 1e-12), "{covariance:?}: {back:?}");
    }
}

#[test]
fn bounds_have_the_same_bits_on_any_number_of_threads_and_in_parts() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let ((a, s), x) = (rough_encoder(), data(37));
    let theta = theta(&vae, a, s);
    let annealing = short(AnnealingStart::Prior, 5);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| vae.annealed_bound_of_rows(&theta, &x, &annealing, 6))
    };
    let whole = on(1);
    assert_eq!(whole, on(3));
    let (first, rest) = x.split_at_row(16);
    let rest = vae.annealed_bound_of_rows(&theta, &rest, &annealing, RowSeed { seed: 6, first: 16 });
    let parts = [vae.annealed_bound_of_rows(&theta, &first, &annealing, 6), rest].concat();
    assert_eq!(whole, parts);
    assert_ne!(whole, vae.annealed_bound_of_rows(&theta, &x, &annealing, 7));
}

#[test]
fn simulated_rows_have_the_moments_of_the_model() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let (a, s) = rough_encoder();
    let simulation = vae.simulate(&theta(&vae, a, s), 4000, 1);
    assert_eq!((simulation.z.rows, simulation.z.cols, simulation.x.cols), (4000, L, D));
    // E[−log p(x)] is the entropy of N(b, WᵀW + σ²I): ½ D log 2πe + ½ log |…|, which is −log p(b) + D/2.
    let log_p: Vec<f64> = (0..4000).map(|i| exact(simulation.x.row(i))).collect();
    let found = Estimate::of(&log_p);
    let expected = exact(&[0.3, -0.2, 0.1, 0.0]) - D as f64 / 2.0;
    assert!((found.mean - expected).abs() < 4.0 * found.se, "{found:?}, not {expected}");
}

#[test]
#[should_panic(expected = "annealed_bound: expected numbers of 1 or more, found Annealing { temperatures: 0")]
fn no_temperatures_are_refused() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let (a, s) = rough_encoder();
    vae.annealed_bound_of_rows(&theta(&vae, a, s), &data(1), &short(AnnealingStart::Prior, 0), 0);
}

#[test]
#[should_panic(expected = "annealed_upper_bound_of_rows: expected z [2, 2], found [1, 2]")]
fn an_upper_bound_needs_a_z_for_each_row() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let (a, s) = rough_encoder();
    let simulation = Simulation { z: Matrix::new(1, L, vec![0.0; L]), x: data(2) };
    vae.annealed_upper_bound_of_rows(&theta(&vae, a, s), &simulation, &short(AnnealingStart::Prior, 1), 0);
}
