//! Bad input is refused before training starts.

use std::sync::Arc;

use autograd::{Real, Tape};
use gpvae::data::{Places, Samples};
use gpvae::kernel::Matern32;
use gpvae::prior::{Dense, LatentPrior};
use gpvae::{ExactObjective, GpVae, GpVaeConfig, GpVaeError, GpVaeObjective, Part, PixelNoise};
use nn::data::Matrix;
use nn::model::Layout;
use nn::train::{Fit, Place, Rule, StepError, TrainError, Trainer};

use rand::{SeedableRng, rngs::StdRng};

use crate::common::{PIXELS, dense, low_rank, pace, samples, theta};

fn places(views: &[f64], objects: &[usize]) -> Result<Places, GpVaeError> {
    let views = Matrix::new(views.len(), 1, views.to_vec());
    if objects.is_empty() { Places::of_views(views) } else { Places::new(views, objects.to_vec()) }
}

fn says(error: &GpVaeError, words: &[&str]) {
    let message = error.to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[test]
fn sizes_that_disagree() {
    let error = places(&[0.0, 1.0, 2.0], &[0, 1]).unwrap_err();
    assert_eq!(error, GpVaeError::Sizes { images: 3, views: 3, objects: 2 });
    let error =
        Samples::new(Matrix::new(2, 1, vec![0.0; 2]), places(&[0.0; 3], &[0, 1, 2]).unwrap()).unwrap_err();
    assert_eq!(error, GpVaeError::Sizes { images: 2, views: 3, objects: 3 });
    says(&error, &["2 images", "3 views", "split"]);
    let none = Samples::<f64>::new(Matrix::new(0, 4, vec![]), places(&[], &[]).unwrap());
    assert_eq!(none.unwrap_err(), GpVaeError::Empty);
}

#[test]
fn numbers_that_are_not_finite() {
    let at = || places(&[0.0, 1.0], &[0, 1]).unwrap();
    for wrong in [f64::NAN, f64::INFINITY] {
        let error = Samples::new(Matrix::new(2, 3, vec![0.0, 0.0, 0.0, 0.0, wrong, 0.0]), at()).unwrap_err();
        assert!(matches!(error, GpVaeError::Pixel { row: 1, column: 1, .. }), "{error:?}");
        says(&error, &["image 1", "pixel 1", "missing"]);
        let error = places(&[0.0, wrong], &[0, 1]).unwrap_err();
        assert!(matches!(error, GpVaeError::View { row: 1, .. }), "{error:?}");
    }
    // A gap is none of them, infinity still is.
    let with_gaps = |value| Samples::with_gaps(Matrix::new(2, 1, vec![value, 1.0]), at());
    assert_eq!(with_gaps(f64::NAN).unwrap().observed.unwrap().values[..], [0.0, 1.0]);
    assert!(matches!(with_gaps(f64::INFINITY), Err(GpVaeError::Pixel { row: 0, column: 0, .. })));
}

#[test]
fn objects_that_are_unknown_or_were_not_seen() {
    let (model, train) = (low_rank(8, &[5], 2), samples(8));
    let mut wrong = train.clone();
    wrong.places.objects[4] = 8;
    let error = model.check(&wrong).unwrap_err();
    assert_eq!(error, GpVaeError::UnknownObject { row: 4, object: 8, objects: 8 });
    assert_eq!(GpVaeObjective::new(&model, &wrong, Part::All).err(), Some(error));

    let five = (0..train.len()).filter(|&n| train.places.objects[n] == 5).collect::<Vec<_>>();
    let others = (0..train.len()).filter(|&n| train.places.objects[n] != 5).collect::<Vec<_>>();
    let test = train.places.select(&five);
    let train = Samples::new(train.images.select(&others), train.places.select(&others)).unwrap();
    let error = test.check_seen_in(&train.places).unwrap_err();
    assert_eq!(error, GpVaeError::UnseenObject { row: 0, object: 5 });
    says(&error, &["object 5", "training"]);
    let theta = Arc::new(theta(model.layout()));
    assert_eq!(model.predict(&theta, &train, &test).unwrap_err(), error);
}

#[test]
fn duplicates_without_noise() {
    let mut twice = samples(8);
    twice.places.objects[3] = twice.places.objects[0];
    let mut views = twice.places.views.values.to_vec();
    views[3] = views[0];
    twice.places.views = Matrix::new(views.len(), 1, views);
    let error = dense(8, 0.0, &[5], 2).check(&twice).unwrap_err();
    assert_eq!(error, GpVaeError::Duplicate { first: 0, second: 3 });
    says(&error, &["rows 0 and 3", "α"]);
    assert_eq!(dense(8, 0.1, &[5], 2).check(&twice), Ok(()));
    assert_eq!(dense(8, 0.0, &[5], 2).check(&samples(8)), Ok(()));
    let model = dense(8, 0.0, &[5], 2);
    assert_eq!(ExactObjective::new(&model, &twice, Part::All).err(), Some(error));
}

#[test]
fn a_bound_that_is_not_finite_stops_training_and_leaves_theta() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let mut start = theta(model.layout());
    start[0] = 1e200;
    start[PIXELS * 5] = -1e200;
    let mut trainer = Trainer::new(model.layout(), start.clone(), Rule::ADAM, 0);
    let mut objective = GpVaeObjective::new(&model, &samples, Part::Vae).unwrap();
    let fit = objective.fit(&pace(1), Fit::default());
    let error = trainer.fit(&mut objective, None, &fit, &mut ()).unwrap_err();
    let TrainError::Step { epoch: 1, step: 1, source: StepError::NonFinite(Place::Tape(place)) } = &error
    else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("the loss is not finite"), "{error} {place}");
    assert_eq!(**trainer.theta(), start);
}

