//! What a checkpoint keeps, and what it refuses.

use std::fs;
use std::path::Path;

use nn::model::{Init, Layout};
use nn::train::{Checkpoint, CheckpointError};
use proptest::prelude::*;
use tempfile::tempdir;

const SLOTS: [(&str, &[usize]); 3] = [("w", &[2, 3]), ("b", &[3]), ("scale", &[])];

fn layout(slots: &[(&str, &[usize])]) -> Layout {
    let mut layout = Layout::new();
    for (name, shape) in slots {
        layout.slot(*name, *shape, Init::Constant(0.0));
    }
    layout
}
const THETA: [f32; 10] = [0.0, -0.0, f32::NAN, f32::INFINITY, 1e-45, -3.5, 7.0, 8.0, 9.0, 10.0];

fn example() -> Checkpoint {
    let mut checkpoint = Checkpoint::new();
    checkpoint.insert_vector("theta", &layout(&SLOTS), &THETA);
    checkpoint.insert("inducing", &[0, 4], Vec::<f64>::new());
    checkpoint.insert("kernel", &[2], vec![0.1_f64, 1e300]);
    checkpoint.set("epoch", 12);
    checkpoint.set("note", "β = 1 \"quoted\"\n");
    checkpoint
}

fn saved(folder: &Path) -> Vec<u8> {
    let path = folder.join("c.safetensors");
    example().save(&path).unwrap();
    fs::read(path).unwrap()
}

/// Loads these bytes as a file.
fn load(folder: &Path, bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let path = folder.join("other.safetensors");
    fs::write(&path, bytes).unwrap();
    Checkpoint::load(&path)
}

#[test]
fn what_is_saved_comes_back_bit_for_bit() {
    let folder = tempdir().unwrap();
    let loaded = load(folder.path(), &saved(folder.path())).unwrap();
    let theta: Vec<f32> = loaded.vector("theta", &layout(&SLOTS)).unwrap();
    assert_eq!(theta.map_bits(), THETA.to_vec().map_bits());
    assert_eq!(loaded.tensor::<f64>("kernel", &[2]).unwrap(), [0.1, 1e300]);
    assert_eq!(loaded.tensor::<f64>("inducing", &[0, 4]).unwrap(), [0.0; 0]);
    assert_eq!(loaded.value::<usize>("epoch").unwrap(), 12);
    assert_eq!(loaded.value::<String>("note").unwrap(), "β = 1 \"quoted\"\n");
    assert_eq!(
        loaded.names().collect::<Vec<_>>(),
        ["inducing", "kernel", "theta.b", "theta.scale", "theta.w"]
    );
}

trait Bits {
    fn map_bits(&self) -> Vec<u32>;
}

impl Bits for Vec<f32> {
    fn map_bits(&self) -> Vec<u32> {
        self.iter().map(|v| v.to_bits()).collect()
    }
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    assert_eq!(saved(one.path()), saved(two.path()));
}

#[test]
fn saving_replaces_the_old_file_and_leaves_nothing_beside_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    fs::write(&path, "old").unwrap();
    example().save(&path).unwrap();
    Checkpoint::load(&path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_save_that_fails_leaves_the_old_file_and_says_where() {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("missing").join("c.safetensors");
    let error = example().save(&missing).unwrap_err();
    assert!(matches!(error, CheckpointError::Write { .. }));
    assert!(error.to_string().contains(&*missing.to_string_lossy()), "{error}");
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("full")).unwrap();
    example().save(&taken).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the file written aside is gone");
}

