//! A network that was saved and loaded is the same one.

use bayes_nn::{BayesMlp, BayesMlpConfig, Likelihood, WeightPrior};
use nn::model::{Model, ModelFile, Nonlinearity};
use rand::{SeedableRng, rngs::StdRng};

#[test]
fn every_kind_of_network_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let usual = BayesMlpConfig::new(3, &[4]);
    let mixture = WeightPrior::Mixture { share: 0.3, first: 1.0, second: 0.01 };
    for config in [
        usual.clone(),
        BayesMlpConfig { modes: 3, phi: Nonlinearity::Tanh, ..usual.clone() },
        BayesMlpConfig {
            prior: WeightPrior::Learned,
            likelihood: Likelihood::Normal { sigma: 0.1 },
            ..usual.clone()
        },
        BayesMlpConfig { prior: mixture, phi: Nonlinearity::LeakyRelu(0.2), ..usual.clone() },
        BayesMlpConfig { outputs: 10, linear: true, likelihood: Likelihood::Categorical, ..usual.clone() },
        BayesMlpConfig { outputs: 2, likelihood: Likelihood::STUDENT, ..usual.clone() },
        BayesMlpConfig { likelihood: Likelihood::Poisson, ..usual.clone() },
        BayesMlpConfig { likelihood: Likelihood::NEGATIVE_BINOMIAL, ..usual },
    ] {
        let model = BayesMlp::new(&config).unwrap();
        let eta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(1));
        model.to_file(&eta).save(folder.path().join(ModelFile::NAME)).unwrap();
        let (loaded, loaded_eta) = BayesMlp::load::<f32>(folder.path()).unwrap();
        assert_eq!((loaded.config(), &loaded_eta[..]), (&config, &eta[..]));
    }
}

#[test]
fn sizes_that_the_file_does_not_hold_are_refused_before_a_network_is_built() {
    let model = BayesMlp::new(&BayesMlpConfig::new(3, &[4])).unwrap();
    let eta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(1));
    let usual = BayesMlpConfig::new(3, &[4]);
    for config in [
        BayesMlpConfig::new(3, &[1 << 33]),
        BayesMlpConfig::new(1 << 62, &[1 << 62]),
        BayesMlpConfig { modes: 1 << 40, ..usual.clone() },
        BayesMlpConfig { modes: usize::MAX, ..usual },
    ] {
        let mut file = ModelFile::new(BayesMlp::KIND, &config);
        file.insert_theta(model.layout(), &eta);
        let error = BayesMlp::from_file::<f32>(&file).unwrap_err().to_string();
        assert!(error.contains("the entry \"config\"") && error.contains("the file has"), "{error}");
    }
}

#[test]
fn a_file_of_an_earlier_version_has_one_output_and_no_linear_part() {
    let usual = BayesMlpConfig::new(3, &[4]);
    let model = BayesMlp::new(&usual).unwrap();
    let eta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(1));
    #[derive(serde::Serialize)]
    struct Earlier<'a> {
        inputs: usize,
        hidden: &'a [usize],
        phi: &'a str,
        prior: &'a WeightPrior,
        likelihood: Likelihood,
        initial_sigma: f64,
        modes: usize,
    }
    let BayesMlpConfig { inputs, ref hidden, ref prior, likelihood, initial_sigma, modes, .. } = usual;
    let config = Earlier { inputs, hidden, phi: "relu", prior, likelihood, initial_sigma, modes };
    let mut file = ModelFile::new(BayesMlp::KIND, &config);
    file.insert_theta(model.layout(), &eta);
    let (loaded, loaded_eta) = BayesMlp::from_file::<f32>(&file).unwrap();
    assert_eq!((loaded.config(), &loaded_eta[..]), (&usual, &eta[..]));
}
