//! Training and prediction.

use std::ops::ControlFlow;
use std::sync::Arc;

use gpvae::schedule::{disjoint, fitted_afterwards, joint};
use gpvae::{Epoch, GpVae, Part, Phase, Places, Samples, Training, principal_features};
use nn::data::Matrix;

use crate::{PIXELS, angle, dense, low_rank, pixel, samples, theta};

fn go<F: autograd::Real, P>(_: &Training<'_, F, P>, _: &Epoch) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn phases_train_their_part_alone() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let [networks, kernel] = model.parts();
    for (part, moves) in [
        (Part::Vae, [true, false]),
        (Part::Networks, [true, false]),
        (Part::Kernel, [false, true]),
        (Part::All, [true, true]),
    ] {
        for exact in [false, true] {
            let start = theta(model.layout());
            let mut training = Training::new(&model, &samples, start.clone(), 1).unwrap();
            let phases = [Phase::new(part, 2)];
            if exact {
                training.fit_exact(&phases, go).unwrap()
            } else {
                training.fit(&phases, go).unwrap()
            }
            let moved = [networks.clone(), kernel.clone()]
                .map(|range| range.clone().any(|i| training.theta()[i] != start[i]));
            assert_eq!(moved, moves, "{part:?}, exact: {exact}");
        }
    }
}

#[test]
fn what_weighs_nothing_teaches_the_process_nothing() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let process = model.parts()[1].clone();
    for exact in [false, true] {
        for (lambda, learns) in [(0.0, false), (0.5, true)] {
            let start = theta(model.layout());
            let mut training = Training::new(&model, &samples, start.clone(), 1).unwrap();
            training.lambda = lambda;
            let phases = [Phase::new(Part::Kernel, 2), Phase::new(Part::All, 2)];
            if exact {
                training.fit_exact(&phases, go).unwrap()
            } else {
                training.fit(&phases, go).unwrap()
            }
            let moved = process.clone().any(|i| training.theta()[i] != start[i]);
            assert_eq!(moved, learns, "λ = {lambda}, exact: {exact}");
        }
    }
}

#[test]
fn a_pixels_deviation_is_learned_or_stays_as_given() {
    fn learned<P: gpvae::prior::Prior>(model: &GpVae<P>) -> f64 {
        let (samples, start) = (samples(8), theta(model.layout()));
        let before = model.sigma_y(&start);
        let mut training = Training::new(model, &samples, start, 1).unwrap();
        training.fit_exact(&[Phase::new(Part::All, 2)], go).unwrap();
        model.sigma_y(training.theta()) - before
    }
    assert_ne!(learned(&low_rank(8, &[5], 2)), 0.0);
    assert_eq!(learned(&dense(8, 0.1, &[5], 2)), 0.0);
}

