//! Models that do not exist are refused, with what to do about it.

use nn::model::{Layout, Nonlinearity};
use vae::{
    Autoencoder, AutoencoderConfig, Covariance, Likelihood, NetworkConfig, Networks, Sizes, Vae, VaeConfig,
    VaeError,
};

fn refused(config: &VaeConfig) -> VaeError {
    let error = Vae::new(config).unwrap_err();
    assert_eq!(config.validate().unwrap_err().to_string(), error.to_string());
    error
}

fn with(likelihood: Likelihood) -> VaeConfig {
    VaeConfig { likelihood, ..VaeConfig::new(4, &[3], 2) }
}

#[test]
fn sizes_of_0_are_refused_by_name() {
    assert_eq!(refused(&VaeConfig::new(0, &[3], 2)), VaeError::NoInputs);
    assert_eq!(refused(&VaeConfig::new(4, &[3], 0)), VaeError::NoLatent);
    let hidden = |network, hidden| VaeError::Hidden { network, hidden };
    let decoder = NetworkConfig::mlp(&[5, 0]);
    assert_eq!(refused(&VaeConfig::new(4, &[3, 0], 2)), hidden("encoder", vec![3, 0]));
    assert_eq!(refused(&VaeConfig { decoder, ..VaeConfig::new(4, &[3], 2) }), hidden("decoder", vec![5, 0]));
    let autoencoder = |config| Autoencoder::new(&config).unwrap_err();
    assert_eq!(autoencoder(AutoencoderConfig::new(0, &[], 2)), VaeError::NoInputs);
    assert_eq!(autoencoder(AutoencoderConfig::new(4, &[], 0)), VaeError::NoLatent);
    assert_eq!(autoencoder(AutoencoderConfig::new(4, &[0], 1)), hidden("encoder", vec![0]));

    let sizes = Sizes { inputs: 4, conditions: 0, parameters: 4, latent: 2, heads: 1 };
    let networks = |sizes| {
        let network = NetworkConfig::mlp(&[3]);
        let mut layout = Layout::new();
        let error = Networks::new(&mut layout, &network, &network, sizes).unwrap_err();
        assert_eq!(layout.size(), 0, "{error}: no slot was taken");
        error
    };
    assert_eq!(networks(Sizes { inputs: 0, ..sizes }), VaeError::NoInputs);
    assert_eq!(networks(Sizes { latent: 0, ..sizes }), VaeError::NoLatent);
    assert_eq!(networks(Sizes { parameters: 0, ..sizes }), VaeError::NoOutputs { network: "encoder" });
    assert_eq!(networks(Sizes { heads: 0, ..sizes }), VaeError::NoOutputs { network: "decoder" });
}

#[test]
fn standard_deviations_are_positive_and_within_their_bound() {
    for sigma in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(refused(&with(Likelihood::Normal { sigma })), VaeError::Sigma { sigma });
    }
    let text = refused(&with(Likelihood::Normal { sigma: f64::NAN })).to_string();
    assert_eq!(text, "likelihood: expected a positive and finite σ, found NaN");
    for start in [0.0, 1e-4, 3000.0, f64::NAN] {
        for likelihood in [Likelihood::NormalLearned { start }, Likelihood::NormalDiagonal { start }] {
            let text = refused(&with(likelihood)).to_string();
            let expected = "likelihood: expected a σ to begin with between 3.4e-4 and 2981, found";
            assert!(text.starts_with(expected), "{text}");
        }
    }
}

#[test]
fn categorical_variables_fill_the_row() {
    for classes in [0, 3] {
        let error = refused(&with(Likelihood::Categorical { classes }));
        assert_eq!(error, VaeError::Classes { classes, inputs: 4 });
    }
}

#[test]
fn convolutions_fit_the_images() {
    let inputs = |inputs| VaeConfig { inputs, ..VaeConfig::convolutional(6, 2) };
    assert_eq!(refused(&inputs(35)), VaeError::Pixels { network: "encoder", size: [6, 6], inputs: 35 });
    let odd = VaeConfig::convolutional(7, 2);
    assert_eq!(refused(&odd), VaeError::OddSide { network: "encoder", size: [7, 7] });
    let mut none = VaeConfig::convolutional(6, 2);
    let mut oblong = VaeConfig::convolutional(28, 2);
    oblong.encoder = oblong.encoder.with_channels([28, 16], &[2, 2, 2]);
    oblong.inputs = 28 * 16;
    assert_eq!(refused(&oblong), VaeError::Doubled { network: "encoder", size: [28, 16], channels: 3 });
    let layers = |channels| vae::Layers::Convolutional { size: [6, 6], channels };
    none.decoder.layers = layers(vec![]);
    assert_eq!(refused(&none), VaeError::Hidden { network: "decoder", hidden: vec![] });
    none.decoder.layers = layers(vec![4, 0]);
    assert_eq!(refused(&none), VaeError::Hidden { network: "decoder", hidden: vec![4, 0] });
}

#[test]
fn a_model_tells_what_it_consists_of() {
    let config = VaeConfig {
        conditions: 2,
        covariance: Covariance::Full,
        ..VaeConfig::new(4, &[5, 3], 2).with_phi(Nonlinearity::Tanh)
    };
    let vae = Vae::new(&config).unwrap();
    assert_eq!(vae.config(), &config);
    let networks = vae.networks();
    assert_eq!((networks.encoder.inputs(), networks.encoder.outputs()), (6, 5));
    assert_eq!((networks.decoder.inputs(), networks.decoder.outputs()), (4, 4));
}

#[test]
fn the_sigma_that_is_learned_begins_where_it_should() {
    for (start, raw) in [(1.0, 0.0), (0.1, 8.0 * (0.1_f64.ln() / 8.0).atanh())] {
        for (likelihood, count) in
            [(Likelihood::NormalLearned { start }, 1), (Likelihood::NormalDiagonal { start }, 4)]
        {
            let vae = Vae::new(&with(likelihood)).unwrap();
            let slot = vae.layout().slots().last().unwrap();
            let theta = crate::common::theta_of::<f64>(&vae);
            assert_eq!(slot.name(), "log_sigma");
            assert_eq!(theta[slot.range()], vec![raw; count]);
        }
    }
}
