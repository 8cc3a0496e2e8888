//! Bounds as training objectives.

use std::sync::Arc;

use autograd::Tape;
use nn::data::Matrix;
use nn::model::Layout;
use nn::train::{Batch, Fit, Noise, Objective, Rule, Trainer};
use rand::SeedableRng;
use rand::rngs::StdRng;
use vae::linear::CubatureObjective;
use vae::{
    Autoencoder, AutoencoderConfig, AutoencoderObjective, Covariance, Estimator, Likelihood,
    SemiAmortisedObjective, Vae, VaeConfig, VaeObjective,
};

use crate::common::{COVARIANCES, conditional, conditional_data, loss, theta_of, to_single};

#[test]
fn a_trained_model_is_evaluated_with_all_of_beta() {
    let vae = conditional(Covariance::Diagonal, Likelihood::Bernoulli);
    let x = to_single(&conditional_data(Likelihood::Bernoulli, 6));
    let theta: Vec<f32> = theta_of(&vae).iter().map(|&x: &f64| x as f32).collect();
    let mut trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, 0);
    let mut images = VaeObjective { beta: 0.5, warm_up: 10, ..VaeObjective::new(&vae, &x) };
    let loss = trainer.evaluate(&mut images).unwrap();
    let (log_likelihood, kl) = (loss.part("log_likelihood"), loss.part("kl"));
    assert!((loss.total - (0.5 * kl - log_likelihood)).abs() < 1e-5, "{loss:?}");
}

#[test]
fn objectives_are_their_bounds_with_beta_and_its_warm_up() {
    let vae = conditional(Covariance::Full, Likelihood::Bernoulli);
    let (theta, x) = (theta_of(&vae), to_single(&conditional_data(Likelihood::Bernoulli, 6)));
    let theta = Arc::new(theta.iter().map(|&x: &f64| x as f32).collect::<Vec<_>>());
    let rows = [4, 1, 2];
    let batch = |epoch| Batch { rows: &rows, noise: Noise::new(3, 0), epoch: Some(epoch) };
    for estimator in [
        Estimator::ClosedForm,
        Estimator::MonteCarlo,
        Estimator::ImportanceWeighted,
        Estimator::DoublyReparameterised,
        Estimator::ScoreFunction,
    ] {
        for samples in [1, 4] {
            let images =
                VaeObjective { estimator, samples, beta: 0.5, warm_up: 3, ..VaeObjective::new(&vae, &x) };
            for (epoch, beta) in [(0, 0.125), (1, 0.25), (3, 0.5), (9, 0.5)] {
                assert_eq!(images.beta_in(epoch), beta);
                let tape = Tape::new();
                let theta = tape.shared_parameter(&theta, [theta.len()]);
                let mut parts = [0.0; 3];
                let loss = loss(&images, theta, &batch(epoch), &mut parts).item();
                let x = tape.constant(&x.select(&rows).values, [3, 5]);
                let eps = tape.constant_with([samples, 3, 3], |out| {
                    for (sample, out) in out.chunks_exact_mut(9).enumerate() {
                        Noise::new(3, 0).normal(sample, 3, out);
                    }
                });
                let each = vae.elbo_samples(theta, x, eps);
                let kl = match estimator {
                    Estimator::ClosedForm => vae.elbo(theta, x, eps).kl.sum().item(),
                    _ => each.kl.mean_axis(0).sum().item(),
                };
                let log_likelihood = each.log_likelihood.mean_axis(0).sum().item();
                let wanted = match estimator {
                    Estimator::ImportanceWeighted | Estimator::DoublyReparameterised => {
                        let weight = each.log_likelihood - each.kl * beta as f32;
                        (weight.logsumexp_axis(0) - (samples as f32).ln()).sum().neg().item()
                    }
                    _ => kl * beta as f32 - log_likelihood,
                };
                let name = format!("{estimator:?} {samples} {epoch}");
                assert!((loss - wanted).abs() < 1e-4, "{name}: {loss}, not {wanted}");
                let wanted = [log_likelihood - kl, log_likelihood, kl].map(f64::from);
                let near = parts.iter().zip(wanted).all(|(part, wanted)| (part - wanted).abs() < 1e-4);
                assert!(near, "{name}: {parts:?}, not {wanted:?}");
            }
        }
    }
}