#[test]
fn training_has_the_same_bits_on_any_number_of_threads() {
    let (model, samples) = (low_rank(60, &[5], 2), samples(60));
    let phases = joint(2, &Phase::new(Part::Vae, 2), &Phase::new(Part::Kernel, 2), &Phase::new(Part::All, 2));
    let [one, four] = [1, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut training = Training::new(&model, &samples, theta(model.layout()), 1).unwrap();
            training.batch_size = 100;
            training.fit(&phases, go).unwrap();
            training.theta().clone()
        })
    });
    assert!(one == four);
}

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
    let mut training = Training::new(&model, &samples, theta(model.layout()), 1).unwrap();
    training.batch_size = 32;
    let phase = |epochs| Phase::new(Part::All, epochs).rates(1e-2, 1e-2);
    let mut bounds = Vec::new();
    training
        .fit(&joint(1, &phase(50), &phase(50), &phase(300).falling()), |_, epoch| {
            if epoch.part == Part::All {
                bounds.push(epoch.bound.value(1.0));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let (early, late) = (bounds[0], bounds[bounds.len() - 10..].iter().sum::<f64>() / 10.0);
    assert!(late > early + 1.0, "{early} to {late}");
    let predicted = model.predict(training.theta(), &samples, &at).unwrap();
    let mean: f64 = truth.values.iter().sum::<f64>() / truth.values.len() as f64;
    let variance = truth.values.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / truth.values.len() as f64;
    let error = mean_square(&predicted, &truth);
    assert!(error < 0.15 * variance, "{error} of {variance}");

    // The predictive moments: near the mean decode, and as wide as the errors.
    let sampled = model.predict_sampled(training.theta(), &samples, &at, 100, 4).unwrap();
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
    assert!(sampled.variance.values.iter().all(|&v| v >= model.sigma_y(training.theta()).powi(2)));
}

#[test]
fn single_precision_trains_like_double() {
    let (model, samples) = (low_rank(40, &[20], 3), samples(40));
    let single = Samples::new(samples.images.map(|y| y as f32), samples.places.clone()).unwrap();
    let phases = joint(1, &Phase::new(Part::Vae, 3), &Phase::new(Part::Kernel, 3), &Phase::new(Part::All, 3));
    fn bounds<F: autograd::Real>(
        model: &GpVae<impl gpvae::prior::ByRows>,
        samples: &Samples<F>,
        phases: &[Phase],
    ) -> Vec<f64> {
        let theta = theta(model.layout()).into_iter().map(F::from_f64).collect();
        let (mut training, mut bounds) = (Training::new(model, samples, theta, 1).unwrap(), vec![]);
        let observer = |_: &Training<'_, F, _>, epoch: &Epoch| {
            bounds.push(epoch.bound.value(1.0));
            ControlFlow::Continue(())
        };
        training.fit(phases, observer).unwrap();
        bounds
    }
    let pairs = bounds(&model, &samples, &phases).into_iter().zip(bounds(&model, &single, &phases));
    for (epoch, (double, single)) in pairs.enumerate() {
        assert!((double - single).abs() < 1e-3 * (1.0 + double.abs()), "epoch {epoch}: {double}, {single}");
    }
}

#[test]
fn exact_training_raises_the_bound_too() {
    fn raised<P: gpvae::prior::Prior>(model: &GpVae<P>, samples: &Samples<f64>, phases: &[Phase]) {
        let mut training = Training::new(model, samples, theta(model.layout()), 1).unwrap();
        let mut bounds = Vec::new();
        training
            .fit_exact(phases, |_, epoch| {
                bounds.push(epoch.bound.value(1.0));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(bounds[bounds.len() - 1] > bounds[0] + 1.0, "{bounds:?}");
    }
    let samples = samples(20);
    let phase = Phase::new(Part::All, 150).rates(1e-2, 1e-2);
    raised(&dense(20, 0.3, &[8], 2), &samples, std::slice::from_ref(&phase));
    raised(&low_rank(20, &[8], 2), &samples, &disjoint(2, &phase, &phase)[..1]);
    raised(&low_rank(20, &[8], 2), &samples, &fitted_afterwards(&phase, &phase)[..1]);
}

#[test]
fn schedules_are_those_of_the_lecture() {
    let phase = Phase::new(Part::All, 3);
    let parts = |phases: Vec<Phase>| phases.into_iter().map(|phase| phase.part).collect::<Vec<_>>();
    use Part::{All, Kernel, Networks, Vae};
    assert_eq!(parts(joint(2, &phase, &phase, &phase)), [Vae, Kernel, All, Networks, Kernel, All]);
    assert_eq!(parts(disjoint(2, &phase, &phase)), [Networks, Kernel, Networks, Kernel]);
    assert_eq!(parts(fitted_afterwards(&phase, &phase)), [Vae, Kernel]);
}

#[test]
fn an_observer_stops_training() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let mut training = Training::new(&model, &samples, theta(model.layout()), 1).unwrap();
    let mut seen = 0;
    training
        .fit(&[Phase::new(Part::All, 5), Phase::new(Part::All, 5)], |_, epoch| {
            seen += 1;
            if epoch.epoch == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn predictions_decode_the_posterior_of_the_latents() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let theta = Arc::new(theta(model.layout()));
    let at = unseen(8).0;
    let latents = model.latents(&theta, &samples, &at).unwrap();
    let decoded = model.decode_rows(&theta, &latents.mean);
    assert_eq!(model.predict(&theta, &samples, &at).unwrap(), decoded);
    let alpha = gpvae::prior::Prior::alpha(&model.prior).unwrap().value(&theta);
    assert!(latents.variance.iter().all(|&v| v > alpha));
    // The same prior, dense, with the same X as given features.
    let tape = autograd::Tape::new();
    let on = tape.shared_constant(&theta, [theta.len()]);
    let [x, x_at] = [&samples.places, &at].map(|places| model.objects.rows(on, places));
    let [mu, _] = model.codes(&theta, &samples);
    let z = tape.constant(&mu.values, [mu.rows, mu.cols]);
    let posterior = gpvae::prior::Prior::posterior(&model.prior, on, x, z, x_at).unwrap();
    for (a, b) in posterior.mean.to_vec().iter().zip(latents.mean.values.iter()) {
        assert!((a - b).abs() < 1e-9, "{a}, not {b}");
    }
}

#[test]
fn initial_features_are_principal_directions() {
    // Every object has one image, of two traits: two features span them, and the third direction of three pixels is empty.
    let traits: Vec<[f64; 2]> =
        (0..20).map(|p| [(p as f64 * 1.1).sin() * 3.0, (p as f64 * 0.7).cos()]).collect();
    let pixels = traits.iter().flat_map(|[a, b]| [*a, *b, a + 2.0 * b]).collect();
    let views = Matrix::new(20, 1, vec![0.0; 20]);
    let samples =
        Samples::new(Matrix::new(20, 3, pixels), Places::new(views, (0..20).collect()).unwrap()).unwrap();
    let x = principal_features(&samples, 20, 2);
    for i in 0..2 {
        for j in 0..2 {
            let dot: f64 = (0..20).map(|p| x.row(p)[i] * x.row(p)[j]).sum::<f64>() / 20.0;
            assert!((dot - if i == j { 0.5 } else { 0.0 }).abs() < 1e-9, "{i} {j}: {dot}");
        }
    }
    // Both traits are linear in the features: projecting them onto the two columns leaves them unchanged.
    for trait_ in 0..2 {
        let coefficients: Vec<f64> =
            (0..2).map(|j| (0..20).map(|p| traits[p][trait_] * x.row(p)[j]).sum::<f64>() / 10.0).collect();
        for (p, traits) in traits.iter().enumerate() {
            let projected: f64 = coefficients.iter().zip(x.row(p)).map(|(c, x)| c * x).sum();
            assert!((projected - traits[trait_]).abs() < 1e-8, "{projected}");
        }
    }
}
