//! A training that is killed again and again, at any moment, and resumed, ends with the same bits as one that is left alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use safetensors::SafeTensors;
use tests::programs::program;

use crate::alone;

/// A run that ends by itself.
fn finish(name: &str, flags: &[&str], dir: &Path) {
    let output = Command::new(program(name)).args(flags).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{name} {flags:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What training made: the tensors of each checkpoint, which are θ and the optimiser's memory, and the rows of the metrics
/// without the time that they took. The tensor `history` is left out: it is these rows with the time.
fn outcome(run: &Path) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
    let mut files: Vec<_> = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut numbers, mut metrics) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".safetensors") {
            let bytes = fs::read(&file).unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            for (tensor, view) in tensors.iter().filter(|(tensor, _)| *tensor != "history") {
                numbers.push((format!("{name} {tensor}"), view.data().to_vec()));
            }
        } else if name.starts_with("metrics") {
            // The time is the last column.
            let text = fs::read_to_string(&file).unwrap();
            metrics.extend(text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()));
        }
    }
    numbers.sort();
    assert!(!numbers.is_empty() && !metrics.is_empty(), "{}", run.display());
    (numbers, metrics)
}

/// The kills hit a program that is running, at a random moment: at most a twentieth of the whole run after its start, or two
/// seconds where that is longer. Checkpoints are written once a second, so that a start makes half a second of progress on
/// average.
fn survives(name: &str, flags: &[&str], kills: usize) {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    let to = |out: &'static str| [flags, &["--out", out]].concat();
    let start = Instant::now();
    finish(name, &to("whole"), dir.path());
    let longest = (start.elapsed() / 20).max(Duration::from_secs(2));
    let resume = [&to("killed")[..], &["--resume"]].concat();
    let mut random = StdRng::seed_from_u64(1);
    for kill in 0..kills {
        let flags =
            if has_checkpoint(&killed) { resume.clone() } else { [&to("killed")[..], &["--force"]].concat() };
        let mut program = Command::new(program(name));
        program.args(&flags).current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = program.spawn().unwrap();
        std::thread::sleep(random.random_range(Duration::from_millis(1)..longest));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{name} ended after kill {kill}: {ended:?}");
            // On a machine that is much faster the last kills come too late.
            assert!(kill > kills * 2 / 3, "{name} ended after kill {kill}: it needs more epochs");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = if has_checkpoint(&killed) { resume } else { [&to("killed")[..], &["--force"]].concat() };
    finish(name, &last, dir.path());
    // Not by assert_eq, which would print all numbers.
    assert!(
        outcome(&killed) == outcome(&whole),
        "{name}: other numbers than those of the run that was left alone"
    );
}

/// Whether a run has come so far that it can be resumed.
fn has_checkpoint(run: &Path) -> bool {
    let Ok(files) = fs::read_dir(run) else { return false };
    files
        .map(|entry| entry.unwrap().path())
        .any(|file| file.extension().is_some_and(|end| end == "safetensors"))
}

#[test]
fn digits_survive_thirty_kills() {
    survives("digits", &["--epochs", "15000", "--importance-samples", "2", "--threads", "1"], 30);
}

#[test]
fn a_time_series_survives_thirty_kills() {
    survives("timeseries", &["--epochs", "40000", "--steps", "1000000"], 30);
}

#[test]
fn two_methods_on_rotated_digits_survive_thirty_kills() {
    let flags = ["--objects", "40", "--methods", "joint,disjoint", "--epochs", "2500", "--threads", "1"];
    survives("rotated_digits", &flags, 30);
}
