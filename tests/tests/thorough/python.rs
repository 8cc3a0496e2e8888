//! Models go to Python and come back. The interpreter is `$PYTHON`, or `python3`, with numpy and safetensors.

use std::process::Command;

use nn::data::Matrix;
use nn::model::{Model, ModelFile};
use tests::programs::{program, root};
use vae::Vae;

/// An interpreter that has what it takes; otherwise says that this is skipped.
fn python() -> Option<Command> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let ready = Command::new(&python).args(["-c", "import numpy, safetensors"]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(Command::new(python));
    }
    eprintln!("skipped: Python with numpy and safetensors is not there; name one by $PYTHON");
    None
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn python_encodes_and_decodes_as_the_model_does_and_its_files_are_read() {
    let Some(mut python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--epochs", "2", "--importance-samples", "2", "--out"];
    output(Command::new(program("digits")).args(flags).arg(folder.path()));
    let model = folder.path().join(ModelFile::NAME);
    let (vae, theta) = Vae::load::<f32>(&model).unwrap();
    let image = Matrix::new(1, 64, (0..64).map(|i| i as f32 / 63.0).collect());
    let z = vae.encode_rows(&theta, &image).mu;
    let expected = [&z.values[..], &vae.decode_rows(&theta, &z).values].concat();

    let numbers = output(python.arg(root().join("vae/examples/digits.py")).arg(&model));
    let numbers: Vec<f32> = numbers.split_whitespace().map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers.len(), expected.len());
    for (found, expected) in numbers.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{found} not {expected}");
    }

    // Twice the biases of the last layer, written by Python.
    let script = "import sys\nfrom safetensors import safe_open\nfrom safetensors.numpy import load_file, save_file\n\
        theta = load_file(sys.argv[1])\ntheta['theta.decoder.2.bias'] *= 2\n\
        metadata = safe_open(sys.argv[1], 'numpy').metadata()\nmetadata.pop('checksum')\n\
        save_file(theta, sys.argv[2], metadata)\n";
    let copy = folder.path().join("copy.safetensors");
    let python =
        self::python().expect("it was there").arg("-c").arg(script).args([&model, &copy]).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let (again, changed) = Vae::load::<f32>(&copy).unwrap();
    assert_eq!(again.config(), vae.config());
    let bias = vae.layout().range("decoder.2.bias");
    let twice: Vec<f32> = theta[bias.clone()].iter().map(|b| 2.0 * b).collect();
    assert_eq!(changed[bias.clone()], twice);
    assert_eq!(changed[..bias.start], theta[..bias.start]);
}