#[test]
fn a_covariance_without_a_factor_stops_training_and_leaves_theta() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    // The view kernel is 1 everywhere: its factor has a second pivot of 0.
    let mut start = theta(model.layout());
    let nu = model.layout().slots().iter().find(|slot| slot.name() == "log_nu").unwrap();
    start[nu.range().start] = 100.0;
    let mut objective = GpVaeObjective::new(&model, &samples, Part::All).unwrap();
    let fit = objective.fit(&pace(1), Fit::default());
    let mut trainer = Trainer::new(model.layout(), start.clone(), Rule::ADAM, 0);
    let error = trainer.fit(&mut objective, None, &fit, &mut ()).unwrap_err();
    let TrainError::Prepare { epoch: 1, source } = error else { panic!("{error:?}") };
    assert_eq!((source.pivot, source.size), (1, 5));
    says(&GpVaeError::Factor(source), &["Gaussian process", "jitter"]);
    assert_eq!(**trainer.theta(), start);
}

#[test]
fn samples_of_another_kind_than_the_models() {
    let model = low_rank(8, &[5], 2);
    let wide = Samples::new(Matrix::new(1, 7, vec![0.0; 7]), places(&[0.0], &[0]).unwrap()).unwrap();
    assert_eq!(model.check(&wide), Err(GpVaeError::Pixels { expected: PIXELS, found: 7 }));
    let unnamed =
        Samples::new(Matrix::new(1, PIXELS, vec![0.0; PIXELS]), places(&[0.0], &[]).unwrap()).unwrap();
    let error = model.check(&unnamed).unwrap_err();
    assert_eq!(error, GpVaeError::Objects { known: 8, named: 0 });
    says(&error, &["one of 8 objects", "found 0"]);
}

#[test]
fn configurations_that_make_no_sense() {
    let build = |config: &GpVaeConfig| {
        let model = GpVae::new(config, |_| gpvae::prior::Dense::new(gpvae::kernel::Linear));
        model.map(|model| model.latent())
    };
    let good = GpVaeConfig::new(PIXELS, &[5], 2);
    assert_eq!(build(&good), Ok(2));
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for pixel_noise in [PixelNoise::Fixed { sigma: wrong }, PixelNoise::Learned { start: wrong }] {
            let error = build(&GpVaeConfig { pixel_noise, ..good.clone() }).unwrap_err();
            says(&error, &["σ_y", "expected a positive number"]);
        }
    }
    for config in
        [GpVaeConfig::new(PIXELS, &[0], 2), GpVaeConfig::new(PIXELS, &[5], 0), GpVaeConfig::new(0, &[5], 2)]
    {
        assert!(matches!(build(&config), Err(GpVaeError::Networks(_))), "{config:?}");
    }
}

#[test]
fn views_too_far_from_zero_for_single_precision_need_an_origin() {
    let seconds: Vec<f64> = (0..20).map(|i| 60.0 * f64::from(i)).collect();
    for start in [1.7e9, 1e13] {
        let far = places(&seconds.iter().map(|s| start + s).collect::<Vec<_>>(), &[]).unwrap();
        let error = Samples::<f32>::new(Matrix::new(20, 1, vec![0.0; 20]), far.clone()).unwrap_err();
        assert!(matches!(error, GpVaeError::Precision { column: 0, step: 60.0, .. }), "{error:?}");
        says(&error, &["column 0", "6e1", "relative_to"]);
        Samples::<f64>::new(Matrix::new(20, 1, vec![0.0; 20]), far.clone()).unwrap();

        let near = far.relative_to(&[start]);
        assert_eq!(near.views.values[..], seconds);
        Samples::<f32>::new(Matrix::new(20, 1, vec![0.0; 20]), near.clone()).unwrap();
        let (wide, narrow) = (log_prior::<f64>(&far), log_prior::<f32>(&near));
        assert!((wide - narrow).abs() < 2e-4, "{start}: {wide} and {narrow}");
    }
    // Whole numbers that single precision can hold, and steps of which one is short by chance
    for views in [&[16_000_000.0, 16_000_001.0, 16_000_002.0][..], &[0.0, 0.1, 0.1 + 1e-9, 0.2, 0.3]] {
        let n = views.len();
        Samples::<f32>::new(Matrix::new(n, 1, vec![0.0; n]), places(views, &[]).unwrap()).unwrap();
    }
}

/// log p of a wave at these places, by a Matérn 3/2 kernel of length 180 with noise.
fn log_prior<F: Real>(places: &Places) -> f64 {
    let mut layout = Layout::new();
    let kernel = Matern32::new(&mut layout, "length", 180.0);
    let prior = Dense::new(kernel).with_noise(&mut layout, 0.1);
    let theta: Vec<F> = layout.init(&mut StdRng::seed_from_u64(0));
    let tape = Tape::new();
    let narrow = |x: &[f64]| x.iter().map(|&x| F::from_f64(x)).collect::<Vec<_>>();
    let n = places.len();
    let z: Vec<f64> = (0..n).map(|i| (0.7 * i as f64).sin()).collect();
    let (theta, w) =
        (tape.constant(&theta, [theta.len()]), tape.constant(&narrow(&places.views.values), [n, 1]));
    prior.log_prob(theta, w, tape.constant(&narrow(&z), [n, 1])).unwrap().item().to_f64()
}
