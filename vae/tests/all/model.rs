//! The bound and its gradient, for every likelihood; codes, reconstructions, samples.

use std::sync::Arc;

use autograd::check::{Sample, check, check_theta};
use autograd::{Real, Tape};
use nn::data::{Binarise, Matrix};
use nn::model::{Init, Nonlinearity};
use nn::stats::Estimate;
use nn::train::{Fit, Noise, Rule, Trainer};
use vae::{Codes, Likelihood, NetworkConfig, Vae, VaeConfig, VaeObjective};

use crate::common::{likelihoods, model_of, theta_of};

const LIKELIHOODS: [Likelihood; 8] = likelihoods(5);

const PHIS: [Nonlinearity; 4] =
    [Nonlinearity::Relu, Nonlinearity::Tanh, Nonlinearity::Softplus, Nonlinearity::Elu];

/// D = 5, L = 2, one hidden layer each; nothing is 0.
fn model(likelihood: Likelihood, phi: Nonlinearity) -> Vae {
    let usual = VaeConfig::new(5, &[4], 2);
    model_of(&VaeConfig { decoder: NetworkConfig::mlp(&[3]), likelihood, ..usual }.with_phi(phi))
}

/// Numbers in 0..1.
fn data<F: Real>(rows: usize, cols: usize) -> Matrix<F> {
    let number = |i: usize| F::from_f64(0.5 + 0.5 * ((i * i) as f64 * 0.37).sin());
    Matrix::new(rows, cols, (0..rows * cols).map(number).collect())
}

/// Standard normal noise (M, B, L).
fn noise<F: Real>(samples: usize, rows: usize, latent: usize) -> Vec<F> {
    let mut noise = vec![F::ZERO; samples * rows * latent];
    Noise::new(4, 0).normal(0, latent, &mut noise);
    noise
}

#[test]
fn the_gradient_of_the_bound_is_right_along_random_directions_of_theta() {
    for likelihood in LIKELIHOODS {
        for phi in PHIS {
            let vae = model(likelihood.clone(), phi);
            let (theta, x) = (theta_of::<f64>(&vae), data(6, 5));
            for shape in [&[6, 2][..], &[1, 6, 2], &[3, 6, 2]] {
                let eps = noise(shape.iter().product::<usize>() / 12, 6, 2);
                check_theta(&format!("{likelihood:?} {phi:?} {shape:?}"), &theta, 4, |tape, theta| {
                    let (x, eps) = (tape.constant(&x.values, [6, 5]), tape.constant(&eps, shape));
                    vae.elbo(theta, x, eps).value().mean().neg()
                })
                .unwrap();
            }
        }
    }
}

#[test]
fn the_gradient_of_a_convolutional_bound_is_right_along_random_directions_of_theta() {
    for likelihood in [Likelihood::Bernoulli, Likelihood::NormalHead, Likelihood::Poisson] {
        for conditions in [0, 2] {
            let usual = VaeConfig::convolutional(6, 2).with_phi(Nonlinearity::Tanh);
            let vae =
                Vae::new(&VaeConfig { likelihood: likelihood.clone(), conditions, ..usual.clone() }).unwrap();
            let (theta, x) = (theta_of::<f64>(&vae), data(3, 36 + conditions));
            for shape in [&[3, 2][..], &[2, 3, 2]] {
                let eps = noise(shape.iter().product::<usize>() / 6, 3, 2);
                check_theta(&format!("{likelihood:?} {conditions} {shape:?}"), &theta, 4, |tape, theta| {
                    let x = tape.constant(&x.values, [3, 36 + conditions]);
                    vae.elbo(theta, x, tape.constant(&eps, shape)).value().mean().neg()
                })
                .unwrap();
            }
            let codes = vae.encode_rows(&theta, &x);
            let reconstructed = vae.decode_rows(&theta, &vae.with_conditions_of(&codes.mu, &x));
            assert_eq!(reconstructed, vae.reconstruct(&theta, &x));
            assert_eq!((reconstructed.rows, reconstructed.cols), (3, 36));
        }
    }
}

