//! A model that was kept in a file predicts the same bits without its training images.

use std::sync::Arc;

use autograd::Real;
use gpvae::data::{ObjectFeatures, Places, Samples};
use gpvae::kernel::{Kernel, Linear, Matern52};
use gpvae::prior::{Dense, Inducing, LatentPrior, LowRank, ViewObject};
use gpvae::{GpVae, GpVaeConfig, Loaded};
use nn::data::Matrix;
use nn::model::{Layout, ModelFile, ModelFileError};
use nn::train::Element;
use tempfile::tempdir;

use crate::common::{M, angle, features, low_rank, rotation, samples, theta};

/// Saves a model, loads it, and compares what both predict, bit by bit.
fn check<F: Real + Element, P: LatentPrior>(
    model: &GpVae<P>,
    samples: &Samples<F>,
    at: &Places,
    prior: impl FnOnce(&mut Layout) -> P,
) {
    let theta: Arc<Vec<F>> = Arc::new(theta(model.layout()).into_iter().map(F::from_f64).collect());
    let folder = tempdir().unwrap();
    let codes = model.training_codes(&theta, samples);
    model.to_file(&theta, &codes).save(folder.path().join(ModelFile::NAME)).unwrap();
    let Loaded { model: loaded, theta: loaded_theta, codes: loaded_codes } =
        GpVae::load::<F>(folder.path(), prior).unwrap();
    assert_eq!((&loaded_theta, &loaded_codes), (&theta, &codes));
    assert_eq!(loaded.layout().size(), model.layout().size());
    let bits = |image: &Matrix<F>| image.values.iter().map(|y| y.to_f64().to_bits()).collect::<Vec<_>>();
    let whole = model.predict(&theta, samples, at).unwrap();
    assert_eq!(bits(&loaded.predict_given(&loaded_theta, &loaded_codes, at).unwrap()), bits(&whole));
    let drawn = model.predict_sampled(&theta, samples, at, 3, 5).unwrap();
    assert_eq!(loaded.predict_sampled_given(&loaded_theta, &loaded_codes, at, 3, 5).unwrap(), drawn);
    // What it conditions on matters.
    let mut shifted = samples.clone();
    shifted.images = shifted.images.map(|y| y + F::ONE);
    assert_ne!(bits(&model.predict(&theta, &shifted, at).unwrap()), bits(&whole));
}

fn rotated(layout: &mut Layout) -> LowRank<ViewObject<impl Kernel + use<>>> {
    let views = Matrix::new(5, 1, (0..5).map(angle).collect());
    let view = rotation(layout);
    LowRank::new(layout, ViewObject::new(view, views, M), 0.3)
}

fn noisy(layout: &mut Layout) -> Dense<impl Kernel + use<>> {
    Dense::new(rotation(layout).on(0..1).times(Linear.on(1..1 + M))).with_noise(layout, 0.2)
}

#[test]
fn every_prior_and_kind_of_objects_comes_back() {
    // An angle that nobody has, too.
    let at = Places::new(Matrix::new(3, 1, vec![0.1, angle(2), 5.9]), vec![0, 4, 7]).unwrap();
    let config =
        GpVaeConfig { objects: ObjectFeatures::Learned(features(8)), ..GpVaeConfig::new(6, &[5], 2) };
    let model = GpVae::new(&config, rotated).unwrap();
    check::<f64, _>(&model, &samples(8), &at, rotated);
    let config = GpVaeConfig { objects: ObjectFeatures::Given(features(8)), ..config };
    let model = GpVae::new(&config, noisy).unwrap();
    check::<f64, _>(&model, &samples(8), &at, noisy);

    // More rows than a chunk has, in single precision.
    let times = Matrix::new(150, 1, (0..150).map(|t| f64::from(t) / 10.0).collect());
    let waves = (0..600).map(|i| (0.3 * (i / 4) as f32 + (i % 4) as f32).sin()).collect();
    let series = Samples::new(Matrix::new(150, 4, waves), Places::of_views(times).unwrap()).unwrap();
    let process = |layout: &mut Layout| {
        let points = Matrix::new(9, 1, (0..9).map(|i| 2.0 * f64::from(i)).collect());
        let kernel = Matern52::new(layout, "length", 1.5);
        let process = Inducing::new(layout, kernel, &points).with_jitter(1e-5);
        LowRank::new(layout, process, 0.05)
    };
    let model = GpVae::new(&GpVaeConfig::new(4, &[5], 2), process).unwrap();
    let later = Places::of_views(Matrix::new(3, 1, vec![-3.0, 0.05, 200.0])).unwrap();
    check::<f32, _>(&model, &series, &later, process);
}

#[test]
fn a_file_of_another_model_prior_or_precision_or_with_senseless_numbers_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join(ModelFile::NAME);
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let theta = Arc::new(theta(model.layout()));
    let codes = model.training_codes(&theta, &samples);
    let whole = model.to_file(&theta, &codes);
    let load = |file: &ModelFile| {
        file.save(&path).unwrap();
        GpVae::load::<f64>(&path, rotated).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(load(&whole), Ok(()));
    let refused = |file: &ModelFile, says: &str| {
        let error = load(file).unwrap_err();
        assert!(error.contains(says) && error.contains("model.safetensors"), "{says:?} is not in {error:?}");
    };
    refused(&ModelFile::new("vae.Vae", &0), "expected a model of kind gpvae.GpVae, found vae.Vae");
    refused(&ModelFile::new("gpvae.GpVae", &0), "the entry \"config\"");

    for (pixels, latent) in [(1_u64 << 61, 2_u64), (16, 1 << 40)] {
        let mut config: serde_json::Value = whole.config().unwrap();
        (config["pixels"], config["latent"]) = (pixels.into(), latent.into());
        let mut file = whole.clone();
        file.set("config", &config);
        refused(&file, "parameters, the file has");
    }

    let n = samples.len();
    let with = |name: &str, shape: &[usize], values: Vec<f64>| {
        let mut file = whole.clone();
        file.insert(name, shape, values);
        file
    };
    refused(&with("training.objects", &[n], vec![8.0; n]), "expected objects below 8, found 8");
    refused(&with("training.objects", &[n], vec![0.5; n]), "found 0.5");
    refused(&with("training.views", &[n, 1], vec![f64::NAN; n]), "training.views");
    refused(&with("training.q", &[n, 4], vec![f64::NAN; 4 * n]), "training.q: expected finite numbers");
    refused(&with("training.q", &[n, 2], vec![0.0; 2 * n]), "training.q");
    refused(&with("training.views", &[1, 1], vec![0.0]), "training.views");

    whole.save(&path).unwrap();
    let error = GpVae::load::<f32>(&path, rotated).map(|_| ()).unwrap_err();
    assert!(matches!(error, ModelFileError::Contents(_)), "{error}");
    let other = |layout: &mut Layout| {
        let kernel = Matern52::new(layout, "length", 1.5);
        LowRank::new(layout, ViewObject::new(kernel, Matrix::new(1, 1, vec![0.0]), M), 0.3)
    };
    let error = GpVae::load::<f64>(&path, other).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("log_length"), "{error}");
}