#[test]
fn a_missing_file_is_named() {
    let error = Checkpoint::load(Path::new("no/such.safetensors")).unwrap_err();
    assert!(matches!(error, CheckpointError::Read { .. }));
    assert!(error.to_string().starts_with("cannot read no/such.safetensors: "), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempdir().unwrap();
    let bytes = saved(folder.path());
    for length in 0..bytes.len() {
        let error = load(folder.path(), &bytes[..length]).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{length}: {error}");
    }
}

#[test]
fn every_flipped_bit_is_an_error_or_means_the_same() {
    let folder = tempdir().unwrap();
    let bytes = saved(folder.path());
    let sound = |loaded: &Checkpoint| format!("{loaded:?}").replace("other", "c");
    let original = sound(&load(folder.path(), &bytes).unwrap());
    let mut harmless = 0;
    for bit in 0..8 * bytes.len() {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        if let Ok(loaded) = load(folder.path(), &altered) {
            assert_eq!(sound(&loaded), original, "bit {bit}");
            harmless += 1;
        }
    }
    assert!(harmless < 8, "only the blanks that pad the header may change: {harmless} bits");
}

#[test]
fn a_header_that_claims_more_than_the_file_holds_is_damaged() {
    let folder = tempdir().unwrap();
    for header in [
        r#"{"a":{"dtype":"F32","shape":[9999999999999],"data_offsets":[0,39999999999996]}}"#,
        r#"{"a":{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,4]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        "[]",
    ] {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
        assert!(matches!(load(folder.path(), &bytes), Err(CheckpointError::Damaged { .. })), "{header}");
    }
    assert!(matches!(load(folder.path(), &[255; 32]), Err(CheckpointError::Damaged { .. })));
}

#[test]
fn a_foreign_safetensors_file_is_told_apart() {
    let folder = tempdir().unwrap();
    for (header, reason) in [
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "it has no checksum"),
        (
            r#"{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}"#,
            "tensor a: expected F32 or F64, found I32",
        ),
    ] {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
        let error = load(folder.path(), &bytes).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}

#[test]
fn what_does_not_fit_the_model_is_told_with_both_sides() {
    let folder = tempdir().unwrap();
    let loaded = load(folder.path(), &saved(folder.path())).unwrap();
    let reason = |result: Result<(), CheckpointError>| match result {
        Err(CheckpointError::Mismatch { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let tensor = |name, shape: &[usize]| reason(loaded.tensor::<f32>(name, shape).map(drop));
    let vector = |slots: &[(&str, &[usize])]| reason(loaded.vector::<f32>("theta", &layout(slots)).map(drop));
    assert_eq!(tensor("theta.w", &[3, 2]), "tensor theta.w: expected shape [3, 2], found [2, 3]");
    assert_eq!(tensor("kernel", &[2]), "tensor kernel: expected F32, found F64");
    assert_eq!(
        tensor("theta.v", &[2]),
        "expected a tensor theta.v, found [inducing, kernel, theta.b, theta.scale, theta.w]"
    );
    assert_eq!(vector(&SLOTS[..2]), "expected no other tensors, found [theta.scale]");
    assert_eq!(reason(loaded.value::<u64>("step").map(drop)), "expected an entry \"step\", found none");
    assert_eq!(
        reason(loaded.value::<u64>("note").map(drop)),
        r#"the entry "note" makes no sense: "β = 1 \"quoted\"\n""#
    );
}

#[test]
#[should_panic(expected = "Checkpoint: w [2, 2]: expected 4 numbers, found 3")]
fn a_shape_that_disagrees_with_its_values_panics() {
    Checkpoint::new().insert("w", &[2, 2], vec![1.0_f32; 3]);
}

#[test]
#[should_panic(expected = "Checkpoint: theta: expected 10 numbers, found 7")]
fn a_vector_shorter_than_its_slots_panics() {
    Checkpoint::new().insert_vector("theta", &layout(&SLOTS), &THETA[..7]);
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let folder = tempdir().unwrap();
        let mut bytes = saved(folder.path());
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !keep {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = load(folder.path(), &bytes);
    }

    #[test]
    fn any_vector_round_trips(values in prop::collection::vec(any::<f64>(), 0..40)) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        let shape = [values.len()];
        let mut checkpoint = Checkpoint::new();
        checkpoint.insert("x", &shape, values.clone());
        checkpoint.save(&path).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        prop_assert_eq!(loaded.tensor::<f64>("x", &shape).unwrap(), &values[..]);
    }
}