#[test]
fn semi_amortised_training_refines_the_bound_and_keeps_the_encoder_s_gradient() {
    // Under conditions, and with a gap.
    let mut x = to_single(&conditional_data(Likelihood::Bernoulli, 6)).values.to_vec();
    x[7] = f32::NAN;
    for covariance in COVARIANCES {
        semi_amortised(&conditional(covariance, Likelihood::Bernoulli), &Matrix::new(6, 5, x.clone()));
    }
}

fn semi_amortised(vae: &Vae, x: &Matrix<f32>) {
    let theta: Vec<f32> = theta_of(vae).iter().map(|&x: &f64| x as f32).collect();
    let rows: Vec<usize> = (0..6).collect();
    let mut images = VaeObjective { samples: 64, ..VaeObjective::new(vae, x) };
    let mut trainer = Trainer::new(vae.layout(), theta.clone(), Rule::Sgd, 0);
    let losses = [0, 1, 10].map(|steps| {
        trainer.evaluate(&mut SemiAmortisedObjective { bound: images, steps, rate: 0.1 }).unwrap().total
    });
    assert_eq!(losses[0], trainer.evaluate(&mut images).unwrap().total);
    assert!(losses[1] < losses[0] - 1e-3 && losses[2] < losses[1] - 1e-3, "{losses:?}");

    let gradient = |steps: Option<usize>| {
        let batch = Batch { rows: &rows, noise: Noise::new(3, 0), epoch: None };
        let (theta, mut tape) = (Arc::new(theta.clone()), Tape::new());
        let (_, gradient) = tape.value_and_grad(&theta, |_, theta| match steps {
            Some(steps) => {
                let objective = SemiAmortisedObjective { bound: images, steps, rate: 0.1 };
                loss(&objective, theta, &batch, &mut [0.0; 3])
            }
            None => loss(&images, theta, &batch, &mut [0.0; 3]),
        });
        gradient.to_vec()
    };
    let (plain, same, refined) = (gradient(None), gradient(Some(0)), gradient(Some(5)));
    for slot in vae.layout().slots() {
        let largest = |a: &[f32], b: &[f32]| {
            a[slot.range()].iter().zip(&b[slot.range()]).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()))
        };
        assert!(largest(&plain, &same) < 1e-4, "{}", slot.name());
        let moved = largest(&plain, &refined) > 1e-3;
        assert_eq!(moved, slot.name().starts_with("decoder"), "{}", slot.name());
    }
}

/// Asserts that training has the same bits on 1, 2 and 16 threads.
fn trains_alike(name: &str, layout: &Layout, mut objective: impl Objective<f32> + Send) {
    let start: Vec<f32> = layout.init(&mut StdRng::seed_from_u64(1));
    let mut on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(layout, start.clone(), Rule::ADAM, 0);
            // Batches of several shards.
            let fit = Fit { epochs: 3, batch_size: 130, rate: 1e-2, ..Fit::default() };
            trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
            trainer.theta().to_vec()
        })
    };
    let one = on(1);
    assert!(one != start && one == on(2) && one == on(16), "{name}");
}

#[test]
fn every_objective_trains_with_the_same_bits_on_any_number_of_threads() {
    let mut values = vec![0.0; 260 * 30];
    Noise::new(1, 0).normal(0, 30, &mut values);
    let x = &Matrix::new(260, 30, values.iter().map(|x: &f32| x.tanh() * 0.5 + 0.5).collect());
    let vae = Vae::new(&VaeConfig::new(30, &[100], 3)).unwrap();
    for estimator in [
        Estimator::ClosedForm,
        Estimator::MonteCarlo,
        Estimator::ImportanceWeighted,
        Estimator::DoublyReparameterised,
        Estimator::ScoreFunction,
    ] {
        let bound = VaeObjective { estimator, samples: 2, ..VaeObjective::new(&vae, x) };
        trains_alike(&format!("{estimator:?}"), vae.layout(), bound);
    }
    let refined = SemiAmortisedObjective { bound: VaeObjective::new(&vae, x), steps: 2, rate: 0.1 };
    trains_alike("refined", vae.layout(), refined);
    trains_alike("cubature", vae.layout(), CubatureObjective { vae: &vae, data: x });
    let model = Autoencoder::new(&AutoencoderConfig::new(30, &[100], 3)).unwrap();
    trains_alike("autoencoder", model.layout(), AutoencoderObjective { model: &model, data: x, noise: 0.3 });
}