#[test]
fn bound_and_importance_weights_have_the_right_gradient_in_every_argument() {
    for likelihood in LIKELIHOODS {
        let vae = model(likelihood.clone(), Nonlinearity::Tanh);
        let inputs = [
            Sample::uniform([vae.layout().size()], -0.8..0.8),
            Sample::uniform([2, 5], 0.0..1.0),
            Sample::any([3, 2, 2]),
        ];
        check("log likelihood", &inputs, |_, v| vae.elbo(v[0], v[1], v[2]).log_likelihood).unwrap();
        check("kl", &inputs, |_, v| vae.elbo(v[0], v[1], v[2]).kl).unwrap();
        check("log weight", &inputs, |_, v| vae.log_weight(v[0], v[1], v[2])).unwrap();
    }
}

#[test]
fn the_divergence_is_its_monte_carlo_average_and_weights_average_to_the_bound() {
    let draws = 40_000;
    for likelihood in LIKELIHOODS {
        let vae = model(likelihood.clone(), Nonlinearity::Tanh);
        let tape = Tape::new();
        let theta = tape.shared_constant(&theta_of::<f64>(&vae), [vae.layout().size()]);
        let x = tape.constant(&data(2, 5).values, [2, 5]);
        let eps = tape.constant(&noise(draws, 2, 2), [draws, 2, 2]);
        let q = vae.encode(theta, x);
        let z = q.sample_with(eps);
        // log p(z) = −½ ‖z‖² − ln 2π
        let log_prior = z.square().sum_axis(2) * -0.5 - (2.0 * std::f64::consts::PI).ln();
        let log_ratio = (q.log_prob(z) - log_prior).to_vec();
        let log_likelihood = vae.decode(theta, z).log_prob(x).to_vec();
        let log_weight = vae.log_weight(theta, x, eps).to_vec();
        let elbo = vae.elbo(theta, x, eps);
        for row in 0..2 {
            let of = |values: &[f64]| {
                Estimate::of(&values.iter().skip(row).step_by(2).copied().collect::<Vec<_>>())
            };
            let Estimate { mean: kl, se } = of(&log_ratio);
            let closed = elbo.kl.to_vec()[row];
            assert!((kl - closed).abs() < 5.0 * se, "{likelihood:?}: {kl} ± {se}, not {closed}");
            let mean = of(&log_likelihood).mean;
            assert!((mean - elbo.log_likelihood.to_vec()[row]).abs() < 1e-10);
            let (Estimate { mean: bound, se }, value) = (of(&log_weight), elbo.value().to_vec()[row]);
            assert!((bound - value).abs() < 5.0 * se, "{likelihood:?}: {bound} ± {se}, not {value}");
        }
    }
}

#[test]
fn the_bound_is_below_the_importance_sampled_log_likelihood() {
    for likelihood in LIKELIHOODS {
        let vae = model(likelihood.clone(), Nonlinearity::Relu);
        let (theta, x) = (theta_of::<f64>(&vae), data(20, 5));
        let tape = Tape::new();
        let eps = tape.constant(&noise(2000, 20, 2), [2000, 20, 2]);
        let x_on_tape = tape.constant(&x.values, [20, 5]);
        let bound =
            vae.elbo(tape.shared_constant(&theta, [theta.len()]), x_on_tape, eps).value().mean().item();
        let estimate = vae.k_sample_bound(&theta, &x, 2000, 1);
        assert!(bound + 0.01 < estimate.mean, "{likelihood:?}: {bound} and {estimate:?}");
    }
}

#[test]
fn the_smallest_model_of_one_number_works_for_every_likelihood() {
    for likelihood in LIKELIHOODS {
        let likelihood = match likelihood {
            Likelihood::Categorical { .. } => Likelihood::Categorical { classes: 1 },
            other => other,
        };
        let vae =
            model_of(&VaeConfig { likelihood, ..VaeConfig::new(1, &[], 1).with_phi(Nonlinearity::Tanh) });
        let (theta, x) = (theta_of::<f64>(&vae), data::<f64>(1, 1));
        let tape = Tape::new();
        let on_tape = tape.shared_constant(&theta, [theta.len()]);
        let (x_on_tape, eps) = (tape.constant(&x.values, [1, 1]), tape.constant(&[0.3], [1, 1]));
        let elbo = vae.elbo(on_tape, x_on_tape, eps);
        assert_eq!((elbo.log_likelihood.shape().dims(), elbo.kl.shape().dims()), (&[1][..], &[1][..]));
        assert!(elbo.value().item().is_finite());
        let single = vae.log_weight(on_tape, x_on_tape, eps).item();
        assert!(single.is_finite());
        let Codes { mu, log_sigma } = vae.encode_rows(&theta, &x);
        assert_eq!((mu.rows, mu.cols, log_sigma.rows, log_sigma.cols), (1, 1, 1, 1));
        assert_eq!(
            (vae.reconstruct(&theta, &x).values.len(), vae.decode_prior_samples(&theta, 3, 0).values.len()),
            (1, 3)
        );
        assert!(vae.k_sample_bound(&theta, &x, 10, 0).mean.is_finite());
        assert!(vae.k_sample_bound(&theta, &x, 1, 0).se.is_nan());
    }
}

