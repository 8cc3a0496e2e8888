//! Prediction: what is said of views that were not seen.

use std::sync::Arc;

use autograd::Tape;
use gpvae::data::Places;
use gpvae::prior::LatentPrior;
use gpvae::{Part, Plan};
use nn::data::Matrix;
use nn::train::Fit;

use crate::common::{PIXELS, angle, elbos, fast, low_rank, pixel, samples, theta, train, trainer};

/// Objects at angles that no training sample has.
fn unseen(objects: usize) -> (Places, Matrix<f64>) {
    let pairs: Vec<(usize, usize)> = (0..objects).map(|p| (p, (3 - p % 3) % 3)).collect();
    let views = Matrix::new(objects, 1, pairs.iter().map(|&(_, q)| angle(q)).collect());
    let pixels = pairs.iter().flat_map(|&(p, q)| (0..PIXELS).map(move |k| pixel(p, angle(q), k))).collect();
    (Places::new(views, (0..objects).collect()).unwrap(), Matrix::new(objects, PIXELS, pixels))
}

fn mean_square(a: &Matrix<f64>, b: &Matrix<f64>) -> f64 {
    a.values.iter().zip(b.values.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.values.len() as f64
}

#[test]
fn joint_training_learns_views_that_it_has_not_seen() {
    let (model, samples) = (low_rank(40, &[20], 3), samples(40));
    let (at, truth) = unseen(40);
    let plan = Plan::Joint { cycles: 1, networks: fast(50), kernel: fast(50), all: fast(300).falling() };
    let phases = plan.phases();
    let mut trainer = trainer(&model);
    let fit = Fit { batch_size: 32, ..Fit::default() };
    train(&mut trainer, &model, &samples, &phases, &fit, &mut ()).unwrap();
    let of_all = |epoch: &&nn::train::Epoch| phases[epoch.stage].part == Part::All;
    let first = trainer.history().iter().position(|epoch| of_all(&epoch)).unwrap();
    let elbos = &elbos(&trainer)[first..];
    assert_eq!(elbos.len(), 300);
    let (early, late) = (elbos[0], elbos[elbos.len() - 10..].iter().sum::<f64>() / 10.0);
    assert!(late > early + 1.0, "{early} to {late}");
    let predicted = model.predict(trainer.theta(), &samples, &at).unwrap();
    let mean: f64 = truth.values.iter().sum::<f64>() / truth.values.len() as f64;
    let variance = truth.values.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / truth.values.len() as f64;
    let error = mean_square(&predicted, &truth);
    assert!(error < 0.15 * variance, "{error} of {variance}");

    // The predictive moments: near the mean decode, and as wide as the errors.
    let sampled = model.predict_sampled(trainer.theta(), &samples, &at, 100, 4).unwrap();
    assert!(
        mean_square(&sampled.mean, &predicted) < 0.3 * error,
        "{} {error}",
        mean_square(&sampled.mean, &predicted)
    );
    let standardised = (0..truth.values.len())
        .map(|i| (truth.values[i] - sampled.mean.values[i]).powi(2) / sampled.variance.values[i])
        .sum::<f64>()
        / truth.values.len() as f64;
    assert!((0.2..5.0).contains(&standardised), "{standardised}");
    assert!(sampled.variance.values.iter().all(|&v| v >= model.sigma_y(trainer.theta()).powi(2)));
}

#[test]
fn predictions_decode_the_posterior_of_the_latents() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let theta = Arc::new(theta(model.layout()));
    let at = unseen(8).0;
    let latents = model.predict_latents(&theta, &samples, &at).unwrap();
    let decoded = model.decode_rows(&theta, &latents.mean);
    assert_eq!(model.predict(&theta, &samples, &at).unwrap(), decoded);
    let alpha = model.prior().alpha().unwrap().value(&theta);
    assert!(latents.variance.iter().all(|&v| v > alpha));
    // By the prior on a tape, from the codes' means.
    let tape = Tape::new();
    let on = tape.shared_constant(&theta, [theta.len()]);
    let [x, x_at] = [&samples.places, &at].map(|places| model.place_rows(on, places));
    let mu = model.encode_rows(&theta, &samples.images).mu;
    let z = tape.constant(&mu.values, [mu.rows, mu.cols]);
    let posterior = model.prior().posterior(on, x, z, x_at).unwrap();
    for (a, b) in posterior.mean.to_vec().iter().zip(latents.mean.values.iter()) {
        assert!((a - b).abs() < 1e-9, "{a}, not {b}");
    }
}
