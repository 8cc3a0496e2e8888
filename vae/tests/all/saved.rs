//! A model that was saved and loaded is the same model.

use std::sync::Arc;

use nn::model::{Model, ModelFile, ModelFileError};
use vae::{Autoencoder, AutoencoderConfig, Covariance, NetworkConfig, Vae, VaeConfig};

use crate::common::{likelihoods, theta_of};

/// The configuration and the bits of θ come back.
fn check<M: Model>(model: &M, theta: &Arc<Vec<f32>>)
where
    M::Config: PartialEq + std::fmt::Debug,
{
    let folder = tempfile::tempdir().unwrap();
    model.to_file(theta).save(folder.path().join(ModelFile::NAME)).unwrap();
    let (loaded, loaded_theta) = M::load::<f32>(folder.path()).unwrap();
    assert_eq!(loaded.config(), model.config());
    assert_eq!(
        loaded_theta.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        theta.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    );
}

#[test]
fn every_kind_of_model_comes_back() {
    for likelihood in likelihoods(5) {
        for covariance in [Covariance::Diagonal, Covariance::Full] {
            let encoder = NetworkConfig::mlp(&[7, 3]);
            let vae = Vae::new(&VaeConfig {
                likelihood: likelihood.clone(),
                covariance,
                encoder,
                ..VaeConfig::new(5, &[4], 2)
            })
            .unwrap();
            check(&vae, &theta_of(&vae));
        }
    }
    let square = VaeConfig::convolutional(8, 2);
    let network = square.encoder.clone().with_channels([8, 4], &[2]);
    let oblong = VaeConfig { inputs: 32, encoder: network.clone(), decoder: network, ..square.clone() };
    for (config, side) in [(square, "\"side\":8"), (oblong, "\"side\":[8,4]")] {
        let vae = Vae::new(&config).unwrap();
        check(&vae, &theta_of(&vae));
        // Files of square images are as they always were.
        let path = tempfile::NamedTempFile::new().unwrap();
        vae.to_file::<f32>(&theta_of(&vae)).save(path.path()).unwrap();
        let text = String::from_utf8_lossy(&std::fs::read(path.path()).unwrap()).replace('\\', "");
        assert!(text.contains(side), "{side}: {:.600}", text);
    }
    let autoencoder = Autoencoder::new(&AutoencoderConfig::new(6, &[4], 2)).unwrap();
    check(&autoencoder, &Arc::new(vec![0.1; autoencoder.layout().size()]));
}

#[test]
fn sizes_that_the_file_does_not_hold_are_refused_before_a_model_is_built() {
    let small = Vae::new(&VaeConfig::new(6, &[4], 2)).unwrap();
    let images = VaeConfig::convolutional(8, 2);
    let network =
        |side, channels: &[usize]| NetworkConfig::convolutional(side).with_channels([side; 2], channels);
    for config in [
        VaeConfig { conditions: 1 << 63, ..VaeConfig::new(6, &[4], 2) },
        VaeConfig { covariance: Covariance::Full, ..VaeConfig::new(6, &[4], usize::MAX) },
        VaeConfig::new(1 << 40, &[1 << 40], 2),
        VaeConfig { conditions: usize::MAX, ..images.clone() },
        VaeConfig { encoder: network(8, &[1 << 40, 1 << 40]), ..images.clone() },
        VaeConfig { decoder: network(8, &[1 << 60]), ..images },
        VaeConfig::convolutional(1 << 31, 2),
    ] {
        let mut file = ModelFile::new(Vae::KIND, &config);
        file.insert_theta::<f32>(small.layout(), &theta_of(&small));
        let error = Vae::from_file::<f32>(&file).unwrap_err().to_string();
        assert!(error.contains("the file has 90"), "{error}");
    }
}

#[test]
fn a_file_of_another_kind_or_with_an_impossible_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(ModelFile::NAME);
    let autoencoder = Autoencoder::new(&AutoencoderConfig::new(6, &[4], 2)).unwrap();
    autoencoder.to_file(&vec![0.1_f32; autoencoder.layout().size()]).save(&path).unwrap();
    let error = Vae::load::<f32>(&path).unwrap_err();
    assert!(
        error.to_string().ends_with("expected a model of kind vae.Vae, found vae.Autoencoder"),
        "{error}"
    );
    assert!(matches!(Autoencoder::load::<f64>(&path).unwrap_err(), ModelFileError::Contents(_)));

    ModelFile::new(Vae::KIND, &VaeConfig::new(0, &[4], 2)).save(&path).unwrap();
    let error = Vae::load::<f32>(&path).unwrap_err();
    assert!(
        error.to_string().ends_with("expected at least one observed variable, found inputs = 0"),
        "{error}"
    );
}