#[test]
fn several_samples_are_averaged_with_and_without_a_batch() {
    let vae = model(Likelihood::NormalHead, Nonlinearity::Tanh);
    let tape = Tape::new();
    let theta = tape.shared_constant(&theta_of::<f64>(&vae), [vae.layout().size()]);
    let x = tape.constant(&data(1, 5).values, [1, 5]);
    let eps = tape.constant(&noise(3, 1, 2), [3, 1, 2]);
    let mean = vae.elbo(theta, x, eps).value();
    assert_eq!(mean.shape().dims(), [1]);
    let alone = vae.elbo(theta, x.reshape([5]), eps.reshape([3, 2])).value();
    assert_eq!(alone.shape().rank(), 0);
    let each: f64 =
        (0..3).map(|m| vae.elbo(theta, x, eps.rows(m..m + 1).reshape([1, 2])).value().item()).sum();
    for found in [mean.item(), alone.item()] {
        assert!((found - each / 3.0).abs() < 1e-13);
    }
}

#[test]
fn log_sigma_is_bounded_whatever_the_network_says() {
    let config = VaeConfig { likelihood: Likelihood::NormalHead, ..VaeConfig::new(2, &[], 2) };
    let vae = Vae::with_init(&config, |_, _| (Init::Constant(1e6), Init::Constant(0.0))).unwrap();
    let theta = theta_of::<f32>(&vae);
    for x in [[1.0, 3.0], [-1.0, -3.0], [0.0, 0.0]] {
        let x = Matrix::new(1, 2, x.to_vec());
        let Codes { mu, log_sigma } = vae.encode_rows(&theta, &x);
        assert!(log_sigma.values.iter().all(|s| s.abs() <= 8.0), "{log_sigma:?}");
        assert_eq!(mu.values[0], 1e6 * (x.values[0] + x.values[1]));
        let tape = Tape::new();
        let on_tape = tape.shared_constant(&theta, [theta.len()]);
        let (x, eps) = (tape.constant(&x.values, [1, 2]), tape.constant(&[1.0, -1.0], [1, 2]));
        assert!(vae.elbo(on_tape, x, eps).kl.item().is_finite());
    }
}

