//! The terms of the ELBO against their definitions.

use autograd::Tape;
use bayes_nn::{BayesMlp, BayesMlpConfig, Likelihood, Sampling, WeightPrior};
use nn::model::density::Normal;
use nn::stats::Estimate;
use nn::train::Noise;

use super::{LIKELIHOODS, build, config, data, eta};

/// KL(q_η ‖ π) of this prior, with noise of this step.
fn kl(prior: WeightPrior, modes: usize, eta: impl Fn(&BayesMlp) -> Vec<f64>, step: u64) -> f64 {
    let model = build(&BayesMlpConfig { modes, ..config(LIKELIHOODS[0], prior) });
    let (tape, eta) = (Tape::new(), eta(&model));
    let eta = tape.constant(&eta, [eta.len()]);
    model.kl(&model.posterior(eta), Noise::new(2, step)).item()
}

#[test]
fn the_divergence_from_a_normal_prior_is_that_of_normal_densities_layer_by_layer() {
    let model = build(&config(LIKELIHOODS[0], WeightPrior::Normal { sigma: vec![2.0, 0.5] }));
    let (tape, numbers) = (Tape::new(), eta(&model));
    let eta = tape.constant(&numbers, [numbers.len()]);
    let posterior = model.posterior(eta);
    let [q] = posterior.modes[..] else { panic!("one mode") };
    let mut sum = 0.0;
    for (layer, s) in model.mlp().layers().iter().zip([2.0_f64, 0.5]) {
        let (start, end) = (layer.weight().range().start, layer.bias().range().end);
        let part = |x: autograd::Var<'_, f64>| x.to_vec()[start..end].to_vec();
        let constant = |values: &[f64]| tape.constant(values, [values.len()]);
        let sigma = part(q.sigma);
        assert!(
            sigma
                .iter()
                .all(|sigma| (sigma - 0.5 / (layer.weight().shape()[0] as f64 + 1.0).sqrt()).abs() < 1e-12)
        );
        let log_sigma: Vec<f64> = sigma.iter().map(|sigma| sigma.ln()).collect();
        let density = Normal { mu: constant(&part(q.mu)), log_sigma: constant(&log_sigma) };
        let prior =
            Normal { mu: constant(&vec![0.0; sigma.len()]), log_sigma: constant(&vec![s.ln(); sigma.len()]) };
        sum += density.kl(prior).item();
    }
    let whole = model.kl(&posterior, Noise::new(0, 0)).item();
    assert!((whole - sum).abs() < 1e-10, "{whole}, not {sum}");
}

#[test]
fn the_learned_scales_are_those_with_the_smallest_divergence() {
    for modes in [1, 2] {
        let model = build(&BayesMlpConfig { modes, ..config(LIKELIHOODS[0], WeightPrior::Learned) });
        // The modes differ in size, so that no two have the same best scale.
        let spread = |model: &BayesMlp| {
            let mut numbers = eta(model);
            numbers[..model.dim()].iter_mut().for_each(|mu| *mu *= 3.0);
            numbers
        };
        let (numbers, dim) = (spread(&model), model.dim());
        let best: Vec<f64> = (model.mlp().layers().iter())
            .map(|layer| {
                let range = layer.weight().range().start..layer.bias().range().end;
                let softplus = |x: f64| x.exp().ln_1p();
                let places = (0..modes).flat_map(|k| range.clone().map(move |i| 2 * k * dim + i));
                let squares = places.map(|i| numbers[i].powi(2) + softplus(numbers[dim + i]).powi(2));
                (squares.sum::<f64>() / (modes * range.len()) as f64).sqrt()
            })
            .collect();
        let learned = kl(WeightPrior::Learned, modes, spread, 0);
        assert!((learned - kl(WeightPrior::Normal { sigma: best.clone() }, modes, spread, 0)).abs() < 1e-10);
        for factors in [[0.9, 1.0], [1.1, 1.0], [1.0, 0.9], [1.0, 1.1]] {
            let other = best.iter().zip(factors).map(|(s, factor)| s * factor).collect();
            assert!(kl(WeightPrior::Normal { sigma: other }, modes, spread, 0) > learned + 1e-3);
        }
    }
}

#[test]
fn the_sampled_divergence_from_a_mixture_of_equals_averages_to_the_closed_form() {
    let mixture = WeightPrior::Mixture { share: 0.3, first: 0.7, second: 0.7 };
    let draws: Vec<f64> = (0..4000).map(|step| kl(mixture.clone(), 1, eta, step)).collect();
    let (Estimate { mean, se }, exact) =
        (Estimate::of(&draws), kl(WeightPrior::Normal { sigma: vec![0.7] }, 1, eta, 0));
    assert!(se < 0.1 && (mean - exact).abs() < 5.0 * se, "{mean} ± {se}, not {exact}");
}

