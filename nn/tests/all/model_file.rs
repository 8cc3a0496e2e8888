//! What a model's file keeps, and what it refuses.

use std::fs;
use std::path::Path;

use nn::model::{
    Init, Layout, MlpConfig, MlpModel, Model, ModelFile, ModelFileError, Nonlinearity, NonlinearityText,
};
use serde::{Deserialize, Serialize};
use tempfile::tempdir;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    widths: Vec<usize>,
    #[serde(with = "NonlinearityText")]
    phi: Nonlinearity,
}

fn layout() -> Layout {
    let mut layout = Layout::new();
    layout.slot("w", [2, 2], Init::Glorot);
    layout.slot("b", [2], Init::Constant(0.0));
    layout
}

const THETA: [f32; 6] = [1.0, -2.0, 1e-40, 0.1, 5.0, -0.0];

fn example() -> ModelFile {
    let config = Config { widths: vec![2, 2], phi: Nonlinearity::LeakyRelu(0.1) };
    let mut file = ModelFile::new("example.Net", &config);
    file.insert_theta(&layout(), &THETA);
    file.insert("places", &[3], vec![0.1_f64, 1.7e9, -1.0]);
    file.set("scale", &[0.1, 1e300]);
    file
}

/// A safetensors file without a checksum, as other tools write it.
fn foreign(path: &Path, metadata: &str, tensors: &str, numbers: &[u8]) {
    let header = format!("{{\"__metadata__\":{{{metadata}}}{tensors}}}");
    fs::write(path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), numbers].concat()).unwrap();
}

#[test]
fn what_is_saved_comes_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    example().save(&path).unwrap();
    // A folder stands for the file in it.
    for path in [&path, folder.path()] {
        let file = ModelFile::load(path).unwrap();
        file.check_kind("example.Net").unwrap();
        let config: Config = file.config().unwrap();
        assert_eq!((config.widths, config.phi), (vec![2, 2], Nonlinearity::LeakyRelu(0.1)));
        assert_eq!(file.theta::<f32>(&layout()).unwrap().map_bits(), THETA.to_vec().map_bits());
        assert_eq!(file.tensor::<f64>("places", &[3]).unwrap(), [0.1, 1.7e9, -1.0]);
        assert_eq!(file.get::<[f64; 2]>("scale").unwrap(), [0.1, 1e300]);
    }
}

trait Bits {
    fn map_bits(&self) -> Vec<u32>;
}

impl Bits for Vec<f32> {
    fn map_bits(&self) -> Vec<u32> {
        self.iter().map(|x| x.to_bits()).collect()
    }
}

#[test]
fn a_file_of_another_tool_is_read_without_a_checksum() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let metadata = r#""format":"1","kind":"example.Net","config":"{\"widths\":[1],\"phi\":\"tanh\"}""#;
    let tensor = r#","theta.b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    foreign(&path, metadata, tensor, &[0, 0, 128, 63, 0, 0, 0, 64]);
    let file = ModelFile::load(&path).unwrap();
    let mut layout = Layout::new();
    layout.slot("b", [2], Init::Constant(0.0));
    assert_eq!(file.theta::<f32>(&layout).unwrap(), [1.0, 2.0]);
    assert_eq!(file.config::<Config>().unwrap().phi, Nonlinearity::Tanh);
}

#[test]
fn what_is_no_such_model_is_refused_with_both_sides() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let load = |metadata: &str| {
        foreign(&path, metadata, "", &[]);
        ModelFile::load(&path)
    };
    let error = load(r#""kind":"example.Net""#).unwrap_err();
    assert!(matches!(error, ModelFileError::NoModel { .. }), "{error}");
    for version in ["2", "0", "one"] {
        let error = load(&format!("\"format\":\"{version}\"")).unwrap_err();
        assert!(matches!(error, ModelFileError::Version { known: 1, .. }), "{error}");
        assert!(error.to_string().contains(&format!("found \"{version}\"")), "{error}");
    }
    let sound = load(r#""format":"1","kind":"vae.Vae","config":"[1]""#).unwrap();
    assert!(matches!(sound.config::<Config>().unwrap_err(), ModelFileError::Entry { .. }));
    assert!(
        sound.get::<f64>("scale").unwrap_err().to_string().ends_with("\"scale\": expected it, found none")
    );
    let error = sound.theta::<f32>(&layout()).unwrap_err().to_string();
    assert!(error.contains("expected a tensor theta.w"), "{error}");
    let error = sound.check_kind("example.Net").unwrap_err().to_string();
    assert!(error.ends_with("expected a model of kind example.Net, found vae.Vae"), "{error}");
    let error = ModelFile::load(folder.path().join("none")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read"), "{error}");
}

#[test]
fn a_flipped_bit_of_a_number_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    example().save(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = ModelFile::load(&path).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn a_network_comes_back_and_widths_that_make_none_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let config =
        MlpConfig { widths: vec![3, 4, 2], phi: Nonlinearity::LeakyRelu(0.2), psi: Nonlinearity::Tanh };
    let network = MlpModel::new(config.clone()).unwrap();
    let theta: Vec<f64> = (0..network.layout().size()).map(|i| (i as f64).sin()).collect();
    network.to_file(&theta).save(&path).unwrap();
    let (loaded, loaded_theta) = MlpModel::load::<f64>(&path).unwrap();
    assert_eq!((loaded.config(), &loaded_theta[..]), (&config, &theta[..]));
    assert_eq!((loaded.inputs(), loaded.outputs()), (3, 2));
    for widths in [vec![3], vec![3, 0, 2]] {
        let file = ModelFile::new(MlpModel::KIND, &MlpConfig { widths, ..config.clone() });
        let error = MlpModel::from_file::<f64>(&file).unwrap_err().to_string();
        assert!(error.contains("expected two or more positive numbers"), "{error}");
    }
}

#[test]
fn a_configuration_larger_than_the_file_and_numbers_that_are_not_finite_are_refused() {
    let network = |widths: &[usize]| MlpConfig {
        widths: widths.to_vec(),
        phi: Nonlinearity::Tanh,
        psi: Nonlinearity::Identity,
    };
    let model = MlpModel::new(network(&[2, 1])).unwrap();
    for (widths, says) in [
        (&[2, 1 << 40, 1][..], "has 3298534883328 or more parameters, the file has 3"),
        (&[1 << 63, 1 << 63], "has more than there can be parameters, the file has 3"),
        (&[1 << 63, 1, 1 << 63], "has more than there can be parameters"),
    ] {
        let mut file = ModelFile::new(MlpModel::KIND, &network(widths));
        file.insert_theta(model.layout(), &[1.0, 2.0, 3.0]);
        let error = MlpModel::from_file::<f64>(&file).unwrap_err().to_string();
        assert!(error.contains("the entry \"config\": a model") && error.contains(says), "{error}");
    }
    for wrong in [f64::NAN, f64::INFINITY] {
        let error = MlpModel::from_file::<f64>(&model.to_file(&[1.0, 2.0, wrong])).unwrap_err().to_string();
        assert!(error.contains("\"theta.network.0.bias\": expected finite numbers"), "{error}");
    }
}

#[test]
fn a_tensor_of_rows_has_as_many_as_there_are() {
    let mut file = example();
    file.insert("centres", &[3, 2], vec![1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(file.rows::<f64>("centres", 2).unwrap().row(2), [5.0, 6.0]);
    assert!(file.rows::<f64>("centres", 3).is_err() && file.rows::<f64>("none", 2).is_err());
    assert!(file.rows::<f32>("centres", 2).is_err() && file.rows::<f64>("places", 3).is_err());
}