fn rows_do_not_influence_each_other<F: Real>(tolerance: f64) {
    for likelihood in LIKELIHOODS {
        let vae = model(likelihood.clone(), Nonlinearity::Tanh);
        let (theta, x) = (theta_of::<F>(&vae), data::<F>(600, 5));
        let Codes { mu, log_sigma } = vae.encode_rows(&theta, &x);
        let decoded = vae.decode_rows(&theta, &mu);
        let reconstructed = vae.reconstruct(&theta, &x);
        assert_eq!((mu.rows, mu.cols, log_sigma.rows, log_sigma.cols), (600, 2, 600, 2));
        assert_eq!((decoded.rows, decoded.cols), (600, 5));
        assert_eq!(decoded, reconstructed);
        for rows in [0..1, 255..257, 400..600, 7..7] {
            let some = x.select(&rows.clone().collect::<Vec<_>>());
            let codes = vae.encode_rows(&theta, &some);
            for (whole, part) in [
                (&mu, codes.mu),
                (&log_sigma, codes.log_sigma),
                (&reconstructed, vae.reconstruct(&theta, &some)),
            ] {
                assert_eq!((part.rows, part.cols), (rows.len(), whole.cols));
                let whole = &whole.values[rows.start * whole.cols..];
                for (a, b) in part.values.iter().zip(whole) {
                    assert!(
                        (a.to_f64() - b.to_f64()).abs() < tolerance,
                        "{likelihood:?} {rows:?}: {a} and {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn rows_are_encoded_and_decoded_alike_alone_and_together_in_double_precision() {
    rows_do_not_influence_each_other::<f64>(1e-13);
}

#[test]
fn rows_are_encoded_and_decoded_alike_alone_and_together_in_single_precision() {
    rows_do_not_influence_each_other::<f32>(1e-5);
}

#[test]
fn samples_are_decoded_noise_and_those_of_a_seed_stay_when_more_are_drawn() {
    let vae = model(Likelihood::Bernoulli, Nonlinearity::Relu);
    let theta = theta_of::<f64>(&vae);
    let samples = vae.decode_prior_samples(&theta, 300, 3);
    assert_eq!((samples.rows, samples.cols), (300, 5));
    assert!(samples.values.iter().all(|p| (0.0..1.0).contains(p)));
    let mut z = vec![0.0; 600];
    Noise::evaluation(3).normal(0, 2, &mut z);
    assert_eq!(samples, vae.decode_rows(&theta, &Matrix::new(300, 2, z)));
    let few = vae.decode_prior_samples(&theta, 7, 3);
    assert!(few.values.iter().zip(&samples.values[..]).all(|(a, b)| (a - b).abs() < 1e-14));
    assert_ne!(few, vae.decode_prior_samples(&theta, 7, 4));
    assert_eq!(vae.decode_prior_samples(&theta, 0, 3).rows, 0);
}

#[test]
#[should_panic(expected = "decode_rows: expected rows of 2 numbers, found [4, 3]")]
fn codes_of_another_length_panic() {
    let vae = model(Likelihood::Bernoulli, Nonlinearity::Relu);
    vae.decode_rows(&theta_of::<f64>(&vae), &data(4, 3));
}

#[test]
#[should_panic(expected = "encode_rows: expected θ of 73 numbers, found 3")]
fn a_theta_of_another_model_panics() {
    model(Likelihood::Bernoulli, Nonlinearity::Relu).encode_rows(&Arc::new(vec![0.0; 3]), &data::<f64>(4, 5));
}

#[test]
fn the_training_loss_is_the_negative_bound_in_its_parts() {
    for (samples, binarise) in [(1, Binarise::Grey), (3, Binarise::Threshold(0.5))] {
        let (vae, data) = (model(Likelihood::Bernoulli, Nonlinearity::Tanh), data::<f32>(300, 5));
        let theta = theta_of::<f32>(&vae);
        let mut trainer = Trainer::new(vae.layout(), theta.to_vec(), Rule::ADAM, 5);
        let loss = trainer
            .evaluate(&mut VaeObjective { binarise, samples, ..VaeObjective::new(&vae, &data) })
            .unwrap();
        let [elbo, log_likelihood, kl] = ["elbo", "log_likelihood", "kl"].map(|part| loss.part(part));
        assert!((elbo + loss.total).abs() < 1e-5 && (log_likelihood - kl - elbo).abs() < 1e-12);

        let tape = Tape::new();
        let mut x = data.values.to_vec();
        binarise.apply(0, 0, &mut x);
        let eps = tape.constant_with([samples, 300, 2], |out| {
            for (sample, out) in out.chunks_exact_mut(600).enumerate() {
                Noise::evaluation(5).normal(sample, 2, out);
            }
        });
        let theta = tape.shared_constant(&theta, [theta.len()]);
        let direct = vae.elbo(theta, tape.constant(&x, [300, 5]), eps);
        assert!((f64::from(direct.log_likelihood.mean().item()) - log_likelihood).abs() < 1e-5);
        assert!((f64::from(direct.kl.mean().item()) - kl).abs() < 1e-5);
    }
}

#[test]
fn training_raises_the_bound_with_the_same_bits_on_any_number_of_threads() {
    let (vae, data) = (Vae::new(&VaeConfig::new(64, &[64], 2)).unwrap(), data::<f32>(256, 64));
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let binarise = Binarise::Redrawn { seed: 1 };
            let mut images = VaeObjective { binarise, samples: 2, ..VaeObjective::new(&vae, &data) };
            let theta = theta_of::<f32>(&vae).to_vec();
            let mut trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, 0);
            let fit = Fit { epochs: 10, batch_size: 100, rate: 5e-3, ..Fit::default() };
            trainer.fit(&mut images, None, &fit, &mut ()).unwrap();
            let losses: Vec<f64> = trainer.history().iter().map(|epoch| epoch.train.total).collect();
            (trainer.theta().to_vec(), losses)
        })
    };
    let one = train(1);
    assert!(one == train(2) && one == train(16));
    assert!(one.1[9] < one.1[0] - 1.0, "{:?}", one.1);
}
