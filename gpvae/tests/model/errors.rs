//! Bad input is refused before training starts.

use gpvae::{GpVaeError, Places, Samples, Training};
use nn::data::Matrix;

use crate::{PIXELS, dense, low_rank, samples, theta};

fn places(views: &[f64], objects: &[usize]) -> Result<Places, GpVaeError> {
    Places::new(Matrix::new(views.len(), 1, views.to_vec()), objects.to_vec())
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
    assert!(Training::new(&model, &wrong, theta(model.layout()), 0).is_err());

    let five = (0..train.len()).filter(|&n| train.places.objects[n] == 5).collect::<Vec<_>>();
    let others = (0..train.len()).filter(|&n| train.places.objects[n] != 5).collect::<Vec<_>>();
    let test = train.places.select(&five);
    let train = Samples::new(train.images.select(&others), train.places.select(&others)).unwrap();
    let error = test.seen_in(&train.places).unwrap_err();
    assert_eq!(error, GpVaeError::UnseenObject { row: 0, object: 5 });
    says(&error, &["object 5", "training"]);
    let theta = std::sync::Arc::new(theta(model.layout()));
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
    assert!(Training::new(&model, &twice, theta(model.layout()), 0).is_err());
}

#[test]
fn a_bound_that_is_not_finite_stops_training_and_leaves_theta() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let mut start = theta(model.layout());
    start[0] = 1e200;
    start[PIXELS * 5] = -1e200;
    let mut training = Training::new(&model, &samples, start.clone(), 0).unwrap();
    let phases = [gpvae::Phase::new(gpvae::Part::Vae, 1)];
    let error = training.fit(&phases, |_, _| std::ops::ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error, GpVaeError::NonFinite { phase: 0, epoch: 1 });
    assert_eq!(**training.theta(), start);
}

#[test]
fn misuse_panics_at_the_caller() {
    let model = low_rank(8, &[5], 2);
    let wide = Samples::new(Matrix::new(1, 7, vec![0.0; 7]), places(&[0.0], &[0]).unwrap()).unwrap();
    let unnamed =
        Samples::new(Matrix::new(1, PIXELS, vec![0.0; PIXELS]), places(&[0.0], &[]).unwrap()).unwrap();
    for wrong in [wide, unnamed] {
        assert!(std::panic::catch_unwind(|| model.check(&wrong)).is_err());
    }
}