#[test]
fn a_mixture_prior_is_the_sum_of_its_two_densities() {
    // A q without width, so that the draw is the mean: KL(q ‖ π) = −log π(μ) − Σ log σ − d/2 ln 2πe.
    let (share, first, second) = (0.3, 1.5, 0.2);
    let narrow = |model: &BayesMlp| {
        let mut eta = eta(model);
        eta[model.dim()..2 * model.dim()].fill(-20.0);
        eta
    };
    let model = build(&config(LIKELIHOODS[0], WeightPrior::Learned));
    let density = |x: f64, s: f64| (-0.5 * (x / s).powi(2)).exp() / s / (2.0 * std::f64::consts::PI).sqrt();
    let log_prior: f64 = narrow(&model)[..model.dim()]
        .iter()
        .map(|&mu| (share * density(mu, first) + (1.0 - share) * density(mu, second)).ln())
        .sum();
    let entropy = model.dim() as f64 * ((-20.0_f64).exp().ln_1p().ln() + 1.418_938_533_204_672_7);
    let found = kl(WeightPrior::Mixture { share, first, second }, 1, narrow, 0);
    assert!((found + log_prior + entropy).abs() < 1e-5, "{found}, not {}", -log_prior - entropy);
}

#[test]
fn the_divergence_of_modes_is_their_average() {
    let with_second = |shift: f64| {
        move |model: &BayesMlp| {
            let single = build(&config(LIKELIHOODS[0], WeightPrior::Normal { sigma: vec![0.8] }));
            let mut one = eta(&single);
            let first = one.clone();
            one.iter_mut().for_each(|x| *x += shift);
            let both = [first, one].concat();
            assert_eq!(both.len(), model.layout().size());
            both
        }
    };
    let prior = || WeightPrior::Normal { sigma: vec![0.8] };
    let (a, b) =
        (kl(prior(), 1, eta, 0), kl(prior(), 1, |model| eta(model).iter().map(|x| x + 0.3).collect(), 0));
    assert!((kl(prior(), 2, with_second(0.3), 0) - 0.5 * (a + b)).abs() < 1e-10);
}

#[test]
fn both_ways_of_sampling_have_the_same_expectation_and_the_local_one_less_variance() {
    let (x, y) = data();
    for likelihood in LIKELIHOODS {
        let model = build(&config(likelihood, WeightPrior::Learned));
        let numbers = eta(&model);
        let mut tape = Tape::new();
        let [weights, local] =
            [Sampling::Weights { samples: 1 }, Sampling::Local { samples: 1 }].map(|sampling| {
                let draws: Vec<f64> = (0..6000)
                    .map(|step| {
                        tape.clear();
                        let eta = tape.constant(&numbers, [numbers.len()]);
                        let (x, y) = (tape.constant(&x.values, [7, 3]), tape.constant(&y.values, [7, 1]));
                        let q = model.posterior(eta);
                        model.log_likelihood(&q, x, y, sampling, Noise::new(9, step)).item()
                    })
                    .collect();
                Estimate::of(&draws)
            });
        let error = weights.se.hypot(local.se);
        assert!((weights.mean - local.mean).abs() < 5.0 * error, "{likelihood:?}: {weights:?}, {local:?}");
        assert!(local.se < weights.se, "{likelihood:?}: {weights:?}, {local:?}");
    }
}

#[test]
fn the_expectation_over_the_noise_level_is_its_average_over_draws() {
    let (x, y) = data();
    let model = build(&config(Likelihood::NORMAL_LEARNED, WeightPrior::Learned));
    let mut numbers = eta(&model);
    numbers[model.dim()..2 * model.dim()].fill(-30.0); // θ = μ
    let last = numbers.len() - 1;
    numbers[last] = (0.3_f64.exp() - 1.0).ln(); // q(log σ) has deviation 0.3
    let tape = Tape::new();
    let eta = tape.constant(&numbers, [numbers.len()]);
    let (x_on, y_on) = (tape.constant(&x.values, [7, 3]), tape.constant(&y.values, [7, 1]));
    let q = model.posterior(eta);
    let exact = model.log_likelihood(&q, x_on, y_on, Sampling::default(), Noise::new(0, 0)).item();
    let f = model.mlp().apply(eta, x_on).to_vec();
    let draws = model.draws(&numbers, 40_000, 1);
    let log_likelihoods: Vec<f64> = (draws.unknowns.values.iter())
        .map(|log_sigma| {
            let term = |(f, y): (&f64, &f64)| {
                -0.5 * ((y - f) / log_sigma.exp()).powi(2) - log_sigma - 0.918_938_533_204_672_7
            };
            f.iter().zip(y.values.iter()).map(term).sum()
        })
        .collect();
    let Estimate { mean, se } = Estimate::of(&log_likelihoods);
    assert!((mean - exact).abs() < 5.0 * se, "{mean} ± {se}, not {exact}");
}

#[test]
fn training_does_not_begin_in_noise() {
    // The deviation of the initial draws of f is far below that of f itself, whatever the width.
    for hidden in [&[50][..], &[400], &[50, 50]] {
        let model = build(&BayesMlpConfig::new(13, hidden));
        let numbers = eta(&model);
        let x = nn::data::Matrix::new(50, 13, (0..650).map(|i| ((i * i) as f64).sin() * 1.4).collect());
        let predictive = model.predict(&model.draws(&numbers, 50, 1), &x);
        let mean_square = predictive.mean().iter().map(|f| f * f).sum::<f64>() / 50.0;
        let epistemic = predictive.epistemic().iter().sum::<f64>() / 50.0;
        assert!(epistemic < 1e-3 * mean_square, "{hidden:?}: {epistemic}, {mean_square}");
    }
}
